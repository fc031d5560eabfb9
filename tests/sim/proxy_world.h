// SPDX-License-Identifier: Apache-2.0
//
// The world around the simulated proxy: clients and backends, each with a mood of its own, on one stack; and
// the state of the simulation that both halves share.
#pragma once

#include "proxy_ports.h"
#include "proxy_workers.h"
#include "tls_fixture.h"
#include "twin.h"

enum {
	FLOWS_MAX = 8,
	APP_BUFFER_LEN = 17000,
	CHUNK_MAX = 4000,
	RECORD_MAX = 16000,
	TRICKLE = 60, // bytes of a client's segment: a record in more pieces than an AEAD job takes
	TLS_OUT_MAX = 32 * 1024,
	TOLD_MTU = 1000 // what a router on the way lets through
};

enum mood {
	MOOD_ORDERLY,  // sends all, ends, waits for the other's end
	MOOD_RESETS,   // gives up in the middle
	MOOD_CUTS,     // TLS client: FIN without close_notify, in the middle
	MOOD_STALLS,   // stops reading for a long time, then goes on
	MOOD_GARBAGE,  // client: bytes that are no TLS, and an alert back
	MOOD_REDIRECT, // client: one request to port 80
	N_MOODS
};

// One end of a flow, in the world.
struct peer {
	struct tcp_handle handle;
	bool alive;  // the handle is ours
	bool gone;   // it ended, in whatever way
	bool broken; // in no order
	bool ended;  // its stream's end has been said
	bool heard_end;
	bool fin_seen;
	enum mood mood;
	uint32_t n_to_send, n_sent, n_received;
	uint64_t hungry_us;
};

// A client that sends mail, and gets to TLS by STARTTLS; then its stream begins.
enum mail_state {
	MAIL_NONE,
	MAIL_GREETING,
	MAIL_HELLO,
	MAIL_STARTTLS,
	MAIL_TLS,
	MAIL_HELLO_AGAIN,
	MAIL_DONE
};

struct flow {
	struct peer client, backend;
	enum mail_state mail;
	bool backend_streams; // MAIL has arrived
	char line[256];       // of text that is coming in
	size_t line_len;
	struct tls_end tls;
	bool has_tls;
	bool v6;
	const struct tls_client_config *config;
	struct tls_session_slot
		*slot; // of the session to resume, and where the next one is kept; may be NULL
	bool tls_begun;
	bool offers; // a session to be resumed
	bool trickles;
	bool refused; // it heard in words that there is no backend
	bool proxied; // its first bytes are a PROXY header
	uint64_t trickled_us;
	uint32_t seed;
	uint64_t start_us;
	bool started;
};

struct sim {
	struct twin twin;
	struct twin_options options;
	struct flow flows[FLOWS_MAX];
	uint32_t n_flows;
	uint64_t random;
	uint64_t backends_die_us;  // then every backend resets all it has and listens no more; 0: never ...
	uint64_t backends_back_us; // ... until then
	bool backends_dead;
	struct tls_fixture world;
	struct sim_worker workers[TWIN_WORKERS_MAX];
	uint32_t n_workers;
	bool calm;       // nothing is harmed, nobody misbehaves: what happens is exactly known
	bool shuffled;   // clients' small segments arrive in a wild order: records in many pieces
	bool limited;    // admission may refuse handshakes that resume nothing
	uint32_t n_told; // connections that were told TOLD_MTU
};

extern struct sim sim;

uint32_t sim_below(uint32_t n);
bool sim_chance(uint32_t percent);
uint64_t sim_random(void);
uint32_t sim_one_of(const uint32_t *choices, uint32_t n);

#define ONE_OF(...) \
	sim_one_of( \
		(const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

// Everything that clients and backends do in a turn.
void world_turn(void);

// The backends begin to listen; it is drawn whether and when they die.
void world_open(void);

// Puts an ICMP error on the wire: a packet of the proxy's was too large for somebody on the way, the one that
// held the byte with this number. False: there was no room.
bool world_tell_too_big(const struct flow_key *key, uint32_t seq);
