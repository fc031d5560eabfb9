// SPDX-License-Identifier: Apache-2.0
//
// What was sent and is not acknowledged: one entry per transmission (a TSO burst is one), in two lists.
//
//   sent list    by sequence number, without gaps from snd_una to snd_nxt:   [a][b][c][d][e]
//   flight list  by time of (re)transmission, only what the network may still hold:   b d a
//
//   an entry   in flight --SACK--> SACKED            merged with a SACKED neighbour in front
//              in flight --RACK, timeout--> LOST --retransmitted--> in flight, at the end of the flight list
//
// Acknowledged entries are freed, a partly acknowledged or SACKed one is trimmed or split. The flight list
// makes RACK's search (RFC 8985 6.2 step 5) cost what it finds: it looks from the oldest transmission on and
// stops at the first that is too young.
#pragma once

#include "tcp/options.h"
#include "tcp/send_queue.h"
#include "tcp/stack.h"

enum tcp_sent_flag {
	TCP_SENT_SACKED = 0x01,
	TCP_SENT_LOST = 0x02,
	TCP_SENT_RETRANSMITTED = 0x04, // ever
	TCP_SENT_FIN = 0x08,           // its last number is the FIN's
	TCP_SENT_PROBE = 0x10          // a packet size probe: its loss says nothing about congestion
};

struct tcp_sent {
	struct seq start;
	struct seq end;
	uint32_t next;
	uint32_t prev;
	uint32_t flight_next;
	uint32_t flight_prev;
	uint32_t tx_us; // of the latest transmission
	struct tcp_send_cursor cursor;
	uint8_t flags;
};

_Static_assert(sizeof(struct tcp_sent) <= 40, "one per segment in flight");

// What one acknowledgement did: collected by the scoreboard, judged by recovery and congestion control.
struct tcp_ack {
	struct seq ack;
	struct seq prior_una;
	uint32_t prior_flight; // bytes in flight before it
	uint32_t n_acked;      // by the acknowledgement number
	uint32_t n_delivered;  // newly known to have arrived, by number or SACK
	uint32_t rtt_us;       // of the latest transmission among them that was never repeated
	uint32_t ts_echo;
	uint32_t dsack_bytes; // reported as received twice
	struct seq dsack_end;
	bool has_ts;
	bool has_rtt;
	bool original_delivered; // something arrived that was sent only once
	bool repeated_delivered; // something arrived that was sent again
	bool sacked;             // SACK said something new
	bool duplicate;          // RFC 5681 2
	bool ecn_echo;
	bool probe_lost;
};

static inline struct tcp_sent *tcp_sent_at(const struct tcp *tcp, uint32_t idx)
{
	return pool_at(&tcp->sent, idx);
}

static inline uint32_t tcp_in_flight(const struct tcp_conn *conn)
{
	return seq_len(conn->snd_nxt, conn->snd_una) - conn->sacked_bytes - conn->lost_bytes;
}

// Whether an entry can be had for one more transmission.
bool tcp_scoreboard_has_room(struct tcp *tcp, const struct tcp_conn *conn);

// Enters the transmission of [start, end), which begins at snd_nxt; there must be room.
void tcp_scoreboard_push(
	struct tcp *tcp, struct tcp_conn *conn, struct seq end, struct tcp_send_cursor cursor, uint8_t flags);

// Everything before ack->ack has arrived. Does not touch snd_una or the send queue.
void tcp_scoreboard_acked(struct tcp *tcp, struct tcp_conn *conn, struct tcp_ack *ack);

// The blocks of a SACK option (RFC 2018, RFC 2883); snd_una is up to date.
void tcp_scoreboard_sacked(
	struct tcp *tcp, struct tcp_conn *conn, const struct tcp_options *options, struct tcp_ack *ack);

void tcp_scoreboard_mark_lost(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent);

// Everything that is not SACKed.
void tcp_scoreboard_mark_all_lost(struct tcp *tcp, struct tcp_conn *conn);

// Nothing that waits for its retransmission is lost after all.
void tcp_scoreboard_unmark_lost(struct tcp *tcp, struct tcp_conn *conn);

// The peer may have thrown away what it SACKed (RFC 2018 8): forget all of it.
void tcp_scoreboard_forget_sacks(struct tcp *tcp, struct tcp_conn *conn);

// The first entry that waits for its retransmission, or NULL.
struct tcp_sent *tcp_scoreboard_first_lost(struct tcp *tcp, struct tcp_conn *conn);

// The entry was sent again, now.
void tcp_scoreboard_retransmitted(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent);

// Cuts an entry in two at `at`, strictly inside it. False: no room for the second half; nothing changed.
bool tcp_scoreboard_split(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent, struct seq at);

void tcp_scoreboard_clear(struct tcp *tcp, struct tcp_conn *conn);
