// SPDX-License-Identifier: Apache-2.0
#include "load/options.h"

#include "crypto/group.h"
#include "crypto/scheme.h"
#include "net/config.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum {
	BUFFER_MIN = 32768 // a record has to fit
};

// A word of the command line and the number that it stands for.
struct word {
	const char *text;
	uint32_t number;
};

static const struct word modes[] = {{"handshake", LOAD_HANDSHAKE}, {"rps", LOAD_RPS}, {"bulk", LOAD_BULK},
	{"idle", LOAD_IDLE}, {"flood", LOAD_FLOOD}, {"mix", LOAD_MIX}, {"serve", LOAD_SERVE}, {NULL, 0}};
static const struct word directions[] = {
	{"down", LOAD_DOWN}, {"up", LOAD_UP}, {"both", LOAD_BOTH}, {NULL, 0}};
static const struct word floods[] = {{"syn", LOAD_FLOOD_SYN}, {"half-open", LOAD_FLOOD_HALF_OPEN},
	{"client-hello", LOAD_FLOOD_HELLO}, {"garbage", LOAD_FLOOD_GARBAGE}, {NULL, 0}};
static const struct word mails[] = {{"smtp", LOAD_MAIL_SMTP}, {"imap", LOAD_MAIL_IMAP},
	{"pop3", LOAD_MAIL_POP3}, {"message", LOAD_MAIL_MESSAGE}, {NULL, 0}};
static const struct word versions[] = {{"1.2", 0x0303}, {"1.3", 0x0304}, {NULL, 0}};
static const struct word groups[] = {
	{"x25519", GROUP_X25519}, {"p256", GROUP_SECP256R1}, {"p384", GROUP_SECP384R1}, {NULL, 0}};
static const struct word signatures[] = {{"ecdsa-p256", 0x0403}, {"ecdsa-p384", 0x0503}, {"ed25519", 0x0807},
	{"rsa-pss", 0x0804}, {"rsa-pkcs1", 0x0401}, {NULL, 0}};
static const struct word suites[] = {{"aes128-gcm", 0x1301}, {"aes256-gcm", 0x1302}, {"chacha20", 0x1303},
	{"ecdsa-aes128-gcm", 0xc02b}, {"ecdsa-aes256-gcm", 0xc02c}, {"rsa-aes128-gcm", 0xc02f},
	{"rsa-aes256-gcm", 0xc030}, {"ecdsa-chacha20", 0xcca9}, {"rsa-chacha20", 0xcca8}, {NULL, 0}};

