// SPDX-License-Identifier: Apache-2.0
//
// SYNs that nobody means: from every client address and port in turn, without a connection behind them, so
// that the answer is never answered.
#pragma once

struct generator;

void flood_syn(struct generator *generator);
