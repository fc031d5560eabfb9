// SPDX-License-Identifier: Apache-2.0
//
// One connection. It is the worker's and lives in two parts with one index: the hot part, whose four cache
// lines a data segment touches, and the cold part, for opening, closing and recovery. An idle connection owns
// nothing beyond these two: every queue below is a list of pool indices that is empty then.
//
//   send side      snd_una           snd_nxt            snd_end
//   -- acked --------|--- in flight ----|--- not sent ----|(FIN)         items: send_head ... send_tail
//                    sent_head..sent_tail                                references to the owner's mbufs
//
//   receive side   (consumed)         rcv_nxt                  rcv_adv
//   ------------|-- rcv_queued ----------|-- ranges, holes -------|      window: never moves back
//               rcv_head .. rcv_tail      range_head
//
//   in flight (bytes that the network holds) = snd_nxt - snd_una - sacked_bytes - lost_bytes
//
// Invariants (tcp_check_invariants): snd_una <= snd_nxt <= snd_end + FIN; the items cover [snd_una, snd_end)
// exactly, the sent list covers [snd_una, snd_nxt) without gaps; sacked_bytes and lost_bytes are the sums
// over the sent list; ranges are ordered, disjoint, not adjacent, and lie in (rcv_nxt, rcv_adv].
#pragma once

#include "base/pool.h"
#include "base/timer_wheel.h"
#include "net/addr.h"
#include "net/output.h"
#include "tcp/seq.h"
#include "tcp/state.h"

struct rte_mbuf;

enum tcp_conn_flag {
	// What was agreed in the handshake.
	TCP_CONN_TIMESTAMPS = 1 << 0,
	TCP_CONN_SACK = 1 << 1,
	TCP_CONN_ECN = 1 << 2,
	// What the owner did.
	TCP_CONN_NAGLE = 1 << 3,
	TCP_CONN_SHUTDOWN = 1 << 4, // a FIN ends the send queue
	TCP_CONN_ORPHAN = 1 << 5,   // the owner gave it up
	// Where it is.
	TCP_CONN_IN_READY = 1 << 6,
	TCP_CONN_IN_OUTPUT = 1 << 7,
	TCP_CONN_IN_TABLE = 1 << 8,
	TCP_CONN_DEAD = 1 << 9, // freed as soon as no list holds it
	TCP_CONN_ACTIVE_OPEN = 1 << 10,
	// FINs.
	TCP_CONN_FIN_SENT = 1 << 11, // at snd_end, occupies snd_end
	TCP_CONN_FIN_SEEN = 1 << 12, // a FIN arrived, maybe out of order; cold->fin_seq
	TCP_CONN_FIN_RECEIVED = 1 << 13,
	// Acknowledgements that we owe.
	TCP_CONN_ACK_NOW = 1 << 14,
	TCP_CONN_ACK_LATER = 1 << 15, // the delayed-ack timer runs
	TCP_CONN_DSACK_DUE = 1 << 16, // cold->dsack
	// ECN (RFC 3168 6.1).
	TCP_CONN_ECN_ECHO = 1 << 17,    // we saw CE and echo it until CWR
	TCP_CONN_ECN_CWR_DUE = 1 << 18, // we reduced and say so with the next new data
	// Sending.
	TCP_CONN_CWND_LIMITED = 1 << 19,   // the window was full at the last output
	TCP_CONN_RETRANSMITTING = 1 << 20, // the last output sent lost data
	TCP_CONN_PROBE_DUE = 1 << 21,      // window or keepalive probe at the next output
	TCP_CONN_TLP_DUE = 1 << 22,        // tail loss probe at the next output
	TCP_CONN_RST_DUE = 1 << 23,
	TCP_CONN_WANT_ROOM = 1 << 24,      // the owner waits until nothing holds back what is queued
	TCP_CONN_SLOW_START_CSS = 1 << 25, // HyStart++: conservative slow start
	TCP_CONN_SYN_DUE = 1 << 26,
	TCP_CONN_NEAR = 1 << 27 // the owner says so: the receive window stays within receive_window_near
};

