// SPDX-License-Identifier: Apache-2.0
#include "tcp/recovery.h"

#include "tcp/cc.h"
#include "tcp/lifecycle.h"
#include "tcp/mtu.h"
#include "tcp/rack.h"

enum {
	DUP_THRESH = 3,
	FRTO_OFF = 0,
	FRTO_REPEATED = 1, // RFC 5682 step 1: the first segment was sent again
	FRTO_NEW_DATA = 2  // step 2b: new data follows
};

static void begin(struct tcp *tcp, struct tcp_conn *conn, enum tcp_recovery_state state, uint32_t flight)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	cold->undo_cwnd = state == TCP_RECOVERY_CWR ? 0 : conn->cwnd;
	cold->undo_ssthresh = conn->ssthresh;
	cold->undo_n_bytes = 0;
	cold->recover = conn->snd_nxt;
	cold->recover_flight = flight > conn->mss ? flight : conn->mss;
	cold->prr_delivered = 0;
	cold->prr_out = 0;
	conn->ssthresh = tcp_cc(tcp)->reduce(tcp, conn);
	conn->recovery = (uint8_t)state;
	conn->flags &= ~(uint32_t)TCP_CONN_SLOW_START_CSS;
	if ((conn->flags & TCP_CONN_ECN) != 0)
		conn->flags |= TCP_CONN_ECN_CWR_DUE;
}

static void end(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	if (conn->recovery != TCP_RECOVERY_LOSS)
		conn->cwnd = conn->ssthresh;
	// RFC 8985 6.2 step 4: the wider reordering window lasts for 16 recoveries.
	if (conn->recovery == TCP_RECOVERY_FAST && cold->rack_reo_persist != 0 &&
		--cold->rack_reo_persist == 0)
		cold->rack_reo_mult = 0;
	conn->recovery = TCP_RECOVERY_OPEN;
	cold->frto = FRTO_OFF;
	conn->n_dupacks = 0;
	if ((conn->flags & TCP_CONN_SACK) == 0)
		conn->sacked_bytes = 0;
}

static void undo(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	tcp_scoreboard_unmark_lost(tcp, conn);
	if (conn->cwnd < cold->undo_cwnd)
		conn->cwnd = cold->undo_cwnd;
	conn->ssthresh = cold->undo_ssthresh;
	cold->undo_cwnd = 0;
	cold->frto = FRTO_OFF;
	tcp_cc(tcp)->undo(tcp, conn);
	conn->recovery = TCP_RECOVERY_OPEN;
	conn->backoff = 0;
	conn->n_dupacks = 0;
	if ((conn->flags & TCP_CONN_SACK) == 0)
		conn->sacked_bytes = 0;
	tcp_count(tcp, COUNTER_TCP_UNDO);
}

void tcp_recovery_sent(struct tcp *tcp, struct tcp_conn *conn, uint32_t n_bytes, bool repeated)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	if (conn->recovery == TCP_RECOVERY_FAST || conn->recovery == TCP_RECOVERY_CWR)
		cold->prr_out += n_bytes;
	if (!repeated || cold->undo_cwnd == 0)
		return;
	if (cold->undo_n_bytes == 0)
		cold->undo_ts = tcp_ts_now(tcp, conn);
	cold->undo_n_bytes += (int32_t)n_bytes;
}

// RFC 8985 7.4: did the probe repair a loss, which is congestion, or was it unneeded? True: it did.
static bool tlp_repaired_loss(struct tcp_conn_cold *cold, const struct tcp_ack *ack)
{
	if (cold->tlp == TCP_TLP_NONE || seq_lt(ack->ack, cold->tlp_end))
		return false;
	if (cold->tlp == TCP_TLP_RETRANSMISSION) {
		if (ack->dsack_bytes != 0 && seq_eq(ack->dsack_end, cold->tlp_end)) {
			cold->tlp = TCP_TLP_NONE; // both copies arrived
			return false;
		}
		if (seq_eq(ack->ack, cold->tlp_end) && seq_eq(ack->prior_una, ack->ack)) {
			cold->tlp = TCP_TLP_NONE; // a second acknowledgement of the same
			return false;
		}
		if (!seq_lt(cold->tlp_end, ack->ack))
			return false; // wait: the other copy may still be reported
		cold->tlp = TCP_TLP_NONE;
		return true;
	}
	cold->tlp = TCP_TLP_NONE;
	return false;
}

