// SPDX-License-Identifier: Apache-2.0
#include "crypto/lane_engine.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/wipe.h"
#include "crypto/kdf.h"
#include "crypto/private_key.h"
#include "crypto/random.h"
#include "crypto/rsa_blindings.h"
#include "crypto/scalar.h"

#include <openssl/evp.h>

enum {
	NONCE_ATTEMPTS = 8, // each fails with 2^-32 for P-256, far less for P-384
	HEDGE_RANDOM_LEN = 32,
	MEASURE_RUNS = 7
};

// Keys whose blindings a worker keeps, by size: 330 KB, 130 KB and 160 KB.
static const uint32_t n_blindings[MB_RSA_N_SIZES] = {64, 16, 16};

// The pointers that kernels take, from requests.
struct operands {
	uint8_t *outputs[LANES];
	const uint8_t *secrets[LANES];
	const uint8_t *inputs[LANES];
};

static struct operands gather(struct lane_request *const *requests, unsigned n)
{
	struct operands operands;

	for (unsigned i = 0; i < n; i++) {
		operands.outputs[i] = requests[i]->output;
		operands.secrets[i] = requests[i]->secret;
		operands.inputs[i] = requests[i]->input;
	}
	return operands;
}

static uint64_t x25519_shared(struct lane_engine *engine, struct lane_request *const *requests, unsigned n)
{
	struct operands o = gather(requests, n);

	return engine->kernels->x25519_shared(o.outputs, o.secrets, o.inputs, n);
}

static bool x25519_shared_scalar(
	struct lane_engine *engine, const struct lane_request *request, EVP_PKEY *pkey)
{
	(void)pkey;
	(void)engine;
	return scalar_x25519_shared(request->output, request->secret, request->input);
}

static uint64_t p256_ecdh(struct lane_engine *engine, struct lane_request *const *requests, unsigned n)
{
	struct operands o = gather(requests, n);

	return engine->kernels->p256_ecdh(o.outputs, o.secrets, o.inputs, n);
}

static bool p256_ecdh_scalar(struct lane_engine *engine, const struct lane_request *request, EVP_PKEY *pkey)
{
	(void)pkey;
	return scalar_nist_ecdh(engine->scalar, MB_P256, request->output, request->secret, request->input);
}

static void p384_ecdh_begin(struct lane_engine *engine, struct lane_request *const *requests, unsigned n)
{
	struct operands o = gather(requests, n);

	engine->kernels->p384_ecdh_begin(engine->p384_ecdh_job, o.secrets, o.inputs, n);
}

static bool p384_step(struct lane_engine *engine, enum lane_op op)
{
	return engine->kernels->p384_step(
		op == LANE_P384_ECDH ? engine->p384_ecdh_job : engine->p384_verify_job);
}

static uint64_t p384_ecdh_finish(struct lane_engine *engine, enum lane_op op, uint8_t *const *outputs)
{
	(void)op;
	return engine->kernels->p384_ecdh_finish(engine->p384_ecdh_job, outputs);
}

static bool p384_ecdh_scalar(struct lane_engine *engine, const struct lane_request *request, EVP_PKEY *pkey)
{
	(void)pkey;
	return scalar_nist_ecdh(engine->scalar, MB_P384, request->output, request->secret, request->input);
}

static uint64_t p384_public(struct lane_engine *engine, struct lane_request *const *requests, unsigned n)
{
	struct operands o = gather(requests, n);

	return engine->kernels->p384_keygen(o.outputs, o.secrets, n);
}

static bool p384_public_scalar(struct lane_engine *engine, const struct lane_request *request, EVP_PKEY *pkey)
{
	(void)pkey;
	return scalar_nist_public(engine->scalar, MB_P384, request->output, request->secret);
}

