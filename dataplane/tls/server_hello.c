// SPDX-License-Identifier: Apache-2.0
#include "tls/server_hello.h"

#include "tls/certificate_message.h"

const uint8_t tls_hello_retry_random[TLS_RANDOM_LEN] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe,
	0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e,
	0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
const uint8_t tls_downgrade_to_12[8] = {'D', 'O', 'W', 'N', 'G', 'R', 'D', 1};
const uint8_t tls_downgrade_to_11[8] = {'D', 'O', 'W', 'N', 'G', 'R', 'D', 0};

// The version that the extension names; 0 when it is not there or malformed.
static uint16_t selected_version(struct span block)
{
	struct reader reader = reader_over(block);

	while (reader_left(&reader) != 0) {
		uint16_t number = reader_u16(&reader);
		struct span body = reader_vector16(&reader);

		if (number == tls_extension_number(TLS_EXTENSION_SUPPORTED_VERSIONS) && body.len == 2)
			return (uint16_t)(body.data[0] << 8 | body.data[1]);
	}
	return 0;
}

static bool parse_u16(struct span body, uint16_t *out)
{
	struct reader reader = reader_over(body);

	*out = reader_u16(&reader);
	return reader_done(&reader);
}

bool tls_alpn_parse_choice(struct span body, struct span *out_name)
{
	struct reader reader = reader_over(body);
	struct reader list = reader_sub16(&reader);

	*out_name = reader_vector8(&list);
	return reader_done(&reader) && reader_done(&list) && out_name->len != 0;
}

static bool parse_key_share(struct tls_server_hello *out)
{
	struct reader reader = reader_over(out->extensions.bodies[TLS_EXTENSION_KEY_SHARE]);

	out->key_share.group = reader_u16(&reader);
	if (!out->is_retry) {
		out->key_share.share = reader_vector16(&reader);
		if (out->key_share.share.len == 0)
			return false;
	}
	return reader_done(&reader);
}

static bool parse_cookie(struct tls_server_hello *out)
{
	struct reader reader = reader_over(out->extensions.bodies[TLS_EXTENSION_COOKIE]);

	out->cookie = reader_vector16(&reader);
	return reader_done(&reader) && out->cookie.len != 0;
}

static enum tls_verdict parse_13(struct tls_server_hello *out)
{
	if (tls_server_hello_has(out, TLS_EXTENSION_KEY_SHARE) && !parse_key_share(out))
		return TLS_REFUSE_DECODE_ERROR;
	if (tls_server_hello_has(out, TLS_EXTENSION_COOKIE) && !parse_cookie(out))
		return TLS_REFUSE_DECODE_ERROR;
	if (tls_server_hello_has(out, TLS_EXTENSION_PRE_SHARED_KEY) &&
		!parse_u16(out->extensions.bodies[TLS_EXTENSION_PRE_SHARED_KEY], &out->selected_identity))
		return TLS_REFUSE_DECODE_ERROR;
	return TLS_OK;
}

// RFC 5746 3.4: at first the server's renegotiated_connection is empty.
static bool renegotiation_info_is_empty(struct span body)
{
	return body.len == 1 && body.data[0] == 0;
}

static bool has_uncompressed(struct span body)
{
	struct reader reader = reader_over(body);
	struct span formats = reader_vector8(&reader);

	return reader_done(&reader) && formats.len != 0 &&
	       memchr(formats.data, TLS_POINT_UNCOMPRESSED, formats.len) != NULL;
}

static enum tls_verdict parse_12(struct tls_server_hello *out)
{
	const struct span *bodies = out->extensions.bodies;

