// SPDX-License-Identifier: Apache-2.0
//
// Each operation in each lane position against OpenSSL, bad inputs in each position, and the rule by which
// queues fire. All of it with every body.
#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/der.h"
#include "crypto/lane_engine.h"
#include "crypto/lanes.h"
#include "crypto/scalar.h"
#include "unit/crypto/crypto_fixture.h"

#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdlib.h>

enum {
	TSC_PER_US = 1000, // the virtual clock's
	BUDGET_US = 50
};

struct item {
	struct lane_request request;
	uint8_t secret[48];
	uint8_t input[512];
	uint8_t output[512];
	uint8_t expected[512];
	size_t expected_len;
	struct span message;
};

static struct item items[64];
static struct scalar *reference;

static void draw(uint8_t *out, size_t len)
{
	assert_int_equal(RAND_bytes(out, (int)len), 1);
}

static void set_item(struct item *item, enum lane_op op)
{
	memset(item, 0, sizeof *item);
	lane_request_init(&item->request, item);
	item->request.op = (uint8_t)op;
	item->request.secret = item->secret;
	item->request.input = item->input;
	item->request.output = item->output;
	memset(item->output, 0xaa, sizeof item->output);
}

static void set_x25519(struct item *item)
{
	uint8_t peer_secret[32];

	set_item(item, LANE_X25519_SHARED);
	draw(item->secret, 32);
	draw(peer_secret, 32);
	assert_true(scalar_x25519_public(item->input, peer_secret));
	assert_true(scalar_x25519_shared(item->expected, item->secret, item->input));
	item->expected_len = 32;
}

static void draw_scalar(enum mb_curve curve, uint8_t *out)
{
	uint8_t point[97];

	do {
		draw(out, mb_curve_len(curve));
	} while (!scalar_nist_public(reference, curve, point, out));
}

static void set_ecdh(struct item *item, enum mb_curve curve)
{
	uint8_t peer_secret[48];

	set_item(item, curve == MB_P256 ? LANE_P256_ECDH : LANE_P384_ECDH);
	draw_scalar(curve, item->secret);
	draw_scalar(curve, peer_secret);
	assert_true(scalar_nist_public(reference, curve, item->input, peer_secret));
	assert_true(scalar_nist_ecdh(reference, curve, item->expected, item->secret, item->input));
	item->expected_len = mb_curve_len(curve);
}

static void set_p384_public(struct item *item)
{
	set_item(item, LANE_P384_PUBLIC);
	draw_scalar(MB_P384, item->secret);
	assert_true(scalar_nist_public(reference, MB_P384, item->expected, item->secret));
	item->expected_len = 97;
}

static void set_rsa(struct crypto_fixture *fixture, struct item *item, unsigned size)
{
	EVP_PKEY *pkey = fixture_pkey(FIXTURE_RSA2048 + size);

	set_item(item, (enum lane_op)(LANE_RSA2048_SIGN + size));
	item->request.key = fixture_key(fixture, FIXTURE_RSA2048 + size);
	item->expected_len = 256 + 128 * size;
	draw(item->input + 1, item->expected_len - 1); // the first byte stays 0: below the modulus
	assert_true(scalar_rsa_private(pkey, item->expected, span_of(item->input, item->expected_len)));
}

static void set_ed25519(struct crypto_fixture *fixture, struct item *item)
{
	set_item(item, LANE_ED25519_SIGN);
	item->request.key = fixture_key(fixture, FIXTURE_ED25519);
	draw(item->input, 130);
	item->message = span_of(item->input, 130);
	item->request.input = (const uint8_t *)&item->message;
	assert_true(scalar_ed25519_sign(fixture_pkey(FIXTURE_ED25519), item->expected, item->message));
	item->expected_len = 64;
}

static void submit(struct crypto_fixture *fixture, struct item *item)
{
	lanes_submit(fixture->crypto.lanes, &item->request, clock_tsc());
}

static void assert_good(const struct item *item)
{
	assert_int_equal(item->request.status, LANE_OK);
	assert_memory_equal(item->output, item->expected, item->expected_len);
}

// Takes all completed requests off; returns how many there were.
static unsigned pop_all(struct crypto_fixture *fixture)
{
	struct lane_request *request;
	unsigned n = 0;

	while ((request = lanes_pop_completed(fixture->crypto.lanes)) != NULL) {
		assert_ptr_equal(request, &((struct item *)request->owner)->request);
		n++;
	}
	return n;
}

