// SPDX-License-Identifier: Apache-2.0
//
// A server with real cryptography under a client that has no keys: what anybody on the network can reach. The
// first byte cuts the rest into arrivals.
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
static struct tls_server_config config;

static void set_up(void)
{
	const struct tls_engine_settings settings = {.n_handshakes = 2, .n_sessions = 8};
	struct tls_identity *identity = tls_fixture_identity(TLS_FIXTURE_P256);

	clock_virtual_reset();
	tls_fixture_init(&fixture, &settings);
	tls_fixture_ticket_keys(&fixture, 1, 0, 0);
	config = tls_fixture_server_config(tls_fixture_names(&identity, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tls_end end;

	if (len == 0 || len > TLS_END_BUFFER_LEN)
		return 0;
	if (config.names == NULL)
		set_up();
	tls_end_init(&end, &fixture);
	tls_end_serve(&end, &config);
	tls_end_receive(&end, data + 1, len - 1);
	end.chunk = (size_t)data[0] * 8;
	while (tls_end_step(&end) || lanes_n_pending(fixture.crypto.lanes) != 0)
		tls_fixture_run_lanes(&fixture);
	// Without keys nobody gets through, and nothing comes out.
	SLUICE_ASSERT(!tls_end_up(&end) && end.data_len == 0);
	tls_end_destroy(&end);
	SLUICE_ASSERT(fixture.engine.handshakes.n_used == 0 && fixture.engine.blocks.n_used == 0);
	return 0;
}
