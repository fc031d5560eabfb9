// SPDX-License-Identifier: Apache-2.0
//
// A timer of net's wheel and what it belongs to; the owner is found from the timer's place in it.
#pragma once

#include "base/timer_wheel.h"

enum net_timer_kind {
	NET_TIMER_NEIGHBOR,
	NET_TIMER_OWN_ADDRESS,
	NET_TIMER_MLD,
	NET_TIMER_LINK
};

struct net_timer {
	struct timer timer;
	enum net_timer_kind kind;
};
