// SPDX-License-Identifier: Apache-2.0
//
// PEM, DER, keys and certificates, held against OpenSSL, which makes all of them here.
#include "cert_set.h"
#include "der.h"
#include "ocsp.h"
#include "pem.h"
#include "seam/cmocka_all.h"
#include "secret.h"
#include "transaction.h"

#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct key_context *context;
static EVP_PKEY *root_key, *issuer_key, *leaf_key;
static X509 *root, *issuer, *leaf;
static char folder[] = "/tmp/sluice-certs-XXXXXX";

static void add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	(void)X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static X509 *make(EVP_PKEY *key, const char *name, X509 *by, EVP_PKEY *by_key, const char *names)
{
	static long serial = 100;
	X509 *certificate = X509_new();

	(void)X509_set_version(certificate, 2);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
	(void)X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0);
	(void)X509_set_issuer_name(certificate, X509_get_subject_name(by != NULL ? by : certificate));
	(void)X509_set_pubkey(certificate, key);
	if (names != NULL)
		add_extension(certificate, NID_subject_alt_name, names);
	else
		add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(certificate, by_key, EVP_sha256()) > 0);
	return certificate;
}

static int make_all(void **state)
{
	(void)state;
	context = key_context_create();
	root_key = EVP_EC_gen("P-256");
	issuer_key = EVP_EC_gen("P-256");
	leaf_key = EVP_EC_gen("P-256");
	root = make(root_key, "Root", NULL, root_key, NULL);
	issuer = make(issuer_key, "Issuer", root, root_key, NULL);
	leaf = make(
		leaf_key, "leaf", issuer, issuer_key, "DNS:Mail.Example.org,IP:192.0.2.1,DNS:*.example.net");
	return context != NULL && mkdtemp(folder) != NULL ? 0 : -1;
}

static int free_all(void **state)
{
	(void)state;
	key_context_destroy(context);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(issuer_key);
	EVP_PKEY_free(leaf_key);
	X509_free(root);
	X509_free(issuer);
	X509_free(leaf);
	return rmdir(folder);
}

// PEM of the certificates and keys that are given, in order.
static void write_pem(struct text *out, EVP_PKEY *key, X509 *const *certificates, size_t n)
{
	BIO *memory = BIO_new(BIO_s_mem());
	char *data;
	long len;

	for (size_t i = 0; i < n; i++)
		(void)PEM_write_bio_X509(memory, certificates[i]);
	if (key != NULL)
		(void)PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL);
	len = BIO_get_mem_data(memory, &data);
	text_append(out, data, (size_t)len);
	BIO_free(memory);
}

static struct cert *load(EVP_PKEY *key, X509 *const *certificates, size_t n, struct text *reason)
{
	struct text pem = {0};
	struct cert *cert;

	write_pem(&pem, key, certificates, n);
	cert = cert_from_pem(context, "test", span_of(text_string(&pem), pem.len), reason);
	text_free(&pem);
	return cert;
}

static void refuse(EVP_PKEY *key, X509 *const *certificates, size_t n, const char *expected)
{
	struct text reason = {0};

	assert_null(load(key, certificates, n, &reason));
	if (strstr(text_string(&reason), expected) == NULL)
		print_error("wanted: %s\ngot: %s\n", expected, text_string(&reason));
	assert_non_null(strstr(text_string(&reason), expected));
	text_free(&reason);
}

static void refuse_pem(const char *pem, const char *expected)
{
	struct text reason = {0};

	assert_null(cert_from_pem(context, "test", span_of_string(pem), &reason));
	if (strstr(text_string(&reason), expected) == NULL)
		print_error("wanted: %s\ngot: %s\n", expected, text_string(&reason));
	assert_non_null(strstr(text_string(&reason), expected));
	text_free(&reason);
}

