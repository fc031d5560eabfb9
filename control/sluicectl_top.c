// SPDX-License-Identifier: Apache-2.0
#include "sluicectl_top.h"

#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	WORKERS_MAX = 64
};

// What is read of each worker, as it stands since its start.
struct sample {
	double turns, idle_turns, sleeps, rx_packets, tx_packets;
	double rx_tsc, timers_tsc, flush_tsc, idle_tsc, tsc_hz;
	double lane_batches, lanes_occupied;
};

struct samples {
	size_t n;
	struct sample workers[WORKERS_MAX];
	double time_s;
};

static json_t *ask_json(struct operator_link *link, const char *line, enum operator_result *result)
{
	struct text answer = {0};
	json_t *parsed = NULL;

	*result = operator_ask(link, line, NULL, &answer);
	if (*result == OPERATOR_DONE)
		parsed = json_loads(text_string(&answer), 0, NULL);
	else if (*result != OPERATOR_NO_CONNECTION)
		(void)fprintf(stderr, "sluicectl: %s\n", text_string(&answer));
	text_free(&answer);
	return parsed;
}

static double number_of(const json_t *row, const char *name)
{
	return json_number_value(json_object_get(row, name));
}

static void take_cores(const json_t *rows, struct samples *out)
{
	out->n = json_array_size(rows);
	if (out->n > WORKERS_MAX)
		out->n = WORKERS_MAX;
	for (size_t i = 0; i < out->n; i++) {
		const json_t *row = json_array_get(rows, i);

		out->workers[i] = (struct sample){.turns = number_of(row, "turns"),
			.idle_turns = number_of(row, "idle_turns"),
			.sleeps = number_of(row, "sleeps"),
			.rx_packets = number_of(row, "rx_packets"),
			.tx_packets = number_of(row, "tx_packets"),
			.rx_tsc = number_of(row, "rx_tsc"),
			.timers_tsc = number_of(row, "timers_tsc"),
			.flush_tsc = number_of(row, "flush_tsc"),
			.idle_tsc = number_of(row, "idle_tsc"),
			.tsc_hz = number_of(row, "tsc_hz")};
	}
}

static void take_lanes(const json_t *rows, struct samples *out)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *name = json_string_value(json_object_get(row, "counter"));
		const size_t worker = (size_t)number_of(row, "worker");

		if (name == NULL || worker >= out->n)
			continue;
		if (strcmp(name, "crypto_lane_fired_full") == 0 ||
			strcmp(name, "crypto_lane_fired_partial") == 0)
			out->workers[worker].lane_batches += number_of(row, "value");
		else if (strcmp(name, "crypto_lane_occupied") == 0)
			out->workers[worker].lanes_occupied = number_of(row, "value");
	}
}

static enum operator_result take_samples(struct operator_link *link, struct samples *out)
{
	enum operator_result result;
	struct timespec now;
	json_t *rows = ask_json(link, "show cores json", &result);

	if (rows == NULL)
		return result == OPERATOR_DONE ? OPERATOR_REFUSED : result;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	out->time_s = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
	take_cores(rows, out);
	json_decref(rows);
	rows = ask_json(link, "show lanes json", &result);
	take_lanes(rows, out);
	json_decref(rows);
	return result;
}

struct rates {
	double turns_s, rx_s, tx_s, idle, rx, timers, flush, lanes;
};

static double part(double tsc, double seconds, double tsc_hz)
{
	return tsc_hz > 0 && seconds > 0 ? 100 * tsc / (seconds * tsc_hz) : 0;
}

static struct rates rates_of(const struct sample *before, const struct sample *now, double seconds)
{
	const double batches = now->lane_batches - before->lane_batches;

	return (struct rates){.turns_s = (now->turns - before->turns) / seconds,
		.rx_s = (now->rx_packets - before->rx_packets) / seconds,
		.tx_s = (now->tx_packets - before->tx_packets) / seconds,
		.idle = part(now->idle_tsc - before->idle_tsc, seconds, now->tsc_hz),
		.rx = part(now->rx_tsc - before->rx_tsc, seconds, now->tsc_hz),
		.timers = part(now->timers_tsc - before->timers_tsc, seconds, now->tsc_hz),
		.flush = part(now->flush_tsc - before->flush_tsc, seconds, now->tsc_hz),
		.lanes = batches > 0 ? (now->lanes_occupied - before->lanes_occupied) / batches : 0};
}

static void print_json(const struct samples *before, const struct samples *now)
{
	json_t *workers = json_array();
	const double seconds = now->time_s - before->time_s;

	for (size_t i = 0; i < now->n; i++) {
		const struct rates r = rates_of(&before->workers[i], &now->workers[i], seconds);

		(void)json_array_append_new(
			workers, json_pack("{s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "worker", (int)i,
					 "turns_per_second", r.turns_s, "rx_packets_per_second", r.rx_s,
					 "tx_packets_per_second", r.tx_s, "idle_percent", r.idle,
					 "rx_percent", r.rx, "timers_percent", r.timers, "flush_percent",
					 r.flush, "lanes_per_batch", r.lanes));
	}
	(void)json_dumpf(workers, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(workers);
}

static void print_table(const struct samples *before, const struct samples *now, bool terminal)
{
	const double seconds = now->time_s - before->time_s;

	if (terminal)
		(void)fputs("\033[H\033[2J", stdout);
	(void)printf("%6s %12s %12s %12s %7s %7s %7s %7s %7s\n", "worker", "turns/s", "rx pkt/s", "tx pkt/s",
		"idle%", "rx%", "timer%", "flush%", "lanes");
	for (size_t i = 0; i < now->n; i++) {
		const struct rates r = rates_of(&before->workers[i], &now->workers[i], seconds);

		(void)printf("%6zu %12.0f %12.0f %12.0f %7.1f %7.1f %7.1f %7.1f %7.2f\n", i, r.turns_s,
			r.rx_s, r.tx_s, r.idle, r.rx, r.timers, r.flush, r.lanes);
	}
}

enum operator_result top_run(struct operator_link *link, const struct top_options *options)
{
	const bool terminal = isatty(STDOUT_FILENO) && !options->once;
	struct samples *samples = calloc(2, sizeof *samples);
	enum operator_result result = samples != NULL ? take_samples(link, &samples[0]) : OPERATOR_REFUSED;

	for (size_t turn = 1; result == OPERATOR_DONE; turn++) {
		struct samples *before = &samples[(turn + 1) % 2];
		struct samples *now = &samples[turn % 2];

		(void)poll(NULL, 0, (int)options->interval_s * 1000);
		result = take_samples(link, now);
		if (result != OPERATOR_DONE)
			break;
		if (now->n != before->n) // the dataplane was started anew
			continue;
		if (options->json)
			print_json(before, now);
		else
			print_table(before, now, terminal);
		(void)fflush(stdout);
		if (options->once)
			break;
	}
	free(samples);
	return result;
}
