// SPDX-License-Identifier: Apache-2.0
#include "load/trust.h"

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>

static enum tls_verdict verdict_of(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_REFUSE_CERTIFICATE_EXPIRED;
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return TLS_REFUSE_BAD_CERTIFICATE;
	default:
		return TLS_REFUSE_UNKNOWN_CA;
	}
}

static X509 *parse(struct span der)
{
	const uint8_t *at = der.data;

	return d2i_X509(NULL, &at, (long)der.len);
}

static enum tls_verdict judge(struct trust *trust, const struct tls_cert_chain *chain, X509 *leaf)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	STACK_OF(X509) *others = sk_X509_new_null();
	enum tls_verdict verdict = TLS_REFUSE_INTERNAL_ERROR;

	for (uint32_t i = 1; i < chain->n_certificates; i++) {
		X509 *other = parse(chain->certificates[i]);

		if (other != NULL)
			(void)sk_X509_push(others, other);
	}
	if (X509_STORE_CTX_init(context, trust->store, leaf, others) == 1 &&
		X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(context), trust->name, 0) == 1) {
		verdict = TLS_OK;
		if (X509_verify_cert(context) != 1) {
			int error = X509_STORE_CTX_get_error(context);

			verdict = verdict_of(error);
			(void)snprintf(trust->reason, sizeof trust->reason, "the certificate is refused: %s",
				X509_verify_cert_error_string(error));
		}
	}
	X509_STORE_CTX_free(context);
	sk_X509_pop_free(others, X509_free);
	return verdict;
}

static void look_at(struct trust *trust, const struct tls_cert_chain *chain, struct tls_verify_answer *out)
{
	X509 *leaf = parse(chain->certificates[0]);

	memset(out, 0, sizeof *out);
	out->verdict = TLS_REFUSE_BAD_CERTIFICATE;
	if (leaf == NULL) {
		(void)snprintf(trust->reason, sizeof trust->reason, "the certificate can't be parsed");
	} else if (public_key_from_pkey(&out->key, X509_get0_pubkey(leaf)) != KEY_OK) {
		out->verdict = TLS_REFUSE_UNSUPPORTED_CERTIFICATE;
		(void)snprintf(trust->reason, sizeof trust->reason,
			"the certificate's key is of a kind that is not ours");
	} else {
		out->verdict = trust->store != NULL ? judge(trust, chain, leaf) : TLS_OK;
	}
	X509_free(leaf);
}

static bool ask(struct tls_verifier *base, struct tls_reference who,
	const struct tls_verify_question *question, struct tls_verify_answer *out_answer)
{
	struct trust *trust = (struct trust *)base;
	struct span leaf = question->chain->certificates[0];
	struct trust_leaf *place;

	(void)who;
	for (uint32_t i = 0; i < TRUST_LEAVES && i < trust->n_leaves; i++) {
		place = &trust->leaves[i];
		if (span_equal(leaf, span_of(place->der, place->len))) {
			*out_answer = place->answer;
			return true;
		}
	}
	look_at(trust, question->chain, out_answer);
	if (leaf.len > TRUST_LEAF_MAX)
		return true;
	place = &trust->leaves[trust->n_leaves++ % TRUST_LEAVES];
	memcpy(place->der, leaf.data, leaf.len);
	place->len = leaf.len;
	place->answer = *out_answer;
	return true;
}

bool trust_init(struct trust *trust, const char *ca, const char *name)
{
	*trust = (struct trust){.base = {.ask = ask}, .name = name};
	if (ca == NULL)
		return true;
	trust->store = X509_STORE_new();
	if (trust->store != NULL && X509_STORE_load_file(trust->store, ca) == 1)
		return true;
	(void)snprintf(
		trust->reason, sizeof trust->reason, "--ca: %s has no certificate that can be read", ca);
	return false;
}

void trust_destroy(struct trust *trust)
{
	X509_STORE_free(trust->store);
}
