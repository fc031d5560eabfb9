// SPDX-License-Identifier: Apache-2.0
#include "tcp/isn.h"

#include "tcp/siphash.h"
#include "tcp/stack.h"

enum {
	FLOW_WORDS = 5,
	COOKIE_PERIOD_SHIFT = 26, // microseconds: 67 s
	COOKIE_NO_WSCALE = 7
};

// The sizes in use on the internet, from the smallest that a peer may ask for to jumbo frames.
static const uint16_t cookie_mss[8] = {64, 536, 1200, 1360, 1400, 1440, 1460, 8940};
static const uint8_t cookie_wscale[7] = {0, 2, 4, 6, 7, 8, 10};

static void flow_words(const struct flow_key *key, uint64_t out[static FLOW_WORDS])
{
	out[0] = key->local.words[0];
	out[1] = key->local.words[1];
	out[2] = key->remote.words[0];
	out[3] = key->remote.words[1];
	out[4] = (uint64_t)key->local_port << 16 | key->remote_port;
}

struct tcp_isn tcp_isn_for(const struct tcp *tcp, const struct flow_key *key)
{
	uint64_t words[FLOW_WORDS];
	uint64_t hash;

	flow_words(key, words);
	hash = siphash_2_4(&tcp->isn_key, words, FLOW_WORDS);
	// RFC 6528 3: a clock of 4 us plus a keyed hash of the flow.
	return (struct tcp_isn){.iss = seq_of((uint32_t)hash + (uint32_t)(tcp->now_us / 4)),
		.ts_offset = (uint32_t)(hash >> 32)};
}

static uint64_t cookie_hash(
	const struct tcp *tcp, const struct flow_key *key, struct seq irs, uint8_t facts, uint64_t period)
{
	uint64_t words[FLOW_WORDS + 2];

	flow_words(key, words);
	words[FLOW_WORDS] = (uint64_t)irs.value << 8 | facts;
	words[FLOW_WORDS + 1] = period;
	return siphash_2_4(&tcp->cookie_key, words, FLOW_WORDS + 2);
}

// What hides the low byte: it must not depend on the byte itself.
static uint8_t cookie_mask(const struct tcp *tcp, const struct flow_key *key, struct seq irs)
{
	return (uint8_t)(cookie_hash(tcp, key, irs, 0, UINT64_MAX) >> 56);
}

static uint8_t facts_encode(const struct syn_cookie *facts)
{
	uint8_t mss_idx = 7;
	uint8_t wscale_idx = 6;

	while (mss_idx > 0 && cookie_mss[mss_idx] > facts->mss)
		mss_idx--;
	while (wscale_idx > 0 && cookie_wscale[wscale_idx] > facts->wscale)
		wscale_idx--;
	if (!facts->has_wscale)
		wscale_idx = COOKIE_NO_WSCALE;
	return (uint8_t)(mss_idx << 5 | wscale_idx << 2 | (facts->sack ? 2 : 0));
}

static struct syn_cookie facts_decode(uint8_t byte)
{
	uint8_t wscale_idx = byte >> 2 & 7;

	return (struct syn_cookie){.mss = cookie_mss[byte >> 5],
		.has_wscale = wscale_idx != COOKIE_NO_WSCALE,
		.wscale = wscale_idx != COOKIE_NO_WSCALE ? cookie_wscale[wscale_idx] : 0,
		.sack = (byte & 2) != 0};
}

struct seq syn_cookie_make(
	const struct tcp *tcp, const struct flow_key *key, struct seq irs, const struct syn_cookie *facts)
{
	uint64_t period = tcp->now_us >> COOKIE_PERIOD_SHIFT;
	uint8_t byte = (uint8_t)(facts_encode(facts) | (period & 1));
	uint32_t hash = (uint32_t)cookie_hash(tcp, key, irs, byte, period);

	return seq_of((hash & 0xffffff00u) | (uint8_t)(byte ^ cookie_mask(tcp, key, irs)));
}

bool syn_cookie_check(const struct tcp *tcp, const struct flow_key *key, struct seq irs, struct seq cookie,
	struct syn_cookie *out_facts)
{
	uint64_t period = tcp->now_us >> COOKIE_PERIOD_SHIFT;
	uint8_t byte = (uint8_t)(cookie.value ^ cookie_mask(tcp, key, irs));
	uint32_t hash;

	if ((period & 1) != (byte & 1)) {
		if (period == 0)
			return false;
		period--;
	}
	hash = (uint32_t)cookie_hash(tcp, key, irs, byte, period);
	if (((hash ^ cookie.value) & 0xffffff00u) != 0)
		return false;
	*out_facts = facts_decode(byte);
	return true;
}
