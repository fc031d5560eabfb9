// SPDX-License-Identifier: Apache-2.0
//
// Messages as bytes: what builders write, parsers read back; and each way of being malformed is refused with
// the alert that the RFC names.
#include "seam/cmocka_all.h"

#include "tls/certificate_message.h"
#include "tls/certificate_request.h"
#include "tls/certificate_verify.h"
#include "tls/encrypted_extensions.h"
#include "tls/key_exchange_12.h"
#include "tls/new_session_ticket.h"
#include "tls/server_hello.h"
#include "tls/stream.h"

static const uint8_t random_bytes_32[TLS_RANDOM_LEN] = {1, 2, 3};
static const uint16_t suites[2] = {0x1301, 0xc02b};
static const uint16_t groups[2] = {0x001d, 0x0017};
static const uint16_t signatures[2] = {0x0403, 0x0804};
static const uint8_t share[32] = {9};
static const struct tls_key_share key_share = {0x001d, {share, sizeof share}};

static struct tls_client_offer full_offer(void)
{
	return (struct tls_client_offer){
		.random = random_bytes_32,
		.session_id = span_of(share, 32),
		.suites = suites,
		.n_suites = 2,
		.version_min = TLS_VERSION_12,
		.version_max = TLS_VERSION_13,
		.server_name = span_of_string("mail.example"),
		.groups = groups,
		.n_groups = 2,
		.signatures = signatures,
		.n_signatures = 2,
		.alpn = span_of("\x04smtp\x04imap", 10),
		.key_shares = &key_share,
		.n_key_shares = 1,
		.cookie = span_of("cookie", 6),
		.with_ticket_extension = true,
		.ticket_12 = span_of("ticket", 6),
		.identity = span_of("identity", 8),
		.obfuscated_age = 77,
		.binder_len = 32,
		.record_size_limit = 4096,
		.wants_staple = true,
		.wants_sct = true,
		.fallback = true,
	};
}

// A body without the message's header.
static struct span body_of(const struct writer *writer)
{
	assert_true(writer_ok(writer));
	assert_int_equal(writer->len - 4,
		(size_t)writer->start[1] << 16 | (size_t)writer->start[2] << 8 | writer->start[3]);
	return span_of(writer->start + 4, writer->len - 4);
}

static void test_client_hello_round_trip(void **state)
{
	uint8_t buffer[1024];
	struct tls_client_hello hello;
	struct tls_key_share entry;
	struct tls_psk_identity identity;
	struct span item;

	(void)state;
	for (uint16_t grease = 0; grease <= 0x1a1a; grease = (uint16_t)(grease + 0x0d0d)) {
		struct writer writer = writer_over((struct mut_span){buffer, sizeof buffer});
		struct tls_client_offer offer = full_offer();

		offer.grease = grease == 0 ? 0 : 0x4a4a;
		tls_client_hello_write(&writer, &offer);
		assert_int_equal(tls_client_hello_parse(body_of(&writer), &hello), TLS_OK);
		assert_true(span_equal(hello.session_id, offer.session_id));
		assert_true(span_equal(hello.server_name, offer.server_name));
		assert_true(span_equal(hello.alpn, offer.alpn));
		assert_true(span_equal(hello.cookie, offer.cookie));
		assert_true(span_equal(hello.ticket, offer.ticket_12));
		assert_true(tls_list_has(hello.suites, 0xc02b) && !tls_list_has(hello.suites, 0xc030));
		assert_true(tls_list_has(hello.versions, TLS_VERSION_12));
		assert_true(
			hello.fallback && hello.psk_dhe && hello.wants_staple && hello.secure_renegotiation);
		assert_int_equal(hello.record_size_limit, 4096);
		assert_int_equal(hello.binders_len, 2 + 1 + 32);
		assert_true(tls_next_identity(&hello.identities, &identity));
		assert_int_equal(identity.obfuscated_age, 77);
		assert_true(tls_next_vector8(&hello.binders, &item));
		assert_int_equal(item.len, 32);
		do
			assert_true(tls_next_key_share(&hello.key_shares, &entry));
		while (tls_is_grease(entry.group));
		assert_int_equal(entry.group, 0x001d);
		assert_false(tls_next_key_share(&hello.key_shares, &entry));
	}
}

