// SPDX-License-Identifier: Apache-2.0
//
// sluice-load: loads a TLS server or proxy, and can be the backend behind it. `sluice-load --help` has the
// options, docs/performance.md what the figures mean.
//
//   wait for the port -> warm up -> window, window ... -> drain -> report
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
	DRAIN_MS = 100,       // what is under way may end
	SILENCE_MS = 100,     // after the resets
	IDLE_OPEN_S = 600     // idle connections have so long to be opened
};

static struct station station;
static struct generator generator;
static struct statistics warm_up, drained;
static struct watched watched;
static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static bool all_are_held(void)
{
	return generator.n_holding + generator.now->errors[LOAD_ERROR_REFUSED] >=
	       generator.options->n_connections;
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
		watched_read(&watched, window->proxy);
		for (int id = 0; id < N_COUNTERS; id++)
			window->proxy[id] -= before[id];
		window->n_verified = economies_n_verified() - n_verified;
		report->n_windows = i + 1;
		if (!whole)
			return;
	}
}

// Nothing of the load begins before the network is there.
static void come_up(void)
{
	generator.draining = true;
	(void)run(&drained, UP_S, is_up);
	if (!is_up() && !stop) {
		(void)fprintf(stderr, "sluice-load: the port has no link, or its addresses are taken\n");
		exit(2);
	}
	generator.draining = false;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct load_options options;
	struct economies economies;
	struct report report = {.options = &options, .generator = &generator, .warm_up = &warm_up};
	const char *reason;
	uint64_t n_leaked;
	int status = 0;

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
	if (options.mode == LOAD_SERVE) {
		while (run(&warm_up, 1, NULL))
			;
	} else {
		generator.filling = options.mode == LOAD_IDLE;
		(void)run(&warm_up, generator.filling ? IDLE_OPEN_S : options.warm_up_s,
			generator.filling ? all_are_held : NULL);
		generator.filling = false;
		generator.next_begin_tsc = (double)clock_tsc();
		measure(&options, &report);
		if (report.n_windows != 0)
			status = report_print(&report);
		generator.draining = true;
		stop = 0;
		(void)run(&drained, DRAIN_MS * 1e-3, NULL);
	}
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
