// SPDX-License-Identifier: Apache-2.0
//
// What the command line of sluice-load says, checked.
#pragma once

#include "net/addr.h"

#include <stddef.h>

enum load_mode {
	LOAD_HANDSHAKE,
	LOAD_RPS,
	LOAD_BULK,
	LOAD_IDLE,
	LOAD_FLOOD,
	LOAD_MIX,
	LOAD_SERVE,
	N_LOAD_MODES
};

enum load_direction {
	LOAD_DOWN,
	LOAD_UP,
	LOAD_BOTH
};

enum load_flood {
	LOAD_FLOOD_SYN,       // never completed by an ACK
	LOAD_FLOOD_HALF_OPEN, // connected, and silent
	LOAD_FLOOD_HELLO,     // silent after the ClientHello
	LOAD_FLOOD_GARBAGE    // no TLS at all
};

enum load_mail {
	LOAD_MAIL_NONE,
	LOAD_MAIL_SMTP,
	LOAD_MAIL_IMAP,
	LOAD_MAIL_POP3,
	LOAD_MAIL_MESSAGE // SMTP, and a message of a kilobyte in each conversation
};

enum {
	LOAD_DEVICES_MAX = 2,
	LOAD_ADDRESSES_MAX = 16,
	LOAD_WINDOWS_MAX = 64,
	LOAD_NAME_MAX = 256
};

#define LOAD_NO_END (UINT64_C(1) << 40) // a body that no run sees the end of

// A range of addresses that follow each other.
struct load_range {
	struct ip_addr first;
	uint32_t n;
	uint8_t prefix_len; // as in net_address_config
	uint8_t device;
	uint16_t port; // TCP's, where there is one
};

struct load_options {
	enum load_mode mode;
	const char *devices[LOAD_DEVICES_MAX];
	uint32_t n_devices;
	struct load_range clients[LOAD_ADDRESSES_MAX];
	uint32_t n_clients;
	struct load_range served[LOAD_ADDRESSES_MAX];
	uint32_t n_served;
	struct ip_addr gateways[2];
	uint8_t gateway_devices[2];
	uint32_t n_gateways;
	struct load_range target;
	uint32_t core;
	uint32_t n_mbufs;
	uint32_t buffer_len; // bytes in flight of a connection, each way; 0: TCP's own limits
	uint32_t without;    // port capabilities not to use
	uint16_t mtu;
	bool huge_pages;
	// TLS.
	bool plain; // no TLS
	bool resume;
	uint16_t version; // 0: the best
	uint16_t group, suite, signature;
	const char *name;
	const char *ca;
	uint32_t verify_every; // signatures checked: one in so many; 0: none
	uint32_t n_shares;     // key shares made beforehand; 0: a fresh one for each handshake
	enum load_mail mail;
	// The load.
	uint32_t n_connections;
	double rate; // conversations begun a second (rps: requests); 0: closed loop
	double warm_up_s, duration_s;
	uint32_t n_windows;
	double timeout_s;
	double trickle_s; // idle: a request of each connection so often; 0: never
	uint64_t body_len;
	uint32_t n_requests; // per connection; 0: no end
	enum load_direction direction;
	enum load_flood flood;
	const char *counters; // of the proxy that is loaded: its shared page
	bool json;
	bool progress;
};

// Prints what is wrong (or the help that was asked for) and ends the process.
void load_options_read(int argc, char **argv, struct load_options *out);

const char *load_mode_name(enum load_mode mode);
