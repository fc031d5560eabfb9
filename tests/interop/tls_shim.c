// SPDX-License-Identifier: Apache-2.0
//
// tls-shim: the engine behind the command line that outside conformance runners expect, without DPDK.
//
// Connects to localhost (::1, then 127.0.0.1) on -port, sends -shim-id as eight little-endian bytes, is then
// the TLS client, or with -server the server. After the handshake every byte that comes goes back XOR 0xff,
// until close_notify, which is answered. Exit status: 0; 1 after an error, whose name is on standard error;
// 89 for a flag that is not known, so that the runner counts the test as not done rather than failed. A flag
// may be restricted to one kind of connection: -on-initial-<flag>, -on-resume-<flag>.
#include "tls_chain.h"
#include "tls_fixture.h"
#include "tls_pem.h"

#include "crypto/group.h"
#include "crypto/scheme.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	EXIT_UNKNOWN_FLAG = 89,
	LIST_MAX = 16,
	TEXT_MAX = 1024,
};

// A base64 or plain text argument.
struct text {
	uint8_t bytes[TEXT_MAX];
	size_t len;
	bool set;
};

struct numbers {
	uint16_t numbers[LIST_MAX];
	uint32_t n;
};

struct options {
	bool server, ipv6;
	int port, resume_count;
	uint64_t shim_id;
	const char *key_file, *cert_file, *trust_files;
	int min_version, max_version, expect_version, expect_curve, expect_signature;
	bool no_tls12, no_tls13;
	struct text alpn, select_alpn, expect_alpn, host_name, expect_name, staple, scts, expect_staple,
		expect_scts;
	struct numbers curves, signing, verifying;
	bool expect_no_session, expect_miss, expect_hrr, expect_no_hrr;
	bool require_certificate, verify_peer, verify_fail, key_update, check_close, shuts_down, sizes,
		writes_first;
	bool decline_alpn, no_ticket, fallback, grease, wants_staple, wants_scts;
};

enum form {
	FLAG,
	NUMBER,
	TEXT,
	BASE64,
	LIST,
	PATH,
	IGNORED
};

// One row per flag: where its value goes.
static const struct flag {
	const char *name;
	enum form form;
	size_t offset;
} flags[] = {
#define ROW(name, form, field) \
	{ \
		name, form, offsetof(struct options, field) \
	}
	ROW("-server", FLAG, server), ROW("-ipv6", FLAG, ipv6), ROW("-port", NUMBER, port),
	ROW("-resume-count", NUMBER, resume_count), ROW("-key-file", PATH, key_file),
	ROW("-cert-file", PATH, cert_file), ROW("-min-version", NUMBER, min_version),
	ROW("-max-version", NUMBER, max_version), ROW("-expect-version", NUMBER, expect_version),
	ROW("-no-tls12", FLAG, no_tls12), ROW("-no-tls13", FLAG, no_tls13),
	ROW("-advertise-alpn", TEXT, alpn), ROW("-select-alpn", TEXT, select_alpn),
	ROW("-decline-alpn", FLAG, decline_alpn), ROW("-expect-alpn", TEXT, expect_alpn),
	ROW("-host-name", TEXT, host_name), ROW("-expect-server-name", TEXT, expect_name),
	ROW("-curves", LIST, curves), ROW("-signing-prefs", LIST, signing),
	ROW("-verify-prefs", LIST, verifying), ROW("-expect-curve-id", NUMBER, expect_curve),
	ROW("-expect-peer-signature-algorithm", NUMBER, expect_signature),
	ROW("-expect-no-session", FLAG, expect_no_session), ROW("-expect-session-miss", FLAG, expect_miss),
	ROW("-expect-hrr", FLAG, expect_hrr), ROW("-expect-no-hrr", FLAG, expect_no_hrr),
	ROW("-require-any-client-certificate", FLAG, require_certificate),
	ROW("-verify-peer", FLAG, verify_peer), ROW("-verify-fail", FLAG, verify_fail),
	ROW("-trust-cert", PATH, trust_files), ROW("-ocsp-response", BASE64, staple),
	ROW("-signed-cert-timestamps", BASE64, scts), ROW("-enable-ocsp-stapling", FLAG, wants_staple),
	ROW("-enable-signed-cert-timestamps", FLAG, wants_scts),
	ROW("-expect-ocsp-response", BASE64, expect_staple),
	ROW("-expect-signed-cert-timestamps", BASE64, expect_scts), ROW("-key-update", FLAG, key_update),
	ROW("-check-close-notify", FLAG, check_close), ROW("-shim-shuts-down", FLAG, shuts_down),
	ROW("-shim-writes-first", FLAG, writes_first), ROW("-write-different-record-sizes", FLAG, sizes),
	ROW("-no-ticket", FLAG, no_ticket), ROW("-fallback-scsv", FLAG, fallback),
	ROW("-enable-grease", FLAG, grease),
#undef ROW
	{"-no-tls1", IGNORED, 0}, {"-no-tls11", IGNORED, 0}, {"-no-ssl3", IGNORED, 0},
	{"-async", IGNORED, 0}, // we never wait inside
};