// Whether all that was repeated in this episode was repeated needlessly.
static bool is_spurious(struct tcp_conn *conn, struct tcp_conn_cold *cold, const struct tcp_ack *ack)
{
	// A window after its end an episode is history.
	if (conn->recovery == TCP_RECOVERY_OPEN &&
		seq_diff(conn->snd_una, cold->recover) > (int32_t)cold->undo_cwnd)
		cold->undo_cwnd = 0;
	if (cold->undo_cwnd == 0 || cold->undo_n_bytes == 0)
		return false;
	// Eifel: what arrived was sent before we first repeated anything.
	if (ack->n_acked != 0 && ack->has_ts && conn->recovery != TCP_RECOVERY_OPEN &&
		(int32_t)(ack->ts_echo - cold->undo_ts) < 0)
		return true;
	if (ack->dsack_bytes == 0)
		return false;
	cold->undo_n_bytes -= (int32_t)ack->dsack_bytes;
	if (cold->undo_n_bytes > 0)
		return false;
	cold->undo_n_bytes = 0;
	return true;
}

// The timeout was real: everything that was out then is repeated in slow start.
static void frto_loss_is_real(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	for (uint32_t idx = conn->sent_head; idx != POOL_NONE; idx = tcp_sent_at(tcp, idx)->next) {
		struct tcp_sent *sent = tcp_sent_at(tcp, idx);

		if (seq_lt(cold->recover, sent->end))
			break;
		if ((sent->flags & TCP_SENT_RETRANSMITTED) == 0 || cold->frto == FRTO_NEW_DATA)
			tcp_scoreboard_mark_lost(tcp, conn, sent);
	}
	conn->cwnd = (cold->frto == FRTO_NEW_DATA ? 3u : 2u) * conn->mss;
	cold->frto = FRTO_OFF;
}

// RFC 5682 2.1 steps 2 and 3. True: the timeout was spurious and is undone.
static bool frto_acked(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_ack *ack)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	if (ack->n_acked == 0 && !ack->duplicate && !ack->sacked)
		return false; // says nothing
	if (ack->n_acked != 0 && seq_leq(cold->recover, ack->ack))
		return false; // everything arrived: the episode ends as any other
	if (ack->n_acked == 0) {
		frto_loss_is_real(tcp, conn); // steps 2a, 3a
		return false;
	}
	if (cold->frto == FRTO_REPEATED) {
		if (tcp_unsent(conn) == 0) {
			frto_loss_is_real(tcp, conn); // nothing new to send
			return false;
		}
		cold->frto = FRTO_NEW_DATA; // step 2b
		conn->cwnd = tcp_in_flight(conn) + 2u * conn->mss;
		return false;
	}
	if (!ack->original_delivered) {
		frto_loss_is_real(tcp, conn);
		return false;
	}
	tcp_count(tcp, COUNTER_TCP_FRTO_SPURIOUS); // step 3b
	undo(tcp, conn);
	return true;
}

// The first segment of the queue is lost.
static void mark_head_lost(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_sent *sent = tcp_sent_at(tcp, conn->sent_head);
	struct seq end = seq_add(sent->start, conn->mss);

	if (seq_lt(end, sent->end) && !tcp_scoreboard_split(tcp, conn, sent, end))
		tcp_count(tcp, COUNTER_TCP_NO_SENT);
	tcp_scoreboard_mark_lost(tcp, conn, sent);
}

// Without SACK each duplicate says that one segment has left the network; their sum stands in for
// sacked_bytes.
static void set_credit(struct tcp_conn *conn, uint32_t n_bytes)
{
	uint32_t most = seq_len(conn->snd_nxt, conn->snd_una) - conn->lost_bytes;

	conn->sacked_bytes = n_bytes < most ? n_bytes : most;
}

