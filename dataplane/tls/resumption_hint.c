// SPDX-License-Identifier: Apache-2.0
#include "tls/resumption_hint.h"

#include "base/reader.h"
#include "base/wipe.h"
#include "tls/client_hello.h"
#include "tls/engine.h"

enum {
	HINT_IDENTITIES = 4, // as many as a handshake tries, or more
	HINT_LEN_MAX = TLS_RECORD_HEADER_LEN + TLS_PLAINTEXT_MAX,
};

static bool opens(struct tls_engine *engine, struct span ticket)
{
	struct tls_session_state state;
	bool is_old;
	bool opened = tls_ticket_open(engine, ticket, &state, &is_old);

	wipe(&state, sizeof state);
	return opened;
}

static bool remembers(struct tls_engine *engine, struct span session_id)
{
	struct tls_session_state state;
	bool found = tls_session_table_find(&engine->sessions, session_id, engine->wall_s, &state);

	wipe(&state, sizeof state);
	return found;
}

static bool has_session(struct tls_engine *engine, const struct tls_client_hello *hello)
{
	struct span identities = hello->identities;
	struct tls_psk_identity identity;

	for (int i = 0; i < HINT_IDENTITIES && tls_next_identity(&identities, &identity); i++)
		if (opens(engine, identity.ticket))
			return true;
	return opens(engine, hello->ticket) || remembers(engine, hello->session_id);
}

bool tls_resumption_hint(struct tls_engine *engine, struct tls_stream received)
{
	struct tls_client_hello hello;
	struct reader reader;
	size_t len = tls_stream_len(received);
	struct span fragment, body;
	uint8_t type;

	len = tls_stream_copy(received, 0, engine->scratch, len < HINT_LEN_MAX ? len : HINT_LEN_MAX);
	reader = reader_over(span_of(engine->scratch, len));
	type = reader_u8(&reader);
	reader_skip(&reader, 2);
	fragment = reader_vector16(&reader);
	if (!reader_ok(&reader) || type != TLS_CONTENT_HANDSHAKE)
		return false;
	reader = reader_over(fragment);
	type = reader_u8(&reader);
	body = reader_vector24(&reader);
	return reader_ok(&reader) && type == TLS_CLIENT_HELLO &&
	       tls_client_hello_parse(body, &hello) == TLS_OK && has_session(engine, &hello);
}
