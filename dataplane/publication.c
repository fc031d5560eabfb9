// SPDX-License-Identifier: Apache-2.0
#include "publication.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "memfd.h"
#include "records.h"
#include "snapshot.h"

#include <stdio.h>

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
	publication->n_live = 0;
	if (!credentials_init(&publication->credentials, select_resolve_lanes(SELECT_LANES_AUTO)) ||
		!arena_init(&publication->arena, sets_len + 64))
		return false;
	publication->key_sets = arena_alloc(&publication->arena, sets_len, 64);
	return publication->key_sets != NULL;
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
static bool read_ticket_keys(struct span records, struct tls_ticket_key out_keys[TLS_N_TICKET_KEYS])
{
	struct reader reader = reader_over(records);
	struct snapshot_ticket_key key;
	unsigned seen = 0;
	struct record record;
	struct span tail;

	for (int i = 0; i < SNAPSHOT_TICKET_KEYS; i++) {
		if (records_next(&reader, &record) != RECORDS_NEXT || record.type != SNAPSHOT_TICKET_KEY ||
			!record_split(&record, &key, sizeof key, &tail) || tail.len != 0 ||
			key.role >= TLS_N_TICKET_KEYS || key.valid > 1)
			return false;
		seen |= 1u << key.role;
		memcpy(out_keys[key.role].name, key.name, sizeof key.name);
		memcpy(out_keys[key.role].key, key.key, sizeof key.key);
		out_keys[key.role].valid = key.valid != 0;
		wipe(&key, sizeof key);
	}
	return seen == (1u << SNAPSHOT_TICKET_KEYS) - 1 && reader_done(&reader);
}

bool publication_take_ticket_keys(struct publication *publication, int fd, char reason[static IPC_REASON_MAX])
{
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
	well = read_ticket_keys(records, set->keys);
	arena_destroy(&arena);
	if (!well) {
		wipe(set, sizeof *set);
		return refuse(reason, "ticket keys: there must be three records, one for each role");
	}
	set->n_workers_left = publication->n_workers;
	send_to_all(publication, MAIL_TICKET_KEYS, set);
	return true;
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
}

void publication_destroy(struct publication *publication)
{
	while (publication->n_live != 0)
		bury(publication, publication->live[0]);
	credentials_destroy(&publication->credentials);
	arena_destroy(&publication->arena);
}
