// SPDX-License-Identifier: Apache-2.0
//
// Which groups there are (RFC 8446 4.2.7), and how long what belongs to them gets at most; group.c has a row
// for each.
#pragma once

enum group_id {
	GROUP_SECP256R1 = 0x0017,
	GROUP_SECP384R1 = 0x0018,
	GROUP_X25519 = 0x001d
};

enum {
	N_GROUPS = 3,
	GROUP_SHARE_MAX_LEN = 97,
	GROUP_SECRET_MAX_LEN = 48,
	GROUP_PRIVATE_MAX_LEN = 48,
	GROUP_JOBS_MAX = 2
};
