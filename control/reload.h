// SPDX-License-Identifier: Apache-2.0
//
// Reading the whole configuration again, certificates included, on a thread of its own, so that operators and
// metrics are answered meanwhile. One at a time: who asks while one runs gets the next one's result.
//
//   idle --SIGHUP, `reload`--> reading (thread) --done--> taken over, or refused whole --> idle
#pragma once

#include "cert_set.h"

#include <pthread.h>

struct control;
struct event;

enum {
	RELOAD_WAITERS_MAX = 256
};

struct reload {
	struct control *control;
	struct event *finished;
	int wake_fd; // an eventfd that the thread writes
	bool running;
	bool again; // asked for while one was running
	pthread_t thread;
	// The thread's, until it has ended.
	struct config *config;
	struct cert_set *certs;
	struct config_errors errors;
	struct cert_set *before;
	char *path;
	// Clients that wait for the result of the running one, and of the next.
	uint64_t waiters[RELOAD_WAITERS_MAX];
	size_t n_waiters;
	uint64_t next_waiters[RELOAD_WAITERS_MAX];
	size_t n_next_waiters;
};

bool reload_open(struct reload *reload, struct control *control);

// Begins; client_id 0: nobody waits. NULL, or why not.
const char *reload_begin(struct reload *reload, uint64_t client_id);

void reload_close(struct reload *reload);

// Threads that parse certificates on this machine.
unsigned reload_n_threads(void);
