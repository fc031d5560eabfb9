// SPDX-License-Identifier: Apache-2.0
//
// What control publishes, read back by a decoder that knows include/ipc.h and include/snapshot.h alone: every
// record is of its width, references resolve, counts agree, and the facts are the configuration's.
#include "base/reader.h"
#include "publish.h"
#include "seam/cmocka_all.h"
#include "snapshot.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char yaml[] =
	"dataplane:\n"
	"  name: dp\n"
	"  workers: [1, 3]\n"
	"  ports:\n"
	"    - {name: wan, device: net_tap0, mtu: 9000, addresses: [192.0.2.10/24, \"2001:db8::10/64\"], "
	"gateways: "
	"[192.0.2.1, \"fe80::1\"]}\n"
	"    - {name: lan, device: net_tap1, vlan: 7, addresses: [198.51.100.1/24], routes: [{to: "
	"10.0.0.0/8, via: "
	"198.51.100.9}]}\n"
	"certificates: [/unused.pem]\n"
	"backends:\n"
	"  web: {servers: [\"198.51.100.20:8080\", {address: \"198.51.100.21:8080\", weight: 7, backup: "
	"on}], "
	"proxy-protocol: v2, balance: source, source-addresses: 198.51.100.1}\n"
	"  mx: {servers: [\"198.51.100.25:25\"], xclient: on, timeouts: {total: 1h}}\n"
	"listeners:\n"
	"  - {name: https, address: [\"192.0.2.10:443\", \"[2001:db8::10]:443\"], protocol: tls, alpn: [h2, "
	"http/1.1], "
	"backend: web, accept-proxy-from: 203.0.113.7/24, routes: [{sni: [a.example, \"*.b.example\"], alpn: "
	"h2, backend: "
	"web}]}\n"
	"  - {name: mx, address: \"192.0.2.10:25\", protocol: smtp, security: encrypt, backend: mx}\n"
	"limits: {connections: 5000, per-source: {connections: 20}}\n";

static struct config *config;
static struct cert_set *certs;

static int load(void **state)
{
	struct config_errors errors = {0};
	const struct config none = {0};
	struct key_context *context = key_context_create();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();
	BIO *memory = BIO_new(BIO_s_mem());
	struct text reason = {0};
	struct cert_set *empty;
	struct cert *cert;
	char *pem;
	long len;

	(void)state;
	(void)X509_set_version(x509, 2);
	(void)X509_gmtime_adj(X509_getm_notBefore(x509), 0);
	(void)X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	(void)X509_set_pubkey(x509, key);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
		(const unsigned char *)"mail.example.org", -1, -1, 0);
	(void)X509_sign(x509, key, EVP_sha256());
	(void)PEM_write_bio_X509(memory, x509);
	(void)PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL);
	len = BIO_get_mem_data(memory, &pem);
	cert = cert_from_pem(context, "one", span_of(pem, (size_t)len), &reason);
	empty = cert_set_load(&none, NULL, 1, &errors);
	certs = cert_set_with(empty, cert);
	cert_release(cert);
	cert_set_free(empty);
	config = config_parse("test.yaml", yaml, strlen(yaml), &errors);
	if (config == NULL)
		print_error("%s", text_string(&errors.text));
	BIO_free(memory);
	X509_free(x509);
	EVP_PKEY_free(key);
	key_context_destroy(context);
	return config != NULL && certs != NULL ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	cert_set_free(certs);
	config_free(config);
	return 0;
}

static struct text start;

// The next record of START, which must be of this type and width.
static void take_start(struct reader *reader, unsigned type, void *body, size_t len)
{
	struct ipc_record_header header;

	reader_copy(reader, &header, sizeof header);
	assert_int_equal(header.type, type);
	assert_int_equal(header.len, len);
	reader_copy(reader, body, len);
	assert_true(reader_ok(reader));
}

