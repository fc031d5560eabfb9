// SPDX-License-Identifier: Apache-2.0
//
// A control process without descriptors and without a dataplane: what commands and the socket's protocol can
// be tried on.
#pragma once

#include "../../../control/control.h"

#include "base/assert.h"

#include <event2/event.h>
#include <string.h>

static const char a_configuration[] =
	"dataplane: {ports: [{name: a, device: b, addresses: [192.0.2.1/24], gateways: 192.0.2.2}]}\n"
	"backends: {web: {servers: [\"192.0.2.9:80\"]}}\n"
	"listeners: [{name: plain, address: \"192.0.2.1:80\", protocol: tcp, backend: web}]\n";

static void discard_line(void *context, enum log_level level, const char *line, size_t len)
{
	(void)context;
	(void)level;
	(void)line;
	(void)len;
}

static inline void a_control_open(struct control *control)
{
	struct config_errors errors = {0};

	memset(control, 0, sizeof *control);
	publisher_init(&control->publisher, control);
	queries_init(&control->queries, &control->link);
	carry_init(&control->carry, control);
	control->config_path = "test.yaml";
	control->config = config_parse("test.yaml", a_configuration, strlen(a_configuration), &errors);
	SLUICE_ASSERT(control->config != NULL);
	control->certs = cert_set_load(control->config, NULL, 1, &errors);
	control->key_context = key_context_create();
	control->base = event_base_new();
	SLUICE_ASSERT(control->certs != NULL && control->key_context != NULL && control->base != NULL);
	SLUICE_ASSERT(ticket_keys_init(&control->ticket_keys, 1000));
	log_init(&control->log, LOG_FORMAT_TEXT, LOG_TARGET_STDERR, LOG_LEVEL_DEBUG, 1000000);
	control->log.sink = discard_line;
	control->link.facts.counter_fd = control->link.fd = -1;
	control->server = (struct server){.control = control, .base = control->base, .listen_fd = -1};
	list_init(&control->server.clients);
	control->supervise.timer = event_new(control->base, -1, 0, NULL, NULL);
	control->supervise.control = control;
}

static inline void a_control_close(struct control *control)
{
	server_close(&control->server);
	event_free(control->supervise.timer);
	event_base_free(control->base);
	transactions_close_all(&control->transactions);
	overrides_free(&control->overrides);
	ticket_keys_destroy(&control->ticket_keys);
	key_context_destroy(control->key_context);
	events_free(&control->events);
	cert_set_free(control->certs);
	config_free(control->config);
}
