// SPDX-License-Identifier: Apache-2.0
//
// The second part of the page of counters (counter_page_layout.h, whose tally_offset leads here): what is
// counted of single listeners and servers. All offsets are bytes from the start of the whole page.
//
//   tally_header | listeners' names | servers' names | worker 0: listeners' rows, servers' rows | worker 1
//   ...
//
// A row is an array of 64-bit values in the order of tallies_listener.def or tallies_server.def, on its own
// cache lines, written by its worker alone with relaxed stores. Row 0 of each table collects what has no row
// of its own. A name's place is taken while `used` is not 0; it keeps its row as long as any snapshot that a
// connection uses names it, and a row that is taken again begins at zero with another `used`. Who reads a row
// reads `used` before and after it.
#pragma once

#include <stdint.h>

#define TALLY_PAGE_MAGIC UINT64_C(0x31796c6c61743131)

enum {
	TALLY_LISTENERS = 1025, // rows, the first included
	TALLY_SERVERS = 9217,
	TALLY_NAME_MAX = 64,
	TALLY_GROUP_MAX = 32,
};

enum tally_listener {
#define TALLY(id, name, help) TALLY_LISTENER_##id,
#include "tallies_listener.def"
#undef TALLY
	N_TALLIES_LISTENER
};

enum tally_server {
#define TALLY(id, name, help) TALLY_SERVER_##id,
#include "tallies_server.def"
#undef TALLY
	N_TALLIES_SERVER
};

struct tally_name {
	uint32_t used; // 0: free; otherwise which use of the place this is
	uint16_t port; // of a server
	uint16_t reserved;
	uint8_t address[16];         // of a server
	char group[TALLY_GROUP_MAX]; // of a server: its backend
	char name[TALLY_NAME_MAX];
	uint8_t reserved2[8];
};

struct tally_header {
	uint64_t magic;
	uint32_t n_listeners; // TALLY_LISTENERS of the writer
	uint32_t n_servers;
	uint32_t n_listener_tallies; // values of a row
	uint32_t n_server_tallies;
	uint32_t listener_stride; // bytes of a row
	uint32_t server_stride;
	uint64_t listener_names_offset;
	uint64_t server_names_offset;
	uint64_t listeners_offset; // worker 0's rows
	uint64_t servers_offset;
	uint64_t worker_stride; // from one worker's rows to the next one's
	uint64_t reserved[7];
};

_Static_assert(sizeof(struct tally_name) == 128, "fixed width");
_Static_assert(sizeof(struct tally_header) == 128, "fixed width");
