// SPDX-License-Identifier: Apache-2.0
#include "proxy/proxy_protocol.h"
#include "seam/cmocka_all.h"

#include <string.h>

static uint8_t buffer[PROXY_PROTOCOL_HEADER_MAX];

static struct proxy_protocol_facts some_facts(void)
{
	return (struct proxy_protocol_facts){
		.source = ip_addr_v4_of(192, 0, 2, 1),
		.destination = ip_addr_v4_of(198, 51, 100, 2),
		.source_port = 40000,
		.destination_port = 443,
		.tls = true,
		.client_cert = true,
		.client_verified = true,
		.tls_version = span_of_string("TLSv1.3"),
		.cipher = span_of_string("TLS_AES_128_GCM_SHA256"),
		.common_name = span_of_string("client"),
		.signature_algorithm = span_of_string("SHA256"),
		.key_algorithm = span_of_string("EC256"),
		.group = span_of_string("x25519"),
		.alpn = span_of_string("h2"),
		.authority = span_of_string("www.example.org"),
		.unique_id = span_of_string("0123456789"),
	};
}

static size_t write(enum proxy_protocol_version version, const struct proxy_protocol_facts *facts)
{
	return proxy_protocol_write(version, facts, (struct mut_span){.data = buffer, .len = sizeof buffer});
}

static enum proxy_protocol_verdict parse(
	const void *bytes, size_t len, struct proxy_protocol_facts *facts, size_t *out_len)
{
	return proxy_protocol_parse(span_of(bytes, len), facts, out_len);
}

static void v2_round_trip(void **state)
{
	struct proxy_protocol_facts facts = some_facts(), got;
	size_t len = write(PROXY_PROTOCOL_V2, &facts), parsed;

	(void)state;
	assert_true(len > 16);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(parse(buffer, n, &got, &parsed), PROXY_PROTOCOL_MORE);
	assert_int_equal(parse(buffer, sizeof buffer, &got, &parsed), PROXY_PROTOCOL_DONE);
	assert_int_equal(parsed, len);
	assert_true(ip_addr_equal(&got.source, &facts.source));
	assert_true(ip_addr_equal(&got.destination, &facts.destination));
	assert_int_equal(got.source_port, 40000);
	assert_int_equal(got.destination_port, 443);
	assert_true(
		got.tls && got.client_cert && got.client_verified && !got.client_cert_session && !got.local);
	assert_true(span_equal(got.tls_version, facts.tls_version));
	assert_true(span_equal(got.cipher, facts.cipher));
	assert_true(span_equal(got.common_name, facts.common_name));
	assert_true(span_equal(got.signature_algorithm, facts.signature_algorithm));
	assert_true(span_equal(got.key_algorithm, facts.key_algorithm));
	assert_true(span_equal(got.group, facts.group));
	assert_true(span_equal(got.alpn, facts.alpn));
	assert_true(span_equal(got.authority, facts.authority));
	assert_true(span_equal(got.unique_id, facts.unique_id));
}

// The bytes, so that both directions can't be wrong alike. The checksum is python-crc32c's.
static void v2_known_bytes(void **state)
{
	static const uint8_t expected[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54,
		0x0a, 0x21, 0x11, 0x00, 0x13, 192, 0, 2, 1, 198, 51, 100, 2, 0x9c, 0x40, 0x01, 0xbb, 0x03,
		0x00, 0x04};
	struct proxy_protocol_facts facts = {.source = ip_addr_v4_of(192, 0, 2, 1),
		.destination = ip_addr_v4_of(198, 51, 100, 2),
		.source_port = 40000,
		.destination_port = 443};

	(void)state;
	assert_int_equal(write(PROXY_PROTOCOL_V2, &facts), sizeof expected + 4);
	assert_memory_equal(buffer, expected, sizeof expected);
	assert_int_equal(proxy_protocol_crc32c(0, span_of_string("123456789")),
		0xe3069283); // RFC 3720 B.4's polynomial
}

