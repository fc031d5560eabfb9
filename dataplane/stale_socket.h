// SPDX-License-Identifier: Apache-2.0
//
// The file of a SOCK_SEQPACKET Unix socket that nobody listens at any more: whoever made it was killed, or
// had no right to remove it when it ended.
#pragma once

#include <stdbool.h>

// Removes it; true when nothing is at `path` then, false when somebody listens there or it can't be removed.
bool stale_socket_remove(const char *path);
