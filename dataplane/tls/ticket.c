// SPDX-License-Identifier: Apache-2.0
#include "tls/ticket.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/wipe.h"
#include "base/writer.h"
#include "tls/engine.h"

enum {
	TICKET_FORM = 1, // of the state's encoding; tickets of another form are not ours
	SESSION_ID_PLAIN_LEN = 4,
	TICKET_HEAD_LEN = TLS_TICKET_NAME_LEN + AEAD_NONCE_LEN,
};

_Static_assert(AEAD_NONCE_LEN + SESSION_ID_PLAIN_LEN + AEAD_TAG_LEN == TLS_OWN_SESSION_ID_LEN,
	"a session ID is full");

void tls_tickets_set(struct tls_engine *engine, const struct tls_ticket_key keys[TLS_N_TICKET_KEYS])
{
	static const uint8_t no_iv[AEAD_NONCE_LEN];
	struct tls_tickets *tickets = &engine->tickets;
	struct aead_cache *cache = &engine->crypto->aead;

	for (unsigned i = 0; i < TLS_N_TICKET_KEYS; i++) {
		const struct span key_and_iv[2] = {
			span_of(keys[i].key, sizeof keys[i].key), span_of(no_iv, sizeof no_iv)};

		aead_key_destroy(cache, &tickets->keys[i]);
		tickets->valid[i] = keys[i].valid;
		if (!keys[i].valid)
			continue;
		memcpy(tickets->names[i], keys[i].name, TLS_TICKET_NAME_LEN);
		aead_key_init(cache, &tickets->keys[i], AEAD_AES_256_GCM, AEAD_NONCE_XOR, key_and_iv);
	}
}

static void write_state(struct writer *writer, const struct tls_session_state *state)
{
	writer_u8(writer, TICKET_FORM);
	writer_u64(writer, state->created_s);
	writer_u32(writer, state->lifetime_s);
	writer_u32(writer, state->age_add);
	writer_u16(writer, state->version);
	writer_u16(writer, state->suite);
	writer_u8(writer, state->secret_len);
	writer_u8(writer, state->extended_master_secret);
	writer_u8(writer, state->peer_authenticated);
	writer_u8(writer, state->name_len);
	writer_bytes(writer, span_of(state->name_hash, sizeof state->name_hash));
	writer_bytes(writer, span_of(state->policy_id, sizeof state->policy_id));
	writer_bytes(writer, span_of(state->peer_hash, sizeof state->peer_hash));
	writer_bytes(writer, span_of(state->secret, sizeof state->secret));
}

static bool read_state(struct span plain, struct tls_session_state *out)
{
	struct reader reader = reader_over(plain);
	uint8_t form = reader_u8(&reader);

	out->created_s = reader_u64(&reader);
	out->lifetime_s = reader_u32(&reader);
	out->age_add = reader_u32(&reader);
	out->version = reader_u16(&reader);
	out->suite = reader_u16(&reader);
	out->secret_len = reader_u8(&reader);
	out->extended_master_secret = reader_u8(&reader);
	out->peer_authenticated = reader_u8(&reader);
	out->name_len = reader_u8(&reader);
	reader_copy(&reader, out->name_hash, sizeof out->name_hash);
	reader_copy(&reader, out->policy_id, sizeof out->policy_id);
	reader_copy(&reader, out->peer_hash, sizeof out->peer_hash);
	reader_copy(&reader, out->secret, sizeof out->secret);
	return reader_done(&reader) && form == TICKET_FORM && out->secret_len != 0 &&
	       out->secret_len <= sizeof out->secret;
}

bool tls_ticket_seal(
	struct tls_engine *engine, const struct tls_session_state *state, uint8_t out[TLS_OWN_TICKET_LEN])
{
	struct tls_tickets *tickets = &engine->tickets;
	uint8_t plain[TLS_TICKET_STATE_LEN];
	struct writer writer = writer_over((struct mut_span){.data = plain, .len = sizeof plain});
	uint8_t *nonce = out + TLS_TICKET_NAME_LEN;

