// SPDX-License-Identifier: Apache-2.0
//
// Latencies by the thousand, in constant space and with a relative error below one per cent, in the manner of
// HdrHistogram: each power of two is divided into 128 equal buckets.
//
//   value   0 .. 127 | 128 .. 255 | 256 .. 511 | ...      nanoseconds
//   width      1     |     1      |     2      | ...
#pragma once

#include <stdint.h>

enum {
	HISTOGRAM_SUB_BITS = 7,
	HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS,
	HISTOGRAM_VALUE_BITS = 40, // 18 minutes; what is longer counts as that
	HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB
};

struct histogram {
	uint64_t n;
	uint64_t sum;
	uint64_t min;
	uint64_t max;
	uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

// The smallest value that at least this fraction (0 to 1) of all does not exceed, up to the bucket's width;
// never more than the largest seen. 0 when there is none.
uint64_t histogram_quantile(const struct histogram *histogram, double fraction);

double histogram_mean(const struct histogram *histogram);
