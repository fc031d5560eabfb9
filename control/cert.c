// SPDX-License-Identifier: Apache-2.0
#include "cert.h"

#include "base/reader.h"
#include "memory.h"
#include "ocsp.h"
#include "pem.h"
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	FILE_LEN_MAX = 512 << 10,
	SCT_LIST_MAX = 16 << 10
};

static _Atomic uint32_t next_id = 1;

// What is gathered from PEM texts before it becomes a cert.
struct parts {
	uint8_t *bytes; // of the chain, DER after DER
	size_t len;
	size_t capacity;
	size_t offsets[CHAIN_MAX + 1];
	size_t n_certificates;
	struct key *key;
};

struct cert *cert_reference(struct cert *cert)
{
	(void)atomic_fetch_add(&cert->n_references, 1);
	return cert;
}

void cert_release(struct cert *cert)
{
	if (cert == NULL || atomic_fetch_sub(&cert->n_references, 1) != 1)
		return;
	key_free(cert->key);
	free(cert->name);
	free(cert->certificates);
	free(cert->bytes);
	free(cert->staple_bytes);
	free(cert->sct_bytes);
	free(cert);
}

static struct cert_stamp stamp_of(const struct stat *status)
{
	return (struct cert_stamp){.modified = status->st_mtim,
		.changed = status->st_ctim,
		.inode = (uint64_t)status->st_ino,
		.len = (uint64_t)status->st_size};
}

static bool stamps_equal(const struct cert_stamp *a, const struct cert_stamp *b)
{
	return a->inode == b->inode && a->len == b->len && a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

bool cert_is_current(const struct cert *cert, const struct cert_files *files)
{
	for (size_t i = 0; i < N_CERT_FILES; i++) {
		struct cert_stamp stamp = {0};
		struct stat status;

		if (files->paths[i] != NULL && stat(files->paths[i], &status) == 0)
			stamp = stamp_of(&status);
		if (!stamps_equal(&cert->stamps[i], &stamp))
			return false;
	}
	return true;
}

// Returns how much there was of it.
static size_t read_whole(int fd, uint8_t *to, size_t wanted)
{
	size_t len = 0;

	while (len < wanted) {
		const ssize_t n = read(fd, to + len, wanted - len);

		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	return len;
}

// A whole file in secret memory. NULL: the reason was written.
static uint8_t *read_file(
	const char *path, size_t *out_len, struct cert_stamp *out_stamp, struct text *reason)
{
	// A FIFO would hold up whoever opens it.
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	uint8_t *content = NULL;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &status) != 0) {
		text_printf(reason, "%s can't be read: %s", path, strerror(errno));
	} else if (!S_ISREG(status.st_mode) || status.st_size > FILE_LEN_MAX || status.st_size == 0) {
		text_printf(reason, "%s is no file of 1 to %d bytes", path, FILE_LEN_MAX);
	} else {
		content = secret_alloc((size_t)status.st_size);
		len = read_whole(fd, content, (size_t)status.st_size);
		*out_stamp = stamp_of(&status);
		if (len != (size_t)status.st_size) {
			text_printf(reason, "%s changes or can't be read to its end; try again", path);
			secret_free(content);
			content = NULL;
		}
	}
	if (fd >= 0)
		(void)close(fd);
	*out_len = len;
	return content;
}

static bool add_certificate(struct parts *parts, const struct pem_block *block, struct text *reason)
{
	size_t len;

	if (parts->n_certificates == CHAIN_MAX) {
		text_printf(reason, "more than %d certificates", CHAIN_MAX);
		return false;
	}
	parts->bytes = memory_grow(parts->bytes, &parts->capacity, parts->len + pem_decoded_max(block), 1);
	if (!pem_decode(block, (struct mut_span){parts->bytes + parts->len, pem_decoded_max(block)}, &len)) {
		text_printf(reason, "certificate %zu is no base64", parts->n_certificates + 1);
		return false;
	}
	parts->offsets[parts->n_certificates++] = parts->len;
	parts->len += len;
	parts->offsets[parts->n_certificates] = parts->len;
	return true;
}

