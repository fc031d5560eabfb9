// SPDX-License-Identifier: Apache-2.0
#include "load/report.h"

#include "base/clock.h"
#include "crypto/select.h"
#include "load/economies.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BAR_LEN = 20,
	TROUBLE_MAX = 512
};

#define OWN_LIMIT 0.9  // of the generator's core: more may be what bounds the rate
#define BEHIND_S  0.01 // seconds that an open loop may be behind

static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
static const char *const quantile_names[] = {"p50", "p90", "p99", "p99.9"};

static double per_second(const struct statistics *window, uint64_t n)
{
	double seconds = statistics_seconds(window);

	return seconds > 0 ? (double)n / seconds : 0;
}

static double busy_share(const struct statistics *window)
{
	uint64_t tsc = window->ended_tsc - window->begun_tsc;

	return tsc != 0 ? (double)window->busy_tsc / (double)tsc : 0;
}

static enum latency main_latency(enum load_mode mode)
{
	return mode == LOAD_HANDSHAKE || mode == LOAD_MIX ? LATENCY_CONVERSATION : LATENCY_REQUEST;
}

void report_progress(const struct generator *generator, double done)
{
	const struct statistics *now = generator->now;
	const struct histogram *latency = &now->latencies[main_latency(generator->options->mode)];
	char bar[BAR_LEN + 1];

	for (int i = 0; i < BAR_LEN; i++)
		bar[i] = i < (int)(done * BAR_LEN) ? '#' : '.';
	bar[BAR_LEN] = 0;
	(void)fprintf(stderr,
		"\r[%s] %8.0f conv/s %8.0f req/s %6.2f Gbit/s  held %-8u p50 %8.1f us p99 %8.1f us  errors "
		"%llu ",
		bar, per_second(now, now->n_conversations), per_second(now, now->n_requests),
		per_second(now, now->n_bytes_down + now->n_bytes_up) * 8e-9, generator->n_holding,
		(double)histogram_quantile(latency, 0.5) / 1e3,
		(double)histogram_quantile(latency, 0.99) / 1e3,
		(unsigned long long)statistics_n_errors(now));
}

void report_progress_end(void)
{
	(void)fputc('\n', stderr);
}

// --- JSON ---

static json_t *json_latency(const struct histogram *histogram)
{
	json_t *object = json_pack("{s:I, s:f, s:f, s:f}", "n", (json_int_t)histogram->n, "mean_us",
		histogram_mean(histogram) / 1e3, "min_us",
		histogram->n != 0 ? (double)histogram->min / 1e3 : 0.0, "max_us",
		(double)histogram->max / 1e3);

	for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "%s_us", quantile_names[i]);
		json_object_set_new(
			object, name, json_real((double)histogram_quantile(histogram, quantiles[i]) / 1e3));
	}
	return object;
}

// Points of the distribution, for drawing it: as many as buckets that hold anything, thinned to 200.
static json_t *json_curve(const struct histogram *histogram)
{
	json_t *points = json_array();

	for (int i = 0; i <= 200 && histogram->n != 0; i++) {
		// Evenly spaced in the logarithm of what is left, as HdrHistogram's percentiles are.
		double fraction = i == 200 ? 1.0 : 1.0 - __builtin_exp2(-(double)i / 12);

		json_array_append_new(points,
			json_pack("[f, f]", fraction, (double)histogram_quantile(histogram, fraction) / 1e3));
		if (fraction > 1.0 - 1.0 / (double)histogram->n)
			break;
	}
	return points;
}

static json_t *json_errors(const struct statistics *window)
{
	json_t *object = json_object();

	for (int i = 0; i < N_LOAD_ERRORS; i++)
		if (window->errors[i] != 0)
			json_object_set_new(object, load_error_name((enum load_error)i),
				json_integer((json_int_t)window->errors[i]));
	return object;
}