static void take_text(struct text *out, const char *value)
{
	out->len = strlen(value) < TEXT_MAX ? strlen(value) : TEXT_MAX;
	memcpy(out->bytes, value, out->len);
	out->set = true;
}

static void take_base64(struct text *out, const char *value)
{
	size_t len = strlen(value);
	int n;

	if (len > TEXT_MAX)
		exit(EXIT_UNKNOWN_FLAG);
	n = EVP_DecodeBlock(out->bytes, (const unsigned char *)value, (int)len);
	while (n > 0 && len > 0 && value[len - 1] == '=') {
		n--;
		len--;
	}
	out->len = n > 0 ? (size_t)n : 0;
	out->set = true;
}

static void take_value(struct options *options, const struct flag *flag, const char *value)
{
	void *place = (char *)options + flag->offset;
	struct numbers *list = place;

	switch (flag->form) {
	case FLAG:
		*(bool *)place = true;
		break;
	case NUMBER:
		*(int *)place = atoi(value);
		break;
	case TEXT:
		take_text(place, value);
		break;
	case BASE64:
		take_base64(place, value);
		break;
	case LIST:
		if (list->n < LIST_MAX)
			list->numbers[list->n++] = (uint16_t)atoi(value);
		break;
	case PATH:
		*(const char **)place = value;
		break;
	case IGNORED:
		break;
	}
}

static const struct flag *find_flag(const char *name)
{
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		if (strcmp(flags[i].name, name) == 0)
			return &flags[i];
	}
	return NULL;
}

// "-on-resume-x" is "-x" for one kind of connection.
static const char *strip_condition(const char *argument, bool *initial, bool *resume)
{
	static const char on_initial[] = "-on-initial", on_resume[] = "-on-resume";

	*initial = strncmp(argument, on_resume, sizeof on_resume - 1) != 0;
	*resume = strncmp(argument, on_initial, sizeof on_initial - 1) != 0;
	if (!*initial)
		return argument + sizeof on_resume - 1;
	return *resume ? argument : argument + sizeof on_initial - 1;
}

static void parse(int argc, char **argv, struct options *initial, struct options *resume)
{
	for (int i = 1; i < argc; i++) {
		bool for_initial, for_resume;
		const char *name = strip_condition(argv[i], &for_initial, &for_resume);
		const struct flag *flag = find_flag(name);
		const char *value = "";

		if (strcmp(name, "-is-handshaker-supported") == 0) {
			printf("No\n");
			exit(0);
		}
		if (strcmp(name, "-shim-id") == 0 && i + 1 < argc) {
			initial->shim_id = resume->shim_id = strtoull(argv[++i], NULL, 10);
			continue;
		}
		if (flag == NULL) {
			(void)fprintf(stderr, "unknown flag %s\n", name);
			exit(EXIT_UNKNOWN_FLAG);
		}
		if (flag->form != FLAG && flag->form != IGNORED && i + 1 < argc)
			value = argv[++i];
		if (for_initial)
			take_value(initial, flag, value);
		if (for_resume)
			take_value(resume, flag, value);
	}
}

_Noreturn static void give_up(const char *why)
{
	(void)fprintf(stderr, "%s\n", why);
	exit(1);
}

