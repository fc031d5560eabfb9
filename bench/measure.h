// SPDX-License-Identifier: Apache-2.0
//
// The harness of the microbenchmarks (PERFORMANCE.md, "How to measure").
//
// A provider offers rows; the harness runs each row's body and its reference interleaved, after a warm-up,
// many times, and keeps the lowest and the median of each: on a noisy machine those two are stable, and only
// figures of the same run are compared. The unit is TSC ticks per operation.
//
// To add rows: a file bench_crypto_<what>.c with a function
//
//     void bench_rows_<what>(struct measure *measure);
//
// that calls measure_row once per row, declared in bench_rows.h and called by bench_crypto.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Runs the operation `times` times in a row. context is the row's.
typedef void measure_body(void *context, size_t times);

struct measure_row {
	const char *name; // stable: "x25519_keygen", "rsa2048_sign", "aes128gcm_seal_16384"
	unsigned lanes;   // independent operations that one run of body does: 1, 2, 4, 8; 1 where it has no
			  // lanes
	measure_body *body;
	void *context;
	// The same operation by the reference, one at a time; NULL: none.
	const char *reference; // "OpenSSL 3.0.17 EVP_PKEY_sign"
	measure_body *reference_body;
	void *reference_context;
	// Operations that one run of a body does in each lane; 0 means 1.
	unsigned n_per_run;
	unsigned n_per_reference_run;
	uint64_t limit; // counted limit of the machine, tsc per operation (PERFORMANCE.md); 0: none known
};

struct measure;

// Measures one row now and prints or stores it: body against reference, interleaved.
void measure_row(struct measure *measure, const struct measure_row *row);

// The same from samples that the provider took itself, where only a part of what runs is to be measured:
// ticks per operation, n of its own and n of the reference, taken in turn. Both are sorted here.
void measure_samples(struct measure *measure, const struct measure_row *row, double *own, double *reference,
	unsigned n_samples);

// A figure that the provider worked out itself.
void measure_value(struct measure *measure, const char *name, const char *unit, double value);

// From the row of eight lanes, whose kernel costs nearly the same however few of them are used: the smallest
// number of operations that is cheaper by kernel than one at a time by the reference. Adds a row
// <name>_break_even.
void measure_break_even(struct measure *measure, const char *name);

// The median of the latest row with this name and lanes, tsc per operation; 0 when there is none (it was not
// selected).
double measure_median(const struct measure *measure, const char *name, unsigned lanes);
double measure_reference_median(const struct measure *measure, const char *name, unsigned lanes);

// Whether rows with this name are wanted (--only), so that a provider can skip expensive preparation.
bool measure_wants(const struct measure *measure, const char *name);

struct measure_options {
	const char *only;   // rows whose name contains this; NULL: all
	unsigned n_samples; // per row
	bool json;          // one object on standard output instead of the table
};

struct measure *measure_create(const struct measure_options *options);

// Prints the JSON object, if that was asked for, and releases everything.
void measure_finish(struct measure *measure);
