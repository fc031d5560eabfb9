// SPDX-License-Identifier: Apache-2.0
//
// The elliptic-curve kernels for 1 to 8 lanes, and for 32 where groups share an inversion, against OpenSSL's
// EVP functions with contexts made beforehand. Also: the message-dependent half of a signature, and how long
// a slice of a P-384 job holds the core.
#include "bench_rows.h"

#include "base/assert.h"
#include "base/clock.h"
#include "crypto/mb/ed25519.h"
#include "crypto/mb/kernels.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>

enum {
	N_MAX = 32,
	LEN_MAX = 104,
	N_SLICED = 101
};

// What an OpenSSL call returns when it works.
#define MUST(expression) SLUICE_ASSERT((expression) > 0)

struct operands {
	uint8_t bytes[N_MAX][LEN_MAX];
	const uint8_t *in[N_MAX];
	uint8_t *out[N_MAX];
};

struct ec {
	const struct mb_kernels *kernels;
	enum mb_curve curve;
	unsigned n;
	struct operands scalars, nonces, points, digests, r, s, results;
	struct mb_ecdsa_nonce prepared[N_MAX];
	struct mb_ecdsa_nonce *prepared_out[N_MAX];
	struct mb_ecdsa_key key;
	struct mb_ecdsa_check checks[N_MAX];
	struct mb_ed25519_key ed25519_keys[N_MAX];
	const struct mb_ed25519_key *ed25519_in[N_MAX];
	struct span messages[N_MAX];
	struct mb_p384_job job;
	// The reference's.
	EVP_PKEY *own, *peer;
	EVP_PKEY_CTX *generate, *derive, *sign, *verify;
	EVP_MD_CTX *digest_sign;
	uint8_t signature[LEN_MAX + 8];
	size_t signature_len;
};

static void operands_init(struct operands *operands)
{
	for (unsigned i = 0; i < N_MAX; i++) {
		operands->in[i] = operands->bytes[i];
		operands->out[i] = operands->bytes[i];
		for (unsigned j = 0; j < LEN_MAX; j++)
			operands->bytes[i][j] = (uint8_t)(rand() & 0x7f);
	}
}

static void x25519_keygen(void *context, size_t times)
{
	struct ec *ec = context;

	for (size_t i = 0; i < times; i++)
		(void)ec->kernels->x25519_keygen(ec->results.out, ec->scalars.in, ec->n);
}

static void x25519_shared(void *context, size_t times)
{
	struct ec *ec = context;

	for (size_t i = 0; i < times; i++)
		(void)ec->kernels->x25519_shared(ec->results.out, ec->scalars.in, ec->points.in, ec->n);
}

static void nist_keygen(void *context, size_t times)
{
	struct ec *ec = context;

	for (size_t i = 0; i < times; i++)
		(void)(ec->curve == MB_P256 ? ec->kernels->p256_keygen : ec->kernels->p384_keygen)(
			ec->results.out, ec->scalars.in, ec->n);
}

static void nist_ecdh(void *context, size_t times)
{
	struct ec *ec = context;

	for (size_t i = 0; i < times; i++) {
		if (ec->curve == MB_P256) {
			(void)ec->kernels->p256_ecdh(ec->results.out, ec->scalars.in, ec->points.in, ec->n);
			continue;
		}
		ec->kernels->p384_ecdh_begin(&ec->job, ec->scalars.in, ec->points.in, ec->n);
		while (ec->kernels->p384_step(&ec->job))
			;
		(void)ec->kernels->p384_ecdh_finish(&ec->job, ec->results.out);
	}
}

static void prepare(struct ec *ec)
{
	(void)(ec->curve == MB_P256 ? ec->kernels->p256_ecdsa_prepare : ec->kernels->p384_ecdsa_prepare)(
		ec->prepared_out, ec->nonces.in, ec->n);
}

