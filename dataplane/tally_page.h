// SPDX-License-Identifier: Apache-2.0
//
// The part of the page of counters that belongs to listeners and servers (include/tally_page_layout.h): which
// name has which row. The main thread gives rows to what a snapshot names, and takes them back when no worker
// uses the snapshot any more; workers only write to rows.
#pragma once

#include "base/span.h"
#include "base/tallies.h"

struct tally_page {
	struct tally_header *header; // NULL: there is none, and every row is 0
	uint32_t n_workers;
	uint32_t next_use;
	uint32_t n_listeners_ever, n_servers_ever;  // no row behind these was ever used
	uint32_t n_listener_users[TALLY_LISTENERS]; // snapshots that use the row
	uint32_t n_server_users[TALLY_SERVERS];
};

// Bytes behind the counters that the rows of so many workers take. Untouched ones cost no memory.
uint64_t tally_page_len(uint32_t n_workers);

// Lays the tables out at `offset` of the page, whose memory is zero and tally_page_len bytes long there.
void tally_page_init(struct tally_page *tallies, void *page, uint64_t offset, uint32_t n_workers);

struct tallies tally_page_worker(const struct tally_page *tallies, uint32_t worker_idx);

// The row of a name, its own or a free one; 0 when the table is full. Each use is given back once.
uint32_t tally_page_use_listener(struct tally_page *tallies, const char *name);
void tally_page_drop_listener(struct tally_page *tallies, uint32_t idx);

struct tally_server_id {
	const char *backend;
	const char *name;
	const uint8_t *address; // 16 bytes
	uint16_t port;
};
uint32_t tally_page_use_server(struct tally_page *tallies, const struct tally_server_id *id);
void tally_page_drop_server(struct tally_page *tallies, uint32_t idx);