static void a_chain_in_order_stays(void **state)
{
	X509 *const chain[] = {leaf, issuer, root};
	struct text reason = {0};
	struct cert *cert = load(leaf_key, chain, 3, &reason);
	char name[CERTIFICATE_NAME_MAX];
	size_t cursor = 0;
	time_t not_after;
	struct tm broken_down;

	(void)state;
	assert_non_null(cert);
	assert_false(cert->rearranged);
	assert_int_equal(cert->n_certificates, 3);
	assert_int_equal(cert->key->type, KEY_P256);
	assert_true(certificate_next_name(cert_leaf(cert), &cursor, name));
	assert_string_equal(name, "mail.example.org");
	assert_true(certificate_next_name(cert_leaf(cert), &cursor, name));
	assert_string_equal(name, "*.example.net");
	assert_false(certificate_next_name(cert_leaf(cert), &cursor, name));
	assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &broken_down), 1);
	not_after = timegm(&broken_down);
	assert_int_equal(cert_leaf(cert)->not_after, not_after);
	assert_true(cert->certificates[1].is_ca);
	cert_release(cert);
}

static void a_chain_in_disorder_is_repaired(void **state)
{
	X509 *const chain[] = {root, leaf, leaf, issuer};
	struct text reason = {0};
	struct cert *cert = load(leaf_key, chain, 4, &reason);
	unsigned char *der = NULL;
	int len;

	(void)state;
	assert_non_null(cert);
	assert_true(cert->rearranged);
	assert_int_equal(cert->n_certificates, 3);
	len = i2d_X509(issuer, &der);
	assert_true(span_equal(cert->certificates[1].der, span_of(der, (size_t)len)));
	OPENSSL_free(der);
	cert_release(cert);
}

static void wrong_chains_are_refused(void **state)
{
	X509 *const strange[] = {leaf, root};
	X509 *const lone[] = {leaf};
	EVP_PKEY *other = EVP_EC_gen("P-256");
	EVP_PKEY *rsa = EVP_RSA_gen(2048);

	(void)state;
	refuse(leaf_key, strange, 2, "'Root' did not issue any other of the chain");
	refuse(other, lone, 1, "the private key is not the certificate's");
	refuse(rsa, lone, 1, "of different kinds");
	refuse(NULL, lone, 1, "no private key");
	refuse(leaf_key, NULL, 0, "no certificate in it");
	EVP_PKEY_free(other);
	EVP_PKEY_free(rsa);
}

static void broken_pem_is_refused(void **state)
{
	(void)state;
	refuse_pem("", "no certificate in it");
	refuse_pem("-----BEGIN CERTIFICATE-----\nAAAA\n", "a PEM block has no end");
	refuse_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END KEY-----\n", "a PEM block has no end");
	refuse_pem("-----BEGIN CERTIFICATE-----\nA!AA\n-----END CERTIFICATE-----\n",
		"certificate 1 is no base64");
	refuse_pem("-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n",
		"certificate 1 is no base64");
	refuse_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"not a private key in PKCS #8");
	refuse_pem("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n",
		"not a kind of private key");
	refuse_pem("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"encrypted");
	refuse_pem("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE "
		   "KEY-----\n",
		"encrypted");
}

static void base64_is_strict(void **state)
{
	static const struct {
		const char *text;
		const char *content; // NULL: refused
	} cases[] = {{"TWFu", "Man"}, {"TWE=", "Ma"}, {"TQ==", "M"}, {"T W\nF\tu", "Man"}, {"TWF", NULL},
		{"TW=u", NULL}, {"TWE", NULL}, {"TWE==", NULL}, {"TR==", NULL}, {"TWF=", NULL}, {"=", NULL},
		{"", NULL}, {"TWFu!", NULL}, {"T", NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct pem_block block = {.encoded = span_of_string(cases[i].text)};
		uint8_t out[16];
		size_t len = 0;
		const bool decoded = pem_decode(&block, (struct mut_span){out, sizeof out}, &len);

		assert_int_equal(decoded, cases[i].content != NULL);
		if (decoded)
			assert_true(span_equal(span_of(out, len), span_of_string(cases[i].content)));
	}
}

static void every_kind_of_key_is_read(void **state)
{
	EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_RSA_gen(2048), EVP_RSA_gen(3072),
		EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
	static const char *const names[] = {"ECDSA P-256", "ECDSA P-384", "RSA-2048", "RSA-3072", "Ed25519"};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		X509 *certificate = make(keys[i], "x", issuer, issuer_key, "DNS:x.example");
		struct text reason = {0};
		struct cert *cert = load(keys[i], &certificate, 1, &reason);

		assert_string_equal(text_string(&reason), "");
		assert_non_null(cert);
		assert_string_equal(key_name(cert->key->type, cert->key->bits), names[i]);
		cert_release(cert);
		X509_free(certificate);
		EVP_PKEY_free(keys[i]);
	}
}

