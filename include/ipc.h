// SPDX-License-Identifier: Apache-2.0
//
// The control link: messages between sluice-control and sluice-dataplane over one SOCK_SEQPACKET connection.
//
// Every message is a struct of fixed width in host byte order (both ends run on one machine) that starts with
// an ipc_header; a message may carry one file descriptor. Control asks, the dataplane answers with the same
// id; only EVENT and STOPPED come unasked. What is too long for a message travels as a memfd that must be
// sealed against writing and resizing: a sequence of records, each an ipc_record_header and a body of fixed
// width.
//
//   control                               dataplane
//      | HELLO            ------------------> |
//      | <-----------------   HELLO_ANSWER    |   + counter page, when running
//      | START + memfd    ------------------> |   once in the life of a dataplane
//      | <-----------------   START_ANSWER    |   + counter page, or a reason and nothing changed
//      | PRIVATE_KEYS + memfd -------------->  |   any number of each, in this order
//      | CERTIFICATES + memfd -------------->  |
//      | TICKET_KEYS + memfd --------------->  |
//      | SNAPSHOT + memfd ------------------>  |   everything that may change while it runs (snapshot.h)
//      | SESSIONS + memfd   ------------------> |   what the dataplane before this one remembered
//      | <-----------------   ANSWER          |   to each: a reason and nothing changed, or none: done
//      | GET_TICKET_KEYS  ------------------> |
//      | <-----------------   ANSWER          |   + memfd of the ticket keys in use; or a reason
//      | QUERY            ------------------> |   beside all that, one at a time
//      | <-----------------   ROWS            |   what a worker's tables hold, or what became of an order
//      | <-----------------   EVENT ...       |
//      | STOP             ------------------> |
//      | <-----------------   STOPPED         |   then the dataplane exits
//
// A peer of another version is answered with REFUSED, whose layout never changes, and disconnected.
#pragma once

#include "log_event.h"

#include <stdint.h>

#define IPC_MAGIC UINT32_C(0x4c534c43) // "CLSL"

enum {
	IPC_VERSION = 3,
	IPC_REASON_MAX = 256, // bytes of a reason, its terminating zero included
	IPC_NAME_MAX = 32,
	IPC_DEVICE_MAX = 256,
	IPC_WORKERS_MAX = 64,
	IPC_PORTS_MAX = 16,
	IPC_ADDRESSES_MAX = 1024,
	IPC_ROUTES_MAX = 1024,
	IPC_CONFIG_LEN_MAX = 64 << 20,
	IPC_ROWS_LEN_MAX = 96 << 10, // of one ROWS
};

enum ipc_type {
	IPC_HELLO = 1,
	IPC_HELLO_ANSWER,
	IPC_REFUSED,
	IPC_START,
	IPC_START_ANSWER,
	IPC_EVENT,
	IPC_STOP,
	IPC_STOPPED,
	IPC_PRIVATE_KEYS,
	IPC_CERTIFICATES,
	IPC_TICKET_KEYS,
	IPC_SNAPSHOT,
	IPC_ANSWER,
	IPC_GET_TICKET_KEYS,
	IPC_SESSIONS,
	IPC_QUERY,
	IPC_ROWS,
};

struct ipc_header {
	uint32_t magic;
	uint16_t version;
	uint16_t type; // enum ipc_type
	uint32_t id;   // chosen by the asker, repeated in the answer; 0 in messages that nobody asked for
	uint32_t len;  // of the whole message
};

// HELLO, STOP: the header alone. START and what follows it: the header, and a memfd of records.
struct ipc_request {
	struct ipc_header header;
};

struct ipc_hello_answer {
	struct ipc_header header;
	uint32_t pid;
	uint32_t n_workers; // 0 until started
	uint64_t started_wall_us;
	char release[IPC_NAME_MAX];
};

// Also START_ANSWER and ANSWER: an empty reason means done.
struct ipc_refused {
	struct ipc_header header;
	char reason[IPC_REASON_MAX];
};

struct ipc_event {
	struct ipc_header header;
	struct log_event event;
};

struct ipc_stopped {
	struct ipc_header header;
	uint64_t n_leaked_mbufs; // buffers that were in nobody's hands at the end: a defect
};

// ---- QUERY and ROWS
// -------------------------------------------------------------------------------------------------

// A worker looks at a few entries of a table in each of its turns, so that a table of any size is listed, or
// changed, without a pause in its traffic. A query with the cursor that the last ROWS gave goes on after it.
enum ipc_query_kind {
	IPC_QUERY_TABLES,          // one ipc_tables
	IPC_QUERY_SESSIONS,        // ipc_session ...
	IPC_QUERY_SEALED_SESSIONS, // ipc_sealed_session ..., for the dataplane after this one
	IPC_QUERY_NEIGHBORS,       // ipc_neighbor ...
	IPC_QUERY_CONNECTIONS,     // ipc_connection ...
	IPC_ORDER_CLEAR_SESSIONS,  // no rows
	IPC_ORDER_SIZE_SESSIONS,   // no rows; argument: entries, at most those of the start
	IPC_ORDER_KILL,            // no rows; the connections that match
	N_IPC_QUERIES,
};

