// SPDX-License-Identifier: Apache-2.0
#include "measure.h"

#include "base/assert.h"
#include "base/clock.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

enum {
	SAMPLES_MAX = 1000,
	ROWS_MAX = 500,
	WARM_UP_SAMPLES = 3,
	SAMPLE_US = 200, // one sample lasts at least this long, so that reading the clock costs nothing
	TEXT_LEN = 256
};

// The samples of one side of a row, in ticks per operation, sorted.
struct series {
	double samples[SAMPLES_MAX];
	unsigned n;
};

struct result {
	char name[64];
	unsigned lanes;
	double median;
	double reference_median;
	double low;
	double reference_low;
};

struct measure {
	struct measure_options options;
	struct result results[ROWS_MAX];
	unsigned n_results;
	json_t *rows;
};

struct measure *measure_create(const struct measure_options *options)
{
	struct measure *measure = calloc(1, sizeof *measure);

	SLUICE_ASSERT(measure != NULL && options->n_samples >= 1 && options->n_samples <= SAMPLES_MAX);
	measure->options = *options;
	measure->rows = json_array();
	if (!options->json)
		printf("%-34s %5s %11s %11s %11s %7s  %s\n", "tsc per operation", "lanes", "median", "lowest",
			"reference", "ratio", "reference is");
	return measure;
}

bool measure_wants(const struct measure *measure, const char *name)
{
	return measure->options.only == NULL || strstr(name, measure->options.only) != NULL;
}

static uint64_t run(measure_body *body, void *context, size_t times)
{
	uint64_t started_tsc = clock_tsc();

	body(context, times);
	return clock_tsc() - started_tsc;
}

