// SPDX-License-Identifier: Apache-2.0
#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool address_is_v4(const struct address *address)
{
	return memcmp(address->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

bool address_parse(const char *text, struct address *out_address)
{
	struct address address = {0};

	if (strchr(text, ':') == NULL) {
		memcpy(address.bytes, v4_prefix, sizeof v4_prefix);
		if (inet_pton(AF_INET, text, address.bytes + 12) != 1)
			return false;
	} else if (inet_pton(AF_INET6, text, address.bytes) != 1 || address_is_v4(&address)) {
		return false; // ::ffff:1.2.3.4 would be a second spelling of 1.2.3.4
	}
	*out_address = address;
	return true;
}

// Digits alone, without sign, space or leading zero.
static bool number_parse(const char *text, unsigned long max, unsigned long *out_number)
{
	unsigned long number;

	if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text) || strlen(text) > 5 ||
		(text[0] == '0' && text[1] != '\0'))
		return false;
	number = strtoul(text, NULL, 10);
	if (number > max)
		return false;
	*out_number = number;
	return true;
}

// Copies a piece of text that an address could be; false when it is too long.
static bool piece_of(const char *text, size_t len, char piece[static ADDRESS_TEXT_MAX])
{
	if (len >= ADDRESS_TEXT_MAX)
		return false;
	memcpy(piece, text, len);
	piece[len] = '\0';
	return true;
}

bool prefix_parse(const char *text, struct prefix *out_prefix)
{
	const char *slash = strchr(text, '/');
	char piece[ADDRESS_TEXT_MAX];
	struct prefix prefix;
	unsigned long len;

	if (slash == NULL || !piece_of(text, (size_t)(slash - text), piece) ||
		!address_parse(piece, &prefix.address) ||
		!number_parse(slash + 1, address_is_v4(&prefix.address) ? 32 : 128, &len))
		return false;
	prefix.len = (uint8_t)len;
	*out_prefix = prefix;
	return true;
}

bool endpoint_parse(const char *text, struct endpoint *out_endpoint)
{
	const char *colon = strrchr(text, ':');
	const char *start = text;
	const char *end = colon;
	char piece[ADDRESS_TEXT_MAX];
	struct endpoint endpoint;
	unsigned long port;

	if (colon == NULL)
		return false;
	if (text[0] == '[') {
		if (colon < text + 2 || colon[-1] != ']')
			return false;
		start = text + 1;
		end = colon - 1;
	}
	if (!piece_of(start, (size_t)(end - start), piece) || !address_parse(piece, &endpoint.address) ||
		address_is_v4(&endpoint.address) != (text[0] != '[') ||
		!number_parse(colon + 1, UINT16_MAX, &port) || port == 0)
		return false;
	endpoint.port = (uint16_t)port;
	*out_endpoint = endpoint;
	return true;
}

void address_format(const struct address *address, char out_text[static ADDRESS_TEXT_MAX])
{
	if (address_is_v4(address))
		(void)inet_ntop(AF_INET, address->bytes + 12, out_text, ADDRESS_TEXT_MAX);
	else
		(void)inet_ntop(AF_INET6, address->bytes, out_text, ADDRESS_TEXT_MAX);
}

void prefix_format(const struct prefix *prefix, char out_text[static ADDRESS_TEXT_MAX])
{
	size_t len;

	address_format(&prefix->address, out_text);
	len = strlen(out_text);
	(void)snprintf(out_text + len, ADDRESS_TEXT_MAX - len, "/%u", prefix->len);
}

void endpoint_format(const struct endpoint *endpoint, char out_text[static ADDRESS_TEXT_MAX])
{
	char address[ADDRESS_TEXT_MAX];

	address_format(&endpoint->address, address);
	(void)snprintf(out_text, ADDRESS_TEXT_MAX,
		address_is_v4(&endpoint->address) ? "%.45s:%u" : "[%.45s]:%u", address, endpoint->port);
}

bool address_equal(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool address_is_unspecified(const struct address *address)
{
	static const uint8_t zeros[16];

	if (address_is_v4(address))
		return memcmp(address->bytes + 12, zeros, 4) == 0;
	return memcmp(address->bytes, zeros, sizeof zeros) == 0;
}

bool address_is_unicast(const struct address *address)
{
	static const uint8_t loopback[16] = {[15] = 1};
	const uint8_t first = address->bytes[12];

	if (address_is_unspecified(address))
		return false;
	if (address_is_v4(address))
		return first != 0 && first != 127 && first < 224; // RFC 1122 3.2.1.3
	return address->bytes[0] != 0xff && memcmp(address->bytes, loopback, sizeof loopback) != 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && address_equal(&a->address, &b->address);
}

struct address prefix_network(const struct prefix *prefix)
{
	const size_t n_bits = (size_t)prefix->len + (address_is_v4(&prefix->address) ? 96 : 0);
	struct address network = prefix->address;

	for (size_t i = 0; i < sizeof network.bytes; i++) {
		const size_t first_bit = 8 * i;

		if (first_bit >= n_bits)
			network.bytes[i] = 0;
		else if (n_bits - first_bit < 8)
			network.bytes[i] &= (uint8_t)(0xff00 >> (n_bits - first_bit));
	}
	return network;
}

bool prefix_holds(const struct prefix *prefix, const struct address *address)
{
	const struct prefix other = {.address = *address, .len = prefix->len};
	struct address network;
	struct address other_network;

	if (address_is_v4(&prefix->address) != address_is_v4(address))
		return false;
	network = prefix_network(prefix);
	other_network = prefix_network(&other);
	return address_equal(&network, &other_network);
}
