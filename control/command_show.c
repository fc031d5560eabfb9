// SPDX-License-Identifier: Apache-2.0
//
// Commands that look. What only a dataplane can tell and the control link has no message for is refused by
// command_not_in_link; nothing here makes up an answer.
#include "command.h"
#include "control.h"
#include "secret.h"
#include "tally_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// False, and an error answered, when there are no counters to look at.
static bool have_counters(struct command_call *call)
{
	if (call->control->counters.page != NULL)
		return true;
	answer_error(&call->answer, "no counters: the dataplane is %s; see show info",
		link_state_name(call->control->link.state));
	return false;
}

static void show_dataplane(struct answer *answer, const struct control *control)
{
	const struct dataplane_facts *facts = &control->link.facts;
	const bool attached = control->link.state == LINK_RUNNING || control->link.state == LINK_WAITING;

	answer_string(answer, "dataplane", 0,
		control->supervise.disabled ? "disabled" : link_state_name(control->link.state));
	if (attached) {
		answer_string(answer, "dataplane_release", 0, facts->release);
		answer_number(answer, "dataplane_pid", 0, facts->pid);
		answer_number(answer, "workers", 0, facts->n_workers);
	}
	if (control->link.state == LINK_RUNNING) {
		answer_time(answer, "dataplane_started", 0, (int64_t)(facts->started_wall_us / 1000000));
		answer_bool(answer, "dataplane_configuration_differs", 0, control->supervise.running_differs);
	}
	if (control->supervise.last_reason[0] != '\0')
		answer_string(answer, "dataplane_last_trouble", 0, control->supervise.last_reason);
	answer_number(answer, "dataplane_starts", 0, control->supervise.n_starts);
	answer_number(answer, "dataplane_losses", 0, control->supervise.n_losses);
}

enum command_result command_show_info(struct command_call *call)
{
	const struct control *control = call->control;
	struct answer *answer = &call->answer;

	answer_facts(answer);
	answer_string(answer, "name", 0, "sluice");
	answer_string(answer, "control_release", 0, SLUICE_RELEASE);
	answer_number(answer, "control_pid", 0, (uint64_t)getpid());
	answer_time(answer, "control_started", 0, control->started_s);
	show_dataplane(answer, control);
	answer_string(answer, "configuration", 0, control->config_path);
	answer_time(answer, "configuration_loaded", 0, control->loaded_s);
	answer_number(answer, "reloads", 0, control->n_reloads);
	answer_number(answer, "reloads_refused", 0, control->n_reloads_refused);
	answer_number(answer, "listeners", 0, control->config->n_listeners);
	answer_number(answer, "backends", 0, control->config->n_backends);
	answer_number(answer, "certificates", 0, control->certs->n_certs);
	answer_number(answer, "server_names", 0, control->certs->n_names);
	answer_number(answer, "transactions_open", 0, control->transactions.n);
	answer_bool(answer, "snapshot_published", 0, control->publisher.published != 0);
	answer_number(answer, "snapshot_generation", 0, control->publisher.published);
	answer_string(answer, "snapshot_refused", 0, control->publisher.reason);
	answer_string(answer, "tls12_resumption", 0,
		control->config->tls.tls12_resumption ? "on; makes no new key exchange, so its secrecy is "
							"bounded by the life of session and ticket key"
						      : "off");
	answer_row_end(answer);
	return COMMAND_ANSWERED;
}

enum command_result command_show_stat(struct command_call *call)
{
	const char *prefix = call->n_arguments != 0 ? call->arguments[0] : "";

