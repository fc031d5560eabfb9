// SPDX-License-Identifier: Apache-2.0
#include "proxy/proxy_log.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log_ring.h"
#include "base/writer.h"
#include "proxy/first_bytes.h"
#include "proxy/pair.h"

enum {
	FLAG_RESUMED = 1,
	FLAG_RETRIED = 2,
	FLAG_AUTHENTICATED = 4,
	FLAG_STARTTLS = 8,
	FAILURE_SENT = 1,
	FAILURE_RECEIVED = 2,
	ROOM_KEPT = 4, // a quarter of the ring is for what matters most
	SECOND_US = 1000000,
};

struct event {
	uint8_t bytes[LOG_EVENT_DETAILS_MAX];
	struct writer writer;
};

static void begin(struct event *event)
{
	event->writer = writer_over((struct mut_span){.data = event->bytes, .len = sizeof event->bytes});
}

static void push(struct proxy *proxy, struct event *event, enum log_event_kind kind)
{
	SLUICE_ASSERT(writer_ok(&event->writer));
	log_ring_push(proxy->log.ring, kind, clock_wall_us(), writer_span(&event->writer));
}

// Whether there is room for the event of one connection among many.
static bool has_room(struct proxy *proxy)
{
	const struct ring *ring = proxy->log.ring != NULL ? &proxy->log.ring->ring : NULL;

	if (ring == NULL)
		return false;
	if (ring_count(ring) < ring->mask - ring->mask / ROOM_KEPT)
		return true;
	counter_inc(proxy->counters, COUNTER_PROXY_EVENTS_DROPPED);
	return false;
}

static void add_string(struct writer *writer, struct span text, size_t max)
{
	text.len = text.len < max ? text.len : max;
	writer_u8(writer, (uint8_t)text.len);
	writer_bytes(writer, text);
}

static void add_word(struct writer *writer, const char *word)
{
	add_string(writer, span_of_string(word), UINT8_MAX);
}

static void add_address(struct writer *writer, const struct ip_addr *addr, uint16_t port)
{
	writer_bytes(writer, span_of(addr->bytes, IP_ADDR_LEN));
	writer_u16(writer, port);
}

static void add_list(struct writer *writer, const uint16_t *numbers, uint8_t n)
{
	writer_u8(writer, (uint8_t)(n * sizeof *numbers));
	for (uint8_t i = 0; i < n; i++)
		writer_u16(writer, numbers[i]);
}

const char *proxy_log_protocol(const struct listener_terms *terms)
{
	static const char *const mail[N_PREAMBLE_PROTOCOLS] = {
		[PREAMBLE_SMTP] = "smtp",
		[PREAMBLE_IMAP] = "imap",
		[PREAMBLE_POP3] = "pop3",
		[PREAMBLE_SIEVE] = "managesieve",
	};

	switch (terms->protocol) {
	case LISTENER_TLS:
		return "tls";
	case LISTENER_MAIL:
		return mail[terms->preamble.protocol];
	case LISTENER_HTTP_REDIRECT:
		return "http-redirect";
	default:
		return "tcp";
	}
}

static void add_peer(
	struct writer *writer, const struct listener_terms *terms, const struct proxy_addresses *addresses)
{
	add_word(writer, terms->name);
	add_word(writer, proxy_log_protocol(terms));
	add_address(writer, &addresses->client_addr, addresses->client_port);
	add_address(writer, &addresses->local_addr, addresses->local_port);
}

// --- handshakes ---

// What a mail client called itself before STARTTLS.
static struct span hello_of(const struct proxy *proxy, const struct pair *pair)
{
	if (pair->terms->protocol != LISTENER_MAIL || pair->talk_idx == POOL_NONE)
		return span_of(NULL, 0);
	return preamble_hello(pool_at(&proxy->preambles, pair->talk_idx));
}

static struct span name_of(const struct tls_handshake_report *report)
{
	return span_of(report->name, report->name_len);
}

