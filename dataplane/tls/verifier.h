// SPDX-License-Identifier: Apache-2.0
//
// The seams through which a handshake asks somebody else and waits: the verifier of certificate chains
// (WAIT_VERIFY) and the look-up of sessions that another worker may have (WAIT_LOOKUP). Whoever implements
// them answers at once or later, on the handshake's own worker, with the reference that it was given; an
// answer to a handshake that has ended meanwhile finds nobody and is dropped.
#pragma once

#include "crypto/verify.h"
#include "tls/alert.h"
#include "tls/certificate_message.h"
#include "tls/report.h"
#include "tls/session.h"

struct tls_engine;

// Names a waiting handshake.
struct tls_reference {
	uint32_t idx;
	uint32_t generation;
};

struct tls_verify_question {
	const struct tls_cert_chain *chain; // never empty
	struct span name;                   // that a client expects; empty for a server
	bool peer_is_server;
	const void *config; // the handshake's configuration, for whoever keeps trust anchors beside it
	void *owner;
};

struct tls_verify_answer {
	enum tls_verdict verdict; // TLS_OK, or the alert that the chain deserves
	struct public_key key;    // the leaf's, where the verdict is TLS_OK
	uint8_t name_len;         // the leaf's common name, for those who are told who it was; 0: none
	char name[TLS_PEER_NAME_MAX];
};

struct tls_verifier {
	// True: *out_answer is the answer. False: tls_handshake_verified will be called. What the question
	// points to is valid during the call only.
	bool (*ask)(struct tls_verifier *verifier, struct tls_reference who,
		const struct tls_verify_question *question, struct tls_verify_answer *out_answer);
};

struct tls_session_finder {
	// True: at once, and *out_found says whether *out_state was filled in. False: tls_handshake_found
	// will be called. The owner is the worker that made the session.
	bool (*ask)(struct tls_session_finder *finder, struct tls_reference who, uint16_t worker_idx,
		struct span session_id, bool *out_found, struct tls_session_state *out_state);
};
