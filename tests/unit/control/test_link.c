// SPDX-License-Identifier: Apache-2.0
//
// The control process's end of the control link, against a dataplane that is a socket pair and says what it
// likes.
#include "counter_reader.h"
#include "dataplane_link.h"
#include "seam/cmocka_all.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static struct event_base *base;
static struct dataplane_link link_;
static int peer;
static enum link_state last_state;
static char last_reason[IPC_REASON_MAX];
static int n_events;

static void on_changed(void *context, enum link_state before, enum link_state now, const char *reason)
{
	(void)context;
	(void)before;
	last_state = now;
	(void)snprintf(last_reason, sizeof last_reason, "%s", reason);
}

static void on_event(void *context, const struct log_event *event)
{
	(void)context;
	(void)event;
	n_events++;
}

static unsigned n_rows_seen;
static unsigned n_rows_answers;

static void on_rows(void *context, const struct ipc_rows *rows, const char *reason)
{
	(void)context;
	n_rows_answers++;
	n_rows_seen = rows != NULL ? rows->n_rows : 0;
	(void)snprintf(last_reason, sizeof last_reason, "%s", reason);
}

static int open_link(void **state)
{
	const struct dataplane_link_owner owner = {.changed = on_changed, .event = on_event, .rows = on_rows};
	int fds[2];

	(void)state;
	base = event_base_new();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) != 0)
		return -1;
	dataplane_link_init(&link_, base, &owner);
	link_.fd = fds[0];
	link_.state = LINK_GREETING;
	link_.asked_id = 7;
	peer = fds[1];
	n_events = 0;
	last_reason[0] = '\0';
	return 0;
}

static int close_link(void **state)
{
	(void)state;
	dataplane_link_close(&link_);
	(void)close(peer);
	event_base_free(base);
	return 0;
}

static struct ipc_header header(enum ipc_type type, uint32_t id, size_t len)
{
	return (struct ipc_header){.magic = IPC_MAGIC,
		.version = IPC_VERSION,
		.type = (uint16_t)type,
		.id = id,
		.len = (uint32_t)len};
}

static struct ipc_hello_answer hello(uint32_t n_workers)
{
	return (struct ipc_hello_answer){
		.header = header(IPC_HELLO_ANSWER, 7, sizeof(struct ipc_hello_answer)),
		.pid = 5,
		.n_workers = n_workers,
		.release = "1.0"};
}

