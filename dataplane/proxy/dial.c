// SPDX-License-Identifier: Apache-2.0
//
// The backend's side of a pair's beginning: choosing a server, connecting, trying another one while nothing
// was forwarded, and the PROXY header. Part of pair.h.
#include "base/assert.h"
#include "crypto/group.h"
#include "crypto/scheme.h"
#include "proxy/pair.h"
#include "tls/certificate.h"

#include <stdio.h>

static uint64_t source_hash(const struct proxy *proxy, const struct ip_addr *addr)
{
	uint64_t hash = (addr->words[0] ^ proxy->source_key) * UINT64_C(0x9e3779b97f4a7c15);

	return (hash ^ hash >> 32 ^ addr->words[1]) * UINT64_C(0xbf58476d1ce4e5b9);
}

// None is left: the client hears it in its own language, or TLS's, or gets a reset.
static void no_backend(struct proxy *proxy, struct pair *pair)
{
	struct leg *client = &pair->legs[PAIR_CLIENT];

	if (leg_is(client, LEG_TLS))
		leg_finish_handshake(proxy, client);
	if (pair->terms->protocol == LISTENER_MAIL) {
		struct preamble_step step = preamble_no_backend(
			&proxy->preamble_worker, &pair->terms->preamble);

		(void)!leg_write(proxy, client, step.to_client);
	} else if (leg_is(client, LEG_TLS)) {
		leg_refuse(proxy, client, TLS_REFUSE_INTERNAL_ERROR);
	} else {
		pair_abort(proxy, pair, COUNTER_PROXY_NO_BACKEND);
		return;
	}
	pair_end_client(proxy, pair, COUNTER_PROXY_NO_BACKEND);
}

// From the first of our addresses that has a port left for this server.
static bool connect_to(struct proxy *proxy, struct pair *pair)
{
	const struct upstream_server *server = upstream_server_at(&proxy->upstream, pair->server_idx);
	const struct proxy_backend *backend = &pair_config(pair)->backends[pair->choice.pool_idx];
	enum tcp_connect_verdict verdict = TCP_CONNECT_IN_USE;
	struct leg *leg = &pair->legs[PAIR_BACKEND];
	struct tcp_connect request = {.remote = server->addr,
		.remote_port = server->port,
		.user = pair_user(proxy, leg),
		.near = true};
	struct tcp_conn *conn;

	for (uint32_t i = proxy_backend_source(backend, &server->addr, 0);
		i != PROXY_SOURCES_MAX && verdict == TCP_CONNECT_IN_USE;
		i = proxy_backend_source(backend, &server->addr, i + 1)) {
		request.local = backend->locals[i];
		verdict = tcp_connect(proxy->tcp, &request, proxy->now_us, &conn);
	}
	if (verdict != TCP_CONNECT_STARTED)
		return false;
	leg_init(leg, PAIR_BACKEND);
	leg_open(proxy, leg, conn, request.user);
	return true;
}

static void note_failure(struct proxy *proxy, struct pair *pair)
{
	enum upstream_change change = upstream_connect_failed(
		&proxy->upstream, pair->server_idx, proxy->now_us);

	counter_inc(proxy->counters, COUNTER_PROXY_CONNECTS_FAILED);
	if (change == UPSTREAM_EJECTED)
		counter_inc(proxy->counters, COUNTER_PROXY_EJECTIONS);
	proxy_log_server(proxy, pair->server_idx, change, "connect");
	pair->server_idx = UPSTREAM_NONE;
}

static void try_next(struct proxy *proxy, struct pair *pair)
{
	for (;;) {
		pair->server_idx = upstream_choose(&proxy->upstream, &pair->choice, proxy->now_us);
		if (pair->server_idx == UPSTREAM_NONE) {
			no_backend(proxy, pair);
			return;
		}
		if (connect_to(proxy, pair)) {
			pair_set_phase(proxy, pair, PAIR_CONNECT);
			return;
		}
		note_failure(proxy, pair);
	}
}

void pair_dial(struct proxy *proxy, struct pair *pair, uint32_t pool_idx)
{
	pair->choice = (struct upstream_choice){
		.pool_idx = pool_idx, .source_hash = source_hash(proxy, &pair->addresses.client_addr)};
	try_next(proxy, pair);
}

