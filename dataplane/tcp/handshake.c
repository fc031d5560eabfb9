// SPDX-License-Identifier: Apache-2.0
#include "tcp/handshake.h"

#include "tcp/cc.h"
#include "tcp/emit.h"
#include "tcp/isn.h"
#include "tcp/lifecycle.h"
#include "tcp/loss_timer.h"
#include "tcp/mtu.h"
#include "tcp/receive_queue.h"
#include "tcp/reply.h"
#include "tcp/timers.h"

enum {
	SYN_RTO_FIRST_MS = 1000, // doubles with each stage
	COOKIE_LIFE_MS = 140000, // a little more than syn_cookie_check accepts
	TIMERS_PER_TURN = 64,
	REUSE_DISTANCE = 1 << 16 // how far a reused flow's numbers start beyond the old ones
};

// The shift with which our largest window fits into 16 bits.
static uint8_t our_wscale(const struct tcp *tcp)
{
	uint8_t shift = 0;

	while (shift < TCP_WSCALE_MAX && tcp->config.receive_window_max >> shift > UINT16_MAX)
		shift++;
	return shift;
}

// The window of a SYN is never scaled (RFC 7323 2.2).
static uint16_t syn_window(const struct tcp *tcp)
{
	return (uint16_t)(tcp->config.receive_window_initial < UINT16_MAX ? tcp->config.receive_window_initial
									  : UINT16_MAX);
}

static uint16_t our_mss(const struct flow_key *key, const struct net_path *path)
{
	return (uint16_t)(path->mtu - TCP_HEADER_LEN - (ip_addr_is_v4(&key->local) ? 20 : 40));
}

static uint16_t peer_mss(const struct tcp *tcp, const struct flow_key *key, const struct tcp_options *options)
{
	uint16_t mss = ip_addr_is_v4(&key->local) ? TCP_MSS_DEFAULT : TCP_MSS_DEFAULT_IPV6;

	if ((options->present & TCP_HAS_MSS) != 0)
		mss = options->mss;
	return mss > tcp->config.mss_min ? mss : tcp->config.mss_min;
}

// What both sides agreed on, wherever it was kept meanwhile.
struct agreement {
	struct seq iss;
	struct seq irs;
	uint32_t ts_recent;
	uint32_t ts_offset;
	uint32_t tag;
	uint16_t peer_mss;
	uint8_t snd_wscale;
	uint8_t flags; // enum syn_entry_flag
};

static uint8_t agree(const struct tcp *tcp, const struct tcp_options *options)
{
	const struct tcp_config *config = &tcp->config;
	uint8_t flags = 0;

	if (config->timestamps && (options->present & TCP_HAS_TIMESTAMPS) != 0)
		flags |= SYN_ENTRY_TIMESTAMPS;
	if (config->sack && (options->present & TCP_HAS_SACK_PERMITTED) != 0)
		flags |= SYN_ENTRY_SACK;
	if (config->window_scaling && (options->present & TCP_HAS_WSCALE) != 0)
		flags |= SYN_ENTRY_WSCALE;
	return flags;
}

static void send_syn_ack(struct tcp *tcp, const struct flow_key *key, const struct agreement *agreed)
{
	struct net_path path;
	struct tcp_control control = {.key = key,
		.seq = agreed->iss,
		.ack = seq_add(agreed->irs, 1),
		.window = syn_window(tcp),
		.flags = SEGMENT_SYN | SEGMENT_ACK};

	if (!net_path_find(tcp->net, &key->local, &key->remote, &path)) {
		tcp_count(tcp, COUNTER_TCP_CONTROL_DROPPED);
		return;
	}
	control.options = (struct tcp_options){.present = TCP_HAS_MSS,
		.mss = our_mss(key, &path),
		.wscale = our_wscale(tcp),
		.ts_value = tcp->now_ms + agreed->ts_offset,
		.ts_echo = agreed->ts_recent};
	if ((agreed->flags & SYN_ENTRY_TIMESTAMPS) != 0)
		control.options.present |= TCP_HAS_TIMESTAMPS;
	if ((agreed->flags & SYN_ENTRY_SACK) != 0)
		control.options.present |= TCP_HAS_SACK_PERMITTED;
	if ((agreed->flags & SYN_ENTRY_WSCALE) != 0)
		control.options.present |= TCP_HAS_WSCALE;
	if ((agreed->flags & SYN_ENTRY_ECN) != 0)
		control.flags |= SEGMENT_ECE; // RFC 3168 6.1.1
	tcp_emit_control(tcp, &control);
}

