// SPDX-License-Identifier: Apache-2.0
//
// Where bytes of a handshake wait that can't be handled yet. A peer gets the room that it filled, not the
// room that a header of its promises: a block first, then a medium and a large piece of memory as bytes
// really come.
#include "tls/handshake_state.h"

static struct pool *next_pool(struct tls_engine *engine, const struct tls_buffer *buffer)
{
	if (buffer->data == NULL)
		return &engine->blocks;
	if (buffer->pool == &engine->blocks)
		return &engine->medium;
	return buffer->pool == &engine->medium ? &engine->large : NULL;
}

static bool grow(struct tls_engine *engine, struct tls_buffer *buffer)
{
	struct pool *pool = next_pool(engine, buffer);
	uint8_t *data = pool != NULL ? pool_alloc(pool) : NULL;

	if (data == NULL) {
		tls_engine_count(engine, COUNTER_TLS_POOL_EMPTY);
		return false;
	}
	if (buffer->data != NULL) {
		memcpy(data, buffer->data + buffer->start, buffer->len);
		pool_free(buffer->pool, buffer->data);
	}
	buffer->data = data;
	buffer->pool = pool;
	buffer->start = 0;
	buffer->capacity = pool->item_size;
	return true;
}

bool tls_buffer_append(struct tls_engine *engine, struct tls_buffer *buffer, struct span bytes)
{
	if (bytes.len == 0)
		return true;
	if (buffer->start != 0 && buffer->start + buffer->len + bytes.len > buffer->capacity) {
		memmove(buffer->data, buffer->data + buffer->start, buffer->len);
		buffer->start = 0;
	}
	while (buffer->data == NULL || buffer->len + bytes.len > buffer->capacity) {
		if (!grow(engine, buffer))
			return false;
	}
	memcpy(buffer->data + buffer->start + buffer->len, bytes.data, bytes.len);
	buffer->len += (uint32_t)bytes.len;
	return true;
}

bool tls_buffer_reserve(struct tls_engine *engine, struct tls_buffer *buffer, size_t len)
{
	while (buffer->data == NULL || buffer->capacity < len) {
		if (!grow(engine, buffer))
			return false;
	}
	return true;
}

void tls_buffer_release(struct tls_buffer *buffer)
{
	if (buffer->data != NULL)
		pool_free(buffer->pool, buffer->data);
	memset(buffer, 0, sizeof *buffer);
}
