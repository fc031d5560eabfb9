// SPDX-License-Identifier: Apache-2.0
#include "load/serve.h"

#include "base/assert.h"
#include "load/pattern.h"
#include "load/station.h"

#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
	PIECES = 64,
	HEAD_MAX = 128,
	ANSWER_MAX = 16384 // head and body that are kept as one buffer
};

static struct rte_mbuf *whole_pattern(struct station *station)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(station->record_pool);

	SLUICE_ASSERT(mbuf != NULL && rte_pktmbuf_tailroom(mbuf) >= PATTERN_PERIOD);
	memcpy(rte_pktmbuf_append(mbuf, PATTERN_PERIOD), pattern_bytes(), PATTERN_PERIOD);
	return mbuf;
}

void serve_open(struct serve *serve, struct station *station)
{
	const struct load_options *options = station->options;
	uint32_t n = 2 * options->n_connections + options->n_connections / 2 + 1024;

	*serve = (struct serve){.station = station};
	serve->sessions = calloc(n, sizeof serve->sessions[0]);
	serve->waiting = calloc(n, sizeof serve->waiting[0]);
	SLUICE_ASSERT(serve->sessions != NULL && serve->waiting != NULL);
	serve->pattern = whole_pattern(station);
	for (uint32_t i = 0; i < options->n_served; i++)
		for (uint32_t k = 0; k < options->served[i].n; k++)
			if (!tcp_listen(station->tcp, &options->served[i].first,
				    (uint16_t)(options->served[i].port + k), SERVE_TAG)) {
				(void)fprintf(stderr, "sluice-load: --serve: can't listen\n");
				exit(2);
			}
}

static void end(struct serve *serve, struct tcp_conn *conn, bool abruptly)
{
	if (abruptly)
		tcp_abort(serve->station->tcp, conn);
	else
		tcp_close(serve->station->tcp, conn);
}

static void wait_for_buffer(struct serve *serve, struct served *served, struct tcp_conn *conn)
{
	if (served->waits)
		return;
	served->waits = true;
	serve->waiting[serve->n_waiting++] = tcp_conn_handle(serve->station->tcp, conn);
}

// Queues bytes that are copied. False: no room or no buffer, nothing was queued.
static bool send_copy(struct serve *serve, struct tcp_conn *conn, struct span bytes)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(serve->station->tx_pool);

	if (mbuf == NULL)
		return false;
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)bytes.len), bytes.data, bytes.len);
	if (tcp_send(serve->station->tcp, conn, mbuf, 0, (uint32_t)bytes.len))
		return true;
	rte_pktmbuf_free(mbuf);
	return false;
}

static bool send_shared(
	struct serve *serve, struct tcp_conn *conn, struct rte_mbuf *mbuf, uint32_t offset, uint32_t len)
{
	if (rte_mbuf_refcnt_read(mbuf) > SERVE_REFERENCES_MAX)
		return false;
	rte_mbuf_refcnt_update(mbuf, 1);
	if (tcp_send(serve->station->tcp, conn, mbuf, offset, len))
		return true;
	rte_mbuf_refcnt_update(mbuf, -1);
	return false;
}

// Queues as much of the answer's body as there is room for.
static void pump(struct serve *serve, struct served *served, struct tcp_conn *conn)
{
	while (served->body_left != 0) {
		uint32_t offset = pattern_offset(served->body_at);
		uint32_t len = PATTERN_PERIOD - offset;
		uint32_t space = tcp_send_space(serve->station->tcp, conn);

		len = served->body_left < len ? (uint32_t)served->body_left : len;
		len = space < len ? space : len;
		if (len == 0)
			return;
		if (!send_shared(serve, conn, serve->pattern, offset, len)) {
			wait_for_buffer(serve, served, conn);
			return;
		}
		served->body_left -= len;
		served->body_at += len;
		serve->n_bytes_out += len;
	}
	if (served->closing)
		tcp_shutdown(serve->station->tcp, conn);
}

static size_t write_head(char head[HEAD_MAX], uint64_t len, bool close)
{
	int n = snprintf(head, HEAD_MAX, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n%s\r\n",
		(unsigned long long)len, close ? "Connection: close\r\n" : "");

	return (size_t)n;
}

