// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener.h"

enum {
	SECOND_US = 1000000
};

void listener_timeouts_default(struct listener_timeouts *timeouts)
{
	*timeouts = (struct listener_timeouts){
		.handshake_us = UINT64_C(10) * SECOND_US,
		.connect_us = UINT64_C(5) * SECOND_US,
		.idle_us = UINT64_C(300) * SECOND_US,
		.linger_us = UINT64_C(30) * SECOND_US,
	};
}

uint32_t proxy_backend_source(
	const struct proxy_backend *backend, const struct ip_addr *server, uint32_t from)
{
	while (from < backend->n_locals && ip_addr_is_v4(&backend->locals[from]) != ip_addr_is_v4(server))
		from++;
	return from < backend->n_locals ? from : PROXY_SOURCES_MAX;
}

bool listener_trusts(const struct proxy_listener *listener, const struct ip_addr *source)
{
	for (uint32_t i = 0; i < listener->n_trusted; i++)
		if (ip_addr_in_prefix(source, &listener->trusted[i], listener->trusted_lens[i]))
			return true;
	return false;
}
