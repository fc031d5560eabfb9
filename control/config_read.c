// SPDX-License-Identifier: Apache-2.0
//
// From YAML to the structs of config.h, along the tables of config_schema.c. libfyaml makes a tree whose
// nodes know where they stand; this walks the tree and the tables together.
//
// Aliases are refused: a few lines of them can stand for gigabytes of text, and nothing here needs them.
#include "base/assert.h"
#include "config.h"
#include "config_schema.h"

#include <dirent.h>
#include <errno.h>
#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	FILE_LEN_MAX = 64 << 20,
	FILES_MAX = 1024,
	ERRORS_MAX = 50,
	FOUND_LEN_MAX = 60
};

struct reading {
	struct config *config;
	struct config_errors *errors;
	const char *file;
	struct text path;   // of the key that is being read
	uint64_t root_seen; // keys of the root that some file gave: those that are no lists may come once
	struct config_mark root_marks[64];
};

void config_error(
	struct config_errors *errors, struct config_mark mark, const char *key, const char *format, ...)
{
	va_list arguments;

	errors->n++;
	if (errors->n > ERRORS_MAX)
		return;
	if (mark.file != NULL && mark.line != 0)
		text_printf(&errors->text, "%s:%u: ", mark.file, mark.line);
	else if (mark.file != NULL)
		text_printf(&errors->text, "%s: ", mark.file);
	if (key != NULL && key[0] != '\0')
		text_printf(&errors->text, "%s: ", key);
	va_start(arguments, format);
	text_vprintf(&errors->text, format, arguments);
	va_end(arguments);
	text_char(&errors->text, '\n');
	if (errors->n == ERRORS_MAX)
		text_string_append(&errors->text, "more errors are not shown\n");
}

void config_errors_free(struct config_errors *errors)
{
	text_free(&errors->text);
	errors->n = 0;
}

// Where a node starts. Scalars know it; of lists and mappings, the first scalar inside is told.
static struct config_mark mark_of(
	const struct reading *reading, struct fy_node *node, struct config_mark around)
{
	struct config_mark mark = {.file = reading->file, .line = around.line};
	const struct fy_mark *start = NULL;
	void *cursor = NULL;

	for (int depth = 0; node != NULL && depth < 8 && !fy_node_is_scalar(node); depth++) {
		cursor = NULL;
		if (fy_node_is_sequence(node)) {
			node = fy_node_sequence_iterate(node, &cursor);
		} else {
			struct fy_node_pair *pair = fy_node_mapping_iterate(node, &cursor);

			node = pair != NULL ? fy_node_pair_key(pair) : NULL;
		}
	}
	if (node != NULL && fy_node_is_scalar(node) && fy_node_get_scalar_token(node) != NULL)
		start = fy_token_start_mark(fy_node_get_scalar_token(node));
	if (start != NULL)
		mark.line = (uint32_t)start->line + 1;
	return mark;
}

static void note_place(struct reading *reading, struct config_mark mark)
{
	struct config *config = reading->config;
	struct config_place *place = memory_zone_append(
		&config->zone, (void **)(void *)&config->places, &config->n_places, sizeof *place);

	place->path = memory_zone_string(&config->zone, text_string(&reading->path), reading->path.len);
	place->mark = mark;
}

// The mark of exactly this path, which is not terminated.
static const struct config_mark *find_place(const struct config *config, const char *path, size_t len)
{
	for (size_t i = config->n_places; i-- > 0;)
		if (strncmp(config->places[i].path, path, len) == 0 && config->places[i].path[len] == '\0')
			return &config->places[i].mark;
	return NULL;
}