static void start_records_are_the_configuration(void **state)
{
	struct reader reader;
	struct ipc_dataplane dataplane;
	struct ipc_port port;
	struct ipc_address address;
	struct ipc_route route;
	static const uint8_t v4_any[16] = {[10] = 0xff, [11] = 0xff};

	(void)state;
	publish_start(config, &start);
	reader = reader_over(span_of(start.data, start.len));
	take_start(&reader, IPC_RECORD_DATAPLANE, &dataplane, sizeof dataplane);
	assert_string_equal(dataplane.name, "dp");
	assert_int_equal(dataplane.n_workers, 2);
	assert_int_equal(dataplane.cores[1], 3);
	take_start(&reader, IPC_RECORD_PORT, &port, sizeof port);
	assert_int_equal(port.mtu, 9000);
	take_start(&reader, IPC_RECORD_PORT, &port, sizeof port);
	assert_string_equal(port.name, "lan");
	assert_int_equal(port.vlan, 7);
	for (int i = 0; i < 3; i++)
		take_start(&reader, IPC_RECORD_ADDRESS, &address, sizeof address);
	assert_int_equal(address.port_idx, 1);
	assert_int_equal(address.prefix_len, 24);
	take_start(&reader, IPC_RECORD_ROUTE, &route, sizeof route);
	assert_memory_equal(route.prefix, v4_any, 16);
	assert_int_equal(route.prefix_len, 0);
	take_start(&reader, IPC_RECORD_ROUTE, &route, sizeof route);
	assert_int_equal(route.prefix[11], 0);
	assert_int_equal(route.gateway[0], 0xfe);
	take_start(&reader, IPC_RECORD_ROUTE, &route, sizeof route);
	assert_int_equal(route.prefix[12], 10);
	assert_int_equal(route.prefix_len, 8);
	assert_true(reader_done(&reader));
	text_free(&start);
}

// The next record of a snapshot; its tail is returned.
static struct span take(struct reader *reader, unsigned type, void *body, size_t body_len, size_t *n_records)
{
	struct ipc_record_header header;
	struct span tail;

	reader_copy(reader, &header, sizeof header);
	assert_int_equal(header.type, type);
	assert_true(header.len >= body_len);
	reader_copy(reader, body, body_len);
	tail = reader_bytes(reader, header.len - body_len);
	for (size_t at = sizeof header + header.len; at % SNAPSHOT_ALIGN != 0; at++)
		assert_int_equal(reader_u8(reader), 0);
	assert_true(reader_ok(reader));
	(*n_records)++;
	return tail;
}

static void expect_tail(struct span tail, const char *text)
{
	assert_true(span_equal(tail, span_of_string(text)));
}

static void read_backends(struct reader *reader, size_t *n)
{
	struct snapshot_backend backend;
	struct snapshot_server server;
	struct snapshot_source source;

	expect_tail(take(reader, SNAPSHOT_BACKEND, &backend, sizeof backend, n), "");
	assert_string_equal(backend.name, "web");
	assert_int_equal(backend.n_servers, 2);
	assert_int_equal(backend.n_sources, 1);
	assert_int_equal(backend.balance, SNAPSHOT_SOURCE_HASH);
	assert_int_equal(backend.proxy, SNAPSHOT_PROXY_V2);
	assert_int_equal(backend.check_interval_ms, 2000);
	expect_tail(take(reader, SNAPSHOT_SERVER, &server, sizeof server, n), "");
	assert_string_equal(server.name, "198.51.100.20:8080");
	assert_int_equal(server.port, 8080);
	expect_tail(take(reader, SNAPSHOT_SERVER, &server, sizeof server, n), "");
	assert_int_equal(server.weight, 7);
	assert_int_equal(server.backup, 1);
	expect_tail(take(reader, SNAPSHOT_SOURCE, &source, sizeof source, n), "");
	assert_int_equal(source.address[12], 198);
	expect_tail(take(reader, SNAPSHOT_BACKEND, &backend, sizeof backend, n), "");
	assert_int_equal(backend.xclient, 1);
	assert_int_equal(backend.total_timeout_ms, 3600000);
	expect_tail(take(reader, SNAPSHOT_SERVER, &server, sizeof server, n), "");
}

