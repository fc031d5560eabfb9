// SPDX-License-Identifier: Apache-2.0
#include "load/mail_talk.h"

#include "seam/cmocka_all.h"

static void smtp_from_greeting_to_quit(void **state)
{
	uint8_t step = 0;

	(void)state;
	assert_int_equal(mail_talk_line(LOAD_MAIL_SMTP, &step, "220-two"), MAIL_TALK_MORE);
	assert_int_equal(mail_talk_line(LOAD_MAIL_SMTP, &step, "220 lines"), MAIL_TALK_SEND);
	assert_string_equal(mail_talk_words(LOAD_MAIL_SMTP, step), "EHLO load\r\n");
	assert_int_equal(mail_talk_line(LOAD_MAIL_SMTP, &step, "250-STARTTLS"), MAIL_TALK_MORE);
	assert_int_equal(mail_talk_line(LOAD_MAIL_SMTP, &step, "250 HELP"), MAIL_TALK_SEND);
	assert_string_equal(mail_talk_words(LOAD_MAIL_SMTP, step), "STARTTLS\r\n");
	assert_int_equal(mail_talk_line(LOAD_MAIL_SMTP, &step, "220 go"), MAIL_TALK_START_TLS);
	assert_int_equal(step, mail_talk_after_tls(LOAD_MAIL_SMTP));
	assert_int_equal(mail_talk_line(LOAD_MAIL_SMTP, &step, "250 load"), MAIL_TALK_SEND);
	assert_string_equal(mail_talk_words(LOAD_MAIL_SMTP, step), "QUIT\r\n");
	assert_int_equal(mail_talk_line(LOAD_MAIL_SMTP, &step, "221 bye"), MAIL_TALK_OVER);
}

static void imap_and_pop3(void **state)
{
	uint8_t step = 0;

	(void)state;
	assert_int_equal(mail_talk_line(LOAD_MAIL_IMAP, &step, "* OK ready"), MAIL_TALK_SEND);
	assert_int_equal(mail_talk_line(LOAD_MAIL_IMAP, &step, "a OK begin"), MAIL_TALK_START_TLS);
	assert_int_equal(step, mail_talk_after_tls(LOAD_MAIL_IMAP));
	assert_int_equal(mail_talk_line(LOAD_MAIL_IMAP, &step, "b OK"), MAIL_TALK_SEND);
	assert_int_equal(mail_talk_line(LOAD_MAIL_IMAP, &step, "* BYE"), MAIL_TALK_MORE);
	assert_int_equal(mail_talk_line(LOAD_MAIL_IMAP, &step, "c OK"), MAIL_TALK_OVER);
	step = 0;
	assert_int_equal(mail_talk_line(LOAD_MAIL_POP3, &step, "+OK hello"), MAIL_TALK_SEND);
	assert_int_equal(mail_talk_line(LOAD_MAIL_POP3, &step, "+OK"), MAIL_TALK_START_TLS);
	assert_int_equal(step, mail_talk_after_tls(LOAD_MAIL_POP3));
	assert_int_equal(mail_talk_line(LOAD_MAIL_POP3, &step, "+OK list"), MAIL_TALK_MORE);
	assert_int_equal(mail_talk_line(LOAD_MAIL_POP3, &step, "."), MAIL_TALK_SEND);
	assert_int_equal(mail_talk_line(LOAD_MAIL_POP3, &step, "+OK"), MAIL_TALK_OVER);
}

static void refusals_end_it(void **state)
{
	static const struct {
		enum load_mail mail;
		uint8_t step;
		const char *line;
	} refusals[] = {{LOAD_MAIL_SMTP, 0, "554 no"}, {LOAD_MAIL_SMTP, 2, "454 TLS not available"},
		{LOAD_MAIL_SMTP, 1, "500 what"}, {LOAD_MAIL_IMAP, 0, "* BYE"}, {LOAD_MAIL_IMAP, 1, "a NO"},
		{LOAD_MAIL_IMAP, 1, "a BAD"}, {LOAD_MAIL_POP3, 0, "-ERR"},
		{LOAD_MAIL_POP3, 1, "-ERR no TLS"}};

	(void)state;
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		uint8_t step = refusals[i].step;

		assert_int_equal(
			mail_talk_line(refusals[i].mail, &step, refusals[i].line), MAIL_TALK_REFUSED);
		assert_int_equal(step, refusals[i].step);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smtp_from_greeting_to_quit),
		cmocka_unit_test(imap_and_pop3),
		cmocka_unit_test(refusals_end_it),
	};

	return cmocka_run_group_tests_name("bench/mail_talk", tests, NULL, NULL);
}
