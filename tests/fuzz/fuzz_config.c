// SPDX-License-Identifier: Apache-2.0
//
// The start configuration as the control link carries it. Whatever the records say, decoding ends with a
// configuration in which every index and length holds, or with a reason.
#include "base/assert.h"
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct config config;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char reason[IPC_REASON_MAX] = "";

	if (!config_decode(span_of(data, len), &config, reason)) {
		SLUICE_ASSERT(reason[0] != '\0' && strnlen(reason, sizeof reason) < sizeof reason);
		return 0;
	}
	SLUICE_ASSERT(config.dataplane.n_workers >= 1 && config.dataplane.n_workers <= IPC_WORKERS_MAX);
	SLUICE_ASSERT(config.n_ports >= 1 && config.n_ports <= IPC_PORTS_MAX);
	for (uint32_t i = 0; i < config.n_addresses; i++)
		SLUICE_ASSERT(config.addresses[i].port_idx < config.n_ports &&
			      config.addresses[i].prefix_len <= 128);
	for (uint32_t i = 0; i < config.n_routes; i++)
		SLUICE_ASSERT(
			config.routes[i].port_idx < config.n_ports && config.routes[i].prefix_len <= 128);
	return 0;
}