// Which deadline of a connection; one wheel timer serves them all.
enum tcp_timer_slot {
	TCP_TIMER_RETRANSMIT, // what it means says timer_kind
	TCP_TIMER_ACK,
	TCP_TIMER_PACE,
	TCP_TIMER_KEEP, // keepalive, FIN-WAIT-2 of an orphan
	N_TCP_TIMERS
};

enum tcp_timer_kind {
	TCP_TIMER_KIND_RTO,     // RFC 6298
	TCP_TIMER_KIND_PROBE,   // tail loss probe, RFC 8985 7.2
	TCP_TIMER_KIND_REORDER, // RFC 8985 6.2 step 5
	TCP_TIMER_KIND_PERSIST  // zero window, RFC 9293 3.8.6.1
};

enum tcp_recovery_state {
	TCP_RECOVERY_OPEN,
	TCP_RECOVERY_CWR,  // the window shrinks after ECN's echo
	TCP_RECOVERY_FAST, // loss repaired from acknowledgements
	TCP_RECOVERY_LOSS  // after a retransmission timeout
};

struct tcp_conn {
	// --- who it is ---
	struct flow_key key;
	uint32_t hash;
	uint32_t generation;
	uint32_t ready_next;
	uint32_t output_next;
	uint32_t flags;
	uint16_t events; // enum tcp_event, not yet taken by the owner
	uint8_t state;
	uint8_t snd_wscale : 4;
	uint8_t rcv_wscale : 4;
	// --- sequence space ---
	struct seq snd_una;
	struct seq snd_nxt;
	struct seq snd_end; // after the last byte queued
	struct seq snd_wl1; // RFC 9293 3.3.1
	struct seq snd_wl2;
	uint32_t snd_wnd;
	uint32_t snd_wnd_max;
	struct seq rcv_nxt;
	struct seq rcv_adv;   // right edge of the window that the peer may use
	struct seq rcv_acked; // the last acknowledgement that was sent
	uint32_t rcv_limit;   // bytes that the receive side may hold
	uint32_t rcv_queued;  // in order, not consumed
	uint32_t rcv_mem;     // bytes of buffers that the receive side pins
	uint32_t ts_recent;   // RFC 7323 4.3
	uint32_t ts_offset;
	uint16_t mss;       // payload of a full segment without SACK blocks
	uint8_t timer_kind; // enum tcp_timer_kind
	uint8_t backoff;    // timeouts in a row
	// --- send queue and flight ---
	uint32_t send_head;
	uint32_t send_tail;
	uint32_t send_next; // the item that holds snd_nxt; POOL_NONE at the end of the queue
	uint16_t send_head_offset;
	uint16_t send_next_offset;
	uint32_t sent_head; // by sequence number
	uint32_t sent_tail;
	uint32_t flight_head; // by time of transmission; without what is acknowledged or lost
	uint32_t flight_tail;
	uint32_t lost_hint; // no lost transmission stands in front of this one; POOL_NONE: none at all
	uint32_t sacked_bytes;
	uint32_t lost_bytes;
	uint32_t cwnd;
	uint32_t ssthresh;
	uint32_t srtt8_us;   // smoothed round-trip time, in eighths of a microsecond; 0: never measured
	uint32_t rttvar4_us; // in quarters
	uint32_t rto_us;     // without backoff
	// --- receive queue and timers ---
	struct rte_mbuf *rcv_head;
	struct rte_mbuf *rcv_tail;
	struct timer timer;
	uint32_t deadlines[N_TCP_TIMERS]; // in ticks of the wheel; 0: not running
	uint32_t range_head;
	uint16_t rcv_head_offset; // consumed bytes of rcv_head
	uint8_t recovery;         // enum tcp_recovery_state
	uint8_t n_dupacks;
};

