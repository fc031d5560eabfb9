// SPDX-License-Identifier: Apache-2.0
//
// The server's first step: what a ClientHello says about version, name and protocol, which both versions
// treat alike; the rest is decided in server_13.c or server_12.c.
#include "tls/server.h"

#include "tls/handshake_state.h"

// RFC 8446 4.2.1: with supported_versions nothing else counts.
static uint16_t choose_version(const struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	for (uint16_t version = hs->common->version_max; version >= hs->common->version_min; version--) {
		bool offered = tls_client_hello_has(hello, TLS_EXTENSION_SUPPORTED_VERSIONS)
				       ? tls_list_has(hello->versions, version)
				       : version == TLS_VERSION_12 && hello->legacy_version >= TLS_VERSION_12;

		if (offered)
			return version;
	}
	return 0;
}

static enum tls_verdict check_generalities(const struct tls_client_hello *hello, uint16_t version)
{
	struct span renegotiation = hello->extensions.bodies[TLS_EXTENSION_RENEGOTIATION_INFO];

	// RFC 8446 D.5, whatever supported_versions says.
	if (hello->legacy_version <= TLS_VERSION_SSL3)
		return TLS_REFUSE_PROTOCOL_VERSION;
	if (version == TLS_VERSION_13 && (hello->compressions.len != 1 || hello->compressions.data[0] != 0))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if (memchr(hello->compressions.data, TLS_COMPRESSION_NONE, hello->compressions.len) == NULL)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	// RFC 5746 3.6: nothing can have been negotiated before.
	if (tls_client_hello_has(hello, TLS_EXTENSION_RENEGOTIATION_INFO) &&
		(renegotiation.len != 1 || renegotiation.data[0] != 0))
		return TLS_REFUSE_HANDSHAKE_FAILURE;
	return TLS_OK;
}

static uint8_t copy_offered(struct span list, uint16_t *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i + 1 < list.len && n < max; i += 2) {
		uint16_t number = (uint16_t)(list.data[i] << 8 | list.data[i + 1]);
		bool grease = (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff);

		if (!grease)
			out[n++] = number;
	}
	return (uint8_t)n;
}

// For whoever has to explain a failure, so before anything can fail.
static void note_offer(struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	struct tls_offered *offered = &hs->report.offered;

	offered->n_suites = copy_offered(hello->suites, offered->suites, TLS_OFFERED_SUITES);
	offered->n_groups = copy_offered(hello->groups, offered->groups, TLS_OFFERED_GROUPS);
	offered->n_schemes = copy_offered(hello->signatures, offered->schemes, TLS_OFFERED_SCHEMES);
	offered->n_versions = copy_offered(hello->versions, offered->versions, TLS_OFFERED_VERSIONS);
	if (hello->versions.len == 0) {
		offered->versions[0] = hello->legacy_version;
		offered->n_versions = 1;
	}
	if (hello->server_name.len != 0)
		memcpy(hs->report.name, hello->server_name.data, hello->server_name.len);
	hs->report.name_len = (uint8_t)hello->server_name.len;
}

static enum tls_verdict find_name(struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	const struct tls_name_entry *entry = NULL;
	enum tls_name_match match = tls_names_find(hs->server->names, hello->server_name, &entry);

	hs->report.name_match = (uint8_t)match;
	if (match == TLS_NAME_NONE ||
		(match == TLS_NAME_DEFAULT && hs->server->strict_names && hello->server_name.len != 0))
		return TLS_REFUSE_UNRECOGNIZED_NAME;
	hs->report.name_acknowledged = hello->server_name.len != 0 && match != TLS_NAME_DEFAULT;
	hs->names = entry;
	return TLS_OK;
}

static bool offers_protocol(struct span offered, struct span wanted)
{
	struct span name;

	while (tls_next_vector8(&offered, &name)) {
		if (span_equal(name, wanted))
			return true;
	}
	return false;
}

// RFC 7301 3.2: our preference decides.
static enum tls_verdict choose_protocol(struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	struct span ours = hs->common->alpn;
	struct span name;

	if (hello->alpn.len == 0 || ours.len == 0)
		return hs->server->alpn_required ? TLS_REFUSE_NO_APPLICATION_PROTOCOL : TLS_OK;
	while (tls_next_vector8(&ours, &name)) {
		if (offers_protocol(hello->alpn, name)) {
			hs->report.alpn = name;
			return TLS_OK;
		}
	}
	return TLS_REFUSE_NO_APPLICATION_PROTOCOL;
}

