// SPDX-License-Identifier: Apache-2.0
#include "tls/client_hello.h"

#include "base/assert.h"

bool tls_list_has(struct span list, uint16_t number)
{
	for (size_t i = 0; i + 1 < list.len; i += 2) {
		if ((list.data[i] << 8 | list.data[i + 1]) == number)
			return true;
	}
	return false;
}

static bool next_in(struct span *list, struct reader *reader)
{
	if (!reader_ok(reader) || list->len == 0)
		return false;
	*list = reader_rest(reader);
	return true;
}

bool tls_next_key_share(struct span *list, struct tls_key_share *out)
{
	struct reader reader = reader_over(*list);

	out->group = reader_u16(&reader);
	out->share = reader_vector16(&reader);
	return next_in(list, &reader);
}

bool tls_next_identity(struct span *list, struct tls_psk_identity *out)
{
	struct reader reader = reader_over(*list);

	out->ticket = reader_vector16(&reader);
	out->obfuscated_age = reader_u32(&reader);
	return next_in(list, &reader);
}

bool tls_next_vector8(struct span *list, struct span *out)
{
	struct reader reader = reader_over(*list);

	*out = reader_vector8(&reader);
	return next_in(list, &reader);
}

// The parsers of single extensions: body in, field of the hello out, false for bad syntax.

// A non-empty list of 16-bit numbers behind a 16-bit length.
static bool parse_list16(struct span body, struct span *out)
{
	struct reader reader = reader_over(body);

	*out = reader_vector16(&reader);
	return reader_done(&reader) && out->len != 0 && out->len % 2 == 0;
}

static bool parse_versions(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);

	out->versions = reader_vector8(&reader);
	return reader_done(&reader) && out->versions.len != 0 && out->versions.len % 2 == 0;
}

static bool parse_groups(struct span body, struct tls_client_hello *out)
{
	return parse_list16(body, &out->groups);
}

static bool parse_signatures(struct span body, struct tls_client_hello *out)
{
	return parse_list16(body, &out->signatures);
}

static bool parse_cert_signatures(struct span body, struct tls_client_hello *out)
{
	return parse_list16(body, &out->cert_signatures);
}

// RFC 6066 3. Only one name of a type may be there, and only one type exists.
static bool parse_server_name(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);
	struct reader list = reader_sub16(&reader);
	uint8_t type = reader_u8(&list);

	out->server_name = reader_vector16(&list);
	return reader_done(&reader) && reader_done(&list) && type == TLS_NAME_TYPE_HOST &&
	       out->server_name.len != 0 && out->server_name.len <= 255;
}

// What DNS names are made of, as they are sent (RFC 6066 3: ASCII, other scripts as A-labels); it also goes
// to logs.
static bool is_host_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
			return false;
	}
	return true;
}

// RFC 7301 3.1.
static bool parse_alpn(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);
	struct span names = reader_vector16(&reader);
	struct reader list = reader_over(names);

	out->alpn = names;
	while (reader_left(&list) != 0) {
		if (reader_vector8(&list).len == 0)
			return false;
	}
	return reader_done(&reader) && reader_ok(&list) && names.len != 0;
}

static bool parse_key_shares(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);
	struct span shares = reader_vector16(&reader);
	struct reader list = reader_over(shares);

	out->key_shares = shares;
	while (reader_left(&list) != 0) {
		reader_skip(&list, 2);
		if (reader_vector16(&list).len == 0)
			return false;
	}
	return reader_done(&reader) && reader_ok(&list);
}

static bool parse_psk_modes(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);
	struct span modes = reader_vector8(&reader);

	out->psk_dhe = modes.len != 0 && memchr(modes.data, TLS_PSK_MODE_DHE_KE, modes.len) != NULL;
	return reader_done(&reader) && modes.len != 0;
}