static struct agreement agreement_of(const struct syn_entry *entry)
{
	return (struct agreement){.iss = entry->iss,
		.irs = entry->irs,
		.ts_recent = entry->ts_recent,
		.ts_offset = entry->ts_offset,
		.peer_mss = entry->peer_mss,
		.snd_wscale = entry->snd_wscale,
		.flags = entry->flags};
}

// No room for the peer: its SYN is answered with a cookie and forgotten.
static void answer_with_cookie(struct tcp_rx *rx, struct agreement *agreed)
{
	struct tcp *tcp = rx->tcp;
	struct syn_cookie facts = {.mss = agreed->peer_mss,
		.wscale = agreed->snd_wscale,
		.has_wscale = (agreed->flags & SYN_ENTRY_WSCALE) != 0,
		.sack = (agreed->flags & SYN_ENTRY_SACK) != 0};

	if (!tcp->config.syn_cookies) {
		tcp_count(tcp, COUNTER_TCP_SYN_DROPPED);
		return;
	}
	agreed->flags &= (uint8_t)~SYN_ENTRY_ECN; // a cookie has no room for it
	agreed->iss = syn_cookie_make(tcp, &rx->segment->key, agreed->irs, &facts);
	tcp->cookie_ms = tcp->now_ms;
	tcp->cookies_out = true;
	tcp_count(tcp, COUNTER_TCP_COOKIE_SENT);
	send_syn_ack(tcp, &rx->segment->key, agreed);
}

// RFC 9293 3.10.7.2, third step. Data that came with the SYN is not kept; the peer sends it again.
static void answer_syn(struct tcp_rx *rx, const struct seq *iss_at_least)
{
	struct tcp *tcp = rx->tcp;
	const struct segment *segment = rx->segment;
	struct tcp_isn isn = tcp_isn_for(tcp, &segment->key);
	struct agreement agreed = {.iss = isn.iss,
		.irs = rx->seq,
		.ts_offset = isn.ts_offset,
		.peer_mss = peer_mss(tcp, &segment->key, &rx->options),
		.flags = agree(tcp, &rx->options)};
	struct syn_entry *entry;

	if (iss_at_least != NULL && seq_lt(agreed.iss, *iss_at_least))
		agreed.iss = *iss_at_least;
	if ((agreed.flags & SYN_ENTRY_TIMESTAMPS) != 0)
		agreed.ts_recent = rx->options.ts_value;
	if ((agreed.flags & SYN_ENTRY_WSCALE) != 0)
		agreed.snd_wscale = rx->options.wscale;
	if (tcp->config.ecn && (rx->flags & (SEGMENT_ECE | SEGMENT_CWR)) == (SEGMENT_ECE | SEGMENT_CWR))
		agreed.flags |= SYN_ENTRY_ECN;
	if (pool_n_free(&tcp->conns) == 0) {
		tcp_count(tcp, COUNTER_TCP_SYN_DROPPED);
		return;
	}
	entry = syn_cache_insert(&tcp->syn_cache, segment->hash, &segment->key);
	if (entry == NULL) {
		answer_with_cookie(rx, &agreed);
		return;
	}
	entry->iss = agreed.iss;
	entry->irs = agreed.irs;
	entry->ts_recent = agreed.ts_recent;
	entry->ts_offset = agreed.ts_offset;
	entry->deadline_ms = tcp->now_ms + SYN_RTO_FIRST_MS;
	entry->peer_mss = agreed.peer_mss;
	entry->snd_wscale = agreed.snd_wscale & 0xfu;
	entry->flags = agreed.flags;
	send_syn_ack(tcp, &segment->key, &agreed);
}

void tcp_rx_listen_syn(struct tcp_rx *rx)
{
	tcp_count(rx->tcp, COUNTER_TCP_SYN_RECEIVED);
	answer_syn(rx, NULL);
}

// The peer's SYN was repeated, or another one comes from the same flow: in both cases it learns where we
// stand (RFC 5961 4; a peer that has started anew answers with a reset, which ends this entry).
void tcp_rx_cached_syn(struct tcp_rx *rx)
{
	struct agreement agreed = agreement_of(rx->syn);

	send_syn_ack(rx->tcp, &rx->syn->key, &agreed);
}

