// SPDX-License-Identifier: Apache-2.0
//
// Which receive queue a NIC's RSS chooses for a TCP packet: Toeplitz hash of (source, destination, source
// port, destination port) under the port's key, looked up in its redirection table.
#pragma once

#include "net/addr.h"
#include "net/port.h"

// The queue in which the flow's packets arrive; the port has PORT_CAN_RSS.
uint16_t rss_queue(const struct port_info *info, const struct flow_key *key);
