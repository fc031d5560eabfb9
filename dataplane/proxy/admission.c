// SPDX-License-Identifier: Apache-2.0
#include "proxy/admission.h"

#include "base/assert.h"

enum admission_kind {
	KIND_FREE,
	KIND_V4,
	KIND_V6_64,
	KIND_V6_48,
	KIND_STRANGERS
};

enum {
	SECOND_US = 1000000,
	PRICE_MAX = 64,
	ARENA_ALIGN = 64
};

static uint32_t buckets_for(uint32_t n_sources)
{
	uint32_t n_buckets = 1;

	while ((uint64_t)n_buckets * ADMISSION_WAYS < n_sources)
		n_buckets *= 2;
	return n_buckets;
}

static size_t entries_len(uint32_t n_buckets)
{
	return (size_t)n_buckets * (ADMISSION_WAYS + 1) * sizeof(struct admission_entry);
}

size_t admission_footprint(uint32_t n_sources)
{
	return entries_len(buckets_for(n_sources)) + ARENA_ALIGN;
}

bool admission_init(struct admission *admission, struct arena *arena, uint32_t n_sources,
	const struct admission_limits *limits, const uint64_t key[static 2])
{
	*admission = (struct admission){.n_buckets = buckets_for(n_sources), .key = {key[0], key[1]}};
	admission->entries = arena_alloc(arena, entries_len(admission->n_buckets), ARENA_ALIGN);
	if (admission->entries == NULL)
		return false;
	for (uint32_t i = 0; i < admission->n_buckets; i++)
		admission->entries[admission->n_buckets * ADMISSION_WAYS + i].kind = KIND_STRANGERS;
	admission_set_limits(admission, limits);
	return true;
}

void admission_set_limits(struct admission *admission, const struct admission_limits *limits)
{
	admission->limits = *limits;
	if (limits->handshakes_per_second != 0 && limits->handshakes_burst == 0)
		admission->limits.handshakes_burst = 1;
	if (limits->source_handshakes_per_second != 0 && limits->source_handshakes_burst == 0)
		admission->limits.source_handshakes_burst = 1;
}

// --- the table ---

// Universal hashing with a secret key, as in net/flow_hash.h: nobody can aim sources at one bucket.
static uint32_t bucket_of(const struct admission *admission, uint64_t prefix, enum admission_kind kind)
{
	unsigned __int128 product = (unsigned __int128)(prefix ^ admission->key[0]) *
				    ((admission->key[1] | 1) + ((uint64_t)kind << 1));
	uint64_t hash = (uint64_t)(product >> 64) ^ (uint64_t)product;

	hash *= admission->key[1] | 1;
	return (uint32_t)(hash >> 32) & (admission->n_buckets - 1);
}

static uint64_t prefix_of(const struct ip_addr *addr, enum admission_kind kind)
{
	uint64_t prefix = 0;
	size_t n_bytes = kind == KIND_V6_64 ? 8 : 6;

	if (kind == KIND_V4)
		return ip_addr_v4(addr);
	memcpy(&prefix, addr->bytes, n_bytes);
	return prefix;
}

static bool owes_less(const struct admission_entry *a, const struct admission_entry *b)
{
	return a->full_us < b->full_us;
}

// The source's entry, perhaps a new one; when there is no room the strangers'.
static uint32_t find_entry(struct admission *admission, const struct ip_addr *addr, enum admission_kind kind)
{
	uint64_t prefix = prefix_of(addr, kind);
	uint32_t bucket = bucket_of(admission, prefix, kind);
	struct admission_entry *entries = &admission->entries[bucket * ADMISSION_WAYS];
	struct admission_entry *victim = NULL;

	for (uint32_t i = 0; i < ADMISSION_WAYS; i++) {
		struct admission_entry *entry = &entries[i];

		if (entry->kind == kind && entry->prefix == prefix)
			return bucket * ADMISSION_WAYS + i;
		if (entry->n_connections == 0 && (victim == NULL || owes_less(entry, victim)))
			victim = entry;
	}
	if (victim == NULL) {
		admission->n_strangers++;
		return admission->n_buckets * ADMISSION_WAYS + bucket;
	}
	admission->n_evictions += victim->kind != KIND_FREE;
	// A free entry's full_us is 0, so that free ones are taken first.
	*victim = (struct admission_entry){.prefix = prefix, .kind = (uint8_t)kind};
	return bucket * ADMISSION_WAYS + (uint32_t)(victim - entries);
}

