// SPDX-License-Identifier: Apache-2.0
//
// Commands that change what is running without changing the configuration: overrides.h.
#include "command.h"
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct target {
	enum override_kind kind;
	const struct config_backend *backend;
	const struct config_server *server;
};

// "backend/server", or NULL.
static const struct config_server *find_server(
	const struct config *config, const char *name, const struct config_backend **out_backend)
{
	const char *slash = strchr(name, '/');

	for (size_t i = 0; slash != NULL && i < config->n_backends; i++) {
		const struct config_backend *backend = &config->backends[i];
		const size_t len = strlen(backend->name);

		if (len != (size_t)(slash - name) || strncmp(backend->name, name, len) != 0)
			continue;
		*out_backend = backend;
		for (size_t j = 0; j < backend->n_servers; j++)
			if (strcmp(backend->servers[j].name, slash + 1) == 0)
				return &backend->servers[j];
	}
	return NULL;
}

static bool is_listener(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_listeners; i++)
		if (strcmp(config->listeners[i].name, name) == 0)
			return true;
	return false;
}

// What the two arguments name; false: nothing, and that was answered.
static bool find_target(struct command_call *call, struct target *out)
{
	const struct config *config = call->control->config;
	const char *what = call->arguments[0];
	const char *name = call->arguments[1];
	size_t idx;

	*out = (struct target){0};
	if (strcmp(what, "server") == 0) {
		out->kind = OVERRIDE_SERVER;
		out->server = find_server(config, name, &out->backend);
		if (out->server != NULL)
			return true;
		answer_error(&call->answer,
			"no server has the name '%s'; its form is BACKEND/SERVER, see show backend", name);
	} else if (strcmp(what, "backend") == 0) {
		out->kind = OVERRIDE_BACKEND;
		idx = config_find_backend(config, name);
		if (idx != CONFIG_NO_BACKEND) {
			out->backend = &config->backends[idx];
			return true;
		}
		answer_error(&call->answer, "no backend has the name '%s'; see show backend", name);
	} else if (strcmp(what, "listener") == 0) {
		out->kind = OVERRIDE_LISTENER;
		if (is_listener(config, name))
			return true;
		answer_error(&call->answer, "no listener has the name '%s'; see show listener", name);
	} else {
		answer_usage(&call->answer, "%s %s", call->command->words, call->command->arguments);
	}
	return false;
}

static void take_effect(struct command_call *call)
{
	if (!control_apply_overrides(call->control))
		answer_error(&call->answer,
			"done, but it will not survive a restart of sluice-control: the state directory "
			"can't be "
			"written: %s",
			strerror(errno));
}

enum command_result command_enable(struct command_call *call)
{
	struct target target;

	if (!find_target(call, &target))
		return COMMAND_ANSWERED;
	overrides_clear(&call->control->overrides, target.kind, call->arguments[1]);
	take_effect(call);
	return COMMAND_ANSWERED;
}

static bool set_use(struct command_call *call, struct target *out_target, enum config_use use)
{
	const char *fault;

	if (!find_target(call, out_target))
		return false;
	fault = overrides_set(&call->control->overrides, out_target->kind, call->arguments[1], (uint64_t)use);
	if (fault != NULL) {
		answer_error(&call->answer, "%s", fault);
		return false;
	}
	take_effect(call);
	return call->answer.kind != ANSWER_ERROR;
}

enum command_result command_drain(struct command_call *call)
{
	struct target target;

	(void)set_use(call, &target, CONFIG_USE_DRAINED);
	return COMMAND_ANSWERED;
}

// Connections that are made while the new snapshot is on its way are ended by the next one who asks; the
// order follows the snapshot on the link, so few are.
enum command_result command_disable(struct command_call *call)
{
	struct ipc_match match = {0};
	struct target target;

	if (!set_use(call, &target, CONFIG_USE_DISABLED) || call->control->link.state != LINK_RUNNING)
		return COMMAND_ANSWERED;
	if (target.kind == OVERRIDE_LISTENER)
		(void)snprintf(match.listener, sizeof match.listener, "%s", call->arguments[1]);
	else
		(void)snprintf(match.backend, sizeof match.backend, "%s", target.backend->name);
	if (target.kind == OVERRIDE_SERVER) {
		memcpy(match.server_address, target.server->address.address.bytes,
			sizeof match.server_address);
		match.server_port = target.server->address.port;
	}
	return command_kill_matching(call, &match);
}

enum command_result command_set_weight(struct command_call *call)
{
	struct overrides *overrides = &call->control->overrides;
	const struct config_backend *backend;
	const char *name = call->arguments[0];
	uint64_t weight;

	if (find_server(call->control->config, name, &backend) == NULL) {
		answer_error(&call->answer,
			"no server has the name '%s'; its form is BACKEND/SERVER, see show backend", name);
		return COMMAND_ANSWERED;
	}
	if (strcmp(call->arguments[1], "configured") == 0) {
		overrides_clear(overrides, OVERRIDE_WEIGHT, name);
	} else if (text_number(call->arguments[1], CONFIG_WEIGHT_MAX, &weight) && weight != 0) {
		const char *fault = overrides_set(overrides, OVERRIDE_WEIGHT, name, weight);

		if (fault != NULL) {
			answer_error(&call->answer, "%s", fault);
			return COMMAND_ANSWERED;
		}
	} else {
		answer_error(&call->answer, "'%s' is no weight; allowed: 1 to %d, or configured",
			call->arguments[1], CONFIG_WEIGHT_MAX);
		return COMMAND_ANSWERED;
	}
	take_effect(call);
	return COMMAND_ANSWERED;
}

enum command_result command_set_limit(struct command_call *call)
{
	struct overrides *overrides = &call->control->overrides;
	const char *name = call->arguments[0];
	uint64_t limit;

	if (overrides_limit(&call->control->config->limits, name) == NULL) {
		answer_error(&call->answer, "no limit has the name '%s'; see show limits", name);
		return COMMAND_ANSWERED;
	}
	if (strcmp(call->arguments[1], "configured") == 0) {
		overrides_clear(overrides, OVERRIDE_LIMIT, name);
	} else if (strcmp(name, "connections") == 0 && text_number(call->arguments[1], UINT32_MAX, &limit) &&
		   limit > call->control->config->configured_limits.connections) {
		answer_error(&call->answer,
			"the dataplane's tables have room for %llu connections; for more, raise "
			"limits.connections in the configuration and start the dataplane again",
			(unsigned long long)call->control->config->configured_limits.connections);
		return COMMAND_ANSWERED;
	} else if (text_number(call->arguments[1], UINT32_MAX, &limit) &&
		   (limit != 0 || strcmp(name, "connections") != 0)) {
		(void)overrides_set(overrides, OVERRIDE_LIMIT, name, limit);
	} else {
		answer_error(&call->answer, "'%s' is no limit; allowed: a number, or configured",
			call->arguments[1]);
		return COMMAND_ANSWERED;
	}
	take_effect(call);
	return COMMAND_ANSWERED;
}