static bool add_key(struct parts *parts, const struct pem_block *block, struct text *reason)
{
	const char *why = "the private key is no base64";
	uint8_t *der;
	size_t len;

	if (parts->key != NULL) {
		text_string_append(reason, "more than one private key");
		return false;
	}
	if (block->has_headers) {
		text_string_append(reason,
			"the private key is encrypted; write it without a password (openssl pkey "
			"-in OLD -out NEW)");
		return false;
	}
	der = secret_alloc(pem_decoded_max(block));
	if (pem_decode(block, (struct mut_span){der, pem_decoded_max(block)}, &len))
		parts->key = key_read(block->label, span_of(der, len), &why);
	secret_free(der);
	if (parts->key == NULL)
		text_string_append(reason, why);
	return parts->key != NULL;
}

static bool add_pem(struct parts *parts, struct span pem, struct text *reason)
{
	struct pem_block block;
	enum pem_verdict verdict;
	bool added = true;

	while (added && (verdict = pem_next(&pem, &block)) == PEM_BLOCK) {
		if (strcmp(block.label, "CERTIFICATE") == 0)
			added = add_certificate(parts, &block, reason);
		else if (key_is_label(block.label))
			added = add_key(parts, &block, reason);
	}
	if (added && verdict == PEM_BROKEN) {
		text_string_append(reason, "a PEM block has no end");
		return false;
	}
	return added;
}

static bool read_chain(struct cert *cert, struct parts *parts, struct text *reason)
{
	// No more of them than there are: fifty thousand times ten would be 150 MB.
	cert->certificates = memory_alloc(parts->n_certificates, sizeof cert->certificates[0]);
	for (size_t i = 0; i < parts->n_certificates; i++) {
		const size_t offset = parts->offsets[i];
		const char *why = certificate_read(
			span_of(parts->bytes + offset, parts->offsets[i + 1] - offset),
			&cert->certificates[i]);

		if (why != NULL) {
			text_printf(reason, "certificate %zu: %s", i + 1, why);
			return false;
		}
	}
	cert->n_certificates = parts->n_certificates;
	return true;
}

// The certificate that the key is for. Found by the key check itself, because a key file need not hold its
// public half.
static bool find_leaf(struct key_context *context, struct cert *cert, struct text *reason)
{
	const char *why = "the private key is none of the certificates'";
	struct public_key leaf_key;
	size_t i = 0;

	for (; i < cert->n_certificates; i++) {
		if (!cert->certificates[i].key_supported)
			continue;
		leaf_key = cert->certificates[i].public_key;
		why = key_check(context, cert->key, &leaf_key);
		if (why == NULL)
			break;
	}
	if (i == cert->n_certificates) {
		text_string_append(reason, why);
		return false;
	}
	if (!chain_arrange(cert->certificates, &cert->n_certificates, &leaf_key, &cert->rearranged, reason))
		return false;
	if (!key_context_hash(context, cert_leaf(cert)->der, cert->fingerprint)) {
		text_string_append(reason, "OpenSSL has no memory for a hash");
		return false;
	}
	return true;
}

// Takes everything out of parts, or wipes it.
static struct cert *assemble(
	struct key_context *context, const char *name, struct parts *parts, struct text *reason)
{
	struct cert *cert = memory_alloc(1, sizeof *cert);

	cert->n_references = 1;
	cert->id = atomic_fetch_add(&next_id, 1);
	cert->name = memory_string(name);
	cert->bytes = parts->bytes;
	cert->key = parts->key;
	if (parts->n_certificates == 0)
		text_string_append(reason, "no certificate in it");
	else if (parts->key == NULL)
		text_string_append(reason, "no private key");
	else if (read_chain(cert, parts, reason) && find_leaf(context, cert, reason))
		return cert;
	cert_release(cert);
	return NULL;
}

struct cert *cert_from_pem(
	struct key_context *context, const char *name, struct span pem, struct text *reason)
{
	struct parts parts = {0};