void tcp_rx_cached_reset(struct tcp_rx *rx)
{
	if (!seq_eq(rx->seq, seq_add(rx->syn->irs, 1))) {
		tcp_count(rx->tcp, COUNTER_TCP_RESET_IGNORED);
		return;
	}
	tcp_count(rx->tcp, COUNTER_TCP_SYN_RESET);
	syn_cache_remove(&rx->tcp->syn_cache, rx->syn);
}

static void start(struct tcp *tcp, struct tcp_conn *conn, const struct agreement *agreed)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	conn->ts_offset = agreed->ts_offset;
	conn->ts_recent = agreed->ts_recent;
	cold->tag = agreed->tag;
	cold->iss = agreed->iss;
	cold->irs = agreed->irs;
	cold->peer_mss = agreed->peer_mss;
	if ((agreed->flags & SYN_ENTRY_TIMESTAMPS) != 0)
		conn->flags |= TCP_CONN_TIMESTAMPS;
	if ((agreed->flags & SYN_ENTRY_SACK) != 0)
		conn->flags |= TCP_CONN_SACK;
	if ((agreed->flags & SYN_ENTRY_ECN) != 0)
		conn->flags |= TCP_CONN_ECN;
	if ((agreed->flags & SYN_ENTRY_WSCALE) != 0) {
		conn->snd_wscale = agreed->snd_wscale & 0xfu;
		conn->rcv_wscale = our_wscale(tcp) & 0xfu;
	}
	conn->rcv_nxt = seq_add(agreed->irs, 1);
	conn->rcv_acked = conn->rcv_nxt;
	conn->rcv_adv = seq_add(conn->rcv_nxt, syn_window(tcp));
}

// The handshake is complete: everything that transfer needs.
static void establish(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	conn->snd_una = seq_add(cold->iss, 1);
	conn->snd_nxt = conn->snd_una;
	conn->snd_end = conn->snd_una;
	conn->snd_wl1 = cold->irs;
	conn->snd_wl2 = cold->iss;
	conn->backoff = 0;
	if (conn->rto_us == 0)
		conn->rto_us = tcp->config.rto_initial_ms * 1000;
	cold->recover = conn->snd_una;
	cold->rack_fack = conn->snd_una;
	cold->rack_dsack_round = conn->snd_una;
	tcp_timer_clear(conn, TCP_TIMER_RETRANSMIT);
	tcp_mtu_init(tcp, conn);
	tcp_receive_init(tcp, conn);
	tcp_cc_init(tcp, conn);
	if (tcp->config.keepalive_idle_ms != 0)
		tcp_timer_set(tcp, conn, TCP_TIMER_KEEP,
			tcp->now_us + (uint64_t)tcp->config.keepalive_idle_ms * 1000);
	tcp_conn_set_state(tcp, conn, TCP_ESTABLISHED);
	tcp_conn_event(tcp, conn,
		(conn->flags & TCP_CONN_ACTIVE_OPEN) != 0 ? TCP_EVENT_CONNECTED : TCP_EVENT_ACCEPTED);
}

// A connection for the third segment of a handshake. NULL: no room; the peer will repeat itself.
static struct tcp_conn *accept(
	struct tcp_rx *rx, const struct agreement *agreed, uint32_t rtt_ms, uint8_t n_sent)
{
	struct tcp *tcp = rx->tcp;
	const struct segment *segment = rx->segment;
	struct net_path path;
	struct tcp_conn *conn;

	if (!net_path_find(tcp->net, &segment->key.local, &segment->key.remote, &path))
		return NULL;
	conn = tcp_conn_new(tcp, &segment->key, segment->hash);
	if (conn == NULL)
		return NULL;
	tcp_cold(tcp, conn)->path = path;
	tcp_cold(tcp, conn)->n_syn_sent = n_sent;
	start(tcp, conn, agreed);
	// The window as the SYN-ACK's acknowledgement has it; its number is valid by construction.
	conn->snd_wnd = (uint32_t)segment->window << conn->snd_wscale;
	conn->snd_wnd_max = conn->snd_wnd;
	if (rtt_ms != UINT32_MAX)
		tcp_rtt_sample(tcp, conn, rtt_ms * 1000);
	establish(tcp, conn);
	tcp_count(tcp, COUNTER_TCP_ACCEPTED);
	return conn;
}

