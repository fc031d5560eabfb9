// SPDX-License-Identifier: Apache-2.0
//
// The shared page of counters: made by the dataplane as a memfd, mapped read-only by the control process.
//
//   header | block of worker 0 | block of worker 1 | ...       each block: n_counters 64-bit values, 64-byte
//   aligned
//
// A reader built from another version compares the layout hash and refuses a page that it would misread.
#pragma once

#include <stdint.h>

#define COUNTER_PAGE_MAGIC UINT64_C(0x31656369756c5331) // "1Sluice1"

struct counter_page_header {
	uint64_t magic;
	uint64_t layout_hash; // base/counters.h counters_layout_hash
	uint32_t n_workers;
	uint32_t n_counters;
	uint32_t block_offset; // bytes from the start of the page to worker 0's block
	uint32_t block_stride; // bytes from one worker's block to the next
	uint64_t tsc_hz;       // rate of the cycle counters
	uint64_t tally_offset; // of tally_page_layout.h's header; 0: there is none
	uint64_t reserved[2];
};

_Static_assert(sizeof(struct counter_page_header) == 64, "one cache line");
