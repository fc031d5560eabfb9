// SPDX-License-Identifier: Apache-2.0
#include "talk.h"

#include "base/assert.h"
#include "seam/cmocka_all.h"

#include <string.h>

static struct counters counters;

uint32_t talk_random(struct talk *talk, uint32_t below)
{
	talk->seed = talk->seed * 1664525u + 1013904223u;
	return (talk->seed >> 8) % below;
}

void talk_begin(struct talk *talk, enum talk_cut cut, uint32_t seed)
{
	const struct preamble_client client = {.addr = ip_addr_v4_of(192, 0, 2, 7),
		.port = 40000,
		.local_addr = ip_addr_v4_of(198, 51, 100, 1),
		.local_port = 25};

	memset(&counters, 0, sizeof counters);
	for (int i = 0; i < 2; i++) {
		talk->sides[i].queue_len = 0;
		talk->sides[i].n_offered = 0;
		talk->sides[i].heard_len = 0;
	}
	talk->worker.counters = &counters;
	talk->worker.now_us = 1000;
	talk->end = PREAMBLE_CONTINUE;
	talk->reason = PREAMBLE_REASON_NONE;
	talk->cut = cut;
	talk->seed = seed;
	talk->n_steps = 0;
	memset(&talk->preamble, 0xa5, sizeof talk->preamble);
	preamble_begin(&talk->worker, &talk->preamble, &talk->config, &client);
}

uint64_t talk_count(const struct talk *talk, enum counter id)
{
	(void)talk;
	return counter_get(&counters, id);
}

void talk_say_bytes(struct talk *talk, enum preamble_side side, struct span bytes)
{
	struct talk_side *to = &talk->sides[side];

	SLUICE_ASSERT(to->queue_len + bytes.len <= TALK_MAX);
	memcpy(to->queue + to->queue_len, bytes.data, bytes.len);
	to->queue_len += bytes.len;
}

void talk_say(struct talk *talk, enum preamble_side side, const char *text)
{
	talk_say_bytes(talk, side, span_of_string(text));
}

static void hear(struct talk_side *side, struct span bytes)
{
	SLUICE_ASSERT(side->heard_len + bytes.len < TALK_MAX);
	if (bytes.len != 0)
		memcpy(side->heard + side->heard_len, bytes.data, bytes.len);
	side->heard_len += bytes.len;
}

// More of what was said arrives.
static bool arrive(struct talk *talk, struct talk_side *side)
{
	size_t left = side->queue_len - side->n_offered;
	size_t n = left;

	if (left == 0)
		return false;
	if (talk->cut == TALK_BYTES)
		n = 1;
	else if (talk->cut == TALK_RANDOM)
		n = 1 + talk_random(talk, talk_random(talk, 8) == 0 ? 2000 : 24);
	side->n_offered += n < left ? n : left;
	return true;
}

// Steps one side until it wants no more of what has arrived. Whether anything moved.
static bool pump(struct talk *talk, enum preamble_side from)
{
	struct talk_side *side = &talk->sides[from];
	bool moved = false;

	while (talk->end == PREAMBLE_CONTINUE) {
		struct preamble_step step = preamble_step(
			&talk->worker, &talk->preamble, from, span_of(side->queue, side->n_offered));

		talk->n_steps++;
		SLUICE_ASSERT(step.n_consumed <= side->n_offered);
		SLUICE_ASSERT(step.to_client.len <= side->n_offered + PREAMBLE_SCRATCH_LEN);
		SLUICE_ASSERT(step.to_backend.len <= side->n_offered + PREAMBLE_SCRATCH_LEN);
		hear(&talk->sides[PREAMBLE_CLIENT], step.to_client);
		hear(&talk->sides[PREAMBLE_BACKEND], step.to_backend);
		memmove(side->queue, side->queue + step.n_consumed, side->queue_len - step.n_consumed);
		side->queue_len -= step.n_consumed;
		side->n_offered -= step.n_consumed;
		moved = moved || step.n_consumed != 0 || step.to_client.len != 0 || step.to_backend.len != 0;
		if (step.action >= PREAMBLE_START_TLS) {
			talk->end = step.action;
			talk->reason = step.reason;
		}
		if (step.action == PREAMBLE_NEED_BYTES)
			SLUICE_ASSERT(side->n_offered == 0);
		if (step.action != PREAMBLE_CONTINUE)
			break;
	}
	return moved;
}

void talk_run(struct talk *talk)
{
	bool moved = true;

	while (moved && talk->end == PREAMBLE_CONTINUE) {
		moved = arrive(talk, &talk->sides[PREAMBLE_CLIENT]);
		moved = pump(talk, PREAMBLE_CLIENT) || moved;
		moved = arrive(talk, &talk->sides[PREAMBLE_BACKEND]) || moved;
		moved = pump(talk, PREAMBLE_BACKEND) || moved;
	}
}

const char *talk_hear(struct talk *talk, enum preamble_side side)
{
	struct talk_side *by = &talk->sides[side];

	by->heard[by->heard_len] = '\0';
	by->heard_len = 0;
	return by->heard;
}

void talk_tls_done(struct talk *talk, bool succeeded)
{
	struct preamble_step step;

	assert_int_equal(talk->end, PREAMBLE_START_TLS);
	talk->end = PREAMBLE_CONTINUE;
	step = preamble_tls_done(&talk->worker, &talk->preamble, succeeded);
	hear(&talk->sides[PREAMBLE_CLIENT], step.to_client);
	hear(&talk->sides[PREAMBLE_BACKEND], step.to_backend);
	if (step.action >= PREAMBLE_START_TLS) {
		talk->end = step.action;
		talk->reason = step.reason;
	}
}

void client_says(struct talk *talk, const char *text)
{
	talk_say(talk, PREAMBLE_CLIENT, text);
	talk_run(talk);
}

void backend_says(struct talk *talk, const char *text)
{
	talk_say(talk, PREAMBLE_BACKEND, text);
	talk_run(talk);
}

void client_hears(struct talk *talk, const char *text)
{
	assert_string_equal(talk_hear(talk, PREAMBLE_CLIENT), text);
}

void backend_hears(struct talk *talk, const char *text)
{
	assert_string_equal(talk_hear(talk, PREAMBLE_BACKEND), text);
}

void nobody_hears(struct talk *talk)
{
	client_hears(talk, "");
	backend_hears(talk, "");
}

void is_closed(struct talk *talk, enum preamble_reason reason)
{
	assert_int_equal(talk->end, PREAMBLE_CLOSE);
	assert_string_equal(preamble_reason_name(talk->reason), preamble_reason_name(reason));
}
