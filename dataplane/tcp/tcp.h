// SPDX-License-Identifier: Apache-2.0
//
// TCP for one worker (RFC 9293): the interface to the layer above.
//
//   net_rx_burst --> tcp_input_burst --> ready list --> tcp_ready_burst --> owner
//   owner --> tcp_send, tcp_consume, tcp_shutdown ... --> output list --> tcp_output_flush --> net_output_tcp
//
// A turn calls, in order: tcp_input_burst (once or more), tcp_input_icmp, the owner's own work, tcp_timers,
// tcp_output_flush, net_flush. Nothing is sent before tcp_output_flush, so that acknowledgements of a whole
// burst fold into one and ride on data.
//
// A connection is named by a handle. It is born by a listener (TCP_EVENT_ACCEPTED) or by tcp_connect, and it
// is the owner's until the owner gives it up with tcp_close (orderly) or tcp_abort (reset), exactly once,
// whatever became of the connection meanwhile. Afterwards the handle is dead: lookups return NULL, and the
// stack finishes the closing by itself.
//
// All memory is taken from the arena at start. Received payload stays in the mbufs that net received; what is
// sent stays in mbufs that the owner hands in by reference until the peer has acknowledged it.
#pragma once

#include "net/addr.h"
#include "net/net.h"

#include <stddef.h>

struct arena;
struct counters;
struct rte_mbuf;
struct tcp;
struct tcp_conn;

enum tcp_cc_kind {
	TCP_CC_CUBIC,  // RFC 9438
	TCP_CC_NEWRENO // RFC 5681
};

enum {
	TCP_MSS_FLOOR = 64 // room for all options of a segment and something of use behind them
};

struct tcp_config {
	// Pools of the worker.
	uint32_t n_conns;
	uint32_t n_time_wait;
	uint32_t n_syn_cache;
	uint32_t n_listeners;
	uint32_t n_send_items;   // references to buffers in send queues
	uint32_t n_sent;         // transmissions that wait for their acknowledgement
	uint32_t n_ranges;       // pieces of out-of-order data
	uint64_t receive_memory; // bytes of packet buffers that receive queues may pin, all connections
				 // together

	// Bounds of one connection.
	uint32_t send_buffer;            // bytes queued, sent or not
	uint32_t send_items_max;         // references queued
	uint32_t sent_max;               // transmissions outstanding
	uint32_t ranges_max;             // pieces of out-of-order data
	uint32_t receive_window_initial; // grows with what the owner takes, up to ...
	uint32_t receive_window_max;
	uint32_t receive_window_near; // instead of it, of connections opened with `near`
	uint16_t mss_min;             // a peer that asks for less gets this; TCP_MSS_FLOOR or more

	// Times.
	uint32_t rto_initial_ms;
	uint32_t rto_min_ms;
	uint32_t rto_max_ms;
	uint32_t delayed_ack_ms;
	uint32_t user_timeout_ms; // unacknowledged data or a closed window for so long ends the connection
	uint32_t connect_timeout_ms;
	uint32_t keepalive_idle_ms; // 0: no keepalive
	uint32_t keepalive_interval_ms;
	uint32_t keepalive_probes;
	uint32_t fin_wait_2_ms; // after tcp_close, how long the peer has for its own FIN
	uint32_t time_wait_ms;
	uint32_t mtu_probe_interval_ms; // how often a larger packet is tried after the size had to fall

	// Answers to what may be an attack, per second.
	uint32_t challenge_acks_per_s;
	uint32_t resets_per_s;

	enum tcp_cc_kind cc;
	bool timestamps, sack, window_scaling; // offered and accepted
	bool ecn;
	bool nagle; // new connections start with it
	bool pacing;
	bool syn_cookies;
	uint16_t connect_port_first, connect_port_last; // local ports of tcp_connect

	uint8_t secret[48]; // from the system's random numbers, new at each start
};

// Sensible values for n_conns connections; the secret is left zero and must be filled in.
void tcp_config_default(struct tcp_config *config, uint32_t n_conns);

// Bytes of arena that an instance takes.
size_t tcp_footprint(const struct tcp_config *config);

// NULL when the arena has no room. net and counters outlive the instance.
struct tcp *tcp_init(const struct tcp_config *config, struct arena *arena, struct net *net,
	struct counters *counters, uint64_t now_us);

// Frees every mbuf that the instance holds; sends nothing. Secrets are wiped.
void tcp_stop(struct tcp *tcp);

// --- listening ---

// addr NULL: any address of ours. tag comes back with each connection. False: the table is full or that
// address and port are taken.
bool tcp_listen(struct tcp *tcp, const struct ip_addr *addr, uint16_t port, uint32_t tag);
bool tcp_unlisten(struct tcp *tcp, const struct ip_addr *addr, uint16_t port);

// --- the turn ---

// Takes over all mbufs. Every segment is answered, linked to its connection, or dropped and counted.
void tcp_input_burst(struct tcp *tcp, struct segment *segments, uint32_t n, uint64_t now_us);
void tcp_input_icmp(struct tcp *tcp, const struct net_icmp_error *errors, uint32_t n, uint64_t now_us);
void tcp_timers(struct tcp *tcp, uint64_t now_us);
void tcp_output_flush(struct tcp *tcp, uint64_t now_us);

// How long an idle worker may sleep.
uint64_t tcp_next_timer_us(const struct tcp *tcp);

// --- events ---

struct tcp_handle {
	uint32_t idx;
	uint32_t generation;
};