// Every prefix of a hello is malformed, and so is one with a byte more.
static void test_client_hello_cut_short(void **state)
{
	uint8_t buffer[1024];
	struct writer writer = writer_over((struct mut_span){buffer, sizeof buffer});
	struct tls_client_offer offer = full_offer();
	struct tls_client_hello hello;
	struct span body;

	(void)state;
	tls_client_hello_write(&writer, &offer);
	body = body_of(&writer);
	// Cut right after the compression methods it is a hello without extensions, which is allowed.
	for (size_t len = 0; len < body.len; len++) {
		enum tls_verdict verdict = tls_client_hello_parse(span_of(body.data, len), &hello);

		assert_true(verdict == TLS_REFUSE_DECODE_ERROR ||
			    (verdict == TLS_OK && hello.extensions.present == 0));
	}
	buffer[writer.len] = 0;
	assert_int_equal(
		tls_client_hello_parse(span_of(body.data, body.len + 1), &hello), TLS_REFUSE_DECODE_ERROR);
}

// A hello with one extension of the given bytes.
static enum tls_verdict hello_with(const void *extensions, size_t len, struct tls_client_hello *out)
{
	static uint8_t buffer[1024];
	struct writer writer = writer_over((struct mut_span){buffer, sizeof buffer});
	struct writer_mark mark;

	writer_u16(&writer, TLS_VERSION_12);
	writer_bytes(&writer, span_of(random_bytes_32, TLS_RANDOM_LEN));
	writer_u8(&writer, 0);
	writer_u16(&writer, 2);
	writer_u16(&writer, 0x1301);
	writer_u16(&writer, 0x0100);
	mark = writer_open16(&writer);
	writer_bytes(&writer, span_of(extensions, len));
	writer_close(&writer, mark);
	return tls_client_hello_parse(writer_span(&writer), out);
}

