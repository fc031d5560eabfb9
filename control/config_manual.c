// SPDX-License-Identifier: Apache-2.0
//
// The reference part of sluice.yaml(5), in mdoc: every key of the tables, so that the page can't differ from
// what is accepted.
#include "config_schema.h"

#include <string.h>

enum {
	DEPTH_MAX = 6
};

// A line that starts with a dot or a quote would be a request to the formatter.
static void print_line(struct text *text, const char *line)
{
	if (line[0] == '.' || line[0] == '\'')
		text_string_append(text, "\\&");
	for (; *line != '\0'; line++) {
		if (*line == '\\')
			text_string_append(text, "\\e");
		else
			text_char(text, *line);
	}
	text_char(text, '\n');
}

static void print_key(struct text *text, const struct config_key *key, const char *path)
{
	struct text line = {0};

	text_printf(text, ".It Cm \"%s\"\n", path);
	print_line(text, key->help);
	if (key->type != CONFIG_TYPE_MAPPING) {
		text_string_append(text, ".br\n");
		text_string_append(&line, key->shape == CONFIG_LIST ? "One or a list; each " : "");
		config_schema_allowed(key, &line);
		if (key->fallback != NULL)
			text_printf(&line, "; default: %s", key->fallback);
		if (key->required)
			text_string_append(&line, "; required");
		text_char(&line, '.');
		print_line(text, text_string(&line));
	}
	text_free(&line);
}

static void print_schema(struct text *text, const struct config_schema *schema, const char *around, int depth)
{
	for (size_t i = 0; i < schema->n_keys && depth < DEPTH_MAX; i++) {
		const struct config_key *key = &schema->keys[i];
		struct text path = {0};

		text_printf(&path, "%s%s%s%s", around, around[0] != '\0' ? "." : "", key->name,
			key->shape == CONFIG_NAMED  ? ".NAME"
			: key->shape == CONFIG_LIST ? "[]"
						    : "");
		print_key(text, key, text_string(&path));
		if (key->type == CONFIG_TYPE_MAPPING)
			print_schema(text, key->child, text_string(&path), depth + 1);
		text_free(&path);
	}
}

void config_schema_manual(struct text *text)
{
	text_string_append(text, ".Bl -tag -width indent\n");
	print_schema(text, &config_schema_root, "", 0);
	text_string_append(text, ".El\n");
}
