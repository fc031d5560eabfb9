// SPDX-License-Identifier: Apache-2.0
//
// What can be wrong with a configuration whose every value is allowed: names that nobody has, two things at
// one address, settings that contradict each other or would have no effect.
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum {
	PATH_MAX_LEN = 192
};

struct checking {
	struct config *config;
	struct config_errors *errors;
	char path[PATH_MAX_LEN]; // of the object at hand
	char key[PATH_MAX_LEN + 64];
};

// The path of a key of the object at hand.
static const char *key_of(struct checking *checking, const char *key)
{
	(void)snprintf(checking->key, sizeof checking->key, "%s%s%s", checking->path,
		checking->path[0] != '\0' && key[0] != '[' ? "." : "", key);
	return checking->key;
}

#define FAULT(checking, key, ...) \
	config_fault((checking)->config, (checking)->errors, key_of(checking, key), __VA_ARGS__)

size_t config_find_backend(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_backends; i++)
		if (strcmp(config->backends[i].name, name) == 0)
			return i;
	return CONFIG_NO_BACKEND;
}

// ---- Backends ------------------------------------------------------------------------------------------

static bool is_listener_address(const struct config *config, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < config->n_listeners; i++)
		for (size_t j = 0; j < config->listeners[i].n_addresses; j++)
			if (endpoint_equal(&config->listeners[i].addresses[j], endpoint))
				return true;
	return false;
}

static void check_server(struct checking *checking, const struct config_backend *backend, size_t idx)
{
	const struct config_server *server = &backend->servers[idx];
	char text[ADDRESS_TEXT_MAX];
	char key[64];

	endpoint_format(&server->address, text);
	(void)snprintf(key, sizeof key, "servers[%zu].address", idx);
	if (is_listener_address(checking->config, &server->address))
		FAULT(checking, key, "found %s, where a listener is: a loop", text);
	else if (!config_is_reachable(checking->config, &server->address.address))
		FAULT(checking, key, "found %s, which no port has a network, route or gateway for", text);
	for (size_t i = 0; i < idx; i++) {
		if (endpoint_equal(&backend->servers[i].address, &server->address)) {
			FAULT(checking, key, "found %s, the address of an earlier server", text);
		} else if (strcmp(backend->servers[i].name, server->name) == 0) {
			(void)snprintf(key, sizeof key, "servers[%zu].name", idx);
			FAULT(checking, key, "found '%s', the name of an earlier server", server->name);
		}
	}
}

static void name_servers(struct config *config, struct config_backend *backend)
{
	for (size_t i = 0; i < backend->n_servers; i++) {
		char text[ADDRESS_TEXT_MAX];

		if (backend->servers[i].name != NULL)
			continue;
		endpoint_format(&backend->servers[i].address, text);
		backend->servers[i].name = memory_zone_string(&config->zone, text, strlen(text));
	}
}

static void check_backend(struct checking *checking, size_t idx)
{
	struct config_backend *backend = &checking->config->backends[idx];
	size_t n_regular = 0;
	char key[64];

	(void)snprintf(checking->path, sizeof checking->path, "backends.%s", backend->name);
	name_servers(checking->config, backend);
	for (size_t i = 0; i < backend->n_servers; i++) {
		check_server(checking, backend, i);
		n_regular += !backend->servers[i].backup;
	}
	if (backend->n_servers != 0 && n_regular == 0)
		FAULT(checking, "servers", "found only backup servers; allowed: at least one that is none");
	for (size_t i = 0; i < backend->n_source_addresses; i++) {
		char text[ADDRESS_TEXT_MAX];

		address_format(&backend->source_addresses[i], text);
		(void)snprintf(key, sizeof key, "source-addresses[%zu]", i);
		if (!config_is_own_address(checking->config, &backend->source_addresses[i]))
			FAULT(checking, key, "found %s; allowed: an address of a port", text);
	}
	if (backend->timeouts.total != 0 && backend->timeouts.total < backend->timeouts.connect)
		FAULT(checking, "timeouts.total", "found a time shorter than timeouts.connect");
}