	if (!have_counters(call))
		return COMMAND_ANSWERED;
	answer_table(&call->answer);
	for (int id = 0; id < N_COUNTERS; id++) {
		const char *name = counter_name((enum counter)id);

		if (strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		answer_row(&call->answer);
		answer_string(&call->answer, "counter", 36, name);
		answer_number(&call->answer, "value", 20,
			counter_reader_total(&call->control->counters, (enum counter)id));
		answer_string(&call->answer, "help", 0, counter_help((enum counter)id));
		answer_row_end(&call->answer);
	}
	return COMMAND_ANSWERED;
}

// Whether a counter's name says that something went wrong.
static bool is_trouble(const char *name)
{
	static const char *const words[] = {"drop", "refused", "fail", "bad", "fault", "conflict",
		"no_buffer", "invalid", "error", "timeout", "overflow", "evicted", "alert", "denied", "reset",
		"leak"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strstr(name, words[i]) != NULL)
			return true;
	return false;
}

enum command_result command_show_errors(struct command_call *call)
{
	if (!have_counters(call))
		return COMMAND_ANSWERED;
	answer_table(&call->answer);
	for (int id = 0; id < N_COUNTERS; id++) {
		const char *name = counter_name((enum counter)id);
		const uint64_t value = counter_reader_total(&call->control->counters, (enum counter)id);

		if (value == 0 || !is_trouble(name))
			continue;
		answer_row(&call->answer);
		answer_string(&call->answer, "counter", 36, name);
		answer_number(&call->answer, "value", 20, value);
		answer_string(&call->answer, "help", 0, counter_help((enum counter)id));
		answer_row_end(&call->answer);
	}
	return COMMAND_ANSWERED;
}

enum command_result command_show_cores(struct command_call *call)
{
	static const struct {
		const char *name;
		enum counter id;
		int width;
	} columns[] = {
		{"turns", COUNTER_WORKER_TURNS, 14},
		{"idle_turns", COUNTER_WORKER_IDLE_TURNS, 14},
		{"sleeps", COUNTER_WORKER_SLEEPS, 10},
		{"rx_packets", COUNTER_NET_RX_PACKETS, 14},
		{"tx_packets", COUNTER_NET_TX_PACKETS, 14},
		{"rx_tsc", COUNTER_WORKER_RX_TSC, 16},
		{"tcp_in_tsc", COUNTER_WORKER_TCP_IN_TSC, 16},
		{"lanes_tsc", COUNTER_WORKER_LANES_TSC, 16},
		{"proxy_tsc", COUNTER_WORKER_PROXY_TSC, 16},
		{"tcp_out_tsc", COUNTER_WORKER_TCP_OUT_TSC, 16},
		{"refill_tsc", COUNTER_WORKER_REFILL_TSC, 16},
		{"flush_tsc", COUNTER_WORKER_FLUSH_TSC, 16},
		{"idle_tsc", COUNTER_WORKER_IDLE_TSC, 18},
	};
	const struct control *control = call->control;

	if (!have_counters(call))
		return COMMAND_ANSWERED;
	answer_table(&call->answer);
	for (uint32_t worker = 0; worker < counter_reader_n_workers(&control->counters); worker++) {
		answer_row(&call->answer);
		answer_number(&call->answer, "worker", 6, worker);
		for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
			answer_number(&call->answer, columns[i].name, columns[i].width,
				counter_reader_get(&control->counters, worker, columns[i].id));
		answer_number(&call->answer, "tsc_hz", 12, control->counters.header.tsc_hz);
		answer_row_end(&call->answer);
	}
	return COMMAND_ANSWERED;
}

// Whatever the list has under the name of lanes, a column of each worker.
enum command_result command_show_lanes(struct command_call *call)
{
	const struct control *control = call->control;

