// SPDX-License-Identifier: Apache-2.0
//
// What passes between the main thread and a worker: two rings of pointers to immutable things, looked at now
// and then.
//
//   main --> worker   put this deployment in place; take these ticket keys; answer this query; these sessions
//                     were another dataplane's
//   worker --> main   no connection of mine uses this deployment any more; these keys are copied; here is the
//                     answer; what was mine of the sessions is taken
//
// What was sent belongs to the reader until it comes back.
#pragma once

#include "base/ring.h"

enum mail_kind {
	MAIL_DEPLOYMENT,
	MAIL_TICKET_KEYS, // struct tls_ticket_key[TLS_N_TICKET_KEYS]
	MAIL_QUERY,       // struct query
	MAIL_SESSIONS,    // struct session_import
};

struct mail {
	uint32_t kind; // enum mail_kind
	void *thing;
};

enum {
	MAILBOX_LEN = 64
};

struct mailbox {
	struct ring to_worker;
	struct ring to_main;
};

static inline size_t mailbox_footprint(void)
{
	return 2 * (MAILBOX_LEN * sizeof(struct mail) + 64);
}

static inline bool mailbox_init(struct mailbox *mailbox, struct arena *arena)
{
	return ring_init(&mailbox->to_worker, arena, MAILBOX_LEN, sizeof(struct mail)) &&
	       ring_init(&mailbox->to_main, arena, MAILBOX_LEN, sizeof(struct mail));
}
