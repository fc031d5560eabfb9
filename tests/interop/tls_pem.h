// SPDX-License-Identifier: Apache-2.0
//
// Identities from PEM files, for the programs that outside test suites drive.
#pragma once

#include "tls_fixture.h"

// The chain of one file with the key of another; NULL when a file can't be read or the key is not ours to
// use.
struct tls_identity *tls_pem_identity(
	const char *chain_file, const char *key_file, struct span staple, struct span scts);
