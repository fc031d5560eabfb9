// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "base/counters.h"
#include "crypto/aead.h"
#include "seam/cmocka_all.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

enum {
	N_SLOTS = 4,
	MESSAGE_MAX_LEN = 17000,
	PIECES_MAX = 16
};

static struct arena arena;
static struct aead_cache cache;
static struct counters counters;

static unsigned random_below(unsigned n)
{
	uint32_t value;

	assert_int_equal(RAND_bytes((uint8_t *)&value, sizeof value), 1);
	return value % n;
}

static void make_key(struct aead_key *key, enum aead_id id, enum aead_nonce_form form)
{
	uint8_t bytes[AEAD_KEY_MAX_LEN], iv[AEAD_NONCE_LEN];

	assert_int_equal(RAND_bytes(bytes, sizeof bytes), 1);
	assert_int_equal(RAND_bytes(iv, sizeof iv), 1);
	aead_key_init(&cache, key, id, form,
		(const struct span[]){span_of(bytes, aead_key_len(id)), span_of(iv, aead_iv_len(form))});
}

// OpenSSL's ciphertext and tag, behind each other.
static void reference_seal(const struct aead_key *key, const uint8_t nonce[AEAD_NONCE_LEN], struct span aad,
	struct span plaintext, uint8_t *out)
{
	static const EVP_CIPHER *(*const ciphers[N_AEADS])(void) = {
		EVP_aes_128_gcm, EVP_aes_256_gcm, EVP_chacha20_poly1305};
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int len;

	assert_int_equal(EVP_EncryptInit_ex(context, ciphers[key->id](), NULL, key->key, nonce), 1);
	assert_int_equal(EVP_EncryptUpdate(context, NULL, &len, aad.data, (int)aad.len), 1);
	assert_int_equal(EVP_EncryptUpdate(context, out, &len, plaintext.data, (int)plaintext.len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(context, out + plaintext.len, &len), 1);
	assert_int_equal(
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, out + plaintext.len), 1);
	EVP_CIPHER_CTX_free(context);
}

// RFC 8446 5.3 and RFC 5288 3, written out.
static void reference_nonce(const struct aead_key *key, uint64_t number, uint8_t nonce[AEAD_NONCE_LEN])
{
	memcpy(nonce, key->iv, AEAD_NONCE_LEN);
	if (key->nonce_form == AEAD_NONCE_EXPLICIT)
		memset(nonce + 4, 0, 8);
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(number >> (8 * i));
}

// Cuts len bytes into pieces anywhere, empty ones included.
static uint16_t cut(size_t len, size_t lens[PIECES_MAX])
{
	uint16_t n = (uint16_t)(1 + random_below(PIECES_MAX));

	for (unsigned i = 0; i + 1 < n; i++) {
		lens[i] = random_below(4) == 0 ? 0 : random_below((unsigned)len + 1);
		if (random_below(2) == 0 && lens[i] > 20)
			lens[i] = random_below(20);
		len -= lens[i];
	}
	lens[n - 1] = len;
	return n;
}

// One record in all its forms: a buffer for each side, and the lists that cut them.
struct record {
	struct aead_key key;
	struct aead_job job;
	uint8_t plaintext[MESSAGE_MAX_LEN];
	uint8_t sealed[MESSAGE_MAX_LEN + AEAD_TAG_LEN]; // OpenSSL's
	uint8_t input[MESSAGE_MAX_LEN + AEAD_TAG_LEN];
	uint8_t output[MESSAGE_MAX_LEN + AEAD_TAG_LEN];
	uint8_t aad[64];
	size_t len;
	struct span inputs[PIECES_MAX];
	struct mut_span outputs[PIECES_MAX + 1];
	bool in_place;
};

static void make_record(struct record *record, size_t len)
{
	enum aead_nonce_form form = random_below(2) == 0 ? AEAD_NONCE_XOR : AEAD_NONCE_EXPLICIT;
	uint8_t nonce[AEAD_NONCE_LEN];

	make_key(&record->key, random_below(N_AEADS), form);
	assert_int_equal(RAND_bytes(record->plaintext, (int)len + 1), 1);
	assert_int_equal(RAND_bytes(record->aad, sizeof record->aad), 1);
	record->len = len;
	record->job = (struct aead_job){
		.key = &record->key,
		.aad = span_of(record->aad, random_below(2) == 0 ? 5 : random_below(sizeof record->aad)),
		.inputs = record->inputs,
		.outputs = record->outputs,
	};
	assert_int_equal(RAND_bytes((uint8_t *)&record->job.nonce, sizeof record->job.nonce), 1);
	reference_nonce(&record->key, record->job.nonce, nonce);
	reference_seal(&record->key, nonce, record->job.aad, span_of(record->plaintext, len), record->sealed);
}