// k from fresh randomness, the private key and the digest: HMAC(randomness | d, digest). A generator that
// repeats itself then repeats k only for the same key and message, which gives nothing away; a key that is
// known tells nothing about k without the randomness.
static void hedged_nonce(
	struct lane_engine *engine, const struct lane_request *request, size_t len, uint8_t *k)
{
	const struct mb_ecdsa_key *key = &request->key->ecdsa;
	uint8_t secret[HEDGE_RANDOM_LEN + sizeof key->d];
	uint8_t digest[HASH_MAX_LEN];

	random_bytes(engine->random, secret, HEDGE_RANDOM_LEN);
	memcpy(secret + HEDGE_RANDOM_LEN, key->d, sizeof key->d);
	hmac(HASH_SHA384, span_of(secret, sizeof secret), span_of(request->input, len), digest);
	memcpy(k, digest, len);
	wipe(secret, sizeof secret);
	wipe(digest, sizeof digest);
}

// Signs those of the requests that `wanted` names; the result names those that are done.
static uint64_t ecdsa_attempt(struct lane_engine *engine, enum mb_curve curve,
	struct lane_request *const *requests, unsigned n, uint64_t wanted)
{
	size_t len = mb_curve_len(curve);
	uint8_t k[LANES][MB_SCALAR_LEN_MAX];
	struct mb_ecdsa_nonce nonces[LANES];
	struct mb_ecdsa_nonce *nonce_at[LANES];
	const uint8_t *k_at[LANES];
	unsigned idx_of[LANES];
	unsigned n_wanted = 0;
	uint64_t prepared, done = 0;

	for (unsigned i = 0; i < n; i++) {
		if ((wanted >> i & 1) == 0)
			continue;
		hedged_nonce(engine, requests[i], len, k[n_wanted]);
		k_at[n_wanted] = k[n_wanted];
		nonce_at[n_wanted] = &nonces[n_wanted];
		idx_of[n_wanted++] = i;
	}
	prepared = curve == MB_P256 ? engine->kernels->p256_ecdsa_prepare(nonce_at, k_at, n_wanted)
				    : engine->kernels->p384_ecdsa_prepare(nonce_at, k_at, n_wanted);
	for (unsigned i = 0; i < n_wanted; i++) {
		struct lane_request *request = requests[idx_of[i]];

		if ((prepared >> i & 1) != 0 &&
			mb_ecdsa_complete(&request->key->ecdsa, &nonces[i], request->input, request->output,
				request->output + len))
			done |= UINT64_C(1) << idx_of[i];
	}
	wipe(k, sizeof k);
	wipe(nonces, sizeof nonces);
	return done;
}

static uint64_t ecdsa_sign(
	struct lane_engine *engine, enum mb_curve curve, struct lane_request *const *requests, unsigned n)
{
	uint64_t all = (UINT64_C(1) << n) - 1;
	uint64_t done = 0;

	for (int attempt = 0; attempt < NONCE_ATTEMPTS && done != all; attempt++)
		done |= ecdsa_attempt(engine, curve, requests, n, all & ~done);
	return done;
}

static uint64_t ecdsa_p256_sign(struct lane_engine *engine, struct lane_request *const *requests, unsigned n)
{
	return ecdsa_sign(engine, MB_P256, requests, n);
}

static uint64_t ecdsa_p384_sign(struct lane_engine *engine, struct lane_request *const *requests, unsigned n)
{
	return ecdsa_sign(engine, MB_P384, requests, n);
}

static bool ecdsa_sign_scalar(struct lane_engine *engine, const struct lane_request *request, EVP_PKEY *pkey)
{
	enum mb_curve curve = request->op == LANE_ECDSA_P256_SIGN ? MB_P256 : MB_P384;

	(void)engine;
	return scalar_ecdsa_sign(pkey, curve, request->output, span_of(request->input, mb_curve_len(curve)));
}

static struct span ed25519_message(const struct lane_request *request)
{
	return *(const struct span *)(const void *)request->input;
}

