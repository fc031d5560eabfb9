// SPDX-License-Identifier: Apache-2.0
//
// RSA signatures against Wycheproof's sets and NIST's, read in place. Vectors with SHA-1, SHA-224 and moduli
// below 2048 bits are left out: there is no code for them.
//
// Vectors of one size are gathered to eight and run through each body together; the IFMA body sees every
// vector in every lane. A vector that verifies and whose primes are known is also signed, and has to come out
// the same.
#include "base/assert.h"
#include "crypto/mb/kernels.h"
#include "crypto/rsa_padding.h"
#include "kat/kat.h"
#include "rsa_fixture.h"

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/x509.h>
#include <stdlib.h>

enum {
	N_LANES = MB_LANES,
	KEYS_MAX = 512
};

struct vector {
	const char *set;
	char name[32];
	bool is_pss;
	bool valid;
	enum hash_id hash;
	uint8_t digest[HASH_MAX_LEN];
	struct span n, salt, signature; // of the salt, the length counts when verifying
	uint32_t e;
	struct rsa_fixture *key; // to sign with; NULL: only verify
};

// Vectors waiting for company.
struct batch {
	struct vector vectors[N_LANES];
	unsigned n;
	enum mb_rsa_size size;
};

static const struct mb_kernels *bodies[2];
static unsigned n_bodies;
static struct mb_rsa_job *job;
static struct batch to_verify, to_sign;
static struct rsa_fixture *keys[KEYS_MAX];
static struct mb_rsa_blinding *blindings[KEYS_MAX];
static unsigned n_keys;

static struct rsa_fixture *add_key(const BIGNUM *p, const BIGNUM *q, uint32_t e)
{
	SLUICE_ASSERT(n_keys < KEYS_MAX);
	keys[n_keys] = rsa_fixture_from_primes(p, q, e);
	blindings[n_keys] = rsa_fixture_blinding_new(keys[n_keys]->size);
	return keys[n_keys++];
}

static struct mb_rsa_blinding *blinding_of(const struct rsa_fixture *key)
{
	unsigned i = 0;

	while (i < n_keys && keys[i] != key)
		i++;
	SLUICE_ASSERT(i < n_keys);
	return blindings[i];
}

static bool decodes(const struct vector *vector, struct span em)
{
	return vector->is_pss ? rsa_pss_verify(vector->hash, vector->digest, vector->salt.len, em)
			      : rsa_pkcs1_verify(vector->hash, vector->digest, em);
}

static void verify_rotated(const struct mb_kernels *kernels, unsigned rotation, bool passed[N_LANES])
{
	uint8_t memory[N_LANES][MB_RSA_LEN_MAX];
	struct mb_rsa_check checks[N_LANES];
	uint8_t *messages[N_LANES];
	size_t len = MB_RSA_LEN(to_verify.size);
	uint64_t ok;

	for (unsigned lane = 0; lane < to_verify.n; lane++) {
		const struct vector *vector = &to_verify.vectors[(lane + rotation) % to_verify.n];

		messages[lane] = memory[lane];
		checks[lane] = (struct mb_rsa_check){
			.n = vector->n.data, .e = vector->e, .signature = vector->signature.data};
	}
	ok = kernels->rsa_verify(job, to_verify.size, checks, messages, to_verify.n);
	for (unsigned lane = 0; lane < to_verify.n; lane++) {
		const struct vector *vector = &to_verify.vectors[(lane + rotation) % to_verify.n];
		bool good = (ok >> lane & 1) != 0 && decodes(vector, span_of(messages[lane], len));

		if (good != vector->valid)
			passed[(lane + rotation) % to_verify.n] = false;
	}
}

static void encode(const struct vector *vector, struct mut_span em)
{
	if (vector->is_pss)
		rsa_pss_encode(vector->hash, vector->digest, vector->salt, em);
	else
		rsa_pkcs1_encode(vector->hash, vector->digest, em);
}

static void sign_rotated(const struct mb_kernels *kernels, unsigned rotation, bool passed[N_LANES])
{
	uint8_t ems[N_LANES][MB_RSA_LEN_MAX], memory[N_LANES][MB_RSA_LEN_MAX];
	struct mb_rsa_request requests[N_LANES];
	enum mb_rsa_verdict verdicts[N_LANES];
	uint8_t *signatures[N_LANES];
	size_t len = MB_RSA_LEN(to_sign.size);

	for (unsigned lane = 0; lane < to_sign.n; lane++) {
		const struct vector *vector = &to_sign.vectors[(lane + rotation) % to_sign.n];

		signatures[lane] = memory[lane];
		encode(vector, (struct mut_span){ems[lane], len});
		requests[lane] = (struct mb_rsa_request){.key = vector->key->key,
			.blinding = blinding_of(vector->key),
			.message = ems[lane],
			.blinding_power = (uint32_t)rand()};
	}
	kernels->rsa_sign_begin(job, requests, to_sign.n);
	while (kernels->rsa_sign_step(job, MB_RSA_SLICE)) {
	}
	(void)kernels->rsa_sign_finish(job, signatures, verdicts);
	for (unsigned lane = 0; lane < to_sign.n; lane++) {
		const struct vector *vector = &to_sign.vectors[(lane + rotation) % to_sign.n];

		if (verdicts[lane] != MB_RSA_OK ||
			!span_equal(vector->signature, span_of(signatures[lane], len)))
			passed[(lane + rotation) % to_sign.n] = false;
	}
}

