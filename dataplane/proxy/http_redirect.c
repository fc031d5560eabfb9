// SPDX-License-Identifier: Apache-2.0
#include "proxy/http_redirect.h"

#include "base/reader.h"
#include "base/writer.h"
#include "proxy/routing.h"

#include <arpa/inet.h>
#include <stdio.h>

enum {
	HTTPS_PORT = 443,
	PORT_DIGITS_MAX = 5
};

static const char bad_request[] =
	"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
static const char too_slow[] =
	"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

// What the answer needs of a request; spans lie in it.
struct request {
	struct span authority; // host, and port if any
	struct span path;
	bool host_seen;
};

void http_redirect_begin(struct http_redirect *redirect)
{
	redirect->len = 0;
	redirect->line_start = 0;
}

static bool equal_ignoring_case(struct span text, const char *lower)
{
	bool same = text.len == strlen(lower);

	for (size_t i = 0; same && i < text.len; i++) {
		uint8_t byte = text.data[i];

		same = (byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte) == (uint8_t)lower[i];
	}
	return same;
}

static struct span take_until(struct span *rest, uint8_t end)
{
	struct span word = span_of(rest->data, 0);
	size_t skip;

	while (word.len < rest->len && rest->data[word.len] != end)
		word.len++;
	skip = word.len < rest->len ? word.len + 1 : word.len;
	*rest = span_of(rest->data + skip, rest->len - skip);
	return word;
}

// The next line; fails on a bare CR or LF and on any other control character (RFC 9112 2.2, RFC 9110 5.5).
static struct span take_line(struct reader *reader)
{
	struct span rest = span_of(reader->next, reader_left(reader));
	size_t len = 0;

	while (len < rest.len && (rest.data[len] >= ' ' || rest.data[len] == '\t') && rest.data[len] != 0x7f)
		len++;
	if (rest.len - len < 2 || rest.data[len] != '\r' || rest.data[len + 1] != '\n') {
		reader_fail(reader);
		return span_of(NULL, 0);
	}
	reader_skip(reader, len + 2);
	return span_of(rest.data, len);
}

static bool path_valid(struct span path)
{
	bool valid = path.len != 0 && path.data[0] == '/';

	// Visible ASCII without what browsers rewrite (\) or what could not be written in a URI (RFC 3986 2).
	for (size_t i = 0; valid && i < path.len; i++)
		valid = path.data[i] > ' ' && path.data[i] < 0x7f &&
			strchr("\\\"<>^`{|}", path.data[i]) == NULL;
	return valid;
}

// method SP target SP HTTP/1.x (RFC 9112 3): GET or HEAD; the target a path, or a whole http URI.
static bool parse_request_line(struct span line, struct request *request)
{
	static const char scheme[] = "http://";
	struct span method = take_until(&line, ' ');
	struct span target = take_until(&line, ' ');
	size_t scheme_len = sizeof scheme - 1;

	if (!span_equal(method, span_of_string("GET")) && !span_equal(method, span_of_string("HEAD")))
		return false;
	if (!span_equal(line, span_of_string("HTTP/1.1")) && !span_equal(line, span_of_string("HTTP/1.0")))
		return false;
	if (target.len > scheme_len && equal_ignoring_case(span_of(target.data, scheme_len), scheme)) {
		struct span rest = span_of(target.data + scheme_len, target.len - scheme_len);

		request->authority = take_until(&rest, '/');
		request->path = span_of("/", 1);
		if (request->authority.len < target.len - scheme_len)
			request->path = span_of(request->authority.data + request->authority.len,
				target.len - scheme_len - request->authority.len);
	} else {
		request->path = target;
	}
	return path_valid(request->path);
}

// name ":" value (RFC 9112 5): no space before the colon, no folding; Host once (RFC 9112 3.2).
static bool parse_field(struct span line, struct request *request)
{
	struct span name = take_until(&line, ':');

	if (name.len == 0 || name.data + name.len == line.data)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] <= ' ' || name.data[i] >= 0x7f ||
			strchr("\"(),/:;<=>?@[\\]{}", name.data[i]) != NULL)
			return false;
	if (!equal_ignoring_case(name, "host"))
		return true;
	while (line.len != 0 && (line.data[0] == ' ' || line.data[0] == '\t'))
		line = span_of(line.data + 1, line.len - 1);
	while (line.len != 0 && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\t'))
		line.len--;
	if (request->host_seen)
		return false;
	request->host_seen = true;
	if (request->authority.len == 0) // the target's own authority has precedence (RFC 9112 3.2.2)
		request->authority = line;
	return true;
}

