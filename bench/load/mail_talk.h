// SPDX-License-Identifier: Apache-2.0
//
// What a mail client says until TLS begins and after it (RFC 3207, RFC 9051 6.2.1, RFC 2595 4), as a table of
// steps: what is sent, and how the line begins that answers it.
#pragma once

#include "load/options.h"

enum mail_talk_result {
	MAIL_TALK_MORE,      // lines are missing
	MAIL_TALK_SEND,      // send mail_talk_words of the step that is now reached
	MAIL_TALK_START_TLS, // the handshake is due
	MAIL_TALK_OVER,      // the end of the conversation
	MAIL_TALK_REFUSED
};

// One line of the server's without its end. *step is 0 at first, before the greeting.
enum mail_talk_result mail_talk_line(enum load_mail mail, uint8_t *step, const char *line);

// What is sent in this step, with CRLF.
const char *mail_talk_words(enum load_mail mail, uint8_t step);

// The step that begins when TLS is up.
uint8_t mail_talk_after_tls(enum load_mail mail);
