// SPDX-License-Identifier: Apache-2.0
//
// The configuration: what sluice.yaml and the files that it includes say, as one tree that nothing changes
// after it was loaded. config_load reads and checks the whole; either all of it holds and there is a tree, or
// there is a list of errors and nothing else.
//
//   files --config_read--> values in structs, by the tables of config_schema.c
//         --config_check--> names resolved, cross-references and contradictions found
//
// Times are microseconds, sizes bytes. Every struct that a file can name starts with the mark of where it
// stands, for errors that concern two places.
//
// In every array, the count follows the pointer directly: config_read.c relies on it.
#pragma once

#include "address.h"
#include "memory.h"
#include "text.h"

#include <stdbool.h>

struct config_mark {
	const char *file; // NULL: not in any file, all defaults
	uint32_t line;
};

// Where a key or an item of a list stands, by its path.
struct config_place {
	const char *path;
	struct config_mark mark;
};

// What is wrong, one line each: "FILE:LINE: KEY: found X; allowed: Y".
struct config_errors {
	struct text text;
	size_t n;
};

enum config_poll {
	CONFIG_POLL_ADAPTIVE,
	CONFIG_POLL_BUSY
};
enum config_huge_pages {
	CONFIG_HUGE_PAGES_NEVER,
	CONFIG_HUGE_PAGES_PREFER
};
enum config_start {
	CONFIG_START_AUTO,
	CONFIG_START_NEVER
};

struct config_route {
	struct config_mark mark;
	struct prefix to;
	struct address via;
};

struct config_port {
	struct config_mark mark;
	const char *name;
	const char *device;
	uint64_t mtu;
	uint64_t vlan; // 0: untagged
	struct prefix *addresses;
	size_t n_addresses;
	struct address *gateways;
	size_t n_gateways;
	struct config_route *routes;
	size_t n_routes;
};

struct config_dataplane {
	struct config_mark mark;
	const char *name;
	uint64_t *workers; // a CPU each
	size_t n_workers;
	uint64_t memory;
	int poll;       // enum config_poll
	int huge_pages; // enum config_huge_pages
	int start;      // enum config_start
	const char *socket;
	const char *program;
	const char *user; // NULL: the one that packages make, or else nobody
	struct config_port *ports;
	size_t n_ports;
};

struct config_certificate {
	struct config_mark mark;
	const char *chain; // a PEM file, or a directory of them
	const char *key;   // NULL: beside the chain or in it
	const char *ocsp;
	const char *sct;
	bool ocsp_fetch;
};

enum config_balance {
	CONFIG_BALANCE_ROUND_ROBIN,
	CONFIG_BALANCE_LEAST_CONNECTIONS,
	CONFIG_BALANCE_SOURCE
};
enum config_proxy_protocol {
	CONFIG_PROXY_OFF,
	CONFIG_PROXY_V1,
	CONFIG_PROXY_V2
};
enum config_check_type {
	CONFIG_CHECK_NONE,
	CONFIG_CHECK_TCP
};

struct config_server {
	struct config_mark mark;
	const char *name; // its address when none was given
	struct endpoint address;
	uint64_t weight;
	bool backup;
	uint64_t connections; // at most; 0: no limit
	// Not of the file: overrides.h.
	int use; // enum config_use
	uint64_t configured_weight;
};

// Whether operators have it in use.
enum config_use {
	CONFIG_USE_ENABLED,
	CONFIG_USE_DRAINED,
	CONFIG_USE_DISABLED,
	N_CONFIG_USES
};

enum {
	CONFIG_WEIGHT_MAX = 256
};

struct config_health_check {
	struct config_mark mark;
	int type; // enum config_check_type
	uint64_t interval;
	uint64_t timeout;
	uint64_t rise;
	uint64_t fall;
};

struct config_backend_timeouts {
	struct config_mark mark;
	uint64_t connect;
	uint64_t idle;
	uint64_t total; // 0: none
};

