// SPDX-License-Identifier: Apache-2.0
//
// CUBIC (RFC 9438), in integers: windows in bytes, times in milliseconds.
//
//   W_cubic(t) = C * (t - K)^3 + W_max        C = 0.4 segments/s^3, K = cbrt((W_max - cwnd_epoch) / C)
//   W_est grows by alpha segments per window  alpha = 3 (1 - beta) / (1 + beta), beta = 0.7
#include "tcp/cc.h"

enum {
	BETA_TENTHS = 7,
	ALPHA_PERMILLE = 529
};

// The largest r with r^3 <= n, bit by bit.
static uint32_t cube_root(uint64_t n)
{
	uint64_t root = 0;

	for (int bit = 20; bit >= 0; bit--) {
		uint64_t next = root | UINT64_C(1) << bit;

		if (next * next * next <= n)
			root = next;
	}
	return (uint32_t)root;
}

// C * t^3 in bytes, for t of at most 1,000 s.
static uint64_t cubic_bytes(uint64_t t_ms, uint32_t mss)
{
	return t_ms * t_ms * t_ms / 1000 * mss / 1000 * 4 / 10000;
}

static void begin_epoch(const struct tcp *tcp, const struct tcp_conn *conn, struct tcp_cc_state *cc)
{
	cc->epoch_ms = tcp->now_ms != 0 ? tcp->now_ms : 1;
	cc->cwnd_epoch = conn->cwnd;
	cc->w_est = conn->cwnd;
	cc->acked_credit = 0;
	cc->k_ms = 0;
	if (cc->w_max <= conn->cwnd)
		cc->w_max = conn->cwnd;
	else
		// K^3 [ms^3] = segments / 0.4 * 10^9.
		cc->k_ms = cube_root((uint64_t)(cc->w_max - conn->cwnd) * 2500000000u / conn->mss);
}

// W_cubic at t, never below zero.
static uint64_t w_cubic(const struct tcp_conn *conn, const struct tcp_cc_state *cc, uint64_t t_ms)
{
	uint64_t distance_ms = t_ms > cc->k_ms ? t_ms - cc->k_ms : cc->k_ms - t_ms;
	uint64_t bytes = cubic_bytes(distance_ms < 1000000 ? distance_ms : 1000000, conn->mss);

	if (t_ms > cc->k_ms)
		return cc->w_max + bytes;
	return bytes < cc->w_max ? cc->w_max - bytes : 0;
}

// RFC 9438 4.3: what Reno would have by now.
static void grow_estimate(const struct tcp_conn *conn, struct tcp_cc_state *cc, uint32_t n_acked)
{
	uint64_t gain = (uint64_t)n_acked * conn->mss / conn->cwnd;

	if (cc->w_est < cc->cwnd_prior)
		gain = gain * ALPHA_PERMILLE / 1000;
	cc->w_est += (uint32_t)gain;
}

static void cubic_grow(struct tcp *tcp, struct tcp_conn *conn, uint32_t n_acked)
{
	struct tcp_cc_state *cc = &tcp_cold(tcp, conn)->cc;
	uint64_t t_ms, target;

	if (cc->epoch_ms == 0)
		begin_epoch(tcp, conn, cc);
	grow_estimate(conn, cc, n_acked);
	t_ms = tcp->now_ms - cc->epoch_ms;
	if (w_cubic(conn, cc, t_ms) < cc->w_est) {
		if (conn->cwnd < cc->w_est)
			conn->cwnd = cc->w_est;
		return;
	}
	// RFC 9438 4.2: the target is one round trip ahead, between cwnd and 1.5 cwnd.
	target = w_cubic(conn, cc, t_ms + conn->srtt8_us / 8000);
	if (target > conn->cwnd + conn->cwnd / 2)
		target = conn->cwnd + conn->cwnd / 2;
	if (target <= conn->cwnd)
		return;
	// RFC 9438 4.4: (target - cwnd) / cwnd per acknowledged segment; fractions are kept.
	cc->acked_credit += n_acked;
	n_acked = (uint32_t)((uint64_t)cc->acked_credit * (target - conn->cwnd) / conn->cwnd);
	if (n_acked == 0)
		return;
	cc->acked_credit = 0;
	conn->cwnd += n_acked;
}

static uint32_t cubic_reduce(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_cc_state *cc = &tcp_cold(tcp, conn)->cc;
	uint32_t reduced = (uint32_t)((uint64_t)conn->cwnd * BETA_TENTHS / 10);
	uint32_t least = 2u * conn->mss;

	cc->cwnd_prior = conn->cwnd;
	// RFC 9438 4.7: fast convergence leaves room for newcomers.
	if (conn->cwnd < cc->w_max)
		cc->w_max = (uint32_t)((uint64_t)conn->cwnd * (10 + BETA_TENTHS) / 20);
	else
		cc->w_max = conn->cwnd;
	cc->epoch_ms = 0;
	return reduced < least ? least : reduced;
}

// RFC 9438 4.9: as if the event had not been; the plateau is where we are.
static void cubic_undo(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_cc_state *cc = &tcp_cold(tcp, conn)->cc;

	cc->w_max = conn->cwnd;
	cc->epoch_ms = 0;
}

const struct tcp_cc_ops tcp_cc_cubic = {
	.name = "cubic", .grow = cubic_grow, .reduce = cubic_reduce, .undo = cubic_undo};
