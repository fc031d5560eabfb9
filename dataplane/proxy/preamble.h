// SPDX-License-Identifier: Apache-2.0
//
// The conversation before the fast path, for mail: SMTP and LMTP (RFC 5321, RFC 3207, RFC 2033), IMAP
// (RFC 9051, RFC 3501), POP3 (RFC 1939, RFC 2595) and ManageSieve (RFC 5804). A preamble stands between a
// client and a mail server that knows nothing of TLS, and does TLS's part of the conversation:
//
//            client                      preamble                         backend
//               | <---- greeting ----------- filter <----------- greeting --- |
//               | --- EHLO, CAPABILITY ----> pass --------------------------> |
//               | <--- answer, + STARTTLS -- filter <------------ answer ---- |
//               | --- STARTTLS ------------> answered here (never passed on)  |
//               | <=== TLS handshake ======> the owner's                      |
//               | --- EHLO, CAPABILITY ----> pass --------------------------> |
//               | <--- answer, - STARTTLS -- filter <------------ answer ---- |
//               | --- MAIL, LOGIN ... -----> fast path: the record is freed,  |
//               | <========================> bytes pass unseen                |
//
//   phases    GREETING --> PLAIN --STARTTLS--> HANDSHAKE --> FRESH --> TLS --> (fast path)
//             `--- implicit TLS ------------------------------^
//
// It does no I/O. The owner feeds it bytes of either side and does what each step says: consume, send, start
// TLS, hand over, close. What it keeps is this record; bytes that it does not want yet stay with the owner,
// whose receive window then closes.
//
// What holds whatever the peers do:
// - No STARTTLS reaches the backend, and no AUTH or LOGIN before TLS.
// - Nothing that the client sent before the handshake is acted on after it, nothing that the backend said
//   before it is delivered inside it (CVE-2011-0411 and its kin): the record starts over.
// - An answer of our own takes its turn: it waits until the backend has answered all that was passed on.
// - Where servers may differ on where a command or a message ends (bare CR or LF, NUL, a BDAT or a literal
//   that was not offered), the connection ends instead.
// docs/mail.md says what operators need to know of it.
#pragma once

#include "net/addr.h"
#include "proxy/line.h"

struct counters;
struct preamble_machine;
struct preamble_rule;

enum preamble_protocol {
	PREAMBLE_SMTP, // LMTP too: LHLO makes the difference
	PREAMBLE_IMAP,
	PREAMBLE_POP3,
	PREAMBLE_SIEVE,
	N_PREAMBLE_PROTOCOLS
};

// Postfix's words (smtpd_tls_security_level).
enum preamble_security {
	PREAMBLE_MAY,    // TLS is offered
	PREAMBLE_ENCRYPT // nothing but the way to TLS is allowed before it
};

enum preamble_reason {
	PREAMBLE_REASON_NONE,
#define PREAMBLE_REASON(id, name) PREAMBLE_REASON_##id,
#include "proxy/preamble_reasons.def"
#undef PREAMBLE_REASON
	N_PREAMBLE_REASONS
};

enum {
	PREAMBLE_CLIENT_BUFFER = 512,
	PREAMBLE_BACKEND_BUFFER = 1024,
	PREAMBLE_HELLO_NAME_MAX = 255,
	PREAMBLE_SCRATCH_LEN = PREAMBLE_BACKEND_BUFFER + 576,
	PREAMBLE_EXPECTED_MAX = 64, // commands that the backend has not answered yet
	PREAMBLE_TAG_MAX = 64,
	PREAMBLE_HELLO_KEPT = 64 // bytes of the name in the client's EHLO, for the log
};

// Of a listener; immutable.
struct preamble_config {
	enum preamble_protocol protocol;
	enum preamble_security security;
	bool implicit_tls; // the owner does the handshake before the first step
	bool xclient;      // give the client's address to the backend when it offers XCLIENT (SMTP)
	char hello_name[PREAMBLE_HELLO_NAME_MAX + 1]; // for the EHLO of our own that asks for XCLIENT
	uint32_t line_max;                            // bytes of a client's line, CR LF included
	uint32_t n_commands_max;       // commands before TLS, or since the last message under `may`
	uint64_t greeting_timeout_us;  // for the backend's greeting
	uint64_t command_timeout_us;   // for one command to be whole, and between two of them
	uint64_t plaintext_timeout_us; // until TLS has begun, under `encrypt`
};

