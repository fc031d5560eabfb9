// SPDX-License-Identifier: Apache-2.0
#include "crypto/scheme.h"

static const struct scheme schemes[] = {
#define SCHEME(id, code_point, name, kind, hash, type, in_tls13) \
	{code_point, kind, hash, type, in_tls13, name},
#include "crypto/scheme.def"
#undef SCHEME
};

const struct scheme *scheme_find(uint16_t code_point)
{
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		if (schemes[i].code_point == code_point)
			return &schemes[i];
	return NULL;
}

bool scheme_fits_tls13(const struct scheme *scheme, enum key_type type)
{
	return scheme->in_tls13 && scheme->key_type == type;
}

bool scheme_fits_tls12(const struct scheme *scheme, enum key_type type)
{
	if (scheme->kind == SCHEME_KIND_ECDSA)
		return type == KEY_ECDSA_P256 || type == KEY_ECDSA_P384;
	return scheme->key_type == type;
}