// ---- Listeners -----------------------------------------------------------------------------------------

static bool is_mail(const struct config_listener *listener)
{
	return listener->protocol >= CONFIG_PROTOCOL_SMTP;
}

static bool has_tls(const struct config_listener *listener)
{
	return listener->protocol == CONFIG_PROTOCOL_TLS || is_mail(listener);
}

static void check_listener_addresses(struct checking *checking, size_t idx)
{
	const struct config *config = checking->config;
	const struct config_listener *listener = &config->listeners[idx];
	char text[ADDRESS_TEXT_MAX];
	char key[64];

	for (size_t i = 0; i < listener->n_addresses; i++) {
		endpoint_format(&listener->addresses[i], text);
		(void)snprintf(key, sizeof key, "address[%zu]", i);
		if (!config_is_own_address(config, &listener->addresses[i].address))
			FAULT(checking, key, "found %s; allowed: an address of a port", text);
		for (size_t j = 0; j <= idx; j++) {
			const struct config_listener *other = &config->listeners[j];

			for (size_t k = 0; k < (j == idx ? i : other->n_addresses); k++)
				if (endpoint_equal(&other->addresses[k], &listener->addresses[i]))
					FAULT(checking, key, "found %s, where listener '%s' is already", text,
						other->name);
		}
	}
}

static size_t resolve_backend(struct checking *checking, const char *key, const char *name)
{
	const size_t idx = config_find_backend(checking->config, name);

	if (idx == CONFIG_NO_BACKEND)
		FAULT(checking, key, "found '%s'; no backend has this name", name);
	return idx;
}

static bool string_lists_meet(const char *const *a, size_t n_a, const char *const *b, size_t n_b)
{
	if (n_a == 0 && n_b == 0)
		return true;
	for (size_t i = 0; i < n_a; i++)
		for (size_t j = 0; j < n_b; j++)
			if (strcmp(a[i], b[j]) == 0)
				return true;
	return false;
}

static void check_routes(struct checking *checking, struct config_listener *listener)
{
	char key[64];

	for (size_t i = 0; i < listener->n_routes; i++) {
		struct config_listener_route *route = &listener->routes[i];

		(void)snprintf(key, sizeof key, "routes[%zu].backend", i);
		route->backend_idx = route->backend != NULL ? resolve_backend(checking, key, route->backend)
							    : CONFIG_NO_BACKEND;
		(void)snprintf(key, sizeof key, "routes[%zu]", i);
		if (route->n_server_names == 0 && route->n_alpn == 0)
			FAULT(checking, key,
				"found neither sni nor alpn; allowed: one of them, or the listener's "
				"backend");
		for (size_t j = 0; j < i; j++) {
			const struct config_listener_route *earlier = &listener->routes[j];

			if (string_lists_meet(earlier->server_names, earlier->n_server_names,
				    route->server_names, route->n_server_names) &&
				string_lists_meet(
					earlier->alpn, earlier->n_alpn, route->alpn, route->n_alpn)) {
				FAULT(checking, key, "found what routes[%zu] takes already", j);
				break;
			}
		}
	}
}

static void check_alpn(struct checking *checking, const struct config_listener *listener)
{
	char key[64];

	for (size_t i = 0; i < listener->n_alpn; i++) {
		(void)snprintf(key, sizeof key, "alpn[%zu]", i);
		if (strlen(listener->alpn[i]) > 255) // RFC 7301 3.1
			FAULT(checking, key, "found %zu characters; allowed: at most 255",
				strlen(listener->alpn[i]));
		for (size_t j = 0; j < i; j++)
			if (strcmp(listener->alpn[i], listener->alpn[j]) == 0)
				FAULT(checking, key, "found '%s' twice", listener->alpn[i]);
	}
}

