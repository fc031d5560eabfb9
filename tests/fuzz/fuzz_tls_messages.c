// SPDX-License-Identifier: Apache-2.0
//
// Every parser of a handshake message, chosen by the first byte, over the rest; everything that it hands out
// is touched, so that ASan sees a span that lies.
#include "base/assert.h"
#include "tls/certificate_message.h"
#include "tls/certificate_request.h"
#include "tls/certificate_verify.h"
#include "tls/encrypted_extensions.h"
#include "tls/key_exchange_12.h"
#include "tls/new_session_ticket.h"
#include "tls/server_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static volatile uint8_t sink;

static void touch(struct span span)
{
	for (size_t i = 0; i < span.len; i++)
		sink = (uint8_t)(sink ^ span.data[i]);
}

static void touch_hello(struct span body)
{
	struct tls_client_hello hello;
	struct tls_key_share share;
	struct tls_psk_identity identity;
	struct span item;

	if (tls_client_hello_parse(body, &hello) != TLS_OK)
		return;
	touch(hello.session_id);
	touch(hello.server_name);
	SLUICE_ASSERT(hello.server_name.len <= 255 && hello.session_id.len <= 32);
	SLUICE_ASSERT(hello.binders_len <= body.len);
	sink = (uint8_t)tls_list_has(hello.suites, 1);
	sink = (uint8_t)tls_list_has(hello.versions, 1);
	sink = (uint8_t)tls_list_has(hello.groups, 1);
	while (tls_next_vector8(&hello.alpn, &item))
		touch(item);
	while (tls_next_key_share(&hello.key_shares, &share))
		touch(share.share);
	while (tls_next_identity(&hello.identities, &identity))
		touch(identity.ticket);
	while (tls_next_vector8(&hello.binders, &item))
		touch(item);
}

static void touch_server_hello(struct span body)
{
	struct tls_server_hello hello;

	if (tls_server_hello_parse(body, TLS_EXTENSIONS_ANY, &hello) != TLS_OK)
		return;
	touch(span_of(hello.random, TLS_RANDOM_LEN));
	touch(hello.key_share.share);
	touch(hello.cookie);
	touch(hello.alpn);
	touch(hello.scts);
}

static void touch_chain(enum tls_verdict verdict, const struct tls_cert_chain *chain)
{
	if (verdict != TLS_OK)
		return;
	SLUICE_ASSERT(chain->n_certificates <= TLS_CHAIN_MAX);
	for (uint32_t i = 0; i < chain->n_certificates; i++)
		touch(chain->certificates[i]);
	touch(chain->staple);
	touch(chain->scts);
}

static void touch_request(enum tls_verdict verdict, const struct tls_certificate_request *request)
{
	if (verdict != TLS_OK)
		return;
	touch(request->signatures);
	touch(request->authorities);
}

static void touch_ticket(enum tls_verdict verdict, const struct tls_new_session_ticket *ticket)
{
	if (verdict != TLS_OK)
		return;
	touch(ticket->nonce);
	touch(ticket->ticket);
}

static void touch_small(uint8_t which, struct span body)
{
	struct tls_certificate_verify verify;
	struct tls_server_key_exchange exchange;
	struct tls_encrypted_extensions extensions;
	struct span span;

	if (which == 0 && tls_certificate_verify_parse(body, &verify) == TLS_OK)
		touch(verify.signature);
	if (which == 1 && tls_server_key_exchange_parse(body, &exchange) == TLS_OK) {
		touch(exchange.params);
		touch(exchange.signature);
	}
	if (which == 2 && tls_encrypted_extensions_parse(body, TLS_EXTENSIONS_ANY, &extensions) == TLS_OK)
		touch(extensions.alpn);
	if (which == 3 && tls_client_key_exchange_parse(body, &span) == TLS_OK)
		touch(span);
	if (which == 4 && tls_certificate_status_parse(body, &span) == TLS_OK)
		touch(span);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span body = span_of(data + 1, len != 0 ? len - 1 : 0);
	struct tls_cert_chain chain;
	struct tls_certificate_request request;
	struct tls_new_session_ticket ticket;

	if (len == 0)
		return 0;
	switch (data[0] % 13) {
	case 0:
		touch_hello(body);
		break;
	case 1:
		touch_server_hello(body);
		break;
	case 2:
		touch_chain(tls_certificate_parse_13(body, TLS_EXTENSIONS_ANY, &chain), &chain);
		break;
	case 3:
		touch_chain(tls_certificate_parse_12(body, &chain), &chain);
		break;
	case 4:
		touch_request(tls_certificate_request_parse_13(body, &request), &request);
		break;
	case 5:
		touch_request(tls_certificate_request_parse_12(body, &request), &request);
		break;
	case 6:
		touch_ticket(tls_new_session_ticket_parse_13(body, &ticket), &ticket);
		break;
	case 7:
		touch_ticket(tls_new_session_ticket_parse_12(body, &ticket), &ticket);
		break;
	default:
		touch_small((uint8_t)(data[0] % 13 - 8), body);
		break;
	}
	return 0;
}
