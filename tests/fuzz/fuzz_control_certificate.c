// SPDX-License-Identifier: Apache-2.0
//
// PEM texts as a file or an operator may give them, and DER below them. A certificate that is taken is one
// for OpenSSL too, with the same times; a key that is taken is as long as its type says.
#include "base/assert.h"
#include "cert.h"
#include "ocsp.h"

#include <openssl/x509.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct key_context *context;

static void compare(struct span der)
{
	struct certificate certificate;
	const unsigned char *rest = der.data;
	char name[CERTIFICATE_NAME_MAX];
	size_t cursor = 0;
	struct tm broken_down;
	X509 *parsed;

	if (certificate_read(der, &certificate) != NULL)
		return;
	while (certificate_next_name(&certificate, &cursor, name))
		SLUICE_ASSERT(strlen(name) != 0 && strpbrk(name, " \t\n/\\\"") == NULL);
	parsed = d2i_X509(NULL, &rest, (long)der.len);
	if (parsed != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(parsed), &broken_down) == 1)
		SLUICE_ASSERT((int64_t)timegm(&broken_down) == certificate.not_after);
	X509_free(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const labels[] = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"};
	const struct span input = span_of(data, len);
	struct text reason = {0};
	const char *why;
	struct cert *cert;

	if (context == NULL)
		context = key_context_create();
	cert = cert_from_pem(context, "fuzz", input, &reason);
	SLUICE_ASSERT((cert != NULL) == (reason.len == 0));
	cert_release(cert);
	text_free(&reason);
	compare(input);
	for (size_t i = 0; i < 3; i++) {
		struct key *key = key_read(labels[i], input, &why);

		SLUICE_ASSERT(key == NULL || key->len >= 32);
		key_free(key);
	}
	return 0;
}
