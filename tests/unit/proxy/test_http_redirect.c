// SPDX-License-Identifier: Apache-2.0
#include "proxy/http_redirect.h"
#include "proxy/routing.h"
#include "seam/cmocka_all.h"

#include <string.h>

static struct http_redirect redirect;
static char response[HTTP_REDIRECT_RESPONSE_MAX + 1];

static const char *ask_bytes(
	const struct http_redirect_config *config, const char *text, size_t len, size_t piece)
{
	size_t n = 0;

	http_redirect_begin(&redirect);
	for (size_t at = 0; at < len && n == 0; at += piece) {
		size_t left = len - at;

		n = http_redirect_feed(&redirect, config, span_of(text + at, piece < left ? piece : left),
			(struct mut_span){.data = (uint8_t *)response, .len = HTTP_REDIRECT_RESPONSE_MAX});
	}
	response[n] = '\0';
	return response;
}

static const char *ask(const struct http_redirect_config *config, const char *text)
{
	static char whole[sizeof response];

	(void)strcpy(whole, ask_bytes(config, text, strlen(text), 100000));
	assert_string_equal(ask_bytes(config, text, strlen(text), 1), whole);
	return response;
}

static void redirects(const char *request, const char *location)
{
	const struct http_redirect_config config = {.port = 443};
	char expected[8192] = "HTTP/1.1 308 Permanent Redirect\r\nLocation: ";

	(void)strcat(expected, location);
	(void)strcat(expected, "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	assert_string_equal(ask(&config, request), expected);
}

static void statuses(void **state)
{
	static const struct {
		uint16_t status;
		const char *line;
	} cases[] = {{301, "HTTP/1.1 301 Moved Permanently\r\n"}, {302, "HTTP/1.1 302 Found\r\n"},
		{307, "HTTP/1.1 307 Temporary Redirect\r\n"}, {308, "HTTP/1.1 308 Permanent Redirect\r\n"},
		{0, "HTTP/1.1 308 Permanent Redirect\r\n"}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct http_redirect_config config = {.port = 443, .status = cases[i].status};

		assert_memory_equal(ask(&config, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), cases[i].line,
			strlen(cases[i].line));
	}
}

static void good_requests(void **state)
{
	const struct http_redirect_config config = {.port = 8443};

	(void)state;
	redirects("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "https://example.org/");
	redirects("HEAD /a?b=c#d HTTP/1.0\r\nUser-Agent: x\r\nhost:Example.ORG:80\r\n\r\n",
		"https://Example.ORG/a?b=c#d");
	redirects("GET //evil/.. HTTP/1.1\r\nHost: a \r\n\r\n", "https://a//evil/..");
	redirects("GET http://b.example/x HTTP/1.1\r\nHost: a\r\n\r\n", "https://b.example/x");
	redirects("GET HTTP://b.example HTTP/1.1\r\nHost: a\r\n\r\n", "https://b.example/");
	redirects("GET / HTTP/1.1\r\nHost: 192.0.2.1:8080\r\n\r\n", "https://192.0.2.1/");
	redirects("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "https://[2001:db8::1]/");
	assert_non_null(
		strstr(ask(&config, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), "Location: https://a:8443/x\r\n"));
}

static void bad_requests(void **state)
{
	static const char *const bad[] = {
		"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
		"get / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
		"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\r\nHost: a\r\n\r\n",
		"GET x HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET \\\\evil HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\\evil HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /<script> HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost:\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: 1.2.3.4.5\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a..b\r\n\r\n",
		"GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET https://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http:///x HTTP/1.1\r\nHost: a b\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n",
		"GET / HTTP/1.1\r\nHost: a\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\rLocation: x\r\n\r\n",
		"GET / HTTP/1.1\r\nX\x7f: 1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nno colon\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\n: x\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length\r\nHost: a\r\n\r\n",
		"\x16\x03\x01\x02\n",
	};
	const struct http_redirect_config config = {.port = 443};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(strncmp(ask(&config, bad[i]), "HTTP/1.1 400 ", 13), 0);
	assert_int_equal(strncmp(ask_bytes(&config, "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 30, 7),
				 "HTTP/1.1 400 ", 13),
		0);
}

static void endless_requests(void **state)
{
	const struct http_redirect_config config = {.port = 443};
	static char text[HTTP_REDIRECT_REQUEST_MAX + 1];

	(void)state;
	memset(text, 'a', sizeof text);
	assert_string_equal(ask_bytes(&config, text, HTTP_REDIRECT_REQUEST_MAX, 1000), "");
	assert_int_equal(
		strncmp(ask_bytes(&config, text, HTTP_REDIRECT_REQUEST_MAX + 1, 1000), "HTTP/1.1 400 ", 13),
		0);
	assert_string_equal(ask(&config, "GET / HTTP/1.1\r\nHost: a\r\n"), ""); // it may go on
	assert_int_equal(
		http_redirect_timeout((struct mut_span){.data = (uint8_t *)response, .len = sizeof response}),
		70);
}

static void only_known_hosts(void **state)
{
	static const struct routing_rule rules[] = {
		{.listener_idx = 3, .host = {(const uint8_t *)"*.example.org", 13}, .backend_idx = 1}};
	struct http_redirect_config config = {.port = 443, .listener_idx = 3};
	struct routing_table table;
	struct arena arena;
	uint32_t idx;

	(void)state;
	assert_true(arena_init(&arena, 1 << 16));
	assert_int_equal(routing_build(&table, &arena, rules, 1, &idx), ROUTING_OK);
	config.hosts = &table;
	assert_non_null(strstr(
		ask(&config, "GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"), "https://www.example.org/"));
	assert_non_null(strstr(ask(&config, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"), " 400 "));
	assert_non_null(strstr(ask(&config, "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"), " 400 "));
	arena_destroy(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_requests),
		cmocka_unit_test(statuses),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(endless_requests),
		cmocka_unit_test(only_known_hosts),
	};

	return cmocka_run_group_tests_name("proxy/http_redirect", tests, NULL, NULL);
}
