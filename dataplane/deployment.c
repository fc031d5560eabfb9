// SPDX-License-Identifier: Apache-2.0
//
// Decoding goes through the records once, in the order that snapshot.h prescribes: the head says how many of
// what follow, the tables are taken from the deployment's arena, and each record fills its place. Indices and
// lengths are checked where they are read.
#include "deployment.h"

#include "base/assert.h"
#include "proxy/proxy.h"
#include "records.h"
#include "refusal.h"
#include "snapshot.h"
#include "tally_page.h"
#include "tls/names.h"

enum {
	ALPN_LIST_MAX = 1024,
	RULES_PER_ROUTE_MAX = 4096,
	MS = 1000, // microseconds
	CONNECTION_POLICY_SALT = 1,
};

struct decoding {
	struct deployment *deployment;
	struct credentials *credentials;
	const struct net_config *net;
	struct reader reader;
	struct record record; // the current one
	struct snapshot_head head;
	char *reason;
	uint64_t n_records;
	struct snapshot_backend *backends; // as they came, for the listeners that use them
	struct proxy_listener *listeners;
	uint32_t n_listeners;
	struct routing_rule *rules;
	uint32_t n_rules, rules_max;
	uint32_t *default_certificates; // of each TLS configuration
	struct tls_name *names;
	uint32_t n_names;
};

static void *take(struct decoding *decoding, size_t n, size_t len)
{
	return arena_alloc(&decoding->deployment->arena, n * len, 64);
}

// Goes to the next record, which must be of this type with a body of this width.
static bool next(struct decoding *decoding, enum snapshot_record_type type, void *out_body, size_t body_len,
	struct span *out_tail)
{
	if (records_next(&decoding->reader, &decoding->record) != RECORDS_NEXT)
		return refuse(decoding->reason,
			"snapshot: it ends, or is cut off, where a record of type %d should be", type);
	if (decoding->record.type != type)
		return refuse(decoding->reason,
			"snapshot: a record of type %u where one of type %d should be", decoding->record.type,
			type);
	if (!record_split(&decoding->record, out_body, body_len, out_tail))
		return refuse(decoding->reason, "snapshot: a record of type %d is too short for this version",
			type);
	decoding->n_records++;
	return true;
}

// Bytes copied into the arena: the records are unmapped when decoding is over.
static struct span keep(struct decoding *decoding, struct span bytes)
{
	uint8_t *copy = take(decoding, bytes.len + 1, 1);

	if (copy == NULL)
		return span_of(NULL, 0);
	if (bytes.len != 0)
		memcpy(copy, bytes.data, bytes.len);
	return span_of(copy, bytes.len);
}

// A name whose end was checked.
static const char *keep_name(struct decoding *decoding, const char *name)
{
	// The terminating zero is one more byte than keep copies, and memory of the arena is zero.
	return (const char *)keep(decoding, span_of_string(name)).data;
}

// ---- backends
// -------------------------------------------------------------------------------------------------------

// The address of ours that a server is reached from: one of the network that it is in, else any of its
// family.
static bool choose_source(const struct net_config *net, const struct ip_addr *server, struct ip_addr *out)
{
	const struct net_address_config *any = NULL;

	for (uint32_t i = 0; i < net->n_addresses; i++) {
		const struct net_address_config *address = &net->addresses[i];

		if (ip_addr_is_v4(&address->addr) != ip_addr_is_v4(server))
			continue;
		if (ip_addr_in_prefix(server, &address->addr, address->prefix_len)) {
			*out = address->addr;
			return true;
		}
		if (any == NULL && !ip_addr_is_link_local(&address->addr))
			any = address;
	}
	if (any != NULL)
		*out = any->addr;
	return any != NULL;
}

static uint32_t use_server_row(
	struct decoding *decoding, const struct snapshot_server *record, const char *backend)
{
	struct deployment *deployment = decoding->deployment;
	char name[sizeof record->name + 1] = "";
	uint32_t idx;

	if (deployment->n_server_rows == DEPLOYMENT_SERVERS_MAX)
		return 0;
	memcpy(name, record->name, sizeof record->name);
	idx = tally_page_use_server(deployment->tallies,
		&(struct tally_server_id){
			.backend = backend, .name = name, .address = record->address, .port = record->port});
	deployment->server_rows[deployment->n_server_rows++] = idx;
	return idx;
}