// A certificate of the configuration, by the path of its chain, or a file of one of its directories.
static bool is_certificate(const struct config *config, const char *path)
{
	for (size_t i = 0; i < config->n_certificates; i++) {
		const char *chain = config->certificates[i].chain;
		const size_t len = chain != NULL ? strlen(chain) : 0;

		if (chain != NULL && strncmp(path, chain, len) == 0 &&
			(path[len] == '\0' || path[len] == '/'))
			return true;
	}
	return false;
}

static void check_tls_listener(struct checking *checking, const struct config_listener *listener)
{
	if (checking->config->n_certificates == 0)
		FAULT(checking, "protocol", "found a protocol with TLS, but there is no certificate");
	if (listener->certificate != NULL && !is_certificate(checking->config, listener->certificate))
		FAULT(checking, "certificate", "found '%s'; allowed: the path of a chain under certificates",
			listener->certificate);
	if (listener->client_auth.mode != CONFIG_CLIENT_AUTH_OFF && listener->client_auth.ca == NULL)
		FAULT(checking, "client-auth.ca",
			"is missing; without it no client certificate can be believed");
	check_alpn(checking, listener);
}

// Settings that mean nothing without TLS would be mistaken for protection.
static void check_plain_listener(struct checking *checking, const struct config_listener *listener)
{
	const char *only = "is for protocols with TLS";

	if (listener->n_alpn != 0)
		FAULT(checking, "alpn", "%s", only);
	if (listener->certificate != NULL)
		FAULT(checking, "certificate", "%s", only);
	if (listener->client_auth.mark.file != NULL)
		FAULT(checking, "client-auth", "%s", only);
	if (listener->reject_unknown_sni)
		FAULT(checking, "reject-unknown-sni", "%s", only);
	if (listener->n_routes != 0)
		FAULT(checking, "routes", "%s", only);
}

// With `both` the port says which it is, so that there has to be one of each kind.
static void check_both(struct checking *checking, const struct config_listener *listener)
{
	const uint16_t implicit = listener->protocol == CONFIG_PROTOCOL_SMTP   ? 465
				  : listener->protocol == CONFIG_PROTOCOL_IMAP ? 993
									       : 995;
	size_t n = 0;

	for (size_t i = 0; i < listener->n_addresses; i++)
		n += listener->addresses[i].port == implicit;
	if (n == 0 || n == listener->n_addresses)
		FAULT(checking, "tls",
			"found 'both'; the addresses need port %u, where TLS comes first, and another one",
			implicit);
}

static void check_mail_listener(struct checking *checking, struct config_listener *listener)
{
	if (!is_mail(listener)) {
		if (listener->tls >= 0)
			FAULT(checking, "tls", "is for mail protocols");
		if (listener->security >= 0)
			FAULT(checking, "security", "is for mail protocols");
		if (listener->mail.mark.file != NULL)
			FAULT(checking, "mail", "is for mail protocols");
		return;
	}
	if (listener->tls < 0)
		listener->tls = CONFIG_TLS_STARTTLS;
	if (listener->tls == CONFIG_TLS_IMPLICIT && listener->security == CONFIG_SECURITY_MAY)
		FAULT(checking, "security", "found 'may'; allowed with implicit TLS: encrypt");
	if (listener->protocol == CONFIG_PROTOCOL_MANAGESIEVE && listener->tls != CONFIG_TLS_STARTTLS)
		FAULT(checking, "tls", "allowed for managesieve: starttls (RFC 5804 has no other)");
	else if (listener->tls == CONFIG_TLS_BOTH)
		check_both(checking, listener);
	if (listener->security < 0)
		listener->security = listener->protocol == CONFIG_PROTOCOL_SMTP &&
						     listener->tls != CONFIG_TLS_IMPLICIT
					     ? CONFIG_SECURITY_MAY
					     : CONFIG_SECURITY_ENCRYPT;
}