// Lays out in_len bytes of input, cut anywhere, and out_len of output: in place with the same cuts (and the
// difference at the end), or elsewhere with its own.
static void lay_out(struct record *record, size_t in_len, size_t out_len)
{
	size_t lens[PIECES_MAX], offset = 0;

	record->in_place = random_below(2) == 0;
	record->job.n_inputs = cut(in_len, lens);
	for (unsigned i = 0; i < record->job.n_inputs; i++, offset += lens[i - 1])
		record->inputs[i] = span_of(record->input + offset, lens[i]);
	if (!record->in_place)
		record->job.n_outputs = cut(out_len, lens);
	else
		record->job.n_outputs = record->job.n_inputs;
	offset = 0;
	for (unsigned i = 0; i < record->job.n_outputs; i++) {
		size_t len = out_len - offset < lens[i] ? out_len - offset : lens[i];
		uint8_t *start = record->in_place ? record->input : record->output;

		record->outputs[i] = (struct mut_span){start + offset, len};
		offset += len;
	}
	if (offset < out_len)
		record->outputs[record->job.n_outputs - 1].len += out_len - offset;
}

static const uint8_t *output_of(const struct record *record)
{
	return record->in_place ? record->input : record->output;
}

static void set_seal(struct record *record)
{
	memcpy(record->input, record->plaintext, record->len);
	lay_out(record, record->len, record->len + AEAD_TAG_LEN);
}

static void set_open(struct record *record)
{
	memcpy(record->input, record->sealed, record->len + AEAD_TAG_LEN);
	lay_out(record, record->len + AEAD_TAG_LEN, record->len);
}

// Every length that meets another number of blocks, then long ones, in bursts of one to eight.
static void test_against_openssl(void **state)
{
	static struct record records[8];

	(void)state;
	for (size_t round = 0; round < 700; round++) {
		size_t n = 1 + round % 8;
		struct aead_job jobs[8];

		for (size_t i = 0; i < n; i++) {
			make_record(&records[i], round < 600 ? round : random_below(MESSAGE_MAX_LEN));
			set_seal(&records[i]);
			jobs[i] = records[i].job;
		}
		aead_seal_burst(&cache, jobs, n);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(jobs[i].status, AEAD_OK);
			assert_memory_equal(
				output_of(&records[i]), records[i].sealed, records[i].len + AEAD_TAG_LEN);
			set_open(&records[i]);
			jobs[i] = records[i].job;
		}
		assert_int_equal(aead_open_burst(&cache, jobs, n), 0);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(jobs[i].status, AEAD_OK);
			assert_memory_equal(output_of(&records[i]), records[i].plaintext, records[i].len);
			aead_key_destroy(&cache, &records[i].key);
		}
	}
}

// Pieces that lie apart, with bytes between them that nobody may touch.
enum {
	APART = 48,
	CUTS = 3,
	SHORT_MAX_LEN = 3
};

struct apart {
	uint8_t bytes[CUTS * APART];
	size_t lens[CUTS];
	uint16_t n;
};

// The next way to cut len bytes into n pieces, empty ones included; false after the last.
static bool next_cut(struct apart *apart, size_t len)
{
	size_t used = 0;

	for (uint16_t i = 0; i + 1 < apart->n; i++)
		used += apart->lens[i];
	for (uint16_t i = 0; i + 1 < apart->n; i++) {
		if (used < len) {
			apart->lens[i]++;
			apart->lens[apart->n - 1] = len - used - 1;
			return true;
		}
		used -= apart->lens[i];
		apart->lens[i] = 0;
	}
	return false;
}

static void first_cut(struct apart *apart, uint16_t n, size_t len)
{
	memset(apart->bytes, 0xee, sizeof apart->bytes);
	memset(apart->lens, 0, sizeof apart->lens);
	apart->n = n;
	apart->lens[n - 1] = len;
}

