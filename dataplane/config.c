// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include "base/assert.h"
#include "records.h"
#include "refusal.h"

// The state of one decoding: where the reason goes and what is being read.
struct decoder {
	struct config *config;
	char *reason;
	bool dataplane_seen;
};

// Whether a text of fixed width ends in a zero, has something in it, and nothing that a terminal would act
// on.
static bool text_is_clean(const char *text, size_t width)
{
	size_t len = strnlen(text, width);

	if (len == 0 || len == width)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e)
			return false;
	return true;
}

static bool name_is_plain(const char *name)
{
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
	       strlen(name);
}

static bool decode_dataplane(struct decoder *decoder, const struct ipc_dataplane *dataplane)
{
	if (decoder->dataplane_seen)
		return refuse(decoder->reason, "dataplane: given twice");
	if (!text_is_clean(dataplane->name, sizeof dataplane->name) || !name_is_plain(dataplane->name))
		return refuse(decoder->reason, "dataplane: name must be letters, digits, '_', '-' and '.'");
	if (dataplane->n_workers == 0 || dataplane->n_workers > IPC_WORKERS_MAX)
		return refuse(decoder->reason, "dataplane: %u workers; 1 to %d are possible",
			dataplane->n_workers, IPC_WORKERS_MAX);
	for (uint32_t i = 0; i < dataplane->n_workers; i++)
		for (uint32_t j = 0; j < i; j++)
			if (dataplane->cores[i] == dataplane->cores[j])
				return refuse(decoder->reason,
					"dataplane: workers %u and %u are both on core %u", j, i,
					dataplane->cores[i]);
	if (dataplane->memory_len < CONFIG_MEMORY_MIN)
		return refuse(decoder->reason, "dataplane: memory of %llu bytes; at least %d are needed",
			(unsigned long long)dataplane->memory_len, CONFIG_MEMORY_MIN);
	if (dataplane->poll > IPC_POLL_BUSY)
		return refuse(decoder->reason, "dataplane: poll mode %u; 0 (adaptive) and 1 (busy) exist",
			dataplane->poll);
	if (dataplane->huge_pages > 1)
		return refuse(decoder->reason, "dataplane: huge-pages is %u; 0 and 1 are allowed",
			dataplane->huge_pages);
	if (dataplane->n_connections > CONFIG_CONNECTIONS_MAX)
		return refuse(decoder->reason, "dataplane: %u connections; at most %d are possible",
			dataplane->n_connections, CONFIG_CONNECTIONS_MAX);
	if (dataplane->user_id == UINT32_MAX || dataplane->group_id == UINT32_MAX ||
		(dataplane->user_id == 0) != (dataplane->group_id == 0))
		return refuse(decoder->reason,
			"dataplane: user %u with group %u; both are root's or neither is", dataplane->user_id,
			dataplane->group_id);
	decoder->dataplane_seen = true;
	decoder->config->dataplane = *dataplane;
	if (dataplane->n_connections == 0)
		decoder->config->dataplane.n_connections = CONFIG_CONNECTIONS_DEFAULT;
	return true;
}

static bool decode_port(struct decoder *decoder, const struct ipc_port *port)
{
	struct config *config = decoder->config;
	uint16_t mtu = port->mtu != 0 ? port->mtu : CONFIG_MTU_DEFAULT;

	if (config->n_ports == IPC_PORTS_MAX)
		return refuse(decoder->reason, "port %u: at most %d ports are possible", config->n_ports,
			IPC_PORTS_MAX);
	if (!text_is_clean(port->name, sizeof port->name) || !name_is_plain(port->name))
		return refuse(decoder->reason, "port %u: name must be letters, digits, '_', '-' and '.'",
			config->n_ports);
	for (uint32_t i = 0; i < config->n_ports; i++)
		if (strcmp(config->ports[i].name, port->name) == 0)
			return refuse(decoder->reason, "port %u: the name '%s' is port %u's", config->n_ports,
				port->name, i);
	if (!text_is_clean(port->device, sizeof port->device))
		return refuse(decoder->reason,
			"port '%s': device must be a PCI address or a DPDK device name", port->name);
	if (mtu < NET_MTU_MIN || mtu > CONFIG_MTU_MAX)
		return refuse(decoder->reason, "port '%s': mtu %u; %d to %d are allowed", port->name, mtu,
			NET_MTU_MIN, CONFIG_MTU_MAX);
	if (port->vlan > CONFIG_VLAN_MAX)
		return refuse(decoder->reason, "port '%s': vlan %u; 1 to %d are allowed", port->name,
			port->vlan, CONFIG_VLAN_MAX);
	config->ports[config->n_ports] = *port;
	config->ports[config->n_ports].mtu = mtu;
	config->n_ports++;
	return true;
}

// Prefix lengths travel counted in their family; inside, in 128 bits. False when too long for the family.
static bool prefix_len_of(const struct ip_addr *addr, uint8_t len, uint8_t *out_len)
{
	const bool v4 = ip_addr_is_v4(addr);

	if (len > (v4 ? 32 : 128))
		return false;
	*out_len = (uint8_t)(v4 ? IP_ADDR_V4_PREFIX_LEN + len : len);
	return true;
}