static void traditional_forms_are_read(void **state)
{
	EVP_PKEY *keys[] = {leaf_key, EVP_RSA_gen(2048)};
	static const char *const labels[] = {"EC PRIVATE KEY", "RSA PRIVATE KEY"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		BIO *memory = BIO_new(BIO_s_mem());
		struct pem_block block;
		struct span text;
		char *data;
		uint8_t der[4096];
		size_t len;
		const char *reason = NULL;
		struct key *key;

		assert_int_equal(
			PEM_write_bio_PrivateKey_traditional(memory, keys[i], NULL, NULL, 0, NULL, NULL), 1);
		len = (size_t)BIO_get_mem_data(memory, &data);
		text = span_of(data, len);
		assert_int_equal(pem_next(&text, &block), PEM_BLOCK);
		assert_string_equal(block.label, labels[i]);
		assert_true(pem_decode(&block, (struct mut_span){der, sizeof der}, &len));
		key = key_read(block.label, span_of(der, len), &reason);
		assert_non_null(key);
		key_free(key);
		// Any cut makes it something that is refused, and nothing is read past the end.
		for (size_t cut = 0; cut < len; cut++)
			assert_null(key_read(block.label, span_of(der, cut), &reason));
		BIO_free(memory);
	}
	EVP_PKEY_free(keys[1]);
}

static void other_keys_are_refused_with_a_reason(void **state)
{
	EVP_PKEY *small = EVP_RSA_gen(1024);
	EVP_PKEY *curve = EVP_EC_gen("secp521r1");
	X509 *of_small = make(small, "x", issuer, issuer_key, "DNS:x.example");
	X509 *of_curve = make(curve, "x", issuer, issuer_key, "DNS:x.example");

	(void)state;
	refuse(small, &of_small, 1, "RSA keys of this size are not supported");
	refuse(curve, &of_curve, 1, "the curve is not supported");
	EVP_PKEY_free(small);
	EVP_PKEY_free(curve);
	X509_free(of_small);
	X509_free(of_curve);
}

// One wrong bit anywhere in an RSA key's numbers is noticed: a signature made with it could give the key
// away.
static void a_damaged_rsa_key_is_noticed(void **state)
{
	EVP_PKEY *pkey = EVP_RSA_gen(2048);
	X509 *certificate = make(pkey, "x", issuer, issuer_key, "DNS:x.example");
	struct text reason = {0};
	struct cert *cert = load(pkey, &certificate, 1, &reason);
	struct public_key public_key = cert_leaf(cert)->public_key;

	(void)state;
	assert_null(key_check(context, cert->key, &public_key));
	for (size_t i = 0; i < cert->key->len; i += 37) {
		cert->key->components[i] ^= 4;
		assert_non_null(key_check(context, cert->key, &public_key));
		cert->key->components[i] ^= 4;
	}
	cert_release(cert);
	X509_free(certificate);
	EVP_PKEY_free(pkey);
}

static void any_cut_of_a_certificate_is_refused(void **state)
{
	unsigned char *der = NULL;
	const int len = i2d_X509(leaf, &der);
	struct certificate certificate;

	(void)state;
	assert_null(certificate_read(span_of(der, (size_t)len), &certificate));
	for (int cut = 0; cut < len; cut++) {
		uint8_t *exact = malloc((size_t)cut + 1);

		memcpy(exact, der, (size_t)cut);
		assert_non_null(certificate_read(span_of(exact, (size_t)cut), &certificate));
		free(exact);
	}
	OPENSSL_free(der);
}

static void times_are_those_of_the_calendar(void **state)
{
	static const struct {
		uint8_t tag;
		const char *text;
		int64_t seconds; // -1: refused
	} cases[] = {{DER_UTC_TIME, "700101000000Z", 0}, {DER_UTC_TIME, "491231235959Z", 2524607999},
		{DER_GENERALIZED_TIME, "20500101000000Z", 2524608000},
		{DER_UTC_TIME, "240229120000Z", 1709208000}, {DER_UTC_TIME, "230229120000Z", -1},
		{DER_UTC_TIME, "231301000000Z", -1}, {DER_UTC_TIME, "2301010000Z", -1},
		{DER_UTC_TIME, "230101000000+0100", -1}, {DER_GENERALIZED_TIME, "20500101000000.5Z", -1},
		{DER_UTC_TIME, "23010100000aZ", -1}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t der[32] = {cases[i].tag, (uint8_t)strlen(cases[i].text)};
		struct reader reader = reader_over(span_of(der, 2 + strlen(cases[i].text)));
		int64_t seconds;

		memcpy(der + 2, cases[i].text, strlen(cases[i].text));
		seconds = der_time(&reader);
		assert_int_equal(reader_done(&reader), cases[i].seconds >= 0);
		if (cases[i].seconds >= 0)
			assert_int_equal(seconds, cases[i].seconds);
	}
}

