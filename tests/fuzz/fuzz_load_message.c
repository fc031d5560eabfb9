// SPDX-License-Identifier: Apache-2.0
//
// What the load generator reads as HTTP: however the bytes are cut, the message and where it ends are the
// same, and never more is taken than there is. The first byte says which side reads and how it is cut.
#include "base/assert.h"
#include "load/message.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t feed(struct message *message, const uint8_t *data, size_t len, size_t piece)
{
	size_t taken = 0, n = 1;

	while (taken < len && n != 0) {
		size_t left = len - taken;

		n = message_feed(message, span_of(data + taken, left < piece ? left : piece));
		SLUICE_ASSERT(n <= left && n <= piece);
		taken += n;
	}
	return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct message whole, cut;
	size_t n_whole, n_cut;

	if (len == 0)
		return 0;
	message_begin(&whole, (data[0] & 1) != 0);
	message_begin(&cut, (data[0] & 1) != 0);
	n_whole = feed(&whole, data + 1, len - 1, SIZE_MAX);
	n_cut = feed(&cut, data + 1, len - 1, 1 + data[0] / 2);
	SLUICE_ASSERT(whole.state == cut.state && whole.status == cut.status && whole.close == cut.close);
	SLUICE_ASSERT(whole.wanted_len == cut.wanted_len && whole.body_len == cut.body_len);
	// A wrong body is noticed in the piece that it lies in.
	SLUICE_ASSERT(
		whole.state == MESSAGE_CORRUPT || (n_whole == n_cut && whole.body_seen == cut.body_seen));
	SLUICE_ASSERT(whole.body_seen <= whole.body_len);
	return 0;
}