void config_fault(
	const struct config *config, struct config_errors *errors, const char *path, const char *format, ...)
{
	const struct config_mark *found = NULL;
	struct config_mark mark = {.file = config->n_files != 0 ? config->files[0] : NULL};
	struct text message = {0};
	va_list arguments;

	for (size_t len = strlen(path); len != 0 && found == NULL; len--)
		if (path[len] == '\0' || path[len] == '.' || path[len] == '[')
			found = find_place(config, path, len);
	va_start(arguments, format);
	text_vprintf(&message, format, arguments);
	va_end(arguments);
	config_error(errors, found != NULL ? *found : mark, path, "%s", text_string(&message));
	text_free(&message);
}

static void describe(struct fy_node *node, struct text *found)
{
	size_t len = 0;
	const char *scalar;

	if (node == NULL) {
		text_string_append(found, "nothing");
	} else if (fy_node_is_alias(node)) {
		text_string_append(found, "an alias");
	} else if (!fy_node_is_scalar(node)) {
		text_string_append(found, fy_node_is_sequence(node) ? "a list" : "a mapping");
	} else {
		scalar = fy_node_get_scalar(node, &len);
		if (len == 0) {
			text_string_append(found, "nothing");
			return;
		}
		text_char(found, '\'');
		text_clean(found, scalar != NULL ? scalar : "", len < FOUND_LEN_MAX ? len : FOUND_LEN_MAX);
		text_string_append(found, len > FOUND_LEN_MAX ? "...'" : "'");
	}
}

static void refuse(
	struct reading *reading, const struct config_key *key, struct fy_node *node, struct config_mark mark)
{
	struct text found = {0};
	struct text allowed = {0};

	describe(node, &found);
	config_schema_allowed(key, &allowed);
	config_error(reading->errors, mark, text_string(&reading->path), "found %s; allowed: %s",
		text_string(&found), text_string(&allowed));
	text_free(&found);
	text_free(&allowed);
}

// A scalar as a C string; NULL when it is none, is null, is an alias, or has a zero inside.
static const char *scalar_of(struct fy_node *node)
{
	size_t len;
	const char *scalar;

	if (node == NULL || !fy_node_is_scalar(node) || fy_node_is_alias(node))
		return NULL;
	scalar = fy_node_get_scalar(node, &len);
	if (scalar == NULL || len == 0 || memchr(scalar, '\0', len) != NULL)
		return NULL;
	return fy_node_get_scalar0(node);
}

static void read_mapping(struct reading *reading, const struct config_schema *schema, struct fy_node *node,
	struct config_mark mark, void *out);

// A struct, or a lone value that stands for one.
static void read_struct(struct reading *reading, const struct config_key *key, struct fy_node *node,
	struct config_mark mark, void *out)
{
	const struct config_schema *schema = key->child;
	const struct config_key *short_key;

	if (node != NULL && fy_node_is_mapping(node)) {
		read_mapping(reading, schema, node, mark, out);
		return;
	}
	short_key = schema->shorthand != NULL ? config_schema_find(schema, schema->shorthand) : NULL;
	if (short_key == NULL || scalar_of(node) == NULL) {
		refuse(reading, key, node, mark);
		return;
	}
	*(struct config_mark *)out = mark;
	if (!config_value_parse(
		    short_key, &reading->config->zone, scalar_of(node), (char *)out + short_key->offset))
		refuse(reading, short_key, node, mark);
}

static void read_one(struct reading *reading, const struct config_key *key, struct fy_node *node,
	struct config_mark mark, void *out)
{
	if (key->type == CONFIG_TYPE_MAPPING)
		read_struct(reading, key, node, mark, out);
	else if (scalar_of(node) == NULL ||
		 !config_value_parse(key, &reading->config->zone, scalar_of(node), out))
		refuse(reading, key, node, mark);
}

// Adds an item, with its defaults, to the array at `items`.
static void *append_item(struct reading *reading, const struct config_key *key, void **items)
{
	size_t *n_items = (size_t *)(void *)(items + 1);
	void *item = memory_zone_append(&reading->config->zone, items, n_items, config_value_size(key));

	if (key->type == CONFIG_TYPE_MAPPING)
		config_schema_defaults(key->child, &reading->config->zone, item);
	return item;
}

