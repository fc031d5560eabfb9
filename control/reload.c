// SPDX-License-Identifier: Apache-2.0
#include "reload.h"

#include "control.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

unsigned reload_n_threads(void)
{
	const long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 1;
}

static void *read_everything(void *argument)
{
	struct reload *reload = argument;
	const uint64_t one = 1;

	reload->config = config_load(reload->path, &reload->errors);
	if (reload->config != NULL)
		reload->certs = cert_set_load(
			reload->config, reload->before, reload_n_threads(), &reload->errors);
	(void)!write(reload->wake_fd, &one, sizeof one);
	return NULL;
}

static void begin(struct reload *reload)
{
	struct control *control = reload->control;

	reload->running = true;
	reload->config = NULL;
	reload->certs = NULL;
	reload->errors = (struct config_errors){0};
	// The set in use may be replaced by a commit meanwhile; the thread has its own copy of the list.
	reload->before = cert_set_copy(control->certs);
	reload->path = memory_string(control->config_path);
	if (pthread_create(&reload->thread, NULL, read_everything, reload) != 0) {
		config_error(&reload->errors, (struct config_mark){0}, NULL,
			"no thread to read the configuration with");
		reload->thread = 0;
		event_active(reload->finished, EV_READ, 0);
	}
}

const char *reload_begin(struct reload *reload, uint64_t client_id)
{
	uint64_t *waiters = reload->running ? reload->next_waiters : reload->waiters;
	size_t *n = reload->running ? &reload->n_next_waiters : &reload->n_waiters;

	if (client_id != 0) {
		if (*n == RELOAD_WAITERS_MAX)
			return "too many wait for a reload; try again later";
		waiters[(*n)++] = client_id;
	}
	if (reload->running)
		reload->again = true;
	else
		begin(reload);
	return NULL;
}

// What was read against what is running: some things need a restart of the dataplane.
static bool can_be_taken(struct reload *reload)
{
	struct control *control = reload->control;
	const char *key;

	if (reload->config == NULL || reload->certs == NULL)
		return false;
	if (control->link.state == LINK_RUNNING &&
		config_needs_restart(control->config, reload->config, &key))
		config_fault(reload->config, &reload->errors, key,
			"differs from what is running and can't change live; disable dataplane and enable "
			"it, or "
			"restart it, with this configuration");
	if (strcmp(control->config->control.socket, reload->config->control.socket) != 0)
		config_fault(reload->config, &reload->errors, "control.socket",
			"differs from what is running and can't change live; restart sluice-control");
	return reload->errors.n == 0;
}

static void tell_waiters(struct reload *reload, const char *error)
{
	const size_t n = reload->n_waiters;
	uint64_t waiters[RELOAD_WAITERS_MAX];

	// A client that is told may ask for the next one at once.
	memcpy(waiters, reload->waiters, n * sizeof waiters[0]);
	memcpy(reload->waiters, reload->next_waiters, reload->n_next_waiters * sizeof waiters[0]);
	reload->n_waiters = reload->n_next_waiters;
	reload->n_next_waiters = 0;
	for (size_t i = 0; i < n; i++)
		server_complete(&reload->control->server, waiters[i], error);
}

static void finish(struct reload *reload)
{
	struct control *control = reload->control;
	const bool again = reload->again;
	struct text error = {0};

	if (can_be_taken(reload)) {
		control_take(control, reload->config, reload->certs);
		LOG(&control->log, LOG_LEVEL_NOTICE, "reload",
			"the configuration was reloaded: %zu listeners, %zu backends, "
			"%zu certificates",
			control->config->n_listeners, control->config->n_backends, control->certs->n_certs);
	} else {
		control->n_reloads_refused++;
		text_string_append(&error, text_string(&reload->errors.text));
		LOG(&control->log, LOG_LEVEL_ERROR, "reload", "the configuration was not reloaded: %s",
			text_string(&error));
		cert_set_free(reload->certs);
		config_free(reload->config);
	}
	config_errors_free(&reload->errors);
	reload->config = NULL;
	reload->certs = NULL;
	reload->running = again;
	reload->again = false;
	tell_waiters(reload, text_string(&error));
	text_free(&error);
	if (again)
		begin(reload);
}

static void on_finished(evutil_socket_t fd, short what, void *context)
{
	struct reload *reload = context;
	uint64_t n;

	(void)what;
	(void)!read(fd, &n, sizeof n);
	if (!reload->running)
		return;
	if (reload->thread != 0)
		(void)pthread_join(reload->thread, NULL);
	reload->thread = 0;
	cert_set_free(reload->before);
	free(reload->path);
	finish(reload);
}

bool reload_open(struct reload *reload, struct control *control)
{
	*reload = (struct reload){.control = control, .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	if (reload->wake_fd < 0)
		return false;
	reload->finished = event_new(
		control->base, reload->wake_fd, EV_READ | EV_PERSIST, on_finished, reload);
	return reload->finished != NULL && event_add(reload->finished, NULL) == 0;
}

void reload_close(struct reload *reload)
{
	if (reload->running && reload->thread != 0) {
		(void)pthread_join(reload->thread, NULL);
		cert_set_free(reload->before);
		cert_set_free(reload->certs);
		config_free(reload->config);
		config_errors_free(&reload->errors);
		free(reload->path);
	}
	if (reload->finished != NULL)
		event_free(reload->finished);
	if (reload->wake_fd >= 0)
		(void)close(reload->wake_fd);
}
