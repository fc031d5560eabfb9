// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "measure.h"

// Goodput over a wire of 100 Mbit/s, 20 ms round trip and random loss, both ends ours, in virtual time: the
// same on every machine, for judging changes of congestion control and recovery. The comparison with Linux is
// bench/tcp_goodput.py's.
void bench_tcp_goodput_rows(struct measure *measure, bool quick);