static void lengths_are_the_shortest(void **state)
{
	static const uint8_t bad[][6] = {{0x30, 0x81, 0x01, 0}, {0x30, 0x80, 0, 0},
		{0x30, 0x82, 0x00, 0x01, 0}, {0x30, 0x84, 0, 0, 0, 1}, {0x31, 0x00}, {0x30, 0x05, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct reader reader = reader_over(span_of(bad[i], sizeof bad[i]));

		(void)der_take(&reader, DER_SEQUENCE);
		assert_false(reader_ok(&reader));
	}
}

static OCSP_RESPONSE *respond(
	X509 *subject, X509 *by, X509 *signer, EVP_PKEY *signer_key, int status, long from, long until)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, subject, by);
	ASN1_TIME *this_update = X509_gmtime_adj(NULL, from);
	ASN1_TIME *next_update = X509_gmtime_adj(NULL, until);
	ASN1_TIME *revoked = X509_gmtime_adj(NULL, -60);
	OCSP_RESPONSE *response;

	(void)OCSP_basic_add1_status(basic, id, status, 0,
		status == V_OCSP_CERTSTATUS_REVOKED ? revoked : NULL, this_update, next_update);
	(void)OCSP_basic_sign(basic, signer, signer_key, EVP_sha256(), NULL, 0);
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(this_update);
	ASN1_TIME_free(next_update);
	ASN1_TIME_free(revoked);
	return response;
}

static void judge(const struct cert *cert, OCSP_RESPONSE *response, const char *expected)
{
	unsigned char *der = NULL;
	const int len = i2d_OCSP_RESPONSE(response, &der);
	struct text reason = {0};
	int64_t next_update = 0;
	const bool good = ocsp_check(
		cert, span_of(der, (size_t)len), (int64_t)time(NULL), &next_update, &reason);

	if ((expected == NULL) != good ||
		(expected != NULL && strstr(text_string(&reason), expected) == NULL))
		print_error(
			"wanted: %s\ngot: %s\n", expected != NULL ? expected : "good", text_string(&reason));
	assert_int_equal(good, expected == NULL);
	if (good)
		assert_true(next_update > (int64_t)time(NULL));
	else
		assert_non_null(strstr(text_string(&reason), expected));
	text_free(&reason);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(response);
}

static void staples_are_checked(void **state)
{
	X509 *const chain[] = {leaf, issuer};
	struct text reason = {0};
	struct cert *cert = load(leaf_key, chain, 2, &reason);
	int64_t next_update;

	(void)state;
	judge(cert, respond(leaf, issuer, issuer, issuer_key, V_OCSP_CERTSTATUS_GOOD, -60, 3600), NULL);
	judge(cert, respond(leaf, issuer, issuer, issuer_key, V_OCSP_CERTSTATUS_REVOKED, -60, 3600),
		"revoked");
	judge(cert, respond(leaf, issuer, issuer, issuer_key, V_OCSP_CERTSTATUS_UNKNOWN, -60, 3600),
		"not known");
	judge(cert, respond(leaf, issuer, issuer, issuer_key, V_OCSP_CERTSTATUS_GOOD, -3600, -60),
		"out of date");
	judge(cert, respond(leaf, issuer, issuer, issuer_key, V_OCSP_CERTSTATUS_GOOD, 3600, 7200),
		"from the future");
	judge(cert, respond(leaf, issuer, root, root_key, V_OCSP_CERTSTATUS_GOOD, -60, 3600),
		"not signed by");
	judge(cert, respond(leaf, issuer, leaf, leaf_key, V_OCSP_CERTSTATUS_GOOD, -60, 3600),
		"not signed by");
	judge(cert, respond(issuer, root, issuer, issuer_key, V_OCSP_CERTSTATUS_GOOD, -60, 3600),
		"another certificate");
	judge(cert, OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL), "trylater");
	assert_false(ocsp_check(cert, span_of("xyz", 3), 0, &next_update, &reason));
	text_free(&reason);
	cert_release(cert);
}

