// SPDX-License-Identifier: Apache-2.0
#include "proxy/first_bytes.h"

enum {
	TLS_HANDSHAKE_RECORD = 22,
	SSL2_CLIENT_HELLO = 1
};

static const struct {
	const char *start; // upper case; a letter matches either case
	enum first_bytes kind;
} starts[] = {
	{"GET ", FIRST_BYTES_HTTP},
	{"POST ", FIRST_BYTES_HTTP},
	{"HEAD ", FIRST_BYTES_HTTP},
	{"PUT ", FIRST_BYTES_HTTP},
	{"OPTIONS ", FIRST_BYTES_HTTP},
	{"CONNECT ", FIRST_BYTES_HTTP},
	{"PRI * HTTP/2", FIRST_BYTES_HTTP},
	{"EHLO ", FIRST_BYTES_SMTP},
	{"HELO ", FIRST_BYTES_SMTP},
	{"LHLO ", FIRST_BYTES_SMTP},
	{"STARTTLS\r", FIRST_BYTES_SMTP},
	{"QUIT\r", FIRST_BYTES_SMTP},
	{"CAPA\r", FIRST_BYTES_OTHER_MAIL},
	{"USER ", FIRST_BYTES_OTHER_MAIL},
	{"STLS\r", FIRST_BYTES_OTHER_MAIL},
	{"A1 ", FIRST_BYTES_OTHER_MAIL},
	{"A001 ", FIRST_BYTES_OTHER_MAIL},
	{"A0001 ", FIRST_BYTES_OTHER_MAIL},
	{"PROXY ", FIRST_BYTES_PROXY},
	{"\r\n\r\n", FIRST_BYTES_PROXY},
};

// 1: begins so, 0: may, when more comes, -1: does not.
static int compare(struct span bytes, const char *start)
{
	size_t len = strlen(start);

	for (size_t i = 0; i < len; i++) {
		uint8_t byte;

		if (i == bytes.len)
			return 0;
		byte = bytes.data[i];
		if (byte >= 'a' && byte <= 'z')
			byte = (uint8_t)(byte - 'a' + 'A');
		if (byte != (uint8_t)start[i])
			return -1;
	}
	return 1;
}

enum first_bytes first_bytes_kind(struct span bytes)
{
	enum first_bytes kind = FIRST_BYTES_UNKNOWN;

	if (bytes.len == 0)
		return FIRST_BYTES_SHORT;
	// RFC 8446 5.1: type 22, version 3.x; RFC 5246 E.2: a length with its highest bit set, type 1.
	if (bytes.data[0] == TLS_HANDSHAKE_RECORD)
		return bytes.len == 1 || bytes.data[1] == 3 ? FIRST_BYTES_TLS : FIRST_BYTES_UNKNOWN;
	if ((bytes.data[0] & 0x80) != 0 && bytes.len >= 4)
		return bytes.data[2] == SSL2_CLIENT_HELLO && (bytes.data[3] == 3 || bytes.data[3] == 0)
			       ? FIRST_BYTES_TLS
			       : FIRST_BYTES_UNKNOWN;
	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
		int comparison = compare(bytes, starts[i].start);

		if (comparison == 1)
			return starts[i].kind;
		if (comparison == 0)
			kind = FIRST_BYTES_SHORT;
	}
	return kind;
}

const char *first_bytes_name(enum first_bytes kind)
{
	static const char *const names[] = {
		[FIRST_BYTES_SHORT] = "too short",
		[FIRST_BYTES_TLS] = "TLS",
		[FIRST_BYTES_HTTP] = "HTTP",
		[FIRST_BYTES_SMTP] = "SMTP",
		[FIRST_BYTES_OTHER_MAIL] = "IMAP or POP3",
		[FIRST_BYTES_PROXY] = "PROXY protocol",
		[FIRST_BYTES_UNKNOWN] = "unknown",
	};

	return kind <= FIRST_BYTES_UNKNOWN ? names[kind] : "unknown";
}
