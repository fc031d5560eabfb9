// SPDX-License-Identifier: Apache-2.0
//
// The dataplane's end of the control link against a peer that keeps to the rules, and against peers that
// don't.
#include "ctl.h"

#include "base/passed_fd.h"
#include "seam/cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct ctl ctl;
static char path[64];
static char reason[IPC_REASON_MAX];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof path, "/tmp/sluice-test-ctl-%d.sock", (int)getpid());
	return ctl_open(&ctl, path, reason, sizeof reason) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	ctl_close(&ctl);
	return access(path, F_OK) == 0 ? -1 : 0;
}

static int attach(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, path, strlen(path) + 1);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
	ctl_accept(&ctl);
	return fd;
}

static struct ipc_request request_of(uint16_t type)
{
	return (struct ipc_request){.header = {.magic = IPC_MAGIC,
					    .version = IPC_VERSION,
					    .type = type,
					    .id = 5,
					    .len = sizeof(struct ipc_request)}};
}

static void send_with_fds(int fd, const void *message, size_t len, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(16 * sizeof(int))];
	} control = {0};
	struct iovec piece = {.iov_base = (void *)(uintptr_t)message, .iov_len = len};
	struct msghdr envelope = {.msg_iov = &piece, .msg_iovlen = 1};

	if (n_fds != 0) {
		envelope.msg_control = control.room;
		envelope.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &envelope, 0), (ssize_t)len);
}

