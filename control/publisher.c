// SPDX-License-Identifier: Apache-2.0
#include "publisher.h"

#include "control.h"
#include "publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH_MAX = 4096, // certificates of one message
	RETRY_WAIT_MAX_S = 60,
};

void publisher_init(struct publisher *publisher, struct control *control)
{
	*publisher = (struct publisher){.control = control, .link = 1};
}

static void drop_batch(struct publisher *publisher)
{
	for (size_t i = 0; i < publisher->n_batch; i++)
		cert_release(publisher->batch[i]);
	free(publisher->batch);
	publisher->batch = NULL;
	publisher->n_batch = 0;
}

void publisher_destroy(struct publisher *publisher)
{
	drop_batch(publisher);
}

// Takes the next certificates that the dataplane has not got. False: it has all.
static bool take_batch(struct publisher *publisher)
{
	const struct cert_set *certs = publisher->control->certs;

	for (size_t i = 0; i < certs->n_certs && publisher->n_batch < BATCH_MAX; i++) {
		if (certs->certs[i]->sent_over == publisher->link)
			continue;
		if (publisher->batch == NULL)
			publisher->batch = calloc(BATCH_MAX, sizeof(struct cert *));
		if (publisher->batch == NULL)
			abort();
		publisher->batch[publisher->n_batch++] = cert_reference(certs->certs[i]);
	}
	return publisher->n_batch != 0;
}

static const char *step_name(enum publisher_step step)
{
	static const char *const names[] = {
		[PUBLISHER_IDLE] = "nothing",
		[PUBLISHER_ASK_TICKET_KEYS] = "question for its ticket keys",
		[PUBLISHER_SESSIONS] = "sessions",
		[PUBLISHER_KEYS] = "private keys",
		[PUBLISHER_CERTIFICATES] = "certificates",
		[PUBLISHER_TICKET_KEYS] = "ticket keys",
		[PUBLISHER_SNAPSHOT] = "snapshot",
	};

	return names[step];
}

// What was refused is tried again later, and later each time: shortages end (connections under earlier
// snapshots, say), and something else may have been in the way.
static void take_refusal(struct publisher *publisher, enum publisher_step step, const char *reason)
{
	const bool is_news = strcmp(publisher->last_refusal, reason) != 0;

	LOG(&publisher->control->log, is_news ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "publish",
		"the %s did not get to the dataplane: %s; this is tried again", step_name(step), reason);
	(void)snprintf(publisher->last_refusal, sizeof publisher->last_refusal, "%s", reason);
	drop_batch(publisher);
	if (step == PUBLISHER_TICKET_KEYS) {
		publisher->ticket_keys_refused = true;
	} else if (step != PUBLISHER_SESSIONS) {
		publisher->snapshot_due = false;
		publisher->snapshot_refused = true;
		(void)snprintf(publisher->reason, sizeof publisher->reason, "%s", reason);
	}
	if (publisher->retry_s != 0)
		return; // with what was refused before it
	publisher->retry_wait_s = publisher->retry_wait_s == 0 ? 1 : 2 * publisher->retry_wait_s;
	if (publisher->retry_wait_s > RETRY_WAIT_MAX_S)
		publisher->retry_wait_s = RETRY_WAIT_MAX_S;
	publisher->retry_s = (int64_t)time(NULL) + publisher->retry_wait_s;
}

// Sends a memfd, which is closed here, and waits for its answer.
static void send_step(struct publisher *publisher, enum publisher_step step, enum ipc_type type, int fd)
{
	if (fd < 0) {
		publisher->step = PUBLISHER_IDLE;
		take_refusal(publisher, step, "there is no memory for the message");
		return;
	}
	publisher->step = step;
	dataplane_link_publish(&publisher->control->link, type, fd);
}

static void send_secret(struct publisher *publisher, enum publisher_step step, enum ipc_type type,
	struct publish_secret secret)
{
	send_step(publisher, step, type, secret.fd);
	publish_secret_end(&secret);
}

static void send_sessions(struct publisher *publisher)
{
	const int fd = carry_take(&publisher->control->carry);

	send_step(publisher, PUBLISHER_SESSIONS, IPC_SESSIONS, fd);
	if (fd >= 0)
		(void)close(fd);
}

static void send_text(
	struct publisher *publisher, enum publisher_step step, enum ipc_type type, struct text *records)
{
	const int fd = publish_memfd("sluice-records", records);

	send_step(publisher, step, type, fd);
	if (fd >= 0)
		(void)close(fd);
	text_free(records);
}

static void send_certificates(struct publisher *publisher)
{
	struct text records = {0};

	for (size_t i = 0; i < publisher->n_batch; i++)
		publish_certificate(publisher->batch[i], &records);
	send_text(publisher, PUBLISHER_CERTIFICATES, IPC_CERTIFICATES, &records);
}

