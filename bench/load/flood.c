// SPDX-License-Identifier: Apache-2.0
#include "load/flood.h"

#include "load/generator.h"
#include "net/output.h"
#include "tcp/wire.h"

#include <rte_byteorder.h>
#include <rte_mbuf.h>

enum {
	FIRST_PORT = 1024,
	N_PORTS = 65536 - FIRST_PORT,
	OPTIONS_LEN = 4 // maximum segment size
};

static void fill(struct rte_mbuf *mbuf, const struct flow_key *key, uint32_t number)
{
	static const uint8_t options[OPTIONS_LEN] = {2, 4, 0x05, 0xb4};
	struct tcp_header *header = (void *)rte_pktmbuf_append(mbuf, sizeof *header + OPTIONS_LEN);

	*header = (struct tcp_header){.src_port = rte_cpu_to_be_16(key->local_port),
		.dst_port = rte_cpu_to_be_16(key->remote_port),
		.seq = rte_cpu_to_be_32(number * 2654435761u),
		.data_offset = (uint8_t)((sizeof *header + OPTIONS_LEN) / 4 << 4),
		.flags = SEGMENT_SYN,
		.window = rte_cpu_to_be_16(65535)};
	memcpy(header + 1, options, OPTIONS_LEN);
}

// Each address has all its ports before the next one's turn comes; targets take turns.
void flood_syn(struct generator *generator)
{
	const struct load_options *options = generator->options;
	uint32_t number = generator->flood_number++;
	bool one_path = options->target.n == 1 && options->n_clients == 1;
	struct flow_key key = {.local = client_address(options, number / N_PORTS),
		.remote = station_address(&options->target, number % options->target.n),
		.local_port = (uint16_t)(FIRST_PORT + number % N_PORTS),
		.remote_port = options->target.port};
	struct rte_mbuf *mbuf;

	if ((generator->flood_path.mtu == 0 || !one_path) &&
		!net_path_find(generator->station->net, &key.local, &key.remote, &generator->flood_path)) {
		generator->now->errors[LOAD_ERROR_NO_ROUTE]++;
		return;
	}
	mbuf = net_mbuf_alloc(generator->station->net);
	if (mbuf == NULL)
		return;
	fill(mbuf, &key, number);
	net_output_tcp(generator->station->net, &generator->flood_path, &key, mbuf, 0, 0);
	generator->now->n_flood++;
}
