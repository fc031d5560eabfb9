// SPDX-License-Identifier: Apache-2.0
//
// The memfds that come over the control link (ipc.h), in two kinds.
#pragma once

#include "base/arena.h"
#include "base/span.h"
#include "ipc.h"

// Public content: the file must be sealed against writing and resizing, so that what is mapped can't change
// while it is parsed. False: `reason`. Unmap with memfd_unmap.
bool memfd_map(int fd, struct span *out_content, char reason[static IPC_REASON_MAX])
	__attribute__((warn_unused_result));
void memfd_unmap(struct span content);

// Secret content: sealed against resizing. It is copied to the start of an arena made for it (locked, not
// dumped), and the file is overwritten with zeros. Destroy the arena to wipe the copy.
bool memfd_take_secret(int fd, struct arena *out_arena, struct span *out_content,
	char reason[static IPC_REASON_MAX]) __attribute__((warn_unused_result));

// The other direction: a memfd of secrets, sealed against resizing, whose pages stay locked in memory until
// the reader has copied them.
struct memfd_secret {
	int fd; // -1: none
	void *pages;
	size_t len;
};

bool memfd_make_secret(struct memfd_secret *out, const void *content, size_t len)
	__attribute__((warn_unused_result));

// Zeroes what is there, however far the reader came.
void memfd_end_secret(struct memfd_secret *secret);
