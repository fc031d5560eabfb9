// SPDX-License-Identifier: Apache-2.0
#include "load/watched.h"

#include "counter_page_layout.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool watched_open(struct watched *watched, const char *path, const char **out_reason)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct counter_page_header *header;
	struct stat facts;

	*out_reason = "can't be opened";
	if (fd < 0)
		return false;
	*out_reason = "is no page of counters";
	if (fstat(fd, &facts) != 0 || facts.st_size < (off_t)sizeof *header) {
		(void)close(fd);
		return false;
	}
	header = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (header == MAP_FAILED || header->magic != COUNTER_PAGE_MAGIC)
		return false;
	*out_reason = "is of another release of Sluice";
	if (header->layout_hash != counters_layout_hash())
		return false;
	watched->page = header;
	watched->tsc_hz = header->tsc_hz;
	return true;
}

void watched_read(const struct watched *watched, uint64_t out[N_COUNTERS])
{
	const struct counter_page_header *header = watched->page;

	memset(out, 0, N_COUNTERS * sizeof out[0]);
	for (uint32_t i = 0; header != NULL && i < header->n_workers; i++) {
		const struct counters *block = (const void *)((const uint8_t *)header + header->block_offset +
							      (size_t)i * header->block_stride);

		for (int id = 0; id < N_COUNTERS; id++)
			out[id] += counter_get(block, (enum counter)id);
	}
}
