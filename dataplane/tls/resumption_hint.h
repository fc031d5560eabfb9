// SPDX-License-Identifier: Apache-2.0
//
// Whether the ClientHello that has arrived will resume a session, told before a handshake begins: for whoever
// lets resumptions go first when there is too much to do. It costs a parse and the opening of a ticket, no
// public-key operation, and changes nothing.
#pragma once

#include "tls/stream.h"

#include <stdbool.h>

struct tls_engine;

// True: it carries a ticket of ours, or the ID of a session that this worker remembers. False: it does not,
// or it has not arrived whole, or it is none. The handshake may refuse the session nevertheless (another
// policy, too old). Uses the engine's scratch memory.
bool tls_resumption_hint(struct tls_engine *engine, struct tls_stream received)
	__attribute__((warn_unused_result));
