// SPDX-License-Identifier: Apache-2.0
#include "crypto/rsa_padding.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/wipe.h"
#include "base/writer.h"

// DigestInfo up to the digest (RFC 8017 9.2, note 1): SEQUENCE { SEQUENCE { id-sha*, NULL }, OCTET STRING }.
#define DIGEST_INFO_LEN 19
static const uint8_t digest_info[N_HASHES][DIGEST_INFO_LEN] = {
	[HASH_SHA256] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
		0x01, 0x05, 0x00, 0x04, 0x20},
	[HASH_SHA384] = {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
		0x02, 0x05, 0x00, 0x04, 0x30},
	[HASH_SHA512] = {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
		0x03, 0x05, 0x00, 0x04, 0x40},
};

#define PSS_TRAILER 0xbc

static bool len_is_usable(size_t em_len)
{
	return em_len >= RSA_PADDING_MIN_LEN && em_len <= RSA_PADDING_MAX_LEN;
}

static void write_filled(struct writer *writer, uint8_t value, size_t len)
{
	uint8_t *bytes = writer_reserve(writer, len);

	if (bytes != NULL)
		memset(bytes, value, len);
}

void rsa_pkcs1_encode(enum hash_id hash, const uint8_t *digest, struct mut_span out_em)
{
	struct writer writer = writer_over(out_em);

	SLUICE_ASSERT(len_is_usable(out_em.len));
	writer_u16(&writer, 0x0001);
	write_filled(&writer, 0xff, out_em.len - 3 - DIGEST_INFO_LEN - hash_len(hash));
	writer_u8(&writer, 0);
	writer_bytes(&writer, span_of(digest_info[hash], DIGEST_INFO_LEN));
	writer_bytes(&writer, span_of(digest, hash_len(hash)));
	SLUICE_ASSERT(writer_ok(&writer) && writer_left(&writer) == 0);
}

bool rsa_pkcs1_verify(enum hash_id hash, const uint8_t *digest, struct span em)
{
	uint8_t expected[RSA_PADDING_MAX_LEN];

	if (!len_is_usable(em.len))
		return false;
	rsa_pkcs1_encode(hash, digest, (struct mut_span){.data = expected, .len = em.len});
	return span_equal(em, span_of(expected, em.len));
}

// bytes ^= MGF1(seed) (RFC 8017 B.2.1); the seed is as long as a hash.
static void mask_bytes(enum hash_id hash, const uint8_t *seed, uint8_t *bytes, size_t len)
{
	size_t block_len = hash_len(hash);
	struct hash_state seeded, state;
	uint8_t block[HASH_MAX_LEN];

	hash_init(&seeded, hash);
	hash_update(&seeded, span_of(seed, block_len));
	for (size_t start = 0, counter = 0; start < len; start += block_len, counter++) {
		uint8_t counter_bytes[4] = {0, 0, (uint8_t)(counter >> 8), (uint8_t)counter};

		state = seeded;
		hash_update(&state, span_of(counter_bytes, sizeof(counter_bytes)));
		hash_final(&state, block);
		for (size_t i = 0; i < block_len && start + i < len; i++)
			bytes[start + i] ^= block[i];
	}
	wipe(&seeded, sizeof(seeded));
	wipe(block, sizeof(block));
}

// H of the digest and the salt.
static void hash_salted(enum hash_id hash, const uint8_t *digest, struct span salt, uint8_t *out)
{
	static const uint8_t zeros[8];
	struct hash_state state;

	hash_init(&state, hash);
	hash_update(&state, span_of(zeros, sizeof(zeros)));
	hash_update(&state, span_of(digest, hash_len(hash)));
	hash_update(&state, salt);
	hash_final(&state, out);
}

void rsa_pss_encode(enum hash_id hash, const uint8_t *digest, struct span salt, struct mut_span out_em)
{
	size_t db_len = out_em.len - hash_len(hash) - 1;
	struct writer writer = writer_over(out_em);
	uint8_t *h;

	SLUICE_ASSERT(len_is_usable(out_em.len) && salt.len <= hash_len(hash));
	write_filled(&writer, 0, db_len - 1 - salt.len);
	writer_u8(&writer, 1);
	writer_bytes(&writer, salt);
	h = writer_reserve(&writer, hash_len(hash));
	writer_u8(&writer, PSS_TRAILER);
	SLUICE_ASSERT(writer_ok(&writer) && writer_left(&writer) == 0);
	hash_salted(hash, digest, salt, h);
	mask_bytes(hash, h, out_em.data, db_len);
	out_em.data[0] &= 0x7f;
}

// Whether an unmasked data block is zeros, a one and the salt; then *out_salt is the salt in it.
static bool parse_data_block(struct span data_block, size_t salt_len, struct span *out_salt)
{
	struct reader reader = reader_over(data_block);
	struct span zeros = reader_bytes(&reader, data_block.len - 1 - salt_len);
	uint8_t bits = 0;

	for (size_t i = 0; i < zeros.len; i++)
		bits |= zeros.data[i];
	if (reader_u8(&reader) != 1)
		return false;
	*out_salt = reader_bytes(&reader, salt_len);
	return reader_done(&reader) && bits == 0;
}

bool rsa_pss_verify(enum hash_id hash, const uint8_t *digest, size_t salt_len, struct span em)
{
	uint8_t data_block[RSA_PADDING_MAX_LEN], expected[HASH_MAX_LEN];
	struct reader reader = reader_over(em);
	struct span h, salt;
	size_t db_len;

	if (!len_is_usable(em.len) || salt_len > hash_len(hash))
		return false;
	db_len = em.len - hash_len(hash) - 1;
	reader_copy(&reader, data_block, db_len);
	h = reader_bytes(&reader, hash_len(hash));
	if (reader_u8(&reader) != PSS_TRAILER || !reader_done(&reader) || (data_block[0] & 0x80) != 0)
		return false;
	mask_bytes(hash, h.data, data_block, db_len);
	data_block[0] &= 0x7f;
	if (!parse_data_block(span_of(data_block, db_len), salt_len, &salt))
		return false;
	hash_salted(hash, digest, salt, expected);
	return span_equal(h, span_of(expected, hash_len(hash)));
}
