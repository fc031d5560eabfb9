// SPDX-License-Identifier: Apache-2.0
#include "tls/certificate_request.h"

static bool parse_list16(struct span body, struct span *out)
{
	struct reader reader = reader_over(body);

	*out = reader_vector16(&reader);
	return reader_done(&reader);
}

enum tls_verdict tls_certificate_request_parse_13(struct span body, struct tls_certificate_request *out)
{
	struct reader reader = reader_over(body);
	struct span context = reader_vector8(&reader);
	struct span block = reader_vector16(&reader);
	struct tls_extensions extensions;
	enum tls_verdict verdict;

	memset(out, 0, sizeof *out);
	if (!reader_done(&reader))
		return TLS_REFUSE_DECODE_ERROR;
	if (context.len != 0)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	verdict = tls_extensions_parse(block, TLS_EXTENSIONS_IN_CR, TLS_EXTENSIONS_ANY, &extensions);
	if (verdict != TLS_OK)
		return verdict;
	if (!tls_extensions_have(&extensions, TLS_EXTENSION_SIGNATURE_ALGORITHMS))
		return TLS_REFUSE_MISSING_EXTENSION;
	if (!parse_list16(extensions.bodies[TLS_EXTENSION_SIGNATURE_ALGORITHMS], &out->signatures) ||
		out->signatures.len == 0 || out->signatures.len % 2 != 0)
		return TLS_REFUSE_DECODE_ERROR;
	if (tls_extensions_have(&extensions, TLS_EXTENSION_CERTIFICATE_AUTHORITIES) &&
		!parse_list16(extensions.bodies[TLS_EXTENSION_CERTIFICATE_AUTHORITIES], &out->authorities))
		return TLS_REFUSE_DECODE_ERROR;
	out->wants_staple = tls_extensions_have(&extensions, TLS_EXTENSION_STATUS_REQUEST);
	out->wants_sct = tls_extensions_have(&extensions, TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP);
	out->takes_rsa = out->takes_ecdsa = true;
	return TLS_OK;
}

enum tls_verdict tls_certificate_request_parse_12(struct span body, struct tls_certificate_request *out)
{
	struct reader reader = reader_over(body);
	struct span types = reader_vector8(&reader);

	memset(out, 0, sizeof *out);
	out->signatures = reader_vector16(&reader);
	out->authorities = reader_vector16(&reader);
	if (!reader_done(&reader) || types.len == 0 || out->signatures.len == 0 ||
		out->signatures.len % 2 != 0)
		return TLS_REFUSE_DECODE_ERROR;
	out->takes_rsa = memchr(types.data, TLS_CERT_TYPE_RSA_SIGN, types.len) != NULL;
	out->takes_ecdsa = memchr(types.data, TLS_CERT_TYPE_ECDSA_SIGN, types.len) != NULL;
	return TLS_OK;
}

static void write_signatures(struct writer *writer, const uint16_t *signatures, uint32_t n_signatures)
{
	struct writer_mark list = writer_open16(writer);

	for (uint32_t i = 0; i < n_signatures; i++)
		writer_u16(writer, signatures[i]);
	writer_close(writer, list);
}

static void write_authorities(struct writer *writer, struct span authorities)
{
	struct writer_mark list = writer_open16(writer);

	writer_bytes(writer, authorities);
	writer_close(writer, list);
}

void tls_certificate_request_write_13(
	struct writer *writer, const uint16_t *signatures, uint32_t n_signatures, struct span authorities)
{
	struct writer_mark message, block, mark;

	writer_u8(writer, TLS_CERTIFICATE_REQUEST);
	message = writer_open24(writer);
	writer_u8(writer, 0);
	block = writer_open16(writer);
	mark = tls_extension_open(writer, TLS_EXTENSION_SIGNATURE_ALGORITHMS);
	write_signatures(writer, signatures, n_signatures);
	writer_close(writer, mark);
	if (authorities.len != 0) {
		mark = tls_extension_open(writer, TLS_EXTENSION_CERTIFICATE_AUTHORITIES);
		write_authorities(writer, authorities);
		writer_close(writer, mark);
	}
	writer_close(writer, block);
	writer_close(writer, message);
}

void tls_certificate_request_write_12(
	struct writer *writer, const uint16_t *signatures, uint32_t n_signatures, struct span authorities)
{
	struct writer_mark message;

	writer_u8(writer, TLS_CERTIFICATE_REQUEST);
	message = writer_open24(writer);
	writer_u8(writer, 2);
	writer_u8(writer, TLS_CERT_TYPE_RSA_SIGN);
	writer_u8(writer, TLS_CERT_TYPE_ECDSA_SIGN);
	write_signatures(writer, signatures, n_signatures);
	write_authorities(writer, authorities);
	writer_close(writer, message);
}