static void set_any(struct crypto_fixture *fixture, struct item *item, unsigned kind)
{
	switch (kind) {
	case 0:
		set_x25519(item);
		break;
	case 1:
		set_ecdh(item, MB_P256);
		break;
	case 2:
		set_ecdh(item, MB_P384);
		break;
	case 3:
		set_p384_public(item);
		break;
	case 4:
		set_ed25519(fixture, item);
		break;
	default:
		set_rsa(fixture, item, kind - 5);
		break;
	}
}

enum {
	N_KINDS = 8
};

// One to nine requests at once, each kind; plain RSA above 2,048 bits is left to its own test for time.
static void test_any_number_of_lanes(void **state)
{
	struct crypto_fixture *fixture = *state;

	for (unsigned kind = 0; kind < N_KINDS; kind++) {
		unsigned step = fixture->body != SELECT_LANES_PLAIN ? 1 : 4;

		if (fixture->body == SELECT_LANES_PLAIN && kind > 5)
			continue;
		for (unsigned n = 1; n <= 9; n += step) {
			for (unsigned i = 0; i < n; i++) {
				set_any(fixture, &items[i], kind);
				submit(fixture, &items[i]);
				assert_int_equal(items[i].request.status, LANE_WAITING);
			}
			fixture_run_all(fixture);
			assert_int_equal(pop_all(fixture), n);
			for (unsigned i = 0; i < n; i++)
				assert_good(&items[i]);
		}
	}
}

// ECDSA has no expected output: the signature must verify.
static void test_ecdsa(void **state)
{
	static const unsigned key_idx[] = {FIXTURE_ECDSA_P256, FIXTURE_ECDSA_P384};
	struct crypto_fixture *fixture = *state;

	for (unsigned curve = 0; curve < 2; curve++) {
		size_t len = mb_curve_len((enum mb_curve)curve);

		for (unsigned i = 0; i < 9; i++) {
			set_item(&items[i], curve == MB_P256 ? LANE_ECDSA_P256_SIGN : LANE_ECDSA_P384_SIGN);
			items[i].request.key = fixture_key(fixture, key_idx[curve]);
			draw(items[i].input, len);
			submit(fixture, &items[i]);
		}
		fixture_run_all(fixture);
		assert_int_equal(pop_all(fixture), 9);
		for (unsigned i = 0; i < 9; i++) {
			EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(fixture_pkey(key_idx[curve]), NULL);
			uint8_t der[DER_ECDSA_MAX_LEN];
			size_t der_len = der_encode_ecdsa(der, items[i].output, len);

			assert_int_equal(items[i].request.status, LANE_OK);
			assert_int_equal(EVP_PKEY_verify_init(context), 1);
			assert_int_equal(EVP_PKEY_verify(context, der, der_len, items[i].input, len), 1);
			EVP_PKEY_CTX_free(context);
			for (unsigned j = 0; j < i; j++) // r of its own
				assert_memory_not_equal(items[i].output, items[j].output, len);
		}
	}
}

// Spoils a good request of key agreement in one of several ways.
static void spoil(struct item *item, unsigned how)
{
	size_t len = item->request.op == LANE_P384_ECDH ? 97 : 65;

	if (item->request.op == LANE_X25519_SHARED) {
		// RFC 7748 6.1: points of low order give zero; these are 0, 1, and p in disguise.
		memset(item->input, how == 2 ? 0xff : 0, 32);
		item->input[0] = how == 0 ? 0 : how == 1 ? 1 : 0xed;
		if (how == 2)
			item->input[31] = 0x7f;
		return;
	}
	switch (how) {
	case 0:
		item->input[len - 1] ^= 1; // off the curve
		break;
	case 1:
		memset(item->input, 0, len); // infinity, or no encoding at all
		break;
	default:
		item->input[0] = 2; // compressed
		break;
	}
}

