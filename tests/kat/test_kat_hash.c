// SPDX-License-Identifier: Apache-2.0
//
// SHA-256/384/512, HMAC and HKDF against NIST's, RFC, Wycheproof and BoringSSL sets, read in place.
#include "crypto/kdf.h"
#include "kat/kat.h"

#include <jansson.h>
#include <stdlib.h>

static const struct {
	enum hash_id id;
	const char *name;
} hashes[] = {{HASH_SHA256, "SHA256"}, {HASH_SHA384, "SHA384"}, {HASH_SHA512, "SHA512"}};

static void check_digest(const char *path, enum hash_id id)
{
	struct kat_file file;
	uint8_t digest[HASH_MAX_LEN];

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	while (kat_next(&file)) {
		struct span message = kat_bytes(&file, "Msg");

		message.len = strtoul(kat_field(&file, "Len"), NULL, 10) / 8;
		hash_digest(id, message, digest);
		kat_check(span_equal(span_of(digest, hash_len(id)), kat_bytes(&file, "MD")), path,
			kat_field(&file, "Len"));
		kat_reset();
	}
}

// SHAVS 6.4: 1,000 digests of the three before each, for each of 100 counts.
static void check_monte_carlo(const char *path, enum hash_id id)
{
	struct kat_file file;
	size_t len = hash_len(id);
	uint8_t md[3][HASH_MAX_LEN];
	uint8_t seed[HASH_MAX_LEN];

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	while (kat_next(&file)) {
		if (kat_field(&file, "Seed") != NULL) {
			memcpy(seed, kat_bytes(&file, "Seed").data, len);
			continue;
		}
		for (int i = 0; i < 3; i++)
			memcpy(md[i], seed, len);
		for (int i = 0; i < 1000; i++) {
			struct hash_state state;

			hash_init(&state, id);
			for (int j = 0; j < 3; j++)
				hash_update(&state, span_of(md[j], len));
			memmove(md[0], md[1], 2 * sizeof md[0]);
			hash_final(&state, md[2]);
		}
		memcpy(seed, md[2], len);
		kat_check(span_equal(span_of(seed, len), kat_bytes(&file, "MD")), path,
			kat_field(&file, "COUNT"));
		kat_reset();
	}
}

static void check_nist_hashes(void)
{
	for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
		char path[128];

		(void)snprintf(path, sizeof path, "hashes/SHA2/%sShortMsg.rsp", hashes[i].name);
		check_digest(path, hashes[i].id);
		(void)snprintf(path, sizeof path, "hashes/SHA2/%sLongMsg.rsp", hashes[i].name);
		check_digest(path, hashes[i].id);
		(void)snprintf(path, sizeof path, "hashes/SHA2/%sMonte.rsp", hashes[i].name);
		check_monte_carlo(path, hashes[i].id);
	}
}

static void check_rfc4231(const char *path, enum hash_id id)
{
	struct kat_file file;
	uint8_t tag[HASH_MAX_LEN];

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	while (kat_next(&file)) {
		struct span expected = kat_bytes(&file, "MD");

		hmac(id, kat_bytes(&file, "Key"), kat_bytes(&file, "Msg"), tag);
		kat_check(expected.len >= 16 && expected.len <= hash_len(id) &&
				  memcmp(tag, expected.data, expected.len) == 0,
			path, kat_field(&file, "Msg"));
		kat_reset();
	}
}

static void check_boringssl_hmac(void)
{
	static const char path[] = "boringssl-nist/hmac_tests.txt";
	struct kat_file file;
	uint8_t tag[HASH_MAX_LEN];

	if (!kat_open(&file, KAT_SLUICE_VECTORS, path))
		return;
	while (kat_next(&file)) {
		const char *name = kat_field(&file, "HMAC");

		for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
			if (name == NULL || strcmp(name, hashes[i].name) != 0)
				continue;
			hmac(hashes[i].id, kat_bytes(&file, "Key"), kat_bytes(&file, "Input"), tag);
			kat_check(
				span_equal(span_of(tag, hash_len(hashes[i].id)), kat_bytes(&file, "Output")),
				path, name);
		}
		kat_reset();
	}
}