// RFC 8446 4.2.11: binders of at least 32 bytes. That there are as many as identities is checked afterwards:
// each list is well-formed by itself.
static bool parse_psk(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);
	struct span identities = reader_vector16(&reader);
	struct span binders = reader_vector16(&reader);
	struct reader identity_list = reader_over(identities);
	struct reader binder_list = reader_over(binders);
	int n_more = 0;

	if (!reader_done(&reader) || identities.len == 0 || binders.len == 0)
		return false;
	while (reader_left(&identity_list) != 0) {
		if (reader_vector16(&identity_list).len == 0)
			return false;
		reader_skip(&identity_list, 4);
		n_more++;
	}
	while (reader_left(&binder_list) != 0) {
		if (reader_vector8(&binder_list).len < 32)
			return false;
		n_more--;
	}
	out->binders_match = n_more == 0;
	out->identities = identities;
	out->binders = binders;
	out->binders_len = binders.len + 2;
	return reader_done(&identity_list) && reader_done(&binder_list);
}

// RFC 6066 8: lists of responders and extensions that nobody looks at.
static bool parse_status_request(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);
	uint8_t type = reader_u8(&reader);

	out->wants_staple = type == TLS_STATUS_TYPE_OCSP;
	if (type != TLS_STATUS_TYPE_OCSP)
		return reader_ok(&reader);
	(void)reader_vector16(&reader);
	(void)reader_vector16(&reader);
	return reader_done(&reader);
}

// RFC 8422 5.1.2; that uncompressed points are understood is checked where TLS 1.2 is chosen.
static bool parse_point_formats(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);
	struct span formats = reader_vector8(&reader);

	(void)out;
	return reader_done(&reader) && formats.len != 0;
}

static bool parse_record_size_limit(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);

	out->record_size_limit = reader_u16(&reader);
	return reader_done(&reader);
}

static bool parse_cookie(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);

	out->cookie = reader_vector16(&reader);
	return reader_done(&reader) && out->cookie.len != 0;
}

static bool parse_ticket(struct span body, struct tls_client_hello *out)
{
	out->ticket = body;
	return true;
}

static bool parse_renegotiation_info(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);

	(void)reader_vector8(&reader);
	out->secure_renegotiation = true;
	return reader_done(&reader);
}

static bool parse_empty(struct span body, struct tls_client_hello *out)
{
	(void)out;
	return body.len == 0;
}

static bool parse_authorities(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);
	struct span names = reader_vector16(&reader);

	(void)out;
	return reader_done(&reader) && names.len >= 3;
}

static bool (*const parsers[TLS_N_EXTENSIONS])(struct span body, struct tls_client_hello *out) = {
	[TLS_EXTENSION_SERVER_NAME] = parse_server_name,
	[TLS_EXTENSION_STATUS_REQUEST] = parse_status_request,
	[TLS_EXTENSION_SUPPORTED_GROUPS] = parse_groups,
	[TLS_EXTENSION_EC_POINT_FORMATS] = parse_point_formats,
	[TLS_EXTENSION_SIGNATURE_ALGORITHMS] = parse_signatures,
	[TLS_EXTENSION_ALPN] = parse_alpn,
	[TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP] = parse_empty,
	[TLS_EXTENSION_EXTENDED_MASTER_SECRET] = parse_empty,
	[TLS_EXTENSION_RECORD_SIZE_LIMIT] = parse_record_size_limit,
	[TLS_EXTENSION_SESSION_TICKET] = parse_ticket,
	[TLS_EXTENSION_PRE_SHARED_KEY] = parse_psk,
	[TLS_EXTENSION_EARLY_DATA] = parse_empty,
	[TLS_EXTENSION_SUPPORTED_VERSIONS] = parse_versions,
	[TLS_EXTENSION_COOKIE] = parse_cookie,
	[TLS_EXTENSION_PSK_KEY_EXCHANGE_MODES] = parse_psk_modes,
	[TLS_EXTENSION_CERTIFICATE_AUTHORITIES] = parse_authorities,
	[TLS_EXTENSION_SIGNATURE_ALGORITHMS_CERT] = parse_cert_signatures,
	[TLS_EXTENSION_KEY_SHARE] = parse_key_shares,
	[TLS_EXTENSION_RENEGOTIATION_INFO] = parse_renegotiation_info,
};