	if (add_pem(&parts, pem, reason))
		return assemble(context, name, &parts, reason);
	free(parts.bytes);
	key_free(parts.key);
	return NULL;
}

static bool add_file(struct parts *parts, const char *path, struct cert_stamp *stamp, struct text *reason)
{
	size_t len;
	uint8_t *content = read_file(path, &len, stamp, reason);
	const bool added = content != NULL && add_pem(parts, span_of(content, len), reason);

	secret_free(content);
	return added;
}

// The SCT file is a SignedCertificateTimestampList (RFC 6962 3.3): a list of 16-bit vectors in one.
static bool scts_are_well_formed(struct span scts)
{
	struct reader reader = reader_over(scts);
	struct reader list = reader_sub16(&reader);

	if (!reader_done(&reader) || reader_left(&list) == 0)
		return false;
	while (reader_ok(&list) && reader_left(&list) != 0)
		if (reader_vector16(&list).len == 0)
			reader_fail(&list);
	return reader_done(&list);
}

static bool add_staple(struct cert *cert, struct span response, struct text *reason)
{
	int64_t next_update;

	if (!ocsp_check(cert, response, time(NULL), &next_update, reason))
		return false;
	cert->staple_bytes = memory_alloc(response.len, 1);
	memcpy(cert->staple_bytes, response.data, response.len);
	cert->staple = span_of(cert->staple_bytes, response.len);
	cert->staple_next_update = next_update;
	return true;
}

// Staple and timestamps are public, but come the same way.
static bool add_public_file(struct cert *cert, enum cert_file kind, const char *path, struct text *reason)
{
	size_t len;
	uint8_t *content = read_file(path, &len, &cert->stamps[kind], reason);
	bool added = false;

	if (content == NULL)
		return false;
	if (kind == CERT_FILE_OCSP) {
		added = add_staple(cert, span_of(content, len), reason);
	} else if (len > SCT_LIST_MAX || !scts_are_well_formed(span_of(content, len))) {
		text_printf(reason, "%s is no list of signed certificate timestamps (RFC 6962 3.3)", path);
	} else {
		cert->sct_bytes = memory_alloc(len, 1);
		memcpy(cert->sct_bytes, content, len);
		cert->scts = span_of(cert->sct_bytes, len);
		added = true;
	}
	secret_free(content);
	return added;
}

struct cert *cert_load(
	struct key_context *context, const char *name, const struct cert_files *files, struct text *reason)
{
	struct parts parts = {0};
	struct cert_stamp stamps[N_CERT_FILES] = {0};
	struct stat status;
	struct cert *cert;
	bool added = add_file(&parts, files->paths[CERT_FILE_CHAIN], &stamps[CERT_FILE_CHAIN], reason);

	if (added && parts.key == NULL && files->paths[CERT_FILE_KEY] != NULL)
		added = add_file(&parts, files->paths[CERT_FILE_KEY], &stamps[CERT_FILE_KEY], reason);
	else if (files->paths[CERT_FILE_KEY] != NULL && stat(files->paths[CERT_FILE_KEY], &status) == 0)
		stamps[CERT_FILE_KEY] = stamp_of(&status);
	if (!added) {
		free(parts.bytes);
		key_free(parts.key);
		return NULL;
	}
	cert = assemble(context, name, &parts, reason);
	if (cert == NULL)
		return NULL;
	memcpy(cert->stamps, stamps, sizeof stamps);
	for (int kind = CERT_FILE_OCSP; kind < N_CERT_FILES; kind++) {
		if (files->paths[kind] != NULL &&
			!add_public_file(cert, (enum cert_file)kind, files->paths[kind], reason)) {
			cert_release(cert);
			return NULL;
		}
	}
	return cert;
}

// Copies a span that points into one piece of memory so that it points to the same place of another.
static struct span moved(struct span span, const uint8_t *from, const uint8_t *to)
{
	return span.len != 0 ? span_of(to + (span.data - from), span.len) : span;
}

