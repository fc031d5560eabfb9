// SPDX-License-Identifier: Apache-2.0
#include "tls/config.h"

#include "crypto/group.h"
#include "tls/suite.h"

#define PREFERENCES(list) \
	{ \
		.numbers = (list), .n = sizeof(list) / sizeof(list)[0] \
	}

static const uint16_t default_suites[] = {
	0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8};
static const uint16_t default_groups[] = {GROUP_X25519, GROUP_SECP256R1, GROUP_SECP384R1};
static const uint16_t default_signatures[] = {SCHEME_ECDSA_SECP256R1_SHA256, SCHEME_ED25519,
	SCHEME_RSA_PSS_RSAE_SHA256, SCHEME_RSA_PSS_PSS_SHA256, SCHEME_ECDSA_SECP384R1_SHA384,
	SCHEME_RSA_PSS_RSAE_SHA384, SCHEME_RSA_PSS_PSS_SHA384, SCHEME_RSA_PSS_RSAE_SHA512,
	SCHEME_RSA_PSS_PSS_SHA512, SCHEME_RSA_PKCS1_SHA256, SCHEME_RSA_PKCS1_SHA384, SCHEME_RSA_PKCS1_SHA512};

const struct tls_preferences tls_default_suites = PREFERENCES(default_suites);
const struct tls_preferences tls_default_groups = PREFERENCES(default_groups);
const struct tls_preferences tls_default_signatures = PREFERENCES(default_signatures);

static bool refuse(const char **out_reason, const char *reason)
{
	*out_reason = reason;
	return false;
}

// Whether there is a suite for every version from min to max.
static bool suites_cover(const struct tls_common_config *config, uint16_t version)
{
	for (uint32_t i = 0; i < config->suites.n; i++) {
		const struct tls_suite *suite = tls_suite_find(config->suites.numbers[i]);

		if (suite != NULL && suite->version == version)
			return true;
	}
	return version < config->version_min || version > config->version_max;
}

static bool alpn_is_sound(struct span alpn)
{
	struct reader reader = reader_over(alpn);

	while (reader_left(&reader) != 0) {
		if (reader_vector8(&reader).len == 0)
			return false;
	}
	return reader_ok(&reader) && alpn.len <= 1024;
}

static bool schemes_are_known(const struct tls_preferences *schemes)
{
	for (uint32_t i = 0; i < schemes->n; i++) {
		if (scheme_find(schemes->numbers[i]) == NULL)
			return false;
	}
	return true;
}

bool tls_common_config_check(const struct tls_common_config *config, const char **out_reason)
{
	if (config->version_min < TLS_VERSION_12 || config->version_max > TLS_VERSION_13 ||
		config->version_min > config->version_max)
		return refuse(out_reason, "versions are 1.2 and 1.3, lower one first");
	for (uint32_t i = 0; i < config->suites.n; i++) {
		if (tls_suite_find(config->suites.numbers[i]) == NULL)
			return refuse(out_reason, "unknown cipher suite");
	}
	if (!suites_cover(config, TLS_VERSION_12) || !suites_cover(config, TLS_VERSION_13))
		return refuse(out_reason, "a version without a cipher suite");
	if (config->groups.n == 0 || config->groups.n > 16)
		return refuse(out_reason, "1 to 16 groups are needed");
	for (uint32_t i = 0; i < config->groups.n; i++) {
		if (group_find(config->groups.numbers[i]) == NULL)
			return refuse(out_reason, "unknown group");
	}
	if (config->signatures.n == 0 || config->signatures.n > 32)
		return refuse(out_reason, "1 to 32 signature schemes are needed");
	if (!schemes_are_known(&config->signatures))
		return refuse(out_reason, "unknown signature scheme");
	if (!alpn_is_sound(config->alpn))
		return refuse(out_reason, "malformed ALPN list");
	if (config->record_size_limit != 0 && (config->record_size_limit < TLS_RECORD_SIZE_LIMIT_MIN ||
						      config->record_size_limit > TLS_PLAINTEXT_MAX))
		return refuse(out_reason, "record size limits are 64 to 16384");
	return true;
}

bool tls_server_config_check(const struct tls_server_config *config, const char **out_reason)
{
	if (!tls_common_config_check(&config->common, out_reason))
		return false;
	if (config->names == NULL)
		return refuse(out_reason, "a server needs certificates");
	if (!schemes_are_known(&config->own_signatures))
		return refuse(out_reason, "unknown signature scheme");
	if (config->client_auth > TLS_CLIENT_AUTH_REQUIRED)
		return refuse(out_reason, "unknown client authentication mode");
	if (config->client_auth != TLS_CLIENT_AUTH_NONE && config->common.verifier == NULL)
		return refuse(out_reason, "client certificates need a verifier");
	if (config->authorities.len > TLS_AUTHORITIES_MAX)
		return refuse(out_reason, "too many certificate authorities");
	if (config->n_tickets > TLS_TICKETS_MAX || config->ticket_lifetime_s > TLS_TICKET_LIFETIME_MAX_S)
		return refuse(out_reason, "at most 4 tickets, for at most 7 days");
	return true;
}

bool tls_client_config_check(const struct tls_client_config *config, const char **out_reason)
{
	if (!schemes_are_known(&config->own_signatures))
		return refuse(out_reason, "unknown signature scheme");
	return tls_common_config_check(&config->common, out_reason);
}
