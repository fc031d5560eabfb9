// SPDX-License-Identifier: Apache-2.0
#include "publish.h"

#include "ipc.h"
#include "snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void add_record(struct text *records, unsigned type, const void *body, size_t len)
{
	const struct ipc_record_header header = {.type = (uint16_t)type, .len = (uint32_t)len};

	text_append(records, (const char *)&header, sizeof header);
	text_append(records, body, len);
}

// A record of a snapshot: body, tail, and zeros up to the next multiple of 8.
static void add_tailed(struct text *records, unsigned type, const void *body, size_t body_len,
	const void *tail, size_t tail_len)
{
	static const char zeros[SNAPSHOT_ALIGN];
	const struct ipc_record_header header = {
		.type = (uint16_t)type, .len = (uint32_t)(body_len + tail_len)};

	text_append(records, (const char *)&header, sizeof header);
	text_append(records, body, body_len);
	text_append(records, tail, tail_len);
	text_append(records, zeros, (SNAPSHOT_ALIGN - records->len % SNAPSHOT_ALIGN) % SNAPSHOT_ALIGN);
}

#define ADD(records, type, body) add_tailed(records, type, &(body), sizeof(body), NULL, 0)
#define ADD_TAILED(records, type, body, tail, tail_len) \
	add_tailed(records, type, &(body), sizeof(body), tail, tail_len)

static void copy_name(char *field, size_t width, const char *name)
{
	(void)snprintf(field, width, "%s", name);
}

// ---- START ---------------------------------------------------------------------------------------------

static void add_port(struct text *records, const struct config_port *port)
{
	struct ipc_port record = {.mtu = (uint16_t)port->mtu, .vlan = (uint16_t)port->vlan};

	copy_name(record.name, sizeof record.name, port->name);
	copy_name(record.device, sizeof record.device, port->device);
	add_record(records, IPC_RECORD_PORT, &record, sizeof record);
}

static void add_addresses(struct text *records, const struct config_port *port, uint16_t port_idx)
{
	for (size_t i = 0; i < port->n_addresses; i++) {
		struct ipc_address record = {.port_idx = port_idx, .prefix_len = port->addresses[i].len};

		memcpy(record.address, port->addresses[i].address.bytes, sizeof record.address);
		add_record(records, IPC_RECORD_ADDRESS, &record, sizeof record);
	}
}

static void add_route(
	struct text *records, const struct prefix *to, const struct address *via, uint16_t port_idx)
{
	struct ipc_route record = {.port_idx = port_idx, .prefix_len = to->len};

	memcpy(record.prefix, to->address.bytes, sizeof record.prefix);
	memcpy(record.gateway, via->bytes, sizeof record.gateway);
	add_record(records, IPC_RECORD_ROUTE, &record, sizeof record);
}

static void add_routes(struct text *records, const struct config_port *port, uint16_t port_idx)
{
	for (size_t i = 0; i < port->n_gateways; i++) {
		const struct prefix of_gateway = {.address = port->gateways[i], .len = 0};
		const struct prefix everything = {.address = prefix_network(&of_gateway), .len = 0};

		add_route(records, &everything, &port->gateways[i], port_idx);
	}
	for (size_t i = 0; i < port->n_routes; i++)
		add_route(records, &port->routes[i].to, &port->routes[i].via, port_idx);
}

void publish_start(const struct config *config, struct text *out_records)
{
	const struct config_dataplane *dataplane = &config->dataplane;
	// Tables have the sizes of the configuration, not of what an operator allows at the moment.
	struct ipc_dataplane record = {.memory_len = dataplane->memory,
		.n_workers = (uint32_t)dataplane->n_workers,
		.poll = (uint8_t)dataplane->poll,
		.huge_pages = (uint8_t)dataplane->huge_pages,
		.n_connections = (uint32_t)config->configured_limits.connections};

	// The check of the configuration found it; should it be gone by now, the dataplane refuses the
	// record.
	if (!config_dataplane_user(config, &record.user_id, &record.group_id))
		record.user_id = record.group_id = UINT32_MAX;
	copy_name(record.name, sizeof record.name, dataplane->name);
	for (size_t i = 0; i < dataplane->n_workers; i++)
		record.cores[i] = (uint16_t)dataplane->workers[i];
	add_record(out_records, IPC_RECORD_DATAPLANE, &record, sizeof record);
	for (size_t i = 0; i < dataplane->n_ports; i++)
		add_port(out_records, &dataplane->ports[i]);
	for (size_t i = 0; i < dataplane->n_ports; i++)
		add_addresses(out_records, &dataplane->ports[i], (uint16_t)i);
	for (size_t i = 0; i < dataplane->n_ports; i++)
		add_routes(out_records, &dataplane->ports[i], (uint16_t)i);
}

