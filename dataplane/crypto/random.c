// SPDX-License-Identifier: Apache-2.0
#include "crypto/random.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/wipe.h"
#include "crypto/chacha20.h"
#include "crypto/hash.h"
#include "crypto/select.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	CHECK_INTERVAL_US = 1000,
	// Clocks are read one after another, and NTP slews them (500 ppm): a smaller difference is no break.
	// A larger one may be an administrator setting the date; reseeding then costs nothing.
	JUMP_US = 20000
};

_Static_assert(RANDOM_BLOCK_LEN % CHACHA20_GROUP_LEN == 0, "a block is whole groups");

// A page that is zero again in a forked child, whatever call forked it. Holds a number that no generator has
// seen in another process; made once per process.
static _Atomic uint64_t *fork_page;
static pthread_once_t fork_page_once = PTHREAD_ONCE_INIT;

static void make_fork_page(void)
{
	size_t len = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	if (madvise(page, len, MADV_WIPEONFORK) != 0) {
		(void)munmap(page, len);
		return;
	}
	fork_page = page;
	atomic_store(fork_page, 1);
}

// getrandom until all is there: it may be interrupted, but after the machine has started it does not block.
static bool read_kernel(uint8_t *out, size_t len)
{
	while (len != 0) {
		ssize_t n = getrandom(out, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		out += n;
		len -= (size_t)n;
	}
	return true;
}

__attribute__((target("rdrnd"))) static bool read_rdrand(unsigned long long *out)
{
	for (int attempt = 0; attempt < 10; attempt++)
		if (__builtin_ia32_rdrand64_step(out))
			return true;
	return false;
}

// XORs what RDRAND gives into the key. It can only add: the key was unpredictable without it.
static void stir(struct random *random)
{
	unsigned long long word;

	if (!select_features()->rdrand)
		return;
	for (size_t i = 0; i < RANDOM_KEY_LEN / sizeof word; i++) {
		if (!read_rdrand(&word))
			word = 0;
		for (size_t j = 0; j < sizeof word; j++)
			random->key[i * sizeof word + j] ^= (uint8_t)(word >> (8 * j));
	}
	wipe(&word, sizeof word);
}

// key = SHA-256(key | entropy): every source that was ever mixed in stays in.
static void absorb(struct random *random, struct span entropy)
{
	struct hash_state state;

	hash_init(&state, HASH_SHA256);
	hash_update(&state, span_of(random->key, sizeof random->key));
	hash_update(&state, entropy);
	hash_final(&state, random->key);
	wipe(random->block, sizeof random->block);
	random->used = RANDOM_BLOCK_LEN;
}

static void note_clocks(struct random *random)
{
	random->seen_tsc_us = clock_now_us();
	random->seen_boot_us = clock_boot_us();
	random->seen_wall_us = clock_wall_us();
}

static bool seed(struct random *random)
{
	uint8_t entropy[48];
	bool ok = read_kernel(entropy, sizeof entropy);

	absorb(random, span_of(entropy, sizeof entropy));
	stir(random);
	wipe(entropy, sizeof entropy);
	random->epoch = random->epoch + 1 != 0 ? random->epoch + 1 : 1;
	note_clocks(random);
	return ok;
}

// In a child the page reads zero until its first generator gives it a new number. Threads of one process do
// that at most once.
static uint64_t current_fork_mark(void)
{
	uint64_t mark = atomic_load_explicit(fork_page, memory_order_relaxed);
	uint64_t fresh = 0;

	if (mark != 0)
		return mark;
	SLUICE_ASSERT(read_kernel((uint8_t *)&fresh, sizeof fresh));
	fresh |= 1;
	return atomic_compare_exchange_strong(fork_page, &mark, fresh) ? fresh : mark;
}

// The parent's state must not be used in the child, nor the child's (all zeros, if it lay in an arena) at
// all. The kernel's generator can't fail any more once it has worked.
static bool reseed_after_fork(struct random *random)
{
	uint64_t mark = current_fork_mark();

	if (random->fork_mark == mark)
		return false;
	random->fork_mark = mark;
	// The epoch, too, may have been wiped: it must differ from any that the parent's things remember.
	random->epoch ^= (uint32_t)(mark >> 32);
	SLUICE_ASSERT(seed(random));
	return true;
}

bool random_init(struct random *random)
{
	memset(random, 0, sizeof *random);
	if (pthread_once(&fork_page_once, make_fork_page) != 0 || fork_page == NULL)
		return false;
	random->fork_mark = current_fork_mark();
	return seed(random);
}

static void refill(struct random *random)
{
	stir(random);
	chacha20_stream(random->key, random->block, RANDOM_BLOCK_LEN / CHACHA20_GROUP_LEN);
	memcpy(random->key, random->block, RANDOM_KEY_LEN);
	wipe(random->block, RANDOM_KEY_LEN);
	random->used = RANDOM_KEY_LEN;
}

void random_bytes(struct random *random, void *out, size_t len)
{
	uint8_t *next = out;

	(void)reseed_after_fork(random);
	SLUICE_ASSERT(random->epoch != 0);
	while (len != 0) {
		size_t n;

		if (random->used == RANDOM_BLOCK_LEN)
			refill(random);
		n = RANDOM_BLOCK_LEN - random->used;
		if (n > len)
			n = len;
		memcpy(next, random->block + random->used, n);
		wipe(random->block + random->used, n);
		random->used += (uint32_t)n;
		next += n;
		len -= n;
	}
}

void random_mix(struct random *random, struct span entropy)
{
	(void)reseed_after_fork(random);
	absorb(random, entropy);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

bool random_check(struct random *random, uint64_t now_us)
{
	uint64_t tsc_us, boot_us, wall_us;

	if (reseed_after_fork(random))
		return true;
	if (now_us - random->seen_tsc_us < CHECK_INTERVAL_US)
		return false;
	tsc_us = clock_now_us() - random->seen_tsc_us;
	boot_us = clock_boot_us() - random->seen_boot_us;
	wall_us = clock_wall_us() - random->seen_wall_us;
	if (distance(tsc_us, boot_us) <= JUMP_US + tsc_us / 1024 &&
		distance(tsc_us, wall_us) <= JUMP_US + tsc_us / 1024) {
		note_clocks(random);
		return false;
	}
	SLUICE_ASSERT(seed(random));
	return true;
}

uint32_t random_epoch(struct random *random)
{
	(void)reseed_after_fork(random);
	return random->epoch;
}

void random_wipe(struct random *random)
{
	wipe(random, sizeof *random);
}