// proxy-protocol.txt 2.2.6: PP2_TYPE_SSL, its client bits and its verify field, then its sub-TLVs by number.
static void v2_known_bytes_of_tls(void **state)
{
	static const char expected[] = "\x20\x00\x4b\x03\x00\x00\x00\x00"
				       "\x21\x00\x07TLSv1.3"
				       "\x23\x00\x16TLS_AES_128_GCM_SHA256"
				       "\x24\x00\x06SHA256"
				       "\x25\x00\x05"
				       "EC256"
				       "\x26\x00\x06x25519"
				       "\x22\x00\x06"
				       "client";
	struct proxy_protocol_facts facts = some_facts();
	size_t len;

	(void)state;
	facts.alpn = facts.authority = facts.unique_id = span_of(NULL, 0);
	len = write(PROXY_PROTOCOL_V2, &facts);
	assert_int_equal(
		len, 16 + 12 + sizeof expected - 1 + 7); // addresses before it, the checksum behind it
	assert_memory_equal(buffer + 28, expected, sizeof expected - 1);
	// What is not known is left out rather than empty.
	facts.signature_algorithm = facts.key_algorithm = facts.group = facts.common_name = span_of(NULL, 0);
	assert_int_equal(write(PROXY_PROTOCOL_V2, &facts), len - 9 - 8 - 9 - 9);
}