static bool read_server(struct decoding *decoding, const char *backend, struct upstream_server_config *out)
{
	struct snapshot_server record;
	struct span tail;

	if (!next(decoding, SNAPSHOT_SERVER, &record, sizeof record, &tail))
		return false;
	*out = (struct upstream_server_config){
		.addr = ip_addr_from_bytes(record.address), .port = record.port, .weight = record.weight};
	if (!ip_addr_is_unicast(&out->addr) || record.port == 0 || record.weight > UPSTREAM_WEIGHT_MAX ||
		record.backup > 1 || record.drain > 1)
		return refuse(decoding->reason,
			"snapshot: backend '%s': a server's address, port, weight or use is impossible",
			backend);
	out->tally_idx = use_server_row(decoding, &record, backend);
	out->backup = record.backup != 0;
	out->drain = record.drain != 0;
	return true;
}

static struct upstream_pool_config pool_config(const struct snapshot_backend *record)
{
	struct upstream_pool_config config;

	upstream_pool_config_default(&config);
	config.balance = (enum upstream_balance)record->balance;
	config.connections_max = record->connections;
	config.slow_start_us = (uint64_t)record->slow_start_ms * MS;
	config.check_interval_us = record->check == SNAPSHOT_CHECK_TCP
					   ? (uint64_t)record->check_interval_ms * MS
					   : 0;
	config.check_interval_down_us = config.check_interval_us;
	config.rise = record->rise != 0 ? record->rise : config.rise;
	config.fall = record->fall != 0 ? record->fall : config.fall;
	return config;
}

// The source addresses, as many as the proxy spreads over.
static bool read_sources(struct decoding *decoding, const struct snapshot_backend *backend,
	struct proxy_backend *out, bool *out_given)
{
	struct snapshot_source source;
	struct span tail;

	out->n_locals = 0;
	*out_given = backend->n_sources != 0;
	for (uint32_t i = 0; i < backend->n_sources; i++) {
		if (!next(decoding, SNAPSHOT_SOURCE, &source, sizeof source, &tail))
			return false;
		if (i < PROXY_SOURCES_MAX)
			out->locals[out->n_locals++] = ip_addr_from_bytes(source.address);
	}
	return true;
}

static bool read_backend(struct decoding *decoding, uint32_t idx, struct proxy_backend *out)
{
	struct deployment_pool *pool = &decoding->deployment->pools[idx];
	struct snapshot_backend *record = &decoding->backends[idx];
	struct span tail;
	bool source_given;

	if (!next(decoding, SNAPSHOT_BACKEND, record, sizeof *record, &tail))
		return false;
	if (memchr(record->name, 0, sizeof record->name) == NULL || record->balance > SNAPSHOT_SOURCE_HASH ||
		record->proxy > SNAPSHOT_PROXY_V2)
		return refuse(decoding->reason, "snapshot: backend %u: a field is out of bounds", idx);
	if (record->n_servers == 0 || record->n_servers > UPSTREAM_SERVERS_MAX)
		return refuse(decoding->reason, "snapshot: backend '%s': %u servers; 1 to %d are possible",
			record->name, record->n_servers, UPSTREAM_SERVERS_MAX);
	pool->config = pool_config(record);
	pool->n_servers = record->n_servers;
	pool->servers = take(decoding, record->n_servers, sizeof *pool->servers);
	if (pool->servers == NULL)
		return refuse(decoding->reason, "snapshot: memory is short");
	for (uint32_t i = 0; i < record->n_servers; i++)
		if (!read_server(decoding, record->name, &pool->servers[i]))
			return false;
	out->name = keep_name(decoding, record->name);
	out->proxy_protocol = (enum proxy_protocol_version)record->proxy;
	if (!read_sources(decoding, record, out, &source_given))
		return false;
	if (!source_given && !choose_source(decoding->net, &pool->servers[0].addr, &out->locals[0]))
		return refuse(decoding->reason,
			"snapshot: backend '%s': no address of ours is of its servers' family", record->name);
	if (!source_given)
		out->n_locals = 1;
	return true;
}