// Every position of a full batch, every kind of spoiling: that one is refused, with an output of zeros; its
// neighbours are served.
static void test_bad_input_is_alone(void **state)
{
	static const uint8_t zeros[48];
	static const enum lane_op ops[] = {LANE_X25519_SHARED, LANE_P256_ECDH, LANE_P384_ECDH};
	struct crypto_fixture *fixture = *state;

	for (unsigned round = 0; round < 8 * 3 * 3; round++) {
		unsigned bad = round % 8, how = round / 8 % 3, kind = round / 24;
		uint64_t n_bad = fixture_count(fixture, COUNTER_CRYPTO_LANE_BAD_INPUT);

		if (fixture->body == SELECT_LANES_PLAIN && kind == 2 && bad % 3 != 0)
			continue;
		for (unsigned i = 0; i < 8; i++) {
			set_any(fixture, &items[i], kind);
			assert_int_equal(items[i].request.op, ops[kind]);
			if (i == bad)
				spoil(&items[i], how);
			submit(fixture, &items[i]);
		}
		fixture_run_all(fixture);
		assert_int_equal(pop_all(fixture), 8);
		for (unsigned i = 0; i < 8; i++) {
			if (i != bad) {
				assert_good(&items[i]);
				continue;
			}
			assert_int_equal(items[i].request.status, LANE_BAD_INPUT);
			assert_memory_equal(items[i].output, zeros, items[i].expected_len);
		}
		assert_int_equal(fixture_count(fixture, COUNTER_CRYPTO_LANE_BAD_INPUT), n_bad + 1);
	}
}

// A message that is not below the modulus can't come from our padding: a fault, not the peer's.
static void test_rsa_out_of_range(void **state)
{
	static const uint8_t zeros[256];
	struct crypto_fixture *fixture = *state;

	for (unsigned i = 0; i < 3; i++) {
		set_rsa(fixture, &items[i], 0);
		if (i == 1)
			memset(items[i].input, 0xff, 256);
		submit(fixture, &items[i]);
	}
	fixture_run_all(fixture);
	assert_int_equal(pop_all(fixture), 3);
	assert_good(&items[0]);
	assert_int_equal(items[1].request.status, LANE_FAULT);
	assert_memory_equal(items[1].output, zeros, sizeof zeros);
	assert_good(&items[2]);
}

static void set_verify(struct item *item)
{
	const size_t len = 32;
	EVP_PKEY *pkey = fixture_pkey(FIXTURE_ECDSA_P256);
	size_t point_len;

	set_item(item, LANE_ECDSA_P256_VERIFY);
	assert_int_equal(
		EVP_PKEY_get_octet_string_param(pkey, "encoded-pub-key", item->input, 65, &point_len), 1);
	draw(item->input + 65, len);
	assert_true(scalar_ecdsa_sign(pkey, MB_P256, item->input + 65 + len, span_of(item->input + 65, len)));
}

static void test_verify(void **state)
{
	struct crypto_fixture *fixture = *state;

	if (fixture->body == SELECT_LANES_SCALAR)
		return; // verify.c does not use lanes without kernels
	for (unsigned bad = 0; bad < 8; bad++) {
		for (unsigned i = 0; i < 8; i++) {
			set_verify(&items[i]);
			if (i == bad)
				items[i].input[65 + bad * 10] ^= 1; // digest, r or s
			submit(fixture, &items[i]);
		}
		fixture_run_all(fixture);
		assert_int_equal(pop_all(fixture), 8);
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(items[i].request.status, i == bad ? LANE_BAD_INPUT : LANE_OK);
	}
}

// The rule of DESIGN.md section 5.
static void test_firing_rule(void **state)
{
	struct crypto_fixture *fixture = *state;
	struct lanes *lanes = fixture->crypto.lanes;

	if (fixture->body == SELECT_LANES_SCALAR)
		return;
	// Seven wait, and something new arrives: they wait on.
	for (unsigned i = 0; i < 7; i++) {
		set_x25519(&items[i]);
		submit(fixture, &items[i]);
	}
	assert_int_equal(lanes_run(lanes, clock_tsc(), false), 0);
	assert_int_equal(lanes_n_pending(lanes), 7);
	assert_int_equal(lanes_deadline_tsc(lanes), clock_tsc() + BUDGET_US * TSC_PER_US);
	// The eighth fires them.
	set_x25519(&items[7]);
	submit(fixture, &items[7]);
	assert_int_equal(lanes_run(lanes, clock_tsc(), false), 8);
	assert_int_equal(pop_all(fixture), 8);
	assert_int_equal(lanes_deadline_tsc(lanes), UINT64_MAX);
	// A ninth and tenth wait until the turn receives nothing new.
	set_x25519(&items[0]);
	set_x25519(&items[1]);
	submit(fixture, &items[0]);
	submit(fixture, &items[1]);
	assert_int_equal(lanes_run(lanes, clock_tsc(), false), 0);
	assert_int_equal(lanes_run(lanes, clock_tsc(), true), 2);
	assert_int_equal(pop_all(fixture), 2);
	// Or until the older of them has waited its budget, to the tick.
	set_x25519(&items[0]);
	submit(fixture, &items[0]);
	clock_virtual_advance(BUDGET_US - 1);
	set_x25519(&items[1]);
	submit(fixture, &items[1]);
	assert_int_equal(lanes_run(lanes, clock_tsc(), false), 0);
	assert_int_equal(lanes_run(lanes, clock_tsc() + TSC_PER_US - 1, false), 0);
	clock_virtual_advance(1);
	assert_int_equal(lanes_run(lanes, clock_tsc(), false), 2);
	assert_int_equal(pop_all(fixture), 2);
	for (unsigned i = 0; i < 2; i++)
		assert_good(&items[i]);
	// With another budget, here none at all, from now on.
	lanes_set_budget_us(lanes, 0);
	set_x25519(&items[0]);
	submit(fixture, &items[0]);
	assert_int_equal(lanes_run(lanes, clock_tsc(), false), 1);
	assert_int_equal(pop_all(fixture), 1);
	lanes_set_budget_us(lanes, BUDGET_US);
}

