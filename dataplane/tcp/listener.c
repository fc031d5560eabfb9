// SPDX-License-Identifier: Apache-2.0
#include "tcp/listener.h"

bool tcp_listeners_init(struct tcp_listeners *listeners, struct arena *arena, uint32_t n_max)
{
	for (uint32_t i = 0; i < TCP_LISTENER_CHAINS; i++)
		listeners->chains[i] = POOL_NONE;
	return pool_init(&listeners->pool, arena, n_max, sizeof(struct tcp_listener));
}

static bool listener_is(const struct tcp_listener *listener, const struct ip_addr *addr, uint16_t port)
{
	if (listener->port != port || listener->any_addr != (addr == NULL))
		return false;
	return addr == NULL || ip_addr_equal(&listener->addr, addr);
}

// Where the link to that listener stands, or to the end of its chain.
static uint32_t *find_link(struct tcp_listeners *listeners, const struct ip_addr *addr, uint16_t port)
{
	uint32_t *link = &listeners->chains[port % TCP_LISTENER_CHAINS];

	while (*link != POOL_NONE) {
		struct tcp_listener *listener = pool_at(&listeners->pool, *link);

		if (listener_is(listener, addr, port))
			break;
		link = &listener->next;
	}
	return link;
}

bool tcp_listeners_add(
	struct tcp_listeners *listeners, const struct ip_addr *addr, uint16_t port, uint32_t tag)
{
	uint32_t *link = find_link(listeners, addr, port);
	struct tcp_listener *listener;

	if (*link != POOL_NONE)
		return false;
	listener = pool_alloc(&listeners->pool);
	if (listener == NULL)
		return false;
	*listener = (struct tcp_listener){
		.port = port, .tag = tag, .any_addr = addr == NULL, .next = POOL_NONE};
	if (addr != NULL)
		listener->addr = *addr;
	*link = pool_index(&listeners->pool, listener);
	return true;
}

bool tcp_listeners_remove(struct tcp_listeners *listeners, const struct ip_addr *addr, uint16_t port)
{
	uint32_t *link = find_link(listeners, addr, port);
	struct tcp_listener *listener;

	if (*link == POOL_NONE)
		return false;
	listener = pool_at(&listeners->pool, *link);
	*link = listener->next;
	pool_free(&listeners->pool, listener);
	return true;
}

const struct tcp_listener *tcp_listeners_find(
	const struct tcp_listeners *listeners, const struct ip_addr *addr, uint16_t port)
{
	const struct tcp_listener *any = NULL;
	uint32_t idx = listeners->chains[port % TCP_LISTENER_CHAINS];

	while (idx != POOL_NONE) {
		const struct tcp_listener *listener = pool_at(&listeners->pool, idx);

		if (listener->port == port && listener->any_addr)
			any = listener;
		else if (listener->port == port && ip_addr_equal(&listener->addr, addr))
			return listener;
		idx = listener->next;
	}
	return any;
}
