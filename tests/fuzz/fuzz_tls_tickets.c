// SPDX-License-Identifier: Apache-2.0
//
// What comes back to a server as a ticket or as a session ID: bytes of the peer's, and true ones that it
// changed. The first byte chooses: bit 0 a session ID, bit 1 the rest is what is laid over a true one from an
// offset on (two bytes) instead of being all of it.
#include "base/assert.h"
#include "seam/clock_virtual.h"
#include "tls_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

const char *__asan_default_options(void);

// What crypto holds of OpenSSL's is reachable through an arena only, which the leak detector does not search.
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static struct tls_fixture fixture;
static uint8_t ticket[TLS_OWN_TICKET_LEN];
static uint8_t session_id[TLS_OWN_SESSION_ID_LEN];

static void set_up(void)
{
	const struct tls_engine_settings settings = {.n_handshakes = 2, .n_sessions = 64, .worker_idx = 5};
	const struct tls_session_state state = {.created_s = 1,
		.lifetime_s = 60,
		.version = TLS_VERSION_13,
		.suite = 0x1301,
		.secret_len = 32};

	clock_virtual_reset();
	tls_fixture_init(&fixture, &settings);
	tls_fixture_ticket_keys(&fixture, 1, 2, 3);
	SLUICE_ASSERT(tls_ticket_seal(&fixture.engine, &state, ticket));
	SLUICE_ASSERT(tls_session_id_make(&fixture.engine, session_id));
	tls_session_table_put(&fixture.engine.sessions, session_id, &state);
}

// True bytes with some of the fuzzer's over them.
static struct span overlay(struct span genuine, struct span input, uint8_t out[TLS_OWN_TICKET_LEN])
{
	size_t offset = input.len >= 2 ? (size_t)(input.data[0] << 8 | input.data[1]) % genuine.len : 0;

	memcpy(out, genuine.data, genuine.len);
	for (size_t i = 2; i < input.len && offset + i - 2 < genuine.len; i++)
		out[offset + i - 2] = input.data[i];
	return span_of(out, genuine.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t bytes[TLS_OWN_TICKET_LEN];
	struct tls_engine *engine = &fixture.engine;
	struct tls_session_state state;
	uint16_t worker_idx;
	struct span genuine, input;
	bool is_old, opened, same;

	if (len == 0)
		return 0;
	if (engine->crypto == NULL)
		set_up();
	genuine = (data[0] & 1) != 0 ? span_of(session_id, sizeof session_id)
				     : span_of(ticket, sizeof ticket);
	input = span_of(data + 1, len - 1);
	if ((data[0] & 2) != 0)
		input = overlay(genuine, input, bytes);
	same = span_equal(input, genuine);
	if ((data[0] & 1) != 0) {
		opened = tls_session_id_worker(engine, input, &worker_idx);
		SLUICE_ASSERT(!opened || worker_idx == 5);
		SLUICE_ASSERT(tls_session_table_find(&engine->sessions, input, 30, &state) == same);
		SLUICE_ASSERT(same || !tls_session_table_remove(&engine->sessions, input));
	} else {
		opened = tls_ticket_open(engine, input, &state, &is_old);
		SLUICE_ASSERT(!opened || (state.suite == 0x1301 && state.secret_len == 32));
	}
	// Nothing but what was sealed opens.
	SLUICE_ASSERT(opened == same);
	return 0;
}
