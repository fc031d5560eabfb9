// SPDX-License-Identifier: Apache-2.0
#include "net/port_dpdk.h"

#include "base/assert.h"
#include "net/interrupt_thread.h"
#include "net/memif_guard.h"
#include "net/packet_pool.h"
#include "net/wire.h"

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	RING_LEN_DEFAULT = 1024,
	MEMIF_RING_LOG2_DEFAULT = 10 // the driver's
};

#define RX_CHECKSUM_OFFLOADS (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define TX_CHECKSUM_OFFLOADS (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
#define RSS_TYPES            (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)

struct port_dpdk {
	struct port port;
	uint16_t id; // DPDK's number of the device
	bool hot_plugged;
	bool guarded;                   // it is memif, whose peer may vanish
	_Atomic uint64_t tx_unsendable; // frames that the driver refused for good, on any queue
	struct memif_guard guard;
};

// What an opening that fails says.
struct opening {
	const struct port_dpdk_config *config;
	char *reason;
	size_t reason_len;
};

__attribute__((format(printf, 2, 3))) static bool complain(
	const struct opening *opening, const char *format, ...)
{
	va_list arguments;
	int len = snprintf(opening->reason, opening->reason_len, "port %s: ", opening->config->device);

	if (len < 0 || (size_t)len >= opening->reason_len)
		return false;
	va_start(arguments, format);
	(void)vsnprintf(opening->reason + len, opening->reason_len - (size_t)len, format, arguments);
	va_end(arguments);
	return false;
}

static struct port_dpdk *of(struct port *port)
{
	return (struct port_dpdk *)port;
}

static uint16_t dpdk_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return rte_eth_rx_burst(of(port)->id, queue, mbufs, n);
}

// A frame that the driver's own check refuses would stop the queue for ever: it is taken and dropped.
static uint16_t dpdk_tx_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct port_dpdk *dpdk = of(port);
	uint16_t n_sendable = n;
	uint16_t n_sent;

	if ((port->info.capabilities & PORT_CAN_TX_CHECKSUM) != 0)
		n_sendable = rte_eth_tx_prepare(dpdk->id, queue, mbufs, n);
	n_sent = rte_eth_tx_burst(dpdk->id, queue, mbufs, n_sendable);
	if (n_sendable < n && n_sent == n_sendable) {
		rte_pktmbuf_free(mbufs[n_sendable]);
		(void)atomic_fetch_add_explicit(&dpdk->tx_unsendable, 1, memory_order_relaxed);
		n_sent++;
	}
	return n_sent;
}

static uint16_t memif_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	memif_guard_enter(&of(port)->guard);
	n = dpdk_rx_burst(port, queue, mbufs, n);
	memif_guard_leave(&of(port)->guard);
	return n;
}

static uint16_t memif_tx_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	memif_guard_enter(&of(port)->guard);
	n = dpdk_tx_burst(port, queue, mbufs, n);
	memif_guard_leave(&of(port)->guard);
	return n;
}