// NewReno (RFC 6582): loss by three duplicates, and by every partial acknowledgement.
static void newreno_detect(struct tcp *tcp, struct tcp_conn *conn, struct tcp_ack *ack)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	uint32_t credit = conn->sacked_bytes;

	if (ack->n_acked != 0) {
		uint32_t paid = ack->n_acked > conn->mss ? ack->n_acked - conn->mss : 0;

		conn->n_dupacks = 0;
		paid = paid < credit ? paid : credit;
		ack->n_delivered = ack->n_delivered > paid ? ack->n_delivered - paid : 0;
		set_credit(conn, credit - paid);
		if (conn->recovery == TCP_RECOVERY_FAST && seq_lt(ack->ack, cold->recover))
			mark_head_lost(tcp, conn);
		else if (conn->recovery == TCP_RECOVERY_OPEN)
			conn->sacked_bytes = 0;
	} else if (ack->duplicate && seq_lt(conn->snd_una, conn->snd_nxt)) {
		conn->n_dupacks = (uint8_t)(conn->n_dupacks + (conn->n_dupacks < UINT8_MAX));
		ack->n_delivered += conn->mss;
		set_credit(conn, credit + conn->mss);
		// RFC 6582 4.1: not for what an earlier episode already covers.
		if (conn->n_dupacks == DUP_THRESH && conn->recovery != TCP_RECOVERY_LOSS &&
			seq_leq(cold->recover, conn->snd_una))
			mark_head_lost(tcp, conn);
	}
	set_credit(conn, conn->sacked_bytes);
}

// RFC 6937 3.
static void prr(struct tcp_conn *conn, struct tcp_conn_cold *cold, const struct tcp_ack *ack, bool first)
{
	uint32_t flight = tcp_in_flight(conn);
	int64_t send;

	cold->prr_delivered += ack->n_delivered;
	if (ack->n_delivered == 0 && !first)
		return;
	if (flight > conn->ssthresh) {
		uint64_t share = ((uint64_t)cold->prr_delivered * conn->ssthresh + cold->recover_flight - 1) /
				 cold->recover_flight;

		send = (int64_t)share - cold->prr_out;
	} else {
		int64_t limit = (int64_t)cold->prr_delivered - cold->prr_out;

		limit = limit > ack->n_delivered ? limit : ack->n_delivered;
		// The slow start bound, while acknowledgements advance (RFC 6937 bis, SafeACK).
		if (ack->n_acked != 0)
			limit += conn->mss;
		send = (int64_t)conn->ssthresh - flight;
		send = send < limit ? send : limit;
	}
	if (first && send < conn->mss)
		send = conn->mss; // the fast retransmission itself
	conn->cwnd = flight + (uint32_t)(send > 0 ? send : 0);
}

// Loss that says nothing about congestion: a packet size probe that did not pass.
static bool only_probe_lost(struct tcp *tcp, struct tcp_conn *conn, struct tcp_ack *ack)
{
	struct tcp_sent *sent = tcp_scoreboard_first_lost(tcp, conn);

	if (sent == NULL || (sent->flags & TCP_SENT_PROBE) == 0)
		return false;
	sent->flags &= (uint8_t)~TCP_SENT_PROBE;
	tcp_mtu_probe_lost(tcp, conn);
	ack->probe_lost = true;
	return conn->lost_bytes == seq_len(sent->end, sent->start);
}

static void detect(struct tcp *tcp, struct tcp_conn *conn, struct tcp_ack *ack, uint32_t *out_reorder_us)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	if ((conn->flags & TCP_CONN_SACK) == 0) {
		newreno_detect(tcp, conn, ack);
		return;
	}
	if (cold->frto == FRTO_OFF)
		*out_reorder_us = tcp_rack_detect(tcp, conn);
}

