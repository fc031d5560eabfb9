// SPDX-License-Identifier: Apache-2.0
//
// What conformance suites try, family by family, against both roles: second hellos that differ, retries that
// change nothing, early data that nobody wanted, answers that nobody asked for, messages left out, doubled or
// altered inside a flight that is otherwise right. Each names the alert.
//
// A flight is altered where it lies, before it is sealed, so that everything around it is genuine.
#include "tls_pair.h"

#include "crypto/group.h"
#include "tls/client_hello.h"
#include "tls/handshake_state.h"
#include "tls/server_hello.h"

static void run(struct tls_end *end)
{
	for (unsigned i = 0; i < 10; i++) {
		(void)tls_end_step(end);
		tls_fixture_run_lanes(&tls_pair_fixture);
	}
}

static int alert_of(const struct tls_end *end)
{
	return end->failed && !end->report.failed_by_peer ? end->report.alert : -1;
}

static void receive_record(struct tls_end *end, uint8_t type, const void *bytes, size_t len)
{
	const uint8_t head[5] = {type, 3, 3, (uint8_t)(len >> 8), (uint8_t)len};

	tls_end_receive(end, head, sizeof head);
	tls_end_receive(end, bytes, len);
}

// The second ClientHello (RFC 8446 4.1.2).

static const uint8_t x25519_share[32] = {9};
static const uint8_t p256_share[65] = {4, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6,
	0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45,
	0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c,
	0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf,
	0x51, 0xf5};
static const struct tls_key_share share_x25519 = {GROUP_X25519, {x25519_share, 32}};
static const struct tls_key_share share_p256 = {GROUP_SECP256R1, {p256_share, 65}};
static const uint8_t random_1[TLS_RANDOM_LEN] = {1}, random_2[TLS_RANDOM_LEN] = {2};

static struct tls_client_offer first_offer(void)
{
	return (struct tls_client_offer){
		.random = random_1,
		.session_id = span_of(random_1, 32),
		.suites = tls_default_suites.numbers,
		.n_suites = tls_default_suites.n,
		.version_min = TLS_VERSION_12,
		.version_max = TLS_VERSION_13,
		.server_name = span_of_string("sluice.test"),
		.groups = tls_default_groups.numbers,
		.n_groups = tls_default_groups.n,
		.signatures = tls_default_signatures.numbers,
		.n_signatures = tls_default_signatures.n,
		.key_shares = &share_x25519,
		.n_key_shares = 1,
	};
}

// The offer with this one method of compression.
static void receive_compressing_offer(
	struct tls_end *end, const struct tls_client_offer *offer, uint8_t compression)
{
	static uint8_t message[4096];
	struct writer writer = writer_over((struct mut_span){message, sizeof message});
	uint8_t *methods = message + TLS_MESSAGE_HEADER_LEN + 2 + TLS_RANDOM_LEN + 1 + offer->session_id.len;

	tls_client_hello_write(&writer, offer);
	assert_true(writer_ok(&writer));
	methods += 2 + (methods[0] << 8 | methods[1]);
	assert_int_equal(methods[0], 1);
	methods[1] = compression;
	receive_record(end, TLS_CONTENT_HANDSHAKE, message, writer.len);
	run(end);
}

static void receive_offer(struct tls_end *end, const struct tls_client_offer *offer)
{
	receive_compressing_offer(end, offer, TLS_COMPRESSION_NONE);
}

// A server that has asked for P-256 gets this as the second hello.
static int alert_for_compressing_second(
	struct pair *pair, const struct tls_client_offer *second, uint8_t compression)
{
	static const uint16_t p256 = GROUP_SECP256R1;
	struct tls_client_offer first = first_offer();
	int alert;

	pair->server_config.common.groups = (struct tls_preferences){&p256, 1};
	tls_end_init(&pair->server, &tls_pair_fixture);
	tls_end_serve(&pair->server, &pair->server_config);
	receive_offer(&pair->server, &first);
	assert_int_equal(pair_handshake_of(&pair->server)->state, TLS_STATE_SERVER13_SECOND_HELLO);
	receive_compressing_offer(&pair->server, second, compression);
	alert = alert_of(&pair->server);
	tls_end_destroy(&pair->server);
	return alert;
}

