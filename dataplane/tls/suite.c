// SPDX-License-Identifier: Apache-2.0
#include "tls/suite.h"

#include "tls/wire.h"

#define SUITE_13(id, name, aead, hash) \
	{ \
		id, TLS_VERSION_13, aead, hash, AEAD_NONCE_XOR, TLS_AUTH_ANY, name \
	}
#define SUITE_12(id, name, aead, hash, nonce, auth) \
	{ \
		id, TLS_VERSION_12, aead, hash, nonce, auth, name \
	}

// RFC 8446 B.4, RFC 5289 3.2, RFC 7905 2.
const struct tls_suite tls_suites[] = {
	SUITE_13(0x1301, "TLS_AES_128_GCM_SHA256", AEAD_AES_128_GCM, HASH_SHA256),
	SUITE_13(0x1302, "TLS_AES_256_GCM_SHA384", AEAD_AES_256_GCM, HASH_SHA384),
	SUITE_13(0x1303, "TLS_CHACHA20_POLY1305_SHA256", AEAD_CHACHA20_POLY1305, HASH_SHA256),
	SUITE_12(0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", AEAD_AES_128_GCM, HASH_SHA256,
		AEAD_NONCE_EXPLICIT, TLS_AUTH_ECDSA),
	SUITE_12(0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", AEAD_AES_128_GCM, HASH_SHA256,
		AEAD_NONCE_EXPLICIT, TLS_AUTH_RSA),
	SUITE_12(0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", AEAD_AES_256_GCM, HASH_SHA384,
		AEAD_NONCE_EXPLICIT, TLS_AUTH_ECDSA),
	SUITE_12(0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", AEAD_AES_256_GCM, HASH_SHA384,
		AEAD_NONCE_EXPLICIT, TLS_AUTH_RSA),
	SUITE_12(0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", AEAD_CHACHA20_POLY1305, HASH_SHA256,
		AEAD_NONCE_XOR, TLS_AUTH_ECDSA),
	SUITE_12(0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", AEAD_CHACHA20_POLY1305, HASH_SHA256,
		AEAD_NONCE_XOR, TLS_AUTH_RSA),
};

const uint32_t tls_n_suites = sizeof tls_suites / sizeof tls_suites[0];

const struct tls_suite *tls_suite_find(uint16_t id)
{
	for (uint32_t i = 0; i < tls_n_suites; i++) {
		if (tls_suites[i].id == id)
			return &tls_suites[i];
	}
	return NULL;
}

bool tls_suite_fits_key(const struct tls_suite *suite, enum key_type type)
{
	bool is_rsa = type == KEY_RSA || type == KEY_RSA_PSS;

	return suite->auth == TLS_AUTH_ANY || (suite->auth == TLS_AUTH_RSA) == is_rsa;
}
