// SPDX-License-Identifier: Apache-2.0
//
// What the main thread keeps of what it was told to publish: credentials, deployments that some worker still
// uses, and ticket keys on their way. It takes memfds from the control link apart and hands immutable things
// to the workers.
#pragma once

#include "credentials.h"
#include "deployment.h"
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
	struct arena arena; // the sets of ticket keys
	struct ticket_key_set *key_sets;
	struct deployment *live[PUBLICATION_LIVE_MAX];
	uint32_t n_live;
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

// Takes back what workers have let go of.
void publication_read_mail(struct publication *publication);

// Wipes and frees everything; no worker runs any more.
void publication_destroy(struct publication *publication);
