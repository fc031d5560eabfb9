// SPDX-License-Identifier: Apache-2.0
//
// The real generator, under the virtual clock.
#include "base/arena.h"
#include "crypto/random.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct random generator;

static int set_up(void **state)
{
	(void)state;
	clock_virtual_reset();
	assert_true(random_init(&generator));
	return 0;
}

// A source that is stuck or biased badly is noticed; this is no test of randomness.
static void test_bits_are_balanced(void **state)
{
	uint8_t bytes[1 << 16];
	unsigned ones = 0;

	(void)state;
	random_bytes(&generator, bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++)
		ones += (unsigned)__builtin_popcount(bytes[i]);
	// 2^18 expected of 2^19, standard deviation 362: six of them.
	assert_in_range(ones, (1 << 18) - 2200, (1 << 18) + 2200);
}

static void test_no_block_repeats(void **state)
{
	enum {
		N = 4096
	};
	static uint8_t drawn[N][16];

	(void)state;
	for (size_t i = 0; i < N; i++)
		random_bytes(&generator, drawn[i], 16);
	qsort(drawn, N, 16, (int (*)(const void *, const void *))(void *)memcmp);
	for (size_t i = 1; i < N; i++)
		assert_memory_not_equal(drawn[i - 1], drawn[i], 16);
}

static bool state_contains(const uint8_t *needle, size_t len)
{
	return memmem(&generator, sizeof generator, needle, len) != NULL;
}

// Whatever was handed out is in the state no more, for any length and across blocks.
static void test_wiped_as_used(void **state)
{
	uint8_t out[3 * RANDOM_BLOCK_LEN];

	(void)state;
	for (size_t len = 8; len <= sizeof out; len = len * 3 / 2) {
		random_bytes(&generator, out, len);
		for (size_t i = 0; i + 8 <= len; i++)
			assert_false(state_contains(out + i, 8));
	}
}

// The key with which a block was made is gone once the block is there.
static void test_key_is_erased(void **state)
{
	uint8_t key[RANDOM_KEY_LEN], byte;

	(void)state;
	for (unsigned i = 0; i < 3 * RANDOM_BLOCK_LEN; i++) {
		uint32_t used = generator.used;

		memcpy(key, generator.key, sizeof key);
		random_bytes(&generator, &byte, 1);
		if (used == RANDOM_BLOCK_LEN)
			assert_false(state_contains(key, sizeof key));
		else
			assert_true(state_contains(key, sizeof key));
	}
}

