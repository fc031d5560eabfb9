// SPDX-License-Identifier: Apache-2.0
//
// Gives a kernel device an 802.1Q tag where the kernel has no VLAN module: at egress (-DEGRESS) the tag is put on, at
// ingress (-DINGRESS) it is taken off, and frames without it, or with another, are dropped.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#define SECTION(name) __attribute__((section(name), used))

static long (*push_tag)(struct __sk_buff *, unsigned short, unsigned short) = (void *)BPF_FUNC_skb_vlan_push;
static long (*pop_tag)(struct __sk_buff *) = (void *)BPF_FUNC_skb_vlan_pop;

SECTION("tc") int tag(struct __sk_buff *frame)
{
#ifdef EGRESS
	return push_tag(frame, __builtin_bswap16(ETH_P_8021Q), VLAN) == 0 ? TC_ACT_OK : TC_ACT_SHOT;
#else
	if (!frame->vlan_present || (frame->vlan_tci & 0xfff) != VLAN)
		return TC_ACT_SHOT;
	return pop_tag(frame) == 0 ? TC_ACT_OK : TC_ACT_SHOT;
#endif
}

SECTION("license") char _license[] = "Apache-2.0";
