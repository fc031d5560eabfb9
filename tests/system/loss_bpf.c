// SPDX-License-Identifier: Apache-2.0
//
// Drops one frame in ONE_IN at random, in the direction that it is attached to.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#define SECTION(name) __attribute__((section(name), used))

static unsigned int (*random_u32)(void) = (void *)BPF_FUNC_get_prandom_u32;

SECTION("tc") int lose(struct __sk_buff *frame)
{
	(void)frame;
	return random_u32() % ONE_IN == 0 ? TC_ACT_SHOT : TC_ACT_OK;
}

SECTION("license") char _license[] = "Apache-2.0";