static void check_rfc5869(void)
{
	static const char path[] = "KDF/rfc-5869-HKDF-SHA256.txt";
	struct kat_file file;
	uint8_t prk[32], okm[255];
	size_t len = 0;

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	// The results stand in the block of the inputs or in the one behind it.
	while (kat_next(&file)) {
		if (kat_field(&file, "IKM") != NULL) {
			len = strtoul(kat_field(&file, "L"), NULL, 10);
			hkdf_extract(HASH_SHA256, kat_bytes(&file, "salt"), kat_bytes(&file, "IKM"), prk);
			hkdf_expand(HASH_SHA256, span_of(prk, 32), kat_bytes(&file, "info"),
				(struct mut_span){okm, len});
		}
		if (kat_field(&file, "OKM") != NULL) {
			kat_check(span_equal(span_of(prk, 32), kat_bytes(&file, "PRK")), path, "PRK");
			kat_check(span_equal(span_of(okm, len), kat_bytes(&file, "OKM")), path, "OKM");
		}
		kat_reset();
	}
}

static struct span json_bytes(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value == NULL ? span_of(NULL, 0) : kat_parse(value);
}

static void check_wycheproof_hkdf(const char *path, enum hash_id id, const json_t *test)
{
	uint8_t prk[HASH_MAX_LEN];
	uint8_t *okm;
	struct span expected = json_bytes(test, "okm");
	size_t len = (size_t)json_integer_value(json_object_get(test, "size"));

	// The invalid ones ask for more than 255 blocks, which hkdf_expand asserts against.
	if (strcmp(json_string_value(json_object_get(test, "result")), "valid") != 0) {
		kat_check(len > 255 * hash_len(id), path, "an invalid one that is not too long");
		return;
	}
	okm = malloc(len + 1);
	hkdf_extract(id, json_bytes(test, "salt"), json_bytes(test, "ikm"), prk);
	hkdf_expand(id, span_of(prk, hash_len(id)), json_bytes(test, "info"), (struct mut_span){okm, len});
	kat_check(span_equal(span_of(okm, len), expected), path,
		json_string_value(json_object_get(test, "comment")));
	free(okm);
}

static void check_wycheproof_hmac(const char *path, enum hash_id id, const json_t *test)
{
	uint8_t tag[HASH_MAX_LEN];
	struct span expected = json_bytes(test, "tag");
	bool valid = strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0;

	hmac(id, json_bytes(test, "key"), json_bytes(test, "msg"), tag);
	kat_check(expected.len <= hash_len(id) && (memcmp(tag, expected.data, expected.len) == 0) == valid,
		path, json_string_value(json_object_get(test, "comment")));
}

static void check_wycheproof(const char *path, enum hash_id id,
	void (*check)(const char *path, enum hash_id id, const json_t *test))
{
	const char *full = kat_path(KAT_SLUICE_VECTORS, path);
	json_t *root, *group, *test;
	size_t i, j;

	if (full == NULL)
		return;
	root = json_load_file(full, 0, NULL);
	kat_check(root != NULL && json_array_size(json_object_get(root, "testGroups")) != 0, path,
		"unreadable");
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			check(path, id, test);
			kat_reset();
		}
	}
	json_decref(root);
}

int main(void)
{
	check_nist_hashes();
	check_rfc4231("HMAC/rfc-4231-sha256.txt", HASH_SHA256);
	check_rfc4231("HMAC/rfc-4231-sha384.txt", HASH_SHA384);
	check_rfc4231("HMAC/rfc-4231-sha512.txt", HASH_SHA512);
	check_boringssl_hmac();
	check_rfc5869();
	check_wycheproof("wycheproof/hmac_sha256_test.json", HASH_SHA256, check_wycheproof_hmac);
	check_wycheproof("wycheproof/hmac_sha384_test.json", HASH_SHA384, check_wycheproof_hmac);
	check_wycheproof("wycheproof/hmac_sha512_test.json", HASH_SHA512, check_wycheproof_hmac);
	check_wycheproof("wycheproof/hkdf_sha256_test.json", HASH_SHA256, check_wycheproof_hkdf);
	check_wycheproof("wycheproof/hkdf_sha384_test.json", HASH_SHA384, check_wycheproof_hkdf);
	return kat_finish();
}
