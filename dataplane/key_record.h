// SPDX-License-Identifier: Apache-2.0
//
// From the numbers that a private key's record carries (snapshot.h) to OpenSSL's form, which crypto/keys.h
// loads.
#pragma once

#include "base/span.h"
#include "snapshot.h"

struct evp_pkey_st;

// The caller frees the key with EVP_PKEY_free, which wipes what is private in it. NULL: the numbers are not
// of the lengths that the type demands, or OpenSSL does not take them.
struct evp_pkey_st *key_record_read(const struct snapshot_private_key *head, struct span numbers);
