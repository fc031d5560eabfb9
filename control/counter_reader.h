// SPDX-License-Identifier: Apache-2.0
//
// The dataplane's page of counters, mapped for reading (include/counter_page_layout.h). A page of another
// release, whose counters are others, is refused as a whole. Whoever broke into the dataplane can write to it
// at any time: where things are is read once, checked, and kept here; and a page that could become shorter is
// refused, because reading behind its end would kill us.
#pragma once

#include "base/counters.h"
#include "counter_page_layout.h"

#include <stdbool.h>
#include <stddef.h>

struct counter_reader {
	const uint8_t *page; // NULL: no page
	size_t len;
	struct counter_page_header header; // as it was checked
};

// NULL, or why the page can't be used. The descriptor stays the caller's.
const char *counter_reader_open(struct counter_reader *reader, int fd);
void counter_reader_close(struct counter_reader *reader);

static inline uint32_t counter_reader_n_workers(const struct counter_reader *reader)
{
	return reader->page != NULL ? reader->header.n_workers : 0;
}

// 0 when there is no page or no such worker.
uint64_t counter_reader_get(const struct counter_reader *reader, uint32_t worker_idx, enum counter id);
uint64_t counter_reader_total(const struct counter_reader *reader, enum counter id);

// A histogram of include/histograms.def.
enum histogram_unit {
	HISTOGRAM_ONE,
	HISTOGRAM_MICROSECONDS,
	HISTOGRAM_TSC_TICKS
};

struct histogram {
	const char *metric;
	const char *help;
	enum counter first;
	int exponent; // of the first bucket's bound; HISTOGRAM_LINEAR
	unsigned n_buckets;
	enum counter sum;
	enum histogram_unit unit;
};

enum {
	HISTOGRAM_LINEAR = -1
};

// The next after one (NULL: the first); NULL: there is none.
const struct histogram *histogram_next(const struct histogram *histogram);

// The largest value of a bucket; INFINITY of the last, if something can be beyond.
double histogram_bound(const struct histogram *histogram, unsigned bucket, uint64_t tsc_hz);
double histogram_scale(const struct histogram *histogram, uint64_t tsc_hz);

// Whether the counter is but a bucket, which nobody wants to see alone.
bool counter_is_bucket(enum counter id);

// Whether the counter is a value of now instead of a sum that only grows.
bool counter_is_gauge(enum counter id);
