// SPDX-License-Identifier: Apache-2.0
#include "control.h"

#include "base/assert.h"
#include "secret.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum {
	TICK_US = 1000000
};

static void on_link_changed(void *context, enum link_state before, enum link_state now, const char *reason)
{
	struct control *control = context;

	supervise_link_changed(&control->supervise, before, now, reason);
	if (now == LINK_RUNNING)
		publisher_link_up(&control->publisher);
	else
		publisher_link_down(&control->publisher);
	if (now == LINK_DOWN)
		queries_link_down(&control->queries);
	(void)sd_notifyf(0, "STATUS=dataplane %s", link_state_name(now));
}

static void on_event(void *context, const struct log_event *event)
{
	struct control *control = context;
	const char *line = events_add(&control->events, event);

	event_log(event, &control->log);
	server_event(&control->server, line);
}

static void on_answered(void *context, const char *reason, int fd)
{
	struct control *control = context;

	publisher_answered(&control->publisher, reason, fd);
}

static void on_rows(void *context, const struct ipc_rows *rows, const char *reason)
{
	struct control *control = context;

	queries_answered(&control->queries, rows, reason);
}

static void apply_log(struct control *control)
{
	const struct config_log *config = &control->config->control.log;

	log_init(&control->log, (enum log_format)config->format, (enum log_target)config->target,
		(enum log_level)config->level, (uint32_t)config->rate);
}

bool control_rotate_ticket_keys(struct control *control)
{
	if (!ticket_keys_rotate(&control->ticket_keys, (int64_t)time(NULL)))
		return false;
	publisher_ticket_keys_changed(&control->publisher);
	return true;
}

static void overrides_path(const struct control *control, struct text *out)
{
	text_printf(out, "%s/overrides", control->config->control.state_directory);
}

bool control_apply_overrides(struct control *control)
{
	struct text path = {0};
	bool saved;

	overrides_apply(&control->overrides, control->config);
	publisher_snapshot_changed(&control->publisher);
	overrides_path(control, &path);
	saved = overrides_save(&control->overrides, text_string(&path));
	text_free(&path);
	return saved;
}

static void rotate_when_due(struct control *control, int64_t now_s)
{
	const int64_t rotate_s = (int64_t)(control->config->tls.tickets.rotate / 1000000);

	ticket_keys_count(&control->ticket_keys,
		counter_reader_total(&control->counters, COUNTER_TLS_TICKETS_SEALED) +
			counter_reader_total(&control->counters, COUNTER_TLS_SESSION_IDS_MADE));
	if (ticket_keys_due_s(&control->ticket_keys, now_s, rotate_s) != 0)
		return;
	if (control_rotate_ticket_keys(control))
		LOG(&control->log, LOG_LEVEL_NOTICE, "tickets", "the ticket keys were rotated");
	else
		LOG(&control->log, LOG_LEVEL_ERROR, "tickets",
			"the ticket keys were not rotated: no randomness");
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct control *control = context;
	const int64_t now_s = (int64_t)time(NULL);
	const size_t n_expired = transactions_expire(&control->transactions, now_s);

	(void)fd;
	(void)what;
	rotate_when_due(control, now_s);
	publisher_tick(&control->publisher, now_s);
	fetch_tick(&control->fetch, now_s);
	if (n_expired != 0)
		LOG(&control->log, LOG_LEVEL_NOTICE, "transaction",
			"%zu transactions were forgotten after an hour", n_expired);
	if (control->watchdog_us != 0)
		(void)sd_notify(0, "WATCHDOG=1");
}

static void on_stop(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)event_base_loopbreak(context);
}

static void on_hangup(evutil_socket_t fd, short what, void *context)
{
	struct control *control = context;

	(void)fd;
	(void)what;
	(void)reload_begin(&control->reload, 0);
}

// Certificates that work but will not for long are worth a line at every load.
static void report_certificates(struct control *control)
{
	const int64_t now_s = (int64_t)time(NULL);

	for (size_t i = 0; i < control->certs->n_certs; i++) {
		const struct cert *cert = control->certs->certs[i];

		if (cert_leaf(cert)->not_after <= now_s)
			LOG(&control->log, LOG_LEVEL_WARNING, "certificate", "%s has expired", cert->name);
		else if (cert_leaf(cert)->not_before > now_s)
			LOG(&control->log, LOG_LEVEL_WARNING, "certificate", "%s is not valid yet",
				cert->name);
		else if (cert_leaf(cert)->must_staple && cert->staple.len == 0)
			LOG(&control->log, LOG_LEVEL_WARNING, "certificate",
				"%s promises a staple and has none; clients may refuse it", cert->name);
		if (cert->rearranged)
			LOG(&control->log, LOG_LEVEL_NOTICE, "certificate", "%s: the chain was put in order",
				cert->name);
	}
}

void control_take_certs(struct control *control, struct cert_set *certs)
{
	cert_set_free(control->certs);
	control->certs = certs;
	publisher_snapshot_changed(&control->publisher);
}

// Puts the OCSP responses of before to certificates that were just loaded.
static void restore_staples(struct control *control)
{
	struct cert_set *stapled = fetch_restore(control->config, control->certs, (int64_t)time(NULL));

	if (stapled != NULL)
		control_take_certs(control, stapled);
}

