// SPDX-License-Identifier: Apache-2.0
//
// Why something that the control process sent is refused, in words that it passes on to people.
#pragma once

#include <stdbool.h>

// Writes the reason, at most IPC_REASON_MAX bytes, and returns false, for `return refuse(...)`.
bool refuse(char *reason, const char *format, ...) __attribute__((format(printf, 2, 3)));