static void test_malformed_extensions(void **state)
{
#define CASE(bytes, verdict) \
	{ \
		bytes, sizeof bytes - 1, verdict \
	}
	static const struct {
		const char *bytes;
		size_t len;
		enum tls_verdict verdict;
	} cases[] = {
		CASE("\0\0\0\0", TLS_REFUSE_DECODE_ERROR),                    // server_name: empty
		CASE("\0\0\0\2\0\0", TLS_REFUSE_DECODE_ERROR),                // no name
		CASE("\0\0\0\5\0\3\0\0\0", TLS_REFUSE_DECODE_ERROR),          // empty name
		CASE("\0\0\0\6\0\4\1\0\1a", TLS_REFUSE_DECODE_ERROR),         // unknown type
		CASE("\0\0\0\6\0\4\0\0\1\0", TLS_REFUSE_ILLEGAL_PARAMETER),   // a zero in the name
		CASE("\0\0\0\6\0\4\0\0\1\33", TLS_REFUSE_ILLEGAL_PARAMETER),  // an escape
		CASE("\0\0\0\6\0\4\0\0\1\344", TLS_REFUSE_ILLEGAL_PARAMETER), // not ASCII
		CASE("\0\0\0\7\0\4\0\0\1ab", TLS_REFUSE_DECODE_ERROR),        // bytes behind the list
		CASE("\0\0\0\6\0\4\0\0\1a", TLS_OK),
		CASE("\0\12\0\2\0\0", TLS_REFUSE_DECODE_ERROR),        // supported_groups: empty
		CASE("\0\12\0\3\0\1\0", TLS_REFUSE_DECODE_ERROR),      // odd
		CASE("\0\12\0\5\0\2\0\35\0", TLS_REFUSE_DECODE_ERROR), // trailing
		CASE("\0\12\0\4\0\2\0\35", TLS_OK),
		CASE("\0\15\0\2\0\0", TLS_REFUSE_DECODE_ERROR),    // signature_algorithms: empty
		CASE("\0\20\0\2\0\0", TLS_REFUSE_DECODE_ERROR),    // ALPN: empty
		CASE("\0\20\0\3\0\1\0", TLS_REFUSE_DECODE_ERROR),  // empty name
		CASE("\0\20\0\4\0\2\2a", TLS_REFUSE_DECODE_ERROR), // name too long
		CASE("\0\20\0\4\0\2\1a", TLS_OK),
		CASE("\0\27\0\1\0", TLS_REFUSE_DECODE_ERROR),         // EMS with a body
		CASE("\0\34\0\2\0\77", TLS_REFUSE_ILLEGAL_PARAMETER), // record_size_limit 63
		CASE("\0\34\0\2\0\0", TLS_REFUSE_ILLEGAL_PARAMETER),
		CASE("\0\34\0\1\100", TLS_REFUSE_DECODE_ERROR),
		CASE("\0\34\0\2\0\100", TLS_OK),
		CASE("\0\51\0\4\0\0\0\0", TLS_REFUSE_DECODE_ERROR), // PSK: no identity
		CASE("\0\52\0\1\0", TLS_REFUSE_DECODE_ERROR),       // early_data with a body
		CASE("\0\53\0\1\0", TLS_REFUSE_DECODE_ERROR),       // versions: empty
		CASE("\0\53\0\2\1\3", TLS_REFUSE_DECODE_ERROR),     // odd
		CASE("\0\54\0\2\0\0", TLS_REFUSE_DECODE_ERROR),     // cookie: empty
		CASE("\0\55\0\1\0", TLS_REFUSE_DECODE_ERROR),       // modes: empty
		CASE("\0\55\0\2\1\0", TLS_OK),
		CASE("\0\63\0\2\0\0", TLS_OK),                            // no share: asks for a retry
		CASE("\0\63\0\6\0\4\0\35\0\0", TLS_REFUSE_DECODE_ERROR),  // empty share
		CASE("\0\63\0\7\0\5\0\35\0\2x", TLS_REFUSE_DECODE_ERROR), // share too long
		CASE("\0\5\0\1\1", TLS_REFUSE_DECODE_ERROR),              // status_request cut short
		CASE("\0\5\0\5\1\0\0\0\0", TLS_OK),
		CASE("\0\13\0\1\0", TLS_REFUSE_DECODE_ERROR), // point formats: empty
		CASE("\377\1\0\0", TLS_REFUSE_DECODE_ERROR),  // renegotiation_info without length
		CASE("\377\1\0\1\0", TLS_OK),
		CASE("\0\27\0\0\0\27\0\0", TLS_REFUSE_DECODE_ERROR),   // twice
		CASE("\72\72\0\0\72\72\0\0", TLS_REFUSE_DECODE_ERROR), // twice, unknown
		CASE("\72\72\0\0\112\112\0\1x", TLS_OK),
		CASE("\0\27\0", TLS_REFUSE_DECODE_ERROR),
		CASE("\0\27\0\1", TLS_REFUSE_DECODE_ERROR),
	};
#undef CASE
	struct tls_client_hello hello;

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (hello_with(cases[i].bytes, cases[i].len, &hello) != cases[i].verdict)
			fail_msg("case %u", i);
	}
}

// More unknown extensions than are compared one by one, and a duplicate among them.
static void test_many_unknown_extensions(void **state)
{
	static uint8_t block[4 * 200];
	struct tls_extensions extensions;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		block[4 * i] = 0x77;
		block[4 * i + 1] = (uint8_t)i;
	}
	assert_int_equal(tls_extensions_parse(span_of(block, sizeof block), TLS_EXTENSIONS_IN_CH,
				 TLS_EXTENSIONS_ANY, &extensions),
		TLS_OK);
	assert_int_equal(
		tls_extensions_parse(span_of(block, sizeof block), TLS_EXTENSIONS_IN_EE, 0, &extensions),
		TLS_REFUSE_UNSUPPORTED_EXTENSION);
	for (unsigned i = 0; i < 199; i += 3) {
		block[4 * 199 + 1] = (uint8_t)i;
		assert_int_equal(tls_extensions_parse(span_of(block, sizeof block), TLS_EXTENSIONS_IN_CH,
					 TLS_EXTENSIONS_ANY, &extensions),
			TLS_REFUSE_DECODE_ERROR);
	}
}

