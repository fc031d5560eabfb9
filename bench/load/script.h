// SPDX-License-Identifier: Apache-2.0
//
// What a connection does, from the first SYN to its end. A mode is one script or several with weights.
#pragma once

#include "load/options.h"
#include "load/trust.h"
#include "tls/config.h"

enum script_hold {
	HOLD_NEVER,
	HOLD_OPEN,   // idle once everything is up, and between requests
	HOLD_TCP,    // silent once TCP is connected
	HOLD_HELLO,  // silent after the ClientHello
	HOLD_GARBAGE // sends what is no TLS, then silent
};

enum {
	SCRIPTS_MAX = 8,
	SCRIPT_REQUEST_MAX = 512,
	SESSIONS_MAX = 1024
};

// What the scripts of one process say about TLS.
struct script_tls {
	uint16_t version_min, version_max;
	uint16_t suite, groups[2], signature;
	struct tls_client_config collecting; // takes tickets
	struct tls_client_config plain;
};

struct script {
	const char *name;
	uint32_t weight;
	enum script_hold hold;
	bool with_tls;
	bool resume;
	bool upload;
	uint32_t n_requests; // 0: no end
	uint64_t body_len;   // of each answer, or of each upload
	struct script_tls *tls;
	uint16_t request_len;
	char request[SCRIPT_REQUEST_MAX]; // the head
};

// Sessions that tickets brought, in turn.
struct sessions {
	struct tls_session *slots; // SESSIONS_MAX
	uint32_t n;
	uint32_t next;
};

struct scripts {
	struct script items[SCRIPTS_MAX];
	uint32_t n;
	uint32_t total_weight;
	uint32_t turn;
	struct script_tls tls[2]; // as the options say, and TLS 1.2 for the mix
	struct sessions sessions;
	struct trust trust;
};

// Ends the process when the options ask for what the engine has not, or the --ca file is no use.
void scripts_make(struct scripts *scripts, const struct load_options *options);
void scripts_destroy(struct scripts *scripts);

// The next conversation's, by weight.
const struct script *scripts_next(struct scripts *scripts);

// A session to be resumed; NULL when there is none yet.
const struct tls_session *scripts_session(struct scripts *scripts);