// Which connections are meant; what is zero or empty may be anything.
struct ipc_match {
	uint64_t id;
	uint8_t client_address[16];
	uint8_t server_address[16];
	uint16_t server_port;
	uint8_t reserved[6];
	char listener[IPC_NAME_MAX];
	char backend[IPC_NAME_MAX];
};

struct ipc_query {
	struct ipc_header header;
	uint16_t kind; // enum ipc_query_kind
	uint16_t worker_idx;
	uint32_t reserved;
	uint64_t cursor; // 0: from the beginning
	uint64_t argument;
	struct ipc_match match; // of CONNECTIONS and KILL
};

// The head of the answer, followed by its rows. A query that is not understood gets an ANSWER with a reason.
struct ipc_rows {
	struct ipc_header header;
	uint16_t kind;
	uint16_t worker_idx;
	uint32_t n_rows;
	uint64_t cursor; // where to go on; 0: that was all
	uint64_t n_done; // entries that the order changed in this answer
};

// How full a worker's tables are.
struct ipc_tables {
	uint32_t n_connections;
	uint32_t n_connections_max;
	uint32_t n_sessions;
	uint32_t n_sessions_max; // in use: what an operator may change
	uint32_t n_sessions_capacity;
	uint32_t n_neighbors;
	uint32_t n_neighbors_max;
	uint32_t n_deployments; // snapshots that some connection still uses
	uint64_t n_sessions_evicted;
};

// Metadata of a session that can be resumed by its ID. Nobody can resume with the first bytes of an ID.
struct ipc_session {
	uint8_t id_start[8];
	uint64_t created_s;
	uint32_t lifetime_s;
	uint16_t version;
	uint16_t suite;
	uint8_t client_verified; // 0, 1
	uint8_t reserved[7];
};

// The session under the ticket key of its time. Also the record of SESSIONS, one after the other, bare.
struct ipc_sealed_session {
	uint8_t id[32];
	uint8_t ticket[176];
	uint16_t ticket_len;
	uint16_t worker_idx;
	uint32_t reserved;
};

enum ipc_neighbor_state {
	IPC_NEIGHBOR_FAILED,
	IPC_NEIGHBOR_INCOMPLETE,
	IPC_NEIGHBOR_STALE,
	IPC_NEIGHBOR_PROBE,
	IPC_NEIGHBOR_REACHABLE,
};

struct ipc_neighbor {
	uint8_t address[16];
	uint8_t link_address[6]; // zero: not known
	uint8_t port_idx;
	uint8_t state;      // enum ipc_neighbor_state
	uint8_t is_gateway; // 0, 1
	uint8_t n_waiting;  // packets
	uint8_t reserved[6];
	uint64_t confirmed_us; // ago; UINT64_MAX: never
	uint64_t used_us;      // ago; UINT64_MAX: never
};

// RFC 9293 3.3.2.
enum ipc_tcp_state {
	IPC_TCP_NONE,
	IPC_TCP_SYN_SENT,
	IPC_TCP_SYN_RECEIVED,
	IPC_TCP_ESTABLISHED,
	IPC_TCP_FIN_WAIT_1,
	IPC_TCP_FIN_WAIT_2,
	IPC_TCP_CLOSE_WAIT,
	IPC_TCP_CLOSING,
	IPC_TCP_LAST_ACK,
	IPC_TCP_TIME_WAIT,
	N_IPC_TCP_STATES,
};

// What a connection is doing.
enum ipc_phase {
	IPC_PHASE_HEADER, // its PROXY header is to come
	IPC_PHASE_HANDSHAKE,
	IPC_PHASE_CONNECT,
	IPC_PHASE_PREAMBLE, // mail's commands before STARTTLS
	IPC_PHASE_REDIRECT,
	IPC_PHASE_FORWARD,
	IPC_PHASE_ENDING,
	N_IPC_PHASES,
};

// A TCP connection of a pair.
struct ipc_leg {
	uint8_t tcp_state; // enum ipc_tcp_state
	uint8_t reserved[3];
	uint32_t rtt_us;
	uint32_t cwnd; // bytes
	uint32_t mss;
};

