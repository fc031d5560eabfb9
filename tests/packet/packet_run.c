// SPDX-License-Identifier: Apache-2.0
//
// Runs packet scripts against one stack: "this segment arrives, that one must be sent, at this virtual time".
//
//   packet_run SCRIPT...
//
// A script is lines of words; # begins a comment. Sequence numbers count from the sender's initial one (the
// SYN is 0, the first byte 1), timestamps of ours from the start of the script in milliseconds. The peer's
// initial number lies just below 2^32, so that every script wraps. Everything that is sent must be named by
// an out line (or dropped by `ignore`) before the next in or wait, and at the end.
//
//   config NAME VALUE     a field of struct tcp_config; before the first other line
//   path mtu=N [chain] [tso] [v6]     likewise
//   listen                on port 80
//   connect               from port 5000 to port 80; `connect in-use` when that must fail
//   handshake [OPTION...] a whole passive open; options as of in, for the SYN: mss= ws= sackok ts ecn win=;
//                         rtt=MS passes between SYN-ACK and acknowledgement
//
//   in FLAGS [seq=N] [ack=N] [len=N] [win=N] [mss=N] [ws=N] [sackok] [ts=V,E] [sack=A-B,...] [ce]
//                         arrives; FLAGS as tcpdump's: S F R P . U E C, - for none; options=HEX instead of
//                         the named ones
//   in ... &              the same, in one burst with the next in
//   icmp too-big|hard|soft seq=N [mtu=N]
//   out FLAGS [the same fields] [at=MS] [ect] [tso=N] [no-sack] [no-ts]
//                         was sent next; what is not named may be anything
//   silent                nothing was sent
//   ignore                whatever was sent
//   wait MS               time passes
//
//   send N   read N   shutdown   close   abort   nagle      what the owner calls
//   starve on|off         no buffers for sending
//   peer PORT             what follows comes from and goes to another port of the peer (4000 at first)
//
//   event NAME...         the owner was told exactly this since the last such line: accepted, connected,
//                         readable, writable, peer-fin, closed, reset, timed-out, none
//   state NAME            states.def's, or none when there is no connection
//   readable N
//   info NAME [<|>]N      of the connection: mss cwnd ssthresh snd_wnd rcv_wnd unsent unacked srtt rto
//   counter NAME N        how often since the start
#include "packet_run.h"

#include "base/assert.h"
#include "seam/clock_virtual.h"
#include "tcp/state.h"

#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>

struct run run;

void fail(const char *what, const char *detail)
{
	fprintf(stderr, "%s:%u: %s%s%s\n", run.path, run.line, what, detail[0] != 0 ? ": " : "", detail);
	run.n_failures++;
}

double now_ms(void)
{
	return (double)clock_now_us() / 1000 - START_MS;
}

// --- the stack ---

struct tcp_conn *conn(void)
{
	return run.have_conn ? tcp_conn_at(run.tcp, run.handle) : NULL;
}

static void take_events(void)
{
	struct tcp_ready ready[4];
	uint32_t n = tcp_ready_burst(run.tcp, ready, 4);

	for (uint32_t i = 0; i < n; i++) {
		run.handle = ready[i].handle;
		run.have_conn = true;
		run.events |= ready[i].events;
	}
}

void turn(void)
{
	tcp_input_burst(run.tcp, run.burst, run.n_burst, clock_now_us());
	run.n_burst = 0;
	take_events();
	tcp_timers(run.tcp, clock_now_us());
	take_events();
	tcp_output_flush(run.tcp, clock_now_us());
	tcp_check_invariants(run.tcp);
}

static void open_stack(void)
{
	if (run.tcp != NULL)
		return;
	run.net = net_stub_open(run.mtu, run.capabilities, 2047);
	SLUICE_ASSERT(arena_init(&run.arena, tcp_footprint(&run.config)));
	run.tcp = tcp_init(&run.config, &run.arena, run.net, &run.counters, clock_now_us());
	SLUICE_ASSERT(run.tcp != NULL);
	run.key = (struct flow_key){.local = ip_addr_v4_of(192, 0, 2, 1),
		.remote = ip_addr_v4_of(192, 0, 2, 2),
		.local_port = LOCAL_PORT,
		.remote_port = 4000};
	if (run.v6) {
		run.key.local = (struct ip_addr){.bytes = {0x20, 1, 0xd, 0xb8, [15] = 1}};
		run.key.remote = (struct ip_addr){.bytes = {0x20, 1, 0xd, 0xb8, [15] = 2}};
	}
}

// What the first of our SYNs and timestamps tells.
// --- the other statements ---

