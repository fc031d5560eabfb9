// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"

#include "control.h"
#include "tally_reader.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <math.h>
#include <string.h>
#include <time.h>

#define CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

enum {
	HEADERS_LEN_MAX = 8 << 10,
	BODY_LEN_MAX = 0,
	TIMEOUT_S = 10
};

// A family's head. Help has no characters that need escaping but these (OpenMetrics 1.0, "escaping").
static void head(struct text *out, const char *name, const char *type, const char *help)
{
	text_printf(out, "# TYPE %s %s\n# HELP %s ", name, type, name);
	for (; *help != '\0'; help++) {
		if (*help == '\\' || *help == '"')
			text_char(out, '\\');
		text_char(out, *help);
	}
	text_char(out, '\n');
}

static void label_value(struct text *out, const char *value)
{
	text_char(out, '"');
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			text_char(out, '\\');
		text_char(out, *value == '\n' ? ' ' : *value);
	}
	text_char(out, '"');
}

static void gauge(struct text *out, const char *name, const char *help, int64_t value)
{
	head(out, name, "gauge", help);
	text_printf(out, "%s %lld\n", name, (long long)value);
}

static void counter(struct text *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "counter", help);
	text_printf(out, "%s_total %llu\n", name, (unsigned long long)value);
}

// Every counter of the page, a sample for each worker, labelled with its CPU.
static void write_counters(const struct control *control, struct text *out)
{
	const struct counter_reader *counters = &control->counters;

	for (int id = 0; id < N_COUNTERS; id++) {
		const char *name = counter_name((enum counter)id);
		const bool is_gauge = counter_is_gauge((enum counter)id);
		struct text family = {0};

		if (counter_is_bucket((enum counter)id))
			continue;
		text_printf(&family, "sluice_%s", name);
		head(out, text_string(&family), is_gauge ? "gauge" : "counter",
			counter_help((enum counter)id));
		for (uint32_t worker = 0; worker < counter_reader_n_workers(counters); worker++)
			text_printf(out, "sluice_%s%s{core=\"%u\"} %llu\n", name, is_gauge ? "" : "_total",
				worker,
				(unsigned long long)counter_reader_get(counters, worker, (enum counter)id));
		text_free(&family);
	}
}

// Buckets are cumulative in OpenMetrics. The count is what the buckets hold, so that the three agree although
// the workers count on.
static void write_histogram(const struct counter_reader *counters, const struct histogram *histogram,
	uint32_t worker, struct text *out)
{
	const uint64_t tsc_hz = counters->header.tsc_hz;
	const double sum = (double)counter_reader_get(counters, worker, histogram->sum) *
			   histogram_scale(histogram, tsc_hz);
	uint64_t n = 0;

	for (unsigned i = 0; i < histogram->n_buckets; i++) {
		const double bound = histogram_bound(histogram, i, tsc_hz);

		n += counter_reader_get(counters, worker, (enum counter)(histogram->first + i));
		if (isfinite(bound))
			text_printf(out, "sluice_%s_bucket{core=\"%u\",le=\"%.9g\"} %llu\n",
				histogram->metric, worker, bound, (unsigned long long)n);
	}
	text_printf(out, "sluice_%s_bucket{core=\"%u\",le=\"+Inf\"} %llu\n", histogram->metric, worker,
		(unsigned long long)n);
	text_printf(out, "sluice_%s_sum{core=\"%u\"} %.9g\n", histogram->metric, worker, n != 0 ? sum : 0);
	text_printf(
		out, "sluice_%s_count{core=\"%u\"} %llu\n", histogram->metric, worker, (unsigned long long)n);
}

static void write_histograms(const struct control *control, struct text *out)
{
	for (const struct histogram *h = NULL; (h = histogram_next(h)) != NULL;) {
		struct text family = {0};

		text_printf(&family, "sluice_%s", h->metric);
		head(out, text_string(&family), "histogram", h->help);
		for (uint32_t worker = 0; worker < counter_reader_n_workers(&control->counters); worker++)
			write_histogram(&control->counters, h, worker, out);
		text_free(&family);
	}
}

