// SPDX-License-Identifier: Apache-2.0
//
// The body of the four preamble targets. The input is a first byte of settings and then pieces, each with a
// byte in front: its highest bit says from which side, the others how many bytes. What is asserted is what
// must hold whatever anybody says.
#pragma once

#include "base/assert.h"
#include "base/counters.h"
#include "base/reader.h"
#include "proxy/preamble_machine.h"

#include <strings.h>

enum {
	FUZZ_QUEUE_MAX = 1 << 16
};

struct fuzz_side {
	uint8_t queue[FUZZ_QUEUE_MAX];
	size_t len;
};

static bool fuzz_is_starttls(struct span bytes, enum preamble_protocol protocol)
{
	struct span rest = bytes;

	while (rest.len != 0 && (rest.data[rest.len - 1] == '\n' || rest.data[rest.len - 1] == '\r'))
		rest.len--;
	if (protocol == PREAMBLE_IMAP)
		(void)word_take(&rest);
	rest = word_take(&rest);
	return word_is(rest, protocol == PREAMBLE_POP3 ? "STLS" : "STARTTLS");
}

static void fuzz_check(const struct preamble *before, const struct preamble *after, enum preamble_side side,
	const struct preamble_step *step)
{
	bool command = side == PREAMBLE_CLIENT && before->client_body == PREAMBLE_BODY_NONE &&
		       !before->in_command && !before->sasl;

	SLUICE_ASSERT(after->n_expected <= PREAMBLE_EXPECTED_MAX);
	if (before->phase == PREAMBLE_PHASE_HANDSHAKE) {
		SLUICE_ASSERT(step->to_client.len == 0 && step->to_backend.len == 0 && step->n_consumed == 0);
		SLUICE_ASSERT(step->action != PREAMBLE_FAST_PATH);
	}
	if (before->phase == PREAMBLE_PHASE_PLAIN)
		SLUICE_ASSERT(step->action != PREAMBLE_FAST_PATH);
	if (command && step->to_backend.len != 0)
		SLUICE_ASSERT(!fuzz_is_starttls(step->to_backend, before->config->protocol));
	if (step->action == PREAMBLE_CLOSE)
		SLUICE_ASSERT(step->to_backend.len == 0 && step->reason != PREAMBLE_REASON_NONE);
}

// Steps one side until it wants no more. False: the conversation is over.
static bool fuzz_pump(struct preamble_worker *worker, struct preamble *preamble, struct fuzz_side *from,
	enum preamble_side side)
{
	static struct preamble before;
	struct preamble_step step = {.action = PREAMBLE_CONTINUE};

	while (step.action == PREAMBLE_CONTINUE) {
		before = *preamble;
		step = preamble_step(worker, preamble, side, span_of(from->queue, from->len));
		SLUICE_ASSERT(step.n_consumed <= from->len);
		SLUICE_ASSERT(step.to_client.len <= from->len + PREAMBLE_SCRATCH_LEN);
		SLUICE_ASSERT(step.to_backend.len <= from->len + PREAMBLE_SCRATCH_LEN);
		fuzz_check(&before, preamble, side, &step);
		from->len -= step.n_consumed;
		memmove(from->queue, from->queue + step.n_consumed, from->len);
		if (step.action == PREAMBLE_NEED_BYTES)
			SLUICE_ASSERT(from->len == 0 || preamble->phase == PREAMBLE_PHASE_HANDSHAKE);
	}
	return step.action < PREAMBLE_FAST_PATH;
}

static int fuzz_preamble(enum preamble_protocol protocol, const uint8_t *data, size_t len)
{
	static struct counters counters;
	static struct preamble_worker worker = {.counters = &counters};
	static struct fuzz_side sides[2];
	struct preamble_client client = {.addr = {.words = {1, 2}}, .port = 25};
	struct reader reader = reader_over(span_of(data, len));
	uint8_t settings = reader_u8(&reader);
	struct preamble_config config;
	struct preamble preamble;
	bool on = true;

	preamble_config_default(&config, protocol);
	config.security = (settings & 1) != 0 ? PREAMBLE_ENCRYPT : PREAMBLE_MAY;
	config.implicit_tls = (settings & 2) != 0;
	config.xclient = (settings & 4) != 0;
	sides[0].len = 0;
	sides[1].len = 0;
	preamble_begin(&worker, &preamble, &config, &client);
	while (on && reader_left(&reader) != 0) {
		uint8_t head = reader_u8(&reader);
		struct fuzz_side *side = &sides[head >> 7];
		size_t n = head & 0x7f;
		struct span piece = reader_bytes(
			&reader, n < reader_left(&reader) ? n : reader_left(&reader));

		if (piece.len == 0 && preamble.phase == PREAMBLE_PHASE_HANDSHAKE) {
			struct preamble_step step = preamble_tls_done(&worker, &preamble, (head & 0x80) == 0);

			on = step.action != PREAMBLE_CLOSE;
			continue;
		}
		if (side->len + piece.len > FUZZ_QUEUE_MAX)
			break;
		if (piece.len != 0)
			memcpy(side->queue + side->len, piece.data, piece.len);
		side->len += piece.len;
		on = fuzz_pump(&worker, &preamble, &sides[head >> 7], head >> 7);
		on = on && fuzz_pump(&worker, &preamble, &sides[(head >> 7) ^ 1], (head >> 7) ^ 1);
	}
	return 0;
}