// The defaults of a protocol: RFC 5321 4.5.3.2, RFC 9051 5.4 ...
void preamble_config_default(struct preamble_config *config, enum preamble_protocol protocol);

// The port whose connections begin with TLS (RFC 8314 7; IANA's submissions, imaps, pop3s); 0: there is none.
uint16_t preamble_implicit_port(enum preamble_protocol protocol);

// One per worker: what all its preambles share.
struct preamble_worker {
	struct counters *counters;
	uint64_t now_us;                       // of this turn; the owner keeps it up to date
	uint8_t scratch[PREAMBLE_SCRATCH_LEN]; // bytes of the last step that are neither input nor record
};

struct preamble_client {
	struct ip_addr addr;
	struct ip_addr local_addr;
	uint16_t port;
	uint16_t local_port;
};

enum preamble_side {
	PREAMBLE_CLIENT,
	PREAMBLE_BACKEND
};

enum preamble_phase {
	PREAMBLE_PHASE_GREETING,
	PREAMBLE_PHASE_PLAIN,
	PREAMBLE_PHASE_HANDSHAKE,
	PREAMBLE_PHASE_FRESH, // in TLS, the client has not introduced itself again
	PREAMBLE_PHASE_TLS,
	PREAMBLE_PHASE_OVER // fast path or closed
};

// What comes now on the client's or the backend's side instead of lines.
enum preamble_body {
	PREAMBLE_BODY_NONE,
	PREAMBLE_BODY_RAW,  // so many bytes: a literal, a chunk
	PREAMBLE_BODY_DROP, // the same, of a command that is not passed on
	PREAMBLE_BODY_DOT,  // SMTP's message up to CR LF . CR LF
};

// Where PREAMBLE_BODY_DOT stands in its search for the end.
enum preamble_dot {
	PREAMBLE_DOT_TEXT,
	PREAMBLE_DOT_CR,
	PREAMBLE_DOT_LINE_START,
	PREAMBLE_DOT_DOT,
	PREAMBLE_DOT_DOT_CR
};

// Follows the arguments of a line for a literal at its end: literal.h.
struct literal_scan {
	uint64_t n;
	uint8_t state;
	bool quoted;
	bool escaped;
	bool digits; // at least one
	bool non_sync;
};

// The record of one connection, in the owner's pool until the fast path or the end.
struct preamble {
	const struct preamble_config *config;
	const struct preamble_machine *machine;
	const struct preamble_rule *rule; // of the command that is coming in
	uint64_t deadline_us;             // of the present command or greeting
	uint64_t plaintext_end_us;        // UINT64_MAX: none
	uint64_t client_left;             // of client_body
	uint64_t backend_left;            // of a backend's literal
	struct line_splitter client_lines;
	struct line_splitter backend_lines;
	struct literal_scan client_literal;
	struct literal_scan backend_literal;
	struct preamble_client client;
	uint32_t n_commands;
	uint16_t n_accepted;   // LMTP: recipients that the backend took
	uint16_t n_final;      // LMTP: answers to come for the message
	uint16_t reply_code;   // SMTP: of the reply that is coming in
	uint16_t held_len;     // SMTP: a line of the EHLO answer whose successor is awaited
	uint8_t phase;         // enum preamble_phase
	uint8_t client_body;   // enum preamble_body
	uint8_t backend_reply; // enum preamble_reply: which answer the present line belongs to
	bool backend_last;     // the present line ends the answer
	bool backend_drop;     // the present line is not passed on
	bool backend_scan;     // the present line may end with a literal
	uint8_t dot_state;     // enum preamble_dot
	uint8_t expected_head;
	uint8_t n_expected;
	uint8_t tag_len;
	bool in_command;   // a command has begun and is not over
	bool waits;        // the client's next command has to wait for all answers
	bool client_spoke; // its first byte has been looked at
	bool offered;      // STARTTLS was, in some answer
	bool tls_unavailable;
	bool reply_begun;      // a reply of several lines is coming in
	bool hello_done;       // SMTP: HELO, EHLO or LHLO was answered, since TLS began if it has
	bool capabilities;     // SMTP: the answer told what the server can do
	bool lmtp;             // LHLO was said
	bool chunking;         // CHUNKING was offered
	bool non_sync_offered; // LITERAL+ or LITERAL- was
	bool tracks;           // the backend trusts us with XCLIENT or XFORWARD: no fast path
	bool sasl;             // the client's next line is an answer to a challenge
	bool sync_literal;     // the client waits for a continuation before its literal
	bool own_done;         // the conversation of our own with the backend is over
	uint8_t hello_len;
	uint8_t expected[PREAMBLE_EXPECTED_MAX]; // enum preamble_reply, a ring
	uint8_t hello[PREAMBLE_HELLO_KEPT];
	uint8_t tag[PREAMBLE_TAG_MAX];
	uint8_t client_buffer[PREAMBLE_CLIENT_BUFFER];
	uint8_t backend_buffer[PREAMBLE_BACKEND_BUFFER];
};

