// SPDX-License-Identifier: Apache-2.0
//
// One side of a proxied connection: a TCP connection, perhaps with TLS on it, seen as a stream of plaintext
// in each direction. The one place that knows both tcp and tls. Both legs of a pair are of this kind; whether
// TLS is on it, and which role we play, is a setting.
//
//   TCP's receive queue           | plaintext, opened in place | tag | next record ...
//                                 |<---------- len ----------->|<-->|      `opened`, in a leg with TLS
//
//   reading   leg_peek gives the pieces of plaintext where they lie; leg_consume gives their buffers back
//   writing   leg_send_piece queues references to them; with TLS forward.c seals them into a buffer of ours
//
// A record buffer holds 16 KB and a record may be much shorter: as long as TCP still has bytes of the last
// one, records that fit share it.
//
// The end of a stream is clean when TCP's FIN (plaintext) or close_notify (TLS) came after all of it. A FIN
// without close_notify is a truncation, and like a reset it makes the leg broken (RFC 8446 6.1).
#pragma once

#include "tcp/tcp.h"
#include "tls/handshake.h"
#include "tls/record.h"

struct proxy;

enum leg_flag {
	LEG_OPEN = 1 << 0,        // a TCP connection that we own
	LEG_CONNECTED = 1 << 1,   // its handshake is over
	LEG_TLS = 1 << 2,         // tls_idx is a connection
	LEG_HANDSHAKING = 1 << 3, // TLS's handshake is going on
	LEG_FIN_SEEN = 1 << 4,    // TCP: nothing follows what can be read
	LEG_ENDED = 1 << 5,       // TLS: close_notify came
	LEG_BROKEN = 1 << 6,      // reset, timed out, truncated, or TLS refused it
	LEG_TRUNCATED = 1 << 7,
	LEG_SHUT_DUE = 1 << 8, // we end our stream as soon as there is room to say so
	LEG_SHUT = 1 << 9,     // we have
};

struct leg {
	struct tcp_handle tcp;
	uint32_t tls_idx;
	uint16_t flags;
	uint8_t side;       // which of the pair's two
	uint8_t tls_status; // enum tls_status, of the handshake
	uint32_t opened_len;
	uint32_t opened_tail;
	uint32_t opened_off; // in opened_mbuf
	uint32_t awaited;    // bytes in the receive queue before which there is no whole record; 0: not known
	uint16_t pending_offset;
	uint16_t pending_len;
	struct rte_mbuf
		*opened_mbuf;     // a record in too many pieces is opened here; NULL: in the receive queue
	struct rte_mbuf *pending; // sealed, and TCP had no room for the reference
	struct rte_mbuf *shared;  // records are laid into it one behind the other, while TCP has any of ours
	uint64_t n_read;
	uint64_t n_written;
};

static inline bool leg_is(const struct leg *leg, enum leg_flag flag)
{
	return (leg->flags & flag) != 0;
}

void leg_init(struct leg *leg, uint8_t side);

// Takes over a TCP connection; `user` comes back with its events.
void leg_open(struct proxy *proxy, struct leg *leg, struct tcp_conn *conn, uint64_t user);

// Ends the TCP connection in order, or with a reset, and gives back whatever the leg holds. Harmless on a leg
// that is not open.
void leg_close(struct proxy *proxy, struct leg *leg);
void leg_abort(struct proxy *proxy, struct leg *leg);

// TCP's events.
void leg_events(struct leg *leg, uint16_t events);

// --- TLS ---

// Begins a server's handshake. False: no room for one more.
bool leg_start_tls(struct proxy *proxy, struct leg *leg, const struct tls_server_config *config)
	__attribute__((warn_unused_result));

// Whether a ClientHello has begun to arrive and the rest of its record is still to come.
bool leg_awaits_hello(struct proxy *proxy, const struct leg *leg);

// Whether what has arrived begins a handshake that will resume a session (tls/resumption_hint.h).
bool leg_will_resume(struct proxy *proxy, const struct leg *leg);

enum leg_handshake {
	LEG_HANDSHAKE_WAITS,
	LEG_HANDSHAKE_DONE, // its report is there until leg_finish_handshake
	LEG_HANDSHAKE_FAILED
};

// Goes on with what has arrived, and sends what is to be sent.
enum leg_handshake leg_handshake(struct proxy *proxy, struct leg *leg) __attribute__((warn_unused_result));
const struct tls_handshake_report *leg_report(struct proxy *proxy, const struct leg *leg);
void leg_finish_handshake(struct proxy *proxy, struct leg *leg);

// Prepares the opening of the next record; false: there is none, or the leg has become broken or ended.
// `job` and what it points to live until leg_opened, which takes the verdict.
struct leg_opening {
	struct leg *leg;
	struct tls_record record;
	struct span inputs[TLS_RECORD_PIECES];
	struct mut_span outputs[TLS_RECORD_PIECES];
	struct rte_mbuf *mbuf;
};
bool leg_prepare_opening(struct proxy *proxy, struct leg *leg, struct leg_opening *opening,
	struct aead_job *job) __attribute__((warn_unused_result));
void leg_opened(struct proxy *proxy, struct leg_opening *opening, const struct aead_job *job);

struct tls_conn *leg_tls(struct proxy *proxy, const struct leg *leg);

// --- the stream ---

// Pieces of plaintext that can be read, at most n; returns how many.
uint32_t leg_peek(struct proxy *proxy, const struct leg *leg, struct tcp_piece *out, uint32_t n);
void leg_consume(struct proxy *proxy, struct leg *leg, uint32_t n_bytes);

// Bytes of plaintext that can be read: what leg_peek would find, without touching their buffers.
uint32_t leg_readable(struct proxy *proxy, const struct leg *leg);

// Whether any byte of plaintext, opened or not, has arrived and was not consumed.
bool leg_has_input(struct proxy *proxy, const struct leg *leg);

// Nothing more can be read, cleanly.
bool leg_at_end(struct proxy *proxy, const struct leg *leg);

// Bytes of plaintext that can be written now.
uint32_t leg_space(struct proxy *proxy, const struct leg *leg);

// Copies bytes into buffers of ours and sends them, sealed where there is TLS. False: no room; nothing was
// sent. There is room for leg_space() bytes if buffers are not short.
bool leg_write(struct proxy *proxy, struct leg *leg, struct span bytes) __attribute__((warn_unused_result));

// Queues a reference to a piece. Without TLS only. False: no room.
bool leg_send_piece(struct proxy *proxy, struct leg *leg, const struct tcp_piece *piece)
	__attribute__((warn_unused_result));

// A place of so many bytes for a sealed record. The mbuf comes with a reference of the caller's; NULL: no
// buffer is free.
struct leg_place {
	struct rte_mbuf *mbuf;
	uint32_t offset; // of the mbuf's data
};
struct leg_place leg_find_place(struct proxy *proxy, struct leg *leg, uint32_t len);

// Hands len sealed bytes over, or keeps them until there is room; so too the reference.
void leg_send_sealed(struct proxy *proxy, struct leg *leg, struct leg_place place, uint32_t len);

// Whether what is written now could not leave at once, because what was written before it can't.
bool leg_is_backed_up(struct proxy *proxy, const struct leg *leg);

// Sends what waits: a kept buffer, TLS's own messages, the end.
void leg_flush(struct proxy *proxy, struct leg *leg);

// Ends our stream: close_notify and FIN, after everything that was written.
void leg_shutdown(struct proxy *proxy, struct leg *leg);

// TLS's alert for a failure of ours (no backend); then leg_close.
void leg_refuse(struct proxy *proxy, struct leg *leg, enum tls_verdict verdict);
