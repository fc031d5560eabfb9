// SPDX-License-Identifier: Apache-2.0
#include "key.h"

#include "base/assert.h"
#include "der.h"
#include "memory.h"
#include "secret.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <pthread.h>
#include <stdlib.h>

enum {
	RSA_EXPONENT_LEN = 8,
	OPENSSL_SECURE_LEN = 1 << 20,
};

struct key_context {
	EC_GROUP *p256;
	EC_GROUP *p384;
	BN_CTX *numbers;
	EVP_MD *sha256;
	EVP_MD_CTX *hashing;
};

static const uint8_t oid_rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
static const uint8_t oid_rsa_pss[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a};
static const uint8_t oid_ec[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t oid_ed25519[] = {0x2b, 0x65, 0x70};
static const uint8_t oid_p256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t oid_p384[] = {0x2b, 0x81, 0x04, 0x00, 0x22};

#define IS_OID(span, oid) span_equal(span, span_of(oid, sizeof oid))

static const char unsupported_curve[] = "the curve is not supported; P-256 and P-384 are";
static const char unsupported_rsa[] = "RSA keys of this size are not supported; 2048, 3072 and 4096 bits are";

static void make_secure_heap(void)
{
	(void)CRYPTO_secure_malloc_init(OPENSSL_SECURE_LEN, 64);
}

struct key_context *key_context_create(void)
{
	// Threads that load certificates come here at the same time, and OpenSSL would make the heap anew
	// under whoever uses it already.
	static pthread_once_t made = PTHREAD_ONCE_INIT;
	struct key_context *context = memory_alloc(1, sizeof *context);

	// Big numbers that hold parts of keys come from OpenSSL's own locked heap.
	(void)pthread_once(&made, make_secure_heap);
	context->p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	context->p384 = EC_GROUP_new_by_curve_name(NID_secp384r1);
	context->numbers = BN_CTX_secure_new();
	context->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	context->hashing = EVP_MD_CTX_new();
	if (context->p256 != NULL && context->p384 != NULL && context->numbers != NULL &&
		context->sha256 != NULL && context->hashing != NULL)
		return context;
	key_context_destroy(context);
	return NULL;
}

void key_context_destroy(struct key_context *context)
{
	if (context == NULL)
		return;
	EC_GROUP_free(context->p256);
	EC_GROUP_free(context->p384);
	BN_CTX_free(context->numbers);
	EVP_MD_free(context->sha256);
	EVP_MD_CTX_free(context->hashing);
	free(context);
}

bool key_context_hash(struct key_context *context, struct span bytes, uint8_t out_digest[static 32])
{
	return EVP_DigestInit_ex(context->hashing, context->sha256, NULL) == 1 &&
	       EVP_DigestUpdate(context->hashing, bytes.data, bytes.len) == 1 &&
	       EVP_DigestFinal_ex(context->hashing, out_digest, NULL) == 1;
}

bool key_is_label(const char *label)
{
	const size_t len = strlen(label);
	const char *end = "PRIVATE KEY";

	return len >= strlen(end) && strcmp(label + len - strlen(end), end) == 0;
}

const char *key_name(enum key_type type, uint32_t bits)
{
	if (type == KEY_RSA)
		return bits == 2048 ? "RSA-2048" : bits == 3072 ? "RSA-3072" : "RSA-4096";
	return type == KEY_P256 ? "ECDSA P-256" : type == KEY_P384 ? "ECDSA P-384" : "Ed25519";
}

void key_free(struct key *key)
{
	secret_free(key);
}

static struct key *key_alloc(enum key_type type, uint32_t bits, size_t len)
{
	struct key *key = secret_alloc(sizeof *key + len);

	key->type = type;
	key->bits = bits;
	key->len = (uint32_t)len;
	return key;
}

// ---- Reading -------------------------------------------------------------------------------------------

// Writes a number at the end of a field of fixed width; false when it is longer.
static bool place(uint8_t *field, size_t width, struct span number)
{
	if (number.len > width)
		return false;
	memcpy(field + width - number.len, number.data, number.len);
	return true;
}

// RFC 8017 A.1.2, two primes.
static struct key *read_rsa(struct reader *outer, const char **out_reason)
{
	struct reader reader = der_enter(outer, DER_SEQUENCE);
	struct span version = der_take(&reader, DER_INTEGER);
	struct span numbers[8]; // n, e, d, p, q, dp, dq, qinv
	struct key *key;
	size_t offset = 0;
	size_t width;
	bool placed = true;

	for (size_t i = 0; i < 8; i++)
		numbers[i] = der_unsigned(&reader);
	if (!reader_done(&reader) || version.len != 1 || version.data[0] != 0) {
		*out_reason = "not an RSA key of two primes";
		return NULL;
	}
	width = numbers[0].len;
	if ((width != 256 && width != 384 && width != 512) || (numbers[0].data[0] & 0x80) == 0) {
		*out_reason = unsupported_rsa;
		return NULL;
	}
	key = key_alloc(KEY_RSA, (uint32_t)(8 * width), 2 * width + RSA_EXPONENT_LEN + 5 * (width / 2));
	for (size_t i = 0; i < 8; i++) {
		const size_t field = i == 1 ? RSA_EXPONENT_LEN : i == 0 || i == 2 ? width : width / 2;

		placed = placed && place(key->components + offset, field, numbers[i]);
		offset += field;
	}
	if (placed)
		return key;
	key_free(key);
	*out_reason = "the primes of the RSA key differ in length, or its exponent is longer than 64 bits";
	return NULL;
}

static struct key *make_scalar(enum key_type type, struct span scalar, const char **out_reason)
{
	const size_t width = type == KEY_P384 ? 48 : 32;
	struct key *key = key_alloc(type, type == KEY_ED25519 ? 255 : (uint32_t)(8 * width), width);

	if (place(key->components, width, scalar))
		return key;
	key_free(key);
	*out_reason = "the private key is longer than its curve";
	return NULL;
}

static bool curve_of(struct span oid, enum key_type *out_type)
{
	if (IS_OID(oid, oid_p256))
		*out_type = KEY_P256;
	else if (IS_OID(oid, oid_p384))
		*out_type = KEY_P384;
	else
		return false;
	return true;
}

// RFC 5915. The curve is inside, or was told around it (PKCS #8); both must agree.
static struct key *read_ec(struct reader *outer, struct span curve, const char **out_reason)
{
	struct reader reader = der_enter(outer, DER_SEQUENCE);
	struct span version = der_take(&reader, DER_INTEGER);
	struct span scalar = der_take(&reader, DER_OCTET_STRING);
	enum key_type type;

	if (der_next_is(&reader, DER_CONTEXT_CONSTRUCTED | 0)) {
		struct reader parameters = der_enter(&reader, DER_CONTEXT_CONSTRUCTED | 0);
		struct span inner = der_take(&parameters, DER_OID);

		if (!reader_done(&parameters) || (curve.len != 0 && !span_equal(inner, curve))) {
			*out_reason = unsupported_curve;
			return NULL;
		}
		curve = inner;
	}
	if (der_next_is(&reader, DER_CONTEXT_CONSTRUCTED | 1))
		(void)der_enter(&reader, DER_CONTEXT_CONSTRUCTED | 1);
	if (!reader_done(&reader) || version.len != 1 || version.data[0] != 1) {
		*out_reason = "not an EC private key";
		return NULL;
	}
	if (!curve_of(curve, &type)) {
		*out_reason = unsupported_curve;
		return NULL;
	}
	return make_scalar(type, scalar, out_reason);
}

// RFC 5958, its older form PKCS #8 included.
static struct key *read_pkcs8(struct span der, const char **out_reason)
{
	struct reader whole = reader_over(der);
	struct reader reader = der_enter(&whole, DER_SEQUENCE);
	struct span version = der_take(&reader, DER_INTEGER);
	struct reader algorithm = der_enter(&reader, DER_SEQUENCE);
	struct span oid = der_take(&algorithm, DER_OID);
	struct reader inside = der_enter(&reader, DER_OCTET_STRING);
	struct span curve = span_of(NULL, 0);

	*out_reason = "not a private key in PKCS #8";
	if (!reader_ok(&reader) || !reader_done(&whole) || version.len != 1 || version.data[0] > 1)
		return NULL;
	if (IS_OID(oid, oid_rsa))
		return read_rsa(&inside, out_reason);
	if (IS_OID(oid, oid_ec)) {
		curve = der_take(&algorithm, DER_OID);
		return reader_done(&algorithm) ? read_ec(&inside, curve, out_reason) : NULL;
	}
	if (IS_OID(oid, oid_ed25519)) {
		const struct span seed = der_take(&inside, DER_OCTET_STRING);

		return reader_done(&inside) && seed.len == 32 ? make_scalar(KEY_ED25519, seed, out_reason)
							      : NULL;
	}
	*out_reason = IS_OID(oid, oid_rsa_pss)
			      ? "RSASSA-PSS keys are not supported; an RSA key can sign with PSS too"
			      : "the algorithm is not supported; RSA, ECDSA (P-256, P-384) and Ed25519 are";
	return NULL;
}

struct key *key_read(const char *label, struct span der, const char **out_reason)
{
	struct reader reader = reader_over(der);
	struct key *key;

	if (strcmp(label, "PRIVATE KEY") == 0)
		return read_pkcs8(der, out_reason);
	if (strcmp(label, "RSA PRIVATE KEY") == 0) {
		key = read_rsa(&reader, out_reason);
	} else if (strcmp(label, "EC PRIVATE KEY") == 0) {
		key = read_ec(&reader, span_of(NULL, 0), out_reason);
	} else {
		*out_reason = strcmp(label, "ENCRYPTED PRIVATE KEY") == 0
				      ? "the key is encrypted; write it without a password (openssl pkey -in "
					"OLD -out NEW)"
				      : "not a kind of private key that is known";
		return NULL;
	}
	if (key != NULL && !reader_done(&reader)) {
		key_free(key);
		*out_reason = "something follows the private key";
		return NULL;
	}
	return key;
}

const char *key_read_public(struct span spki, struct public_key *out_public_key)
{
	struct reader whole = reader_over(spki);
	struct reader reader = der_enter(&whole, DER_SEQUENCE);
	struct reader algorithm = der_enter(&reader, DER_SEQUENCE);
	const struct span oid = der_take(&algorithm, DER_OID);
	const struct span bits = der_bits(&reader);
	struct public_key public_key = {.type = KEY_ED25519, .bits = 255, .point = bits};

	if (!reader_done(&reader) || !reader_done(&whole) || !reader_ok(&algorithm))
		return "its public key is malformed";
	if (IS_OID(oid, oid_rsa)) {
		struct reader outer = reader_over(bits);
		struct reader numbers = der_enter(&outer, DER_SEQUENCE);

		public_key.type = KEY_RSA;
		public_key.modulus = der_unsigned(&numbers);
		public_key.exponent = der_unsigned(&numbers);
		public_key.bits = (uint32_t)(8 * public_key.modulus.len);
		if (!reader_done(&numbers) || !reader_done(&outer))
			return "its public key is malformed";
	} else if (IS_OID(oid, oid_ec)) {
		if (!curve_of(der_take(&algorithm, DER_OID), &public_key.type))
			return unsupported_curve;
		public_key.bits = public_key.type == KEY_P256 ? 256 : 384;
		if (bits.len != 1 + public_key.bits / 4 || bits.data[0] != 4)
			return "its public key is not an uncompressed point";
	} else if (!IS_OID(oid, oid_ed25519) || bits.len != 32) {
		return "the algorithm of its key is not supported; RSA, ECDSA (P-256, P-384) and Ed25519 are";
	}
	*out_public_key = public_key;
	return NULL;
}

bool public_key_equal(const struct public_key *a, const struct public_key *b)
{
	return a->type == b->type && (a->type == KEY_RSA ? span_equal(a->modulus, b->modulus) &&
								   span_equal(a->exponent, b->exponent)
							 : span_equal(a->point, b->point));
}

// ---- Checking ------------------------------------------------------------------------------------------

// A number whose memory is OpenSSL's locked heap.
static BIGNUM *secret_number(const uint8_t *bytes, size_t len)
{
	BIGNUM *number = BN_secure_new();

	return number != NULL ? BN_bin2bn(bytes, (int)len, number) : NULL;
}

// Whether e * exponent is 1 modulo prime - 1: then exponentiation with it inverts the public one modulo this
// prime (RFC 8017 3.2).
static bool inverts(BN_CTX *numbers, const BIGNUM *e, const BIGNUM *exponent, const BIGNUM *prime)
{
	BIGNUM *order = BN_secure_new();
	BIGNUM *product = BN_secure_new();
	const bool result = order != NULL && product != NULL && BN_sub(order, prime, BN_value_one()) &&
			    BN_mod_mul(product, e, exponent, order, numbers) && BN_is_one(product);

	BN_clear_free(order);
	BN_clear_free(product);
	return result;
}

// The numbers of a key: n = pq, both exponents and the coefficient fit. Together with n and e being the
// certificate's, every signature made with them verifies.
static bool rsa_numbers_fit(BN_CTX *numbers, BIGNUM *const number[8])
{
	BIGNUM *product = BN_secure_new();
	const bool result = product != NULL && BN_mul(product, number[3], number[4], numbers) &&
			    BN_cmp(product, number[0]) == 0 &&
			    inverts(numbers, number[1], number[5], number[3]) &&
			    inverts(numbers, number[1], number[6], number[4]) &&
			    inverts(numbers, number[1], number[2], number[3]) &&
			    inverts(numbers, number[1], number[2], number[4]) &&
			    BN_mod_mul(product, number[4], number[7], number[3], numbers) &&
			    BN_is_one(product);

	BN_clear_free(product);
	return result;
}

static const char *check_rsa(
	struct key_context *context, const struct key *key, const struct public_key *public_key)
{
	const size_t width = key->bits / 8;
	BIGNUM *number[8] = {NULL};
	uint8_t exponent[RSA_EXPONENT_LEN] = {0};
	size_t offset = 0;
	bool fits = true;

	if (!span_equal(public_key->modulus, span_of(key->components, width)) ||
		!place(exponent, sizeof exponent, public_key->exponent) ||
		memcmp(exponent, key->components + width, sizeof exponent) != 0)
		return "the private key is not the certificate's";
	for (size_t i = 0; i < 8; i++) {
		const size_t len = i == 1 ? RSA_EXPONENT_LEN : i == 0 || i == 2 ? width : width / 2;

		number[i] = secret_number(key->components + offset, len);
		fits = fits && number[i] != NULL && !BN_is_zero(number[i]);
		offset += len;
	}
	fits = fits && rsa_numbers_fit(context->numbers, number);
	for (size_t i = 0; i < 8; i++)
		BN_clear_free(number[i]);
	return fits ? NULL : "the parts of the RSA key do not belong together";
}

static const char *check_ec(
	struct key_context *context, const struct key *key, const struct public_key *public_key)
{
	const EC_GROUP *group = key->type == KEY_P256 ? context->p256 : context->p384;
	BIGNUM *scalar = secret_number(key->components, key->len);
	EC_POINT *point = EC_POINT_new(group);
	uint8_t encoded[97];
	size_t len = 0;

	if (scalar != NULL && point != NULL && !BN_is_zero(scalar) &&
		BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0 &&
		EC_POINT_mul(group, point, scalar, NULL, NULL, context->numbers))
		len = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, encoded, sizeof encoded,
			context->numbers);
	EC_POINT_free(point);
	BN_clear_free(scalar);
	if (len == 0)
		return "the private key is not in the range of its curve";
	return span_equal(public_key->point, span_of(encoded, len))
		       ? NULL
		       : "the private key is not the certificate's";
}

static const char *check_ed25519(const struct key *key, const struct public_key *public_key)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->components, key->len);
	uint8_t point[32];
	size_t len = sizeof point;
	const bool derived = pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, point, &len) == 1;

	EVP_PKEY_free(pkey);
	if (!derived)
		return "the private key is not usable";
	return span_equal(public_key->point, span_of(point, len))
		       ? NULL
		       : "the private key is not the certificate's";
}

const char *key_check(struct key_context *context, const struct key *key, const struct public_key *public_key)
{
	if (key->type != public_key->type)
		return "the private key is not the certificate's: they are of different kinds";
	if (key->type == KEY_RSA)
		return check_rsa(context, key, public_key);
	return key->type == KEY_ED25519 ? check_ed25519(key, public_key) : check_ec(context, key, public_key);
}
