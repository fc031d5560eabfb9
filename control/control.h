// SPDX-License-Identifier: Apache-2.0
//
// The control process as a whole: what its parts share. One thread runs everything but the reading of a new
// configuration (reload.h); each part is owned here and told of the others by this struct alone.
//
//   sluice.yaml, PEM --reload--> config, certs --publish--> dataplane_link --> dataplane
//   operators -------- server --> command table -----^            |
//   Prometheus ------- metrics <-- counter_reader <---------------+--> events, log
#pragma once

#include "carry.h"
#include "cert_set.h"
#include "config.h"
#include "counter_reader.h"
#include "dataplane_link.h"
#include "events.h"
#include "fetch.h"
#include "log.h"
#include "metrics.h"
#include "overrides.h"
#include "publisher.h"
#include "queries.h"
#include "reload.h"
#include "server.h"
#include "supervise.h"
#include "ticket_keys.h"
#include "transaction.h"

struct event_base;
struct event;

struct control {
	struct event_base *base;
	const char *config_path;
	bool attach_only; // never start a dataplane, whatever the configuration says
	struct config *config;
	struct cert_set *certs;
	struct config *started_config; // what the running dataplane was started with, when we did; or NULL
	struct ticket_keys ticket_keys;
	struct transactions transactions;
	struct overrides overrides;
	struct key_context *key_context;
	struct log log;
	struct events events;
	struct dataplane_link link;
	struct counter_reader counters;
	struct supervise supervise;
	struct publisher publisher;
	struct queries queries;
	struct carry carry;
	struct reload reload;
	struct fetch fetch;
	struct server server;
	struct metrics metrics;
	struct event *tick;
	int64_t started_s;
	int64_t loaded_s; // when the configuration was taken over
	uint64_t n_reloads;
	uint64_t n_reloads_refused;
	uint64_t n_commits;
	uint64_t watchdog_us; // 0: none
};

// Reads configuration and certificates and opens everything. False: the errors are in `errors`.
bool control_open(struct control *control, struct config_errors *errors);

// Until SIGTERM or SIGINT; the dataplane goes on.
void control_run(struct control *control);
void control_close(struct control *control);

// Takes over a configuration that was checked: the end of a reload. Both become the control's.
void control_take(struct control *control, struct config *config, struct cert_set *certs);

// Takes over another set of certificates under the same configuration.
void control_take_certs(struct control *control, struct cert_set *certs);

// What operators changed takes effect, and is kept. False: it can't be written (errno); it has taken effect.
bool control_apply_overrides(struct control *control) __attribute__((warn_unused_result));

// Makes new ticket keys and publishes them. False: the system has no randomness; nothing was changed.
bool control_rotate_ticket_keys(struct control *control) __attribute__((warn_unused_result));
