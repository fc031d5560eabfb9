// SPDX-License-Identifier: Apache-2.0
//
// Signature schemes (RFC 8446 4.2.3) as data: scheme.def is the list. Code points that are not in it (SHA-1,
// other curves) have no code anywhere.
#pragma once

#include "crypto/hash.h"

enum key_type {
	KEY_ECDSA_P256,
	KEY_ECDSA_P384,
	KEY_ED25519,
	KEY_RSA,     // rsaEncryption: PKCS#1 v1.5 and rsa_pss_rsae
	KEY_RSA_PSS, // id-RSASSA-PSS: rsa_pss_pss only
	N_KEY_TYPES
};

enum signature_scheme {
#define SCHEME(id, code_point, name, kind, hash, key_type, in_tls13) SCHEME_##id = (code_point),
#include "crypto/scheme.def"
#undef SCHEME
};

enum scheme_kind {
	SCHEME_KIND_ECDSA,
	SCHEME_KIND_ED25519,
	SCHEME_KIND_RSA_PSS,
	SCHEME_KIND_RSA_PKCS1
};

struct scheme {
	uint16_t code_point;
	uint8_t kind;     // enum scheme_kind
	uint8_t hash;     // enum hash_id
	uint8_t key_type; // enum key_type
	bool in_tls13;    // allowed in a TLS 1.3 CertificateVerify
	const char *name;
};

// NULL for a code point that is not ours. In TLS 1.2 an ECDSA scheme does not fix the curve (RFC 8446 4.2.3):
// scheme_fits_tls12 says whether the key may be used with it.
const struct scheme *scheme_find(uint16_t code_point);

// Whether a key of the given type makes or checks signatures of the scheme, in TLS 1.3 (curve fixed by the
// scheme) and in TLS 1.2 (any ECDSA key with any ECDSA scheme; Ed25519 and PSS as in 1.3).
bool scheme_fits_tls13(const struct scheme *scheme, enum key_type type);
bool scheme_fits_tls12(const struct scheme *scheme, enum key_type type);
