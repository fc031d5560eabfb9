// SPDX-License-Identifier: Apache-2.0
//
// Microbenchmarks of the crypto layer: every operation against OpenSSL in the same run.
//
//     bench-crypto [--json] [--quick] [--only TEXT]
#include "bench_rows.h"

#include "base/clock.h"
#include "crypto/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SAMPLES = 51,
	SAMPLES_QUICK = 9
};

static void (*const providers[])(struct measure *measure) = {
	bench_rows_hash,
	bench_rows_aead,
	bench_rows_rsa,
	bench_rows_lanes,
};

_Noreturn static void usage(void)
{
	(void)fprintf(stderr, "usage: bench-crypto [--json] [--quick] [--only TEXT]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct measure_options options = {.n_samples = SAMPLES};
	struct measure *measure;
	char line[256];

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			options.json = true;
		else if (strcmp(argv[i], "--quick") == 0)
			options.n_samples = SAMPLES_QUICK;
		else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
			options.only = argv[++i];
		else
			usage();
	}
	clock_init();
	if (!options.json) {
		(void)select_describe(SELECT_LANES_AUTO, line, sizeof line);
		printf("%s\n", line);
	}
	measure = measure_create(&options);
	for (size_t i = 0; i < sizeof providers / sizeof providers[0]; i++)
		providers[i](measure);
	measure_finish(measure);
	return 0;
}