static void every_flipped_bit_is_noticed(void **state)
{
	struct proxy_protocol_facts facts = some_facts(), got;
	size_t len = write(PROXY_PROTOCOL_V2, &facts), parsed;

	(void)state;
	for (size_t bit = 0; bit < len * 8; bit++) {
		enum proxy_protocol_verdict verdict;
		bool checked = bit / 8 != 12; // PROXY against LOCAL: LOCAL's contents are not looked at

		buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
		verdict = parse(buffer, len, &got, &parsed);
		if (checked && verdict == PROXY_PROTOCOL_DONE)
			// The checksum's own type may become one that is not known.
			assert_true(bit / 8 == len - 7);
		buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(parse(buffer, len, &got, &parsed), PROXY_PROTOCOL_DONE);
}

static void v6_and_mixed_families(void **state)
{
	struct proxy_protocol_facts facts = {.source = {.bytes = {0x20, 1, 0xd, 0xb8, [15] = 1}},
		.destination = ip_addr_v4_of(1, 2, 3, 4),
		.source_port = 1,
		.destination_port = 2};
	struct proxy_protocol_facts got;
	size_t len = write(PROXY_PROTOCOL_V2, &facts), parsed;

	(void)state;
	assert_int_equal(parse(buffer, len, &got, &parsed), PROXY_PROTOCOL_DONE);
	assert_int_equal(buffer[13], 0x21);
	assert_true(ip_addr_equal(&got.source, &facts.source));
	assert_true(ip_addr_equal(&got.destination, &facts.destination));
	len = write(PROXY_PROTOCOL_V1, &facts);
	buffer[len] = 0;
	assert_string_equal((char *)buffer, "PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 1 2\r\n");
	assert_int_equal(parse(buffer, len, &got, &parsed), PROXY_PROTOCOL_DONE);
	assert_true(ip_addr_equal(&got.destination, &facts.destination));
}

static void local_connections(void **state)
{
	struct proxy_protocol_facts facts = {.local = true}, got;
	size_t len = write(PROXY_PROTOCOL_V2, &facts), parsed;

	(void)state;
	assert_int_equal(buffer[12], 0x20);
	assert_int_equal(parse(buffer, len, &got, &parsed), PROXY_PROTOCOL_DONE);
	assert_true(got.local);
	len = write(PROXY_PROTOCOL_V1, &facts);
	assert_int_equal(parse(buffer, len, &got, &parsed), PROXY_PROTOCOL_DONE);
	assert_true(got.local);
	assert_int_equal(
		parse("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", 35, &got, &parsed), PROXY_PROTOCOL_DONE);
	assert_true(got.local);
}

static void too_small_a_buffer(void **state)
{
	struct proxy_protocol_facts facts = some_facts();
	size_t len = write(PROXY_PROTOCOL_V2, &facts);

	(void)state;
	for (size_t n = 0; n < len; n++)
		assert_int_equal(proxy_protocol_write(PROXY_PROTOCOL_V2, &facts,
					 (struct mut_span){.data = buffer, .len = n}),
			0);
	for (size_t n = 0; n < 45; n++)
		assert_int_equal(proxy_protocol_write(PROXY_PROTOCOL_V1, &facts,
					 (struct mut_span){.data = buffer, .len = n}),
			0);
	assert_int_equal(write(PROXY_PROTOCOL_NONE, &facts), 0);
}

static void v1_accepted(void **state)
{
	static const char text[] = "PROXY TCP4 255.255.255.255 1.2.3.4 65535 0\r\nGET /";
	struct proxy_protocol_facts got;
	size_t parsed;

	(void)state;
	for (size_t n = 0; n < sizeof text - 6; n++)
		assert_int_equal(parse(text, n, &got, &parsed), PROXY_PROTOCOL_MORE);
	assert_int_equal(parse(text, sizeof text - 1, &got, &parsed), PROXY_PROTOCOL_DONE);
	assert_int_equal(parsed, sizeof text - 6);
	assert_int_equal(got.source_port, 65535);
	assert_true(ip_addr_is_v4(&got.source));
	assert_false(got.tls);
}

static void v1_refused(void **state)
{
	static const char *const bad[] = {
		"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
		"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
		"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
		"PROXY TCP4 ::1 ::1 1 2\r\n",
		"PROXY TCP6 1.2.3.4 ::1 1 2\r\n",
		"PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY \r\n",
		"PROXY TCP4\r\n",
		"PROXYTCP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"GET / HTTP/1.1\r\n",
		"X",
		"PROXY UNKNOWN "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaa",
	};
	struct proxy_protocol_facts got;
	size_t parsed;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(parse(bad[i], strlen(bad[i]), &got, &parsed), PROXY_PROTOCOL_BAD);
}

static void v2_refused(void **state)
{
	struct proxy_protocol_facts got;
	uint8_t header[64] = {
		0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 12};
	size_t parsed;

	(void)state;
	assert_int_equal(parse(header, 28, &got, &parsed), PROXY_PROTOCOL_DONE);
	header[12] = 0x11; // version 1 in the binary form
	assert_int_equal(parse(header, 13, &got, &parsed), PROXY_PROTOCOL_BAD);
	header[12] = 0x22; // unknown command
	assert_int_equal(parse(header, 28, &got, &parsed), PROXY_PROTOCOL_BAD);
	header[12] = 0x21;
	header[13] = 0x12; // a datagram
	assert_int_equal(parse(header, 28, &got, &parsed), PROXY_PROTOCOL_BAD);
	header[13] = 0x21; // IPv6 in 12 bytes
	assert_int_equal(parse(header, 28, &got, &parsed), PROXY_PROTOCOL_BAD);
	header[13] = 0x11;
	header[15] = 11; // a byte short
	assert_int_equal(parse(header, 28, &got, &parsed), PROXY_PROTOCOL_BAD);
	header[15] = 14; // two thirds of a TLV
	assert_int_equal(parse(header, 30, &got, &parsed), PROXY_PROTOCOL_BAD);
	header[15] = 15;
	header[30] = 1; // a TLV that is longer than the header
	assert_int_equal(parse(header, 31, &got, &parsed), PROXY_PROTOCOL_BAD);
	header[14] = 0xff; // longer than anybody needs
	assert_int_equal(parse(header, 16, &got, &parsed), PROXY_PROTOCOL_BAD);
	header[14] = 0;
	header[15] = 18; // ALPN twice
	memcpy(header + 28, "\x01\x00\x00\x01\x00\x00", 6);
	assert_int_equal(parse(header, 34, &got, &parsed), PROXY_PROTOCOL_BAD);
	memcpy(header + 28, "\x20\x00\x03\x01\x00\x00", 6); // SSL without its verify field
	assert_int_equal(parse(header, 34, &got, &parsed), PROXY_PROTOCOL_BAD);
	memcpy(header + 28, "\x03\x00\x03\x01\x00\x00", 6); // a checksum of three bytes
	assert_int_equal(parse(header, 34, &got, &parsed), PROXY_PROTOCOL_BAD);
	memcpy(header + 28, "\xe0\x00\x03\x01\x00\x00", 6); // of a kind that nobody knows: ignored
	assert_int_equal(parse(header, 34, &got, &parsed), PROXY_PROTOCOL_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v2_round_trip),
		cmocka_unit_test(v2_known_bytes),
		cmocka_unit_test(v2_known_bytes_of_tls),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(v6_and_mixed_families),
		cmocka_unit_test(local_connections),
		cmocka_unit_test(too_small_a_buffer),
		cmocka_unit_test(v1_accepted),
		cmocka_unit_test(v1_refused),
		cmocka_unit_test(v2_refused),
	};

	return cmocka_run_group_tests_name("proxy/proxy_protocol", tests, NULL, NULL);
}
