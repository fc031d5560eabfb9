// SPDX-License-Identifier: Apache-2.0
#include "tls/key_schedule.h"

#include "base/wipe.h"

static struct span secret_span(const struct tls_schedule *schedule)
{
	return span_of(schedule->secret, hash_len(schedule->hash));
}

// The hash of nothing, which "derived" and the binder key take as their transcript.
static struct span empty_hash(enum hash_id hash, uint8_t out[HASH_MAX_LEN])
{
	hash_digest(hash, span_of(NULL, 0), out);
	return span_of(out, hash_len(hash));
}

void tls_schedule_early(struct tls_schedule *schedule, enum hash_id hash, struct span psk)
{
	struct span zeros = span_of(kdf_zeros, hash_len(hash));

	schedule->hash = (uint8_t)hash;
	hkdf_extract(hash, zeros, psk.len != 0 ? psk : zeros, schedule->secret);
}

static void advance(struct tls_schedule *schedule, struct span ikm)
{
	uint8_t nothing[HASH_MAX_LEN];
	uint8_t salt[HASH_MAX_LEN];

	kdf_derive_secret(
		schedule->hash, secret_span(schedule), "derived", empty_hash(schedule->hash, nothing), salt);
	hkdf_extract(schedule->hash, span_of(salt, hash_len(schedule->hash)), ikm, schedule->secret);
	wipe(salt, sizeof salt);
}

void tls_schedule_handshake(struct tls_schedule *schedule, struct span shared_secret)
{
	advance(schedule, shared_secret);
}

void tls_schedule_master(struct tls_schedule *schedule)
{
	advance(schedule, span_of(kdf_zeros, hash_len(schedule->hash)));
}

void tls_schedule_traffic(const struct tls_schedule *schedule, const char *const labels[2],
	struct span transcript_hash, uint8_t *const outs[2])
{
	struct kdf_label_job jobs[2];

	for (unsigned i = 0; i < 2; i++)
		jobs[i] = (struct kdf_label_job){.secret = secret_span(schedule),
			.label = labels[i],
			.context = transcript_hash,
			.out = {outs[i], hash_len(schedule->hash)}};
	kdf_expand_label_burst(schedule->hash, jobs, 2);
}

void tls_schedule_resumption_master(
	const struct tls_schedule *schedule, struct span transcript_hash, uint8_t *out)
{
	kdf_derive_secret(schedule->hash, secret_span(schedule), "res master", transcript_hash, out);
}

void tls_schedule_ticket_psk(
	enum hash_id hash, const uint8_t *resumption_master, struct span nonce, uint8_t *out)
{
	kdf_expand_label(hash, span_of(resumption_master, hash_len(hash)), "resumption", nonce,
		(struct mut_span){.data = out, .len = hash_len(hash)});
}

void tls_finished_mac_13(
	enum hash_id hash, const uint8_t *traffic_secret, struct span transcript_hash, uint8_t *out)
{
	uint8_t key[HASH_MAX_LEN];

	kdf_expand_label(hash, span_of(traffic_secret, hash_len(hash)), "finished", span_of(NULL, 0),
		(struct mut_span){.data = key, .len = hash_len(hash)});
	hmac(hash, span_of(key, hash_len(hash)), transcript_hash, out);
	wipe(key, sizeof key);
}

void tls_schedule_binder(const struct tls_schedule *schedule, struct span transcript_hash, uint8_t *out)
{
	uint8_t nothing[HASH_MAX_LEN];
	uint8_t key[HASH_MAX_LEN];

	kdf_derive_secret(schedule->hash, secret_span(schedule), "res binder",
		empty_hash(schedule->hash, nothing), key);
	tls_finished_mac_13(schedule->hash, key, transcript_hash, out);
	wipe(key, sizeof key);
}

void tls_traffic_secret_update(enum hash_id hash, uint8_t *traffic_secret)
{
	uint8_t next[HASH_MAX_LEN];

	kdf_expand_label(hash, span_of(traffic_secret, hash_len(hash)), "traffic upd", span_of(NULL, 0),
		(struct mut_span){.data = next, .len = hash_len(hash)});
	memcpy(traffic_secret, next, hash_len(hash));
	wipe(next, sizeof next);
}

void tls_master_secret_12(enum hash_id hash, struct span premaster, bool extended, struct span seed,
	uint8_t out[TLS_MASTER_SECRET_LEN])
{
	const struct span seeds[2] = {seed};

	kdf_tls12_prf(hash, premaster, extended ? "extended master secret" : "master secret", seeds,
		(struct mut_span){.data = out, .len = TLS_MASTER_SECRET_LEN});
}

void tls_finished_mac_12(enum hash_id hash, const uint8_t master[TLS_MASTER_SECRET_LEN], bool by_server,
	struct span transcript_hash, uint8_t out[TLS_VERIFY_DATA_LEN_12])
{
	const struct span seeds[2] = {transcript_hash};

	kdf_tls12_prf(hash, span_of(master, TLS_MASTER_SECRET_LEN),
		by_server ? "server finished" : "client finished", seeds,
		(struct mut_span){.data = out, .len = TLS_VERIFY_DATA_LEN_12});
}