// ---- Snapshot ------------------------------------------------------------------------------------------

static uint32_t milliseconds(uint64_t us)
{
	return us / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(us / 1000);
}

static uint32_t seconds(uint64_t us)
{
	return (uint32_t)(us / 1000000);
}

// A listener that is out of use has no addresses there; its connections keep the snapshot that they began
// with.
static uint32_t n_listeners_in_use(const struct config *config)
{
	uint32_t n = 0;

	for (size_t i = 0; i < config->n_listeners; i++)
		n += config->listeners[i].use == CONFIG_USE_ENABLED;
	return n;
}

static void add_head(
	struct text *records, const struct config *config, const struct cert_set *certs, uint64_t generation)
{
	const struct config_limits *limits = &config->limits;
	const struct config_tls *tls = &config->tls;
	struct snapshot_head head = {.version = SNAPSHOT_VERSION,
		.n_backends = (uint32_t)config->n_backends,
		.generation = generation,
		.n_listeners = n_listeners_in_use(config),
		.n_server_names = (uint32_t)certs->n_names,
		.connections = (uint32_t)limits->connections,
		.handshakes_per_second = (uint32_t)limits->handshakes_per_second,
		.source_connections = (uint32_t)limits->per_source.connections,
		.source_handshakes_per_second = (uint32_t)limits->per_source.handshakes_per_second,
		.connection_memory = (uint32_t)limits->connection_memory,
		.lane_wait_us = (uint32_t)tls->lane_wait,
		.ticket_lifetime_s = seconds(tls->tickets.lifetime),
		.tls12_lifetime_s = seconds(tls->tls12_lifetime),
		.session_entries = (uint32_t)tls->session_cache.entries,
		.session_lifetime_s = seconds(tls->session_cache.lifetime),
		.tls_min = tls->min_version == CONFIG_TLS_1_2 ? 0x0303 : 0x0304,
		.tls_max = tls->max_version == CONFIG_TLS_1_2 ? 0x0303 : 0x0304,
		.n_tickets = (uint8_t)tls->tickets.count,
		.prepared_signatures = tls->prepared_signatures,
		.tls12_resumption = tls->tls12_resumption};

	ADD(records, SNAPSHOT_HEAD, head);
}

static void add_servers(struct text *records, const struct config_backend *backend)
{
	for (size_t i = 0; i < backend->n_servers; i++) {
		const struct config_server *server = &backend->servers[i];
		struct snapshot_server record = {.port = server->address.port,
			.weight = (uint16_t)server->weight,
			.connections = (uint32_t)server->connections,
			.backup = server->backup,
			.drain = server->use != CONFIG_USE_ENABLED};

		copy_name(record.name, sizeof record.name, server->name);
		memcpy(record.address, server->address.address.bytes, sizeof record.address);
		ADD(records, SNAPSHOT_SERVER, record);
	}
	for (size_t i = 0; i < backend->n_source_addresses; i++) {
		struct snapshot_source record;

		memcpy(record.address, backend->source_addresses[i].bytes, sizeof record.address);
		ADD(records, SNAPSHOT_SOURCE, record);
	}
}

