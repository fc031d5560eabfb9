// SPDX-License-Identifier: Apache-2.0
#include "load/statistics.h"

#include "base/clock.h"

#include <stddef.h>
#include <string.h>

void statistics_begin(struct statistics *statistics, uint64_t now_tsc)
{
	memset(statistics, 0, offsetof(struct statistics, latencies));
	for (int i = 0; i < N_LATENCIES; i++)
		histogram_clear(&statistics->latencies[i]);
	statistics->begun_tsc = statistics->ended_tsc = now_tsc;
}

void statistics_add(struct statistics *into, const struct statistics *from)
{
	into->begun_tsc = into->begun_tsc < from->begun_tsc ? into->begun_tsc : from->begun_tsc;
	into->ended_tsc = into->ended_tsc > from->ended_tsc ? into->ended_tsc : from->ended_tsc;
	into->busy_tsc += from->busy_tsc;
	into->n_begun += from->n_begun;
	into->n_full += from->n_full;
	into->n_resumed += from->n_resumed;
	into->n_requests += from->n_requests;
	into->n_conversations += from->n_conversations;
	into->n_bytes_down += from->n_bytes_down;
	into->n_bytes_up += from->n_bytes_up;
	into->n_late += from->n_late;
	into->n_flood += from->n_flood;
	into->n_flood_ended += from->n_flood_ended;
	into->n_verified += from->n_verified;
	for (int i = 0; i < N_LOAD_ERRORS; i++)
		into->errors[i] += from->errors[i];
	for (int i = 0; i < N_COUNTERS; i++)
		into->proxy[i] += from->proxy[i];
	for (int i = 0; i < N_LATENCIES; i++)
		histogram_merge(&into->latencies[i], &from->latencies[i]);
}

uint64_t statistics_n_errors(const struct statistics *statistics)
{
	uint64_t n = 0;

	for (int i = 0; i < N_LOAD_ERRORS; i++)
		n += statistics->errors[i];
	return n;
}

double statistics_seconds(const struct statistics *statistics)
{
	return (double)(statistics->ended_tsc - statistics->begun_tsc) / (double)clock_tsc_hz();
}

uint64_t statistics_ns(uint64_t from_tsc, uint64_t to_tsc)
{
	return to_tsc <= from_tsc ? 0
				  : (uint64_t)((double)(to_tsc - from_tsc) * 1e9 / (double)clock_tsc_hz());
}

const char *load_error_name(enum load_error error)
{
	static const char *const names[] = {
#define LOAD_ERROR(id, name, text) name,
#include "load/errors.def"
#undef LOAD_ERROR
	};

	return names[error];
}

const char *load_error_text(enum load_error error)
{
	static const char *const texts[] = {
#define LOAD_ERROR(id, name, text) text,
#include "load/errors.def"
#undef LOAD_ERROR
	};

	return texts[error];
}

const char *latency_name(enum latency latency)
{
	static const char *const names[] = {"connect", "flight", "handshake", "request", "conversation"};

	return names[latency];
}
