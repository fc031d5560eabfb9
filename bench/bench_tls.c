// SPDX-License-Identifier: Apache-2.0
//
// What a handshake costs the server, in memory: our engine against libssl in the same run, samples
// interleaved, with 1, 8 and 64 handshakes in flight. Only the server's work is on the clock, from
// ClientHello to the end of the handshake, tickets included, and with everything that was made ahead; the
// client (our own) is not.
//
//     bench-tls [--json] [--quick] [--only TEXT]
#include "measure.h"

#include "base/assert.h"
#include "base/clock.h"
#include "tls/handshake_state.h"
#include "tls_fixture.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	IN_FLIGHT_MAX = 64,
	BUFFER_LEN = 16384,
	SAMPLES = 41,
	SAMPLES_QUICK = 9,
};

// A kind of handshake.
struct kind {
	const char *name;
	uint16_t version;
	uint16_t suite;
	enum tls_fixture_kind certificate;
	bool resumed;
};

static const struct kind kinds[] = {
	{"server_tls13_ecdsa", TLS_VERSION_13, 0x1301, TLS_FIXTURE_P256, false},
	{"server_tls13_rsa2048", TLS_VERSION_13, 0x1301, TLS_FIXTURE_RSA2048, false},
	{"server_tls12_ecdsa", TLS_VERSION_12, 0xc02b, TLS_FIXTURE_P256, false},
	{"server_tls13_psk", TLS_VERSION_13, 0x1301, TLS_FIXTURE_P256, true},
	{"server_tls12_ticket", TLS_VERSION_12, 0xc02b, TLS_FIXTURE_P256, true},
};

// One server's place: ours or libssl's, never both at a time.
struct place {
	struct tls_conn conn;
	enum tls_status status;
	SSL *ssl;
	BIO *to_ssl;
	BIO *from_ssl;
	uint8_t out[BUFFER_LEN];
	size_t out_len;
};

struct bench {
	const struct kind *kind;
	unsigned n_in_flight;
	struct tls_fixture server;
	struct tls_fixture client;
	struct tls_fixture_verifier verifier;
	struct tls_server_config server_config;
	struct tls_client_config client_config;
	struct tls_session_slot our_session;
	struct tls_session_slot their_session;
	bool resumes; // this sample
	SSL_CTX *context;
	struct place places[IN_FLIGHT_MAX];
	struct tls_end clients[IN_FLIGHT_MAX];
};

static void run_lanes(struct bench *bench)
{
	struct crypto *crypto = &bench->server.crypto;
	struct lane_request *request;

	do {
		crypto_begin_turn(crypto, clock_now_us(), clock_tsc());
		(void)lanes_run(crypto->lanes, crypto->now_tsc, true);
		while ((request = lanes_pop_completed(crypto->lanes)) != NULL) {
			struct place *place = tls_handshake_owner(request->owner);

			place->status = tls_handshake_resume(request->owner);
		}
	} while (lanes_n_pending(crypto->lanes) != 0);
}

static void our_input(struct bench *bench, struct place *place, struct tls_end *client)
{
	struct span piece = span_of(client->out, client->out_len);
	struct tls_stream stream = {.pieces = &piece, .n_pieces = 1};
	size_t consumed;

	place->status = tls_handshake_input(&bench->server.engine, &place->conn, stream, &consumed);
	client->out_len -= consumed;
	memmove(client->out, client->out + consumed, client->out_len);
}

static void our_output(struct bench *bench, struct place *place)
{
	place->out_len = tls_handshake_output(
		&bench->server.engine, &place->conn, (struct mut_span){place->out, sizeof place->out});
}

// ClientHello in, the first flight out. Returns ticks.
static uint64_t our_first(struct bench *bench)
{
	uint64_t started_tsc = clock_tsc();

	for (unsigned i = 0; i < bench->n_in_flight; i++) {
		tls_conn_init(&bench->places[i].conn);
		SLUICE_ASSERT(tls_server_start(&bench->server.engine, &bench->places[i].conn,
			&bench->server_config, &bench->places[i]));
		our_input(bench, &bench->places[i], &bench->clients[i]);
	}
	run_lanes(bench);
	for (unsigned i = 0; i < bench->n_in_flight; i++)
		our_output(bench, &bench->places[i]);
	return clock_tsc() - started_tsc;
}

