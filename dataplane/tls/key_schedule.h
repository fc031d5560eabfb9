// SPDX-License-Identifier: Apache-2.0
//
// The key schedule of TLS 1.3 (RFC 8446 7.1), and what corresponds to it in TLS 1.2 (RFC 5246 8.1, RFC 7627).
//
//             0 or PSK                 (EC)DHE                      0
//                |                        |                         |
//   extract -> early -- "derived" --> handshake -- "derived" --> master
//                |                        |                         |
//         binder key            c hs, s hs traffic        c ap, s ap traffic, res master
//
// A tls_schedule holds the secret of where it stands and the "derived" one that leads on; going on overwrites
// both. What follows from one secret is derived in one burst.
#pragma once

#include "crypto/kdf.h"
#include "tls/wire.h"

struct tls_schedule {
	uint8_t hash;                 // enum hash_id
	uint8_t secret[TLS_HASH_MAX]; // at early only with a PSK
	uint8_t salt[TLS_HASH_MAX];
};

// An empty psk stands for none.
void tls_schedule_early(struct tls_schedule *schedule, enum hash_id hash, struct span psk);

// The next secret, and of it the traffic secrets of client and server for the transcript given, hash_len
// bytes each: with the (EC)DHE secret those of the handshake, then those of the application.
void tls_schedule_handshake(struct tls_schedule *schedule, struct span shared_secret,
	struct span transcript_hash, uint8_t *const outs[2]);
void tls_schedule_master(struct tls_schedule *schedule, struct span transcript_hash, uint8_t *const outs[2]);
void tls_schedule_resumption_master(
	const struct tls_schedule *schedule, struct span transcript_hash, uint8_t *out);

// The PSKs that belong to tickets, by their nonces (RFC 8446 4.6.1); hash_len bytes each.
void tls_schedule_ticket_psks(enum hash_id hash, const uint8_t *resumption_master, const struct span *nonces,
	uint8_t *const *outs, size_t n);

// Finished's verify_data from a traffic secret (RFC 8446 4.4.4), and a PSK's binder while the schedule stands
// at early (RFC 8446 4.2.11.2): hash_len bytes.
void tls_finished_mac_13(
	enum hash_id hash, const uint8_t *traffic_secret, struct span transcript_hash, uint8_t *out);
void tls_schedule_binder(const struct tls_schedule *schedule, struct span transcript_hash, uint8_t *out);

// The next generation of a traffic secret (RFC 8446 7.2), in place.
void tls_traffic_secret_update(enum hash_id hash, uint8_t *traffic_secret);

// TLS 1.2. The seed is the session hash with the extended master secret, else the two randoms.
void tls_master_secret_12(enum hash_id hash, struct span premaster, bool extended, struct span seed,
	uint8_t out[TLS_MASTER_SECRET_LEN]);
void tls_finished_mac_12(enum hash_id hash, const uint8_t master[TLS_MASTER_SECRET_LEN], bool by_server,
	struct span transcript_hash, uint8_t out[TLS_VERIFY_DATA_LEN_12]);
