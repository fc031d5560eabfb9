// SPDX-License-Identifier: Apache-2.0
//
// OCSP responses kept fresh: asks sluice-fetch for one certificate after the other, checks what comes, puts
// it to the certificate, and keeps it in the state directory for the next start. A response stays in use over
// failures as long as it is valid.
//
//   due: no response yet, or less than half of its time left     asked --good--> stapled, due again at half
//   time
//                                                                  \---bad---> logged, tried again later
//
// One question is open at a time; the pause after a failure doubles from a minute to an hour.
#pragma once

#include "cert_set.h"

#include <sys/types.h>

struct control;
struct event;

// What is remembered of a certificate between tries, by the fingerprint of its leaf.
struct fetch_state {
	uint8_t fingerprint[32];
	bool used;
	int64_t next_try_s;
	uint32_t n_failures;
};

struct fetch {
	struct control *control;
	struct event *readable;
	int fd; // -1: no fetcher runs
	pid_t child;
	uint32_t next_id;
	uint32_t asked_id; // 0: no question is open
	int64_t asked_s;
	uint32_t asked_cert_id;
	size_t cursor;              // of the next certificate to look at
	struct fetch_state *states; // open addressing by fingerprint, at most half full
	size_t n_states;
	size_t states_capacity; // a power of two, or 0
	uint64_t n_fetched;
	uint64_t n_failed;
};

bool fetch_open(struct fetch *fetch, struct control *control);

// Once a second: asks for the next certificate that is due.
void fetch_tick(struct fetch *fetch, int64_t now_s);

// Responses that were kept from before, for certificates that have none; to be called after every load. The
// result replaces the set when it is another.
struct cert_set *fetch_restore(const struct config *config, const struct cert_set *certs, int64_t now_s);

void fetch_close(struct fetch *fetch);
