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
//      | <-----------------   ANSWER          |   to each: a reason and nothing changed, or none: done
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
	IPC_VERSION = 1,
	IPC_REASON_MAX = 256, // bytes of a reason, its terminating zero included
	IPC_NAME_MAX = 32,
	IPC_DEVICE_MAX = 256,
	IPC_WORKERS_MAX = 64,
	IPC_PORTS_MAX = 16,
	IPC_ADDRESSES_MAX = 1024,
	IPC_ROUTES_MAX = 1024,
	IPC_CONFIG_LEN_MAX = 64 << 20,
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
_Static_assert(sizeof(struct ipc_record_header) == 8, "fixed width");
_Static_assert(sizeof(struct ipc_dataplane) == 184, "fixed width");
_Static_assert(sizeof(struct ipc_port) == 296, "fixed width");
_Static_assert(sizeof(struct ipc_address) == 24, "fixed width");
_Static_assert(sizeof(struct ipc_route) == 40, "fixed width");