static json_t *json_proxy(const struct statistics *window)
{
	json_t *object = json_object();

	for (int id = 0; id < N_COUNTERS; id++)
		if (window->proxy[id] != 0)
			json_object_set_new(object, counter_name((enum counter)id),
				json_integer((json_int_t)window->proxy[id]));
	return object;
}

static json_t *json_window(const struct statistics *window)
{
	json_t *latencies = json_object();
	json_t *object = json_pack(
		"{s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o}", "seconds",
		statistics_seconds(window), "begun", (json_int_t)window->n_begun, "handshakes_full",
		(json_int_t)window->n_full, "handshakes_resumed", (json_int_t)window->n_resumed, "requests",
		(json_int_t)window->n_requests, "conversations", (json_int_t)window->n_conversations,
		"bytes_down", (json_int_t)window->n_bytes_down, "bytes_up", (json_int_t)window->n_bytes_up,
		"late", (json_int_t)window->n_late, "flood", (json_int_t)window->n_flood, "flood_ended",
		(json_int_t)window->n_flood_ended, "verified", (json_int_t)window->n_verified,
		"conversations_per_second", per_second(window, window->n_conversations), "generator_busy",
		busy_share(window), "errors", json_errors(window));

	for (int i = 0; i < N_LATENCIES; i++)
		if (window->latencies[i].n != 0)
			json_object_set_new(latencies, latency_name((enum latency)i),
				json_latency(&window->latencies[i]));
	json_object_set_new(object, "latencies", latencies);
	json_object_set_new(object, "proxy", json_proxy(window));
	return object;
}

// Connections that are up; one that has just asked is one of them.
static uint32_t n_held(const struct generator *generator)
{
	return generator->clients.n_used - generator->n_opening;
}

static json_t *json_settings(const struct report *report)
{
	const struct load_options *options = report->options;

	return json_pack("{s:s, s:I, s:f, s:I, s:I, s:b, s:b, s:s, s:I}", "mode",
		load_mode_name(options->mode), "connections", (json_int_t)options->n_connections, "rate",
		options->rate, "body", (json_int_t)options->body_len, "verify_every",
		(json_int_t)options->verify_every, "resume", options->resume, "tls", !options->plain, "lanes",
		select_lanes_name(lanes_body(report->generator->station->crypto.lanes)), "tsc_hz",
		(json_int_t)clock_tsc_hz());
}

static void print_json(const struct report *report, const struct statistics *total,
	const struct statistics *all, const char *trouble, const char *note)
{
	json_t *windows = json_array();
	json_t *root, *curves = json_object();

	for (uint32_t i = 0; i < report->n_windows; i++)
		json_array_append_new(windows, json_window(&report->windows[i]));
	for (int i = 0; i < N_LATENCIES; i++)
		if (total->latencies[i].n != 0)
			json_object_set_new(
				curves, latency_name((enum latency)i), json_curve(&total->latencies[i]));
	root = json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:I, s:I, s:I}", "settings",
		json_settings(report), "windows", windows, "total", json_window(total), "errors",
		json_errors(all), "curves", curves, "trouble", trouble, "note", note, "overdue",
		(json_int_t)report->n_overdue, "held", (json_int_t)n_held(report->generator), "served",
		(json_int_t)report->generator->serve.n_requests);
	(void)json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	(void)printf("\n");
	json_decref(root);
}

// --- the table ---

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_rate(
	const struct report *report, const char *name, double (*value)(const struct statistics *))
{
	double values[LOAD_WINDOWS_MAX];

	for (uint32_t i = 0; i < report->n_windows; i++)
		values[i] = value(&report->windows[i]);
	qsort(values, report->n_windows, sizeof values[0], compare);
	if (values[report->n_windows - 1] > 0)
		(void)printf("%-24s %14.2f %14.2f %14.2f\n", name, values[report->n_windows / 2], values[0],
			values[report->n_windows - 1]);
}

