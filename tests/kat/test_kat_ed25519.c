// SPDX-License-Identifier: Apache-2.0
//
// Ed25519 signing against RFC 8032 7.1 (typed in below) and BoringSSL's copy of the original 1,024 vectors.
// Wycheproof's set is for verification, which the kernels don't do: its valid signatures can't be made
// without private keys.
#include "kat_lanes.h"

#include "crypto/mb/ed25519.h"

#include <stdlib.h>
#include <string.h>

// Eight vectors at a time, turned through the lanes; messages are longer than struct lane_vector's inputs.
struct eight {
	const char *set;
	unsigned n;
	struct {
		uint8_t seed[32], public_key[32], signature[64];
		struct span message;
	} vectors[MB_LANES];
};

static void run(struct eight *eight)
{
	const struct mb_kernels *bodies[2] = {&mb_kernels_plain, mb_kernels_select()};

	for (unsigned body = 0; body < 2 && bodies[body] != NULL; body++) {
		struct mb_ed25519_key keys[MB_LANES];

		for (unsigned i = 0; i < eight->n; i++) {
			mb_ed25519_key_set(&keys[i], bodies[body], eight->vectors[i].seed);
			kat_check(memcmp(keys[i].public_key, eight->vectors[i].public_key, 32) == 0,
				eight->set, "a public key");
		}
		for (unsigned turn = 0; turn < eight->n; turn++) {
			uint8_t signatures[MB_LANES][64], *outs[MB_LANES];
			const struct mb_ed25519_key *key_pointers[MB_LANES];
			struct span messages[MB_LANES];

			for (unsigned lane = 0; lane < eight->n; lane++) {
				unsigned i = (lane + turn) % eight->n;

				outs[lane] = signatures[lane];
				key_pointers[lane] = &keys[i];
				messages[lane] = eight->vectors[i].message;
			}
			(void)bodies[body]->ed25519_sign(outs, key_pointers, messages, eight->n);
			for (unsigned lane = 0; lane < eight->n; lane++)
				kat_check(
					memcmp(signatures[lane],
						eight->vectors[(lane + turn) % eight->n].signature, 64) == 0,
					eight->set, "a signature");
		}
	}
	eight->n = 0;
	kat_reset();
}

static void add(struct eight *eight, struct span seed, struct span public_key, struct span message,
	struct span signature)
{
	if (seed.len < 32 || public_key.len != 32 || signature.len != 64) {
		kat_check(false, eight->set, "a length");
		return;
	}
	memcpy(eight->vectors[eight->n].seed, seed.data, 32);
	memcpy(eight->vectors[eight->n].public_key, public_key.data, 32);
	memcpy(eight->vectors[eight->n].signature, signature.data, 64);
	eight->vectors[eight->n].message = message;
	eight->n++;
	if (eight->n == MB_LANES)
		run(eight);
}

// RFC 8032 7.1: tests 1, 2, 3 and SHA(abc).
static const char *const rfc8032[][4] = {
	{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
		"b46b"
		"d25bf5f0595bbe24655141438e7a100b"},
	{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
		"1d8c"
		"387b2eaeb4302aeeb00d291612bb0c00"},
	{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
		"c659"
		"4a7c15e9716ed28dc027beceea1ec40a"},
	{"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
		"ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fe"
		"ebbd"
		"454d4423643ce80e2a9ac94fa54ca49f",
		"dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431"
		"e030"
		"3dca179c138ac17ad9bef1177331a704"},
};

int main(void)
{
	static const char path[] = "boringssl-nist/ed25519_tests.txt";
	struct eight eight = {.set = "RFC 8032 7.1"};
	struct kat_file file;

	for (unsigned i = 0; i < sizeof(rfc8032) / sizeof(rfc8032[0]); i++)
		add(&eight, kat_parse(rfc8032[i][0]), kat_parse(rfc8032[i][1]), kat_parse(rfc8032[i][2]),
			kat_parse(rfc8032[i][3]));
	run(&eight);
	eight.set = path;
	if (kat_open(&file, KAT_SLUICE_VECTORS, path)) {
		while (kat_next(&file))
			add(&eight, kat_bytes(&file, "PRIV"), kat_bytes(&file, "PUB"),
				kat_bytes(&file, "MESSAGE"), kat_bytes(&file, "SIG"));
		run(&eight);
	}
	return kat_finish();
}
