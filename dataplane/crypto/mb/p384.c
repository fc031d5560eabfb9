// SPDX-License-Identifier: Apache-2.0
//
// P-384 (SP 800-186 3.2.1.4), eight lanes: the NIST template with eight digits, p = 2^384 - 2^128 - 2^96 +
// 2^32 - 1.
//
// ECDH and verification are too long for one turn of a worker and run as jobs:
//
//     ECDH:    begin (checks, table) -----------------------> WINDOWS, some a step -> DONE -> finish (1/Z)
//     verify:  begin (checks, 1/s) -> BASE (u1 G, table) ---> WINDOWS, some a step -> DONE -> finish
//     (compare)
#include "crypto/mb/curve_p384.h"
#include "crypto/mb/protocol_nist.h"

#define STACK_WIPE_LEN 81920
#include "crypto/mb/stack_wipe.h"

// Eight windows are 40 doublings and 8 additions, about 60 us on the slowest CPU with IFMA.
#define WINDOWS_PER_STEP 8

enum job_phase {
	JOB_BASE,
	JOB_WINDOWS,
	JOB_DONE,
};

// What struct mb_p384_job holds.
struct job {
	enum job_phase phase;
	unsigned n_lanes;
	struct multiple *multiple; // of whichever operation it is
	union {
		struct ecdh_group ecdh;
		struct verify_group verify;
	} of;
};

_Static_assert(sizeof(struct job) <= sizeof(struct mb_p384_job), "the job fits its storage");

static struct job *job_of(struct mb_p384_job *storage)
{
	return (struct job *)(void *)storage->words;
}

static struct job *job_begin(struct mb_p384_job *storage, enum job_phase phase, unsigned n)
{
	struct job *job = job_of(storage);

	SLUICE_ASSERT(n >= 1 && n <= VEC_LANES);
	job->phase = phase;
	job->n_lanes = n;
	return job;
}

uint64_t MB_SYMBOL(p384_keygen)(uint8_t *const out_points[], const uint8_t *const scalars[], unsigned n)
{
	uint64_t done;

	SLUICE_ASSERT(n <= VEC_LANES);
	done = keygen(out_points, scalars, n);
	stack_wipe();
	return done;
}

uint64_t MB_SYMBOL(p384_ecdsa_prepare)(
	struct mb_ecdsa_nonce *const out_nonces[], const uint8_t *const nonces[], unsigned n)
{
	uint64_t done;

	SLUICE_ASSERT(n <= VEC_LANES);
	done = ecdsa_prepare(out_nonces, nonces, n);
	stack_wipe();
	return done;
}

void MB_SYMBOL(p384_ecdh_begin)(
	struct mb_p384_job *storage, const uint8_t *const scalars[], const uint8_t *const peers[], unsigned n)
{
	struct job *job = job_begin(storage, JOB_WINDOWS, n);

	job->multiple = &job->of.ecdh.multiple;
	ecdh_begin(&job->of.ecdh, scalars, peers, n);
	stack_wipe();
}

uint64_t MB_SYMBOL(p384_ecdh_finish)(struct mb_p384_job *storage, uint8_t *const out_secrets[])
{
	struct job *job = job_of(storage);
	struct ecdh_group *ecdh = &job->of.ecdh;
	struct fe z = ecdh->multiple.sum.z;
	uint64_t done;

	SLUICE_ASSERT(job->phase == JOB_DONE);
	mod_invert_all(&field, &z, 1);
	done = ecdh_finish(&ecdh->multiple.sum, z, ecdh->valid, out_secrets, job->n_lanes);
	wipe(storage, sizeof(*storage));
	wipe(&z, sizeof(z));
	stack_wipe();
	return done;
}

void MB_SYMBOL(p384_verify_begin)(
	struct mb_p384_job *storage, const struct mb_ecdsa_check checks[], unsigned n)
{
	struct job *job = job_begin(storage, JOB_BASE, n);
	struct fe s;

	job->multiple = &job->of.verify.multiple;
	verify_read(&job->of.verify, &s, checks, n);
	mod_invert_all(&order, &s, 1);
	verify_scalars(&job->of.verify, s);
}

uint64_t MB_SYMBOL(p384_verify_finish)(struct mb_p384_job *storage)
{
	struct job *job = job_of(storage);
	uint64_t done;

	SLUICE_ASSERT(job->phase == JOB_DONE);
	done = verify_finish(&job->of.verify);
	wipe(storage, sizeof(*storage));
	return done;
}

bool MB_SYMBOL(p384_step)(struct mb_p384_job *storage)
{
	struct job *job = job_of(storage);

	switch (job->phase) {
	case JOB_BASE:
		verify_base(&job->of.verify);
		verify_multiple_begin(&job->of.verify);
		job->phase = JOB_WINDOWS;
		break;
	case JOB_WINDOWS:
		for (int i = 0; i < WINDOWS_PER_STEP && job->multiple->window >= 0; i++)
			multiple_window(job->multiple);
		stack_wipe();
		if (job->multiple->window < 0)
			job->phase = JOB_DONE;
		break;
	case JOB_DONE:
		break;
	}
	return job->phase != JOB_DONE;
}