// Runs what waits in a batch: in the IFMA body in each rotation, in the slow plain body once.
static void flush(struct batch *batch, void (*run)(const struct mb_kernels *, unsigned, bool[N_LANES]))
{
	bool passed[N_LANES] = {true, true, true, true, true, true, true, true};

	if (batch->n == 0)
		return;
	for (unsigned body = 0; body < n_bodies; body++) {
		unsigned n_rotations = bodies[body] == &mb_kernels_plain ? 1 : batch->n;

		for (unsigned rotation = 0; rotation < n_rotations; rotation++)
			run(bodies[body], rotation, passed);
	}
	for (unsigned i = 0; i < batch->n; i++)
		kat_check(passed[i], batch->vectors[i].set, batch->vectors[i].name);
	batch->n = 0;
}

static void flush_all(void)
{
	flush(&to_verify, verify_rotated);
	flush(&to_sign, sign_rotated);
}

static void add(struct batch *batch, const struct vector *vector, enum mb_rsa_size size)
{
	if (batch->n == N_LANES || batch->size != size)
		flush(batch, batch == &to_verify ? verify_rotated : sign_rotated);
	batch->size = size;
	batch->vectors[batch->n++] = *vector;
}

static void check(struct vector *vector)
{
	enum mb_rsa_size size;

	while (vector->n.len > 0 && vector->n.data[0] == 0)
		vector->n = span_of(vector->n.data + 1, vector->n.len - 1);
	if (!mb_rsa_size_of(vector->n, &size))
		return;
	// RFC 8017 8.1.2 and 8.2.2, step 1: nothing to compute.
	if (vector->signature.len != MB_RSA_LEN(size)) {
		kat_check(!vector->valid, vector->set, vector->name);
		return;
	}
	add(&to_verify, vector, size);
	if (vector->key != NULL && vector->valid)
		add(&to_sign, vector, size);
}

// False for hashes that are not ours.
static bool find_hash(const char *name, enum hash_id *out_hash)
{
	static const char *const names[N_HASHES][2] = {
		{"SHA-256", "SHA256"}, {"SHA-384", "SHA384"}, {"SHA-512", "SHA512"}};

	for (unsigned i = 0; i < 2 * N_HASHES; i++) {
		if (strcmp(name, names[i / 2][i % 2]) == 0) {
			*out_hash = i / 2;
			return true;
		}
	}
	return false;
}

static uint32_t exponent_of(struct span bytes)
{
	uint64_t e = 0;

	for (size_t i = 0; i < bytes.len; i++)
		e = e << 8 | bytes.data[i];
	SLUICE_ASSERT(e <= UINT32_MAX);
	return (uint32_t)e;
}

static const char *text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value == NULL ? "" : value;
}

static struct rsa_fixture *key_of_group(const json_t *group)
{
	struct span der = kat_parse(text(group, "privateKeyPkcs8"));
	const uint8_t *at = der.data;
	BIGNUM *p = NULL, *q = NULL, *e = NULL;
	struct rsa_fixture *key = NULL;
	EVP_PKEY *pkey;

	if (der.len == 0)
		return NULL;
	pkey = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
	SLUICE_ASSERT(pkey != NULL && EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR1, &p) &&
		      EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR2, &q) &&
		      EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e));
	// Primes of unequal size are refused when a key is loaded; these groups are verified only.
	if (BN_num_bits(p) == BN_num_bits(q))
		key = add_key(p, q, (uint32_t)BN_get_word(e));
	BN_free(p);
	BN_free(q);
	BN_free(e);
	EVP_PKEY_free(pkey);
	return key;
}

static void check_wycheproof_test(const json_t *test, struct vector vector)
{
	struct span message = kat_parse(text(test, "msg"));

	vector.signature = kat_parse(text(test, "sig"));
	// "acceptable" when generating is a small exponent; when verifying it is a DigestInfo without NULL,
	// which we refuse.
	vector.valid = strcmp(text(test, "result"), "valid") == 0 ||
		       (strstr(vector.set, "sig_gen") != NULL &&
			       strcmp(text(test, "result"), "acceptable") == 0);
	(void)snprintf(vector.name, sizeof(vector.name), "tcId %lld",
		(long long)json_integer_value(json_object_get(test, "tcId")));
	hash_digest(vector.hash, message, vector.digest);
	check(&vector);
}

