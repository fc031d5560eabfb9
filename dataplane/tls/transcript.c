// SPDX-License-Identifier: Apache-2.0
#include "tls/transcript.h"

#include "base/assert.h"
#include "tls/wire.h"

_Static_assert(HASH_SHA256 == 0 && HASH_SHA384 == 1, "hashes index the states");

void tls_transcript_init(struct tls_transcript *transcript)
{
	transcript->kept = 1 << HASH_SHA256 | 1 << HASH_SHA384;
	hash_init(&transcript->states[HASH_SHA256], HASH_SHA256);
	hash_init(&transcript->states[HASH_SHA384], HASH_SHA384);
}

void tls_transcript_keep(struct tls_transcript *transcript, enum hash_id hash)
{
	SLUICE_ASSERT((transcript->kept >> hash & 1) != 0);
	transcript->kept = (uint8_t)(1 << hash);
}

void tls_transcript_add(struct tls_transcript *transcript, struct span bytes)
{
	for (unsigned hash = 0; hash < TLS_TRANSCRIPT_HASHES; hash++) {
		if ((transcript->kept >> hash & 1) != 0)
			hash_update(&transcript->states[hash], bytes);
	}
}

void tls_transcript_hash(const struct tls_transcript *transcript, enum hash_id hash, uint8_t *out)
{
	SLUICE_ASSERT((transcript->kept >> hash & 1) != 0);
	hash_peek(&transcript->states[hash], out);
}

void tls_transcript_fold(struct tls_transcript *transcript, enum hash_id hash)
{
	uint8_t message[TLS_MESSAGE_HEADER_LEN + HASH_MAX_LEN] = {
		TLS_MESSAGE_HASH, 0, 0, (uint8_t)hash_len(hash)};

	tls_transcript_hash(transcript, hash, message + TLS_MESSAGE_HEADER_LEN);
	tls_transcript_keep(transcript, hash);
	hash_init(&transcript->states[hash], hash);
	hash_update(&transcript->states[hash], span_of(message, TLS_MESSAGE_HEADER_LEN + hash_len(hash)));
}