static bool read_backends(struct decoding *decoding)
{
	struct deployment *deployment = decoding->deployment;
	const uint32_t n = decoding->head.n_backends;
	struct proxy_backend *backends = take(decoding, n + 1, sizeof *backends);

	deployment->pools = take(decoding, n + 1, sizeof *deployment->pools);
	decoding->backends = take(decoding, n + 1, sizeof *decoding->backends);
	deployment->server_rows = take(decoding, DEPLOYMENT_SERVERS_MAX, sizeof *deployment->server_rows);
	if (backends == NULL || deployment->pools == NULL || decoding->backends == NULL ||
		deployment->server_rows == NULL)
		return refuse(decoding->reason, "snapshot: memory is short");
	deployment->n_pools = n;
	deployment->proxy.backends = backends;
	deployment->proxy.n_backends = n;
	for (uint32_t i = 0; i < n; i++)
		if (!read_backend(decoding, i, &backends[i]))
			return false;
	return true;
}

// ---- listeners
// ------------------------------------------------------------------------------------------------------

static bool add_rule(struct decoding *decoding, uint32_t listener_idx, struct span host, struct span alpn,
	uint32_t backend)
{
	if (decoding->n_rules == decoding->rules_max)
		return refuse(decoding->reason, "snapshot: more routes than fit");
	if (backend >= decoding->head.n_backends)
		return refuse(decoding->reason,
			"snapshot: listener %u: a route to backend %u, which does not exist", listener_idx,
			backend);
	decoding->rules[decoding->n_rules++] = (struct routing_rule){
		.listener_idx = listener_idx, .host = host, .alpn = alpn, .backend_idx = backend};
	return true;
}

// "*.example.org" from the part behind the star, or the name as it is.
static struct span route_host(
	struct decoding *decoding, const struct snapshot_route_name *name, struct span tail)
{
	uint8_t *pattern;

	if (name->wildcard == 0)
		return keep(decoding, tail);
	pattern = take(decoding, tail.len + 2, 1);
	if (pattern == NULL)
		return span_of(NULL, 0);
	memcpy(pattern, "*.", 2);
	if (tail.len != 0)
		memcpy(pattern + 2, tail.data, tail.len);
	return span_of(pattern, tail.len + 2);
}

// The rules of one route: each of its names with each of its protocols, "any" where there are none.
static bool read_route(struct decoding *decoding, uint32_t listener_idx)
{
	struct snapshot_route route;
	struct snapshot_route_name name;
	struct snapshot_alpn alpn;
	struct span *hosts;
	struct span tail;

	if (!next(decoding, SNAPSHOT_ROUTE, &route, sizeof route, &tail))
		return false;
	if (route.n_names > RULES_PER_ROUTE_MAX || route.n_alpns > RULES_PER_ROUTE_MAX)
		return refuse(decoding->reason, "snapshot: listener %u: a route with too many conditions",
			listener_idx);
	hosts = take(decoding, route.n_names + 1, sizeof *hosts);
	if (hosts == NULL)
		return refuse(decoding->reason, "snapshot: memory is short");
	for (uint32_t i = 0; i < route.n_names; i++) {
		if (!next(decoding, SNAPSHOT_ROUTE_NAME, &name, sizeof name, &tail))
			return false;
		hosts[i] = route_host(decoding, &name, tail);
		if (route.n_alpns == 0 &&
			!add_rule(decoding, listener_idx, hosts[i], span_of(NULL, 0), route.backend_idx))
			return false;
	}
	for (uint32_t i = 0; i < route.n_alpns; i++) {
		struct span protocol;

		if (!next(decoding, SNAPSHOT_ROUTE_ALPN, &alpn, sizeof alpn, &tail))
			return false;
		protocol = keep(decoding, tail);
		for (uint32_t k = 0; k < (route.n_names != 0 ? route.n_names : 1); k++)
			if (!add_rule(decoding, listener_idx, hosts[k], protocol, route.backend_idx))
				return false;
	}
	return route.n_names != 0 || route.n_alpns != 0 ||
	       add_rule(decoding, listener_idx, span_of(NULL, 0), span_of(NULL, 0), route.backend_idx);
}

