// SPDX-License-Identifier: Apache-2.0
#include "tcp/reply.h"

#include "tcp/emit.h"
#include "tcp/lifecycle.h"

enum {
	CHALLENGE_INTERVAL_MS = 500
};

bool tcp_rate_limit_take(struct tcp_rate_limit *limit, uint64_t now_us)
{
	uint64_t elapsed_us = now_us - limit->filled_us;
	uint64_t n_new = elapsed_us < 1000000 ? elapsed_us * limit->per_s / 1000000 : limit->per_s;

	if (n_new != 0) {
		limit->filled_us = now_us;
		n_new += limit->n_left;
		limit->n_left = n_new < limit->per_s ? (uint32_t)n_new : limit->per_s;
	}
	if (limit->n_left == 0)
		return false;
	limit->n_left--;
	return true;
}

void tcp_reply_reset(struct tcp *tcp, const struct segment *segment)
{
	struct tcp_control control = {.key = &segment->key, .flags = SEGMENT_RST};

	if ((segment->flags & SEGMENT_RST) != 0)
		return;
	if (!tcp_rate_limit_take(&tcp->reset_limit, tcp->now_us)) {
		tcp_count(tcp, COUNTER_TCP_RESET_LIMITED);
		return;
	}
	if ((segment->flags & SEGMENT_ACK) != 0) {
		control.seq = seq_of(segment->ack);
	} else {
		uint32_t len = segment->payload_len + ((segment->flags & SEGMENT_SYN) != 0 ? 1u : 0u) +
			       ((segment->flags & SEGMENT_FIN) != 0 ? 1u : 0u);

		control.flags |= SEGMENT_ACK;
		control.ack = seq_of(segment->seq + len);
	}
	tcp_emit_control(tcp, &control);
	tcp_count(tcp, COUNTER_TCP_RESET_SENT);
}

bool tcp_challenge_allowed(struct tcp *tcp)
{
	if (tcp_rate_limit_take(&tcp->challenge_limit, tcp->now_us))
		return true;
	tcp_count(tcp, COUNTER_TCP_CHALLENGE_LIMITED);
	return false;
}

void tcp_challenge(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	if (cold->challenge_ms != 0 && tcp->now_ms - cold->challenge_ms < CHALLENGE_INTERVAL_MS) {
		tcp_count(tcp, COUNTER_TCP_CHALLENGE_LIMITED);
		return;
	}
	if (!tcp_challenge_allowed(tcp))
		return;
	cold->challenge_ms = tcp->now_ms != 0 ? tcp->now_ms : 1;
	conn->flags |= TCP_CONN_ACK_NOW;
	tcp_conn_want_output(tcp, conn);
	tcp_count(tcp, COUNTER_TCP_CHALLENGE_SENT);
}

void tcp_reply_abort(struct tcp *tcp, const struct tcp_conn *conn)
{
	struct tcp_control control = {.key = &conn->key, .seq = conn->snd_nxt, .ack = conn->rcv_nxt};

	control.flags = SEGMENT_RST | SEGMENT_ACK;
	tcp_emit_control(tcp, &control);
	tcp_count(tcp, COUNTER_TCP_RESET_SENT);
}
