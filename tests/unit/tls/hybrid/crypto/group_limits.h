// SPDX-License-Identifier: Apache-2.0
//
// crypto/group_limits.h as it will be with a hybrid group, for the test that the TLS engine takes shares of
// more than a kilobyte whose length differs by direction. It stands before the real one in the test's include
// path, and the engine is compiled anew against it.
#pragma once

enum group_id {
	GROUP_SECP256R1 = 0x0017,
	GROUP_SECP384R1 = 0x0018,
	GROUP_X25519 = 0x001d,
	GROUP_DUMMY_HYBRID = 0x11ec // the sizes of X25519MLKEM768, and nothing else of it
};

enum {
	N_GROUPS = 4,
	GROUP_CLIENT_SHARE_LEN = 1184 + 32, // ML-KEM-768's encapsulation key (FIPS 203) and an X25519 share
	GROUP_SERVER_SHARE_LEN = 1088 + 32, // its ciphertext and a share
	GROUP_SHARE_MAX_LEN = GROUP_CLIENT_SHARE_LEN,
	GROUP_SECRET_MAX_LEN = 64,
	GROUP_PRIVATE_MAX_LEN = 2400 + 32,
	GROUP_JOBS_MAX = 2
};
