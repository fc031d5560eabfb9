// SPDX-License-Identifier: Apache-2.0
//
// Constant time of the elliptic-curve kernels. Run under valgrind: secrets are marked undefined, so memcheck
// reports each branch and each address that depends on one. The plain body is what runs (valgrind knows no
// AVX-512); it is the same source as the other.
//
//     ct_ec <operation>         eight lanes with secret scalars, one of them out of range; fails on any
//     report ct_ec control_branch      branches on a secret, control_address indexes with one: fail unless
//     reported
#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "crypto/mb/ed25519.h"
#include "crypto/mb/kernels.h"

enum {
	LEN_MAX = 104
};

static const struct mb_kernels *const kernels = &mb_kernels_plain;

static uint8_t secrets[MB_LANES][LEN_MAX];
static uint8_t peers[MB_LANES][LEN_MAX];
static uint8_t results[MB_LANES][LEN_MAX];
static const uint8_t *secret_pointers[MB_LANES], *peer_pointers[MB_LANES];
static uint8_t *result_pointers[MB_LANES];

// Scalars that are in range on every curve, but for lane 5, which is zero: no scalar may be special in time
// either.
static void set_up(void)
{
	for (unsigned i = 0; i < MB_LANES; i++) {
		for (unsigned j = 0; j < LEN_MAX; j++)
			secrets[i][j] = (uint8_t)(i == 5 ? 0 : 17 * i + 29 * j + i * j * 3 + 1);
		secrets[i][0] &= 0x3f;
		secret_pointers[i] = secrets[i];
		peer_pointers[i] = peers[i];
		result_pointers[i] = results[i];
	}
}

static void mark(void)
{
	(void)VALGRIND_MAKE_MEM_UNDEFINED(secrets, sizeof(secrets));
}

// Valid points: the multiples of the base point by the scalars, before these become secret.
static void peers_of_p256(void)
{
	secrets[5][31] = 1;
	(void)kernels->p256_keygen((uint8_t *const *)(uintptr_t)peer_pointers, secret_pointers, MB_LANES);
	secrets[5][31] = 0;
}

static void peers_of_p384(void)
{
	secrets[5][47] = 1;
	(void)kernels->p384_keygen((uint8_t *const *)(uintptr_t)peer_pointers, secret_pointers, MB_LANES);
	secrets[5][47] = 0;
}

static uint64_t x25519_keygen(void)
{
	mark();
	return kernels->x25519_keygen(result_pointers, secret_pointers, MB_LANES);
}

static uint64_t x25519_shared(void)
{
	(void)kernels->x25519_keygen((uint8_t *const *)(uintptr_t)peer_pointers, secret_pointers, MB_LANES);
	memset(peers[3], 0, 32); // a peer of low order
	mark();
	return kernels->x25519_shared(result_pointers, secret_pointers, peer_pointers, MB_LANES);
}

static uint64_t p256_keygen(void)
{
	mark();
	return kernels->p256_keygen(result_pointers, secret_pointers, MB_LANES);
}

static uint64_t p256_ecdh(void)
{
	peers_of_p256();
	mark();
	return kernels->p256_ecdh(result_pointers, secret_pointers, peer_pointers, MB_LANES);
}

static uint64_t p384_keygen(void)
{
	mark();
	return kernels->p384_keygen(result_pointers, secret_pointers, MB_LANES);
}

static uint64_t p384_ecdh(void)
{
	static struct mb_p384_job job;

	peers_of_p384();
	mark();
	kernels->p384_ecdh_begin(&job, secret_pointers, peer_pointers, MB_LANES);
	while (kernels->p384_step(&job))
		;
	return kernels->p384_ecdh_finish(&job, result_pointers);
}

// Keys, nonces and completion; digests are public.
static uint64_t sign(enum mb_curve curve)
{
	static struct mb_ecdsa_nonce nonces[MB_LANES];
	static const uint8_t digest[MB_SCALAR_LEN_MAX] = {1, 2, 3};
	struct mb_ecdsa_nonce *pointers[MB_LANES];
	struct mb_ecdsa_key key;
	uint64_t done;
	uint64_t valid = 0;

	for (unsigned i = 0; i < MB_LANES; i++)
		pointers[i] = &nonces[i];
	mark();
	done = (curve == MB_P256 ? kernels->p256_ecdsa_prepare : kernels->p384_ecdsa_prepare)(
		pointers, secret_pointers, MB_LANES);
	for (unsigned i = 0; i < MB_LANES; i++) {
		valid |= (uint64_t)mb_ecdsa_key_set(&key, curve, secrets[i]) << i;
		valid |= (uint64_t)mb_ecdsa_complete(&key, &nonces[i], digest, results[i], results[i] + 48)
			 << i;
	}
	return done & valid;
}

static uint64_t ecdsa_p256(void)
{
	return sign(MB_P256);
}

static uint64_t ecdsa_p384(void)
{
	return sign(MB_P384);
}

static uint64_t ed25519_sign(void)
{
	struct mb_ed25519_key keys[MB_LANES];
	const struct mb_ed25519_key *pointers[MB_LANES];
	struct span messages[MB_LANES];

	mark();
	for (unsigned i = 0; i < MB_LANES; i++) {
		mb_ed25519_key_set(&keys[i], kernels, secrets[i]);
		pointers[i] = &keys[i];
		messages[i] = span_of_string("a message that everybody may read");
	}
	return kernels->ed25519_sign(result_pointers, pointers, messages, MB_LANES);
}

static uint64_t control_branch(void)
{
	static volatile uint8_t odd;

	mark();
	if (secrets[1][1] & 1)
		odd = 1;
	return odd;
}

static uint64_t control_address(void)
{
	static volatile uint8_t table[256];

	mark();
	return table[secrets[1][1]];
}

static const struct {
	const char *name;
	uint64_t (*run)(void);
	uint64_t expected; // the mask of successes
	bool control;
} operations[] = {
	{"x25519_keygen", x25519_keygen, 0xff, false},
	{"x25519_shared", x25519_shared, 0xf7, false},
	{"p256_keygen", p256_keygen, 0xdf, false},
	{"p256_ecdh", p256_ecdh, 0xdf, false},
	{"p384_keygen", p384_keygen, 0xdf, false},
	{"p384_ecdh", p384_ecdh, 0xdf, false},
	{"ecdsa_p256", ecdsa_p256, 0xdf, false},
	{"ecdsa_p384", ecdsa_p384, 0xdf, false},
	{"ed25519_sign", ed25519_sign, 0xff, false},
	{"control_branch", control_branch, 0, true},
	{"control_address", control_address, 0, true},
};

int main(int argc, char **argv)
{
	if (!RUNNING_ON_VALGRIND) {
		printf("skipped: not under valgrind\n");
		return 77;
	}
	for (unsigned i = 0; argc > 1 && i < sizeof(operations) / sizeof(operations[0]); i++) {
		unsigned n_before, n_reports;
		uint64_t done;

		if (strcmp(argv[1], operations[i].name) != 0)
			continue;
		set_up();
		n_before = (unsigned)VALGRIND_COUNT_ERRORS;
		done = operations[i].run();
		n_reports = (unsigned)VALGRIND_COUNT_ERRORS - n_before;
		(void)VALGRIND_MAKE_MEM_DEFINED(&done, sizeof(done)); // which requests failed is public
		printf("%u reports, mask %02x\n", n_reports, (unsigned)done);
		if (operations[i].control)
			return n_reports > 0 ? 0 : 1;
		return n_reports == 0 && done == operations[i].expected ? 0 : 1;
	}
	printf("no such operation\n");
	return 1;
}
