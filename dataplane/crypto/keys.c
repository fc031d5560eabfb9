// SPDX-License-Identifier: Apache-2.0
#include "crypto/keys.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/wipe.h"
#include "crypto/mb/kernels.h"
#include "crypto/private_key.h"
#include "crypto/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <stdatomic.h>

enum {
	ED25519_SEED_LEN = 32,
	N_RSA_PARTS = 7
};

static bool is_rsa(enum key_type type)
{
	return type == KEY_RSA || type == KEY_RSA_PSS;
}

// RSA keys have exactly one of three sizes, other than a peer's (public_key.h).
static enum key_verdict classify(const EVP_PKEY *pkey, struct private_key *head)
{
	struct public_key public_key;
	enum key_verdict verdict = public_key_from_pkey(&public_key, pkey);
	enum mb_rsa_size size = MB_RSA_2048;

	if (verdict != KEY_OK)
		return verdict;
	*head = (struct private_key){.type = public_key.type, .footprint = sizeof *head};
	head->bits = (uint16_t)EVP_PKEY_get_bits(pkey);
	public_key_digest(&public_key, head->public_digest);
	if (!is_rsa(head->type))
		return KEY_OK;
	if (!mb_rsa_size_of(span_of(public_key.bytes, public_key.len), &size))
		return KEY_UNSUPPORTED;
	head->rsa_size = (uint8_t)size;
	if (head->footprint < offsetof(struct private_key, rsa) + MB_RSA_KEY_BYTES(size))
		head->footprint = (uint32_t)(offsetof(struct private_key, rsa) + MB_RSA_KEY_BYTES(size));
	return KEY_OK;
}

size_t private_key_footprint(const EVP_PKEY *pkey)
{
	struct private_key head;

	return classify(pkey, &head) == KEY_OK ? head.footprint : 0;
}

static bool is_consistent(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
	const bool consistent = context != NULL && EVP_PKEY_pairwise_check(context) == 1;

	EVP_PKEY_CTX_free(context);
	return consistent;
}

static enum key_verdict load_ecdsa(struct private_key *key, EVP_PKEY *pkey, bool derived)
{
	enum mb_curve curve = key->type == KEY_ECDSA_P256 ? MB_P256 : MB_P384;
	uint8_t scalar[MB_SCALAR_LEN_MAX];
	BIGNUM *d = NULL;
	enum key_verdict verdict = KEY_INCONSISTENT;

	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) != 1)
		verdict = KEY_MALFORMED;
	else if ((derived || is_consistent(pkey)) && BN_bn2binpad(d, scalar, (int)mb_curve_len(curve)) > 0 &&
		 mb_ecdsa_key_set(&key->ecdsa, curve, scalar))
		verdict = KEY_OK;
	BN_clear_free(d);
	wipe(scalar, sizeof scalar);
	return verdict;
}

static enum key_verdict load_ed25519(struct private_key *key, EVP_PKEY *pkey, enum select_lanes body)
{
	const struct mb_kernels *kernels = body == SELECT_LANES_IFMA ? &mb_kernels_ifma : &mb_kernels_plain;
	uint8_t seed[ED25519_SEED_LEN];
	size_t len = sizeof seed;

	if (EVP_PKEY_get_raw_private_key(pkey, seed, &len) != 1 || len != sizeof seed)
		return KEY_MALFORMED;
	mb_ed25519_key_set(&key->ed25519, kernels, seed);
	wipe(seed, sizeof seed);
	return KEY_OK;
}

static enum key_verdict rsa_verdict(enum mb_rsa_key_verdict verdict)
{
	switch (verdict) {
	case MB_RSA_KEY_OK:
		return KEY_OK;
	case MB_RSA_KEY_INCONSISTENT:
		return KEY_INCONSISTENT;
	case MB_RSA_KEY_WRONG_SIZE:
	case MB_RSA_KEY_WRONG_EXPONENT:
	case MB_RSA_KEY_NO_MEMORY:
		break;
	}
	return KEY_UNSUPPORTED;
}

static enum key_verdict load_rsa(struct private_key *key, const EVP_PKEY *pkey)
{
	static const char *const names[N_RSA_PARTS] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E,
		OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1,
		OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
	uint8_t bytes[N_RSA_PARTS][MB_RSA_LEN_MAX];
	struct span parts[N_RSA_PARTS];
	enum key_verdict verdict = KEY_OK;