static void check_wycheproof(const char *path)
{
	const char *full = kat_path(KAT_SLUICE_VECTORS, path);
	json_t *root, *group, *test;
	size_t i, j;

	if (full == NULL)
		return;
	root = json_load_file(full, 0, NULL);
	SLUICE_ASSERT(root != NULL);
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		static const uint8_t no_salt[HASH_MAX_LEN];
		struct vector vector = {.set = path, .is_pss = strstr(path, "_pss_") != NULL};
		const json_t *public = json_object_get(group, "publicKey");

		if (!find_hash(text(group, "sha"), &vector.hash))
			continue;
		vector.key = key_of_group(group);
		if (public == NULL)
		public = json_object_get(group, "privateKey");
		vector.n = kat_parse(text(public, "modulus"));
		vector.e = exponent_of(kat_parse(text(public, "publicExponent")));
		vector.salt = span_of(no_salt, (size_t)json_integer_value(json_object_get(group, "sLen")));
		json_array_foreach(json_object_get(group, "tests"), j, test)
			check_wycheproof_test(test, vector);
		flush_all();
		kat_reset();
	}
	json_decref(root);
}

// A number of a NIST file, kept while the file's blocks go by.
static void keep(BIGNUM **number, const struct kat_file *file, const char *name)
{
	const char *value = kat_field(file, name);

	if (value != NULL)
		BN_hex2bn(number, value);
}

static void check_nist_block(const struct kat_file *file, bool is_pss, BIGNUM *const numbers[4])
{
	struct vector vector = {.set = file->path, .is_pss = is_pss};
	const char *result = kat_field(file, "Result");
	char *n = BN_bn2hex(numbers[0]);
	enum mb_rsa_size size;

	vector.n = kat_parse(n);
	OPENSSL_free(n);
	if (!find_hash(kat_field(file, "SHAAlg"), &vector.hash) || !mb_rsa_size_of(vector.n, &size))
		return;
	vector.e = (uint32_t)BN_get_word(numbers[1]);
	vector.valid = result == NULL || *result == 'P';
	if (is_pss)
		vector.salt = kat_bytes(file, "SaltVal");
	vector.signature = kat_bytes(file, "S");
	(void)snprintf(vector.name, sizeof(vector.name), "S %.16s", kat_field(file, "S"));
	hash_digest(vector.hash, kat_bytes(file, "Msg"), vector.digest);
	if (numbers[2] != NULL && vector.valid)
		vector.key = add_key(numbers[2], numbers[3], vector.e);
	check(&vector);
}

static void check_nist(const char *path, bool is_pss)
{
	BIGNUM *numbers[4] = {NULL}; // n, e, p, q
	struct kat_file file;

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	while (kat_next(&file)) {
		keep(&numbers[0], &file, "n");
		keep(&numbers[1], &file, "e");
		keep(&numbers[2], &file, "p");
		keep(&numbers[3], &file, "q");
		if (kat_field(&file, "SHAAlg") != NULL)
			check_nist_block(&file, is_pss, numbers);
	}
	flush_all();
	kat_reset();
	for (unsigned i = 0; i < 4; i++)
		BN_free(numbers[i]);
}

int main(void)
{
	static const char *const wycheproof[] = {"pkcs1_2048_sig_gen", "pkcs1_3072_sig_gen",
		"pkcs1_4096_sig_gen", "signature_2048_sha256", "signature_2048_sha384",
		"signature_2048_sha512", "pss_2048_sha256_mgf1_0", "pss_2048_sha256_mgf1_32",
		"pss_2048_sha384_mgf1_48", "pss_3072_sha256_mgf1_32", "pss_4096_sha256_mgf1_32",
		"pss_4096_sha384_mgf1_48", "pss_4096_sha512_mgf1_64"};

	bodies[n_bodies++] = &mb_kernels_plain;
	if (mb_kernels_select() != NULL)
		bodies[n_bodies++] = mb_kernels_select();
	job = rsa_fixture_job_new();
	for (size_t i = 0; i < sizeof(wycheproof) / sizeof(wycheproof[0]); i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "wycheproof/rsa_%s_test.json", wycheproof[i]);
		check_wycheproof(path);
	}
	check_nist("asymmetric/RSA/FIPS_186-2/SigGen15_186-2.rsp", false);
	check_nist("asymmetric/RSA/FIPS_186-2/SigGen15_186-3.rsp", false);
	check_nist("asymmetric/RSA/FIPS_186-2/SigVer15_186-3.rsp", false);
	check_nist("asymmetric/RSA/SigVer15EMTest.txt", false);
	check_nist("asymmetric/RSA/FIPS_186-2/SigGenPSS_186-2.txt", true);
	check_nist("asymmetric/RSA/FIPS_186-2/SigVerPSS_186-3.rsp", true);
	for (unsigned i = 0; i < n_keys; i++) {
		rsa_fixture_free(keys[i]);
		free(blindings[i]);
	}
	free(job);
	return kat_finish();
}
