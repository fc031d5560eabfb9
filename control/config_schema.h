// SPDX-License-Identifier: Apache-2.0
//
// Every key of the configuration, in tables: its name, type, range, default and meaning, and where the value
// goes. The reader, the messages about what is allowed and the manual page sluice.yaml(5) all come from here.
#pragma once

#include "memory.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
	CONFIG_TYPE_STRING,
	CONFIG_TYPE_NAME,     // letters, digits, '_', '-', '.'; at most 31
	CONFIG_TYPE_PATH,     // absolute
	CONFIG_TYPE_WORD,     // one of `words`; the value is its index, an int
	CONFIG_TYPE_BOOL,     // on or off
	CONFIG_TYPE_NUMBER,   // uint64_t
	CONFIG_TYPE_SIZE,     // bytes, with K, M, G, T (powers of 1,024)
	CONFIG_TYPE_DURATION, // microseconds, with us, ms, s, m, h, d
	CONFIG_TYPE_ADDRESS,  // struct address
	CONFIG_TYPE_PREFIX,   // struct prefix
	CONFIG_TYPE_ENDPOINT, // struct endpoint
	CONFIG_TYPE_DNS_NAME, // a host name, exact or "*." and a domain; stored in lower case
	CONFIG_TYPE_MAPPING,  // a struct of its own, by `child`
};

enum config_shape {
	CONFIG_ONE,
	CONFIG_LIST,  // an array; a single value stands for a list of one
	CONFIG_NAMED, // a mapping from names to structs: an array whose items have their name in "name"
};

struct config_schema;

struct config_key {
	const char *name;
	enum config_type type;
	enum config_shape shape;
	size_t offset;
	uint64_t min; // of numbers, sizes, durations; of the length of a list
	uint64_t max;
	const char *fallback; // the default, as one would write it; NULL: none
	bool required;
	const char *const *words;
	const struct config_schema *child;
	const char *help;
};

struct config_schema {
	const char *name; // in error messages and the manual: "a listener"
	size_t size;      // of the struct, which starts with a struct config_mark
	const struct config_key *keys;
	size_t n_keys;
	const char *shorthand; // the key that a lone value stands for, or NULL
};

extern const struct config_schema config_schema_root;

const struct config_key *config_schema_find(const struct config_schema *schema, const char *name);

// Fills a zeroed struct with the defaults of its keys.
void config_schema_defaults(const struct config_schema *schema, struct memory_zone *zone, void *out);

// Reads one value of a key's type; `out` is where its struct has it (or a new list item). False: it is not
// allowed, and nothing was written.
bool config_value_parse(const struct config_key *key, struct memory_zone *zone, const char *text, void *out)
	__attribute__((warn_unused_result));

// Bytes of one value of the key's type.
size_t config_value_size(const struct config_key *key);

// "a number from 1 to 4094", "one of: tls, tcp": what a message says is allowed.
void config_schema_allowed(const struct config_key *key, struct text *text);

// Every key as the body of a manual page (mdoc).
void config_schema_manual(struct text *text);