	for (size_t i = 0; i < N_RSA_PARTS && verdict == KEY_OK; i++) {
		BIGNUM *number = NULL;

		if (EVP_PKEY_get_bn_param(pkey, names[i], &number) != 1 ||
			BN_num_bytes(number) > MB_RSA_LEN_MAX)
			verdict = KEY_MALFORMED;
		else
			parts[i] = span_of(bytes[i], (size_t)BN_bn2bin(number, bytes[i]));
		BN_clear_free(number);
	}
	if (verdict == KEY_OK) {
		const struct mb_rsa_parts rsa = {.n = parts[0],
			.e = parts[1],
			.p = parts[2],
			.q = parts[3],
			.dp = parts[4],
			.dq = parts[5],
			.qinv = parts[6]};

		verdict = rsa_verdict(mb_rsa_key_set(&key->rsa, &rsa));
	}
	wipe(bytes, sizeof bytes);
	return verdict;
}

// What scalar code signs with: the key itself, or for RSA-PSS the same numbers as a plain RSA key, because we
// pad ourselves and OpenSSL allows a PSS key nothing but its own padding.
static EVP_PKEY *scalar_reference(enum key_type type, EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *context;
	EVP_PKEY *plain = NULL;
	OSSL_PARAM *params = NULL;

	if (type != KEY_RSA_PSS)
		return EVP_PKEY_up_ref(pkey) == 1 ? pkey : NULL;
	context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	if (context != NULL && EVP_PKEY_todata(pkey, EVP_PKEY_KEYPAIR, &params) == 1 &&
		EVP_PKEY_fromdata_init(context) == 1)
		(void)EVP_PKEY_fromdata(context, &plain, EVP_PKEY_KEYPAIR, params);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(context);
	return plain;
}

uint64_t private_key_next_serial(void)
{
	static _Atomic uint64_t last_serial;

	return atomic_fetch_add(&last_serial, 1) + 1;
}

static enum key_verdict load(struct private_key *key, EVP_PKEY *pkey, enum select_lanes body, bool derived)
{
	enum key_verdict verdict;

	if (is_rsa(key->type))
		verdict = load_rsa(key, pkey);
	else if (key->type == KEY_ED25519)
		verdict = load_ed25519(key, pkey, body);
	else
		verdict = load_ecdsa(key, pkey, derived);
	if (verdict != KEY_OK)
		return verdict;
	key->serial = private_key_next_serial();
	if (body != SELECT_LANES_SCALAR)
		return KEY_OK;
	key->pkey = scalar_reference(key->type, pkey);
	return key->pkey != NULL ? KEY_OK : KEY_UNSUPPORTED;
}

static enum key_verdict load_checked(struct mut_span memory, EVP_PKEY *pkey, enum select_lanes body,
	bool derived, const struct private_key **out_key)
{
	struct private_key *key = (struct private_key *)(void *)memory.data;
	struct private_key head;
	enum key_verdict verdict = classify(pkey, &head);

	*out_key = NULL;
	if (verdict != KEY_OK)
		return verdict;
	SLUICE_ASSERT(memory.len >= head.footprint && (uintptr_t)memory.data % 64 == 0);
	memset(key, 0, head.footprint);
	*key = head;
	verdict = load(key, pkey, select_resolve_lanes(body), derived);
	if (verdict == KEY_OK)
		*out_key = key;
	else
		wipe(memory.data, head.footprint);
	return verdict;
}

enum key_verdict private_key_load(
	struct mut_span memory, EVP_PKEY *pkey, enum select_lanes body, const struct private_key **out_key)
{
	return load_checked(memory, pkey, body, false, out_key);
}

enum key_verdict private_key_load_derived(
	struct mut_span memory, EVP_PKEY *pkey, enum select_lanes body, const struct private_key **out_key)
{
	return load_checked(memory, pkey, body, true, out_key);
}

EVP_PKEY *private_key_parse_der(struct span der)
{
	const unsigned char *next = der.data;
	EVP_PKEY *pkey;

	if (der.len == 0 || der.len > INT32_MAX)
		return NULL;
	pkey = d2i_AutoPrivateKey(NULL, &next, (long)der.len);
	if (pkey != NULL && next != der.data + der.len) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	return pkey;
}

void private_key_destroy(const struct private_key *key)
{
	// The caller's memory: immutable for everyone but here.
	struct private_key *memory = (struct private_key *)(uintptr_t)key;

	if (key == NULL)
		return;
	EVP_PKEY_free(memory->pkey);
	wipe(memory, memory->footprint);
}

enum key_type private_key_type(const struct private_key *key)
{
	return key->type;
}

