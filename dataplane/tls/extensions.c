// SPDX-License-Identifier: Apache-2.0
#include "tls/extensions.h"

#include "base/assert.h"

#define IN_CH   TLS_EXTENSIONS_IN_CH
#define IN_SH   TLS_EXTENSIONS_IN_SH
#define IN_HRR  TLS_EXTENSIONS_IN_HRR
#define IN_EE   TLS_EXTENSIONS_IN_EE
#define IN_CT   TLS_EXTENSIONS_IN_CT
#define IN_CR   TLS_EXTENSIONS_IN_CR
#define IN_NST  TLS_EXTENSIONS_IN_NST
#define IN_SH12 TLS_EXTENSIONS_IN_SH12

static const struct {
	uint16_t number;
	uint16_t places;
} known[TLS_N_EXTENSIONS] = {
#define EXTENSION(id, number, places) [TLS_EXTENSION_##id] = {(number), (places)},
#include "tls/extensions.def"
#undef EXTENSION
};

_Static_assert(TLS_N_EXTENSIONS <= 32, "the set of extensions is one word");

uint16_t tls_extension_number(enum tls_extension id)
{
	return known[id].number;
}

static enum tls_extension find_known(uint16_t number)
{
	switch (number) {
#define EXTENSION(id, value, places) \
	case value: \
		return TLS_EXTENSION_##id;
#include "tls/extensions.def"
#undef EXTENSION
	default:
		return TLS_N_EXTENSIONS;
	}
}

// The numbers met so far that are not known. The first few, which is all that real peers send, are compared
// one by one; a peer that sends more pays for the set of all 65,536.
struct unknown_seen {
	uint16_t few[8];
	uint32_t n;
	uint64_t all[1024]; // valid from n == 8 on
};

static void remember_in_set(struct unknown_seen *seen, uint16_t number)
{
	seen->all[number / 64] |= UINT64_C(1) << (number % 64);
}

// False when the number was there before.
static bool remember_unknown(struct unknown_seen *seen, uint16_t number)
{
	const uint32_t n_few = sizeof seen->few / sizeof seen->few[0];

	if (seen->n < n_few) {
		for (uint32_t i = 0; i < seen->n; i++) {
			if (seen->few[i] == number)
				return false;
		}
		seen->few[seen->n++] = number;
		if (seen->n < n_few)
			return true;
		memset(seen->all, 0, sizeof seen->all);
		for (uint32_t i = 0; i < n_few; i++)
			remember_in_set(seen, seen->few[i]);
		return true;
	}
	if ((seen->all[number / 64] >> (number % 64) & 1) != 0)
		return false;
	remember_in_set(seen, number);
	return true;
}

// A block in which a number stands twice can't be read one way only, so that is decode_error (RFC 8446 4.2
// names no alert for it).
static enum tls_verdict take_known(struct tls_extensions *out, enum tls_extension id, struct span body,
	enum tls_extension_place place, uint32_t offered)
{
	if (tls_extensions_have(out, id))
		return TLS_REFUSE_DECODE_ERROR;
	out->present |= TLS_EXTENSION_BIT(id);
	out->bodies[id] = body;
	if ((known[id].places & place) == 0)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if ((offered & TLS_EXTENSION_BIT(id)) == 0)
		return TLS_REFUSE_UNSUPPORTED_EXTENSION;
	return TLS_OK;
}

static enum tls_verdict take_unknown(struct unknown_seen *unknown, uint16_t number, uint32_t offered)
{
	if (!remember_unknown(unknown, number))
		return TLS_REFUSE_DECODE_ERROR;
	return offered == TLS_EXTENSIONS_ANY ? TLS_OK : TLS_REFUSE_UNSUPPORTED_EXTENSION;
}

enum tls_verdict tls_extensions_parse(
	struct span block, enum tls_extension_place place, uint32_t offered, struct tls_extensions *out)
{
	struct reader reader = reader_over(block);
	enum tls_extension last = TLS_N_EXTENSIONS;
	enum tls_verdict verdict = TLS_OK;
	struct unknown_seen unknown;

	out->present = 0;
	unknown.n = 0;
	// Syntax goes before meaning: the whole block is read even where something in it has no business
	// there.
	while (verdict != TLS_REFUSE_DECODE_ERROR && reader_left(&reader) != 0) {
		uint16_t number = reader_u16(&reader);
		struct span body = reader_vector16(&reader);
		enum tls_verdict of_this;

		if (!reader_ok(&reader))
			return TLS_REFUSE_DECODE_ERROR;
		last = find_known(number);
		of_this = last != TLS_N_EXTENSIONS ? take_known(out, last, body, place, offered)
						   : take_unknown(&unknown, number, offered);
		if (verdict == TLS_OK || of_this == TLS_REFUSE_DECODE_ERROR)
			verdict = of_this;
	}
	out->psk_is_last = last == TLS_EXTENSION_PRE_SHARED_KEY;
	return verdict;
}

struct writer_mark tls_extension_open(struct writer *writer, enum tls_extension id)
{
	writer_u16(writer, known[id].number);
	return writer_open16(writer);
}

void tls_extension_write_empty(struct writer *writer, enum tls_extension id)
{
	writer_close(writer, tls_extension_open(writer, id));
}
