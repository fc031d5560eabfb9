// SPDX-License-Identifier: Apache-2.0
//
// Commands that change something else than certificates.
#include "command.h"
#include "control.h"

#include <string.h>
#include <time.h>

enum command_result command_reload(struct command_call *call)
{
	const char *fault = reload_begin(&call->control->reload, call->client_id);

	if (fault == NULL)
		return COMMAND_WAITS;
	answer_error(&call->answer, "%s", fault);
	return COMMAND_ANSWERED;
}

enum command_result command_set_log(struct command_call *call)
{
	if (strcmp(call->arguments[0], "level") != 0) {
		answer_usage(&call->answer, "set log level LEVEL");
		return COMMAND_ANSWERED;
	}
	for (int level = 0; level < N_LOG_LEVELS; level++) {
		if (strcmp(call->arguments[1], log_level_name((enum log_level)level)) == 0) {
			call->control->log.level = (enum log_level)level;
			return COMMAND_ANSWERED;
		}
	}
	answer_error(&call->answer, "'%s' is no level; allowed: error, warning, notice, info, debug",
		call->arguments[1]);
	return COMMAND_ANSWERED;
}

enum command_result command_rotate_ticket_keys(struct command_call *call)
{
	if (!control_rotate_ticket_keys(call->control))
		answer_error(&call->answer, "the system has no randomness; nothing was changed");
	return COMMAND_ANSWERED;
}

// Its sessions are there for the next one; now it may go.
static void on_carried(struct control *control, void *context)
{
	const char *fault = supervise_disable(&control->supervise);

	server_complete(&control->server, (uint64_t)(uintptr_t)context, fault != NULL ? fault : "");
}

enum command_result command_disable_dataplane(struct command_call *call)
{
	struct control *control = call->control;
	const char *fault;

	if (control->link.state == LINK_RUNNING && !control->carry.collecting) {
		carry_collect(&control->carry, on_carried, (void *)(uintptr_t)call->client_id);
		return COMMAND_WAITS;
	}
	fault = supervise_disable(&control->supervise);
	if (fault != NULL)
		answer_error(&call->answer, "%s", fault);
	return COMMAND_ANSWERED;
}

enum command_result command_enable_dataplane(struct command_call *call)
{
	supervise_enable(&call->control->supervise);
	return COMMAND_ANSWERED;
}
