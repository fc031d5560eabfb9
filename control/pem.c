// SPDX-License-Identifier: Apache-2.0
#include "pem.h"

static const char begin_mark[] = "-----BEGIN ";
static const char end_mark[] = "-----END ";
static const char dashes[] = "-----";

// The first place of a string in a text, or NULL.
static const uint8_t *find(struct span text, const char *wanted)
{
	return memmem(text.data, text.len, wanted, strlen(wanted));
}

static struct span from(struct span text, const uint8_t *place)
{
	return span_of(place, text.len - (size_t)(place - text.data));
}

// Reads "LABEL-----" behind a mark; the span moves past it. False: there is none.
static bool take_label(struct span *text, char label[static PEM_LABEL_MAX])
{
	const uint8_t *end = find(*text, dashes);
	size_t len;

	if (end == NULL)
		return false;
	len = (size_t)(end - text->data);
	if (len == 0 || len >= PEM_LABEL_MAX || memchr(text->data, '\n', len) != NULL)
		return false;
	memcpy(label, text->data, len);
	label[len] = '\0';
	*text = from(*text, end + strlen(dashes));
	return true;
}

enum pem_verdict pem_next(struct span *text, struct pem_block *out_block)
{
	struct pem_block block = {0};
	char end_label[PEM_LABEL_MAX];
	struct span rest = *text;
	const uint8_t *place = find(rest, begin_mark);
	const uint8_t *end;

	if (place == NULL)
		return PEM_END;
	rest = from(rest, place + strlen(begin_mark));
	if (!take_label(&rest, block.label))
		return PEM_BROKEN;
	end = find(rest, end_mark);
	if (end == NULL)
		return PEM_BROKEN;
	block.encoded = span_of(rest.data, (size_t)(end - rest.data));
	rest = from(rest, end + strlen(end_mark));
	if (!take_label(&rest, end_label) || strcmp(end_label, block.label) != 0)
		return PEM_BROKEN;
	block.has_headers = memchr(block.encoded.data, ':', block.encoded.len) != NULL;
	*text = rest;
	*out_block = block;
	return PEM_BLOCK;
}

size_t pem_decoded_max(const struct pem_block *block)
{
	return block->encoded.len / 4 * 3 + 3;
}

// The value of a base64 digit, or -1. Comparisons and arithmetic only: the digits of a key pass through here,
// and no table is indexed by them.
static int digit_of(uint8_t character)
{
	const int c = character;
	const int upper = ((64 - c) & (c - 91)) >> 8;
	const int lower = ((96 - c) & (c - 123)) >> 8;
	const int number = ((47 - c) & (c - 58)) >> 8;
	const int plus = ((42 - c) & (c - 44)) >> 8;
	const int slash = ((46 - c) & (c - 48)) >> 8;

	return -1 + (upper & (c - 64)) + (lower & (c - 70)) + (number & (c + 5)) + (plus & 63) + (slash & 64);
}

static bool is_space(uint8_t character)
{
	return character == '\n' || character == '\r' || character == ' ' || character == '\t';
}

bool pem_decode(const struct pem_block *block, struct mut_span out, size_t *out_len)
{
	uint32_t bits = 0;
	size_t n_digits = 0;
	size_t n_padding = 0;
	size_t len = 0;

	for (size_t i = 0; i < block->encoded.len; i++) {
		const uint8_t character = block->encoded.data[i];
		const int digit = digit_of(character);

		if (is_space(character))
			continue;
		if (character == '=') {
			n_padding++;
			continue;
		}
		if (digit < 0 || n_padding != 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		if (n_digits++ % 4 == 0)
			continue;
		if (len == out.len)
			return false;
		out.data[len++] = (uint8_t)(bits >> (6 - 2 * ((n_digits - 1) % 4)));
	}
	// RFC 4648 3.5: bits after the last byte are zero, and padding completes the last four.
	if (n_digits % 4 == 1 || n_padding != (4 - n_digits % 4) % 4 ||
		(n_digits % 4 == 2 && (bits & 0xf) != 0) || (n_digits % 4 == 3 && (bits & 0x3) != 0))
		return false;
	*out_len = len;
	return len != 0;
}
