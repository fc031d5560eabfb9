// SPDX-License-Identifier: Apache-2.0
//
// The numbered steps of RFC 9293 3.10.7.4 for SYN-RECEIVED and the synchronized states, one function each, in
// their order, with RFC 5961's stricter rules for RST, SYN and ACK and RFC 7323's PAWS in the first.
#pragma once

#include "tcp/input.h"

void tcp_rx_steps(struct tcp_rx *rx);