static void read_list(struct reading *reading, const struct config_key *key, struct fy_node *node,
	struct config_mark mark, void **items)
{
	const size_t path_len = reading->path.len;
	size_t *n_items = (size_t *)(void *)(items + 1);
	const bool several = node != NULL && fy_node_is_sequence(node);
	struct fy_node *item;
	void *cursor = NULL;

	if (!several) {
		read_one(reading, key, node, mark, append_item(reading, key, items));
		return;
	}
	while ((item = fy_node_sequence_iterate(node, &cursor)) != NULL) {
		const struct config_mark item_mark = mark_of(reading, item, mark);

		text_printf(&reading->path, "[%zu]", *n_items);
		if (*n_items == key->max) {
			config_error(reading->errors, item_mark, text_string(&reading->path),
				"found one more; allowed: at most %llu", (unsigned long long)key->max);
			return;
		}
		note_place(reading, item_mark);
		read_one(reading, key, item, item_mark, append_item(reading, key, items));
		text_drop_to(&reading->path, path_len);
	}
	if (*n_items < key->min)
		config_error(reading->errors, mark, text_string(&reading->path),
			"found %zu; allowed: at least %llu", *n_items, (unsigned long long)key->min);
}

static void read_named(struct reading *reading, const struct config_key *key, struct fy_node *node,
	struct config_mark mark, void **items)
{
	const size_t path_len = reading->path.len;
	const struct config_key *name_key = config_schema_find(key->child, "name");
	size_t *n_items = (size_t *)(void *)(items + 1);
	struct fy_node_pair *pair;
	void *cursor = NULL;

	if (node == NULL || !fy_node_is_mapping(node)) {
		config_error(reading->errors, mark, text_string(&reading->path),
			"found no mapping; allowed: names, each with the keys of %s", key->child->name);
		return;
	}
	while ((pair = fy_node_mapping_iterate(node, &cursor)) != NULL) {
		const struct config_mark item_mark = mark_of(reading, fy_node_pair_key(pair), mark);
		const char *name = scalar_of(fy_node_pair_key(pair));
		const char *checked;
		char *item;

		if (*n_items == key->max || name == NULL ||
			!config_value_parse(name_key, &reading->config->zone, name, &checked)) {
			refuse(reading, name_key, fy_node_pair_key(pair), item_mark);
			continue;
		}
		text_printf(&reading->path, ".%s", name);
		note_place(reading, item_mark);
		item = append_item(reading, key, items);
		*(const char **)(void *)(item + name_key->offset) = checked;
		read_one(reading, key, fy_node_pair_value(pair), item_mark, item);
		*(const char **)(void *)(item + name_key->offset) = checked;
		*(struct config_mark *)(void *)item = item_mark;
		text_drop_to(&reading->path, path_len);
	}
}

static void unknown_key(struct reading *reading, const struct config_schema *schema, struct fy_node *node,
	struct config_mark mark)
{
	struct text found = {0};
	struct text allowed = {0};

	describe(node, &found);
	for (size_t i = 0; i < schema->n_keys; i++)
		text_printf(&allowed, "%s%s", i != 0 ? ", " : "", schema->keys[i].name);
	config_error(reading->errors, mark, text_string(&reading->path),
		"found the key %s; allowed in %s: %s", text_string(&found), schema->name,
		text_string(&allowed));
	text_free(&found);
	text_free(&allowed);
}

static void read_key(struct reading *reading, const struct config_key *key, struct fy_node *node,
	struct config_mark mark, char *out)
{
	const size_t path_len = reading->path.len;
	void **items = (void **)(void *)(out + key->offset);

	text_printf(&reading->path, "%s%s", path_len != 0 ? "." : "", key->name);
	note_place(reading, mark);
	if (key->shape == CONFIG_LIST)
		read_list(reading, key, node, mark, items);
	else if (key->shape == CONFIG_NAMED)
		read_named(reading, key, node, mark, items);
	else
		read_one(reading, key, node, mark, out + key->offset);
	text_drop_to(&reading->path, path_len);
}

