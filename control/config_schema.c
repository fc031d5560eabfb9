// SPDX-License-Identifier: Apache-2.0
#include "config_schema.h"

#include "base/assert.h"
#include "config.h"

#include <string.h>

#define US       UINT64_C(1)
#define MS       (1000 * US)
#define SECOND   (1000 * MS)
#define MINUTE   (60 * SECOND)
#define HOUR     (60 * MINUTE)
#define DAY      (24 * HOUR)
#define MIB      (UINT64_C(1) << 20)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define KEY(struct_name, field, key_name, key_type, ...) \
	{ \
		.name = key_name, .type = CONFIG_TYPE_##key_type, \
		.offset = offsetof(struct config_##struct_name, field), __VA_ARGS__ \
	}
#define SCHEMA(struct_name, what, ...) \
	static const struct config_schema schema_##struct_name = {.name = what, \
		.size = sizeof(struct config_##struct_name), \
		.keys = keys_##struct_name, \
		.n_keys = COUNT(keys_##struct_name), \
		__VA_ARGS__}

static const struct config_key keys_route[] = {
	KEY(route, to, "to", PREFIX, .required = true, .help = "The network that the route leads to."),
	KEY(route, via, "via", ADDRESS, .required = true,
		.help = "The next hop, a neighbour on one of the port's networks."),
};
SCHEMA(route, "a route");

static const struct config_key keys_port[] = {
	KEY(port, name, "name", NAME, .required = true,
		.help = "How other settings and answers call the port."),
	KEY(port, device, "device", STRING, .required = true,
		.help = "A PCI address, or a DPDK virtual device with its arguments."),
	KEY(port, mtu, "mtu", NUMBER, .min = 1280, .max = 9600, .fallback = "1500",
		.help = "Largest IP packet, in bytes."),
	KEY(port, vlan, "vlan", NUMBER, .min = 0, .max = 4094, .fallback = "0",
		.help = "The 802.1Q tag of all traffic of the port; 0 means untagged."),
	KEY(port, addresses, "addresses", PREFIX, .shape = CONFIG_LIST, .min = 1, .max = 1024,
		.required = true,
		.help = "The port's own addresses, each with the length of its network's prefix."),
	KEY(port, gateways, "gateways", ADDRESS, .shape = CONFIG_LIST, .max = 2,
		.help = "Next hop of the default route, one for IPv4 and one for IPv6."),
	KEY(port, routes, "routes", MAPPING, .shape = CONFIG_LIST, .max = 1024, .child = &schema_route,
		.help = "Further routes."),
};
SCHEMA(port, "a port");

static const struct config_key keys_dataplane[] = {
	KEY(dataplane, name, "name", NAME, .fallback = "sluice",
		.help = "Tells this dataplane from others on the same machine."),
	KEY(dataplane, workers, "workers", NUMBER, .shape = CONFIG_LIST, .min = 0, .max = 64, .fallback = "1",
		.help = "CPU cores, one worker on each. Needs a restart of the dataplane."),
	KEY(dataplane, memory, "memory", SIZE, .min = 32 * MIB, .max = UINT64_C(1) << 40, .fallback = "1G",
		.help = "Packet memory of all workers together. Needs a restart of the dataplane."),
	KEY(dataplane, poll, "poll", WORD, .words = WORDS("adaptive", "busy"), .fallback = "adaptive",
		.help = "Whether a worker with nothing to do sleeps or spins. Needs a restart of the "
			"dataplane."),
	KEY(dataplane, huge_pages, "huge-pages", WORD, .words = WORDS("never", "prefer"),
		.fallback = "prefer",
		.help = "Whether packet memory is taken from huge pages when enough of them are free. Needs "
			"a restart "
			"of the dataplane."),
	KEY(dataplane, start, "start", WORD, .words = WORDS("auto", "never"), .fallback = "auto",
		.help = "Whether sluice-control starts a dataplane when none answers, and again when it "
			"died. "
			"Under systemd the dataplane is a unit of its own, and sluice-control is told "
			"--attach."),
	KEY(dataplane, socket, "socket", PATH, .fallback = "/run/sluice/dataplane.sock",
		.help = "The control link."),
	KEY(dataplane, program, "program", PATH, .fallback = "/usr/sbin/sluice-dataplane",
		.help = "What is started when no dataplane answers."),
	KEY(dataplane, user, "user", STRING,
		.help = "The user, by name, that every thread of the dataplane runs as once its ports are "
			"open. "
			"By default sluice-dataplane, or nobody where that does not exist. With root only "
			"the capabilities are given up. Needs a restart of the dataplane."),
	KEY(dataplane, ports, "ports", MAPPING, .shape = CONFIG_LIST, .min = 1, .max = 16, .required = true,
		.child = &schema_port, .help = "Network ports. Need a restart of the dataplane."),
};
SCHEMA(dataplane, "the dataplane");

static const struct config_key keys_certificate[] = {
	KEY(certificate, chain, "chain", PATH, .required = true,
		.help = "A PEM file with the certificate and what issued it, or a directory of such files. "
			"In a "
			"directory every *.pem and *.crt is taken; its key is in the file or in a *.key of "
			"the same "
			"name, a staple in *.ocsp, timestamps in *.sct."),
	KEY(certificate, key, "key", PATH,
		.help = "The private key; without this it is looked for as in a directory."),
	KEY(certificate, ocsp, "ocsp", PATH, .help = "An OCSP response in DER."),
	KEY(certificate, sct, "sct", PATH,
		.help = "Signed certificate timestamps (RFC 6962), as TLS sends them."),
	KEY(certificate, ocsp_fetch, "ocsp-fetch", BOOL, .fallback = "on",
		.help = "Whether the OCSP response is fetched and kept fresh when the certificate names a "
			"responder."),
};
SCHEMA(certificate, "a certificate", .shorthand = "chain");

static const struct config_key keys_server[] = {
	KEY(server, address, "address", ENDPOINT, .required = true, .help = "Where the server listens."),
	KEY(server, name, "name", NAME, .help = "How answers call the server; its address when not given."),
	KEY(server, weight, "weight", NUMBER, .min = 0, .max = 256, .fallback = "1",
		.help = "Its share of new connections; 0 means none but those that must."),
	KEY(server, backup, "backup", BOOL, .fallback = "off", .help = "Used only when all others are down."),
	KEY(server, connections, "connections", NUMBER, .min = 0, .max = UINT32_MAX, .fallback = "0",
		.help = "Connections at a time; 0 means no limit."),
};
SCHEMA(server, "a server", .shorthand = "address");

static const struct config_key keys_health_check[] = {
	KEY(health_check, type, "type", WORD, .words = WORDS("none", "tcp"), .fallback = "tcp",
		.help = "What a check does."),
	KEY(health_check, interval, "interval", DURATION, .min = 100 * MS, .max = HOUR, .fallback = "2s",
		.help = "From one check to the next."),
	KEY(health_check, timeout, "timeout", DURATION, .min = 10 * MS, .max = HOUR, .fallback = "1s",
		.help = "How long an answer may take."),
	KEY(health_check, rise, "rise", NUMBER, .min = 1, .max = 100, .fallback = "2",
		.help = "Checks in a row that must succeed before a server is up."),
	KEY(health_check, fall, "fall", NUMBER, .min = 1, .max = 100, .fallback = "3",
		.help = "Checks in a row that must fail before a server is down."),
};
SCHEMA(health_check, "a check", .shorthand = "type");

static const struct config_key keys_backend_timeouts[] = {
	KEY(backend_timeouts, connect, "connect", DURATION, .min = 10 * MS, .max = HOUR, .fallback = "5s",
		.help = "For the connection to a server."),
	KEY(backend_timeouts, idle, "idle", DURATION, .min = SECOND, .max = 30 * DAY, .fallback = "5m",
		.help = "Without a byte in either direction."),
	KEY(backend_timeouts, total, "total", DURATION, .min = 0, .max = 365 * DAY, .fallback = "0",
		.help = "Of a whole connection; 0 means none."),
};
SCHEMA(backend_timeouts, "timeouts");

static const struct config_key keys_backend[] = {
	KEY(backend, name, "name", NAME, .help = "Given by the key that the backend stands under."),
	KEY(backend, servers, "servers", MAPPING, .shape = CONFIG_LIST, .min = 1, .max = 1024,
		.required = true, .child = &schema_server, .help = "Where connections go."),
	KEY(backend, balance, "balance", WORD, .words = WORDS("round-robin", "least-connections", "source"),
		.fallback = "round-robin", .help = "How a server is chosen."),
	KEY(backend, proxy_protocol, "proxy-protocol", WORD, .words = WORDS("off", "v1", "v2"),
		.fallback = "off",
		.help = "Whether and how the server is told who the client is; v2 carries the facts of TLS "
			"too."),
	KEY(backend, xclient, "xclient", BOOL, .fallback = "off",
		.help = "Whether an SMTP server that offers XCLIENT is told by it who the client is."),
	KEY(backend, check, "check", MAPPING, .child = &schema_health_check, .help = "Health checks."),
	KEY(backend, timeouts, "timeouts", MAPPING, .child = &schema_backend_timeouts,
		.help = "Time limits."),
	KEY(backend, slow_start, "slow-start", DURATION, .min = 0, .max = DAY, .fallback = "0",
		.help = "How long a server that came up takes to get its full share."),
	KEY(backend, retries, "retries", NUMBER, .min = 0, .max = 16, .fallback = "2",
		.help = "Other servers tried when one refuses, before any byte was forwarded."),
	KEY(backend, connections, "connections", NUMBER, .min = 0, .max = UINT32_MAX, .fallback = "0",
		.help = "Connections at a time to all servers together; 0 means no limit."),
	KEY(backend, source_addresses, "source-addresses", ADDRESS, .shape = CONFIG_LIST, .max = 256,
		.help = "Own addresses that connections to the servers come from; the port's first when not "
			"given."),
};
SCHEMA(backend, "a backend");

static const struct config_key keys_client_auth[] = {
	KEY(client_auth, mode, "mode", WORD, .words = WORDS("off", "optional", "required"), .fallback = "off",
		.help = "Whether clients are asked for a certificate."),
	KEY(client_auth, ca, "ca", PATH, .help = "A PEM file of the authorities that are believed."),
	KEY(client_auth, depth, "depth", NUMBER, .min = 1, .max = 10, .fallback = "4",
		.help = "Longest chain."),
};
SCHEMA(client_auth, "client authentication");

static const struct config_key keys_listener_route[] = {
	KEY(listener_route, server_names, "sni", DNS_NAME, .shape = CONFIG_LIST, .max = 1024,
		.help = "Server names that the route is for, exact or *.domain; any when not given."),
	KEY(listener_route, alpn, "alpn", STRING, .shape = CONFIG_LIST, .max = 16,
		.help = "Application protocols that the route is for; any when not given."),
	KEY(listener_route, backend, "backend", NAME, .required = true, .help = "Where its connections go."),
};
SCHEMA(listener_route, "a route");

static const struct config_key keys_redirect[] = {
	KEY(redirect, port, "port", NUMBER, .min = 1, .max = 65535, .fallback = "443",
		.help = "The port in the https address that is answered."),
	KEY(redirect, status, "status", NUMBER, .min = 301, .max = 308, .fallback = "308",
		.help = "HTTP status: 301, 302, 307 or 308."),
};
SCHEMA(redirect, "a redirect");

static const struct config_key keys_listener_timeouts[] = {
	KEY(listener_timeouts, handshake, "handshake", DURATION, .min = 100 * MS, .max = 10 * MINUTE,
		.fallback = "10s", .help = "For the whole TLS handshake."),
	KEY(listener_timeouts, preamble, "preamble", DURATION, .min = SECOND, .max = HOUR, .fallback = "5m",
		.help = "Mail protocols: for what is said before TLS."),
	KEY(listener_timeouts, linger, "linger", DURATION, .min = 0, .max = 10 * MINUTE, .fallback = "5s",
		.help = "For what is still to be sent when one side has closed."),
};
SCHEMA(listener_timeouts, "timeouts");

static const struct config_key keys_listener_limits[] = {
	KEY(listener_limits, connections, "connections", NUMBER, .min = 0, .max = UINT32_MAX, .fallback = "0",
		.help = "Connections at a time; 0 means no limit of its own."),
	KEY(listener_limits, handshakes_per_second, "handshakes-per-second", NUMBER, .min = 0,
		.max = UINT32_MAX, .fallback = "0", .help = "Full handshakes; 0 means no limit of its own."),
};
SCHEMA(listener_limits, "limits");

static const struct config_key keys_mail[] = {
	KEY(mail, line_length, "line-length", NUMBER, .min = 512, .max = 65536, .fallback = "12288",
		.help = "Longest command line before TLS, its end included."),
	KEY(mail, commands, "commands", NUMBER, .min = 1, .max = 1000, .fallback = "200",
		.help = "Commands before TLS, or in a row that bring no message further."),
};
SCHEMA(mail, "mail settings");

static const struct config_key keys_listener[] = {
	KEY(listener, name, "name", NAME, .required = true, .help = "How answers, logs and metrics call it."),
	KEY(listener, addresses, "address", ENDPOINT, .shape = CONFIG_LIST, .min = 1, .max = 64,
		.required = true, .help = "Where it listens: an address of a port, and a TCP port."),
	KEY(listener, protocol, "protocol", WORD, .required = true,
		.words = WORDS("tls", "tcp", "http-redirect", "smtp", "imap", "pop3", "managesieve"),
		.help = "What is spoken; tcp is passed on without TLS, http-redirect answers with an https "
			"address."),
	KEY(listener, tls, "tls", WORD, .words = WORDS("starttls", "implicit", "both"),
		.help = "Mail protocols: whether TLS comes by STARTTLS or from the first byte; both: from "
			"the "
			"first byte on the ports for it (465, 993, 995), by STARTTLS on the listener's other "
			"ports. starttls when not given."),
	KEY(listener, security, "security", WORD, .words = WORDS("may", "encrypt"),
		.help = "Mail protocols: whether the client may go on without TLS (Postfix's words). may for "
			"smtp, "
			"encrypt for the others when not given."),
	KEY(listener, alpn, "alpn", STRING, .shape = CONFIG_LIST, .max = 16,
		.help = "Application protocols offered, the preferred one first."),
	KEY(listener, certificate, "certificate", STRING,
		.help = "Path of the chain for clients whose server name no certificate has; the first when "
			"not given."),
	KEY(listener, backend, "backend", NAME, .help = "Where connections go that no route takes."),
	KEY(listener, routes, "routes", MAPPING, .shape = CONFIG_LIST, .max = 4096,
		.child = &schema_listener_route,
		.help = "Backends by server name and application protocol; the first that fits wins."),
	KEY(listener, reject_unknown_sni, "reject-unknown-sni", BOOL, .fallback = "off",
		.help = "Whether a server name that no certificate has ends the handshake "
			"(unrecognized_name)."),
	KEY(listener, accept_proxy_from, "accept-proxy-from", PREFIX, .shape = CONFIG_LIST, .max = 64,
		.help = "Networks whose connections start with a PROXY header, v1 or v2."),
	KEY(listener, client_auth, "client-auth", MAPPING, .child = &schema_client_auth,
		.help = "Certificates of clients."),
	KEY(listener, redirect, "redirect", MAPPING, .child = &schema_redirect,
		.help = "http-redirect: what is answered."),
	KEY(listener, timeouts, "timeouts", MAPPING, .child = &schema_listener_timeouts,
		.help = "Time limits."),
	KEY(listener, limits, "limits", MAPPING, .child = &schema_listener_limits,
		.help = "Limits of this listener."),
	KEY(listener, mail, "mail", MAPPING, .child = &schema_mail,
		.help = "Mail protocols: limits before TLS."),
	KEY(listener, log_handshakes, "log-handshakes", BOOL, .fallback = "on",
		.help = "Whether each TLS session has a line in the log; failed handshakes always have."),
};
SCHEMA(listener, "a listener");

static const struct config_key keys_source_limits[] = {
	KEY(source_limits, connections, "connections", NUMBER, .min = 0, .max = UINT32_MAX, .fallback = "0",
		.help = "Connections at a time; 0 means no limit."),
	KEY(source_limits, handshakes_per_second, "handshakes-per-second", NUMBER, .min = 0,
		.max = UINT32_MAX, .fallback = "0", .help = "Full handshakes; 0 means no limit."),
};
SCHEMA(source_limits, "limits");

static const struct config_key keys_limits[] = {
	KEY(limits, connections, "connections", NUMBER, .min = 1, .max = UINT32_MAX, .fallback = "100000",
		.help = "Connections at a time."),
	KEY(limits, handshakes_per_second, "handshakes-per-second", NUMBER, .min = 0, .max = UINT32_MAX,
		.fallback = "0", .help = "Full handshakes; 0 means as many as there can be."),
	KEY(limits, connection_memory, "connection-memory", SIZE, .min = 32 << 10, .max = 64 * MIB,
		.fallback = "256K",
		.help = "Payload that one connection may hold in both directions together."),
	KEY(limits, per_source, "per-source", MAPPING, .child = &schema_source_limits,
		.help = "For each client address, or IPv6 network of /64."),
};
SCHEMA(limits, "limits");

static const struct config_key keys_tickets[] = {
	KEY(tickets, count, "count", NUMBER, .min = 0, .max = 4, .fallback = "2",
		.help = "Tickets after a full TLS 1.3 handshake; 0 means no tickets in either version."),
	KEY(tickets, lifetime, "lifetime", DURATION, .min = MINUTE, .max = 7 * DAY, .fallback = "12h",
		.help = "How long a TLS 1.3 ticket is good for."),
	KEY(tickets, rotate, "rotate", DURATION, .min = MINUTE, .max = 7 * DAY, .fallback = "12h",
		.help = "Age at which the next ticket key takes over; the previous one still opens tickets "
			"for as long again."),
};
SCHEMA(tickets, "ticket settings");

static const struct config_key keys_session_cache[] = {
	KEY(session_cache, entries, "entries", NUMBER, .min = 0, .max = 16777216, .fallback = "20000",
		.help = "Sessions that each worker remembers for TLS 1.2 clients without tickets; 0 means "
			"none."),
	KEY(session_cache, lifetime, "lifetime", DURATION, .min = MINUTE, .max = DAY, .fallback = "1h",
		.help = "How long a session may be resumed by its ID."),
};
SCHEMA(session_cache, "the session cache");

static const struct config_key keys_tls[] = {
	KEY(tls, min_version, "min-version", WORD, .words = WORDS("1.2", "1.3"), .fallback = "1.2",
		.help = "Oldest TLS version."),
	KEY(tls, max_version, "max-version", WORD, .words = WORDS("1.2", "1.3"), .fallback = "1.3",
		.help = "Newest TLS version."),
	KEY(tls, prepared_signatures, "prepared-signatures", BOOL, .fallback = "on",
		.help = "Whether the part of an ECDSA signature that does not depend on the message is made "
			"ahead."),
	KEY(tls, lane_wait, "lane-wait", DURATION, .min = 0, .max = 10 * MS, .fallback = "50us",
		.help = "How long an operation waits for company in its eight lanes."),
	KEY(tls, tls12_resumption, "tls12-resumption", BOOL, .fallback = "on",
		.help = "Whether TLS 1.2 sessions are resumed. Resumption in 1.2 makes no new key exchange: "
			"its "
			"secrecy is bounded by the life of session and ticket key."),
	KEY(tls, tls12_lifetime, "tls12-lifetime", DURATION, .min = MINUTE, .max = DAY, .fallback = "1h",
		.help = "How long a TLS 1.2 session may be resumed."),
	KEY(tls, tickets, "tickets", MAPPING, .child = &schema_tickets,
		.help = "Session tickets and their keys."),
	KEY(tls, session_cache, "session-cache", MAPPING, .child = &schema_session_cache,
		.help = "Session-ID resumption."),
};
SCHEMA(tls, "TLS settings");

static const struct config_key keys_log[] = {
	KEY(log, format, "format", WORD, .words = WORDS("text", "json"), .fallback = "text",
		.help = "A line of text, or a JSON object, for each event."),
	KEY(log, target, "target", WORD, .words = WORDS("stderr", "syslog", "journald"), .fallback = "stderr",
		.help = "Where it goes."),
	KEY(log, level, "level", WORD, .words = WORDS("error", "warning", "notice", "info", "debug"),
		.fallback = "info", .help = "The least important that is written."),
	KEY(log, rate, "rate", NUMBER, .min = 1, .max = 1000000, .fallback = "20",
		.help = "Lines a second for each reason; what is more is counted, and the count is written."),
	KEY(log, handshakes, "handshakes", BOOL, .fallback = "on",
		.help = "Whether TLS sessions have a line each."),
};
SCHEMA(log, "log settings");

static const struct config_key keys_control[] = {
	KEY(control, socket, "socket", PATH, .fallback = "/run/sluice/control.sock",
		.help = "The operators' socket."),
	KEY(control, socket_mode, "socket-mode", STRING, .fallback = "0660",
		.help = "Its permissions, in octal."),
	KEY(control, socket_group, "socket-group", STRING, .help = "Its group."),
	KEY(control, level, "level", WORD, .words = WORDS("user", "operator", "admin"), .fallback = "user",
		.help = "What everybody may do whom the socket's permissions let in. root and the user that "
			"sluice-control runs as are always admin."),
	KEY(control, operators, "operators", STRING, .shape = CONFIG_LIST, .max = 256,
		.help = "Users, by name or number, who are operators."),
	KEY(control, admins, "admins", STRING, .shape = CONFIG_LIST, .max = 256,
		.help = "Users, by name or number, who are admins."),
	KEY(control, clients, "clients", NUMBER, .min = 4, .max = 16384, .fallback = "2048",
		.help = "Connections to the socket at a time."),
	KEY(control, idle_timeout, "idle-timeout", DURATION, .min = SECOND, .max = DAY, .fallback = "10m",
		.help = "After which a silent connection is closed."),
	KEY(control, metrics, "metrics", ENDPOINT, .shape = CONFIG_LIST, .max = 4,
		.help = "Where metrics are served over HTTP, under /metrics. Loopback is the place for it."),
	KEY(control, log, "log", MAPPING, .child = &schema_log, .help = "Logging."),
	KEY(control, state_directory, "state-directory", PATH, .fallback = "/var/lib/sluice",
		.help = "Where fetched OCSP responses are kept."),
	KEY(control, fetch_user, "fetch-user", STRING, .fallback = "nobody",
		.help = "The user that sluice-fetch runs as."),
	KEY(control, fetch_program, "fetch-program", PATH, .fallback = "/usr/libexec/sluice/sluice-fetch",
		.help = "What fetches from the network."),
};
SCHEMA(control, "control settings");

#define ROOT(field, key_name, ...) \
	{ \
		.name = key_name, .offset = offsetof(struct config, field), __VA_ARGS__ \
	}

static const struct config_key keys_root[] = {
	ROOT(includes, "include", .type = CONFIG_TYPE_STRING, .shape = CONFIG_LIST, .max = 256,
		.help = "Further files, or directories whose *.yaml are read in the order of their names. "
			"Lists are "
			"joined; what is no list may be given once."),
	ROOT(dataplane, "dataplane", .type = CONFIG_TYPE_MAPPING, .required = true,
		.child = &schema_dataplane, .help = "Cores, memory and network ports."),
	ROOT(certificates, "certificates", .type = CONFIG_TYPE_MAPPING, .shape = CONFIG_LIST, .max = 1000000,
		.child = &schema_certificate,
		.help = "Certificates and keys, picked by server name (exact, then one-label wildcard) and "
			"by what the "
			"client can verify."),
	ROOT(backends, "backends", .type = CONFIG_TYPE_MAPPING, .shape = CONFIG_NAMED, .max = 4096,
		.child = &schema_backend, .help = "Groups of servers, by name."),
	ROOT(listeners, "listeners", .type = CONFIG_TYPE_MAPPING, .shape = CONFIG_LIST, .max = 4096,
		.child = &schema_listener, .help = "What clients connect to."),
	ROOT(limits, "limits", .type = CONFIG_TYPE_MAPPING, .child = &schema_limits,
		.help = "Limits of the whole."),
	ROOT(tls, "tls", .type = CONFIG_TYPE_MAPPING, .child = &schema_tls,
		.help = "Settings of all TLS listeners."),
	ROOT(control, "control", .type = CONFIG_TYPE_MAPPING, .child = &schema_control,
		.help = "The control process itself."),
};

const struct config_schema config_schema_root = {.name = "the configuration",
	.size = sizeof(struct config),
	.keys = keys_root,
	.n_keys = COUNT(keys_root)};

const struct config_key *config_schema_find(const struct config_schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->n_keys; i++)
		if (strcmp(schema->keys[i].name, name) == 0)
			return &schema->keys[i];
	return NULL;
}

static void key_default(const struct config_key *key, struct memory_zone *zone, char *out)
{
	bool parsed = true;

	if (key->type == CONFIG_TYPE_MAPPING && key->shape == CONFIG_ONE) {
		config_schema_defaults(key->child, zone, out + key->offset);
	} else if (key->fallback == NULL) {
		if (key->type == CONFIG_TYPE_WORD)
			*(int *)(void *)(out + key->offset) = -1;
	} else if (key->shape == CONFIG_LIST) {
		void **items = (void **)(void *)(out + key->offset);
		size_t *n_items = (size_t *)(void *)(items + 1);
		void *item = memory_zone_append(zone, items, n_items, config_value_size(key));

		parsed = config_value_parse(key, zone, key->fallback, item);
	} else {
		parsed = config_value_parse(key, zone, key->fallback, out + key->offset);
	}
	SLUICE_ASSERT(parsed); // a default that its own key refuses is a mistake of the tables above
}

void config_schema_defaults(const struct config_schema *schema, struct memory_zone *zone, void *out)
{
	for (size_t i = 0; i < schema->n_keys; i++)
		key_default(&schema->keys[i], zone, out);
}