static bool cookies_are_out(const struct tcp *tcp)
{
	return tcp->cookies_out && tcp->now_ms - tcp->cookie_ms <= COOKIE_LIFE_MS;
}

// Whether the segment's numbers are those of a cookie. Its sender's first number is one less than the
// segment's, or, in a keepalive probe, the same: whose third segment was lost and who has nothing to say
// sends nothing else.
static bool brings_cookie(
	const struct tcp_rx *rx, const struct seq iss, struct seq *out_irs, struct syn_cookie *out_facts)
{
	const struct flow_key *key = &rx->segment->key;

	*out_irs = seq_add(rx->seq, -1u);
	if (syn_cookie_check(rx->tcp, key, *out_irs, iss, out_facts))
		return true;
	*out_irs = rx->seq;
	return rx->len <= 1 && syn_cookie_check(rx->tcp, key, *out_irs, iss, out_facts);
}

// Whether the segment brings back a cookie of ours; if so, and if there is room, rx->conn is the connection.
static bool accept_cookie(struct tcp_rx *rx, uint32_t tag)
{
	struct tcp *tcp = rx->tcp;
	struct agreement agreed = {.iss = seq_add(rx->ack, -1u),
		.tag = tag,
		.ts_offset = tcp_isn_for(tcp, &rx->segment->key).ts_offset};
	bool timestamps = tcp->config.timestamps && (rx->options.present & TCP_HAS_TIMESTAMPS) != 0;
	struct syn_cookie facts;

	if (!brings_cookie(rx, agreed.iss, &agreed.irs, &facts) ||
		(timestamps && tcp->now_ms + agreed.ts_offset - rx->options.ts_echo > COOKIE_LIFE_MS)) {
		tcp_count(tcp, COUNTER_TCP_COOKIE_REFUSED);
		return false;
	}
	agreed.peer_mss = facts.mss;
	agreed.snd_wscale = facts.wscale;
	agreed.flags = (uint8_t)((facts.sack ? SYN_ENTRY_SACK : 0) |
				 (facts.has_wscale ? SYN_ENTRY_WSCALE : 0) |
				 (timestamps ? SYN_ENTRY_TIMESTAMPS : 0));
	agreed.ts_recent = timestamps ? rx->options.ts_value : 0;
	rx->conn = accept(rx, &agreed, UINT32_MAX, 1);
	if (rx->conn != NULL)
		tcp_count(tcp, COUNTER_TCP_COOKIE_ACCEPTED);
	return rx->conn != NULL;
}

void tcp_rx_listen_ack(struct tcp_rx *rx)
{
	if (!cookies_are_out(rx->tcp)) {
		tcp_count(rx->tcp, COUNTER_TCP_NO_CONNECTION);
		tcp_reply_reset(rx->tcp, rx->segment);
		return;
	}
	// What is no cookie now may be the second segment of a peer whose first was lost: it will send that
	// again, unless we reset it.
	if (accept_cookie(rx, rx->listener->tag))
		tcp_input_dispatch(rx, TCP_ESTABLISHED);
}

// The listener that a half-open peer belongs to now: tags change with the configuration, and while it was
// half-open the listener may have got another one, or have gone. NULL: it has gone, and the peer is reset.
static const struct tcp_listener *listener_of_entry(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	const struct flow_key *key = &rx->segment->key;
	const struct tcp_listener *listener = tcp_listeners_find(
		&tcp->listeners, &key->local, key->local_port);

	if (listener != NULL)
		return listener;
	tcp_count(tcp, COUNTER_TCP_NO_CONNECTION);
	tcp_reply_reset(tcp, rx->segment);
	syn_cache_remove(&tcp->syn_cache, rx->syn);
	return NULL;
}

// An acknowledgement that is not of the SYN-ACK which the entry stands for: it may be of a cookie that was
// sent before there was room for the entry.
static void cached_other_ack(struct tcp_rx *rx, struct syn_entry *entry)
{
	const struct tcp_listener *listener;

	if (!cookies_are_out(rx->tcp)) {
		tcp_count(rx->tcp, COUNTER_TCP_ACK_UNACCEPTABLE);
		tcp_reply_reset(rx->tcp, rx->segment);
		return;
	}
	listener = listener_of_entry(rx);
	if (listener == NULL || !accept_cookie(rx, listener->tag))
		return;
	syn_cache_remove(&rx->tcp->syn_cache, entry);
	tcp_input_dispatch(rx, TCP_ESTABLISHED);
}

