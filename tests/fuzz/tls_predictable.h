// SPDX-License-Identifier: Apache-2.0
//
// What predictable crypto (tls_predictable.c) has beyond crypto's headers.
#pragma once

#include "crypto/keys.h"

// A private key that is nothing but its type.
const struct private_key *tls_predictable_key(enum key_type type);
