// SPDX-License-Identifier: Apache-2.0
//
// Keeps the running dataplane at what the control process has: sends what it lacks, one message at a time,
// and the next when the last was answered.
//
//   the dataplane runs --> its ticket keys are asked for --> idle
//   idle --something changed--> ticket keys --> sessions of the dataplane before --> keys --> certificates
//   -->
//   ... --> snapshot --> idle
//
// A certificate crosses once in the life of a link; what changes while messages are on their way is sent
// after them. A refused snapshot leaves the dataplane with what it had; the reason is logged and shown, and
// it is tried again when something changes and every now and then: what the dataplane lacks may be a shortage
// that ends.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cert;
struct control;

enum publisher_step {
	PUBLISHER_IDLE,
	PUBLISHER_ASK_TICKET_KEYS,
	PUBLISHER_KEYS,
	PUBLISHER_CERTIFICATES,
	PUBLISHER_TICKET_KEYS,
	PUBLISHER_SESSIONS,
	PUBLISHER_SNAPSHOT,
};

struct publisher {
	struct control *control;
	enum publisher_step step;
	bool ticket_keys_wanted; // it may have some from before us
	bool snapshot_due;
	bool ticket_keys_due;
	uint64_t link;       // counts links; certificates note which of them carried them
	struct cert **batch; // certificates on their way, referenced
	size_t n_batch;
	uint64_t generation;    // of the last snapshot sent
	uint64_t published;     // of the last one that was taken; 0: none
	char reason[256];       // why the last one was refused; empty: it was not
	char last_refusal[256]; // of anything: what was said once is not said again
	bool snapshot_refused;
	bool ticket_keys_refused;
	int64_t retry_s; // when what was refused is tried again; 0: nothing was
	int64_t retry_wait_s;
};

void publisher_init(struct publisher *publisher, struct control *control);

// The dataplane runs (and knows nothing of us yet), or is lost.
void publisher_link_up(struct publisher *publisher);
void publisher_link_down(struct publisher *publisher);

// Configuration or certificates changed; ticket keys did.
void publisher_snapshot_changed(struct publisher *publisher);
void publisher_ticket_keys_changed(struct publisher *publisher);

// Once a second.
void publisher_tick(struct publisher *publisher, int64_t now_s);

// The dataplane's answer to the last message, with its descriptor or -1; an empty reason: done.
void publisher_answered(struct publisher *publisher, const char *reason, int fd);

void publisher_destroy(struct publisher *publisher);