static bool dpdk_link_up(struct port *port)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(of(port)->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

static void dpdk_stats(struct port *port, struct port_stats *out)
{
	struct rte_eth_stats stats;

	*out = (struct port_stats){0};
	if (rte_eth_stats_get(of(port)->id, &stats) != 0)
		return;
	*out = (struct port_stats){
		.rx_packets = stats.ipackets,
		.rx_bytes = stats.ibytes,
		.rx_missed = stats.imissed,
		.rx_errors = stats.ierrors,
		.rx_no_mbuf = stats.rx_nombuf,
		.tx_packets = stats.opackets,
		.tx_bytes = stats.obytes,
		.tx_errors = stats.oerrors + of(port)->tx_unsendable,
	};
}

static void stop_and_close(void *argument)
{
	const struct port_dpdk *dpdk = argument;

	(void)rte_eth_dev_stop(dpdk->id);
	(void)rte_eth_dev_close(dpdk->id);
}

static void dpdk_close(struct port *port)
{
	struct port_dpdk *dpdk = of(port);
	struct rte_eth_dev_info info;
	struct rte_device *device = NULL;

	if (dpdk->hot_plugged && rte_eth_dev_info_get(dpdk->id, &info) == 0)
		device = info.device;
	if (dpdk->guarded) {
		// Its handler closes a device whose peer is gone by itself: at the same moment both would
		// free the same memory.
		interrupt_thread_run(stop_and_close, dpdk);
		memif_guard_remove(&dpdk->guard);
	} else {
		stop_and_close(dpdk);
	}
	if (device != NULL)
		(void)rte_dev_remove(device);
	free(dpdk);
}

static const struct port_ops dpdk_ops = {
	.rx_burst = dpdk_rx_burst,
	.tx_burst = dpdk_tx_burst,
	.link_up = dpdk_link_up,
	.stats = dpdk_stats,
	.close = dpdk_close,
};

static const struct port_ops memif_ops = {
	.rx_burst = memif_rx_burst,
	.tx_burst = memif_tx_burst,
	.link_up = dpdk_link_up,
	.stats = dpdk_stats,
	.close = dpdk_close,
};

// Finds the device, or plugs it in.
static bool find_device(struct port_dpdk *dpdk, const struct opening *opening)
{
	const char *device = opening->config->device;
	struct port_info *info = &dpdk->port.info;
	int error;

	(void)snprintf(info->name, sizeof info->name, "%.*s", (int)strcspn(device, ","), device);
	if (rte_eth_dev_get_port_by_name(info->name, &dpdk->id) == 0)
		return true;
	error = rte_dev_probe(device);
	if (error != 0)
		return complain(opening,
			"can't be opened (%s); is the name right, is the interface there and free, and does "
			"a DPDK "
			"driver for it exist?",
			rte_strerror(-error));
	dpdk->hot_plugged = true;
	if (rte_eth_dev_get_port_by_name(info->name, &dpdk->id) != 0)
		return complain(opening, "was opened, but is no network device");
	return true;
}

static bool is_zero_copy_memif(const struct rte_eth_dev_info *info, const char *device)
{
	return strcmp(info->driver_name, "net_memif") == 0 && strstr(device, ",zero-copy=yes") != NULL;
}

// A memif client with zero copy keeps what lies in its two rings when it is closed.
static uint32_t memif_buffers_kept(const char *device)
{
	const char *log2_len = strstr(device, ",rsize=");
	unsigned long shift = log2_len != NULL ? strtoul(log2_len + strlen(",rsize="), NULL, 10)
					       : MEMIF_RING_LOG2_DEFAULT;

	return UINT32_C(2) << (shift & 31);
}

// Which of the driver's abilities to use.
static uint32_t choose_capabilities(
	const struct rte_eth_dev_info *info, const struct port_dpdk_config *config)
{
	uint32_t capabilities = 0;

	if ((info->rx_offload_capa & RX_CHECKSUM_OFFLOADS) == RX_CHECKSUM_OFFLOADS)
		capabilities |= PORT_CAN_RX_CHECKSUM;
	if ((info->tx_offload_capa & TX_CHECKSUM_OFFLOADS) == TX_CHECKSUM_OFFLOADS)
		capabilities |= PORT_CAN_TX_CHECKSUM;
	if ((info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0)
		capabilities |= PORT_CAN_MULTI_SEGMENT;
	// A driver whose RSS can't be steered (TAP) has no redirection table.
	if (config->n_workers > 1 && info->max_rx_queues >= config->n_workers &&
		info->max_tx_queues >= config->n_workers && info->reta_size != 0 &&
		info->reta_size <= PORT_RETA_MAX && (info->reta_size & (info->reta_size - 1)) == 0 &&
		info->hash_key_size <= PORT_RSS_KEY_MAX &&
		(info->flow_type_rss_offloads & RSS_TYPES) == RSS_TYPES)
		capabilities |= PORT_CAN_RSS;
	// Sends four frames at a time where five slots are free, although each may take several: it overruns
	// its ring, and frees what is still in use.
	if (is_zero_copy_memif(info, config->device))
		capabilities &= ~(uint32_t)PORT_CAN_MULTI_SEGMENT;
	capabilities &= ~config->disabled_capabilities;
	// TAP does these in software, and wrongly: it adds up chains as if every piece were of even length,
	// and packets that its TSO can't cut it refuses for ever.
	if (strcmp(info->driver_name, "net_tap") == 0)
		return capabilities & ~(uint32_t)PORT_CAN_TX_CHECKSUM;
	if ((info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0 &&
		(config->disabled_capabilities & PORT_CAN_TSO) == 0 &&
		(capabilities & PORT_CAN_TX_CHECKSUM) != 0 && (capabilities & PORT_CAN_MULTI_SEGMENT) != 0)
		capabilities |= PORT_CAN_TSO;
	return capabilities;
}

static struct rte_eth_conf device_conf(struct port_info *info, const struct port_dpdk_config *config)
{
	struct rte_eth_conf conf = {.rxmode = {.mtu = config->mtu}};

	if ((info->capabilities & PORT_CAN_RX_CHECKSUM) != 0)
		conf.rxmode.offloads |= RX_CHECKSUM_OFFLOADS;
	if ((info->capabilities & PORT_CAN_TX_CHECKSUM) != 0)
		conf.txmode.offloads |= TX_CHECKSUM_OFFLOADS;
	if ((info->capabilities & PORT_CAN_MULTI_SEGMENT) != 0)
		conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if ((info->capabilities & PORT_CAN_TSO) != 0)
		conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
	if ((info->capabilities & PORT_CAN_RSS) != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
			.rss_key = info->rss_key, .rss_key_len = info->rss_key_len, .rss_hf = RSS_TYPES};
	}
	return conf;
}

static bool setup_queues(struct port_dpdk *dpdk, const struct opening *opening)
{
	const struct port_dpdk_config *config = opening->config;
	uint16_t rx_len = config->rx_ring_len != 0 ? config->rx_ring_len : RING_LEN_DEFAULT;
	uint16_t tx_len = config->tx_ring_len != 0 ? config->tx_ring_len : RING_LEN_DEFAULT;
	int socket = rte_eth_dev_socket_id(dpdk->id);
	unsigned int node = socket >= 0 ? (unsigned int)socket : 0;
	int error = rte_eth_dev_adjust_nb_rx_tx_desc(dpdk->id, &rx_len, &tx_len);

	for (uint16_t i = 0; i < dpdk->port.info.n_queues && error == 0; i++) {
		error = rte_eth_rx_queue_setup(dpdk->id, i, rx_len, node, NULL, config->rx_pool);
		if (error == 0)
			error = rte_eth_tx_queue_setup(dpdk->id, i, tx_len, node, NULL);
	}
	if (error != 0)
		return complain(opening, "queues of %u and %u descriptors can't be set up (%s)", rx_len,
			tx_len, rte_strerror(-error));
	return true;
}

// Multicast is needed for neighbour discovery; a driver that can't filter is asked for everything.
static void accept_multicast(const struct port_dpdk *dpdk)
{
	if (rte_eth_allmulticast_enable(dpdk->id) != 0)
		(void)rte_eth_promiscuous_enable(dpdk->id);
}

static bool start_device(struct port_dpdk *dpdk, const struct opening *opening)
{
	struct port_info *info = &dpdk->port.info;
	const struct port_dpdk_config *config = opening->config;
	struct rte_eth_conf conf = device_conf(info, config);
	uint16_t mtu;
	int error;

	info->n_queues = (info->capabilities & PORT_CAN_RSS) != 0 ? config->n_workers : 1;
	error = rte_eth_dev_configure(dpdk->id, info->n_queues, info->n_queues, &conf);
	if (error != 0)
		return complain(opening, "can't be configured for %u queues and an MTU of %u (%s)",
			info->n_queues, config->mtu, rte_strerror(-error));
	if (!setup_queues(dpdk, opening))
		return false;
	// Drivers of kernel interfaces change the interface's own MTU here; those that can't keep what they
	// have.
	if (rte_eth_dev_get_mtu(dpdk->id, &mtu) == 0 && mtu != config->mtu)
		(void)rte_eth_dev_set_mtu(dpdk->id, config->mtu);
	error = rte_eth_dev_start(dpdk->id);
	if (error != 0)
		return complain(opening, "can't be started (%s)", rte_strerror(-error));
	accept_multicast(dpdk);
	return true;
}

// Points the redirection table at the queues in turn, and reads back the key that the device really uses.
static bool steer(struct port_dpdk *dpdk)
{
	struct port_info *info = &dpdk->port.info;
	struct rte_eth_rss_reta_entry64 groups[PORT_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
	struct rte_eth_rss_conf conf = {
		.rss_key = info->rss_key, .rss_key_len = info->rss_key_len, .rss_hf = RSS_TYPES};

	memset(groups, 0, sizeof groups);
	for (uint16_t i = 0; i < info->reta_len; i++) {
		struct rte_eth_rss_reta_entry64 *group = &groups[i / RTE_ETH_RETA_GROUP_SIZE];

		info->reta[i] = i % info->n_queues;
		group->mask |= UINT64_C(1) << (i % RTE_ETH_RETA_GROUP_SIZE);
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = info->reta[i];
	}
	// Some drivers take the key only here. One that keeps its own says so in the next line.
	(void)rte_eth_dev_rss_hash_update(dpdk->id, &conf);
	return rte_eth_dev_rss_reta_update(dpdk->id, groups, info->reta_len) == 0 &&
	       rte_eth_dev_rss_hash_conf_get(dpdk->id, &conf) == 0 && (conf.rss_hf & RSS_TYPES) == RSS_TYPES;
}

static bool start_and_steer(struct port_dpdk *dpdk, const struct opening *opening)
{
	struct port_info *info = &dpdk->port.info;

	if (!start_device(dpdk, opening))
		return false;
	if ((info->capabilities & PORT_CAN_RSS) == 0 || steer(dpdk))
		return true;
	// RSS that can't be predicted is of no use: one queue, which the workers share.
	info->capabilities &= ~(uint32_t)PORT_CAN_RSS;
	if (rte_eth_dev_stop(dpdk->id) != 0)
		return complain(opening, "can't be stopped to be configured without RSS");
	return start_device(dpdk, opening);
}

static bool open_device(struct port_dpdk *dpdk, const struct opening *opening)
{
	const struct port_dpdk_config *config = opening->config;
	struct port_info *info = &dpdk->port.info;
	uint32_t room = rte_pktmbuf_data_room_size(config->rx_pool) - PACKET_HEADROOM;
	const uint32_t n_in_use = rte_mempool_in_use_count(config->rx_pool);
	struct rte_eth_dev_info device;
	struct rte_ether_addr mac;
	int error;

	if ((uint32_t)config->mtu + WIRE_LINK_LEN_MAX > room)
		return complain(
			opening, "frames of MTU %u don't fit the buffers of %u bytes", config->mtu, room);
	error = rte_eth_dev_info_get(dpdk->id, &device);
	if (error != 0)
		return complain(opening, "does not tell what it can do (%s)", rte_strerror(-error));
	info->capabilities = choose_capabilities(&device, config);
	info->mtu = config->mtu;
	info->numa_node = rte_eth_dev_socket_id(dpdk->id);
	if (strcmp(device.driver_name, "net_memif") == 0) {
		interrupt_thread_prepare();
		memif_guard_add(&dpdk->guard);
		dpdk->guarded = true;
		if (is_zero_copy_memif(&device, config->device))
			info->n_buffers_kept = memif_buffers_kept(config->device);
		dpdk->port.ops = &memif_ops;
	}
	info->tx_segments_max = 1;
	if ((info->capabilities & PORT_CAN_MULTI_SEGMENT) != 0)
		info->tx_segments_max = device.tx_desc_lim.nb_mtu_seg_max < device.tx_desc_lim.nb_seg_max
						? device.tx_desc_lim.nb_mtu_seg_max
						: device.tx_desc_lim.nb_seg_max;
	info->rss_key_len = device.hash_key_size != 0 ? device.hash_key_size : 40;
	info->reta_len = device.reta_size <= PORT_RETA_MAX ? device.reta_size : 0;
	memcpy(info->rss_key, config->rss_key, sizeof info->rss_key);
	if (!start_and_steer(dpdk, opening))
		return false;
	error = rte_eth_macaddr_get(dpdk->id, &mac);
	if (error != 0)
		return complain(opening, "has no link address (%s)", rte_strerror(-error));
	memcpy(info->mac, mac.addr_bytes, sizeof info->mac);
	// AF_XDP leaves to the kernel what it filled in for receiving, and what was not yet reported as sent.
	if (strcmp(device.driver_name, "net_af_xdp") == 0)
		info->n_buffers_kept = rte_mempool_in_use_count(config->rx_pool) - n_in_use +
				       device.tx_desc_lim.nb_max;
	// The driver gives both ends of a TAP one address, but ours is a station of its own. Nothing filters
	// there.
	if (strcmp(device.driver_name, "net_tap") == 0)
		info->mac[0] = (uint8_t)((info->mac[0] ^ 0x04) | RTE_ETHER_LOCAL_ADMIN_ADDR);
	return true;
}

struct port *port_dpdk_open(const struct port_dpdk_config *config, char *reason, size_t reason_len)
{
	struct opening opening = {.config = config, .reason = reason, .reason_len = reason_len};
	struct port_dpdk *dpdk = aligned_alloc(_Alignof(struct port_dpdk), sizeof *dpdk);

	if (dpdk == NULL) {
		(void)complain(&opening, "no memory");
		return NULL;
	}
	memset(dpdk, 0, sizeof *dpdk);
	dpdk->port.ops = &dpdk_ops;
	if (!find_device(dpdk, &opening)) {
		free(dpdk);
		return NULL;
	}
	if (!open_device(dpdk, &opening)) {
		dpdk_close(&dpdk->port);
		return NULL;
	}
	return &dpdk->port;
}