	if (!tickets->valid[TLS_TICKET_CURRENT])
		return false;
	write_state(&writer, state);
	SLUICE_ASSERT(writer_ok(&writer) && writer.len == sizeof plain);
	memcpy(out, tickets->names[TLS_TICKET_CURRENT], TLS_TICKET_NAME_LEN);
	random_bytes(&engine->crypto->random, nonce, AEAD_NONCE_LEN);
	aead_seal(&engine->crypto->aead, &tickets->keys[TLS_TICKET_CURRENT], nonce,
		(const struct span[2]){span_of(out, TLS_TICKET_NAME_LEN), span_of(plain, sizeof plain)},
		(struct mut_span){.data = out + TICKET_HEAD_LEN, .len = sizeof plain + AEAD_TAG_LEN});
	wipe(plain, sizeof plain);
	return true;
}

static bool open_under(
	struct tls_engine *engine, unsigned role, struct span ticket, struct tls_session_state *out)
{
	uint8_t plain[TLS_TICKET_STATE_LEN];
	bool good = aead_open(&engine->crypto->aead, &engine->tickets.keys[role],
			    ticket.data + TLS_TICKET_NAME_LEN,
			    (const struct span[2]){span_of(ticket.data, TLS_TICKET_NAME_LEN),
				    span_of(ticket.data + TICKET_HEAD_LEN, ticket.len - TICKET_HEAD_LEN)},
			    (struct mut_span){.data = plain, .len = sizeof plain}) == AEAD_OK &&
		    read_state(span_of(plain, sizeof plain), out);

	wipe(plain, sizeof plain);
	return good;
}

bool tls_ticket_open(
	struct tls_engine *engine, struct span ticket, struct tls_session_state *out, bool *out_is_old)
{
	if (ticket.len != TLS_OWN_TICKET_LEN)
		return false;
	for (unsigned role = 0; role < TLS_N_TICKET_KEYS; role++) {
		if (engine->tickets.valid[role] &&
			memcmp(ticket.data, engine->tickets.names[role], TLS_TICKET_NAME_LEN) == 0) {
			*out_is_old = role == TLS_TICKET_PREVIOUS;
			return open_under(engine, role, ticket, out);
		}
	}
	return false;
}

bool tls_session_id_make(struct tls_engine *engine, uint8_t out[TLS_OWN_SESSION_ID_LEN])
{
	struct tls_tickets *tickets = &engine->tickets;
	const uint8_t plain[SESSION_ID_PLAIN_LEN] = {
		(uint8_t)(engine->worker_idx >> 8), (uint8_t)engine->worker_idx};

	if (!tickets->valid[TLS_TICKET_CURRENT])
		return false;
	random_bytes(&engine->crypto->random, out, AEAD_NONCE_LEN);
	aead_seal(&engine->crypto->aead, &tickets->keys[TLS_TICKET_CURRENT], out,
		(const struct span[2]){span_of(NULL, 0), span_of(plain, sizeof plain)},
		(struct mut_span){
			.data = out + AEAD_NONCE_LEN, .len = TLS_OWN_SESSION_ID_LEN - AEAD_NONCE_LEN});
	tls_engine_count(engine, COUNTER_TLS_SESSION_IDS_MADE);
	return true;
}

bool tls_session_id_worker(struct tls_engine *engine, struct span session_id, uint16_t *out_worker_idx)
{
	uint8_t plain[SESSION_ID_PLAIN_LEN];

	if (session_id.len != TLS_OWN_SESSION_ID_LEN)
		return false;
	for (unsigned role = 0; role < TLS_N_TICKET_KEYS; role++) {
		if (engine->tickets.valid[role] &&
			aead_open(&engine->crypto->aead, &engine->tickets.keys[role], session_id.data,
				(const struct span[2]){
					span_of(NULL, 0), span_of(session_id.data + AEAD_NONCE_LEN,
								  session_id.len - AEAD_NONCE_LEN)},
				(struct mut_span){.data = plain, .len = sizeof plain}) == AEAD_OK) {
			*out_worker_idx = (uint16_t)(plain[0] << 8 | plain[1]);
			return true;
		}
	}
	return false;
}
