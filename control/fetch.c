// SPDX-License-Identifier: Apache-2.0
#include "fetch.h"

#include "base/assert.h"
#include "control.h"
#include "fetch_protocol.h"
#include "ocsp.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	RETRY_FIRST_S = 60,
	RETRY_MAX_S = 3600,
	NO_END_S = 86400, // a response without an end is asked for again after this
	LOOKED_AT_PER_TICK = 4096,
};

static void kept_path(const struct config *config, const struct cert *cert, struct text *path)
{
	text_printf(path, "%s/ocsp-", config->control.state_directory);
	text_hex(path, cert->fingerprint, sizeof cert->fingerprint);
	text_string_append(path, ".der");
}

// Written beside and renamed, so that there is never half a response.
static bool keep(const struct config *config, const struct cert *cert)
{
	struct text path = {0};
	struct text beside = {0};
	bool kept = false;
	int fd;

	kept_path(config, cert, &path);
	text_printf(&beside, "%s.new", text_string(&path));
	fd = open(text_string(&beside), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0) {
		kept = write(fd, cert->staple.data, cert->staple.len) == (ssize_t)cert->staple.len;
		kept = close(fd) == 0 && kept && rename(text_string(&beside), text_string(&path)) == 0;
	}
	text_free(&path);
	text_free(&beside);
	return kept;
}

static struct cert *restore_one(const struct config *config, const struct cert *cert, int64_t now_s)
{
	uint8_t response[FETCH_BODY_MAX];
	struct cert *stapled = NULL;
	struct text reason = {0};
	struct text path = {0};
	int64_t next_update;
	ssize_t len = 0;
	int fd;

	kept_path(config, cert, &path);
	fd = open(text_string(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		len = read(fd, response, sizeof response);
		(void)close(fd);
	}
	if (len > 0 && ocsp_check(cert, span_of(response, (size_t)len), now_s, &next_update, &reason))
		stapled = cert_with_staple(cert, span_of(response, (size_t)len), next_update);
	else if (len > 0)
		(void)unlink(text_string(&path)); // of no use any more
	text_free(&reason);
	text_free(&path);
	return stapled;
}

static bool wants_fetching(const struct cert *cert)
{
	return cert->ocsp_fetch && cert_leaf(cert)->ocsp_url.len != 0 && cert->n_certificates > 1;
}

struct cert_set *fetch_restore(const struct config *config, const struct cert_set *certs, int64_t now_s)
{
	struct cert **restored = memory_alloc(certs->n_certs, sizeof restored[0]);
	struct cert_set *set = NULL;
	size_t n = 0;

	for (size_t i = 0; i < certs->n_certs; i++) {
		const struct cert *cert = certs->certs[i];
		struct cert *stapled = wants_fetching(cert) && cert->staple.len == 0
					       ? restore_one(config, cert, now_s)
					       : NULL;

		if (stapled != NULL)
			restored[n++] = stapled;
	}
	if (n != 0)
		set = cert_set_with_all(certs, restored, n);
	for (size_t i = 0; i < n; i++)
		cert_release(restored[i]);
	free(restored);
	return set;
}

// ---- The fetcher ---------------------------------------------------------------------------------------

static void hang_up(struct fetch *fetch)
{
	if (fetch->readable != NULL)
		event_free(fetch->readable);
	if (fetch->fd >= 0)
		(void)close(fetch->fd);
	if (fetch->child != 0) {
		(void)kill(fetch->child, SIGKILL);
		(void)waitpid(fetch->child, NULL, 0);
	}
	fetch->readable = NULL;
	fetch->fd = -1;
	fetch->child = 0;
	fetch->asked_id = 0;
}

_Noreturn static void become_fetcher(const struct config_control *config, int fd)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(fd, FETCH_SOCKET_FD) == FETCH_SOCKET_FD) {
		(void)close_range(FETCH_SOCKET_FD + 1, ~0U, 0);
		(void)execl(config->fetch_program, "sluice-fetch", config->fetch_user, (char *)NULL);
	}
	_exit(127);
}

// The place of a fingerprint in a table that has room: its state, or the free place where it belongs.
static struct fetch_state *find_place(
	struct fetch_state *states, size_t capacity, const uint8_t fingerprint[32])
{
	size_t idx;