// --- connections ---

static bool connections_full(const struct admission *admission, uint32_t idx, uint32_t factor)
{
	uint64_t limit = (uint64_t)admission->limits.source_connections * factor;

	return limit != 0 && admission->entries[idx].n_connections >= limit;
}

enum admission_verdict admission_connect(struct admission *admission, const struct ip_addr *addr,
	uint64_t now_us, struct admission_ticket *out_ticket)
{
	const struct admission_limits *limits = &admission->limits;
	bool v4 = ip_addr_is_v4(addr);
	struct admission_ticket ticket = {.prefix_idx = ADMISSION_NONE};

	(void)now_us;
	if (limits->connections != 0 && admission->n_connections >= limits->connections)
		return ADMISSION_GLOBAL_CONNECTIONS;
	ticket.source_idx = find_entry(admission, addr, v4 ? KIND_V4 : KIND_V6_64);
	if (connections_full(admission, ticket.source_idx, 1))
		return ADMISSION_SOURCE_CONNECTIONS;
	// Counted before the second look-up, which must not evict it.
	admission->entries[ticket.source_idx].n_connections++;
	if (!v4 && limits->prefix_factor != 0) {
		ticket.prefix_idx = find_entry(admission, addr, KIND_V6_48);
		if (connections_full(admission, ticket.prefix_idx, limits->prefix_factor)) {
			admission->entries[ticket.source_idx].n_connections--;
			return ADMISSION_PREFIX_CONNECTIONS;
		}
		admission->entries[ticket.prefix_idx].n_connections++;
	}
	admission->n_connections++;
	*out_ticket = ticket;
	return ADMISSION_ADMITTED;
}

void admission_release(struct admission *admission, const struct admission_ticket *ticket)
{
	SLUICE_ASSERT(
		admission->n_connections != 0 && admission->entries[ticket->source_idx].n_connections != 0);
	admission->n_connections--;
	admission->entries[ticket->source_idx].n_connections--;
	if (ticket->prefix_idx != ADMISSION_NONE)
		admission->entries[ticket->prefix_idx].n_connections--;
}

// --- handshakes ---

// One token bucket: `full_us` is when it will be full, a token is worth `token_us`, and it may be `depth_us`
// away from full.
struct bucket {
	uint64_t token_us;
	uint64_t depth_us;
};

static struct bucket bucket_for(uint32_t per_second, uint32_t burst, uint32_t factor)
{
	uint64_t rate = (uint64_t)per_second * factor;
	struct bucket bucket = {0};

	if (rate != 0) {
		bucket.token_us = rate < SECOND_US ? SECOND_US / rate : 1;
		bucket.depth_us = bucket.token_us * burst * factor;
	}
	return bucket;
}

static uint64_t owed_us(uint64_t full_us, uint64_t now_us)
{
	return full_us > now_us ? full_us - now_us : 0;
}

static bool affords(const struct bucket *bucket, uint64_t full_us, uint64_t now_us)
{
	return bucket->token_us == 0 || owed_us(full_us, now_us) + bucket->token_us <= bucket->depth_us;
}

static void pay(const struct bucket *bucket, uint64_t *full_us, uint64_t now_us, uint32_t price)
{
	if (bucket->token_us != 0)
		*full_us = now_us + owed_us(*full_us, now_us) + bucket->token_us * price;
}

