// SPDX-License-Identifier: Apache-2.0
#include "load/message.h"

#include "load/pattern.h"

#include <strings.h>

void message_begin(struct message *message, bool is_request)
{
	message->body_len = message->body_seen = message->wanted_len = 0;
	message->state = MESSAGE_FIRST_LINE;
	message->close = message->is_put = false;
	message->is_request = is_request;
	message->check_body = is_request;
	message->line_len = 0;
	message->status = 0;
}

// A decimal number at the start of the text; false when there is none or it is too large to be meant.
static bool number_of(const char *text, uint64_t *out)
{
	uint64_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (value > UINT64_MAX / 100)
			return false;
		value = value * 10 + (uint64_t)(*at - '0');
	}
	*out = value;
	return at != text;
}

// "GET /1024 HTTP/1.1", "PUT /up/7 HTTP/1.1": a path that is no number asks for no body.
static bool request_line(struct message *message)
{
	const char *path;

	message->is_put = strncmp(message->line, "PUT ", 4) == 0;
	if (!message->is_put && strncmp(message->line, "GET ", 4) != 0)
		return false;
	path = message->line + 4;
	if (*path != '/' || strstr(path, " HTTP/1.") == NULL)
		return false;
	if (!number_of(path + 1, &message->wanted_len))
		message->wanted_len = 0;
	return true;
}

static bool status_line(struct message *message)
{
	uint64_t status;

	if (strncmp(message->line, "HTTP/1.", 7) != 0 || message->line[7] == 0 || message->line[8] != ' ' ||
		!number_of(message->line + 9, &status) || status < 100 || status > 599)
		return false;
	message->status = (uint16_t)status;
	message->check_body = status == 200;
	return true;
}

static const char *value_of(const struct message *message, const char *name)
{
	size_t len = strlen(name);
	const char *value;

	if (strncasecmp(message->line, name, len) != 0 || message->line[len] != ':')
		return NULL;
	for (value = message->line + len + 1; *value == ' '; value++)
		;
	return value;
}

static bool header_line(struct message *message)
{
	const char *value;

	switch (message->line[0] | 0x20) {
	case 'c':
		value = value_of(message, "content-length");
		if (value != NULL)
			return number_of(value, &message->body_len);
		value = value_of(message, "connection");
		message->close = message->close || (value != NULL && strcasecmp(value, "close") == 0);
		return true;
	case 't':
		return value_of(message, "transfer-encoding") == NULL;
	default:
		return true;
	}
}

static bool end_line(struct message *message)
{
	bool is_empty;

	if (message->line_len != 0 && message->line[message->line_len - 1] == '\r')
		message->line_len--;
	is_empty = message->line_len == 0;
	message->line[message->line_len] = 0;
	message->line_len = 0;
	if (message->state == MESSAGE_FIRST_LINE) {
		message->state = MESSAGE_HEADERS;
		return message->is_request ? request_line(message) : status_line(message);
	}
	if (!is_empty)
		return header_line(message);
	// An interim answer (100 Continue) is followed by the real one.
	if (!message->is_request && message->status < 200)
		message_begin(message, false);
	else
		message->state = message->body_len != 0 ? MESSAGE_BODY : MESSAGE_WHOLE;
	return true;
}

static size_t feed_line(struct message *message, struct span bytes)
{
	const uint8_t *end = memchr(bytes.data, '\n', bytes.len);
	size_t n = end != NULL ? (size_t)(end - bytes.data) : bytes.len;
	size_t room = MESSAGE_LINE_MAX - 1 - (size_t)message->line_len;
	size_t kept = n < room ? n : room;

	memcpy(message->line + message->line_len, bytes.data, kept);
	message->line_len = (uint8_t)(message->line_len + kept);
	if (end == NULL)
		return n;
	if (!end_line(message))
		message->state = MESSAGE_MALFORMED;
	return n + 1;
}

static size_t feed_body(struct message *message, struct span bytes)
{
	uint64_t left = message->body_len - message->body_seen;
	size_t n = bytes.len < left ? bytes.len : (size_t)left;

	if (message->check_body && !pattern_matches(message->body_seen, span_of(bytes.data, n))) {
		message->state = MESSAGE_CORRUPT;
		return n;
	}
	message->body_seen += n;
	if (message->body_seen == message->body_len)
		message->state = MESSAGE_WHOLE;
	return n;
}

size_t message_feed(struct message *message, struct span bytes)
{
	size_t taken = 0;

	while (taken < bytes.len && !message_is_over(message)) {
		struct span rest = span_of(bytes.data + taken, bytes.len - taken);

		taken += message->state == MESSAGE_BODY ? feed_body(message, rest) : feed_line(message, rest);
	}
	return taken;
}