static void another_staple_makes_another_object(void **state)
{
	X509 *const chain[] = {leaf, issuer};
	struct text reason = {0};
	struct cert *cert = load(leaf_key, chain, 2, &reason);
	struct cert *stapled = cert_with_staple(cert, span_of("staple", 6), 7);
	char name[CERTIFICATE_NAME_MAX];
	size_t cursor = 0;

	(void)state;
	assert_int_not_equal(cert->id, stapled->id);
	cert_release(cert); // nothing of the old one is used by the new one
	assert_int_equal(stapled->n_certificates, 2);
	assert_true(certificate_next_name(cert_leaf(stapled), &cursor, name));
	assert_string_equal(name, "mail.example.org");
	assert_true(span_equal(stapled->staple, span_of("staple", 6)));
	assert_null(key_check(context, stapled->key, &stapled->certificates[0].public_key));
	cert_release(stapled);
}

static void save(const char *name, const struct text *content)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fwrite(content->data, 1, content->len, file);
	(void)fclose(file);
}

static void erase(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	(void)unlink(path);
}

static struct cert_set *load_folder(const struct cert_set *before, struct config_errors *errors)
{
	struct config_certificate from = {.chain = folder};
	const struct config config = {.certificates = &from, .n_certificates = 1};

	return cert_set_load(&config, before, 2, errors);
}

static void a_directory_is_loaded_and_loaded_again(void **state)
{
	X509 *const chain[] = {leaf, issuer};
	EVP_PKEY *rsa = EVP_RSA_gen(2048);
	X509 *of_rsa = make(rsa, "rsa", issuer, issuer_key, "DNS:mail.example.org");
	struct config_errors errors = {0};
	struct text ec_pem = {0}, rsa_pem = {0}, rsa_key = {0};
	struct cert_set *set, *again, *with, *without;
	size_t n;

	(void)state;
	write_pem(&ec_pem, leaf_key, chain, 2);
	write_pem(&rsa_pem, NULL, &of_rsa, 1);
	write_pem(&rsa_key, rsa, NULL, 0);
	save("a.pem", &ec_pem);
	save("b.crt", &rsa_pem);
	save("b.key", &rsa_key);
	set = load_folder(NULL, &errors);
	assert_non_null(set);
	assert_int_equal(set->n_certs, 2);
	// ECDSA and RSA side by side, in order.
	assert_int_not_equal(cert_set_lookup(set, "MAIL.example.org", &n), SIZE_MAX);
	assert_int_equal(n, 2);
	assert_int_not_equal(cert_set_lookup(set, "www.example.net", &n), SIZE_MAX);
	assert_int_equal(n, 1);
	assert_int_equal(cert_set_lookup(set, "a.b.example.net", &n), SIZE_MAX);
	assert_int_equal(cert_set_lookup(set, "example.net", &n), SIZE_MAX);
	assert_int_equal(cert_set_lookup(set, "", &n), SIZE_MAX);
	// What did not change is the same object; what did is not.
	save("b.key", &rsa_key);
	again = load_folder(set, &errors);
	assert_ptr_equal(again->certs[0], set->certs[0]);
	assert_ptr_not_equal(again->certs[1], set->certs[1]);
	// One that came over the socket stays, until it is taken out.
	again->certs[0]->unsaved = true;
	with = cert_set_with(again, again->certs[0]);
	assert_int_equal(with->n_certs, 2);
	without = cert_set_without(with, with->certs[0]->name);
	assert_int_equal(without->n_certs, 1);
	erase("a.pem");
	cert_set_free(set);
	set = load_folder(with, &errors);
	assert_int_equal(set->n_certs, 2);
	cert_set_free(set);
	cert_set_free(with);
	cert_set_free(without);
	cert_set_free(again);
	erase("b.crt");
	erase("b.key");
	text_free(&ec_pem);
	text_free(&rsa_pem);
	text_free(&rsa_key);
	X509_free(of_rsa);
	EVP_PKEY_free(rsa);
}