static uint64_t ed25519_sign(struct lane_engine *engine, struct lane_request *const *requests, unsigned n)
{
	struct operands o = gather(requests, n);
	const struct mb_ed25519_key *keys[LANES];
	struct span messages[LANES];

	for (unsigned i = 0; i < n; i++) {
		keys[i] = &requests[i]->key->ed25519;
		messages[i] = ed25519_message(requests[i]);
	}
	return engine->kernels->ed25519_sign(o.outputs, keys, messages, n);
}

static bool ed25519_sign_scalar(
	struct lane_engine *engine, const struct lane_request *request, EVP_PKEY *pkey)
{
	(void)engine;
	return scalar_ed25519_sign(pkey, request->output, ed25519_message(request));
}

static enum mb_rsa_size rsa_size_of(enum lane_op op)
{
	return (enum mb_rsa_size)(MB_RSA_2048 + (op - LANE_RSA2048_SIGN));
}

static void rsa_begin(struct lane_engine *engine, struct lane_request *const *requests, unsigned n)
{
	enum mb_rsa_size size = rsa_size_of(requests[0]->op);
	struct mb_rsa_request lanes[LANES];

	for (unsigned i = 0; i < n; i++) {
		lanes[i] = (struct mb_rsa_request){
			.key = &requests[i]->key->rsa,
			.blinding = rsa_blindings_pin(engine->blindings[size], requests[i]->key->serial),
			.message = requests[i]->input,
		};
		random_bytes(engine->random, &lanes[i].blinding_power, sizeof lanes[i].blinding_power);
	}
	engine->kernels->rsa_sign_begin(engine->rsa_jobs[size], lanes, n);
	wipe(lanes, sizeof lanes);
}

static bool rsa_step(struct lane_engine *engine, enum lane_op op)
{
	return engine->kernels->rsa_sign_step(engine->rsa_jobs[rsa_size_of(op)], MB_RSA_SLICE);
}

static uint64_t rsa_finish(struct lane_engine *engine, enum lane_op op, uint8_t *const *outputs)
{
	enum mb_rsa_size size = rsa_size_of(op);
	enum mb_rsa_verdict verdicts[LANES];
	uint64_t done = engine->kernels->rsa_sign_finish(engine->rsa_jobs[size], outputs, verdicts);

	rsa_blindings_unpin(engine->blindings[size]);
	return done;
}

static bool rsa_sign_scalar(struct lane_engine *engine, const struct lane_request *request, EVP_PKEY *pkey)
{
	(void)engine;
	return scalar_rsa_private(
		pkey, request->output, span_of(request->input, MB_RSA_LEN(rsa_size_of(request->op))));
}

// Public key | digest | r | s.
static struct mb_ecdsa_check check_of(const struct lane_request *request, enum mb_curve curve)
{
	size_t len = mb_curve_len(curve);
	const uint8_t *behind_key = request->input + 1 + 2 * len;

	return (struct mb_ecdsa_check){
		.public_point = request->input,
		.digest = behind_key,
		.r = behind_key + len,
		.s = behind_key + 2 * len,
	};
}

static uint64_t p256_verify(struct lane_engine *engine, struct lane_request *const *requests, unsigned n)
{
	struct mb_ecdsa_check checks[LANES];

	for (unsigned i = 0; i < n; i++)
		checks[i] = check_of(requests[i], MB_P256);
	return engine->kernels->p256_ecdsa_verify(checks, n);
}

static void p384_verify_begin(struct lane_engine *engine, struct lane_request *const *requests, unsigned n)
{
	struct mb_ecdsa_check checks[LANES];

	for (unsigned i = 0; i < n; i++)
		checks[i] = check_of(requests[i], MB_P384);
	engine->kernels->p384_verify_begin(engine->p384_verify_job, checks, n);
}

static uint64_t p384_verify_finish(struct lane_engine *engine, enum lane_op op, uint8_t *const *outputs)
{
	(void)op;
	(void)outputs;
	return engine->kernels->p384_verify_finish(engine->p384_verify_job);
}

