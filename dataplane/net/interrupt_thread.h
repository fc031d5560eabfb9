// SPDX-License-Identifier: Apache-2.0
//
// Errands for EAL's interrupt thread. Drivers' handlers run there one after the other and take no lock
// against the main thread; what must not happen at the same moment as a handler is done in that thread too.
#pragma once

// Main thread, once or more, while it may still open files.
void interrupt_thread_prepare(void);

// Main thread: runs the function there and waits for its end.
void interrupt_thread_run(void (*function)(void *argument), void *argument);
