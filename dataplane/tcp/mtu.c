// SPDX-License-Identifier: Apache-2.0
#include "tcp/mtu.h"

#include "tcp/lifecycle.h"
#include "tcp/output.h"
#include "tcp/scoreboard.h"
#include "tcp/wire.h"

enum {
	IPV4_HEADER_LEN = 20,
	IPV6_HEADER_LEN = 40,
	// An ICMP error can't push us below these: the IPv6 minimum, and what every IPv4 host must
	// reassemble.
	MTU_FLOOR_IPV4 = 576,
	MTU_FLOOR_IPV6 = 1280,
	MTU_BASE = 1280, // RFC 8899 5.1.2 BASE_PLPMTU: where to go when nothing gets through
	PROBE_STEP_MIN = 32,
	TIMEOUTS_BLACK_HOLE = 2
};

static uint16_t overhead(const struct tcp_conn *conn)
{
	return (uint16_t)((ip_addr_is_v4(&conn->key.local) ? IPV4_HEADER_LEN : IPV6_HEADER_LEN) +
			  TCP_HEADER_LEN);
}

uint16_t tcp_mtu_to_mss(const struct tcp_conn *conn, uint16_t mtu)
{
	return (uint16_t)(mtu - overhead(conn));
}

static void use(struct tcp *tcp, struct tcp_conn *conn, uint16_t mtu)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	uint16_t mss = tcp_mtu_to_mss(conn, mtu);

	cold->mtu = mtu;
	mss = mss < cold->peer_mss ? mss : cold->peer_mss;
	// Options come out of the segment (RFC 6691).
	if ((conn->flags & TCP_CONN_TIMESTAMPS) != 0)
		mss = (uint16_t)(mss - TCP_TIMESTAMPS_LEN);
	conn->mss = mss;
}

void tcp_mtu_init(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	cold->mtu_max = cold->path.mtu;
	use(tcp, conn, cold->mtu_max);
}

// All that is out was too large: send it again in smaller pieces. That is not congestion, so the window is
// kept as the threshold.
static void shrink(struct tcp *tcp, struct tcp_conn *conn, uint16_t mtu)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	use(tcp, conn, mtu);
	cold->probe_len = 0;
	cold->probe_ms = tcp->now_ms + tcp->config.mtu_probe_interval_ms;
	tcp_count(tcp, COUNTER_TCP_MTU_LOWERED);
}

void tcp_mtu_too_big(struct tcp *tcp, struct tcp_conn *conn, uint16_t mtu)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	uint16_t floor = ip_addr_is_v4(&conn->key.local) ? MTU_FLOOR_IPV4 : MTU_FLOOR_IPV6;

	mtu = mtu > floor ? mtu : floor;
	if (mtu >= cold->mtu) {
		tcp_count(tcp, COUNTER_TCP_ICMP_IGNORED);
		return;
	}
	shrink(tcp, conn, mtu);
	if ((conn->flags & TCP_CONN_SACK) == 0)
		conn->sacked_bytes = 0;
	tcp_scoreboard_mark_all_lost(tcp, conn);
	if (conn->recovery == TCP_RECOVERY_OPEN) {
		conn->ssthresh = conn->cwnd > 2u * conn->mss ? conn->cwnd : 2u * conn->mss;
		conn->cwnd = 2u * conn->mss;
		conn->recovery = TCP_RECOVERY_LOSS;
		cold->recover = conn->snd_nxt;
		cold->undo_cwnd = 0;
		cold->frto = 0;
	}
	tcp_conn_want_output(tcp, conn);
	tcp_tell_room(tcp, conn); // what is lost is not in flight
}

void tcp_mtu_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	uint16_t base = cold->mtu > MTU_BASE ? MTU_BASE : MTU_FLOOR_IPV4;

	if (cold->probe_len != 0)
		tcp_mtu_probe_lost(tcp, conn);
	if (conn->backoff < TIMEOUTS_BLACK_HOLE || conn->backoff % TIMEOUTS_BLACK_HOLE != 0 ||
		cold->mtu <= base || seq_len(conn->snd_nxt, conn->snd_una) < conn->mss)
		return;
	if (!ip_addr_is_v4(&conn->key.local) && base < MTU_FLOOR_IPV6)
		return;
	shrink(tcp, conn, base);
	tcp_count(tcp, COUNTER_TCP_MTU_BLACK_HOLE);
}

void tcp_mtu_acked(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	uint16_t len = cold->probe_len;

	if (len == 0 || seq_lt(conn->snd_una, seq_add(cold->probe_seq, len)))
		return;
	cold->probe_len = 0;
	cold->probe_ms = tcp->now_ms; // the next larger size at once
	use(tcp, conn,
		(uint16_t)(len + overhead(conn) +
			   ((conn->flags & TCP_CONN_TIMESTAMPS) != 0 ? TCP_TIMESTAMPS_LEN : 0)));
	tcp_count(tcp, COUNTER_TCP_MTU_RAISED);
}

uint32_t tcp_mtu_probe_due(const struct tcp *tcp, const struct tcp_conn *conn)
{
	const struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	uint32_t ceiling = cold->mtu_failed != 0 ? cold->mtu_failed - 1u : cold->mtu_max;
	uint32_t size;

	if (cold->mtu >= cold->mtu_max || cold->probe_len != 0 || conn->recovery != TCP_RECOVERY_OPEN ||
		(int32_t)(tcp->now_ms - cold->probe_ms) < 0)
		return 0;
	if (ceiling > (uint32_t)cold->peer_mss + overhead(conn))
		ceiling = (uint32_t)cold->peer_mss + overhead(conn);
	if (ceiling < (uint32_t)cold->mtu + PROBE_STEP_MIN)
		return 0;
	// The full size first: that it was lowered by mistake is as likely as anything else.
	size = cold->mtu_failed == 0 ? ceiling : (cold->mtu + ceiling + 1) / 2;
	return size - overhead(conn) - ((conn->flags & TCP_CONN_TIMESTAMPS) != 0 ? TCP_TIMESTAMPS_LEN : 0);
}

void tcp_mtu_probe_sent(struct tcp *tcp, struct tcp_conn *conn, struct seq seq, uint32_t len)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	cold->probe_seq = seq;
	cold->probe_len = (uint16_t)len;
	tcp_count(tcp, COUNTER_TCP_MTU_PROBE);
}

void tcp_mtu_probe_lost(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	if (cold->probe_len == 0)
		return;
	cold->mtu_failed = (uint16_t)(cold->probe_len + overhead(conn) +
				      ((conn->flags & TCP_CONN_TIMESTAMPS) != 0 ? TCP_TIMESTAMPS_LEN : 0));
	cold->probe_len = 0;
	cold->probe_ms = tcp->now_ms;
	// When the search has ended, it begins anew after the interval: paths change.
	if (cold->mtu_failed <= cold->mtu + PROBE_STEP_MIN) {
		cold->mtu_failed = 0;
		cold->probe_ms = tcp->now_ms + tcp->config.mtu_probe_interval_ms;
	}
}
