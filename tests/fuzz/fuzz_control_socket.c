// SPDX-License-Identifier: Apache-2.0
//
// What an operator may send, in pieces as the input cuts them, at a level that the input chooses: the server
// lives, and what it keeps for the client is bounded.
#include "../unit/control/a_control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct control control;
static bool is_open;

// Commands that leave this process's thread, or stop nothing but a dataplane that is not there.
static bool is_harmless(const uint8_t *data, size_t len)
{
	return memmem(data, len, "reload", 6) == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct client *client;
	size_t offset = 1;

	if (len < 2 || !is_harmless(data, len))
		return 0;
	if (!is_open) {
		a_control_open(&control);
		is_open = true;
	}
	client = server_add_client(&control.server, -1, 1000, (enum access_level)(data[0] % 3));
	while (offset < len) {
		const size_t piece = 1 + (size_t)data[offset] % 64;
		const size_t n = piece < len - offset ? piece : len - offset;

		if (!client_take(client, data + offset, n))
			break;
		offset += n;
	}
	SLUICE_ASSERT(client_output(client)->len < (1 << 20));
	client_close(client);
	transactions_close_all(&control.transactions);
	return 0;
}
