// SPDX-License-Identifier: Apache-2.0
//
// What touches secrets: wiping, and comparison in constant time.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Overwrites len bytes with zeros; never optimised away.
void wipe(void *memory, size_t len);

// Whether two pieces of len bytes are equal, in time that depends on len alone.
bool constant_time_equal(const void *a, const void *b, size_t len);