	if (!have_counters(call))
		return COMMAND_ANSWERED;
	answer_table(&call->answer);
	for (int id = 0; id < N_COUNTERS; id++) {
		const char *name = counter_name((enum counter)id);

		if (strncmp(name, "crypto_", 7) != 0)
			continue;
		for (uint32_t worker = 0; worker < counter_reader_n_workers(&control->counters); worker++) {
			answer_row(&call->answer);
			answer_number(&call->answer, "worker", 6, worker);
			answer_string(&call->answer, "counter", 36, name);
			answer_number(&call->answer, "value", 20,
				counter_reader_get(&control->counters, worker, (enum counter)id));
			answer_row_end(&call->answer);
		}
	}
	return COMMAND_ANSWERED;
}

enum command_result command_show_memory(struct command_call *call)
{
	const struct control *control = call->control;
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	answer_facts(&call->answer);
	answer_number(&call->answer, "control_resident_max_bytes", 0, (uint64_t)usage.ru_maxrss * 1024);
	answer_number(&call->answer, "control_secret_bytes", 0, secret_used_len());
	answer_number(&call->answer, "control_secret_unlocked_bytes", 0, secret_unlocked_len());
	answer_number(&call->answer, "dataplane_packet_memory_bytes", 0, control->config->dataplane.memory);
	answer_number(&call->answer, "connection_memory_bytes", 0, control->config->limits.connection_memory);
	answer_row_end(&call->answer);
	return COMMAND_ANSWERED;
}

static void show_limit(struct command_call *call, const char *name)
{
	struct config *config = call->control->config;

	answer_row(&call->answer);
	answer_string(&call->answer, "limit", 34, name);
	answer_number(&call->answer, "value", 12, *overrides_limit(&config->limits, name));
	answer_number(&call->answer, "configured", 12, *overrides_limit(&config->configured_limits, name));
	answer_bool(&call->answer, "set_live", 0,
		overrides_find(&call->control->overrides, OVERRIDE_LIMIT, name) != NULL);
	answer_row_end(&call->answer);
}

enum command_result command_show_limits(struct command_call *call)
{
	static const char *const names[] = {"connections", "handshakes-per-second", "connection-memory",
		"per-source-connections", "per-source-handshakes-per-second"};

	answer_table(&call->answer);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		show_limit(call, names[i]);
	return COMMAND_ANSWERED;
}

// As most of the workers see the server; each learns of it by its own connections and checks.
static const char *server_state(const struct tally_reader *tallies, uint32_t row)
{
	static const char *const names[] = {"down", "up", "ejected", "draining"};
	uint32_t counts[sizeof names / sizeof names[0]] = {0};
	size_t most = 0;

	for (uint32_t i = 0; i < tallies->n_workers; i++) {
		const uint64_t state = tally_reader_server(tallies, i, row, TALLY_SERVER_STATE);

		counts[state < sizeof names / sizeof names[0] ? state : 0]++;
	}
	for (size_t i = 1; i < sizeof names / sizeof names[0]; i++)
		if (counts[i] > counts[most])
			most = i;
	return names[most];
}

static void show_server_tallies(struct answer *answer, const struct tally_reader *tallies, uint32_t row)
{
	const uint64_t n = tally_reader_server_total(tallies, row, TALLY_SERVER_CONNECTIONS);

	answer_number(answer, "open", 9, n - tally_reader_server_total(tallies, row, TALLY_SERVER_CLOSED));
	answer_number(answer, "connections", 12, n);
	for (int id = TALLY_SERVER_CONNECTS_FAILED; id <= TALLY_SERVER_BYTES_FROM; id++)
		answer_number(answer, tally_server_name((enum tally_server)id), 15,
			tally_reader_server_total(tallies, row, (enum tally_server)id));
}

static void show_server(struct command_call *call, const struct tally_reader *tallies,
	const struct config_backend *backend, const struct config_server *server)
{
	char address[ADDRESS_TEXT_MAX];
	uint32_t row = 0;
	const bool counted = tally_reader_find_server(
		tallies, backend->name, server->name, &server->address, &row);

	endpoint_format(&server->address, address);
	answer_row(&call->answer);
	answer_string(&call->answer, "backend", 20, backend->name);
	answer_string(&call->answer, "server", 24, server->name);
	answer_string(&call->answer, "address", 24, address);
	answer_string(&call->answer, "use", 8, config_use_name(server->use));
	answer_string(&call->answer, "state", 8, counted ? server_state(tallies, row) : "");
	answer_number(&call->answer, "weight", 6, server->weight);
	answer_number(&call->answer, "configured", 10, server->configured_weight);
	answer_bool(&call->answer, "backup", 6, server->backup);
	if (counted)
		show_server_tallies(&call->answer, tallies, row);
	answer_row_end(&call->answer);
}

enum command_result command_show_backend(struct command_call *call)
{
	const struct config *config = call->control->config;
	const struct tally_reader tallies = tally_reader_over(&call->control->counters);
	const char *wanted = call->n_arguments != 0 ? call->arguments[0] : NULL;