static void test_server_hello_13(void **state)
{
	uint8_t buffer[512];
	struct writer writer = writer_over((struct mut_span){buffer, sizeof buffer});
	struct tls_server_hello_13 out = {.random = random_bytes_32,
		.session_id = span_of(share, 32),
		.suite = 0x1301,
		.key_share = key_share,
		.selected_identity = 0};
	struct tls_server_hello hello;
	struct span body;

	(void)state;
	tls_server_hello_write_13(&writer, &out);
	body = body_of(&writer);
	assert_int_equal(tls_server_hello_parse(body, TLS_EXTENSIONS_ANY, &hello), TLS_OK);
	assert_int_equal(hello.version, TLS_VERSION_13);
	assert_false(hello.is_retry);
	assert_true(span_equal(hello.key_share.share, key_share.share));
	assert_true(tls_server_hello_has(&hello, TLS_EXTENSION_PRE_SHARED_KEY));
	// Answers that nobody asked for.
	assert_int_equal(tls_server_hello_parse(body,
				 TLS_EXTENSION_BIT(TLS_EXTENSION_KEY_SHARE) |
					 TLS_EXTENSION_BIT(TLS_EXTENSION_SUPPORTED_VERSIONS),
				 &hello),
		TLS_REFUSE_UNSUPPORTED_EXTENSION);
	for (size_t len = 0; len < body.len; len++)
		assert_true(tls_is_refusal(tls_server_hello_parse(
				    span_of(body.data, len), TLS_EXTENSIONS_ANY, &hello)) ||
			    hello.version == TLS_VERSION_12);
	buffer[4 + 2 + 32 + 33 + 2] = 1; // compression
	assert_int_equal(
		tls_server_hello_parse(body, TLS_EXTENSIONS_ANY, &hello), TLS_REFUSE_ILLEGAL_PARAMETER);
}

static void test_retry_request(void **state)
{
	uint8_t buffer[512];
	struct writer writer = writer_over((struct mut_span){buffer, sizeof buffer});
	struct tls_server_hello_13 out = {.random = tls_hello_retry_random,
		.suite = 0x1301,
		.key_share = {.group = 0x0017},
		.selected_identity = -1};
	struct tls_server_hello hello;

	(void)state;
	tls_server_hello_write_13(&writer, &out);
	assert_int_equal(tls_server_hello_parse(body_of(&writer), TLS_EXTENSIONS_ANY, &hello), TLS_OK);
	assert_true(hello.is_retry);
	assert_int_equal(hello.key_share.group, 0x0017);
}

static void test_server_hello_12(void **state)
{
	uint8_t buffer[512];
	struct writer writer = writer_over((struct mut_span){buffer, sizeof buffer});
	struct tls_server_hello_12 out = {.random = random_bytes_32,
		.session_id = span_of(share, 32),
		.suite = 0xc02b,
		.alpn = span_of("smtp", 4),
		.scts = span_of("\0\4\0\2ct", 6),
		.record_size_limit = 512,
		.extended_master_secret = true,
		.secure_renegotiation = true,
		.point_formats = true,
		.acknowledges_name = true,
		.will_send_ticket = true,
		.will_send_staple = true};
	struct tls_server_hello hello;

	(void)state;
	tls_server_hello_write_12(&writer, &out);
	assert_int_equal(tls_server_hello_parse(body_of(&writer), TLS_EXTENSIONS_ANY, &hello), TLS_OK);
	assert_int_equal(hello.version, TLS_VERSION_12);
	assert_true(span_equal(hello.alpn, out.alpn) && span_equal(hello.scts, out.scts));
	assert_int_equal(hello.record_size_limit, 512);
	// Nothing to say: not even an empty block.
	writer = writer_over((struct mut_span){buffer, sizeof buffer});
	tls_server_hello_write_12(
		&writer, &(struct tls_server_hello_12){.random = random_bytes_32, .suite = 0xc02b});
	assert_int_equal(body_of(&writer).len, 2 + 32 + 1 + 2 + 1);
	assert_int_equal(tls_server_hello_parse(body_of(&writer), 0, &hello), TLS_OK);
	buffer[5] = 2; // TLS 1.1
	assert_int_equal(tls_server_hello_parse(body_of(&writer), 0, &hello), TLS_REFUSE_PROTOCOL_VERSION);
}

