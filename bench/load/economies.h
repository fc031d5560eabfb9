// SPDX-License-Identifier: Apache-2.0
//
// What the generator saves against a real client, so that it is cheaper than the server that it measures. The
// dataplane's libraries know nothing of it: the linker puts these functions in the place of theirs (--wrap).
//
//   ephemeral_pool_take   key shares come from a store made beforehand and are used over and over. The server
//                         can't tell, and its work is the same; there is no forward secrecy to be lost here.
//   verify_start,         of the server's signatures one in so many is checked, in full.
//   verify_start_digest
#pragma once

#include "crypto/crypto.h"

struct economies {
	struct crypto *crypto;
	uint32_t n_shares;     // of each kind; 0: a fresh one each time
	uint32_t verify_every; // 0: none is checked
};

// Makes the shares: a second for a hundred thousand.
void economies_begin(const struct economies *economies);
void economies_end(void);

// Signatures that were checked, and passed over.
uint64_t economies_n_verified(void);
uint64_t economies_n_unverified(void);