static const char help[] =
	"usage: sluice-load MODE --device DEVICE --address ADDRESS/PREFIX[*COUNT] --target "
	"ADDRESS:PORT[*COUNT] "
	"[OPTION...]\n"
	"\n"
	"Modes\n"
	"  handshake    TCP, TLS, one request, close\n"
	"  rps          requests on connections that stay\n"
	"  bulk         large bodies\n"
	"  idle         opens connections and holds them\n"
	"  flood        what attackers do (--flood)\n"
	"  mix          full and resumed handshakes, keep-alive and downloads, side by side\n"
	"  serve        only the backend's side (--serve)\n"
	"\n"
	"Network\n"
	"  --device DEVICE        DPDK's name, e.g. net_memif0,role=client,... or 0000:01:00.0; twice for a "
	"second "
	"port\n"
	"  --address A/P[*N]      client addresses, on the device named last; repeatable\n"
	"  --serve A/P:PORT[*N]   also be the backend there, on N ports: HTTP (GET /BYTES sends, PUT "
	"swallows and "
	"checks) or mail\n"
	"  --gateway A            on the device named last\n"
	"  --target A:PORT[*N]    where connections go, N addresses in turn\n"
	"  --mtu N, --core N, --mbufs N, --huge-pages, --without BITS (port capabilities)\n"
	"  --buffer BYTES         in flight at most, of each connection each way (TCP's own limits)\n"
	"\n"
	"TLS\n"
	"  --tls 1.2|1.3|none  --group x25519|p256|p384  --suite aes128-gcm|...  --signature ecdsa-p256|...\n"
	"  --resume               with tickets that earlier handshakes brought\n"
	"  --starttls smtp|imap|pop3|message   message: SMTP with a message of 1 KB, so that conversations "
	"are messages\n"
	"  --name NAME            server name (load.test)\n"
	"  --ca FILE              certificates must lead there and carry the name; else they are not judged\n"
	"  --verify N             check one signature in N (1: all; 0: none); default 1\n"
	"  --shares N             key shares made beforehand and used over and over (4096); 0: always fresh\n"
	"\n"
	"Load\n"
	"  --connections N        in flight, or at most so many in an open loop (64)\n"
	"  --rate R               begin R conversations a second whatever happens (open loop); rps: R "
	"requests\n"
	"  --body BYTES           of each answer or upload (1024; bulk: no end)\n"
	"  --requests N           per connection (handshake 1; rps: no end)\n"
	"  --direction down|up|both, --trickle S\n"
	"  --flood syn|half-open|client-hello|garbage   with --rate the longest hanging connection makes "
	"place "
	"for a new one\n"
	"  --warm-up S, --duration S, --windows N\n"
	"  --counters FILE        the proxy's page of counters (/proc/PID/fd/N): its cycles per handshake "
	"and byte\n"
	"  --json, --progress\n"
	"\n"
	"  --timeout S            whoever makes no progress for so long has failed (10); at the end so long "
	"is "
	"waited for\n"
	"                         what is under way, so that nothing is lost unseen\n"
	"\n"
	"Exit status: 0 all went well, 1 there were errors, 2 it could not run.\n";

__attribute__((format(printf, 1, 2))) static _Noreturn void refuse(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)fprintf(stderr, "sluice-load: ");
	(void)vfprintf(stderr, format, arguments);
	(void)fprintf(stderr, "; see --help\n");
	va_end(arguments);
	exit(2);
}

static uint32_t word_of(const struct word *words, const char *option, const char *text)
{
	for (; words->text != NULL; words++)
		if (strcasecmp(words->text, text) == 0)
			return words->number;
	refuse("%s does not know '%s'", option, text);
}

static double number_of(const char *option, const char *text, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != 0 || !(value >= 0) || value > max)
		refuse("%s: '%s' is no number between 0 and %.0f", option, text, max);
	return value;
}

static uint64_t whole_number_of(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != 0 || !(value >= (double)min) || value > (double)max ||
		(double)(uint64_t)value < value)
		refuse("%s: '%s' is no whole number between %llu and %llu", option, text,
			(unsigned long long)min, (unsigned long long)max);
	return (uint64_t)value;
}

static struct ip_addr address_of(const char *option, const char *text)
{
	struct in_addr v4;
	struct ip_addr addr;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return ip_addr_from_v4(v4.s_addr);
	if (inet_pton(AF_INET6, text, addr.bytes) != 1)
		refuse("%s: '%s' is no address", option, text);
	return addr;
}

// Takes the port off the end.
static uint16_t port_of(const char *option, const char *text, char *copy)
{
	char *colon = strrchr(copy, ':');

	if (colon == NULL)
		refuse("%s: '%s' has no port", option, text);
	*colon = 0;
	return (uint16_t)whole_number_of(option, colon + 1, 1, 65535);
}

// Takes the brackets out. Whether there were any.
static bool without_brackets(char *copy)
{
	char *end = strchr(copy, ']');

	if (copy[0] != '[' || end == NULL)
		return false;
	memmove(end, end + 1, strlen(end));
	memmove(copy, copy + 1, strlen(copy));
	return true;
}

// "A/P", "A:PORT", "A/P:PORT", all with "*N"; IPv6 in brackets where a port follows.
static struct load_range range_of(const char *option, const char *text, bool with_prefix, bool with_port)
{
	char copy[128];
	struct load_range range = {.n = 1};
	char *star, *slash;
	bool bracketed;

