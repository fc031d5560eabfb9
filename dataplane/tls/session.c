// SPDX-License-Identifier: Apache-2.0
//
// What binds a session: version, hash, SNI, the listener's policy and time. Not ALPN, which every handshake
// negotiates for itself.
#include "base/wipe.h"
#include "tls/handshake_state.h"

// A name without case, so that "Mail.example" and "mail.example" share sessions.
static void hash_of_name(const struct tls_handshake *hs, uint8_t out[16])
{
	uint8_t text[TLS_NAME_MAX];
	uint8_t digest[HASH_MAX_LEN];

	for (unsigned i = 0; i < hs->report.name_len; i++) {
		uint8_t c = (uint8_t)hs->report.name[i];

		text[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
	}
	hash_digest(HASH_SHA256, span_of(text, hs->report.name_len), digest);
	memcpy(out, digest, 16);
}

bool tls_session_fits(const struct tls_handshake *hs, const struct tls_session_state *state)
{
	const struct tls_server_config *config = hs->server;
	const struct tls_suite *suite = tls_suite_find(state->suite);
	uint64_t now_s = hs->engine->wall_s;
	uint8_t name_hash[16];

	if (suite == NULL || suite->version != state->version || state->version != hs->report.version)
		return false;
	// A clock that went back a little does not end a session, one that went back more does.
	if (now_s + 60 < state->created_s ||
		(now_s > state->created_s && now_s - state->created_s > state->lifetime_s))
		return false;
	if (memcmp(state->policy_id, config->policy_id, TLS_POLICY_ID_LEN) != 0)
		return false;
	if (config->client_auth == TLS_CLIENT_AUTH_REQUIRED && !state->peer_authenticated)
		return false;
	if (state->name_len != hs->report.name_len)
		return false;
	hash_of_name(hs, name_hash);
	return memcmp(state->name_hash, name_hash, sizeof name_hash) == 0;
}

void tls_session_describe(const struct tls_handshake *hs, struct tls_session_state *out)
{
	bool is_13 = tls_conn_is(hs->conn, TLS_CONN_IS_13);

	memset(out, 0, sizeof *out);
	out->created_s = hs->engine->wall_s;
	out->version = hs->suite->version;
	out->suite = hs->suite->id;
	out->extended_master_secret = hs->report.extended_master_secret;
	out->peer_authenticated = hs->report.peer_authenticated;
	memcpy(out->peer_hash, hs->peer_hash, sizeof out->peer_hash);
	out->name_len = hs->report.name_len;
	hash_of_name(hs, out->name_hash);
	if (hs->server == NULL)
		return;
	out->lifetime_s = is_13 ? hs->server->ticket_lifetime_s : hs->server->session_lifetime_12_s;
	memcpy(out->policy_id, hs->server->policy_id, TLS_POLICY_ID_LEN);
	// Who was authenticated once does not stay so for ever by resuming.
	if (hs->report.resumed && out->peer_authenticated)
		out->created_s = hs->session.created_s;
}