static void scatter_bytes(struct apart *apart, const uint8_t *bytes, struct span out[CUTS])
{
	for (uint16_t i = 0; i < apart->n; i++) {
		memcpy(apart->bytes + i * APART, bytes, apart->lens[i]);
		out[i] = span_of(apart->bytes + i * APART, apart->lens[i]);
		bytes += apart->lens[i];
	}
}

// What lies in the pieces is what is wanted, and everything else as it was.
static void check_pieces(const struct apart *apart, const uint8_t *wanted)
{
	for (uint16_t i = 0; i < apart->n; i++) {
		assert_memory_equal(apart->bytes + i * APART, wanted, apart->lens[i]);
		wanted += apart->lens[i];
		for (size_t k = apart->lens[i]; k < APART; k++)
			assert_int_equal(apart->bytes[i * APART + k], 0xee);
	}
}

// One job with every way to cut its output into n_out pieces.
static void run_cuts(struct record *record, const struct apart *in, uint16_t n_out, bool seals)
{
	size_t out_len = seals ? record->len + AEAD_TAG_LEN : record->len;
	struct apart out;
	struct apart cuts;

	first_cut(&cuts, n_out, out_len);
	do {
		struct aead_job job = record->job;

		out = cuts;
		for (uint16_t i = 0; i < n_out; i++)
			record->outputs[i] = (struct mut_span){out.bytes + i * APART, out.lens[i]};
		job.n_inputs = in->n;
		job.n_outputs = n_out;
		if (seals)
			aead_seal_burst(&cache, &job, 1);
		else
			assert_int_equal(aead_open_burst(&cache, &job, 1), 0);
		assert_int_equal(job.status, AEAD_OK);
		check_pieces(&out, seals ? record->sealed : record->plaintext);
	} while (next_cut(&cuts, out_len));
}

// Short records, cut in every way into up to three pieces on both sides: each boundary falls on, before and
// behind each byte of text and tag.
static void test_every_cut(void **state)
{
	static struct record record;

	(void)state;
	for (unsigned round = 0; round < 3 * (SHORT_MAX_LEN + 1); round++) {
		uint8_t nonce[AEAD_NONCE_LEN];

		make_record(&record, round % (SHORT_MAX_LEN + 1));
		aead_key_destroy(&cache, &record.key);
		make_key(&record.key, (enum aead_id)(round / (SHORT_MAX_LEN + 1)), AEAD_NONCE_XOR);
		reference_nonce(&record.key, record.job.nonce, nonce);
		reference_seal(&record.key, nonce, record.job.aad, span_of(record.plaintext, record.len),
			record.sealed);
		for (unsigned shape = 0; shape < 2 * CUTS * CUTS; shape++) {
			bool seals = shape % 2 == 0;
			size_t in_len = seals ? record.len : record.len + AEAD_TAG_LEN;
			struct apart in;

			first_cut(&in, (uint16_t)(1 + shape / 2 % CUTS), in_len);
			do {
				scatter_bytes(&in, seals ? record.plaintext : record.sealed, record.inputs);
				run_cuts(&record, &in, (uint16_t)(1 + shape / 2 / CUTS), seals);
			} while (next_cut(&in, in_len));
		}
		aead_key_destroy(&cache, &record.key);
	}
}

static void damage(struct record *record, unsigned what)
{
	switch (what) {
	case 0: // a bit of the ciphertext or tag, wherever it lies
		record->input[random_below((unsigned)record->len + AEAD_TAG_LEN)] ^=
			(uint8_t)(1u << random_below(8));
		break;
	case 1: // the record's number
		record->job.nonce ^= UINT64_C(1) << random_below(64);
		break;
	case 2: // the header
		record->aad[0] ^= 1;
		break;
	case 3: // the key
		aead_key_destroy(&cache, &record->key);
		make_key(&record->key, record->key.id, AEAD_NONCE_XOR);
		break;
	default: // the tag's last bit
		record->input[record->len + AEAD_TAG_LEN - 1] ^= 1;
		break;
	}
}

