// SPDX-License-Identifier: Apache-2.0
#include "dataplane.h"

#include "base/clock.h"
#include "net/exchange.h"
#include "net/net.h"
#include "net/packet_pool.h"
#include "net/port_dpdk.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

enum {
	EXCHANGE_RING_LEN = 1024,
	POOL_CACHE_LEN = 256,
	POOL_BUFFERS_MIN = 1024,
};

__attribute__((format(printf, 2, 3))) static bool refuse(char *reason, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(reason, IPC_REASON_MAX, format, arguments);
	va_end(arguments);
	return false;
}

static bool fill_random(void *out, size_t len)
{
	return getrandom(out, len, 0) == (ssize_t)len;
}

static uint16_t largest_mtu(const struct config *config)
{
	uint16_t mtu = 0;

	for (uint32_t i = 0; i < config->n_ports; i++)
		if (config->ports[i].mtu > mtu)
			mtu = config->ports[i].mtu;
	return mtu;
}

// Half of the packet memory receives, the other half is divided between the workers for sending.
static bool make_pools(struct dataplane *dataplane, char *reason)
{
	const struct ipc_dataplane *settings = &dataplane->config.dataplane;
	const uint16_t mtu = largest_mtu(&dataplane->config);
	const uint64_t buffer_len = packet_pool_buffer_len(mtu);
	const uint64_t n_buffers = settings->memory_len / buffer_len;
	const uint64_t n_tx = n_buffers / 2 / settings->n_workers;

	if (n_tx < POOL_BUFFERS_MIN)
		return refuse(reason, "memory: too little for %u workers; at least %llu MiB are needed",
			settings->n_workers,
			(unsigned long long)(2 * POOL_BUFFERS_MIN * settings->n_workers * buffer_len >> 20) +
				1);
	if (n_buffers / 2 > UINT32_MAX)
		return refuse(reason, "memory: more than a packet pool can hold");
	dataplane->rx_pool = packet_pool_create(
		"sluice-rx", (uint32_t)(n_buffers / 2), mtu, POOL_CACHE_LEN, SOCKET_ID_ANY);
	if (dataplane->rx_pool == NULL)
		return refuse(
			reason, "memory: no room for the receive buffers (%s)", rte_strerror(rte_errno));
	for (uint32_t i = 0; i < settings->n_workers; i++) {
		char name[IPC_NAME_MAX];

		(void)snprintf(name, sizeof name, "sluice-tx-%u", i);
		dataplane->tx_pools[i] = packet_pool_create(
			name, (uint32_t)n_tx, mtu, POOL_CACHE_LEN, SOCKET_ID_ANY);
		if (dataplane->tx_pools[i] == NULL)
			return refuse(reason, "memory: no room for worker %u's send buffers (%s)", i,
				rte_strerror(rte_errno));
	}
	return true;
}

static bool open_ports(struct dataplane *dataplane, char *reason)
{
	const struct config *config = &dataplane->config;
	struct port_dpdk_config port_config = {
		.n_workers = (uint16_t)config->dataplane.n_workers,
		.rx_pool = dataplane->rx_pool,
	};

	if (!fill_random(port_config.rss_key, sizeof port_config.rss_key))
		return refuse(reason, "the system gives no random numbers (%s)", strerror(errno));
	for (uint32_t i = 0; i < config->n_ports; i++) {
		char why[IPC_REASON_MAX / 2];

		port_config.device = config->ports[i].device;
		port_config.mtu = config->ports[i].mtu;
		dataplane->ports[i] = port_dpdk_open(&port_config, why, sizeof why);
		if (dataplane->ports[i] == NULL)
			return refuse(reason, "port '%s': %s", config->ports[i].name, why);
	}
	return true;
}

static bool make_net_config(struct dataplane *dataplane, char *reason)
{
	const struct config *config = &dataplane->config;
	struct net_config *net = &dataplane->net_config;

	*net = (struct net_config){
		.n_ports = config->n_ports,
		.n_addresses = config->n_addresses,
		.n_routes = config->n_routes,
		.addresses = config->addresses,
		.routes = config->routes,
	};
	for (uint32_t i = 0; i < config->n_ports; i++)
		net->ports[i] = (struct net_port_config){.port = dataplane->ports[i],
			.vlan = config->ports[i].vlan,
			.mtu = config->ports[i].mtu};
	if (!fill_random(&net->flow_secret, sizeof net->flow_secret))
		return refuse(reason, "the system gives no random numbers (%s)", strerror(errno));
	return net_config_check(net, reason, IPC_REASON_MAX);
}

static bool make_shared(struct dataplane *dataplane, char *reason)
{
	const uint32_t n_workers = dataplane->config.dataplane.n_workers;

	if (!counter_page_create(&dataplane->counter_page, n_workers, clock_tsc_hz()))
		return refuse(reason, "counters: %s", strerror(errno));
	if (n_workers == 1)
		return true;
	if (!arena_init(&dataplane->arena, exchange_footprint(n_workers, EXCHANGE_RING_LEN)))
		return refuse(reason, "memory for the rings between workers: %s", strerror(errno));
	dataplane->exchange = exchange_init(&dataplane->arena, n_workers, EXCHANGE_RING_LEN);
	return dataplane->exchange != NULL ||
	       refuse(reason, "memory for the rings between workers is too small");
}