static void add_backend(struct text *records, const struct config_backend *backend)
{
	struct snapshot_backend record = {.n_servers = (uint32_t)backend->n_servers,
		.n_sources = (uint32_t)backend->n_source_addresses,
		.connections = (uint32_t)backend->connections,
		.connect_timeout_ms = milliseconds(backend->timeouts.connect),
		.idle_timeout_ms = milliseconds(backend->timeouts.idle),
		.check_interval_ms = milliseconds(backend->check.interval),
		.check_timeout_ms = milliseconds(backend->check.timeout),
		.slow_start_ms = milliseconds(backend->slow_start),
		.total_timeout_ms = backend->timeouts.total / 1000,
		.balance = (uint8_t)backend->balance,
		.proxy = (uint8_t)backend->proxy_protocol,
		.xclient = backend->xclient,
		.check = (uint8_t)backend->check.type,
		.rise = (uint8_t)backend->check.rise,
		.fall = (uint8_t)backend->check.fall,
		.retries = (uint8_t)backend->retries};

	copy_name(record.name, sizeof record.name, backend->name);
	ADD(records, SNAPSHOT_BACKEND, record);
	add_servers(records, backend);
}

static void add_alpns(struct text *records, unsigned type, const char *const *alpn, size_t n_alpn)
{
	for (size_t i = 0; i < n_alpn; i++) {
		const struct snapshot_alpn record = {.len = (uint32_t)strlen(alpn[i])};

		ADD_TAILED(records, type, record, alpn[i], record.len);
	}
}

static void add_listener_routes(struct text *records, const struct config_listener *listener)
{
	for (size_t i = 0; i < listener->n_routes; i++) {
		const struct config_listener_route *route = &listener->routes[i];
		const struct snapshot_route record = {.backend_idx = (uint32_t)route->backend_idx,
			.n_names = (uint32_t)route->n_server_names,
			.n_alpns = (uint32_t)route->n_alpn};

		ADD(records, SNAPSHOT_ROUTE, record);
		for (size_t j = 0; j < route->n_server_names; j++) {
			const bool wildcard = strncmp(route->server_names[j], "*.", 2) == 0;
			const char *name = route->server_names[j] + (wildcard ? 2 : 0);
			const struct snapshot_route_name name_record = {
				.len = (uint16_t)strlen(name), .wildcard = wildcard};

			ADD_TAILED(records, SNAPSHOT_ROUTE_NAME, name_record, name, name_record.len);
		}
		add_alpns(records, SNAPSHOT_ROUTE_ALPN, route->alpn, route->n_alpn);
	}
}

static void add_trusted(struct text *records, const struct config_listener *listener)
{
	for (size_t i = 0; i < listener->n_accept_proxy_from; i++) {
		const struct address network = prefix_network(&listener->accept_proxy_from[i]);
		struct snapshot_trusted record = {.prefix_len = listener->accept_proxy_from[i].len};

		memcpy(record.prefix, network.bytes, sizeof record.prefix);
		ADD(records, SNAPSHOT_TRUSTED, record);
	}
}

// The certificate that a listener falls back to: the one that it names, or the first.
static uint32_t default_certificate(const struct config_listener *listener, const struct cert_set *certs)
{
	const struct cert *cert = listener->certificate != NULL ? cert_set_find(certs, listener->certificate)
								: NULL;

	if (listener->protocol == CONFIG_PROTOCOL_TCP || listener->protocol == CONFIG_PROTOCOL_HTTP_REDIRECT)
		return SNAPSHOT_NONE;
	if (cert == NULL && certs->n_certs != 0)
		cert = certs->certs[0];
	return cert != NULL ? cert->id : SNAPSHOT_NONE;
}

static struct snapshot_listener listener_record(const struct config_listener *listener)
{
	return (struct snapshot_listener){.n_addresses = (uint32_t)listener->n_addresses,
		.n_alpns = (uint32_t)listener->n_alpn,
		.n_routes = (uint32_t)listener->n_routes,
		.n_trusted = (uint32_t)listener->n_accept_proxy_from,
		.backend_idx = listener->backend_idx == CONFIG_NO_BACKEND ? SNAPSHOT_NONE
									  : (uint32_t)listener->backend_idx,
		.connections = (uint32_t)listener->limits.connections,
		.handshakes_per_second = (uint32_t)listener->limits.handshakes_per_second,
		.handshake_timeout_ms = milliseconds(listener->timeouts.handshake),
		.preamble_timeout_ms = milliseconds(listener->timeouts.preamble),
		.linger_timeout_ms = milliseconds(listener->timeouts.linger),
		.mail_line_len = (uint32_t)listener->mail.line_length,
		.mail_commands = (uint32_t)listener->mail.commands,
		.redirect_port = (uint16_t)listener->redirect.port,
		.redirect_status = (uint16_t)listener->redirect.status,
		.protocol = (uint8_t)listener->protocol,
		.mail_tls = listener->tls >= 0 ? (uint8_t)listener->tls : 0,
		.encrypt = listener->security == CONFIG_SECURITY_ENCRYPT,
		.reject_unknown_name = listener->reject_unknown_sni,
		.client_auth = (uint8_t)listener->client_auth.mode,
		.client_auth_depth = (uint8_t)listener->client_auth.depth,
		.log_handshakes = listener->log_handshakes,
		.log_connections = listener->log_handshakes};
}

