// SPDX-License-Identifier: Apache-2.0
#include "telemetry.h"

#include <errno.h>
#include <pthread.h>
#include <rte_telemetry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ALL_WORKERS = -1,
	LAYER_LEN_MAX = 16,
};

// A command's function is given no context by DPDK, so what it reads is here.
static struct {
	pthread_mutex_t mutex;
	const struct telemetry_facts *facts; // NULL: stopped
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static uint64_t value_of(const struct telemetry_facts *facts, int worker, enum counter id)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < facts->dataplane->n_workers; i++)
		if (worker == ALL_WORKERS || worker == (int)i)
			sum += counter_get(counter_page_worker(facts->counters, i), id);
	return sum;
}

// The layer is what a counter's name begins with.
static size_t layer_len(const char *name)
{
	return strcspn(name, "_");
}

static bool is_of_layer(const char *name, const char *layer)
{
	return strlen(layer) == layer_len(name) && strncmp(name, layer, strlen(layer)) == 0;
}

static int add_info(const struct telemetry_facts *facts, const char *parameters, struct rte_tel_data *data)
{
	(void)parameters;
	(void)rte_tel_data_start_dict(data);
	(void)rte_tel_data_add_dict_string(data, "release", SLUICE_RELEASE);
	(void)rte_tel_data_add_dict_string(data, "name", facts->dataplane->name);
	(void)rte_tel_data_add_dict_u64(data, "pid", (uint64_t)getpid());
	(void)rte_tel_data_add_dict_u64(data, "user_id", (uint64_t)getuid());
	(void)rte_tel_data_add_dict_u64(data, "started_seconds", facts->started_wall_us / 1000000);
	(void)rte_tel_data_add_dict_u64(data, "workers", facts->dataplane->n_workers);
	(void)rte_tel_data_add_dict_u64(data, "ports", facts->n_ports);
	(void)rte_tel_data_add_dict_u64(data, "connections_max", facts->dataplane->n_connections);
	(void)rte_tel_data_add_dict_u64(data, "huge_pages", facts->huge_pages);
	(void)rte_tel_data_add_dict_u64(data, "tsc_hz", facts->tsc_hz);
	return 0;
}

// False when the dictionary takes no more.
static bool add_layer(const struct telemetry_facts *facts, const char *layer, int worker, bool zeros,
	struct rte_tel_data *data)
{
	for (int id = 0; id < N_COUNTERS; id++) {
		const char *name = counter_name((enum counter)id);
		const uint64_t value = is_of_layer(name, layer) ? value_of(facts, worker, (enum counter)id)
								: 0;

		if (is_of_layer(name, layer) && (zeros || value != 0) &&
			rte_tel_data_add_dict_u64(data, name, value) != 0)
			return false;
	}
	return true;
}

static int add_layers(const struct telemetry_facts *facts, int worker, struct rte_tel_data *data)
{
	char layer[LAYER_LEN_MAX] = "";

	for (int id = 0; id < N_COUNTERS; id++) {
		const char *name = counter_name((enum counter)id);
		struct rte_tel_data *part;

		if (is_of_layer(name, layer))
			continue;
		(void)snprintf(layer, sizeof layer, "%.*s", (int)layer_len(name), name);
		part = rte_tel_data_alloc();
		if (part == NULL)
			return -ENOMEM;
		(void)rte_tel_data_start_dict(part);
		if (!add_layer(facts, layer, worker, false, part) ||
			rte_tel_data_add_dict_container(data, layer, part, 0) != 0) {
			rte_tel_data_free(part);
			return -ENOSPC;
		}
	}
	return 0;
}

static bool is_layer(const char *text)
{
	for (int id = 0; id < N_COUNTERS; id++)
		if (is_of_layer(counter_name((enum counter)id), text))
			return true;
	return false;
}

static int add_counters(
	const struct telemetry_facts *facts, const char *parameters, struct rte_tel_data *data)
{
	char *end;
	unsigned long worker;

	(void)rte_tel_data_start_dict(data);
	if (parameters == NULL || parameters[0] == '\0')
		return add_layers(facts, ALL_WORKERS, data);
	if (is_layer(parameters))
		return add_layer(facts, parameters, ALL_WORKERS, true, data) ? 0 : -ENOSPC;
	worker = strtoul(parameters, &end, 10);
	if (parameters[0] < '0' || parameters[0] > '9' || *end != '\0' ||
		worker >= facts->dataplane->n_workers)
		return -EINVAL;
	return add_layers(facts, (int)worker, data);
}