static void test_occupancy_is_counted(void **state)
{
	struct crypto_fixture *fixture = *state;
	uint64_t partial = fixture_count(fixture, COUNTER_CRYPTO_LANE_FIRED_PARTIAL);
	uint64_t full = fixture_count(fixture, COUNTER_CRYPTO_LANE_FIRED_FULL);
	uint64_t three = fixture_count(fixture, COUNTER_CRYPTO_LANE_BATCH_3);
	uint64_t scalar = fixture_count(fixture, COUNTER_CRYPTO_LANE_FIRED_SCALAR);
	uint64_t waited = fixture_count(fixture, COUNTER_CRYPTO_LANE_WAIT_TSC);
	uint64_t occupied = fixture_count(fixture, COUNTER_CRYPTO_LANE_OCCUPIED);
	bool kernels = fixture->body != SELECT_LANES_SCALAR;

	for (unsigned i = 0; i < 12; i++) {
		set_x25519(&items[i]);
		submit(fixture, &items[i]);
	}
	clock_virtual_advance(7);
	assert_int_equal(lanes_run(fixture->crypto.lanes, clock_tsc(), true), 12);
	assert_int_equal(pop_all(fixture), 12);
	// Two are below a break-even count of three (on the virtual clock none is measured).
	lanes_engine(fixture->crypto.lanes)->break_even[LANE_X25519_SHARED] = 3;
	for (unsigned i = 0; i < 2; i++) {
		set_x25519(&items[i]);
		submit(fixture, &items[i]);
	}
	assert_int_equal(lanes_run(fixture->crypto.lanes, clock_tsc(), true), 2);
	lanes_engine(fixture->crypto.lanes)->break_even[LANE_X25519_SHARED] = 0;
	assert_int_equal(pop_all(fixture), 2);
	assert_good(&items[0]);
	assert_good(&items[1]);
	assert_int_equal(fixture_count(fixture, COUNTER_CRYPTO_LANE_FIRED_FULL) - full, kernels ? 1 : 0);
	assert_int_equal(
		fixture_count(fixture, COUNTER_CRYPTO_LANE_FIRED_PARTIAL) - partial, kernels ? 1 : 0);
	assert_int_equal(fixture_count(fixture, COUNTER_CRYPTO_LANE_BATCH_3) - three, 0);
	assert_int_equal(fixture_count(fixture, COUNTER_CRYPTO_LANE_OCCUPIED) - occupied, kernels ? 12 : 0);
	assert_int_equal(fixture_count(fixture, COUNTER_CRYPTO_LANE_FIRED_SCALAR) - scalar, kernels ? 2 : 14);
	assert_int_equal(fixture_count(fixture, COUNTER_CRYPTO_LANE_WAIT_TSC) - waited, 12 * 7 * TSC_PER_US);
}

