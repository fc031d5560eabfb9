// SPDX-License-Identifier: Apache-2.0
#include "refusal.h"

#include "ipc.h"

#include <stdarg.h>
#include <stdio.h>

bool refuse(char *reason, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(reason, IPC_REASON_MAX, format, arguments);
	va_end(arguments);
	return false;
}