	if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
		refuse("%s: '%s' is too long", option, text);
	star = strchr(copy, '*');
	if (star != NULL) {
		*star = 0;
		range.n = (uint32_t)whole_number_of(option, star + 1, 1, NET_ADDRESSES_MAX);
	}
	if (with_port)
		range.port = port_of(option, text, copy);
	bracketed = without_brackets(copy);
	slash = strchr(copy, '/');
	if (with_prefix != (slash != NULL))
		refuse("%s: '%s' should look like %s", option, text,
			!with_prefix ? "10.0.0.1:443"
				     : (with_port ? "10.0.0.2/16:8080" : "10.0.0.2/16, perhaps *50"));
	if (slash != NULL)
		*slash = 0;
	range.first = address_of(option, copy);
	// Without them the last part of the address and a port look alike.
	if (with_port && !with_prefix && !bracketed && !ip_addr_is_v4(&range.first))
		refuse("%s: '%s': an IPv6 address stands in brackets before its port", option, text);
	if (slash != NULL && ip_addr_is_v4(&range.first))
		range.prefix_len = (uint8_t)(whole_number_of(option, slash + 1, 1, 32) +
					     IP_ADDR_V4_PREFIX_LEN);
	else if (slash != NULL)
		range.prefix_len = (uint8_t)whole_number_of(option, slash + 1, 1, 128);
	return range;
}

static void add_range(
	struct load_range *ranges, uint32_t *n, struct load_range range, const struct load_options *options)
{
	if (*n == LOAD_ADDRESSES_MAX)
		refuse("more than %d ranges of addresses", LOAD_ADDRESSES_MAX);
	if (options->n_devices == 0)
		refuse("an address belongs to the --device before it, and there is none");
	range.device = (uint8_t)(options->n_devices - 1);
	ranges[(*n)++] = range;
}

enum option_id {
	OPTION_DEVICE = 256,
	OPTION_ADDRESS,
	OPTION_SERVE,
	OPTION_GATEWAY,
	OPTION_TARGET,
	OPTION_MTU,
	OPTION_CORE,
	OPTION_MBUFS,
	OPTION_HUGE_PAGES,
	OPTION_BUFFER,
	OPTION_WITHOUT,
	OPTION_TLS,
	OPTION_GROUP,
	OPTION_SUITE,
	OPTION_SIGNATURE,
	OPTION_RESUME,
	OPTION_STARTTLS,
	OPTION_NAME,
	OPTION_CA,
	OPTION_VERIFY,
	OPTION_SHARES,
	OPTION_CONNECTIONS,
	OPTION_RATE,
	OPTION_BODY,
	OPTION_REQUESTS,
	OPTION_DIRECTION,
	OPTION_FLOOD,
	OPTION_TRICKLE,
	OPTION_WARM_UP,
	OPTION_DURATION,
	OPTION_WINDOWS,
	OPTION_TIMEOUT,
	OPTION_COUNTERS,
	OPTION_JSON,
	OPTION_PROGRESS,
	OPTION_HELP,
	N_OPTIONS
};

