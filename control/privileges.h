// SPDX-License-Identifier: Apache-2.0
//
// What the control process gives up once it knows that it will start no dataplane: capabilities that only
// that would need, and new privileges. It keeps its user, which may read the keys.
#pragma once

#include <stdbool.h>

// False: nothing was changed.
bool privileges_drop(void);
