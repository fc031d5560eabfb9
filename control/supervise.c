// SPDX-License-Identifier: Apache-2.0
#include "supervise.h"

#include "base/assert.h"
#include "control.h"
#include "publish.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	BACKOFF_FIRST_US = 100000,
	BACKOFF_MAX_US = 10000000,
	CONNECT_US = 50000, // to a dataplane that is starting
	PEACE_S = 60,
	DIGEST_LEN = SHA256_DIGEST_LENGTH,
};

static void schedule(struct supervise *supervise, uint64_t after_us)
{
	const struct timeval timeout = {
		.tv_sec = (time_t)(after_us / 1000000), .tv_usec = (suseconds_t)(after_us % 1000000)};

	(void)event_add(supervise->timer, &timeout);
}

static void schedule_longer(struct supervise *supervise)
{
	schedule(supervise, supervise->backoff_us);
	supervise->backoff_us *= 2;
	if (supervise->backoff_us > BACKOFF_MAX_US)
		supervise->backoff_us = BACKOFF_MAX_US;
}

// ---- What the running dataplane was started with -------------------------------------------------------

// Beside the link's socket: the digest of the records of START, so that a later control process knows whether
// the running dataplane has the configuration that it has. It is a note, not a secret.
static void note_path(const struct config *config, struct text *path)
{
	text_printf(path, "%s.start", config->dataplane.socket);
}

static void digest_start(const struct config *config, uint8_t out_digest[static DIGEST_LEN])
{
	struct text records = {0};

	publish_start(config, &records);
	(void)SHA256((const unsigned char *)text_string(&records), records.len, out_digest);
	text_free(&records);
}

static void write_note(const struct config *config)
{
	uint8_t digest[DIGEST_LEN];
	struct text path = {0};
	int fd;

	digest_start(config, digest);
	note_path(config, &path);
	fd = open(text_string(&path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		if (write(fd, digest, sizeof digest) != (ssize_t)sizeof digest)
			(void)unlink(text_string(&path));
		(void)close(fd);
	}
	text_free(&path);
}

// Whether the note is there and says something else than our configuration.
static bool note_differs(const struct config *config)
{
	uint8_t digest[DIGEST_LEN];
	uint8_t noted[DIGEST_LEN];
	struct text path = {0};
	bool differs = false;
	int fd;

	digest_start(config, digest);
	note_path(config, &path);
	fd = open(text_string(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		differs = read(fd, noted, sizeof noted) == (ssize_t)sizeof noted &&
			  memcmp(noted, digest, sizeof digest) != 0;
		(void)close(fd);
	}
	text_free(&path);
	return differs;
}

// ---- The process ---------------------------------------------------------------------------------------

_Noreturn static void become_dataplane(const struct config_dataplane *config)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	(void)setsid();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
	}
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	(void)execl(config->program, "sluice-dataplane", "--socket", config->socket, (char *)NULL);
	(void)dprintf(STDERR_FILENO, "sluice-control: %s: %s\n", config->program, strerror(errno));
	_exit(127);
}

static bool start_process(struct supervise *supervise)
{
	struct control *control = supervise->control;
	const struct config_dataplane *config = &control->config->dataplane;
	const pid_t child = fork();

	if (child == 0)
		become_dataplane(config);
	if (child < 0) {
		LOG(&control->log, LOG_LEVEL_ERROR, "dataplane", "the dataplane can't be started: %s",
			strerror(errno));
		return false;
	}
	supervise->child = child;
	supervise->n_starts++;
	LOG(&control->log, LOG_LEVEL_NOTICE, "dataplane", "started %s, pid %d", config->program, (int)child);
	return true;
}

