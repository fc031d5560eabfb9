// SPDX-License-Identifier: Apache-2.0
#include "certificate.h"

#include "der.h"

static const uint8_t oid_common_name[] = {0x55, 0x04, 0x03};
static const uint8_t oid_subject_key_id[] = {0x55, 0x1d, 0x0e};
static const uint8_t oid_alt_names[] = {0x55, 0x1d, 0x11};
static const uint8_t oid_basic_constraints[] = {0x55, 0x1d, 0x13};
static const uint8_t oid_authority_key_id[] = {0x55, 0x1d, 0x23};
static const uint8_t oid_authority_access[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01};
static const uint8_t oid_ocsp[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01};
static const uint8_t oid_tls_feature[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x18};
static const uint8_t oid_scts[] = {0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02};

enum {
	GENERAL_NAME_DNS = DER_CONTEXT | 2,
	GENERAL_NAME_URI = DER_CONTEXT | 6,
	TLS_FEATURE_STATUS_REQUEST = 5,
};

#define IS_OID(span, oid) span_equal(span, span_of(oid, sizeof oid))

// RFC 5280 4.2.2.1: the first OCSP responder with an http address.
static void read_authority_access(struct reader value, struct certificate *out)
{
	struct reader list = der_enter(&value, DER_SEQUENCE);

	while (reader_ok(&list) && reader_left(&list) != 0) {
		struct reader description = der_enter(&list, DER_SEQUENCE);
		const struct span method = der_take(&description, DER_OID);
		unsigned tag;
		const struct span whole = der_take_whole(&description, &tag);
		struct reader location = reader_over(whole);

		if (reader_ok(&description) && IS_OID(method, oid_ocsp) && tag == GENERAL_NAME_URI &&
			out->ocsp_url.len == 0)
			out->ocsp_url = der_take(&location, GENERAL_NAME_URI);
	}
}

// RFC 7633: a list of TLS extensions that the server promises.
static void read_tls_feature(struct reader value, struct certificate *out)
{
	struct reader list = der_enter(&value, DER_SEQUENCE);

	while (reader_ok(&list) && reader_left(&list) != 0) {
		const struct span feature = der_unsigned(&list);

		if (feature.len == 1 && feature.data[0] == TLS_FEATURE_STATUS_REQUEST)
			out->must_staple = true;
	}
}

// Extensions that are malformed inside are left for clients to judge; what they would have said is not used.
static void read_extension(struct span oid, struct reader value, struct certificate *out)
{
	struct reader inside;

	if (IS_OID(oid, oid_alt_names)) {
		out->subject_alt_names = der_take(&value, DER_SEQUENCE);
	} else if (IS_OID(oid, oid_subject_key_id)) {
		out->subject_key_id = der_take(&value, DER_OCTET_STRING);
	} else if (IS_OID(oid, oid_authority_key_id)) {
		inside = der_enter(&value, DER_SEQUENCE);
		if (der_next_is(&inside, DER_CONTEXT | 0))
			out->authority_key_id = der_take(&inside, DER_CONTEXT | 0);
	} else if (IS_OID(oid, oid_basic_constraints)) {
		inside = der_enter(&value, DER_SEQUENCE);
		if (der_next_is(&inside, DER_BOOLEAN)) {
			const struct span flag = der_take(&inside, DER_BOOLEAN);

			out->is_ca = flag.len == 1 && flag.data[0] != 0;
		}
	} else if (IS_OID(oid, oid_authority_access)) {
		read_authority_access(value, out);
	} else if (IS_OID(oid, oid_tls_feature)) {
		read_tls_feature(value, out);
	} else if (IS_OID(oid, oid_scts)) {
		out->has_scts = true;
	}
}

static void read_extensions(struct reader *tbs, struct certificate *out)
{
	struct reader outer = der_enter(tbs, DER_CONTEXT_CONSTRUCTED | 3);
	struct reader list = der_enter(&outer, DER_SEQUENCE);

	while (reader_ok(&list) && reader_left(&list) != 0) {
		struct reader extension = der_enter(&list, DER_SEQUENCE);
		const struct span oid = der_take(&extension, DER_OID);
		struct reader value;

		if (der_next_is(&extension, DER_BOOLEAN))
			(void)der_take(&extension, DER_BOOLEAN);
		value = der_enter(&extension, DER_OCTET_STRING);
		if (!reader_done(&extension)) {
			reader_fail(tbs);
			return;
		}
		read_extension(oid, value, out);
	}
	if (!reader_done(&list) || !reader_done(&outer))
		reader_fail(tbs);
}

static struct span read_common_name(struct span name)
{
	struct reader whole = reader_over(name);
	struct reader sets = der_enter(&whole, DER_SEQUENCE);
	struct span common_name = span_of(NULL, 0);

	while (reader_ok(&sets) && reader_left(&sets) != 0) {
		struct reader set = der_enter(&sets, DER_SET);
		struct reader attribute = der_enter(&set, DER_SEQUENCE);
		const struct span oid = der_take(&attribute, DER_OID);
		unsigned tag;
		const struct span value = der_take_whole(&attribute, &tag);
		struct reader content = reader_over(value);

		if (reader_ok(&attribute) && IS_OID(oid, oid_common_name))
			common_name = der_take(&content, tag);
	}
	return common_name;
}

static void read_validity(struct reader *tbs, struct certificate *out)
{
	struct reader validity = der_enter(tbs, DER_SEQUENCE);

	out->not_before = der_time(&validity);
	out->not_after = der_time(&validity);
	if (!reader_done(&validity))
		reader_fail(tbs);
}

