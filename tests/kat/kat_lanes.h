// SPDX-License-Identifier: Apache-2.0
//
// Vectors for the eight-lane kernels: gathered by eight, and each eight run eight times, turned by one lane,
// on both bodies, so that every vector sees every lane and every neighbour.
#pragma once

#include "crypto/mb/kernels.h"
#include "kat/kat.h"

enum {
	LANE_INPUTS_MAX = 4,
	LANE_INPUT_LEN = 104,
	LANE_OUTPUT_LEN = 104
};

struct lane_vector {
	char name[120];
	bool valid; // whether the kernel must accept it
	uint8_t in[LANE_INPUTS_MAX][LANE_INPUT_LEN];
	uint8_t expected[LANE_OUTPUT_LEN]; // of a valid one; an invalid one must give zeros
	size_t expected_len;
};

// Runs MB_LANES vectors and returns the kernel's mask.
typedef uint64_t lane_run(const struct mb_kernels *kernels, const struct lane_vector *const vectors[MB_LANES],
	uint8_t out[MB_LANES][LANE_OUTPUT_LEN]);

struct lanes {
	const char *set;
	lane_run *run;
	unsigned n;
	struct lane_vector vectors[MB_LANES];
};

struct lanes *lanes_begin(const char *set, lane_run *run);

// The next vector to fill in, zeroed, with its name; lanes_add takes it.
struct lane_vector *lanes_next(struct lanes *lanes, const char *name);
void lanes_add(struct lanes *lanes);

// Runs what is left, the free lanes filled up with the first vector.
void lanes_end(struct lanes *lanes);

// Copies a big-endian number into len bytes, without or with zeros in front; false if it doesn't fit.
bool lanes_number(uint8_t *out, size_t len, struct span number);

// As kat_bytes, for numbers that may have an odd count of hexadecimal digits.
struct span lanes_bytes(const struct kat_file *file, const char *name);

// "[P-256,SHA-1]" or "P-256" -> the curve; false for other curves.
bool lanes_curve(const char *text, enum mb_curve *out_curve);

// The uncompressed point of two coordinates; false if one doesn't fit.
bool lanes_point(uint8_t *out, enum mb_curve curve, struct span x, struct span y);
