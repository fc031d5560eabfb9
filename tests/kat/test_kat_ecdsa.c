// SPDX-License-Identifier: Apache-2.0
//
// ECDSA on P-256 and P-384 against RFC 6979 (typed in below), Wycheproof, BoringSSL's and NIST's sets.
#include "kat_lanes.h"

#include "crypto/der.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <string.h>

enum {
	IN_DIGEST, // both
	IN_R,      // verification; the private key in signing
	IN_S,      // verification; the nonce in signing
	IN_KEY,    // verification
};

static uint64_t run_verify(const struct mb_kernels *kernels, enum mb_curve curve,
	const struct lane_vector *const vectors[MB_LANES])
{
	static struct mb_p384_job job;
	struct mb_ecdsa_check checks[MB_LANES];

	for (unsigned i = 0; i < MB_LANES; i++)
		checks[i] = (struct mb_ecdsa_check){vectors[i]->in[IN_DIGEST], vectors[i]->in[IN_R],
			vectors[i]->in[IN_S], vectors[i]->in[IN_KEY]};
	if (curve == MB_P256)
		return kernels->p256_ecdsa_verify(checks, MB_LANES);
	kernels->p384_verify_begin(&job, checks, MB_LANES);
	while (kernels->p384_step(&job))
		;
	return kernels->p384_verify_finish(&job);
}

static uint64_t run_verify_p256(const struct mb_kernels *kernels,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	(void)out;
	return run_verify(kernels, MB_P256, vectors);
}

static uint64_t run_verify_p384(const struct mb_kernels *kernels,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	(void)out;
	return run_verify(kernels, MB_P384, vectors);
}

// Signs with given nonces: out is r | s.
static uint64_t run_sign(const struct mb_kernels *kernels, enum mb_curve curve,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	struct mb_ecdsa_nonce nonces[MB_LANES], *nonce_pointers[MB_LANES];
	const uint8_t *scalars[MB_LANES];
	uint64_t done;

	for (unsigned i = 0; i < MB_LANES; i++) {
		nonce_pointers[i] = &nonces[i];
		scalars[i] = vectors[i]->in[IN_S];
	}
	done = (curve == MB_P256 ? kernels->p256_ecdsa_prepare : kernels->p384_ecdsa_prepare)(
		nonce_pointers, scalars, MB_LANES);
	for (unsigned i = 0; i < MB_LANES; i++) {
		struct mb_ecdsa_key key;

		if (!mb_ecdsa_key_set(&key, curve, vectors[i]->in[IN_R]) ||
			!mb_ecdsa_complete(&key, &nonces[i], vectors[i]->in[IN_DIGEST], out[i],
				out[i] + mb_curve_len(curve)))
			done &= ~(UINT64_C(1) << i);
	}
	return done;
}

static uint64_t run_sign_p256(const struct mb_kernels *kernels,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	return run_sign(kernels, MB_P256, vectors, out);
}

static uint64_t run_sign_p384(const struct mb_kernels *kernels,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	return run_sign(kernels, MB_P384, vectors, out);
}

struct pair {
	struct lanes *of[2];
};

static struct pair begin_verify(const char *set)
{
	return (struct pair){{lanes_begin(set, run_verify_p256), lanes_begin(set, run_verify_p384)}};
}

static struct pair begin_sign(const char *set)
{
	return (struct pair){{lanes_begin(set, run_sign_p256), lanes_begin(set, run_sign_p384)}};
}

static void end(struct pair pair)
{
	lanes_end(pair.of[0]);
	lanes_end(pair.of[1]);
}

static struct span hash(const char *name, struct span message)
{
	static uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	(void)EVP_Digest(message.data, message.len, digest, &len, EVP_get_digestbyname(name), NULL);
	return span_of(digest, len);
}

// A coordinate or signature number that doesn't fit can't reach the kernel; the vector must be an invalid
// one.
static void add_verify(struct pair pair, enum mb_curve curve, const char *name, struct span digest,
	struct span r, struct span s, struct span x, struct span y, bool valid)
{
	size_t len = mb_curve_len(curve);
	struct lane_vector *vector = lanes_next(pair.of[curve], name);

	vector->valid = valid;
	mb_ecdsa_digest(curve, vector->in[IN_DIGEST], digest.data, digest.len);
	if (!lanes_number(vector->in[IN_R], len, r) || !lanes_number(vector->in[IN_S], len, s) ||
		!lanes_point(vector->in[IN_KEY], curve, x, y)) {
		kat_check(!valid, pair.of[curve]->set, name);
		return;
	}
	lanes_add(pair.of[curve]);
}

static void add_sign(struct pair pair, enum mb_curve curve, const char *name, struct span digest,
	struct span d, struct span k, struct span r, struct span s)
{
	size_t len = mb_curve_len(curve);
	struct lane_vector *vector = lanes_next(pair.of[curve], name);

