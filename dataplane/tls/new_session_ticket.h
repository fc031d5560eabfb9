// SPDX-License-Identifier: Apache-2.0
//
// NewSessionTicket (RFC 8446 4.6.1, RFC 5077 3.3).
#pragma once

#include "tls/extensions.h"
#include "tls/wire.h"

struct tls_new_session_ticket {
	uint32_t lifetime_s;
	uint32_t age_add;
	struct span nonce;
	struct span ticket;
};

enum tls_verdict tls_new_session_ticket_parse_13(
	struct span body, struct tls_new_session_ticket *out) TLS_MUST_CHECK;
enum tls_verdict tls_new_session_ticket_parse_12(
	struct span body, struct tls_new_session_ticket *out) TLS_MUST_CHECK;
void tls_new_session_ticket_write_13(struct writer *writer, const struct tls_new_session_ticket *ticket);
void tls_new_session_ticket_write_12(struct writer *writer, const struct tls_new_session_ticket *ticket);
