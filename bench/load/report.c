// SPDX-License-Identifier: Apache-2.0
#include "load/report.h"

#include "base/clock.h"
#include "crypto/select.h"
#include "load/economies.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BAR_LEN = 20
};

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

static void print_json(const struct report *report, const struct statistics *total, const char *trouble)
{
	json_t *windows = json_array();
	json_t *root, *curves = json_object();

	for (uint32_t i = 0; i < report->n_windows; i++)
		json_array_append_new(windows, json_window(&report->windows[i]));
	for (int i = 0; i < N_LATENCIES; i++)
		if (total->latencies[i].n != 0)
			json_object_set_new(
				curves, latency_name((enum latency)i), json_curve(&total->latencies[i]));
	root = json_pack("{s:o, s:o, s:o, s:o, s:s, s:I, s:I}", "settings", json_settings(report), "windows",
		windows, "total", json_window(total), "curves", curves, "trouble", trouble, "held",
		(json_int_t)(report->generator->clients.n_used - report->generator->n_opening), "served",
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
		(void)printf("%-24s %14u\n", "connections held", report->generator->n_holding);
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

// What a reader of the figures has to know, in words. Empty: nothing.
static void describe(const struct report *report, const struct statistics *all, char *out, size_t out_len)
{
	const struct load_options *options = report->options;
	const struct generator *generator = report->generator;
	bool nothing = all->n_full + all->n_resumed + all->n_requests + all->n_conversations + all->n_flood ==
			       0 &&
		       generator->n_holding == 0;

	out[0] = 0;
	if (generator->first_error[0] != 0)
		(void)snprintf(out, out_len, "%s", generator->first_error);
	else if (nothing && all->n_begun != 0 && all->latencies[LATENCY_CONNECT].n == 0)
		(void)snprintf(
			out, out_len, "the target never answered a SYN: is its address right, and is it up?");
	else if (nothing)
		(void)snprintf(out, out_len, "nothing was finished in the time given");
	else if (options->rate > 0 && all->n_late != 0)
		(void)snprintf(out, out_len,
			"overload: conversations began late because %u were in flight already; latencies "
			"count "
			"from when they should have begun",
			options->n_connections);
}

int report_print(const struct report *report)
{
	static struct statistics total, all;
	uint64_t n_errors;
	char trouble[512];
	bool nothing;

	statistics_begin(&total, report->windows[0].begun_tsc);
	for (uint32_t i = 0; i < report->n_windows; i++)
		statistics_add(&total, &report->windows[i]);
	all = total;
	statistics_add(&all, report->warm_up);
	n_errors = statistics_n_errors(&all);
	describe(report, &all, trouble, sizeof trouble);
	nothing = trouble[0] != 0 && n_errors == 0 && all.n_late == 0;
	if (report->options->json)
		print_json(report, &total, trouble);
	else
		print_table(report, &total);
	for (int i = 0; i < N_LOAD_ERRORS; i++)
		if (all.errors[i] != 0)
			(void)fprintf(stderr, "sluice-load: %llu %s\n", (unsigned long long)all.errors[i],
				load_error_text((enum load_error)i));
	if (trouble[0] != 0)
		(void)fprintf(stderr, "sluice-load: %s\n", trouble);
	return n_errors != 0 || nothing ? 1 : 0;
}