// One series for each name would be too many with 50,000 certificates; each certificate has one.
static void write_certificates(const struct control *control, struct text *out)
{
	const char *not_after = "sluice_certificate_not_after_seconds";
	const char *staple = "sluice_certificate_staple_next_update_seconds";

	head(out, not_after, "gauge", "When the certificate ends, in seconds since 1970.");
	for (size_t i = 0; i < control->certs->n_certs; i++) {
		text_printf(out, "%s{certificate=", not_after);
		label_value(out, control->certs->certs[i]->name);
		text_printf(out, "} %lld\n", (long long)cert_leaf(control->certs->certs[i])->not_after);
	}
	head(out, staple, "gauge", "When the OCSP response that is stapled ends, in seconds since 1970.");
	for (size_t i = 0; i < control->certs->n_certs; i++) {
		if (control->certs->certs[i]->staple_next_update == 0)
			continue;
		text_printf(out, "%s{certificate=", staple);
		label_value(out, control->certs->certs[i]->name);
		text_printf(out, "} %lld\n", (long long)control->certs->certs[i]->staple_next_update);
	}
}

static void write_ticket_keys(const struct control *control, struct text *out)
{
	const char *name = "sluice_ticket_key_age_seconds";
	const int64_t now_s = (int64_t)time(NULL);

	head(out, name, "gauge", "Age of each ticket key.");
	for (int role = 0; role < N_TICKET_KEYS; role++)
		if (control->ticket_keys.keys[role].valid)
			text_printf(out, "%s{role=\"%s\"} %lld\n", name,
				ticket_key_role_name((enum ticket_key_role)role),
				(long long)(now_s - control->ticket_keys.keys[role].made_s));
}

static void write_control(const struct control *control, struct text *out)
{
	const struct server *server = &control->server;

	gauge(out, "sluice_dataplane_up", "Whether a running dataplane is attached.",
		control->link.state == LINK_RUNNING);
	gauge(out, "sluice_dataplane_start_time_seconds",
		"When the dataplane started, in seconds since 1970.",
		(int64_t)(control->link.facts.started_wall_us / 1000000));
	gauge(out, "sluice_control_start_time_seconds",
		"When the control process started, in seconds since 1970.", control->started_s);
	gauge(out, "sluice_config_loaded_time_seconds",
		"When the configuration was taken over, in seconds since 1970.", control->loaded_s);
	gauge(out, "sluice_certificates", "Certificates in use.", (int64_t)control->certs->n_certs);
	gauge(out, "sluice_control_clients", "Connections to the operators' socket.",
		(int64_t)server->n_clients);
	counter(out, "sluice_dataplane_starts", "Dataplanes started by the control process.",
		control->supervise.n_starts);
	counter(out, "sluice_dataplane_losses", "Times that the dataplane was lost.",
		control->supervise.n_losses);
	counter(out, "sluice_config_reloads", "Reloads taken over.", control->n_reloads);
	counter(out, "sluice_config_reload_failures", "Reloads refused.", control->n_reloads_refused);
	counter(out, "sluice_certificate_commits", "Certificates changed over the socket.",
		control->n_commits);
	counter(out, "sluice_ticket_key_rotations", "Rotations of the ticket keys.",
		control->ticket_keys.n_rotations);
	counter(out, "sluice_ocsp_fetches", "OCSP responses fetched and found good.",
		control->fetch.n_fetched);
	counter(out, "sluice_ocsp_fetch_failures", "OCSP responses that did not come or were not good.",
		control->fetch.n_failed);
	counter(out, "sluice_control_commands", "Commands of operators.", server->n_commands);
	counter(out, "sluice_control_denied", "Commands refused for their level.", server->n_denied);
	counter(out, "sluice_control_slow_clients", "Operators' connections closed because nobody read.",
		server->n_slow);
	counter(out, "sluice_log_suppressed_lines", "Log lines over the rate of their reason.",
		control->log.n_suppressed);
	counter(out, "sluice_dataplane_events", "Events that the dataplane sent.", control->link.n_events);
}

static bool is_gauge_help(const char *help)
{
	const size_t len = strlen(help);

	return len > 5 && strcmp(help + len - 5, " now.") == 0;
}

static void write_listeners(const struct control *control, struct text *out)
{
	const struct tally_reader tallies = tally_reader_over(&control->counters);
	const struct config *config = control->config;
	uint32_t row;

	for (int id = 0; id < N_TALLIES_LISTENER && tallies.page != NULL; id++) {
		const char *name = tally_listener_name((enum tally_listener)id);
		struct text family = {0};

		text_printf(&family, "sluice_listener_%s", name);
		head(out, text_string(&family), "counter", tally_listener_help((enum tally_listener)id));
		for (size_t i = 0; i < config->n_listeners; i++) {
			if (!tally_reader_find_listener(&tallies, config->listeners[i].name, &row))
				continue;
			for (uint32_t core = 0; core < tallies.n_workers; core++) {
				text_printf(
					out, "%s_total{core=\"%u\",listener=", text_string(&family), core);
				label_value(out, config->listeners[i].name);
				text_printf(out, "} %llu\n",
					(unsigned long long)tally_reader_listener(
						&tallies, core, row, (enum tally_listener)id));
			}
		}
		text_free(&family);
	}
}

