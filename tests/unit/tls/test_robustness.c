// SPDX-License-Identifier: Apache-2.0
//
// What a hostile or broken peer can do: every byte of every flight flipped, every flight cut short, messages
// out of place, floods, plaintext after encryption, records that lie about their length, and handshakes left
// half done.
#include "tls_pair.h"

#include "crypto/group.h"
#include "tls/client_hello.h"
#include "tls/key_schedule.h"

#include <stdlib.h>

static const uint16_t versions[2] = {TLS_VERSION_12, TLS_VERSION_13};

// Lets the ends talk, but changes one byte of all that the given side sends. True if there was such a byte.
static bool pump_with_flip(struct pair *pair, bool from_server, size_t at, uint8_t mask)
{
	struct tls_end *from = from_server ? &pair->server : &pair->client;
	struct tls_end *to = from_server ? &pair->client : &pair->server;
	size_t n_sent = 0;
	bool flipped = false;
	bool progress = true;

	while (progress) {
		if (at >= n_sent && at < n_sent + from->out_len) {
			from->out[at - n_sent] ^= mask;
			flipped = true;
		}
		n_sent += from->out_len;
		progress = from->out_len + to->out_len != 0;
		tls_end_receive(to, from->out, from->out_len);
		tls_end_receive(from, to->out, to->out_len);
		from->out_len = to->out_len = 0;
		progress = tls_end_step(from) || progress;
		progress = tls_end_step(to) || progress;
		progress = progress || lanes_n_pending(tls_pair_fixture.crypto.lanes) != 0;
		tls_fixture_run_lanes(&tls_pair_fixture);
	}
	return flipped;
}

// A handshake whose bytes were touched never completes on both sides with both believing the same, except
// where the byte means nothing (the record version). It must never crash or leave anything behind (tear-down
// checks).
static void flip_everything(uint16_t version, bool from_server, size_t step)
{
	struct pair *pair = pair_of_version(version);
	bool more = true;

	for (size_t at = 0; more; at += step) {
		pair_begin(pair, NULL);
		more = pump_with_flip(pair, from_server, at, (uint8_t)(1 << at % 8));
		if (more && tls_end_up(&pair->server) && tls_end_up(&pair->client)) {
			pair_check_reports_agree(pair);
			assert_int_equal(pair->server.report.version, version);
		}
		pair_end(pair);
	}
	pair_free(pair);
}

static void test_bit_flips(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		flip_everything(versions[i], false, 1);
		flip_everything(versions[i], true, 1);
	}
}

// Cut off after every number of bytes, a handshake waits; and it ends without a trace.
static void test_truncation(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		for (size_t len = 0; len < 600; len += 3) {
			pair_begin(pair, NULL);
			(void)tls_end_step(&pair->client);
			if (pair->client.out_len > len)
				pair->client.out_len = len;
			tls_end_receive(&pair->server, pair->client.out, pair->client.out_len);
			pair->client.out_len = 0;
			tls_fixture_pump(&pair->client, &pair->server);
			assert_true(pair->server.handshaking || tls_end_up(&pair->server));
			pair_end(pair);
		}
		pair_free(pair);
	}
}

// Application data in the stead of a record that was due: each byte flipped is bad_record_mac and nothing
// comes out.
static void test_data_flips(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		bool more = true;

		for (size_t at = 0; more; at++) {
			pair_connect(pair, NULL);
			pair_check_up(pair);
			tls_end_send(&pair->client, "data", 4);
			more = at + 1 < pair->client.out_len;
			pair->client.out[at] ^= 0x40;
			tls_fixture_pump(&pair->client, &pair->server);
			assert_int_equal(pair->server.data_len, 0);
			pair_end(pair);
		}
		pair_free(pair);
	}
}