static void read_https(struct reader *reader, size_t *n)
{
	struct snapshot_listener listener;
	struct snapshot_address address;
	struct snapshot_alpn alpn;
	struct snapshot_route route;
	struct snapshot_route_name name;
	struct snapshot_trusted trusted;

	expect_tail(take(reader, SNAPSHOT_LISTENER, &listener, sizeof listener, n), "");
	assert_string_equal(listener.name, "https");
	assert_int_equal(listener.protocol, SNAPSHOT_TLS);
	assert_int_equal(listener.default_certificate, certs->certs[0]->id);
	assert_int_equal(listener.n_addresses, 2);
	assert_int_equal(listener.backend_idx, 0);
	expect_tail(take(reader, SNAPSHOT_ADDRESS, &address, sizeof address, n), "");
	expect_tail(take(reader, SNAPSHOT_ADDRESS, &address, sizeof address, n), "");
	assert_int_equal(address.address[0], 0x20);
	expect_tail(take(reader, SNAPSHOT_ALPN, &alpn, sizeof alpn, n), "h2");
	expect_tail(take(reader, SNAPSHOT_ALPN, &alpn, sizeof alpn, n), "http/1.1");
	expect_tail(take(reader, SNAPSHOT_ROUTE, &route, sizeof route, n), "");
	assert_int_equal(route.n_names, 2);
	expect_tail(take(reader, SNAPSHOT_ROUTE_NAME, &name, sizeof name, n), "a.example");
	assert_int_equal(name.wildcard, 0);
	expect_tail(take(reader, SNAPSHOT_ROUTE_NAME, &name, sizeof name, n), "b.example");
	assert_int_equal(name.wildcard, 1);
	expect_tail(take(reader, SNAPSHOT_ROUTE_ALPN, &alpn, sizeof alpn, n), "h2");
	expect_tail(take(reader, SNAPSHOT_TRUSTED, &trusted, sizeof trusted, n), "");
	assert_int_equal(trusted.prefix[15], 0);
	assert_int_equal(trusted.prefix_len, 24);
}

static void a_snapshot_is_read_back(void **state)
{
	struct text records = {0};
	struct reader reader;
	struct snapshot_head head;
	struct snapshot_listener listener;
	struct snapshot_address address;
	struct snapshot_server_name name;
	struct snapshot_end end;
	size_t n = 0;

	(void)state;
	publish_snapshot(config, certs, 42, &records);
	reader = reader_over(span_of(records.data, records.len));
	expect_tail(take(&reader, SNAPSHOT_HEAD, &head, sizeof head, &n), "");
	assert_int_equal(head.version, SNAPSHOT_VERSION);
	assert_int_equal(head.generation, 42);
	assert_int_equal(head.connections, 5000);
	assert_int_equal(head.source_connections, 20);
	assert_int_equal(head.tls_min, 0x0303);
	assert_int_equal(head.ticket_lifetime_s, 43200);
	read_backends(&reader, &n);
	read_https(&reader, &n);
	expect_tail(take(&reader, SNAPSHOT_LISTENER, &listener, sizeof listener, &n), "");
	assert_int_equal(listener.protocol, SNAPSHOT_SMTP);
	assert_int_equal(listener.encrypt, 1);
	assert_int_equal(listener.mail_tls, SNAPSHOT_STARTTLS);
	expect_tail(take(&reader, SNAPSHOT_ADDRESS, &address, sizeof address, &n), "");
	expect_tail(take(&reader, SNAPSHOT_SERVER_NAME, &name, sizeof name, &n), "mail.example.org");
	assert_int_equal(name.certificate_id, certs->certs[0]->id);
	expect_tail(take(&reader, SNAPSHOT_END, &end, sizeof end, &n), "");
	assert_int_equal(end.n_records, n - 1);
	assert_true(reader_done(&reader));
	text_free(&records);
}