struct config_backend {
	struct config_mark mark;
	const char *name;
	struct config_server *servers;
	size_t n_servers;
	int balance;        // enum config_balance
	int proxy_protocol; // enum config_proxy_protocol
	bool xclient;
	struct config_health_check check;
	struct config_backend_timeouts timeouts;
	uint64_t slow_start;
	uint64_t retries;
	uint64_t connections; // to all servers together; 0: no limit
	struct address *source_addresses;
	size_t n_source_addresses;
};

enum config_protocol {
	CONFIG_PROTOCOL_TLS,
	CONFIG_PROTOCOL_TCP,
	CONFIG_PROTOCOL_HTTP_REDIRECT,
	CONFIG_PROTOCOL_SMTP,
	CONFIG_PROTOCOL_IMAP,
	CONFIG_PROTOCOL_POP3,
	CONFIG_PROTOCOL_MANAGESIEVE
};
enum config_tls_mode {
	CONFIG_TLS_STARTTLS,
	CONFIG_TLS_IMPLICIT,
	CONFIG_TLS_BOTH
};
enum config_security {
	CONFIG_SECURITY_MAY,
	CONFIG_SECURITY_ENCRYPT
};
enum config_client_auth_mode {
	CONFIG_CLIENT_AUTH_OFF,
	CONFIG_CLIENT_AUTH_OPTIONAL,
	CONFIG_CLIENT_AUTH_REQUIRED
};

struct config_client_auth {
	struct config_mark mark;
	int mode; // enum config_client_auth_mode
	const char *ca;
	uint64_t depth;
};

struct config_listener_route {
	struct config_mark mark;
	const char **server_names; // lower case, exact or "*.domain"
	size_t n_server_names;
	const char **alpn;
	size_t n_alpn;
	const char *backend;
	size_t backend_idx;
};

struct config_redirect {
	struct config_mark mark;
	uint64_t port;
	uint64_t status;
};

struct config_listener_timeouts {
	struct config_mark mark;
	uint64_t handshake;
	uint64_t preamble;
	uint64_t linger;
};

struct config_listener_limits {
	struct config_mark mark;
	uint64_t connections; // 0 in both: no limit of its own
	uint64_t handshakes_per_second;
};

struct config_mail {
	struct config_mark mark;
	uint64_t line_length;
	uint64_t commands;
};

// backend_idx of a listener without backend.
#define CONFIG_NO_BACKEND SIZE_MAX

struct config_listener {
	struct config_mark mark;
	const char *name;
	struct endpoint *addresses;
	size_t n_addresses;
	int protocol; // enum config_protocol
	int tls;      // enum config_tls_mode; -1 where the protocol has none
	int security; // enum config_security; -1 where the protocol has none
	const char **alpn;
	size_t n_alpn;
	const char *certificate; // the default one's name; NULL: the first
	const char *backend;
	size_t backend_idx;
	struct config_listener_route *routes;
	size_t n_routes;
	bool reject_unknown_sni;
	struct prefix *accept_proxy_from;
	size_t n_accept_proxy_from;
	struct config_client_auth client_auth;
	struct config_redirect redirect;
	struct config_listener_timeouts timeouts;
	struct config_listener_limits limits;
	struct config_mail mail;
	bool log_handshakes;
	int use; // enum config_use; not of the file: overrides.h
};

struct config_source_limits {
	struct config_mark mark;
	uint64_t connections; // 0 in all of them: no limit
	uint64_t handshakes_per_second;
};

struct config_limits {
	struct config_mark mark;
	uint64_t connections;
	uint64_t handshakes_per_second;
	uint64_t connection_memory;
	struct config_source_limits per_source;
};

enum config_tls_version {
	CONFIG_TLS_1_2,
	CONFIG_TLS_1_3
};

struct config_tickets {
	struct config_mark mark;
	uint64_t count; // after a full handshake; 0: no tickets
	uint64_t lifetime;
	uint64_t rotate;
};