// A list below the root replaces its default; the lists of the root grow with every file.
static void forget_default(const struct config_key *key, char *out)
{
	void **items = (void **)(void *)(out + key->offset);

	if (key->shape == CONFIG_LIST)
		*(size_t *)(void *)(items + 1) = 0;
}

static void check_required(
	struct reading *reading, const struct config_schema *schema, uint64_t seen, struct config_mark mark)
{
	for (size_t i = 0; i < schema->n_keys; i++)
		if (schema->keys[i].required && (seen & UINT64_C(1) << i) == 0)
			config_error(reading->errors, mark, text_string(&reading->path),
				"the key '%s' is missing in %s", schema->keys[i].name, schema->name);
}

static void read_mapping(struct reading *reading, const struct config_schema *schema, struct fy_node *node,
	struct config_mark mark, void *out)
{
	struct fy_node_pair *pair;
	uint64_t seen = 0;
	void *cursor = NULL;

	*(struct config_mark *)out = mark;
	while ((pair = fy_node_mapping_iterate(node, &cursor)) != NULL) {
		const char *name = scalar_of(fy_node_pair_key(pair));
		const struct config_mark key_mark = mark_of(reading, fy_node_pair_key(pair), mark);
		const struct config_key *key = name != NULL ? config_schema_find(schema, name) : NULL;

		if (key == NULL) {
			unknown_key(reading, schema, fy_node_pair_key(pair), key_mark);
			continue;
		}
		seen |= UINT64_C(1) << (key - schema->keys);
		forget_default(key, out);
		read_key(reading, key, fy_node_pair_value(pair), key_mark, out);
	}
	check_required(reading, schema, seen, mark);
}

// The top of a file: as a mapping, but what several files give is joined, or refused.
static void read_root(struct reading *reading, struct fy_node *node)
{
	const struct config_schema *schema = &config_schema_root;
	const struct config_mark top = {.file = reading->file, .line = 1};
	struct fy_node_pair *pair;
	void *cursor = NULL;

	if (node == NULL)
		return;
	if (!fy_node_is_mapping(node)) {
		config_error(reading->errors, top, NULL, "found no mapping; allowed: %s", schema->name);
		return;
	}
	while ((pair = fy_node_mapping_iterate(node, &cursor)) != NULL) {
		const char *name = scalar_of(fy_node_pair_key(pair));
		const struct config_mark mark = mark_of(reading, fy_node_pair_key(pair), top);
		const struct config_key *key = name != NULL ? config_schema_find(schema, name) : NULL;
		const size_t idx = key != NULL ? (size_t)(key - schema->keys) : 0;

		if (key == NULL) {
			unknown_key(reading, schema, fy_node_pair_key(pair), mark);
			continue;
		}
		if (key->shape == CONFIG_ONE && (reading->root_seen & UINT64_C(1) << idx) != 0) {
			config_error(reading->errors, mark, key->name, "given twice; first at %s:%u",
				reading->root_marks[idx].file, reading->root_marks[idx].line);
			continue;
		}
		reading->root_seen |= UINT64_C(1) << idx;
		reading->root_marks[idx] = mark;
		read_key(reading, key, fy_node_pair_value(pair), mark, (char *)reading->config);
	}
}

// libfyaml tells what is wrong as events of its own; the first becomes our error.
static void report_syntax(struct reading *reading, struct fy_diag *diag)
{
	void *cursor = NULL;
	const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &cursor);
	struct config_mark mark = {.file = reading->file, .line = 1};
	struct text message = {0};

	if (error != NULL && error->line > 0)
		mark.line = (uint32_t)error->line;
	text_clean(&message, error != NULL && error->msg != NULL ? error->msg : "not YAML",
		error != NULL && error->msg != NULL ? strcspn(error->msg, "\n") : 8);
	config_error(reading->errors, mark, NULL, "not valid YAML: %s", text_string(&message));
	text_free(&message);
}