	memcpy(&idx, fingerprint, sizeof idx);
	for (;; idx++) {
		struct fetch_state *state = &states[idx & (capacity - 1)];

		if (!state->used || memcmp(state->fingerprint, fingerprint, sizeof state->fingerprint) == 0)
			return state;
	}
}

static void make_room(struct fetch *fetch)
{
	const size_t capacity = fetch->states_capacity != 0 ? 2 * fetch->states_capacity : 64;
	struct fetch_state *states = memory_alloc(capacity, sizeof states[0]);

	for (size_t i = 0; i < fetch->states_capacity; i++)
		if (fetch->states[i].used)
			*find_place(states, capacity, fetch->states[i].fingerprint) = fetch->states[i];
	free(fetch->states);
	fetch->states = states;
	fetch->states_capacity = capacity;
}

static struct fetch_state *state_of(struct fetch *fetch, const struct cert *cert)
{
	struct fetch_state *state;

	if (2 * fetch->n_states >= fetch->states_capacity)
		make_room(fetch);
	state = find_place(fetch->states, fetch->states_capacity, cert->fingerprint);
	if (!state->used) {
		state->used = true;
		memcpy(state->fingerprint, cert->fingerprint, sizeof state->fingerprint);
		fetch->n_states++;
	}
	return state;
}

static void failed(struct fetch *fetch, struct cert *cert, const char *reason, int64_t now_s)
{
	struct fetch_state *state = state_of(fetch, cert);
	int64_t pause_s = RETRY_FIRST_S;

	for (uint32_t i = 0; i < state->n_failures && pause_s < RETRY_MAX_S; i++)
		pause_s *= 2;
	state->n_failures++;
	state->next_try_s = now_s + (pause_s < RETRY_MAX_S ? pause_s : RETRY_MAX_S);
	fetch->n_failed++;
	LOG(&fetch->control->log, LOG_LEVEL_WARNING, "ocsp", "%s: no fresh OCSP response: %s; %s", cert->name,
		reason, cert->staple.len != 0 ? "the old one stays while it is valid" : "there is none");
}

static void succeeded(
	struct fetch *fetch, struct cert *cert, struct span response, int64_t next_update, int64_t now_s)
{
	struct fetch_state *state = state_of(fetch, cert);
	struct cert *stapled = cert_with_staple(cert, response, next_update);

	state->n_failures = 0;
	state->next_try_s = now_s + (next_update != 0 ? (next_update - now_s) / 2 : NO_END_S);
	fetch->n_fetched++;
	if (!keep(fetch->control->config, stapled))
		LOG(&fetch->control->log, LOG_LEVEL_WARNING, "ocsp",
			"%s: the OCSP response can't be kept: %s", cert->name, strerror(errno));
	LOG(&fetch->control->log, LOG_LEVEL_INFO, "ocsp", "%s: a fresh OCSP response is stapled", cert->name);
	control_take_certs(fetch->control, cert_set_with(fetch->control->certs, stapled));
	cert_release(stapled);
}

static struct cert *find_by_id(const struct cert_set *certs, uint32_t id)
{
	for (size_t i = 0; i < certs->n_certs; i++)
		if (certs->certs[i]->id == id)
			return certs->certs[i];
	return NULL;
}

// The fetcher is of no use any more. What it was asked for counts as a failure, or it would be asked for
// again at once, whatever it is about it that ends fetchers.
static void give_up(struct fetch *fetch, const char *reason)
{
	struct cert *cert = fetch->asked_id != 0 ? find_by_id(fetch->control->certs, fetch->asked_cert_id)
						 : NULL;

	hang_up(fetch);
	if (cert != NULL)
		failed(fetch, cert, reason, (int64_t)time(NULL));
	else
		LOG(&fetch->control->log, LOG_LEVEL_ERROR, "ocsp", "%s", reason);
}

