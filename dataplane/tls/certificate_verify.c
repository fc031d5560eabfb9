// SPDX-License-Identifier: Apache-2.0
#include "tls/certificate_verify.h"

#include "base/assert.h"

enum tls_verdict tls_certificate_verify_parse(struct span body, struct tls_certificate_verify *out)
{
	struct reader reader = reader_over(body);

	out->scheme = reader_u16(&reader);
	out->signature = reader_vector16(&reader);
	return reader_done(&reader) ? TLS_OK : TLS_REFUSE_DECODE_ERROR;
}

void tls_certificate_verify_write(struct writer *writer, const struct tls_certificate_verify *verify)
{
	struct writer_mark message, mark;

	writer_u8(writer, TLS_CERTIFICATE_VERIFY);
	message = writer_open24(writer);
	writer_u16(writer, verify->scheme);
	mark = writer_open16(writer);
	writer_bytes(writer, verify->signature);
	writer_close(writer, mark);
	writer_close(writer, message);
}

size_t tls_signed_content_13(uint8_t out[TLS_SIGNED_CONTENT_MAX], bool by_server, struct span transcript_hash)
{
	static const char by_server_text[] = "TLS 1.3, server CertificateVerify";
	static const char by_client_text[] = "TLS 1.3, client CertificateVerify";
	struct writer writer = writer_over((struct mut_span){.data = out, .len = TLS_SIGNED_CONTENT_MAX});
	uint8_t *spaces = writer_reserve(&writer, 64);

	memset(spaces, ' ', 64);
	// The terminating zero of the text is the separator.
	writer_bytes(&writer, span_of(by_server ? by_server_text : by_client_text, sizeof by_server_text));
	writer_bytes(&writer, transcript_hash);
	SLUICE_ASSERT(writer_ok(&writer));
	return writer.len;
}