static bool read_alpns(struct decoding *decoding, uint32_t n, struct span *out_list)
{
	uint8_t *list = take(decoding, ALPN_LIST_MAX, 1);
	struct writer writer = writer_over(
		(struct mut_span){.data = list, .len = list != NULL ? ALPN_LIST_MAX : 0});
	struct snapshot_alpn alpn;
	struct span tail;

	for (uint32_t i = 0; i < n; i++) {
		if (!next(decoding, SNAPSHOT_ALPN, &alpn, sizeof alpn, &tail))
			return false;
		if (tail.len == 0 || tail.len > SNAPSHOT_ALPN_MAX)
			return refuse(decoding->reason, "snapshot: an ALPN protocol of %zu bytes", tail.len);
		writer_u8(&writer, (uint8_t)tail.len);
		writer_bytes(&writer, tail);
	}
	*out_list = writer_span(&writer);
	return writer_ok(&writer) ||
	       refuse(decoding->reason, "snapshot: ALPN protocols of more than %d bytes", ALPN_LIST_MAX);
}

static bool read_trusted(struct decoding *decoding, uint32_t n, struct proxy_listener *listener)
{
	struct ip_addr *prefixes = take(decoding, n + 1, sizeof *prefixes);
	uint8_t *lens = take(decoding, n + 1, sizeof *lens);
	struct snapshot_trusted trusted;
	struct span tail;

	if (prefixes == NULL || lens == NULL)
		return refuse(decoding->reason, "snapshot: memory is short");
	for (uint32_t i = 0; i < n; i++) {
		if (!next(decoding, SNAPSHOT_TRUSTED, &trusted, sizeof trusted, &tail))
			return false;
		prefixes[i] = ip_addr_from_bytes(trusted.prefix);
		if (trusted.prefix_len > (ip_addr_is_v4(&prefixes[i]) ? 32 : 128))
			return refuse(decoding->reason,
				"snapshot: a trusted network with a prefix of %u bits", trusted.prefix_len);
		lens[i] = (uint8_t)(trusted.prefix_len +
				    (ip_addr_is_v4(&prefixes[i]) ? IP_ADDR_V4_PREFIX_LEN : 0));
	}
	listener->accepts_proxy = n != 0;
	listener->trusted = prefixes;
	listener->trusted_lens = lens;
	listener->n_trusted = n;
	return true;
}

static void set_mail(
	struct decoding *decoding, const struct snapshot_listener *record, struct proxy_listener *listener)
{
	static const enum preamble_protocol protocols[] = {
		[SNAPSHOT_SMTP] = PREAMBLE_SMTP,
		[SNAPSHOT_IMAP] = PREAMBLE_IMAP,
		[SNAPSHOT_POP3] = PREAMBLE_POP3,
		[SNAPSHOT_MANAGESIEVE] = PREAMBLE_SIEVE,
	};
	struct preamble_config *preamble = &listener->preamble;

	preamble_config_default(preamble, protocols[record->protocol]);
	preamble->security = record->encrypt != 0 ? PREAMBLE_ENCRYPT : PREAMBLE_MAY;
	preamble->xclient = record->backend_idx != SNAPSHOT_NONE &&
			    decoding->backends[record->backend_idx].xclient != 0;
	if (record->mail_line_len != 0)
		preamble->line_max = record->mail_line_len;
	if (record->mail_commands != 0)
		preamble->n_commands_max = record->mail_commands;
	if (record->preamble_timeout_ms != 0)
		preamble->plaintext_timeout_us = (uint64_t)record->preamble_timeout_ms * MS;
}

static void set_timeouts(
	struct decoding *decoding, const struct snapshot_listener *record, struct listener_timeouts *out)
{
	listener_timeouts_default(out);
	if (record->handshake_timeout_ms != 0)
		out->handshake_us = (uint64_t)record->handshake_timeout_ms * MS;
	if (record->linger_timeout_ms != 0)
		out->linger_us = (uint64_t)record->linger_timeout_ms * MS;
	if (record->backend_idx == SNAPSHOT_NONE)
		return;
	out->connect_us = (uint64_t)decoding->backends[record->backend_idx].connect_timeout_ms * MS;
	out->idle_us = (uint64_t)decoding->backends[record->backend_idx].idle_timeout_ms * MS;
	out->total_us = decoding->backends[record->backend_idx].total_timeout_ms * MS;
}

