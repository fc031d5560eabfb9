// SPDX-License-Identifier: Apache-2.0
#include "tls/key_exchange_12.h"

enum tls_verdict tls_server_key_exchange_parse(struct span body, struct tls_server_key_exchange *out)
{
	struct reader reader = reader_over(body);
	uint8_t curve_type = reader_u8(&reader);

	out->group = reader_u16(&reader);
	out->share = reader_vector8(&reader);
	out->params = span_of(body.data, body.len - reader_left(&reader));
	out->scheme = reader_u16(&reader);
	out->signature = reader_vector16(&reader);
	if (reader_ok(&reader) && curve_type != TLS_CURVE_TYPE_NAMED)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	return reader_done(&reader) && out->share.len != 0 ? TLS_OK : TLS_REFUSE_DECODE_ERROR;
}

void tls_server_params_write(struct writer *writer, uint16_t group, struct span share)
{
	struct writer_mark mark;

	writer_u8(writer, TLS_CURVE_TYPE_NAMED);
	writer_u16(writer, group);
	mark = writer_open8(writer);
	writer_bytes(writer, share);
	writer_close(writer, mark);
}

void tls_server_key_exchange_write(struct writer *writer, const struct tls_server_key_exchange *exchange)
{
	struct writer_mark message, mark;

	writer_u8(writer, TLS_SERVER_KEY_EXCHANGE);
	message = writer_open24(writer);
	tls_server_params_write(writer, exchange->group, exchange->share);
	writer_u16(writer, exchange->scheme);
	mark = writer_open16(writer);
	writer_bytes(writer, exchange->signature);
	writer_close(writer, mark);
	writer_close(writer, message);
}

void tls_server_hello_done_write(struct writer *writer)
{
	writer_u8(writer, TLS_SERVER_HELLO_DONE);
	writer_u24(writer, 0);
}

enum tls_verdict tls_client_key_exchange_parse(struct span body, struct span *out_share)
{
	struct reader reader = reader_over(body);

	*out_share = reader_vector8(&reader);
	return reader_done(&reader) && out_share->len != 0 ? TLS_OK : TLS_REFUSE_DECODE_ERROR;
}

void tls_client_key_exchange_write(struct writer *writer, struct span share)
{
	struct writer_mark message, mark;

	writer_u8(writer, TLS_CLIENT_KEY_EXCHANGE);
	message = writer_open24(writer);
	mark = writer_open8(writer);
	writer_bytes(writer, share);
	writer_close(writer, mark);
	writer_close(writer, message);
}
