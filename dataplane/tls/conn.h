// SPDX-License-Identifier: Apache-2.0
//
// An established connection: all that is kept of TLS once the handshake's own state went back to its pool. It
// lies inside its owner (a leg of a proxied connection), belongs to one worker, and is made by
// tls_server_start or tls_client_start (handshake.h).
//
// What may happen after the handshake happens here: key updates in both directions, tickets for a client, and
// closing. Records go through record.h; each plaintext that is not application data comes to
// tls_conn_receive, and whatever TLS itself has to say goes out through tls_conn_output, before the next
// application data.
#pragma once

#include "base/assert.h"
#include "tls/alert.h"
#include "tls/suite.h"
#include "tls/wire.h"

struct tls_engine;

enum tls_conn_flag {
	TLS_CONN_IS_SERVER = 1 << 0,
	TLS_CONN_ESTABLISHED = 1 << 1,
	TLS_CONN_READ_KEYED = 1 << 2,  // what arrives is encrypted
	TLS_CONN_WRITE_KEYED = 1 << 3, // what leaves is encrypted
	TLS_CONN_READ_CLOSED = 1 << 4, // close_notify or a fatal alert came: no more is accepted
	TLS_CONN_WRITE_CLOSED = 1 << 5,
	TLS_CONN_FAILED = 1 << 6,
	TLS_CONN_OPENING = 1 << 7, // a record is between job and verdict
	TLS_CONN_VERSION_SET = 1 << 8,
	TLS_CONN_IS_13 = 1 << 9,
	TLS_CONN_UPDATE_DUE = 1 << 10,        // a KeyUpdate shall leave
	TLS_CONN_UPDATE_ASKS = 1 << 11,       // and ask for one in return
	TLS_CONN_UPDATE_ASKED = 1 << 12,      // we asked and the answer is still out
	TLS_CONN_ALERT_DUE = 1 << 13,         // alert_due shall leave
	TLS_CONN_PEER_CLOSED_CLEAN = 1 << 14, // the end of the stream is the real end
};

struct tls_conn {
	struct aead_key read_key;
	struct aead_key write_key;
	uint64_t read_seq;
	uint64_t write_seq;
	uint8_t read_secret[TLS_HASH_MAX]; // TLS 1.3 traffic secrets
	uint8_t write_secret[TLS_HASH_MAX];
	uint32_t handshake_idx; // in the engine's pool, POOL_NONE once established
	uint32_t client_idx;    // a client's memory for tickets, or POOL_NONE
	uint32_t sent_len;      // since the last pause, for the record size
	uint32_t skip_len;      // of a message that is passed over, bytes still to come
	uint16_t flags;         // set of enum tls_conn_flag
	uint16_t send_max;      // plaintext bytes in a record that the peer takes
	uint16_t receive_max;
	uint8_t suite_idx;
	uint8_t n_empty;       // records in a row that carried nothing
	uint8_t n_key_updates; // by the peer, since application data last came
	uint8_t alert_due;
	uint8_t partial_len; // reassembly: a KeyUpdate, or the header of something longer
	uint8_t partial[TLS_MESSAGE_HEADER_LEN + 1];
};

_Static_assert(sizeof(struct tls_conn) <= 256, "an established connection keeps at most 256 bytes");

static inline bool tls_conn_is(const struct tls_conn *conn, enum tls_conn_flag flag)
{
	return (conn->flags & flag) != 0;
}

static inline const struct tls_suite *tls_conn_suite(const struct tls_conn *conn)
{
	return &tls_suites[conn->suite_idx];
}

// An object on which nothing is going on.
void tls_conn_init(struct tls_conn *conn);

// Installs keys for one direction and starts its numbering anew: from a traffic secret (copied) in TLS 1.3,
// from key and iv in TLS 1.2.
void tls_conn_set_read_secret(struct tls_engine *engine, struct tls_conn *conn, const uint8_t *secret);
void tls_conn_set_write_secret(struct tls_engine *engine, struct tls_conn *conn, const uint8_t *secret);
void tls_conn_set_read_key(struct tls_engine *engine, struct tls_conn *conn, const struct span key_and_iv[2]);
void tls_conn_set_write_key(
	struct tls_engine *engine, struct tls_conn *conn, const struct span key_and_iv[2]);

// What tls_conn_receive found.
enum tls_received {
	TLS_RECEIVED_DATA,    // application data: hand it on
	TLS_RECEIVED_NOTHING, // dealt with; tls_conn_output may have something
	TLS_RECEIVED_CLOSED,  // close_notify: no more will come, and nothing is missing
	TLS_RECEIVED_ALERT,   // the peer gave up; its alert is in alert_due's place (tls_conn_peer_alert)
	TLS_RECEIVED_FAULT,   // the peer's fault: the alert is ready in tls_conn_output
};

// One opened record of an established connection, in the order of the stream; `content` is borrowed for the
// call and must be contiguous for everything but application data, of which only the length is looked at.
enum tls_received tls_conn_receive(struct tls_engine *engine, struct tls_conn *conn, uint8_t content_type,
	struct span content) TLS_MUST_CHECK;

// The record layer refused something (record.h): the alert is prepared and the connection has failed.
void tls_conn_refuse(struct tls_engine *engine, struct tls_conn *conn, enum tls_verdict verdict);

// Says goodbye: close_notify will be in tls_conn_output; nothing can be sent after it.
void tls_conn_close(struct tls_conn *conn);

// Asks for new keys for what we send, and for what we receive if `both`. TLS 1.3 only; elsewhere nothing.
void tls_conn_update_keys(struct tls_conn *conn, bool both);

// Whether the keys have done as much as RFC 8446 5.5 lets them (tls_conn_output does the update by itself),
// or in TLS 1.2, which has no update, the connection has to end.
bool tls_conn_is_worn(const struct tls_conn *conn);

// Writes what TLS has to say (KeyUpdate, alert) as whole sealed records; 0 when there is nothing or no room
// (TLS_CONN_OUTPUT_MAX always suffices). Takes its place before any application data that is sealed later.
enum {
	TLS_CONN_OUTPUT_MAX = 2 * 64
};
size_t tls_conn_output(struct tls_engine *engine, struct tls_conn *conn, struct mut_span out);

// Whether the end of the TCP stream now would be a truncation (RFC 8446 6.1).
static inline bool tls_conn_is_truncated_now(const struct tls_conn *conn)
{
	return !tls_conn_is(conn, TLS_CONN_PEER_CLOSED_CLEAN);
}

// Wipes everything and gives back what the connection holds, in whatever state it is.
void tls_conn_destroy(struct tls_engine *engine, struct tls_conn *conn);