// RFC 9293 3.10.7.4 for SYN-RECEIVED of a passive open.
void tcp_rx_cached_ack(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	struct syn_entry *entry = rx->syn;
	struct agreement agreed = agreement_of(entry);
	const struct tcp_listener *listener;
	// Known to the millisecond, and only when the SYN-ACK went out once (Karn).
	uint32_t rtt_ms = entry->stage == 0 ? tcp->now_ms - (entry->deadline_ms - SYN_RTO_FIRST_MS)
					    : UINT32_MAX;
	uint8_t n_sent = (uint8_t)(entry->stage + 1);

	if ((entry->flags & SYN_ENTRY_TIMESTAMPS) != 0 && (rx->options.present & TCP_HAS_TIMESTAMPS) != 0 &&
		(int32_t)(rx->options.ts_value - entry->ts_recent) < 0) {
		tcp_count(tcp, COUNTER_TCP_PAWS);
		tcp_rx_cached_syn(rx);
		return;
	}
	if (!seq_in(rx->seq, seq_add(entry->irs, 1), syn_window(tcp))) {
		tcp_count(tcp, COUNTER_TCP_OUT_OF_WINDOW);
		tcp_rx_cached_syn(rx);
		return;
	}
	if (!seq_eq(rx->ack, seq_add(entry->iss, 1))) {
		cached_other_ack(rx, entry);
		return;
	}
	listener = listener_of_entry(rx);
	if (listener == NULL)
		return;
	agreed.tag = listener->tag;
	rx->conn = accept(rx, &agreed, rtt_ms, n_sent);
	if (rx->conn == NULL)
		return;
	syn_cache_remove(&tcp->syn_cache, entry);
	tcp_input_dispatch(rx, TCP_ESTABLISHED);
}

// RFC 9293 3.10.7.3, fourth step: the peer's SYN reached a connection that sent its own.
static void take_syn(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	struct tcp_conn *conn = rx->conn;
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	struct agreement agreed = {.iss = cold->iss,
		.irs = rx->seq,
		.ts_offset = conn->ts_offset,
		.tag = cold->tag,
		.peer_mss = peer_mss(tcp, &conn->key, &rx->options),
		.flags = agree(tcp, &rx->options)};
	bool reply = (rx->flags & SEGMENT_ACK) != 0;

	if ((agreed.flags & SYN_ENTRY_TIMESTAMPS) != 0)
		agreed.ts_recent = rx->options.ts_value;
	if ((agreed.flags & SYN_ENTRY_WSCALE) != 0)
		agreed.snd_wscale = rx->options.wscale;
	// RFC 3168 6.1.1: a SYN-ACK agrees with ECE alone, a SYN asks with both.
	if (tcp->config.ecn && (rx->flags & (SEGMENT_ECE | SEGMENT_CWR)) ==
				       (reply ? SEGMENT_ECE : SEGMENT_ECE | SEGMENT_CWR))
		agreed.flags |= SYN_ENTRY_ECN;
	start(tcp, conn, &agreed);
	conn->snd_wnd = rx->segment->window;
	conn->snd_wnd_max = conn->snd_wnd;
}

void tcp_rx_syn_sent(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	struct tcp_conn *conn = rx->conn;
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	bool acked = (rx->flags & SEGMENT_ACK) != 0;

	// First: an acknowledgement must be of our SYN.
	if (acked && !seq_eq(rx->ack, seq_add(cold->iss, 1))) {
		tcp_count(tcp, COUNTER_TCP_ACK_UNACCEPTABLE);
		tcp_reply_reset(tcp, rx->segment);
		return;
	}
	// Second: a reset counts only with such an acknowledgement.
	if ((rx->flags & SEGMENT_RST) != 0) {
		if (!acked) {
			tcp_count(tcp, COUNTER_TCP_RESET_IGNORED);
			return;
		}
		tcp_count(tcp, COUNTER_TCP_CONNECT_REFUSED);
		tcp_conn_die(tcp, conn, TCP_EVENT_RESET);
		return;
	}
	// Fourth: the SYN.
	if ((rx->flags & SEGMENT_SYN) == 0) {
		tcp_count(tcp, COUNTER_TCP_BAD_FLAGS);
		return;
	}
	take_syn(rx);
	if (!acked) {
		tcp_conn_set_state(tcp, conn, TCP_SYN_RECEIVED);
		conn->flags |= TCP_CONN_SYN_DUE;
		tcp_conn_want_output(tcp, conn);
		return;
	}
	if (cold->n_syn_sent == 1)
		tcp_rtt_sample(tcp, conn, (uint32_t)tcp->now_us - cold->rack_tx_us);
	establish(tcp, conn);
	conn->snd_wl1 = rx->seq;
	conn->snd_wl2 = rx->ack;
	conn->flags |= TCP_CONN_ACK_NOW;
	tcp_conn_want_output(tcp, conn);
}

