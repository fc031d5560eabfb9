// SPDX-License-Identifier: Apache-2.0
#include "tls/client_memory.h"

#include "base/wipe.h"
#include "tls/config.h"
#include "tls/engine.h"
#include "tls/key_schedule.h"
#include "tls/new_session_ticket.h"

static struct tls_client_memory *memory_of(struct tls_engine *engine, const struct tls_conn *conn)
{
	return conn->client_idx == POOL_NONE ? NULL : pool_at(&engine->clients, conn->client_idx);
}

void tls_client_memory_begin_ticket(struct tls_engine *engine, struct tls_conn *conn, uint32_t len)
{
	struct tls_client_memory *memory = memory_of(engine, conn);

	if (memory == NULL)
		return;
	memory->message_len = len;
	memory->n_taken = 0;
	memory->too_long = len > sizeof memory->message;
}

static void keep(struct tls_engine *engine, struct tls_client_memory *memory,
	const struct tls_new_session_ticket *ticket)
{
	struct tls_session session;
	enum hash_id hash = tls_suite_find(memory->state.suite)->hash;
	uint8_t *secret = session.state.secret;

	session.state = memory->state;
	session.state.created_s = engine->wall_s;
	session.state.lifetime_s = ticket->lifetime_s;
	session.state.age_add = ticket->age_add;
	session.state.secret_len = (uint8_t)hash_len(hash);
	tls_schedule_ticket_psks(hash, memory->state.secret, &ticket->nonce, &secret, 1);
	session.received_us = engine->crypto->now_us;
	session.session_id_len = 0;
	session.ticket_len = (uint16_t)ticket->ticket.len;
	memcpy(session.ticket, ticket->ticket.data, ticket->ticket.len);
	memory->config->keep_session(memory->config->keep_context, memory->owner, &session);
	wipe(&session, sizeof session);
}

enum tls_verdict tls_client_memory_add_ticket(
	struct tls_engine *engine, struct tls_conn *conn, struct span part, bool complete)
{
	struct tls_client_memory *memory = memory_of(engine, conn);
	struct tls_new_session_ticket ticket;
	enum tls_verdict verdict;

	if (memory == NULL || memory->too_long)
		return TLS_OK;
	memcpy(memory->message + memory->n_taken, part.data, part.len);
	memory->n_taken += (uint32_t)part.len;
	if (!complete)
		return TLS_OK;
	verdict = tls_new_session_ticket_parse_13(span_of(memory->message, memory->n_taken), &ticket);
	if (verdict != TLS_OK)
		return verdict;
	// A lifetime of zero means: throw it away (RFC 8446 4.6.1).
	if (ticket.lifetime_s != 0 && ticket.ticket.len <= TLS_TICKET_MAX) {
		keep(engine, memory, &ticket);
		memory->n_kept++;
	}
	if (memory->n_kept >= memory->config->n_tickets_wanted)
		tls_client_memory_release(engine, conn);
	return TLS_OK;
}

void tls_client_memory_release(struct tls_engine *engine, struct tls_conn *conn)
{
	struct tls_client_memory *memory = memory_of(engine, conn);

	if (memory == NULL)
		return;
	wipe(memory, sizeof *memory);
	pool_free(&engine->clients, memory);
	conn->client_idx = POOL_NONE;
}
