// SPDX-License-Identifier: Apache-2.0
//
// Single values of the configuration: from text, and what is said to be allowed.
#include "address.h"
#include "base/assert.h"
#include "config_schema.h"

#include <string.h>

enum {
	NAME_LEN_MAX = 31,
	STRING_LEN_MAX = 1023,
	DNS_NAME_LEN_MAX = 253,
	DNS_LABEL_LEN_MAX = 63
};

struct unit {
	const char *name;
	uint64_t factor;
};

// The largest first, so that a value is written with the unit that suits it.
static const struct unit sizes[] = {{"T", UINT64_C(1) << 40}, {"G", UINT64_C(1) << 30},
	{"M", UINT64_C(1) << 20}, {"K", UINT64_C(1) << 10}};
static const struct unit durations[] = {{"d", UINT64_C(86400000000)}, {"h", UINT64_C(3600000000)},
	{"m", UINT64_C(60000000)}, {"s", UINT64_C(1000000)}, {"ms", UINT64_C(1000)}, {"us", 1}};

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char digits[] = "0123456789";

// Digits, then whatever follows them; false on none or on more than 64 bits hold.
static bool read_digits(const char *text, uint64_t *out_number, const char **out_rest)
{
	uint64_t number = 0;
	size_t i = 0;

	for (; text[i] >= '0' && text[i] <= '9'; i++) {
		const uint64_t digit = (uint64_t)(text[i] - '0');

		if (number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*out_number = number;
	*out_rest = text + i;
	return i != 0;
}

static bool parse_number(const char *text, const struct unit *units, size_t n_units, uint64_t *out_number)
{
	const char *rest;
	uint64_t number;

	if (!read_digits(text, &number, &rest))
		return false;
	if (rest[0] == '\0') {
		*out_number = number;
		return units == NULL || units == sizes || number == 0; // a duration needs its unit
	}
	for (size_t i = 0; i < n_units; i++) {
		if (strcmp(rest, units[i].name) != 0)
			continue;
		if (number > UINT64_MAX / units[i].factor)
			return false;
		*out_number = number * units[i].factor;
		return true;
	}
	return false;
}

static bool in_range(const struct config_key *key, uint64_t number)
{
	// On a list, min and max bound its length; items are bounded by their type.
	return key->shape == CONFIG_LIST ? number <= UINT16_MAX : number >= key->min && number <= key->max;
}

static bool parse_numeric(const struct config_key *key, const char *text, uint64_t *out)
{
	uint64_t number;
	bool parsed;

	if (key->type == CONFIG_TYPE_SIZE)
		parsed = parse_number(text, sizes, sizeof sizes / sizeof sizes[0], &number);
	else if (key->type == CONFIG_TYPE_DURATION)
		parsed = parse_number(text, durations, sizeof durations / sizeof durations[0], &number);
	else
		parsed = parse_number(text, NULL, 0, &number);
	if (!parsed || !in_range(key, number))
		return false;
	*out = number;
	return true;
}

static bool parse_bool(const char *text, bool *out)
{
	static const char *const words[][2] = {{"off", "on"}, {"no", "yes"}, {"false", "true"}};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		for (size_t j = 0; j < 2; j++) {
			if (strcmp(text, words[i][j]) == 0) {
				*out = j == 1;
				return true;
			}
		}
	}
	return false;
}

static bool parse_word(const struct config_key *key, const char *text, int *out)
{
	for (int i = 0; key->words[i] != NULL; i++) {
		if (strcmp(text, key->words[i]) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool is_name(const char *text)
{
	const size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (strchr(letters, text[i]) == NULL && strchr(digits, text[i]) == NULL &&
			strchr("_-.", text[i]) == NULL)
			return false;
	return len != 0 && len <= NAME_LEN_MAX;
}

static bool is_printable(const char *text)
{
	const size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return len != 0 && len <= STRING_LEN_MAX;
}

// A host name of RFC 1123 labels (an underscore is let through: people have them), or "*." before one of two
// labels or more.
static bool is_dns_name(const char *text)
{
	const char *label = text;
	size_t n_labels = 0;

	if (strlen(text) > DNS_NAME_LEN_MAX)
		return false;
	if (strncmp(text, "*.", 2) == 0)
		label += 2;
	for (;;) {
		const size_t len = strcspn(label, ".");

		if (len == 0 || len > DNS_LABEL_LEN_MAX || label[0] == '-' || label[len - 1] == '-')
			return false;
		for (size_t i = 0; i < len; i++)
			if (strchr(letters, label[i]) == NULL && strchr(digits, label[i]) == NULL &&
				label[i] != '-' && label[i] != '_')
				return false;
		n_labels++;
		if (label[len] == '\0')
			return text[0] != '*' || n_labels >= 2;
		label += len + 1;
	}
}

static const char *lower_case(struct memory_zone *zone, const char *text)
{
	char *copy = memory_zone_string(zone, text, strlen(text));

	for (char *c = copy; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return copy;
}

static bool is_allowed_string(const struct config_key *key, const char *text)
{
	switch (key->type) {
	case CONFIG_TYPE_NAME:
		return is_name(text);
	case CONFIG_TYPE_PATH:
		return is_printable(text) && text[0] == '/';
	case CONFIG_TYPE_DNS_NAME:
		return is_dns_name(text);
	default:
		return is_printable(text);
	}
}

bool config_value_parse(const struct config_key *key, struct memory_zone *zone, const char *text, void *out)
{
	switch (key->type) {
	case CONFIG_TYPE_NUMBER:
	case CONFIG_TYPE_SIZE:
	case CONFIG_TYPE_DURATION:
		return parse_numeric(key, text, out);
	case CONFIG_TYPE_BOOL:
		return parse_bool(text, out);
	case CONFIG_TYPE_WORD:
		return parse_word(key, text, out);
	case CONFIG_TYPE_ADDRESS:
		return address_parse(text, out);
	case CONFIG_TYPE_PREFIX:
		return prefix_parse(text, out);
	case CONFIG_TYPE_ENDPOINT:
		return endpoint_parse(text, out);
	case CONFIG_TYPE_MAPPING:
		return false;
	default:
		if (!is_allowed_string(key, text))
			return false;
		*(const char **)out = key->type == CONFIG_TYPE_DNS_NAME
					      ? lower_case(zone, text)
					      : memory_zone_string(zone, text, strlen(text));
		return true;
	}
}

size_t config_value_size(const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_TYPE_NUMBER:
	case CONFIG_TYPE_SIZE:
	case CONFIG_TYPE_DURATION:
		return sizeof(uint64_t);
	case CONFIG_TYPE_BOOL:
		return sizeof(bool);
	case CONFIG_TYPE_WORD:
		return sizeof(int);
	case CONFIG_TYPE_ADDRESS:
		return sizeof(struct address);
	case CONFIG_TYPE_PREFIX:
		return sizeof(struct prefix);
	case CONFIG_TYPE_ENDPOINT:
		return sizeof(struct endpoint);
	case CONFIG_TYPE_MAPPING:
		return key->child->size;
	default:
		return sizeof(const char *);
	}
}

static void print_unit(struct text *text, const struct unit *units, size_t n_units, uint64_t number)
{
	for (size_t i = 0; i < n_units; i++) {
		if (number >= units[i].factor && number % units[i].factor == 0) {
			text_printf(text, "%llu%s", (unsigned long long)(number / units[i].factor),
				units[i].name);
			return;
		}
	}
	text_printf(text, "%llu", (unsigned long long)number);
}

static void print_range(struct text *text, const struct config_key *key)
{
	const bool is_list = key->shape == CONFIG_LIST;
	const uint64_t min = is_list ? 0 : key->min;
	const uint64_t max = is_list ? UINT16_MAX : key->max;

	if (key->type == CONFIG_TYPE_SIZE) {
		text_string_append(text, "a size such as 64M, from ");
		print_unit(text, sizes, sizeof sizes / sizeof sizes[0], min);
		text_string_append(text, " to ");
		print_unit(text, sizes, sizeof sizes / sizeof sizes[0], max);
	} else if (key->type == CONFIG_TYPE_DURATION) {
		text_string_append(text, "a time such as 50us, 200ms, 2s, 5m, 12h or 1d, from ");
		print_unit(text, durations, sizeof durations / sizeof durations[0], min);
		text_string_append(text, " to ");
		print_unit(text, durations, sizeof durations / sizeof durations[0], max);
	} else {
		text_printf(
			text, "a number from %llu to %llu", (unsigned long long)min, (unsigned long long)max);
	}
}

void config_schema_allowed(const struct config_key *key, struct text *text)
{
	static const char *const fixed[] = {
		[CONFIG_TYPE_STRING] = "a text of 1 to 1023 printable characters",
		[CONFIG_TYPE_NAME] = "a name of at most 31 letters, digits, '_', '-' and '.'",
		[CONFIG_TYPE_PATH] = "an absolute path",
		[CONFIG_TYPE_BOOL] = "on or off",
		[CONFIG_TYPE_ADDRESS] = "a numeric IPv4 or IPv6 address",
		[CONFIG_TYPE_PREFIX] =
			"a numeric address and prefix length such as 192.0.2.10/24 or 2001:db8::10/64",
		[CONFIG_TYPE_ENDPOINT] =
			"a numeric address and port such as 192.0.2.10:443 or [2001:db8::10]:443",
		[CONFIG_TYPE_DNS_NAME] = "a host name such as mail.example.org or *.example.org",
	};

	switch (key->type) {
	case CONFIG_TYPE_NUMBER:
	case CONFIG_TYPE_SIZE:
	case CONFIG_TYPE_DURATION:
		print_range(text, key);
		break;
	case CONFIG_TYPE_WORD:
		text_string_append(text, "one of:");
		for (int i = 0; key->words[i] != NULL; i++)
			text_printf(text, "%s %s", i != 0 ? "," : "", key->words[i]);
		break;
	case CONFIG_TYPE_MAPPING:
		text_printf(text, "the keys of %s", key->child->name);
		break;
	default:
		text_string_append(text, fixed[key->type]);
		break;
	}
}