static void do_wait(const char *word)
{
	uint64_t end_us = clock_now_us() + (uint64_t)(strtod(word, NULL) * 1000);

	expect_nothing_left();
	while (clock_now_us() < end_us) {
		uint64_t next_us = tcp_next_timer_us(run.tcp);

		next_us = next_us > clock_now_us() ? next_us : clock_now_us() + 64;
		clock_virtual_set_now(next_us < end_us ? next_us : end_us);
		turn();
	}
}

static void do_send(uint32_t n_bytes)
{
	static uint32_t sent;
	struct tcp_conn_info info;

	if (conn() == NULL) {
		fail("no connection to send on", "");
		return;
	}
	tcp_conn_info(run.tcp, conn(), &info);
	sent = info.snd_una - run.our_isn + info.n_unacked + info.n_unsent;
	while (n_bytes != 0) {
		uint32_t len = n_bytes < 1400 ? n_bytes : 1400;
		struct rte_mbuf *m = net_stub_buffer(run.net);
		uint8_t *data;

		SLUICE_ASSERT(m != NULL);
		data = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len);
		for (uint32_t i = 0; i < len; i++)
			data[i] = (uint8_t)(sent + i);
		if (!tcp_send(run.tcp, conn(), m, 0, len)) {
			rte_pktmbuf_free(m);
			fail("the stack takes no more", "");
			return;
		}
		sent += len;
		n_bytes -= len;
	}
	turn();
}

static void do_read(uint32_t n_bytes)
{
	if (conn() == NULL || tcp_readable(conn()) < n_bytes) {
		fail("there is not so much to read", "");
		return;
	}
	tcp_consume(run.tcp, conn(), n_bytes);
	turn();
}

static void do_readable(uint32_t n_bytes)
{
	if (conn() == NULL || tcp_readable(conn()) != n_bytes)
		fail("not so much is readable", "");
}

static const char *const event_names[] = {
	"accepted", "connected", "readable", "writable", "peer-fin", "closed", "reset", "timed-out"};

static void do_event(char **words, uint32_t n)
{
	uint16_t wanted = 0;
	char text[64];

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < 8; k++)
			if (strcmp(words[i], event_names[k]) == 0)
				wanted |= (uint16_t)(1u << k);
	(void)snprintf(text, sizeof text, "0x%02x instead of 0x%02x", run.events, wanted);
	if (run.events != wanted)
		fail("other events", text);
	run.events = 0;
}

static void do_state(const char *word)
{
	uint32_t cursor = 0;
	struct tcp_conn *found = tcp_conn_next(run.tcp, &cursor);
	struct tcp_conn_info info;
	const char *name = "none";

	if (found != NULL) {
		tcp_conn_info(run.tcp, found, &info);
		name = tcp_state_name((enum tcp_state)info.state);
	}
	if (strcmp(name, word) != 0)
		fail("another state", name);
}

static void do_info(const char *name, const char *wanted)
{
	struct tcp_conn_info info;
	uint32_t found;
	char text[64];
	bool good;

	if (conn() == NULL) {
		fail("no connection", "");
		return;
	}
	tcp_conn_info(run.tcp, conn(), &info);
	found = strcmp(name, "mss") == 0        ? info.mss
		: strcmp(name, "cwnd") == 0     ? info.cwnd
		: strcmp(name, "ssthresh") == 0 ? info.ssthresh
		: strcmp(name, "snd_wnd") == 0  ? info.snd_wnd
		: strcmp(name, "rcv_wnd") == 0  ? info.rcv_wnd
		: strcmp(name, "unsent") == 0   ? info.n_unsent
		: strcmp(name, "unacked") == 0  ? info.n_unacked
		: strcmp(name, "srtt") == 0     ? info.srtt_us
						: info.rto_us;
	if (wanted[0] == '<')
		good = found < (uint32_t)strtoul(wanted + 1, NULL, 0);
	else if (wanted[0] == '>')
		good = found > (uint32_t)strtoul(wanted + 1, NULL, 0);
	else
		good = found == (uint32_t)strtoul(wanted, NULL, 0);
	(void)snprintf(text, sizeof text, "%s is %u, expected %s", name, found, wanted);
	if (!good)
		fail("otherwise", text);
}

static void do_counter(const char *name, uint32_t wanted)
{
	char text[96];

	for (uint32_t i = 0; i < N_COUNTERS; i++) {
		uint64_t found = counter_get(&run.counters, (enum counter)i);

		if (strcmp(counter_name((enum counter)i), name) != 0)
			continue;
		(void)snprintf(text, sizeof text, "%s is %u, expected %u", name, (unsigned)found, wanted);
		if (found != wanted)
			fail("otherwise", text);
		return;
	}
	fail("no such counter", name);
}