static void one_bad_file_refuses_all(void **state)
{
	X509 *const chain[] = {leaf, issuer};
	struct config_errors errors = {0};
	struct text pem = {0};
	struct text bad = {0};

	(void)state;
	write_pem(&pem, leaf_key, chain, 2);
	text_string_append(&bad, "nothing");
	save("a.pem", &pem);
	save("z.pem", &bad);
	assert_null(load_folder(NULL, &errors));
	assert_int_equal(errors.n, 1);
	assert_non_null(strstr(text_string(&errors.text), "z.pem: no certificate in it"));
	erase("a.pem");
	erase("z.pem");
	config_errors_free(&errors);
	text_free(&pem);
	text_free(&bad);
}

static void secrets_are_wiped_and_used_again(void **state)
{
	const uint64_t before = secret_used_len();
	uint8_t *one = secret_alloc(100);
	uint8_t *other;

	(void)state;
	memset(one, 0xaa, 100);
	one = secret_grow(one, 100, 5000);
	assert_int_equal(one[99], 0xaa);
	secret_free(one);
	other = secret_alloc(5000);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(other[i], 0);
	secret_free(other);
	secret_free(NULL);
	assert_int_equal(secret_used_len(), before);
}

static void transactions_are_bounded_and_expire(void **state)
{
	struct transactions transactions = {0};
	char name[16];

	(void)state;
	for (int i = 0; i < TRANSACTIONS_MAX; i++) {
		(void)snprintf(name, sizeof name, "n%d", i);
		assert_non_null(transaction_open(&transactions, name, 0, i));
	}
	assert_null(transaction_open(&transactions, "one more", 0, 0));
	assert_non_null(transaction_find(&transactions, "n5"));
	assert_null(transaction_find(&transactions, "n99"));
	assert_int_equal(transactions_expire(&transactions, TRANSACTION_LIFE_S + 9), 10);
	assert_null(transaction_find(&transactions, "n5"));
	assert_non_null(transaction_find(&transactions, "n10"));
	transactions_close_all(&transactions);
	assert_int_equal(transactions.n, 0);
}

static pthread_barrier_t all_there;

static void *use_secure_heap(void *argument)
{
	struct key_context *own;

	(void)pthread_barrier_wait(&all_there);
	own = key_context_create();
	for (unsigned i = 0; i < 1000 && own != NULL; i++) {
		BIGNUM *number = BN_secure_new();

		if (number == NULL || BN_set_bit(number, (int)(64 + i)) != 1)
			return argument;
		BN_clear_free(number);
	}
	key_context_destroy(own);
	return own != NULL ? NULL : argument;
}

// The first contexts of a process, as when certificates are loaded by several threads at its start.
static void threads_make_contexts_at_once(void **state)
{
	pthread_t threads[16];
	unsigned n = sizeof threads / sizeof threads[0];
	void *failed;

	assert_int_equal(pthread_barrier_init(&all_there, NULL, n), 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_secure_heap, state), 0);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	(void)pthread_barrier_destroy(&all_there);
}

int main(void)
{
	const struct CMUnitTest first[] = {
		cmocka_unit_test(threads_make_contexts_at_once),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_in_order_stays),
		cmocka_unit_test(a_chain_in_disorder_is_repaired),
		cmocka_unit_test(wrong_chains_are_refused),
		cmocka_unit_test(broken_pem_is_refused),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(every_kind_of_key_is_read),
		cmocka_unit_test(traditional_forms_are_read),
		cmocka_unit_test(other_keys_are_refused_with_a_reason),
		cmocka_unit_test(a_damaged_rsa_key_is_noticed),
		cmocka_unit_test(any_cut_of_a_certificate_is_refused),
		cmocka_unit_test(times_are_those_of_the_calendar),
		cmocka_unit_test(lengths_are_the_shortest),
		cmocka_unit_test(staples_are_checked),
		cmocka_unit_test(another_staple_makes_another_object),
		cmocka_unit_test(a_directory_is_loaded_and_loaded_again),
		cmocka_unit_test(one_bad_file_refuses_all),
		cmocka_unit_test(secrets_are_wiped_and_used_again),
		cmocka_unit_test(transactions_are_bounded_and_expire),
	};

	return cmocka_run_group_tests(first, NULL, NULL) + cmocka_run_group_tests(tests, make_all, free_all);
}