static void complete_all(struct ec *ec)
{
	for (unsigned i = 0; i < ec->n; i++)
		SLUICE_ASSERT(mb_ecdsa_complete(
			&ec->key, &ec->prepared[i], ec->digests.in[i], ec->r.out[i], ec->s.out[i]));
}

// Both halves of a signature.
static void ecdsa_sign(void *context, size_t times)
{
	for (size_t i = 0; i < times; i++) {
		prepare(context);
		complete_all(context);
	}
}

// The second half alone, over and over with the same prepared nonce: only its time is of use.
static void ecdsa_complete(void *context, size_t times)
{
	struct ec *ec = context;

	for (size_t i = 0; i < times; i++) {
		struct mb_ecdsa_nonce nonce = ec->prepared[0];

		SLUICE_ASSERT(mb_ecdsa_complete(
			&ec->key, &nonce, ec->digests.in[0], ec->results.out[0], ec->results.out[1]));
	}
}

static void ecdsa_verify(void *context, size_t times)
{
	struct ec *ec = context;

	for (size_t i = 0; i < times; i++) {
		if (ec->curve == MB_P256) {
			SLUICE_ASSERT(ec->kernels->p256_ecdsa_verify(ec->checks, ec->n) ==
				      UINT64_MAX >> (64 - ec->n));
			continue;
		}
		ec->kernels->p384_verify_begin(&ec->job, ec->checks, ec->n);
		while (ec->kernels->p384_step(&ec->job))
			;
		SLUICE_ASSERT(ec->kernels->p384_verify_finish(&ec->job) == UINT64_MAX >> (64 - ec->n));
	}
}

static void ed25519_sign(void *context, size_t times)
{
	struct ec *ec = context;

	for (size_t i = 0; i < times; i++)
		(void)ec->kernels->ed25519_sign(ec->results.out, ec->ed25519_in, ec->messages, ec->n);
}

static void openssl_keygen(void *context, size_t times)
{
	struct ec *ec = context;

	for (size_t i = 0; i < times; i++) {
		EVP_PKEY *key = NULL;

		MUST(EVP_PKEY_keygen(ec->generate, &key));
		EVP_PKEY_free(key);
	}
}

// As a TLS server does it: the peer's point is new each time and is validated.
static void openssl_derive(void *context, size_t times)
{
	struct ec *ec = context;
	uint8_t secret[MB_SCALAR_LEN_MAX];

	for (size_t i = 0; i < times; i++) {
		size_t len = sizeof(secret);

		MUST(EVP_PKEY_derive_set_peer(ec->derive, ec->peer));
		MUST(EVP_PKEY_derive(ec->derive, secret, &len));
	}
}

static void openssl_sign(void *context, size_t times)
{
	struct ec *ec = context;

	for (size_t i = 0; i < times; i++) {
		ec->signature_len = sizeof(ec->signature);
		MUST(EVP_PKEY_sign(ec->sign, ec->signature, &ec->signature_len, ec->digests.in[0],
			mb_curve_len(ec->curve)));
	}
}

static void openssl_verify(void *context, size_t times)
{
	struct ec *ec = context;

	for (size_t i = 0; i < times; i++)
		MUST(EVP_PKEY_verify(ec->verify, ec->signature, ec->signature_len, ec->digests.in[0],
			mb_curve_len(ec->curve)));
}

static void openssl_ed25519_sign(void *context, size_t times)
{
	struct ec *ec = context;
	size_t len;

	for (size_t i = 0; i < times; i++) {
		len = sizeof(ec->signature);
		MUST(EVP_DigestSignInit(ec->digest_sign, NULL, NULL, NULL, ec->own));
		MUST(EVP_DigestSign(
			ec->digest_sign, ec->signature, &len, ec->messages[0].data, ec->messages[0].len));
	}
}

