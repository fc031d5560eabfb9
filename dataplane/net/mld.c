// SPDX-License-Identifier: Apache-2.0
#include "net/mld.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/writer.h"
#include "net/ethernet.h"
#include "net/icmp6_output.h"
#include "net/instance.h"
#include "net/nd.h"
#include "net/output.h"

#include <rte_mbuf.h>

enum {
	QUERY_V1_LEN = 24,
	QUERY_V2_LEN_MIN = 28,
	REPORT_V2_HEADER_LEN = 8,
	REPORT_V2_RECORD_LEN = 20,
	REPORT_V1_LEN = 24,
	RECORD_MODE_IS_EXCLUDE = 2,   // "any source": the present state
	RECORD_CHANGE_TO_EXCLUDE = 4, // the same, as news
	IPV6_MTU_MIN = 1280,
	// RFC 3810 9: robustness 2, unsolicited report interval 1 s, older version querier time-out.
	N_CHANGES = 2,
	CHANGE_INTERVAL_US = 1000 * 1000,
	V1_QUERIER_US = 260 * 1000 * 1000,
	REPORT_INTERVAL_MIN_US = 100 * 1000, // however much somebody on the link asks
	CODE_FLOAT = 0x8000 // maximum response codes from here on are floating point (RFC 3810 5.1.3)
};

enum {
	RECORDS_MAX = (IPV6_MTU_MIN - WIRE_IP6_LEN - ROUTER_ALERT_LEN - REPORT_V2_HEADER_LEN) /
		      REPORT_V2_RECORD_LEN
};

static const struct ip_addr unspecified;
static const struct ip_addr all_mld2_routers = {.bytes = {0xff, 0x02, [15] = 0x16}};

static bool has_group(const struct net_port *port, const struct own_address *own)
{
	return own->port_idx == port->idx && !ip_addr_is_v4(&own->addr);
}

// An earlier address of the port is in the same group: their last 24 bits are equal.
static bool named_before(const struct net *net, uint32_t idx)
{
	struct ip_addr group = nd_solicited_node_of(&net->own.items[idx].addr);

	for (uint32_t i = 0; i < idx; i++) {
		struct ip_addr earlier = nd_solicited_node_of(&net->own.items[i].addr);

		if (has_group(&net->ports[net->own.items[idx].port_idx], &net->own.items[i]) &&
			ip_addr_equal(&earlier, &group))
			return true;
	}
	return false;
}

// The next group of the port from address *idx on; false when there is none.
static bool next_group(const struct net *net, const struct net_port *port, uint32_t *idx, struct ip_addr *out)
{
	for (; *idx < net->own.n; (*idx)++) {
		if (!has_group(port, &net->own.items[*idx]) || named_before(net, *idx))
			continue;
		*out = nd_solicited_node_of(&net->own.items[(*idx)++].addr);
		return true;
	}
	return false;
}

// RFC 3590: from the link-local address once it is ours, before that from the unspecified one.
static const struct ip_addr *report_source(const struct net *net, const struct net_port *port)
{
	for (uint32_t i = 0; i < net->own.n; i++) {
		const struct own_address *own = &net->own.items[i];

		if (has_group(port, own) && ip_addr_is_link_local(&own->addr) &&
			own->state == OWN_ADDRESS_USABLE)
			return &own->addr;
	}
	return &unspecified;
}

static struct writer append(struct rte_mbuf *m, uint16_t len)
{
	return writer_over((struct mut_span){.data = (uint8_t *)rte_pktmbuf_append(m, len), .len = len});
}

static void send_report(
	struct net *net, struct net_port *port, struct rte_mbuf *m, const struct ip_addr *destination)
{
	uint8_t mac[6];
	const struct icmp6_envelope envelope = {
		.source = report_source(net, port),
		.destination = destination,
		.mac = mac,
		.hop_limit = MLD_HOP_LIMIT,
		.router_alert = true,
	};

	mac_of_ip6_multicast(mac, destination);
	icmp6_output(net, port, m, &envelope);
	counter_inc(net->counters, COUNTER_NET_MLD_REPORTS);
}

// RFC 2710 3: one message for each group, to the group itself.
static void report_v1(struct net *net, struct net_port *port)
{
	struct ip_addr group;

	for (uint32_t idx = 0; next_group(net, port, &idx, &group);) {
		struct rte_mbuf *m = net_mbuf_alloc(net);
		struct writer writer;

		if (m == NULL)
			return;
		writer = append(m, REPORT_V1_LEN);
		writer_u32(&writer, (uint32_t)ICMP6_MLD1_REPORT << 24);
		writer_u32(&writer, 0);
		writer_bytes(&writer, span_of(group.bytes, sizeof group.bytes));
		SLUICE_ASSERT(writer_ok(&writer));
		send_report(net, port, m, &group);
	}
}

