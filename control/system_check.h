// SPDX-License-Identifier: Apache-2.0
//
// What the machine lacks for a configuration, before anything is started: CPUs, huge pages, NICs bound to a
// driver that DPDK can use. Each finding says what to do. Looks only; changes nothing.
#pragma once

#include "config.h"

// Adds one line a finding; returns how many of them keep the dataplane from starting (the others cost
// performance).
size_t system_check(const struct config *config, const char *sysfs, struct text *findings);