static int alert_for_second(struct pair *pair, const struct tls_client_offer *second)
{
	return alert_for_compressing_second(pair, second, TLS_COMPRESSION_NONE);
}

static void test_second_hello(void **state)
{
	static const uint16_t chacha_only = 0x1303;
	const struct tls_key_share both[2] = {share_p256, share_x25519};
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	struct tls_client_offer good = first_offer(), offer;

	(void)state;
	good.key_shares = &share_p256;
	assert_int_equal(alert_for_second(pair, &good), -1);
	assert_int_equal(alert_for_compressing_second(pair, &good, 1), TLS_ALERT_ILLEGAL_PARAMETER);
	offer = first_offer(); // the share that was not wanted
	assert_int_equal(alert_for_second(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER);
	offer = good;
	offer.key_shares = both;
	offer.n_key_shares = 2;
	assert_int_equal(alert_for_second(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER);
	offer.n_key_shares = 0;
	assert_int_equal(alert_for_second(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER);
	offer = good;
	offer.random = random_2;
	assert_int_equal(alert_for_second(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER);
	offer = good;
	offer.session_id = span_of(random_2, 32);
	assert_int_equal(alert_for_second(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER);
	offer = good;
	offer.suites = &chacha_only;
	offer.n_suites = 1;
	assert_int_equal(alert_for_second(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER);
	offer = good;
	offer.server_name = span_of_string("other.test");
	assert_int_equal(alert_for_second(pair, &offer), TLS_ALERT_ILLEGAL_PARAMETER);
	offer = good;
	offer.version_max = TLS_VERSION_12;
	assert_int_equal(alert_for_second(pair, &offer), TLS_ALERT_MISSING_EXTENSION);
	pair_free(pair);
}

static void test_third_hello(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	struct tls_client_offer offer = first_offer();

	(void)state;
	tls_end_init(&pair->server, &tls_pair_fixture);
	tls_end_serve(&pair->server, &pair->server_config);
	receive_offer(&pair->server, &offer);
	assert_int_equal(alert_of(&pair->server), -1);
	receive_offer(&pair->server, &offer);
	assert_int_equal(alert_of(&pair->server), TLS_ALERT_UNEXPECTED_MESSAGE);
	tls_end_destroy(&pair->server);
	pair_free(pair);
}

// A session that was offered before the retry has to be offered after it.
static void test_second_hello_without_the_session(void **state)
{
	static const uint16_t client_groups[2] = {GROUP_X25519, GROUP_SECP256R1};
	static const uint16_t p256 = GROUP_SECP256R1;
	struct pair *pair = pair_of_version(TLS_VERSION_13);

	(void)state;
	pair_connect(pair, NULL);
	pair_check_up(pair);
	pair_end(pair);
	pair->client_config.common.groups = (struct tls_preferences){client_groups, 2};
	pair->server_config.common.groups = (struct tls_preferences){&p256, 1};
	pair_begin(pair, &pair->slot.session);
	(void)tls_end_step(&pair->client);
	pair_handshake_of(&pair->client)->kept_session = false;
	tls_fixture_pump(&pair->client, &pair->server);
	pair_check_server_refused(pair, TLS_ALERT_ILLEGAL_PARAMETER);
	pair_end(pair);
	// Where it could not have been resumed anyway, nothing is missed.
	pair->server_config.policy_id[0] ^= 1;
	pair_begin(pair, &pair->slot.session);
	(void)tls_end_step(&pair->client);
	pair_handshake_of(&pair->client)->kept_session = false;
	tls_fixture_pump(&pair->client, &pair->server);
	pair_check_up(pair);
	pair_end(pair);
	pair_free(pair);
}

static void test_tickets_off_takes_none(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);

	(void)state;
	pair_connect(pair, NULL);
	pair_check_up(pair);
	pair_end(pair);
	pair->server_config.n_tickets = 0;
	pair_connect(pair, &pair->slot.session);
	pair_check_up(pair);
	assert_false(pair->server.report.resumed);
	pair_end(pair);
	pair_free(pair);
}

// Early data (RFC 8446 4.2.10). Our client has no such extension: one of GREASE becomes it.

static void offer_early_data(struct pair *pair)
{
	struct tls_handshake *hs = pair_handshake_of(&pair->client);
	struct tls_flight_piece *piece = &hs->flight.pieces[0];
	uint8_t *message = hs->flight.block;
	uint8_t grease = hs->client_random[0] & 0xf0 ? (uint8_t)((hs->client_random[0] & 0xf0) | 0x0a) : 0x0a;
	const uint8_t needle[4] = {grease, grease, 0, 0};
	uint8_t *extension = memmem(message, piece->len, needle, sizeof needle);

	assert_non_null(extension);
	extension[0] = 0;
	extension[1] = 42;
	tls_transcript_init(&hs->transcript);
	tls_transcript_add(&hs->transcript, span_of(message, piece->len));
}

static void early_data(size_t n_records, size_t len, bool retry, bool passes)
{
	static const uint8_t junk[16384 + 64] = {1, 2, 3};
	static const uint16_t client_groups[2] = {GROUP_X25519, GROUP_SECP256R1};
	static const uint16_t p256 = GROUP_SECP256R1;
	struct pair *pair = pair_of_version(TLS_VERSION_13);

	pair->client_config.grease = true;
	pair->client_config.common.groups = (struct tls_preferences){client_groups, 2};
	if (retry)
		pair->server_config.common.groups = (struct tls_preferences){&p256, 1};
	pair_begin(pair, NULL);
	offer_early_data(pair);
	(void)tls_end_step(&pair->client);
	tls_end_receive(&pair->server, pair->client.out, pair->client.out_len);
	pair->client.out_len = 0;
	for (size_t i = 0; i < n_records; i++)
		receive_record(&pair->server, TLS_CONTENT_APPLICATION_DATA, junk, len);
	tls_fixture_pump(&pair->client, &pair->server);
	assert_int_equal(pair->server.report.retried, retry);
	if (passes) {
		pair_check_up(pair);
		pair_check_data(pair);
	} else {
		assert_int_equal(alert_of(&pair->server),
			retry ? TLS_ALERT_UNEXPECTED_MESSAGE : TLS_ALERT_BAD_RECORD_MAC);
	}
	pair_end(pair);
	pair_free(pair);
}

static void test_early_data_is_passed_over(void **state)
{
	(void)state;
	early_data(1, 4, false, true); // too short even for a tag
	early_data(1, 17, false, true);
	early_data(1, 16384 + 16, false, true);
	early_data(8, 2048 + 16, false, true);
	early_data(9, 2048 + 16, false, false); // too much of it
	early_data(0, 0, false, true);          // announced, and nothing came
	early_data(1, 500, true, true);
	early_data(8, 2048, true, true);
	early_data(9, 2048, true, false);
}

static void test_early_data_that_was_not_announced(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	static const uint8_t junk[100];

	(void)state;
	pair_begin(pair, NULL);
	(void)tls_end_step(&pair->client);
	tls_end_receive(&pair->server, pair->client.out, pair->client.out_len);
	pair->client.out_len = 0;
	receive_record(&pair->server, TLS_CONTENT_APPLICATION_DATA, junk, sizeof junk);
	tls_fixture_pump(&pair->client, &pair->server);
	assert_int_equal(alert_of(&pair->server), TLS_ALERT_BAD_RECORD_MAC);
	pair_end(pair);
	pair_free(pair);
}

// What a client is told in the clear: ServerHello and HelloRetryRequest.

struct answer {
	uint16_t suite, group;
	bool retry, wrong_session_id, more_behind;
	int selected_identity;
	int alert;
};

static void receive_answer(struct tls_end *client, const struct answer *answer)
{
	static uint8_t message[1024];
	struct writer writer = writer_over((struct mut_span){message, sizeof message});
	const struct tls_handshake *hs = pair_handshake_of(client);
	struct tls_server_hello_13 hello = {
		.random = answer->retry ? tls_hello_retry_random : random_2,
		.session_id = span_of(answer->wrong_session_id ? random_2 : hs->session_id, 32),
		.suite = answer->suite,
		.key_share = {.group = answer->group},
		.selected_identity = answer->selected_identity,
	};

	if (!answer->retry)
		hello.key_share.share = answer->group == GROUP_SECP256R1 ? share_p256.share
									 : share_x25519.share;
	tls_server_hello_write_13(&writer, &hello);
	if (answer->more_behind)
		writer_u8(&writer, TLS_ENCRYPTED_EXTENSIONS);
	receive_record(client, TLS_CONTENT_HANDSHAKE, message, writer.len);
	run(client);
}

static void check_answers(const struct answer *answers, unsigned n)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);

	tls_end_init(&pair->client, &tls_pair_fixture);
	tls_end_connect(&pair->client, &pair->client_config, "sluice.test", NULL);
	run(&pair->client);
	for (unsigned i = 0; i < n; i++) {
		receive_answer(&pair->client, &answers[i]);
		assert_int_equal(alert_of(&pair->client), answers[i].alert);
	}
	tls_end_destroy(&pair->client);
	pair_free(pair);
}

static void test_server_hellos(void **state)
{
	static const struct answer single[] = {
		{0x1301, GROUP_X25519, .selected_identity = -1, .alert = -1},
		{0x1305, GROUP_X25519, .selected_identity = -1, .alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{0xc02b, GROUP_X25519, .selected_identity = -1, .alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{0x1301, GROUP_SECP256R1, .selected_identity = -1, .alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{0x1301, GROUP_X25519, .wrong_session_id = true, .selected_identity = -1,
			.alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{0x1301, GROUP_X25519, .more_behind = true, .selected_identity = -1,
			.alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{0x1301, GROUP_X25519, .selected_identity = 0, .alert = TLS_ALERT_UNSUPPORTED_EXTENSION},
		{0x1301, GROUP_SECP256R1, .retry = true, .selected_identity = -1, .alert = -1},
		{0x1301, GROUP_X25519, .retry = true, .selected_identity = -1, // changes nothing
			.alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{0x1301, 0x0019, .retry = true, .selected_identity = -1,
			.alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{0x1305, GROUP_SECP256R1, .retry = true, .selected_identity = -1,
			.alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{0x1301, GROUP_SECP256R1, .retry = true, .wrong_session_id = true, .selected_identity = -1,
			.alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{0x1301, GROUP_SECP256R1, .retry = true, .more_behind = true, .selected_identity = -1,
			.alert = TLS_ALERT_UNEXPECTED_MESSAGE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof single / sizeof single[0]; i++)
		check_answers(&single[i], 1);
}

static void test_after_a_retry(void **state)
{
	static const struct answer retry = {
		0x1301, GROUP_SECP256R1, .retry = true, .selected_identity = -1, .alert = -1};
	static const struct answer second[] = {
		{0x1301, GROUP_SECP256R1, .selected_identity = -1, .alert = -1},
		{0x1301, GROUP_X25519, .selected_identity = -1, .alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{0x1302, GROUP_SECP256R1, .selected_identity = -1, .alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{0x1301, GROUP_SECP384R1, .retry = true, .selected_identity = -1,
			.alert = TLS_ALERT_UNEXPECTED_MESSAGE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof second / sizeof second[0]; i++) {
		const struct answer answers[2] = {retry, second[i]};

		check_answers(answers, 2);
	}
}

// RFC 8446 4.1.3: a client that can 1.3 meets the sentinels.
static void test_sentinels(void **state)
{
	static const struct {
		const uint8_t *mark;
		uint16_t version_max;
		int alert;
	} cases[] = {
		{tls_downgrade_to_12, TLS_VERSION_13, TLS_ALERT_ILLEGAL_PARAMETER},
		{tls_downgrade_to_11, TLS_VERSION_13, TLS_ALERT_ILLEGAL_PARAMETER},
		{tls_downgrade_to_12, TLS_VERSION_12, -1},
		{tls_downgrade_to_11, TLS_VERSION_12, TLS_ALERT_ILLEGAL_PARAMETER},
		{random_1, TLS_VERSION_13, -1},
	};
	struct pair *pair = pair_new(TLS_FIXTURE_P256);

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t message[256], random[TLS_RANDOM_LEN] = {0};
		struct writer writer = writer_over((struct mut_span){message, sizeof message});

		memcpy(random + 24, cases[i].mark, 8);
		tls_server_hello_write_12(
			&writer, &(struct tls_server_hello_12){
					 .random = random, .suite = 0xc02b, .extended_master_secret = true});
		pair->client_config.common.version_max = cases[i].version_max;
		tls_end_init(&pair->client, &tls_pair_fixture);
		tls_end_connect(&pair->client, &pair->client_config, "sluice.test", NULL);
		run(&pair->client);
		receive_record(&pair->client, TLS_CONTENT_HANDSHAKE, message, writer.len);
		run(&pair->client);
		assert_int_equal(alert_of(&pair->client), cases[i].alert);
		tls_end_destroy(&pair->client);
	}
	pair_free(pair);
}

// Flights that are altered before they leave. `which` counts messages in the flight, in their order.

static const uint8_t *find_message(const struct tls_flight *flight, uint8_t type, unsigned *out_piece)
{
	for (unsigned i = 0; i < flight->n_pieces; i++) {
		const struct tls_flight_piece *piece = &flight->pieces[i];
		const uint8_t *message = piece->data;

		if (piece->type != TLS_CONTENT_HANDSHAKE)
			continue;
		*out_piece = i;
		while (message < piece->data + piece->len) {
			if (message[0] == type)
				return message;
			message += 4 + (message[1] << 16 | message[2] << 8 | message[3]);
		}
	}
	fail_msg("no message %u in the flight", type);
	return NULL;
}

// The message becomes `len` other bytes; what follows in its piece stays.
static void replace(struct tls_flight *flight, uint8_t type, const void *bytes, size_t len)
{
	unsigned at;
	const uint8_t *message = find_message(flight, type, &at);
	struct tls_flight_piece old = flight->pieces[at];
	size_t message_len = 4 + (size_t)(message[1] << 16 | message[2] << 8 | message[3]);
	size_t before = (size_t)(message - old.data);

	assert_true(flight->n_pieces + 2 <= TLS_FLIGHT_PIECES);
	memmove(&flight->pieces[at + 2], &flight->pieces[at],
		(flight->n_pieces - at) * sizeof flight->pieces[0]);
	flight->n_pieces += 2;
	flight->pieces[at + 1] = old;
	flight->pieces[at].len = (uint32_t)before;
	flight->pieces[at + 1].data = bytes;
	flight->pieces[at + 1].len = (uint32_t)len;
	flight->pieces[at + 2].data = message + message_len;
	flight->pieces[at + 2].len = (uint32_t)(old.len - before - message_len);
}

struct alteration {
	uint8_t type;
	enum {
		FLIP,
		RETYPE,
		DROP,
		DOUBLE,
		LONGER,
		EMPTY_LIST,
		SET_U16,
		BEGIN_ANOTHER, // the first byte of one of this type follows
	} how;
	unsigned offset;
	uint16_t value;
	enum tls_alert alert;
};

static void alter(struct tls_flight *flight, const struct alteration *alteration)
{
	static const uint8_t empty_13[8] = {TLS_CERTIFICATE, 0, 0, 4};
	static uint8_t copy[8192];
	unsigned at;
	const uint8_t *message = find_message(flight, alteration->type, &at);
	size_t len = 4 + (size_t)(message[1] << 16 | message[2] << 8 | message[3]);

	memcpy(copy, message, len);
	memcpy(copy + len, message, len);
	switch (alteration->how) {
	case FLIP:
		copy[alteration->offset != 0 ? alteration->offset : len - 1] ^= 1;
		break;
	case RETYPE:
		copy[0] = (uint8_t)alteration->value;
		break;
	case DROP:
		len = 0;
		break;
	case DOUBLE:
		len *= 2;
		break;
	case LONGER:
		copy[len++] = 0;
		copy[3]++;
		break;
	case BEGIN_ANOTHER:
		copy[len++] = (uint8_t)alteration->value;
		break;
	case EMPTY_LIST:
		memcpy(copy, empty_13, sizeof empty_13);
		len = sizeof empty_13;
		break;
	case SET_U16:
		copy[alteration->offset] = (uint8_t)(alteration->value >> 8);
		copy[alteration->offset + 1] = (uint8_t)alteration->value;
		break;
	}
	replace(flight, alteration->type, copy, len);
}

static void check_altered_server(uint16_t version, const struct alteration *alteration)
{
	struct pair *pair = pair_of_version(version);
	bool compatible = version == TLS_VERSION_13;

	pair_begin(pair, NULL);
	pair->server.output_max = 1; // the flight stays where it is
	tls_fixture_pump(&pair->client, &pair->server);
	alter(&pair_handshake_of(&pair->server)->flight, alteration);
	pair->server.output_max = 0;
	run(&pair->server);
	tls_end_receive(&pair->client, pair->server.out, pair->server.out_len);
	pair->server.out_len = 0;
	run(&pair->client);
	if (alert_of(&pair->client) != (int)alteration->alert)
		fail_msg(
			"message %u, way %u: %d", alteration->type, alteration->how, alert_of(&pair->client));
	// A client's first encrypted record comes after change_cipher_spec, even if it is an alert.
	assert_int_equal(pair->client.out[0], compatible && alteration->type != TLS_SERVER_HELLO
						      ? TLS_CONTENT_CHANGE_CIPHER_SPEC
						      : TLS_CONTENT_ALERT);
	tls_fixture_pump(&pair->client, &pair->server);
	assert_int_equal(pair->server.peer_alert, alteration->alert);
	pair_end(pair);
	pair_free(pair);
}

static void test_altered_server_flights_13(void **state)
{
	static const struct alteration alterations[] = {
		{TLS_ENCRYPTED_EXTENSIONS, RETYPE, .value = 99, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_ENCRYPTED_EXTENSIONS, RETYPE, .value = TLS_FINISHED,
			.alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_ENCRYPTED_EXTENSIONS, DROP, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_ENCRYPTED_EXTENSIONS, DOUBLE, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_ENCRYPTED_EXTENSIONS, LONGER, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_ENCRYPTED_EXTENSIONS, SET_U16, 6, 0x0017,
			.alert = TLS_ALERT_ILLEGAL_PARAMETER}, // not in EE
		{TLS_ENCRYPTED_EXTENSIONS, SET_U16, 6, 0x7777, .alert = TLS_ALERT_UNSUPPORTED_EXTENSION},
		{TLS_ENCRYPTED_EXTENSIONS, SET_U16, 6, 0x0010, .alert = TLS_ALERT_UNSUPPORTED_EXTENSION},
		{TLS_CERTIFICATE, DROP, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CERTIFICATE, DOUBLE, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CERTIFICATE, EMPTY_LIST, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_CERTIFICATE, LONGER, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_CERTIFICATE, RETYPE, .value = TLS_CERTIFICATE_STATUS,
			.alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CERTIFICATE_VERIFY, DROP, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CERTIFICATE_VERIFY, LONGER, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_CERTIFICATE_VERIFY, FLIP, .alert = TLS_ALERT_DECRYPT_ERROR},
		{TLS_CERTIFICATE_VERIFY, SET_U16, 4, 0x0203, .alert = TLS_ALERT_ILLEGAL_PARAMETER}, // SHA-1
		{TLS_CERTIFICATE_VERIFY, SET_U16, 4, 0x0804, .alert = TLS_ALERT_ILLEGAL_PARAMETER}, // RSA
		{TLS_CERTIFICATE_VERIFY, SET_U16, 4, 0x0503, .alert = TLS_ALERT_ILLEGAL_PARAMETER}, // P-384
		{TLS_FINISHED, FLIP, .alert = TLS_ALERT_DECRYPT_ERROR},
		{TLS_FINISHED, LONGER, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_FINISHED, DOUBLE, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_FINISHED, RETYPE, .value = TLS_CLIENT_HELLO, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof alterations / sizeof alterations[0]; i++)
		check_altered_server(TLS_VERSION_13, &alterations[i]);
}

static void test_altered_server_flights_12(void **state)
{
	static const struct alteration alterations[] = {
		{TLS_CERTIFICATE, DROP, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CERTIFICATE, DOUBLE, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CERTIFICATE, LONGER, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_SERVER_KEY_EXCHANGE, DROP, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_SERVER_KEY_EXCHANGE, DOUBLE, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_SERVER_KEY_EXCHANGE, FLIP, .alert = TLS_ALERT_DECRYPT_ERROR},
		{TLS_SERVER_KEY_EXCHANGE, FLIP, .offset = 10, .alert = TLS_ALERT_DECRYPT_ERROR}, // the share
		{TLS_SERVER_KEY_EXCHANGE, FLIP, .offset = 4,
			.alert = TLS_ALERT_ILLEGAL_PARAMETER}, // explicit curve
		{TLS_SERVER_KEY_EXCHANGE, SET_U16, 5, 0x0019, .alert = TLS_ALERT_ILLEGAL_PARAMETER}, // P-521
		{TLS_SERVER_KEY_EXCHANGE, SET_U16, 5, 0x0017,
			.alert = TLS_ALERT_ILLEGAL_PARAMETER}, // wrong length
		{TLS_SERVER_KEY_EXCHANGE, SET_U16, 40, 0x0203, .alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{TLS_SERVER_KEY_EXCHANGE, SET_U16, 40, 0x0804, .alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{TLS_SERVER_KEY_EXCHANGE, LONGER, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_SERVER_HELLO_DONE, RETYPE, .value = TLS_FINISHED, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_SERVER_HELLO_DONE, LONGER, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_SERVER_HELLO_DONE, DOUBLE, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_SERVER_HELLO_DONE, BEGIN_ANOTHER, .value = TLS_NEW_SESSION_TICKET,
			.alert = TLS_ALERT_UNEXPECTED_MESSAGE}, // not its turn
	};

	(void)state;
	for (unsigned i = 0; i < sizeof alterations / sizeof alterations[0]; i++)
		check_altered_server(TLS_VERSION_12, &alterations[i]);
}

static void check_altered_client(uint16_t version, const struct alteration *alteration)
{
	struct pair *pair = pair_of_version(version);

	pair->server_config.client_auth = TLS_CLIENT_AUTH_REQUIRED;
	pair->client_config.certificate = tls_fixture_identity(TLS_FIXTURE_P256)->certificate;
	pair_begin(pair, NULL);
	run(&pair->client); // its hello leaves
	tls_end_receive(&pair->server, pair->client.out, pair->client.out_len);
	pair->client.out_len = 0;
	run(&pair->server);
	pair->client.output_max = 1;
	tls_fixture_pump(&pair->server, &pair->client);
	alter(&pair_handshake_of(&pair->client)->flight, alteration);
	pair->client.output_max = 0;
	tls_fixture_pump(&pair->client, &pair->server);
	if (alert_of(&pair->server) != (int)alteration->alert)
		fail_msg(
			"message %u, way %u: %d", alteration->type, alteration->how, alert_of(&pair->server));
	pair_end(pair);
	pair_free(pair);
}

static void test_altered_client_flights(void **state)
{
	static const struct alteration of_13[] = {
		{TLS_CERTIFICATE, DROP, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CERTIFICATE, DOUBLE, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CERTIFICATE, EMPTY_LIST, .alert = TLS_ALERT_CERTIFICATE_REQUIRED},
		{TLS_CERTIFICATE, LONGER, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_CERTIFICATE_VERIFY, DROP, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CERTIFICATE_VERIFY, FLIP, .alert = TLS_ALERT_DECRYPT_ERROR},
		{TLS_CERTIFICATE_VERIFY, SET_U16, 4, 0x0804, .alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{TLS_FINISHED, FLIP, .alert = TLS_ALERT_DECRYPT_ERROR},
		{TLS_FINISHED, LONGER, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_FINISHED, RETYPE, .value = TLS_KEY_UPDATE, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_FINISHED, DOUBLE, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
	};
	static const struct alteration of_12[] = {
		{TLS_CERTIFICATE, DROP, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CERTIFICATE, DOUBLE, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CLIENT_KEY_EXCHANGE, DROP, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CLIENT_KEY_EXCHANGE, DOUBLE, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CLIENT_KEY_EXCHANGE, LONGER, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_CERTIFICATE_VERIFY, DROP, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
		{TLS_CERTIFICATE_VERIFY, FLIP, .alert = TLS_ALERT_DECRYPT_ERROR},
		{TLS_CERTIFICATE_VERIFY, SET_U16, 4, 0x0203, .alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{TLS_CERTIFICATE_VERIFY, SET_U16, 4, 0x0804, .alert = TLS_ALERT_ILLEGAL_PARAMETER},
		{TLS_FINISHED, FLIP, .alert = TLS_ALERT_DECRYPT_ERROR},
		{TLS_FINISHED, LONGER, .alert = TLS_ALERT_DECODE_ERROR},
		{TLS_FINISHED, RETYPE, .value = TLS_CLIENT_HELLO, .alert = TLS_ALERT_UNEXPECTED_MESSAGE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof of_13 / sizeof of_13[0]; i++)
		check_altered_client(TLS_VERSION_13, &of_13[i]);
	for (unsigned i = 0; i < sizeof of_12 / sizeof of_12[0]; i++)
		check_altered_client(TLS_VERSION_12, &of_12[i]);
}

// RFC 7507 3: the fallback is told even where the version itself is none of ours.
static void test_fallback_from_an_old_version(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	struct tls_client_offer offer = first_offer();
	static uint8_t message[2048];
	struct writer writer = writer_over((struct mut_span){message, sizeof message});

	(void)state;
	offer.version_max = TLS_VERSION_12;
	offer.fallback = true;
	tls_client_hello_write(&writer, &offer);
	message[5] = 2; // TLS 1.1
	tls_end_init(&pair->server, &tls_pair_fixture);
	tls_end_serve(&pair->server, &pair->server_config);
	receive_record(&pair->server, TLS_CONTENT_HANDSHAKE, message, writer.len);
	run(&pair->server);
	assert_int_equal(alert_of(&pair->server), TLS_ALERT_INAPPROPRIATE_FALLBACK);
	tls_end_destroy(&pair->server);
	pair_free(pair);
}

// TLS 1.2: a certificate on a curve that was not offered (RFC 8422 5.1.1).
static void test_certificate_on_another_curve(void **state)
{
	static const uint16_t x25519 = GROUP_X25519;
	struct pair *pair = pair_of_version(TLS_VERSION_12);

	(void)state;
	pair_begin(pair, NULL);
	run(&pair->client);
	pair->client_config.common.groups = (struct tls_preferences){&x25519, 1};
	tls_fixture_pump(&pair->client, &pair->server);
	pair_check_client_refused(pair, TLS_ALERT_ILLEGAL_PARAMETER);
	pair_end(pair);
	pair_free(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(test_second_hello),
		PAIR_TEST(test_third_hello),
		PAIR_TEST(test_second_hello_without_the_session),
		PAIR_TEST(test_tickets_off_takes_none),
		PAIR_TEST(test_early_data_is_passed_over),
		PAIR_TEST(test_early_data_that_was_not_announced),
		PAIR_TEST(test_server_hellos),
		PAIR_TEST(test_after_a_retry),
		PAIR_TEST(test_sentinels),
		PAIR_TEST(test_altered_server_flights_13),
		PAIR_TEST(test_altered_server_flights_12),
		PAIR_TEST(test_altered_client_flights),
		PAIR_TEST(test_fallback_from_an_old_version),
		PAIR_TEST(test_certificate_on_another_curve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
