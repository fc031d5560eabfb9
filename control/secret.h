// SPDX-License-Identifier: Apache-2.0
//
// A heap for secrets: private keys, ticket keys, and the text that operators send, which may hold one. Its
// memory is locked (never in swap), left out of core dumps, and zeroed in a forked child, which must not use
// it. What is freed is wiped. Safe to use from several threads.
//
//   class 0    pieces of 64 bytes       each class has a list of free pieces; slabs of 1 MB are cut into
//   class 1    pieces of 128 bytes      pieces of one class and never given back
//   ...        up to 1 MB
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SECRET_LEN_MAX = (1 << 20) - 64
};

// Zeroed memory of at most SECRET_LEN_MAX bytes (asserted), aligned to 64; the process ends where there is
// none.
void *secret_alloc(size_t len) __attribute__((returns_nonnull));

// Wipes and gives back; NULL is allowed.
void secret_free(void *memory);

// A piece of at least len bytes with the same content at its start; the old one is wiped. NULL grows from
// nothing.
void *secret_grow(void *memory, size_t old_len, size_t len)
	__attribute__((returns_nonnull, warn_unused_result));

// Bytes that the system refused to lock (RLIMIT_MEMLOCK without CAP_IPC_LOCK), for a warning; and those in
// use, for `show memory`.
uint64_t secret_unlocked_len(void);
uint64_t secret_used_len(void);
