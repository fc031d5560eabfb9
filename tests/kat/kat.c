// SPDX-License-Identifier: Apache-2.0
#include "kat/kat.h"

#include "base/assert.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
	FAILURES_SHOWN_MAX = 20
};

// Pieces handed out by kat_parse, a chain of allocations.
struct piece {
	struct piece *next;
	uint8_t bytes[];
};

static struct piece *pieces;
static unsigned n_passed, n_failed, n_skipped;

const char *kat_path(enum kat_place place, const char *path)
{
	static char full[4096];
	const char *root = place == KAT_SLUICE_VECTORS
				   ? getenv("SLUICE_VECTORS")
				   : "/usr/lib/python3/dist-packages/cryptography_vectors";
	struct stat status;

	if (root != NULL) {
		(void)snprintf(full, sizeof full, "%s/%s", root, path);
		if (stat(full, &status) == 0)
			return full;
	}
	printf("skipped: %s is absent (%s)\n", path,
		place == KAT_SLUICE_VECTORS ? "in $SLUICE_VECTORS" : "in python3-cryptography-vectors");
	n_skipped++;
	return NULL;
}

bool kat_open(struct kat_file *file, enum kat_place place, const char *path)
{
	const char *full = kat_path(place, path);

	*file = (struct kat_file){.path = path};
	if (full == NULL)
		return false;
	file->file = fopen(full, "r");
	SLUICE_ASSERT(file->file != NULL);
	return true;
}

static void drop_fields(struct kat_file *file)
{
	for (unsigned i = 0; i < file->n_fields; i++) {
		free(file->fields[i].name);
		free(file->fields[i].value);
	}
	file->n_fields = 0;
}

static char *trim(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return text;
}

static void add_field(struct kat_file *file, char *line)
{
	char *separator = line + strcspn(line, "=:");
	const char *value = "";

	if (*separator != '\0') {
		*separator = '\0';
		value = trim(separator + 1);
	}
	SLUICE_ASSERT(file->n_fields < KAT_FIELDS_MAX);
	file->fields[file->n_fields].name = strdup(trim(line));
	file->fields[file->n_fields].value = strdup(value);
	file->n_fields++;
}

bool kat_next(struct kat_file *file)
{
	char *line = NULL;
	size_t capacity = 0;
	bool more;

	drop_fields(file);
	while ((more = getline(&line, &capacity, file->file) >= 0)) {
		char *text = trim(line);

		if (*text == '#')
			continue;
		if (*text == '[')
			(void)snprintf(file->section, sizeof file->section, "%s", text);
		else if (*text != '\0')
			add_field(file, text);
		else if (file->n_fields != 0)
			break;
	}
	free(line);
	if (file->n_fields != 0) {
		file->n_blocks++;
		return true;
	}
	if (file->n_blocks == 0)
		kat_check(false, file->path, "nothing in it");
	(void)fclose(file->file);
	return false;
}

const char *kat_field(const struct kat_file *file, const char *name)
{
	for (unsigned i = 0; i < file->n_fields; i++)
		if (strcmp(file->fields[i].name, name) == 0)
			return file->fields[i].value;
	return NULL;
}

static unsigned digit(char c)
{
	SLUICE_ASSERT(isxdigit((unsigned char)c));
	return isdigit((unsigned char)c) ? (unsigned)(c - '0')
					 : (unsigned)(tolower((unsigned char)c) - 'a' + 10);
}

struct span kat_parse(const char *text)
{
	size_t len = strlen(text);
	struct piece *piece = malloc(sizeof *piece + len + 1);

	SLUICE_ASSERT(piece != NULL);
	piece->next = pieces;
	pieces = piece;
	if (*text == '"') {
		SLUICE_ASSERT(len >= 2 && text[len - 1] == '"');
		memcpy(piece->bytes, text + 1, len - 2);
		return span_of(piece->bytes, len - 2);
	}
	SLUICE_ASSERT(len % 2 == 0);
	for (size_t i = 0; i < len / 2; i++)
		piece->bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	return span_of(piece->bytes, len / 2);
}

struct span kat_bytes(const struct kat_file *file, const char *name)
{
	const char *value = kat_field(file, name);

	return value == NULL ? span_of(NULL, 0) : kat_parse(value);
}

void kat_reset(void)
{
	while (pieces != NULL) {
		struct piece *next = pieces->next;

		free(pieces);
		pieces = next;
	}
}

void kat_check(bool passed, const char *set, const char *vector)
{
	if (passed) {
		n_passed++;
		return;
	}
	n_failed++;
	if (n_failed <= FAILURES_SHOWN_MAX)
		printf("failed: %s: %s\n", set, vector);
}

int kat_finish(void)
{
	kat_reset();
	printf("%u vectors passed, %u failed, %u sets skipped\n", n_passed, n_failed, n_skipped);
	if (n_failed != 0)
		return 1;
	return n_passed == 0 ? 77 : 0;
}