void control_take(struct control *control, struct config *config, struct cert_set *certs)
{
	struct config *old = control->config;
	struct text reason = {0};

	overrides_apply(&control->overrides, config);
	control->config = config;
	control->loaded_s = (int64_t)time(NULL);
	control->n_reloads++;
	control_take_certs(control, certs);
	restore_staples(control);
	apply_log(control);
	if (!server_apply_mode(&control->server, &config->control))
		LOG(&control->log, LOG_LEVEL_ERROR, "reload", "the permissions of %s can't be set",
			config->control.socket);
	if ((config->control.n_metrics != old->control.n_metrics ||
		    memcmp(config->control.metrics, old->control.metrics,
			    config->control.n_metrics * sizeof config->control.metrics[0]) != 0) &&
		!metrics_open(&control->metrics, control, &reason))
		LOG(&control->log, LOG_LEVEL_ERROR, "metrics", "%s", text_string(&reason));
	text_free(&reason);
	config_free(old);
	report_certificates(control);
	supervise_hurry(&control->supervise);
}

static bool open_parts(struct control *control, struct text *reason)
{
	const struct dataplane_link_owner owner = {.context = control,
		.changed = on_link_changed,
		.event = on_event,
		.answered = on_answered,
		.rows = on_rows};

	control->base = event_base_new();
	control->key_context = key_context_create();
	if (control->base == NULL || control->key_context == NULL ||
		!ticket_keys_init(&control->ticket_keys, control->started_s)) {
		text_string_append(reason, "no event loop, no OpenSSL or no randomness");
		return false;
	}
	dataplane_link_init(&control->link, control->base, &owner);
	if (!server_open(&control->server, control, control->base, reason) ||
		!metrics_open(&control->metrics, control, reason))
		return false;
	if (reload_open(&control->reload, control) && fetch_open(&control->fetch, control) &&
		supervise_open(&control->supervise, control))
		return true;
	text_string_append(reason, "no descriptors or memory for the event loop");
	return false;
}

bool control_open(struct control *control, struct config_errors *errors)
{
	struct text reason = {0};

	control->started_s = control->loaded_s = (int64_t)time(NULL);
	publisher_init(&control->publisher, control);
	queries_init(&control->queries, &control->link);
	carry_init(&control->carry, control);
	control->config = config_load(control->config_path, errors);
	if (control->config == NULL)
		return false;
	overrides_path(control, &reason);
	overrides_load(&control->overrides, text_string(&reason));
	text_clear(&reason);
	overrides_apply(&control->overrides, control->config);
	control->certs = cert_set_load(control->config, NULL, reload_n_threads(), errors);
	if (control->certs == NULL)
		return false;
	apply_log(control);
	restore_staples(control);
	if (!open_parts(control, &reason))
		config_error(errors, (struct config_mark){0}, NULL, "%s", text_string(&reason));
	text_free(&reason);
	return errors->n == 0;
}

void control_run(struct control *control)
{
	const struct timeval tick = {.tv_usec = TICK_US % 1000000, .tv_sec = TICK_US / 1000000};
	struct event *events[] = {
		event_new(control->base, SIGTERM, EV_SIGNAL | EV_PERSIST, on_stop, control->base),
		event_new(control->base, SIGINT, EV_SIGNAL | EV_PERSIST, on_stop, control->base),
		event_new(control->base, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hangup, control),
		event_new(control->base, -1, EV_PERSIST, on_tick, control),
	};

	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		SLUICE_ASSERT(events[i] != NULL && event_add(events[i], i == 3 ? &tick : NULL) == 0);
	if (sd_watchdog_enabled(0, &control->watchdog_us) <= 0)
		control->watchdog_us = 0;
	report_certificates(control);
	if (secret_unlocked_len() != 0)
		LOG(&control->log, LOG_LEVEL_WARNING, "memory",
			"private keys could not be locked in memory; raise LimitMEMLOCK or run as root");
	LOG(&control->log, LOG_LEVEL_NOTICE, "start",
		"sluice-control %s: %zu listeners, %zu backends, %zu certificates", SLUICE_RELEASE,
		control->config->n_listeners, control->config->n_backends, control->certs->n_certs);
	(void)sd_notify(0, "READY=1");
	(void)event_base_dispatch(control->base);
	(void)sd_notify(0, "STOPPING=1");
	LOG(&control->log, LOG_LEVEL_NOTICE, "stop", "sluice-control ends; the dataplane goes on");
	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		event_free(events[i]);
}

void control_close(struct control *control)
{
	if (control->base != NULL) {
		supervise_close(&control->supervise);
		reload_close(&control->reload);
		fetch_close(&control->fetch);
		metrics_close(&control->metrics);
		server_close(&control->server);
		dataplane_link_close(&control->link);
		event_base_free(control->base);
	}
	carry_destroy(&control->carry);
	publisher_destroy(&control->publisher);
	counter_reader_close(&control->counters);
	transactions_close_all(&control->transactions);
	ticket_keys_destroy(&control->ticket_keys);
	key_context_destroy(control->key_context);
	overrides_free(&control->overrides);
	events_free(&control->events);
	cert_set_free(control->certs);
	config_free(control->config);
}
