// SPDX-License-Identifier: Apache-2.0
//
// From a private key's record (snapshot.h) to its numbers, which crypto/key_numbers.h loads.
#pragma once

#include "crypto/key_numbers.h"
#include "snapshot.h"

// The numbers are borrowed from the record. False: they are not of the lengths that the type demands.
__attribute__((warn_unused_result)) bool key_record_read(
	const struct snapshot_private_key *head, struct span numbers, struct key_numbers *out_numbers);