static void check_redirect(struct checking *checking, const struct config_listener *listener)
{
	const uint64_t status = listener->redirect.status;

	if (listener->protocol != CONFIG_PROTOCOL_HTTP_REDIRECT) {
		if (listener->redirect.mark.file != NULL)
			FAULT(checking, "redirect", "is for the protocol http-redirect");
		return;
	}
	if (status != 301 && status != 302 && status != 307 && status != 308)
		FAULT(checking, "redirect.status", "found %llu; allowed: 301, 302, 307 or 308",
			(unsigned long long)status);
	if (listener->backend != NULL)
		FAULT(checking, "backend", "a redirect has none");
}

// XCLIENT is a command of SMTP: in front of anything else it would be a setting without effect.
static void check_xclient(
	struct checking *checking, const struct config_listener *listener, size_t backend_idx)
{
	const struct config_backend *backends = checking->config->backends;

	if (backend_idx != CONFIG_NO_BACKEND && backends[backend_idx].xclient &&
		listener->protocol != CONFIG_PROTOCOL_SMTP)
		FAULT(checking, "backend", "found '%s', which has xclient; allowed: for the protocol smtp",
			backends[backend_idx].name);
}

static void check_listener(struct checking *checking, size_t idx)
{
	struct config_listener *listener = &checking->config->listeners[idx];
	const struct config_listener *listeners = checking->config->listeners;

	(void)snprintf(checking->path, sizeof checking->path, "listeners[%zu]", idx);
	for (size_t i = 0; i < idx; i++)
		if (strcmp(listeners[i].name, listener->name) == 0)
			FAULT(checking, "name", "found '%s', the name of an earlier listener",
				listener->name);
	check_listener_addresses(checking, idx);
	check_mail_listener(checking, listener);
	check_redirect(checking, listener);
	if (has_tls(listener))
		check_tls_listener(checking, listener);
	else
		check_plain_listener(checking, listener);
	listener->backend_idx = listener->backend != NULL
					? resolve_backend(checking, "backend", listener->backend)
					: CONFIG_NO_BACKEND;
	check_routes(checking, listener);
	check_xclient(checking, listener, listener->backend_idx);
	for (size_t i = 0; i < listener->n_routes; i++)
		check_xclient(checking, listener, listener->routes[i].backend_idx);
	if (listener->backend == NULL && listener->n_routes == 0 &&
		listener->protocol != CONFIG_PROTOCOL_HTTP_REDIRECT)
		FAULT(checking, "backend", "is missing, and there are no routes");
}

// ---- The rest ------------------------------------------------------------------------------------------

static void check_certificates(struct checking *checking)
{
	const struct config *config = checking->config;

	checking->path[0] = '\0';
	for (size_t i = 0; i < config->n_certificates && i < 4096; i++) {
		for (size_t j = 0; j < i; j++) {
			char key[64];

			if (config->certificates[i].chain == NULL || config->certificates[j].chain == NULL ||
				strcmp(config->certificates[i].chain, config->certificates[j].chain) != 0)
				continue;
			(void)snprintf(key, sizeof key, "certificates[%zu].chain", i);
			FAULT(checking, key, "found '%s' a second time", config->certificates[i].chain);
		}
	}
}

static void check_tls_settings(struct checking *checking)
{
	const struct config_tls *tls = &checking->config->tls;

	checking->path[0] = '\0';
	if (tls->min_version > tls->max_version)
		FAULT(checking, "tls.min-version", "found a version newer than tls.max-version");
	if (tls->tickets.lifetime > tls->tickets.rotate)
		FAULT(checking, "tls.tickets.lifetime",
			"found a time longer than tls.tickets.rotate: the key of such a ticket could be "
			"gone");
	if (tls->tls12_lifetime > tls->tickets.rotate)
		FAULT(checking, "tls.tls12-lifetime", "found a time longer than tls.tickets.rotate");
}

