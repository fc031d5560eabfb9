// SPDX-License-Identifier: Apache-2.0
//
// Snapshots as the control link carries them: which pool a backend's name gets, from where its servers are
// reached, and what of that is refused.
#include "base/writer.h"
#include "deployment.h"
#include "proxy/proxy.h"
#include "seam/cmocka_all.h"
#include "snapshot.h"
#include "terms_table.h"

static uint8_t bytes[1 << 16];
static struct writer writer;
static uint64_t n_records;
static struct credentials credentials;
static struct terms_table terms;
static struct net_address_config addresses[2];
static struct net_config net = {.addresses = addresses, .n_addresses = 2};
static char reason[IPC_REASON_MAX];

static struct ip_addr v4(uint8_t last)
{
	return ip_addr_v4_of(198, 51, 100, last);
}

static struct ip_addr v6(uint8_t last)
{
	return (struct ip_addr){.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = last}};
}

static void add(uint16_t type, const void *body, size_t len)
{
	static const uint8_t zeros[SNAPSHOT_ALIGN];
	const struct ipc_record_header header = {.type = type, .len = (uint32_t)len};

	writer_bytes(&writer, span_of((const uint8_t *)&header, sizeof header));
	writer_bytes(&writer, span_of(body, len));
	writer_bytes(&writer, span_of(zeros, (SNAPSHOT_ALIGN - len % SNAPSHOT_ALIGN) % SNAPSHOT_ALIGN));
	n_records++;
}

static void begin(uint32_t n_backends, uint32_t n_listeners)
{
	struct snapshot_head head = {.version = SNAPSHOT_VERSION,
		.n_backends = n_backends,
		.n_listeners = n_listeners,
		.tls_min = 0x0303,
		.tls_max = 0x0304};

	writer = writer_over((struct mut_span){.data = bytes, .len = sizeof bytes});
	n_records = 0;
	add(SNAPSHOT_HEAD, &head, sizeof head);
}

static void add_backend(const char *name, uint32_t n_servers, uint32_t n_sources)
{
	struct snapshot_backend backend = {.n_servers = n_servers, .n_sources = n_sources};

	strcpy(backend.name, name);
	add(SNAPSHOT_BACKEND, &backend, sizeof backend);
}

static void add_server(struct ip_addr addr)
{
	struct snapshot_server server = {.port = 80, .weight = 1};

	memcpy(server.address, addr.bytes, sizeof server.address);
	add(SNAPSHOT_SERVER, &server, sizeof server);
}

static void add_source(struct ip_addr addr)
{
	struct snapshot_source source;

	memcpy(source.address, addr.bytes, sizeof source.address);
	add(SNAPSHOT_SOURCE, &source, sizeof source);
}

static void add_listener(const char *name, uint32_t backend_idx)
{
	struct snapshot_listener listener = {.n_addresses = 1,
		.backend_idx = backend_idx,
		.default_certificate = SNAPSHOT_NONE,
		.protocol = SNAPSHOT_TCP};
	struct snapshot_address address = {.port = 5000};

	strcpy(listener.name, name);
	memcpy(address.address, v4(1).bytes, sizeof address.address);
	add(SNAPSHOT_LISTENER, &listener, sizeof listener);
	add(SNAPSHOT_ADDRESS, &address, sizeof address);
}

static struct deployment *decode(void)
{
	const struct deployment_base base = {.net = &net, .terms = &terms};
	struct snapshot_end end = {.n_records = n_records};

	add(SNAPSHOT_END, &end, sizeof end);
	assert_true(writer_ok(&writer));
	return deployment_decode(writer_span(&writer), &credentials, &base, reason);
}

static void refused(const char *word)
{
	assert_null(decode());
	if (strstr(reason, word) == NULL)
		fail_msg("'%s' is not in: %s", word, reason);
	terms_sweep(&terms, NULL, 0);
	assert_int_equal(terms.listener_index.places.n_used, 1);
	assert_int_equal(terms.server_index.places.n_used, 1);
	assert_int_equal(terms.backend_index.places.n_used, 1);
}

static int set_up(void **state)
{
	(void)state;
	addresses[0] = (struct net_address_config){.addr = v4(1), .prefix_len = 120};
	addresses[1] = (struct net_address_config){.addr = v6(1), .prefix_len = 64};
	net.n_addresses = 2;
	assert_true(credentials_init(&credentials, SELECT_LANES_SCALAR));
	assert_true(terms_table_init(&terms, NULL));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	terms_table_destroy(&terms);
	credentials_destroy(&credentials);
	return 0;
}

static const struct proxy_backend *only_backend(const struct deployment *deployment)
{
	assert_int_equal(deployment->n_pools, 1);
	return &deployment->proxy.backends[deployment->pools[0].idx];
}

