// SPDX-License-Identifier: Apache-2.0
//
// The start configuration: decoded from the records that came over the control link (include/ipc.h), checked
// whole, and only then believed. What needs an open port to be checked is checked by net_config_check
// afterwards.
#pragma once

#include "base/span.h"
#include "ipc.h"
#include "net/config.h"

struct config {
	struct ipc_dataplane dataplane;
	uint32_t n_ports;
	uint32_t n_addresses;
	uint32_t n_routes;
	struct ipc_port ports[IPC_PORTS_MAX]; // defaults are filled in; names end in a zero
	struct net_address_config addresses[IPC_ADDRESSES_MAX];
	struct net_route_config routes[IPC_ROUTES_MAX];
};

enum {
	CONFIG_MTU_DEFAULT = 1500,
	CONFIG_MTU_MAX = 9600,
	CONFIG_VLAN_MAX = 4094,
	CONFIG_MEMORY_MIN = 32 << 20,
	CONFIG_CONNECTIONS_DEFAULT = 65536,
	CONFIG_CONNECTIONS_MAX = 64 << 20,
};

// False: *out_config is unspecified, and `reason` (IPC_REASON_MAX bytes) says which record, which field, what
// was found and what is allowed.
bool config_decode(struct span records, struct config *out_config, char reason[static IPC_REASON_MAX])
	__attribute__((warn_unused_result));
