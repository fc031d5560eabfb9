// SPDX-License-Identifier: Apache-2.0
//
// sluice-dataplane: the process that owns the NICs. It reads no configuration but what comes over the control
// link, and goes on without a control process. The main thread, here, ends the link and moves events; the
// workers do the rest.
//
//   waiting for START --> running --> stopped      SIGTERM, SIGINT or STOP end it; a broken START leaves it
//   waiting
//
// It is root while it waits, to open what START names, and confined (confinement.h) while it runs.
#include "base/clock.h"
#include "confinement.h"
#include "crypto/openssl_heap.h"
#include "ctl.h"
#include "dataplane.h"
#include "memfd.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
	EVENT_INTERVAL_MS = 20,
	QUERY_INTERVAL_MS = 1, // while a worker answers a query
	EVENTS_PER_ROUND = 256
};

#define DEFAULT_SOCKET "/run/sluice/dataplane.sock"

struct process {
	struct ctl ctl;
	int signal_fd;
	bool stopping;
	bool failed;
	uint32_t stop_id; // of the message that asked for it; 0: a signal did
	bool event_waits; // taken from the ring, not sent yet
	struct log_event event;
	struct dataplane dataplane;
};

// Both are large and live as long as the process.
static struct process process;
static struct config decoded;

static void start(const struct ctl_request *request)
{
	char reason[IPC_REASON_MAX] = "";
	bool fatal = false;
	bool well;
	struct span records;

	if (process.dataplane.running) {
		ctl_answer(
			&process.ctl, IPC_START_ANSWER, request->id, "this dataplane is running already", -1);
		return;
	}
	well = memfd_map(request->fd, &records, reason);
	if (well) {
		well = config_decode(records, &decoded, reason);
		memfd_unmap(records);
	}
	if (well && dataplane_start(&process.dataplane, &decoded, &fatal, reason)) {
		ctl_answer(
			&process.ctl, IPC_START_ANSWER, request->id, "", process.dataplane.counter_page.fd);
		return;
	}
	ctl_answer(&process.ctl, IPC_START_ANSWER, request->id, reason, -1);
	(void)fprintf(stderr, "sluice-dataplane: not started: %s\n", reason);
	process.failed = process.stopping = fatal;
}

static void answer_hello(const struct ctl_request *request)
{
	struct ipc_hello_answer answer = {
		.pid = (uint32_t)getpid(),
		.n_workers = process.dataplane.running ? process.dataplane.config.dataplane.n_workers : 0,
		.started_wall_us = process.dataplane.started_wall_us,
		.release = SLUICE_RELEASE,
	};
	int fd = process.dataplane.running ? process.dataplane.counter_page.fd : -1;

	ctl_reply(&process.ctl, &answer, sizeof answer, IPC_HELLO_ANSWER, request->id, fd);
}

// What may be published while the dataplane runs.
static void publish(const struct ctl_request *request)
{
	struct publication *publication = &process.dataplane.publication;
	char reason[IPC_REASON_MAX] = "";
	bool well = false;

	if (!process.dataplane.running)
		(void)snprintf(reason, sizeof reason, "the dataplane has not been started");
	else if (request->type == IPC_PRIVATE_KEYS)
		well = publication_take_keys(publication, request->fd, reason);
	else if (request->type == IPC_CERTIFICATES)
		well = publication_take_certificates(publication, request->fd, reason);
	else if (request->type == IPC_TICKET_KEYS)
		well = publication_take_ticket_keys(publication, request->fd, reason);
	else if (request->type == IPC_SESSIONS)
		well = publication_take_sessions(publication, request->fd, reason);
	else
		well = publication_take_snapshot(publication, request->fd, reason);
	ctl_answer(&process.ctl, IPC_ANSWER, request->id, well ? "" : reason, -1);
}

static void hand_ticket_keys(const struct ctl_request *request)
{
	char reason[IPC_REASON_MAX] = "the dataplane has not been started";
	int fd = -1;

	if (process.dataplane.running) {
		reason[0] = '\0';
		fd = publication_hand_ticket_keys(&process.dataplane.publication, reason);
	}
	ctl_answer(&process.ctl, IPC_ANSWER, request->id, reason, fd);
}

static void ask_worker(const struct ctl_request *request)
{
	const char *reason = process.dataplane.running
				     ? publication_ask(&process.dataplane.publication, request)
				     : "the dataplane has not been started";

	if (reason != NULL)
		ctl_answer(&process.ctl, IPC_ANSWER, request->id, reason, -1);
}

static void serve_request(void)
{
	struct ctl_request request;

	if (!ctl_receive(&process.ctl, &request))
		return;
	// Whoever says something more has read what was handed before.
	if (process.dataplane.running)
		publication_end_handing(&process.dataplane.publication);
	if (request.type == IPC_HELLO) {
		answer_hello(&request);
	} else if (request.type == IPC_START) {
		start(&request);
	} else if (request.type == IPC_STOP) {
		process.stopping = true;
		process.stop_id = request.id;
	} else if (request.type == IPC_GET_TICKET_KEYS) {
		hand_ticket_keys(&request);
	} else if (request.type == IPC_QUERY) {
		ask_worker(&request);
	} else {
		publish(&request);
	}
	if (request.fd >= 0)
		(void)close(request.fd);
}