static void a_certificate_is_read_back(void **state)
{
	struct text records = {0};
	struct reader reader;
	struct snapshot_certificate record;
	size_t n = 0;

	(void)state;
	publish_certificate(certs->certs[0], &records);
	reader = reader_over(span_of(records.data, records.len));
	assert_true(span_equal(take(&reader, SNAPSHOT_CERTIFICATE, &record, sizeof record, &n),
		cert_leaf(certs->certs[0])->der));
	assert_int_equal(record.n_certificates, 1);
	assert_int_equal(record.lens[0], cert_leaf(certs->certs[0])->der.len);
	assert_int_equal(record.lens[1], 0);
	assert_true(reader_done(&reader));
	text_free(&records);
}

static void keys_travel_in_memfds_that_the_receiver_can_zero(void **state)
{
	struct publish_secret secret = publish_private_keys(certs->certs, certs->n_certs);
	const int seals = fcntl(secret.fd, F_GET_SEALS);
	struct reader reader = reader_over(span_of(secret.mapping, secret.len));
	struct snapshot_private_key record;
	struct stat status;
	size_t n = 0;
	void *receiver;

	(void)state;
	assert_true(secret.fd >= 0);
	assert_int_equal(seals & F_SEAL_WRITE, 0);
	assert_int_equal(seals & (F_SEAL_SHRINK | F_SEAL_GROW), F_SEAL_SHRINK | F_SEAL_GROW);
	assert_true(span_equal(take(&reader, SNAPSHOT_PRIVATE_KEY, &record, sizeof record, &n),
		span_of(certs->certs[0]->key->components, 32)));
	assert_int_equal(record.type, SNAPSHOT_KEY_P256);
	assert_int_equal(record.certificate_id, certs->certs[0]->id);
	assert_true(reader_done(&reader));
	assert_int_equal(fstat(secret.fd, &status), 0);
	receiver = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, secret.fd, 0);
	assert_ptr_not_equal(receiver, MAP_FAILED);
	memset(receiver, 0, (size_t)status.st_size);
	for (size_t i = 0; i < secret.len; i++)
		assert_int_equal(secret.mapping[i], 0);
	(void)munmap(receiver, (size_t)status.st_size);
	publish_secret_end(&secret);
}

static void ticket_keys_travel_with_their_roles(void **state)
{
	struct ticket_keys keys;
	struct publish_secret secret;
	struct reader reader;
	struct snapshot_ticket_key record;
	size_t n = 0;

	(void)state;
	assert_true(ticket_keys_init(&keys, 1000));
	secret = publish_ticket_keys(&keys);
	reader = reader_over(span_of(secret.mapping, secret.len));
	for (unsigned role = 0; role < SNAPSHOT_TICKET_KEYS; role++) {
		expect_tail(take(&reader, SNAPSHOT_TICKET_KEY, &record, sizeof record, &n), "");
		assert_int_equal(record.role, role);
		assert_int_equal(record.valid, role != SNAPSHOT_TICKET_PREVIOUS);
		assert_memory_equal(record.key, keys.keys[role].key, sizeof record.key);
	}
	assert_true(reader_done(&reader));
	publish_secret_end(&secret);
	ticket_keys_destroy(&keys);
}

static void memfds_of_records_are_sealed(void **state)
{
	struct text records = {0};
	int fd;

	(void)state;
	text_string_append(&records, "content");
	fd = publish_memfd("test", &records);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 1), -1);
	(void)close(fd);
	text_free(&records);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_records_are_the_configuration),
		cmocka_unit_test(a_snapshot_is_read_back),
		cmocka_unit_test(a_certificate_is_read_back),
		cmocka_unit_test(keys_travel_in_memfds_that_the_receiver_can_zero),
		cmocka_unit_test(ticket_keys_travel_with_their_roles),
		cmocka_unit_test(memfds_of_records_are_sealed),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
