// SPDX-License-Identifier: Apache-2.0
#include "tls/new_session_ticket.h"

enum tls_verdict tls_new_session_ticket_parse_13(struct span body, struct tls_new_session_ticket *out)
{
	struct reader reader = reader_over(body);
	struct tls_extensions extensions;
	struct span block;

	out->lifetime_s = reader_u32(&reader);
	out->age_add = reader_u32(&reader);
	out->nonce = reader_vector8(&reader);
	out->ticket = reader_vector16(&reader);
	block = reader_vector16(&reader);
	if (!reader_done(&reader) || out->ticket.len == 0)
		return TLS_REFUSE_DECODE_ERROR;
	if (out->lifetime_s > TLS_TICKET_LIFETIME_MAX_S)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	return tls_extensions_parse(block, TLS_EXTENSIONS_IN_NST, TLS_EXTENSIONS_ANY, &extensions);
}

// RFC 5077 3.3: an empty ticket is allowed and means that there is none after all.
enum tls_verdict tls_new_session_ticket_parse_12(struct span body, struct tls_new_session_ticket *out)
{
	struct reader reader = reader_over(body);

	memset(out, 0, sizeof *out);
	out->lifetime_s = reader_u32(&reader);
	out->ticket = reader_vector16(&reader);
	return reader_done(&reader) ? TLS_OK : TLS_REFUSE_DECODE_ERROR;
}

void tls_new_session_ticket_write_13(struct writer *writer, const struct tls_new_session_ticket *ticket)
{
	struct writer_mark message, mark;

	writer_u8(writer, TLS_NEW_SESSION_TICKET);
	message = writer_open24(writer);
	writer_u32(writer, ticket->lifetime_s);
	writer_u32(writer, ticket->age_add);
	mark = writer_open8(writer);
	writer_bytes(writer, ticket->nonce);
	writer_close(writer, mark);
	mark = writer_open16(writer);
	writer_bytes(writer, ticket->ticket);
	writer_close(writer, mark);
	writer_u16(writer, 0);
	writer_close(writer, message);
}

void tls_new_session_ticket_write_12(struct writer *writer, const struct tls_new_session_ticket *ticket)
{
	struct writer_mark message, mark;

	writer_u8(writer, TLS_NEW_SESSION_TICKET);
	message = writer_open24(writer);
	writer_u32(writer, ticket->lifetime_s);
	mark = writer_open16(writer);
	writer_bytes(writer, ticket->ticket);
	writer_close(writer, mark);
	writer_close(writer, message);
}