static uint32_t handshake_time_us(const struct proxy *proxy, const struct pair *pair)
{
	return (uint32_t)(proxy->now_us - pair->handshake_us);
}

static uint8_t starttls_flag(const struct pair *pair)
{
	return pair->phase == PAIR_PREAMBLE ? FLAG_STARTTLS : 0;
}

void proxy_log_session(struct proxy *proxy, const struct pair *pair)
{
	const struct tls_handshake_report *report = leg_report(proxy, &pair->legs[PAIR_CLIENT]);
	struct event event;

	if (!pair->terms->log_handshakes || !has_room(proxy))
		return;
	begin(&event);
	add_peer(&event.writer, pair->terms, &pair->addresses);
	writer_u8(&event.writer,
		(uint8_t)((report->resumed ? FLAG_RESUMED : 0) | (report->retried ? FLAG_RETRIED : 0) |
			  (report->peer_authenticated ? FLAG_AUTHENTICATED : 0) | starttls_flag(pair)));
	writer_u16(&event.writer, report->version);
	writer_u16(&event.writer, report->suite);
	writer_u16(&event.writer, report->group);
	writer_u16(&event.writer, report->scheme);
	writer_u16(&event.writer, report->peer_scheme);
	writer_u32(&event.writer, report->certificate_id);
	writer_u32(&event.writer, handshake_time_us(proxy, pair));
	add_string(&event.writer, name_of(report), UINT8_MAX);
	add_string(&event.writer, report->alpn, UINT8_MAX);
	add_string(&event.writer, span_of(report->peer_name, report->peer_name_len), UINT8_MAX);
	add_string(&event.writer, hello_of(proxy, pair), UINT8_MAX);
	push(proxy, &event, LOG_EVENT_TLS_SESSION);
}

// A stable word for why: what the client sent if that was no TLS, else the alert.
static const char *reason_of(const struct pair *pair, const struct tls_handshake_report *report)
{
	static const char *const strangers[] = {
		[FIRST_BYTES_SHORT] = NULL,
		[FIRST_BYTES_TLS] = NULL,
		[FIRST_BYTES_HTTP] = "http_to_tls_port",
		[FIRST_BYTES_SMTP] = "smtp_to_tls_port",
		[FIRST_BYTES_OTHER_MAIL] = "mail_to_tls_port",
		[FIRST_BYTES_PROXY] = "proxy_header_to_tls_port",
		[FIRST_BYTES_UNKNOWN] = "not_tls",
	};

	if (!report->failed_by_peer && strangers[pair->first_bytes] != NULL)
		return strangers[pair->first_bytes];
	return tls_alert_name(report->alert);
}

void proxy_log_failure(struct proxy *proxy, const struct pair *pair, const char *reason)
{
	const struct tls_handshake_report *report = leg_report(proxy, &pair->legs[PAIR_CLIENT]);
	const struct tls_offered *offered = &report->offered;
	uint8_t flags = starttls_flag(pair);
	struct event event;

	if (!has_room(proxy))
		return;
	if (reason == NULL)
		flags |= report->failed_by_peer ? FAILURE_RECEIVED : FAILURE_SENT;
	begin(&event);
	add_peer(&event.writer, pair->terms, &pair->addresses);
	writer_u8(&event.writer, flags);
	writer_u8(&event.writer, report->alert);
	writer_u16(&event.writer, report->version);
	writer_u32(&event.writer, handshake_time_us(proxy, pair));
	add_word(&event.writer, reason != NULL ? reason : reason_of(pair, report));
	add_word(&event.writer, report->failed ? tls_state_name((enum tls_state)report->failed_state) : "");
	writer_u8(&event.writer, (uint8_t)report->failed_message);
	add_string(&event.writer, name_of(report), UINT8_MAX);
	add_string(&event.writer, hello_of(proxy, pair), UINT8_MAX);
	add_list(&event.writer, offered->versions, offered->n_versions);
	add_list(&event.writer, offered->suites, offered->n_suites);
	add_list(&event.writer, offered->groups, offered->n_groups);
	add_list(&event.writer, offered->schemes, offered->n_schemes);
	push(proxy, &event, LOG_EVENT_TLS_FAILURE);
}