	if (wanted != NULL && config_find_backend(config, wanted) == CONFIG_NO_BACKEND) {
		answer_error(&call->answer, "no backend has the name '%s'; see show backend", wanted);
		return COMMAND_ANSWERED;
	}
	answer_table(&call->answer);
	for (size_t i = 0; i < config->n_backends; i++)
		for (size_t j = 0; j < config->backends[i].n_servers; j++)
			if (wanted == NULL || strcmp(config->backends[i].name, wanted) == 0)
				show_server(call, &tallies, &config->backends[i],
					&config->backends[i].servers[j]);
	return COMMAND_ANSWERED;
}

static const char *word_of(const char *const *words, int idx)
{
	return idx >= 0 ? words[idx] : "";
}

// Counted by listener: of several addresses, the first one's row has the numbers.
static void show_listener_tallies(struct command_call *call, const struct config_listener *listener)
{
	const struct tally_reader tallies = tally_reader_over(&call->control->counters);
	uint64_t n;
	uint32_t row;

	if (!tally_reader_find_listener(&tallies, listener->name, &row))
		return;
	n = tally_reader_listener_total(&tallies, row, TALLY_LISTENER_CONNECTIONS);
	answer_number(&call->answer, "open", 9,
		n - tally_reader_listener_total(&tallies, row, TALLY_LISTENER_CLOSED));
	answer_number(&call->answer, "connections", 12, n);
	for (int id = TALLY_LISTENER_REFUSED; id < N_TALLIES_LISTENER; id++)
		answer_number(&call->answer, tally_listener_name((enum tally_listener)id), 18,
			tally_reader_listener_total(&tallies, row, (enum tally_listener)id));
}

static void show_listener(
	struct command_call *call, const struct config_listener *listener, size_t address_idx)
{
	static const char *const protocols[] = {
		"tls", "tcp", "http-redirect", "smtp", "imap", "pop3", "managesieve"};
	static const char *const modes[] = {"starttls", "implicit", "both"};
	static const char *const securities[] = {"may", "encrypt"};
	char address[ADDRESS_TEXT_MAX];

	endpoint_format(&listener->addresses[address_idx], address);
	answer_row(&call->answer);
	answer_string(&call->answer, "listener", 20, listener->name);
	answer_string(&call->answer, "address", 28, address);
	answer_string(&call->answer, "protocol", 13, protocols[listener->protocol]);
	answer_string(&call->answer, "tls", 8, word_of(modes, listener->tls));
	answer_string(&call->answer, "security", 8, word_of(securities, listener->security));
	answer_string(&call->answer, "backend", 20, listener->backend != NULL ? listener->backend : "");
	answer_number(&call->answer, "routes", 6, listener->n_routes);
	answer_string(&call->answer, "use", 8, config_use_name(listener->use));
	if (address_idx == 0)
		show_listener_tallies(call, listener);
	answer_row_end(&call->answer);
}

enum command_result command_show_listener(struct command_call *call)
{
	const struct config *config = call->control->config;
	const char *wanted = call->n_arguments != 0 ? call->arguments[0] : NULL;
	bool found = wanted == NULL;