// What all addresses of a listener share, apart from what the records behind it say.
static bool set_common(struct decoding *decoding, const struct snapshot_listener *record, uint32_t idx,
	struct proxy_listener *out)
{
	if (memchr(record->name, 0, sizeof record->name) == NULL || record->protocol > SNAPSHOT_MANAGESIEVE ||
		record->mail_tls > SNAPSHOT_BOTH || record->client_auth > SNAPSHOT_AUTH_REQUIRED)
		return refuse(decoding->reason, "snapshot: listener %u: a field is out of bounds", idx);
	if (record->backend_idx != SNAPSHOT_NONE && record->backend_idx >= decoding->head.n_backends)
		return refuse(decoding->reason, "snapshot: listener '%s': backend %u does not exist",
			record->name, record->backend_idx);
	*out = (struct proxy_listener){
		.name = keep_name(decoding, record->name),
		.log_handshakes = record->log_handshakes != 0,
		.log_connections = record->log_connections != 0,
		.route_idx = idx,
		.pool_idx = record->backend_idx,
		.reject_unknown_names = record->reject_unknown_name != 0,
		.redirect = {.port = record->redirect_port, .listener_idx = idx},
	};
	set_timeouts(decoding, record, &out->timeouts);
	switch ((enum snapshot_protocol)record->protocol) {
	case SNAPSHOT_TLS:
		out->protocol = LISTENER_TLS;
		return true;
	case SNAPSHOT_TCP:
		out->protocol = LISTENER_TCP;
		return true;
	case SNAPSHOT_HTTP_REDIRECT:
		out->protocol = LISTENER_HTTP_REDIRECT;
		return true;
	case SNAPSHOT_SMTP:
	case SNAPSHOT_IMAP:
	case SNAPSHOT_POP3:
	case SNAPSHOT_MANAGESIEVE:
		out->protocol = LISTENER_MAIL;
		set_mail(decoding, record, out);
		return true;
	}
	return refuse(
		decoding->reason, "snapshot: listener '%s': protocol %u", record->name, record->protocol);
}

static struct tls_server_config tls_config(
	const struct decoding *decoding, const struct snapshot_listener *record, struct span alpn)
{
	const struct snapshot_head *head = &decoding->head;
	struct tls_server_config config = {
		.client_auth = record->client_auth,
		.common =
			{
				.version_min = head->tls_min,
				.version_max = head->tls_max,
				.suites = tls_default_suites,
				.groups = tls_default_groups,
				.signatures = tls_default_signatures,
				.alpn = alpn,
			},
		.own_signatures = tls_default_signatures,
		.strict_names = record->reject_unknown_name != 0,
		.n_tickets = head->n_tickets,
		.tickets_12 = head->tls12_resumption != 0,
		.session_ids_12 = head->tls12_resumption != 0 && head->session_entries != 0,
		.ticket_lifetime_s = head->ticket_lifetime_s,
		.session_lifetime_12_s = head->tls12_lifetime_s,
	};

	return config;
}

// Whether TLS begins with the connection at this address of a mail listener.
static bool begins_with_tls(const struct snapshot_listener *record, const struct proxy_listener *listener)
{
	if (listener->protocol != LISTENER_MAIL)
		return false;
	if (record->mail_tls != SNAPSHOT_BOTH)
		return record->mail_tls == SNAPSHOT_IMPLICIT;
	return listener->port == preamble_implicit_port(listener->preamble.protocol);
}

// What a session was made under: it is resumed under nothing else.
static void set_policy_id(struct tls_server_config *config, struct span authorities, uint8_t depth)
{
	uint8_t policy[8 + HASH_MAX_LEN] = {
		CONNECTION_POLICY_SALT, config->client_auth, depth, (uint8_t)config->common.version_min};
	uint8_t digest[HASH_MAX_LEN];

	if (authorities.len != 0)
		hash_digest(HASH_SHA256, authorities, policy + 8);
	hash_digest(HASH_SHA256, span_of(policy, sizeof policy), digest);
	memcpy(config->policy_id, digest, sizeof config->policy_id);
}

static bool set_client_auth(struct decoding *decoding, const struct snapshot_listener *record,
	struct span authorities, struct tls_server_config *config)
{
	struct deployment *deployment = decoding->deployment;
	struct chain_anchors *anchors = &deployment->anchors[deployment->n_anchors];
	const char *why;