// A port on another NUMA node than a worker costs every packet a trip between sockets: worth a word, no more.
static void warn_of_distance(const struct dataplane *dataplane)
{
	for (uint32_t i = 0; i < dataplane->config.n_ports; i++)
		for (uint32_t k = 0; k < dataplane->config.dataplane.n_workers; k++) {
			const int port_node = dataplane->ports[i]->info.numa_node;
			const int worker_node = (int)rte_lcore_to_socket_id(dataplane->eal.lcores[k]);

			if (port_node >= 0 && port_node != worker_node)
				(void)fprintf(stderr,
					"sluice-dataplane: warning: port '%s' is on NUMA node %d, worker %u "
					"on node %d\n",
					dataplane->config.ports[i].name, port_node, k, worker_node);
		}
}

static bool make_workers(struct dataplane *dataplane, char *reason)
{
	const uint32_t n_workers = dataplane->config.dataplane.n_workers;

	for (uint32_t i = 0; i < n_workers; i++) {
		struct worker *worker = &dataplane->workers[i];

		worker->setup = (struct worker_setup){
			.net_config = &dataplane->net_config,
			.counters = counter_page_worker(&dataplane->counter_page, i),
			.exchange = dataplane->exchange,
			.tx_pool = dataplane->tx_pools[i],
			.worker_idx = i,
			.n_workers = n_workers,
			.poll = (enum ipc_poll)dataplane->config.dataplane.poll,
		};
		if (rte_eal_remote_launch(worker_init, worker, dataplane->eal.lcores[i]) != 0 ||
			rte_eal_wait_lcore(dataplane->eal.lcores[i]) != 0)
			return refuse(reason, "worker %u: no memory for its tables", i);
		if (!worker->arena.locked)
			(void)fprintf(stderr, "sluice-dataplane: warning: memory can't be locked "
					      "(RLIMIT_MEMLOCK); secrets might reach swap\n");
	}
	for (uint32_t i = 0; i < n_workers; i++)
		if (rte_eal_remote_launch(worker_run, &dataplane->workers[i], dataplane->eal.lcores[i]) != 0)
			return refuse(reason, "worker %u does not start", i);
	return true;
}

bool dataplane_start(struct dataplane *dataplane, const struct config *config, bool *out_fatal,
	char reason[static IPC_REASON_MAX])
{
	*dataplane = (struct dataplane){.config = *config};
	if (!eal_start(config, &dataplane->eal, out_fatal, reason))
		return false;
	if (make_pools(dataplane, reason) && open_ports(dataplane, reason) &&
		make_net_config(dataplane, reason) && make_shared(dataplane, reason) &&
		make_workers(dataplane, reason)) {
		warn_of_distance(dataplane);
		dataplane->started_wall_us = clock_wall_us();
		dataplane->running = true;
		return true;
	}
	*out_fatal = true;
	(void)dataplane_stop(dataplane);
	return false;
}

static uint64_t free_pool(struct rte_mempool *pool)
{
	uint64_t n_in_use;

	if (pool == NULL)
		return 0;
	n_in_use = rte_mempool_in_use_count(pool);
	packet_pool_free(pool);
	return n_in_use;
}

uint64_t dataplane_stop(struct dataplane *dataplane)
{
	const uint32_t n_workers = dataplane->config.dataplane.n_workers;
	uint64_t n_kept = 0;
	uint64_t n_leaked;

	for (uint32_t i = 0; i < n_workers; i++)
		atomic_store_explicit(&dataplane->workers[i].stop, true, memory_order_relaxed);
	for (uint32_t i = 0; i < n_workers; i++)
		(void)rte_eal_wait_lcore(dataplane->eal.lcores[i]);
	if (dataplane->exchange != NULL)
		exchange_drain(dataplane->exchange);
	for (uint32_t i = 0; i < dataplane->config.n_ports; i++)
		if (dataplane->ports[i] != NULL) {
			n_kept += dataplane->ports[i]->info.n_buffers_kept;
			port_close(dataplane->ports[i]);
		}
	for (uint32_t i = 0; i < n_workers; i++)
		worker_destroy(&dataplane->workers[i]);
	n_leaked = free_pool(dataplane->rx_pool);
	for (uint32_t i = 0; i < n_workers; i++)
		n_leaked += free_pool(dataplane->tx_pools[i]);
	arena_destroy(&dataplane->arena);
	if (dataplane->counter_page.start != NULL)
		counter_page_destroy(&dataplane->counter_page);
	dataplane->running = false;
	eal_stop();
	return n_leaked > n_kept ? n_leaked - n_kept : 0;
}

uint64_t dataplane_counter(const struct dataplane *dataplane, enum counter id)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < dataplane->config.dataplane.n_workers; i++)
		sum += counter_get(counter_page_worker(&dataplane->counter_page, i), id);
	return sum;
}

bool dataplane_pop_event(struct dataplane *dataplane, struct log_event *out_event)
{
	for (uint32_t i = 0; i < dataplane->config.dataplane.n_workers; i++)
		if (log_ring_pop(&dataplane->workers[i].log, out_event))
			return true;
	return false;
}