static enum tls_verdict parse_extension_bodies(struct tls_client_hello *out)
{
	for (unsigned id = 0; id < TLS_N_EXTENSIONS; id++) {
		if (tls_client_hello_has(out, id) && !parsers[id](out->extensions.bodies[id], out))
			return TLS_REFUSE_DECODE_ERROR;
	}
	if (tls_client_hello_has(out, TLS_EXTENSION_PRE_SHARED_KEY) &&
		(!out->extensions.psk_is_last || !out->binders_match))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if (tls_client_hello_has(out, TLS_EXTENSION_RECORD_SIZE_LIMIT) &&
		out->record_size_limit < TLS_RECORD_SIZE_LIMIT_MIN)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if (!is_host_name(out->server_name))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	return TLS_OK;
}

enum tls_verdict tls_client_hello_parse(struct span body, struct tls_client_hello *out)
{
	struct reader reader = reader_over(body);
	struct span block = {0};
	enum tls_verdict verdict;

	memset(out, 0, sizeof *out);
	out->legacy_version = reader_u16(&reader);
	out->random = reader_bytes(&reader, TLS_RANDOM_LEN).data;
	out->session_id = reader_vector8(&reader);
	out->suites = reader_vector16(&reader);
	out->compressions = reader_vector8(&reader);
	if (reader_ok(&reader) && reader_left(&reader) != 0)
		block = reader_vector16(&reader);
	if (!reader_done(&reader) || out->session_id.len > TLS_SESSION_ID_MAX || out->suites.len == 0 ||
		out->suites.len % 2 != 0 || out->compressions.len == 0)
		return TLS_REFUSE_DECODE_ERROR;
	verdict = tls_extensions_parse(block, TLS_EXTENSIONS_IN_CH, TLS_EXTENSIONS_ANY, &out->extensions);
	if (verdict != TLS_OK)
		return verdict;
	out->secure_renegotiation = tls_list_has(out->suites, TLS_SCSV_EMPTY_RENEGOTIATION);
	out->fallback = tls_list_has(out->suites, TLS_SCSV_FALLBACK);
	return parse_extension_bodies(out);
}

static void write_list16(struct writer *writer, const uint16_t *numbers, uint32_t n, uint16_t grease)
{
	struct writer_mark list = writer_open16(writer);

	if (grease != 0)
		writer_u16(writer, grease);
	for (uint32_t i = 0; i < n; i++)
		writer_u16(writer, numbers[i]);
	writer_close(writer, list);
}

static void write_list_extension(
	struct writer *writer, enum tls_extension id, const uint16_t *numbers, uint32_t n, uint16_t grease)
{
	struct writer_mark mark = tls_extension_open(writer, id);

	write_list16(writer, numbers, n, grease);
	writer_close(writer, mark);
}

static void write_vector_extension(struct writer *writer, enum tls_extension id, struct span bytes)
{
	struct writer_mark mark, list;

	if (bytes.len == 0)
		return;
	mark = tls_extension_open(writer, id);
	list = writer_open16(writer);
	writer_bytes(writer, bytes);
	writer_close(writer, list);
	writer_close(writer, mark);
}

static void write_server_name(struct writer *writer, struct span name)
{
	struct writer_mark mark, list, entry;

	if (name.len == 0)
		return;
	mark = tls_extension_open(writer, TLS_EXTENSION_SERVER_NAME);
	list = writer_open16(writer);
	writer_u8(writer, TLS_NAME_TYPE_HOST);
	entry = writer_open16(writer);
	writer_bytes(writer, name);
	writer_close(writer, entry);
	writer_close(writer, list);
	writer_close(writer, mark);
}

