// SPDX-License-Identifier: Apache-2.0
//
// Handshakes as their user sees them: bytes in, bytes out, and a reason to wait. No I/O happens here and
// nothing is allocated but from the engine's pools.
//
//   tls_server_start / tls_client_start
//        |
//        v
//   tls_handshake_input(received) ----> NEED_BYTES: come back with more
//        |        ^                     WAIT_KX, WAIT_SIGN: when the lane scheduler pops a request,
//        |        +----- resume ------    tls_handshake_resume(request's owner)
//        |                              WAIT_LOOKUP, WAIT_VERIFY: after tls_handshake_found or _verified
//        v
//      DONE or FAILED
//        |
//   tls_handshake_output   after every call above, until it has nothing more
//   tls_handshake_finish   when it has nothing more after DONE or FAILED: the report, and the state goes back
//
// Bytes that follow the handshake's last message in what was received are not consumed: they belong to the
// record layer (record.h). After DONE application data may be sealed once the output is empty.
#pragma once

#include "tls/config.h"
#include "tls/conn.h"
#include "tls/report.h"
#include "tls/stream.h"
#include "tls/verifier.h"

struct tls_handshake;

enum tls_status {
	TLS_DONE,
	TLS_NEED_BYTES,
	TLS_WAIT_KX,
	TLS_WAIT_SIGN,
	TLS_WAIT_LOOKUP,
	TLS_WAIT_VERIFY,
	TLS_FAILED,
};

enum tls_state {
#define STATE(id, name, event) TLS_STATE_##id,
#include "tls/states.def"
#undef STATE
	TLS_N_STATES
};

const char *tls_state_name(enum tls_state state);

// Begin. conn is the caller's and was given to tls_conn_init; owner comes back in questions and in
// tls_handshake_owner. False when no handshake is free, which is counted.
bool tls_server_start(struct tls_engine *engine, struct tls_conn *conn,
	const struct tls_server_config *config, void *owner);

// Of one connection. The name is what SNI says and the verifier is asked for; the session, if any, is resumed
// if the server likes it. Both are copied.
struct tls_client_params {
	struct span name;
	const struct tls_session *session;
	void *owner;
};
bool tls_client_start(struct tls_engine *engine, struct tls_conn *conn,
	const struct tls_client_config *config, const struct tls_client_params *params);

// Goes on with what was received; *out_consumed bytes of it are done with (also when it waits or fails). A
// client is set going with an empty stream.
enum tls_status tls_handshake_input(struct tls_engine *engine, struct tls_conn *conn,
	struct tls_stream received, size_t *out_consumed) TLS_MUST_CHECK;

// A lane request that the handshake owns was popped: its owner is the handshake. Goes on with what was
// already read; afterwards the bytes that were not consumed come in through tls_handshake_input as usual.
enum tls_status tls_handshake_resume(struct tls_handshake *handshake) TLS_MUST_CHECK;

// Answers to questions (verifier.h). NULL when nobody waits for it any more; otherwise the handshake, on
// which tls_handshake_resume is called next.
struct tls_handshake *tls_handshake_verified(
	struct tls_engine *engine, struct tls_reference who, const struct tls_verify_answer *answer);
struct tls_handshake *tls_handshake_found(
	struct tls_engine *engine, struct tls_reference who, const struct tls_session_state *state);

// Writes whole records, as many as there are and fit; 0 when there is nothing more (or not even one fits:
// give it at least 512 bytes).
size_t tls_handshake_output(struct tls_engine *engine, struct tls_conn *conn, struct mut_span out);

// Whether the handshake has bytes to send.
bool tls_handshake_has_output(const struct tls_engine *engine, const struct tls_conn *conn);

void *tls_handshake_owner(const struct tls_handshake *handshake);
const struct tls_handshake_report *tls_handshake_report(
	const struct tls_engine *engine, const struct tls_conn *conn);

// Gives the handshake's state back, at any time: cancels what waits, wipes secrets. The connection remains,
// with its keys if it was established.
void tls_handshake_finish(struct tls_engine *engine, struct tls_conn *conn);