static bool decode_address(struct decoder *decoder, const struct ipc_address *record)
{
	struct config *config = decoder->config;
	struct net_address_config address = {.addr = ip_addr_from_bytes(record->address)};

	if (config->n_addresses == IPC_ADDRESSES_MAX)
		return refuse(decoder->reason, "address %u: at most %d are possible", config->n_addresses,
			IPC_ADDRESSES_MAX);
	if (record->port_idx >= config->n_ports)
		return refuse(decoder->reason, "address %u: port %u does not exist", config->n_addresses,
			record->port_idx);
	if (!prefix_len_of(&address.addr, record->prefix_len, &address.prefix_len))
		return refuse(decoder->reason, "address %u: prefix length %u is too long",
			config->n_addresses, record->prefix_len);
	if (!ip_addr_is_unicast(&address.addr))
		return refuse(decoder->reason, "address %u: not a unicast address", config->n_addresses);
	for (uint32_t i = 0; i < config->n_addresses; i++)
		if (ip_addr_equal(&config->addresses[i].addr, &address.addr))
			return refuse(decoder->reason, "address %u: the same as address %u",
				config->n_addresses, i);
	address.port_idx = (uint8_t)record->port_idx;
	config->addresses[config->n_addresses++] = address;
	return true;
}

static bool is_unspecified(const struct ip_addr *addr)
{
	return addr->words[0] == 0 && (addr->words[1] == 0 || (ip_addr_is_v4(addr) && ip_addr_v4(addr) == 0));
}

static bool decode_route(struct decoder *decoder, const struct ipc_route *record)
{
	struct config *config = decoder->config;
	struct net_route_config route = {
		.destination = ip_addr_from_bytes(record->prefix),
		.gateway = ip_addr_from_bytes(record->gateway),
	};

	if (config->n_routes == IPC_ROUTES_MAX)
		return refuse(decoder->reason, "route %u: at most %d are possible", config->n_routes,
			IPC_ROUTES_MAX);
	if (record->port_idx >= config->n_ports)
		return refuse(decoder->reason, "route %u: port %u does not exist", config->n_routes,
			record->port_idx);
	if (!prefix_len_of(&route.destination, record->prefix_len, &route.prefix_len))
		return refuse(decoder->reason, "route %u: prefix length %u is too long", config->n_routes,
			record->prefix_len);
	if (ip_addr_is_v4(&route.destination) != ip_addr_is_v4(&route.gateway) &&
		!is_unspecified(&route.gateway))
		return refuse(decoder->reason, "route %u: destination and gateway are of different families",
			config->n_routes);
	if (!is_unspecified(&route.gateway) && !ip_addr_is_unicast(&route.gateway))
		return refuse(
			decoder->reason, "route %u: the gateway is not a unicast address", config->n_routes);
	if (is_unspecified(&route.gateway))
		route.gateway = (struct ip_addr){0};
	route.port_idx = (uint8_t)record->port_idx;
	config->routes[config->n_routes++] = route;
	return true;
}

// Copies a body of exactly `size` bytes, or refuses.
static bool take_body(struct decoder *decoder, struct span body, void *out, size_t size, const char *what)
{
	if (body.len != size)
		return refuse(decoder->reason, "%s: a record of %zu bytes; it has %zu in this version", what,
			body.len, size);
	memcpy(out, body.data, size);
	return true;
}

static bool decode_record(struct decoder *decoder, uint16_t type, struct span body)
{
	union {
		struct ipc_dataplane dataplane;
		struct ipc_port port;
		struct ipc_address address;
		struct ipc_route route;
	} record;

	if (type != IPC_RECORD_DATAPLANE && !decoder->dataplane_seen)
		return refuse(decoder->reason, "the first record must be the dataplane's");
	switch (type) {
	case IPC_RECORD_DATAPLANE:
		return take_body(decoder, body, &record.dataplane, sizeof record.dataplane, "dataplane") &&
		       decode_dataplane(decoder, &record.dataplane);
	case IPC_RECORD_PORT:
		return take_body(decoder, body, &record.port, sizeof record.port, "port") &&
		       decode_port(decoder, &record.port);
	case IPC_RECORD_ADDRESS:
		return take_body(decoder, body, &record.address, sizeof record.address, "address") &&
		       decode_address(decoder, &record.address);
	case IPC_RECORD_ROUTE:
		return take_body(decoder, body, &record.route, sizeof record.route, "route") &&
		       decode_route(decoder, &record.route);
	default:
		return refuse(
			decoder->reason, "record type %u is not known in version %d", type, IPC_VERSION);
	}
}

bool config_decode(struct span records, struct config *out_config, char reason[static IPC_REASON_MAX])
{
	struct decoder decoder = {.config = out_config, .reason = reason};
	struct reader reader = reader_over(records);
	enum records_status status;
	struct record record;

	memset(out_config, 0, sizeof *out_config);
	while ((status = records_next(&reader, &record)) == RECORDS_NEXT)
		if (!decode_record(&decoder, record.type, record.content))
			return false;
	if (status != RECORDS_END)
		return refuse(decoder.reason, "the last record is cut off");
	if (!decoder.dataplane_seen)
		return refuse(decoder.reason, "no dataplane record");
	if (out_config->n_ports == 0)
		return refuse(decoder.reason, "no port");
	return true;
}
