// SPDX-License-Identifier: Apache-2.0
//
// What the dataplane counts of single listeners and servers (include/tally_page_layout.h), read from the page
// that the counters are on. A page that contradicts itself has no rows.
#pragma once

#include "counter_reader.h"
#include "tally_page_layout.h"

#include <stdbool.h>

struct endpoint;

struct tally_reader {
	const uint8_t *page;        // NULL: no rows
	struct tally_header header; // as it was checked: the page may change under us
	uint32_t n_workers;
};

// One that is valid as long as the counters' is. Cheap: made for each use.
struct tally_reader tally_reader_over(const struct counter_reader *counters);

// The row of a name; false: it has none (yet).
bool tally_reader_find_listener(const struct tally_reader *reader, const char *name, uint32_t *out_row);
bool tally_reader_find_server(const struct tally_reader *reader, const char *backend, const char *name,
	const struct endpoint *address, uint32_t *out_row);

uint64_t tally_reader_listener(
	const struct tally_reader *reader, uint32_t worker_idx, uint32_t row, enum tally_listener id);
uint64_t tally_reader_server(
	const struct tally_reader *reader, uint32_t worker_idx, uint32_t row, enum tally_server id);

// Over all workers.
uint64_t tally_reader_listener_total(const struct tally_reader *reader, uint32_t row, enum tally_listener id);
uint64_t tally_reader_server_total(const struct tally_reader *reader, uint32_t row, enum tally_server id);

const char *tally_listener_name(enum tally_listener id);
const char *tally_listener_help(enum tally_listener id);
const char *tally_server_name(enum tally_server id);
const char *tally_server_help(enum tally_server id);
