// SPDX-License-Identifier: Apache-2.0
//
// AES-GCM and ChaCha20-Poly1305 against NIST's, Wycheproof and BoringSSL sets, read in place. TLS uses nonces
// of 12 and tags of 16 bytes only, so vectors with others are left out. Every vector is opened and sealed in
// one piece, and again cut into pieces.
#include "base/assert.h"
#include "crypto/aead.h"
#include "kat/kat.h"

#include <jansson.h>
#include <stdlib.h>

enum {
	MESSAGE_MAX_LEN = 4096
};

static struct aead_cache cache;

struct vector {
	const char *set;
	const char *name;
	enum aead_id id;
	struct span key, nonce, aad, plaintext, ciphertext, tag;
	bool valid;
};

// Through the burst form in two pieces: with the XOR form and number 0 the nonce is the iv itself.
static bool agrees_in_pieces(const struct vector *v, struct aead_key *key, const uint8_t *box)
{
	uint8_t sealed[MESSAGE_MAX_LEN + AEAD_TAG_LEN], opened[MESSAGE_MAX_LEN];
	size_t len = v->plaintext.len, cut = len / 3;
	const struct span plain_pieces[2] = {
		span_of(v->plaintext.data, cut), span_of(v->plaintext.data + cut, len - cut)};
	const struct span box_pieces[2] = {span_of(box, cut), span_of(box + cut, len - cut + AEAD_TAG_LEN)};
	const struct mut_span sealed_pieces[2] = {
		{sealed, len / 2}, {sealed + len / 2, len - len / 2 + AEAD_TAG_LEN}};
	const struct mut_span opened_pieces[2] = {{opened, len / 2}, {opened + len / 2, len - len / 2}};
	struct aead_job seal = {.key = key,
		.aad = v->aad,
		.inputs = plain_pieces,
		.n_inputs = 2,
		.outputs = sealed_pieces,
		.n_outputs = 2};
	struct aead_job open = {.key = key,
		.aad = v->aad,
		.inputs = box_pieces,
		.n_inputs = 2,
		.outputs = opened_pieces,
		.n_outputs = 2};

	if (v->valid) {
		aead_seal_burst(&cache, &seal, 1);
		if (memcmp(sealed, box, len + AEAD_TAG_LEN) != 0)
			return false;
	}
	if ((aead_open_burst(&cache, &open, 1) == 0) != v->valid)
		return false;
	return !v->valid || memcmp(opened, v->plaintext.data, len) == 0;
}

static void check(struct vector *v)
{
	struct aead_key key;
	uint8_t box[MESSAGE_MAX_LEN + AEAD_TAG_LEN], out[MESSAGE_MAX_LEN + AEAD_TAG_LEN];
	size_t len = v->ciphertext.len;
	bool passed;

	if (v->nonce.len != AEAD_NONCE_LEN || v->tag.len != AEAD_TAG_LEN || v->key.len != aead_key_len(v->id))
		return;
	SLUICE_ASSERT(len <= MESSAGE_MAX_LEN);
	if (!v->valid)
		v->plaintext = span_of(out, len);
	memset(out, 0, sizeof out);
	memcpy(box, v->ciphertext.data, len);
	memcpy(box + len, v->tag.data, AEAD_TAG_LEN);
	aead_key_init(&cache, &key, v->id, AEAD_NONCE_XOR, (const struct span[]){v->key, v->nonce});
	passed = v->plaintext.len == len && agrees_in_pieces(v, &key, box);
	if (passed && v->valid) {
		aead_seal(&cache, &key, v->nonce.data, (const struct span[]){v->aad, v->plaintext},
			(struct mut_span){out, len + AEAD_TAG_LEN});
		passed = memcmp(out, box, len + AEAD_TAG_LEN) == 0;
	}
	passed = passed && (aead_open(&cache, &key, v->nonce.data,
				    (const struct span[]){v->aad, span_of(box, len + AEAD_TAG_LEN)},
				    (struct mut_span){out, len}) == AEAD_OK) == v->valid;
	passed = passed && (!v->valid || memcmp(out, v->plaintext.data, len) == 0);
	kat_check(passed, v->set, v->name);
	aead_key_destroy(&cache, &key);
}

