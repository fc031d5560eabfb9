// SPDX-License-Identifier: Apache-2.0
//
// Asking for OCSP responses: a fetcher that dies or hangs over a question must not get it again at once.
#include "a_control.h"
#include "fetch.h"
#include "seam/cmocka_all.h"

#include <stdlib.h>
#include <time.h>

enum {
	CERT_ID = 77
};

static struct control control;
static struct certificate certificates[2];
static struct cert cert;
static struct cert *certs[1] = {&cert};
static struct cert_set set = {.certs = certs, .n_certs = 1};

static int open_control(void **state)
{
	static const char url[] = "http://127.0.0.1:1/";

	(void)state;
	a_control_open(&control);
	cert_set_free(control.certs);
	certificates[0].ocsp_url = span_of(url, sizeof url - 1);
	cert = (struct cert){.n_references = 1,
		.id = CERT_ID,
		.name = memory_string("a.pem"),
		.n_certificates = 2,
		.certificates = certificates,
		.ocsp_fetch = true};
	control.certs = &set;
	return fetch_open(&control.fetch, &control) ? 0 : -1;
}

static int close_control(void **state)
{
	(void)state;
	fetch_close(&control.fetch);
	free(cert.name);
	control.certs = NULL;
	a_control_close(&control);
	return 0;
}

static void a_question_that_hangs_is_a_failure(void **state)
{
	struct fetch *fetch = &control.fetch;
	const int64_t now_s = (int64_t)time(NULL);

	(void)state;
	fetch->asked_id = 5;
	fetch->asked_cert_id = CERT_ID;
	fetch->asked_s = now_s;
	fetch_tick(fetch, now_s);
	assert_int_equal(fetch->asked_id, 5); // it may still come
	fetch->asked_s = 0;
	for (int i = 0; i < 10; i++)
		fetch_tick(fetch, now_s);
	assert_int_equal(fetch->n_failed, 1);
	assert_int_equal(fetch->asked_id, 0);
	assert_int_equal(fetch->fd, -1);
}

static void a_certificate_that_is_gone_is_none(void **state)
{
	struct fetch *fetch = &control.fetch;

	(void)state;
	fetch->asked_id = 5;
	fetch->asked_cert_id = CERT_ID + 1;
	fetch->asked_s = 0;
	fetch_tick(fetch, (int64_t)time(NULL));
	assert_int_equal(fetch->n_failed, 0);
	assert_int_equal(fetch->asked_id, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_question_that_hangs_is_a_failure, open_control, close_control),
		cmocka_unit_test_setup_teardown(
			a_certificate_that_is_gone_is_none, open_control, close_control),
	};

	return cmocka_run_group_tests_name("control/fetch", tests, NULL, NULL);
}
