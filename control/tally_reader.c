// SPDX-License-Identifier: Apache-2.0
#include "tally_reader.h"

#include "address.h"

#include <string.h>

#define TALLY(id, name, help) name,
static const char *const listener_names[] = {
#include "tallies_listener.def"
};
static const char *const server_names[] = {
#include "tallies_server.def"
};
#undef TALLY
#define TALLY(id, name, help) help,
static const char *const listener_helps[] = {
#include "tallies_listener.def"
};
static const char *const server_helps[] = {
#include "tallies_server.def"
};
#undef TALLY

const char *tally_listener_name(enum tally_listener id)
{
	return listener_names[id];
}

const char *tally_listener_help(enum tally_listener id)
{
	return listener_helps[id];
}

const char *tally_server_name(enum tally_server id)
{
	return server_names[id];
}

const char *tally_server_help(enum tally_server id)
{
	return server_helps[id];
}

static bool lies_in(uint64_t offset, uint64_t n, uint64_t len, uint64_t page_len)
{
	return offset % 8 == 0 && offset <= page_len && n * len <= page_len - offset;
}

// Numbers of another release, or that lead out of the page, are no rows.
static bool is_sound(const struct tally_header *header, uint64_t len, uint32_t n_workers)
{
	const uint64_t names = sizeof(struct tally_name);

	return header->magic == TALLY_PAGE_MAGIC && header->n_listener_tallies == N_TALLIES_LISTENER &&
	       header->n_server_tallies == N_TALLIES_SERVER && header->n_listeners <= TALLY_LISTENERS &&
	       header->n_servers <= TALLY_SERVERS &&
	       header->listener_stride >= N_TALLIES_LISTENER * sizeof(uint64_t) &&
	       header->server_stride >= N_TALLIES_SERVER * sizeof(uint64_t) &&
	       header->listener_stride % 8 == 0 && header->server_stride % 8 == 0 &&
	       header->worker_stride % 8 == 0 && header->worker_stride <= len &&
	       lies_in(header->listener_names_offset, header->n_listeners, names, len) &&
	       lies_in(header->server_names_offset, header->n_servers, names, len) &&
	       header->listeners_offset <= len && header->servers_offset <= len &&
	       lies_in(header->listeners_offset + (n_workers - 1) * header->worker_stride,
		       header->n_listeners, header->listener_stride, len) &&
	       lies_in(header->servers_offset + (n_workers - 1) * header->worker_stride, header->n_servers,
		       header->server_stride, len);
}

struct tally_reader tally_reader_over(const struct counter_reader *counters)
{
	const uint64_t offset = counters->header.tally_offset;
	struct tally_reader reader = {.n_workers = counter_reader_n_workers(counters)};

	if (offset == 0 || reader.n_workers == 0 || !lies_in(offset, 1, sizeof reader.header, counters->len))
		return reader;
	memcpy(&reader.header, counters->page + offset, sizeof reader.header);
	if (is_sound(&reader.header, counters->len, reader.n_workers))
		reader.page = counters->page;
	return reader;
}

static bool same_text(const char *field, size_t width, const char *text)
{
	return strncmp(field, text, width) == 0;
}

static const struct tally_name *names_at(const struct tally_reader *reader, uint64_t offset)
{
	return (const void *)(reader->page + offset);
}

bool tally_reader_find_listener(const struct tally_reader *reader, const char *name, uint32_t *out_row)
{
	const struct tally_name *names;

	if (reader->page == NULL)
		return false;
	names = names_at(reader, reader->header.listener_names_offset);
	for (uint32_t i = 1; i < reader->header.n_listeners; i++) {
		*out_row = i;
		if (names[i].used != 0 && same_text(names[i].name, sizeof names[i].name, name))
			return true;
	}
	return false;
}

bool tally_reader_find_server(const struct tally_reader *reader, const char *backend, const char *name,
	const struct endpoint *address, uint32_t *out_row)
{
	const struct tally_name *names;

	if (reader->page == NULL)
		return false;
	names = names_at(reader, reader->header.server_names_offset);
	for (uint32_t i = 1; i < reader->header.n_servers; i++) {
		*out_row = i;
		if (names[i].used != 0 && names[i].port == address->port &&
			memcmp(names[i].address, address->address.bytes, sizeof names[i].address) == 0 &&
			same_text(names[i].group, sizeof names[i].group, backend) &&
			same_text(names[i].name, sizeof names[i].name, name))
			return true;
	}
	return false;
}

static uint64_t value_at(const struct tally_reader *reader, uint64_t offset)
{
	return __atomic_load_n((const uint64_t *)(const void *)(reader->page + offset), __ATOMIC_RELAXED);
}

uint64_t tally_reader_listener(
	const struct tally_reader *reader, uint32_t worker_idx, uint32_t row, enum tally_listener id)
{
	const struct tally_header *header = &reader->header;

	return value_at(reader, header->listeners_offset + worker_idx * header->worker_stride +
					(uint64_t)row * header->listener_stride +
					(unsigned)id * sizeof(uint64_t));
}

uint64_t tally_reader_server(
	const struct tally_reader *reader, uint32_t worker_idx, uint32_t row, enum tally_server id)
{
	const struct tally_header *header = &reader->header;

	return value_at(reader, header->servers_offset + worker_idx * header->worker_stride +
					(uint64_t)row * header->server_stride +
					(unsigned)id * sizeof(uint64_t));
}

uint64_t tally_reader_listener_total(const struct tally_reader *reader, uint32_t row, enum tally_listener id)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < reader->n_workers; i++)
		total += tally_reader_listener(reader, i, row, id);
	return total;
}

uint64_t tally_reader_server_total(const struct tally_reader *reader, uint32_t row, enum tally_server id)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < reader->n_workers; i++)
		total += tally_reader_server(reader, i, row, id);
	return total;
}
