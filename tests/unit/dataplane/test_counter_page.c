// SPDX-License-Identifier: Apache-2.0
#include "counter_page.h"
#include "counter_page_layout.h"
#include "seam/cmocka_all.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static void a_reader_sees_what_workers_count(void **state)
{
	struct counter_page page;
	const struct counter_page_header *header;
	const uint8_t *view;

	(void)state;
	assert_true(counter_page_create(&page, 3, 2000000000));
	view = mmap(NULL, page.len, PROT_READ, MAP_SHARED, page.fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	header = (const void *)view;
	assert_true(header->magic == COUNTER_PAGE_MAGIC);
	assert_int_equal(header->n_workers, 3);
	assert_int_equal(header->n_counters, N_COUNTERS);
	counter_add(counter_page_worker(&page, 2), COUNTER_NET_TX_PACKETS, 99);
	assert_int_equal(((const uint64_t *)(const void *)(view + header->block_offset +
							   2 * header->block_stride))[COUNTER_NET_TX_PACKETS],
		99);
	assert_int_equal(munmap((void *)(uintptr_t)view, page.len), 0);
	counter_page_destroy(&page);
}

static void nobody_else_can_write_or_resize(void **state)
{
	struct counter_page page;

	(void)state;
	assert_true(counter_page_create(&page, 1, 1));
	assert_ptr_equal(mmap(NULL, page.len, PROT_READ | PROT_WRITE, MAP_SHARED, page.fd, 0), MAP_FAILED);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(page.fd, 0), -1);
	assert_int_equal(pwrite(page.fd, "x", 1, 0), -1);
	counter_page_destroy(&page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_sees_what_workers_count),
		cmocka_unit_test(nobody_else_can_write_or_resize),
	};

	return cmocka_run_group_tests_name("dataplane/counter_page", tests, NULL, NULL);
}