static void add_listener(struct text *records, const struct config_listener *listener,
	const struct cert_set *certs, size_t idx)
{
	struct snapshot_listener record = listener_record(listener);
	const struct span authorities = idx < certs->n_authorities ? certs->authorities[idx]
								   : span_of(NULL, 0);

	copy_name(record.name, sizeof record.name, listener->name);
	record.default_certificate = default_certificate(listener, certs);
	record.ca_len = (uint32_t)authorities.len;
	ADD_TAILED(records, SNAPSHOT_LISTENER, record, authorities.data, authorities.len);
	for (size_t i = 0; i < listener->n_addresses; i++) {
		struct snapshot_address address = {.port = listener->addresses[i].port};

		memcpy(address.address, listener->addresses[i].address.bytes, sizeof address.address);
		ADD(records, SNAPSHOT_ADDRESS, address);
	}
	add_alpns(records, SNAPSHOT_ALPN, listener->alpn, listener->n_alpn);
	add_listener_routes(records, listener);
	add_trusted(records, listener);
}

static uint64_t count_records(const struct text *records)
{
	struct ipc_record_header header;
	uint64_t n = 0;

	for (size_t offset = 0; offset < records->len; n++) {
		memcpy(&header, records->data + offset, sizeof header);
		offset += sizeof header + header.len;
		offset = (offset + SNAPSHOT_ALIGN - 1) / SNAPSHOT_ALIGN * SNAPSHOT_ALIGN;
	}
	return n;
}

void publish_snapshot(const struct config *config, const struct cert_set *certs, uint64_t generation,
	struct text *out_records)
{
	struct snapshot_end end;

	add_head(out_records, config, certs, generation);
	for (size_t i = 0; i < config->n_backends; i++)
		add_backend(out_records, &config->backends[i]);
	for (size_t i = 0; i < config->n_listeners; i++)
		if (config->listeners[i].use == CONFIG_USE_ENABLED)
			add_listener(out_records, &config->listeners[i], certs, i);
	for (size_t i = 0; i < certs->n_names; i++) {
		const struct cert_name *name = &certs->names[i];
		const struct snapshot_server_name record = {
			.certificate_id = certs->certs[name->cert_idx]->id,
			.len = (uint16_t)strlen(name->name)};

		ADD_TAILED(out_records, SNAPSHOT_SERVER_NAME, record, name->name, record.len);
	}
	end.n_records = count_records(out_records);
	ADD(out_records, SNAPSHOT_END, end);
}

void publish_certificate(const struct cert *cert, struct text *out_records)
{
	struct snapshot_certificate record = {.id = cert->id,
		.n_certificates = (uint32_t)cert->n_certificates,
		.staple_len = (uint32_t)cert->staple.len,
		.scts_len = (uint32_t)cert->scts.len,
		.not_after = cert_leaf(cert)->not_after,
		.staple_next_update = cert->staple_next_update};
	struct text tail = {0};

	for (size_t i = 0; i < cert->n_certificates; i++) {
		record.lens[i] = (uint32_t)cert->certificates[i].der.len;
		text_append(
			&tail, (const char *)cert->certificates[i].der.data, cert->certificates[i].der.len);
	}
	text_append(&tail, (const char *)cert->staple.data, cert->staple.len);
	text_append(&tail, (const char *)cert->scts.data, cert->scts.len);
	ADD_TAILED(out_records, SNAPSHOT_CERTIFICATE, record, tail.data, tail.len);
	text_free(&tail);
}