	vector->valid = true;
	vector->expected_len = 2 * len;
	mb_ecdsa_digest(curve, vector->in[IN_DIGEST], digest.data, digest.len);
	if (!lanes_number(vector->in[IN_R], len, d) || !lanes_number(vector->in[IN_S], len, k) ||
		!lanes_number(vector->expected, len, r) || !lanes_number(vector->expected + len, len, s)) {
		kat_check(false, pair.of[curve]->set, "a number that doesn't fit");
		return;
	}
	lanes_add(pair.of[curve]);
}

// RFC 6979 A.2.5 and A.2.6. Its k is a given here: the generation of nonces is not the kernels' business.
static const struct {
	enum mb_curve curve;
	const char *hash, *message, *k, *r, *s;
} rfc6979[] = {
	{MB_P256, "SHA256", "sample", "A6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60",
		"EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
		"F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"},
	{MB_P256, "SHA256", "test", "D16B6AE827F17175E040871A1C7EC3500192C4C92677336EC2537ACAEE0008E0",
		"F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
		"019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"},
	{MB_P384, "SHA256", "sample",
		"180AE9F9AEC5438A44BC159A1FCB277C7BE54FA20E7CF404B490650A8ACC414E375572342863C899F9F2EDF9747A"
		"9B60",
		"21B13D1E013C7FA1392D03C5F99AF8B30C570C6F98D4EA8E354B63A21D3DAA33BDE1E888E63355D92FA2B3C36D8F"
		"B2CD",
		"F3AA443FB107745BF4BD77CB3891674632068A10CA67E3D45DB2266FA7D1FEEBEFDC63ECCD1AC42EC0CB8668A4FA"
		"0AB0"},
	{MB_P384, "SHA384", "sample",
		"94ED910D1A099DAD3254E9242AE85ABDE4BA15168EAF0CA87A555FD56D10FBCA2907E3E83BA95368623B8C468691"
		"5CF9",
		"94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FA"
		"BE46",
		"99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A3862"
		"8AC8"},
	{MB_P384, "SHA512", "sample",
		"92FC3C7183A883E24216D1141F1A8976C5B0DD797DFA597E3D7B32198BD35331A4E966532593A52980D0E3AAA5E1"
		"0EC3",
		"ED0959D5880AB2D869AE7F6C2915C6D60F96507F9CB3E047C0046861DA4A799CFE30F35CC900056D7C99CD788243"
		"3709",
		"512C8CCEEE3890A84058CE1E22DBC2198F42323CE8ACA9135329F03C068E5112DC7CC3EF3446DEFCEB01A45C2667"
		"FDD5"},
	{MB_P384, "SHA384", "test",
		"015EE46A5BF88773ED9123A5AB0807962D193719503C527B031B4C2D225092ADA71F4A459BC0DA98ADB95837DB83"
		"12EA",
		"8203B63D3C853E8D77227FB377BCF7B7B772E97892A80F36AB775D509D7A5FEB0542A7F0812998DA8F1DD3CA3CF0"
		"23DB",
		"DDD0760448D42D8A43AF45AF836FCE4DE8BE06B485E9B61B827C2F13173923E06A739F040649A667BF3B828246BA"
		"A5A5"},
};

static void check_rfc6979(void)
{
	static const char *const d[] = {"C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
		"6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2"
		"EDF5"};
	static const char *const x[] = {"60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
		"EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480"
		"BC13"};
	static const char *const y[] = {"7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
		"8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD253326"
		"4720"};
	struct pair sign = begin_sign("RFC 6979 A.2"), verify = begin_verify("RFC 6979 A.2");

	for (unsigned i = 0; i < sizeof(rfc6979) / sizeof(rfc6979[0]); i++) {
		enum mb_curve curve = rfc6979[i].curve;
		struct span digest = hash(rfc6979[i].hash, span_of_string(rfc6979[i].message));

		add_sign(sign, curve, rfc6979[i].k, digest, kat_parse(d[curve]), kat_parse(rfc6979[i].k),
			kat_parse(rfc6979[i].r), kat_parse(rfc6979[i].s));
		add_verify(verify, curve, rfc6979[i].r, digest, kat_parse(rfc6979[i].r),
			kat_parse(rfc6979[i].s), kat_parse(x[curve]), kat_parse(y[curve]), true);
	}
	end(sign);
	end(verify);
	kat_reset();
}

static struct span json_bytes(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value == NULL || strlen(value) % 2 != 0 ? span_of(NULL, 0) : kat_parse(value);
}

// The encoding is judged by the project's own decoder; what it refuses must be an invalid vector.
static void check_wycheproof_test(
	struct pair pair, enum mb_curve curve, const json_t *group, const json_t *test, const char *hash_name)
{
	const json_t *key = json_object_get(group, "publicKey");
	const char *comment = json_string_value(json_object_get(test, "comment"));
	bool valid = strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0;
	size_t len = mb_curve_len(curve);
	uint8_t r_and_s[2 * MB_SCALAR_LEN_MAX];

