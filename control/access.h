// SPDX-License-Identifier: Apache-2.0
//
// Who may do what on the operators' socket: three levels, each with all that the one before may.
#pragma once

#include "config.h"

#include <sys/types.h>

enum access_level {
	ACCESS_USER,     // looks
	ACCESS_OPERATOR, // drains, enables, disables, sets limits and weights, reloads
	ACCESS_ADMIN,    // certificates, keys, stopping
};

// root and our own user are admins; others what the configuration says of them, and at least what it gives
// to everybody whom the socket's permissions let in.
enum access_level access_level_of(const struct config_control *control, uid_t uid);

const char *access_level_name(enum access_level level);