	if (tls_server_hello_has(out, TLS_EXTENSION_SERVER_NAME) &&
		bodies[TLS_EXTENSION_SERVER_NAME].len != 0)
		return TLS_REFUSE_DECODE_ERROR;
	if (tls_server_hello_has(out, TLS_EXTENSION_ALPN) &&
		!tls_alpn_parse_choice(bodies[TLS_EXTENSION_ALPN], &out->alpn))
		return TLS_REFUSE_DECODE_ERROR;
	if (tls_server_hello_has(out, TLS_EXTENSION_RENEGOTIATION_INFO) &&
		!renegotiation_info_is_empty(bodies[TLS_EXTENSION_RENEGOTIATION_INFO]))
		return TLS_REFUSE_HANDSHAKE_FAILURE;
	if (tls_server_hello_has(out, TLS_EXTENSION_EC_POINT_FORMATS) &&
		!has_uncompressed(bodies[TLS_EXTENSION_EC_POINT_FORMATS]))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if ((tls_server_hello_has(out, TLS_EXTENSION_EXTENDED_MASTER_SECRET) &&
		    bodies[TLS_EXTENSION_EXTENDED_MASTER_SECRET].len != 0) ||
		(tls_server_hello_has(out, TLS_EXTENSION_SESSION_TICKET) &&
			bodies[TLS_EXTENSION_SESSION_TICKET].len != 0) ||
		(tls_server_hello_has(out, TLS_EXTENSION_STATUS_REQUEST) &&
			bodies[TLS_EXTENSION_STATUS_REQUEST].len != 0))
		return TLS_REFUSE_DECODE_ERROR;
	if (tls_server_hello_has(out, TLS_EXTENSION_RECORD_SIZE_LIMIT)) {
		if (!parse_u16(bodies[TLS_EXTENSION_RECORD_SIZE_LIMIT], &out->record_size_limit))
			return TLS_REFUSE_DECODE_ERROR;
		if (out->record_size_limit < TLS_RECORD_SIZE_LIMIT_MIN ||
			out->record_size_limit > TLS_PLAINTEXT_MAX)
			return TLS_REFUSE_ILLEGAL_PARAMETER;
	}
	out->scts = bodies[TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP];
	return !tls_server_hello_has(out, TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP) ||
			       tls_timestamps_are_sound(out->scts)
		       ? TLS_OK
		       : TLS_REFUSE_DECODE_ERROR;
}

// What the chosen version allows here. RFC 8446 4.2.1: supported_versions must not name TLS 1.2 or older.
static enum tls_verdict choose_place(uint16_t legacy_version, struct span block, struct tls_server_hello *out,
	enum tls_extension_place *place)
{
	uint16_t selected = selected_version(block);

	if (selected == TLS_VERSION_13 && legacy_version == TLS_VERSION_12) {
		out->version = TLS_VERSION_13;
		out->is_retry = memcmp(out->random, tls_hello_retry_random, TLS_RANDOM_LEN) == 0;
		*place = out->is_retry ? TLS_EXTENSIONS_IN_HRR : TLS_EXTENSIONS_IN_SH;
		return TLS_OK;
	}
	if (selected != 0)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if (legacy_version != TLS_VERSION_12)
		return TLS_REFUSE_PROTOCOL_VERSION;
	out->version = TLS_VERSION_12;
	*place = TLS_EXTENSIONS_IN_SH12;
	return TLS_OK;
}

enum tls_verdict tls_server_hello_parse(struct span body, uint32_t offered, struct tls_server_hello *out)
{
	struct reader reader = reader_over(body);
	uint16_t legacy_version;
	uint8_t compression;
	struct span block = {0};
	enum tls_extension_place place = TLS_EXTENSIONS_IN_SH12;
	enum tls_verdict verdict;

	memset(out, 0, sizeof *out);
	legacy_version = reader_u16(&reader);
	out->random = reader_bytes(&reader, TLS_RANDOM_LEN).data;
	out->session_id = reader_vector8(&reader);
	out->suite = reader_u16(&reader);
	compression = reader_u8(&reader);
	if (reader_ok(&reader) && reader_left(&reader) != 0)
		block = reader_vector16(&reader);
	if (!reader_done(&reader) || out->session_id.len > TLS_SESSION_ID_MAX)
		return TLS_REFUSE_DECODE_ERROR;
	verdict = choose_place(legacy_version, block, out, &place);
	if (verdict != TLS_OK)
		return verdict;
	if (compression != TLS_COMPRESSION_NONE)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	verdict = tls_extensions_parse(block, place, offered, &out->extensions);
	if (verdict != TLS_OK)
		return verdict;
	return out->version == TLS_VERSION_13 ? parse_13(out) : parse_12(out);
}