static void discard_output(struct fy_diag *diag, void *user, const char *text, size_t len)
{
	(void)diag;
	(void)user;
	(void)text;
	(void)len;
}

// Nothing but white space and comments, which libfyaml takes for an error.
static bool is_empty(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '#')
			while (i + 1 < len && text[i + 1] != '\n')
				i++;
		else if (text[i] != ' ' && text[i] != '\n' && text[i] != '\r' && text[i] != '\t')
			return false;
	}
	return true;
}

// Whether `text` starts with a line break of YAML 1.1: CR, LF, or U+0085, U+2028, U+2029 in UTF-8. Returns
// its length.
static size_t line_break_len(const char *text, size_t len)
{
	if (text[0] == '\n' || text[0] == '\r')
		return 1;
	if (len >= 2 && memcmp(text, "\xc2\x85", 2) == 0)
		return 2;
	return len >= 3 && (memcmp(text, "\xe2\x80\xa8", 3) == 0 || memcmp(text, "\xe2\x80\xa9", 3) == 0) ? 3
													  : 0;
}

// What libfyaml must not see: it never returns from some directives (lines that start with '%') and from some
// texts with zero bytes. Neither has a use in a configuration.
static bool is_safe(struct reading *reading, const char *text, size_t len)
{
	struct config_mark mark = {.file = reading->file, .line = 1};
	size_t i = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; // a byte order mark
	bool starts_line = true;

	while (i < len) {
		const size_t break_len = line_break_len(text + i, len - i);

		if (text[i] == '\0') {
			config_error(reading->errors, mark, NULL,
				"not valid YAML: found a zero byte; allowed: text in UTF-8");
			return false;
		}
		if (starts_line && text[i] == '%') {
			config_error(reading->errors, mark, NULL,
				"found a YAML directive (a line that starts with '%%'); allowed: none, "
				"remove it");
			return false;
		}
		mark.line += text[i] == '\n';
		starts_line = break_len != 0;
		i += break_len != 0 ? break_len : 1;
	}
	return true;
}

static void read_document(struct reading *reading, const char *text, size_t len)
{
	struct fy_diag_cfg diag_config;
	struct fy_diag *diag;
	struct fy_document *document;
	struct fy_parse_cfg parse_config = {
		.search_path = "", .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE};

	if (is_empty(text, len) || !is_safe(reading, text, len))
		return;
	fy_diag_cfg_default(&diag_config);
	diag_config.fp = NULL;
	diag_config.output_fn = discard_output;
	diag = fy_diag_create(&diag_config);
	SLUICE_ASSERT(diag != NULL);
	fy_diag_set_collect_errors(diag, true);
	parse_config.diag = diag;
	document = fy_document_build_from_string(&parse_config, text, len);
	if (document == NULL)
		report_syntax(reading, diag);
	else
		read_root(reading, fy_document_root(document));
	fy_document_destroy(document);
	fy_diag_destroy(diag);
}

// The whole file, which the caller frees; NULL: `errors` says why.
static char *load_file(struct reading *reading, const char *path, struct config_mark mark, size_t *out_len)
{
	FILE *file = fopen(path, "re");
	struct stat status;
	char *content = NULL;
	size_t len = 0;

	if (file == NULL || fstat(fileno(file), &status) != 0) {
		config_error(reading->errors, mark, NULL, "%s can't be read: %s", path, strerror(errno));
	} else if (!S_ISREG(status.st_mode) || status.st_size > FILE_LEN_MAX) {
		config_error(
			reading->errors, mark, NULL, "%s is no file of at most %d bytes", path, FILE_LEN_MAX);
	} else {
		content = memory_alloc((size_t)status.st_size + 1, 1);
		len = fread(content, 1, (size_t)status.st_size, file);
	}
	if (file != NULL)
		(void)fclose(file);
	*out_len = len;
	return content;
}

