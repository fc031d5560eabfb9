// SPDX-License-Identifier: Apache-2.0
//
// The page of counters and tallies, from a dataplane in another's hands: numbers that lead out of it, before
// and after it was opened. A step out of the mapping ends the test.
#include "address.h"
#include "counter_reader.h"
#include "ipc.h"
#include "seam/cmocka_all.h"
#include "tally_reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	N_WORKERS = 2,
	TALLIES_AT = 1 << 14,
	PAGE_LEN = 1 << 16,
	N_ROWS = 8,
};

static int fd;
static uint8_t *page;
static struct counter_reader reader;

static struct counter_page_header *counters(void)
{
	return (struct counter_page_header *)(void *)page;
}

static struct tally_header *tallies(void)
{
	return (struct tally_header *)(void *)(page + TALLIES_AT);
}

static void fill(void)
{
	memset(page, 0, PAGE_LEN);
	*counters() = (struct counter_page_header){.magic = COUNTER_PAGE_MAGIC,
		.layout_hash = counters_layout_hash(),
		.n_workers = N_WORKERS,
		.n_counters = N_COUNTERS,
		.block_offset = 64,
		.block_stride = sizeof(struct counters),
		.tsc_hz = 1000,
		.tally_offset = TALLIES_AT};
	assert_true(64 + N_WORKERS * sizeof(struct counters) <= TALLIES_AT);
	*tallies() = (struct tally_header){.magic = TALLY_PAGE_MAGIC,
		.n_listeners = N_ROWS,
		.n_servers = N_ROWS,
		.n_listener_tallies = N_TALLIES_LISTENER,
		.n_server_tallies = N_TALLIES_SERVER,
		.listener_stride = 8 * N_TALLIES_LISTENER,
		.server_stride = 8 * N_TALLIES_SERVER,
		.listener_names_offset = TALLIES_AT + 128,
		.server_names_offset = TALLIES_AT + 128 + N_ROWS * 128,
		.listeners_offset = TALLIES_AT + 4096,
		.servers_offset = TALLIES_AT + 12288,
		.worker_stride = 16384};
}

static int set_up(void **state)
{
	(void)state;
	fd = memfd_create("page", MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, PAGE_LEN) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
		return -1;
	page = mmap(NULL, PAGE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fill();
	return page != MAP_FAILED ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	counter_reader_close(&reader);
	(void)munmap(page, PAGE_LEN);
	return close(fd);
}

// Reads all that there is to read.
static void read_everything(void)
{
	const struct tally_reader rows = tally_reader_over(&reader);
	const struct endpoint nowhere = {0};
	uint32_t row;

	for (int id = 0; id < N_COUNTERS; id++) {
		(void)counter_reader_total(&reader, (enum counter)id);
		assert_int_equal(counter_reader_get(&reader, IPC_WORKERS_MAX, (enum counter)id), 0);
	}
	if (tally_reader_find_listener(&rows, "mx", &row))
		for (int id = 0; id < N_TALLIES_LISTENER; id++)
			(void)tally_reader_listener_total(&rows, row, (enum tally_listener)id);
	if (tally_reader_find_server(&rows, "b", "s", &nowhere, &row))
		for (int id = 0; id < N_TALLIES_SERVER; id++)
			(void)tally_reader_server_total(&rows, row, (enum tally_server)id);
}

static void test_opens(void **state)
{
	uint32_t row;
	struct tally_reader rows;
	struct tally_name *names = (void *)(page + TALLIES_AT + 128);

	(void)state;
	names[N_ROWS - 1].used = 1;
	memset(names[N_ROWS - 1].name, 'x', sizeof names[0].name); // without an end
	names[N_ROWS - 2].used = 1;
	memcpy(names[N_ROWS - 2].name, "mx", 3);
	assert_null(counter_reader_open(&reader, fd));
	rows = tally_reader_over(&reader);
	assert_true(tally_reader_find_listener(&rows, "mx", &row));
	assert_int_equal(row, N_ROWS - 2);
	assert_false(tally_reader_find_listener(&rows, "my", &row));
	read_everything();
}

static void test_unsealed(void **state)
{
	const int other = memfd_create("page", MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(write(other, page, PAGE_LEN), PAGE_LEN);
	assert_non_null(strstr(counter_reader_open(&reader, other), "sealed"));
	assert_int_equal(close(other), 0);
}

static void test_bad_counters(void **state)
{
	(void)state;
	counters()->n_workers = 0;
	assert_non_null(counter_reader_open(&reader, fd));
	fill();
	counters()->n_workers = IPC_WORKERS_MAX + 1;
	assert_non_null(counter_reader_open(&reader, fd));
	fill();
	counters()->n_workers = 40;
	assert_non_null(counter_reader_open(&reader, fd));
	fill();
	counters()->block_offset = PAGE_LEN;
	assert_non_null(counter_reader_open(&reader, fd));
	counters()->block_offset = UINT32_MAX & ~63u;
	assert_non_null(counter_reader_open(&reader, fd));
	counters()->block_offset = 65;
	assert_non_null(counter_reader_open(&reader, fd));
	fill();
	counters()->block_stride = 8;
	assert_non_null(counter_reader_open(&reader, fd));
	counters()->block_stride = UINT32_MAX;
	assert_non_null(counter_reader_open(&reader, fd));
	counters()->block_stride = sizeof(struct counters) + 1;
	assert_non_null(counter_reader_open(&reader, fd));
	assert_int_equal(counter_reader_n_workers(&reader), 0);
}

// Numbers that were right when the page was opened, and are no more.
static void test_changes_under_us(void **state)
{
	(void)state;
	assert_null(counter_reader_open(&reader, fd));
	counters()->n_workers = UINT32_MAX;
	counters()->block_offset = UINT32_MAX & ~63u;
	counters()->block_stride = UINT32_MAX;
	counters()->tally_offset = UINT64_MAX & ~7ull;
	assert_int_equal(counter_reader_n_workers(&reader), N_WORKERS);
	read_everything();
}

// Random numbers in all places of both heads: what is read lies in the page.
static void test_any_numbers(void **state)
{
	uint32_t row;
	unsigned n_sound = 0;

	(void)state;
	srand(1);
	for (int i = 0; i < 2000; i++) {
		const size_t field = (size_t)rand() % (sizeof(struct tally_header) / 4);
		const uint32_t value = (uint32_t)rand() << (rand() % 2 * 16);
		struct tally_reader rows;
		struct tally_name *names = (void *)(page + TALLIES_AT + 128);

		fill();
		for (int k = 0; k < N_ROWS; k++)
			names[k].used = 1;
		memcpy(names[N_ROWS - 1].name, "mx", 3);
		assert_null(counter_reader_open(&reader, fd));
		memcpy(page + TALLIES_AT + 4 * field, &value, sizeof value);
		rows = tally_reader_over(&reader);
		n_sound += rows.page != NULL;
		// And another number while it is being read.
		memcpy(page + TALLIES_AT + 4 * ((size_t)rand() % 32), &value, sizeof value);
		if (tally_reader_find_listener(&rows, "mx", &row))
			(void)tally_reader_listener_total(&rows, row, (enum tally_listener)0);
		read_everything();
	}
	assert_in_range(n_sound, 20, 1980);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_opens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unsealed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_counters, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changes_under_us, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_any_numbers, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("control/pages", tests, NULL, NULL);
}