// What only TLS 1.3 has; pre_shared_key is written apart because it must be last.
static void write_tls13_extensions(struct writer *writer, const struct tls_client_offer *offer)
{
	struct writer_mark mark, list;

	mark = tls_extension_open(writer, TLS_EXTENSION_SUPPORTED_VERSIONS);
	list = writer_open8(writer);
	if (offer->grease != 0)
		writer_u16(writer, offer->grease);
	for (uint16_t version = offer->version_max; version >= offer->version_min; version--)
		writer_u16(writer, version);
	writer_close(writer, list);
	writer_close(writer, mark);

	write_vector_extension(writer, TLS_EXTENSION_COOKIE, offer->cookie);

	mark = tls_extension_open(writer, TLS_EXTENSION_PSK_KEY_EXCHANGE_MODES);
	list = writer_open8(writer);
	writer_u8(writer, TLS_PSK_MODE_DHE_KE);
	writer_close(writer, list);
	writer_close(writer, mark);

	mark = tls_extension_open(writer, TLS_EXTENSION_KEY_SHARE);
	list = writer_open16(writer);
	if (offer->grease != 0) {
		writer_u16(writer, offer->grease);
		writer_u16(writer, 1);
		writer_u8(writer, 0);
	}
	for (uint32_t i = 0; i < offer->n_key_shares; i++) {
		struct writer_mark entry;

		writer_u16(writer, offer->key_shares[i].group);
		entry = writer_open16(writer);
		writer_bytes(writer, offer->key_shares[i].share);
		writer_close(writer, entry);
	}
	writer_close(writer, list);
	writer_close(writer, mark);
}

// What only TLS 1.2 needs, and what both have in the same form.
static void write_tls12_extensions(struct writer *writer, const struct tls_client_offer *offer)
{
	struct writer_mark mark;

	tls_extension_write_empty(writer, TLS_EXTENSION_EXTENDED_MASTER_SECRET);
	mark = tls_extension_open(writer, TLS_EXTENSION_RENEGOTIATION_INFO);
	writer_u8(writer, 0);
	writer_close(writer, mark);
	mark = tls_extension_open(writer, TLS_EXTENSION_EC_POINT_FORMATS);
	writer_u8(writer, 1);
	writer_u8(writer, TLS_POINT_UNCOMPRESSED);
	writer_close(writer, mark);
	if (offer->with_ticket_extension) {
		mark = tls_extension_open(writer, TLS_EXTENSION_SESSION_TICKET);
		writer_bytes(writer, offer->ticket_12);
		writer_close(writer, mark);
	}
}

static void write_psk(struct writer *writer, const struct tls_client_offer *offer)
{
	struct writer_mark mark, list, entry;
	uint8_t *binder;

	if (offer->identity.len == 0)
		return;
	mark = tls_extension_open(writer, TLS_EXTENSION_PRE_SHARED_KEY);
	list = writer_open16(writer);
	entry = writer_open16(writer);
	writer_bytes(writer, offer->identity);
	writer_close(writer, entry);
	writer_u32(writer, offer->obfuscated_age);
	writer_close(writer, list);
	list = writer_open16(writer);
	writer_u8(writer, offer->binder_len);
	binder = writer_reserve(writer, offer->binder_len);
	if (binder != NULL)
		memset(binder, 0, offer->binder_len);
	writer_close(writer, list);
	writer_close(writer, mark);
}

static void write_extensions(struct writer *writer, const struct tls_client_offer *offer)
{
	struct writer_mark mark;

	if (offer->grease != 0) {
		writer_u16(writer, offer->grease);
		writer_u16(writer, 0);
	}
	write_server_name(writer, offer->server_name);
	if (offer->version_min <= TLS_VERSION_12)
		write_tls12_extensions(writer, offer);
	write_list_extension(
		writer, TLS_EXTENSION_SUPPORTED_GROUPS, offer->groups, offer->n_groups, offer->grease);
	write_list_extension(
		writer, TLS_EXTENSION_SIGNATURE_ALGORITHMS, offer->signatures, offer->n_signatures, 0);
	write_vector_extension(writer, TLS_EXTENSION_ALPN, offer->alpn);
	if (offer->wants_staple) {
		mark = tls_extension_open(writer, TLS_EXTENSION_STATUS_REQUEST);
		writer_u8(writer, TLS_STATUS_TYPE_OCSP);
		writer_u32(writer, 0);
		writer_close(writer, mark);
	}
	if (offer->wants_sct)
		tls_extension_write_empty(writer, TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP);
	if (offer->record_size_limit != 0) {
		mark = tls_extension_open(writer, TLS_EXTENSION_RECORD_SIZE_LIMIT);
		writer_u16(writer, offer->record_size_limit);
		writer_close(writer, mark);
	}
	if (offer->version_max >= TLS_VERSION_13)
		write_tls13_extensions(writer, offer);
	if (offer->grease != 0) {
		// Not the same number as the first: a duplicate would be an error.
		writer_u16(writer, (uint16_t)(offer->grease ^ 0x1010));
		writer_u16(writer, 1);
		writer_u8(writer, 0);
	}
	write_psk(writer, offer);
}

