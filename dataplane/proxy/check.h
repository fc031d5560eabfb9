// SPDX-License-Identifier: Apache-2.0
//
// Health checks as connections: for each server that upstream.h says is due, a TCP connection is made and
// closed again. That it could be made is the whole answer; TCP's connect timeout is the bound. At most as
// many are out at a time as the pool holds; the others wait.
#pragma once

#include "proxy/proxy.h"

enum {
	CHECKS_MAX = 32
};

// The user word of a check's connection; a pair's has this bit clear.
#define CHECK_USER (UINT64_C(1) << 63)

// Ends checks whose time is over, and begins those that are due. Returns how many.
uint32_t checks_begin(struct proxy *proxy);

// TCP's events of a connection whose user word has CHECK_USER.
void check_events(struct proxy *proxy, const struct tcp_ready *ready);

size_t checks_footprint(void);
bool checks_init(struct proxy *proxy, struct arena *arena) __attribute__((warn_unused_result));
void checks_stop(struct proxy *proxy);