static bool parse_request(struct span bytes, struct request *request)
{
	struct reader reader = reader_over(bytes);
	struct span line = take_line(&reader);
	bool good = reader_ok(&reader) && parse_request_line(line, request);

	while (good) {
		line = take_line(&reader);
		good = reader_ok(&reader);
		if (good && line.len == 0)
			break;
		good = good && parse_field(line, request);
	}
	return good && request->host_seen;
}

static bool port_valid(struct span port)
{
	bool valid = port.len <= PORT_DIGITS_MAX;

	for (size_t i = 0; valid && i < port.len; i++)
		valid = port.data[i] >= '0' && port.data[i] <= '9';
	return valid;
}

static bool address_valid(struct span text, int family)
{
	char copy[INET6_ADDRSTRLEN] = {0};
	uint8_t bytes[16];

	if (text.len == 0 || text.len >= sizeof copy)
		return false;
	memcpy(copy, text.data, text.len);
	return inet_pton(family, copy, bytes) == 1;
}

// Takes the port off and checks that the rest is a host name, an IPv4 address, or an IPv6 address in brackets
// (RFC 3986 3.2.2). *out_name says whether it is a name.
static bool parse_host(struct span authority, struct span *out_host, bool *out_name)
{
	struct span rest = authority;
	struct span host;

	*out_name = false;
	if (authority.len != 0 && authority.data[0] == '[') {
		host = take_until(&rest, ']');
		if (host.len == authority.len ||
			!address_valid(span_of(host.data + 1, host.len - 1), AF_INET6))
			return false;
		*out_host = span_of(authority.data, host.len + 1);
		return rest.len == 0 ||
		       (rest.data[0] == ':' && port_valid(span_of(rest.data + 1, rest.len - 1)));
	}
	host = take_until(&rest, ':');
	*out_host = host;
	*out_name = routing_host_valid(host);
	return port_valid(rest) && (*out_name || address_valid(host, AF_INET));
}

static bool host_known(const struct http_redirect_config *config, struct span host)
{
	uint32_t backend_idx;

	return config->hosts == NULL || routing_find(config->hosts, config->listener_idx, host,
						span_of(NULL, 0), &backend_idx) != ROUTING_NONE;
}

static size_t write_text(const char *text, struct mut_span out)
{
	struct writer writer = writer_over(out);

	writer_bytes(&writer, span_of_string(text));
	return writer_ok(&writer) ? writer.len : 0;
}

static const char *status_line(uint16_t status)
{
	switch (status) {
	case 301:
		return "HTTP/1.1 301 Moved Permanently";
	case 302:
		return "HTTP/1.1 302 Found";
	case 307:
		return "HTTP/1.1 307 Temporary Redirect";
	default:
		return "HTTP/1.1 308 Permanent Redirect";
	}
}

static size_t answer(const struct http_redirect_config *config, struct span bytes, struct mut_span out)
{
	struct writer writer = writer_over(out);
	struct request request = {0};
	struct span host;
	char port[8] = "";
	bool name;

	if (!parse_request(bytes, &request) || !parse_host(request.authority, &host, &name) ||
		!host_known(config, name ? host : span_of(NULL, 0)))
		return write_text(bad_request, out);
	if (config->port != HTTPS_PORT)
		(void)snprintf(port, sizeof port, ":%u", config->port);
	writer_bytes(&writer, span_of_string(status_line(config->status)));
	writer_bytes(&writer, span_of_string("\r\nLocation: https://"));
	writer_bytes(&writer, host);
	writer_bytes(&writer, span_of_string(port));
	writer_bytes(&writer, request.path);
	writer_bytes(&writer, span_of_string("\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
	return writer_ok(&writer) ? writer.len : 0;
}

size_t http_redirect_feed(struct http_redirect *redirect, const struct http_redirect_config *config,
	struct span input, struct mut_span out)
{
	for (size_t i = 0; i < input.len; i++) {
		uint8_t byte = input.data[i];
		bool first_of_line = redirect->len == redirect->line_start;

		if (redirect->len == HTTP_REDIRECT_REQUEST_MAX)
			return write_text(bad_request, out);
		redirect->bytes[redirect->len++] = byte;
		if (byte != '\n')
			continue;
		// An empty line ends the request; so does a bare LF, which makes it a bad one.
		if (redirect->len < 2 || redirect->bytes[redirect->len - 2] != '\r')
			return write_text(bad_request, out);
		if (!first_of_line && redirect->len == redirect->line_start + 2)
			return answer(config, span_of(redirect->bytes, redirect->len), out);
		redirect->line_start = redirect->len;
	}
	return 0;
}

size_t http_redirect_timeout(struct mut_span out)
{
	return write_text(too_slow, out);
}
