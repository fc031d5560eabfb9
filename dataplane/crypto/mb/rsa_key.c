// SPDX-License-Identifier: Apache-2.0
//
// Preparing a private key: done once, where keys are loaded, with OpenSSL's integers. Nobody outside can time
// it, so it does not try to be constant time; BN_CTX_free clears all the numbers.
#include <openssl/bn.h>

#include "base/wipe.h"
#include "crypto/mb/mont.h"
#include "crypto/mb/rsa.h"

struct numbers {
	BN_CTX *context;
	BIGNUM *n, *e, *p, *q, *dp, *dq, *qinv;
	BIGNUM *scratch;
};

static struct span without_leading_zeros(struct span number)
{
	while (number.len > 0 && number.data[0] == 0)
		number = span_of(number.data + 1, number.len - 1);
	return number;
}

bool mb_rsa_size_of(struct span n, enum mb_rsa_size *out_size)
{
	struct span number = without_leading_zeros(n);

	for (unsigned size = 0; size < MB_RSA_N_SIZES; size++) {
		if (number.len == MB_RSA_LEN(size) && number.data[0] >= 0x80) {
			*out_size = (enum mb_rsa_size)size;
			return true;
		}
	}
	return false;
}

// Lengths are looked at before anything is computed with the numbers.
static bool lengths_fit(enum mb_rsa_size size, const struct mb_rsa_parts *parts)
{
	const struct span halves[] = {parts->p, parts->q, parts->dp, parts->dq, parts->qinv};

	for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
		if (without_leading_zeros(halves[i]).len > MB_RSA_LEN(size) / 2)
			return false;
	}
	return true;
}

static bool read_number(BN_CTX *context, struct span from, BIGNUM **out_number)
{
	*out_number = BN_CTX_get(context);
	return *out_number != NULL && BN_bin2bn(from.data, (int)from.len, *out_number) != NULL;
}

static bool read_numbers(struct numbers *numbers, const struct mb_rsa_parts *parts)
{
	BN_CTX *context = numbers->context;

	numbers->scratch = BN_CTX_get(context);
	return numbers->scratch != NULL && read_number(context, parts->n, &numbers->n) &&
	       read_number(context, parts->e, &numbers->e) && read_number(context, parts->p, &numbers->p) &&
	       read_number(context, parts->q, &numbers->q) && read_number(context, parts->dp, &numbers->dp) &&
	       read_number(context, parts->dq, &numbers->dq) &&
	       read_number(context, parts->qinv, &numbers->qinv);
}

// Whether 0 < a < m and a b = 1 mod m.
static enum mb_rsa_key_verdict check_inverse(
	const struct numbers *numbers, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m)
{
	if (BN_is_zero(a) || BN_cmp(a, m) >= 0)
		return MB_RSA_KEY_INCONSISTENT;
	if (!BN_mod_mul(numbers->scratch, a, b, m, numbers->context))
		return MB_RSA_KEY_NO_MEMORY;
	return BN_is_one(numbers->scratch) ? MB_RSA_KEY_OK : MB_RSA_KEY_INCONSISTENT;
}

// The same modulo prime - 1.
static enum mb_rsa_key_verdict check_exponent(
	const struct numbers *numbers, const BIGNUM *d, const BIGNUM *prime)
{
	BIGNUM *order = BN_CTX_get(numbers->context);

	if (order == NULL || !BN_sub(order, prime, BN_value_one()))
		return MB_RSA_KEY_NO_MEMORY;
	return check_inverse(numbers, d, numbers->e, order);
}

static enum mb_rsa_key_verdict check_numbers(const struct numbers *numbers, enum mb_rsa_size size)
{
	int prime_bits = (int)MB_RSA_LEN(size) * 4;
	enum mb_rsa_key_verdict verdict;

	if (!BN_is_odd(numbers->e) || BN_is_one(numbers->e) || BN_num_bits(numbers->e) > 32)
		return MB_RSA_KEY_WRONG_EXPONENT;
	if (BN_num_bits(numbers->p) != prime_bits || BN_num_bits(numbers->q) != prime_bits)
		return MB_RSA_KEY_WRONG_SIZE;
	if (!BN_mul(numbers->scratch, numbers->p, numbers->q, numbers->context))
		return MB_RSA_KEY_NO_MEMORY;
	if (BN_cmp(numbers->scratch, numbers->n) != 0 || !BN_is_odd(numbers->n))
		return MB_RSA_KEY_INCONSISTENT;
	verdict = check_exponent(numbers, numbers->dp, numbers->p);
	if (verdict == MB_RSA_KEY_OK)
		verdict = check_exponent(numbers, numbers->dq, numbers->q);
	if (verdict == MB_RSA_KEY_OK)
		verdict = check_inverse(numbers, numbers->qinv, numbers->q, numbers->p);
	return verdict;
}