// The client's last flight in, tickets out, the handshake's state given back.
static uint64_t our_last(struct bench *bench)
{
	uint64_t started_tsc = clock_tsc();

	for (unsigned i = 0; i < bench->n_in_flight; i++)
		our_input(bench, &bench->places[i], &bench->clients[i]);
	run_lanes(bench);
	for (unsigned i = 0; i < bench->n_in_flight; i++) {
		// What TLS 1.2 sent behind its key share had to wait for the shared secret.
		if (bench->places[i].status == TLS_NEED_BYTES)
			our_input(bench, &bench->places[i], &bench->clients[i]);
		SLUICE_ASSERT(bench->places[i].status == TLS_DONE);
		our_output(bench, &bench->places[i]);
		tls_handshake_finish(&bench->server.engine, &bench->places[i].conn);
	}
	return clock_tsc() - started_tsc;
}

static void our_end(struct bench *bench)
{
	for (unsigned i = 0; i < bench->n_in_flight; i++)
		tls_conn_destroy(&bench->server.engine, &bench->places[i].conn);
}

static void their_step(struct place *place, struct tls_end *client)
{
	SLUICE_ASSERT(BIO_write(place->to_ssl, client->out, (int)client->out_len) == (int)client->out_len);
	client->out_len = 0;
	(void)SSL_do_handshake(place->ssl);
	place->out_len = (size_t)BIO_pending(place->from_ssl);
	SLUICE_ASSERT(place->out_len <= sizeof place->out);
	if (place->out_len != 0)
		(void)BIO_read(place->from_ssl, place->out, (int)place->out_len);
}

static uint64_t their_first(struct bench *bench)
{
	uint64_t started_tsc = clock_tsc();

	for (unsigned i = 0; i < bench->n_in_flight; i++) {
		struct place *place = &bench->places[i];

		place->ssl = SSL_new(bench->context);
		place->to_ssl = BIO_new(BIO_s_mem());
		place->from_ssl = BIO_new(BIO_s_mem());
		SSL_set_bio(place->ssl, place->to_ssl, place->from_ssl);
		SSL_set_accept_state(place->ssl);
		their_step(place, &bench->clients[i]);
	}
	return clock_tsc() - started_tsc;
}

static uint64_t their_last(struct bench *bench)
{
	uint64_t started_tsc = clock_tsc();

	for (unsigned i = 0; i < bench->n_in_flight; i++) {
		their_step(&bench->places[i], &bench->clients[i]);
		SLUICE_ASSERT(SSL_is_init_finished(bench->places[i].ssl) == 1);
	}
	return clock_tsc() - started_tsc;
}

// Freeing is part of what a handshake costs libssl, and of our_last for us.
static uint64_t their_end(struct bench *bench)
{
	uint64_t started_tsc = clock_tsc();

	for (unsigned i = 0; i < bench->n_in_flight; i++)
		SSL_free(bench->places[i].ssl);
	return clock_tsc() - started_tsc;
}

// The first time round there is no session yet.
static void start_clients(struct bench *bench, struct tls_session_slot *slot)
{
	const struct tls_session *session;

	bench->resumes = bench->kind->resumed && slot->n_kept != 0;
	bench->client_config.keep_context = slot;
	session = bench->resumes ? &slot->session : NULL;
	for (unsigned i = 0; i < bench->n_in_flight; i++) {
		struct tls_end *client = &bench->clients[i];

		tls_conn_init(&client->conn);
		client->in_len = client->in_seen = client->out_len = client->data_len = 0;
		client->failed = client->closed = false;
		tls_end_connect(client, &bench->client_config, "sluice.test", session);
		(void)tls_end_step(client);
	}
}

static void feed_clients(struct bench *bench)
{
	for (unsigned i = 0; i < bench->n_in_flight; i++)
		tls_end_receive(&bench->clients[i], bench->places[i].out, bench->places[i].out_len);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < bench->n_in_flight; i++) {
			while (tls_end_step(&bench->clients[i]))
				;
		}
		tls_fixture_run_lanes(&bench->client);
	}
}

static void end_clients(struct bench *bench)
{
	for (unsigned i = 0; i < bench->n_in_flight; i++) {
		SLUICE_ASSERT(tls_end_up(&bench->clients[i]));
		SLUICE_ASSERT(bench->clients[i].report.resumed == bench->resumes);
		tls_conn_destroy(&bench->client.engine, &bench->clients[i].conn);
	}
}

static double our_sample(struct bench *bench)
{
	uint64_t ticks;

	start_clients(bench, &bench->our_session);
	ticks = our_first(bench);
	feed_clients(bench);
	ticks += our_last(bench);
	feed_clients(bench);
	end_clients(bench);
	our_end(bench);
	return (double)ticks / bench->n_in_flight;
}

static double their_sample(struct bench *bench)
{
	uint64_t ticks;

	start_clients(bench, &bench->their_session);
	ticks = their_first(bench);
	feed_clients(bench);
	ticks += their_last(bench);
	feed_clients(bench);
	end_clients(bench);
	ticks += their_end(bench);
	return (double)ticks / bench->n_in_flight;
}

