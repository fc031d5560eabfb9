// SPDX-License-Identifier: Apache-2.0
//
// The bodies of checksum_sum: one source (checksum_body.c), compiled for several instruction sets.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef uint64_t checksum_body(const void *data, size_t len, uint64_t sum);

checksum_body checksum_body_v2; // x86-64-v2: any machine that Sluice runs on
checksum_body checksum_body_v3; // AVX2
checksum_body checksum_body_v4; // AVX-512