// OpenSSL's keys and contexts for a key type ("X25519", "ED25519") or a NIST curve ("P-256").
static void openssl_set_up(struct ec *ec, const char *name)
{
	bool nist = name[0] == 'P';

	ec->own = nist ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", name) : EVP_PKEY_Q_keygen(NULL, NULL, name);
	ec->peer = nist ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", name) : EVP_PKEY_Q_keygen(NULL, NULL, name);
	ec->generate = EVP_PKEY_CTX_new(ec->own, NULL);
	MUST(EVP_PKEY_keygen_init(ec->generate));
	ec->derive = EVP_PKEY_CTX_new(ec->own, NULL);
	ec->sign = EVP_PKEY_CTX_new(ec->own, NULL);
	ec->verify = EVP_PKEY_CTX_new(ec->own, NULL);
	ec->digest_sign = EVP_MD_CTX_new();
	if (name[0] != 'E')
		MUST(EVP_PKEY_derive_init(ec->derive));
	if (nist) {
		MUST(EVP_PKEY_sign_init(ec->sign));
		MUST(EVP_PKEY_verify_init(ec->verify));
		openssl_sign(ec, 1);
	}
}

static void openssl_tear_down(struct ec *ec)
{
	EVP_PKEY_CTX_free(ec->generate);
	EVP_PKEY_CTX_free(ec->derive);
	EVP_PKEY_CTX_free(ec->sign);
	EVP_PKEY_CTX_free(ec->verify);
	EVP_MD_CTX_free(ec->digest_sign);
	EVP_PKEY_free(ec->own);
	EVP_PKEY_free(ec->peer);
}

// One operation with 1, 2, 4, 8 and, where the kernel takes more than a group, 32 requests.
static void rows_of(struct measure *measure, struct ec *ec, const char *name, measure_body *body,
	const char *reference, measure_body *reference_body, unsigned n_most)
{
	if (!measure_wants(measure, name))
		return;
	for (ec->n = 1; ec->n <= n_most; ec->n = ec->n == 8 ? 32 : 2 * ec->n) {
		const struct measure_row row = {.name = name,
			.lanes = ec->n,
			.body = body,
			.context = ec,
			.reference = reference,
			.reference_body = reference_body,
			.reference_context = ec};

		measure_row(measure, &row);
	}
}

static void rows_of_25519(struct measure *measure, struct ec *ec)
{
	openssl_set_up(ec, "X25519");
	rows_of(measure, ec, "x25519_keygen", x25519_keygen, "OpenSSL EVP_PKEY_keygen", openssl_keygen,
		N_MAX);
	rows_of(measure, ec, "x25519_shared", x25519_shared, "OpenSSL EVP_PKEY_derive", openssl_derive,
		N_MAX);
	openssl_tear_down(ec);
	openssl_set_up(ec, "ED25519");
	for (unsigned i = 0; i < N_MAX; i++) {
		mb_ed25519_key_set(&ec->ed25519_keys[i], ec->kernels, ec->scalars.in[i]);
		ec->ed25519_in[i] = &ec->ed25519_keys[i];
		ec->messages[i] = span_of(
			ec->points.bytes[i], 98); // a TLS 1.3 CertificateVerify is 98 to 146
	}
	rows_of(measure, ec, "ed25519_sign", ed25519_sign, "OpenSSL EVP_DigestSign", openssl_ed25519_sign,
		N_MAX);
	openssl_tear_down(ec);
}

// Valid keys, peers and signatures, made by the kernels themselves.
static void nist_set_up(struct ec *ec)
{
	ec->n = MB_LANES;
	for (unsigned i = 0; i < N_MAX; i += MB_LANES)
		(void)(ec->curve == MB_P256 ? ec->kernels->p256_keygen : ec->kernels->p384_keygen)(
			ec->points.out + i, ec->scalars.in + i, MB_LANES);
	SLUICE_ASSERT(mb_ecdsa_key_set(&ec->key, ec->curve, ec->scalars.in[0]));
	ec->n = ec->curve == MB_P256 ? N_MAX : MB_LANES;
	prepare(ec);
	complete_all(ec);
	for (unsigned i = 0; i < N_MAX; i++)
		ec->checks[i] = (struct mb_ecdsa_check){
			ec->digests.in[i], ec->r.in[i], ec->s.in[i], ec->points.in[0]};
}

