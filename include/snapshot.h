// SPDX-License-Identifier: Apache-2.0
//
// What control publishes to a running dataplane: listeners, backends, limits, certificates, keys. Like the
// records of START (ipc.h): a memfd of records, each an ipc_record_header, a body of fixed width, and, where
// the body says so, a tail of bytes; the next record starts at the next multiple of 8 (len counts body and
// tail, not the padding, which is zero). Host byte order; enums below are the wire values; unused bytes are
// zero and are refused otherwise.
//
//   memfd              records                                        sealed against
//   certificates       SNAPSHOT_CERTIFICATE ...                       writing and resizing
//   private keys       SNAPSHOT_PRIVATE_KEY ...                       resizing
//   ticket keys        SNAPSHOT_TICKET_KEY, three                     resizing
//   snapshot           SNAPSHOT_HEAD, then BACKEND (each followed     writing and resizing
//                      by its SERVERs), LISTENER (each followed by
//                      its ADDRESSes, ALPNs, ROUTEs and TRUSTEDs),
//                      SERVER_NAME ..., SNAPSHOT_END
//
// Certificates cross once: a message with the keys' memfd, one with the certificates', and from then on a
// snapshot names them by id. Ids are never used again. A dataplane keeps a certificate while a snapshot that
// is in use names it, and one that none has named yet until the next snapshot. A snapshot that names an
// unknown id, or fails any check, is refused whole with a reason and changes nothing. The certificate travels
// in parts (chain, staple, timestamps): the TLS engine encodes each form of the Certificate message once when
// it arrives, so that the link carries every byte once and there is one encoder.
//
// Memfds of secrets: the receiver maps them, copies into locked memory, checks the copy, zeroes the mapping,
// unmaps and closes; it never parses the shared pages. The sender keeps the pages locked until the answer.
#pragma once

#include "ipc.h"

enum {
	SNAPSHOT_VERSION = 1,
	SNAPSHOT_ALIGN = 8,
	SNAPSHOT_CHAIN_MAX = 10,
	SNAPSHOT_ALPN_MAX = 255,
	SNAPSHOT_SERVER_NAME_MAX = 253,
	SNAPSHOT_TICKET_KEYS = 3,
	SNAPSHOT_CA_LEN_MAX = 1 << 20,
};

#define SNAPSHOT_NONE UINT32_MAX // an index or id that names nothing

enum snapshot_record_type {
	SNAPSHOT_HEAD = 100,
	SNAPSHOT_BACKEND,
	SNAPSHOT_SERVER,
	SNAPSHOT_SOURCE,
	SNAPSHOT_LISTENER,
	SNAPSHOT_ADDRESS,
	SNAPSHOT_ALPN,
	SNAPSHOT_ROUTE,
	SNAPSHOT_ROUTE_NAME,
	SNAPSHOT_ROUTE_ALPN,
	SNAPSHOT_TRUSTED,
	SNAPSHOT_SERVER_NAME,
	SNAPSHOT_END,
	SNAPSHOT_CERTIFICATE,
	SNAPSHOT_PRIVATE_KEY,
	SNAPSHOT_TICKET_KEY,
};

// First, once. Limits of 0 are none.
struct snapshot_head {
	uint32_t version; // SNAPSHOT_VERSION
	uint32_t n_backends;
	uint64_t generation; // grows by one with every snapshot of a control process; for `show info`
	uint32_t n_listeners;
	uint32_t n_server_names;
	uint32_t connections;
	uint32_t handshakes_per_second;
	uint32_t source_connections;
	uint32_t source_handshakes_per_second;
	uint32_t connection_memory; // bytes
	uint32_t lane_wait_us;
	uint32_t ticket_lifetime_s;
	uint32_t tls12_lifetime_s;
	uint32_t session_entries; // in each worker
	uint32_t session_lifetime_s;
	uint16_t tls_min; // 0x0303, 0x0304
	uint16_t tls_max;
	uint8_t n_tickets;
	uint8_t prepared_signatures; // 0, 1
	uint8_t tls12_resumption;    // 0, 1
	uint8_t reserved;
};

