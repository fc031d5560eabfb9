// SPDX-License-Identifier: Apache-2.0
#include "proxy/proxy_protocol.h"

#include "base/reader.h"
#include "base/writer.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

enum {
	V2_LOCAL = 0x20,
	V2_PROXY = 0x21,
	V2_PREFIX_LEN = 16,
	FAMILY_UNSPEC = 0x00,
	FAMILY_TCP4 = 0x11,
	FAMILY_TCP6 = 0x21,
	FAMILY_UNIX_STREAM = 0x31,
	UNIX_ADDRESSES_LEN = 216,

	TYPE_ALPN = 0x01,
	TYPE_AUTHORITY = 0x02,
	TYPE_CRC32C = 0x03,
	TYPE_UNIQUE_ID = 0x05,
	TYPE_SSL = 0x20,
	SUBTYPE_SSL_VERSION = 0x21,
	SUBTYPE_SSL_CN = 0x22,
	SUBTYPE_SSL_CIPHER = 0x23,
	SUBTYPE_SSL_SIG_ALG = 0x24,
	SUBTYPE_SSL_KEY_ALG = 0x25,
	SUBTYPE_SSL_GROUP = 0x26,
	CLIENT_SSL = 0x01,
	CLIENT_CERT_CONN = 0x02,
	CLIENT_CERT_SESS = 0x04,

	CRC_LEN = 4,
	V1_MAX = 107,
	PORT_DIGITS_MAX = 5
};

