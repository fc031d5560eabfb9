// SPDX-License-Identifier: Apache-2.0
//
// tls-server: a plain kernel-socket HTTP/1.0 responder over the engine, one thread, many connections, lanes
// on: a drop-in target for black-box TLS test suites.
//
//     tls-server -port N [-cert FILE -key FILE]... [-client-auth optional|required] [-no-tls12] [-no-tls13]
//                [-record-size-limit N]
//
// Without certificates it makes an RSA-2048 and a P-256 one. It tickets, resumes, and speaks http/1.1 by
// ALPN. Every request gets the same small page and a close.
#include "tls_fixture.h"
#include "tls_pem.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 1024,
	IDENTITIES_MAX = 4,
	EVENTS_MAX = 64,
};

struct visit {
	struct tls_end end;
	int fd;
	bool answered;
	bool over;
};

static struct tls_fixture fixture;
static struct tls_fixture_verifier verifier;
static struct tls_server_config config;
static struct visit *visits[CONNECTIONS_MAX];
static int epoll_fd;

static const char page[] = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nsluice\n";

static void flush(struct visit *visit)
{
	size_t sent = 0;

	while (sent < visit->end.out_len) {
		ssize_t n = send(visit->fd, visit->end.out + sent, visit->end.out_len - sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			visit->over = true;
			sent = visit->end.out_len;
			break;
		}
		sent += (size_t)n;
	}
	memmove(visit->end.out, visit->end.out + sent, visit->end.out_len - sent);
	visit->end.out_len -= sent;
}

static bool has_request(const struct tls_end *end)
{
	return end->data_len >= 4 && memmem(end->data, end->data_len, "\r\n\r\n", 4) != NULL;
}

static void answer(struct visit *visit)
{
	struct tls_end *end = &visit->end;

	if (tls_end_up(end) && has_request(end) && !visit->answered) {
		tls_end_send(end, page, sizeof page - 1);
		visit->answered = true;
		tls_end_close(end);
	}
	if (end->closed && !end->failed)
		tls_end_close(end);
	if (end->failed || end->closed || visit->answered)
		visit->over = true;
}

static void read_socket(struct visit *visit)
{
	uint8_t buffer[16384];
	size_t room = TLS_END_BUFFER_LEN - visit->end.in_len;
	ssize_t n = recv(visit->fd, buffer, room < sizeof buffer ? room : sizeof buffer, MSG_DONTWAIT);

	if (n > 0)
		tls_end_receive(&visit->end, buffer, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		visit->over = true;
}

static void work(void)
{
	bool progress = true;

	while (progress) {
		progress = false;
		for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
			if (visits[i] != NULL)
				progress = tls_end_step(&visits[i]->end) || progress;
		}
		progress = progress || lanes_n_pending(fixture.crypto.lanes) != 0;
		tls_fixture_run_lanes(&fixture);
	}
}

// Half a close first, so that what was sent arrives although the peer may still be writing.
static void end_visit(unsigned idx)
{
	struct visit *visit = visits[idx];
	uint8_t rest[4096];

	(void)shutdown(visit->fd, SHUT_WR);
	while (recv(visit->fd, rest, sizeof rest, MSG_DONTWAIT) > 0)
		;
	(void)close(visit->fd);
	tls_end_destroy(&visit->end);
	free(visit);
	visits[idx] = NULL;
}

static void accept_visit(int listener)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = accept(listener, NULL, NULL);
	unsigned idx = 0;

	if (fd < 0)
		return;
	while (idx < CONNECTIONS_MAX && visits[idx] != NULL)
		idx++;
	if (idx == CONNECTIONS_MAX || pool_n_free(&fixture.engine.handshakes) == 0) {
		(void)close(fd);
		return;
	}
	visits[idx] = calloc(1, sizeof *visits[idx]);
	visits[idx]->fd = fd;
	tls_end_init(&visits[idx]->end, &fixture);
	tls_end_serve(&visits[idx]->end, &config);
	event.data.u32 = idx;
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int listen_on(int port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = CONNECTIONS_MAX}};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 128) != 0) {
		perror("tls-server");
		exit(1);
	}
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
	return fd;
}

static void turn(int listener)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(epoll_fd, events, EVENTS_MAX, 1000);

	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == CONNECTIONS_MAX)
			accept_visit(listener);
		else if (visits[events[i].data.u32] != NULL)
			read_socket(visits[events[i].data.u32]);
	}
	work();
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		if (visits[i] == NULL)
			continue;
		answer(visits[i]);
		flush(visits[i]);
		if (visits[i]->over)
			end_visit(i);
	}
}

_Noreturn static void usage(void)
{
	(void)fprintf(stderr,
		"usage: tls-server -port N [-cert FILE -key FILE]... [-client-auth optional|required]"
		" [-no-tls12] [-no-tls13] [-record-size-limit N]\n");
	exit(2);
}

static void take_option(const char *name, const char *value, const char **cert, int *port,
	struct tls_identity **identities, uint32_t *n_identities)
{
	if (strcmp(name, "-port") == 0) {
		*port = atoi(value);
	} else if (strcmp(name, "-cert") == 0) {
		*cert = value;
	} else if (strcmp(name, "-key") == 0 && *cert != NULL && *n_identities < IDENTITIES_MAX) {
		identities[*n_identities] = tls_pem_identity(
			*cert, value, span_of(NULL, 0), span_of(NULL, 0));
		if (identities[*n_identities] == NULL)
			usage();
		(*n_identities)++;
	} else if (strcmp(name, "-client-auth") == 0) {
		config.client_auth = strcmp(value, "required") == 0 ? TLS_CLIENT_AUTH_REQUIRED
								    : TLS_CLIENT_AUTH_OPTIONAL;
	} else if (strcmp(name, "-record-size-limit") == 0) {
		config.common.record_size_limit = (uint16_t)atoi(value);
	} else {
		usage();
	}
}

int main(int argc, char **argv)
{
	const struct tls_engine_settings settings = {.n_handshakes = 512, .n_sessions = 1024};
	struct tls_identity *identities[IDENTITIES_MAX];
	const char *cert = NULL;
	uint32_t n_identities = 0;
	int port = 0;
	int listener;

	clock_init();
	tls_fixture_init(&fixture, &settings);
	tls_fixture_ticket_keys(&fixture, 1, 0, 0);
	tls_fixture_verifier_init(&verifier);
	config = tls_fixture_server_config(NULL);
	config.common.verifier = &verifier.base;
	config.common.alpn = span_of_string("\x08http/1.1");
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-no-tls13") == 0)
			config.common.version_max = TLS_VERSION_12;
		else if (strcmp(argv[i], "-no-tls12") == 0)
			config.common.version_min = TLS_VERSION_13;
		else if (i + 1 < argc) {
			take_option(argv[i], argv[i + 1], &cert, &port, identities, &n_identities);
			i++;
		} else {
			usage();
		}
	}
	if (port == 0)
		usage();
	if (n_identities == 0) {
		identities[n_identities++] = tls_fixture_identity(TLS_FIXTURE_P256);
		identities[n_identities++] = tls_fixture_identity(TLS_FIXTURE_RSA2048);
	}
	config.names = tls_fixture_names(identities, n_identities);
	epoll_fd = epoll_create1(0);
	listener = listen_on(port);
	printf("listening on 127.0.0.1:%d\n", port);
	(void)fflush(stdout);
	for (;;)
		turn(listener);
}
