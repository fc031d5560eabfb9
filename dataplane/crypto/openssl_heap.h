// SPDX-License-Identifier: Apache-2.0
//
// Where OpenSSL's allocations on a worker come from: a bounded heap in the worker's own locked memory, the
// one exception to "no malloc on a worker". Threads without a heap (main, helpers that were given none) use
// malloc.
//
//   region   [ block | block | ... | never used ]     block = 16-byte head {heap, size class} | payload
//   free     one list per size class (powers of two)
//   remote   blocks that another thread freed; the owner takes them back when it next allocates
//
// Freed blocks are wiped. A heap that is used up refuses, OpenSSL's call fails, and the operation becomes a
// fault of ours (lanes.h), which is counted.
#pragma once

#include "base/arena.h"

struct openssl_heap;

// Routes OpenSSL's allocator here, for the whole process. Must come before OpenSSL has allocated anything;
// false when it is too late for that.
bool openssl_heap_install(void);

// A heap of len bytes; NULL when the arena has no room. It must outlive all that OpenSSL allocates from it.
struct openssl_heap *openssl_heap_create(struct arena *arena, size_t len);

// From now on the calling thread allocates from this heap; NULL: from malloc again.
void openssl_heap_use(struct openssl_heap *heap);

// Bytes of the region that were ever used, and blocks in use now.
size_t openssl_heap_used(const struct openssl_heap *heap);
size_t openssl_heap_n_blocks(const struct openssl_heap *heap);
