// SPDX-License-Identifier: Apache-2.0
//
// Between preamble.c, which moves bytes, and the four protocols, which know what they mean. A protocol is a
// constant: tables of rules for commands, and functions that look at lines. They decide; preamble.c does.
//
// A client's command: `classify` looks at its first line (or the first PREAMBLE_CLIENT_BUFFER bytes of it)
// and names a rule, without changing anything, for it is asked again when the command has to wait.
// preamble.c then passes or drops the command's bytes to its end, and acts. `accepted` is told of each piece
// that went by, and says what follows.
//
// A backend's line: `backend_line` is called with each piece, and must deal with it wholly.
#pragma once

#include "base/counters.h"
#include "proxy/preamble.h"

enum preamble_reply {
	PREAMBLE_REPLY_PLAIN, // passed as it is
	PREAMBLE_REPLY_HELLO, // EHLO, CAPABILITY, CAPA: filtered
	PREAMBLE_REPLY_HELO,
	PREAMBLE_REPLY_LHLO,
	PREAMBLE_REPLY_MAIL,
	PREAMBLE_REPLY_RCPT,
	PREAMBLE_REPLY_DATA,
	PREAMBLE_REPLY_CHUNK,
	PREAMBLE_REPLY_FINAL, // to a whole message; with LMTP one per recipient
	PREAMBLE_REPLY_AUTH,
	PREAMBLE_REPLY_MULTI,       // POP3: several lines, ended by a dot, when positive
	PREAMBLE_REPLY_OWN_HELLO,   // to an EHLO of our own: swallowed
	PREAMBLE_REPLY_OWN_XCLIENT, // to our XCLIENT
	PREAMBLE_REPLY_GREETING,
	PREAMBLE_REPLY_UNASKED, // nothing was asked, and it may be passed on nevertheless
};

enum preamble_rule_action {
	PREAMBLE_RULE_PASS,
	PREAMBLE_RULE_ANSWER, // dropped, answered here
	PREAMBLE_RULE_START_TLS,
	PREAMBLE_RULE_FAST,  // passed, and the fast path begins
	PREAMBLE_RULE_WAIT,  // not yet
	PREAMBLE_RULE_CLOSE, // answered, and the connection ends for `reason`
};

struct preamble_rule {
	enum preamble_rule_action action;
	enum preamble_reply reply;
	bool waits;   // the next command waits for the answer
	bool refused; // for want of TLS: counted
	enum preamble_reason reason;
	const char *answer; // with CR LF; after the tag where there is one
};

extern const struct preamble_rule preamble_rule_pass; // whose answer is passed too
extern const struct preamble_rule preamble_rule_fast;

// What STARTTLS gets: what it asks for; a refusal because it takes no arguments; or because TLS can't be had.
struct preamble_starttls {
	struct preamble_rule begin;
	struct preamble_rule arguments;
	struct preamble_rule unavailable;
};

// One command of a protocol in which only TLS makes a difference (all but SMTP): its rule before TLS under
// `encrypt` and under `may`, and in TLS until the fast path.
struct preamble_command {
	char name[14];
	const struct preamble_rule *encrypt;
	const struct preamble_rule *may;
	const struct preamble_rule *tls;
};

struct preamble_call {
	struct preamble_worker *worker;
	struct preamble *preamble;
	struct preamble_step *step;
};

struct preamble_machine {
	const struct preamble_rule *(*classify)(const struct preamble *preamble, const struct line *line);
	// A piece of the command went by; false: more of the command follows (a literal).
	bool (*accepted)(struct preamble_call *call, const struct line *line);
	void (*backend_line)(struct preamble_call *call, const struct line *line);
	// TLS is up; NULL: nothing to do.
	void (*tls_done)(struct preamble_call *call);
	// Indexed by reason; NULL entries: `closing`.
	const char *reasons[N_PREAMBLE_REASONS];
	const char *closing;
	uint16_t backend_capacity; // of backend_buffer; the rest is the machine's own
};

extern const struct preamble_machine preamble_smtp;
extern const struct preamble_machine preamble_imap;
extern const struct preamble_machine preamble_pop3;
extern const struct preamble_machine preamble_sieve;

// The rule of the command with this name among n and, behind them, the one for any other.
const struct preamble_rule *preamble_find_rule(
	const struct preamble *preamble, const struct preamble_command *commands, size_t n, struct span name);

// The rule of a STARTTLS whose line goes on with `arguments`.
const struct preamble_rule *preamble_starttls_rule(
	const struct preamble *preamble, const struct preamble_starttls *starttls, struct span arguments);

// Ends the connection: `reason` is counted, its text sent to the client unless a handshake is going on.
void preamble_fail(struct preamble_call *call, enum preamble_reason reason);

// The answers that are awaited, in order.
void preamble_expect(struct preamble *preamble, enum preamble_reply reply);
enum preamble_reply preamble_expected(const struct preamble *preamble);
void preamble_answered(struct preamble *preamble);

// Passes a backend's piece to the client as it is.
void preamble_pass_to_client(struct preamble_call *call, const struct line *line);

// Counters by protocol; `first` is SMTP's of the kind.
void preamble_count(const struct preamble_call *call, enum counter first);
void preamble_count_offered(struct preamble_call *call);

// --- words ---

// Whether the span is this upper-case word, whatever its case.
bool word_is(struct span word, const char *upper);

// The characters up to the first space (or the end), taken off the front of *rest together with that space.
struct span word_take(struct span *rest);

// The index of the first of n entries of `size` bytes that begin with a string equal to the word, or n.
size_t word_find(struct span word, const void *table, size_t n, size_t size);
