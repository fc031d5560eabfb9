// SPDX-License-Identifier: Apache-2.0
#include "tls_pem.h"

#include <openssl/pem.h>
#include <stdio.h>

static void read_chain(const char *path, struct tls_cert_chain *out)
{
	FILE *file = fopen(path, "r");
	X509 *x509;

	while (file != NULL && out->n_certificates < TLS_CHAIN_MAX &&
		(x509 = PEM_read_X509(file, NULL, NULL, NULL)) != NULL) {
		unsigned char *der = NULL;
		int len = i2d_X509(x509, &der);

		if (len > 0)
			out->certificates[out->n_certificates++] = span_of(der, (size_t)len);
		X509_free(x509);
	}
	if (file != NULL)
		(void)fclose(file);
}

struct tls_identity *tls_pem_identity(
	const char *chain_file, const char *key_file, struct span staple, struct span scts)
{
	struct tls_cert_chain chain = {.staple = staple, .scts = scts};
	struct tls_identity *identity = NULL;
	FILE *file = fopen(key_file, "r");
	EVP_PKEY *pkey = file != NULL ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

	if (file != NULL)
		(void)fclose(file);
	read_chain(chain_file, &chain);
	if (pkey != NULL && chain.n_certificates != 0 && private_key_footprint(pkey) != 0)
		identity = tls_identity_make(pkey, &chain);
	else
		EVP_PKEY_free(pkey);
	for (uint32_t i = 0; i < chain.n_certificates; i++)
		OPENSSL_free((void *)(uintptr_t)chain.certificates[i].data);
	return identity;
}
