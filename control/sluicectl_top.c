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

// Where a worker's cycles go, as `show cores` names it with "_tsc" behind.
static const char *const steps[] = {"idle", "rx", "tcp_in", "lanes", "proxy", "tcp_out", "flush", "refill"};

enum {
	N_STEPS = sizeof steps / sizeof steps[0]
};

// What is read of each worker, as it stands since its start.
struct sample {
	double turns, rx_packets, tx_packets;
	double tsc[N_STEPS], tsc_hz;
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
			.rx_packets = number_of(row, "rx_packets"),
			.tx_packets = number_of(row, "tx_packets"),
			.tsc_hz = number_of(row, "tsc_hz")};
		for (size_t step = 0; step < N_STEPS; step++) {
			char name[32];

			(void)snprintf(name, sizeof name, "%s_tsc", steps[step]);
			out->workers[i].tsc[step] = number_of(row, name);
		}
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
	double turns_s, rx_s, tx_s, lanes;
	double percent[N_STEPS]; // of the worker's cycles
};

static struct rates rates_of(const struct sample *before, const struct sample *now, double seconds)
{
	const double batches = now->lane_batches - before->lane_batches;
	struct rates rates = {.turns_s = (now->turns - before->turns) / seconds,
		.rx_s = (now->rx_packets - before->rx_packets) / seconds,
		.tx_s = (now->tx_packets - before->tx_packets) / seconds,
		.lanes = batches > 0 ? (now->lanes_occupied - before->lanes_occupied) / batches : 0};

	for (size_t step = 0; step < N_STEPS && now->tsc_hz > 0; step++)
		rates.percent[step] = 100 * (now->tsc[step] - before->tsc[step]) / (seconds * now->tsc_hz);
	return rates;
}

static void print_json(const struct samples *before, const struct samples *now)
{
	json_t *workers = json_array();
	const double seconds = now->time_s - before->time_s;

	for (size_t i = 0; i < now->n; i++) {
		const struct rates r = rates_of(&before->workers[i], &now->workers[i], seconds);
		json_t *worker = json_pack("{s:i,s:f,s:f,s:f,s:f}", "worker", (int)i, "turns_per_second",
			r.turns_s, "rx_packets_per_second", r.rx_s, "tx_packets_per_second", r.tx_s,
			"lanes_per_batch", r.lanes);

		for (size_t step = 0; step < N_STEPS; step++) {
			char name[32];

			(void)snprintf(name, sizeof name, "%s_percent", steps[step]);
			(void)json_object_set_new(worker, name, json_real(r.percent[step]));
		}
		(void)json_array_append_new(workers, worker);
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
	(void)printf("%6s %11s %11s %11s", "worker", "turns/s", "rx pkt/s", "tx pkt/s");
	for (size_t step = 0; step < N_STEPS; step++)
		(void)printf(" %7s%%", steps[step]);
	(void)printf(" %9s\n", "per batch");
	for (size_t i = 0; i < now->n; i++) {
		const struct rates r = rates_of(&before->workers[i], &now->workers[i], seconds);

		(void)printf("%6zu %11.0f %11.0f %11.0f", i, r.turns_s, r.rx_s, r.tx_s);
		for (size_t step = 0; step < N_STEPS; step++)
			(void)printf(" %8.1f", r.percent[step]);
		(void)printf(" %9.2f\n", r.lanes);
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
