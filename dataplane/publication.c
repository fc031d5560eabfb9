// SPDX-License-Identifier: Apache-2.0
#include "publication.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "memfd.h"
#include "records.h"
#include "snapshot.h"

#include <stdio.h>

enum {
	TICKET_KEYS_LEN = SNAPSHOT_TICKET_KEYS * sizeof(struct snapshot_ticket_key),
	SWEEP_LOOKS = 64, // looks at the mail between two sweeps of the terms
};

static bool refuse(char *reason, const char *text)
{
	(void)snprintf(reason, IPC_REASON_MAX, "%s", text);
	return false;
}

bool publication_init(struct publication *publication, struct worker *workers, uint32_t n_workers,
	const struct deployment_base *base)
{
	const size_t sets_len = PUBLICATION_KEY_SETS * sizeof(struct ticket_key_set);

	publication->workers = workers;
	publication->n_workers = n_workers;
	publication->base = *base;
	publication->base.terms = &publication->terms;
	publication->n_looks = 0;
	publication->n_live = 0;
	publication->has_ticket_keys = false;
	publication->handed = (struct memfd_secret){.fd = -1};
	publication->import = (struct session_import){0};
	if (!desk_init(&publication->desk) || !terms_table_init(&publication->terms, base->tallies) ||
		!credentials_init(&publication->credentials, select_resolve_lanes(SELECT_LANES_AUTO)) ||
		!arena_init(&publication->arena, sets_len + TICKET_KEYS_LEN + 128))
		return false;
	publication->key_sets = arena_alloc(&publication->arena, sets_len, 64);
	publication->ticket_keys = arena_alloc(&publication->arena, TICKET_KEYS_LEN, 64);
	return publication->key_sets != NULL && publication->ticket_keys != NULL;
}

bool publication_take_keys(struct publication *publication, int fd, char reason[static IPC_REASON_MAX])
{
	struct arena arena;
	struct span records;
	bool well;

	if (!memfd_take_secret(fd, &arena, &records, reason))
		return false;
	well = credentials_add_keys(&publication->credentials, records, reason);
	arena_destroy(&arena);
	return well;
}

bool publication_take_certificates(
	struct publication *publication, int fd, char reason[static IPC_REASON_MAX])
{
	struct span records;
	bool well;

	if (!memfd_map(fd, &records, reason))
		return false;
	well = credentials_add_certificates(&publication->credentials, records, reason);
	memfd_unmap(records);
	return well;
}

static void send_to_all(struct publication *publication, enum mail_kind kind, void *thing)
{
	const struct mail mail = {.kind = kind, .thing = thing};

	// Fewer things are on their way than a mailbox holds.
	for (uint32_t i = 0; i < publication->n_workers; i++)
		SLUICE_ASSERT(ring_push(&publication->workers[i].mailbox.to_worker, &mail));
}

// Exactly three records, one for each role.
static bool read_ticket_keys(struct span records, struct snapshot_ticket_key out_keys[SNAPSHOT_TICKET_KEYS])
{
	struct reader reader = reader_over(records);
	struct snapshot_ticket_key key;
	unsigned seen = 0;
	struct record record;
	struct span tail;

	for (int i = 0; i < SNAPSHOT_TICKET_KEYS; i++) {
		if (records_next(&reader, &record) != RECORDS_NEXT || record.type != SNAPSHOT_TICKET_KEY ||
			!record_split(&record, &key, sizeof key, &tail) || tail.len != 0 ||
			key.role >= SNAPSHOT_TICKET_KEYS || key.valid > 1)
			return false;
		seen |= 1u << key.role;
		out_keys[key.role] = key;
		wipe(&key, sizeof key);
	}
	return seen == (1u << SNAPSHOT_TICKET_KEYS) - 1 && reader_done(&reader);
}

// The numbers of the roles are the same on both sides of the link.
static void fill_key_set(struct ticket_key_set *set, const struct snapshot_ticket_key *keys)
{
	for (int i = 0; i < SNAPSHOT_TICKET_KEYS; i++) {
		memcpy(set->keys[i].name, keys[i].name, sizeof keys[i].name);
		memcpy(set->keys[i].key, keys[i].key, sizeof keys[i].key);
		set->keys[i].valid = keys[i].valid != 0;
	}
}

bool publication_take_ticket_keys(struct publication *publication, int fd, char reason[static IPC_REASON_MAX])
{
	struct snapshot_ticket_key keys[SNAPSHOT_TICKET_KEYS];
	struct ticket_key_set *set = NULL;
	struct arena arena;
	struct span records;
	bool well;

	for (uint32_t i = 0; i < PUBLICATION_KEY_SETS; i++)
		if (publication->key_sets[i].n_workers_left == 0)
			set = &publication->key_sets[i];
	if (set == NULL)
		return refuse(reason, "ticket keys: earlier ones are still on their way; try again");
	if (!memfd_take_secret(fd, &arena, &records, reason))
		return false;
	well = read_ticket_keys(records, keys);
	arena_destroy(&arena);
	if (!well) {
		wipe(keys, sizeof keys);
		return refuse(reason, "ticket keys: there must be three records, one for each role");
	}
	fill_key_set(set, keys);
	memcpy(publication->ticket_keys, keys, sizeof keys);
	publication->has_ticket_keys = true;
	wipe(keys, sizeof keys);
	set->n_workers_left = publication->n_workers;
	send_to_all(publication, MAIL_TICKET_KEYS, set);
	return true;
}

