// SPDX-License-Identifier: Apache-2.0
//
// IP addresses as the configuration and the control link have them: 16 bytes, IPv4 as ::ffff:a.b.c.d.
#pragma once

#include "base/span.h"
#include "text.h"

struct address {
	uint8_t bytes[16];
};

// An address with the length of its network's prefix, counted in its own family (0-32, 0-128).
struct prefix {
	struct address address;
	uint8_t len;
};

// An address and a port: where one listens or connects.
struct endpoint {
	struct address address;
	uint16_t port;
};

enum {
	ADDRESS_TEXT_MAX = 64 // bytes of any of these as text, its terminating zero included
};

// Numeric forms only: nothing is ever resolved. False when the text is something else.
bool address_parse(const char *text, struct address *out_address) __attribute__((warn_unused_result));

// "192.0.2.1/24"; a length is required.
bool prefix_parse(const char *text, struct prefix *out_prefix) __attribute__((warn_unused_result));

// "192.0.2.1:443", "[2001:db8::1]:443"; a port of 0 is refused.
bool endpoint_parse(const char *text, struct endpoint *out_endpoint) __attribute__((warn_unused_result));

void address_format(const struct address *address, char out_text[static ADDRESS_TEXT_MAX]);
void prefix_format(const struct prefix *prefix, char out_text[static ADDRESS_TEXT_MAX]);
void endpoint_format(const struct endpoint *endpoint, char out_text[static ADDRESS_TEXT_MAX]);

bool address_is_v4(const struct address *address);
bool address_equal(const struct address *a, const struct address *b);

// All zeros of its family: "any".
bool address_is_unspecified(const struct address *address);

// Neither unspecified, loopback, multicast nor broadcast: what a port may have.
bool address_is_unicast(const struct address *address);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

// Whether the address is of the prefix's family and inside it.
bool prefix_holds(const struct prefix *prefix, const struct address *address);

// The network's own address: bits after the prefix cleared.
struct address prefix_network(const struct prefix *prefix);
