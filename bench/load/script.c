// SPDX-License-Identifier: Apache-2.0
#include "load/script.h"

#include "base/assert.h"
#include "crypto/group.h"
#include "tls/suite.h"

#include <stdio.h>
#include <stdlib.h>

static void keep_session(void *context, void *owner, const struct tls_session *session)
{
	struct sessions *sessions = context;

	(void)owner;
	sessions->slots[sessions->n++ % SESSIONS_MAX] = *session;
}

const struct tls_session *scripts_session(struct scripts *scripts)
{
	struct sessions *sessions = &scripts->sessions;
	uint32_t n = sessions->n < SESSIONS_MAX ? sessions->n : SESSIONS_MAX;

	return n != 0 ? &sessions->slots[sessions->next++ % n] : NULL;
}

// The one that was asked for, unless these versions have no such suite (the mix has a kind of TLS 1.2).
static void choose_suites(struct script_tls *tls, const struct load_options *options, uint16_t version)
{
	// AES-128 by default, as the figures of PERFORMANCE.md have it.
	static const uint16_t defaults[] = {0x1301, 0xc02b, 0xc02f};
	const struct tls_suite *suite = options->suite != 0 ? tls_suite_find(options->suite) : NULL;

	tls->plain.common.suites = (struct tls_preferences){defaults, 3};
	tls->plain.common.version_min = version != 0 ? version : TLS_VERSION_12;
	tls->plain.common.version_max = version != 0 ? version : TLS_VERSION_13;
	if (suite == NULL || (version != 0 && version != suite->version))
		return;
	tls->suite = options->suite;
	tls->plain.common.suites = (struct tls_preferences){&tls->suite, 1};
	tls->plain.common.version_min = tls->plain.common.version_max = suite->version;
}

static void choose_signatures(
	struct script_tls *tls, const struct load_options *options, struct tls_preferences *out)
{
	*out = tls_default_signatures;
	if (options->signature == 0)
		return;
	tls->signature = options->signature;
	*out = (struct tls_preferences){&tls->signature, 1};
}

static void make_tls(
	struct scripts *scripts, struct script_tls *tls, const struct load_options *options, uint16_t version)
{
	struct tls_client_config *config = &tls->plain;
	const char *reason = "";

	// In TLS 1.2 the certificate's curve has to be among them, too (RFC 8422 5.1).
	tls->groups[0] = options->group != 0 ? options->group : GROUP_X25519;
	tls->groups[1] = GROUP_SECP256R1;
	choose_suites(tls, options, version);
	config->common.groups = (struct tls_preferences){
		tls->groups, version == TLS_VERSION_13 || tls->groups[0] == GROUP_SECP256R1 ? 1 : 2};
	choose_signatures(tls, options, &config->common.signatures);
	config->common.verifier = &scripts->trust.base;
	tls->collecting = *config;
	tls->collecting.tickets = true;
	tls->collecting.n_tickets_wanted = 1;
	tls->collecting.keep_session = keep_session;
	tls->collecting.keep_context = &scripts->sessions;
	if (tls_client_config_check(&tls->plain, &reason) &&
		tls_client_config_check(&tls->collecting, &reason))
		return;
	(void)fprintf(stderr, "sluice-load: that TLS can't be: %s\n", reason);
	exit(2);
}

static struct script *add(struct scripts *scripts, const struct load_options *options, const char *name)
{
	struct script *script = &scripts->items[scripts->n++];

	SLUICE_ASSERT(scripts->n <= SCRIPTS_MAX);
	*script = (struct script){.name = name,
		.weight = 1,
		.with_tls = !options->plain,
		.resume = options->resume,
		.n_requests = options->n_requests,
		.body_len = options->body_len,
		.tls = &scripts->tls[0]};
	return script;
}