static void write_server(const struct tally_reader *tallies, const struct config_backend *backend,
	const struct config_server *server, enum tally_server id, struct text *out)
{
	const char *suffix = is_gauge_help(tally_server_help(id)) ? "" : "_total";
	uint32_t row;

	if (!tally_reader_find_server(tallies, backend->name, server->name, &server->address, &row))
		return;
	for (uint32_t core = 0; core < tallies->n_workers; core++) {
		text_printf(
			out, "sluice_server_%s%s{core=\"%u\",backend=", tally_server_name(id), suffix, core);
		label_value(out, backend->name);
		text_string_append(out, ",server=");
		label_value(out, server->name);
		text_printf(out, "} %llu\n", (unsigned long long)tally_reader_server(tallies, core, row, id));
	}
}

static void write_servers(const struct control *control, struct text *out)
{
	const struct tally_reader tallies = tally_reader_over(&control->counters);
	const struct config *config = control->config;

	for (int id = 0; id < N_TALLIES_SERVER && tallies.page != NULL; id++) {
		const char *help = tally_server_help((enum tally_server)id);
		struct text family = {0};

		text_printf(&family, "sluice_server_%s", tally_server_name((enum tally_server)id));
		head(out, text_string(&family), is_gauge_help(help) ? "gauge" : "counter", help);
		for (size_t i = 0; i < config->n_backends; i++)
			for (size_t j = 0; j < config->backends[i].n_servers; j++)
				write_server(&tallies, &config->backends[i], &config->backends[i].servers[j],
					(enum tally_server)id, out);
		text_free(&family);
	}
}

void metrics_write(const struct control *control, struct text *out)
{
	const char *release = control->link.state == LINK_RUNNING ? control->link.facts.release : "";

	head(out, "sluice_build", "info", "Releases of control process and dataplane.");
	text_printf(out, "sluice_build_info{control=\"%s\",dataplane=", SLUICE_RELEASE);
	label_value(out, release);
	text_string_append(out, "} 1\n");
	write_control(control, out);
	write_certificates(control, out);
	write_ticket_keys(control, out);
	write_counters(control, out);
	write_histograms(control, out);
	write_listeners(control, out);
	write_servers(control, out);
	text_string_append(out, "# EOF\n");
}

static void on_metrics(struct evhttp_request *request, void *context)
{
	struct metrics *metrics = context;
	struct evbuffer *body = evbuffer_new();
	struct text text = {0};

	metrics->n_scrapes++;
	metrics_write(metrics->control, &text);
	(void)evbuffer_add(body, text_string(&text), text.len);
	(void)evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", CONTENT_TYPE);
	evhttp_send_reply(request, HTTP_OK, "OK", body);
	evbuffer_free(body);
	text_free(&text);
}

static void on_other(struct evhttp_request *request, void *context)
{
	(void)context;
	evhttp_send_error(request, HTTP_NOTFOUND, "metrics are under /metrics");
}

bool metrics_open(struct metrics *metrics, struct control *control, struct text *reason)
{
	const struct config_control *config = &control->config->control;
	bool well = true;

	metrics_close(metrics);
	metrics->control = control;
	if (config->n_metrics == 0)
		return true;
	metrics->http = evhttp_new(control->base);
	evhttp_set_allowed_methods(metrics->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(metrics->http, HEADERS_LEN_MAX);
	evhttp_set_max_body_size(metrics->http, BODY_LEN_MAX);
	evhttp_set_timeout(metrics->http, TIMEOUT_S);
	(void)evhttp_set_cb(metrics->http, "/metrics", on_metrics, metrics);
	evhttp_set_gencb(metrics->http, on_other, NULL);
	for (size_t i = 0; i < config->n_metrics; i++) {
		char address[ADDRESS_TEXT_MAX];

		address_format(&config->metrics[i].address, address);
		if (evhttp_bind_socket(metrics->http, address, config->metrics[i].port) != 0) {
			text_printf(reason, "metrics can't be served at %s, port %u: %s", address,
				config->metrics[i].port, strerror(errno));
			well = false;
		}
	}
	return well;
}

void metrics_close(struct metrics *metrics)
{
	if (metrics->http != NULL)
		evhttp_free(metrics->http);
	metrics->http = NULL;
}
