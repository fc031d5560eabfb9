// SPDX-License-Identifier: Apache-2.0
#include "tls/key_schedule.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "tls/config.h"
#include "tls/transcript.h"

static struct span secret_span(const struct tls_schedule *schedule)
{
	return span_of(schedule->secret, hash_len(schedule->hash));
}

// What is the same in every handshake (checked by tests/kat/test_kat_rfc8448.c): the hash of nothing, which
// "derived" and the binder key take as their transcript, and the "derived" secret of an early secret without
// a PSK.
static const struct {
	uint8_t nothing[TLS_HASH_MAX];
	uint8_t derived_without_psk[TLS_HASH_MAX];
} constants[TLS_TRANSCRIPT_HASHES] = {
	[HASH_SHA256] = {{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f,
				 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99,
				 0x1b, 0x78, 0x52, 0xb8, 0x55},
		{0x6f, 0x26, 0x15, 0xa1, 0x08, 0xc7, 0x02, 0xc5, 0x67, 0x8f, 0x54, 0xfc, 0x9d, 0xba, 0xb6,
			0x97, 0x16, 0xc0, 0x76, 0x18, 0x9c, 0x48, 0x25, 0x0c, 0xeb, 0xea, 0xc3, 0x57, 0x6c,
			0x36, 0x11, 0xba}},
	[HASH_SHA384] = {{0x38, 0xb0, 0x60, 0xa7, 0x51, 0xac, 0x96, 0x38, 0x4c, 0xd9, 0x32, 0x7e, 0xb1, 0xb1,
				 0xe3, 0x6a, 0x21, 0xfd, 0xb7, 0x11, 0x14, 0xbe, 0x07, 0x43, 0x4c, 0x0c, 0xc7,
				 0xbf, 0x63, 0xf6, 0xe1, 0xda, 0x27, 0x4e, 0xde, 0xbf, 0xe7, 0x6f, 0x65, 0xfb,
				 0xd5, 0x1a, 0xd2, 0xf1, 0x48, 0x98, 0xb9, 0x5b},
		{0x15, 0x91, 0xda, 0xc5, 0xcb, 0xbf, 0x03, 0x30, 0xa4, 0xa8, 0x4d, 0xe9, 0xc7, 0x53, 0x33,
			0x0e, 0x92, 0xd0, 0x1f, 0x0a, 0x88, 0x21, 0x4b, 0x44, 0x64, 0x97, 0x2f, 0xd6, 0x68,
			0x04, 0x9e, 0x93, 0xe5, 0x2f, 0x2b, 0x16, 0xfa, 0xd9, 0x22, 0xfd, 0xc0, 0x58, 0x44,
			0x78, 0x42, 0x8f, 0x28, 0x2b}},
};

static struct span hash_of_nothing(const struct tls_schedule *schedule)
{
	return span_of(constants[schedule->hash].nothing, hash_len(schedule->hash));
}

static struct kdf_label_job job_of(
	const struct tls_schedule *schedule, const char *label, struct span context, uint8_t *out)
{
	return (struct kdf_label_job){.secret = secret_span(schedule),
		.label = label,
		.context = context,
		.out = {out, hash_len(schedule->hash)}};
}

void tls_schedule_early(struct tls_schedule *schedule, enum hash_id hash, struct span psk)
{
	schedule->hash = (uint8_t)hash;
	if (psk.len == 0) {
		memcpy(schedule->salt, constants[hash].derived_without_psk, hash_len(hash));
		return;
	}
	hkdf_extract(hash, span_of(kdf_zeros, hash_len(hash)), psk, schedule->secret);
	kdf_derive_secret(hash, secret_span(schedule), "derived", hash_of_nothing(schedule), schedule->salt);
}

static void advance(struct tls_schedule *schedule, struct span ikm)
{
	hkdf_extract(
		schedule->hash, span_of(schedule->salt, hash_len(schedule->hash)), ikm, schedule->secret);
}

void tls_schedule_handshake(struct tls_schedule *schedule, struct span shared_secret,
	struct span transcript_hash, uint8_t *const outs[2])
{
	struct kdf_label_job jobs[3];

	advance(schedule, shared_secret);
	jobs[0] = job_of(schedule, "c hs traffic", transcript_hash, outs[0]);
	jobs[1] = job_of(schedule, "s hs traffic", transcript_hash, outs[1]);
	jobs[2] = job_of(schedule, "derived", hash_of_nothing(schedule), schedule->salt);
	kdf_expand_label_burst(schedule->hash, jobs, 3);
}

void tls_schedule_master(struct tls_schedule *schedule, struct span transcript_hash, uint8_t *const outs[2])
{
	struct kdf_label_job jobs[2];

	advance(schedule, span_of(kdf_zeros, hash_len(schedule->hash)));
	jobs[0] = job_of(schedule, "c ap traffic", transcript_hash, outs[0]);
	jobs[1] = job_of(schedule, "s ap traffic", transcript_hash, outs[1]);
	kdf_expand_label_burst(schedule->hash, jobs, 2);
}

void tls_schedule_resumption_master(
	const struct tls_schedule *schedule, struct span transcript_hash, uint8_t *out)
{
	kdf_derive_secret(schedule->hash, secret_span(schedule), "res master", transcript_hash, out);
}

void tls_schedule_ticket_psks(enum hash_id hash, const uint8_t *resumption_master, const struct span *nonces,
	uint8_t *const *outs, size_t n)
{
	struct kdf_label_job jobs[TLS_TICKETS_MAX];

	SLUICE_ASSERT(n <= TLS_TICKETS_MAX);
	for (size_t i = 0; i < n; i++)
		jobs[i] = (struct kdf_label_job){.secret = span_of(resumption_master, hash_len(hash)),
			.label = "resumption",
			.context = nonces[i],
			.out = {outs[i], hash_len(hash)}};
	kdf_expand_label_burst(hash, jobs, n);
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
	uint8_t key[HASH_MAX_LEN];

	kdf_derive_secret(
		schedule->hash, secret_span(schedule), "res binder", hash_of_nothing(schedule), key);
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
