// SPDX-License-Identifier: Apache-2.0
//
// sluice-control: reads the configuration, keeps a dataplane attached, answers operators. See control.h.
#include "config_schema.h"
#include "control.h"
#include "dumpable.h"
#include "privileges.h"
#include "system_check.h"

#include <event2/event.h>
#include <getopt.h>
#include <jansson.h>
#include <libfyaml.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#define DEFAULT_CONFIG "/etc/sluice/sluice.yaml"

struct options {
	const char *config_path;
	bool check;
	bool check_system;
	bool attach_only;
};

static void print_usage(FILE *file)
{
	(void)fprintf(file,
		"usage: sluice-control [-c FILE] [--attach] | --check [-c FILE] | --manual | -V\n"
		"Reads the configuration, starts or attaches to a dataplane, and answers operators.\n"
		"  -c, --config FILE   the configuration (default " DEFAULT_CONFIG ")\n"
		"  -t, --check         check configuration, certificates and keys; touch nothing; exit 0 or "
		"1\n"
		"  -S, --check-system  say what the machine lacks for the configuration, and what to do; "
		"exit 0 or 1\n"
		"  -a, --attach        never start a dataplane: wait for one (two units under systemd)\n"
		"  -m, --manual        print the reference of every key, for sluice.yaml(5)\n"
		"  -V, --version       print release, features and libraries\n"
		"  -h, --help          print this\n");
}

static void print_version(void)
{
	(void)printf("sluice-control %s\n"
		     "protocols: tls tcp http-redirect smtp imap pop3 managesieve; TLS 1.2 and 1.3\n"
		     "keys: RSA 2048, 3072, 4096; ECDSA P-256, P-384; Ed25519\n"
		     "control link: version %d\n"
		     "libraries: %s; libevent %s; libfyaml %s; jansson %s\n",
		SLUICE_RELEASE, IPC_VERSION, OpenSSL_version(OPENSSL_VERSION), event_get_version(),
		fy_library_version(), jansson_version_str());
}

static int print_manual(void)
{
	struct text manual = {0};

	config_schema_manual(&manual);
	(void)fputs(text_string(&manual), stdout);
	text_free(&manual);
	return 0;
}

// Everything that a start reads, and nothing that it opens.
static int check(const char *path)
{
	struct config_errors errors = {0};
	struct config *config = config_load(path, &errors);
	struct cert_set *certs = config != NULL ? cert_set_load(config, NULL, reload_n_threads(), &errors)
						: NULL;
	const bool well = certs != NULL;

	if (well)
		(void)printf("%s: valid; %zu listeners, %zu backends, %zu certificates for %zu names\n", path,
			config->n_listeners, config->n_backends, certs->n_certs, certs->n_names);
	else
		(void)fputs(text_string(&errors.text), stderr);
	cert_set_free(certs);
	config_free(config);
	config_errors_free(&errors);
	return well ? 0 : 1;
}

static int check_system(const char *path)
{
	struct config_errors errors = {0};
	struct config *config = config_load(path, &errors);
	struct text findings = {0};
	size_t n_fatal = 1;

	if (config != NULL)
		n_fatal = system_check(config, "/sys", &findings);
	(void)fputs(config != NULL ? text_string(&findings) : text_string(&errors.text), stderr);
	if (findings.len == 0 && config != NULL)
		(void)printf("the machine has what %s wants\n", path);
	text_free(&findings);
	config_free(config);
	config_errors_free(&errors);
	return n_fatal == 0 ? 0 : 1;
}

// Returns -1 to go on, otherwise the exit status.
static int read_options(int argc, char **argv, struct options *out)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 't'},
		{"check-system", no_argument, NULL, 'S'},
		{"attach", no_argument, NULL, 'a'},
		{"manual", no_argument, NULL, 'm'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:tSamVh", options, NULL)) != -1) {
		if (option == 'c') {
			out->config_path = optarg;
		} else if (option == 't') {
			out->check = true;
		} else if (option == 'S') {
			out->check_system = true;
		} else if (option == 'a') {
			out->attach_only = true;
		} else if (option == 'm') {
			return print_manual();
		} else if (option == 'V') {
			print_version();
			return 0;
		} else {
			print_usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (optind == argc)
		return -1;
	print_usage(stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static struct control control;
	struct options options = {.config_path = DEFAULT_CONFIG};
	int status = read_options(argc, argv, &options);
	struct config_errors errors = {0};

	if (status >= 0)
		return status;
	dumpable_off();
	if (options.check)
		return check(options.config_path);
	if (options.check_system)
		return check_system(options.config_path);
	(void)signal(SIGPIPE, SIG_IGN);
	control.config_path = options.config_path;
	control.attach_only = options.attach_only;
	if (control_open(&control, &errors)) {
		const bool starts = !control.attach_only &&
				    control.config->dataplane.start != CONFIG_START_NEVER;

		if (!privileges_drop(starts))
			LOG(&control.log, LOG_LEVEL_WARNING, "start",
				"the capabilities that are not needed can't be dropped");
		control_run(&control);
	} else {
		(void)fprintf(stderr, "sluice-control: not started:\n%s", text_string(&errors.text));
		(void)sd_notify(0, "STATUS=not started: see the log");
		status = 1;
	}
	config_errors_free(&errors);
	control_close(&control);
	return status > 0 ? status : 0;
}