void tls_client_hello_write(struct writer *writer, const struct tls_client_offer *offer)
{
	struct writer_mark message, mark;

	writer_u8(writer, TLS_CLIENT_HELLO);
	message = writer_open24(writer);
	writer_u16(writer, TLS_VERSION_12);
	writer_bytes(writer, span_of(offer->random, TLS_RANDOM_LEN));
	mark = writer_open8(writer);
	writer_bytes(writer, offer->session_id);
	writer_close(writer, mark);
	mark = writer_open16(writer);
	if (offer->grease != 0)
		writer_u16(writer, offer->grease);
	for (uint32_t i = 0; i < offer->n_suites; i++)
		writer_u16(writer, offer->suites[i]);
	if (offer->fallback)
		writer_u16(writer, TLS_SCSV_FALLBACK);
	writer_close(writer, mark);
	writer_u8(writer, 1);
	writer_u8(writer, TLS_COMPRESSION_NONE);
	mark = writer_open16(writer);
	write_extensions(writer, offer);
	writer_close(writer, mark);
	writer_close(writer, message);
}

uint32_t tls_client_offer_extensions(const struct tls_client_offer *offer)
{
	uint32_t set = TLS_EXTENSION_BIT(TLS_EXTENSION_SUPPORTED_GROUPS) |
		       TLS_EXTENSION_BIT(TLS_EXTENSION_SIGNATURE_ALGORITHMS);

	if (offer->server_name.len != 0)
		set |= TLS_EXTENSION_BIT(TLS_EXTENSION_SERVER_NAME);
	if (offer->alpn.len != 0)
		set |= TLS_EXTENSION_BIT(TLS_EXTENSION_ALPN);
	if (offer->wants_staple)
		set |= TLS_EXTENSION_BIT(TLS_EXTENSION_STATUS_REQUEST);
	if (offer->wants_sct)
		set |= TLS_EXTENSION_BIT(TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP);
	if (offer->record_size_limit != 0)
		set |= TLS_EXTENSION_BIT(TLS_EXTENSION_RECORD_SIZE_LIMIT);
	if (offer->identity.len != 0)
		set |= TLS_EXTENSION_BIT(TLS_EXTENSION_PRE_SHARED_KEY);
	if (offer->version_min <= TLS_VERSION_12) {
		set |= TLS_EXTENSION_BIT(TLS_EXTENSION_EXTENDED_MASTER_SECRET) |
		       TLS_EXTENSION_BIT(TLS_EXTENSION_RENEGOTIATION_INFO) |
		       TLS_EXTENSION_BIT(TLS_EXTENSION_EC_POINT_FORMATS);
		if (offer->with_ticket_extension)
			set |= TLS_EXTENSION_BIT(TLS_EXTENSION_SESSION_TICKET);
	}
	if (offer->version_max >= TLS_VERSION_13)
		set |= TLS_EXTENSION_BIT(TLS_EXTENSION_SUPPORTED_VERSIONS) |
		       TLS_EXTENSION_BIT(TLS_EXTENSION_COOKIE) | TLS_EXTENSION_BIT(TLS_EXTENSION_KEY_SHARE);
	return set;
}