// RFC 3810 5.2. Returns false when no group was left for this message.
static bool report_v2_part(struct net *net, struct net_port *port, uint8_t record_type, uint32_t *idx)
{
	struct ip_addr groups[RECORDS_MAX];
	uint16_t n_groups = 0;
	struct rte_mbuf *m;
	struct writer writer;

	while (n_groups < RECORDS_MAX && next_group(net, port, idx, &groups[n_groups]))
		n_groups++;
	m = n_groups != 0 ? net_mbuf_alloc(net) : NULL;
	if (m == NULL)
		return false;
	writer = append(m, (uint16_t)(REPORT_V2_HEADER_LEN + n_groups * REPORT_V2_RECORD_LEN));
	writer_u32(&writer, (uint32_t)ICMP6_MLD2_REPORT << 24);
	writer_u16(&writer, 0);
	writer_u16(&writer, n_groups);
	for (uint16_t i = 0; i < n_groups; i++) {
		writer_u8(&writer, record_type);
		writer_u8(&writer, 0);  // no auxiliary data
		writer_u16(&writer, 0); // no sources
		writer_bytes(&writer, span_of(groups[i].bytes, sizeof groups[i].bytes));
	}
	SLUICE_ASSERT(writer_ok(&writer));
	send_report(net, port, m, &all_mld2_routers);
	return true;
}

static void report(struct net *net, struct net_port *port, uint8_t record_type)
{
	uint32_t idx = 0;

	port->mld.reported_us = net->now_us;
	if (net->now_us < port->mld.v1_until_us)
		report_v1(net, port);
	else
		while (report_v2_part(net, port, record_type, &idx))
			;
}

// A time below max_us that differs from machine to machine and from report to report, so that not all answer
// a query at once.
static uint64_t spread(const struct net *net, const struct net_port *port, uint64_t max_us)
{
	uint64_t mixed = net->now_us;

	for (size_t i = 0; i < sizeof port->mac; i++)
		mixed = (mixed ^ port->mac[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return max_us != 0 ? (mixed >> 32) % max_us : 0;
}

static void schedule(struct net *net, struct net_port *port, uint64_t max_us)
{
	uint64_t due_us = net->now_us + spread(net, port, max_us);
	uint64_t earliest_us = port->mld.reported_us + REPORT_INTERVAL_MIN_US;

	timer_start(&net->timers, &port->mld.timer.timer, due_us > earliest_us ? due_us : earliest_us);
}

void mld_start(struct net *net, struct net_port *port)
{
	uint32_t idx = 0;
	struct ip_addr group;

	SLUICE_ASSERT(net_is_resolver(net));
	if (!next_group(net, port, &idx, &group))
		return;
	port->mld.n_changes = N_CHANGES;
	port->mld.asked = false;
	port->mld.v1_until_us = 0;
	mld_timeout(net, port);
}

void mld_timeout(struct net *net, struct net_port *port)
{
	if (port->mld.n_changes != 0) {
		// News says all that an answer would.
		report(net, port, RECORD_CHANGE_TO_EXCLUDE);
		port->mld.n_changes--;
	} else if (port->mld.asked) {
		report(net, port, RECORD_MODE_IS_EXCLUDE);
	}
	port->mld.asked = false;
	if (port->mld.n_changes != 0)
		schedule(net, port, CHANGE_INTERVAL_US);
}

static bool in_group(const struct net *net, const struct net_port *port, const struct ip_addr *group)
{
	for (uint32_t i = 0; i < net->own.n; i++) {
		struct ip_addr ours = nd_solicited_node_of(&net->own.items[i].addr);

		if (has_group(port, &net->own.items[i]) && ip_addr_equal(&ours, group))
			return true;
	}
	return false;
}

// RFC 3810 5.1.3, in milliseconds.
static uint32_t max_response_ms(uint16_t code, bool is_v1)
{
	if (is_v1 || code < CODE_FLOAT)
		return code;
	return (uint32_t)((code & 0xfff) | 0x1000) << ((code >> 12 & 7) + 3);
}

// RFC 3810 5.1, 6.2, 8.2.1.
enum counter mld_receive(struct net *net, struct packet *packet)
{
	struct net_port *port = packet->port;
	struct reader reader = reader_over(packet_transport(packet));
	bool is_v1 = packet->transport_len == QUERY_V1_LEN;
	struct ip_addr group = {0};
	uint16_t code;

	if (!packet->is_query)
		return COUNTER_NET_DROP_MLD;
	reader_skip(&reader, 4);
	code = reader_u16(&reader);
	reader_skip(&reader, 2);
	reader_copy(&reader, group.bytes, sizeof group.bytes);
	if (!reader_ok(&reader) || (!is_v1 && packet->transport_len < QUERY_V2_LEN_MIN) ||
		!ip_addr_is_link_local(&packet->source))
		return COUNTER_NET_DROP_MLD;
	if (!ip_addr_equal(&group, &unspecified) && !in_group(net, port, &group))
		return COUNTER_NET_DROP_MLD;
	counter_inc(net->counters, COUNTER_NET_MLD_QUERIES);
	if (is_v1)
		port->mld.v1_until_us = net->now_us + V1_QUERIER_US;
	// A report that waits already comes soon enough.
	port->mld.asked = true;
	if (!timer_armed(&port->mld.timer.timer))
		schedule(net, port, UINT64_C(1000) * max_response_ms(code, is_v1));
	net_discard(net, packet->mbuf);
	return PACKET_OK;
}
