// SPDX-License-Identifier: Apache-2.0
//
// The backend behind a proxy, as cheap as can be: HTTP/1.1 on plain TCP. GET /N answers with N bytes of the
// pattern, sent by reference from one buffer; PUT swallows a body, checks it against the pattern, and answers
// 200. With --starttls it is a mail server that greets and agrees to everything.
#pragma once

#include "load/message.h"
#include "load/options.h"
#include "tcp/tcp.h"

struct station;

enum {
	SERVE_TAG = 1, // of TCP's events; clients have 0
	// To one buffer; DPDK counts them in 16 bits, packets under way included.
	SERVE_REFERENCES_MAX = 48000
};

struct served {
	struct message request;
	uint64_t body_left; // of the answer, not queued yet
	uint64_t body_at;
	bool closing;    // when the answer is queued
	bool in_message; // SMTP: lines are a message's up to the dot
	bool peer_fin;
	bool waits; // a buffer was short: on the list to be looked at in the next turn
};

struct serve {
	struct station *station;
	struct served *sessions; // by TCP's index
	struct rte_mbuf *pattern;
	struct rte_mbuf *answer; // the answer that was last asked for, whole, if it is short
	uint64_t answer_len;
	bool answer_closes;
	struct tcp_handle *waiting; // where a buffer was short
	uint32_t n_waiting;
	uint64_t n_requests;
	uint64_t n_bytes_in, n_bytes_out;
	uint64_t n_bad; // malformed requests, corrupt bodies
};

// Listens on what the options say. Ends the process when it can't.
void serve_open(struct serve *serve, struct station *station);

void serve_event(struct serve *serve, const struct tcp_ready *ready);

// Goes on where buffers were short.
void serve_turn(struct serve *serve);

void serve_close(struct serve *serve);