// In a burst of eight one record is bad, in every position and for every reason: its output is zeros, the
// other seven are delivered.
static void test_bad_record_is_alone(void **state)
{
	static struct record records[8];
	static const uint8_t zeros[MESSAGE_MAX_LEN];

	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		struct aead_job jobs[8];
		unsigned bad = round % 8;

		for (unsigned i = 0; i < 8; i++) {
			make_record(&records[i], 1 + random_below(500));
			set_open(&records[i]);
			memset(records[i].output, 0xaa, sizeof records[i].output);
			if (i == bad)
				damage(&records[i], round / 8 % 5);
			jobs[i] = records[i].job;
		}
		if (jobs[bad].aad.len == 0 && round / 8 % 5 == 2)
			jobs[bad].aad.len = 1;
		assert_int_equal(aead_open_burst(&cache, jobs, 8), 1);
		for (unsigned i = 0; i < 8; i++) {
			const uint8_t *expected = i == bad ? zeros : records[i].plaintext;

			assert_int_equal(jobs[i].status, i == bad ? AEAD_BAD_TAG : AEAD_OK);
			assert_memory_equal(output_of(&records[i]), expected, records[i].len);
			aead_key_destroy(&cache, &records[i].key);
		}
	}
}

// Every bit of a short record matters.
static void test_every_bit_counts(void **state)
{
	uint8_t box[20 + AEAD_TAG_LEN], out[20], nonce[AEAD_NONCE_LEN] = {1};
	const struct span aad_and_plaintext[2] = {
		span_of_string("aad"), span_of_string("twenty bytes of text")};
	const struct span aad_and_box[2] = {span_of_string("aad"), span_of(box, sizeof box)};
	struct aead_key key;

	(void)state;
	for (unsigned id = 0; id < N_AEADS; id++) {
		make_key(&key, id, AEAD_NONCE_XOR);
		aead_seal(&cache, &key, nonce, aad_and_plaintext, (struct mut_span){box, sizeof box});
		for (unsigned bit = 0; bit < 8 * sizeof box; bit++) {
			box[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(
				aead_open(&cache, &key, nonce, aad_and_box, (struct mut_span){out, 20}),
				AEAD_BAD_TAG);
			box[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		assert_int_equal(
			aead_open(&cache, &key, nonce, aad_and_box, (struct mut_span){out, 20}), AEAD_OK);
		assert_memory_equal(out, "twenty bytes of text", 20);
		aead_key_destroy(&cache, &key);
	}
}

static void test_input_without_room_for_a_tag(void **state)
{
	uint8_t bytes[AEAD_TAG_LEN - 1] = {0};
	struct aead_key key;

	(void)state;
	make_key(&key, AEAD_AES_128_GCM, AEAD_NONCE_XOR);
	for (size_t len = 0; len < AEAD_TAG_LEN; len++) {
		const struct span inputs[2] = {
			span_of(bytes, len / 2), span_of(bytes + len / 2, len - len / 2)};
		const struct mut_span output = {NULL, 0};
		struct aead_job job = {
			.key = &key, .inputs = inputs, .n_inputs = 2, .outputs = &output, .n_outputs = 1};

		assert_int_equal(aead_open_burst(&cache, &job, 1), 1);
		assert_int_equal(job.status, AEAD_BAD_TAG);
	}
	aead_key_destroy(&cache, &key);
}

// More keys than slots, used in random order: results stay right, misses and evictions are counted.
static void test_eviction(void **state)
{
	enum {
		N_KEYS = 3 * N_SLOTS
	};
	struct aead_key keys[N_KEYS];
	uint8_t nonce[AEAD_NONCE_LEN] = {0}, box[40 + AEAD_TAG_LEN], expected[40 + AEAD_TAG_LEN],
		text[40] = {7};
	uint64_t expanded = counter_get(&counters, COUNTER_CRYPTO_AEAD_EXPANDED);
	uint64_t evicted = counter_get(&counters, COUNTER_CRYPTO_AEAD_EVICTED);

	(void)state;
	for (unsigned i = 0; i < N_KEYS; i++)
		make_key(&keys[i], i % 2, AEAD_NONCE_XOR);
	for (unsigned round = 0; round < 1000; round++) {
		struct aead_key *key = &keys[random_below(round < 100 ? N_SLOTS : N_KEYS)];

		aead_seal(&cache, key, nonce, (const struct span[]){span_of(NULL, 0), span_of(text, 40)},
			(struct mut_span){box, sizeof box});
		reference_seal(key, nonce, span_of(NULL, 0), span_of(text, 40), expected);
		assert_memory_equal(box, expected, sizeof box);
		if (round == 99)
			assert_true(
				counter_get(&counters, COUNTER_CRYPTO_AEAD_EXPANDED) - expanded <= N_SLOTS);
	}
	expanded = counter_get(&counters, COUNTER_CRYPTO_AEAD_EXPANDED) - expanded;
	evicted = counter_get(&counters, COUNTER_CRYPTO_AEAD_EVICTED) - evicted;
	assert_true(expanded > N_KEYS);
	assert_true(evicted >= expanded - N_SLOTS && evicted <= expanded);
	for (unsigned i = 0; i < N_KEYS; i++)
		aead_key_destroy(&cache, &keys[i]);
}

// A copied key (its connection moved) finds its tables; one whose slot was given away does not use another's.
static void test_copies_and_stale_hints(void **state)
{
	struct aead_key original, copy, other;
	uint8_t nonce[AEAD_NONCE_LEN] = {0}, first[16], second[16];
	const struct span nothing[2] = {{NULL, 0}, {NULL, 0}};

	(void)state;
	make_key(&original, AEAD_AES_256_GCM, AEAD_NONCE_XOR);
	aead_seal(&cache, &original, nonce, nothing, (struct mut_span){first, 16});
	copy = original;
	aead_key_destroy(&cache, &original);
	make_key(&other, AEAD_AES_256_GCM, AEAD_NONCE_XOR);
	for (unsigned i = 0; i < N_SLOTS; i++) { // whatever slot it gets, it once is the copy's
		aead_seal(&cache, &other, nonce, nothing, (struct mut_span){second, 16});
		assert_memory_not_equal(first, second, 16);
		aead_seal(&cache, &copy, nonce, nothing, (struct mut_span){second, 16});
		assert_memory_equal(first, second, 16);
	}
	aead_key_destroy(&cache, &other);
	aead_key_destroy(&cache, &copy);
}

static bool arena_contains(const uint8_t *needle, size_t len)
{
	return memmem(arena.start, arena.used, needle, len) != NULL;
}

// The first round key of AES is the key: so a known key can be looked for in the cache's memory.
static void test_tables_are_wiped(void **state)
{
	struct aead_key key, others[2 * N_SLOTS];
	uint8_t nonce[AEAD_NONCE_LEN] = {0}, tag[16], bytes[16];
	const struct span nothing[2] = {{NULL, 0}, {NULL, 0}};
	struct aead_key zero = {0};

	(void)state;
	make_key(&key, AEAD_AES_128_GCM, AEAD_NONCE_XOR);
	memcpy(bytes, key.key, 16);
	assert_false(arena_contains(bytes, 16));
	aead_seal(&cache, &key, nonce, nothing, (struct mut_span){tag, 16});
	assert_true(arena_contains(bytes, 16));
	for (unsigned i = 0; i < 2 * N_SLOTS; i++) {
		make_key(&others[i], AEAD_AES_128_GCM, AEAD_NONCE_XOR);
		aead_seal(&cache, &others[i], nonce, nothing, (struct mut_span){tag, 16});
	}
	assert_false(arena_contains(bytes, 16)); // evicted
	aead_seal(&cache, &key, nonce, nothing, (struct mut_span){tag, 16});
	assert_true(arena_contains(bytes, 16));
	aead_key_destroy(&cache, &key);
	assert_false(arena_contains(bytes, 16));
	assert_memory_equal(&key, &zero, sizeof key);
	aead_key_destroy(&cache, &key); // harmless
	memcpy(bytes, others[0].key, 16);
	aead_seal(&cache, &others[0], nonce, nothing, (struct mut_span){tag, 16});
	assert_true(arena_contains(bytes, 16));
	aead_cache_wipe(&cache);
	assert_false(arena_contains(bytes, 16));
	aead_seal(&cache, &others[0], nonce, nothing, (struct mut_span){tag, 16});
	for (unsigned i = 0; i < 2 * N_SLOTS; i++)
		aead_key_destroy(&cache, &others[i]);
}

static int set_up(void **state)
{
	(void)state;
	assert_true(arena_init(&arena, aead_cache_footprint(N_SLOTS)));
	assert_true(aead_cache_init(&cache, &arena, N_SLOTS, &counters));
	assert_true(arena.used <= aead_cache_footprint(N_SLOTS));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_openssl),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_bad_record_is_alone),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_input_without_room_for_a_tag),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_copies_and_stale_hints),
		cmocka_unit_test(test_tables_are_wiped),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