static const struct option long_options[] = {{"device", 1, NULL, OPTION_DEVICE},
	{"address", 1, NULL, OPTION_ADDRESS}, {"serve", 1, NULL, OPTION_SERVE},
	{"gateway", 1, NULL, OPTION_GATEWAY}, {"target", 1, NULL, OPTION_TARGET},
	{"mtu", 1, NULL, OPTION_MTU}, {"core", 1, NULL, OPTION_CORE}, {"mbufs", 1, NULL, OPTION_MBUFS},
	{"buffer", 1, NULL, OPTION_BUFFER}, {"huge-pages", 0, NULL, OPTION_HUGE_PAGES},
	{"without", 1, NULL, OPTION_WITHOUT}, {"tls", 1, NULL, OPTION_TLS}, {"group", 1, NULL, OPTION_GROUP},
	{"suite", 1, NULL, OPTION_SUITE}, {"signature", 1, NULL, OPTION_SIGNATURE},
	{"resume", 0, NULL, OPTION_RESUME}, {"starttls", 1, NULL, OPTION_STARTTLS},
	{"name", 1, NULL, OPTION_NAME}, {"ca", 1, NULL, OPTION_CA}, {"verify", 1, NULL, OPTION_VERIFY},
	{"shares", 1, NULL, OPTION_SHARES}, {"connections", 1, NULL, OPTION_CONNECTIONS},
	{"rate", 1, NULL, OPTION_RATE}, {"body", 1, NULL, OPTION_BODY},
	{"requests", 1, NULL, OPTION_REQUESTS}, {"direction", 1, NULL, OPTION_DIRECTION},
	{"flood", 1, NULL, OPTION_FLOOD}, {"trickle", 1, NULL, OPTION_TRICKLE},
	{"warm-up", 1, NULL, OPTION_WARM_UP}, {"duration", 1, NULL, OPTION_DURATION},
	{"windows", 1, NULL, OPTION_WINDOWS}, {"timeout", 1, NULL, OPTION_TIMEOUT},
	{"counters", 1, NULL, OPTION_COUNTERS}, {"json", 0, NULL, OPTION_JSON},
	{"progress", 0, NULL, OPTION_PROGRESS}, {"help", 0, NULL, OPTION_HELP}, {NULL, 0, NULL, 0}};

static bool take_network(struct load_options *options, int id, const char *text)
{
	switch (id) {
	case OPTION_DEVICE:
		if (options->n_devices == LOAD_DEVICES_MAX)
			refuse("more than %d devices", LOAD_DEVICES_MAX);
		options->devices[options->n_devices++] = text;
		return true;
	case OPTION_ADDRESS:
		add_range(options->clients, &options->n_clients, range_of("--address", text, true, false),
			options);
		return true;
	case OPTION_SERVE:
		add_range(
			options->served, &options->n_served, range_of("--serve", text, true, true), options);
		return true;
	case OPTION_GATEWAY:
		if (options->n_gateways == 2 || options->n_devices == 0)
			refuse("--gateway: at most two, after their --device");
		options->gateway_devices[options->n_gateways] = (uint8_t)(options->n_devices - 1);
		options->gateways[options->n_gateways++] = address_of("--gateway", text);
		return true;
	case OPTION_TARGET:
		options->target = range_of("--target", text, false, true);
		return true;
	case OPTION_MTU:
		options->mtu = (uint16_t)whole_number_of("--mtu", text, NET_MTU_MIN, 9000);
		return true;
	case OPTION_CORE:
		options->core = (uint32_t)whole_number_of("--core", text, 0, 1023);
		return true;
	case OPTION_MBUFS:
		options->n_mbufs = (uint32_t)whole_number_of("--mbufs", text, 1024, 1 << 24);
		return true;
	case OPTION_BUFFER:
		options->buffer_len = (uint32_t)whole_number_of("--buffer", text, BUFFER_MIN, 1 << 26);
		return true;
	case OPTION_HUGE_PAGES:
		options->huge_pages = true;
		return true;
	case OPTION_WITHOUT:
		options->without = (uint32_t)whole_number_of("--without", text, 0, 255);
		return true;
	default:
		return false;
	}
}

