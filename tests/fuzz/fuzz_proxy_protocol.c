// SPDX-License-Identifier: Apache-2.0
//
// A PROXY header of any version from a source that is trusted and lies: whatever is accepted can be written
// and parsed again, and no prefix of it is refused.
#include "base/assert.h"
#include "proxy/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t again[2 * PROXY_PROTOCOL_ACCEPTED_MAX];
	struct proxy_protocol_facts facts, other;
	size_t header_len, n, other_len;

	if (proxy_protocol_parse(span_of(data, len), &facts, &header_len) != PROXY_PROTOCOL_DONE)
		return 0;
	SLUICE_ASSERT(header_len <= len && header_len <= PROXY_PROTOCOL_ACCEPTED_MAX);
	for (size_t part = 0; part < header_len; part += 1 + header_len / 16)
		SLUICE_ASSERT(
			proxy_protocol_parse(span_of(data, part), &other, &other_len) == PROXY_PROTOCOL_MORE);
	n = proxy_protocol_write(
		PROXY_PROTOCOL_V2, &facts, (struct mut_span){.data = again, .len = sizeof again});
	SLUICE_ASSERT(n != 0);
	if (n > PROXY_PROTOCOL_ACCEPTED_MAX)
		return 0;
	SLUICE_ASSERT(proxy_protocol_parse(span_of(again, n), &other, &other_len) == PROXY_PROTOCOL_DONE);
	SLUICE_ASSERT(other_len == n && other.local == facts.local);
	if (!facts.local) {
		SLUICE_ASSERT(ip_addr_equal(&facts.source, &other.source) && facts.tls == other.tls);
		SLUICE_ASSERT(span_equal(facts.authority, other.authority));
	}
	return 0;
}