unsigned private_key_bits(const struct private_key *key)
{
	return key->bits;
}

size_t private_key_signature_max_len(const struct private_key *key)
{
	switch ((enum key_type)key->type) {
	case KEY_ECDSA_P256:
		return 8 + 2 * 32;
	case KEY_ECDSA_P384:
		return 8 + 2 * 48;
	case KEY_ED25519:
		return 64;
	case KEY_RSA:
	case KEY_RSA_PSS:
	case N_KEY_TYPES:
		break;
	}
	return key->bits / 8;
}

// The content of the next DER element, whose tag is *out_tag; *out_whole is the element itself. Lengths of up
// to three bytes (certificates are shorter than 2^16).
static struct span next_element(struct reader *reader, uint8_t *out_tag, struct span *out_whole)
{
	const uint8_t *start = reader->next;
	struct span content;
	size_t len;

	*out_tag = reader_u8(reader);
	len = reader_u8(reader);
	if (len == 0x81)
		len = reader_u8(reader);
	else if (len == 0x82)
		len = reader_u16(reader);
	else if (len > 0x7f)
		reader_fail(reader);
	content = reader_bytes(reader, len);
	*out_whole = reader_ok(reader) ? span_of(start, (size_t)(reader->next - start)) : (struct span){0};
	return content;
}

// RFC 5280 4.1: the element after version (optional), serial number, signature, issuer, validity and subject.
static struct span spki_of(struct span certificate)
{
	enum {
		VERSION_TAG = 0xa0,
		N_BEFORE = 5
	};
	struct reader outer = reader_over(certificate);
	struct span whole = {0};
	struct reader inner;
	uint8_t tag;
	int n_more;

	inner = reader_over(next_element(&outer, &tag, &whole));
	inner = reader_over(next_element(&inner, &tag, &whole));
	(void)next_element(&inner, &tag, &whole);
	n_more = N_BEFORE + (tag == VERSION_TAG);
	for (int i = 0; i < n_more; i++)
		(void)next_element(&inner, &tag, &whole);
	return reader_ok(&inner) ? whole : (struct span){0};
}