static bool take_tls(struct load_options *options, int id, const char *text)
{
	switch (id) {
	case OPTION_TLS:
		options->plain = strcmp(text, "none") == 0;
		if (!options->plain)
			options->version = (uint16_t)word_of(versions, "--tls", text);
		return true;
	case OPTION_GROUP:
		options->group = (uint16_t)word_of(groups, "--group", text);
		return true;
	case OPTION_SUITE:
		options->suite = (uint16_t)word_of(suites, "--suite", text);
		return true;
	case OPTION_SIGNATURE:
		options->signature = (uint16_t)word_of(signatures, "--signature", text);
		return true;
	case OPTION_RESUME:
		options->resume = true;
		return true;
	case OPTION_STARTTLS:
		options->mail = (enum load_mail)word_of(mails, "--starttls", text);
		return true;
	case OPTION_NAME:
		if (strlen(text) >= LOAD_NAME_MAX)
			refuse("--name: '%s' is too long", text);
		options->name = text;
		return true;
	case OPTION_CA:
		options->ca = text;
		return true;
	case OPTION_VERIFY:
		options->verify_every = (uint32_t)whole_number_of("--verify", text, 0, 1000000000);
		return true;
	case OPTION_SHARES:
		options->n_shares = (uint32_t)whole_number_of("--shares", text, 0, 1 << 20);
		return true;
	default:
		return false;
	}
}

static bool take_load(struct load_options *options, int id, const char *text)
{
	switch (id) {
	case OPTION_CONNECTIONS:
		options->n_connections = (uint32_t)whole_number_of("--connections", text, 1, 1 << 23);
		return true;
	case OPTION_RATE:
		options->rate = number_of("--rate", text, 1e8);
		return true;
	case OPTION_BODY:
		options->body_len = whole_number_of("--body", text, 0, UINT64_C(1000000000000000));
		return true;
	case OPTION_REQUESTS:
		options->n_requests = (uint32_t)whole_number_of("--requests", text, 0, 1000000000);
		return true;
	case OPTION_DIRECTION:
		options->direction = (enum load_direction)word_of(directions, "--direction", text);
		return true;
	case OPTION_FLOOD:
		options->flood = (enum load_flood)word_of(floods, "--flood", text);
		return true;
	case OPTION_TRICKLE:
		options->trickle_s = number_of("--trickle", text, 1e6);
		return true;
	case OPTION_WARM_UP:
		options->warm_up_s = number_of("--warm-up", text, 1e6);
		return true;
	case OPTION_DURATION:
		options->duration_s = number_of("--duration", text, 1e6);
		return true;
	case OPTION_WINDOWS:
		options->n_windows = (uint32_t)whole_number_of("--windows", text, 1, LOAD_WINDOWS_MAX);
		return true;
	case OPTION_TIMEOUT:
		options->timeout_s = number_of("--timeout", text, 1e6);
		return true;
	case OPTION_COUNTERS:
		options->counters = text;
		return true;
	case OPTION_JSON:
		options->json = true;
		return true;
	case OPTION_PROGRESS:
		options->progress = true;
		return true;
	default:
		return false;
	}
}

#define MODE(mode) (1u << LOAD_##mode)

// Options that would be passed over in silence in other modes.
static const struct {
	enum option_id id;
	uint32_t modes;
	const char *words;
} bound_options[] = {
	{OPTION_DIRECTION, MODE(BULK), "--direction goes with bulk"},
	{OPTION_FLOOD, MODE(FLOOD), "--flood goes with flood"},
	{OPTION_TRICKLE, MODE(IDLE), "--trickle goes with idle"},
	{OPTION_RESUME, MODE(HANDSHAKE) | MODE(RPS) | MODE(BULK) | MODE(IDLE),
		"--resume goes with handshake, rps, bulk and idle; mix does it by itself"},
	{OPTION_STARTTLS, MODE(HANDSHAKE) | MODE(IDLE) | MODE(SERVE),
		"--starttls goes with handshake, idle and serve"},
};

#undef MODE

