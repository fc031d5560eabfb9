// SPDX-License-Identifier: Apache-2.0
#include "counter_reader.h"

#include "ipc.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char *fault_of(const struct counter_page_header *page, size_t len)
{
	if (page->magic != COUNTER_PAGE_MAGIC)
		return "the counter page is none";
	if (page->layout_hash != counters_layout_hash() || page->n_counters != N_COUNTERS)
		return "the counters are those of another release";
	if (page->n_workers == 0 || page->n_workers > IPC_WORKERS_MAX || page->block_offset % 64 != 0 ||
		page->block_stride % 8 != 0 || page->block_stride < N_COUNTERS * sizeof(uint64_t) ||
		page->block_offset + (uint64_t)page->n_workers * page->block_stride > len)
		return "the counter page contradicts itself";
	return NULL;
}

const char *counter_reader_open(struct counter_reader *reader, int fd)
{
	struct counter_page_header header;
	struct stat status;
	const char *fault;
	void *page;

	counter_reader_close(reader);
	if ((fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) == 0)
		return "the counter page is not sealed against shrinking";
	if (fstat(fd, &status) != 0 || status.st_size < (off_t)sizeof header)
		return "the counter page is too short";
	page = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return "the counter page can't be mapped";
	memcpy(&header, page, sizeof header);
	fault = fault_of(&header, (size_t)status.st_size);
	if (fault != NULL) {
		(void)munmap(page, (size_t)status.st_size);
		return fault;
	}
	*reader = (struct counter_reader){.page = page, .len = (size_t)status.st_size, .header = header};
	return NULL;
}

void counter_reader_close(struct counter_reader *reader)
{
	if (reader->page != NULL)
		(void)munmap((void *)(uintptr_t)reader->page, reader->len);
	*reader = (struct counter_reader){0};
}

uint64_t counter_reader_get(const struct counter_reader *reader, uint32_t worker_idx, enum counter id)
{
	const uint8_t *block;

	if (worker_idx >= counter_reader_n_workers(reader))
		return 0;
	block = reader->page + reader->header.block_offset + (size_t)worker_idx * reader->header.block_stride;
	return counter_get((const struct counters *)(const void *)block, id);
}

uint64_t counter_reader_total(const struct counter_reader *reader, enum counter id)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < counter_reader_n_workers(reader); i++)
		total += counter_reader_get(reader, i, id);
	return total;
}

// The lists say so in words: the help of a gauge ends in "now."
bool counter_is_gauge(enum counter id)
{
	const char *help = counter_help(id);
	const size_t len = strlen(help);

	return len > 5 && strcmp(help + len - 5, " now.") == 0;
}

// ---- Histograms ----------------------------------------------------------------------------------------

static const struct histogram histograms[] = {
#define LINEAR HISTOGRAM_LINEAR
#define HISTOGRAM(metric, help, first, exponent, n_buckets, sum, unit) \
	{metric, help, COUNTER_##first, exponent, n_buckets, COUNTER_##sum, HISTOGRAM_##unit},
#include "histograms.def"
#undef HISTOGRAM
#undef LINEAR
};

const struct histogram *histogram_next(const struct histogram *histogram)
{
	const struct histogram *next = histogram == NULL ? histograms : histogram + 1;

	return next < histograms + sizeof histograms / sizeof histograms[0] ? next : NULL;
}

double histogram_scale(const struct histogram *histogram, uint64_t tsc_hz)
{
	if (histogram->unit == HISTOGRAM_MICROSECONDS)
		return 1e-6;
	return histogram->unit == HISTOGRAM_TSC_TICKS && tsc_hz != 0 ? 1 / (double)tsc_hz : 1;
}

double histogram_bound(const struct histogram *histogram, unsigned bucket, uint64_t tsc_hz)
{
	if (histogram->exponent == HISTOGRAM_LINEAR)
		return bucket + 1;
	if (bucket + 1 == histogram->n_buckets)
		return INFINITY;
	return (double)(UINT64_C(1) << ((unsigned)histogram->exponent + bucket)) *
	       histogram_scale(histogram, tsc_hz);
}

bool counter_is_bucket(enum counter id)
{
	for (const struct histogram *h = NULL; (h = histogram_next(h)) != NULL;)
		if (id >= h->first && id < h->first + h->n_buckets)
			return true;
	return false;
}