static void test_certificates(void **state)
{
	uint8_t buffer[1024];
	struct tls_cert_chain chain = {.n_certificates = 2,
		.certificates = {span_of("leaf", 4), span_of("issuer", 6)},
		.staple = span_of("staple", 6),
		.scts = span_of("\0\4\0\2ct", 6)};
	struct tls_cert_chain parsed;
	struct writer writer = writer_over((struct mut_span){buffer, sizeof buffer});
	uint32_t offered = TLS_EXTENSION_BIT(TLS_EXTENSION_STATUS_REQUEST) |
			   TLS_EXTENSION_BIT(TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP);
	struct span body;

	(void)state;
	tls_certificate_write_13(&writer, &chain);
	body = body_of(&writer);
	assert_int_equal(tls_certificate_parse_13(body, offered, &parsed), TLS_OK);
	assert_int_equal(parsed.n_certificates, 2);
	assert_true(span_equal(parsed.certificates[1], chain.certificates[1]));
	assert_true(span_equal(parsed.staple, chain.staple) && span_equal(parsed.scts, chain.scts));
	assert_int_equal(tls_certificate_parse_13(body, 0, &parsed), TLS_REFUSE_UNSUPPORTED_EXTENSION);
	for (size_t len = 0; len < body.len; len++)
		assert_int_equal(tls_certificate_parse_13(span_of(body.data, len), offered, &parsed),
			TLS_REFUSE_DECODE_ERROR);
	buffer[4] = 1; // a request context, which swallows the rest
	assert_true(tls_is_refusal(tls_certificate_parse_13(body, offered, &parsed)));
	writer = writer_over((struct mut_span){buffer, sizeof buffer});
	tls_certificate_write_12(&writer, &chain);
	body = body_of(&writer);
	assert_int_equal(tls_certificate_parse_12(body, &parsed), TLS_OK);
	assert_int_equal(parsed.n_certificates, 2);
	for (size_t len = 0; len < body.len; len++)
		assert_int_equal(
			tls_certificate_parse_12(span_of(body.data, len), &parsed), TLS_REFUSE_DECODE_ERROR);
}

static void test_long_chain(void **state)
{
	uint8_t buffer[1024];
	struct writer writer = writer_over((struct mut_span){buffer, sizeof buffer});
	struct writer_mark list = writer_open24(&writer);
	struct tls_cert_chain parsed;

	(void)state;
	for (unsigned i = 0; i < TLS_CHAIN_MAX + 1; i++) {
		writer_u24(&writer, 1);
		writer_u8(&writer, 0);
	}
	writer_close(&writer, list);
	assert_int_equal(tls_certificate_parse_12(writer_span(&writer), &parsed), TLS_REFUSE_BAD_CERTIFICATE);
}

