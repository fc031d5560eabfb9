// SPDX-License-Identifier: Apache-2.0
#include "tcp/rack.h"

enum {
	DUP_THRESH = 3,
	REO_WND_PERSIST = 16, // RFC 8985 6.2 step 4
	REO_WND_MULT_MAX = 16,
	MIN_RTT_LIFE_MS = 300000 // paths change
};

// RACK_sent_after: of two transmissions in one microsecond the one of the higher number is the later.
static bool sent_after(uint32_t a_us, struct seq a_end, uint32_t b_us, struct seq b_end)
{
	int32_t later = (int32_t)(a_us - b_us);

	return later > 0 || (later == 0 && seq_lt(b_end, a_end));
}

// Step 1.
static void update_min_rtt(const struct tcp *tcp, struct tcp_conn_cold *cold, uint32_t rtt_us)
{
	if (cold->min_rtt_us != 0 && rtt_us > cold->min_rtt_us &&
		tcp->now_ms - cold->min_rtt_ms < MIN_RTT_LIFE_MS)
		return;
	cold->min_rtt_us = rtt_us != 0 ? rtt_us : 1;
	cold->min_rtt_ms = tcp->now_ms;
}

void tcp_rack_delivered(struct tcp *tcp, struct tcp_conn *conn, struct tcp_conn_cold *cold,
	const struct tcp_sent *sent, struct tcp_ack *ack)
{
	uint32_t rtt_us = (uint32_t)tcp->now_us - sent->tx_us;
	bool repeated = (sent->flags & TCP_SENT_RETRANSMITTED) != 0;

	// Step 2: of a repeated entry it must be the repetition that arrived.
	if (repeated) {
		uint32_t tx_ts = tcp->now_ms - rtt_us / 1000 + conn->ts_offset;

		if (ack->has_ts && (int32_t)(ack->ts_echo - tx_ts) < -1) // both times are rounded
			return;
		if (rtt_us < cold->min_rtt_us)
			return;
	} else {
		update_min_rtt(tcp, cold, rtt_us);
	}
	if (cold->rack_rtt_us == 0 || sent_after(sent->tx_us, sent->end, cold->rack_tx_us, cold->rack_end)) {
		cold->rack_tx_us = sent->tx_us;
		cold->rack_end = sent->end;
		cold->rack_rtt_us = rtt_us != 0 ? rtt_us : 1;
	}
	// Step 3: something arrived that was sent once, before something higher that had arrived.
	if (seq_lt(cold->rack_fack, sent->end))
		cold->rack_fack = sent->end;
	else if (seq_lt(sent->end, cold->rack_fack) && !repeated)
		cold->rack_reordering = true;
}

void tcp_rack_adapt_window(
	struct tcp *tcp, struct tcp_conn *conn, struct tcp_conn_cold *cold, const struct tcp_ack *ack)
{
	(void)tcp;
	// At most once per round trip; dsack_round is where the current round ends.
	if (cold->rack_dsack_seen && seq_leq(cold->rack_dsack_round, conn->snd_una))
		cold->rack_dsack_seen = false;
	if (ack->dsack_bytes == 0 || cold->rack_dsack_seen)
		return;
	cold->rack_dsack_seen = true;
	cold->rack_dsack_round = conn->snd_nxt;
	if (cold->rack_reo_mult < REO_WND_MULT_MAX)
		cold->rack_reo_mult++;
	cold->rack_reo_persist = REO_WND_PERSIST;
}

static uint32_t reordering_window(const struct tcp_conn *conn, const struct tcp_conn_cold *cold)
{
	uint32_t window_us;
	uint32_t srtt_us = conn->srtt8_us / 8;

	if (!cold->rack_reordering &&
		(conn->recovery == TCP_RECOVERY_FAST || conn->recovery == TCP_RECOVERY_LOSS ||
			conn->sacked_bytes >= DUP_THRESH * (uint32_t)conn->mss))
		return 0;
	window_us = (1u + cold->rack_reo_mult) * (cold->min_rtt_us / 4);
	return window_us < srtt_us ? window_us : srtt_us;
}

uint32_t tcp_rack_detect(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	uint32_t reo_wnd_us;

	if (cold->rack_rtt_us == 0)
		return 0;
	reo_wnd_us = reordering_window(conn, cold);
	while (conn->flight_head != POOL_NONE) {
		struct tcp_sent *sent = tcp_sent_at(tcp, conn->flight_head);
		int32_t left_us;

		if (!sent_after(cold->rack_tx_us, cold->rack_end, sent->tx_us, sent->end))
			return 0;
		left_us = (int32_t)(sent->tx_us + cold->rack_rtt_us + reo_wnd_us - (uint32_t)tcp->now_us);
		if (left_us > 0)
			return (uint32_t)left_us;
		tcp_scoreboard_mark_lost(tcp, conn, sent);
	}
	return 0;
}
