// SPDX-License-Identifier: Apache-2.0
//
// What operators changed on the running system: limits, weights, and servers and listeners taken out of use.
// It lies over whatever configuration is in force, survives reloads and restarts (a file in the state
// directory), and ends when an operator takes it back. What names something that the configuration does not
// have (any more) has no effect.
#pragma once

#include "config.h"

enum override_kind {
	OVERRIDE_LIMIT,
	OVERRIDE_WEIGHT,   // BACKEND/SERVER
	OVERRIDE_SERVER,   // BACKEND/SERVER: enum config_use
	OVERRIDE_BACKEND,  // all of its servers: enum config_use
	OVERRIDE_LISTENER, // enum config_use
	N_OVERRIDE_KINDS
};

enum {
	OVERRIDE_NAME_MAX = 128
};

struct override {
	enum override_kind kind;
	uint64_t value;
	char name[OVERRIDE_NAME_MAX];
};

struct overrides {
	struct override *items;
	size_t n_items;
	size_t capacity;
};

// NULL, or why the name can't be: it is too long or has characters that no name has.
const char *overrides_set(
	struct overrides *overrides, enum override_kind kind, const char *name, uint64_t value);
void overrides_clear(struct overrides *overrides, enum override_kind kind, const char *name);
const struct override *overrides_find(
	const struct overrides *overrides, enum override_kind kind, const char *name);

// Puts them over a configuration, in place of those that were put over it before.
void overrides_apply(const struct overrides *overrides, struct config *config);

// The file, one a line; what is in it and makes no sense is left out. Saving replaces it as a whole; false:
// errno says why not.
void overrides_load(struct overrides *overrides, const char *path);
bool overrides_save(const struct overrides *overrides, const char *path) __attribute__((warn_unused_result));

// A limit by the name that operators use; NULL: there is none of the name.
uint64_t *overrides_limit(struct config_limits *limits, const char *name);

// "enabled", "drained", "disabled"
const char *config_use_name(int use);

void overrides_free(struct overrides *overrides);