struct config_session_cache {
	struct config_mark mark;
	uint64_t entries; // in each worker; 0: no session-ID resumption
	uint64_t lifetime;
};

struct config_tls {
	struct config_mark mark;
	int min_version; // enum config_tls_version
	int max_version;
	bool prepared_signatures;
	uint64_t lane_wait;
	bool tls12_resumption;
	uint64_t tls12_lifetime;
	struct config_tickets tickets;
	struct config_session_cache session_cache;
};

enum config_log_format {
	CONFIG_LOG_TEXT,
	CONFIG_LOG_JSON
};
enum config_log_target {
	CONFIG_LOG_STDERR,
	CONFIG_LOG_SYSLOG,
	CONFIG_LOG_JOURNALD
};

struct config_log {
	struct config_mark mark;
	int format; // enum config_log_format
	int target; // enum config_log_target
	int level;  // enum log_level
	uint64_t rate;
	bool handshakes;
};

struct config_control {
	struct config_mark mark;
	const char *socket;
	const char *socket_mode;
	const char *socket_group;
	int level;              // enum access_level: what the socket's permissions alone give
	const char **operators; // user names or numbers
	size_t n_operators;
	const char **admins;
	size_t n_admins;
	uint64_t clients;
	uint64_t idle_timeout;
	struct endpoint *metrics;
	size_t n_metrics;
	struct config_log log;
	const char *state_directory;
	const char *fetch_user;
	const char *fetch_program;
};

struct config {
	struct memory_zone zone; // owns everything below
	struct config_mark mark;
	const char **files; // those read, in order
	size_t n_files;
	struct config_place *places;
	size_t n_places;
	const char **includes; // as the file that is being read has them
	size_t n_includes;
	struct config_dataplane dataplane;
	struct config_certificate *certificates;
	size_t n_certificates;
	struct config_backend *backends;
	size_t n_backends;
	struct config_listener *listeners;
	size_t n_listeners;
	struct config_limits limits;
	struct config_tls tls;
	struct config_control control;
	struct config_limits configured_limits; // as the files have them: overrides.h
};

// NULL: `errors` has at least one, and nothing was changed anywhere.
struct config *config_load(const char *path, struct config_errors *errors);

// The same for text that is in memory and may not include anything: tests and fuzzing.
struct config *config_parse(const char *name, const char *text, size_t len, struct config_errors *errors);

void config_free(struct config *config);

// Adds an error at a mark; `key` is the full path of the key, such as "listeners[2].protocol".
void config_error(struct config_errors *errors, struct config_mark mark, const char *key, const char *format,
	...) __attribute__((format(printf, 4, 5)));

void config_errors_free(struct config_errors *errors);

// What config_load is made of.
bool config_read_file(struct config *config, const char *path, struct config_errors *errors);
bool config_read_text(
	struct config *config, const char *name, const char *text, size_t len, struct config_errors *errors);
void config_check(struct config *config, struct config_errors *errors);

// An error of config_check: at the place of the path, or of the nearest path around it. The path is printed
// into `path` by the caller, so that the message can be of another format.
void config_fault(const struct config *config, struct config_errors *errors, const char *path,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

// The part of config_check that is about ports, addresses and routes; and whether the network can reach an
// address from some port.
void config_check_network(const struct config *config, struct config_errors *errors);
bool config_is_own_address(const struct config *config, const struct address *address);
bool config_is_reachable(const struct config *config, const struct address *address);

// What dataplane.user says, as numbers. False when there is no such user.
bool config_dataplane_user(const struct config *config, uint32_t *out_user_id, uint32_t *out_group_id);

// The backend of that name, or CONFIG_NO_BACKEND.
size_t config_find_backend(const struct config *config, const char *name);

// Names the first key that differs and can't change while a dataplane runs; false when none does.
bool config_needs_restart(const struct config *running, const struct config *next, const char **out_key);