static void write_head(struct writer *writer, const uint8_t *random, struct span session_id, uint16_t suite)
{
	struct writer_mark mark;

	writer_u16(writer, TLS_VERSION_12);
	writer_bytes(writer, span_of(random, TLS_RANDOM_LEN));
	mark = writer_open8(writer);
	writer_bytes(writer, session_id);
	writer_close(writer, mark);
	writer_u16(writer, suite);
	writer_u8(writer, TLS_COMPRESSION_NONE);
}

void tls_server_hello_write_13(struct writer *writer, const struct tls_server_hello_13 *hello)
{
	struct writer_mark message, block, mark, share;

	writer_u8(writer, TLS_SERVER_HELLO);
	message = writer_open24(writer);
	write_head(writer, hello->random, hello->session_id, hello->suite);
	block = writer_open16(writer);
	mark = tls_extension_open(writer, TLS_EXTENSION_SUPPORTED_VERSIONS);
	writer_u16(writer, TLS_VERSION_13);
	writer_close(writer, mark);
	mark = tls_extension_open(writer, TLS_EXTENSION_KEY_SHARE);
	writer_u16(writer, hello->key_share.group);
	if (hello->key_share.share.len != 0) {
		share = writer_open16(writer);
		writer_bytes(writer, hello->key_share.share);
		writer_close(writer, share);
	}
	writer_close(writer, mark);
	if (hello->selected_identity >= 0) {
		mark = tls_extension_open(writer, TLS_EXTENSION_PRE_SHARED_KEY);
		writer_u16(writer, (uint16_t)hello->selected_identity);
		writer_close(writer, mark);
	}
	writer_close(writer, block);
	writer_close(writer, message);
}

void tls_alpn_write_choice(struct writer *writer, struct span name)
{
	struct writer_mark mark, list, entry;

	if (name.len == 0)
		return;
	mark = tls_extension_open(writer, TLS_EXTENSION_ALPN);
	list = writer_open16(writer);
	entry = writer_open8(writer);
	writer_bytes(writer, name);
	writer_close(writer, entry);
	writer_close(writer, list);
	writer_close(writer, mark);
}

static void write_extensions_12(struct writer *writer, const struct tls_server_hello_12 *hello)
{
	struct writer_mark mark;

	if (hello->acknowledges_name)
		tls_extension_write_empty(writer, TLS_EXTENSION_SERVER_NAME);
	if (hello->secure_renegotiation) {
		mark = tls_extension_open(writer, TLS_EXTENSION_RENEGOTIATION_INFO);
		writer_u8(writer, 0);
		writer_close(writer, mark);
	}
	if (hello->point_formats) {
		mark = tls_extension_open(writer, TLS_EXTENSION_EC_POINT_FORMATS);
		writer_u8(writer, 1);
		writer_u8(writer, TLS_POINT_UNCOMPRESSED);
		writer_close(writer, mark);
	}
	if (hello->extended_master_secret)
		tls_extension_write_empty(writer, TLS_EXTENSION_EXTENDED_MASTER_SECRET);
	if (hello->will_send_ticket)
		tls_extension_write_empty(writer, TLS_EXTENSION_SESSION_TICKET);
	if (hello->will_send_staple)
		tls_extension_write_empty(writer, TLS_EXTENSION_STATUS_REQUEST);
	if (hello->scts.len != 0) {
		mark = tls_extension_open(writer, TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP);
		writer_bytes(writer, hello->scts);
		writer_close(writer, mark);
	}
	if (hello->record_size_limit != 0) {
		mark = tls_extension_open(writer, TLS_EXTENSION_RECORD_SIZE_LIMIT);
		writer_u16(writer, hello->record_size_limit);
		writer_close(writer, mark);
	}
	tls_alpn_write_choice(writer, hello->alpn);
}

void tls_server_hello_write_12(struct writer *writer, const struct tls_server_hello_12 *hello)
{
	struct writer_mark message, block;

	writer_u8(writer, TLS_SERVER_HELLO);
	message = writer_open24(writer);
	write_head(writer, hello->random, hello->session_id, hello->suite);
	block = writer_open16(writer);
	write_extensions_12(writer, hello);
	writer_close(writer, block);
	writer_close(writer, message);
	// Without any extension the block itself is left out (RFC 5246 7.4.1.3).
	if (writer_ok(writer) && writer->len == block.offset + 2) {
		writer->len = block.offset;
		writer_close(writer, message);
	}
}