// ---- Memfds --------------------------------------------------------------------------------------------

int publish_memfd(const char *name, const struct text *content)
{
	const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t written = 0;

	while (fd >= 0 && written < content->len) {
		const ssize_t n = write(fd, content->data + written, content->len - written);

		if (n <= 0)
			break;
		written += (size_t)n;
	}
	if (fd >= 0 && written == content->len &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static struct publish_secret open_secret(const char *name, size_t len)
{
	struct publish_secret secret = {
		.fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), .len = len};
	void *mapping = MAP_FAILED;

	if (secret.fd >= 0 && ftruncate(secret.fd, (off_t)len) == 0)
		mapping = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, secret.fd, 0);
	if (mapping == MAP_FAILED) {
		if (secret.fd >= 0)
			(void)close(secret.fd);
		return (struct publish_secret){.fd = -1};
	}
	(void)mlock(mapping, len); // pages of a memfd can be swapped unless somebody holds them
	(void)madvise(mapping, len, MADV_DONTDUMP);
	secret.mapping = mapping;
	(void)fcntl(secret.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return secret;
}

void publish_secret_end(struct publish_secret *secret)
{
	if (secret->fd < 0)
		return;
	(void)munmap(secret->mapping, secret->len);
	(void)close(secret->fd);
	secret->fd = -1;
}

static size_t padded(size_t len)
{
	return (len + SNAPSHOT_ALIGN - 1) / SNAPSHOT_ALIGN * SNAPSHOT_ALIGN;
}

// Writes a record straight into the secret mapping; returns what comes after it.
static uint8_t *place_record(
	uint8_t *at, unsigned type, const void *body, size_t body_len, const void *tail, size_t tail_len)
{
	const struct ipc_record_header header = {
		.type = (uint16_t)type, .len = (uint32_t)(body_len + tail_len)};

	memcpy(at, &header, sizeof header);
	memcpy(at + sizeof header, body, body_len);
	if (tail_len != 0)
		memcpy(at + sizeof header + body_len, tail, tail_len);
	return at + padded(sizeof header + body_len + tail_len);
}

struct publish_secret publish_private_keys(struct cert *const *certs, size_t n_certs)
{
	const size_t head_len = sizeof(struct ipc_record_header) + sizeof(struct snapshot_private_key);
	struct publish_secret secret;
	size_t len = 0;
	uint8_t *at;

	for (size_t i = 0; i < n_certs; i++)
		len += padded(head_len + certs[i]->key->len);
	secret = open_secret("sluice-keys", len != 0 ? len : 1);
	at = secret.mapping;
	for (size_t i = 0; i < n_certs && secret.fd >= 0; i++) {
		const struct key *key = certs[i]->key;
		const struct snapshot_private_key record = {.certificate_id = certs[i]->id,
			.len = key->len,
			.bits = key->bits,
			.type = (uint8_t)key->type};

		at = place_record(
			at, SNAPSHOT_PRIVATE_KEY, &record, sizeof record, key->components, key->len);
	}
	return secret;
}

struct publish_secret publish_ticket_keys(const struct ticket_keys *keys)
{
	const size_t record_len = padded(
		sizeof(struct ipc_record_header) + sizeof(struct snapshot_ticket_key));
	struct publish_secret secret = open_secret("sluice-tickets", N_TICKET_KEYS * record_len);
	uint8_t *at = secret.mapping;

	for (size_t i = 0; i < N_TICKET_KEYS && secret.fd >= 0; i++) {
		struct snapshot_ticket_key *record = (void *)(at + sizeof(struct ipc_record_header));
		const struct snapshot_ticket_key empty = {.role = (uint8_t)i, .valid = keys->keys[i].valid};

		at = place_record(at, SNAPSHOT_TICKET_KEY, &empty, sizeof empty, NULL, 0);
		if (!keys->keys[i].valid)
			continue;
		memcpy(record->name, keys->keys[i].name, sizeof record->name);
		memcpy(record->key, keys->keys[i].key, sizeof record->key);
		record->made_s = keys->keys[i].made_s;
		record->in_role_s = keys->keys[i].in_role_s;
	}
	return secret;
}
