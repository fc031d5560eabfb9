// SPDX-License-Identifier: Apache-2.0
#include "counter_page.h"

#include "counter_page_layout.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

bool counter_page_create(struct counter_page *page, uint32_t n_workers, uint64_t tsc_hz)
{
	const size_t counters_len = sizeof(struct counter_page_header) + n_workers * sizeof(struct counters);
	const size_t len = counters_len + tally_page_len(n_workers);
	struct counter_page_header *header;

	*page = (struct counter_page){
		.fd = memfd_create("sluice-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING), .len = len};
	if (page->fd < 0)
		return false;
	if (ftruncate(page->fd, (off_t)len) != 0)
		goto fail;
	page->start = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, page->fd, 0);
	if (page->start == MAP_FAILED)
		goto fail;
	if (fcntl(page->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) !=
		0) {
		(void)munmap(page->start, len);
		goto fail;
	}
	header = page->start;
	*header = (struct counter_page_header){
		.magic = COUNTER_PAGE_MAGIC,
		.layout_hash = counters_layout_hash(),
		.n_workers = n_workers,
		.n_counters = N_COUNTERS,
		.block_offset = sizeof *header,
		.block_stride = sizeof(struct counters),
		.tsc_hz = tsc_hz,
		.tally_offset = counters_len,
	};
	tally_page_init(&page->tallies, page->start, counters_len, n_workers);
	return true;
fail:
	(void)close(page->fd);
	return false;
}

struct counters *counter_page_worker(const struct counter_page *page, uint32_t worker_idx)
{
	struct counters *blocks = (void *)((uint8_t *)page->start + sizeof(struct counter_page_header));

	return &blocks[worker_idx];
}

void counter_page_destroy(struct counter_page *page)
{
	(void)munmap(page->start, page->len);
	(void)close(page->fd);
}