static void send_snapshot(struct publisher *publisher)
{
	struct control *control = publisher->control;
	struct text records = {0};

	publisher->snapshot_due = false;
	publish_snapshot(control->config, control->certs, ++publisher->generation, &records);
	send_text(publisher, PUBLISHER_SNAPSHOT, IPC_SNAPSHOT, &records);
}

// Sends the next thing that the dataplane lacks.
static void go_on(struct publisher *publisher)
{
	struct control *control = publisher->control;

	if (control->link.state != LINK_RUNNING || publisher->step != PUBLISHER_IDLE)
		return;
	if (publisher->ticket_keys_wanted) {
		publisher->ticket_keys_wanted = false;
		publisher->step = PUBLISHER_ASK_TICKET_KEYS;
		dataplane_link_publish(&control->link, IPC_GET_TICKET_KEYS, -1);
	} else if (publisher->ticket_keys_due) {
		publisher->ticket_keys_due = false;
		send_secret(publisher, PUBLISHER_TICKET_KEYS, IPC_TICKET_KEYS,
			publish_ticket_keys(&control->ticket_keys));
	} else if (carry_is_full(&control->carry)) {
		send_sessions(publisher);
	} else if (publisher->snapshot_due && take_batch(publisher)) {
		send_secret(publisher, PUBLISHER_KEYS, IPC_PRIVATE_KEYS,
			publish_private_keys(publisher->batch, publisher->n_batch));
	} else if (publisher->snapshot_due) {
		send_snapshot(publisher);
	}
}

// A dataplane that runs already made tickets with keys that only it has, if we are new here.
static void take_ticket_keys(struct publisher *publisher, const char *reason, int fd)
{
	struct control *control = publisher->control;

	publisher->ticket_keys_due = true;
	if (reason[0] == '\0' && fd >= 0 && ticket_keys_take(&control->ticket_keys, fd)) {
		LOG(&control->log, LOG_LEVEL_NOTICE, "tickets",
			"the ticket keys of the running dataplane were taken over");
		control->ticket_keys.published = true;
		publisher->ticket_keys_due = false;
	}
	go_on(publisher);
}

void publisher_tick(struct publisher *publisher, int64_t now_s)
{
	const bool is_due = publisher->retry_s != 0 && now_s >= publisher->retry_s;

	if (!is_due)
		return;
	publisher->snapshot_due = publisher->snapshot_due || publisher->snapshot_refused;
	publisher->ticket_keys_due = publisher->ticket_keys_due || publisher->ticket_keys_refused;
	publisher->snapshot_refused = publisher->ticket_keys_refused = false;
	publisher->retry_s = 0;
	go_on(publisher);
}

// The dataplane has taken what was sent.
static void take_done(struct publisher *publisher, enum publisher_step step)
{
	if (step == PUBLISHER_CERTIFICATES) {
		for (size_t i = 0; i < publisher->n_batch; i++)
			publisher->batch[i]->sent_over = publisher->link;
		drop_batch(publisher);
	} else if (step == PUBLISHER_TICKET_KEYS) {
		publisher->control->ticket_keys.published = true;
	} else if (step == PUBLISHER_SNAPSHOT) {
		publisher->published = publisher->generation;
		publisher->reason[0] = publisher->last_refusal[0] = '\0';
		publisher->snapshot_refused = false;
		publisher->retry_wait_s = 0;
		LOG(&publisher->control->log, LOG_LEVEL_INFO, "publish", "snapshot %llu is in place",
			(unsigned long long)publisher->generation);
	}
}

void publisher_answered(struct publisher *publisher, const char *reason, int fd)
{
	const enum publisher_step step = publisher->step;

	publisher->step = PUBLISHER_IDLE;
	if (step == PUBLISHER_ASK_TICKET_KEYS) {
		take_ticket_keys(publisher, reason, fd);
	} else if (reason[0] != '\0') {
		take_refusal(publisher, step, reason);
		go_on(publisher);
	} else if (step == PUBLISHER_KEYS) {
		send_certificates(publisher);
	} else {
		take_done(publisher, step);
		go_on(publisher);
	}
}

void publisher_link_up(struct publisher *publisher)
{
	publisher_link_down(publisher);
	publisher->snapshot_due = true;
	publisher->ticket_keys_wanted = !publisher->control->ticket_keys.published;
	publisher->ticket_keys_due = !publisher->ticket_keys_wanted;
	go_on(publisher);
}

void publisher_link_down(struct publisher *publisher)
{
	drop_batch(publisher);
	publisher->link++;
	publisher->published = 0;
	publisher->step = PUBLISHER_IDLE;
	publisher->reason[0] = publisher->last_refusal[0] = '\0';
	publisher->snapshot_refused = publisher->ticket_keys_refused = false;
	publisher->retry_s = 0;
	publisher->retry_wait_s = 0;
}

void publisher_snapshot_changed(struct publisher *publisher)
{
	publisher->snapshot_due = true;
	go_on(publisher);
}

void publisher_ticket_keys_changed(struct publisher *publisher)
{
	publisher->ticket_keys_due = true;
	go_on(publisher);
}