enum snapshot_balance {
	SNAPSHOT_ROUND_ROBIN,
	SNAPSHOT_LEAST_CONNECTIONS,
	SNAPSHOT_SOURCE_HASH
};
enum snapshot_proxy {
	SNAPSHOT_PROXY_OFF,
	SNAPSHOT_PROXY_V1,
	SNAPSHOT_PROXY_V2
};
enum snapshot_check {
	SNAPSHOT_CHECK_NONE,
	SNAPSHOT_CHECK_TCP
};

// Numbered from 0 in order of appearance. Followed by n_servers SERVERs and n_sources SOURCEs.
struct snapshot_backend {
	char name[IPC_NAME_MAX];
	uint32_t n_servers;
	uint32_t n_sources;
	uint32_t connections; // 0: no limit
	uint32_t connect_timeout_ms;
	uint32_t idle_timeout_ms;
	uint32_t check_interval_ms;
	uint32_t check_timeout_ms;
	uint32_t slow_start_ms;
	uint64_t total_timeout_ms; // 0: none
	uint8_t balance;           // enum snapshot_balance
	uint8_t proxy;             // enum snapshot_proxy
	uint8_t xclient;           // 0, 1
	uint8_t check;             // enum snapshot_check
	uint8_t rise;
	uint8_t fall;
	uint8_t retries;
	uint8_t reserved;
};

// Names of servers may be their address and port, hence the longer field. State (drained, disabled, weight
// set by an operator) belongs to backend and server name and outlives the snapshot.
struct snapshot_server {
	char name[64];
	uint8_t address[16];
	uint16_t port;
	uint16_t weight; // 0 to 256
	uint32_t connections;
	uint8_t backup; // 0, 1
	uint8_t drain;  // 0, 1: gets no new connections; its weight stands for where the others' sources go
	uint8_t reserved[6];
};

// An own address that connections to the backend come from.
struct snapshot_source {
	uint8_t address[16];
};

enum snapshot_protocol {
	SNAPSHOT_TLS,
	SNAPSHOT_TCP,
	SNAPSHOT_HTTP_REDIRECT,
	SNAPSHOT_SMTP,
	SNAPSHOT_IMAP,
	SNAPSHOT_POP3,
	SNAPSHOT_MANAGESIEVE
};
enum snapshot_mail_tls {
	SNAPSHOT_STARTTLS,
	SNAPSHOT_IMPLICIT,
	SNAPSHOT_BOTH // implicit at the ports that IANA has given it (465, 993, 995), STARTTLS at the others
};
enum snapshot_client_auth {
	SNAPSHOT_AUTH_OFF,
	SNAPSHOT_AUTH_OPTIONAL,
	SNAPSHOT_AUTH_REQUIRED
};

// Followed by n_addresses ADDRESSes, n_alpns ALPNs, n_routes ROUTEs (each with its names and protocols) and
// n_trusted TRUSTEDs. Tail: ca_len bytes, the authorities for client certificates, DER after DER.
struct snapshot_listener {
	char name[IPC_NAME_MAX];
	uint32_t n_addresses;
	uint32_t n_alpns;
	uint32_t n_routes;
	uint32_t n_trusted;
	uint32_t backend_idx;         // SNAPSHOT_NONE: no default
	uint32_t default_certificate; // SNAPSHOT_NONE: none
	uint32_t connections;
	uint32_t handshakes_per_second;
	uint32_t handshake_timeout_ms;
	uint32_t preamble_timeout_ms;
	uint32_t linger_timeout_ms;
	uint32_t mail_line_len;
	uint32_t mail_commands;
	uint32_t ca_len;
	uint16_t redirect_port;
	uint16_t redirect_status;
	uint8_t protocol; // enum snapshot_protocol
	uint8_t mail_tls; // enum snapshot_mail_tls; 0 for what is no mail
	uint8_t encrypt;  // 1: mail goes on only with TLS
	uint8_t reject_unknown_name;
	uint8_t client_auth; // enum snapshot_client_auth
	uint8_t client_auth_depth;
	uint8_t log_handshakes;  // 0, 1: tell of handshakes that succeeded
	uint8_t log_connections; // 0, 1: tell of each connection's end
	uint8_t reserved[4];
};

struct snapshot_address {
	uint8_t address[16];
	uint16_t port;
	uint8_t reserved[6];
};