// Events go to the control process as fast as it takes them; without one they stay in the rings until those
// are full.
static void forward_events(void)
{
	if (!process.dataplane.running || process.ctl.control_fd < 0 || ctl_is_waiting(&process.ctl))
		return;
	for (int i = 0; i < EVENTS_PER_ROUND; i++) {
		struct ipc_event message = {0};

		if (!process.event_waits)
			process.event_waits = dataplane_pop_event(&process.dataplane, &process.event);
		if (!process.event_waits)
			return;
		message.event = process.event;
		if (!ctl_send(&process.ctl, &message, sizeof message, IPC_EVENT, 0, -1))
			return;
		process.event_waits = false;
	}
}

static void accept_control(void)
{
	const bool attached = process.ctl.control_fd >= 0;

	ctl_accept(&process.ctl);
	if (!attached && process.ctl.control_fd >= 0 && process.dataplane.running) {
		credentials_forget_ids(&process.dataplane.publication.credentials);
		publication_end_handing(&process.dataplane.publication);
		desk_orphan(&process.dataplane.publication.desk);
	}
}

// How long there is nothing to do but what wakes us; -1: for ever.
static int wait_ms(void)
{
	if (!process.dataplane.running)
		return -1;
	return process.dataplane.publication.desk.state == DESK_FREE ? EVENT_INTERVAL_MS : QUERY_INTERVAL_MS;
}

static void run(void)
{
	while (!process.stopping) {
		struct pollfd fds[] = {
			{.fd = process.signal_fd, .events = POLLIN},
			{.fd = process.ctl.listen_fd, .events = POLLIN},
			// Ignored while negative.
			{.fd = process.ctl.control_fd,
				.events = ctl_is_waiting(&process.ctl) ? POLLOUT : POLLIN},
		};

		if (poll(fds, 3, wait_ms()) < 0 && errno != EINTR)
			break;
		if (fds[0].revents != 0)
			process.stopping = true;
		ctl_send_waiting(&process.ctl);
		if (fds[2].revents != 0)
			serve_request();
		if (fds[1].revents != 0)
			accept_control();
		forward_events();
		if (process.dataplane.running) {
			publication_read_mail(&process.dataplane.publication);
			if (!ctl_is_waiting(&process.ctl))
				desk_send(&process.dataplane.publication.desk, &process.ctl);
		}
	}
}

static void stop(void)
{
	struct ipc_stopped stopped = {0};

	if (process.dataplane.running) {
		forward_events();
		stopped.n_leaked_mbufs = dataplane_stop(&process.dataplane);
	}
	if (stopped.n_leaked_mbufs != 0) {
		(void)fprintf(stderr, "sluice-dataplane: defect: %llu packet buffers leaked\n",
			(unsigned long long)stopped.n_leaked_mbufs);
		process.failed = true;
	}
	(void)ctl_send(&process.ctl, &stopped, sizeof stopped, IPC_STOPPED, process.stop_id, -1);
	ctl_close(&process.ctl);
}

// Signals are taken by the main thread through a descriptor, so every thread that EAL makes inherits them
// blocked.
static int open_signals(void)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void print_usage(FILE *file)
{
	(void)fprintf(file, "usage: sluice-dataplane [--socket PATH]\n"
			    "Runs the dataplane. It is told what to do by sluice-control over PATH "
			    "(default " DEFAULT_SOCKET ").\n"
			    "  -s, --socket PATH   the control link\n"
			    "  -V, --version       print the release and exit\n"
			    "  -h, --help          print this and exit\n");
}

// Returns -1 to go on, otherwise the exit status.
static int read_options(int argc, char **argv, const char **out_socket)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "s:Vh", options, NULL)) != -1) {
		if (option == 's') {
			*out_socket = optarg;
		} else if (option == 'V') {
			(void)printf("sluice-dataplane %s\n", SLUICE_RELEASE);
			return 0;
		} else {
			print_usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (optind == argc)
		return -1;
	print_usage(stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *socket_path = DEFAULT_SOCKET;
	int status = read_options(argc, argv, &socket_path);
	char reason[IPC_REASON_MAX];

	if (status >= 0)
		return status;
	confinement_begin();
	if (!openssl_heap_install()) {
		(void)fprintf(stderr, "sluice-dataplane: OpenSSL's allocator can't be replaced\n");
		return 1;
	}
	clock_init();
	process.signal_fd = open_signals();
	if (process.signal_fd < 0 || !ctl_open(&process.ctl, socket_path, reason, sizeof reason)) {
		(void)fprintf(
			stderr, "sluice-dataplane: %s\n", process.signal_fd < 0 ? "no signalfd" : reason);
		return 1;
	}
	run();
	stop();
	return process.failed ? 1 : 0;
}