	if (der_decode_ecdsa(r_and_s, len, json_bytes(test, "sig")))
		add_verify(pair, curve, comment, hash(hash_name, json_bytes(test, "msg")),
			span_of(r_and_s, len), span_of(r_and_s + len, len), json_bytes(key, "wx"),
			json_bytes(key, "wy"), valid);
	else
		kat_check(!valid, pair.of[curve]->set, comment);
}

static void check_wycheproof(const char *path, enum mb_curve curve, const char *hash_name)
{
	const char *full = kat_path(KAT_SLUICE_VECTORS, path);
	struct pair pair;
	json_t *root, *group, *test;
	size_t i, j;

	if (full == NULL)
		return;
	root = json_load_file(full, 0, NULL);
	kat_check(json_array_size(json_object_get(root, "testGroups")) != 0, path, "nothing in it");
	pair = begin_verify(path);
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			check_wycheproof_test(pair, curve, group, test, hash_name);
			kat_reset();
		}
	}
	end(pair);
	json_decref(root);
}

static void check_boringssl_sign(void)
{
	static const char path[] = "boringssl-nist/ecdsa_sign_tests.txt";
	struct kat_file file;
	struct pair sign;
	enum mb_curve curve;

	if (!kat_open(&file, KAT_SLUICE_VECTORS, path))
		return;
	sign = begin_sign(path);
	while (kat_next(&file)) {
		if (lanes_curve(kat_field(&file, "Curve"), &curve))
			add_sign(sign, curve, kat_field(&file, "K"), kat_bytes(&file, "Digest"),
				kat_bytes(&file, "Private"), kat_bytes(&file, "K"), lanes_bytes(&file, "R"),
				lanes_bytes(&file, "S"));
		kat_reset();
	}
	end(sign);
}

static void check_boringssl_verify(void)
{
	static const char path[] = "boringssl-nist/ecdsa_verify_tests.txt";
	struct kat_file file;
	struct pair verify;
	enum mb_curve curve;

	if (!kat_open(&file, KAT_SLUICE_VECTORS, path))
		return;
	verify = begin_verify(path);
	while (kat_next(&file)) {
		if (lanes_curve(kat_field(&file, "Curve"), &curve))
			add_verify(verify, curve, kat_field(&file, "R"), kat_bytes(&file, "Digest"),
				lanes_bytes(&file, "R"), lanes_bytes(&file, "S"), kat_bytes(&file, "X"),
				kat_bytes(&file, "Y"), kat_field(&file, "Invalid") == NULL);
		kat_reset();
	}
	end(verify);
}

// "[P-256,SHA-1]": the name of the hash.
static const char *section_hash(const char *section)
{
	static char name[32];
	const char *comma = strchr(section, ',');

	if (comma == NULL)
		return NULL;
	(void)snprintf(name, sizeof(name), "%s", comma + 1);
	name[strcspn(name, "]")] = '\0';
	return name;
}

static void check_fips_sign(void)
{
	static const char path[] = "asymmetric/ECDSA/FIPS_186-3/SigGen.txt";
	struct kat_file file;
	struct pair sign;
	enum mb_curve curve;

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	sign = begin_sign(path);
	while (kat_next(&file)) {
		if (kat_field(&file, "Msg") != NULL && lanes_curve(file.section, &curve))
			add_sign(sign, curve, kat_field(&file, "k"),
				hash(section_hash(file.section), kat_bytes(&file, "Msg")),
				kat_bytes(&file, "d"), kat_bytes(&file, "k"), lanes_bytes(&file, "R"),
				lanes_bytes(&file, "S"));
		kat_reset();
	}
	end(sign);
}

static void check_fips_verify(void)
{
	static const char path[] = "asymmetric/ECDSA/FIPS_186-3/SigVer.rsp";
	struct kat_file file;
	struct pair verify;
	enum mb_curve curve;

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	verify = begin_verify(path);
	while (kat_next(&file)) {
		if (kat_field(&file, "Msg") != NULL && lanes_curve(file.section, &curve))
			add_verify(verify, curve, kat_field(&file, "R"),
				hash(section_hash(file.section), kat_bytes(&file, "Msg")),
				lanes_bytes(&file, "R"), lanes_bytes(&file, "S"), lanes_bytes(&file, "Qx"),
				lanes_bytes(&file, "Qy"), kat_field(&file, "Result")[0] == 'P');
		kat_reset();
	}
	end(verify);
}

int main(void)
{
	check_rfc6979();
	check_wycheproof("wycheproof/ecdsa_secp256r1_sha256_test.json", MB_P256, "SHA256");
	check_wycheproof("wycheproof/ecdsa_secp256r1_sha512_test.json", MB_P256, "SHA512");
	check_wycheproof("wycheproof/ecdsa_secp384r1_sha256_test.json", MB_P384, "SHA256");
	check_wycheproof("wycheproof/ecdsa_secp384r1_sha384_test.json", MB_P384, "SHA384");
	check_wycheproof("wycheproof/ecdsa_secp384r1_sha512_test.json", MB_P384, "SHA512");
	check_boringssl_sign();
	check_boringssl_verify();
	check_fips_sign();
	check_fips_verify();
	return kat_finish();
}