const struct lane_operation lane_operations[N_LANE_OPS] = {
	[LANE_X25519_SHARED] =
		{
			.input_len = 32,
			.output_len = 32,
			.refusal = LANE_BAD_INPUT,
			.run = x25519_shared,
			.run_scalar = x25519_shared_scalar,
		},
	[LANE_P256_ECDH] =
		{
			.input_len = 65,
			.output_len = 32,
			.refusal = LANE_BAD_INPUT,
			.run = p256_ecdh,
			.run_scalar = p256_ecdh_scalar,
		},
	[LANE_P384_ECDH] =
		{
			.input_len = 97,
			.is_slow = true,
			.output_len = 48,
			.refusal = LANE_BAD_INPUT,
			.begin = p384_ecdh_begin,
			.step = p384_step,
			.finish = p384_ecdh_finish,
			.run_scalar = p384_ecdh_scalar,
		},
	[LANE_P384_PUBLIC] =
		{
			.is_slow = true,
			.output_len = 97,
			.refusal = LANE_FAULT,
			.run = p384_public,
			.run_scalar = p384_public_scalar,
		},
	[LANE_ECDSA_P256_SIGN] =
		{
			.input_len = 32,
			.output_len = 64,
			.refusal = LANE_FAULT,
			.run = ecdsa_p256_sign,
			.run_scalar = ecdsa_sign_scalar,
		},
	[LANE_ECDSA_P384_SIGN] =
		{
			.input_len = 48,
			.is_slow = true,
			.output_len = 96,
			.refusal = LANE_FAULT,
			.run = ecdsa_p384_sign,
			.run_scalar = ecdsa_sign_scalar,
		},
	[LANE_ED25519_SIGN] =
		{
			.output_len = 64,
			.refusal = LANE_FAULT,
			.run = ed25519_sign,
			.run_scalar = ed25519_sign_scalar,
		},
	[LANE_RSA2048_SIGN] =
		{
			.input_len = 256,
			.is_slow = true,
			.half = MB_RSA_HALF,
			.output_len = 256,
			.refusal = LANE_FAULT,
			.begin = rsa_begin,
			.step = rsa_step,
			.finish = rsa_finish,
			.run_scalar = rsa_sign_scalar,
		},
	[LANE_RSA3072_SIGN] =
		{
			.input_len = 384,
			.is_slow = true,
			.half = MB_RSA_HALF,
			.output_len = 384,
			.refusal = LANE_FAULT,
			.begin = rsa_begin,
			.step = rsa_step,
			.finish = rsa_finish,
			.run_scalar = rsa_sign_scalar,
		},
	[LANE_RSA4096_SIGN] =
		{
			.input_len = 512,
			.is_slow = true,
			.half = MB_RSA_HALF,
			.output_len = 512,
			.refusal = LANE_FAULT,
			.begin = rsa_begin,
			.step = rsa_step,
			.finish = rsa_finish,
			.run_scalar = rsa_sign_scalar,
		},
	// Without kernels verify.c does not come here.
	[LANE_ECDSA_P256_VERIFY] =
		{
			.refusal = LANE_BAD_INPUT,
			.run = p256_verify,
		},
	[LANE_ECDSA_P384_VERIFY] =
		{
			.refusal = LANE_BAD_INPUT,
			.begin = p384_verify_begin,
			.step = p384_step,
			.finish = p384_verify_finish,
		},
};

size_t lane_engine_footprint(void)
{
	size_t len = 2 * (sizeof(struct mb_p384_job) + 64) +
		     (MB_RSA_N_SIZES + 1) * (sizeof(struct mb_rsa_job) + 64);

	for (unsigned size = 0; size < MB_RSA_N_SIZES; size++)
		len += rsa_blindings_footprint((enum mb_rsa_size)size, n_blindings[size]) +
		       sizeof(struct rsa_blindings) + 64;
	return len;
}