_Static_assert(sizeof(struct preamble) <= 2048, "a bot that never finishes costs one small record");

enum preamble_action {
	PREAMBLE_NEED_BYTES, // all input was consumed
	PREAMBLE_CONTINUE,   // step again with what is left of the input, and with the other side's
	PREAMBLE_WAIT_OTHER, // the input is not wanted before the other side has made progress
	PREAMBLE_START_TLS,  // do the handshake with the client, then call preamble_tls_done
	PREAMBLE_FAST_PATH,  // from here on bytes pass both ways unseen; the record is free
	PREAMBLE_CLOSE       // close the client in order, abort the backend; the record is free
};

// What to do, in this order: consume, send, act. Spans last until the next call with this worker or the
// input's end.
struct preamble_step {
	size_t n_consumed;
	struct span to_client;
	struct span to_backend;
	enum preamble_action action;
	enum preamble_reason reason; // of PREAMBLE_CLOSE
};

// Begins a conversation whose backend is connected. With implicit TLS the handshake is over.
void preamble_begin(struct preamble_worker *worker, struct preamble *preamble,
	const struct preamble_config *config, const struct preamble_client *client);

// One step with bytes of one side: all that has arrived and was not consumed. Call it again while it says
// CONTINUE. A step sends at most input.len + PREAMBLE_SCRATCH_LEN bytes to either side: with less room than
// that for the shorter input, wait.
struct preamble_step preamble_step(struct preamble_worker *worker, struct preamble *preamble,
	enum preamble_side side, struct span input) __attribute__((warn_unused_result));

// The handshake that PREAMBLE_START_TLS asked for is over.
struct preamble_step preamble_tls_done(struct preamble_worker *worker, struct preamble *preamble,
	bool succeeded) __attribute__((warn_unused_result));

// The connection has ended, or nobody looks any more: a handshake that was going on has failed.
void preamble_end(struct preamble_worker *worker, struct preamble *preamble);

// Instead of following PREAMBLE_START_TLS: the owner holds bytes that the client sent behind the command, in
// another buffer than the step saw. The answer to the command has not been sent.
struct preamble_step preamble_injected(struct preamble_worker *worker, struct preamble *preamble)
	__attribute__((warn_unused_result));

// Whether STARTTLS is answered with the protocol's "not now" (no certificate, admission).
static inline void preamble_set_tls_unavailable(struct preamble *preamble, bool unavailable)
{
	preamble->tls_unavailable = unavailable;
}

// The name that the client gave itself in its last EHLO, HELO or LHLO, as far as it is kept; it may be
// anything.
static inline struct span preamble_hello(const struct preamble *preamble)
{
	return span_of(preamble->hello, preamble->hello_len);
}

// When the peers' time is over, and what to do then. During the handshake the time is the owner's.
uint64_t preamble_deadline_us(const struct preamble *preamble);
struct preamble_step preamble_timeout(struct preamble_worker *worker, struct preamble *preamble)
	__attribute__((warn_unused_result));

// What a client hears when there is no backend for it: the protocol's greeting that says so.
struct preamble_step preamble_no_backend(struct preamble_worker *worker, const struct preamble_config *config)
	__attribute__((warn_unused_result));

const char *preamble_reason_name(enum preamble_reason reason);