// Short answers are all alike: head and body in one buffer that is sent again and again.
static bool make_answer(struct serve *serve, uint64_t len, bool close)
{
	char head[HEAD_MAX];
	size_t head_len;

	if (serve->answer != NULL && serve->answer_len == len && serve->answer_closes == close)
		return true;
	if (len > ANSWER_MAX - HEAD_MAX)
		return false;
	if (serve->answer != NULL)
		rte_pktmbuf_free(serve->answer);
	serve->answer = rte_pktmbuf_alloc(serve->station->record_pool);
	if (serve->answer == NULL)
		return false;
	head_len = write_head(head, len, close);
	memcpy(rte_pktmbuf_append(serve->answer, (uint16_t)head_len), head, head_len);
	memcpy(rte_pktmbuf_append(serve->answer, (uint16_t)len), pattern_bytes(), len);
	serve->answer_len = len;
	serve->answer_closes = close;
	return true;
}

static bool answer(struct serve *serve, struct served *served, struct tcp_conn *conn)
{
	uint64_t len = served->request.is_put ? 0 : served->request.wanted_len;
	bool close = served->request.close;
	char head[HEAD_MAX];

	if (make_answer(serve, len, close)) {
		if (!send_shared(serve, conn, serve->answer, 0, serve->answer->data_len))
			return false;
		serve->n_bytes_out += len;
	} else {
		if (!send_copy(serve, conn, span_of(head, write_head(head, len, close))))
			return false;
		served->body_left = len;
		served->body_at = 0;
	}
	served->closing = close;
	serve->n_requests++;
	pump(serve, served, conn);
	message_begin(&served->request, true);
	return true;
}

// Takes what has arrived. False: the request is none, or its body was corrupted.
static bool take_http(struct serve *serve, struct served *served, struct tcp_conn *conn)
{
	struct tcp_piece piece;

	while (served->body_left == 0 && !served->closing) {
		size_t n;

		if (served->request.state == MESSAGE_WHOLE) {
			if (!answer(serve, served, conn)) {
				wait_for_buffer(serve, served, conn);
				return true;
			}
			continue;
		}
		if (tcp_peek(conn, &piece, 1) == 0)
			return true;
		n = message_feed(&served->request, span_of(piece.data, piece.len));
		tcp_consume(serve->station->tcp, conn, (uint32_t)n);
		serve->n_bytes_in += n;
		if (served->request.state > MESSAGE_WHOLE)
			return false;
	}
	return true;
}

// A mail server's line for each of the client's; see enum load_mail for the order.
static const char *const mail_greetings[] = {NULL, "220 load ESMTP\r\n",
	"* OK [CAPABILITY IMAP4rev1] load\r\n", "+OK load\r\n", "220 load ESMTP\r\n"};

static size_t mail_answer(enum load_mail mail, const char *line, char *out, size_t out_len)
{
	bool quits = strncasecmp(line, "QUIT", 4) == 0;
	const char *word = strchr(line, ' ');
	int tag_len = (int)strcspn(line, " \r\n");

	switch (mail) {
	case LOAD_MAIL_SMTP:
	case LOAD_MAIL_MESSAGE:
		if (quits)
			return (size_t)snprintf(out, out_len, "221 bye\r\n");
		return (size_t)snprintf(
			out, out_len, "250 %s\r\n", strncasecmp(line, "EHLO", 4) == 0 ? "load" : "ok");
	case LOAD_MAIL_IMAP:
		if (word != NULL && strncasecmp(word + 1, "CAPABILITY", 10) == 0)
			return (size_t)snprintf(
				out, out_len, "* CAPABILITY IMAP4rev1\r\n%.*s OK done\r\n", tag_len, line);
		if (word != NULL && strncasecmp(word + 1, "LOGOUT", 6) == 0)
			return (size_t)snprintf(
				out, out_len, "* BYE load\r\n%.*s OK done\r\n", tag_len, line);
		return (size_t)snprintf(out, out_len, "%.*s OK done\r\n", tag_len, line);
	case LOAD_MAIL_POP3:
		if (strncasecmp(line, "CAPA", 4) == 0)
			return (size_t)snprintf(out, out_len, "+OK\r\nUSER\r\n.\r\n");
		return (size_t)snprintf(out, out_len, "+OK\r\n");
	case LOAD_MAIL_NONE:
		break;
	}
	return 0;
}

