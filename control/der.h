// SPDX-License-Identifier: Apache-2.0
//
// DER (X.690 section 10), as far as certificates and keys need it, on top of base/reader.h: strict (shortest
// lengths, low tag numbers), sticky failure, nothing copied.
#pragma once

#include "base/reader.h"

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT = 0x80,             // implicit, primitive: | number
	DER_CONTEXT_CONSTRUCTED = 0xa0, // explicit, or implicit and constructed: | number
};

// The next element's content, which must have this tag.
struct span der_take(struct reader *reader, unsigned tag);

// The same as a reader of its own; failing it does not fail its parent.
struct reader der_enter(struct reader *reader, unsigned tag);

// Whether the next element has this tag; false at the end.
bool der_next_is(const struct reader *reader, unsigned tag);

// The next element whole, its head included, whatever it is; *out_tag may be NULL.
struct span der_take_whole(struct reader *reader, unsigned *out_tag);

// A non-negative INTEGER without its leading zeros.
struct span der_unsigned(struct reader *reader);

// A BIT STRING of whole bytes.
struct span der_bits(struct reader *reader);

// UTCTime or GeneralizedTime as RFC 5280 4.1.2.5 has them, in seconds since 1970.
int64_t der_time(struct reader *reader);
