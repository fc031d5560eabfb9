// SPDX-License-Identifier: Apache-2.0
//
// X25519 against RFC 7748 (typed in below), Wycheproof and python3-cryptography-vectors.
#include "kat_lanes.h"

#include <jansson.h>
#include <string.h>

static uint64_t run_shared(const struct mb_kernels *kernels,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	uint8_t *outs[MB_LANES];
	const uint8_t *keys[MB_LANES], *peers[MB_LANES];

	for (unsigned i = 0; i < MB_LANES; i++) {
		outs[i] = out[i];
		keys[i] = vectors[i]->in[0];
		peers[i] = vectors[i]->in[1];
	}
	return kernels->x25519_shared(outs, keys, peers, MB_LANES);
}

static uint64_t run_keygen(const struct mb_kernels *kernels,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	uint8_t *outs[MB_LANES];
	const uint8_t *keys[MB_LANES];

	for (unsigned i = 0; i < MB_LANES; i++) {
		outs[i] = out[i];
		keys[i] = vectors[i]->in[0];
	}
	return kernels->x25519_keygen(outs, keys, MB_LANES);
}

static void add_shared(
	struct lanes *lanes, const char *name, struct span key, struct span peer, struct span shared)
{
	static const uint8_t zeros[32];
	struct lane_vector *vector = lanes_next(lanes, name);

	if (key.len != 32 || peer.len != 32 || shared.len != 32) {
		kat_check(false, lanes->set, "a length that is not 32");
		return;
	}
	memcpy(vector->in[0], key.data, 32);
	memcpy(vector->in[1], peer.data, 32);
	memcpy(vector->expected, shared.data, 32);
	vector->expected_len = 32;
	vector->valid = memcmp(shared.data, zeros, 32) != 0;
	lanes_add(lanes);
}

// RFC 7748 5.2, two single vectors.
static void check_rfc7748_single(void)
{
	struct lanes *lanes = lanes_begin("RFC 7748 5.2", run_shared);

	add_shared(lanes, "first",
		kat_parse("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
		kat_parse("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
		kat_parse("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
	add_shared(lanes, "second",
		kat_parse("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d"),
		kat_parse("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"),
		kat_parse("95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"));
	lanes_end(lanes);
	kat_reset();
}

// RFC 7748 5.2, iterated: after 1 and after 1,000 turns of k, u = X25519(k, u), k.
static void check_rfc7748_iterated(void)
{
	const struct mb_kernels *bodies[2] = {&mb_kernels_plain, mb_kernels_select()};
	struct span once = kat_parse("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
	struct span thousand = kat_parse("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");

	for (unsigned body = 0; body < 2 && bodies[body] != NULL; body++) {
		uint8_t k[32] = {9}, u[32] = {9}, next[32];

		for (int i = 0; i < 1000; i++) {
			uint8_t *out = next;
			const uint8_t *key = k, *peer = u;

			(void)bodies[body]->x25519_shared(&out, &key, &peer, 1);
			memcpy(u, k, 32);
			memcpy(k, next, 32);
			if (i == 0)
				kat_check(memcmp(k, once.data, 32) == 0, "RFC 7748 5.2", "iterated once");
		}
		kat_check(memcmp(k, thousand.data, 32) == 0, "RFC 7748 5.2", "iterated 1,000 times");
	}
	kat_reset();
}

static void add_public(struct lanes *lanes, const char *name, const char *key, const char *public_key)
{
	struct lane_vector *vector = lanes_next(lanes, name);

	memcpy(vector->in[0], kat_parse(key).data, 32);
	memcpy(vector->expected, kat_parse(public_key).data, 32);
	vector->expected_len = 32;
	vector->valid = true;
	lanes_add(lanes);
}

// RFC 7748 6.1: both sides of an exchange.
static void check_rfc7748_exchange(void)
{
	static const char alice[] = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
	static const char alice_public[] = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
	static const char bob[] = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
	static const char bob_public[] = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
	static const char shared[] = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
	struct lanes *keys = lanes_begin("RFC 7748 6.1", run_keygen);
	struct lanes *secrets = lanes_begin("RFC 7748 6.1", run_shared);

	add_public(keys, "Alice's public key", alice, alice_public);
	add_public(keys, "Bob's public key", bob, bob_public);
	add_shared(secrets, "Alice's secret", kat_parse(alice), kat_parse(bob_public), kat_parse(shared));
	add_shared(secrets, "Bob's secret", kat_parse(bob), kat_parse(alice_public), kat_parse(shared));
	lanes_end(keys);
	lanes_end(secrets);
	kat_reset();
}

static struct span json_bytes(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value == NULL ? span_of(NULL, 0) : kat_parse(value);
}

// The keys of x25519_asn_test.json lie in SubjectPublicKeyInfo and PKCS #8 (RFC 8410); those in this one form
// are taken.
static struct span after_prefix(struct span bytes, const char *prefix_hex)
{
	struct span prefix = kat_parse(prefix_hex);

	if (bytes.len != prefix.len + 32 || memcmp(bytes.data, prefix.data, prefix.len) != 0)
		return span_of(NULL, 0);
	return span_of(bytes.data + prefix.len, 32);
}

static void check_wycheproof(const char *path, bool der)
{
	const char *full = kat_path(KAT_SLUICE_VECTORS, path);
	json_t *root, *group, *test;
	struct lanes *lanes;
	unsigned n = 0, n_other = 0;
	size_t i, j;

	if (full == NULL)
		return;
	root = json_load_file(full, 0, NULL);
	lanes = lanes_begin(path, run_shared);
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			struct span key = json_bytes(test, "private"), peer = json_bytes(test, "public");
			struct span shared = json_bytes(test, "shared");

			if (der) {
				key = after_prefix(key, "302e020100300506032b656e04220420");
				peer = after_prefix(peer, "302a300506032b656e032100");
			}
			if (key.len == 32 && peer.len == 32 && shared.len == 32) {
				add_shared(lanes, json_string_value(json_object_get(test, "comment")), key,
					peer, shared);
				n++;
			} else {
				n_other++;
			}
			kat_reset();
		}
	}
	printf("%s: %u vectors taken, %u of other encodings\n", path, n, n_other);
	kat_check(n != 0, path, "nothing in it");
	lanes_end(lanes);
	json_decref(root);
}

static void check_cryptography_vectors(void)
{
	static const char path[] = "asymmetric/X25519/rfc7748.txt";
	struct kat_file file;
	struct lanes *lanes;

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	lanes = lanes_begin(path, run_shared);
	while (kat_next(&file)) {
		add_shared(lanes, kat_field(&file, "COUNT"), kat_bytes(&file, "INPUT_SCALAR"),
			kat_bytes(&file, "INPUT_U"), kat_bytes(&file, "OUTPUT_U"));
		kat_reset();
	}
	lanes_end(lanes);
}

int main(void)
{
	check_rfc7748_single();
	check_rfc7748_iterated();
	check_rfc7748_exchange();
	check_wycheproof("wycheproof/x25519_test.json", false);
	check_wycheproof("wycheproof/x25519_asn_test.json", true);
	check_cryptography_vectors();
	return kat_finish();
}