static void do_icmp(char **words, uint32_t n)
{
	struct net_icmp_error error = {.key = run.key,
		.hash = net_flow_hash(run.net, &run.key),
		.seq = run.our_isn + number_of(words, n, "seq", 0),
		.mtu = (uint16_t)number_of(words, n, "mtu", 0),
		.kind = strcmp(words[0], "too-big") == 0 ? NET_ICMP_PACKET_TOO_BIG
			: strcmp(words[0], "hard") == 0  ? NET_ICMP_UNREACHABLE_HARD
							 : NET_ICMP_UNREACHABLE_SOFT};

	expect_nothing_left();
	tcp_input_icmp(run.tcp, &error, 1, clock_now_us());
	turn();
}

static void do_config(const char *name, uint32_t value)
{
#define FIELD(field) \
	if (strcmp(name, #field) == 0) { \
		run.config.field = (__typeof__(run.config.field))value; \
		return; \
	}
	FIELD(n_conns)
	FIELD(n_time_wait)
	FIELD(n_syn_cache)
	FIELD(n_sent)
	FIELD(n_send_items)
	FIELD(n_ranges)
	FIELD(receive_memory)
	FIELD(sent_max)
	FIELD(send_items_max)
	FIELD(send_buffer)
	FIELD(ranges_max)
	FIELD(receive_window_initial)
	FIELD(receive_window_max)
	FIELD(mss_min)
	FIELD(delayed_ack_ms)
	FIELD(user_timeout_ms)
	FIELD(connect_timeout_ms)
	FIELD(nagle)
	FIELD(keepalive_idle_ms)
	FIELD(keepalive_interval_ms)
	FIELD(keepalive_probes)
	FIELD(fin_wait_2_ms)
	FIELD(time_wait_ms)
	FIELD(mtu_probe_interval_ms)
	FIELD(challenge_acks_per_s)
	FIELD(resets_per_s)
	FIELD(cc)
	FIELD(timestamps)
	FIELD(sack)
	FIELD(window_scaling)
	FIELD(ecn)
	FIELD(pacing)
	FIELD(syn_cookies)
#undef FIELD
	fail("no such setting", name);
}

static void do_connect(bool in_use)
{
	struct tcp_connect request = {.local = run.key.local,
		.remote = run.key.remote,
		.local_port = CONNECT_PORT,
		.remote_port = PEER_PORT};
	struct tcp_conn *made;

	run.key.local_port = CONNECT_PORT;
	run.key.remote_port = PEER_PORT;
	if (tcp_connect(run.tcp, &request, clock_now_us(), &made) !=
		(in_use ? TCP_CONNECT_IN_USE : TCP_CONNECT_STARTED)) {
		fail("another verdict of connect", "");
		return;
	}
	if (in_use)
		return;
	run.know_isn = run.know_ts = false;
	run.handle = tcp_conn_handle(run.tcp, made);
	run.have_conn = true;
	turn();
}

// A passive open with one round trip of no time.
static void do_handshake(char **words, uint32_t n)
{
	static char syn[] = "S", synecn[] = "SEC", ack[] = ".", seq0[] = "seq=0", seq1[] = "seq=1",
		    ack1[] = "ack=1", ts[] = "ts=100,0", amp[] = "win=65535";
	char *in[WORDS_MAX] = {has_word(words, n, "ecn") ? synecn : syn, seq0};
	uint32_t n_in = 2;
	bool timestamps = has_word(words, n, "ts");

	for (uint32_t i = 0; i < n; i++)
		in[n_in++] = words[i];
	if (timestamps)
		in[n_in++] = ts;
	in[n_in++] = amp;
	do_in(in, n_in);
	if (!next_sent() || (run.next.flags & (SEGMENT_SYN | SEGMENT_ACK)) != (SEGMENT_SYN | SEGMENT_ACK))
		fail("no SYN-ACK", "");
	run.have_next = false;
	if (value_of(words, n, "rtt") != NULL)
		do_wait(value_of(words, n, "rtt"));
	n_in = 0;
	in[n_in++] = ack;
	in[n_in++] = seq1;
	in[n_in++] = ack1;
	if (timestamps)
		in[n_in++] = ts;
	for (uint32_t i = 0; i < n; i++)
		if (strncmp(words[i], "win=", 4) == 0)
			in[n_in++] = words[i];
	do_in(in, n_in);
	if (conn() == NULL)
		fail("no connection", "");
	run.events = 0;
}

static void owner_does(const char *word)
{
	if (conn() == NULL) {
		fail("no connection", word);
		return;
	}
	if (strcmp(word, "shutdown") == 0)
		tcp_shutdown(run.tcp, conn());
	else if (strcmp(word, "close") == 0)
		tcp_close(run.tcp, conn());
	else if (strcmp(word, "nagle") == 0)
		tcp_set_nagle(run.tcp, conn(), true);
	else
		tcp_abort(run.tcp, conn());
	turn();
}

static void do_path(char **words, uint32_t n)
{
	run.mtu = (uint16_t)number_of(words, n, "mtu", 1500);
	run.capabilities = (uint16_t)((has_word(words, n, "chain") ? NET_PATH_MULTI_SEGMENT : 0) |
				      (has_word(words, n, "tso") ? NET_PATH_TSO | NET_PATH_MULTI_SEGMENT
								 : 0));
	run.v6 = has_word(words, n, "v6");
}

static void statement(char **words, uint32_t n)
{
	const char *verb = words[0];
	char **rest = words + 1;
	uint32_t n_rest = n - 1;

	if (strcmp(verb, "config") == 0 && n == 3) {
		do_config(rest[0], (uint32_t)strtoul(rest[1], NULL, 0));
		return;
	}
	if (strcmp(verb, "path") == 0) {
		do_path(rest, n_rest);
		return;
	}
	open_stack();
	if (strcmp(verb, "listen") == 0)
		SLUICE_ASSERT(tcp_listen(run.tcp, NULL, LOCAL_PORT, 1));
	else if (strcmp(verb, "connect") == 0)
		do_connect(has_word(rest, n_rest, "in-use"));
	else if (strcmp(verb, "handshake") == 0)
		do_handshake(rest, n_rest);
	else if (strcmp(verb, "in") == 0 && n_rest != 0)
		do_in(rest, n_rest);
	else if (strcmp(verb, "out") == 0 && n_rest != 0)
		do_out(rest, n_rest);
	else if (strcmp(verb, "silent") == 0)
		expect_nothing_left();
	else if (strcmp(verb, "ignore") == 0)
		while (next_sent())
			run.have_next = false;
	else if (strcmp(verb, "wait") == 0 && n == 2)
		do_wait(rest[0]);
	else if (strcmp(verb, "send") == 0 && n == 2)
		do_send((uint32_t)strtoul(rest[0], NULL, 0));
	else if (strcmp(verb, "read") == 0 && n == 2)
		do_read((uint32_t)strtoul(rest[0], NULL, 0));
	else if (strcmp(verb, "event") == 0)
		do_event(rest, n_rest);
	else if (strcmp(verb, "state") == 0 && n == 2)
		do_state(rest[0]);
	else if (strcmp(verb, "info") == 0 && n == 3)
		do_info(rest[0], rest[1]);
	else if (strcmp(verb, "counter") == 0 && n == 3)
		do_counter(rest[0], (uint32_t)strtoul(rest[1], NULL, 0));
	else if (strcmp(verb, "readable") == 0 && n == 2)
		do_readable((uint32_t)strtoul(rest[0], NULL, 0));
	else if (strcmp(verb, "icmp") == 0 && n_rest != 0)
		do_icmp(rest, n_rest);
	else if (strcmp(verb, "starve") == 0 && n == 2)
		net_stub_starve(run.net, strcmp(rest[0], "on") == 0);
	else if (strcmp(verb, "peer") == 0 && n == 2) {
		run.key.remote_port = (uint16_t)strtoul(rest[0], NULL, 0);
		run.know_isn = run.know_ts = false;
	} else if (n == 1)
		owner_does(verb);
	else
		fail("no such statement", verb);
}

static void run_script(FILE *file)
{
	char line[512];

	while (fgets(line, sizeof line, file) != NULL) {
		char *words[WORDS_MAX];
		uint32_t n = 0;
		char *comment = strchr(line, '#');

		run.line++;
		if (comment != NULL)
			*comment = 0;
		for (char *word = strtok(line, " \t\n"); word != NULL && n < WORDS_MAX;
			word = strtok(NULL, " \t\n"))
			words[n++] = word;
		if (n != 0)
			statement(words, n);
	}
	expect_nothing_left();
}

static unsigned run_path(const char *path)
{
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		perror(path);
		return 1;
	}
	memset(&run, 0, sizeof run);
	run.path = path;
	run.mtu = 1500;
	clock_virtual_reset();
	clock_virtual_advance(START_MS * 1000);
	tcp_config_default(&run.config, 16);
	run.config.pacing = false;
	run.config.ecn = false;
	for (uint32_t i = 0; i < sizeof run.config.secret; i++)
		run.config.secret[i] = (uint8_t)(i * 37 + 11);
	run_script(file);
	(void)fclose(file);
	if (run.tcp != NULL) {
		tcp_stop(run.tcp);
		net_stub_close(run.net);
		arena_destroy(&run.arena);
	}
	printf("%-4s %s\n", run.n_failures == 0 ? "ok" : "FAIL", path);
	return run.n_failures;
}

int main(int argc, char **argv)
{
	unsigned n_failures = 0;

	for (int i = 1; i < argc; i++)
		n_failures += run_path(argv[i]);
	return argc < 2 || n_failures != 0;
}
