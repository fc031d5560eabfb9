// SPDX-License-Identifier: Apache-2.0
#include "tls/certificate_message.h"

static enum tls_verdict parse_status(struct reader *reader, struct span *out_staple)
{
	uint8_t type = reader_u8(reader);

	*out_staple = reader_vector24(reader);
	if (!reader_done(reader) || out_staple->len == 0)
		return TLS_REFUSE_DECODE_ERROR;
	return type == TLS_STATUS_TYPE_OCSP ? TLS_OK : TLS_REFUSE_ILLEGAL_PARAMETER;
}

bool tls_timestamps_are_sound(struct span list)
{
	struct reader reader = reader_over(list);
	struct reader items = reader_sub16(&reader);
	bool sound = reader_left(&items) != 0;

	while (sound && reader_left(&items) != 0)
		sound = reader_vector16(&items).len != 0;
	return sound && reader_done(&reader) && reader_done(&items);
}

static enum tls_verdict parse_entry_extensions(
	struct span block, uint32_t offered, bool is_leaf, struct tls_cert_chain *out)
{
	struct tls_extensions extensions;
	enum tls_verdict verdict = tls_extensions_parse(block, TLS_EXTENSIONS_IN_CT, offered, &extensions);
	struct span staple, scts;

	if (verdict != TLS_OK)
		return verdict;
	if (tls_extensions_have(&extensions, TLS_EXTENSION_STATUS_REQUEST)) {
		struct reader reader = reader_over(extensions.bodies[TLS_EXTENSION_STATUS_REQUEST]);

		verdict = parse_status(&reader, &staple);
		if (verdict == TLS_OK && is_leaf)
			out->staple = staple;
	}
	if (verdict != TLS_OK ||
		!tls_extensions_have(&extensions, TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP))
		return verdict;
	scts = extensions.bodies[TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP];
	if (is_leaf)
		out->scts = scts;
	return tls_timestamps_are_sound(scts) ? TLS_OK : TLS_REFUSE_DECODE_ERROR;
}

static enum tls_verdict take_certificate(struct reader *list, struct tls_cert_chain *out)
{
	struct span certificate = reader_vector24(list);

	if (!reader_ok(list) || certificate.len == 0)
		return TLS_REFUSE_DECODE_ERROR;
	if (out->n_certificates == TLS_CHAIN_MAX)
		return TLS_REFUSE_BAD_CERTIFICATE;
	out->certificates[out->n_certificates++] = certificate;
	return TLS_OK;
}

enum tls_verdict tls_certificate_parse_13(struct span body, uint32_t offered, struct tls_cert_chain *out)
{
	struct reader reader = reader_over(body);
	struct span context = reader_vector8(&reader);
	struct reader list = reader_sub24(&reader);
	enum tls_verdict verdict = TLS_OK;

	memset(out, 0, sizeof *out);
	if (!reader_done(&reader))
		return TLS_REFUSE_DECODE_ERROR;
	if (context.len != 0)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	while (verdict == TLS_OK && reader_left(&list) != 0) {
		struct span block;

		verdict = take_certificate(&list, out);
		if (verdict != TLS_OK)
			break;
		block = reader_vector16(&list);
		if (!reader_ok(&list))
			return TLS_REFUSE_DECODE_ERROR;
		verdict = parse_entry_extensions(block, offered, out->n_certificates == 1, out);
	}
	return verdict;
}

enum tls_verdict tls_certificate_parse_12(struct span body, struct tls_cert_chain *out)
{
	struct reader reader = reader_over(body);
	struct reader list = reader_sub24(&reader);
	enum tls_verdict verdict = TLS_OK;

	memset(out, 0, sizeof *out);
	if (!reader_done(&reader))
		return TLS_REFUSE_DECODE_ERROR;
	while (verdict == TLS_OK && reader_left(&list) != 0)
		verdict = take_certificate(&list, out);
	return verdict;
}

static void write_certificate(struct writer *writer, struct span certificate)
{
	struct writer_mark mark = writer_open24(writer);

	writer_bytes(writer, certificate);
	writer_close(writer, mark);
}

static void write_status(struct writer *writer, struct span staple)
{
	struct writer_mark mark;

	writer_u8(writer, TLS_STATUS_TYPE_OCSP);
	mark = writer_open24(writer);
	writer_bytes(writer, staple);
	writer_close(writer, mark);
}

static void write_leaf_extensions(struct writer *writer, const struct tls_cert_chain *chain)
{
	struct writer_mark mark;

	if (chain->staple.len != 0) {
		mark = tls_extension_open(writer, TLS_EXTENSION_STATUS_REQUEST);
		write_status(writer, chain->staple);
		writer_close(writer, mark);
	}
	if (chain->scts.len != 0) {
		mark = tls_extension_open(writer, TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP);
		writer_bytes(writer, chain->scts);
		writer_close(writer, mark);
	}
}

void tls_certificate_write_13(struct writer *writer, const struct tls_cert_chain *chain)
{
	struct writer_mark message, list, block;

	writer_u8(writer, TLS_CERTIFICATE);
	message = writer_open24(writer);
	writer_u8(writer, 0);
	list = writer_open24(writer);
	for (uint32_t i = 0; i < chain->n_certificates; i++) {
		write_certificate(writer, chain->certificates[i]);
		block = writer_open16(writer);
		if (i == 0)
			write_leaf_extensions(writer, chain);
		writer_close(writer, block);
	}
	writer_close(writer, list);
	writer_close(writer, message);
}

void tls_certificate_write_12(struct writer *writer, const struct tls_cert_chain *chain)
{
	struct writer_mark message, list;

	writer_u8(writer, TLS_CERTIFICATE);
	message = writer_open24(writer);
	list = writer_open24(writer);
	for (uint32_t i = 0; i < chain->n_certificates; i++)
		write_certificate(writer, chain->certificates[i]);
	writer_close(writer, list);
	writer_close(writer, message);
}

enum tls_verdict tls_certificate_status_parse(struct span body, struct span *out_staple)
{
	struct reader reader = reader_over(body);

	return parse_status(&reader, out_staple);
}

void tls_certificate_status_write(struct writer *writer, struct span staple)
{
	struct writer_mark message;

	writer_u8(writer, TLS_CERTIFICATE_STATUS);
	message = writer_open24(writer);
	write_status(writer, staple);
	writer_close(writer, message);
}
