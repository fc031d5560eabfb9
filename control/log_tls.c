// SPDX-License-Identifier: Apache-2.0
#include "log_tls.h"

#include <stdlib.h>

struct number_name {
	uint16_t number;
	const char *name;
	unsigned bits;      // of a suite's key
	const char *digest; // of a signature
};

static const struct number_name versions[] = {{0x0300, "SSLv3", 0, NULL}, {0x0301, "TLSv1", 0, NULL},
	{0x0302, "TLSv1.1", 0, NULL}, {0x0303, "TLSv1.2", 0, NULL}, {0x0304, "TLSv1.3", 0, NULL}};

// TLS 1.3's by their standard names, 1.2's by OpenSSL's, as Postfix writes them.
static const struct number_name suites[] = {{0x1301, "TLS_AES_128_GCM_SHA256", 128, NULL},
	{0x1302, "TLS_AES_256_GCM_SHA384", 256, NULL}, {0x1303, "TLS_CHACHA20_POLY1305_SHA256", 256, NULL},
	{0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256", 128, NULL},
	{0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384", 256, NULL},
	{0xc02f, "ECDHE-RSA-AES128-GCM-SHA256", 128, NULL},
	{0xc030, "ECDHE-RSA-AES256-GCM-SHA384", 256, NULL},
	{0xcca8, "ECDHE-RSA-CHACHA20-POLY1305", 256, NULL},
	{0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305", 256, NULL}};

static const struct number_name groups[] = {{0x0017, "P-256", 0, NULL}, {0x0018, "P-384", 0, NULL},
	{0x0019, "P-521", 0, NULL}, {0x001d, "X25519", 0, NULL}, {0x001e, "X448", 0, NULL},
	{0x11eb, "SecP256r1MLKEM768", 0, NULL}, {0x11ec, "X25519MLKEM768", 0, NULL},
	{0x11ed, "SecP384r1MLKEM1024", 0, NULL}};

static const struct number_name schemes[] = {{0x0401, "RSA", 0, "SHA256"}, {0x0501, "RSA", 0, "SHA384"},
	{0x0601, "RSA", 0, "SHA512"}, {0x0403, "ECDSA (P-256)", 0, "SHA256"},
	{0x0503, "ECDSA (P-384)", 0, "SHA384"}, {0x0603, "ECDSA (P-521)", 0, "SHA512"},
	{0x0804, "RSA-PSS", 0, "SHA256"}, {0x0805, "RSA-PSS", 0, "SHA384"}, {0x0806, "RSA-PSS", 0, "SHA512"},
	{0x0807, "Ed25519", 0, NULL}};

#define FIND(table, number) find(table, sizeof(table) / sizeof((table)[0]), number)

static const struct number_name *find(const struct number_name *table, size_t n, uint16_t number)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].number == number)
			return &table[i];
	return NULL;
}

static void add_name(struct text *text, const struct number_name *found, uint16_t number)
{
	if (found != NULL)
		text_string_append(text, found->name);
	else
		text_printf(text, "0x%04x", number);
}

void log_tls_version(struct text *text, uint16_t version)
{
	add_name(text, FIND(versions, version), version);
}

void log_tls_suite(struct text *text, uint16_t suite)
{
	add_name(text, FIND(suites, suite), suite);
}

void log_tls_group(struct text *text, uint16_t group)
{
	add_name(text, FIND(groups, group), group);
}

// What a client sent may be anything: only characters that harm no log get through.
static void add_peer(struct text *line, const struct tls_facts *facts)
{
	char address[ADDRESS_TEXT_MAX];

	address_format(&facts->peer, address);
	if (facts->peer_name != NULL)
		text_clean(line, facts->peer_name, strlen(facts->peer_name));
	else
		text_string_append(line, "unknown");
	text_printf(line, "[%s]", address);
}

void log_tls_session(struct text *line, const struct tls_facts *facts)
{
	static const char *const words[] = {"Anonymous", "Untrusted", "Trusted", "Verified"};
	const struct number_name *suite = FIND(suites, facts->suite);
	const struct number_name *scheme = FIND(schemes, facts->scheme);

	text_printf(line, "%s TLS connection %s from ", words[facts->trust],
		facts->resumed ? "reused" : "established");
	add_peer(line, facts);
	text_string_append(line, ": ");
	log_tls_version(line, facts->version);
	text_string_append(line, " with cipher ");
	log_tls_suite(line, facts->suite);
	if (suite != NULL)
		text_printf(line, " (%u/%u bits)", suite->bits, suite->bits);
	if (facts->group != 0) {
		text_string_append(line, " key-exchange ");
		log_tls_group(line, facts->group);
	}
	if (facts->scheme != 0) {
		text_string_append(line, " server-signature ");
		add_name(line, scheme, facts->scheme);
		if (scheme != NULL && scheme->digest != NULL)
			text_printf(line, " server-digest %s", scheme->digest);
	}
	if (facts->server_name != NULL) {
		text_string_append(line, " to SNI ");
		text_clean(line, facts->server_name, strlen(facts->server_name));
	}
}

void log_tls_list(
	struct text *text, const uint16_t *numbers, size_t n, void (*add)(struct text *text, uint16_t number))
{
	for (size_t i = 0; i < n && i < TLS_OFFERED_MAX; i++) {
		if (i != 0)
			text_char(text, ':');
		add(text, numbers[i]);
	}
}

static void add_list(struct text *line, const char *what, const uint16_t *numbers, size_t n,
	void (*add)(struct text *text, uint16_t number))
{
	if (n == 0)
		return;
	text_printf(line, ", %s ", what);
	log_tls_list(line, numbers, n, add);
}

void log_tls_failure(struct text *line, const struct tls_failure *failure)
{
	const struct tls_facts *facts = &failure->facts;

	text_clean(line, facts->listener, strlen(facts->listener));
	text_string_append(line, ": TLS handshake failed from ");
	add_peer(line, facts);
	text_string_append(line, ": ");
	text_clean(line, failure->reason, strlen(failure->reason));
	if (failure->alert != NULL)
		text_printf(line, " (alert %s %s)", failure->alert, failure->by_peer ? "received" : "sent");
	text_string_append(line, ", protocol ");
	text_clean(line, facts->protocol, strlen(facts->protocol));
	if (facts->server_name != NULL) {
		text_string_append(line, ", SNI ");
		text_clean(line, facts->server_name, strlen(facts->server_name));
	}
	add_list(line, "versions offered", failure->versions, failure->n_versions, log_tls_version);
	add_list(line, "ciphers offered", failure->suites, failure->n_suites, log_tls_suite);
	add_list(line, "groups offered", failure->groups, failure->n_groups, log_tls_group);
}