bool tcp_handshake_acked(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	struct tcp_conn *conn = rx->conn;

	if (!seq_eq(rx->ack, seq_add(tcp_cold(tcp, conn)->iss, 1)))
		return false;
	establish(tcp, conn);
	conn->snd_wnd = (uint32_t)rx->segment->window << conn->snd_wscale;
	conn->snd_wnd_max = conn->snd_wnd;
	return true;
}

// Simultaneous open (RFC 9293 figure 8): the peer's SYN,ACK repeats the SYN that we have and acknowledges
// ours.
void tcp_rx_syn_received_syn(struct tcp_rx *rx)
{
	if (seq_eq(rx->seq, tcp_cold(rx->tcp, rx->conn)->irs)) {
		if ((rx->flags & SEGMENT_ACK) != 0 && tcp_handshake_acked(rx)) {
			// A SYN's window is not scaled.
			rx->conn->snd_wnd = rx->segment->window;
			return;
		}
		rx->conn->flags |= TCP_CONN_SYN_DUE;
		tcp_conn_want_output(rx->tcp, rx->conn);
		return;
	}
	tcp_count(rx->tcp, COUNTER_TCP_SYN_IN_WINDOW);
	tcp_challenge(rx->tcp, rx->conn);
}

static void answer_from_time_wait(
	struct tcp *tcp, const struct segment *segment, struct time_wait_entry *entry)
{
	struct tcp_control control = {
		.key = &segment->key, .seq = entry->snd_nxt, .ack = entry->rcv_nxt, .flags = SEGMENT_ACK};

	if (entry->timestamps) {
		control.options.present = TCP_HAS_TIMESTAMPS;
		control.options.ts_value = tcp->now_ms + tcp_isn_for(tcp, &segment->key).ts_offset;
		control.options.ts_echo = entry->ts_recent;
	}
	tcp_emit_control(tcp, &control);
}

// RFC 6191: a SYN is a new connection and not an old packet when its timestamp is newer or, without
// timestamps, its number lies beyond the old connection's (RFC 1122 4.2.2.13).
static bool is_newer(const struct tcp_rx *rx, const struct time_wait_entry *entry)
{
	if (entry->timestamps && (rx->options.present & TCP_HAS_TIMESTAMPS) != 0 &&
		rx->options.ts_value != entry->ts_recent)
		return (int32_t)(rx->options.ts_value - entry->ts_recent) > 0;
	return seq_lt(entry->rcv_nxt, rx->seq);
}

void tcp_rx_time_wait(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	struct time_wait_entry *entry = rx->time_wait;
	const struct tcp_listener *listener = tcp_listeners_find(
		&tcp->listeners, &rx->segment->key.local, rx->segment->key.local_port);

	if ((rx->flags & SEGMENT_RST) != 0) {
		tcp_count(tcp, COUNTER_TCP_RESET_IGNORED); // RFC 1337
		return;
	}
	if ((rx->flags & (SEGMENT_SYN | SEGMENT_ACK)) == SEGMENT_SYN && listener != NULL &&
		is_newer(rx, entry)) {
		struct seq iss_at_least = seq_add(entry->snd_nxt, REUSE_DISTANCE);

		time_wait_remove(&tcp->time_wait, rx->segment->hash, entry);
		tcp_count(tcp, COUNTER_TCP_TIME_WAIT_REUSED);
		rx->listener = listener;
		answer_syn(rx, &iss_at_least);
		return;
	}
	// RFC 9293 3.10.7.4, eighth step: a repeated FIN starts the wait over.
	if ((rx->flags & SEGMENT_FIN) != 0 && seq_eq(seq_add(rx->seq, rx->len + 1), entry->rcv_nxt)) {
		answer_from_time_wait(tcp, rx->segment, entry);
		entry->deadline_ms = (tcp->now_ms + tcp->config.time_wait_ms) & 0x7fffffff;
		time_wait_renew(&tcp->time_wait, entry);
		return;
	}
	if (rx->len == 0 && (rx->flags & (SEGMENT_SYN | SEGMENT_FIN)) == 0)
		return; // an acknowledgement: nothing to say
	if (tcp_challenge_allowed(tcp))
		answer_from_time_wait(tcp, rx->segment, entry);
}

