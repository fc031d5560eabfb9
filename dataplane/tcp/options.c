// SPDX-License-Identifier: Apache-2.0
#include "tcp/options.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/writer.h"

static void parse_mss(struct reader *body, struct tcp_options *options)
{
	uint16_t mss = reader_u16(body);

	if (!reader_done(body))
		return;
	options->mss = mss;
	options->present |= TCP_HAS_MSS;
}

static void parse_wscale(struct reader *body, struct tcp_options *options)
{
	uint8_t wscale = reader_u8(body);

	if (!reader_done(body))
		return;
	// RFC 7323 2.3: a larger shift is taken as the largest one.
	options->wscale = wscale > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : wscale;
	options->present |= TCP_HAS_WSCALE;
}

static void parse_timestamps(struct reader *body, struct tcp_options *options)
{
	uint32_t value = reader_u32(body);
	uint32_t echo = reader_u32(body);

	if (!reader_done(body))
		return;
	options->ts_value = value;
	options->ts_echo = echo;
	options->present |= TCP_HAS_TIMESTAMPS;
}

static void parse_sack(struct reader *body, struct tcp_options *options)
{
	uint8_t n = 0;

	while (n < TCP_SACK_BLOCKS_MAX && reader_left(body) != 0) {
		options->sack_blocks[n].start = seq_of(reader_u32(body));
		options->sack_blocks[n].end = seq_of(reader_u32(body));
		n++;
	}
	if (!reader_done(body) || n == 0)
		return;
	options->n_sack_blocks = n;
	options->present |= TCP_HAS_SACK;
}

// A known kind with a length that is not its own is ignored, as an unknown one is.
static void parse_one(uint8_t kind, struct reader *body, struct tcp_options *options)
{
	switch (kind) {
	case TCP_OPTION_MSS:
		parse_mss(body, options);
		break;
	case TCP_OPTION_WSCALE:
		parse_wscale(body, options);
		break;
	case TCP_OPTION_SACK_PERMITTED:
		if (reader_left(body) == 0)
			options->present |= TCP_HAS_SACK_PERMITTED;
		break;
	case TCP_OPTION_SACK:
		parse_sack(body, options);
		break;
	case TCP_OPTION_TIMESTAMPS:
		parse_timestamps(body, options);
		break;
	default:
		break;
	}
}

bool tcp_options_parse(struct span bytes, struct tcp_options *out_options)
{
	struct reader reader = reader_over(bytes);

	out_options->present = 0;
	out_options->n_sack_blocks = 0;
	while (reader_left(&reader) != 0) {
		uint8_t kind = reader_u8(&reader);
		uint8_t len;
		struct reader body;

		if (kind == TCP_OPTION_END)
			return true;
		if (kind == TCP_OPTION_NOP)
			continue;
		len = reader_u8(&reader);
		if (len < 2)
			return false;
		body = reader_over(reader_bytes(&reader, len - 2u));
		if (!reader_ok(&reader))
			return false;
		parse_one(kind, &body, out_options);
	}
	return true;
}

static void write_sack(struct writer *writer, const struct tcp_options *options)
{
	uint8_t n = options->n_sack_blocks;

	while (n != 0 && 4u + 8u * n > writer_left(writer))
		n--;
	if (n == 0)
		return;
	writer_u8(writer, TCP_OPTION_NOP);
	writer_u8(writer, TCP_OPTION_NOP);
	writer_u8(writer, TCP_OPTION_SACK);
	writer_u8(writer, (uint8_t)(2 + 8 * n));
	for (uint8_t i = 0; i < n; i++) {
		writer_u32(writer, options->sack_blocks[i].start.value);
		writer_u32(writer, options->sack_blocks[i].end.value);
	}
}

uint32_t tcp_options_write(const struct tcp_options *options, uint8_t out[static TCP_OPTIONS_LEN_MAX])
{
	struct writer writer = writer_over((struct mut_span){.data = out, .len = TCP_OPTIONS_LEN_MAX});

	if ((options->present & TCP_HAS_MSS) != 0) {
		writer_u8(&writer, TCP_OPTION_MSS);
		writer_u8(&writer, 4);
		writer_u16(&writer, options->mss);
	}
	if ((options->present & TCP_HAS_SACK_PERMITTED) != 0) {
		writer_u8(&writer, TCP_OPTION_SACK_PERMITTED);
		writer_u8(&writer, 2);
	}
	if ((options->present & TCP_HAS_TIMESTAMPS) != 0) {
		while (writer.len % 4 != 2)
			writer_u8(&writer, TCP_OPTION_NOP);
		writer_u8(&writer, TCP_OPTION_TIMESTAMPS);
		writer_u8(&writer, 10);
		writer_u32(&writer, options->ts_value);
		writer_u32(&writer, options->ts_echo);
	}
	if ((options->present & TCP_HAS_WSCALE) != 0) {
		writer_u8(&writer, TCP_OPTION_WSCALE);
		writer_u8(&writer, 3);
		writer_u8(&writer, options->wscale);
	}
	while (writer.len % 4 != 0)
		writer_u8(&writer, TCP_OPTION_NOP);
	if ((options->present & TCP_HAS_SACK) != 0)
		write_sack(&writer, options);
	SLUICE_ASSERT(writer_ok(&writer));
	return (uint32_t)writer.len;
}
