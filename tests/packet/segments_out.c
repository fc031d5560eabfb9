// SPDX-License-Identifier: Apache-2.0
#include "packet_run.h"

#include <stdio.h>
#include <stdlib.h>

static void learn(const struct net_stub_sent *sent)
{
	struct tcp_options options;

	if (!run.know_isn && (sent->flags & SEGMENT_SYN) != 0) {
		run.our_isn = sent->seq;
		run.know_isn = true;
	}
	if (!run.know_ts && tcp_options_parse(span_of(sent->options, sent->options_len), &options) &&
		(options.present & TCP_HAS_TIMESTAMPS) != 0) {
		run.our_ts = options.ts_value - (uint32_t)now_ms();
		run.know_ts = true;
	}
}

bool next_sent(void)
{
	if (!run.have_next)
		run.have_next = net_stub_take(run.net, &run.next);
	if (run.have_next)
		learn(&run.next);
	return run.have_next;
}

static void describe(const struct net_stub_sent *sent, char *out, size_t len)
{
	struct tcp_options options;
	int n = snprintf(out, len, "%s seq=%d ack=%d len=%u win=%u at=%.1f", flag_names(sent->flags),
		(int)(sent->seq - run.our_isn), (int)(sent->ack - PEER_ISN), sent->payload_len, sent->window,
		(double)sent->at_us / 1000 - START_MS);

	if (!tcp_options_parse(span_of(sent->options, sent->options_len), &options))
		return;
	if ((options.present & TCP_HAS_MSS) != 0)
		n += snprintf(out + n, len - (size_t)n, " mss=%u", options.mss);
	for (uint32_t i = 0; i < options.n_sack_blocks; i++)
		n += snprintf(out + n, len - (size_t)n, " sack %d-%d",
			(int)(options.sack_blocks[i].start.value - PEER_ISN),
			(int)(options.sack_blocks[i].end.value - PEER_ISN));
}

void expect_nothing_left(void)
{
	char text[256];

	while (run.net != NULL && next_sent()) {
		describe(&run.next, text, sizeof text);
		fail("unexpected", text);
		run.have_next = false;
	}
}

static void expect_number(char **words, uint32_t n, const char *name, uint32_t found)
{
	const char *value = value_of(words, n, name);
	char text[96];

	if (value == NULL || (uint32_t)strtoll(value, NULL, 0) == found)
		return;
	(void)snprintf(text, sizeof text, "%s is %d, expected %s", name, (int)found, value);
	fail("sent otherwise", text);
}

static void expect_sack(char **words, uint32_t n, const struct tcp_options *found)
{
	struct tcp_options wanted = {.present = 0};
	const char *value = value_of(words, n, "sack");

	if (value == NULL) {
		if (has_word(words, n, "no-sack") && found->n_sack_blocks != 0)
			fail("sent otherwise", "there are SACK blocks");
		return;
	}
	sack_of(value, PEER_ISN, &wanted);
	if (wanted.n_sack_blocks != found->n_sack_blocks ||
		memcmp(wanted.sack_blocks, found->sack_blocks,
			wanted.n_sack_blocks * sizeof wanted.sack_blocks[0]) != 0) {
		char text[256];

		describe(&run.next, text, sizeof text);
		fail("other SACK blocks", text);
	}
}

static void expect_options(char **words, uint32_t n)
{
	struct tcp_options options;
	const char *ts = value_of(words, n, "ts");
	bool has_ts;

	if (!tcp_options_parse(span_of(run.next.options, run.next.options_len), &options))
		fail("sent broken options", "");
	has_ts = (options.present & TCP_HAS_TIMESTAMPS) != 0;
	if (value_of(words, n, "mss") != NULL)
		expect_number(words, n, "mss", (options.present & TCP_HAS_MSS) != 0 ? options.mss : 0);
	if (value_of(words, n, "ws") != NULL)
		expect_number(words, n, "ws",
			(options.present & TCP_HAS_WSCALE) != 0 ? options.wscale : UINT32_MAX);
	if (has_word(words, n, "sackok") && (options.present & TCP_HAS_SACK_PERMITTED) == 0)
		fail("sent otherwise", "no SACK-permitted");
	if (has_word(words, n, "no-ts") && has_ts)
		fail("sent otherwise", "there are timestamps");
	if (ts != NULL) {
		char *end;
		uint32_t value = (uint32_t)strtoll(ts, &end, 0);
		uint32_t echo = (uint32_t)strtoll(end + 1, NULL, 0);

		if (!has_ts || options.ts_value - run.our_ts != value || options.ts_echo != echo) {
			char text[64];

			(void)snprintf(text, sizeof text, "ts=%d,%u", (int)(options.ts_value - run.our_ts),
				options.ts_echo);
			fail("other timestamps", text);
		}
	}
	expect_sack(words, n, &options);
}

static void check_payload(void)
{
	for (uint32_t i = 0; i < run.next.payload_len; i++) {
		if (run.next.payload[i] != (uint8_t)(run.next.seq - run.our_isn + i)) {
			fail("sent wrong bytes", "");
			return;
		}
	}
}

void do_out(char **words, uint32_t n)
{
	const char *at = value_of(words, n, "at");
	char text[256];

	if (!next_sent()) {
		fail("nothing was sent", "");
		return;
	}
	run.have_next = false;
	describe(&run.next, text, sizeof text);
	if (run.next.flags != flags_of(words[0])) {
		fail("other flags", text);
		return;
	}
	expect_number(words, n, "seq", run.next.seq - run.our_isn);
	if ((run.next.flags & SEGMENT_ACK) != 0)
		expect_number(words, n, "ack", run.next.ack - PEER_ISN);
	expect_number(words, n, "len", run.next.payload_len);
	expect_number(words, n, "win", run.next.window);
	expect_number(words, n, "tso", run.next.tso_mss);
	if (has_word(words, n, "ect") != (run.next.ecn == SEGMENT_ECN_ECT0))
		fail("other ECN bits", text);
	expect_options(words, n);
	check_payload();
	if (at != NULL) {
		double difference = (double)run.next.at_us / 1000 - START_MS - strtod(at, NULL);

		if (difference < -1.1 || difference > 1.1)
			fail("at another time", text);
	}
}