	if (record->ca_len > SNAPSHOT_CA_LEN_MAX || record->ca_len != authorities.len)
		return refuse(decoding->reason, "snapshot: listener '%s': the authorities' length is wrong",
			record->name);
	set_policy_id(config, authorities, record->client_auth_depth);
	if (record->client_auth == SNAPSHOT_AUTH_OFF)
		return true;
	if (!chain_anchors_init(anchors, authorities, record->client_auth_depth, &why))
		return refuse(decoding->reason, "snapshot: listener '%s': %s", record->name, why);
	deployment->n_anchors++;
	config->common.verifier = &anchors->base;
	config->authorities = span_of(anchors->names, anchors->names_len);
	return true;
}

static bool read_listener(struct decoding *decoding, uint32_t idx)
{
	struct deployment *deployment = decoding->deployment;
	const uint32_t first = decoding->n_listeners;
	struct snapshot_listener record;
	struct snapshot_address address;
	struct proxy_listener common;
	struct span alpn = {0};
	struct span authorities;
	struct span tail;

	if (!next(decoding, SNAPSHOT_LISTENER, &record, sizeof record, &authorities) ||
		!set_common(decoding, &record, idx, &common))
		return false;
	common.tally_idx = tally_page_use_listener(deployment->tallies, record.name);
	deployment->listener_rows[deployment->n_listener_rows++] = common.tally_idx;
	for (uint32_t i = 0; i < record.n_addresses; i++) {
		if (!next(decoding, SNAPSHOT_ADDRESS, &address, sizeof address, &tail))
			return false;
		if (decoding->n_listeners == DEPLOYMENT_LISTENERS_MAX)
			return refuse(decoding->reason,
				"snapshot: listeners: at most %d addresses are possible",
				DEPLOYMENT_LISTENERS_MAX);
		common.addr = ip_addr_from_bytes(address.address);
		common.port = address.port;
		common.preamble.implicit_tls = begins_with_tls(&record, &common);
		decoding->listeners[decoding->n_listeners++] = common;
	}
	if (!read_alpns(decoding, record.n_alpns, &alpn))
		return false;
	for (uint32_t i = 0; i < record.n_routes; i++)
		if (!read_route(decoding, idx))
			return false;
	if (record.backend_idx != SNAPSHOT_NONE &&
		!add_rule(decoding, idx, span_of(NULL, 0), span_of(NULL, 0), record.backend_idx))
		return false;
	if (!read_trusted(decoding, record.n_trusted, &common))
		return false;
	if (common.protocol == LISTENER_TLS || common.protocol == LISTENER_MAIL) {
		decoding->default_certificates[deployment->n_tls] = record.default_certificate;
		deployment->tls[deployment->n_tls] = tls_config(decoding, &record, alpn);
		if (!set_client_auth(decoding, &record, authorities, &deployment->tls[deployment->n_tls]))
			return false;
		common.tls = &deployment->tls[deployment->n_tls++];
	}
	for (uint32_t i = first; i < decoding->n_listeners; i++) {
		struct proxy_listener *listener = &decoding->listeners[i];

		listener->tls = common.tls;
		listener->accepts_proxy = common.accepts_proxy;
		listener->trusted = common.trusted;
		listener->trusted_lens = common.trusted_lens;
		listener->n_trusted = common.n_trusted;
	}
	return true;
}

static bool read_listeners(struct decoding *decoding)
{
	struct deployment *deployment = decoding->deployment;
	const uint32_t n = decoding->head.n_listeners;
	struct routing_table *routes = &deployment->proxy.routes;
	enum routing_fault fault;
	uint32_t bad;

	decoding->rules_max = (uint32_t)(reader_left(&decoding->reader) / 16) + n + 1;
	decoding->rules = take(decoding, decoding->rules_max, sizeof *decoding->rules);
	decoding->listeners = take(decoding, DEPLOYMENT_LISTENERS_MAX, sizeof *decoding->listeners);
	decoding->default_certificates = take(decoding, n + 1, sizeof *decoding->default_certificates);
	deployment->tls = take(decoding, n + 1, sizeof *deployment->tls);
	deployment->anchors = take(decoding, n + 1, sizeof *deployment->anchors);
	deployment->listener_rows = take(decoding, n + 1, sizeof *deployment->listener_rows);
	if (decoding->rules == NULL || decoding->listeners == NULL ||
		decoding->default_certificates == NULL || deployment->tls == NULL ||
		deployment->listener_rows == NULL || deployment->anchors == NULL)
		return refuse(decoding->reason, "snapshot: memory is short");
	for (uint32_t i = 0; i < n; i++)
		if (!read_listener(decoding, i))
			return false;
	deployment->proxy.listeners = decoding->listeners;
	deployment->proxy.n_listeners = decoding->n_listeners;
	fault = routing_build(routes, &deployment->arena, decoding->rules, decoding->n_rules, &bad);
	if (fault == ROUTING_OK)
		return true;
	return refuse(decoding->reason, "snapshot: listener %u: %s",
		fault == ROUTING_NO_MEMORY ? 0 : decoding->rules[bad].listener_idx,
		fault == ROUTING_NO_MEMORY ? "memory is short"
					   : "a route's name or protocol is wrong or there twice");
}

