// SPDX-License-Identifier: Apache-2.0
//
// Key generation and ECDH on P-256 and P-384 against Wycheproof, BoringSSL's and NIST's sets.
#include "kat_lanes.h"

#include <jansson.h>
#include <string.h>

// in[0] is the scalar, in[1] the peer's point.
static uint64_t run_ecdh(const struct mb_kernels *kernels, enum mb_curve curve,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	static struct mb_p384_job job;
	uint8_t *outs[MB_LANES];
	const uint8_t *scalars[MB_LANES], *peers[MB_LANES];

	for (unsigned i = 0; i < MB_LANES; i++) {
		outs[i] = out[i];
		scalars[i] = vectors[i]->in[0];
		peers[i] = vectors[i]->in[1];
	}
	if (curve == MB_P256)
		return kernels->p256_ecdh(outs, scalars, peers, MB_LANES);
	kernels->p384_ecdh_begin(&job, scalars, peers, MB_LANES);
	while (kernels->p384_step(&job))
		;
	return kernels->p384_ecdh_finish(&job, outs);
}

static uint64_t run_ecdh_p256(const struct mb_kernels *kernels,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	return run_ecdh(kernels, MB_P256, vectors, out);
}

static uint64_t run_ecdh_p384(const struct mb_kernels *kernels,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	return run_ecdh(kernels, MB_P384, vectors, out);
}

static uint64_t run_keygen(const struct mb_kernels *kernels, enum mb_curve curve,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	uint8_t *outs[MB_LANES];
	const uint8_t *scalars[MB_LANES];

	for (unsigned i = 0; i < MB_LANES; i++) {
		outs[i] = out[i];
		scalars[i] = vectors[i]->in[0];
	}
	return (curve == MB_P256 ? kernels->p256_keygen : kernels->p384_keygen)(outs, scalars, MB_LANES);
}

static uint64_t run_keygen_p256(const struct mb_kernels *kernels,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	return run_keygen(kernels, MB_P256, vectors, out);
}

static uint64_t run_keygen_p384(const struct mb_kernels *kernels,
	const struct lane_vector *const vectors[MB_LANES], uint8_t out[MB_LANES][LANE_OUTPUT_LEN])
{
	return run_keygen(kernels, MB_P384, vectors, out);
}

// Both curves' lanes of one set.
struct pair {
	struct lanes *of[2];
};

static struct pair begin_ecdh(const char *set)
{
	return (struct pair){{lanes_begin(set, run_ecdh_p256), lanes_begin(set, run_ecdh_p384)}};
}

static struct pair begin_keygen(const char *set)
{
	return (struct pair){{lanes_begin(set, run_keygen_p256), lanes_begin(set, run_keygen_p384)}};
}

static void end(struct pair pair)
{
	lanes_end(pair.of[0]);
	lanes_end(pair.of[1]);
}

// A point that doesn't fit its encoding can't reach the kernel: it is given one that is out of range instead.
static void set_point(uint8_t *out, enum mb_curve curve, struct span x, struct span y)
{
	if (!lanes_point(out, curve, x, y))
		memset(out + 1, 0xff, 2 * mb_curve_len(curve));
}

static void add_ecdh(struct pair pair, enum mb_curve curve, const char *name, struct span scalar,
	struct span x, struct span y, struct span shared, bool valid)
{
	size_t len = mb_curve_len(curve);
	struct lane_vector *vector = lanes_next(pair.of[curve], name);

	vector->valid = valid;
	vector->expected_len = len;
	set_point(vector->in[1], curve, x, y);
	if (!lanes_number(vector->in[0], len, scalar) ||
		(valid && !lanes_number(vector->expected, len, shared))) {
		kat_check(false, pair.of[curve]->set, "a number that doesn't fit");
		return;
	}
	lanes_add(pair.of[curve]);
}

