// SPDX-License-Identifier: Apache-2.0
//
// Constant time of what surrounds the kernels. Run under valgrind: secrets are marked undefined, so memcheck
// reports each branch and each address that depends on one. (valgrind's CPU has neither SHA-NI nor AVX-512:
// the portable bodies run. The kernels have tests of their own, ct_ec and ct_rsa.)
//
//     ct_crypto kdf       HMAC, HKDF, labels and the TLS 1.2 PRF over secret keys and messages
//     ct_crypto random    the generator from a secret key
//     ct_crypto sign      completing ECDSA signatures with secret key and nonce, and encoding them
//     ct_crypto compare   comparing tags
//     ct_crypto control   looks a secret up in a table; fails unless that is reported
#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/der.h"
#include "crypto/kdf.h"
#include "crypto/mb/ecdsa.h"
#include "crypto/random.h"

static void hide(void *bytes, size_t len)
{
	(void)VALGRIND_MAKE_MEM_UNDEFINED(bytes, len);
}

static void reveal(void *bytes, size_t len)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(bytes, len);
}

// Every function once, for keys shorter and longer than a block, against what it gives in the open.
static void derive(enum hash_id id, const uint8_t *secret, size_t secret_len, uint8_t out[8][64])
{
	struct span key = span_of(secret, secret_len), short_key = span_of(secret, hash_len(id));
	const struct kdf_label_job jobs[3] = {
		{short_key, "key", span_of(NULL, 0), {out[4], 16}},
		{short_key, "iv", span_of(NULL, 0), {out[5], 12}},
		{span_of(secret + 1, hash_len(id)), "c hs traffic", short_key, {out[6], hash_len(id)}},
	};

	hmac(id, key, span_of(secret, 77), out[0]);
	hkdf_extract(id, key, key, out[1]);
	hkdf_expand(id, short_key, span_of_string("info"), (struct mut_span){out[2], 64});
	kdf_derive_secret(id, short_key, "derived", short_key, out[3]);
	kdf_expand_label_burst(id, jobs, 3);
	kdf_tls12_prf(id, key, "master secret",
		(const struct span[]){span_of_string("a"), span_of_string("b")},
		(struct mut_span){out[7], 48});
}

static bool check_kdf(void)
{
	static uint8_t in_the_open[8][64], hidden[8][64];
	uint8_t secret[200];
	bool same = true;

	for (unsigned id = HASH_SHA256; id <= HASH_SHA384; id++) {
		for (size_t len = 32; len <= sizeof secret; len += 56) {
			memset(secret, (int)len, sizeof secret);
			memset(in_the_open, 0, sizeof in_the_open);
			memset(hidden, 0, sizeof hidden);
			derive(id, secret, len, in_the_open);
			hide(secret, sizeof secret);
			derive(id, secret, len, hidden);
			reveal(hidden, sizeof hidden);
			same = same && memcmp(in_the_open, hidden, sizeof hidden) == 0;
		}
	}
	return same;
}

static bool check_random(void)
{
	static struct random generator;
	static uint8_t out[3 * RANDOM_BLOCK_LEN];
	uint8_t undefined_bits = 0;

	SLUICE_ASSERT(random_init(&generator));
	hide(generator.key, sizeof generator.key);
	for (size_t len = 1; len <= sizeof out; len = len * 2 + 1)
		random_bytes(&generator, out, len);
	random_mix(&generator, span_of(out, 32));
	random_bytes(&generator, out, 32);
	// What a secret made must be secret itself, or nothing was tested.
	(void)VALGRIND_GET_VBITS(out, &undefined_bits, 1);
	return undefined_bits == 0xff;
}

static bool check_sign(void)
{
	static const uint8_t zeros[MB_SCALAR_LEN_MAX];
	uint8_t bytes[MB_SCALAR_LEN_MAX], digest[MB_SCALAR_LEN_MAX], r_and_s[2 * MB_SCALAR_LEN_MAX];
	uint8_t encoded[DER_ECDSA_MAX_LEN];
	bool ok = true;

	for (unsigned curve = 0; curve < 2; curve++) {
		size_t len = mb_curve_len((enum mb_curve)curve);
		struct mb_ecdsa_key key;
		struct mb_ecdsa_nonce nonce;
		bool done;

		memset(bytes, 0x5a, sizeof bytes);
		memset(digest, 0xa5, sizeof digest);
		ok = ok && mb_ecdsa_key_set(&key, (enum mb_curve)curve, bytes);
		memset(&nonce, 0x33, sizeof nonce); // r is public once it leaves, its inverse never
		hide(key.d, sizeof key.d);
		hide(nonce.inverse, sizeof nonce.inverse);
		done = mb_ecdsa_complete(&key, &nonce, digest, r_and_s, r_and_s + len);
		reveal(&done, sizeof done);
		reveal(r_and_s, 2 * len);
		ok = ok && done && memcmp(r_and_s + len, zeros, len) != 0 &&
		     der_encode_ecdsa(encoded, r_and_s, len) != 0;
	}
	return ok;
}

static bool check_compare(void)
{
	uint8_t a[16] = {1}, b[16] = {1}, c[16] = {2};
	bool equal, different;

	hide(a, sizeof a);
	equal = constant_time_equal(a, b, sizeof a);
	different = constant_time_equal(a, c, sizeof a);
	reveal(&equal, sizeof equal);
	reveal(&different, sizeof different);
	return equal && !different;
}

static bool check_control(void)
{
	static volatile uint8_t table[256];
	uint8_t secret[1] = {7};

	hide(secret, sizeof secret);
	return table[secret[0]] == 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*check)(void);
	} modes[] = {{"kdf", check_kdf}, {"random", check_random}, {"sign", check_sign},
		{"compare", check_compare}, {"control", check_control}};
	const char *mode = argc > 1 ? argv[1] : "";

	if (!RUNNING_ON_VALGRIND) {
		printf("skipped: not under valgrind\n");
		return 77;
	}
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		unsigned n_before = (unsigned)VALGRIND_COUNT_ERRORS, n_reports;
		bool right;

		if (strcmp(modes[i].name, mode) != 0)
			continue;
		right = modes[i].check();
		n_reports = (unsigned)VALGRIND_COUNT_ERRORS - n_before;
		printf("%u reports\n", n_reports);
		if (modes[i].check == check_control)
			return n_reports > 0 ? 0 : 1;
		return right && n_reports == 0 ? 0 : 1;
	}
	(void)fprintf(stderr, "usage: ct_crypto kdf|random|sign|compare|control\n");
	return 2;
}
