// SPDX-License-Identifier: Apache-2.0
#include "tcp/loss_timer.h"

#include "tcp/scoreboard.h"
#include "tcp/timers.h"

enum {
	// RFC 8985 7.2: how long a peer may delay an acknowledgement of a single segment.
	DELAYED_ACK_WORST_US = 200000,
	// Two round trips of a short path are less than what a peer's scheduler may take to answer.
	PROBE_FLOOR_US = 10000,
	BACKOFF_MAX = 16
};

void tcp_rtt_sample(struct tcp *tcp, struct tcp_conn *conn, uint32_t rtt_us)
{
	uint32_t rttvar_us, floor_us;

	rtt_us = rtt_us != 0 ? rtt_us : 1;
	if (rtt_us > 120000000)
		return;
	if (conn->srtt8_us == 0) {
		conn->srtt8_us = rtt_us * 8;
		conn->rttvar4_us = rtt_us * 2;
	} else {
		int32_t error = (int32_t)rtt_us - (int32_t)(conn->srtt8_us / 8);

		conn->rttvar4_us += (uint32_t)(error < 0 ? -error : error) - conn->rttvar4_us / 4;
		conn->srtt8_us += (uint32_t)error;
	}
	// RFC 6298 2.4 with a floor under the variation, so that it stands clear of delayed acknowledgements
	// on long paths as on short ones.
	rttvar_us = conn->rttvar4_us;
	floor_us = tcp->config.rto_min_ms * 1000;
	conn->rto_us = conn->srtt8_us / 8 + (rttvar_us > floor_us ? rttvar_us : floor_us);
}

uint64_t tcp_rto_us(const struct tcp *tcp, const struct tcp_conn *conn)
{
	uint64_t rto_us = (uint64_t)conn->rto_us
			  << (conn->backoff < BACKOFF_MAX ? conn->backoff : BACKOFF_MAX);
	uint64_t most_us = (uint64_t)tcp->config.rto_max_ms * 1000;

	return rto_us < most_us ? rto_us : most_us;
}

static void start(struct tcp *tcp, struct tcp_conn *conn, enum tcp_timer_kind kind, uint64_t in_us)
{
	conn->timer_kind = (uint8_t)kind;
	tcp_timer_set(tcp, conn, TCP_TIMER_RETRANSMIT, tcp->now_us + in_us);
}

void tcp_loss_timer_start_rto(struct tcp *tcp, struct tcp_conn *conn)
{
	start(tcp, conn, TCP_TIMER_KIND_RTO, tcp_rto_us(tcp, conn));
}

void tcp_loss_timer_start_reorder(struct tcp *tcp, struct tcp_conn *conn, uint32_t in_us)
{
	start(tcp, conn, TCP_TIMER_KIND_REORDER, in_us);
}

void tcp_loss_timer_start_persist(struct tcp *tcp, struct tcp_conn *conn)
{
	if (tcp_timer_running(conn, TCP_TIMER_RETRANSMIT) && conn->timer_kind == TCP_TIMER_KIND_PERSIST)
		return;
	conn->backoff = 0;
	tcp_cold(tcp, conn)->progress_ms = tcp->now_ms;
	start(tcp, conn, TCP_TIMER_KIND_PERSIST, tcp_rto_us(tcp, conn));
}

// RFC 8985 7.2.
static bool probe_allowed(const struct tcp_conn *conn, const struct tcp_conn_cold *cold)
{
	return (conn->flags & TCP_CONN_SACK) != 0 && conn->recovery == TCP_RECOVERY_OPEN &&
	       conn->sacked_bytes == 0 && conn->lost_bytes == 0 && conn->backoff == 0 &&
	       conn->srtt8_us != 0 && cold->tlp == TCP_TLP_NONE;
}

static void start_probe_or_rto(struct tcp *tcp, struct tcp_conn *conn)
{
	uint64_t probe_us = conn->srtt8_us / 4; // two round trips

	if (probe_us < PROBE_FLOOR_US)
		probe_us = PROBE_FLOOR_US;
	if (tcp_in_flight(conn) <= conn->mss)
		probe_us += DELAYED_ACK_WORST_US;
	// Where the timeout would be earlier the probe takes its place.
	if (probe_allowed(conn, tcp_cold(tcp, conn)))
		start(tcp, conn, TCP_TIMER_KIND_PROBE, probe_us < conn->rto_us ? probe_us : conn->rto_us);
	else
		tcp_loss_timer_start_rto(tcp, conn);
}

void tcp_loss_timer_restart(struct tcp *tcp, struct tcp_conn *conn)
{
	if (!seq_eq(conn->snd_una, conn->snd_nxt))
		start_probe_or_rto(tcp, conn);
	else if (conn->timer_kind != TCP_TIMER_KIND_PERSIST)
		tcp_timer_clear(conn, TCP_TIMER_RETRANSMIT);
}

void tcp_loss_timer_sent(struct tcp *tcp, struct tcp_conn *conn)
{
	// RFC 6298 5.1: a running timer keeps running. Probes are timed from the last new transmission.
	if (!tcp_timer_running(conn, TCP_TIMER_RETRANSMIT) || conn->timer_kind == TCP_TIMER_KIND_PERSIST ||
		conn->timer_kind == TCP_TIMER_KIND_PROBE)
		start_probe_or_rto(tcp, conn);
}