static void move_certificate(struct certificate *certificate, const uint8_t *from, const uint8_t *to)
{
	struct span *spans[] = {&certificate->der, &certificate->serial, &certificate->issuer,
		&certificate->subject, &certificate->spki, &certificate->public_key.point,
		&certificate->public_key.modulus, &certificate->public_key.exponent,
		&certificate->subject_alt_names, &certificate->common_name, &certificate->subject_key_id,
		&certificate->authority_key_id, &certificate->ocsp_url};

	for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
		*spans[i] = moved(*spans[i], from, to);
}

struct cert *cert_with_staple(const struct cert *cert, struct span staple, int64_t next_update)
{
	struct cert *copy = memory_alloc(1, sizeof *copy);
	size_t len = 0;

	// Everything of the chain lies in one piece, whose end is that of the last certificate in it.
	for (size_t i = 0; i < cert->n_certificates; i++) {
		const size_t end = (size_t)(cert->certificates[i].der.data - cert->bytes) +
				   cert->certificates[i].der.len;

		len = end > len ? end : len;
	}
	*copy = (struct cert){.n_references = 1,
		.id = atomic_fetch_add(&next_id, 1),
		.name = memory_string(cert->name),
		.n_certificates = cert->n_certificates,
		.certificates = memory_alloc(cert->n_certificates, sizeof cert->certificates[0]),
		.bytes = memory_alloc(len, 1),
		.key = secret_alloc(sizeof *cert->key + cert->key->len),
		.staple_bytes = memory_alloc(staple.len, 1),
		.staple_next_update = next_update,
		.rearranged = cert->rearranged,
		.unsaved = cert->unsaved,
		.ocsp_fetch = cert->ocsp_fetch};
	memcpy(copy->bytes, cert->bytes, len);
	memcpy(copy->key, cert->key, sizeof *cert->key + cert->key->len);
	memcpy(copy->certificates, cert->certificates, cert->n_certificates * sizeof cert->certificates[0]);
	memcpy(copy->fingerprint, cert->fingerprint, sizeof copy->fingerprint);
	memcpy(copy->stamps, cert->stamps, sizeof copy->stamps);
	memcpy(copy->staple_bytes, staple.data, staple.len);
	copy->staple = span_of(copy->staple_bytes, staple.len);
	for (size_t i = 0; i < copy->n_certificates; i++)
		move_certificate(&copy->certificates[i], cert->bytes, copy->bytes);
	if (cert->scts.len != 0) {
		copy->sct_bytes = memory_alloc(cert->scts.len, 1);
		memcpy(copy->sct_bytes, cert->scts.data, cert->scts.len);
		copy->scts = span_of(copy->sct_bytes, cert->scts.len);
	}
	return copy;
}

struct span cert_read_authorities(struct memory_zone *zone, const char *path, struct text *reason)
{
	struct cert_stamp stamp;
	size_t len;
	uint8_t *content = read_file(path, &len, &stamp, reason);
	struct span pem = span_of(content, content != NULL ? len : 0);
	uint8_t *authorities = content != NULL ? memory_zone_alloc(zone, len) : NULL;
	size_t authorities_len = 0;
	struct pem_block block;
	struct certificate certificate;
	const char *fault = NULL;

	while (content != NULL && fault == NULL && pem_next(&pem, &block) == PEM_BLOCK) {
		const struct mut_span rest = {authorities + authorities_len, len - authorities_len};
		size_t n;

		if (strcmp(block.label, "CERTIFICATE") != 0)
			continue;
		if (!pem_decode(&block, rest, &n))
			fault = "a certificate is no base64";
		else if ((fault = certificate_read(span_of(rest.data, n), &certificate)) == NULL)
			authorities_len += n;
	}
	secret_free(content);
	if (content != NULL && fault == NULL && authorities_len == 0)
		fault = "no certificate in it";
	if (fault != NULL)
		text_printf(reason, "%s: %s", path, fault);
	return span_of(authorities, fault == NULL ? authorities_len : 0);
}