static double rate_full(const struct statistics *window)
{
	return per_second(window, window->n_full);
}

static double rate_resumed(const struct statistics *window)
{
	return per_second(window, window->n_resumed);
}

static double rate_requests(const struct statistics *window)
{
	return per_second(window, window->n_requests);
}

static double rate_conversations(const struct statistics *window)
{
	return per_second(window, window->n_conversations);
}

static double rate_down(const struct statistics *window)
{
	return per_second(window, window->n_bytes_down) * 8e-9;
}

static double rate_up(const struct statistics *window)
{
	return per_second(window, window->n_bytes_up) * 8e-9;
}

static double rate_flood(const struct statistics *window)
{
	return per_second(window, window->n_flood);
}

static void print_table(const struct report *report, const struct statistics *total)
{
	(void)printf("%-24s %14s %14s %14s\n", "", "median", "lowest", "highest");
	print_rate(report, "full handshakes/s", rate_full);
	print_rate(report, "resumed handshakes/s", rate_resumed);
	print_rate(report, "requests/s", rate_requests);
	print_rate(report, "conversations/s", rate_conversations);
	print_rate(report, "download Gbit/s", rate_down);
	print_rate(report, "upload Gbit/s", rate_up);
	print_rate(report, "flood packets or conn/s", rate_flood);
	print_rate(report, "generator busy", busy_share);
	if (report->options->mode == LOAD_IDLE)
		(void)printf("%-24s %14u\n", "connections held", n_held(report->generator));
	if (report->options->rate > 0)
		(void)printf("%-24s %14llu\n", "late, or never begun",
			(unsigned long long)(total->n_late + report->n_overdue));
	(void)printf("\n%-24s %10s %10s %10s %10s %10s\n", "microseconds", "n", "p50", "p90", "p99", "p99.9");
	for (int i = 0; i < N_LATENCIES; i++) {
		const struct histogram *histogram = &total->latencies[i];

		if (histogram->n == 0)
			continue;
		(void)printf("%-24s %10llu", latency_name((enum latency)i), (unsigned long long)histogram->n);
		for (size_t k = 0; k < sizeof quantiles / sizeof quantiles[0]; k++)
			(void)printf(" %10.1f", (double)histogram_quantile(histogram, quantiles[k]) / 1e3);
		(void)printf("\n");
	}
}

// --- words ---

static bool resumes(const struct load_options *options)
{
	return options->resume || (options->mode == LOAD_MIX && !options->plain);
}

// Why the figures are not those of what was asked for, in words. Empty: they are.
static void describe_trouble(const struct report *report, const struct statistics *all, char out[TROUBLE_MAX])
{
	const struct load_options *options = report->options;
	const struct generator *generator = report->generator;
	bool nothing = all->n_full + all->n_resumed + all->n_requests + all->n_conversations + all->n_flood +
				       all->n_bytes_down + all->n_bytes_up ==
			       0 &&
		       generator->n_holding == 0;

	out[0] = 0;
	if (nothing && all->n_begun != 0 && all->latencies[LATENCY_CONNECT].n == 0 &&
		all->errors[LOAD_ERROR_REFUSED] + all->n_flood_ended == 0)
		(void)snprintf(out, TROUBLE_MAX,
			"the target never answered a SYN: is its address right, and is it up?");
	else if (generator->first_error[0] != 0)
		(void)snprintf(out, TROUBLE_MAX, "%s", generator->first_error);
	else if (nothing && all->n_flood_ended != 0)
		(void)snprintf(out, TROUBLE_MAX, "every connection was refused");
	else if (nothing)
		(void)snprintf(out, TROUBLE_MAX, "nothing was finished in the time given");
	else if (resumes(options) && all->n_resumed == 0)
		(void)snprintf(out, TROUBLE_MAX,
			"no handshake was resumed: the server gave no session, or not in the time given");
	else if (options->mode == LOAD_IDLE && n_held(generator) < options->n_connections)
		(void)snprintf(out, TROUBLE_MAX, "%u connections of %u are held", n_held(generator),
			options->n_connections);
}