// Also ROUTE_ALPN. Tail: len bytes.
struct snapshot_alpn {
	uint32_t len; // 1 to SNAPSHOT_ALPN_MAX
	uint32_t reserved;
};

// A connection takes the first route all of whose conditions hold: one of the names (none: any), one of the
// protocols (none: any). Followed by n_names ROUTE_NAMEs and n_alpns ROUTE_ALPNs.
struct snapshot_route {
	uint32_t backend_idx;
	uint32_t n_names;
	uint32_t n_alpns;
	uint32_t reserved;
};

// Tail: len bytes, a host name in lower case; wildcard: what follows "*.".
struct snapshot_route_name {
	uint16_t len;
	uint8_t wildcard; // 0, 1
	uint8_t reserved[5];
};

// A network whose connections start with a PROXY header. The prefix is counted in its own family.
struct snapshot_trusted {
	uint8_t prefix[16];
	uint8_t prefix_len;
	uint8_t reserved[7];
};

// One name of one certificate. Sorted by name; of one name, in the order of preference (the configuration's).
// Tail: len bytes, in lower case, wildcards with their "*.".
struct snapshot_server_name {
	uint32_t certificate_id;
	uint16_t len;
	uint8_t reserved[2];
};

// Last: what was announced is all there.
struct snapshot_end {
	uint64_t n_records; // before this one
};

// Tail: the certificates, leaf first, then staple, then timestamps.
struct snapshot_certificate {
	uint32_t id;
	uint32_t n_certificates;
	uint32_t lens[SNAPSHOT_CHAIN_MAX]; // the rest 0
	uint32_t staple_len;               // an OCSPResponse; 0: none
	uint32_t scts_len;                 // a SignedCertificateTimestampList; 0: none
	int64_t not_after;                 // seconds since 1970
	int64_t staple_next_update;        // 0: no end
};

enum snapshot_key_type {
	SNAPSHOT_KEY_RSA,
	SNAPSHOT_KEY_P256,
	SNAPSHOT_KEY_P384,
	SNAPSHOT_KEY_ED25519
};

// Tail: the numbers, big-endian, of fixed width by type:
//   P-256, P-384, Ed25519   scalar or seed: 32, 48, 32 bytes
//   RSA, w = bits / 8       n w | e 8 | d w | p w/2 | q w/2 | d mod p-1 w/2 | d mod q-1 w/2 | 1/q mod p w/2
struct snapshot_private_key {
	uint32_t certificate_id;
	uint32_t len; // of the tail
	uint32_t bits;
	uint8_t type; // enum snapshot_key_type
	uint8_t reserved[3];
};

enum snapshot_ticket_role {
	SNAPSHOT_TICKET_CURRENT,
	SNAPSHOT_TICKET_NEXT,
	SNAPSHOT_TICKET_PREVIOUS
};

// All three replace all three. The times let a control process that attaches later go on rotating.
struct snapshot_ticket_key {
	uint8_t name[16];
	uint8_t key[32];
	int64_t made_s; // since 1970
	int64_t in_role_s;
	uint8_t role;  // enum snapshot_ticket_role
	uint8_t valid; // 0: there is none yet (previous)
	uint8_t reserved[6];
};

_Static_assert(sizeof(struct snapshot_head) == 72, "fixed width");
_Static_assert(sizeof(struct snapshot_backend) == 80, "fixed width");
_Static_assert(sizeof(struct snapshot_server) == 96, "fixed width");
_Static_assert(sizeof(struct snapshot_listener) == 104, "fixed width");
_Static_assert(sizeof(struct snapshot_address) == 24, "fixed width");
_Static_assert(sizeof(struct snapshot_alpn) == 8, "fixed width");
_Static_assert(sizeof(struct snapshot_route) == 16, "fixed width");
_Static_assert(sizeof(struct snapshot_route_name) == 8, "fixed width");
_Static_assert(sizeof(struct snapshot_trusted) == 24, "fixed width");
_Static_assert(sizeof(struct snapshot_server_name) == 8, "fixed width");
_Static_assert(sizeof(struct snapshot_certificate) == 72, "fixed width");
_Static_assert(sizeof(struct snapshot_private_key) == 16, "fixed width");
_Static_assert(sizeof(struct snapshot_ticket_key) == 72, "fixed width");
