// SPDX-License-Identifier: Apache-2.0
//
// The record layer (RFC 8446 5, RFC 5246 6.2), cut so that one turn of a worker opens and seals the records
// of many connections in one burst each:
//
//   tls_record_cut            header checked, length known, all bytes there
//   tls_record_open_job       one aead_job per connection             aead_seal_burst(jobs)
//   aead_open_burst(jobs)                                              ^
//   tls_record_opened         verdict, content type, true length      tls_record_seal_job
//
// Of one connection at most one record is between job and verdict (asserted): it may be a KeyUpdate, and the
// next one then needs other keys. Sealing has no such limit.
//
// AEAD limits: RFC 8446 5.5 allows 2^24.5 full records under one AES-GCM key; we ask for new keys at 2^23.
#pragma once

#include "tls/conn.h"
#include "tls/stream.h"

enum {
	TLS_RECORD_AAD_MAX = 13,
	TLS_RECORD_HEAD_MAX = TLS_RECORD_HEADER_LEN + TLS_EXPLICIT_NONCE_LEN,
	TLS_RECORD_OVERHEAD_MAX = TLS_RECORD_HEAD_MAX + 1 + TLS_AEAD_TAG_LEN,
	TLS_RECORD_PIECES = 32, // what tls_record_inputs is commonly given
};

// A record on its way in.
struct tls_record {
	struct tls_conn *conn;
	uint32_t wire_len; // header and payload; 0: not all there yet
	uint16_t version;
	uint8_t type;         // on the outside; after tls_record_opened the true one
	uint8_t cipher_off;   // where ciphertext begins: after the header and the explicit nonce
	uint32_t content_len; // after tls_record_opened, or of a record that is not encrypted
	uint64_t explicit_nonce;
	uint8_t aad[TLS_RECORD_AAD_MAX];
};

// Looks at the record that begins at the offset. TLS_OK with wire_len 0: more bytes are needed, content_len
// of them in all if that is known already and not 0. Anything else
// is the alert; with bad_record_mac (too short for a tag) wire_len is set, for early data that is passed
// over.
enum tls_verdict tls_record_cut(struct tls_conn *conn, struct tls_stream stream, size_t offset,
	struct tls_record *out) TLS_MUST_CHECK;

// Length of the ciphertext with its tag, and of the room that opening needs (in TLS 1.3 the content type and
// padding included).
static inline size_t tls_record_cipher_len(const struct tls_record *record)
{
	return record->wire_len - record->cipher_off;
}

static inline size_t tls_record_room(const struct tls_record *record)
{
	return tls_record_cipher_len(record) - TLS_AEAD_TAG_LEN;
}

// Fills a job. The inputs are the ciphertext (tls_stream_slice from the record's offset + cipher_off), the
// outputs room for tls_record_room bytes, possibly in place.
struct tls_pieces {
	const struct span *inputs;
	const struct mut_span *outputs;
	uint16_t n_inputs;
	uint16_t n_outputs;
};
void tls_record_open_job(struct tls_record *record, const struct tls_pieces *pieces, struct aead_job *job);

// After the burst: sets type and content_len, or says which alert is due.
enum tls_verdict tls_record_opened(struct tls_record *record, const struct aead_job *job) TLS_MUST_CHECK;

// A record on its way out: lives until its burst was made.
struct tls_seal {
	uint8_t aad[TLS_RECORD_AAD_MAX];
	uint8_t inner_type;
};

// Bytes before the ciphertext, and of the whole record, for a connection that writes encrypted.
size_t tls_record_head_len(const struct tls_conn *conn);
size_t tls_record_sealed_len(const struct tls_conn *conn, size_t content_len);

// Writes the head (tls_record_head_len bytes) and fills a job. inputs has n_inputs pieces of content and room
// for one more, which TLS 1.3 uses for the content type; the outputs take everything after the head.
struct tls_seal_pieces {
	uint8_t *head;
	struct span *inputs;
	const struct mut_span *outputs;
	uint16_t n_inputs;
	uint16_t n_outputs;
	uint8_t type; // enum tls_content_type
};
void tls_record_seal_job(struct tls_conn *conn, const struct tls_seal_pieces *pieces, struct tls_seal *seal,
	struct aead_job *job);

// One record at once, into contiguous room (tls_record_sealed_len); also writes unencrypted ones where the
// connection has no keys yet. Returns its length.
size_t tls_record_write(struct tls_engine *engine, struct tls_conn *conn, enum tls_content_type type,
	struct span content, struct mut_span out);

// How much of what is available the next record shall take: one segment's worth at first and after a pause,
// so that the peer need not wait for the rest of a long record, then as much as a record can hold. Counts
// what it grants.
size_t tls_record_choose_len(struct tls_conn *conn, size_t segment_len, size_t available, bool after_pause);