enum tcp_event {
	TCP_EVENT_ACCEPTED = 0x01,  // a listener's new connection
	TCP_EVENT_CONNECTED = 0x02, // tcp_connect succeeded
	TCP_EVENT_READABLE = 0x04,  // there is more to read than before
	TCP_EVENT_WRITABLE = 0x08,  // something was acknowledged: there is room
	TCP_EVENT_PEER_FIN = 0x10,  // the peer sends nothing beyond what is readable
	TCP_EVENT_CLOSED = 0x20,    // both directions ended in order, everything was acknowledged
	TCP_EVENT_RESET = 0x40,     // the peer reset the connection, or refused it; it is dead
	TCP_EVENT_TIMED_OUT = 0x80  // the peer does not answer any more, or never did; it is dead
};

struct tcp_ready {
	struct tcp_conn *conn;
	struct tcp_handle handle;
	uint32_t tag; // the listener's, or what tcp_connect was given
	uint16_t events;
	uint64_t user;
};

// Takes up to n connections off the ready list, each with all events since it was last taken; returns how
// many.
uint32_t tcp_ready_burst(struct tcp *tcp, struct tcp_ready *out, uint32_t n);

// NULL: the connection is not the owner's any more.
struct tcp_conn *tcp_conn_at(struct tcp *tcp, struct tcp_handle handle);
struct tcp_handle tcp_conn_handle(const struct tcp *tcp, const struct tcp_conn *conn);

// A word of the owner's, returned with every event.
void tcp_conn_set_user(struct tcp *tcp, struct tcp_conn *conn, uint64_t user);

// --- opening ---

struct tcp_connect {
	struct ip_addr local;
	struct ip_addr remote;
	uint16_t local_port; // 0: one is chosen whose replies reach this worker (RFC 6056 3.3.3, RFC 6191)
	uint16_t remote_port;
	uint32_t tag;
	uint64_t user;
	bool near; // the peer is a short way off: receive_window_near bounds the window
};

enum tcp_connect_verdict {
	TCP_CONNECT_STARTED,
	TCP_CONNECT_NO_ROUTE,
	TCP_CONNECT_IN_USE, // the given port, or every port there is
	TCP_CONNECT_NO_ROOM
};

// The result arrives as an event. *out_conn is written only with TCP_CONNECT_STARTED.
enum tcp_connect_verdict tcp_connect(struct tcp *tcp, const struct tcp_connect *request, uint64_t now_us,
	struct tcp_conn **out_conn) __attribute__((warn_unused_result));

// --- receiving ---

// One contiguous piece of received data. Borrowed: it may be changed in place, and a further reference to the
// mbuf keeps it beyond tcp_consume.
struct tcp_piece {
	struct rte_mbuf *mbuf;
	uint8_t *data;
	uint32_t len;
};

// Bytes in order that the owner has not consumed.
uint32_t tcp_readable(const struct tcp_conn *conn);

// The first pieces of them, at most n; returns how many.
uint32_t tcp_peek(const struct tcp_conn *conn, struct tcp_piece *out, uint32_t n);

// The owner is done with the first n_bytes (at most tcp_readable): their buffers are given back and the
// window opens.
void tcp_consume(struct tcp *tcp, struct tcp_conn *conn, uint32_t n_bytes);

// --- sending ---

// Bytes that tcp_send would take now; 0 also when references are used up.
uint32_t tcp_send_space(const struct tcp *tcp, const struct tcp_conn *conn);

// Bytes that tcp_send took and the peer has not acknowledged.
uint32_t tcp_send_queued(const struct tcp_conn *conn);

// Whether some of these may not leave with the next output, because of the peer's window or the congestion's.
// Once true, TCP_EVENT_WRITABLE comes as soon as all of them may.
bool tcp_is_backed_up(struct tcp_conn *conn);

// Queues len bytes at offset of the data of `mbuf` (one segment, not a chain, up to 65,535 bytes: a TLS
// record buffer is one mbuf). With true one reference to the mbuf is the stack's, given back when all of
// these bytes are acknowledged or the connection ends; the bytes must not change until then. False: no room,
// after shutdown, or the connection is dead; nothing was taken.
bool tcp_send(struct tcp *tcp, struct tcp_conn *conn, struct rte_mbuf *mbuf, uint32_t offset, uint32_t len)
	__attribute__((warn_unused_result));

// No more will be sent: FIN follows what is queued. The connection still receives.
void tcp_shutdown(struct tcp *tcp, struct tcp_conn *conn);

// Gives the connection up in order: what is queued is delivered, then FIN. Data that arrives later or was not
// consumed is answered with a reset (RFC 1122 4.2.2.13).
void tcp_close(struct tcp *tcp, struct tcp_conn *conn);

// Gives the connection up at once: reset (RFC 9293 3.10.5).
void tcp_abort(struct tcp *tcp, struct tcp_conn *conn);

void tcp_set_nagle(struct tcp *tcp, struct tcp_conn *conn, bool on);

// --- looking ---

struct tcp_conn_info {
	struct flow_key key;
	uint8_t state; // enum tcp_state
	uint16_t mss;
	uint32_t srtt_us, rto_us, min_rtt_us;
	uint32_t cwnd, ssthresh, snd_wnd, rcv_wnd;
	uint32_t snd_una; // sequence number of the oldest byte that is not acknowledged
	uint32_t n_unacked, n_unsent, n_readable;
	bool timestamps, sack, ecn;
};
void tcp_conn_info(const struct tcp *tcp, const struct tcp_conn *conn, struct tcp_conn_info *out);

// Walks connections for operators; *cursor starts at 0. NULL at the end.
struct tcp_conn *tcp_conn_next(struct tcp *tcp, uint32_t *cursor);

// Re-derives every sum and link of every connection and asserts that they agree: tests call it each turn.
void tcp_check_invariants(const struct tcp *tcp);