static void test_sources_that_are_named(void **state)
{
	struct deployment *deployment;
	const struct proxy_backend *backend;

	(void)state;
	begin(1, 0);
	add_backend("web", 1, 3);
	add_server(v4(9));
	for (uint8_t i = 1; i <= 3; i++)
		add_source(v4(i));
	deployment = decode();
	assert_non_null(deployment);
	backend = only_backend(deployment);
	assert_int_equal(backend->n_locals, 3);
	assert_int_equal(proxy_backend_source(backend, &deployment->pools[0].servers[0].addr, 2), 2);
	assert_int_equal(
		proxy_backend_source(backend, &deployment->pools[0].servers[0].addr, 3), PROXY_SOURCES_MAX);
	deployment_free(deployment, &credentials);
}

static void test_servers_of_both_families(void **state)
{
	struct deployment *deployment;
	const struct proxy_backend *backend;
	const struct ip_addr one = v4(9), other = v6(9);

	(void)state;
	begin(1, 0);
	add_backend("web", 3, 0);
	add_server(one);
	add_server(other);
	add_server(v4(8));
	deployment = decode();
	assert_non_null(deployment);
	backend = only_backend(deployment);
	assert_int_equal(backend->n_locals, 2);
	assert_true(
		ip_addr_equal(&backend->locals[proxy_backend_source(backend, &one, 0)], &addresses[0].addr));
	assert_true(ip_addr_equal(
		&backend->locals[proxy_backend_source(backend, &other, 0)], &addresses[1].addr));
	deployment_free(deployment, &credentials);
	begin(1, 0);
	add_backend("web", 2, 3);
	add_server(one);
	add_server(other);
	add_source(v6(1));
	add_source(v4(1));
	add_source(v6(2));
	deployment = decode();
	assert_non_null(deployment);
	backend = only_backend(deployment);
	assert_int_equal(proxy_backend_source(backend, &one, 0), 1);
	assert_int_equal(proxy_backend_source(backend, &one, 2), PROXY_SOURCES_MAX);
	assert_int_equal(proxy_backend_source(backend, &other, 1), 2);
	deployment_free(deployment, &credentials);
}

static void test_sources_of_another_family(void **state)
{
	(void)state;
	begin(1, 0);
	add_backend("web", 1, 1);
	add_server(v4(9));
	add_source(v6(1));
	refused("source 1 is not of its servers' family");
	begin(1, 0);
	add_backend("web", 1, 2);
	add_server(v6(9));
	add_source(v6(1));
	add_source(v4(1));
	refused("source 2 is not of its servers' family");
	begin(1, 0);
	add_backend("web", 2, 1);
	add_server(v4(9));
	add_server(v6(9));
	add_source(v4(1));
	refused("no source is of the family of server 2");
	net.n_addresses = 1;
	begin(1, 0);
	add_backend("web", 2, 0);
	add_server(v4(9));
	add_server(v6(9));
	refused("no address of ours");
}

// A backend is the same pool in every snapshot, wherever in it it stands.
static void test_backends_keep_their_pools(void **state)
{
	struct deployment *first, *second, *third;
	uint32_t a, b;

	(void)state;
	begin(2, 1);
	add_backend("a", 1, 0);
	add_server(v4(8));
	add_backend("b", 1, 0);
	add_server(v4(9));
	add_listener("plain", 1);
	first = decode();
	assert_non_null(first);
	a = first->pools[0].idx;
	b = first->pools[1].idx;
	assert_int_equal(first->proxy.listeners[0].pool_idx, b);
	begin(2, 1);
	add_backend("b", 1, 0);
	add_server(v4(9));
	add_backend("c", 1, 0);
	add_server(v4(8));
	add_listener("plain", 0);
	second = decode();
	assert_non_null(second);
	assert_int_equal(second->pools[0].idx, b);
	assert_int_not_equal(second->pools[1].idx, a);
	assert_int_equal(second->proxy.listeners[0].pool_idx, b);
	assert_ptr_equal(second->proxy.listeners[0].terms, first->proxy.listeners[0].terms);
	assert_ptr_equal(second->pools[0].servers[0].terms, first->pools[1].servers[0].terms);
	deployment_free(first, &credentials);
	begin(1, 0);
	add_backend("d", 1, 0);
	add_server(v4(8));
	third = decode();
	assert_non_null(third);
	assert_int_equal(third->pools[0].idx, a); // nobody else has it any more
	deployment_free(second, &credentials);
	deployment_free(third, &credentials);
}

static void test_impossible_backends(void **state)
{
	(void)state;
	begin(2, 0);
	add_backend("a", 1, 0);
	add_server(v4(8));
	add_backend("a", 1, 0);
	add_server(v4(9));
	refused("is there twice");
	begin(1, 0);
	add_backend("a", 0, 0);
	refused("0 servers");
	begin(1, 0);
	add_backend("a", 2, 0);
	add_server(v4(8));
	refused("a record of type");
	begin(1, 1);
	add_backend("a", 1, 0);
	add_server(v4(8));
	add_listener("plain", SNAPSHOT_NONE);
	refused("has no backend");
	begin(1, 1);
	add_backend("a", 1, 0);
	add_server(v4(8));
	add_listener("plain", 1);
	refused("backend 1 does not exist");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sources_that_are_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_servers_of_both_families, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sources_of_another_family, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_backends_keep_their_pools, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_impossible_backends, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
