// SPDX-License-Identifier: Apache-2.0
#include "overrides.h"

#include "text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const kind_names[N_OVERRIDE_KINDS] = {"limit", "weight", "server", "backend", "listener"};

const char *config_use_name(int use)
{
	return use == CONFIG_USE_DISABLED ? "disabled" : use == CONFIG_USE_DRAINED ? "drained" : "enabled";
}

static struct override *find(const struct overrides *overrides, enum override_kind kind, const char *name)
{
	for (size_t i = 0; i < overrides->n_items; i++)
		if (overrides->items[i].kind == kind && strcmp(overrides->items[i].name, name) == 0)
			return &overrides->items[i];
	return NULL;
}

const struct override *overrides_find(
	const struct overrides *overrides, enum override_kind kind, const char *name)
{
	return find(overrides, kind, name);
}

const char *overrides_set(
	struct overrides *overrides, enum override_kind kind, const char *name, uint64_t value)
{
	struct override *item = find(overrides, kind, name);

	if (strlen(name) >= OVERRIDE_NAME_MAX || strcspn(name, " \t\r\n") != strlen(name))
		return "no name is so long or has spaces";
	if (item == NULL) {
		overrides->items = memory_grow(
			overrides->items, &overrides->capacity, overrides->n_items + 1, sizeof *item);
		item = &overrides->items[overrides->n_items++];
		item->kind = kind;
		(void)snprintf(item->name, sizeof item->name, "%s", name);
	}
	item->value = value;
	return NULL;
}

void overrides_clear(struct overrides *overrides, enum override_kind kind, const char *name)
{
	struct override *item = find(overrides, kind, name);

	if (item != NULL)
		*item = overrides->items[--overrides->n_items];
}

uint64_t *overrides_limit(struct config_limits *limits, const char *name)
{
	const struct {
		const char *name;
		uint64_t *value;
	} all[] = {
		{"connections", &limits->connections},
		{"handshakes-per-second", &limits->handshakes_per_second},
		{"connection-memory", &limits->connection_memory},
		{"per-source-connections", &limits->per_source.connections},
		{"per-source-handshakes-per-second", &limits->per_source.handshakes_per_second},
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i].name, name) == 0)
			return all[i].value;
	return NULL;
}

static int use_of(const struct overrides *overrides, enum override_kind kind, const char *name)
{
	const struct override *item = find(overrides, kind, name);

	return item != NULL ? (int)item->value : CONFIG_USE_ENABLED;
}

static void apply_to_backend(const struct overrides *overrides, struct config_backend *backend)
{
	const int use_of_all = use_of(overrides, OVERRIDE_BACKEND, backend->name);
	struct text name = {0};

	for (size_t i = 0; i < backend->n_servers; i++) {
		struct config_server *server = &backend->servers[i];
		const struct override *weight;
		int use;

		text_clear(&name);
		text_printf(&name, "%s/%s", backend->name, server->name);
		use = use_of(overrides, OVERRIDE_SERVER, text_string(&name));
		server->use = use > use_of_all ? use : use_of_all;
		weight = find(overrides, OVERRIDE_WEIGHT, text_string(&name));
		server->weight = weight != NULL ? weight->value : server->configured_weight;
	}
	text_free(&name);
}

void overrides_apply(const struct overrides *overrides, struct config *config)
{
	for (size_t i = 0; i < config->n_backends; i++)
		apply_to_backend(overrides, &config->backends[i]);
	for (size_t i = 0; i < config->n_listeners; i++)
		config->listeners[i].use = use_of(overrides, OVERRIDE_LISTENER, config->listeners[i].name);
	config->limits = config->configured_limits;
	for (size_t i = 0; i < overrides->n_items; i++) {
		uint64_t *limit = overrides->items[i].kind == OVERRIDE_LIMIT
					  ? overrides_limit(&config->limits, overrides->items[i].name)
					  : NULL;

		if (limit != NULL)
			*limit = overrides->items[i].value;
	}
}

static void load_line(struct overrides *overrides, const char *kind, const char *value, const char *name)
{
	uint64_t number;

	if (!text_number(value, UINT32_MAX, &number))
		return;
	for (int i = 0; i < N_OVERRIDE_KINDS; i++) {
		const bool is_use = i != OVERRIDE_LIMIT && i != OVERRIDE_WEIGHT;

		if (strcmp(kind, kind_names[i]) != 0 || (is_use && number >= N_CONFIG_USES) ||
			(i == OVERRIDE_WEIGHT && (number == 0 || number > CONFIG_WEIGHT_MAX)))
			continue;
		(void)overrides_set(overrides, (enum override_kind)i, name, number);
	}
}

void overrides_load(struct overrides *overrides, const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	char line[256];

	if (file == NULL)
		return;
	while (fgets(line, sizeof line, file) != NULL) {
		char kind[16];
		char value[24];
		char name[OVERRIDE_NAME_MAX];

		if (sscanf(line, "%15s %23s %127s", kind, value, name) == 3)
			load_line(overrides, kind, value, name);
	}
	(void)fclose(file);
}

bool overrides_save(const struct overrides *overrides, const char *path)
{
	struct text content = {0};
	struct text temporary = {0};
	bool well;
	int fd;

	for (size_t i = 0; i < overrides->n_items; i++)
		text_printf(&content, "%s %llu %s\n", kind_names[overrides->items[i].kind],
			(unsigned long long)overrides->items[i].value, overrides->items[i].name);
	text_printf(&temporary, "%s.new", path);
	fd = open(text_string(&temporary), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	well = fd >= 0 && write(fd, text_string(&content), content.len) == (ssize_t)content.len &&
	       fsync(fd) == 0;
	if (fd >= 0)
		well = close(fd) == 0 && well;
	well = well && rename(text_string(&temporary), path) == 0;
	text_free(&content);
	text_free(&temporary);
	return well;
}

void overrides_free(struct overrides *overrides)
{
	free(overrides->items);
	*overrides = (struct overrides){0};
}