	for (size_t i = 0; i < config->n_listeners; i++)
		found = found || strcmp(config->listeners[i].name, wanted) == 0;
	if (!found) {
		answer_error(&call->answer, "no listener has the name '%s'; see show listener", wanted);
		return COMMAND_ANSWERED;
	}
	answer_table(&call->answer);
	for (size_t i = 0; i < config->n_listeners; i++)
		for (size_t j = 0; j < config->listeners[i].n_addresses; j++)
			if (wanted == NULL || strcmp(config->listeners[i].name, wanted) == 0)
				show_listener(call, &config->listeners[i], j);
	return COMMAND_ANSWERED;
}

static void show_route(
	struct command_call *call, const char *port, const struct prefix *to, const struct address *via)
{
	char text[ADDRESS_TEXT_MAX];

	answer_row(&call->answer);
	prefix_format(to, text);
	answer_string(&call->answer, "to", 44, text);
	if (via != NULL)
		address_format(via, text);
	answer_string(&call->answer, "via", 40, via != NULL ? text : "");
	answer_string(&call->answer, "port", 0, port);
	answer_row_end(&call->answer);
}

enum command_result command_show_route(struct command_call *call)
{
	const struct config_dataplane *dataplane = &call->control->config->dataplane;

	answer_table(&call->answer);
	for (size_t i = 0; i < dataplane->n_ports; i++) {
		const struct config_port *port = &dataplane->ports[i];

		for (size_t j = 0; j < port->n_addresses; j++) {
			const struct prefix network = {.address = prefix_network(&port->addresses[j]),
				.len = port->addresses[j].len};

			show_route(call, port->name, &network, NULL);
		}
		for (size_t j = 0; j < port->n_routes; j++)
			show_route(call, port->name, &port->routes[j].to, &port->routes[j].via);
		for (size_t j = 0; j < port->n_gateways; j++) {
			const struct prefix of_gateway = {.address = port->gateways[j]};
			const struct prefix everything = {.address = prefix_network(&of_gateway)};

			show_route(call, port->name, &everything, &port->gateways[j]);
		}
	}
	return COMMAND_ANSWERED;
}

enum command_result command_show_log(struct command_call *call)
{
	static const char *const targets[] = {"stderr", "syslog", "journald"};
	const struct log *log = &call->control->log;

	answer_table(&call->answer);
	answer_row(&call->answer);
	answer_string(&call->answer, "reason", 24, "");
	answer_string(&call->answer, "target", 9, targets[log->target]);
	answer_string(&call->answer, "level", 8, log_level_name(log->level));
	answer_number(&call->answer, "lines", 12, log->n_lines);
	answer_number(&call->answer, "suppressed", 12, log->n_suppressed);
	answer_row_end(&call->answer);
	for (size_t i = 0; i < LOG_REASONS_MAX && log->reasons[i].name[0] != '\0'; i++) {
		answer_row(&call->answer);
		answer_string(&call->answer, "reason", 24, log->reasons[i].name);
		answer_string(&call->answer, "target", 9, targets[log->target]);
		answer_string(&call->answer, "level", 8, log_level_name(log->level));
		answer_number(&call->answer, "lines", 12, log->reasons[i].n_written);
		answer_number(&call->answer, "suppressed", 12, log->reasons[i].n_suppressed);
		answer_row_end(&call->answer);
	}
	return COMMAND_ANSWERED;
}

enum command_result command_show_events(struct command_call *call)
{
	const bool follow = call->n_arguments == 1 && strcmp(call->arguments[0], "follow") == 0;
	const char *line;

	if (call->n_arguments == 1 && !follow) {
		answer_usage(&call->answer, "show events [follow]");
		return COMMAND_ANSWERED;
	}
	answer_table(&call->answer);
	for (size_t i = 0; !follow && (line = events_at(&call->control->events, i)) != NULL; i++)
		answer_line(&call->answer, line);
	return follow ? COMMAND_FOLLOWS : COMMAND_ANSWERED;
}