static int add_core(const struct telemetry_facts *facts, uint32_t worker, struct rte_tel_data *data)
{
	static const struct {
		const char *name;
		enum counter id;
	} rows[] = {
		{"turns", COUNTER_WORKER_TURNS},
		{"idle_turns", COUNTER_WORKER_IDLE_TURNS},
		{"sleeps", COUNTER_WORKER_SLEEPS},
		{"idle_tsc", COUNTER_WORKER_IDLE_TSC},
		{"rx_tsc", COUNTER_WORKER_RX_TSC},
		{"tcp_in_tsc", COUNTER_WORKER_TCP_IN_TSC},
		{"lanes_tsc", COUNTER_WORKER_LANES_TSC},
		{"proxy_tsc", COUNTER_WORKER_PROXY_TSC},
		{"tcp_out_tsc", COUNTER_WORKER_TCP_OUT_TSC},
		{"flush_tsc", COUNTER_WORKER_FLUSH_TSC},
		{"refill_tsc", COUNTER_WORKER_REFILL_TSC},
	};

	(void)rte_tel_data_start_dict(data);
	(void)rte_tel_data_add_dict_u64(data, "core", facts->dataplane->cores[worker]);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rte_tel_data_add_dict_u64(data, rows[i].name, value_of(facts, (int)worker, rows[i].id)) !=
			0)
			return -ENOSPC;
	return 0;
}

static int add_cores(const struct telemetry_facts *facts, const char *parameters, struct rte_tel_data *data)
{
	(void)parameters;
	(void)rte_tel_data_start_dict(data);
	for (uint32_t i = 0; i < facts->dataplane->n_workers; i++) {
		struct rte_tel_data *part = rte_tel_data_alloc();
		char name[16];

		if (part == NULL)
			return -ENOMEM;
		(void)snprintf(name, sizeof name, "worker_%u", i);
		if (add_core(facts, i, part) != 0 ||
			rte_tel_data_add_dict_container(data, name, part, 0) != 0) {
			rte_tel_data_free(part);
			return -ENOSPC;
		}
	}
	return 0;
}

static int locked(int (*add)(const struct telemetry_facts *, const char *, struct rte_tel_data *),
	const char *parameters, struct rte_tel_data *data)
{
	int error;

	(void)pthread_mutex_lock(&shared.mutex);
	error = shared.facts != NULL ? add(shared.facts, parameters, data) : -ENODEV;
	(void)pthread_mutex_unlock(&shared.mutex);
	return error;
}

static int answer_info(const char *command, const char *parameters, struct rte_tel_data *data)
{
	(void)command;
	return locked(add_info, parameters, data);
}

static int answer_counters(const char *command, const char *parameters, struct rte_tel_data *data)
{
	(void)command;
	return locked(add_counters, parameters, data);
}

static int answer_cores(const char *command, const char *parameters, struct rte_tel_data *data)
{
	(void)command;
	return locked(add_cores, parameters, data);
}

void telemetry_open(const struct telemetry_facts *facts)
{
	(void)pthread_mutex_lock(&shared.mutex);
	shared.facts = facts;
	(void)pthread_mutex_unlock(&shared.mutex);
	(void)rte_telemetry_register_cmd(
		"/sluice/info", answer_info, "Returns what this dataplane is. Takes no parameters");
	(void)rte_telemetry_register_cmd("/sluice/counters", answer_counters,
		"Returns counters that are not zero, by layer. Parameters: a layer (all of its counters), or "
		"the "
		"index of a worker");
	(void)rte_telemetry_register_cmd("/sluice/cores", answer_cores,
		"Returns what each worker's cycles went into. Takes no parameters");
}

void telemetry_close(void)
{
	(void)pthread_mutex_lock(&shared.mutex);
	shared.facts = NULL;
	(void)pthread_mutex_unlock(&shared.mutex);
}