// --- connections ---

// "timeout_idle" of "proxy_timeout_idle".
static const char *reason_name(enum counter reason)
{
	return counter_name(reason) + strlen("proxy_");
}

void proxy_log_end(struct proxy *proxy, const struct pair *pair)
{
	const struct pair_facts *facts = pair_facts(proxy, pair);
	const struct upstream_server *server = NULL;
	const struct ip_addr none = {0};
	struct event event;

	if (!pair->terms->log_connections || !has_room(proxy))
		return;
	if (pair->server_idx != UPSTREAM_NONE)
		server = upstream_server_at(&proxy->upstream, pair->server_idx);
	begin(&event);
	add_peer(&event.writer, pair->terms, &pair->addresses);
	add_word(&event.writer, reason_name(pair->end_reason));
	add_word(&event.writer, pair->end_detail != NULL ? pair->end_detail : "");
	add_word(&event.writer, pair_backend(proxy, pair));
	add_address(&event.writer, server != NULL ? &server->addr : &none, server != NULL ? server->port : 0);
	writer_u64(&event.writer, pair->legs[PAIR_CLIENT].n_read);
	writer_u64(&event.writer, pair->legs[PAIR_CLIENT].n_written);
	writer_u64(&event.writer, proxy->now_us - pair->begun_us);
	writer_u8(&event.writer, (uint8_t)pair->choice.n_tried);
	add_string(&event.writer, span_of(facts->name, facts->name_len), UINT8_MAX);
	push(proxy, &event, LOG_EVENT_CONNECTION_END);
}

static struct proxy_log_refusals *refusals_of(struct proxy_log *log, enum counter reason)
{
	for (uint32_t i = 0; i < log->n_refusals; i++)
		if (log->refusals[i].reason == reason)
			return &log->refusals[i];
	SLUICE_ASSERT(log->n_refusals < PROXY_LOG_REFUSALS);
	log->refusals[log->n_refusals] = (struct proxy_log_refusals){.reason = reason};
	return &log->refusals[log->n_refusals++];
}

void proxy_log_refused(struct proxy *proxy, const struct listener_terms *terms,
	const struct proxy_addresses *addresses, enum counter reason)
{
	struct proxy_log_refusals *refusals = refusals_of(&proxy->log, reason);
	struct event event;

	refusals->n++;
	if (proxy->log.ring == NULL ||
		(refusals->told_us != 0 && proxy->now_us - refusals->told_us < SECOND_US))
		return;
	begin(&event);
	add_peer(&event.writer, terms, addresses);
	add_word(&event.writer, reason_name(reason));
	writer_u32(&event.writer, refusals->n);
	push(proxy, &event, LOG_EVENT_CONNECTION_REFUSED);
	refusals->n = 0;
	refusals->told_us = proxy->now_us;
}

// --- servers ---

void proxy_log_server(struct proxy *proxy, uint32_t server_idx, enum upstream_change change, const char *by)
{
	static const char *const words[] = {[UPSTREAM_WENT_UP] = "up",
		[UPSTREAM_WENT_DOWN] = "down",
		[UPSTREAM_EJECTED] = "ejected",
		[UPSTREAM_RETURNED] = "returned"};
	const struct upstream_server *server;
	struct event event;

	if (change == UPSTREAM_NO_CHANGE || proxy->log.ring == NULL)
		return;
	server = upstream_server_at(&proxy->upstream, server_idx);
	begin(&event);
	add_word(&event.writer, server->terms->backend);
	add_address(&event.writer, &server->addr, server->port);
	add_word(&event.writer, words[change]);
	add_word(&event.writer, by);
	push(proxy, &event, LOG_EVENT_SERVER_STATE);
}