static void on_child_ended(evutil_socket_t fd, short what, void *context)
{
	struct supervise *supervise = context;
	struct log *log = &supervise->control->log;
	int status;

	(void)fd;
	(void)what;
	if (supervise->child == 0 || waitpid(supervise->child, &status, WNOHANG) != supervise->child)
		return;
	if (WIFSIGNALED(status))
		LOG(log, LOG_LEVEL_ERROR, "dataplane", "the dataplane (pid %d) was killed by signal %d (%s)",
			(int)supervise->child, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		LOG(log, WEXITSTATUS(status) == 0 ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR, "dataplane",
			"the dataplane (pid %d) ended with status %d", (int)supervise->child,
			WEXITSTATUS(status));
	supervise->child = 0;
	if (supervise->control->link.state == LINK_DOWN && !event_pending(supervise->timer, EV_TIMEOUT, NULL))
		schedule_longer(supervise);
}

// ---- Connecting ----------------------------------------------------------------------------------------

static void start_configuration(struct supervise *supervise)
{
	struct control *control = supervise->control;
	struct text records = {0};
	int fd;

	publish_start(control->config, &records);
	fd = publish_memfd("sluice-start", &records);
	text_free(&records);
	if (fd < 0) {
		LOG(&control->log, LOG_LEVEL_ERROR, "dataplane", "no memfd: %s", strerror(errno));
		schedule_longer(supervise);
		return;
	}
	dataplane_link_start(&control->link, fd);
	(void)close(fd);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct supervise *supervise = context;
	struct control *control = supervise->control;
	const bool may_start = !control->attach_only && control->config->dataplane.start == CONFIG_START_AUTO;

	(void)fd;
	(void)what;
	if (supervise->disabled)
		return;
	if (control->link.state == LINK_WAITING) {
		start_configuration(supervise);
		return;
	}
	if (control->link.state != LINK_DOWN ||
		dataplane_link_connect(&control->link, control->config->dataplane.socket))
		return;
	if (!may_start) {
		if (supervise->last_reason[0] == '\0')
			LOG(&control->log, LOG_LEVEL_NOTICE, "dataplane", "no dataplane at %s yet: %s",
				control->config->dataplane.socket, strerror(errno));
		(void)snprintf(supervise->last_reason, sizeof supervise->last_reason, "nobody listens at %s",
			control->config->dataplane.socket);
		schedule(supervise, 10 * BACKOFF_FIRST_US);
	} else if (supervise->child != 0) {
		schedule(supervise, CONNECT_US); // ours is still on its way
	} else if (start_process(supervise)) {
		schedule(supervise, CONNECT_US);
	} else {
		schedule_longer(supervise);
	}
}

static void on_running(struct supervise *supervise, enum link_state before)
{
	struct control *control = supervise->control;
	const struct dataplane_facts *facts = &control->link.facts;
	const char *fault = counter_reader_open(&control->counters, facts->counter_fd);

	supervise->running_since_s = (int64_t)time(NULL);
	supervise->last_reason[0] = '\0';
	if (supervise->started_here) {
		write_note(control->config);
		supervise->running_differs = false;
	} else {
		supervise->running_differs = note_differs(control->config);
	}
	LOG(&control->log, LOG_LEVEL_NOTICE, "dataplane", "%s dataplane %s, pid %u, %u workers",
		supervise->started_here ? "started" : "attached to the running", facts->release, facts->pid,
		facts->n_workers);
	supervise->started_here = false;
	if (supervise->running_differs)
		LOG(&control->log, LOG_LEVEL_WARNING, "dataplane",
			"the running dataplane was started with other ports, workers or memory than the "
			"configuration "
			"has; restart it to take them over");
	if (fault != NULL)
		LOG(&control->log, LOG_LEVEL_ERROR, "dataplane", "no counters: %s", fault);
	(void)before;
}

static void on_lost(struct supervise *supervise, enum link_state before, const char *reason)
{
	struct control *control = supervise->control;
	const int64_t ran_s = (int64_t)time(NULL) - supervise->running_since_s;

	counter_reader_close(&control->counters);
	if (before == LINK_STOPPING) {
		LOG(&control->log, LOG_LEVEL_NOTICE, "dataplane", "%s", reason);
		// It was enabled again while it was on its way out.
		if (!supervise->disabled)
			schedule_longer(supervise);
		return;
	}
	supervise->n_losses++;
	(void)snprintf(supervise->last_reason, sizeof supervise->last_reason, "%s", reason);
	LOG(&control->log, LOG_LEVEL_ERROR, "dataplane", "the dataplane is lost: %s", reason);
	if (before == LINK_RUNNING && ran_s >= PEACE_S)
		supervise->backoff_us = BACKOFF_FIRST_US;
	schedule_longer(supervise);
}

void supervise_link_changed(
	struct supervise *supervise, enum link_state before, enum link_state now, const char *reason)
{
	if (now == LINK_WAITING && before == LINK_GREETING) {
		supervise->started_here = true;
		start_configuration(supervise);
	} else if (now == LINK_WAITING) {
		(void)snprintf(supervise->last_reason, sizeof supervise->last_reason, "%s", reason);
		LOG(&supervise->control->log, LOG_LEVEL_ERROR, "dataplane", "the dataplane did not start: %s",
			reason);
		schedule_longer(supervise);
	} else if (now == LINK_RUNNING) {
		on_running(supervise, before);
	} else if (now == LINK_DOWN) {
		on_lost(supervise, before, reason);
	}
}

const char *supervise_disable(struct supervise *supervise)
{
	struct dataplane_link *link = &supervise->control->link;

	if (link->state != LINK_RUNNING && link->state != LINK_WAITING && link->state != LINK_DOWN)
		return "the dataplane is starting or stopping; try again";
	supervise->disabled = true;
	(void)event_del(supervise->timer);
	if (link->state != LINK_DOWN)
		dataplane_link_stop(link);
	return NULL;
}

void supervise_hurry(struct supervise *supervise)
{
	const enum link_state state = supervise->control->link.state;

	if (!supervise->disabled && (state == LINK_DOWN || state == LINK_WAITING))
		schedule(supervise, 0);
}

void supervise_enable(struct supervise *supervise)
{
	supervise->disabled = false;
	supervise->backoff_us = BACKOFF_FIRST_US;
	supervise_hurry(supervise);
}

bool supervise_open(struct supervise *supervise, struct control *control)
{
	*supervise = (struct supervise){.control = control, .backoff_us = BACKOFF_FIRST_US};
	supervise->timer = event_new(control->base, -1, 0, on_timer, supervise);
	supervise->child_ended = event_new(
		control->base, SIGCHLD, EV_SIGNAL | EV_PERSIST, on_child_ended, supervise);
	if (supervise->timer == NULL || supervise->child_ended == NULL ||
		event_add(supervise->child_ended, NULL) != 0)
		return false;
	schedule(supervise, 0);
	return true;
}

void supervise_close(struct supervise *supervise)
{
	if (supervise->timer != NULL)
		event_free(supervise->timer);
	if (supervise->child_ended != NULL)
		event_free(supervise->child_ended);
	supervise->timer = supervise->child_ended = NULL;
}
