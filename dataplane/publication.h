// SPDX-License-Identifier: Apache-2.0
//
// What the main thread keeps of what it was told to publish: credentials, deployments that some worker still
// uses, ticket keys, and what else is on its way to the workers. It takes memfds from the control link apart
// and hands immutable things to the workers.
#pragma once

#include "credentials.h"
#include "deployment.h"
#include "desk.h"
#include "memfd.h"
#include "snapshot.h"
#include "terms_table.h"
#include "tls/ticket.h"
#include "worker.h"

enum {
	PUBLICATION_LIVE_MAX = 32, // deployments in use at once; fewer than a mailbox holds
	PUBLICATION_KEY_SETS = 4,  // sets of ticket keys on their way at once
};

struct ticket_key_set {
	struct tls_ticket_key keys[TLS_N_TICKET_KEYS];
	uint32_t n_workers_left; // that have not copied it
};

struct publication {
	struct worker *workers;
	uint32_t n_workers;
	struct deployment_base base;
	struct credentials credentials;
	struct terms_table terms;
	uint32_t n_looks;   // at the mail; now and then terms are swept
	struct arena arena; // the sets of ticket keys
	struct ticket_key_set *key_sets;
	struct deployment *live[PUBLICATION_LIVE_MAX];
	uint32_t n_live;
	struct snapshot_ticket_key *ticket_keys; // in force, SNAPSHOT_TICKET_KEYS of them, or none yet:
	bool has_ticket_keys;
	struct memfd_secret handed; // ticket keys that the control process is reading
	struct session_import import;
	struct arena import_arena; // of the sessions that are being taken over
	struct desk desk;
};

// False: no memory.
bool publication_init(struct publication *publication, struct worker *workers, uint32_t n_workers,
	const struct deployment_base *base);

// The messages of the control link that carry a memfd (ipc.h). The descriptor stays the caller's. False:
// `reason`.
bool publication_take_keys(struct publication *publication, int fd, char reason[static IPC_REASON_MAX])
	__attribute__((warn_unused_result));
bool publication_take_certificates(struct publication *publication, int fd,
	char reason[static IPC_REASON_MAX]) __attribute__((warn_unused_result));
bool publication_take_ticket_keys(struct publication *publication, int fd, char reason[static IPC_REASON_MAX])
	__attribute__((warn_unused_result));
bool publication_take_snapshot(struct publication *publication, int fd, char reason[static IPC_REASON_MAX])
	__attribute__((warn_unused_result));

bool publication_take_sessions(struct publication *publication, int fd, char reason[static IPC_REASON_MAX])
	__attribute__((warn_unused_result));

// The ticket keys in force, for a control process that was not there when they were made: a memfd, which
// stays this one's and is there until the next call of publication_end_handing. -1: `reason`.
int publication_hand_ticket_keys(struct publication *publication, char reason[static IPC_REASON_MAX]);
void publication_end_handing(struct publication *publication);

// Asks a worker. NULL, or why not.
const char *publication_ask(struct publication *publication, const struct ctl_request *request);

// Takes back what workers have let go of.
void publication_read_mail(struct publication *publication);

// Wipes and frees everything; no worker runs any more.
void publication_destroy(struct publication *publication);
