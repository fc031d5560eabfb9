// SPDX-License-Identifier: Apache-2.0
//
// RSA: signatures (the private operation, blinded and verified, on both sides) and verifications, for 1 to 8
// lanes with as many different keys; how long a slice of a signature holds the core.
#include "bench_rows.h"

#include "base/assert.h"
#include "base/clock.h"
#include "crypto/mb/kernels.h"
#include "rsa_fixture.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	N_LANES = MB_LANES,
	N_SLICED = 101 // signatures whose slices are timed
};

struct lanes {
	const struct mb_kernels *kernels;
	struct mb_rsa_job *job;
	enum mb_rsa_size size;
	unsigned n;
	struct rsa_fixture *fixtures[N_LANES];
	struct mb_rsa_request requests[N_LANES];
	struct mb_rsa_check checks[N_LANES];
	uint8_t messages[N_LANES][MB_RSA_LEN_MAX];
	uint8_t memory[N_LANES][MB_RSA_LEN_MAX];
	uint8_t recovered[N_LANES][MB_RSA_LEN_MAX];
	uint8_t *signatures[N_LANES];
	uint8_t *outs[N_LANES];
};

static void sign_once(struct lanes *lanes, uint64_t *out_longest_slice_tsc)
{
	enum mb_rsa_verdict verdicts[N_LANES];
	uint64_t start = clock_tsc(), longest = 0;
	bool more = true;

	lanes->kernels->rsa_sign_begin(lanes->job, lanes->requests, lanes->n);
	while (more) {
		uint64_t now;

		more = lanes->kernels->rsa_sign_step(lanes->job, MB_RSA_SLICE);
		now = clock_tsc();
		longest = now - start > longest ? now - start : longest;
		start = now;
	}
	SLUICE_ASSERT(lanes->kernels->rsa_sign_finish(lanes->job, lanes->signatures, verdicts) ==
		      (1u << lanes->n) - 1);
	*out_longest_slice_tsc = longest;
}

static void sign_own(void *context, size_t times)
{
	uint64_t longest;

	for (size_t i = 0; i < times; i++)
		sign_once(context, &longest);
}

static void sign_openssl(void *context, size_t times)
{
	struct lanes *lanes = context;

	for (size_t i = 0; i < times; i++)
		rsa_fixture_private(lanes->fixtures[0], lanes->messages[0], lanes->outs[0]);
}

static void verify_own(void *context, size_t times)
{
	struct lanes *lanes = context;

	for (size_t i = 0; i < times; i++)
		SLUICE_ASSERT(lanes->kernels->rsa_verify(lanes->job, lanes->size, lanes->checks, lanes->outs,
				      lanes->n) == (1u << lanes->n) - 1);
}

static void verify_openssl(void *context, size_t times)
{
	struct lanes *lanes = context;

	for (size_t i = 0; i < times; i++)
		rsa_fixture_public(lanes->fixtures[0], lanes->memory[0], lanes->recovered[0]);
}

static void set_up(struct lanes *lanes, enum mb_rsa_size size)
{
	lanes->size = size;
	for (unsigned i = 0; i < N_LANES; i++) {
		lanes->fixtures[i] = rsa_fixture_new(size, i, 65537);
		lanes->signatures[i] = lanes->memory[i];
		lanes->outs[i] = lanes->recovered[i];
		rsa_fixture_message(lanes->fixtures[i], lanes->messages[i]);
		rsa_fixture_private(lanes->fixtures[i], lanes->messages[i], lanes->memory[i]);
		lanes->requests[i] = (struct mb_rsa_request){.key = lanes->fixtures[i]->key,
			.blinding = rsa_fixture_blinding_new(size),
			.message = lanes->messages[i],
			.blinding_power = 12345 + i};
		lanes->checks[i] = (struct mb_rsa_check){
			.n = lanes->fixtures[i]->parts.n.data, .e = 65537, .signature = lanes->memory[i]};
	}
}

static void tear_down(struct lanes *lanes)
{
	for (unsigned i = 0; i < N_LANES; i++) {
		rsa_fixture_free(lanes->fixtures[i]);
		free(lanes->requests[i].blinding);
	}
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

// The longest slice of a signature, as the median over many signatures.
static void slice_row(struct measure *measure, struct lanes *lanes, const char *name)
{
	uint64_t slices[N_SLICED];

	lanes->n = N_LANES;
	for (unsigned i = 0; i < N_SLICED; i++)
		sign_once(lanes, &slices[i]);
	qsort(slices, N_SLICED, sizeof(slices[0]), compare_u64);
	measure_value(measure, name, "us", (double)slices[N_SLICED / 2] * 1e6 / (double)clock_tsc_hz());
}

static void rows_of_size(struct measure *measure, struct lanes *lanes, enum mb_rsa_size size)
{
	char sign[32], verify[32], slice[32];

	(void)snprintf(sign, sizeof(sign), "rsa%zu_sign", 8 * MB_RSA_LEN(size));
	(void)snprintf(verify, sizeof(verify), "rsa%zu_verify", 8 * MB_RSA_LEN(size));
	(void)snprintf(slice, sizeof(slice), "rsa%zu_sign_slice", 8 * MB_RSA_LEN(size));
	if (!measure_wants(measure, sign) && !measure_wants(measure, verify))
		return;
	set_up(lanes, size);
	for (lanes->n = 1; lanes->n <= N_LANES; lanes->n *= 2) {
		const struct measure_row rows[] = {
			{.name = sign,
				.lanes = lanes->n,
				.body = sign_own,
				.context = lanes,
				.reference = "OpenSSL EVP_PKEY_sign",
				.reference_body = sign_openssl,
				.reference_context = lanes},
			{.name = verify,
				.lanes = lanes->n,
				.body = verify_own,
				.context = lanes,
				.reference = "OpenSSL EVP_PKEY_verify_recover",
				.reference_body = verify_openssl,
				.reference_context = lanes},
		};

		measure_row(measure, &rows[0]);
		measure_row(measure, &rows[1]);
	}
	measure_break_even(measure, sign);
	measure_break_even(measure, verify);
	slice_row(measure, lanes, slice);
	tear_down(lanes);
}

void bench_rows_rsa(struct measure *measure)
{
	static struct lanes lanes;

	lanes.kernels = mb_kernels_select();
	if (lanes.kernels == NULL)
		return;
	lanes.job = rsa_fixture_job_new();
	for (enum mb_rsa_size size = 0; size < MB_RSA_N_SIZES; size++)
		rows_of_size(measure, &lanes, size);
	free(lanes.job);
}
