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