static SSL_CTX *make_context(const struct kind *kind)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	struct tls_identity *identity = tls_fixture_identity(kind->certificate);

	SLUICE_ASSERT(SSL_CTX_use_certificate(context, identity->x509) == 1 &&
		      SSL_CTX_use_PrivateKey(context, identity->pkey) == 1 &&
		      SSL_CTX_set_min_proto_version(context, kind->version) == 1 &&
		      SSL_CTX_set_max_proto_version(context, kind->version) == 1 &&
		      SSL_CTX_set_session_id_context(context, (const unsigned char *)"b", 1) == 1);
	return context;
}

static struct bench *bench_new(const struct kind *kind)
{
	const struct tls_engine_settings settings = {
		.n_handshakes = IN_FLIGHT_MAX, .n_clients = IN_FLIGHT_MAX};
	struct tls_identity *identity = tls_fixture_identity(kind->certificate);
	struct bench *bench = calloc(1, sizeof *bench);

	SLUICE_ASSERT(bench != NULL);
	bench->kind = kind;
	tls_fixture_init(&bench->server, &settings);
	tls_fixture_init(&bench->client, &settings);
	tls_fixture_ticket_keys(&bench->server, 1, 0, 0);
	tls_fixture_verifier_init(&bench->verifier);
	bench->server_config = tls_fixture_server_config(tls_fixture_names(&identity, 1));
	bench->client_config = tls_fixture_client_config(&bench->verifier);
	bench->client_config.common.version_min = kind->version;
	bench->client_config.common.version_max = kind->version;
	bench->client_config.common.suites = (struct tls_preferences){&kind->suite, 1};
	bench->client_config.keep_session = tls_fixture_keep_session;
	for (unsigned i = 0; i < IN_FLIGHT_MAX; i++)
		tls_end_init(&bench->clients[i], &bench->client);
	bench->context = make_context(kind);
	return bench;
}

static void bench_free(struct bench *bench)
{
	for (unsigned i = 0; i < IN_FLIGHT_MAX; i++)
		tls_end_destroy(&bench->clients[i]);
	SSL_CTX_free(bench->context);
	free((void *)(uintptr_t)bench->server_config.names);
	tls_fixture_destroy(&bench->server);
	tls_fixture_destroy(&bench->client);
	free(bench);
}

// Warms up (which also fetches the tickets), then takes samples in turn.
static void run_kind(struct measure *measure, const struct kind *kind, unsigned n_samples)
{
	static const unsigned in_flight[] = {1, 8, IN_FLIGHT_MAX};
	struct bench *bench;
	double *ours = calloc(n_samples, sizeof *ours);
	double *theirs = calloc(n_samples, sizeof *theirs);

	if (!measure_wants(measure, kind->name)) {
		free(ours);
		free(theirs);
		return;
	}
	bench = bench_new(kind);
	for (unsigned k = 0; k < sizeof in_flight / sizeof in_flight[0]; k++) {
		bench->n_in_flight = in_flight[k];
		for (unsigned i = 0; i < 3; i++) {
			(void)our_sample(bench);
			(void)their_sample(bench);
		}
		for (unsigned i = 0; i < n_samples; i++) {
			ours[i] = our_sample(bench);
			theirs[i] = their_sample(bench);
		}
		measure_samples(measure,
			&(struct measure_row){.name = kind->name,
				.lanes = in_flight[k],
				.reference = OPENSSL_VERSION_TEXT " libssl"},
			ours, theirs, n_samples);
	}
	bench_free(bench);
	free(ours);
	free(theirs);
}

int main(int argc, char **argv)
{
	struct measure_options options = {.n_samples = SAMPLES};
	struct measure *measure;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			options.json = true;
		} else if (strcmp(argv[i], "--quick") == 0) {
			options.n_samples = SAMPLES_QUICK;
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			options.only = argv[++i];
		} else {
			(void)fprintf(stderr, "usage: bench-tls [--json] [--quick] [--only TEXT]\n");
			return 2;
		}
	}
	clock_init();
	measure = measure_create(&options);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		run_kind(measure, &kinds[i], options.n_samples);
	// An idle connection keeps its secrets; a live one also the expanded keys of both directions.
	measure_value(measure, "tls_bytes_per_idle_connection", "bytes", sizeof(struct tls_conn));
	measure_value(measure, "tls_bytes_per_live_connection", "bytes",
		(double)sizeof(struct tls_conn) +
			2.0 * (double)(aead_cache_footprint(1024) - aead_cache_footprint(512)) / 512);
	measure_value(
		measure, "tls_bytes_per_handshake", "bytes", sizeof(struct tls_handshake) + TLS_BLOCK_LEN);
	measure_finish(measure);
	return 0;
}