// A client's connection and the one to its server.
struct ipc_connection {
	uint64_t id; // of this worker; never that of two connections at one time
	uint64_t age_us;
	uint64_t idle_us;
	uint64_t n_bytes_in; // from the client
	uint64_t n_bytes_out;
	struct ipc_leg client;
	struct ipc_leg server;
	uint8_t client_address[16];
	uint8_t own_address[16];
	uint8_t server_address[16];
	uint16_t client_port;
	uint16_t own_port;
	uint16_t server_port; // 0: none yet
	uint16_t version;     // 0: no TLS
	uint16_t suite;
	uint16_t group;
	uint8_t phase; // enum ipc_phase
	uint8_t resumed;
	uint8_t client_verified;
	uint8_t name_len;
	char listener[IPC_NAME_MAX];
	char backend[IPC_NAME_MAX]; // empty: none yet
	char alpn[16];
	char name[104]; // SNI, its first name_len bytes: anything that the client sent
};

// Bytes of a row of this kind; 0: there are none.
static inline uint32_t ipc_row_len(uint16_t kind)
{
	switch (kind) {
	case IPC_QUERY_TABLES:
		return sizeof(struct ipc_tables);
	case IPC_QUERY_SESSIONS:
		return sizeof(struct ipc_session);
	case IPC_QUERY_SEALED_SESSIONS:
		return sizeof(struct ipc_sealed_session);
	case IPC_QUERY_NEIGHBORS:
		return sizeof(struct ipc_neighbor);
	case IPC_QUERY_CONNECTIONS:
		return sizeof(struct ipc_connection);
	default:
		return 0;
	}
}

// ---- Records of START
// -----------------------------------------------------------------------------------------------

enum ipc_record_type {
	IPC_RECORD_DATAPLANE = 1, // exactly one, first
	IPC_RECORD_PORT,          // numbered from 0 in order of appearance; addresses and routes name them so
	IPC_RECORD_ADDRESS,
	IPC_RECORD_ROUTE,
};

struct ipc_record_header {
	uint16_t type; // enum ipc_record_type
	uint16_t reserved;
	uint32_t len; // of the body
};

enum ipc_poll {
	IPC_POLL_ADAPTIVE,
	IPC_POLL_BUSY,
};

struct ipc_dataplane {
	char name[IPC_NAME_MAX]; // tells this dataplane from others on the machine: EAL's file prefix
	uint64_t memory_len;     // bytes of packet memory of all workers together
	uint32_t n_workers;
	uint16_t cores[IPC_WORKERS_MAX]; // a CPU for each worker
	uint8_t poll;                    // enum ipc_poll
	uint8_t huge_pages;              // 0: never; 1: when enough are free
	uint8_t reserved[2];
	uint32_t n_connections; // proxied at once, of all workers together; 0: 65,536
	uint32_t user_id; // what every thread runs as once the ports are open; 0: root without capabilities
	uint32_t group_id;
	uint32_t reserved2;
};

// Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d, with prefix lengths counted in their own family (0-32,
// 0-128).
struct ipc_port {
	char name[IPC_NAME_MAX];
	char device[IPC_DEVICE_MAX]; // a PCI address or a DPDK virtual device with its arguments
	uint16_t mtu;                // of IP packets; 0: 1500
	uint16_t vlan;               // 802.1Q tag of all traffic; 0: untagged
	uint8_t reserved[4];
};

struct ipc_address {
	uint8_t address[16];
	uint16_t port_idx;
	uint8_t prefix_len;
	uint8_t reserved[5];
};

// A prefix of length 0 is the default route of its family.
struct ipc_route {
	uint8_t prefix[16];
	uint8_t gateway[16];
	uint16_t port_idx;
	uint8_t prefix_len;
	uint8_t reserved[5];
};

_Static_assert(sizeof(struct ipc_header) == 16, "fixed width");
_Static_assert(sizeof(struct ipc_hello_answer) == 64, "fixed width");
_Static_assert(sizeof(struct ipc_refused) == 272, "fixed width");
_Static_assert(sizeof(struct ipc_event) == 1040, "fixed width");
_Static_assert(sizeof(struct ipc_stopped) == 24, "fixed width");
_Static_assert(sizeof(struct ipc_match) == 112, "fixed width");
_Static_assert(sizeof(struct ipc_query) == 152, "fixed width");
_Static_assert(sizeof(struct ipc_rows) == 40, "fixed width");
_Static_assert(sizeof(struct ipc_tables) == 40, "fixed width");
_Static_assert(sizeof(struct ipc_session) == 32, "fixed width");
_Static_assert(sizeof(struct ipc_sealed_session) == 216, "fixed width");
_Static_assert(sizeof(struct ipc_neighbor) == 48, "fixed width");
_Static_assert(sizeof(struct ipc_connection) == 320, "fixed width");
_Static_assert(sizeof(struct ipc_record_header) == 8, "fixed width");
_Static_assert(sizeof(struct ipc_dataplane) == 192, "fixed width");
_Static_assert(sizeof(struct ipc_port) == 296, "fixed width");
_Static_assert(sizeof(struct ipc_address) == 24, "fixed width");
_Static_assert(sizeof(struct ipc_route) == 40, "fixed width");