static void add_keygen(struct pair pair, enum mb_curve curve, const char *name, struct span scalar,
	struct span x, struct span y)
{
	static const uint8_t zeros[MB_SCALAR_LEN_MAX];
	size_t len = mb_curve_len(curve);
	struct lane_vector *vector = lanes_next(pair.of[curve], name);

	vector->expected_len = 2 * len + 1;
	// Infinity is written (0, 0): the scalar was zero or the order.
	if (!lanes_number(vector->in[0], len, scalar) || !lanes_point(vector->expected, curve, x, y)) {
		kat_check(false, pair.of[curve]->set, "a number that doesn't fit");
		return;
	}
	vector->valid = memcmp(vector->expected + 1, zeros, len) != 0;
	lanes_add(pair.of[curve]);
}

static struct span json_bytes(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value == NULL || strlen(value) % 2 != 0 ? span_of(NULL, 0) : kat_parse(value);
}

// Wycheproof's peers are SubjectPublicKeyInfo; those with this curve by name and an uncompressed point are
// taken, the others never reach a kernel. The one "acceptable" among them has a spoilt coordinate, so it must
// fail too.
static bool take_point(struct span *bytes, enum mb_curve curve)
{
	struct span prefix = kat_parse(curve == MB_P256
					       ? "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
					       : "3076301006072a8648ce3d020106052b8104002203620004");
	size_t coordinates = 2 * mb_curve_len(curve);

	if (bytes->len != prefix.len + coordinates || memcmp(bytes->data, prefix.data, prefix.len) != 0)
		return false;
	*bytes = span_of(bytes->data + prefix.len, coordinates);
	return true;
}

static void check_wycheproof(const char *path, enum mb_curve curve)
{
	const char *full = kat_path(KAT_SLUICE_VECTORS, path);
	size_t len = mb_curve_len(curve);
	struct pair pair;
	json_t *root, *group, *test;
	unsigned n = 0, n_other = 0;
	size_t i, j;

	if (full == NULL)
		return;
	root = json_load_file(full, 0, NULL);
	pair = begin_ecdh(path);
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			struct span point = json_bytes(test, "public");

			if (take_point(&point, curve)) {
				add_ecdh(pair, curve, json_string_value(json_object_get(test, "comment")),
					json_bytes(test, "private"), span_of(point.data, len),
					span_of(point.data + len, len), json_bytes(test, "shared"),
					strcmp(json_string_value(json_object_get(test, "result")), "valid") ==
						0);
				n++;
			} else {
				n_other++;
			}
			kat_reset();
		}
	}
	printf("%s: %u vectors taken, %u of other encodings or curves\n", path, n, n_other);
	kat_check(n != 0, path, "nothing in it");
	end(pair);
	json_decref(root);
}

static void check_boringssl_ecdh(void)
{
	static const char path[] = "boringssl-nist/ecdh_tests.txt";
	struct kat_file file;
	struct pair ecdh, keys;
	enum mb_curve curve;

	if (!kat_open(&file, KAT_SLUICE_VECTORS, path))
		return;
	ecdh = begin_ecdh(path);
	keys = begin_keygen(path);
	while (kat_next(&file)) {
		if (lanes_curve(kat_field(&file, "Curve"), &curve)) {
			add_ecdh(ecdh, curve, kat_field(&file, "Z"), kat_bytes(&file, "Private"),
				kat_bytes(&file, "PeerX"), kat_bytes(&file, "PeerY"), kat_bytes(&file, "Z"),
				true);
			add_keygen(keys, curve, kat_field(&file, "X"), kat_bytes(&file, "Private"),
				kat_bytes(&file, "X"), kat_bytes(&file, "Y"));
		}
		kat_reset();
	}
	end(ecdh);
	end(keys);
}

