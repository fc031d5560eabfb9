// SPDX-License-Identifier: Apache-2.0
#include "tls/encrypted_extensions.h"

#include "tls/server_hello.h"

static bool has(const struct tls_extensions *extensions, enum tls_extension id)
{
	return tls_extensions_have(extensions, id);
}

// RFC 8449 4: the limit counts the content type too, and a TLS 1.3 server must not send more than 2^14 + 1.
static enum tls_verdict parse_record_size_limit(struct span body, uint16_t *out)
{
	struct reader reader = reader_over(body);

	*out = reader_u16(&reader);
	if (!reader_done(&reader))
		return TLS_REFUSE_DECODE_ERROR;
	if (*out < TLS_RECORD_SIZE_LIMIT_MIN || *out > TLS_PLAINTEXT_MAX + 1)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	return TLS_OK;
}

enum tls_verdict tls_encrypted_extensions_parse(
	struct span body, uint32_t offered, struct tls_encrypted_extensions *out)
{
	struct reader reader = reader_over(body);
	struct span block = reader_vector16(&reader);
	struct tls_extensions extensions;
	enum tls_verdict verdict;

	memset(out, 0, sizeof *out);
	if (!reader_done(&reader))
		return TLS_REFUSE_DECODE_ERROR;
	verdict = tls_extensions_parse(block, TLS_EXTENSIONS_IN_EE, offered, &extensions);
	if (verdict != TLS_OK)
		return verdict;
	out->acknowledges_name = has(&extensions, TLS_EXTENSION_SERVER_NAME);
	if (out->acknowledges_name && extensions.bodies[TLS_EXTENSION_SERVER_NAME].len != 0)
		return TLS_REFUSE_DECODE_ERROR;
	if (has(&extensions, TLS_EXTENSION_ALPN) &&
		!tls_alpn_parse_choice(extensions.bodies[TLS_EXTENSION_ALPN], &out->alpn))
		return TLS_REFUSE_DECODE_ERROR;
	if (has(&extensions, TLS_EXTENSION_RECORD_SIZE_LIMIT))
		return parse_record_size_limit(
			extensions.bodies[TLS_EXTENSION_RECORD_SIZE_LIMIT], &out->record_size_limit);
	return TLS_OK;
}

void tls_encrypted_extensions_write(struct writer *writer, const struct tls_encrypted_extensions *extensions)
{
	struct writer_mark message, block, mark;

	writer_u8(writer, TLS_ENCRYPTED_EXTENSIONS);
	message = writer_open24(writer);
	block = writer_open16(writer);
	if (extensions->acknowledges_name)
		tls_extension_write_empty(writer, TLS_EXTENSION_SERVER_NAME);
	tls_alpn_write_choice(writer, extensions->alpn);
	if (extensions->record_size_limit != 0) {
		mark = tls_extension_open(writer, TLS_EXTENSION_RECORD_SIZE_LIMIT);
		writer_u16(writer, extensions->record_size_limit);
		writer_close(writer, mark);
	}
	writer_close(writer, block);
	writer_close(writer, message);
}
