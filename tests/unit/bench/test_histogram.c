// SPDX-License-Identifier: Apache-2.0
#include "load/histogram.h"

#include "seam/cmocka_all.h"

#include <stdlib.h>

static struct histogram histogram, other;

static int clear(void **state)
{
	(void)state;
	histogram_clear(&histogram);
	histogram_clear(&other);
	return 0;
}

static void assert_near(uint64_t value, uint64_t wanted)
{
	assert_true(value >= wanted - wanted / 100 && value <= wanted + wanted / 100);
}

static void an_empty_one_says_nothing(void **state)
{
	(void)state;
	assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
	assert_int_equal(histogram_quantile(&histogram, 1), 0);
	assert_true(histogram_mean(&histogram) == 0);
}

static void small_values_are_exact(void **state)
{
	(void)state;
	for (uint64_t value = 0; value < 2 * HISTOGRAM_SUB; value++) {
		histogram_clear(&histogram);
		histogram_add(&histogram, value);
		assert_int_equal(histogram_quantile(&histogram, 0.5), value);
		assert_int_equal(histogram.min, value);
		assert_int_equal(histogram.max, value);
	}
}

// Around every power of two, where buckets change their width.
static void the_error_stays_below_one_per_cent(void **state)
{
	(void)state;
	for (unsigned bit = 1; bit < HISTOGRAM_VALUE_BITS; bit++)
		for (int64_t offset = -3; offset <= 3; offset++) {
			uint64_t value = (uint64_t)((INT64_C(1) << bit) + offset);

			if ((INT64_C(1) << bit) + offset < 0)
				continue;
			histogram_clear(&histogram);
			histogram_add(&histogram, value);
			histogram_add(&histogram, UINT64_C(1) << (HISTOGRAM_VALUE_BITS - 1));
			assert_near(histogram_quantile(&histogram, 0.5), value);
		}
}

static void quantiles_of_a_ramp(void **state)
{
	(void)state;
	for (uint64_t value = 1; value <= 100000; value++)
		histogram_add(&histogram, value);
	assert_near(histogram_quantile(&histogram, 0.5), 50000);
	assert_near(histogram_quantile(&histogram, 0.99), 99000);
	assert_near(histogram_quantile(&histogram, 0.999), 99900);
	assert_int_equal(histogram_quantile(&histogram, 1), 100000);
	assert_int_equal(histogram_quantile(&histogram, 0), 1);
	assert_true(histogram_mean(&histogram) > 50000 && histogram_mean(&histogram) < 50001);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

// Latencies as they are: most near one another, a long tail; and every count up to some hundred, so that
// every rounding of the rank occurs. The rank is counted in whole numbers here: the smallest value that so
// many per mille do not exceed.
static void quantiles_are_those_of_a_sorted_list(void **state)
{
	static const uint64_t per_mille[] = {1, 100, 500, 900, 990, 999, 1000};
	static uint64_t values[4001];
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (uint64_t n = 1; n <= 4001; n += n < 300 ? 1 : 1237) {
		histogram_clear(&histogram);
		for (uint64_t i = 0; i < n; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			values[i] = (seed % 1000000) << (seed >> 60);
			histogram_add(&histogram, values[i]);
		}
		qsort(values, n, sizeof values[0], by_size);
		for (size_t i = 0; i < sizeof per_mille / sizeof per_mille[0]; i++) {
			uint64_t wanted = values[(per_mille[i] * n + 999) / 1000 - 1];
			uint64_t got = histogram_quantile(&histogram, (double)per_mille[i] / 1000);

			// Never below it, and above it by less than a bucket.
			assert_in_range(got, wanted, wanted + wanted / HISTOGRAM_SUB);
		}
	}
}

// One slow one among a hundred shows at p99.5 and not at p99.
static void the_tail_is_not_lost(void **state)
{
	(void)state;
	for (int i = 0; i < 99; i++)
		histogram_add(&histogram, 1000);
	histogram_add(&histogram, 1000000);
	assert_near(histogram_quantile(&histogram, 0.99), 1000);
	assert_near(histogram_quantile(&histogram, 0.995), 1000000);
}

static void a_quantile_never_exceeds_the_largest(void **state)
{
	(void)state;
	histogram_add(&histogram, 1000001);
	assert_int_equal(histogram_quantile(&histogram, 0.5), 1000001);
	assert_int_equal(histogram_quantile(&histogram, 1), 1000001);
}

static void what_is_too_long_counts_as_the_longest(void **state)
{
	(void)state;
	histogram_add(&histogram, UINT64_MAX);
	histogram_add(&histogram, UINT64_C(1) << HISTOGRAM_VALUE_BITS);
	assert_int_equal(histogram.n, 2);
	assert_int_equal(histogram.counts[HISTOGRAM_BUCKETS - 1], 2);
}

static void merging_is_adding(void **state)
{
	(void)state;
	histogram_add(&histogram, 10);
	histogram_add(&other, 5);
	histogram_add(&other, 500000);
	histogram_merge(&histogram, &other);
	assert_int_equal(histogram.n, 3);
	assert_int_equal(histogram.min, 5);
	assert_int_equal(histogram.max, 500000);
	assert_int_equal(histogram_quantile(&histogram, 0.5), 10);
	histogram_clear(&other);
	histogram_merge(&histogram, &other); // an empty one changes nothing
	assert_int_equal(histogram.n, 3);
	assert_int_equal(histogram.min, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_empty_one_says_nothing, clear),
		cmocka_unit_test_setup(small_values_are_exact, clear),
		cmocka_unit_test_setup(the_error_stays_below_one_per_cent, clear),
		cmocka_unit_test_setup(quantiles_of_a_ramp, clear),
		cmocka_unit_test_setup(quantiles_are_those_of_a_sorted_list, clear),
		cmocka_unit_test_setup(the_tail_is_not_lost, clear),
		cmocka_unit_test_setup(a_quantile_never_exceeds_the_largest, clear),
		cmocka_unit_test_setup(what_is_too_long_counts_as_the_longest, clear),
		cmocka_unit_test_setup(merging_is_adding, clear),
	};

	return cmocka_run_group_tests_name("bench/histogram", tests, NULL, NULL);
}