static void test_mixing_drops_what_was_ready(void **state)
{
	struct random twin;
	uint8_t a[32], b[32], zeros[RANDOM_BLOCK_LEN] = {0};

	(void)state;
	random_bytes(&generator, a, sizeof a);
	twin = generator;
	random_mix(&generator, span_of_string("a key"));
	assert_memory_equal(generator.block, zeros, sizeof zeros);
	assert_memory_not_equal(generator.key, twin.key, sizeof twin.key);
	random_bytes(&generator, a, sizeof a);
	random_bytes(&twin, b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
}

// What a child of fork sends back: 32 bytes that it drew, its epoch, and whether random_check noticed.
struct answer {
	uint8_t drawn[32];
	uint32_t epoch;
	bool noticed;
};

static struct answer ask_child(struct random *random, bool check_first)
{
	struct answer answer = {0};
	int pipe_ends[2];
	pid_t pid;
	int status;

	assert_int_equal(pipe(pipe_ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (check_first)
			answer.noticed = random_check(random, clock_now_us());
		random_bytes(random, answer.drawn, sizeof answer.drawn);
		answer.epoch = random_epoch(random);
		_exit(write(pipe_ends[1], &answer, sizeof answer) == sizeof answer ? 0 : 1);
	}
	assert_int_equal(read(pipe_ends[0], &answer, sizeof answer), sizeof answer);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(close(pipe_ends[0]), 0);
	assert_int_equal(close(pipe_ends[1]), 0);
	return answer;
}

// Parent and two children, all from the same state, draw different bytes; the parent goes on as it was.
static void test_fork(void **state)
{
	uint8_t drawn[32];
	struct answer first, second;
	uint32_t epoch = random_epoch(&generator);

	(void)state;
	random_bytes(&generator, drawn, sizeof drawn);
	first = ask_child(&generator, true);
	second = ask_child(&generator, false);
	assert_true(first.noticed);
	assert_true(first.epoch != epoch && second.epoch != epoch);
	random_bytes(&generator, drawn, sizeof drawn);
	assert_int_equal(random_epoch(&generator), epoch);
	assert_memory_not_equal(drawn, first.drawn, sizeof drawn);
	assert_memory_not_equal(drawn, second.drawn, sizeof drawn);
	assert_memory_not_equal(first.drawn, second.drawn, sizeof drawn);
}

// In an arena the child's state is zeros before it reseeds.
static void test_fork_in_arena(void **state)
{
	struct arena arena;
	struct random *inside;
	struct answer first, second;

	(void)state;
	assert_true(arena_init(&arena, sizeof *inside));
	inside = arena_alloc(&arena, sizeof *inside, 64);
	assert_true(random_init(inside));
	first = ask_child(inside, false);
	second = ask_child(inside, true);
	assert_memory_not_equal(first.drawn, second.drawn, sizeof first.drawn);
	assert_int_not_equal(first.epoch, 0);
	assert_int_not_equal(first.epoch, random_epoch(inside));
	assert_true(second.noticed);
	arena_destroy(&arena);
}

static void test_time_that_runs_evenly(void **state)
{
	uint32_t epoch = random_epoch(&generator);

	(void)state;
	for (int i = 0; i < 100; i++) {
		clock_virtual_advance(i % 2 == 0 ? 300 : 86400000000u);
		assert_false(random_check(&generator, clock_now_us()));
	}
	assert_int_equal(random_epoch(&generator), epoch);
}

// A slow drift is NTP's work, and is forgotten from check to check.
static void test_slew_is_no_jump(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		clock_virtual_advance(1000000);
		clock_virtual_jump_wall(500);
		assert_false(random_check(&generator, clock_now_us()));
	}
}

static void assert_jump_noticed(void)
{
	uint8_t before[32], after[32];
	struct random twin = generator;
	uint32_t epoch = random_epoch(&generator);

	clock_virtual_advance(2000);
	assert_true(random_check(&generator, clock_now_us()));
	assert_int_not_equal(random_epoch(&generator), epoch);
	assert_false(random_check(&generator, clock_now_us()));
	clock_virtual_advance(2000);
	assert_false(random_check(&generator, clock_now_us()));
	random_bytes(&twin, before, sizeof before);
	random_bytes(&generator, after, sizeof after);
	assert_memory_not_equal(before, after, sizeof before);
}

static void test_jumps(void **state)
{
	(void)state;
	clock_virtual_jump_wall(3600 * INT64_C(1000000)); // a restored snapshot whose clock was set
	assert_jump_noticed();
	clock_virtual_jump_wall(-100000);
	assert_jump_noticed();
	clock_virtual_jump_boot(60 * 1000000); // slept
	assert_jump_noticed();
}

// A look at the clocks costs system time: one per millisecond is enough, and none is lost.
static void test_looks_once_per_millisecond(void **state)
{
	(void)state;
	clock_virtual_jump_wall(3600 * INT64_C(1000000));
	clock_virtual_advance(900);
	assert_false(random_check(&generator, clock_now_us()));
	clock_virtual_advance(100);
	assert_true(random_check(&generator, clock_now_us()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bits_are_balanced, set_up),
		cmocka_unit_test_setup(test_no_block_repeats, set_up),
		cmocka_unit_test_setup(test_wiped_as_used, set_up),
		cmocka_unit_test_setup(test_key_is_erased, set_up),
		cmocka_unit_test_setup(test_mixing_drops_what_was_ready, set_up),
		cmocka_unit_test_setup(test_fork, set_up),
		cmocka_unit_test_setup(test_fork_in_arena, set_up),
		cmocka_unit_test_setup(test_time_that_runs_evenly, set_up),
		cmocka_unit_test_setup(test_slew_is_no_jump, set_up),
		cmocka_unit_test_setup(test_jumps, set_up),
		cmocka_unit_test_setup(test_looks_once_per_millisecond, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
