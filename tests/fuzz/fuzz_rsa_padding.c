// SPDX-License-Identifier: Apache-2.0
//
// The decoders of RSA encodings. The first byte chooses:
//
//     raw         the rest is an encoded message of any length. Whatever PKCS#1 accepts must be what encoding
//                 the digest gives; PSS must not accept under two salt lengths.
//     structured  the rest is PSS' data block in the clear: masked and hashed as a signer would, so that the
//                 decoder gets past the hash. It must accept exactly when the block is zeros, 01, salt.
#include "base/assert.h"
#include "base/reader.h"
#include "crypto/rsa_padding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

// The digest is fixed; it is the caller's, not the peer's.
static const uint8_t digest[HASH_MAX_LEN] =
	"sixty-four bytes that stand for the hash of a signed message ...";

static void try_raw(enum hash_id hash, struct span em)
{
	uint8_t expected[RSA_PADDING_MAX_LEN];
	unsigned n_accepted = 0;

	if (rsa_pkcs1_verify(hash, digest, em)) {
		rsa_pkcs1_encode(hash, digest, (struct mut_span){.data = expected, .len = em.len});
		SLUICE_ASSERT(span_equal(em, span_of(expected, em.len)));
	}
	for (size_t salt_len = 0; salt_len <= HASH_MAX_LEN + 1; salt_len++)
		n_accepted += rsa_pss_verify(hash, digest, salt_len, em);
	SLUICE_ASSERT(n_accepted <= 1);
}

// bytes ^= MGF1(seed), written down again from RFC 8017 B.2.1.
static void mask(enum hash_id hash, struct span seed, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t input[HASH_MAX_LEN + 4] = {0}, block[HASH_MAX_LEN];

		memcpy(input, seed.data, seed.len);
		input[seed.len + 3] = (uint8_t)(i / hash_len(hash));
		if (i % hash_len(hash) == 0)
			hash_digest(hash, span_of(input, seed.len + 4), block);
		bytes[i] ^= block[i % hash_len(hash)];
	}
}

static void try_structured(enum hash_id hash, size_t salt_len, struct span data_block)
{
	uint8_t input[8 + 2 * HASH_MAX_LEN] = {0}, em[RSA_PADDING_MAX_LEN];
	size_t h_at = data_block.len, em_len = data_block.len + hash_len(hash) + 1;
	const uint8_t *salt = data_block.data + data_block.len - salt_len;
	bool well_formed = salt[-1] == 1 && (data_block.data[0] & 0x80) == 0;

	for (const uint8_t *at = data_block.data; at < salt - 1; at++)
		well_formed = well_formed && *at == 0;
	memcpy(em, data_block.data, data_block.len);
	memcpy(input + 8, digest, hash_len(hash));
	memcpy(input + 8 + hash_len(hash), salt, salt_len);
	hash_digest(hash, span_of(input, 8 + hash_len(hash) + salt_len), em + h_at);
	mask(hash, span_of(em + h_at, hash_len(hash)), em, data_block.len);
	if ((data_block.data[0] & 0x80) == 0)
		em[0] &= 0x7f;
	else
		em[0] |= 0x80;
	em[em_len - 1] = 0xbc;
	SLUICE_ASSERT(rsa_pss_verify(hash, digest, salt_len, span_of(em, em_len)) == well_formed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader reader = reader_over(span_of(data, len));
	uint8_t choice = reader_u8(&reader);
	enum hash_id hash = choice / 2 % N_HASHES;
	size_t salt_len = reader_u8(&reader) % (hash_len(hash) + 1);
	struct span rest = reader_rest(&reader);
	size_t em_len = rest.len + hash_len(hash) + 1;

	if (choice % 2 == 0)
		try_raw(hash, rest);
	else if (em_len >= RSA_PADDING_MIN_LEN && em_len <= RSA_PADDING_MAX_LEN)
		try_structured(hash, salt_len, rest);
	return 0;
}