void tcp_handshake_output(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	bool reply = conn->state == TCP_SYN_RECEIVED;
	struct tcp_control control = {
		.key = &conn->key, .seq = cold->iss, .window = syn_window(tcp), .flags = SEGMENT_SYN};

	if (tcp_conn_dead(conn))
		return;
	if ((conn->flags & TCP_CONN_SYN_DUE) == 0) {
		struct tcp_tx challenge = {.seq = conn->snd_nxt};

		if (reply && (conn->flags & TCP_CONN_ACK_NOW) != 0)
			(void)tcp_emit(tcp, conn, &challenge);
		return;
	}
	conn->flags &= ~(uint32_t)(TCP_CONN_SYN_DUE | TCP_CONN_ACK_NOW);
	control.options = (struct tcp_options){.present = TCP_HAS_MSS,
		.mss = our_mss(&conn->key, &cold->path),
		.wscale = our_wscale(tcp),
		.ts_value = tcp_ts_now(tcp, conn),
		.ts_echo = conn->ts_recent};
	if (reply ? (conn->flags & TCP_CONN_TIMESTAMPS) != 0 : tcp->config.timestamps)
		control.options.present |= TCP_HAS_TIMESTAMPS;
	if (reply ? (conn->flags & TCP_CONN_SACK) != 0 : tcp->config.sack)
		control.options.present |= TCP_HAS_SACK_PERMITTED;
	if (reply ? conn->rcv_wscale != 0 || conn->snd_wscale != 0 : tcp->config.window_scaling)
		control.options.present |= TCP_HAS_WSCALE;
	if (reply) {
		control.flags |= SEGMENT_ACK;
		control.ack = conn->rcv_nxt;
		if ((conn->flags & TCP_CONN_ECN) != 0)
			control.flags |= SEGMENT_ECE;
	} else if (tcp->config.ecn && cold->n_syn_sent == 0) {
		control.flags |= SEGMENT_ECE |
				 SEGMENT_CWR; // only at first: some paths drop it (RFC 3168 6.1.1.1)
	}
	cold->rack_tx_us = (uint32_t)tcp->now_us;
	cold->n_syn_sent = (uint8_t)(cold->n_syn_sent + (cold->n_syn_sent < UINT8_MAX));
	tcp_emit_control(tcp, &control);
	if (!tcp_timer_running(conn, TCP_TIMER_RETRANSMIT))
		tcp_loss_timer_start_rto(tcp, conn);
}

// One entry whose time has come.
static void entry_due(struct tcp *tcp, struct syn_entry *entry)
{
	struct agreement agreed = agreement_of(entry);

	if (!syn_cache_advance(&tcp->syn_cache, entry)) {
		tcp_count(tcp, COUNTER_TCP_SYN_TIMED_OUT);
		syn_cache_remove(&tcp->syn_cache, entry);
		return;
	}
	entry->deadline_ms = tcp->now_ms + ((uint32_t)SYN_RTO_FIRST_MS << entry->stage);
	// RFC 3168 6.1.1.1: what may have been dropped for its ECN bits is repeated without.
	entry->flags &= (uint8_t)~SYN_ENTRY_ECN;
	agreed.flags &= (uint8_t)~SYN_ENTRY_ECN;
	send_syn_ack(tcp, &entry->key, &agreed);
	tcp_count(tcp, COUNTER_TCP_SYN_ACK_REPEATED);
}

void tcp_handshake_timers(struct tcp *tcp)
{
	uint32_t n = 0;

	for (uint32_t stage = 0; stage < SYN_STAGES; stage++) {
		struct syn_entry *entry;

		while (n < TIMERS_PER_TURN && (entry = syn_cache_oldest(&tcp->syn_cache, stage)) != NULL &&
			(int32_t)(tcp->now_ms - entry->deadline_ms) >= 0) {
			entry_due(tcp, entry);
			n++;
		}
	}
}