// ---- names and the end
// ----------------------------------------------------------------------------------------------

static bool use_credential(
	struct decoding *decoding, uint32_t id, const struct tls_certificate **out_certificate)
{
	struct deployment *deployment = decoding->deployment;
	struct credential *credential = credentials_find(decoding->credentials, id);

	if (credential == NULL)
		return refuse(decoding->reason, "snapshot: certificate %u has not arrived", id);
	credentials_use(credential);
	deployment->credentials[deployment->n_credentials++] = credential;
	*out_certificate = credential->certificate;
	return true;
}

static bool read_names(struct decoding *decoding)
{
	struct deployment *deployment = decoding->deployment;
	const uint32_t n = decoding->head.n_server_names;
	struct snapshot_server_name record;
	struct span tail;

	// Room for one default name at the end, and for the uses of defaults.
	decoding->names = take(decoding, n + 1, sizeof *decoding->names);
	deployment->credentials = take(decoding, n + deployment->n_tls + 1, sizeof *deployment->credentials);
	if (decoding->names == NULL || deployment->credentials == NULL)
		return refuse(decoding->reason, "snapshot: memory is short");
	for (uint32_t i = 0; i < n; i++) {
		if (!next(decoding, SNAPSHOT_SERVER_NAME, &record, sizeof record, &tail))
			return false;
		if (tail.len == 0 || tail.len > TLS_NAME_MAX)
			return refuse(decoding->reason, "snapshot: a server name of %zu bytes", tail.len);
		decoding->names[i].name = tail; // the index copies it
		if (!use_credential(decoding, record.certificate_id, &decoding->names[i].certificate))
			return false;
	}
	decoding->n_names = n;
	return true;
}

// The index of names with this certificate as the default; shared by listeners with the same one.
static const struct tls_names *make_index(struct decoding *decoding, uint32_t default_certificate)
{
	struct tls_name *names = decoding->names;
	uint32_t n = decoding->n_names;
	struct mut_span room;

	if (default_certificate != SNAPSHOT_NONE) {
		names[n].name = span_of(NULL, 0);
		if (!use_credential(decoding, default_certificate, &names[n].certificate))
			return NULL;
		n++;
	}
	room.len = tls_names_footprint(names, n);
	room.data = take(decoding, room.len, 1);
	if (room.data == NULL) {
		(void)refuse(decoding->reason, "snapshot: memory is short");
		return NULL;
	}
	return tls_names_build(room, names, n);
}

static bool finish_tls(struct decoding *decoding)
{
	struct deployment *deployment = decoding->deployment;

	for (uint32_t i = 0; i < deployment->n_tls; i++) {
		const char *why;

		for (uint32_t k = 0; k < i && deployment->tls[i].names == NULL; k++)
			if (decoding->default_certificates[k] == decoding->default_certificates[i])
				deployment->tls[i].names = deployment->tls[k].names;
		if (deployment->tls[i].names == NULL)
			deployment->tls[i].names = make_index(decoding, decoding->default_certificates[i]);
		if (deployment->tls[i].names == NULL) {
			if (decoding->reason[0] == '\0')
				(void)refuse(decoding->reason, "snapshot: the names can't be indexed");
			return false;
		}
		if (!tls_server_config_check(&deployment->tls[i], &why))
			return refuse(decoding->reason, "snapshot: TLS: %s", why);
	}
	return true;
}