_Static_assert(sizeof(struct tcp_conn) == 256, "four cache lines");
_Static_assert(offsetof(struct tcp_conn, snd_una) == 64, "line 1: sequence space");
_Static_assert(offsetof(struct tcp_conn, send_head) == 128, "line 2: send queue and flight");
_Static_assert(offsetof(struct tcp_conn, rcv_head) == 192, "line 3: receive queue and timers");

// What the tail loss probe in flight is (RFC 8985 7.4).
enum tcp_tlp {
	TCP_TLP_NONE,
	TCP_TLP_NEW_DATA,
	TCP_TLP_RETRANSMISSION
};

// RFC 9438, and for the Reno-friendly region RFC 5681. Windows are in bytes.
struct tcp_cc_state {
	uint32_t w_max;
	uint32_t w_est;
	uint32_t cwnd_epoch;
	uint32_t epoch_ms; // when congestion avoidance began; 0: it did not
	uint32_t k_ms;
	uint32_t cwnd_prior;
	uint32_t acked_credit; // bytes acknowledged that have not yet grown the window
};

// RFC 9406.
struct tcp_hystart {
	struct seq round_end;
	uint32_t last_round_min_us;
	uint32_t round_min_us;
	uint32_t css_baseline_us;
	uint8_t n_samples;
	uint8_t n_css_rounds;
};

struct tcp_conn_cold {
	uint64_t user;
	struct net_path path;
	uint32_t tag;
	struct seq iss;
	struct seq irs;
	struct seq fin_seq;
	// Receiving.
	struct seq dsack_start;
	struct seq dsack_end;
	struct seq rcv_grow_mark; // window growth: where the round began
	uint32_t rcv_grow_ms;
	uint32_t rcv_rtt_ms;
	uint32_t received_ms; // when anything last arrived
	uint32_t challenge_ms;
	// RACK-TLP (RFC 8985 5.2, 7.1).
	uint32_t rack_tx_us;
	struct seq rack_end;
	uint32_t rack_rtt_us;
	struct seq rack_fack;
	struct seq rack_dsack_round;
	uint32_t min_rtt_us;
	uint32_t min_rtt_ms; // when it was measured
	struct seq tlp_end;
	// Recovery.
	struct seq recover; // snd_nxt when it began
	uint32_t recover_flight;
	uint32_t prr_delivered;
	uint32_t prr_out;
	uint32_t undo_cwnd; // 0: nothing to undo
	uint32_t undo_ssthresh;
	uint32_t undo_ts;     // our timestamp of the first retransmission
	int32_t undo_n_bytes; // retransmitted bytes that no DSACK has reported
	struct tcp_cc_state cc;
	struct tcp_hystart hystart;
	// Sending.
	uint32_t pace_next_us;
	uint32_t sent_last_ms; // for the restart after idle
	uint32_t progress_ms;  // since when the peer owes us something
	uint16_t n_items;
	uint16_t n_sent;
	uint16_t n_ranges;
	// Packet sizes (RFC 4821): IP packet lengths.
	uint16_t peer_mss;
	uint16_t mtu;        // in use
	uint16_t mtu_max;    // of the path's first hop
	uint16_t mtu_failed; // the smallest that is known not to pass; 0: none
	uint16_t probe_len;  // payload of the probe in flight; 0: none
	struct seq probe_seq;
	uint32_t probe_ms; // when to try next
	uint8_t n_probes;  // keepalive probes without an answer
	uint8_t frto;      // step of RFC 5682, 0: not running
	uint8_t rack_reo_mult;
	uint8_t rack_reo_persist;
	bool rack_reordering;
	uint8_t tlp; // enum tcp_tlp
	bool rack_dsack_seen;
	uint8_t n_syn_sent;
};

_Static_assert(
	sizeof(struct tcp_conn_cold) + sizeof(struct tcp_conn) <= 512 - 24, "an idle connection's bytes");