static void check_boringssl_base_multiples(void)
{
	static const char path[] = "boringssl-nist/ec_scalar_base_mult_tests.txt";
	struct kat_file file;
	struct pair keys;
	enum mb_curve curve;

	if (!kat_open(&file, KAT_SLUICE_VECTORS, path))
		return;
	keys = begin_keygen(path);
	while (kat_next(&file)) {
		if (lanes_curve(kat_field(&file, "Curve"), &curve))
			add_keygen(keys, curve, kat_field(&file, "N"), kat_bytes(&file, "N"),
				kat_bytes(&file, "X"), kat_bytes(&file, "Y"));
		kat_reset();
	}
	end(keys);
}

static void check_fips_key_pairs(void)
{
	static const char path[] = "asymmetric/ECDSA/FIPS_186-3/KeyPair.rsp";
	struct kat_file file;
	struct pair keys;
	enum mb_curve curve = MB_P256;
	bool ours = false;

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	keys = begin_keygen(path);
	while (kat_next(&file)) {
		// The curve's section line is followed by one that names the method.
		if (strstr(file.section, "[B.4") == NULL)
			ours = lanes_curve(file.section, &curve);
		else if (kat_field(&file, "N") != NULL)
			ours = kat_field(&file, "d") != NULL;
		if (kat_field(&file, "d") != NULL &&
			strlen(kat_field(&file, "d")) == 2 * mb_curve_len(curve) && ours)
			add_keygen(keys, curve, kat_field(&file, "d"), kat_bytes(&file, "d"),
				lanes_bytes(&file, "Qx"), lanes_bytes(&file, "Qy"));
		kat_reset();
	}
	end(keys);
}

// Public key validation, by an ECDH with the key as the peer and 1 as the scalar: the shared secret is its x.
static void check_fips_public_keys(void)
{
	static const char path[] = "asymmetric/ECDSA/FIPS_186-3/PKV.rsp";
	struct span one = kat_parse("01");
	struct kat_file file;
	struct pair ecdh;
	enum mb_curve curve;

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	ecdh = begin_ecdh(path);
	while (kat_next(&file)) {
		if (lanes_curve(file.section, &curve))
			add_ecdh(ecdh, curve, kat_field(&file, "Qx"), one, lanes_bytes(&file, "Qx"),
				lanes_bytes(&file, "Qy"), lanes_bytes(&file, "Qx"),
				kat_field(&file, "Result")[0] == 'P');
	}
	end(ecdh);
	kat_reset();
}

// SP 800-56A validity tests: correct exchanges, and peers whose key fails validation. In the other negative
// cases it is the given Z or the own key that was spoilt.
static void check_kas(const char *path)
{
	struct kat_file file;
	struct pair ecdh;

	if (!kat_open(&file, KAT_CRYPTOGRAPHY_VECTORS, path))
		return;
	ecdh = begin_ecdh(path);
	while (kat_next(&file)) {
		const char *result = kat_field(&file, "Result"), *z = kat_field(&file, "Z");
		size_t len = z != NULL ? strlen(z) / 2 : 0;
		enum mb_curve curve = len == 48 ? MB_P384 : MB_P256;

		if (result != NULL && (len == 32 || len == 48) &&
			(result[0] == 'P' || strstr(result, "CAVS's Static public key") != NULL))
			add_ecdh(ecdh, curve, result, kat_bytes(&file, "dsIUT"),
				lanes_bytes(&file, "QsCAVSx"), lanes_bytes(&file, "QsCAVSy"),
				kat_bytes(&file, "Z"), result[0] == 'P');
		kat_reset();
	}
	end(ecdh);
}

int main(void)
{
	check_wycheproof("wycheproof/ecdh_secp256r1_test.json", MB_P256);
	check_wycheproof("wycheproof/ecdh_secp384r1_test.json", MB_P384);
	check_boringssl_ecdh();
	check_boringssl_base_multiples();
	check_fips_key_pairs();
	check_fips_public_keys();
	check_kas("asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init.fax");
	check_kas("asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_resp.fax");
	return kat_finish();
}
