// SPDX-License-Identifier: Apache-2.0
//
// Sequence numbers: a type of their own, because they live on a circle of 2^32 and a plain `<` on them is a
// bug (RFC 9293 3.4). "Less" means: reached by going forward less than half the circle.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct seq {
	uint32_t value;
};

static inline struct seq seq_of(uint32_t value)
{
	return (struct seq){.value = value};
}

static inline struct seq seq_add(struct seq seq, uint32_t n)
{
	return seq_of(seq.value + n);
}

// How far `to` lies in front of `from`; negative when it lies behind.
static inline int32_t seq_diff(struct seq to, struct seq from)
{
	return (int32_t)(to.value - from.value);
}

// The same where `to` is known not to lie behind `from`.
static inline uint32_t seq_len(struct seq to, struct seq from)
{
	return to.value - from.value;
}

static inline bool seq_eq(struct seq a, struct seq b)
{
	return a.value == b.value;
}

static inline bool seq_lt(struct seq a, struct seq b)
{
	return seq_diff(a, b) < 0;
}

static inline bool seq_leq(struct seq a, struct seq b)
{
	return seq_diff(a, b) <= 0;
}

static inline struct seq seq_max(struct seq a, struct seq b)
{
	return seq_lt(a, b) ? b : a;
}

static inline struct seq seq_min(struct seq a, struct seq b)
{
	return seq_lt(a, b) ? a : b;
}

// Whether seq is one of the len numbers that begin at start.
static inline bool seq_in(struct seq seq, struct seq start, uint32_t len)
{
	return seq.value - start.value < len;
}
