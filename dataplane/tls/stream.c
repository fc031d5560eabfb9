// SPDX-License-Identifier: Apache-2.0
#include "tls/stream.h"

size_t tls_stream_len(struct tls_stream stream)
{
	size_t len = 0;

	for (size_t i = 0; i < stream.n_pieces; i++)
		len += stream.pieces[i].len;
	return len;
}

size_t tls_stream_copy(struct tls_stream stream, size_t offset, void *out, size_t len)
{
	uint8_t *place = out;
	size_t left = len;

	for (size_t i = 0; i < stream.n_pieces && left != 0; i++) {
		struct span piece = stream.pieces[i];
		size_t take;

		if (offset >= piece.len) {
			offset -= piece.len;
			continue;
		}
		take = piece.len - offset < left ? piece.len - offset : left;
		memcpy(place, piece.data + offset, take);
		place += take;
		left -= take;
		offset = 0;
	}
	return len - left;
}

size_t tls_stream_slice(struct tls_stream stream, size_t offset, size_t len, struct span *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < stream.n_pieces && len != 0; i++) {
		struct span piece = stream.pieces[i];
		size_t take;

		if (offset >= piece.len) {
			offset -= piece.len;
			continue;
		}
		if (n == max)
			return 0;
		take = piece.len - offset < len ? piece.len - offset : len;
		out[n++] = span_of(piece.data + offset, take);
		len -= take;
		offset = 0;
	}
	return len == 0 ? n : 0;
}