static void check_limits(struct checking *checking)
{
	const struct config_limits *limits = &checking->config->limits;

	checking->path[0] = '\0';
	if (limits->per_source.connections > limits->connections)
		FAULT(checking, "limits.per-source.connections", "found more than limits.connections");
	if (limits->handshakes_per_second != 0 &&
		limits->per_source.handshakes_per_second > limits->handshakes_per_second)
		FAULT(checking, "limits.per-source.handshakes-per-second",
			"found more than limits.handshakes-per-second");
}

static bool user_exists(const char *user)
{
	return (user[0] != '\0' && strspn(user, "0123456789") == strlen(user)) || getpwnam(user) != NULL;
}

bool config_dataplane_user(const struct config *config, uint32_t *out_user_id, uint32_t *out_group_id)
{
	const char *name = config->dataplane.user;
	const struct passwd *entry = getpwnam(name != NULL ? name : "sluice-dataplane");

	if (entry == NULL && name == NULL)
		entry = getpwnam("nobody");
	if (entry == NULL || (entry->pw_uid == 0) != (entry->pw_gid == 0))
		return false;
	*out_user_id = entry->pw_uid;
	*out_group_id = entry->pw_gid;
	return true;
}

static void check_users(struct checking *checking, const char *key, const char *const *users, size_t n_users)
{
	char item[64];

	for (size_t i = 0; i < n_users; i++) {
		(void)snprintf(item, sizeof item, "control.%s[%zu]", key, i);
		if (!user_exists(users[i]))
			FAULT(checking, item, "found '%s'; allowed: a user of this machine, or a number",
				users[i]);
	}
}

static void check_socket_path(struct checking *checking, const char *key, const char *path)
{
	const size_t len_max = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;

	if (strlen(path) > len_max)
		FAULT(checking, key, "found %zu characters; allowed: at most %zu for a socket", strlen(path),
			len_max);
}

static void check_control(struct checking *checking)
{
	const struct config_control *control = &checking->config->control;
	const char *mode = control->socket_mode;
	const size_t mode_len = strlen(mode);
	uint32_t user_id;
	uint32_t group_id;

	checking->path[0] = '\0';
	check_socket_path(checking, "control.socket", control->socket);
	check_socket_path(checking, "dataplane.socket", checking->config->dataplane.socket);
	if (strcmp(control->socket, checking->config->dataplane.socket) == 0)
		FAULT(checking, "control.socket", "found the path of dataplane.socket");
	if (mode_len < 3 || mode_len > 4 || strspn(mode, "01234567") != mode_len ||
		(mode_len == 4 && mode[0] != '0'))
		FAULT(checking, "control.socket-mode",
			"found '%s'; allowed: octal permissions such as \"0660\"", mode);
	if (control->socket_group != NULL && getgrnam(control->socket_group) == NULL)
		FAULT(checking, "control.socket-group", "found '%s'; allowed: a group of this machine",
			control->socket_group);
	if (!config_dataplane_user(checking->config, &user_id, &group_id))
		FAULT(checking, "dataplane.user",
			"found '%s'; allowed: a user of this machine with a group that "
			"is not root's, or root",
			checking->config->dataplane.user != NULL ? checking->config->dataplane.user : "none");
	if (!user_exists(control->fetch_user))
		FAULT(checking, "control.fetch-user", "found '%s'; allowed: a user of this machine",
			control->fetch_user);
	check_users(checking, "operators", control->operators, control->n_operators);
	check_users(checking, "admins", control->admins, control->n_admins);
}

void config_check(struct config *config, struct config_errors *errors)
{
	struct checking checking = {.config = config, .errors = errors};

	config_check_network(config, errors);
	for (size_t i = 0; i < config->n_backends; i++)
		check_backend(&checking, i);
	for (size_t i = 0; i < config->n_listeners; i++)
		check_listener(&checking, i);
	check_certificates(&checking);
	check_tls_settings(&checking);
	check_limits(&checking);
	check_control(&checking);
}