static struct span version_name(uint16_t version)
{
	return span_of_string(version == TLS_VERSION_13 ? "TLSv1.3" : "TLSv1.2");
}

static struct span group_name(uint16_t id)
{
	const struct group *group = group_find(id);

	return group != NULL ? span_of_string(group->name) : span_of(NULL, 0);
}

enum {
	KEY_NAME_MAX = 16
};

// Of the certificate's key: "EC256", "RSA2048", as haproxy names them. Empty where nothing was signed.
static struct span key_name(const struct tls_handshake_report *report, char room[static KEY_NAME_MAX])
{
	const struct scheme *scheme = scheme_find(report->scheme);
	const char *algorithm;

	if (scheme == NULL)
		return span_of(NULL, 0);
	if (scheme->kind == SCHEME_KIND_ED25519)
		return span_of_string("ED25519");
	algorithm = scheme->kind == SCHEME_KIND_ECDSA ? "EC" : "RSA";
	return span_of(room, (size_t)snprintf(room, KEY_NAME_MAX, "%s%u", algorithm, report->key_bits));
}

// The first bytes that the server gets: who is there, and over what.
static bool write_header(struct proxy *proxy, struct pair *pair)
{
	enum proxy_protocol_version version =
		pair_config(pair)->backends[pair->choice.pool_idx].proxy_protocol;
	struct leg *client = &pair->legs[PAIR_CLIENT];
	struct proxy_protocol_facts facts = {.source = pair->addresses.client_addr,
		.destination = pair->addresses.local_addr,
		.source_port = pair->addresses.client_port,
		.destination_port = pair->addresses.local_port};
	uint8_t header[PROXY_PROTOCOL_HEADER_MAX];
	char room[KEY_NAME_MAX];
	size_t len;

	if (version == PROXY_PROTOCOL_NONE)
		return true;
	if (leg_is(client, LEG_TLS)) {
		const struct tls_handshake_report *report = leg_report(proxy, client);

		facts.tls = true;
		facts.tls_version = version_name(report->version);
		facts.cipher = span_of_string(tls_conn_suite(leg_tls(proxy, client))->name);
		facts.client_verified = report->peer_authenticated;
		facts.client_cert = report->peer_authenticated && !report->resumed;
		facts.client_cert_session = report->peer_authenticated;
		facts.common_name = span_of(report->peer_name, report->peer_name_len);
		if (report->certificate_signed_with != NULL)
			facts.signature_algorithm = span_of_string(report->certificate_signed_with);
		facts.key_algorithm = key_name(report, room);
		facts.group = group_name(report->group);
		facts.alpn = report->alpn;
		facts.authority = span_of(report->name, report->name_len);
	}
	len = proxy_protocol_write(version, &facts, (struct mut_span){.data = header, .len = sizeof header});
	SLUICE_ASSERT(len != 0);
	return leg_write(proxy, &pair->legs[PAIR_BACKEND], span_of(header, len));
}

static void connected(struct proxy *proxy, struct pair *pair)
{
	struct leg *client = &pair->legs[PAIR_CLIENT];

	proxy_log_server(proxy, pair->server_idx,
		upstream_connected(&proxy->upstream, pair->server_idx, proxy->now_us), "connect");
	if (!write_header(proxy, pair)) {
		pair_abort(proxy, pair, COUNTER_PROXY_NO_ROOM);
		return;
	}
	if (leg_is(client, LEG_TLS))
		leg_finish_handshake(proxy, client);
	if (pair->terms->protocol != LISTENER_MAIL)
		pair_set_phase(proxy, pair, PAIR_FORWARD);
	else if (pair_begin_preamble(proxy, pair))
		pair_set_phase(proxy, pair, PAIR_PREAMBLE);
}

bool pair_dialing(struct proxy *proxy, struct pair *pair)
{
	struct leg *backend = &pair->legs[PAIR_BACKEND];

	if (leg_is(backend, LEG_BROKEN)) {
		leg_abort(proxy, backend);
		note_failure(proxy, pair);
		counter_inc(proxy->counters, COUNTER_PROXY_RETRIES);
		try_next(proxy, pair);
		return true;
	}
	if (!leg_is(backend, LEG_CONNECTED))
		return false;
	connected(proxy, pair);
	return true;
}
