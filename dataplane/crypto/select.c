// SPDX-License-Identifier: Apache-2.0
#include "crypto/select.h"

#include "crypto/mb/kernels.h"

#include <cpuid.h>
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <stdio.h>

// Bits of CPUID leaf 1 ECX and leaf 7 EBX, ECX (Intel SDM volume 2, CPUID).
#define LEAF1_RDRAND (1u << 30)
#define LEAF7_SHA    (1u << 29)
#define LEAF7_VAES   (1u << 9)

static struct select_features features;

__attribute__((constructor)) static void read_features(void)
{
	unsigned eax, ebx, ecx, edx;

	__builtin_cpu_init();
	features.avx512_ifma = mb_kernels_select() != NULL;
	features.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
			  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx))
		features.rdrand = (ecx & LEAF1_RDRAND) != 0;
	if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
		features.sha_ni = (ebx & LEAF7_SHA) != 0;
		features.vaes = (ecx & LEAF7_VAES) != 0;
	}
}

const struct select_features *select_features(void)
{
	return &features;
}

enum select_lanes select_resolve_lanes(enum select_lanes lanes)
{
	if (lanes != SELECT_LANES_AUTO)
		return lanes;
	return features.avx512_ifma ? SELECT_LANES_IFMA : SELECT_LANES_SCALAR;
}

const char *select_lanes_name(enum select_lanes lanes)
{
	static const char *const names[] = {
		[SELECT_LANES_AUTO] = "auto",
		[SELECT_LANES_IFMA] = "ifma",
		[SELECT_LANES_SCALAR] = "scalar",
		[SELECT_LANES_PLAIN] = "plain",
	};

	return names[lanes];
}

size_t select_describe(enum select_lanes lanes, char *out, size_t out_len)
{
	int len = snprintf(out, out_len, "lanes %s, sha256 %s, sha384 %s, aead ipsec-mb %s%s, scalar %s",
		select_lanes_name(select_resolve_lanes(lanes)), features.sha_ni ? "sha-ni" : "portable",
		features.avx512 ? "avx512" : "scalar", imb_get_version_str(), features.vaes ? " vaes" : "",
		OpenSSL_version(OPENSSL_VERSION_STRING));

	return len < 0 ? 0 : (size_t)len < out_len ? (size_t)len : out_len - 1;
}
