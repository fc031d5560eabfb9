// SPDX-License-Identifier: Apache-2.0
#include "load/mail_talk.h"

#include "base/assert.h"

struct step {
	const char *words;  // NULL: nothing is sent, the server speaks first
	const char *answer; // how the last line of the answer begins
	enum mail_talk_result then;
};

static const struct step smtp[] = {{NULL, "220 ", MAIL_TALK_SEND}, {"EHLO load\r\n", "250 ", MAIL_TALK_SEND},
	{"STARTTLS\r\n", "220 ", MAIL_TALK_START_TLS}, {"EHLO load\r\n", "250 ", MAIL_TALK_SEND},
	{"QUIT\r\n", "221 ", MAIL_TALK_OVER}};
static const struct step imap[] = {{NULL, "* OK", MAIL_TALK_SEND},
	{"a STARTTLS\r\n", "a OK", MAIL_TALK_START_TLS}, {"b NOOP\r\n", "b OK", MAIL_TALK_SEND},
	{"c LOGOUT\r\n", "c OK", MAIL_TALK_OVER}};
static const struct step pop3[] = {{NULL, "+OK", MAIL_TALK_SEND}, {"STLS\r\n", "+OK", MAIL_TALK_START_TLS},
	{"CAPA\r\n", ".", MAIL_TALK_SEND}, {"QUIT\r\n", "+OK", MAIL_TALK_OVER}};

// 16 lines of 64 bytes: a small message without attachments.
#define LINE  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n"
#define LINES LINE LINE LINE LINE
static const struct step message[] = {{NULL, "220 ", MAIL_TALK_SEND},
	{"EHLO load\r\n", "250 ", MAIL_TALK_SEND}, {"STARTTLS\r\n", "220 ", MAIL_TALK_START_TLS},
	{"EHLO load\r\n", "250 ", MAIL_TALK_SEND}, {"MAIL FROM:<a@load>\r\n", "250 ", MAIL_TALK_SEND},
	{"RCPT TO:<b@load>\r\n", "250 ", MAIL_TALK_SEND}, {"DATA\r\n", "354 ", MAIL_TALK_SEND},
	{"Subject: load\r\n\r\n" LINES LINES LINES LINES ".\r\n", "250 ", MAIL_TALK_SEND},
	{"QUIT\r\n", "221 ", MAIL_TALK_OVER}};
#undef LINES
#undef LINE

static const struct step *const talks[] = {[LOAD_MAIL_SMTP] = smtp,
	[LOAD_MAIL_IMAP] = imap,
	[LOAD_MAIL_POP3] = pop3,
	[LOAD_MAIL_MESSAGE] = message};

static bool is_refusal(enum load_mail mail, const char *line)
{
	switch (mail) {
	case LOAD_MAIL_SMTP:
	case LOAD_MAIL_MESSAGE:
		return line[0] == '4' || line[0] == '5';
	case LOAD_MAIL_IMAP:
		return line[0] != '*' || strncmp(line, "* BYE", 5) == 0;
	case LOAD_MAIL_POP3:
		return line[0] == '-';
	case LOAD_MAIL_NONE:
		break;
	}
	return true;
}

enum mail_talk_result mail_talk_line(enum load_mail mail, uint8_t *step, const char *line)
{
	const struct step *now = &talks[mail][*step];

	if (strncmp(line, now->answer, strlen(now->answer)) == 0) {
		if (now->then != MAIL_TALK_OVER)
			(*step)++;
		return now->then;
	}
	// A LOGOUT is announced before it is answered (RFC 9051 6.1.3).
	if (now->then == MAIL_TALK_OVER && mail == LOAD_MAIL_IMAP && line[0] == '*')
		return MAIL_TALK_MORE;
	return is_refusal(mail, line) ? MAIL_TALK_REFUSED : MAIL_TALK_MORE;
}

const char *mail_talk_words(enum load_mail mail, uint8_t step)
{
	SLUICE_ASSERT(talks[mail][step].words != NULL);
	return talks[mail][step].words;
}

uint8_t mail_talk_after_tls(enum load_mail mail)
{
	return mail == LOAD_MAIL_SMTP || mail == LOAD_MAIL_MESSAGE ? 3 : 2;
}
