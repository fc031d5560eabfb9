// SPDX-License-Identifier: Apache-2.0
#include "tls_chain.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static X509 *parse(struct span der)
{
	const unsigned char *next = der.data;

	return d2i_X509(NULL, &next, (long)der.len);
}

static bool path_is_trusted(X509_STORE *trusted, X509 *leaf, STACK_OF(X509) * others)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	bool good = context != NULL && X509_STORE_CTX_init(context, trusted, leaf, others) == 1 &&
		    X509_verify_cert(context) == 1;

	X509_STORE_CTX_free(context);
	return good;
}

// RFC 8446 4.4.2.2, RFC 5246 7.4.2: a leaf that says what its key is for has to allow signatures.
static enum tls_verdict judge(
	struct tls_chain_verifier *verifier, X509 *leaf, STACK_OF(X509) * others, struct public_key *out_key)
{
	EVP_PKEY *pkey = leaf != NULL ? X509_get0_pubkey(leaf) : NULL;

	if (pkey == NULL)
		return TLS_REFUSE_DECODE_ERROR;
	if (public_key_from_pkey(out_key, pkey) != KEY_OK)
		return TLS_REFUSE_UNSUPPORTED_CERTIFICATE;
	if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if (verifier->verdict == TLS_OK && verifier->trusted != NULL &&
		!path_is_trusted(verifier->trusted, leaf, others))
		return TLS_REFUSE_UNKNOWN_CA;
	return verifier->verdict;
}

static size_t remember(uint8_t out[TLS_CHAIN_EXTRA_MAX], struct span bytes)
{
	size_t len = bytes.len < TLS_CHAIN_EXTRA_MAX ? bytes.len : TLS_CHAIN_EXTRA_MAX;

	if (len != 0)
		memcpy(out, bytes.data, len);
	return len;
}

static bool ask(struct tls_verifier *base, struct tls_reference who,
	const struct tls_verify_question *question, struct tls_verify_answer *out_answer)
{
	struct tls_chain_verifier *verifier = (struct tls_chain_verifier *)base;
	const struct tls_cert_chain *chain = question->chain;
	STACK_OF(X509) *others = sk_X509_new_null();
	X509 *leaf = parse(chain->certificates[0]);

	(void)who;
	memset(out_answer, 0, sizeof *out_answer);
	for (uint32_t i = 1; i < chain->n_certificates; i++) {
		X509 *x509 = parse(chain->certificates[i]);

		if (x509 != NULL && sk_X509_push(others, x509) == 0)
			X509_free(x509);
	}
	out_answer->verdict = judge(verifier, leaf, others, &out_answer->key);
	verifier->staple_len = remember(verifier->staple, chain->staple);
	verifier->scts_len = remember(verifier->scts, chain->scts);
	sk_X509_pop_free(others, X509_free);
	X509_free(leaf);
	return true;
}

void tls_chain_verifier_init(struct tls_chain_verifier *verifier)
{
	*verifier = (struct tls_chain_verifier){.base = {.ask = ask}, .verdict = TLS_OK};
}

static bool trust_file(X509_STORE *store, const char *path)
{
	FILE *file = fopen(path, "r");
	X509 *x509;
	bool any = false;

	while (file != NULL && (x509 = PEM_read_X509(file, NULL, NULL, NULL)) != NULL) {
		any = X509_STORE_add_cert(store, x509) == 1 || any;
		X509_free(x509);
	}
	if (file != NULL)
		(void)fclose(file);
	return any;
}

bool tls_chain_verifier_trust(struct tls_chain_verifier *verifier, const char *files)
{
	char *copy = strdup(files);
	char *rest = copy;
	char *name;
	bool good = true;

	if (verifier->trusted == NULL) {
		verifier->trusted = X509_STORE_new();
		// An anchor need not be self-signed.
		X509_STORE_set_flags(verifier->trusted, X509_V_FLAG_PARTIAL_CHAIN);
	}
	while ((name = strsep(&rest, ",")) != NULL)
		good = trust_file(verifier->trusted, name) && good;
	free(copy);
	return good;
}