// Waiting requests leave at once; the others do not notice.
static void test_cancel_waiting(void **state)
{
	struct crypto_fixture *fixture = *state;

	for (unsigned i = 0; i < 20; i++) {
		set_x25519(&items[i]);
		submit(fixture, &items[i]);
	}
	for (unsigned i = 0; i < 20; i += 3) {
		lanes_cancel(fixture->crypto.lanes, &items[i].request);
		assert_int_equal(items[i].request.status, LANE_IDLE);
		lanes_cancel(fixture->crypto.lanes, &items[i].request); // harmless
		memset(&items[i].request.link, 0xee, sizeof items[i].request.link);
	}
	assert_int_equal(lanes_n_pending(fixture->crypto.lanes), 13);
	fixture_run_all(fixture);
	assert_int_equal(pop_all(fixture), 13);
	for (unsigned i = 0; i < 20; i++)
		if (i % 3 != 0)
			assert_good(&items[i]);
}

static void test_cancel_completed(void **state)
{
	struct crypto_fixture *fixture = *state;

	for (unsigned i = 0; i < 3; i++) {
		set_ecdh(&items[i], MB_P256);
		submit(fixture, &items[i]);
	}
	fixture_run_all(fixture);
	lanes_cancel(fixture->crypto.lanes, &items[1].request);
	assert_int_equal(items[1].request.status, LANE_IDLE);
	assert_int_equal(pop_all(fixture), 2);
}

// A running batch goes on without those that left, and does not touch their memory.
static void test_cancel_running(void **state)
{
	struct crypto_fixture *fixture = *state;
	struct lanes *lanes = fixture->crypto.lanes;

	if (fixture->body == SELECT_LANES_SCALAR)
		return;
	for (unsigned left = 0; left <= 2; left++) {
		unsigned n = 4;

		for (unsigned i = 0; i < n; i++) {
			set_ecdh(&items[i], MB_P384);
			submit(fixture, &items[i]);
		}
		assert_int_equal(lanes_run(lanes, clock_tsc(), true), 0);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(items[i].request.status, LANE_RUNNING);
		for (unsigned i = left; i < n; i++) {
			lanes_cancel(lanes, &items[i].request);
			memset(&items[i], 0xee, sizeof items[i]);
		}
		assert_int_not_equal(lanes_n_pending(lanes), 0); // the batch, even with nobody in it
		fixture_run_all(fixture);
		assert_int_equal(pop_all(fixture), left);
		for (unsigned i = 0; i < left; i++)
			assert_good(&items[i]);
		for (unsigned i = left; i < n; i++)
			for (size_t j = 0; j < sizeof items[i]; j++)
				assert_int_equal(((uint8_t *)&items[i])[j], 0xee);
	}
}

// The helper computes on for nobody, and does not touch the memory of those that left; more requests than it
// has tasks wait in their queue.
static void test_helper(void **state)
{
	struct crypto_fixture *fixture = *state;
	struct lanes *lanes = fixture->crypto.lanes;
	unsigned n = 3 * HELPER_TASKS / 2;
	struct item *many;

	if (fixture->helper == NULL)
		return;
	many = calloc(n, sizeof *many);
	for (unsigned i = 0; i < n; i++) {
		set_rsa(fixture, &many[i], 0);
		submit(fixture, &many[i]);
	}
	(void)lanes_run(lanes, clock_tsc(), false);
	assert_int_equal(many[0].request.status, LANE_RUNNING);
	assert_int_equal(many[n - 1].request.status, LANE_WAITING);
	for (unsigned i = 0; i < n; i += 2) {
		lanes_cancel(lanes, &many[i].request);
		memset(&many[i], 0xee, sizeof many[i]);
	}
	fixture_run_all(fixture);
	assert_int_equal(pop_all(fixture), n / 2);
	for (unsigned i = 0; i < n; i++) {
		if (i % 2 == 1)
			assert_good(&many[i]);
		else
			for (size_t j = 0; j < sizeof many[i]; j++)
				assert_int_equal(((uint8_t *)&many[i])[j], 0xee);
	}
	free(many);
}

