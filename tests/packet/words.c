// SPDX-License-Identifier: Apache-2.0
#include "packet_run.h"

#include <stdlib.h>
#include <string.h>

const char *value_of(char **words, uint32_t n, const char *name)
{
	size_t len = strlen(name);

	for (uint32_t i = 0; i < n; i++)
		if (strncmp(words[i], name, len) == 0 && words[i][len] == '=')
			return words[i] + len + 1;
	return NULL;
}

bool has_word(char **words, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(words[i], name) == 0)
			return true;
	return false;
}

uint32_t number_of(char **words, uint32_t n, const char *name, uint32_t otherwise)
{
	const char *value = value_of(words, n, name);

	return value != NULL ? (uint32_t)strtoll(value, NULL, 0) : otherwise;
}

static const char flag_letters[] = "FSRP.UEC"; // in the order of the header's bits

uint8_t flags_of(const char *word)
{
	uint8_t flags = 0;

	if (strcmp(word, "-") == 0)
		return 0;
	for (; *word != 0; word++) {
		const char *letter = strchr(flag_letters, *word);

		if (letter == NULL) {
			fail("no such flag", word);
			return 0;
		}
		flags |= (uint8_t)(1u << (letter - flag_letters));
	}
	return flags;
}

const char *flag_names(uint8_t flags)
{
	static char names[9];
	uint32_t n = 0;

	for (uint32_t i = 0; i < 8; i++)
		if ((flags >> i & 1) != 0)
			names[n++] = flag_letters[i];
	names[n] = 0;
	return n != 0 ? names : "-";
}

void sack_of(const char *value, uint32_t base, struct tcp_options *options)
{
	options->present |= TCP_HAS_SACK;
	while (value != NULL && *value != 0 && options->n_sack_blocks < TCP_SACK_BLOCKS_MAX) {
		char *end;
		uint32_t start = (uint32_t)strtoll(value, &end, 0);
		uint32_t stop = (uint32_t)strtoll(end + 1, &end, 0);

		options->sack_blocks[options->n_sack_blocks++] = (struct tcp_sack_block){
			.start = seq_of(base + start), .end = seq_of(base + stop)};
		value = *end == ',' ? end + 1 : NULL;
	}
}