static void store(struct mb_rsa_key *key, enum mb_rsa_key_part part, const BIGNUM *number)
{
	unsigned n_prime = MB_RSA_PRIME_DIGITS(key->size);
	bool is_full = part >= MB_RSA_N;
	unsigned len = (unsigned)MB_RSA_LEN(key->size) / (is_full ? 1 : 2);
	uint8_t bytes[MB_RSA_LEN_MAX];

	(void)BN_bn2binpad(number, bytes, (int)len);
	mont_digits_set(key->digits + part * n_prime, n_prime * (is_full ? 2 : 1), 1, bytes, len);
	wipe(bytes, sizeof(bytes));
}

// Stores number 2^bits mod m.
static bool store_shifted(const struct numbers *numbers, struct mb_rsa_key *key, enum mb_rsa_key_part part,
	const BIGNUM *number, unsigned bits, const BIGNUM *m)
{
	if (!BN_lshift(numbers->scratch, number, (int)bits) ||
		!BN_mod(numbers->scratch, numbers->scratch, m, numbers->context))
		return false;
	store(key, part, numbers->scratch);
	return true;
}

// A random pair (r^e, r^-1), in Montgomery form.
static bool store_blinding(const struct numbers *numbers, struct mb_rsa_key *key, unsigned n_bits)
{
	BIGNUM *r = BN_CTX_get(numbers->context);
	BIGNUM *result = BN_CTX_get(numbers->context);

	return result != NULL && BN_priv_rand_range(r, numbers->n) &&
	       BN_mod_inverse(result, r, numbers->n, numbers->context) != NULL &&
	       store_shifted(numbers, key, MB_RSA_UNBLIND, result, n_bits, numbers->n) &&
	       BN_mod_exp(result, r, numbers->e, numbers->n, numbers->context) &&
	       store_shifted(numbers, key, MB_RSA_BLIND, result, n_bits, numbers->n);
}

static enum mb_rsa_key_verdict fill_key(const struct numbers *numbers, struct mb_rsa_key *key)
{
	unsigned prime_bits = MB_RSA_PRIME_DIGITS(key->size) * VEC_DIGIT_BITS;
	unsigned n_prime = MB_RSA_PRIME_DIGITS(key->size);

	key->e = (uint32_t)BN_get_word(numbers->e);
	store(key, MB_RSA_P, numbers->p);
	store(key, MB_RSA_Q, numbers->q);
	store(key, MB_RSA_QINV, numbers->qinv);
	store(key, MB_RSA_DP, numbers->dp);
	store(key, MB_RSA_DQ, numbers->dq);
	store(key, MB_RSA_N, numbers->n);
	key->p_minus_inverse = mont_minus_inverse(key->digits[MB_RSA_P * n_prime]);
	key->q_minus_inverse = mont_minus_inverse(key->digits[MB_RSA_Q * n_prime]);
	key->n_minus_inverse = mont_minus_inverse(key->digits[MB_RSA_N * n_prime]);
	if (store_shifted(numbers, key, MB_RSA_P_R2, BN_value_one(), 2 * prime_bits, numbers->p) &&
		store_shifted(numbers, key, MB_RSA_Q_R2, BN_value_one(), 2 * prime_bits, numbers->q) &&
		store_shifted(numbers, key, MB_RSA_N_R2, BN_value_one(), 4 * prime_bits, numbers->n) &&
		store_blinding(numbers, key, 2 * prime_bits))
		return MB_RSA_KEY_OK;
	return MB_RSA_KEY_NO_MEMORY;
}

enum mb_rsa_key_verdict mb_rsa_key_set(struct mb_rsa_key *out_key, const struct mb_rsa_parts *parts)
{
	enum mb_rsa_key_verdict verdict = MB_RSA_KEY_NO_MEMORY;
	struct numbers numbers = {0};
	enum mb_rsa_size size;

	if (!mb_rsa_size_of(parts->n, &size))
		return MB_RSA_KEY_WRONG_SIZE;
	memset(out_key, 0, MB_RSA_KEY_BYTES(size));
	if (without_leading_zeros(parts->e).len > sizeof(uint32_t))
		return MB_RSA_KEY_WRONG_EXPONENT;
	if (!lengths_fit(size, parts))
		return MB_RSA_KEY_WRONG_SIZE;
	numbers.context = BN_CTX_secure_new();
	if (numbers.context == NULL)
		return MB_RSA_KEY_NO_MEMORY;
	BN_CTX_start(numbers.context);
	if (read_numbers(&numbers, parts))
		verdict = check_numbers(&numbers, size);
	out_key->size = size;
	if (verdict == MB_RSA_KEY_OK)
		verdict = fill_key(&numbers, out_key);
	BN_CTX_end(numbers.context);
	BN_CTX_free(numbers.context);
	if (verdict != MB_RSA_KEY_OK)
		wipe(out_key, MB_RSA_KEY_BYTES(size));
	return verdict;
}