// Slices of different kinds take turns, and short operations do not wait for them.
static void test_slices_interleave(void **state)
{
	struct crypto_fixture *fixture = *state;
	struct lanes *lanes = fixture->crypto.lanes;
	unsigned n_rsa_calls = 0, n_p384_calls = 0;

	if (fixture->body == SELECT_LANES_SCALAR)
		return;
	set_rsa(fixture, &items[0], 0);
	set_ecdh(&items[1], MB_P384);
	submit(fixture, &items[0]);
	submit(fixture, &items[1]);
	(void)lanes_run(lanes, clock_tsc(), true);
	for (unsigned turn = 0; lanes_n_pending(lanes) != 0; turn++) {
		set_x25519(&items[2]);
		set_x25519(&items[3]);
		submit(fixture, &items[2]);
		submit(fixture, &items[3]);
		n_rsa_calls += items[0].request.status == LANE_RUNNING;
		n_p384_calls += items[1].request.status == LANE_RUNNING;
		(void)lanes_run(lanes, clock_tsc(), true);
		assert_good(&items[2]);
		assert_good(&items[3]);
		assert_true(turn < 1000);
		(void)pop_all(fixture);
	}
	assert_good(&items[0]);
	assert_good(&items[1]);
	assert_true(n_rsa_calls > 1);
	assert_true(n_p384_calls > 1);
}

// More RSA requests than lanes, with keys of one size: batch after batch, and more keys than blindings would
// not matter to it.
static void test_rsa_queue(void **state)
{
	struct crypto_fixture *fixture = *state;

	if (fixture->body == SELECT_LANES_PLAIN)
		return;
	for (unsigned i = 0; i < 19; i++) {
		set_rsa(fixture, &items[i], 0);
		submit(fixture, &items[i]);
	}
	fixture_run_all(fixture);
	assert_int_equal(pop_all(fixture), 19);
	for (unsigned i = 0; i < 19; i++)
		assert_good(&items[i]);
}

// Seven of RSA go as four and three: the first four come back first.
static void test_rsa_halves(void **state)
{
	struct crypto_fixture *fixture = *state;
	struct lanes *lanes = fixture->crypto.lanes;
	unsigned n_first = 0;

	if (fixture->body != SELECT_LANES_IFMA)
		return;
	for (unsigned i = 0; i < 7; i++) {
		set_rsa(fixture, &items[i], 0);
		submit(fixture, &items[i]);
	}
	while (n_first == 0) {
		(void)lanes_run(lanes, clock_tsc(), true);
		n_first = pop_all(fixture);
	}
	assert_int_equal(n_first, MB_RSA_HALF);
	fixture_run_all(fixture);
	assert_int_equal(pop_all(fixture), 3);
	for (unsigned i = 0; i < 7; i++)
		assert_good(&items[i]);
}

// Everything at once in random order, with random cancellations; nothing is lost.
static void test_mixture(void **state)
{
	struct crypto_fixture *fixture = *state;
	unsigned n_kinds = fixture->body == SELECT_LANES_PLAIN ? 2 : N_KINDS - 2;

	for (unsigned round = 0; round < 4; round++) {
		unsigned n_cancelled = 0, n_popped = 0;

		for (unsigned i = 0; i < 40; i++) {
			uint8_t dice[3];

			draw(dice, sizeof dice);
			set_any(fixture, &items[i], dice[0] % n_kinds);
			submit(fixture, &items[i]);
			if (dice[1] % 4 == 0)
				(void)lanes_run(fixture->crypto.lanes, clock_tsc(), dice[2] % 2 == 0);
			n_popped += pop_all(fixture);
			clock_virtual_advance(dice[1] % 16);
			if (dice[2] % 8 == 0 && (items[i].request.status == LANE_WAITING ||
							items[i].request.status == LANE_RUNNING)) {
				lanes_cancel(fixture->crypto.lanes, &items[i].request);
				n_cancelled++;
			}
		}
		fixture_run_all(fixture);
		assert_int_equal(n_popped + pop_all(fixture), 40 - n_cancelled);
		for (unsigned i = 0; i < 40; i++)
			if (items[i].request.status != LANE_IDLE)
				assert_good(&items[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_number_of_lanes),
		cmocka_unit_test(test_ecdsa),
		cmocka_unit_test(test_bad_input_is_alone),
		cmocka_unit_test(test_rsa_out_of_range),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_firing_rule),
		cmocka_unit_test(test_occupancy_is_counted),
		cmocka_unit_test(test_cancel_waiting),
		cmocka_unit_test(test_cancel_completed),
		cmocka_unit_test(test_cancel_running),
		cmocka_unit_test(test_helper),
		cmocka_unit_test(test_slices_interleave),
		cmocka_unit_test(test_rsa_queue),
		cmocka_unit_test(test_rsa_halves),
		cmocka_unit_test(test_mixture),
	};
	int result;

	reference = scalar_create();
	result = fixture_run_tests(tests, sizeof tests / sizeof tests[0]);
	scalar_destroy(reference);
	return result;
}
