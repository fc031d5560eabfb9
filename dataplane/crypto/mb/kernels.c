// SPDX-License-Identifier: Apache-2.0
#include "crypto/mb/kernels.h"

#include <cpuid.h>
#include <stddef.h>

// Bits of CPUID leaf 1 ECX, leaf 7 EBX and XCR0 (Intel SDM volume 1, 13.3 and 15.2).
#define LEAF1_OSXSAVE    (1u << 27)
#define LEAF7_BMI2       (1u << 8)
#define LEAF7_AVX512F    (1u << 16)
#define LEAF7_AVX512DQ   (1u << 17)
#define LEAF7_AVX512IFMA (1u << 21)
#define LEAF7_AVX512BW   (1u << 30)
#define LEAF7_AVX512VL   (1u << 31)
#define XCR0_AVX512      0xe6u // SSE, AVX, opmask, upper halves of ZMM0-15, ZMM16-31

#define LEAF7_NEEDED \
	(LEAF7_BMI2 | LEAF7_AVX512F | LEAF7_AVX512DQ | LEAF7_AVX512IFMA | LEAF7_AVX512BW | LEAF7_AVX512VL)

static unsigned read_xcr0(void)
{
	unsigned low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

const struct mb_kernels *mb_kernels_select(void)
{
	unsigned eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & LEAF1_OSXSAVE) == 0)
		return NULL;
	if ((read_xcr0() & XCR0_AVX512) != XCR0_AVX512)
		return NULL;
	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (ebx & LEAF7_NEEDED) != LEAF7_NEEDED)
		return NULL;
	return &mb_kernels_ifma;
}