static int connect_to(const struct options *options)
{
	const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)options->port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const struct sockaddr_in v4 = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)options->port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	uint8_t id[8];
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&v6, sizeof v6) != 0) {
		if (fd >= 0)
			(void)close(fd);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, (const struct sockaddr *)&v4, sizeof v4) != 0)
			give_up("can't connect");
	}
	for (unsigned i = 0; i < sizeof id; i++)
		id[i] = (uint8_t)(options->shim_id >> (8 * i));
	if (write(fd, id, sizeof id) != sizeof id)
		give_up("can't write the id");
	return fd;
}

// Sends what is there; the peer may have closed already.
static void flush(struct tls_end *end, int fd)
{
	size_t sent = 0;

	while (sent < end->out_len) {
		ssize_t n = send(fd, end->out + sent, end->out_len - sent, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	end->out_len = 0;
}

static void work(struct tls_end *end, int fd)
{
	bool progress = true;

	while (progress) {
		progress = tls_end_step(end);
		if (lanes_n_pending(end->fixture->crypto.lanes) != 0)
			progress = true;
		tls_fixture_run_lanes(end->fixture);
		flush(end, fd);
	}
}

// False at the end of the stream.
static bool receive(struct tls_end *end, int fd)
{
	uint8_t buffer[16384];
	ssize_t n = read(fd, buffer, sizeof buffer);

	if (n <= 0)
		return false;
	tls_end_receive(end, buffer, (size_t)n);
	work(end, fd);
	return true;
}

// After an error: the alert shall arrive, so the socket is not closed over unread bytes.
_Noreturn static void fail(struct tls_end *end, int fd)
{
	uint8_t rest[4096];

	(void)shutdown(fd, SHUT_WR);
	while (read(fd, rest, sizeof rest) > 0)
		;
	if (end->report.failed_by_peer || end->peer_alert != 0)
		(void)fprintf(stderr, "peer sent alert %s\n", tls_alert_name(end->peer_alert));
	else
		(void)fprintf(stderr, "%s in '%s' (message %u)\n",
			tls_alert_name(end->conn.alert_due != 0 ? end->conn.alert_due : end->report.alert),
			tls_state_name((enum tls_state)end->report.failed_state), end->report.failed_message);
	exit(1);
}

static void expect(bool condition, const char *what)
{
	if (!condition)
		give_up(what);
}

static bool text_is(const struct text *text, struct span bytes)
{
	return span_equal(span_of(text->bytes, text->len), bytes);
}

static void check_report(const struct options *options, const struct tls_end *end,
	const struct tls_chain_verifier *verifier, bool is_resume)
{
	const struct tls_handshake_report *report = &end->report;
	uint16_t peer_scheme = options->server ? report->peer_scheme : report->scheme;

	expect(options->expect_version == 0 || options->expect_version == report->version, "wrong version");
	// A resumed handshake has no signature, and in TLS 1.2 no key exchange.
	expect(options->expect_curve == 0 || options->expect_curve == report->group ||
			(report->resumed && report->version == TLS_VERSION_12),
		"wrong group");
	expect(options->expect_signature == 0 || options->expect_signature == peer_scheme || report->resumed,
		"wrong signature algorithm");
	expect(!options->expect_alpn.set || text_is(&options->expect_alpn, report->alpn), "wrong ALPN");
	expect(!options->expect_name.set ||
			text_is(&options->expect_name, span_of(report->name, report->name_len)),
		"wrong server name");
	expect(!options->expect_hrr || report->retried, "no HelloRetryRequest");
	expect(!options->expect_no_hrr || !report->retried, "a HelloRetryRequest");
	expect(!is_resume || report->resumed == !options->expect_miss, "resumption is not as expected");
	expect(is_resume || !report->resumed, "unexpected resumption");
	expect(!options->expect_staple.set || report->resumed ||
			text_is(&options->expect_staple, span_of(verifier->staple, verifier->staple_len)),
		"wrong OCSP response");
	expect(!options->expect_scts.set || report->resumed ||
			text_is(&options->expect_scts, span_of(verifier->scts, verifier->scts_len)),
		"wrong timestamps");
}

static void write_sizes(struct tls_end *end, int fd)
{
	static const size_t sizes[] = {0, 1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769};
	static uint8_t text[32769];

	memset(text, 0x42, sizeof text);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		tls_end_send(end, text, sizes[i]);
		flush(end, fd);
	}
}

static void echo(struct tls_end *end, int fd, const struct options *options)
{
	for (size_t i = 0; i < end->data_len; i++)
		end->data[i] ^= 0xff;
	if (options->key_update)
		tls_conn_update_keys(&end->conn, false);
	if (end->data_len != 0)
		tls_end_send(end, end->data, end->data_len);
	end->data_len = 0;
	flush(end, fd);
}

static void say_goodbye(struct tls_end *end, int fd, const struct options *options)
{
	tls_end_close(end);
	flush(end, fd);
	(void)shutdown(fd, SHUT_WR);
	while (options->check_close && !end->closed && receive(end, fd)) {
		if (end->failed)
			fail(end, fd);
	}
	expect(!options->check_close || end->data_len == 0, "application data on shutdown");
	expect(!options->check_close || end->closed, "no close_notify");
}

static void converse(struct tls_end *end, int fd, const struct options *options)
{
	bool open = true;

	if (options->writes_first) {
		tls_end_send(end, "hello", 5);
		flush(end, fd);
	}
	if (options->sizes)
		write_sizes(end, fd);
	while (open && !end->closed && !options->shuts_down) {
		if (end->failed)
			fail(end, fd);
		echo(end, fd, options);
		if (!end->closed)
			open = receive(end, fd);
	}
	if (end->failed)
		fail(end, fd);
	if (end->data_len != 0 && !options->shuts_down)
		echo(end, fd, options);
	say_goodbye(end, fd, options);
}

// Everything that a run keeps from one connection to the next.
struct shim {
	struct tls_fixture fixture;
	struct tls_chain_verifier verifier;
	struct tls_session_slot slot;
	struct tls_identity *identity;
	const struct tls_names *names;
	struct tls_server_config server;
	struct tls_client_config client;
	uint8_t alpn[TEXT_MAX];
};

static void set_versions(struct tls_common_config *common, const struct options *options)
{
	common->version_max = options->no_tls13 ? TLS_VERSION_12 : TLS_VERSION_13;
	common->version_min = options->no_tls12 ? TLS_VERSION_13 : TLS_VERSION_12;
	if (options->max_version != 0 && options->max_version < common->version_max)
		common->version_max = (uint16_t)options->max_version;
	if (options->min_version > common->version_min)
		common->version_min = (uint16_t)options->min_version;
	if (common->version_min > common->version_max || common->version_max < TLS_VERSION_12)
		exit(EXIT_UNKNOWN_FLAG);
}

static void set_schemes(struct tls_preferences *out, const struct numbers *list)
{
	for (uint32_t i = 0; i < list->n; i++) {
		if (scheme_find(list->numbers[i]) == NULL)
			exit(EXIT_UNKNOWN_FLAG);
	}
	if (list->n != 0)
		*out = (struct tls_preferences){list->numbers, list->n};
}

static void set_common(struct shim *shim, struct tls_common_config *common, const struct options *options)
{
	set_versions(common, options);
	common->verifier = &shim->verifier.base;
	for (uint32_t i = 0; i < options->curves.n; i++) {
		if (group_find(options->curves.numbers[i]) == NULL)
			exit(EXIT_UNKNOWN_FLAG);
	}
	if (options->curves.n != 0)
		common->groups = (struct tls_preferences){options->curves.numbers, options->curves.n};
	set_schemes(&common->signatures, &options->verifying);
	if (options->alpn.set)
		common->alpn = span_of(options->alpn.bytes, options->alpn.len);
	if (options->select_alpn.set && !options->decline_alpn) {
		shim->alpn[0] = (uint8_t)options->select_alpn.len;
		memcpy(shim->alpn + 1, options->select_alpn.bytes, options->select_alpn.len);
		common->alpn = span_of(shim->alpn, 1 + options->select_alpn.len);
	}
}

static void set_verifier(struct tls_chain_verifier *verifier, const struct options *options)
{
	if (options->verify_fail)
		verifier->verdict = TLS_REFUSE_HANDSHAKE_FAILURE;
	if (options->verify_peer && options->trust_files != NULL &&
		!tls_chain_verifier_trust(verifier, options->trust_files))
		exit(EXIT_UNKNOWN_FLAG);
}

static void configure(struct shim *shim, const struct options *options)
{
	struct tls_cert_chain extras = {.staple = span_of(options->staple.bytes, options->staple.len),
		.scts = span_of(options->scts.bytes, options->scts.len)};

	if (options->key_file != NULL) {
		const char *chain_file = options->cert_file != NULL ? options->cert_file : options->key_file;

		shim->identity = tls_pem_identity(chain_file, options->key_file, extras.staple, extras.scts);
		if (shim->identity == NULL)
			exit(EXIT_UNKNOWN_FLAG);
		shim->names = tls_fixture_names(&shim->identity, 1);
	}
	tls_chain_verifier_init(&shim->verifier);
	set_verifier(&shim->verifier, options);
	shim->server = tls_fixture_server_config(shim->names);
	set_common(shim, &shim->server.common, options);
	set_schemes(&shim->server.own_signatures, &options->signing);
	if (options->require_certificate || options->verify_peer)
		shim->server.client_auth = options->require_certificate ? TLS_CLIENT_AUTH_REQUIRED
									: TLS_CLIENT_AUTH_OPTIONAL;
	if (options->no_ticket) {
		shim->server.n_tickets = 0;
		shim->server.tickets_12 = false;
	}
	shim->client = tls_fixture_client_config(NULL);
	set_common(shim, &shim->client.common, options);
	set_schemes(&shim->client.own_signatures, &options->signing);
	shim->client.certificate = shim->identity != NULL ? shim->identity->certificate : NULL;
	shim->client.keep_session = tls_fixture_keep_session;
	shim->client.keep_context = &shim->slot;
	shim->client.tickets = !options->no_ticket;
	shim->client.fallback = options->fallback;
	shim->client.grease = options->grease;
	shim->client.wants_staple = options->wants_staple || options->expect_staple.set;
	shim->client.wants_scts = options->wants_scts || options->expect_scts.set;
}

static void run_connection(struct shim *shim, const struct options *options, bool is_resume)
{
	char name[TEXT_MAX + 1] = "";
	struct tls_end end;
	int fd = connect_to(options);

	configure(shim, options);
	memcpy(name, options->host_name.bytes, options->host_name.len);
	tls_end_init(&end, &shim->fixture);
	// One answer to several KeyUpdates, before the next data (RFC 8446 4.6.3).
	end.updates_with_data = true;
	if (options->server && shim->identity == NULL)
		exit(EXIT_UNKNOWN_FLAG);
	if (options->server)
		tls_end_serve(&end, &shim->server);
	else
		tls_end_connect(&end, &shim->client, options->host_name.set ? name : NULL,
			is_resume && shim->slot.n_kept != 0 ? &shim->slot.session : NULL);
	work(&end, fd);
	while (end.handshaking) {
		if (!receive(&end, fd) && end.handshaking)
			give_up("the peer closed during the handshake");
	}
	if (end.failed)
		fail(&end, fd);
	check_report(options, &end, &shim->verifier, is_resume);
	converse(&end, fd, options);
	expect(!options->expect_no_session || shim->slot.n_kept == 0, "a session was kept");
	tls_end_destroy(&end);
	(void)close(fd);
}

int main(int argc, char **argv)
{
	static struct options initial, resume;
	static struct shim shim;
	const struct tls_engine_settings settings = {.n_handshakes = 4, .n_clients = 4, .n_sessions = 64};

	clock_init();
	parse(argc, argv, &initial, &resume);
	tls_fixture_init(&shim.fixture, &settings);
	tls_fixture_ticket_keys(&shim.fixture, 1, 0, 0);
	run_connection(&shim, &initial, false);
	for (int i = 0; i < initial.resume_count; i++)
		run_connection(&shim, &resume, true);
	return 0;
}