// Raw bytes to a fresh server; the alert that comes back, or -1 for none.
static int alert_for(struct pair *pair, const void *bytes, size_t len)
{
	struct tls_end end;
	int alert = -1;

	tls_end_init(&end, &tls_pair_fixture);
	tls_end_serve(&end, &pair->server_config);
	tls_end_receive(&end, bytes, len);
	for (unsigned i = 0; i < 10; i++) {
		(void)tls_end_step(&end);
		tls_fixture_run_lanes(&tls_pair_fixture);
	}
	if (end.failed) {
		assert_true(end.out_len >= 7);
		assert_int_equal(end.out[end.out_len - 7], TLS_CONTENT_ALERT);
		alert = end.out[end.out_len - 1];
	}
	tls_end_destroy(&end);
	return alert;
}

static void test_what_is_not_tls(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	static const uint8_t empty_handshake[] = {22, 3, 1, 0, 0};
	static const uint8_t too_long[] = {22, 3, 1, 0x40, 1};
	static const uint8_t wrong_version[] = {22, 2, 0, 0, 4, 1, 0, 0, 0};
	static const uint8_t early_ccs[] = {20, 3, 1, 0, 1, 1};
	static const uint8_t finished_first[] = {22, 3, 1, 0, 4, 20, 0, 0, 12};
	static const uint8_t data_first[] = {23, 3, 1, 0, 1, 0};
	static const uint8_t endless_hello[] = {22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff};
	static const uint8_t short_hello[] = {22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3};

	(void)state;
	assert_int_equal(alert_for(pair, "GET / HTTP/1.0\r\n\r\n", 18), TLS_ALERT_UNEXPECTED_MESSAGE);
	assert_int_equal(
		alert_for(pair, empty_handshake, sizeof empty_handshake), TLS_ALERT_UNEXPECTED_MESSAGE);
	assert_int_equal(alert_for(pair, too_long, sizeof too_long), TLS_ALERT_RECORD_OVERFLOW);
	assert_int_equal(alert_for(pair, wrong_version, sizeof wrong_version), TLS_ALERT_PROTOCOL_VERSION);
	assert_int_equal(alert_for(pair, early_ccs, sizeof early_ccs), TLS_ALERT_UNEXPECTED_MESSAGE);
	assert_int_equal(
		alert_for(pair, finished_first, sizeof finished_first), TLS_ALERT_UNEXPECTED_MESSAGE);
	assert_int_equal(alert_for(pair, data_first, sizeof data_first), TLS_ALERT_UNEXPECTED_MESSAGE);
	assert_int_equal(alert_for(pair, endless_hello, sizeof endless_hello), TLS_ALERT_ILLEGAL_PARAMETER);
	assert_int_equal(alert_for(pair, short_hello, sizeof short_hello), TLS_ALERT_DECODE_ERROR);
	assert_int_equal(alert_for(pair, short_hello, 4), -1);
	pair_free(pair);
}

// A ClientHello from an offer, in one record, to the server.
static int alert_for_offer(struct pair *pair, struct tls_client_offer *offer)
{
	static const uint8_t random[TLS_RANDOM_LEN];
	uint8_t record[4096];
	struct writer writer = writer_over((struct mut_span){record, sizeof record});
	struct writer_mark mark;

	offer->random = random;
	writer_u8(&writer, TLS_CONTENT_HANDSHAKE);
	writer_u16(&writer, 0x0301);
	mark = writer_open16(&writer);
	tls_client_hello_write(&writer, offer);
	writer_close(&writer, mark);
	assert_true(writer_ok(&writer));
	return alert_for(pair, record, writer.len);
}

static struct tls_client_offer good_offer(void)
{
	static const uint8_t share[32] = {9};
	static const struct tls_key_share key_share = {GROUP_X25519, {share, sizeof share}};

	return (struct tls_client_offer){
		.suites = tls_default_suites.numbers,
		.n_suites = tls_default_suites.n,
		.version_min = TLS_VERSION_12,
		.version_max = TLS_VERSION_13,
		.groups = tls_default_groups.numbers,
		.n_groups = tls_default_groups.n,
		.signatures = tls_default_signatures.numbers,
		.n_signatures = tls_default_signatures.n,
		.key_shares = &key_share,
		.n_key_shares = 1,
	};
}

