// SPDX-License-Identifier: Apache-2.0
//
// Which body each primitive runs with, chosen once by CPU feature before anything else runs and printable.
//
// IFMA: the eight-lane kernels of crypto/mb in AVX-512. SCALAR: OpenSSL, one operation at a time, behind the
// same interfaces. PLAIN: the eight-lane kernels in plain C, which valgrind, sanitizers and fuzzers can
// follow; never chosen by itself.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum select_lanes {
	SELECT_LANES_AUTO, // the best that the CPU has
	SELECT_LANES_IFMA,
	SELECT_LANES_SCALAR,
	SELECT_LANES_PLAIN
};

struct select_features {
	bool avx512;      // F, DQ, BW and VL, and a system that saves the registers
	bool avx512_ifma; // what the kernels of crypto/mb need
	bool sha_ni;
	bool vaes;
	bool rdrand;
};

// What this CPU and operating system offer; asked once, at program load.
const struct select_features *select_features(void);

// AUTO becomes IFMA where the CPU has it, else SCALAR; the others stay as they are.
enum select_lanes select_resolve_lanes(enum select_lanes lanes);

const char *select_lanes_name(enum select_lanes lanes);

// One line for people: "lanes ifma, sha256 sha-ni, sha384 avx512, aead ipsec-mb 1.3.0 vaes, scalar 3.0.17".
// Returns its length.
size_t select_describe(enum select_lanes lanes, char *out, size_t out_len);