// Frees the terms under which nothing lives any more.
static void sweep_terms(struct publication *publication)
{
	struct terms_holds holds[IPC_WORKERS_MAX];

	for (uint32_t i = 0; i < publication->n_workers; i++)
		holds[i] = publication->workers[i].holds;
	terms_sweep(&publication->terms, holds, publication->n_workers);
}

bool publication_take_snapshot(struct publication *publication, int fd, char reason[static IPC_REASON_MAX])
{
	struct deployment *deployment;
	struct span records;

	if (publication->n_live == PUBLICATION_LIVE_MAX)
		return refuse(
			reason, "snapshot: connections still use too many earlier ones; try again later");
	if (!memfd_map(fd, &records, reason))
		return false;
	sweep_terms(publication);
	deployment = deployment_decode(records, &publication->credentials, &publication->base, reason);
	memfd_unmap(records);
	if (deployment == NULL)
		return false;
	deployment->n_workers_left = publication->n_workers;
	publication->live[publication->n_live++] = deployment;
	send_to_all(publication, MAIL_DEPLOYMENT, deployment);
	credentials_sweep(&publication->credentials);
	return true;
}

int publication_hand_ticket_keys(struct publication *publication, char reason[static IPC_REASON_MAX])
{
	struct {
		struct ipc_record_header header;
		struct snapshot_ticket_key key;
	} records[SNAPSHOT_TICKET_KEYS];

	publication_end_handing(publication);
	for (int i = 0; i < SNAPSHOT_TICKET_KEYS; i++) {
		records[i].header = (struct ipc_record_header){
			.type = SNAPSHOT_TICKET_KEY, .len = sizeof records[i].key};
		records[i].key = publication->ticket_keys[i];
	}
	if (!publication->has_ticket_keys)
		(void)refuse(reason, "there are no ticket keys yet");
	else if (!memfd_make_secret(&publication->handed, records, sizeof records))
		(void)refuse(reason, "ticket keys: no memfd");
	wipe(records, sizeof records);
	return publication->handed.fd;
}

void publication_end_handing(struct publication *publication)
{
	memfd_end_secret(&publication->handed);
}

bool publication_take_sessions(struct publication *publication, int fd, char reason[static IPC_REASON_MAX])
{
	struct session_import *import = &publication->import;
	struct span records;

	if (import->n_workers_left != 0)
		return refuse(reason, "sessions: earlier ones are still being taken over; try again");
	if (!memfd_take_secret(fd, &publication->import_arena, &records, reason))
		return false;
	if (records.len % sizeof(struct ipc_sealed_session) != 0) {
		arena_destroy(&publication->import_arena);
		return refuse(reason, "sessions: a record is not whole");
	}
	*import = (struct session_import){.sessions = (const struct ipc_sealed_session *)records.data,
		.n_sessions = (uint32_t)(records.len / sizeof(struct ipc_sealed_session)),
		.n_workers_left = publication->n_workers};
	send_to_all(publication, MAIL_SESSIONS, import);
	return true;
}

const char *publication_ask(struct publication *publication, const struct ctl_request *request)
{
	const char *reason;
	struct mail mail = {.kind = MAIL_QUERY};

	mail.thing = desk_ask(&publication->desk, request, publication->n_workers, &reason);
	if (mail.thing != NULL)
		SLUICE_ASSERT(
			ring_push(&publication->workers[request->query.worker_idx].mailbox.to_worker, &mail));
	return reason;
}

static void bury(struct publication *publication, struct deployment *deployment)
{
	for (uint32_t i = 0; i < publication->n_live; i++)
		if (publication->live[i] == deployment)
			publication->live[i] = publication->live[--publication->n_live];
	deployment_free(deployment, &publication->credentials);
}

static void take_back(struct publication *publication, const struct mail *mail)
{
	struct ticket_key_set *set = mail->thing;
	struct deployment *deployment = mail->thing;

	if (mail->kind == MAIL_DEPLOYMENT) {
		if (--deployment->n_workers_left == 0)
			bury(publication, deployment);
	} else if (mail->kind == MAIL_QUERY) {
		desk_take_back(&publication->desk);
	} else if (mail->kind == MAIL_SESSIONS) {
		if (--publication->import.n_workers_left == 0)
			arena_destroy(&publication->import_arena);
	} else if (--set->n_workers_left == 0) {
		wipe(set, sizeof *set);
	}
}

void publication_read_mail(struct publication *publication)
{
	struct mail mail;

	for (uint32_t i = 0; i < publication->n_workers; i++)
		while (ring_pop(&publication->workers[i].mailbox.to_main, &mail))
			take_back(publication, &mail);
	if (publication->n_looks++ % SWEEP_LOOKS == 0)
		sweep_terms(publication);
}

void publication_destroy(struct publication *publication)
{
	while (publication->n_live != 0)
		bury(publication, publication->live[0]);
	credentials_destroy(&publication->credentials);
	terms_table_destroy(&publication->terms);
	publication_end_handing(publication);
	if (publication->import.n_workers_left != 0)
		arena_destroy(&publication->import_arena);
	desk_destroy(&publication->desk);
	arena_destroy(&publication->arena);
}
