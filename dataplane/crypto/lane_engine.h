// SPDX-License-Identifier: Apache-2.0
//
// How each operation of lane_ops.def is computed, by kernels and by scalar code. Internal to crypto: lanes.c
// decides what runs when, and for whom; this decides how.
#pragma once

#include "crypto/lanes.h"
#include "crypto/mb/kernels.h"

struct rsa_blindings;
struct scalar;

enum {
	LANE_OUTPUT_MAX_LEN = MB_RSA_LEN_MAX
};

// All that the operations of one worker compute with.
struct lane_engine {
	const struct mb_kernels *kernels; // NULL: scalar code only
	struct scalar *scalar;
	struct random *random;
	struct counters *counters; // may be NULL
	struct mb_p384_job *p384_ecdh_job;
	struct mb_p384_job *p384_verify_job;
	struct mb_rsa_job *rsa_jobs[MB_RSA_N_SIZES]; // by enum mb_rsa_size
	struct mb_rsa_job *rsa_verify_job;           // working memory of verify.c
	struct rsa_blindings *blindings[MB_RSA_N_SIZES];
	// Fewer requests of an operation than this are cheaper one at a time, as measured at start against
	// the scalar code that is linked; 0: kernels always. Only short key agreements are ever worth it.
	uint8_t break_even[N_LANE_OPS];
};

// One row per operation. An operation of the kernels runs whole, in one call, or in slices.
struct lane_operation {
	uint16_t input_len; // 0: a struct of its own, or nothing
	uint16_t output_len;
	bool is_slow; // as scalar code it is too long for a worker's turn
	uint8_t half; // so many requests take half of what eight take; 0: they don't
	// What a request gets that the operation refused.
	uint8_t refusal; // enum lane_status
	// Up to eight requests by kernel; bit i of the result: request i succeeded.
	uint64_t (*run)(struct lane_engine *engine, struct lane_request *const *requests, unsigned n);
	// The same in slices. begin copies what it needs of the requests; step is true while there is more to
	// do.
	void (*begin)(struct lane_engine *engine, struct lane_request *const *requests, unsigned n);
	bool (*step)(struct lane_engine *engine, enum lane_op op);
	uint64_t (*finish)(struct lane_engine *engine, enum lane_op op, uint8_t *const *outputs);
	// By scalar code, with OpenSSL's reference of the key (NULL for key agreement).
	bool (*run_scalar)(
		struct lane_engine *engine, const struct lane_request *request, struct evp_pkey_st *pkey);
};

extern const struct lane_operation lane_operations[N_LANE_OPS];

// The engine of a scheduler, for what is made ahead (ephemeral.c, nonces.c).
struct lane_engine *lanes_engine(struct lanes *lanes);

size_t lane_engine_footprint(void);

// False when the arena has no room or OpenSSL no memory.
bool lane_engine_init(
	struct lane_engine *engine, struct arena *arena, enum select_lanes body, struct random *random);
void lane_engine_destroy(struct lane_engine *engine);
