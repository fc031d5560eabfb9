// SPDX-License-Identifier: Apache-2.0
//
// Known-answer tests: reading vectors that lie outside of the project, and counting.
//
// Two places: $SLUICE_VECTORS (Wycheproof as JSON; BoringSSL's and RFC values as text) and Debian's
// python3-cryptography-vectors (NIST's sets as text). A set that is absent is reported and skipped; a program
// all of whose sets are absent exits with 77, meson's code for a skipped test. A set that is there and yields
// no vector is an error: the reader did not understand it.
#pragma once

#include "base/span.h"

#include <stdio.h>

enum {
	KAT_FIELDS_MAX = 32,
	KAT_NAME_MAX = 256
};

enum kat_place {
	KAT_SLUICE_VECTORS,
	KAT_CRYPTOGRAPHY_VECTORS
};

// A text file of blocks of "name = value" or "name: value" lines, separated by empty lines, under section
// lines "[name = value]". A line with a name only is a field with an empty value.
struct kat_file {
	FILE *file;
	const char *path; // as given, for messages
	char section[KAT_NAME_MAX];
	struct {
		char *name;
		char *value;
	} fields[KAT_FIELDS_MAX];
	unsigned n_fields;
	unsigned n_blocks;
};

// False when it is absent (reported and counted as a skip).
bool kat_open(struct kat_file *file, enum kat_place place, const char *path);

// The next block with at least one field; false, and the file closed, at the end. A file without any block
// counts as a failure.
bool kat_next(struct kat_file *file);

// NULL when the block has no such field.
const char *kat_field(const struct kat_file *file, const char *name);

// The bytes of a field in hexadecimal, or of a quoted string; empty when it is absent. Valid until kat_reset.
struct span kat_bytes(const struct kat_file *file, const char *name);
struct span kat_parse(const char *hex_or_quoted);

// Releases all that kat_parse and kat_bytes handed out.
void kat_reset(void);

// The path of a file, for readers of other forms; NULL when absent (reported and counted as a skip). Valid
// until the next call.
const char *kat_path(enum kat_place place, const char *path);

// Counts one vector; a failed one is printed.
void kat_check(bool passed, const char *set, const char *vector);

// Prints the counts and returns main's exit code: 1 if anything failed, 77 if nothing was there.
int kat_finish(void);
