// SPDX-License-Identifier: Apache-2.0
//
// sluice-load: loads a TLS server or proxy, and can be the backend behind it. `sluice-load --help` has the
// options, docs/performance.md what the figures mean.
//
//   wait for the port -> [open what is held] -> warm up -> window, window ... -> settle -> report
//
// On stderr "ready" says that the network is there, "measuring" that the first window begins.
#include "base/assert.h"
#include "base/clock.h"
#include "load/economies.h"
#include "load/report.h"
#include "load/watched.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	UP_S = 30,            // the port and its addresses have so long to come up
	PROGRESS_US = 250000, // between two lines
	SILENCE_MS = 100,     // after the resets
	SETTLE_S = 1,         // beyond the time limit of those that are under way
	FILL_S = 600          // connections that are held have so long to be opened
};

static struct station station;
static struct generator generator;
static struct statistics filled, warm_up, settled, drained;
static struct watched watched;
static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

// Or can't be: as many have failed as are missing.
static bool all_are_held(void)
{
	return generator.n_holding + statistics_n_errors(generator.now) >= generator.options->n_connections;
}

static bool is_settled(void)
{
	return generator_is_settled(&generator);
}

// Runs turns for so long, or until the condition holds. False: it was interrupted.
static bool run(struct statistics *statistics, double seconds, bool (*until)(void))
{
	uint64_t start_tsc = clock_tsc();
	uint64_t end_tsc = start_tsc + (uint64_t)(seconds * (double)clock_tsc_hz());
	uint64_t shown_us = 0;

	statistics_begin(statistics, start_tsc);
	generator.now = statistics;
	while (!stop && clock_tsc() < end_tsc && (until == NULL || !until())) {
		generator_turn(&generator);
		if (generator.options->progress && station.now_us - shown_us > PROGRESS_US) {
			statistics->ended_tsc = clock_tsc();
			report_progress(&generator,
				(double)(statistics->ended_tsc - start_tsc) / (double)(end_tsc - start_tsc));
			shown_us = station.now_us;
		}
	}
	statistics->ended_tsc = clock_tsc();
	if (generator.options->progress)
		report_progress_end();
	return !stop;
}

// Whoever starts a proxy lets its page of counters appear when the proxy is ready.
static bool is_up(void)
{
	const char *counters = generator.options->counters;

	return station_is_up(&station) && (counters == NULL || access(counters, R_OK) == 0);
}

static void measure(const struct load_options *options, struct report *report)
{
	for (uint32_t i = 0; i < options->n_windows; i++) {
		struct statistics *window = &report->windows[i];
		uint64_t n_verified = economies_n_verified();
		uint64_t before[N_COUNTERS];
		bool whole;

		watched_read(&watched, before);
		whole = run(window, options->duration_s, NULL);
		if (i + 1 == options->n_windows || !whole)
			report->n_overdue = generator_overdue(&generator);
		watched_read(&watched, window->proxy);
		for (int id = 0; id < N_COUNTERS; id++)
			window->proxy[id] -= before[id];
		window->n_verified = economies_n_verified() - n_verified;
		report->n_windows = i + 1;
		if (!whole)
			return;
	}
}

// What is under way ends, or has made no progress for so long that it has failed. What does make progress
// then is neither. A flood's connections are left where they are.
static void settle(const struct load_options *options)
{
	generator.draining = true;
	statistics_begin(&settled, clock_tsc());
	if (options->mode != LOAD_FLOOD)
		(void)run(&settled, options->timeout_s + SETTLE_S, is_settled);
}

// What is asked of every one that serves: that it was asked well.
static int serve(void)
{
	while (run(&warm_up, 1, NULL))
		;
	return report_served(&generator.serve);
}

static int load(const struct load_options *options, struct report *report)
{
	generator.filling = generator_fills(options);
	statistics_begin(&filled, clock_tsc());
	if (generator.filling)
		(void)run(&filled, FILL_S, all_are_held);
	generator.filling = false;
	generator.next_begin_tsc = (double)clock_tsc();
	// Idle ones have had theirs.
	(void)run(&warm_up, options->mode == LOAD_IDLE ? 0 : options->warm_up_s, NULL);
	generator.next_begin_tsc = (double)clock_tsc();
	generator.full_tsc = 0;
	(void)fprintf(stderr, "measuring\n");
	measure(options, report);
	settle(options);
	return report_print(report);
}

// Nothing of the load begins before the network is there.
static void come_up(void)
{
	generator.draining = true;
	(void)run(&drained, UP_S, is_up);
	if (!is_up() && !stop) {
		if (!station_is_up(&station))
			(void)fprintf(
				stderr, "sluice-load: the port has no link, or its addresses are taken\n");
		else
			(void)fprintf(stderr, "sluice-load: --counters: %s: there is no such file\n",
				generator.options->counters);
		exit(2);
	}
	generator.draining = false;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct load_options options;
	struct economies economies;
	struct report report = {.options = &options,
		.generator = &generator,
		.filled = &filled,
		.warm_up = &warm_up,
		.settled = &settled};
	const char *reason;
	uint64_t n_leaked;
	int status;

	load_options_read(argc, argv, &options);
	clock_init();
	station_open(&station, &options);
	generator_open(&generator, &station);
	economies = (struct economies){.crypto = &station.crypto,
		.n_shares = options.n_shares,
		.verify_every = options.verify_every};
	crypto_begin_turn(&station.crypto, clock_now_us(), clock_tsc());
	economies_begin(&economies);
	report.windows = calloc(options.n_windows, sizeof report.windows[0]);
	SLUICE_ASSERT(report.windows != NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	come_up();
	(void)fprintf(stderr, "ready\n");
	if (options.counters != NULL && !watched_open(&watched, options.counters, &reason)) {
		(void)fprintf(stderr, "sluice-load: --counters: %s %s\n", options.counters, reason);
		return 2;
	}
	status = options.mode == LOAD_SERVE ? serve() : load(&options, &report);
	generator_reset(&generator);
	stop = 0;
	(void)run(&drained, SILENCE_MS * 1e-3, NULL);
	generator_close(&generator);
	economies_end();
	free(report.windows);
	n_leaked = station_close(&station);
	if (n_leaked != 0) {
		(void)fprintf(stderr, "sluice-load: defect: %llu packet buffers leaked\n",
			(unsigned long long)n_leaked);
		status = 3;
	}
	return status;
}