// The peer is asked to close after the last request, so that it is the one with the TIME-WAIT.
static void write_request(struct script *script, const struct load_options *options)
{
	char length[64] = "";

	if (script->upload)
		(void)snprintf(length, sizeof length, "Content-Length: %llu\r\n",
			(unsigned long long)script->body_len);
	script->request_len = (uint16_t)snprintf(script->request, sizeof script->request,
		"%s /%s%llu HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", script->upload ? "PUT" : "GET",
		script->upload ? "up" : "", (unsigned long long)script->body_len, options->name, length,
		script->n_requests == 1 ? "Connection: close\r\n" : "");
	SLUICE_ASSERT(script->request_len < sizeof script->request);
}

static void make_mix(struct scripts *scripts, const struct load_options *options)
{
	struct script *script;

	add(scripts, options, "full")->weight = 40;
	script = add(scripts, options, "resumed");
	script->weight = 40;
	script->resume = !options->plain;
	script = add(scripts, options, "tls12");
	script->weight = 5;
	script->tls = &scripts->tls[1];
	script = add(scripts, options, "keep_alive");
	script->weight = 10;
	script->n_requests = 20;
	script = add(scripts, options, "download");
	script->weight = 5;
	script->body_len = 64 * options->body_len;
}

static void make_flood(struct scripts *scripts, const struct load_options *options)
{
	static const enum script_hold holds[] = {[LOAD_FLOOD_SYN] = HOLD_TCP,
		[LOAD_FLOOD_HALF_OPEN] = HOLD_TCP,
		[LOAD_FLOOD_HELLO] = HOLD_HELLO,
		[LOAD_FLOOD_GARBAGE] = HOLD_GARBAGE};

	add(scripts, options, "flood")->hold = holds[options->flood];
}

static void make_bulk(struct scripts *scripts, const struct load_options *options)
{
	if (options->direction != LOAD_UP)
		(void)add(scripts, options, "download");
	if (options->direction != LOAD_DOWN)
		add(scripts, options, "upload")->upload = true;
}

void scripts_make(struct scripts *scripts, const struct load_options *options)
{
	*scripts = (struct scripts){.n = 0};
	scripts->sessions.slots = calloc(SESSIONS_MAX, sizeof(struct tls_session));
	SLUICE_ASSERT(scripts->sessions.slots != NULL);
	if (!trust_init(&scripts->trust, options->ca, options->name)) {
		(void)fprintf(stderr, "sluice-load: %s\n", scripts->trust.reason);
		exit(2);
	}
	make_tls(scripts, &scripts->tls[0], options, options->version);
	make_tls(scripts, &scripts->tls[1], options, TLS_VERSION_12);
	switch (options->mode) {
	case LOAD_MIX:
		make_mix(scripts, options);
		break;
	case LOAD_FLOOD:
		make_flood(scripts, options);
		break;
	case LOAD_BULK:
		make_bulk(scripts, options);
		break;
	case LOAD_IDLE:
		add(scripts, options, "idle")->hold = HOLD_OPEN;
		break;
	case LOAD_RPS:
		add(scripts, options, "rps")->hold = options->rate > 0 ? HOLD_OPEN : HOLD_NEVER;
		break;
	case LOAD_HANDSHAKE:
	case LOAD_SERVE:
	case N_LOAD_MODES:
		(void)add(scripts, options, load_mode_name(options->mode));
		break;
	}
	for (uint32_t i = 0; i < scripts->n; i++) {
		write_request(&scripts->items[i], options);
		scripts->total_weight += scripts->items[i].weight;
	}
}

void scripts_destroy(struct scripts *scripts)
{
	trust_destroy(&scripts->trust);
	free(scripts->sessions.slots);
}

const struct script *scripts_next(struct scripts *scripts)
{
	// A step that shares no factor with the sum spreads the kinds evenly.
	uint32_t place = (scripts->turn++ * 37) % scripts->total_weight;

	for (uint32_t i = 0; i + 1 < scripts->n; i++) {
		if (place < scripts->items[i].weight)
			return &scripts->items[i];
		place -= scripts->items[i].weight;
	}
	return &scripts->items[scripts->n - 1];
}