// How often the body has to run for one sample to last long enough.
static size_t calibrate(measure_body *body, void *context)
{
	uint64_t enough_tsc = clock_tsc_hz() / 1000000 * SAMPLE_US;
	size_t times = 1;

	while (run(body, context, times) < enough_tsc)
		times *= 2;
	return times;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of(const struct series *series)
{
	return series->n != 0 ? series->samples[series->n / 2] : 0;
}

static void sample(struct series *series, measure_body *body, void *context, size_t times, unsigned n_per_run)
{
	series->samples[series->n++] = (double)run(body, context, times) / (double)times / n_per_run;
}

static double low_of(const struct series *series)
{
	return series->n != 0 ? series->samples[0] : 0;
}

static struct result *keep(struct measure *measure, const char *name, unsigned lanes)
{
	struct result *result = &measure->results[measure->n_results++];

	SLUICE_ASSERT(measure->n_results <= ROWS_MAX);
	(void)snprintf(result->name, sizeof result->name, "%s", name);
	result->lanes = lanes;
	return result;
}

// Ratios are of the lowest runs: what disturbs a run only ever makes it longer.
static void report(struct measure *measure, const struct measure_row *row, const struct series *own,
	const struct series *reference)
{
	struct result *result = keep(measure, row->name, row->lanes);
	double ratio;
	json_t *object;

	result->median = median_of(own);
	result->reference_median = median_of(reference);
	result->low = low_of(own);
	result->reference_low = low_of(reference);
	ratio = result->reference_low / result->low;
	object = json_pack("{s:s, s:i, s:f, s:s, s:i, s:f, s:f}", "name", row->name, "lanes", (int)row->lanes,
		"value", result->median, "unit", "tsc", "n", (int)own->n, "low", result->low, "high",
		own->samples[own->n - 1]);
	if (row->reference != NULL) {
		json_object_set_new(object, "reference", json_string(row->reference));
		json_object_set_new(object, "reference_value", json_real(result->reference_median));
		json_object_set_new(object, "reference_low", json_real(result->reference_low));
		json_object_set_new(object, "ratio", json_real(ratio));
	}
	if (row->limit != 0)
		json_object_set_new(object, "limit", json_integer((json_int_t)row->limit));
	json_array_append_new(measure->rows, object);
	if (measure->options.json)
		return;
	printf("%-34s %5u %11.0f %11.0f ", row->name, row->lanes, result->median, result->low);
	if (row->reference != NULL)
		printf("%11.0f %7.2f  %s", result->reference_low, ratio, row->reference);
	printf("\n");
	(void)fflush(stdout);
}

void measure_row(struct measure *measure, const struct measure_row *row)
{
	static struct series own, reference;
	bool compared = row->reference_body != NULL;
	unsigned n_per_run = row->lanes * (row->n_per_run != 0 ? row->n_per_run : 1);
	unsigned n_per_reference_run = row->n_per_reference_run != 0 ? row->n_per_reference_run : 1;
	size_t times, reference_times = 0;

	if (!measure_wants(measure, row->name))
		return;
	times = calibrate(row->body, row->context);
	if (compared)
		reference_times = calibrate(row->reference_body, row->reference_context);
	own.n = 0;
	reference.n = 0;
	for (unsigned i = 0; i < measure->options.n_samples + WARM_UP_SAMPLES; i++) {
		if (i == WARM_UP_SAMPLES) {
			own.n = 0;
			reference.n = 0;
		}
		sample(&own, row->body, row->context, times, n_per_run);
		if (compared)
			sample(&reference, row->reference_body, row->reference_context, reference_times,
				n_per_reference_run);
	}
	qsort(own.samples, own.n, sizeof own.samples[0], compare);
	qsort(reference.samples, reference.n, sizeof reference.samples[0], compare);
	report(measure, row, &own, &reference);
}

void measure_samples(struct measure *measure, const struct measure_row *row, double *own, double *reference,
	unsigned n_samples)
{
	static struct series own_series, reference_series;

	SLUICE_ASSERT(n_samples >= 1 && n_samples <= SAMPLES_MAX);
	qsort(own, n_samples, sizeof *own, compare);
	qsort(reference, n_samples, sizeof *reference, compare);
	own_series.n = reference_series.n = n_samples;
	memcpy(own_series.samples, own, n_samples * sizeof *own);
	memcpy(reference_series.samples, reference, n_samples * sizeof *reference);
	report(measure, row, &own_series, &reference_series);
}

void measure_value(struct measure *measure, const char *name, const char *unit, double value)
{
	if (!measure_wants(measure, name))
		return;
	keep(measure, name, 1)->median = value;
	json_array_append_new(measure->rows, json_pack("{s:s, s:i, s:f, s:s, s:i}", "name", name, "lanes", 1,
						     "value", value, "unit", unit, "n", 1));
	if (!measure->options.json)
		printf("%-34s %5s %11.2f %s\n", name, "", value, unit);
}

static const struct result *find(const struct measure *measure, const char *name, unsigned lanes)
{
	for (unsigned i = measure->n_results; i != 0; i--)
		if (measure->results[i - 1].lanes == lanes && strcmp(measure->results[i - 1].name, name) == 0)
			return &measure->results[i - 1];
	return NULL;
}

double measure_median(const struct measure *measure, const char *name, unsigned lanes)
{
	const struct result *result = find(measure, name, lanes);

	return result != NULL ? result->median : 0;
}

double measure_reference_median(const struct measure *measure, const char *name, unsigned lanes)
{
	const struct result *result = find(measure, name, lanes);

	return result != NULL ? result->reference_median : 0;
}

void measure_break_even(struct measure *measure, const char *name)
{
	const struct result *result = find(measure, name, 8);
	double batch = result != NULL ? 8 * result->low : 0;
	double single = result != NULL ? result->reference_low : 0;
	char row_name[TEXT_LEN];
	unsigned n = 1;

	if (batch == 0 || single == 0)
		return;
	while (n * single < batch)
		n++;
	(void)snprintf(row_name, sizeof row_name, "%s_break_even", name);
	measure_value(measure, row_name, "operations", n);
}

// The first line that a command prints, or "unknown".
static void first_line(const char *command, char out[TEXT_LEN])
{
	FILE *pipe = popen(command, "r");

	if (pipe == NULL || fgets(out, TEXT_LEN, pipe) == NULL)
		(void)snprintf(out, TEXT_LEN, "unknown");
	out[strcspn(out, "\n")] = '\0';
	if (pipe != NULL)
		(void)pclose(pipe);
}

static json_t *describe_machine(void)
{
	char cpu[TEXT_LEN], cores[TEXT_LEN];
	struct utsname system;

	SLUICE_ASSERT(uname(&system) == 0);
	first_line("sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo", cpu);
	first_line("nproc", cores);
	return json_pack("{s:s, s:s, s:s, s:I}", "cpu", cpu, "cores", cores, "kernel", system.release,
		"tsc_hz", (json_int_t)clock_tsc_hz());
}

void measure_finish(struct measure *measure)
{
	char commit[TEXT_LEN];
	json_t *root;

	if (measure->options.json) {
		first_line("git rev-parse HEAD 2>/dev/null", commit);
		root = json_pack("{s:o, s:s, s:O}", "machine", describe_machine(), "commit", commit, "rows",
			measure->rows);
		json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		printf("\n");
		json_decref(root);
	}
	json_decref(measure->rows);
	free(measure);
}
