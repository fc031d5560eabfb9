// SPDX-License-Identifier: Apache-2.0
//
// Decoding goes through the records once, in the order that snapshot.h prescribes: the head says how many of
// what follow, the tables are taken from the deployment's arena, and each record fills its place. Indices and
// lengths are checked where they are read.
#include "deployment.h"

#include "base/assert.h"
#include "decoding.h"
#include "proxy/proxy.h"
#include "tls/names.h"

enum {
	ALPN_LIST_MAX = 1024,
	RULES_PER_ROUTE_MAX = 4096,
	MS = 1000, // microseconds
	CONNECTION_POLICY_SALT = 1,
	LANE_WAIT_MAX_US = 10000,
	PREFIX_FACTOR = 16, // an IPv6 /48 may do so many times what a /64 may
};

void *decoding_take(struct decoding *decoding, size_t n, size_t len)
{
	return arena_alloc(&decoding->deployment->arena, n * len, 64);
}

bool decoding_next(struct decoding *decoding, enum snapshot_record_type type, void *out_body, size_t body_len,
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
	uint8_t *copy = decoding_take(decoding, bytes.len + 1, 1);

	if (copy == NULL)
		return span_of(NULL, 0);
	if (bytes.len != 0)
		memcpy(copy, bytes.data, bytes.len);
	return span_of(copy, bytes.len);
}

const char *decoding_keep_name(struct decoding *decoding, const char *name)
{
	// The terminating zero is one more byte than keep copies, and memory of the arena is zero.
	return (const char *)keep(decoding, span_of_string(name)).data;
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
	decoding->rules[decoding->n_rules++] = (struct routing_rule){.listener_idx = listener_idx,
		.host = host,
		.alpn = alpn,
		.backend_idx = decoding->pool_idxs[backend]};
	return true;
}

// "*.example.org" from the part behind the star, or the name as it is.
static struct span route_host(
	struct decoding *decoding, const struct snapshot_route_name *name, struct span tail)
{
	uint8_t *pattern;

	if (name->wildcard == 0)
		return keep(decoding, tail);
	pattern = decoding_take(decoding, tail.len + 2, 1);
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