static bool make_jobs(struct lane_engine *engine, struct arena *arena)
{
	engine->p384_ecdh_job = arena_alloc(arena, sizeof *engine->p384_ecdh_job, 64);
	engine->p384_verify_job = arena_alloc(arena, sizeof *engine->p384_verify_job, 64);
	engine->rsa_verify_job = arena_alloc(arena, sizeof *engine->rsa_verify_job, 64);
	if (engine->p384_ecdh_job == NULL || engine->p384_verify_job == NULL ||
		engine->rsa_verify_job == NULL)
		return false;
	for (unsigned size = 0; size < MB_RSA_N_SIZES; size++) {
		engine->rsa_jobs[size] = arena_alloc(arena, sizeof *engine->rsa_jobs[size], 64);
		engine->blindings[size] = arena_alloc(arena, sizeof *engine->blindings[size], 64);
		if (engine->rsa_jobs[size] == NULL || engine->blindings[size] == NULL ||
			!rsa_blindings_init(
				engine->blindings[size], arena, (enum mb_rsa_size)size, n_blindings[size]))
			return false;
	}
	return true;
}

// The ticks that one request takes alone, by kernel or by scalar code: the lowest of a few runs, because what
// disturbs a measurement only ever adds.
static uint64_t measure(struct lane_engine *engine, struct lane_request *request, bool by_kernel)
{
	const struct lane_operation *operation = &lane_operations[request->op];
	uint64_t lowest = UINT64_MAX;

	for (int i = 0; i < MEASURE_RUNS; i++) {
		uint64_t started_tsc = clock_tsc();
		uint64_t tsc;

		if (by_kernel)
			SLUICE_ASSERT(operation->run(engine, &request, 1) == 1);
		else
			SLUICE_ASSERT(operation->run_scalar(engine, request, NULL));
		tsc = clock_tsc() - started_tsc;
		lowest = tsc < lowest ? tsc : lowest;
	}
	return lowest;
}

// A kernel takes nearly the same time however many of its lanes are used. Under a clock that stands still the
// answer is 0.
static uint8_t measure_break_even(struct lane_engine *engine, enum lane_op op)
{
	uint8_t secret[32] = {1, [31] = 1}, peer[MB_P256_POINT_LEN], output[32];
	struct lane_request request = {.op = (uint8_t)op, .secret = secret, .input = peer, .output = output};
	uint8_t *peer_at = peer;
	const uint8_t *secret_at = secret;
	uint64_t kernel_tsc, scalar_tsc;

	if (op == LANE_X25519_SHARED)
		(void)engine->kernels->x25519_keygen(&peer_at, &secret_at, 1);
	else
		(void)engine->kernels->p256_keygen(&peer_at, &secret_at, 1);
	kernel_tsc = measure(engine, &request, true);
	scalar_tsc = measure(engine, &request, false);
	if (scalar_tsc == 0 || kernel_tsc > LANES * scalar_tsc)
		return scalar_tsc == 0 ? 0 : LANES;
	return (uint8_t)((kernel_tsc + scalar_tsc - 1) / scalar_tsc);
}

bool lane_engine_init(
	struct lane_engine *engine, struct arena *arena, enum select_lanes body, struct random *random)
{
	*engine = (struct lane_engine){.random = random};
	if (body == SELECT_LANES_IFMA)
		engine->kernels = &mb_kernels_ifma;
	if (body == SELECT_LANES_PLAIN)
		engine->kernels = &mb_kernels_plain;
	engine->scalar = scalar_create();
	if (engine->scalar == NULL)
		return false;
	if (engine->kernels == NULL)
		return true;
	// The plain body is slower than any scalar code, but is there to be run.
	if (body == SELECT_LANES_IFMA) {
		engine->break_even[LANE_X25519_SHARED] = measure_break_even(engine, LANE_X25519_SHARED);
		engine->break_even[LANE_P256_ECDH] = measure_break_even(engine, LANE_P256_ECDH);
	}
	return make_jobs(engine, arena);
}

void lane_engine_destroy(struct lane_engine *engine)
{
	scalar_destroy(engine->scalar);
	engine->scalar = NULL;
}