static void test_bad_shares(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	struct tls_client_offer offer = good_offer();
	uint8_t point[97] = {4};
	struct tls_key_share shares[2] = {{GROUP_SECP256R1, {point, 65}}};

	(void)state;
	assert_int_equal(alert_for_offer(pair, &offer), -1);
	offer.key_shares = shares;
	assert_int_equal(alert_for_offer(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER); // not on the curve
	shares[0].share.len = 64;
	assert_int_equal(alert_for_offer(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER);
	shares[0] = (struct tls_key_share){GROUP_SECP384R1, {point, 97}};
	assert_int_equal(alert_for_offer(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER);
	point[0] = 0;
	shares[0] = (struct tls_key_share){GROUP_X25519, {point, 32}}; // of low order
	assert_int_equal(alert_for_offer(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER);
	point[0] = 9;
	shares[1] = shares[0]; // twice the same group
	offer.n_key_shares = 2;
	assert_int_equal(alert_for_offer(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER);
	pair_free(pair);
}

static void test_missing_extensions(void **state)
{
	static const uint8_t ticket[64];
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	struct tls_client_offer offer = good_offer();

	(void)state;
	offer.n_suites = 0;
	assert_int_equal(alert_for_offer(pair, &offer), TLS_ALERT_DECODE_ERROR);
	offer = good_offer();
	offer.version_max = TLS_VERSION_12;
	assert_int_equal(alert_for_offer(pair, &offer), -1);
	offer.n_signatures = 0;
	assert_int_equal(alert_for_offer(pair, &offer), TLS_ALERT_DECODE_ERROR);
	offer = good_offer();
	offer.identity = span_of(ticket, sizeof ticket);
	offer.binder_len = 16;
	assert_int_equal(alert_for_offer(pair, &offer), TLS_ALERT_DECODE_ERROR);
	offer.binder_len = 32;
	assert_int_equal(alert_for_offer(pair, &offer), -1); // an unknown ticket is no error
	pair_free(pair);
}

// After the handshake: records that should not be there.

static void raw_record(struct tls_end *end, uint8_t type, const void *content, size_t len)
{
	end->out_len += tls_record_write(&end->fixture->engine, &end->conn, (enum tls_content_type)type,
		span_of(content, len),
		(struct mut_span){end->out + end->out_len, TLS_END_BUFFER_LEN - end->out_len});
}

static void check_refused_after(struct pair *pair, enum tls_alert alert)
{
	tls_fixture_pump(&pair->client, &pair->server);
	assert_true(pair->server.failed);
	assert_int_equal(pair->client.peer_alert, alert);
	pair_end(pair);
}

static void test_records_after_the_handshake(void **state)
{
	static const uint8_t finished[4] = {20, 0, 0, 0};
	static const uint8_t bad_update[5] = {24, 0, 0, 1, 2};
	static const uint8_t long_update[6] = {24, 0, 0, 2, 0, 0};
	static const uint8_t update_and_more[6] = {24, 0, 0, 1, 0, 24};
	static const uint8_t bad_alert[3] = {1, 0, 0};
	static const uint8_t ccs[1] = {1};
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	const struct {
		uint8_t type;
		const uint8_t *content;
		size_t len;
		enum tls_alert alert;
	} cases[] = {
		{22, finished, 4, TLS_ALERT_UNEXPECTED_MESSAGE},
		{22, finished, 0, TLS_ALERT_UNEXPECTED_MESSAGE},
		{22, bad_update, 5, TLS_ALERT_ILLEGAL_PARAMETER},
		{22, long_update, 6, TLS_ALERT_DECODE_ERROR},
		{22, update_and_more, 6, TLS_ALERT_UNEXPECTED_MESSAGE},
		{21, bad_alert, 3, TLS_ALERT_DECODE_ERROR},
		{21, bad_alert, 1, TLS_ALERT_DECODE_ERROR},
		{21, bad_alert, 0, TLS_ALERT_UNEXPECTED_MESSAGE},
		{0, finished + 1, 0, TLS_ALERT_UNEXPECTED_MESSAGE}, // nothing but padding
		{0, finished + 1, 3, TLS_ALERT_UNEXPECTED_MESSAGE},
		{20, ccs, 1, TLS_ALERT_UNEXPECTED_MESSAGE},
		{24, ccs, 1, TLS_ALERT_UNEXPECTED_MESSAGE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		pair_connect(pair, NULL);
		pair_check_up(pair);
		raw_record(&pair->client, cases[i].type, cases[i].content, cases[i].len);
		check_refused_after(pair, cases[i].alert);
	}
	// Application data in the middle of a message.
	pair_connect(pair, NULL);
	raw_record(&pair->client, 22, bad_update, 3);
	raw_record(&pair->client, 23, "x", 1);
	check_refused_after(pair, TLS_ALERT_UNEXPECTED_MESSAGE);
	pair_free(pair);
}

static void test_floods(void **state)
{
	static const uint8_t update[5] = {24, 0, 0, 1, 0};
	static const uint8_t warning[2] = {1, 90};
	struct pair *pair = pair_of_version(TLS_VERSION_13);

	(void)state;
	pair_connect(pair, NULL);
	for (unsigned i = 0; i < 40; i++)
		raw_record(&pair->client, 23, "", 0);
	check_refused_after(pair, TLS_ALERT_UNEXPECTED_MESSAGE);
	pair_connect(pair, NULL);
	for (unsigned i = 0; i < 10; i++)
		raw_record(&pair->client, 21, warning, 2);
	check_refused_after(pair, TLS_ALERT_UNEXPECTED_MESSAGE);
	pair_connect(pair, NULL);
	for (unsigned i = 0; i < 40; i++) {
		raw_record(&pair->client, 22, update, 5);
		tls_traffic_secret_update(
			tls_conn_suite(&pair->client.conn)->hash, pair->client.conn.write_secret);
		tls_conn_set_write_secret(
			&tls_pair_fixture.engine, &pair->client.conn, pair->client.conn.write_secret);
	}
	check_refused_after(pair, TLS_ALERT_UNEXPECTED_MESSAGE);
	pair_free(pair);
}

static void test_plaintext_after_encryption(void **state)
{
	static const uint8_t plain_data[6] = {23, 3, 3, 0, 1, 'x'};
	static const uint8_t plain_finished[] = {22, 3, 3, 0, 4, 20, 0, 0, 0};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		pair_connect(pair, NULL);
		tls_end_receive(&pair->server, plain_data, sizeof plain_data);
		check_refused_after(pair, TLS_ALERT_BAD_RECORD_MAC);
		pair_connect(pair, NULL);
		tls_end_receive(&pair->server, plain_finished, sizeof plain_finished);
		check_refused_after(pair, versions[i] == TLS_VERSION_13 ? TLS_ALERT_UNEXPECTED_MESSAGE
									: TLS_ALERT_BAD_RECORD_MAC);
		pair_free(pair);
	}
}

// In TLS 1.2 a wish to renegotiate is declined with a warning and the connection goes on; insisting ends it.
static void test_renegotiation(void **state)
{
	static const uint8_t hello[8] = {1, 0, 0, 4, 3, 3, 0, 0};
	struct pair *pair = pair_of_version(TLS_VERSION_12);

	(void)state;
	pair_connect(pair, NULL);
	raw_record(&pair->client, 22, hello, 3);
	raw_record(&pair->client, 22, hello + 3, 5);
	tls_end_send(&pair->client, "still here", 10);
	tls_fixture_pump(&pair->client, &pair->server);
	assert_int_equal(pair->server.data_len, 10);
	for (unsigned i = 0; i < 6; i++)
		raw_record(&pair->client, 22, hello, sizeof hello);
	check_refused_after(pair, TLS_ALERT_NO_RENEGOTIATION);
	pair_free(pair);
}

// The same floods in TLS 1.2, where warnings are allowed and servers may ask.
static void test_floods_12(void **state)
{
	static const uint8_t warning[2] = {1, 90};
	static const uint8_t hello_request[4] = {0};
	struct pair *pair = pair_of_version(TLS_VERSION_12);

	(void)state;
	pair_connect(pair, NULL);
	for (unsigned i = 0; i < 4; i++)
		raw_record(&pair->client, 21, warning, 2);
	tls_end_send(&pair->client, "still here", 10);
	tls_fixture_pump(&pair->client, &pair->server);
	assert_int_equal(pair->server.data_len, 10);
	for (unsigned i = 0; i < 10; i++)
		raw_record(&pair->client, 21, warning, 2);
	check_refused_after(pair, TLS_ALERT_UNEXPECTED_MESSAGE);
	pair_connect(pair, NULL);
	for (unsigned i = 0; i < 40; i++)
		raw_record(&pair->client, 23, "", 0);
	check_refused_after(pair, TLS_ALERT_UNEXPECTED_MESSAGE);
	pair_connect(pair, NULL);
	for (unsigned i = 0; i < 10; i++)
		raw_record(&pair->server, 22, hello_request, 4);
	tls_fixture_pump(&pair->client, &pair->server);
	assert_true(pair->client.failed);
	assert_int_equal(pair->server.peer_alert, TLS_ALERT_NO_RENEGOTIATION);
	pair_end(pair);
	pair_free(pair);
}

// Short records at first and after a pause, then as long as the peer takes them.
static void test_record_sizes(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	struct tls_conn *conn = &pair->server.conn;
	size_t overhead, sent = 0, len = 0;

	(void)state;
	pair_connect(pair, NULL);
	overhead = tls_record_sealed_len(conn, 0);
	while (sent < 64 * 1024) {
		len = tls_record_choose_len(conn, 1460, 1000000, false);
		assert_int_equal(len, 1460 - overhead);
		sent += len;
	}
	assert_int_equal(tls_record_choose_len(conn, 1460, 1000000, false), TLS_PLAINTEXT_MAX);
	assert_int_equal(tls_record_choose_len(conn, 1460, 100, false), 100);
	assert_int_equal(tls_record_choose_len(conn, 1460, 1000000, true), 1460 - overhead);
	conn->send_max = 512;
	assert_int_equal(tls_record_choose_len(conn, 1460, 1000000, true), 512);
	pair_end(pair);
	pair_free(pair);
}

static void test_truncated_streams_are_noticed(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);

	(void)state;
	pair_connect(pair, NULL);
	assert_true(tls_conn_is_truncated_now(&pair->server.conn));
	tls_end_close(&pair->client);
	tls_fixture_pump(&pair->client, &pair->server);
	assert_false(tls_conn_is_truncated_now(&pair->server.conn));
	assert_true(tls_conn_is_truncated_now(&pair->client.conn));
	pair_end(pair);
	pair_free(pair);
}

// A large hello that spans records is normal; one that is larger than any is refused, and so is one for which
// there is no memory.
static void test_large_hellos(void **state)
{
	static uint8_t stream[160 * 1024];
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	static const size_t lens[] = {3000, 16000, 17500, 60000, 130000};

	(void)state;
	for (unsigned i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		struct writer writer = writer_over((struct mut_span){stream, sizeof stream});
		struct tls_end end;
		size_t left = lens[i];

		tls_end_init(&end, &tls_pair_fixture);
		tls_end_serve(&end, &pair->server_config);
		for (bool first = true; left != 0; first = false) {
			size_t take = left < 16384 ? left : 16384;

			writer_u8(&writer, 22);
			writer_u16(&writer, 0x0301);
			writer_u16(&writer, (uint16_t)take);
			if (first) {
				writer_u8(&writer, 1);
				writer_u24(&writer, (uint32_t)lens[i] - 4);
			}
			memset(writer_reserve(&writer, take - (first ? 4 : 0)), 3, take - (first ? 4 : 0));
			left -= take;
		}
		tls_end_receive(&end, stream, writer.len);
		while (end.handshaking)
			(void)tls_end_step(&end);
		assert_true(end.failed);
		assert_int_equal(end.report.alert, TLS_ALERT_DECODE_ERROR);
		tls_end_destroy(&end);
	}
	pair_free(pair);
}

// A hundred thousand handshakes left half done, at every cut of a hello in turn, over an engine that has room
// for so many of them and for so many incomplete messages: what is over is refused and counted, nothing
// grows, and when all are gone the pools are whole again.
static void stuck_handshakes(
	struct tls_fixture *where, const struct tls_server_config *config, struct span hello)
{
	enum {
		N = 100000
	};
	struct tls_conn *conns = calloc(N, sizeof *conns);
	struct tls_engine *engine = &where->engine;
	unsigned n_started = 0, n_waiting = 0;

	assert_non_null(conns);
	for (unsigned i = 0; i < N; i++) {
		struct span piece = span_of(hello.data, i % hello.len);
		struct tls_stream stream = {.pieces = &piece, .n_pieces = 1};
		enum tls_status status;
		size_t consumed;

		tls_conn_init(&conns[i]);
		if (!tls_server_start(engine, &conns[i], config, NULL))
			continue;
		n_started++;
		status = tls_handshake_input(engine, &conns[i], stream, &consumed);
		n_waiting += status == TLS_NEED_BYTES ? 1 : 0;
		assert_true(status == TLS_NEED_BYTES ||
			    tls_handshake_report(engine, &conns[i])->alert == TLS_ALERT_INTERNAL_ERROR);
	}
	assert_int_equal(n_started, engine->handshakes.n_items < N ? engine->handshakes.n_items : N);
	assert_true(n_waiting >= n_started / 2);
	for (unsigned i = 0; i < N; i++)
		tls_conn_destroy(engine, &conns[i]);
	assert_int_equal(engine->handshakes.n_used, 0);
	assert_int_equal(engine->blocks.n_used, 0);
	free(conns);
}

static void test_stuck_handshakes(void **state)
{
	const struct tls_engine_settings roomy = {.n_handshakes = 100000, .n_blocks = 60000};
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	struct tls_fixture *large = calloc(1, sizeof *large);
	uint8_t hello[1024];
	size_t hello_len;

	(void)state;
	pair_begin(pair, NULL);
	(void)tls_end_step(&pair->client);
	// A record for each byte, so that every cut leaves part of a message behind.
	hello_len = 0;
	for (size_t i = 5; i < pair->client.out_len && hello_len + 6 <= sizeof hello; i++) {
		const uint8_t record[6] = {22, 3, 1, 0, 1, pair->client.out[i]};

		memcpy(hello + hello_len, record, sizeof record);
		hello_len += sizeof record;
	}
	pair_end(pair);
	stuck_handshakes(&tls_pair_fixture, &pair->server_config, span_of(hello, hello_len));
	pair_connect(pair, NULL);
	pair_check_up(pair);
	pair_check_data(pair);
	pair_end(pair);
	// With half a gigabyte in which all of them fit, in the long form.
	if (getenv("SLUICE_FULL") != NULL) {
		tls_fixture_init(large, &roomy);
		stuck_handshakes(large, &pair->server_config, span_of(hello, hello_len));
		tls_fixture_destroy(large);
	}
	free(large);
	pair_free(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(test_bit_flips),
		PAIR_TEST(test_truncation),
		PAIR_TEST(test_data_flips),
		PAIR_TEST(test_what_is_not_tls),
		PAIR_TEST(test_bad_shares),
		PAIR_TEST(test_missing_extensions),
		PAIR_TEST(test_records_after_the_handshake),
		PAIR_TEST(test_floods),
		PAIR_TEST(test_floods_12),
		PAIR_TEST(test_record_sizes),
		PAIR_TEST(test_plaintext_after_encryption),
		PAIR_TEST(test_renegotiation),
		PAIR_TEST(test_truncated_streams_are_noticed),
		PAIR_TEST(test_large_hellos),
		PAIR_TEST(test_stuck_handshakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
