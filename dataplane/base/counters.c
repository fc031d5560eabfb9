// SPDX-License-Identifier: Apache-2.0
#include "base/counters.h"

#include "base/assert.h"

static const struct {
	const char *name;
	const char *help;
} descriptions[N_COUNTERS] = {
#define COUNTER(id, name, help) [COUNTER_##id] = {name, help},
#include "counters.def"
#undef COUNTER
};

const char *counter_name(enum counter id)
{
	SLUICE_ASSERT(id < N_COUNTERS);
	return descriptions[id].name;
}

const char *counter_help(enum counter id)
{
	SLUICE_ASSERT(id < N_COUNTERS);
	return descriptions[id].help;
}

uint64_t counters_layout_hash(void)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (int id = 0; id < N_COUNTERS; id++) {
		const char *name = descriptions[id].name;

		do {
			hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
		} while (*name++ != '\0');
	}
	return hash;
}
