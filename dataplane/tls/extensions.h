// SPDX-License-Identifier: Apache-2.0
//
// A block of extensions, taken apart once: the body of each that the engine knows (extensions.def), borrowed
// from the message, and a set of which are there. Whoever wants an extension's meaning parses its body.
#pragma once

#include "base/reader.h"
#include "base/writer.h"
#include "tls/alert.h"

enum tls_extension {
#define EXTENSION(id, number, places) TLS_EXTENSION_##id,
#include "tls/extensions.def"
#undef EXTENSION
	TLS_N_EXTENSIONS
};

// The messages that carry extensions; a set of them is where an extension may stand.
enum tls_extension_place {
	TLS_EXTENSIONS_IN_CH = 1 << 0,
	TLS_EXTENSIONS_IN_SH = 1 << 1,
	TLS_EXTENSIONS_IN_HRR = 1 << 2,
	TLS_EXTENSIONS_IN_EE = 1 << 3,
	TLS_EXTENSIONS_IN_CT = 1 << 4,
	TLS_EXTENSIONS_IN_CR = 1 << 5,
	TLS_EXTENSIONS_IN_NST = 1 << 6,
	TLS_EXTENSIONS_IN_SH12 = 1 << 7,
};

struct tls_extensions {
	uint32_t present; // bit: enum tls_extension
	struct span bodies[TLS_N_EXTENSIONS];
	bool psk_is_last; // pre_shared_key stood at the very end (RFC 8446 4.2.11)
};

#define TLS_EXTENSION_BIT(id) (UINT32_C(1) << (id))

static inline bool tls_extensions_have(const struct tls_extensions *extensions, enum tls_extension id)
{
	return (extensions->present & TLS_EXTENSION_BIT(id)) != 0;
}

uint16_t tls_extension_number(enum tls_extension id);

// Takes the block (without its length) apart. `offered` is the set that the peer answers to, or
// TLS_EXTENSIONS_ANY where the message needs no invitation; an answer outside it, known or not, is
// unsupported_extension. A duplicate or a known extension in the wrong message is illegal_parameter, bad
// framing decode_error. Unknown ones are otherwise passed over.
enum tls_verdict tls_extensions_parse(struct span block, enum tls_extension_place place, uint32_t offered,
	struct tls_extensions *out) TLS_MUST_CHECK;

#define TLS_EXTENSIONS_ANY UINT32_MAX

// Writes number and length prefix; the body follows, then writer_close.
struct writer_mark tls_extension_open(struct writer *writer, enum tls_extension id);
void tls_extension_write_empty(struct writer *writer, enum tls_extension id);