static int some_fd(void)
{
	return memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static void from_greeting_to_running(void **state)
{
	const struct ipc_hello_answer waiting = hello(0);
	struct ipc_hello_answer running = hello(1);
	struct ipc_refused started = {.header = header(IPC_START_ANSWER, 0, sizeof started)};
	struct ipc_request request;

	(void)state;
	dataplane_link_take(&link_, &waiting, sizeof waiting, -1);
	assert_int_equal(last_state, LINK_WAITING);
	dataplane_link_start(&link_, -1);
	assert_int_equal(recv(peer, &request, sizeof request, 0), sizeof request);
	assert_int_equal(request.header.type, IPC_START);
	started.header.id = request.header.id;
	dataplane_link_take(&link_, &started, sizeof started, some_fd());
	assert_int_equal(recv(peer, &request, sizeof request, 0), sizeof request);
	assert_int_equal(request.header.type, IPC_HELLO);
	running.header.id = request.header.id;
	dataplane_link_take(&link_, &running, sizeof running, some_fd());
	assert_int_equal(last_state, LINK_RUNNING);
	assert_int_equal(link_.facts.n_workers, 1);
}

static void a_refused_start_waits_again(void **state)
{
	const struct ipc_hello_answer waiting = hello(0);
	struct ipc_refused refused = {
		.header = header(IPC_START_ANSWER, 0, sizeof refused), .reason = "no such device"};

	(void)state;
	dataplane_link_take(&link_, &waiting, sizeof waiting, -1);
	dataplane_link_start(&link_, -1);
	refused.header.id = link_.asked_id;
	dataplane_link_take(&link_, &refused, sizeof refused, -1);
	assert_int_equal(last_state, LINK_WAITING);
	assert_string_equal(last_reason, "no such device");
}

// A link that runs and has a query out, whose id is 9.
static void link_with_query(void)
{
	link_.state = LINK_RUNNING;
	link_.query_id = 9;
	n_rows_answers = 0;
	n_rows_seen = 0;
}

struct two_sessions {
	struct ipc_rows head;
	struct ipc_session sessions[2];
};

static struct two_sessions two_sessions(uint32_t id)
{
	return (struct two_sessions){.head = {.header = header(IPC_ROWS, id, sizeof(struct two_sessions)),
					     .kind = IPC_QUERY_SESSIONS,
					     .n_rows = 2,
					     .cursor = 5}};
}

static void rows_answer_a_query(void **state)
{
	const struct two_sessions answer = two_sessions(9);
	struct ipc_refused refused = {.header = header(IPC_ANSWER, 9, sizeof refused), .reason = "busy"};

	(void)state;
	link_with_query();
	dataplane_link_take(&link_, &answer, sizeof answer, -1);
	assert_int_equal(n_rows_seen, 2);
	assert_int_equal(link_.query_id, 0);
	link_with_query();
	dataplane_link_take(&link_, &refused, sizeof refused, -1);
	assert_int_equal(n_rows_answers, 1);
	assert_int_equal(n_rows_seen, 0);
	assert_string_equal(last_reason, "busy");
	assert_int_equal(link_.state, LINK_RUNNING);
}

static void events_come_at_any_time(void **state)
{
	struct ipc_event event = {.header = header(IPC_EVENT, 0, sizeof event)};

	(void)state;
	dataplane_link_take(&link_, &event, sizeof event, -1);
	assert_int_equal(n_events, 1);
	assert_int_equal(link_.state, LINK_GREETING);
}

// One wrong message is enough.
static void take_bad(const void *message, size_t len, int fd, const char *expected)
{
	assert_int_equal(open_link(NULL), 0);
	dataplane_link_take(&link_, message, len, fd);
	assert_int_equal(last_state, LINK_DOWN);
	assert_int_equal(link_.fd, -1);
	if (strstr(last_reason, expected) == NULL)
		print_error("wanted %s, got %s\n", expected, last_reason);
	assert_non_null(strstr(last_reason, expected));
	(void)close_link(NULL);
}

static void wrong_messages_end_the_link(void **state)
{
	struct ipc_hello_answer bad = hello(0);
	struct ipc_event event = {.header = header(IPC_EVENT, 0, sizeof event)};
	struct ipc_refused refused = {
		.header = header(IPC_REFUSED, 0, sizeof refused), .reason = "another control"};

	(void)state;
	take_bad("", 0, -1, "no message");
	take_bad(&bad, 8, -1, "no message");
	bad.header.magic++;
	take_bad(&bad, sizeof bad, -1, "no message");
	bad = hello(0);
	bad.header.len--;
	take_bad(&bad, sizeof bad, -1, "no message");
	bad = hello(0);
	bad.header.version++;
	take_bad(&bad, sizeof bad, -1, "another version");
	bad = hello(0);
	bad.header.type = 99;
	take_bad(&bad, sizeof bad, -1, "does not exist");
	bad = hello(0);
	bad.header.id = 8;
	take_bad(&bad, sizeof bad, -1, "not asked");
	bad = hello(0);
	memset(bad.release, 'x', sizeof bad.release);
	take_bad(&bad, sizeof bad, -1, "out of its range");
	bad = hello(1);
	take_bad(&bad, sizeof bad, -1, "not asked"); // running, but no counters
	bad = hello(0);
	take_bad(&bad, sizeof bad, some_fd(), "not asked"); // counters, but not running
	bad = hello(IPC_WORKERS_MAX + 1);
	take_bad(&bad, sizeof bad, some_fd(), "not asked");
	event.event.kind = N_LOG_EVENTS;
	take_bad(&event, sizeof event, -1, "out of its range");
	event.event.kind = 0;
	event.event.details_len = LOG_EVENT_DETAILS_MAX + 1;
	take_bad(&event, sizeof event, -1, "out of its range");
	take_bad(&refused, sizeof refused, -1, "another control");
	refused.header.version = 77; // its layout never changes
	take_bad(&refused, sizeof refused, -1, "another control");
	memset(refused.reason, 'x', sizeof refused.reason);
	take_bad(&refused, sizeof refused, -1, "not in words");
	refused = (struct ipc_refused){.header = header(IPC_START_ANSWER, 7, sizeof refused)};
	take_bad(&refused, sizeof refused, some_fd(), "not asked");
}

static void counter_pages_are_checked(void **state)
{
	struct counter_page_header page = {0};
	struct counter_reader reader = {0};
	const int fd = some_fd();

	(void)state;
	assert_non_null(strstr(counter_reader_open(&reader, fd), "sealed"));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_non_null(counter_reader_open(&reader, fd)); // empty
	assert_int_equal(ftruncate(fd, 1 << 16), 0);
	assert_non_null(counter_reader_open(&reader, fd)); // no magic
	page.magic = COUNTER_PAGE_MAGIC;
	assert_int_equal(pwrite(fd, &page, sizeof page, 0), sizeof page);
	assert_non_null(strstr(counter_reader_open(&reader, fd), "another release"));
	assert_int_equal(counter_reader_n_workers(&reader), 0);
	assert_int_equal(counter_reader_get(&reader, 0, 0), 0);
	(void)close(fd);
}

// Each of these ends the link.
static void rows_that_are_not_whole(void **state)
{
	(void)state;
	for (int fault = 0; fault < 6; fault++) {
		struct two_sessions answer = two_sessions(9);
		size_t len = sizeof answer;

		assert_int_equal(open_link(NULL), 0);
		link_with_query();
		if (fault == 0)
			answer.head.n_rows = 3;
		else if (fault == 1)
			answer.head.n_rows = UINT32_MAX;
		else if (fault == 2)
			answer.head.kind = N_IPC_QUERIES;
		else if (fault == 3)
			answer.head.header.id = 8; // nobody asked
		else if (fault == 4)
			answer.head.kind = IPC_QUERY_NEIGHBORS; // of another length
		else
			answer.head.header.len = (uint32_t)(len = sizeof answer.head - 1);
		dataplane_link_take(&link_, &answer, len, -1);
		assert_int_equal(last_state, LINK_DOWN);
		assert_int_equal(n_rows_answers, 0);
		(void)close_link(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(from_greeting_to_running, open_link, close_link),
		cmocka_unit_test_setup_teardown(a_refused_start_waits_again, open_link, close_link),
		cmocka_unit_test_setup_teardown(rows_answer_a_query, open_link, close_link),
		cmocka_unit_test(rows_that_are_not_whole),
		cmocka_unit_test_setup_teardown(events_come_at_any_time, open_link, close_link),
		cmocka_unit_test(wrong_messages_end_the_link),
		cmocka_unit_test(counter_pages_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
