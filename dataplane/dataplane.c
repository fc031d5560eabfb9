// SPDX-License-Identifier: Apache-2.0
#include "dataplane.h"

#include "base/clock.h"
#include "confinement.h"
#include "net/exchange.h"
#include "net/net.h"
#include "net/packet_pool.h"
#include "net/port_dpdk.h"
#include "proxy/session_lookup.h"
#include "refusal.h"
#include "stale_socket.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <sys/random.h>

enum {
	EXCHANGE_RING_LEN = 1024,
	POOL_CACHE_LEN = 256,
	SHARE_LEN_MIN = 8 << 20, // packet memory of one worker, for packets and again for records
};

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

static bool make_pool(struct rte_mempool **out_pool, const char *what, uint32_t idx, uint64_t memory_len,
	uint16_t mtu, char *reason)
{
	const uint64_t n_buffers = memory_len / packet_pool_buffer_len(mtu);
	char name[IPC_NAME_MAX];

	(void)snprintf(name, sizeof name, "sluice-%s-%u", what, idx);
	*out_pool = n_buffers <= UINT32_MAX ? packet_pool_create(name, (uint32_t)n_buffers, mtu,
						      POOL_CACHE_LEN, SOCKET_ID_ANY)
					    : NULL;
	return *out_pool != NULL || refuse(reason, "memory: no room for the %s buffers of worker %u (%s)",
					    what, idx, rte_strerror(rte_errno));
}

// Packet memory in three parts: what is received, packets of our own, and sealed records. The latter two are
// divided between the workers.
static bool make_pools(struct dataplane *dataplane, char *reason)
{
	const struct ipc_dataplane *settings = &dataplane->config.dataplane;
	const uint16_t mtu = largest_mtu(&dataplane->config);
	const uint64_t part_len = settings->memory_len / 3;
	const uint64_t share_len = part_len / settings->n_workers;

	if (share_len < SHARE_LEN_MIN)
		return refuse(reason, "memory: too little for %u workers; at least %u MiB are needed",
			settings->n_workers, 3 * settings->n_workers * (SHARE_LEN_MIN >> 20));
	if (!make_pool(&dataplane->rx_pool, "receive", 0, part_len, mtu, reason))
		return false;
	for (uint32_t i = 0; i < settings->n_workers; i++)
		if (!make_pool(&dataplane->tx_pools[i], "send", i, share_len, mtu, reason) ||
			!make_pool(&dataplane->record_pools[i], "record", i, share_len, PROXY_RECORD_LEN,
				reason))
			return false;
	return true;
}