	if (!decoding_next(decoding, SNAPSHOT_ROUTE, &route, sizeof route, &tail))
		return false;
	if (route.n_names > RULES_PER_ROUTE_MAX || route.n_alpns > RULES_PER_ROUTE_MAX)
		return refuse(decoding->reason, "snapshot: listener %u: a route with too many conditions",
			listener_idx);
	hosts = decoding_take(decoding, route.n_names + 1, sizeof *hosts);
	if (hosts == NULL)
		return refuse(decoding->reason, "snapshot: memory is short");
	for (uint32_t i = 0; i < route.n_names; i++) {
		if (!decoding_next(decoding, SNAPSHOT_ROUTE_NAME, &name, sizeof name, &tail))
			return false;
		hosts[i] = route_host(decoding, &name, tail);
		if (route.n_alpns == 0 &&
			!add_rule(decoding, listener_idx, hosts[i], span_of(NULL, 0), route.backend_idx))
			return false;
	}
	for (uint32_t i = 0; i < route.n_alpns; i++) {
		struct span protocol;

		if (!decoding_next(decoding, SNAPSHOT_ROUTE_ALPN, &alpn, sizeof alpn, &tail))
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
	uint8_t *list = decoding_take(decoding, ALPN_LIST_MAX, 1);
	struct writer writer = writer_over(
		(struct mut_span){.data = list, .len = list != NULL ? ALPN_LIST_MAX : 0});
	struct snapshot_alpn alpn;
	struct span tail;

	for (uint32_t i = 0; i < n; i++) {
		if (!decoding_next(decoding, SNAPSHOT_ALPN, &alpn, sizeof alpn, &tail))
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
	struct ip_addr *prefixes = decoding_take(decoding, n + 1, sizeof *prefixes);
	uint8_t *lens = decoding_take(decoding, n + 1, sizeof *lens);
	struct snapshot_trusted trusted;
	struct span tail;

	if (prefixes == NULL || lens == NULL)
		return refuse(decoding->reason, "snapshot: memory is short");
	for (uint32_t i = 0; i < n; i++) {
		if (!decoding_next(decoding, SNAPSHOT_TRUSTED, &trusted, sizeof trusted, &tail))
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
	struct decoding *decoding, const struct snapshot_listener *record, struct listener_terms *terms)
{
	static const enum preamble_protocol protocols[] = {
		[SNAPSHOT_SMTP] = PREAMBLE_SMTP,
		[SNAPSHOT_IMAP] = PREAMBLE_IMAP,
		[SNAPSHOT_POP3] = PREAMBLE_POP3,
		[SNAPSHOT_MANAGESIEVE] = PREAMBLE_SIEVE,
	};
	struct preamble_config *preamble = &terms->preamble;

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
	struct proxy_listener *out, struct listener_terms *out_terms)
{
	if (memchr(record->name, 0, sizeof record->name) == NULL || record->protocol > SNAPSHOT_MANAGESIEVE ||
		record->mail_tls > SNAPSHOT_BOTH || record->client_auth > SNAPSHOT_AUTH_REQUIRED)
		return refuse(decoding->reason, "snapshot: listener %u: a field is out of bounds", idx);
	if (record->backend_idx != SNAPSHOT_NONE && record->backend_idx >= decoding->head.n_backends)
		return refuse(decoding->reason, "snapshot: listener '%s': backend %u does not exist",
			record->name, record->backend_idx);
	*out = (struct proxy_listener){
		.route_idx = idx,
		.pool_idx = record->backend_idx == SNAPSHOT_NONE ? POOL_NONE
								 : decoding->pool_idxs[record->backend_idx],
		.reject_unknown_names = record->reject_unknown_name != 0,
		.redirect = {.port = record->redirect_port,
			.status = record->redirect_status,
			.listener_idx = idx},
	};
	*out_terms = (struct listener_terms){
		.log_handshakes = record->log_handshakes != 0,
		.log_connections = record->log_connections != 0,
	};
	memcpy(out_terms->name, record->name, sizeof record->name);
	out_terms->limits = (struct listener_limits){
		.connections = record->connections, .handshakes_per_second = record->handshakes_per_second};
	set_timeouts(decoding, record, &out_terms->timeouts);
	switch ((enum snapshot_protocol)record->protocol) {
	case SNAPSHOT_TLS:
		out_terms->protocol = LISTENER_TLS;
		return true;
	case SNAPSHOT_TCP:
		out_terms->protocol = LISTENER_TCP;
		return true;
	case SNAPSHOT_HTTP_REDIRECT:
		out_terms->protocol = LISTENER_HTTP_REDIRECT;
		return true;
	case SNAPSHOT_SMTP:
	case SNAPSHOT_IMAP:
	case SNAPSHOT_POP3:
	case SNAPSHOT_MANAGESIEVE:
		out_terms->protocol = LISTENER_MAIL;
		set_mail(decoding, record, out_terms);
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
		.session_id_lifetime_12_s = head->session_lifetime_s,
	};

	return config;
}

// Whether TLS begins with the connection at this address of a mail listener.
static bool begins_with_tls(
	const struct snapshot_listener *record, const struct listener_terms *terms, uint16_t port)
{
	if (terms->protocol != LISTENER_MAIL)
		return false;
	if (record->mail_tls != SNAPSHOT_BOTH)
		return record->mail_tls == SNAPSHOT_IMPLICIT;
	return port == preamble_implicit_port(terms->preamble.protocol);
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

// One address of a listener.
static bool read_address(struct decoding *decoding, const struct snapshot_listener *record,
	struct proxy_listener *common, struct listener_terms *terms)
{
	struct deployment *deployment = decoding->deployment;
	struct snapshot_address address;
	struct span tail;

	if (!decoding_next(decoding, SNAPSHOT_ADDRESS, &address, sizeof address, &tail))
		return false;
	if (decoding->n_listeners == DEPLOYMENT_LISTENERS_MAX)
		return refuse(decoding->reason, "snapshot: listeners: at most %d addresses are possible",
			DEPLOYMENT_LISTENERS_MAX);
	terms->preamble.implicit_tls = begins_with_tls(record, terms, address.port);
	if (common->pool_idx == POOL_NONE &&
		(terms->protocol == LISTENER_TCP ||
			(terms->protocol == LISTENER_MAIL && !terms->preamble.implicit_tls)))
		return refuse(decoding->reason,
			"snapshot: listener '%s': it dials before a name is known, and has no backend",
			record->name);
	common->addr = ip_addr_from_bytes(address.address);
	common->port = address.port;
	common->terms = terms_use_listener(decoding->terms, terms);
	if (common->terms == NULL)
		return refuse(decoding->reason,
			"snapshot: listener '%s': connections still live under too many earlier settings",
			record->name);
	deployment->listener_terms[deployment->n_listener_terms++] = common->terms;
	decoding->listeners[decoding->n_listeners++] = *common;
	return true;
}

static bool read_listener(struct decoding *decoding, uint32_t idx)
{
	struct deployment *deployment = decoding->deployment;
	const uint32_t first = decoding->n_listeners;
	struct snapshot_listener record;
	struct listener_terms terms;
	struct proxy_listener common;
	struct span alpn = {0};
	struct span authorities;

	if (!decoding_next(decoding, SNAPSHOT_LISTENER, &record, sizeof record, &authorities) ||
		!set_common(decoding, &record, idx, &common, &terms))
		return false;
	for (uint32_t i = 0; i < record.n_addresses; i++)
		if (!read_address(decoding, &record, &common, &terms))
			return false;
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
	if (terms.protocol == LISTENER_TLS || terms.protocol == LISTENER_MAIL) {
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
	decoding->rules = decoding_take(decoding, decoding->rules_max, sizeof *decoding->rules);
	decoding->listeners = decoding_take(decoding, DEPLOYMENT_LISTENERS_MAX, sizeof *decoding->listeners);
	decoding->default_certificates = decoding_take(
		decoding, n + 1, sizeof *decoding->default_certificates);
	deployment->tls = decoding_take(decoding, n + 1, sizeof *deployment->tls);
	deployment->anchors = decoding_take(decoding, n + 1, sizeof *deployment->anchors);
	deployment->listener_terms = decoding_take(
		decoding, DEPLOYMENT_LISTENERS_MAX, sizeof *deployment->listener_terms);
	if (decoding->rules == NULL || decoding->listeners == NULL ||
		decoding->default_certificates == NULL || deployment->tls == NULL ||
		deployment->listener_terms == NULL || deployment->anchors == NULL)
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
	decoding->names = decoding_take(decoding, n + 1, sizeof *decoding->names);
	deployment->credentials = decoding_take(
		decoding, n + deployment->n_tls + 1, sizeof *deployment->credentials);
	if (decoding->names == NULL || deployment->credentials == NULL)
		return refuse(decoding->reason, "snapshot: memory is short");
	for (uint32_t i = 0; i < n; i++) {
		if (!decoding_next(decoding, SNAPSHOT_SERVER_NAME, &record, sizeof record, &tail))
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
	room.data = decoding_take(decoding, room.len, 1);
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

	if (!decoding_next(decoding, SNAPSHOT_HEAD, head, sizeof *head, &tail))
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
	if (head->lane_wait_us > LANE_WAIT_MAX_US)
		return refuse(decoding->reason, "snapshot: operations wait %u us for company; at most %d",
			head->lane_wait_us, LANE_WAIT_MAX_US);
	deployment->generation = head->generation;
	deployment->lane_wait_us = head->lane_wait_us;
	deployment->prepared_signatures = head->prepared_signatures != 0;
	deployment->limits = (struct admission_limits){
		.connections = head->connections,
		.handshakes_per_second = head->handshakes_per_second,
		.handshakes_burst = head->handshakes_per_second,
		.source_connections = head->source_connections,
		.source_handshakes_per_second = head->source_handshakes_per_second,
		.source_handshakes_burst = head->source_handshakes_per_second,
		.prefix_factor = PREFIX_FACTOR,
	};
	return true;
}

static bool read_all(struct decoding *decoding)
{
	struct snapshot_end end;
	uint64_t n_before;
	struct span tail;

	if (!read_head(decoding) || !decoding_read_backends(decoding) || !read_listeners(decoding) ||
		!read_names(decoding))
		return false;
	n_before = decoding->n_records;
	if (!decoding_next(decoding, SNAPSHOT_END, &end, sizeof end, &tail))
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
	for (uint32_t i = 0; i < deployment->n_listener_terms; i++)
		terms_drop_listener(deployment->terms, deployment->listener_terms[i]);
	for (uint32_t i = 0; i < deployment->n_server_terms; i++)
		terms_drop_server(deployment->terms, deployment->server_terms[i]);
	for (uint32_t i = 0; i < deployment->n_pools; i++)
		terms_drop_backend(deployment->terms, deployment->pools[i].idx);
}

struct deployment *deployment_decode(struct span records, struct credentials *credentials,
	const struct deployment_base *base, char reason[static IPC_REASON_MAX])
{
	struct decoding decoding = {.credentials = credentials,
		.net = base->net,
		.terms = base->terms,
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
	decoding.deployment->terms = base->terms;
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