static void expect_refused(int fd)
{
	struct ipc_refused refused;

	assert_int_equal(recv(fd, &refused, sizeof refused, 0), (ssize_t)sizeof refused);
	assert_int_equal(refused.header.type, IPC_REFUSED);
	assert_true(refused.reason[0] != '\0');
	assert_int_equal(recv(fd, &refused, sizeof refused, 0), 0);
	assert_int_equal(close(fd), 0);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void a_request_comes_through_with_its_descriptor(void **state)
{
	struct ipc_request message = request_of(IPC_START);
	struct ctl_request request;
	int fd = attach();
	int passed = memfd_create("x", 0);

	(void)state;
	assert_false(ctl_receive(&ctl, &request));
	send_with_fds(fd, &message, sizeof message, &passed, 1);
	assert_true(ctl_receive(&ctl, &request));
	assert_int_equal(request.type, IPC_START);
	assert_int_equal(request.id, 5);
	assert_true(request.fd >= 0 && request.fd != passed);
	assert_int_equal(close(request.fd), 0);
	assert_int_equal(close(passed), 0);
	assert_int_equal(close(fd), 0);
}

static void the_socket_is_its_owners_alone(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_second_dataplane_keeps_away(void **state)
{
	struct ctl other;

	(void)state;
	assert_false(ctl_open(&other, path, reason, sizeof reason));
	assert_non_null(strstr(reason, "another dataplane"));
	ctl_accept(&ctl);
}

static void a_stale_socket_is_replaced(void **state)
{
	(void)state;
	assert_int_equal(close(ctl.listen_fd), 0);
	assert_true(ctl_open(&ctl, path, reason, sizeof reason));
}

static void impossible_paths_are_refused(void **state)
{
	struct ctl other;
	char long_path[300];

	(void)state;
	memset(long_path, 'a', sizeof long_path);
	long_path[sizeof long_path - 1] = '\0';
	assert_false(ctl_open(&other, long_path, reason, sizeof reason));
	assert_false(ctl_open(&other, "/nonexistent-folder/x.sock", reason, sizeof reason));
	assert_non_null(strstr(reason, "folder"));
}

static void a_second_control_is_turned_away(void **state)
{
	struct ipc_request message = request_of(IPC_HELLO);
	struct ctl_request request;
	int first = attach();

	(void)state;
	expect_refused(attach());
	send_with_fds(first, &message, sizeof message, NULL, 0);
	assert_true(ctl_receive(&ctl, &request));
	assert_int_equal(request.fd, -1);
	assert_int_equal(close(first), 0);
	assert_false(ctl_receive(&ctl, &request));
	assert_int_equal(ctl.control_fd, -1);
	assert_int_equal(close(attach()), 0);
}

static void broken_messages_end_the_connection(void **state)
{
	struct ipc_request broken[6];
	const size_t lens[] = {
		sizeof broken[0], sizeof broken[0], sizeof broken[0], sizeof broken[0], 3, sizeof broken[0]};
	struct ctl_request request;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		broken[i] = request_of(IPC_HELLO);
	broken[0].header.magic = 1;
	broken[1].header.version = IPC_VERSION + 1;
	broken[2].header.type = IPC_EVENT;
	broken[3].header.len = 1000;
	broken[5].header.type = 60000;
	for (size_t i = 0; i < 6; i++) {
		int fd = attach();

		send_with_fds(fd, &broken[i], lens[i], NULL, 0);
		assert_false(ctl_receive(&ctl, &request));
		expect_refused(fd);
	}
}

static void surplus_descriptors_are_closed(void **state)
{
	struct ipc_request message = request_of(IPC_START);
	struct ctl_request request;
	int fd = attach();
	int before = count_fds();
	int passed[3] = {fd, fd, fd};

	(void)state;
	send_with_fds(fd, &message, sizeof message, passed, 3);
	assert_true(ctl_receive(&ctl, &request));
	assert_int_equal(close(request.fd), 0);
	assert_int_equal(count_fds(), before);
	message.header.magic = 0;
	send_with_fds(fd, &message, sizeof message, passed, 3);
	assert_false(ctl_receive(&ctl, &request));
	assert_int_equal(count_fds(), before - 1); // detached
	expect_refused(fd);
}

static void a_control_that_does_not_read_is_not_waited_for(void **state)
{
	struct ipc_event event = {0};
	struct ctl_request request;
	struct ipc_event got;
	int n_sent = 0;
	int fd = attach();

	(void)state;
	while (n_sent < 100000 && ctl_send(&ctl, &event, sizeof event, IPC_EVENT, 0, -1))
		n_sent++;
	assert_in_range(n_sent, 1, 99999);
	assert_true(ctl.control_fd >= 0);
	for (int i = 0; i < n_sent; i++)
		assert_int_equal(recv(fd, &got, sizeof got, MSG_DONTWAIT), (ssize_t)sizeof got);
	assert_true(ctl_send(&ctl, &event, sizeof event, IPC_EVENT, 0, -1));
	assert_false(ctl_receive(&ctl, &request));
	assert_int_equal(close(fd), 0);
}

// Returns how many events filled the socket.
static int fill(void)
{
	struct ipc_event event = {0};
	int n = 0;

	while (n < 100000 && ctl_send(&ctl, &event, sizeof event, IPC_EVENT, 0, -1))
		n++;
	assert_in_range(n, 1, 99999);
	return n;
}

// Events that a busy dataplane sends must not cost the answer to a request: the link would go down.
static void an_answer_waits_for_room(void **state)
{
	struct ipc_request message = request_of(IPC_HELLO);
	const int passed = memfd_create("x", 0);
	struct ctl_request request;
	struct ipc_refused answer;
	struct ipc_event event;
	int fd = attach();
	const int n = fill();
	int taken;

	(void)state;
	ctl_answer(&ctl, IPC_ANSWER, 77, "done", passed);
	assert_true(ctl.control_fd >= 0 && ctl_is_waiting(&ctl));
	ctl_send_waiting(&ctl);
	assert_true(ctl_is_waiting(&ctl));
	// The next request stays where it is.
	send_with_fds(fd, &message, sizeof message, NULL, 0);
	assert_false(ctl_receive(&ctl, &request));
	for (int i = 0; i < n; i++)
		assert_int_equal(recv(fd, &event, sizeof event, MSG_DONTWAIT), (ssize_t)sizeof event);
	ctl_send_waiting(&ctl);
	assert_false(ctl_is_waiting(&ctl));
	assert_int_equal(passed_fd_receive(fd, &answer, sizeof answer, &taken), (ssize_t)sizeof answer);
	assert_int_equal(answer.header.id, 77);
	assert_string_equal(answer.reason, "done");
	assert_true(taken >= 0);
	assert_int_equal(close(taken), 0);
	assert_true(ctl_receive(&ctl, &request));
	assert_int_equal(close(passed), 0);
	assert_int_equal(close(fd), 0);
}

// Whoever goes away takes the answer that waits along.
static void an_answer_that_waits_for_the_dead(void **state)
{
	struct ctl_request request;
	int fd = attach();

	(void)state;
	(void)fill();
	ctl_answer(&ctl, IPC_ANSWER, 77, "done", -1);
	assert_true(ctl_is_waiting(&ctl));
	assert_int_equal(close(fd), 0);
	ctl_send_waiting(&ctl);
	assert_int_equal(ctl.control_fd, -1);
	assert_false(ctl_is_waiting(&ctl));
	assert_false(ctl_receive(&ctl, &request));
	assert_int_equal(close(attach()), 0);
}

static void sending_to_nobody_fails(void **state)
{
	struct ipc_event event = {0};

	(void)state;
	ctl_answer(&ctl, IPC_START_ANSWER, 1, "x", -1);
	assert_false(ctl_is_waiting(&ctl));
	assert_int_equal(close(attach()), 0);
	while (ctl_send(&ctl, &event, sizeof event, IPC_EVENT, 0, -1))
		;
	assert_int_equal(ctl.control_fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_request_comes_through_with_its_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(the_socket_is_its_owners_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_dataplane_keeps_away, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stale_socket_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(impossible_paths_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_control_is_turned_away, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_messages_end_the_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(surplus_descriptors_are_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_control_that_does_not_read_is_not_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_waits_for_room, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_that_waits_for_the_dead, setup, teardown),
		cmocka_unit_test_setup_teardown(sending_to_nobody_fails, setup, teardown),
	};

	return cmocka_run_group_tests_name("dataplane/ctl", tests, NULL, NULL);
}