uint32_t proxy_protocol_crc32c(uint32_t crc, struct span bytes)
{
	// A nibble at a time: headers are short, and a table of 256 would cost more cache lines than it
	// saves.
	static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc,
		0x5125dad3, 0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

	crc = ~crc;
	for (size_t i = 0; i < bytes.len; i++) {
		crc ^= bytes.data[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

// --- building ---

static void write_tlv(struct writer *writer, uint8_t type, struct span value)
{
	if (value.len == 0)
		return;
	writer_u8(writer, type);
	if (value.len > UINT16_MAX) {
		writer_fail(writer);
		return;
	}
	writer_u16(writer, (uint16_t)value.len);
	writer_bytes(writer, value);
}

static void write_ssl(struct writer *writer, const struct proxy_protocol_facts *facts)
{
	struct writer_mark mark;

	writer_u8(writer, TYPE_SSL);
	mark = writer_open16(writer);
	writer_u8(writer, (uint8_t)(CLIENT_SSL | (facts->client_cert ? CLIENT_CERT_CONN : 0) |
				    (facts->client_cert_session ? CLIENT_CERT_SESS : 0)));
	writer_u32(writer, facts->client_verified ? 0 : 1);
	write_tlv(writer, SUBTYPE_SSL_VERSION, facts->tls_version);
	write_tlv(writer, SUBTYPE_SSL_CIPHER, facts->cipher);
	write_tlv(writer, SUBTYPE_SSL_SIG_ALG, facts->signature_algorithm);
	write_tlv(writer, SUBTYPE_SSL_KEY_ALG, facts->key_algorithm);
	write_tlv(writer, SUBTYPE_SSL_GROUP, facts->group);
	write_tlv(writer, SUBTYPE_SSL_CN, facts->common_name);
	writer_close(writer, mark);
}

static void write_addresses_v2(struct writer *writer, const struct proxy_protocol_facts *facts)
{
	bool v4 = ip_addr_is_v4(&facts->source) && ip_addr_is_v4(&facts->destination);
	size_t offset = v4 ? IP_ADDR_V4_OFFSET : 0;

	writer_bytes(writer, span_of(facts->source.bytes + offset, IP_ADDR_LEN - offset));
	writer_bytes(writer, span_of(facts->destination.bytes + offset, IP_ADDR_LEN - offset));
	writer_u16(writer, facts->source_port);
	writer_u16(writer, facts->destination_port);
}

static uint8_t family_of(const struct proxy_protocol_facts *facts)
{
	if (facts->local)
		return FAMILY_UNSPEC;
	return ip_addr_is_v4(&facts->source) && ip_addr_is_v4(&facts->destination) ? FAMILY_TCP4
										   : FAMILY_TCP6;
}

static size_t write_v2(const struct proxy_protocol_facts *facts, struct mut_span out)
{
	struct writer writer = writer_over(out);
	struct writer_mark mark;
	struct writer crc;
	uint8_t *place;

	writer_bytes(&writer, span_of(signature, sizeof signature));
	writer_u8(&writer, facts->local ? V2_LOCAL : V2_PROXY);
	writer_u8(&writer, family_of(facts));
	mark = writer_open16(&writer);
	if (!facts->local) {
		write_addresses_v2(&writer, facts);
		write_tlv(&writer, TYPE_ALPN, facts->alpn);
		write_tlv(&writer, TYPE_AUTHORITY, facts->authority);
		if (facts->unique_id.len <= PROXY_PROTOCOL_UNIQUE_ID_MAX)
			write_tlv(&writer, TYPE_UNIQUE_ID, facts->unique_id);
		if (facts->tls)
			write_ssl(&writer, facts);
	}
	writer_u8(&writer, TYPE_CRC32C);
	writer_u16(&writer, CRC_LEN);
	place = writer_reserve(&writer, CRC_LEN);
	writer_close(&writer, mark);
	if (!writer_ok(&writer))
		return 0;
	memset(place, 0, CRC_LEN); // it is computed with zeros in its own place
	crc = writer_over((struct mut_span){.data = place, .len = CRC_LEN});
	writer_u32(&crc, proxy_protocol_crc32c(0, writer_span(&writer)));
	return writer.len;
}

static size_t write_v1(const struct proxy_protocol_facts *facts, struct mut_span out)
{
	bool v4 = ip_addr_is_v4(&facts->source) && ip_addr_is_v4(&facts->destination);
	int family = v4 ? AF_INET : AF_INET6;
	size_t offset = v4 ? IP_ADDR_V4_OFFSET : 0;
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	char line[V1_MAX + 1];
	struct writer writer = writer_over(out);
	int len;

	(void)inet_ntop(family, facts->source.bytes + offset, source, sizeof source);
	(void)inet_ntop(family, facts->destination.bytes + offset, destination, sizeof destination);
	if (facts->local)
		len = snprintf(line, sizeof line, "PROXY UNKNOWN\r\n");
	else
		len = snprintf(line, sizeof line, "PROXY %s %s %s %u %u\r\n", v4 ? "TCP4" : "TCP6", source,
			destination, facts->source_port, facts->destination_port);
	if (len < 0 || (size_t)len >= sizeof line)
		return 0;
	writer_bytes(&writer, span_of(line, (size_t)len));
	return writer_ok(&writer) ? writer.len : 0;
}

size_t proxy_protocol_write(
	enum proxy_protocol_version version, const struct proxy_protocol_facts *facts, struct mut_span out)
{
	switch (version) {
	case PROXY_PROTOCOL_V1:
		return write_v1(facts, out);
	case PROXY_PROTOCOL_V2:
		return write_v2(facts, out);
	default:
		return 0;
	}
}

// --- parsing version 2 ---

// A TLV that may come once.
static bool take_once(struct span *field, struct span value)
{
	if (field->data != NULL)
		return false;
	*field = value;
	return true;
}

static bool parse_ssl(struct span value, struct proxy_protocol_facts *facts)
{
	struct reader reader = reader_over(value);
	uint8_t client = reader_u8(&reader);
	uint32_t verify = reader_u32(&reader);
	bool good = !facts->tls && reader_ok(&reader);

	facts->tls = (client & CLIENT_SSL) != 0;
	facts->client_cert = (client & CLIENT_CERT_CONN) != 0;
	facts->client_cert_session = (client & CLIENT_CERT_SESS) != 0;
	facts->client_verified = verify == 0 && (facts->client_cert || facts->client_cert_session);
	while (good && reader_left(&reader) != 0) {
		uint8_t type = reader_u8(&reader);
		struct span field = reader_vector16(&reader);

		good = reader_ok(&reader);
		if (good && type == SUBTYPE_SSL_VERSION)
			good = take_once(&facts->tls_version, field);
		else if (good && type == SUBTYPE_SSL_CN)
			good = take_once(&facts->common_name, field);
		else if (good && type == SUBTYPE_SSL_CIPHER)
			good = take_once(&facts->cipher, field);
		else if (good && type == SUBTYPE_SSL_SIG_ALG)
			good = take_once(&facts->signature_algorithm, field);
		else if (good && type == SUBTYPE_SSL_KEY_ALG)
			good = take_once(&facts->key_algorithm, field);
		else if (good && type == SUBTYPE_SSL_GROUP)
			good = take_once(&facts->group, field);
	}
	return good && reader_ok(&reader);
}

// The header's checksum, computed as if its own field were zero.
static bool check_crc(struct span header, struct span field)
{
	static const uint8_t zeros[CRC_LEN];
	struct reader reader = reader_over(field);
	uint32_t crc = reader_u32(&reader);
	size_t at = (size_t)(field.data - header.data);
	uint32_t sum;

	if (!reader_done(&reader))
		return false;
	sum = proxy_protocol_crc32c(0, span_of(header.data, at));
	sum = proxy_protocol_crc32c(sum, span_of(zeros, CRC_LEN));
	sum = proxy_protocol_crc32c(sum, span_of(header.data + at + CRC_LEN, header.len - at - CRC_LEN));
	return sum == crc;
}

static bool parse_tlvs(struct span header, struct reader *reader, struct proxy_protocol_facts *facts)
{
	bool good = reader_ok(reader);

	while (good && reader_left(reader) != 0) {
		uint8_t type = reader_u8(reader);
		struct span value = reader_vector16(reader);

		good = reader_ok(reader);
		if (good && type == TYPE_ALPN)
			good = take_once(&facts->alpn, value);
		else if (good && type == TYPE_AUTHORITY)
			good = take_once(&facts->authority, value);
		else if (good && type == TYPE_UNIQUE_ID)
			good = value.len <= PROXY_PROTOCOL_UNIQUE_ID_MAX &&
			       take_once(&facts->unique_id, value);
		else if (good && type == TYPE_SSL)
			good = parse_ssl(value, facts);
		else if (good && type == TYPE_CRC32C)
			good = check_crc(header, value);
	}
	return good && reader_ok(reader);
}

static bool parse_addresses_v2(struct reader *reader, uint8_t family, struct proxy_protocol_facts *facts)
{
	uint8_t source[IP_ADDR_V4_LEN], destination[IP_ADDR_V4_LEN];

	switch (family) {
	case FAMILY_TCP4:
		reader_copy(reader, source, sizeof source);
		reader_copy(reader, destination, sizeof destination);
		facts->source = ip_addr_v4_of(source[0], source[1], source[2], source[3]);
		facts->destination = ip_addr_v4_of(
			destination[0], destination[1], destination[2], destination[3]);
		break;
	case FAMILY_TCP6:
		reader_copy(reader, facts->source.bytes, IP_ADDR_LEN);
		reader_copy(reader, facts->destination.bytes, IP_ADDR_LEN);
		break;
	case FAMILY_UNIX_STREAM:
		reader_skip(reader, UNIX_ADDRESSES_LEN);
		facts->local = true;
		return true;
	case FAMILY_UNSPEC:
		facts->local = true;
		return true;
	default:
		return false;
	}
	facts->source_port = reader_u16(reader);
	facts->destination_port = reader_u16(reader);
	return true;
}

static enum proxy_protocol_verdict parse_v2(
	struct span bytes, struct proxy_protocol_facts *out_facts, size_t *out_len)
{
	struct proxy_protocol_facts facts = {0};
	struct reader reader = reader_over(bytes);
	struct reader body;
	uint8_t command, family;
	uint16_t len;

	reader_skip(&reader, sizeof signature);
	command = reader_u8(&reader);
	family = reader_u8(&reader);
	len = reader_u16(&reader);
	if (bytes.len > sizeof signature && bytes.data[sizeof signature] != V2_LOCAL &&
		bytes.data[sizeof signature] != V2_PROXY)
		return PROXY_PROTOCOL_BAD;
	if (!reader_ok(&reader))
		return PROXY_PROTOCOL_MORE;
	if (len > PROXY_PROTOCOL_ACCEPTED_MAX - V2_PREFIX_LEN)
		return PROXY_PROTOCOL_BAD;
	body = reader_over(reader_bytes(&reader, len));
	if (!reader_ok(&reader))
		return PROXY_PROTOCOL_MORE;
	if (command == V2_LOCAL) { // what else it says is to be ignored
		facts.local = true;
	} else if (!parse_addresses_v2(&body, family, &facts) ||
		   !parse_tlvs(span_of(bytes.data, V2_PREFIX_LEN + (size_t)len), &body, &facts)) {
		return PROXY_PROTOCOL_BAD;
	}
	*out_facts = facts;
	*out_len = V2_PREFIX_LEN + (size_t)len;
	return PROXY_PROTOCOL_DONE;
}

// --- parsing version 1 ---

// The next word of the line, of at most max characters; each is followed by exactly one space or the end.
static struct span take_word(struct reader *reader, size_t max)
{
	struct span rest = span_of(reader->next, reader_left(reader));
	size_t len = 0;

	while (len < rest.len && rest.data[len] != ' ')
		len++;
	if (len == 0 || len > max) {
		reader_fail(reader);
		return span_of(NULL, 0);
	}
	reader_skip(reader, len < rest.len ? len + 1 : len);
	return span_of(rest.data, len);
}

static struct ip_addr take_address(struct reader *reader, bool v4)
{
	char text[INET6_ADDRSTRLEN] = {0};
	struct span word = take_word(reader, sizeof text - 1);
	struct ip_addr addr = {.words = {0, 0}};
	uint8_t bytes[IP_ADDR_LEN];

	if (word.len != 0)
		memcpy(text, word.data, word.len);
	if (inet_pton(v4 ? AF_INET : AF_INET6, text, bytes) != 1)
		reader_fail(reader);
	else
		addr = v4 ? ip_addr_v4_of(bytes[0], bytes[1], bytes[2], bytes[3]) : ip_addr_from_bytes(bytes);
	return addr;
}

static uint16_t take_port(struct reader *reader)
{
	struct span word = take_word(reader, PORT_DIGITS_MAX);
	uint32_t port = 0;

	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			reader_fail(reader);
		port = port * 10 + (uint32_t)(word.data[i] - '0');
	}
	if (port > UINT16_MAX || (word.len > 1 && word.data[0] == '0'))
		reader_fail(reader);
	return (uint16_t)port;
}

static enum proxy_protocol_verdict parse_v1(
	struct span bytes, struct proxy_protocol_facts *out_facts, size_t *out_len)
{
	struct proxy_protocol_facts facts = {0};
	size_t len = 0;
	struct reader reader;
	struct span family;

	while (len + 1 < bytes.len && len < V1_MAX &&
		!(bytes.data[len] == '\r' && bytes.data[len + 1] == '\n'))
		len++;
	if (len + 2 > V1_MAX)
		return PROXY_PROTOCOL_BAD;
	if (len + 2 > bytes.len || bytes.data[len] != '\r')
		return PROXY_PROTOCOL_MORE;
	reader = reader_over(span_of(bytes.data, len));
	(void)take_word(&reader, 5);
	family = take_word(&reader, 7);
	if (span_equal(family, span_of_string("UNKNOWN"))) {
		facts.local = true;
	} else {
		bool v4 = span_equal(family, span_of_string("TCP4"));

		if (!v4 && !span_equal(family, span_of_string("TCP6")))
			return PROXY_PROTOCOL_BAD;
		facts.source = take_address(&reader, v4);
		facts.destination = take_address(&reader, v4);
		facts.source_port = take_port(&reader);
		facts.destination_port = take_port(&reader);
		if (!reader_done(&reader) || bytes.data[len - 1] == ' ')
			return PROXY_PROTOCOL_BAD;
	}
	*out_facts = facts;
	*out_len = len + 2;
	return PROXY_PROTOCOL_DONE;
}

static bool agrees(struct span bytes, const void *start, size_t len)
{
	return memcmp(bytes.data, start, bytes.len < len ? bytes.len : len) == 0;
}

enum proxy_protocol_verdict proxy_protocol_parse(
	struct span bytes, struct proxy_protocol_facts *out_facts, size_t *out_len)
{
	if (bytes.len == 0)
		return PROXY_PROTOCOL_MORE;
	if (agrees(bytes, signature, sizeof signature))
		return parse_v2(bytes, out_facts, out_len);
	if (agrees(bytes, "PROXY ", 6))
		return bytes.len < 6 ? PROXY_PROTOCOL_MORE : parse_v1(bytes, out_facts, out_len);
	return PROXY_PROTOCOL_BAD;
}