static bool ends_mail(enum load_mail mail, const char *line)
{
	const char *word = strchr(line, ' ');

	if (mail == LOAD_MAIL_IMAP)
		return word != NULL && strncasecmp(word + 1, "LOGOUT", 6) == 0;
	return strncasecmp(line, "QUIT", 4) == 0;
}

// One line of a client's. False: its answer found no room.
static bool take_mail_line(
	struct serve *serve, struct served *served, struct tcp_conn *conn, const char *line)
{
	enum load_mail mail = serve->station->options->mail;
	char out[2 * MESSAGE_LINE_MAX];

	if (served->in_message && strcmp(line, ".\r\n") != 0)
		return true;
	if (mail == LOAD_MAIL_MESSAGE && !served->in_message && strncasecmp(line, "DATA", 4) == 0) {
		served->in_message = true;
		return send_copy(serve, conn, span_of_string("354 go\r\n"));
	}
	served->closing = !served->in_message && ends_mail(mail, line);
	served->in_message = false;
	serve->n_requests++;
	return send_copy(serve, conn, span_of(out, mail_answer(mail, line, out, sizeof out)));
}

// Lines are gathered in the request's buffer, which mail has no other use for.
static bool take_mail(struct serve *serve, struct served *served, struct tcp_conn *conn)
{
	struct message *lines = &served->request;
	struct tcp_piece piece;

	while (!served->closing && tcp_peek(conn, &piece, 1) != 0) {
		uint32_t n;

		for (n = 0; n < piece.len && !served->closing; n++) {
			if (lines->line_len < MESSAGE_LINE_MAX - 1)
				lines->line[lines->line_len++] = (char)piece.data[n];
			if (piece.data[n] != '\n')
				continue;
			lines->line[lines->line_len] = 0;
			lines->line_len = 0;
			if (!take_mail_line(serve, served, conn, lines->line))
				return false;
		}
		tcp_consume(serve->station->tcp, conn, n);
		serve->n_bytes_in += n;
	}
	if (served->closing)
		tcp_shutdown(serve->station->tcp, conn);
	return true;
}

static void begin(struct serve *serve, struct served *served, struct tcp_conn *conn)
{
	enum load_mail mail = serve->station->options->mail;

	*served = (struct served){.closing = false};
	message_begin(&served->request, true);
	if (mail != LOAD_MAIL_NONE)
		(void)send_copy(serve, conn, span_of_string(mail_greetings[mail]));
}

static void go_on(struct serve *serve, struct served *served, struct tcp_conn *conn)
{
	bool well = serve->station->options->mail != LOAD_MAIL_NONE ? take_mail(serve, served, conn)
								    : take_http(serve, served, conn);

	// Who ends within a request has lost some of it.
	if (well && served->peer_fin && served->body_left == 0 && !served->closing &&
		tcp_readable(conn) == 0 && message_is_partial(&served->request))
		well = false;
	if (!well) {
		serve->n_bad++;
		end(serve, conn, true);
	} else if (served->peer_fin && served->body_left == 0 && !served->waits &&
		   (served->closing || tcp_readable(conn) == 0)) {
		end(serve, conn, false);
	}
}

void serve_event(struct serve *serve, const struct tcp_ready *ready)
{
	struct served *served = &serve->sessions[ready->handle.idx];
	struct tcp_conn *conn = ready->conn;

	if ((ready->events & TCP_EVENT_ACCEPTED) != 0)
		begin(serve, served, conn);
	if ((ready->events & (TCP_EVENT_RESET | TCP_EVENT_TIMED_OUT)) != 0) {
		end(serve, conn, true);
		return;
	}
	if ((ready->events & TCP_EVENT_PEER_FIN) != 0)
		served->peer_fin = true;
	if (served->body_left != 0)
		pump(serve, served, conn);
	go_on(serve, served, conn);
}

void serve_turn(struct serve *serve)
{
	uint32_t n = serve->n_waiting;

	serve->n_waiting = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct tcp_handle handle = serve->waiting[i];
		struct tcp_conn *conn = tcp_conn_at(serve->station->tcp, handle);
		struct served *served = &serve->sessions[handle.idx];

		if (conn == NULL)
			continue;
		served->waits = false;
		if (served->body_left != 0)
			pump(serve, served, conn);
		go_on(serve, served, conn);
	}
}

void serve_close(struct serve *serve)
{
	rte_pktmbuf_free(serve->pattern);
	rte_pktmbuf_free(serve->answer);
	free(serve->sessions);
	free(serve->waiting);
}
