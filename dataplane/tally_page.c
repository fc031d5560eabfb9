// SPDX-License-Identifier: Apache-2.0
#include "tally_page.h"

#include "base/assert.h"

enum {
	LINE_LEN = 64,
};

static uint64_t lines(uint64_t len)
{
	return (len + LINE_LEN - 1) / LINE_LEN * LINE_LEN;
}

static uint64_t names_len(void)
{
	return lines((uint64_t)(TALLY_LISTENERS + TALLY_SERVERS) * sizeof(struct tally_name));
}

static uint64_t worker_len(void)
{
	return TALLY_LISTENERS * sizeof(struct tally_listener_row) +
	       TALLY_SERVERS * sizeof(struct tally_server_row);
}

uint64_t tally_page_len(uint32_t n_workers)
{
	return sizeof(struct tally_header) + names_len() + n_workers * worker_len();
}

void tally_page_init(struct tally_page *tallies, void *page, uint64_t offset, uint32_t n_workers)
{
	const uint64_t names = offset + sizeof(struct tally_header);
	const uint64_t rows = names + names_len();

	*tallies = (struct tally_page){.n_workers = n_workers};
	tallies->header = (void *)((uint8_t *)page + offset);
	*tallies->header = (struct tally_header){
		.magic = TALLY_PAGE_MAGIC,
		.n_listeners = TALLY_LISTENERS,
		.n_servers = TALLY_SERVERS,
		.n_listener_tallies = N_TALLIES_LISTENER,
		.n_server_tallies = N_TALLIES_SERVER,
		.listener_stride = sizeof(struct tally_listener_row),
		.server_stride = sizeof(struct tally_server_row),
		.listener_names_offset = names,
		.server_names_offset = names + TALLY_LISTENERS * sizeof(struct tally_name),
		.listeners_offset = rows,
		.servers_offset = rows + TALLY_LISTENERS * sizeof(struct tally_listener_row),
		.worker_stride = worker_len(),
	};
}

static struct tally_name *names_of(const struct tally_page *tallies)
{
	return (void *)(tallies->header + 1);
}

struct tallies tally_page_worker(const struct tally_page *tallies, uint32_t worker_idx)
{
	uint8_t *rows = (uint8_t *)(tallies->header + 1) + names_len() + worker_idx * worker_len();

	return (struct tallies){.listeners = (void *)rows,
		.servers = (void *)(rows + TALLY_LISTENERS * sizeof(struct tally_listener_row))};
}

static bool same_text(const char *field, size_t len, const char *text)
{
	return strncmp(field, text, len) == 0;
}

static bool is_server(const struct tally_name *name, const struct tally_server_id *id)
{
	return name->port == id->port && memcmp(name->address, id->address, sizeof name->address) == 0 &&
	       same_text(name->group, sizeof name->group, id->backend) &&
	       same_text(name->name, sizeof name->name, id->name);
}

// Readers may look at any time: the place is free until the name is there.
static void take(struct tally_page *tallies, struct tally_name *name, const struct tally_server_id *id)
{
	SLUICE_ASSERT(strlen(id->name) <= sizeof name->name && strlen(id->backend) <= sizeof name->group);
	memset(name, 0, sizeof *name);
	memcpy(name->name, id->name, strlen(id->name));
	memcpy(name->group, id->backend, strlen(id->backend));
	memcpy(name->address, id->address, sizeof name->address);
	name->port = id->port;
	if (++tallies->next_use == 0)
		tallies->next_use = 1;
	__atomic_store_n(&name->used, tallies->next_use, __ATOMIC_RELEASE);
}

static void let_go(struct tally_name *name)
{
	__atomic_store_n(&name->used, 0, __ATOMIC_RELEASE);
}

static void clear(_Atomic uint64_t *values, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		atomic_store_explicit(&values[i], 0, memory_order_relaxed);
}

uint32_t tally_page_use_listener(struct tally_page *tallies, const char *name)
{
	static const uint8_t no_address[16];
	const struct tally_server_id id = {.backend = "", .name = name, .address = no_address};
	uint32_t free_idx = 0;

	if (tallies == NULL || tallies->header == NULL)
		return 0;
	for (uint32_t i = 1; i <= tallies->n_listeners_ever; i++) {
		if (tallies->n_listener_users[i] == 0) {
			free_idx = i;
		} else if (same_text(names_of(tallies)[i].name, TALLY_NAME_MAX, name)) {
			tallies->n_listener_users[i]++;
			return i;
		}
	}
	if (free_idx == 0 && tallies->n_listeners_ever + 1 < TALLY_LISTENERS)
		free_idx = ++tallies->n_listeners_ever;
	if (free_idx == 0)
		return 0;
	for (uint32_t i = 0; i < tallies->n_workers; i++)
		clear(tally_page_worker(tallies, i).listeners[free_idx].values, N_TALLIES_LISTENER);
	tallies->n_listener_users[free_idx] = 1;
	take(tallies, &names_of(tallies)[free_idx], &id);
	return free_idx;
}

void tally_page_drop_listener(struct tally_page *tallies, uint32_t idx)
{
	if (idx == 0)
		return;
	SLUICE_ASSERT(idx < TALLY_LISTENERS && tallies->n_listener_users[idx] != 0);
	if (--tallies->n_listener_users[idx] == 0)
		let_go(&names_of(tallies)[idx]);
}

uint32_t tally_page_use_server(struct tally_page *tallies, const struct tally_server_id *id)
{
	struct tally_name *names;
	uint32_t free_idx = 0;

	if (tallies == NULL || tallies->header == NULL)
		return 0;
	names = names_of(tallies) + TALLY_LISTENERS;
	for (uint32_t i = 1; i <= tallies->n_servers_ever; i++) {
		if (tallies->n_server_users[i] == 0) {
			free_idx = i;
		} else if (is_server(&names[i], id)) {
			tallies->n_server_users[i]++;
			return i;
		}
	}
	if (free_idx == 0 && tallies->n_servers_ever + 1 < TALLY_SERVERS)
		free_idx = ++tallies->n_servers_ever;
	if (free_idx == 0)
		return 0;
	for (uint32_t i = 0; i < tallies->n_workers; i++)
		clear(tally_page_worker(tallies, i).servers[free_idx].values, N_TALLIES_SERVER);
	tallies->n_server_users[free_idx] = 1;
	take(tallies, &names[free_idx], id);
	return free_idx;
}

void tally_page_drop_server(struct tally_page *tallies, uint32_t idx)
{
	if (idx == 0)
		return;
	SLUICE_ASSERT(idx < TALLY_SERVERS && tallies->n_server_users[idx] != 0);
	if (--tallies->n_server_users[idx] == 0)
		let_go(&names_of(tallies)[TALLY_LISTENERS + idx]);
}
