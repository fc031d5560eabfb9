// SPDX-License-Identifier: Apache-2.0
#include "packet_run.h"

#include "base/assert.h"
#include "base/clock.h"

#include <stdlib.h>

static uint8_t options_in(char **words, uint32_t n, uint8_t out[TCP_OPTIONS_LEN_MAX])
{
	struct tcp_options options = {.mss = (uint16_t)number_of(words, n, "mss", 0),
		.wscale = (uint8_t)number_of(words, n, "ws", 0)};
	const char *ts = value_of(words, n, "ts");
	const char *hex = value_of(words, n, "options");

	if (hex != NULL) {
		uint8_t len = 0;

		for (; hex[0] != 0 && hex[1] != 0 && len < TCP_OPTIONS_LEN_MAX; hex += 2) {
			char digits[3] = {hex[0], hex[1], 0};

			out[len++] = (uint8_t)strtoul(digits, NULL, 16);
		}
		return len;
	}
	if (value_of(words, n, "mss") != NULL)
		options.present |= TCP_HAS_MSS;
	if (value_of(words, n, "ws") != NULL)
		options.present |= TCP_HAS_WSCALE;
	if (has_word(words, n, "sackok"))
		options.present |= TCP_HAS_SACK_PERMITTED;
	if (ts != NULL) {
		char *end;

		options.present |= TCP_HAS_TIMESTAMPS;
		options.ts_value = (uint32_t)strtoll(ts, &end, 0);
		options.ts_echo = run.our_ts + (uint32_t)strtoll(end + 1, NULL, 0);
	}
	if (value_of(words, n, "sack") != NULL)
		sack_of(value_of(words, n, "sack"), run.our_isn, &options);
	return (uint8_t)tcp_options_write(&options, out);
}

void do_in(char **words, uint32_t n)
{
	static uint8_t payload[UINT16_MAX];
	uint8_t options[TCP_OPTIONS_LEN_MAX];
	uint8_t options_len = options_in(words, n, options);
	uint32_t seq = number_of(words, n, "seq", 0);
	uint32_t len = number_of(words, n, "len", 0);
	struct segment segment = {.key = run.key,
		.seq = PEER_ISN + seq,
		.ack = run.our_isn + number_of(words, n, "ack", 0),
		.window = (uint16_t)number_of(words, n, "win", 65535),
		.flags = flags_of(words[0]),
		.ecn = has_word(words, n, "ce") ? SEGMENT_ECN_CE : SEGMENT_ECN_NOT_ECT};
	bool more = strcmp(words[n - 1], "&") == 0;

	if (run.n_burst == 0)
		expect_nothing_left();
	for (uint32_t i = 0; i < len; i++)
		payload[i] = (uint8_t)(seq + i);
	SLUICE_ASSERT(run.n_burst < BURST_MAX);
	SLUICE_ASSERT(net_stub_segment(run.net, &segment, options, options_len, payload, (uint16_t)len));
	run.burst[run.n_burst++] = segment;
	if (!more)
		turn();
}