// The driver does not open a memif socket whose file is there; a dataplane that was killed, or that is no
// longer root when it ends, leaves its own behind.
static void remove_stale_memif(const char *device)
{
	static const char key[] = ",socket=";
	const char *path = strstr(device, key);
	char copy[IPC_DEVICE_MAX];

	if (strncmp(device, "net_memif", 9) != 0 || strstr(device, ",socket-abstract=no") == NULL ||
		path == NULL ||
		(strstr(device, ",role=server") == NULL && strstr(device, ",role=master") == NULL))
		return;
	path += sizeof key - 1;
	(void)snprintf(copy, sizeof copy, "%.*s", (int)strcspn(path, ","), path);
	(void)stale_socket_remove(copy);
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

		remove_stale_memif(config->ports[i].device);
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
	if (!arena_init(&dataplane->arena, chain_verifier_footprint(n_workers) +
						   exchange_footprint(n_workers, EXCHANGE_RING_LEN) +
						   session_lookup_footprint(n_workers)))
		return refuse(reason, "memory for the rings between workers: %s", strerror(errno));
	dataplane->chain_verifier = chain_verifier_start(&dataplane->arena, n_workers);
	if (dataplane->chain_verifier == NULL)
		return refuse(reason, "the thread that verifies certificates does not start");
	if (n_workers == 1)
		return true;
	dataplane->exchange = exchange_init(&dataplane->arena, n_workers, EXCHANGE_RING_LEN);
	dataplane->session_lookup = session_lookup_init(&dataplane->arena, n_workers);
	return (dataplane->exchange != NULL && dataplane->session_lookup != NULL) ||
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
	uint64_t source_key;

	if (!fill_random(&source_key, sizeof source_key))
		return refuse(reason, "the system gives no random numbers (%s)", strerror(errno));
	if (!publication_init(&dataplane->publication, dataplane->workers, n_workers,
		    &(struct deployment_base){
			    .net = &dataplane->net_config, .tallies = &dataplane->counter_page.tallies}))
		return refuse(reason, "no memory for certificates: %s", strerror(errno));

	for (uint32_t i = 0; i < n_workers; i++) {
		struct worker *worker = &dataplane->workers[i];

		worker->setup = (struct worker_setup){
			.net_config = &dataplane->net_config,
			.counters = counter_page_worker(&dataplane->counter_page, i),
			.tallies = tally_page_worker(&dataplane->counter_page.tallies, i),
			.exchange = dataplane->exchange,
			.session_lookup = dataplane->session_lookup,
			.chain_verifier = dataplane->chain_verifier,
			.tx_pool = dataplane->tx_pools[i],
			.record_pool = dataplane->record_pools[i],
			.n_connections = (dataplane->config.dataplane.n_connections + n_workers - 1) /
					 n_workers,
			// Half of its share of them.
			.receive_memory = dataplane->config.dataplane.memory_len / 3 / n_workers / 2,
			.source_key = source_key,
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

static void tell_telemetry(struct dataplane *dataplane)
{
	dataplane->telemetry = (struct telemetry_facts){
		.counters = &dataplane->counter_page,
		.dataplane = &dataplane->config.dataplane,
		.started_wall_us = dataplane->started_wall_us,
		.tsc_hz = clock_tsc_hz(),
		.n_ports = dataplane->config.n_ports,
		.huge_pages = dataplane->eal.huge_pages,
	};
	telemetry_open(&dataplane->telemetry);
}

static bool confine(const struct dataplane *dataplane, char *reason)
{
	return confinement_complete(&(struct confinement){.user_id = dataplane->config.dataplane.user_id,
					    .group_id = dataplane->config.dataplane.group_id,
					    .calls = {.pci = dataplane->eal.pci}},
		reason);
}

bool dataplane_start(struct dataplane *dataplane, const struct config *config, bool *out_fatal,
	char reason[static IPC_REASON_MAX])
{
	*dataplane = (struct dataplane){.config = *config};
	if (!eal_start(config, &dataplane->eal, out_fatal, reason))
		return false;
	if (make_pools(dataplane, reason) && open_ports(dataplane, reason) &&
		make_net_config(dataplane, reason) && make_shared(dataplane, reason) &&
		make_workers(dataplane, reason) && confine(dataplane, reason)) {
		warn_of_distance(dataplane);
		dataplane->started_wall_us = clock_wall_us();
		tell_telemetry(dataplane);
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

	eal_hush();
	telemetry_close();
	for (uint32_t i = 0; i < n_workers; i++)
		atomic_store_explicit(&dataplane->workers[i].stop, true, memory_order_relaxed);
	for (uint32_t i = 0; i < n_workers; i++)
		(void)rte_eal_wait_lcore(dataplane->eal.lcores[i]);
	if (dataplane->chain_verifier != NULL)
		chain_verifier_stop(dataplane->chain_verifier);
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
		n_leaked += free_pool(dataplane->tx_pools[i]) + free_pool(dataplane->record_pools[i]);
	publication_destroy(&dataplane->publication);
	arena_destroy(&dataplane->arena);
	if (dataplane->counter_page.start != NULL)
		counter_page_destroy(&dataplane->counter_page);
	dataplane->running = false;
	// EAL is not taken down: its interrupt thread can't be stopped, and looks at memory that would be
	// gone (the memif driver leaves its listener registered). The process ends now, and all of it with
	// that.
	return n_leaked > n_kept ? n_leaked - n_kept : 0;
}

bool dataplane_pop_event(struct dataplane *dataplane, struct log_event *out_event)
{
	for (uint32_t i = 0; i < dataplane->config.dataplane.n_workers; i++)
		if (log_ring_pop(&dataplane->workers[i].log, out_event))
			return true;
	return false;
}