static void check_combinations(
	const struct load_options *options, const bool given[N_OPTIONS - OPTION_DEVICE])
{
	for (size_t i = 0; i < sizeof bound_options / sizeof bound_options[0]; i++)
		if (given[bound_options[i].id - OPTION_DEVICE] &&
			(bound_options[i].modes >> options->mode & 1) == 0)
			refuse("%s", bound_options[i].words);
	if (options->plain && options->mail != LOAD_MAIL_NONE)
		refuse("--starttls and --tls none exclude each other");
	if (options->plain && (options->resume || options->group != 0 || options->suite != 0 ||
				      options->signature != 0 || options->ca != NULL))
		refuse("--tls none leaves nothing for --resume, --group, --suite, --signature and --ca");
	// TLS 1.3 numbers its suites 0x13xx (RFC 8446 B.4), and no other version does.
	if (options->suite != 0 && options->version != 0 &&
		(options->suite >> 8 == 0x13) != (options->version == 0x0304))
		refuse("--suite: that version of TLS has no such suite");
	if (options->ca != NULL && access(options->ca, R_OK) != 0)
		refuse("--ca: '%s' can't be read", options->ca);
	if (options->mail != LOAD_MAIL_NONE && options->trickle_s > 0)
		refuse("--trickle and --starttls exclude each other");
	if (options->mode == LOAD_FLOOD && options->flood == LOAD_FLOOD_SYN && !(options->rate > 0))
		refuse("--flood syn needs a --rate");
	if (options->mode == LOAD_BULK && options->rate > 0 && options->body_len == LOAD_NO_END)
		refuse("--rate needs a --body that has an end");
	if (!(options->duration_s > 0) || !(options->timeout_s > 0))
		refuse("--duration and --timeout are more than nothing");
}

static void check_addresses(const struct load_options *options)
{
	uint64_t n = options->n_served;

	for (uint32_t i = 0; i < options->n_clients; i++) {
		n += options->clients[i].n;
		if (options->mode != LOAD_SERVE &&
			ip_addr_is_v4(&options->clients[i].first) != ip_addr_is_v4(&options->target.first))
			refuse("--address: IPv4 and IPv6 don't reach each other; the --target is of the "
			       "other kind");
	}
	if (n > NET_ADDRESSES_MAX)
		refuse("more than %d addresses", NET_ADDRESSES_MAX);
	for (uint32_t i = 0; i < options->n_served; i++)
		if (options->served[i].port + options->served[i].n - 1 > 65535)
			refuse("--serve: there is no port above 65535");
}

static void take_defaults(struct load_options *options)
{
	bool bulk = options->mode == LOAD_BULK;

	if (options->body_len == UINT64_MAX)
		options->body_len = bulk ? LOAD_NO_END : 1024;
	if (options->n_requests == UINT32_MAX)
		options->n_requests = options->mode == LOAD_HANDSHAKE || options->mode == LOAD_MIX ? 1 : 0;
	if (options->n_devices == 0)
		refuse("--device is needed");
	if (options->mode == LOAD_SERVE) {
		if (options->n_served == 0)
			refuse("--serve is needed");
		return;
	}
	if (options->n_clients == 0)
		refuse("--address is needed");
	if (options->target.n == 0)
		refuse("--target is needed");
}

void load_options_read(int argc, char **argv, struct load_options *out)
{
	bool given[N_OPTIONS - OPTION_DEVICE] = {false};
	int id;

	*out = (struct load_options){.core = 0,
		.n_mbufs = 32768,
		.mtu = 1500,
		.name = "load.test",
		.verify_every = 1,
		.n_shares = 4096,
		.n_connections = 64,
		.warm_up_s = 0.5,
		.duration_s = 2,
		.n_windows = 1,
		.timeout_s = 10,
		.body_len = UINT64_MAX,
		.n_requests = UINT32_MAX};
	while ((id = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (id == OPTION_HELP || id == 'h') {
			(void)fputs(help, stdout);
			exit(0);
		}
		if (id == '?')
			exit(2);
		given[id - OPTION_DEVICE] = true;
		if (!take_network(out, id, optarg) && !take_tls(out, id, optarg))
			(void)take_load(out, id, optarg);
	}
	if (optind + 1 != argc)
		refuse("one mode is needed");
	out->mode = (enum load_mode)word_of(modes, "sluice-load", argv[optind]);
	take_defaults(out);
	check_combinations(out, given);
	check_addresses(out);
}

const char *load_mode_name(enum load_mode mode)
{
	return modes[mode].text;
}
