// SPDX-License-Identifier: Apache-2.0
//
// What the process gives up once its sockets are open.
#pragma once

#include <stdbool.h>

// Keeps the capabilities that control needs. One that starts dataplanes keeps in its bounding set what these
// need until their ports are open, and has none of it itself; one that starts none can't get anything new.
bool privileges_drop(bool starts_dataplanes);