// Whether this acknowledgement begins an episode.
static bool maybe_begin(struct tcp *tcp, struct tcp_conn *conn, struct tcp_ack *ack, bool tlp_loss)
{
	if (conn->lost_bytes != 0 && conn->recovery <= TCP_RECOVERY_CWR) {
		if (only_probe_lost(tcp, conn, ack))
			return false;
		if (conn->recovery == TCP_RECOVERY_CWR)
			conn->recovery = TCP_RECOVERY_FAST; // the window shrinks already
		else
			begin(tcp, conn, TCP_RECOVERY_FAST, ack->prior_flight);
		tcp_count(tcp, COUNTER_TCP_FAST_RECOVERY);
		return true;
	}
	if (conn->recovery == TCP_RECOVERY_OPEN && (tlp_loss || ack->ecn_echo)) {
		begin(tcp, conn, TCP_RECOVERY_CWR, ack->prior_flight);
		tcp_count(tcp, ack->ecn_echo ? COUNTER_TCP_ECN_REDUCED : COUNTER_TCP_TLP_RECOVERY);
	}
	return false;
}

void tcp_recovery_acked(struct tcp *tcp, struct tcp_conn *conn, struct tcp_ack *ack, uint32_t *out_reorder_us)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	bool tlp_loss = tlp_repaired_loss(cold, ack);
	bool first;

	if ((conn->flags & TCP_CONN_SACK) != 0)
		tcp_rack_adapt_window(tcp, conn, cold, ack);
	if (is_spurious(conn, cold, ack)) {
		undo(tcp, conn);
		return;
	}
	if (conn->recovery == TCP_RECOVERY_LOSS && cold->frto != FRTO_OFF && frto_acked(tcp, conn, ack))
		return;
	detect(tcp, conn, ack, out_reorder_us);
	if (conn->recovery != TCP_RECOVERY_OPEN && ack->n_acked != 0 && seq_leq(cold->recover, conn->snd_una))
		end(tcp, conn);
	first = maybe_begin(tcp, conn, ack, tlp_loss);
	if (conn->recovery == TCP_RECOVERY_FAST || conn->recovery == TCP_RECOVERY_CWR)
		prr(conn, cold, ack, first);
	else if (ack->n_acked != 0 && cold->frto == FRTO_OFF)
		tcp_cc_acked(tcp, conn, ack);
}

void tcp_recovery_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	struct tcp_sent *head = tcp_sent_at(tcp, conn->sent_head);
	bool repeated = conn->recovery == TCP_RECOVERY_LOSS && seq_lt(conn->snd_una, cold->recover);
	bool in_episode = repeated ||
			  (conn->recovery == TCP_RECOVERY_FAST && seq_lt(conn->snd_una, cold->recover));

	cold->tlp = TCP_TLP_NONE;
	if ((conn->flags & TCP_CONN_SACK) == 0)
		conn->sacked_bytes = 0;
	else if ((head->flags & TCP_SENT_SACKED) != 0)
		tcp_scoreboard_forget_sacks(tcp, conn);
	// RFC 5681 3.1: ssthresh falls once, not again for a segment that was repeated already.
	if (!in_episode)
		begin(tcp, conn, TCP_RECOVERY_LOSS, tcp_in_flight(conn));
	conn->recovery = TCP_RECOVERY_LOSS;
	cold->recover = conn->snd_nxt;
	conn->n_dupacks = 0;
	if (!repeated && conn->backoff == 0 && seq_lt(seq_add(conn->snd_una, conn->mss), conn->snd_nxt)) {
		cold->frto = FRTO_REPEATED;
		mark_head_lost(tcp, conn);
		conn->cwnd = tcp_in_flight(conn) + conn->mss;
	} else {
		cold->frto = FRTO_OFF;
		tcp_scoreboard_mark_all_lost(tcp, conn);
		conn->cwnd = conn->mss;
	}
	conn->flags &= ~(uint32_t)TCP_CONN_SLOW_START_CSS;
	tcp_count(tcp, COUNTER_TCP_RTO);
}

uint32_t tcp_recovery_reorder_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_ack ack = {
		.ack = conn->snd_una, .prior_una = conn->snd_una, .prior_flight = tcp_in_flight(conn)};
	uint32_t again_us;
	bool first;

	if (tcp_cold(tcp, conn)->frto != FRTO_OFF)
		return 0;
	again_us = tcp_rack_detect(tcp, conn);
	first = maybe_begin(tcp, conn, &ack, false);
	if (first)
		prr(conn, tcp_cold(tcp, conn), &ack, true);
	return again_us;
}