// What a reader of the figures has to know beside them. Empty: nothing.
static void describe_note(const struct report *report, const struct statistics *total, char out[TROUBLE_MAX])
{
	const struct load_options *options = report->options;
	const struct generator *generator = report->generator;
	double behind = (double)total->ended_tsc - generator->next_begin_tsc;
	bool paced = options->rate > 0 && options->mode != LOAD_IDLE;

	out[0] = 0;
	if (paced && generator->full_tsc != 0 && total->n_late + report->n_overdue != 0)
		(void)snprintf(out, TROUBLE_MAX,
			"overload: %llu began late and %llu never, because all of %u --connections were in "
			"use; latencies count from when they should have begun",
			(unsigned long long)total->n_late, (unsigned long long)report->n_overdue,
			options->n_connections);
	else if (paced && behind > BEHIND_S * (double)clock_tsc_hz())
		(void)snprintf(out, TROUBLE_MAX,
			"the generator could not keep up with --rate: it was %.0f ms behind at the end",
			behind * 1e3 / (double)clock_tsc_hz());
	else if (busy_share(total) > OWN_LIMIT)
		(void)snprintf(out, TROUBLE_MAX,
			"the generator's core was %.0f %% busy: the rates may be its own limit, not the "
			"server's",
			100 * busy_share(total));
	else if (options->resume && total->n_full != 0)
		(void)snprintf(out, TROUBLE_MAX,
			"%llu handshakes were full, for want of a session: give it a longer --warm-up",
			(unsigned long long)total->n_full);
}

int report_print(const struct report *report)
{
	static struct statistics total, all;
	char trouble[TROUBLE_MAX], note[TROUBLE_MAX];
	uint64_t n_errors;

	statistics_begin(&total, report->windows[0].begun_tsc);
	for (uint32_t i = 0; i < report->n_windows; i++)
		statistics_add(&total, &report->windows[i]);
	all = total;
	statistics_add(&all, report->filled);
	statistics_add(&all, report->warm_up);
	statistics_add(&all, report->settled);
	// In an open loop the slowest are those that end after the last window.
	for (int i = 0; i < N_LATENCIES && report->options->rate > 0; i++)
		histogram_merge(&total.latencies[i], &report->settled->latencies[i]);
	n_errors = statistics_n_errors(&all);
	describe_trouble(report, &all, trouble);
	describe_note(report, &total, note);
	if (report->options->json)
		print_json(report, &total, &all, trouble, note);
	else
		print_table(report, &total);
	for (int i = 0; i < N_LOAD_ERRORS; i++)
		if (all.errors[i] != 0)
			(void)fprintf(stderr, "sluice-load: %llu %s\n", (unsigned long long)all.errors[i],
				load_error_text((enum load_error)i));
	if (trouble[0] != 0)
		(void)fprintf(stderr, "sluice-load: %s\n", trouble);
	if (note[0] != 0)
		(void)fprintf(stderr, "sluice-load: %s\n", note);
	return n_errors != 0 || trouble[0] != 0 ? 1 : 0;
}

int report_served(const struct serve *serve)
{
	(void)printf("{\"served\": %llu, \"bytes_in\": %llu, \"bytes_out\": %llu, \"bad\": %llu}\n",
		(unsigned long long)serve->n_requests, (unsigned long long)serve->n_bytes_in,
		(unsigned long long)serve->n_bytes_out, (unsigned long long)serve->n_bad);
	if (serve->n_bad != 0)
		(void)fprintf(stderr, "sluice-load: %llu %s\n", (unsigned long long)serve->n_bad,
			load_error_text(LOAD_ERROR_BACKEND));
	return serve->n_bad != 0 ? 1 : 0;
}
