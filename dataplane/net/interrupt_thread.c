// SPDX-License-Identifier: Apache-2.0
#include "net/interrupt_thread.h"

#include "base/assert.h"

#include <rte_interrupts.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

// The thread waits for our bell among its devices. One errand at a time; the bell stays for the process's
// life.
static struct {
	struct rte_intr_handle *handle; // NULL: not made yet
	int bell;                       // eventfd
	void (*function)(void *argument);
	void *argument;
	sem_t done;
} errand;

static void run(void *argument)
{
	uint64_t n_rung;

	(void)argument;
	if (read(errand.bell, &n_rung, sizeof n_rung) != (ssize_t)sizeof n_rung)
		return;
	errand.function(errand.argument);
	(void)sem_post(&errand.done);
}

void interrupt_thread_prepare(void)
{
	if (errand.handle != NULL)
		return;
	errand.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	errand.handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	SLUICE_ASSERT(errand.bell >= 0 && errand.handle != NULL);
	SLUICE_ASSERT(sem_init(&errand.done, 0, 0) == 0);
	SLUICE_ASSERT(rte_intr_fd_set(errand.handle, errand.bell) == 0);
	SLUICE_ASSERT(rte_intr_type_set(errand.handle, RTE_INTR_HANDLE_EXT) == 0);
	SLUICE_ASSERT(rte_intr_callback_register(errand.handle, run, NULL) == 0);
}

void interrupt_thread_run(void (*function)(void *argument), void *argument)
{
	const uint64_t once = 1;

	errand.function = function;
	errand.argument = argument;
	SLUICE_ASSERT(write(errand.bell, &once, sizeof once) == (ssize_t)sizeof once);
	while (sem_wait(&errand.done) != 0)
		continue; // a signal came
}