static void test_small_messages(void **state)
{
	uint8_t buffer[512];
	struct writer writer = writer_over((struct mut_span){buffer, sizeof buffer});
	struct tls_certificate_request request;
	struct tls_server_key_exchange exchange;
	struct tls_new_session_ticket ticket;
	struct span body;

	(void)state;
	tls_certificate_request_write_13(&writer, signatures, 2, span_of("\0\3abc", 5));
	assert_int_equal(tls_certificate_request_parse_13(body_of(&writer), &request), TLS_OK);
	assert_true(tls_list_has(request.signatures, 0x0804));
	assert_int_equal(request.authorities.len, 5);
	assert_int_equal(tls_certificate_request_parse_13(span_of("\0\0\0", 3), &request),
		TLS_REFUSE_MISSING_EXTENSION);
	writer = writer_over((struct mut_span){buffer, sizeof buffer});
	tls_certificate_request_write_12(&writer, signatures, 2, span_of(NULL, 0));
	assert_int_equal(tls_certificate_request_parse_12(body_of(&writer), &request), TLS_OK);
	assert_true(request.takes_rsa && request.takes_ecdsa);

	writer = writer_over((struct mut_span){buffer, sizeof buffer});
	tls_server_key_exchange_write(&writer, &(struct tls_server_key_exchange){.group = 0x001d,
						       .share = span_of(share, 32),
						       .scheme = 0x0403,
						       .signature = span_of("signature", 9)});
	body = body_of(&writer);
	assert_int_equal(tls_server_key_exchange_parse(body, &exchange), TLS_OK);
	assert_int_equal(exchange.params.len, 4 + 32);
	assert_int_equal(exchange.scheme, 0x0403);
	for (size_t len = 0; len < body.len; len++)
		assert_int_equal(tls_server_key_exchange_parse(span_of(body.data, len), &exchange),
			TLS_REFUSE_DECODE_ERROR);
	buffer[4] = 1; // explicit curve
	assert_int_equal(tls_server_key_exchange_parse(body, &exchange), TLS_REFUSE_ILLEGAL_PARAMETER);

	writer = writer_over((struct mut_span){buffer, sizeof buffer});
	tls_new_session_ticket_write_13(
		&writer, &(struct tls_new_session_ticket){.lifetime_s = TLS_TICKET_LIFETIME_MAX_S + 1,
				 .nonce = span_of("n", 1),
				 .ticket = span_of("ticket", 6)});
	assert_int_equal(
		tls_new_session_ticket_parse_13(body_of(&writer), &ticket), TLS_REFUSE_ILLEGAL_PARAMETER);
	buffer[5] = 0;
	assert_int_equal(tls_new_session_ticket_parse_13(body_of(&writer), &ticket), TLS_OK);
	assert_true(span_equal(ticket.ticket, span_of("ticket", 6)));
}

static void test_alert_names(void **state)
{
	(void)state;
	assert_string_equal(tls_alert_name(50), "decode_error");
	assert_string_equal(tls_alert_name(1), "unknown");
	assert_true(tls_alert_is_closure(0) && tls_alert_is_closure(90) && !tls_alert_is_closure(40));
}

static void test_stream_slices(void **state)
{
	const struct span pieces[4] = {
		span_of("ab", 2), span_of(NULL, 0), span_of("c", 1), span_of("defg", 4)};
	struct tls_stream stream = {pieces, 4};
	struct span out[4];
	char copy[8] = "";

	(void)state;
	assert_int_equal(tls_stream_len(stream), 7);
	assert_int_equal(tls_stream_copy(stream, 1, copy, 5), 5);
	assert_memory_equal(copy, "bcdef", 5);
	assert_int_equal(tls_stream_copy(stream, 6, copy, 5), 1);
	assert_int_equal(tls_stream_slice(stream, 1, 4, out, 4), 3);
	assert_int_equal(out[2].len, 2);
	assert_int_equal(tls_stream_slice(stream, 1, 4, out, 2), 0); // too many pieces
	assert_int_equal(tls_stream_slice(stream, 4, 4, out, 4), 0); // too few bytes
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_hello_round_trip),
		cmocka_unit_test(test_client_hello_cut_short),
		cmocka_unit_test(test_malformed_extensions),
		cmocka_unit_test(test_many_unknown_extensions),
		cmocka_unit_test(test_server_hello_13),
		cmocka_unit_test(test_retry_request),
		cmocka_unit_test(test_server_hello_12),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_long_chain),
		cmocka_unit_test(test_small_messages),
		cmocka_unit_test(test_alert_names),
		cmocka_unit_test(test_stream_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