static void check_nist_gcm(const char *path, enum aead_id id)
{
	struct kat_file file;

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	while (kat_next(&file)) {
		struct vector vector = {
			.set = path,
			.name = kat_field(&file, "Key"),
			.id = id,
			.key = kat_bytes(&file, "Key"),
			.nonce = kat_bytes(&file, "IV"),
			.aad = kat_bytes(&file, "AAD"),
			.plaintext = kat_bytes(&file, "PT"),
			.ciphertext = kat_bytes(&file, "CT"),
			.tag = kat_bytes(&file, "Tag"),
			.valid = kat_field(&file, "FAIL") == NULL,
		};

		if (vector.key.len != 0)
			check(&vector);
		kat_reset();
	}
}

static void check_boringssl(const char *path, enum aead_id id)
{
	struct kat_file file;

	if (!kat_open(&file, KAT_SLUICE_VECTORS, path))
		return;
	while (kat_next(&file)) {
		struct vector vector = {
			.set = path,
			.name = kat_field(&file, "TAG"),
			.id = id,
			.key = kat_bytes(&file, "KEY"),
			.nonce = kat_bytes(&file, "NONCE"),
			.aad = kat_bytes(&file, "AD"),
			.plaintext = kat_bytes(&file, "IN"),
			.ciphertext = kat_bytes(&file, "CT"),
			.tag = kat_bytes(&file, "TAG"),
			.valid = kat_field(&file, "FAILS") == NULL,
		};

		if (kat_field(&file, "NO_SEAL") == NULL)
			check(&vector);
		kat_reset();
	}
}

static struct span json_bytes(const json_t *object, const char *name)
{
	return kat_parse(json_string_value(json_object_get(object, name)));
}

static void check_wycheproof_test(const char *path, const json_t *test)
{
	struct vector vector = {
		.set = path,
		.name = json_string_value(json_object_get(test, "comment")),
		.key = json_bytes(test, "key"),
		.nonce = json_bytes(test, "iv"),
		.aad = json_bytes(test, "aad"),
		.plaintext = json_bytes(test, "msg"),
		.ciphertext = json_bytes(test, "ct"),
		.tag = json_bytes(test, "tag"),
		.valid = strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0,
	};

	if (strstr(path, "chacha20") != NULL)
		vector.id = AEAD_CHACHA20_POLY1305;
	else
		vector.id = vector.key.len == 16 ? AEAD_AES_128_GCM : AEAD_AES_256_GCM;
	check(&vector);
	kat_reset();
}

static void check_wycheproof(const char *path)
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
			check_wycheproof_test(path, test);
	}
	json_decref(root);
}

int main(void)
{
	struct arena arena;

	SLUICE_ASSERT(
		arena_init(&arena, aead_cache_footprint(4)) && aead_cache_init(&cache, &arena, 4, NULL));
	check_nist_gcm("ciphers/AES/GCM/gcmDecrypt128.rsp", AEAD_AES_128_GCM);
	check_nist_gcm("ciphers/AES/GCM/gcmDecrypt256.rsp", AEAD_AES_256_GCM);
	check_nist_gcm("ciphers/AES/GCM/gcmEncryptExtIV128.rsp", AEAD_AES_128_GCM);
	check_nist_gcm("ciphers/AES/GCM/gcmEncryptExtIV256.rsp", AEAD_AES_256_GCM);
	check_boringssl("boringssl-nist/aes_128_gcm_tests.txt", AEAD_AES_128_GCM);
	check_boringssl("boringssl-nist/aes_256_gcm_tests.txt", AEAD_AES_256_GCM);
	check_boringssl("boringssl-nist/chacha20_poly1305_tests.txt", AEAD_CHACHA20_POLY1305);
	check_wycheproof("wycheproof/aes_gcm_test.json");
	check_wycheproof("wycheproof/chacha20_poly1305_test.json");
	arena_destroy(&arena);
	return kat_finish();
}
