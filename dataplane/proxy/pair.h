// SPDX-License-Identifier: Apache-2.0
//
// A proxied connection: a client's leg, a backend's leg, and where they stand.
//
//   accepted -> [HEADER] -> [HANDSHAKE] -> CONNECT -> FORWARD -> freed
//                  |             ^            |  ^       ^
//                  |             |            v  |       |
//                  +---------------------> [PREAMBLE] ---+      mail: connects first, TLS in between
//                  +-> REDIRECT                                 port 80
//                                  any -> ENDING: last words on their way to the client
//
// The snapshot that a pair began under is needed until FORWARD, and by a PREAMBLE only while its handshake
// goes on; STARTTLS uses the one in force then. All of these phases have deadlines that clients can't put
// off, so that snapshots come free however long connections live. What is needed for life is the pair's
// terms.
//
// A pair belongs to the worker that accepted it, from birth to death. Its timer serves all its deadlines; one
// that came too early is set again. Whatever goes wrong ends both legs, each in the way that tells its peer
// the truth: a clean end becomes a clean end, everything else a reset (or the protocol's or TLS's own words).
#pragma once

#include "base/assert.h"
#include "base/timer_wheel.h"
#include "proxy/leg.h"
#include "proxy/proxy.h"

enum {
	PAIR_CLIENT,
	PAIR_BACKEND
};

enum pair_phase {
	PAIR_HEADER,
	PAIR_HANDSHAKE,
	PAIR_CONNECT,
	PAIR_PREAMBLE,
	PAIR_REDIRECT,
	PAIR_FORWARD,
	PAIR_ENDING,
	N_PAIR_PHASES
};

struct pair {
	struct leg legs[2];
	struct list_link active;
	struct timer timer;
	const struct listener_terms *terms; // held
	struct proxy_use *use;              // the snapshot that it needs; NULL: none any more
	struct upstream_choice choice;
	struct admission_ticket ticket;
	struct proxy_addresses addresses;
	uint64_t begun_us;
	uint64_t phase_us;       // since when it is in this phase
	uint64_t moved_us;       // when a byte last went through
	uint64_t handshake_us;   // when the client's handshake began
	const char *end_detail;  // for the log; NULL: the reason says it all
	uint32_t server_idx;     // UPSTREAM_NONE: none is held
	uint32_t talk_idx;       // of its preamble or redirect
	enum counter end_reason; // N_COUNTERS: none yet; the first one stays
	uint16_t listener_idx;   // in that snapshot
	uint8_t phase;
	bool resumes;        // it was let in because its hello would resume a session
	bool awaits_hello;   // STARTTLS was answered, and no handshake has begun
	uint8_t first_bytes; // enum first_bytes, of what began the handshake
};

// What the client's handshake left, for whoever asks while the connection lives. Apart from the pair: cold.
enum {
	PAIR_ALPN_MAX = 16,
	PAIR_NAME_MAX = 100
};

struct pair_facts {
	uint16_t version; // 0: no TLS (yet)
	uint16_t suite;
	uint16_t group;
	uint16_t scheme;
	bool resumed;
	bool peer_authenticated;
	uint8_t alpn_len; // 0: none, or a name longer than anybody's
	uint8_t name_len;
	char alpn[PAIR_ALPN_MAX];
	char name[PAIR_NAME_MAX]; // SNI, its first bytes
};

static inline struct pair *pair_of(struct leg *leg)
{
	return (struct pair *)(void *)((char *)leg - leg->side * sizeof *leg);
}

// The user word of a leg's TCP connection.
static inline uint64_t pair_user(const struct proxy *proxy, const struct leg *leg)
{
	const struct pair *pair = (const void *)((const char *)leg - leg->side * sizeof *leg);

	return (uint64_t)pool_index(&proxy->pairs, pair) << 1 | leg->side;
}

// The snapshot and the listener in it, as long as they are needed.
static inline const struct proxy_config *pair_config(const struct pair *pair)
{
	SLUICE_ASSERT(pair->use != NULL);
	return pair->use->config;
}

static inline const struct proxy_listener *pair_listener(const struct pair *pair)
{
	return &pair_config(pair)->listeners[pair->listener_idx];
}

static inline struct pair_facts *pair_facts(const struct proxy *proxy, const struct pair *pair)
{
	return &proxy->facts[pool_index(&proxy->pairs, pair)];
}

static inline struct tally_listener_row *pair_row(const struct proxy *proxy, const struct pair *pair)
{
	return &proxy->listener_tallies[pair->terms->tally_idx];
}

void pair_accept(struct proxy *proxy, const struct tcp_ready *ready);
void pair_events(struct proxy *proxy, struct pair *pair, uint8_t side, uint16_t events);

// Does what can be done apart from moving bytes in bursts. Whether anything changed; the pair may be gone
// afterwards (pool_in_use).
bool pair_step(struct proxy *proxy, struct pair *pair);

void pair_timer(struct proxy *proxy, struct pair *pair);

void pair_activate(struct proxy *proxy, struct pair *pair);
void pair_set_phase(struct proxy *proxy, struct pair *pair, enum pair_phase phase);

// Ends both legs at once and frees the pair.
void pair_abort(struct proxy *proxy, struct pair *pair, enum counter reason);
void pair_free(struct proxy *proxy, struct pair *pair);

// The pair needs the snapshot in force from now on, as the listener at this index.
void pair_use_config(struct proxy *proxy, struct pair *pair, uint32_t listener_idx);
void pair_drop_config(struct pair *pair);

// The name of the backend that it goes to, or would have gone to; empty: none yet, or a nameless one.
const char *pair_backend(const struct proxy *proxy, const struct pair *pair);

// The client's handshake succeeded: counted, logged, and its facts are kept. Its report is still there.
void pair_note_session(struct proxy *proxy, struct pair *pair);
void pair_note_failure(struct proxy *proxy, struct pair *pair);

enum pair_hello {
	PAIR_HELLO_AWAITED,  // nothing has come, or not enough to tell what it asks for
	PAIR_HELLO_ADMITTED, // the handshake has begun
	PAIR_HELLO_REFUSED   // the pair is gone
};

// Begins the client's handshake with what has arrived, if admission lets it. Nothing is held before. The pair
// has a configuration.
enum pair_hello pair_begin_handshake(struct proxy *proxy, struct pair *pair)
	__attribute__((warn_unused_result));

// The client hears its last words (already written) and the end; the backend is reset.
void pair_end_client(struct proxy *proxy, struct pair *pair, enum counter reason);

// --- dial.c: the backend's side ---

// Chooses a server and connects, or ends the pair when none is left.
void pair_dial(struct proxy *proxy, struct pair *pair, uint32_t pool_idx);
bool pair_dialing(struct proxy *proxy, struct pair *pair);

// --- converse.c: preambles and port 80 ---
bool pair_begin_preamble(struct proxy *proxy, struct pair *pair);
bool pair_converse(struct proxy *proxy, struct pair *pair);
bool pair_begin_redirect(struct proxy *proxy, struct pair *pair);
bool pair_redirect(struct proxy *proxy, struct pair *pair);
void pair_redirect_timeout(struct proxy *proxy, struct pair *pair);
void pair_end_talk(struct proxy *proxy, struct pair *pair);
