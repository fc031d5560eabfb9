// SPDX-License-Identifier: Apache-2.0
//
// Errands for EAL's interrupt thread. Drivers' handlers run there one after the other and take no lock
// against the main thread; what must not happen at the same moment as a handler is done in that thread too.
#pragma once

// Runs the function there and waits for its end. Main thread, between EAL's start and its clean-up.
void interrupt_thread_run(void (*function)(void *argument), void *argument);

// Returns when the thread has done what it had to do, and looks at no device any more that is gone by now.
void interrupt_thread_settle(void);
