// SPDX-License-Identifier: Apache-2.0
//
// Constant time of the RSA private operation. Run under valgrind: every secret is marked undefined, so
// memcheck reports each branch and each address that depends on one. The plain body is what runs (valgrind
// knows no AVX-512); it is the same source as the other.
//
//     ct_rsa           signs with eight lanes, drawing the blindings too; fails on any report
//     ct_rsa control   looks a window's entry up by index; fails unless that is reported
#include <openssl/bn.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/memcheck.h>

#include "base/assert.h"
#include "crypto/mb/kernels.h"
#include "rsa_fixture.h"

// A key of no other use: generating one under valgrind takes long.
static const char prime_p[] = "F4D09303ED11AC44861D7CAE713E98C01A33B74B9262699E14A4BE7DD0C102B0"
			      "56452323533A4D841B339E763855508E8617AD87A289212F5ACE403C37E8DCD6"
			      "A9E43760AF8B60A91550701E4353A11C70647B01D2FA5229C4F30E03D7AEF48A"
			      "0629ADE7373F52537D7115CF23693B19F3F63B0BC8E16C81EABE77918EC3B859";
static const char prime_q[] = "D9A597A63E97B10E70A35B504BD341F722382AB7AAB6A6FF14EF56D399C32E6E"
			      "B441346287B7E566CD8865366A10D513658F5F1CBDE89F656BA3454228D767E3"
			      "37C4F1FD3F8460C48987F40ED87218BBD7F9DA8E8AF6559DF8B72A8BFF8941DD"
			      "3E20AC3CD59C23187E77BB3E9FA9B86F7F0E40921C533E7BE4C94DE2A840DCE7";

static struct mb_rsa_job *job;

static void mark_part(struct mb_rsa_key *key, enum mb_rsa_key_part part, unsigned n_primes)
{
	unsigned n_prime = MB_RSA_PRIME_DIGITS(key->size);

	(void)VALGRIND_MAKE_MEM_UNDEFINED(
		key->digits + part * n_prime, n_primes * n_prime * sizeof(key->digits[0]));
}

// All but e, n and what follows from n.
static void mark_key(struct mb_rsa_key *key)
{
	mark_part(key, MB_RSA_P, MB_RSA_N - MB_RSA_P);
	mark_part(key, MB_RSA_BLIND, 4);
	(void)VALGRIND_MAKE_MEM_UNDEFINED(&key->p_minus_inverse, sizeof(key->p_minus_inverse));
	(void)VALGRIND_MAKE_MEM_UNDEFINED(&key->q_minus_inverse, sizeof(key->q_minus_inverse));
}

// Few enough for both primes at once (the other way takes twice as long, and is the same code but for that).
static bool sign(const struct rsa_fixture *fixture, unsigned n)
{
	static uint8_t messages[MB_LANES][MB_RSA_LEN_MAX], signatures[MB_LANES][MB_RSA_LEN_MAX];
	struct mb_rsa_request requests[MB_LANES];
	enum mb_rsa_verdict verdicts[MB_LANES];
	struct mb_rsa_blinding *blinding = rsa_fixture_blinding_new(fixture->size);
	uint8_t *outs[MB_LANES], expected[MB_RSA_LEN_MAX];
	uint64_t ok;
	bool right;

	for (unsigned lane = 0; lane < MB_LANES; lane++) {
		rsa_fixture_message(fixture, messages[lane]);
		outs[lane] = signatures[lane];
		requests[lane] = (struct mb_rsa_request){.key = fixture->key,
			.blinding = blinding,
			.message = messages[lane],
			.blinding_power = 0x9e3779b9u * (lane + 1)};
		(void)VALGRIND_MAKE_MEM_UNDEFINED(
			&requests[lane].blinding_power, sizeof(requests[lane].blinding_power));
	}
	mark_key(fixture->key);
	mb_kernels_plain.rsa_sign_begin(job, requests, n);
	while (mb_kernels_plain.rsa_sign_step(job, MB_RSA_SLICE)) {
	}
	ok = mb_kernels_plain.rsa_sign_finish(job, outs, verdicts);

	// What leaves is public.
	(void)VALGRIND_MAKE_MEM_DEFINED(&ok, sizeof(ok));
	(void)VALGRIND_MAKE_MEM_DEFINED(signatures, sizeof(signatures));
	(void)VALGRIND_MAKE_MEM_DEFINED(verdicts, sizeof(verdicts));
	rsa_fixture_private(fixture, messages[3], expected);
	right = ok == (UINT64_C(1) << n) - 1 && verdicts[3] == MB_RSA_OK &&
		memcmp(signatures[3], expected, fixture->len) == 0;
	free(blinding);
	return right;
}

// What a window look-up must not be.
static bool look_up(const struct rsa_fixture *fixture)
{
	static volatile uint8_t table[32];
	const uint64_t *dp = fixture->key->digits + MB_RSA_DP * MB_RSA_PRIME_DIGITS(fixture->size);

	mark_key(fixture->key);
	return table[dp[0] & 31] == 0;
}

int main(int argc, char **argv)
{
	bool control = argc > 1 && strcmp(argv[1], "control") == 0;
	struct rsa_fixture *fixture;
	BIGNUM *p = NULL, *q = NULL;
	unsigned n_before, n_reports;
	bool right;

	if (!RUNNING_ON_VALGRIND) {
		printf("skipped: not under valgrind\n");
		return 77;
	}
	SLUICE_ASSERT(BN_hex2bn(&p, prime_p) != 0 && BN_hex2bn(&q, prime_q) != 0);
	fixture = rsa_fixture_from_primes(p, q, 65537);
	job = rsa_fixture_job_new();
	n_before = (unsigned)VALGRIND_COUNT_ERRORS;
	right = control ? look_up(fixture) : sign(fixture, MB_RSA_HALF);
	if (!control && getenv("SLUICE_FULL") != NULL)
		right = right && sign(fixture, MB_LANES);
	n_reports = (unsigned)VALGRIND_COUNT_ERRORS - n_before;
	printf("%u reports\n", n_reports);
	free(job);
	rsa_fixture_free(fixture);
	BN_free(p);
	BN_free(q);
	return (control ? n_reports > 0 : right && n_reports == 0) ? 0 : 1;
}