static bool read_head(struct decoding *decoding)
{
	struct snapshot_head *head = &decoding->head;
	struct deployment *deployment = decoding->deployment;
	struct span tail;

	if (!next(decoding, SNAPSHOT_HEAD, head, sizeof *head, &tail))
		return false;
	if (head->version != SNAPSHOT_VERSION)
		return refuse(decoding->reason, "snapshot: version %u; this dataplane has %d", head->version,
			SNAPSHOT_VERSION);
	if (head->n_backends > DEPLOYMENT_BACKENDS_MAX || head->n_listeners > DEPLOYMENT_LISTENERS_MAX ||
		head->n_server_names > reader_left(&decoding->reader) / sizeof(struct snapshot_server_name))
		return refuse(decoding->reason,
			"snapshot: %u backends, %u listeners and %u names are more than are possible or "
			"there",
			head->n_backends, head->n_listeners, head->n_server_names);
	if (head->n_tickets > TLS_TICKETS_MAX)
		return refuse(decoding->reason, "snapshot: %u tickets; at most %d are issued",
			head->n_tickets, TLS_TICKETS_MAX);
	deployment->generation = head->generation;
	deployment->limits = (struct admission_limits){
		.connections = head->connections,
		.handshakes_per_second = head->handshakes_per_second,
		.handshakes_burst = head->handshakes_per_second,
		.source_connections = head->source_connections,
		.source_handshakes_per_second = head->source_handshakes_per_second,
		.source_handshakes_burst = head->source_handshakes_per_second,
	};
	return true;
}

static bool read_all(struct decoding *decoding)
{
	struct snapshot_end end;
	uint64_t n_before;
	struct span tail;

	if (!read_head(decoding) || !read_backends(decoding) || !read_listeners(decoding) ||
		!read_names(decoding))
		return false;
	n_before = decoding->n_records;
	if (!next(decoding, SNAPSHOT_END, &end, sizeof end, &tail))
		return false;
	if (end.n_records != n_before || reader_left(&decoding->reader) != 0)
		return refuse(decoding->reason, "snapshot: %llu records were announced, %llu came",
			(unsigned long long)end.n_records, (unsigned long long)n_before);
	return finish_tls(decoding);
}

// Enough for every table: they are at most a few times as large as the records that fill them, but for the
// fixed ones and one index of names per default certificate.
static size_t arena_len(struct span records)
{
	return (size_t)DEPLOYMENT_LISTENERS_MAX * sizeof(struct proxy_listener) +
	       (size_t)DEPLOYMENT_SERVERS_MAX * sizeof(uint32_t) + 24 * records.len + (4u << 20);
}

// What the arena does not hold.
static void drop_held(const struct deployment *deployment)
{
	for (uint32_t i = 0; i < deployment->n_anchors; i++)
		chain_anchors_destroy(&deployment->anchors[i]);
	for (uint32_t i = 0; i < deployment->n_listener_rows; i++)
		tally_page_drop_listener(deployment->tallies, deployment->listener_rows[i]);
	for (uint32_t i = 0; i < deployment->n_server_rows; i++)
		tally_page_drop_server(deployment->tallies, deployment->server_rows[i]);
}

struct deployment *deployment_decode(struct span records, struct credentials *credentials,
	const struct deployment_base *base, char reason[static IPC_REASON_MAX])
{
	struct decoding decoding = {.credentials = credentials,
		.net = base->net,
		.reader = reader_over(records),
		.reason = reason};
	struct arena arena;

	reason[0] = '\0';
	if (!arena_init(&arena, arena_len(records))) {
		(void)refuse(decoding.reason, "snapshot: no memory for it");
		return NULL;
	}
	decoding.deployment = arena_alloc(&arena, sizeof *decoding.deployment, 64);
	SLUICE_ASSERT(decoding.deployment != NULL);
	decoding.deployment->arena = arena;
	decoding.deployment->tallies = base->tallies;
	if (read_all(&decoding))
		return decoding.deployment;
	drop_held(decoding.deployment);
	// What arrived for a snapshot that was refused stays for the next one.
	for (uint32_t i = 0; i < decoding.deployment->n_credentials; i++)
		credentials_unuse(decoding.deployment->credentials[i]);
	arena = decoding.deployment->arena;
	arena_destroy(&arena);
	return NULL;
}

void deployment_free(struct deployment *deployment, struct credentials *credentials)
{
	struct arena arena;

	drop_held(deployment);
	for (uint32_t i = 0; i < deployment->n_credentials; i++)
		credentials_release(credentials, deployment->credentials[i]);
	arena = deployment->arena;
	arena_destroy(&arena);
}
