// SPDX-License-Identifier: Apache-2.0
//
// tls-server: a plain kernel-socket HTTP/1.0 responder over the engine, one thread, many connections, lanes
// on: a drop-in target for black-box TLS test suites.
//
//     tls-server -port N [-cert FILE -key FILE]... [-client-auth optional|required] [-no-tls12] [-no-tls13]
//                [-record-size-limit N]
//
// Listens on 127.0.0.1 and ::1. Without certificates it makes an RSA-2048 and a P-256 one. It tickets,
// resumes, and speaks http/1.1 by ALPN. Every request gets the same small page and a close.
//
//   handshake -> request -> page, close_notify --+
//        |           |                           v
//        +-----------+---- alert, silence -->  linger: our half is closed, what still comes is thrown away
//                                                |
//                                                v  their half is closed, or LINGER_MS are over
//                                              gone
//
// Lingering lets the last alert arrive: a socket that is closed over unread bytes resets the connection.
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
	REQUEST_MAX = 64 * 1024,
	LISTENERS = 2,
	LINGER_MS = 2000,
	SILENCE_MS = 30000,
	TURN_MS = 250,
};

struct visit {
	struct tls_end end;
	int fd;
	bool answered;
	bool over; // nothing more will be said: what is written goes out, then our half is closed
	bool lingers;
	bool gone;
	uint64_t deadline_us;
};

static struct tls_fixture fixture;
static struct tls_fixture_verifier verifier;
static struct tls_server_config config;
static struct visit *visits[CONNECTIONS_MAX];
static int listeners[LISTENERS];
static int epoll_fd;

static const char page[] = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n"
			   "Connection: close\r\n\r\nsluice\n";

static void flush(struct visit *visit)
{
	size_t sent = 0;

	while (sent < visit->end.out_len) {
		ssize_t n = send(visit->fd, visit->end.out + sent, visit->end.out_len - sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			visit->gone = true;
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
	static const char *const ends[] = {"\r\n\r\n", "\n\n", "\n\r\n"};

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		if (memmem(end->data, end->data_len, ends[i], strlen(ends[i])) != NULL)
			return true;
	}
	return false;
}

static void answer(struct visit *visit)
{
	struct tls_end *end = &visit->end;

	if (tls_end_up(end) && !end->closed && has_request(end)) {
		tls_end_send(end, page, sizeof page - 1);
		visit->answered = true;
	}
	if (!end->failed && !end->handshaking &&
		(visit->answered || end->closed || end->data_len > REQUEST_MAX))
		tls_end_close(end);
	if (end->failed || end->closed || visit->answered || end->data_len > REQUEST_MAX)
		visit->over = true;
}

static void read_socket(struct visit *visit)
{
	uint8_t buffer[16384];
	ssize_t n = recv(visit->fd, buffer, sizeof buffer, MSG_DONTWAIT);

	if (n > 0) {
		visit->deadline_us = clock_now_us() + SILENCE_MS * 1000;
		if (!visit->lingers)
			tls_end_receive(&visit->end, buffer, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		visit->over = true;
		visit->gone = visit->lingers || n < 0;
	}
}

static void work(void)
{
	bool progress = true;

	while (progress) {
		progress = false;
		for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
			if (visits[i] != NULL && !visits[i]->lingers)
				progress = tls_end_step(&visits[i]->end) || progress;
		}
		progress = progress || lanes_n_pending(fixture.crypto.lanes) != 0;
		tls_fixture_run_lanes(&fixture);
	}
}

static void begin_lingering(struct visit *visit)
{
	(void)shutdown(visit->fd, SHUT_WR);
	visit->lingers = true;
	visit->deadline_us = clock_now_us() + LINGER_MS * 1000;
}

static void end_visit(unsigned idx)
{
	struct visit *visit = visits[idx];

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
	visits[idx]->deadline_us = clock_now_us() + SILENCE_MS * 1000;
	tls_end_init(&visits[idx]->end, &fixture);
	tls_end_serve(&visits[idx]->end, &config);
	event.data.u32 = idx;
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

// The nth of the listeners; false when there is no such address family here.
static bool listen_on(unsigned idx, int port)
{
	const struct sockaddr_in v4 = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const void *address = idx == 0 ? (const void *)&v4 : (const void *)&v6;
	struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = CONNECTIONS_MAX + idx}};
	const int on = 1;
	int fd = socket(idx == 0 ? AF_INET : AF_INET6, SOCK_STREAM, 0);

	listeners[idx] = fd;
	if (fd < 0)
		return false;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, address, idx == 0 ? sizeof v4 : sizeof v6) != 0 || listen(fd, 128) != 0)
		return false;
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
	return true;
}

// Writes what there is and goes on to the next stage of a visit.
static void tend(unsigned idx, uint64_t now_us)
{
	struct visit *visit = visits[idx];

	if (!visit->lingers) {
		answer(visit);
		flush(visit);
		if (now_us > visit->deadline_us)
			visit->over = true;
		if (visit->over && !visit->gone && visit->end.out_len == 0)
			begin_lingering(visit);
	}
	if (visit->gone || now_us > visit->deadline_us + (visit->lingers ? 0 : LINGER_MS * 1000))
		end_visit(idx);
}

static void turn(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(epoll_fd, events, EVENTS_MAX, TURN_MS);
	uint64_t now_us;

	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 >= CONNECTIONS_MAX)
			accept_visit(listeners[events[i].data.u32 - CONNECTIONS_MAX]);
		else if (visits[events[i].data.u32] != NULL)
			read_socket(visits[events[i].data.u32]);
	}
	work();
	now_us = clock_now_us();
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		if (visits[i] != NULL)
			tend(i, now_us);
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
	if (!listen_on(0, port)) {
		perror("tls-server");
		return 1;
	}
	(void)listen_on(1, port);
	printf("listening on 127.0.0.1:%d\n", port);
	(void)fflush(stdout);
	for (;;)
		turn();
}
