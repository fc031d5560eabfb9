// SPDX-License-Identifier: Apache-2.0
#include "tls/certificate.h"

static struct tls_cert_chain chain_of_form(const struct tls_cert_chain *chain, unsigned form)
{
	struct tls_cert_chain shaped = *chain;

	if ((form & TLS_FORM_STAPLE) == 0)
		shaped.staple = span_of(NULL, 0);
	if ((form & TLS_FORM_SCTS) == 0)
		shaped.scts = span_of(NULL, 0);
	return shaped;
}

// Upper bound of one encoding: framing of every certificate and of both extensions.
static size_t message_max_len(const struct tls_cert_chain *chain)
{
	size_t len = 64 + chain->staple.len + chain->scts.len;

	for (uint32_t i = 0; i < chain->n_certificates; i++)
		len += chain->certificates[i].len + 8;
	return len;
}

size_t tls_certificate_footprint(const struct tls_cert_chain *chain)
{
	// Four forms, TLS 1.2's, its CertificateStatus and a copy of the timestamps.
	return sizeof(struct tls_certificate) + (TLS_N_FORMS + 3) * message_max_len(chain);
}

// What was written since the last call.
static struct span taken(struct writer *writer, size_t *start)
{
	struct span span = span_of(writer->start + *start, writer->len - *start);

	*start = writer->len;
	return span;
}

static void write_forms(
	struct writer *writer, const struct tls_cert_chain *chain, struct tls_certificate *out)
{
	size_t start = writer->len;

	for (unsigned form = 0; form < TLS_N_FORMS; form++) {
		struct tls_cert_chain shaped = chain_of_form(chain, form);

		tls_certificate_write_13(writer, &shaped);
		out->messages_13[form] = taken(writer, &start);
	}
	tls_certificate_write_12(writer, chain);
	out->message_12 = taken(writer, &start);
	// Header, list length, entry length.
	out->leaf = span_of(out->message_12.data + TLS_MESSAGE_HEADER_LEN + 6, chain->certificates[0].len);
	if (chain->staple.len != 0)
		tls_certificate_status_write(writer, chain->staple);
	out->status_12 = taken(writer, &start);
	writer_bytes(writer, chain->scts);
	out->scts = taken(writer, &start);
}

const struct tls_certificate *tls_certificate_build(struct mut_span memory,
	const struct tls_cert_chain *chain, const struct private_key *key, uint32_t id)
{
	struct tls_certificate *certificate = (struct tls_certificate *)(void *)memory.data;
	struct writer writer;

	if (memory.len < sizeof *certificate || chain->n_certificates == 0)
		return NULL;
	memset(certificate, 0, sizeof *certificate);
	certificate->key = key;
	certificate->signed_with = chain->signed_with;
	certificate->id = id;
	writer = writer_over((struct mut_span){
		.data = memory.data + sizeof *certificate, .len = memory.len - sizeof *certificate});
	write_forms(&writer, chain, certificate);
	return writer_ok(&writer) ? certificate : NULL;
}

struct span tls_certificate_message_13(
	const struct tls_certificate *certificate, bool wants_staple, bool wants_scts)
{
	unsigned form = (wants_staple ? TLS_FORM_STAPLE : 0) | (wants_scts ? TLS_FORM_SCTS : 0);

	return certificate->messages_13[form];
}