// What a SubjectPublicKeyInfo of a curve begins with: algorithm, curve, and the bit string's head; the key is
// the rest (RFC 5480 2, RFC 8410 4). A point need not be checked that is only compared.
static bool read_plain_spki(struct span spki, struct public_key *out_key)
{
	static const uint8_t p256[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
		0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
	static const uint8_t p384[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
		0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00};
	static const uint8_t ed25519[] = {
		0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
	static const struct {
		const uint8_t *head;
		size_t head_len;
		size_t key_len;
		enum key_type type;
	} forms[] = {
		{p256, sizeof p256, 65, KEY_ECDSA_P256},
		{p384, sizeof p384, 97, KEY_ECDSA_P384},
		{ed25519, sizeof ed25519, 32, KEY_ED25519},
	};

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		if (spki.len != forms[i].head_len + forms[i].key_len ||
			memcmp(spki.data, forms[i].head, forms[i].head_len) != 0)
			continue;
		*out_key = (struct public_key){
			.type = (uint8_t)forms[i].type, .len = (uint16_t)forms[i].key_len};
		memcpy(out_key->bytes, spki.data + forms[i].head_len, forms[i].key_len);
		return true;
	}
	return false;
}

// An INTEGER that is positive, without the zero that its sign may need. Empty: it is none.
static struct span next_positive(struct reader *reader)
{
	struct span whole;
	uint8_t tag;
	const struct span number = next_element(reader, &tag, &whole);

	if (tag != 0x02 || number.len == 0 || (number.data[0] & 0x80) != 0)
		return (struct span){0};
	return number.data[0] == 0 ? span_of(number.data + 1, number.len - 1) : number;
}

// The same for an RSA key of a size of ours (RFC 3279 2.3.1).
static bool read_rsa_spki(struct span spki, struct public_key *out_key)
{
	static const uint8_t algorithm[] = {
		0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
	struct reader outer = reader_over(spki);
	struct reader inner;
	struct span whole;
	struct span content;
	struct span modulus;
	struct span exponent;
	enum mb_rsa_size size;
	uint8_t tag;

	inner = reader_over(next_element(&outer, &tag, &whole));
	content = next_element(&inner, &tag, &whole);
	if (tag != 0x30 || !span_equal(content, span_of(algorithm, sizeof algorithm)))
		return false;
	content = next_element(&inner, &tag, &whole);
	if (tag != 0x03 || content.len == 0 || content.data[0] != 0 || !reader_done(&inner))
		return false;
	outer = reader_over(span_of(content.data + 1, content.len - 1));
	inner = reader_over(next_element(&outer, &tag, &whole));
	modulus = next_positive(&inner);
	exponent = next_positive(&inner);
	if (tag != 0x30 || !reader_done(&inner) || !reader_done(&outer) || !mb_rsa_size_of(modulus, &size) ||
		modulus.len != MB_RSA_LEN(size) || exponent.len == 0 || exponent.len > sizeof(uint32_t))
		return false;
	*out_key = (struct public_key){.type = KEY_RSA, .len = (uint16_t)modulus.len};
	memcpy(out_key->bytes, modulus.data, modulus.len);
	for (size_t i = 0; i < exponent.len; i++)
		out_key->rsa_exponent = out_key->rsa_exponent << 8 | exponent.data[i];
	return true;
}

bool private_key_matches_certificate(const struct private_key *key, struct span certificate)
{
	const struct span spki = spki_of(certificate);
	struct public_key public_key;
	uint8_t digest[32];

	if (!read_plain_spki(spki, &public_key) && !read_rsa_spki(spki, &public_key) &&
		public_key_from_spki(&public_key, spki) != KEY_OK)
		return false;
	public_key_digest(&public_key, digest);
	return memcmp(digest, key->public_digest, sizeof digest) == 0;
}

// RFC 4055 3.1: [0] { hash algorithm { OID } } first among the parameters; without it SHA-1 is meant.
static struct span pss_hash_oid(struct span parameters)
{
	static const uint8_t sha1[] = {0x2b, 0x0e, 0x03, 0x02, 0x1a};
	struct reader reader = reader_over(parameters);
	struct span whole, oid;
	uint8_t tag;

	reader = reader_over(next_element(&reader, &tag, &whole));
	reader = reader_over(next_element(&reader, &tag, &whole));
	if (!reader_ok(&reader) || tag != 0xa0)
		return span_of(sha1, sizeof sha1);
	reader = reader_over(next_element(&reader, &tag, &whole));
	oid = next_element(&reader, &tag, &whole);
	return reader_ok(&reader) ? oid : (struct span){0};
}

// RFC 8017 appendix C, RFC 5758 3.2, RFC 8410 3; and the hashes themselves, for RSASSA-PSS.
static const struct {
	const char *oid;
	const char *name;
} signature_oids[] = {
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", "SHA1"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", "SHA256"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", "SHA384"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", "SHA512"},
	{"\x2a\x86\x48\xce\x3d\x04\x01", "SHA1"},
	{"\x2a\x86\x48\xce\x3d\x04\x03\x02", "SHA256"},
	{"\x2a\x86\x48\xce\x3d\x04\x03\x03", "SHA384"},
	{"\x2a\x86\x48\xce\x3d\x04\x03\x04", "SHA512"},
	{"\x2b\x65\x70", "ED25519"},
	{"\x2b\x65\x71", "ED448"},
	{"\x2b\x0e\x03\x02\x1a", "SHA1"},
	{"\x60\x86\x48\x01\x65\x03\x04\x02\x01", "SHA256"},
	{"\x60\x86\x48\x01\x65\x03\x04\x02\x02", "SHA384"},
	{"\x60\x86\x48\x01\x65\x03\x04\x02\x03", "SHA512"},
};

const char *certificate_signature_name(struct span certificate)
{
	static const struct span pss = {(const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 9};
	struct reader reader = reader_over(certificate);
	struct span whole, oid;
	uint8_t tag;

	// RFC 5280 4.1: { what is signed, algorithm { OID, parameters }, signature }
	reader = reader_over(next_element(&reader, &tag, &whole));
	(void)next_element(&reader, &tag, &whole);
	reader = reader_over(next_element(&reader, &tag, &whole));
	oid = next_element(&reader, &tag, &whole);
	if (span_equal(oid, pss))
		oid = pss_hash_oid(reader_rest(&reader));
	for (size_t i = 0; i < sizeof signature_oids / sizeof signature_oids[0]; i++)
		if (span_equal(oid, span_of_string(signature_oids[i].oid)))
			return signature_oids[i].name;
	return NULL;
}

void private_key_digest(const struct private_key *key, uint8_t out[32])
{
	// Everything but the head's reference and serial.
	size_t offset = offsetof(struct private_key, public_digest);

	hash_digest(HASH_SHA256, span_of((const uint8_t *)key + offset, key->footprint - offset), out);
}
