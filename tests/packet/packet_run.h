// SPDX-License-Identifier: Apache-2.0
//
// What the parts of packet_run share: the script that runs, the stack that it runs against, and the words of
// a statement.
#pragma once

#include "base/arena.h"
#include "base/counters.h"
#include "net/segment.h"
#include "seam/net_stub.h"
#include "tcp/options.h"
#include "tcp/tcp.h"

enum {
	PEER_PORT = 80,
	LOCAL_PORT = 80,
	CONNECT_PORT = 5000,
	WORDS_MAX = 24,
	BURST_MAX = 16,
	START_MS = 1000 // the clock when a script starts
};

#define PEER_ISN UINT32_C(0xfffff000)

struct run {
	const char *path;
	unsigned line;
	unsigned n_failures;
	struct net *net;
	struct tcp *tcp;
	struct arena arena;
	struct counters counters;
	struct tcp_config config;
	uint16_t mtu, capabilities;
	bool v6, active;
	struct flow_key key; // ours
	uint32_t our_isn;
	bool know_isn;
	uint32_t our_ts; // our timestamp at the script's start
	bool know_ts;
	struct tcp_handle handle;
	bool have_conn;
	uint16_t events;
	struct segment burst[BURST_MAX];
	uint32_t n_burst;
	struct net_stub_sent next;
	bool have_next;
};

extern struct run run;

// Reports a failure at the script's line and goes on.
void fail(const char *what, const char *detail);
double now_ms(void);

// --- words.c ---

// The value of "name=value" among the words, or NULL.
const char *value_of(char **words, uint32_t n, const char *name);
bool has_word(char **words, uint32_t n, const char *name);
uint32_t number_of(char **words, uint32_t n, const char *name, uint32_t otherwise);
uint8_t flags_of(const char *word);
const char *flag_names(uint8_t flags);

// SACK blocks "A-B,C-D", counted from base.
void sack_of(const char *value, uint32_t base, struct tcp_options *options);

// --- packet_run.c ---

// The connection that the script is about, or NULL.
struct tcp_conn *conn(void);
void turn(void);

// --- segments_in.c, segments_out.c ---

void do_in(char **words, uint32_t n);
void do_out(char **words, uint32_t n);

// Whether something was sent that no statement has named; it is run.next then.
bool next_sent(void);
void expect_nothing_left(void);
