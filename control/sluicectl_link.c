// SPDX-License-Identifier: Apache-2.0
#include "sluicectl_link.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// A line that no PEM and no base64 has.
#define PAYLOAD_END "--end-of-payload--"

bool operator_connect(struct operator_link *link, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*link = (struct operator_link){.fd = -1, .path = path};
	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->fd >= 0 && connect(link->fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return true;
	operator_disconnect(link);
	return false;
}

void operator_disconnect(struct operator_link *link)
{
	const int error = errno;

	if (link->fd >= 0)
		(void)close(link->fd);
	link->fd = -1;
	errno = error;
}

void operator_add_word(struct text *line, const char *word)
{
	if (line->len != 0)
		text_char(line, ' ');
	for (; *word != '\0'; word++) {
		if (*word == ' ' || *word == '\t' || *word == '\\')
			text_char(line, '\\');
		text_char(line, *word == '\n' ? ' ' : *word);
	}
}

static bool send_all(int fd, const char *data, size_t len)
{
	while (len != 0) {
		const ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool is_complete(const struct text *answer, size_t from)
{
	const size_t len = answer->len - from;
	const char *end = answer->data + answer->len;

	return (len == 1 && end[-1] == '\n') || (len >= 2 && end[-1] == '\n' && end[-2] == '\n');
}

// What an answer is is told by its first word, or by its only key.
static enum operator_result judge(const char *answer)
{
	static const struct {
		const char *word;
		enum operator_result result;
	} kinds[] = {{"error", OPERATOR_REFUSED}, {"usage", OPERATOR_USAGE}};
	enum operator_result result = OPERATOR_DONE;
	json_t *object = answer[0] == '{' ? json_loads(answer, 0, NULL) : NULL;

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		const size_t len = strlen(kinds[i].word);

		if ((strncmp(answer, kinds[i].word, len) == 0 && answer[len] == ':') ||
			(json_object_size(object) == 1 && json_object_get(object, kinds[i].word) != NULL))
			result = kinds[i].result;
	}
	json_decref(object);
	return result;
}

enum operator_result operator_ask(
	struct operator_link *link, const char *line, const struct text *payload, struct text *answer)
{
	const size_t from = answer->len;
	struct text request = {0};
	char bytes[16384];
	bool sent;

	text_printf(&request, "%s%s\n", line, payload != NULL ? " <<" PAYLOAD_END : "");
	sent = send_all(link->fd, text_string(&request), request.len);
	text_free(&request);
	if (payload != NULL)
		sent = sent && send_all(link->fd, text_string(payload), payload->len) &&
		       send_all(link->fd, "\n" PAYLOAD_END "\n", strlen("\n" PAYLOAD_END "\n"));
	// Even when not everything could be sent, there may be an answer that says why.
	do {
		const ssize_t n = recv(link->fd, bytes, sizeof bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (answer->len == from || !sent)
				return OPERATOR_NO_CONNECTION;
			break;
		}
		text_append(answer, bytes, (size_t)n);
	} while (!is_complete(answer, from));
	if (answer->len > from && answer->data[answer->len - 1] == '\n')
		text_drop_to(answer, answer->len - 1);
	return judge(text_string(answer) + from);
}

enum operator_result operator_follow(struct operator_link *link, const char *line)
{
	struct text request = {0};
	char bytes[16384];
	bool sent;
	ssize_t n;

	text_printf(&request, "%s\n", line);
	sent = send_all(link->fd, text_string(&request), request.len);
	text_free(&request);
	while (sent && (n = recv(link->fd, bytes, sizeof bytes, 0)) > 0) {
		(void)fwrite(bytes, 1, (size_t)n, stdout);
		(void)fflush(stdout);
	}
	return sent ? OPERATOR_DONE : OPERATOR_NO_CONNECTION;
}
