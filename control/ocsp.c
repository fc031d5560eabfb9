// SPDX-License-Identifier: Apache-2.0
#include "ocsp.h"

#include "cert.h"
#include "memory.h"

#include <openssl/asn1.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <time.h>

enum {
	CLOCK_SKEW_S = 300
};

static X509 *parse(struct span der)
{
	const unsigned char *data = der.data;

	return d2i_X509(NULL, &data, (long)der.len);
}

// The leaf's identity as OCSP has it: hashes of the issuer's name and key, and the serial number.
static OCSP_CERTID *make_id(const struct cert *cert, X509 **out_issuer)
{
	X509 *leaf = parse(cert->certificates[0].der);
	OCSP_CERTID *id = NULL;

	*out_issuer = cert->n_certificates > 1 ? parse(cert->certificates[1].der) : NULL;
	if (leaf != NULL && *out_issuer != NULL)
		id = OCSP_cert_to_id(NULL, leaf, *out_issuer);
	X509_free(leaf);
	return id;
}

static int64_t seconds_of(const ASN1_GENERALIZEDTIME *time)
{
	struct tm broken_down;

	return time != NULL && ASN1_TIME_to_tm(time, &broken_down) == 1 ? (int64_t)timegm(&broken_down) : 0;
}

// The signer is the issuer, or has a certificate of the issuer's for it: nobody else is in the store.
static bool signed_by_issuer(OCSP_BASICRESP *basic, X509 *issuer)
{
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *known = sk_X509_new_null();
	bool verified = false;

	if (store != NULL && known != NULL && X509_STORE_add_cert(store, issuer) == 1 &&
		sk_X509_push(known, issuer) > 0) {
		(void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
		verified = OCSP_basic_verify(basic, known, store, OCSP_TRUSTOTHER) == 1;
	}
	sk_X509_free(known);
	X509_STORE_free(store);
	return verified;
}

static const char *judge(
	OCSP_BASICRESP *basic, OCSP_CERTID *id, X509 *issuer, int64_t now, int64_t *out_next_update)
{
	ASN1_GENERALIZEDTIME *this_update = NULL;
	ASN1_GENERALIZEDTIME *next_update = NULL;
	int status;
	int64_t from;
	int64_t until;

	if (!signed_by_issuer(basic, issuer))
		return "it is not signed by the certificate's issuer";
	if (OCSP_resp_find_status(basic, id, &status, NULL, NULL, &this_update, &next_update) != 1)
		return "it is about another certificate";
	if (status != V_OCSP_CERTSTATUS_GOOD)
		return status == V_OCSP_CERTSTATUS_REVOKED ? "it says that the certificate is revoked"
							   : "it says that the certificate is not known";
	from = seconds_of(this_update);
	until = seconds_of(next_update);
	if (from == 0 || from > now + CLOCK_SKEW_S)
		return "it is from the future";
	if (until != 0 && until <= now)
		return "it is out of date";
	*out_next_update = until;
	return NULL;
}

bool ocsp_check(const struct cert *cert, struct span response_der, int64_t now, int64_t *out_next_update,
	struct text *reason)
{
	const unsigned char *data = response_der.data;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &data, (long)response_der.len);
	OCSP_BASICRESP *basic = NULL;
	X509 *issuer = NULL;
	OCSP_CERTID *id = make_id(cert, &issuer);
	const char *fault = NULL;

	if (response == NULL || data != response_der.data + response_der.len)
		fault = "it is malformed";
	else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		fault = OCSP_response_status_str(OCSP_response_status(response));
	else if (id == NULL)
		fault = "the chain has no issuer to check it with";
	else if ((basic = OCSP_response_get1_basic(response)) == NULL)
		fault = "it is of a kind that is not known";
	else
		fault = judge(basic, id, issuer, now, out_next_update);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	OCSP_CERTID_free(id);
	X509_free(issuer);
	if (fault != NULL)
		text_printf(reason, "the OCSP response is not used: %s", fault);
	return fault == NULL;
}

uint8_t *ocsp_request(const struct cert *cert, size_t *out_len)
{
	X509 *issuer = NULL;
	OCSP_CERTID *id = make_id(cert, &issuer);
	OCSP_REQUEST *request = OCSP_REQUEST_new();
	unsigned char *der = NULL;
	uint8_t *copy = NULL;
	int len = 0;

	if (id != NULL && request != NULL && OCSP_request_add0_id(request, id) != NULL) {
		id = NULL; // the request's now
		len = i2d_OCSP_REQUEST(request, &der);
	}
	if (len > 0) {
		copy = memory_alloc((size_t)len, 1);
		memcpy(copy, der, (size_t)len);
		*out_len = (size_t)len;
	}
	OPENSSL_free(der);
	OCSP_REQUEST_free(request);
	OCSP_CERTID_free(id);
	X509_free(issuer);
	return copy;
}