static void rows_of_nist(struct measure *measure, struct ec *ec, enum mb_curve curve)
{
	const char *name = curve == MB_P256 ? "p256" : "p384";
	unsigned n_most = curve == MB_P256 ? N_MAX : MB_LANES;
	char keygen[32], ecdh[32], sign[32], complete[40], verify[32];

	ec->curve = curve;
	(void)snprintf(keygen, sizeof(keygen), "%s_keygen", name);
	(void)snprintf(ecdh, sizeof(ecdh), "%s_ecdh", name);
	(void)snprintf(sign, sizeof(sign), "ecdsa_%s_sign", name);
	(void)snprintf(complete, sizeof(complete), "ecdsa_%s_complete", name);
	(void)snprintf(verify, sizeof(verify), "ecdsa_%s_verify", name);
	openssl_set_up(ec, curve == MB_P256 ? "P-256" : "P-384");
	nist_set_up(ec);
	rows_of(measure, ec, keygen, nist_keygen, "OpenSSL EVP_PKEY_keygen", openssl_keygen, n_most);
	rows_of(measure, ec, ecdh, nist_ecdh, "OpenSSL EVP_PKEY_derive", openssl_derive, n_most);
	rows_of(measure, ec, verify, ecdsa_verify, "OpenSSL EVP_PKEY_verify", openssl_verify, n_most);
	rows_of(measure, ec, sign, ecdsa_sign, "OpenSSL EVP_PKEY_sign", openssl_sign, n_most);
	ec->n = 1;
	prepare(ec);
	rows_of(measure, ec, complete, ecdsa_complete, NULL, NULL, 1);
	openssl_tear_down(ec);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

// The longest slice of a P-384 ECDH, begin and finish included, as the median over many.
static void slice_row(struct measure *measure, struct ec *ec)
{
	uint64_t slices[N_SLICED];

	for (unsigned i = 0; i < N_SLICED; i++) {
		uint64_t start = clock_tsc(), now;
		bool more = true;

		slices[i] = 0;
		ec->kernels->p384_ecdh_begin(&ec->job, ec->scalars.in, ec->points.in, MB_LANES);
		while (more) {
			now = clock_tsc();
			slices[i] = now - start > slices[i] ? now - start : slices[i];
			start = now;
			more = ec->kernels->p384_step(&ec->job);
		}
		start = clock_tsc();
		(void)ec->kernels->p384_ecdh_finish(&ec->job, ec->results.out);
		now = clock_tsc();
		slices[i] = now - start > slices[i] ? now - start : slices[i];
	}
	qsort(slices, N_SLICED, sizeof(slices[0]), compare_u64);
	measure_value(measure, "p384_ecdh_slice", "us",
		(double)slices[N_SLICED / 2] * 1e6 / (double)clock_tsc_hz());
}

void bench_rows_ec(struct measure *measure)
{
	struct ec *ec = aligned_alloc(64, (sizeof(*ec) + 63) / 64 * 64);

	SLUICE_ASSERT(ec != NULL);
	memset(ec, 0, sizeof(*ec));
	ec->kernels = mb_kernels_select();
	if (ec->kernels != NULL) {
		operands_init(&ec->scalars);
		operands_init(&ec->nonces);
		operands_init(&ec->points);
		operands_init(&ec->digests);
		operands_init(&ec->r);
		operands_init(&ec->s);
		operands_init(&ec->results);
		for (unsigned i = 0; i < N_MAX; i++)
			ec->prepared_out[i] = &ec->prepared[i];
		rows_of_25519(measure, ec);
		rows_of_nist(measure, ec, MB_P256);
		rows_of_nist(measure, ec, MB_P384);
		if (measure_wants(measure, "p384_ecdh_slice"))
			slice_row(measure, ec);
	}
	free(ec);
}