// How many tokens of its own bucket a source pays for a handshake: one while the global bucket is at least
// half full, and more the emptier that is, so that it never gets quite empty. Sources that keep asking are
// slowed down until all of them together fit; one that asks rarely has paid off its debt by the next time.
static uint32_t price_of(const struct bucket *global, uint64_t full_us, uint64_t now_us)
{
	uint64_t owed = owed_us(full_us, now_us);
	uint64_t left = owed < global->depth_us ? global->depth_us - owed : 0;

	if (left * 2 >= global->depth_us)
		return 1;
	return left * 2 * PRICE_MAX <= global->depth_us ? PRICE_MAX
							: (uint32_t)(global->depth_us / (left * 2));
}

enum admission_verdict admission_handshake(struct admission *admission, const struct admission_ticket *ticket,
	bool resumption, uint32_t n_pending, uint64_t now_us)
{
	const struct admission_limits *limits = &admission->limits;
	struct bucket global = bucket_for(limits->handshakes_per_second, limits->handshakes_burst, 1);
	struct bucket source = bucket_for(
		limits->source_handshakes_per_second, limits->source_handshakes_burst, 1);
	struct bucket prefix = bucket_for(
		limits->source_handshakes_per_second, limits->source_handshakes_burst, limits->prefix_factor);
	uint32_t pending_max = resumption ? limits->resumptions_pending : limits->handshakes_pending;
	struct admission_entry *entry = &admission->entries[ticket->source_idx];
	struct admission_entry *net = NULL;
	uint32_t price = price_of(&global, admission->global_full_us, now_us);

	if (pending_max != 0 && n_pending >= pending_max)
		return ADMISSION_SATURATED;
	if (resumption)
		return ADMISSION_ADMITTED;
	if (ticket->prefix_idx != ADMISSION_NONE)
		net = &admission->entries[ticket->prefix_idx];
	if (!affords(&source, entry->full_us, now_us))
		return ADMISSION_SOURCE_RATE;
	if (net != NULL && !affords(&prefix, net->full_us, now_us))
		return ADMISSION_PREFIX_RATE;
	if (!affords(&global, admission->global_full_us, now_us))
		return ADMISSION_GLOBAL_RATE;
	pay(&source, &entry->full_us, now_us, price);
	if (net != NULL)
		pay(&prefix, &net->full_us, now_us, price);
	pay(&global, &admission->global_full_us, now_us, 1);
	return ADMISSION_ADMITTED;
}

bool admission_rate_affords(const struct admission_rate *rate, uint32_t per_second, uint64_t now_us)
{
	struct bucket bucket = bucket_for(per_second, per_second, 1);

	return affords(&bucket, rate->full_us, now_us);
}

void admission_rate_pay(struct admission_rate *rate, uint32_t per_second, uint64_t now_us)
{
	struct bucket bucket = bucket_for(per_second, per_second, 1);

	pay(&bucket, &rate->full_us, now_us, 1);
}

const char *admission_verdict_name(enum admission_verdict verdict)
{
	static const char *const names[] = {
#define X(id, name) [ADMISSION_##id] = name,
		ADMISSION_VERDICTS(X)
#undef X
	};

	return verdict < N_ADMISSION_VERDICTS ? names[verdict] : "unknown";
}

bool admission_next(
	const struct admission *admission, uint64_t now_us, uint32_t *cursor, struct admission_info *out)
{
	static const uint8_t prefix_lens[] = {[KIND_V4] = 128, [KIND_V6_64] = 64, [KIND_V6_48] = 48};
	uint32_t n_entries = admission->n_buckets * ADMISSION_WAYS;
	const struct admission_entry *entry = NULL;

	while (*cursor < n_entries && entry == NULL) {
		const struct admission_entry *candidate = &admission->entries[(*cursor)++];

		if (candidate->kind != KIND_FREE)
			entry = candidate;
	}
	if (entry == NULL)
		return false;
	*out = (struct admission_info){.prefix_len = prefix_lens[entry->kind],
		.n_connections = entry->n_connections,
		.owed_us = owed_us(entry->full_us, now_us)};
	if (entry->kind == KIND_V4)
		out->prefix = ip_addr_from_v4((uint32_t)entry->prefix);
	else
		memcpy(out->prefix.bytes, &entry->prefix, sizeof entry->prefix);
	return true;
}
