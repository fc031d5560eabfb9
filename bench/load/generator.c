// SPDX-License-Identifier: Apache-2.0
#include "load/generator.h"

#include "base/assert.h"
#include "base/clock.h"
#include "load/flood.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	ROUNDS_MAX = 32,
	BEGIN_MAX = 64,     // connections begun in one turn
	OPENING_MAX = 1024, // of many that are to stay, so many are on their way at once
	TRICKLE_MAX = 256   // held connections that ask in one turn
};

void generator_open(struct generator *generator, struct station *station)
{
	const struct load_options *options = station->options;

	generator->station = station;
	generator->options = options;
	list_init(&generator->active);
	list_init(&generator->waiting);
	list_init(&generator->holding);
	scripts_make(&generator->scripts, options);
	serve_open(&generator->serve, station);
	if (!arena_init(&generator->arena, pool_footprint(options->n_connections, sizeof(struct client))) ||
		!pool_init(&generator->clients, &generator->arena, options->n_connections,
			sizeof(struct client))) {
		(void)fprintf(stderr, "sluice-load: no memory for so many --connections\n");
		exit(2);
	}
	generator->interval_tsc = options->rate > 0 ? (double)clock_tsc_hz() / options->rate : 0;
	generator->next_begin_tsc = (double)clock_tsc();
}

static void take_lanes(struct generator *generator)
{
	struct lane_request *request;

	while ((request = lanes_pop_completed(generator->station->crypto.lanes)) != NULL) {
		struct client *client = tls_handshake_owner(request->owner);

		client->leg.tls_status = (uint8_t)tls_handshake_resume(request->owner);
		client_activate(generator, client);
	}
}

static uint32_t take_events(struct generator *generator)
{
	struct tcp_ready ready[GENERATOR_BURST];
	uint32_t n, total = 0;

	do {
		n = tcp_ready_burst(generator->station->tcp, ready, GENERATOR_BURST);
		for (uint32_t i = 0; i < n; i++) {
			if (ready[i].tag == SERVE_TAG)
				serve_event(&generator->serve, &ready[i]);
			else
				client_events(generator,
					pool_at(&generator->clients, (uint32_t)ready[i].user),
					ready[i].events);
		}
		total += n;
	} while (n == GENERATOR_BURST);
	return total;
}

// --- rounds ---

static void open_batch(struct generator *generator)
{
	struct station *station = generator->station;

	// Failures show in each job's status.
	(void)!aead_open_burst(&station->crypto.aead, generator->jobs, generator->n_openings);
	for (uint32_t i = 0; i < generator->n_openings; i++)
		leg_opened(&station->legs, &generator->openings[i], &generator->jobs[i]);
	generator->n_openings = 0;
}

static bool open_round(struct generator *generator)
{
	struct list_link *link;
	bool any = false;

	LIST_FOREACH (link, &generator->active) {
		struct client *client = LIST_ITEM(link, struct client, active);

		if (client->state < CLIENT_TALKING && client->state != CLIENT_MAIL)
			continue;
		if (!leg_prepare_opening(&generator->station->legs, &client->leg,
			    &generator->openings[generator->n_openings],
			    &generator->jobs[generator->n_openings])) {
			// The end that nobody announced is found here, and judged in the next step.
			any = any || leg_is(&client->leg, LEG_BROKEN);
			continue;
		}
		any = true;
		if (++generator->n_openings == GENERATOR_BURST)
			open_batch(generator);
	}
	if (generator->n_openings != 0)
		open_batch(generator);
	return any;
}

static bool step_round(struct generator *generator)
{
	struct list_link *link, *following;
	bool any = false;

	LIST_FOREACH_SAFE (link, following, &generator->active)
		any = client_step(generator, LIST_ITEM(link, struct client, active)) || any;
	return any;
}

static uint32_t run_rounds(struct generator *generator)
{
	uint32_t n_rounds = 0;
	bool any = true;

	generator->station->legs.unfinished = false;
	while (any && n_rounds < ROUNDS_MAX) {
		any = step_round(generator);
		any = open_round(generator) || any;
		n_rounds += any;
	}
	// As in proxy_turn: an event, a lane or a time limit wakes the others.
	if (any || generator->station->legs.unfinished)
		return n_rounds;
	while (!list_empty(&generator->active))
		list_remove(list_first(&generator->active));
	return n_rounds;
}

// --- the pace ---

bool generator_fills(const struct load_options *options)
{
	return options->mode == LOAD_IDLE || (options->mode == LOAD_RPS && options->rate > 0);
}

static bool may_begin(const struct generator *generator)
{
	const struct load_options *options = generator->options;

	if (generator->draining || options->mode == LOAD_SERVE)
		return false;
	return (!generator_fills(options) && options->mode != LOAD_RPS) || generator->n_opening < OPENING_MAX;
}

static uint32_t begin_closed(struct generator *generator)
{
	uint32_t n = 0;

	while (n < BEGIN_MAX && may_begin(generator) &&
		client_begin(generator, generator->station->now_tsc) == CLIENT_BEGUN)
		n++;
	return n;
}