static void take_answer(struct fetch *fetch, struct fetch_answer *answer)
{
	const int64_t now_s = (int64_t)time(NULL);
	struct cert *cert = find_by_id(fetch->control->certs, fetch->asked_cert_id);
	struct text reason = {0};
	int64_t next_update;

	answer->reason[sizeof answer->reason - 1] = '\0';
	fetch->asked_id = 0;
	if (cert == NULL || fetch->control->reload.running)
		return; // it was replaced meanwhile, or is about to be; the new one is asked for
	if (answer->body_len == 0)
		failed(fetch, cert, answer->reason, now_s);
	else if (!ocsp_check(cert, span_of(answer->body, answer->body_len), now_s, &next_update, &reason))
		failed(fetch, cert, text_string(&reason), now_s);
	else
		succeeded(fetch, cert, span_of(answer->body, answer->body_len), next_update, now_s);
	text_free(&reason);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	static struct fetch_answer answer;
	struct fetch *fetch = context;
	const ssize_t len = recv(fd, &answer, sizeof answer, MSG_DONTWAIT);

	(void)what;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len != (ssize_t)sizeof answer || answer.id != fetch->asked_id ||
		answer.body_len > FETCH_BODY_MAX) {
		give_up(fetch, "sluice-fetch ended or answered wrongly");
		return;
	}
	take_answer(fetch, &answer);
}

static bool start_fetcher(struct fetch *fetch)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return false;
	fetch->child = fork();
	if (fetch->child == 0)
		become_fetcher(&fetch->control->config->control, fds[1]);
	(void)close(fds[1]);
	fetch->fd = fds[0];
	if (fetch->child < 0) {
		fetch->child = 0;
		hang_up(fetch);
		return false;
	}
	fetch->readable = event_new(
		fetch->control->base, fetch->fd, EV_READ | EV_PERSIST, on_readable, fetch);
	SLUICE_ASSERT(fetch->readable != NULL && event_add(fetch->readable, NULL) == 0);
	return true;
}

// ---- Asking --------------------------------------------------------------------------------------------

static bool is_due(struct fetch *fetch, const struct cert *cert, int64_t now_s)
{
	const struct fetch_state *state;

	if (!wants_fetching(cert))
		return false;
	state = state_of(fetch, cert);
	if (state->next_try_s == 0 && cert->staple.len != 0 && cert->staple_next_update - now_s > NO_END_S)
		return false; // one that was restored, or came from a file, and is good for long
	return now_s >= state->next_try_s;
}

static void ask(struct fetch *fetch, struct cert *cert, int64_t now_s)
{
	static struct fetch_request request;
	const struct span url = cert_leaf(cert)->ocsp_url;
	size_t len = 0;
	uint8_t *body = ocsp_request(cert, &len);

	memset(&request, 0, sizeof request);
	if (body == NULL || len > sizeof request.body || url.len >= sizeof request.url ||
		memchr(url.data, '\0', url.len) != NULL) {
		failed(fetch, cert, "the responder's address or the request is of no use", now_s);
	} else if (fetch->fd < 0 && !start_fetcher(fetch)) {
		failed(fetch, cert, "sluice-fetch can't be started", now_s);
	} else {
		request.id = fetch->next_id++;
		request.body_len = (uint32_t)len;
		memcpy(request.url, url.data, url.len);
		memcpy(request.body, body, len);
		fetch->asked_id = request.id;
		fetch->asked_cert_id = cert->id;
		fetch->asked_s = now_s;
		if (send(fetch->fd, &request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT) !=
			(ssize_t)sizeof request) {
			failed(fetch, cert, "sluice-fetch does not take requests", now_s);
			hang_up(fetch);
		}
	}
	free(body);
}

void fetch_tick(struct fetch *fetch, int64_t now_s)
{
	const struct cert_set *certs = fetch->control->certs;

	if (fetch->asked_id != 0) {
		if (now_s - fetch->asked_s > 2 * FETCH_TIMEOUT_S)
			give_up(fetch, "sluice-fetch does not answer");
		return;
	}
	for (size_t i = 0; i < certs->n_certs && i < LOOKED_AT_PER_TICK; i++) {
		struct cert *cert = certs->certs[fetch->cursor++ % certs->n_certs];

		if (is_due(fetch, cert, now_s)) {
			ask(fetch, cert, now_s);
			return;
		}
	}
}

bool fetch_open(struct fetch *fetch, struct control *control)
{
	*fetch = (struct fetch){.control = control, .fd = -1, .next_id = 1};
	return true;
}

void fetch_close(struct fetch *fetch)
{
	hang_up(fetch);
	free(fetch->states);
	*fetch = (struct fetch){.fd = -1};
}
