// SPDX-License-Identifier: Apache-2.0
//
// Snapshots and the records of keys and certificates as the control link carries them. Whatever they say,
// decoding ends with a deployment in which every index holds, or with a reason and nothing changed.
#include "base/assert.h"
#include "deployment.h"
#include "terms_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct credentials credentials;
static struct terms_table terms;
static struct net_address_config addresses[2];
static struct net_config net;

static void open_once(void)
{
	if (net.n_addresses != 0)
		return;
	SLUICE_ASSERT(credentials_init(&credentials, SELECT_LANES_SCALAR));
	SLUICE_ASSERT(terms_table_init(&terms, NULL));
	addresses[0] = (struct net_address_config){.addr = ip_addr_v4_of(198, 51, 100, 1), .prefix_len = 120};
	addresses[1] = (struct net_address_config){
		.addr = {.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}, .prefix_len = 64};
	net.addresses = addresses;
	net.n_addresses = 2;
}

static void check(const struct deployment *deployment)
{
	for (uint32_t i = 0; i < deployment->proxy.n_listeners; i++) {
		const struct proxy_listener *listener = &deployment->proxy.listeners[i];
		enum listener_protocol protocol = listener->terms->protocol;
		bool wants_tls = protocol == LISTENER_TLS || protocol == LISTENER_MAIL;

		SLUICE_ASSERT(listener->pool_idx == UINT32_MAX ||
			      deployment->proxy.backends[listener->pool_idx].n_locals != 0);
		SLUICE_ASSERT(listener->pool_idx != UINT32_MAX || protocol != LISTENER_TCP);
		SLUICE_ASSERT((listener->tls != NULL) == wants_tls);
	}
	for (uint32_t i = 0; i < deployment->n_pools; i++) {
		const struct deployment_pool *pool = &deployment->pools[i];

		SLUICE_ASSERT(pool->idx < deployment->proxy.n_backends && pool->idx < TERMS_BACKENDS);
		SLUICE_ASSERT(pool->n_servers >= 1 && pool->n_servers <= UPSTREAM_SERVERS_MAX);
		for (uint32_t k = 0; k < pool->n_servers; k++)
			SLUICE_ASSERT(proxy_backend_source(&deployment->proxy.backends[pool->idx],
					      &pool->servers[k].addr, 0) != PROXY_SOURCES_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char reason[IPC_REASON_MAX] = "";
	struct deployment *deployment;

	open_once();
	if (!credentials_add_keys(&credentials, span_of(data, len), reason))
		SLUICE_ASSERT(reason[0] != '\0');
	if (!credentials_add_certificates(&credentials, span_of(data, len), reason))
		SLUICE_ASSERT(reason[0] != '\0');
	reason[0] = '\0';
	deployment = deployment_decode(span_of(data, len), &credentials,
		&(struct deployment_base){.net = &net, .terms = &terms}, reason);
	SLUICE_ASSERT((deployment == NULL) == (reason[0] != '\0'));
	if (deployment != NULL) {
		check(deployment);
		deployment_free(deployment, &credentials);
	}
	credentials_sweep(&credentials);
	terms_sweep(&terms, NULL, 0);
	SLUICE_ASSERT(credentials.entries.n_used == 0);
	SLUICE_ASSERT(terms.listener_index.places.n_used == 1 && terms.server_index.places.n_used == 1 &&
		      terms.backend_index.places.n_used == 1);
	return 0;
}