const char *certificate_read(struct span der, struct certificate *out_certificate)
{
	struct certificate out = {.der = der};
	struct reader whole = reader_over(der);
	struct reader certificate = der_enter(&whole, DER_SEQUENCE);
	struct reader tbs = der_enter(&certificate, DER_SEQUENCE);
	unsigned tag;

	if (der.len > CERTIFICATE_LEN_MAX)
		return "it is longer than 64 KB";
	if (der_next_is(&tbs, DER_CONTEXT_CONSTRUCTED | 0))
		(void)der_enter(&tbs, DER_CONTEXT_CONSTRUCTED | 0);
	out.serial = der_take(&tbs, DER_INTEGER);
	(void)der_enter(&tbs, DER_SEQUENCE);
	out.issuer = der_take_whole(&tbs, &tag);
	read_validity(&tbs, &out);
	out.subject = der_take_whole(&tbs, &tag);
	out.spki = der_take_whole(&tbs, &tag);
	if (der_next_is(&tbs, DER_CONTEXT | 1))
		(void)der_take(&tbs, DER_CONTEXT | 1);
	if (der_next_is(&tbs, DER_CONTEXT | 2))
		(void)der_take(&tbs, DER_CONTEXT | 2);
	if (der_next_is(&tbs, DER_CONTEXT_CONSTRUCTED | 3))
		read_extensions(&tbs, &out);
	(void)der_enter(&certificate, DER_SEQUENCE);
	(void)der_bits(&certificate);
	if (!reader_done(&tbs) || !reader_done(&certificate) || !reader_done(&whole))
		return "it is malformed";
	out.common_name = read_common_name(out.subject);
	out.key_supported = key_read_public(out.spki, &out.public_key) == NULL;
	*out_certificate = out;
	return NULL;
}

// Copies a DNS name in lower case; false when it is none. "*" may only be the whole first label.
static bool copy_dns_name(struct span name, char out_name[static CERTIFICATE_NAME_MAX])
{
	if (name.len == 0 || name.len >= CERTIFICATE_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		const uint8_t c = name.data[i];
		const bool star = c == '*' && i == 0 && name.len > 1 && name.data[1] == '.';

		if (c >= 'A' && c <= 'Z')
			out_name[i] = (char)(c - 'A' + 'a');
		else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
			 c == '.' || star)
			out_name[i] = (char)c;
		else
			return false;
	}
	out_name[name.len] = '\0';
	return out_name[0] != '.' && out_name[name.len - 1] != '.' && strstr(out_name, "..") == NULL;
}

bool certificate_next_name(
	const struct certificate *certificate, size_t *cursor, char out_name[static CERTIFICATE_NAME_MAX])
{
	const struct span names = certificate->subject_alt_names;
	struct reader reader;

	if (names.len == 0) // *cursor is 0, or 1 after the common name
		return (*cursor)++ == 0 && copy_dns_name(certificate->common_name, out_name);
	reader = reader_over(names);
	reader_skip(&reader, *cursor);
	while (reader_ok(&reader) && reader_left(&reader) != 0) {
		unsigned tag;
		const struct span whole = der_take_whole(&reader, &tag);
		struct reader content = reader_over(whole);

		*cursor = names.len - reader_left(&reader);
		if (tag == GENERAL_NAME_DNS && copy_dns_name(der_take(&content, tag), out_name))
			return true;
	}
	*cursor = names.len;
	return false;
}

bool certificate_issued(const struct certificate *issuer, const struct certificate *subject)
{
	if (!span_equal(issuer->subject, subject->issuer))
		return false;
	return issuer->subject_key_id.len == 0 || subject->authority_key_id.len == 0 ||
	       span_equal(issuer->subject_key_id, subject->authority_key_id);
}

static void swap(struct certificate *a, struct certificate *b)
{
	const struct certificate kept = *a;

	*a = *b;
	*b = kept;
}

static size_t drop_repeated(struct certificate *certificates, size_t n)
{
	size_t n_kept = 0;

	for (size_t i = 0; i < n; i++) {
		bool repeated = false;

		for (size_t j = 0; j < n_kept; j++)
			repeated = repeated || span_equal(certificates[j].der, certificates[i].der);
		if (!repeated)
			certificates[n_kept++] = certificates[i];
	}
	return n_kept;
}

static void say_stranger(const struct certificate *certificate, struct text *reason)
{
	text_string_append(reason, "the certificate '");
	text_clean(reason, (const char *)certificate->common_name.data, certificate->common_name.len);
	text_string_append(reason, "' did not issue any other of the chain");
}

bool chain_arrange(struct certificate *certificates, size_t *n_certificates,
	const struct public_key *leaf_key, bool *out_changed, struct text *reason)
{
	const size_t n = drop_repeated(certificates, *n_certificates);
	size_t leaf = 0;

	*out_changed = n != *n_certificates;
	while (leaf < n && !(certificates[leaf].key_supported &&
				   public_key_equal(&certificates[leaf].public_key, leaf_key)))
		leaf++;
	if (leaf == n) {
		text_string_append(reason, "the private key is none of the certificates'");
		return false;
	}
	if (leaf != 0) {
		swap(&certificates[0], &certificates[leaf]);
		*out_changed = true;
	}
	for (size_t i = 1; i < n; i++) {
		size_t next = i;

		while (next < n && !certificate_issued(&certificates[next], &certificates[i - 1]))
			next++;
		if (next == n) {
			say_stranger(&certificates[i], reason);
			return false;
		}
		if (next != i) {
			swap(&certificates[i], &certificates[next]);
			*out_changed = true;
		}
	}
	*n_certificates = n;
	return true;
}
