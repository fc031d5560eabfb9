// SPDX-License-Identifier: Apache-2.0
//
// sluice-fetch: does the network's part of OCSP for sluice-control, which starts it. Runs as nobody, with no
// capability, no new privileges and a list of system calls; reads requests from descriptor 3, answers, and
// ends when the other end is gone. What it returns is believed by nobody: sluice-control checks it.
#include "fetch_protocol.h"

#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

// What libcurl, its resolver and the C library need to talk to a server by name.
static const int allowed_calls[] = {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg), SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(fcntl), SCMP_SYS(ioctl), SCMP_SYS(openat), SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(access),
	SCMP_SYS(faccessat2), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap),
	SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex), SCMP_SYS(clone), SCMP_SYS(clone3),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(getrandom), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
	SCMP_SYS(time), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(sched_yield), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	SCMP_SYS(uname), SCMP_SYS(pipe2), SCMP_SYS(eventfd2), SCMP_SYS(sysinfo), SCMP_SYS(tgkill),
	SCMP_SYS(restart_syscall)};

_Noreturn static void give_up(const char *what)
{
	(void)fprintf(stderr, "sluice-fetch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void drop_privileges(const char *user)
{
	const struct passwd *entry = getpwnam(user);
	const struct rlimit no_files = {0, 0};

	if (geteuid() == 0) {
		if (entry == NULL || entry->pw_uid == 0)
			give_up("there is no such user to run as, or it is root");
		if (setgroups(0, NULL) != 0 || setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
			setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0)
			give_up("can't become another user");
		if (setuid(0) == 0)
			give_up("could become root again");
	}
	(void)setrlimit(RLIMIT_FSIZE, &no_files);
	(void)setrlimit(RLIMIT_CORE, &no_files);
}

static void filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (filter == NULL)
		give_up("seccomp");
	for (size_t i = 0; i < sizeof allowed_calls / sizeof allowed_calls[0]; i++)
		(void)seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
	// seccomp_load sets no-new-privileges first.
	if (seccomp_load(filter) != 0)
		give_up("seccomp");
	seccomp_release(filter);
}

static size_t take_body(char *bytes, size_t size, size_t n, void *context)
{
	struct fetch_answer *answer = context;
	const size_t len = size * n;

	if (len > FETCH_BODY_MAX - answer->body_len)
		return 0; // ends the transfer
	memcpy(answer->body + answer->body_len, bytes, len);
	answer->body_len += (uint32_t)len;
	return len;
}

static void fail(struct fetch_answer *answer, const char *reason)
{
	answer->body_len = 0;
	(void)snprintf(answer->reason, sizeof answer->reason, "%s", reason);
}

static void fetch(CURL *curl, const struct fetch_request *request, struct fetch_answer *answer)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/ocsp-request");
	long status = 0;
	CURLcode code;

	curl_easy_reset(curl);
	headers = curl_slist_append(headers, "Accept: application/ocsp-response");
	(void)curl_easy_setopt(curl, CURLOPT_URL, request->url);
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)FETCH_TIMEOUT_S);
	(void)curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, (long)FETCH_BODY_MAX);
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "sluice-fetch");
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)request->body);
	(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->body_len);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	code = curl_easy_perform(curl);
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	if (code != CURLE_OK)
		fail(answer, curl_easy_strerror(code));
	else if (status != 200)
		fail(answer, "the responder's HTTP status is not 200");
	else if (answer->body_len == 0)
		fail(answer, "the responder sent nothing");
}

static bool is_well_formed(const struct fetch_request *request, ssize_t len)
{
	return len == (ssize_t)sizeof *request && request->body_len <= FETCH_BODY_MAX &&
	       memchr(request->url, '\0', sizeof request->url) != NULL;
}

int main(int argc, char **argv)
{
	static struct fetch_request request;
	static struct fetch_answer answer;
	CURL *curl;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: sluice-fetch USER\nStarted by sluice-control, for which it "
				      "fetches OCSP responses.\n");
		return 2;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (curl = curl_easy_init()) == NULL)
		give_up("libcurl");
	drop_privileges(argv[1]);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	filter_calls();
	for (;;) {
		const ssize_t len = recv(FETCH_SOCKET_FD, &request, sizeof request, 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			break;
		memset(&answer, 0, sizeof answer);
		answer.id = request.id;
		if (is_well_formed(&request, len))
			fetch(curl, &request, &answer);
		else
			fail(&answer, "a request that is none");
		if (send(FETCH_SOCKET_FD, &answer, sizeof answer, MSG_NOSIGNAL) != (ssize_t)sizeof answer)
			break;
	}
	curl_easy_cleanup(curl);
	return 0;
}
