// SPDX-License-Identifier: Apache-2.0
//
// The states of states.def as an enum.
#pragma once

enum tcp_state {
#define TCP_STATE(id, name) TCP_##id,
#include "tcp/states.def"
#undef TCP_STATE
	N_TCP_STATES
};

// "fin-wait-1" and the like.
const char *tcp_state_name(enum tcp_state state);
