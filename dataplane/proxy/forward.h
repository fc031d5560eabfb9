// SPDX-License-Identifier: Apache-2.0
//
// Moving plaintext between the legs of all active pairs, in bursts: one round opens at most one record of
// each leg (its successor may need other keys), passes what is readable to the other leg, and seals. Where
// the receiving leg is plaintext, TCP gets references to the buffers that the bytes arrived in; where it has
// TLS, the bytes are sealed into one new buffer per record, the only copy there is.
//
// Credit is the room of the receiving leg's send queue: without it no record is opened, the receive queue
// fills, and TCP closes its window.
#pragma once

#include "proxy/pair.h"

struct forward_batch;

size_t forward_footprint(void);
struct forward_batch *forward_init(struct arena *arena);

// Rounds until nothing moves, or the turn's bound. Returns how many times anything did.
uint32_t forward_run(struct proxy *proxy);