// One conversation, SYN or request. False: there is no place for it. An attacker gives up who hangs longest.
static bool begin_due(struct generator *generator)
{
	const struct load_options *options = generator->options;
	struct list_link *link;

	if (options->mode == LOAD_FLOOD && options->flood == LOAD_FLOOD_SYN) {
		flood_syn(generator);
		return true;
	}
	link = list_first(&generator->holding);
	if (options->mode == LOAD_FLOOD && link != NULL && pool_n_free(&generator->clients) == 0)
		client_drop(generator, LIST_ITEM(link, struct client, waiting));
	if (options->mode != LOAD_RPS)
		return client_begin(generator, (uint64_t)generator->next_begin_tsc) != CLIENT_NO_PLACE;
	if (link != NULL)
		client_ask(generator, LIST_ITEM(link, struct client, waiting),
			(uint64_t)generator->next_begin_tsc);
	return link != NULL;
}

static uint32_t begin_open(struct generator *generator)
{
	uint32_t n = 0;

	while (n < BEGIN_MAX && may_begin(generator) &&
		generator->next_begin_tsc <= (double)generator->station->now_tsc) {
		// It begins when a place is free, and late.
		if (!begin_due(generator)) {
			generator->full_tsc = generator->station->now_tsc;
			return n;
		}
		if (generator->next_begin_tsc <= (double)generator->full_tsc)
			generator->now->n_late++;
		generator->next_begin_tsc += generator->interval_tsc;
		n++;
	}
	return n;
}

// Requests of an open loop need connections, which are opened as in a closed one.
static uint32_t begin(struct generator *generator)
{
	const struct load_options *options = generator->options;
	uint32_t n = 0;

	if (!(options->rate > 0))
		return begin_closed(generator);
	if (options->mode == LOAD_RPS)
		n = begin_closed(generator);
	return options->mode == LOAD_RPS && generator->filling ? n : n + begin_open(generator);
}

uint64_t generator_overdue(struct generator *generator)
{
	const struct load_options *options = generator->options;
	struct histogram *waited =
		&generator->now
			 ->latencies[options->mode == LOAD_RPS ? LATENCY_REQUEST : LATENCY_CONVERSATION];
	uint64_t now_tsc = clock_tsc(), n = 0;

	if (!(options->rate > 0) || options->mode == LOAD_IDLE)
		return 0;
	for (double due_tsc = generator->next_begin_tsc; due_tsc <= (double)now_tsc;
		due_tsc += generator->interval_tsc, n++)
		if (options->mode != LOAD_FLOOD)
			histogram_add(waited, statistics_ns((uint64_t)due_tsc, now_tsc));
	return n;
}

bool generator_is_settled(const struct generator *generator)
{
	return list_empty(&generator->waiting);
}

static uint32_t trickle(struct generator *generator)
{
	const struct load_options *options = generator->options;
	double each_tsc = options->trickle_s * (double)clock_tsc_hz() / options->n_connections;
	uint32_t n = 0;

	if (!(options->trickle_s > 0) || generator->n_holding == 0 || generator->filling ||
		generator->draining)
		return 0;
	if (generator->trickle_tsc == 0)
		generator->trickle_tsc = generator->station->now_tsc;
	while (n < TRICKLE_MAX && generator->trickle_tsc <= generator->station->now_tsc) {
		uint32_t idx = generator->trickle_cursor++ % options->n_connections;
		struct client *client = pool_at(&generator->clients, idx);

		generator->trickle_tsc += (uint64_t)each_tsc;
		if (pool_in_use(&generator->clients, idx) && client->state == CLIENT_HOLDING)
			client_ask(generator, client, 0);
		n++;
	}
	return n;
}

void generator_turn(struct generator *generator)
{
	struct station *station = generator->station;
	uint64_t n_done = station_receive(station);
	uint64_t n_bad = generator->serve.n_bad;

	take_lanes(generator);
	n_done += take_events(generator);
	serve_turn(&generator->serve);
	n_done += run_rounds(generator);
	n_done += begin(generator);
	n_done += trickle(generator);
	client_expire(generator, (uint64_t)(generator->options->timeout_s * 1e6));
	n_done += station_send(station);
	generator->now->errors[LOAD_ERROR_BACKEND] += generator->serve.n_bad - n_bad;
	if (n_done != 0)
		generator->now->busy_tsc += clock_tsc() - station->now_tsc;
}

void generator_reset(struct generator *generator)
{
	generator->draining = true;
	for (uint32_t idx = 0; idx < generator->clients.n_items; idx++)
		if (pool_in_use(&generator->clients, idx))
			client_drop(generator, pool_at(&generator->clients, idx));
}

void generator_close(struct generator *generator)
{
	generator_reset(generator);
	scripts_destroy(&generator->scripts);
	serve_close(&generator->serve);
	arena_destroy(&generator->arena);
}
