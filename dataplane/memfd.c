// SPDX-License-Identifier: Apache-2.0
#include "memfd.h"

#include "base/wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// The length of a file with at least these seals; 0: `reason`.
static size_t sealed_len(int fd, int seals, char *reason)
{
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0 || (fcntl(fd, F_GET_SEALS) & seals) != seals) {
		(void)snprintf(reason, IPC_REASON_MAX, "the message needs a memfd sealed against %s",
			(seals & F_SEAL_WRITE) != 0 ? "writing and resizing" : "resizing");
		return 0;
	}
	if (status.st_size <= 0 || status.st_size > IPC_CONFIG_LEN_MAX) {
		(void)snprintf(reason, IPC_REASON_MAX, "a memfd of %lld bytes; 1 to %d are possible",
			(long long)status.st_size, IPC_CONFIG_LEN_MAX);
		return 0;
	}
	return (size_t)status.st_size;
}

bool memfd_map(int fd, struct span *out_content, char reason[static IPC_REASON_MAX])
{
	const size_t len = sealed_len(fd, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, reason);
	void *start = len != 0 ? mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;

	if (len != 0 && start == MAP_FAILED)
		(void)snprintf(reason, IPC_REASON_MAX, "a memfd can't be mapped: %s", strerror(errno));
	*out_content = span_of(start, len);
	return start != MAP_FAILED;
}

void memfd_unmap(struct span content)
{
	(void)munmap((void *)(uintptr_t)content.data, content.len);
}

bool memfd_take_secret(
	int fd, struct arena *out_arena, struct span *out_content, char reason[static IPC_REASON_MAX])
{
	const size_t len = sealed_len(fd, F_SEAL_SHRINK | F_SEAL_GROW, reason);
	void *shared = len != 0 ? mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	void *copy;

	if (shared == MAP_FAILED) {
		if (len != 0)
			(void)snprintf(
				reason, IPC_REASON_MAX, "a memfd can't be mapped: %s", strerror(errno));
		return false;
	}
	copy = arena_init(out_arena, len) ? arena_alloc(out_arena, len, 64) : NULL;
	if (copy != NULL)
		memcpy(copy, shared, len);
	else
		(void)snprintf(reason, IPC_REASON_MAX, "no memory for %zu bytes of secrets", len);
	wipe(shared, len);
	(void)munmap(shared, len);
	*out_content = span_of(copy, len);
	return copy != NULL;
}

bool memfd_make_secret(struct memfd_secret *out, const void *content, size_t len)
{
	const int fd = memfd_create("sluice-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *pages = fd >= 0 && ftruncate(fd, (off_t)len) == 0
			      ? mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
			      : MAP_FAILED;

	*out = (struct memfd_secret){.fd = -1};
	if (pages == MAP_FAILED || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		if (pages != MAP_FAILED)
			(void)munmap(pages, len);
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	// Where locking is not allowed, a warning was given at the start.
	(void)mlock(pages, len);
	(void)madvise(pages, len, MADV_DONTDUMP);
	memcpy(pages, content, len);
	*out = (struct memfd_secret){.fd = fd, .pages = pages, .len = len};
	return true;
}

void memfd_end_secret(struct memfd_secret *secret)
{
	if (secret->fd < 0)
		return;
	wipe(secret->pages, secret->len);
	(void)munmap(secret->pages, secret->len);
	(void)close(secret->fd);
	secret->fd = -1;
}