static void note_wishes(struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	if (hello->wants_staple)
		hs->flags |= TLS_HS_WANTS_STAPLE;
	if (tls_client_hello_has(hello, TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP))
		hs->flags |= TLS_HS_WANTS_SCTS;
	if (hello->secure_renegotiation)
		hs->flags |= TLS_HS_RENEGOTIATION_INFO;
	if (tls_client_hello_has(hello, TLS_EXTENSION_EC_POINT_FORMATS))
		hs->flags |= TLS_HS_POINT_FORMATS;
	if (tls_client_hello_has(hello, TLS_EXTENSION_RECORD_SIZE_LIMIT))
		hs->flags |= TLS_HS_SIZE_LIMIT;
	if (hello->session_id.len != 0)
		hs->flags |= TLS_HS_MIDDLEBOX;
	if (!hello->psk_dhe)
		hs->flags |= TLS_HS_NO_TICKETS;
	memcpy(hs->client_random, hello->random, TLS_RANDOM_LEN);
	memcpy(hs->session_id, hello->session_id.data, hello->session_id.len);
	hs->session_id_len = (uint8_t)hello->session_id.len;
}

static struct tls_preferences own_signatures(const struct tls_handshake *hs)
{
	return hs->server->own_signatures.n != 0 ? hs->server->own_signatures : tls_default_signatures;
}

static bool scheme_fits(const struct scheme *scheme, enum key_type type, uint16_t version)
{
	if (version == TLS_VERSION_13)
		return scheme->in_tls13 && scheme_fits_tls13(scheme, type);
	return scheme_fits_tls12(scheme, type);
}

// RFC 8422 5.1.1: in TLS 1.2 the list of groups also says which curves a certificate may be on.
static bool curve_fits(const struct tls_client_hello *hello, enum key_type type, uint16_t version)
{
	if (version == TLS_VERSION_13 || hello->groups.len == 0)
		return true;
	if (type == KEY_ECDSA_P256)
		return tls_list_has(hello->groups, GROUP_SECP256R1);
	return type != KEY_ECDSA_P384 || tls_list_has(hello->groups, GROUP_SECP384R1);
}

bool tls_server_choose_certificate(
	struct tls_handshake *hs, const struct tls_client_hello *hello, const struct tls_suite *suite)
{
	struct tls_preferences ours = own_signatures(hs);

	for (uint32_t i = 0; i < ours.n; i++) {
		const struct scheme *scheme = scheme_find(ours.numbers[i]);

		if (!tls_list_has(hello->signatures, scheme->code_point))
			continue;
		for (const struct tls_name_entry *entry = hs->names; entry != NULL;
			entry = tls_names_next(hs->server->names, entry)) {
			enum key_type type = private_key_type(entry->certificate->key);

			if (!scheme_fits(scheme, type, suite->version) || !tls_suite_fits_key(suite, type) ||
				!curve_fits(hello, type, suite->version))
				continue;
			hs->certificate = entry->certificate;
			hs->scheme = scheme;
			return true;
		}
	}
	return false;
}

void tls_server_commit_certificate(struct tls_handshake *hs)
{
	hs->report.scheme = hs->scheme->code_point;
	hs->report.certificate_id = hs->certificate->id;
	hs->report.certificate_signed_with = hs->certificate->signed_with;
	hs->report.key_bits = (uint16_t)private_key_bits(hs->certificate->key);
}

enum tls_verdict tls_server_hello_received(struct tls_handshake *hs, struct span body)
{
	struct tls_client_hello hello;
	enum tls_verdict verdict = tls_client_hello_parse(body, &hello);
	uint16_t version;

	if (verdict != TLS_OK)
		return verdict;
	note_offer(hs, &hello);
	version = choose_version(hs, &hello);
	// RFC 7507 3: also where the version that it fell back to is none of ours.
	if (hello.fallback && version < hs->common->version_max)
		return TLS_REFUSE_INAPPROPRIATE_FALLBACK;
	if (version == 0)
		return TLS_REFUSE_PROTOCOL_VERSION;
	verdict = check_generalities(&hello, version);
	if (verdict != TLS_OK)
		return verdict;
	verdict = find_name(hs, &hello);
	if (verdict != TLS_OK)
		return verdict;
	verdict = choose_protocol(hs, &hello);
	if (verdict != TLS_OK)
		return verdict;
	note_wishes(hs, &hello);
	return version == TLS_VERSION_13 ? tls_server13_begin(hs, &hello) : tls_server12_begin(hs, &hello);
}