static void read_path(struct reading *reading, const char *path, struct config_mark mark);

static int is_yaml_name(const struct dirent *entry)
{
	const size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static void read_directory(struct reading *reading, const char *path, struct config_mark mark)
{
	struct dirent **entries;
	const int n_entries = scandir(path, &entries, is_yaml_name, alphasort);

	if (n_entries < 0) {
		config_error(reading->errors, mark, "include", "%s can't be read: %s", path, strerror(errno));
		return;
	}
	for (int i = 0; i < n_entries; i++) {
		struct text name = {0};

		text_printf(&name, "%s/%s", path, entries[i]->d_name);
		read_path(reading, text_string(&name), mark);
		text_free(&name);
		free(entries[i]);
	}
	free(entries);
}

// A path that an include names: relative ones stand beside the including file.
static void read_include(
	struct reading *reading, const char *include, const char *from, struct config_mark mark)
{
	const char *slash = strrchr(from, '/');
	struct text path = {0};
	struct stat status;

	if (include[0] != '/' && slash != NULL)
		text_append(&path, from, (size_t)(slash - from) + 1);
	text_string_append(&path, include);
	if (stat(text_string(&path), &status) == 0 && S_ISDIR(status.st_mode))
		read_directory(reading, text_string(&path), mark);
	else
		read_path(reading, text_string(&path), mark);
	text_free(&path);
}

static void read_path(struct reading *reading, const char *path, struct config_mark mark)
{
	struct config *config = reading->config;
	const char *outer = reading->file;
	const char *name;
	size_t first;
	size_t len;
	char *content;

	for (size_t i = 0; i < config->n_files; i++) {
		if (strcmp(config->files[i], path) == 0) {
			config_error(reading->errors, mark, "include", "%s was read already", path);
			return;
		}
	}
	if (config->n_files == FILES_MAX) {
		config_error(reading->errors, mark, "include", "found one more file; allowed: %d", FILES_MAX);
		return;
	}
	content = load_file(reading, path, mark, &len);
	if (content == NULL)
		return;
	name = memory_zone_string(&config->zone, path, strlen(path));
	*(const char **)memory_zone_append(
		&config->zone, (void **)(void *)&config->files, &config->n_files, sizeof name) = name;
	reading->file = name;
	first = config->n_includes;
	read_document(reading, content, len);
	free(content);
	// What this file includes is read after it; what those include, before the next.
	for (size_t i = first, n = config->n_includes; i < n; i++) {
		const struct config_mark include_mark = {.file = name, .line = reading->root_marks[0].line};

		read_include(reading, config->includes[i], name, include_mark);
	}
	reading->file = outer;
}

static void finish_reading(struct reading *reading, const char *name)
{
	const struct config_mark top = {.file = name, .line = 1};

	if (reading->errors->n == 0)
		check_required(reading, &config_schema_root, reading->root_seen, top);
	text_free(&reading->path);
}

bool config_read_file(struct config *config, const char *path, struct config_errors *errors)
{
	struct reading reading = {.config = config, .errors = errors};
	const struct config_mark none = {0};

	config_schema_defaults(&config_schema_root, &config->zone, config);
	read_path(&reading, path, none);
	if (config->n_files != 0)
		finish_reading(&reading, config->files[0]);
	text_free(&reading.path);
	return errors->n == 0;
}

bool config_read_text(
	struct config *config, const char *name, const char *text, size_t len, struct config_errors *errors)
{
	struct reading reading = {.config = config, .errors = errors, .file = name};

	config_schema_defaults(&config_schema_root, &config->zone, config);
	read_document(&reading, text, len);
	if (config->n_includes != 0) {
		const struct config_mark mark = {.file = name, .line = reading.root_marks[0].line};

		config_error(
			errors, mark, "include", "found a path; allowed: nothing, because this is no file");
	}
	finish_reading(&reading, name);
	return errors->n == 0;
}
