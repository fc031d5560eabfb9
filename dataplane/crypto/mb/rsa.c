// SPDX-License-Identifier: Apache-2.0
//
// The RSA private and public operation for eight lanes; compiled once per body.
//
//     DRAW ---> BLIND ---> REDUCE -> TABLE -> POWER ---> COMBINE -> UNBLIND -> CHECK -> RAISE -> DONE
//                            ^                  |
//                            +--- first p, -----+
//                                 then q
//
//     DRAW      for lanes whose blinding is used up: pair (r^e, r^-1) = the key's pair to a random power
//     BLIND     square the pairs and keep them; value = message r^e           mod n
//     REDUCE    base = value                                                  mod p, mod q
//     TABLE     base^0 ... base^15
//     POWER     sp = base^dp, sq = base^dq, by windows of four bits           mod p, mod q
//     COMBINE   value = sq + q ((sp - sq) qinv mod p)                         (RFC 8017 5.1.2)
//     UNBLIND   value = value r^-1                                            mod n
//     CHECK     base = value
//     RAISE     power = base^e, compared with the message                     mod n
//
// A phase is a function that does one bounded piece of work (a few multiplications) and names the phase that
// is next, often itself; rsa_sign_step does pieces until its slice is used up. All numbers live in the job,
// in the layout of mont.h, so a job may rest between any two pieces. Verifying starts at CHECK.
//
// Lanes that no request uses repeat the first request, and nothing of them leaves. With at most four requests
// the upper four lanes repeat the lower ones and have their p and q exchanged: REDUCE to POWER then give both
// residues at once, sp below and sq above, and are gone through once instead of twice.
#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/mb/mont.h"
#include "crypto/mb/rsa_body.h"

#define mul    MB_SYMBOL(mont_mul)
#define sqr    MB_SYMBOL(mont_sqr)
#define choose MB_SYMBOL(mont_choose)

// Five bits would save a fifth of the multiplications but double the table, which then no longer fits the
// first cache and takes longer to read through than it saves.
#define WINDOW_BITS      4
#define TABLE_LEN        (1 << WINDOW_BITS)
#define PRIME_DIGITS_MAX (MONT_DIGITS_MAX / 2)
#define DRAW_BITS        32
#define HALF             MB_RSA_HALF

enum phase {
	PHASE_DRAW,
	PHASE_BLIND,
	PHASE_REDUCE,
	PHASE_TABLE,
	PHASE_POWER,
	PHASE_COMBINE,
	PHASE_UNBLIND,
	PHASE_CHECK,
	PHASE_RAISE,
	PHASE_DONE,
};

struct job {
	enum phase phase;
	enum mb_rsa_size size;
	unsigned n_prime; // digits of p and q
	unsigned n_full;  // digits of n
	unsigned n_requests;
	bool halves;       // lanes from HALF on compute modulo q what those below compute modulo p
	unsigned prime;    // what is under way: 0 p, 1 q
	unsigned position; // of a phase of many pieces, see there
	vmask in_range;
	vmask verified;
	vmask to_draw;
	uint32_t e[VEC_LANES];
	uint32_t e_all; // the exponents ORed
	struct mb_rsa_blinding *blindings[VEC_LANES];
	struct mont_modulus primes[2];
	struct mont_modulus full;

	struct mont_digit draw_power;
	struct mont_digit key[MB_RSA_KEY_DIGITS(MB_RSA_4096)];
	struct mont_digit one[MONT_DIGITS_MAX];
	struct mont_digit scratch[2 * MONT_DIGITS_MAX];
	struct mont_digit message[MONT_DIGITS_MAX];
	struct mont_digit value[MONT_DIGITS_MAX];
	struct mont_digit pair[2][MONT_DIGITS_MAX];
	struct mont_digit residues[2][PRIME_DIGITS_MAX];
	union {
		struct { // modulo a prime
			struct mont_digit entry[PRIME_DIGITS_MAX];
			struct mont_digit table[TABLE_LEN * PRIME_DIGITS_MAX];
		};
		struct { // modulo n
			struct mont_digit base[MONT_DIGITS_MAX];
			struct mont_digit power[MONT_DIGITS_MAX];
			struct mont_digit other[MONT_DIGITS_MAX];
		};
	};
};

_Static_assert(sizeof(struct job) <= sizeof(struct mb_rsa_job), "MB_RSA_JOB_WORDS is too small");
_Static_assert(2 * HALF == VEC_LANES, "a lane for each prime");
_Static_assert(VEC_DIGIT_BITS % WINDOW_BITS == 0, "a window must not span digits");
_Static_assert(_Alignof(struct job) <= _Alignof(struct mb_rsa_job), "a job is not aligned enough");

static struct job *job_of(struct mb_rsa_job *memory)
{
	return (struct job *)(void *)memory->words;
}

static struct mont_digit *key_part(struct job *job, enum mb_rsa_key_part part)
{
	return job->key + (unsigned)part * job->n_prime;
}

static struct mont_digit *table_entry(struct job *job, unsigned entry)
{
	return job->table + entry * job->n_prime;
}

static size_t bytes_of(unsigned n_digits)
{
	return n_digits * sizeof(struct mont_digit);
}

// Lanes whose 32-bit number has the given bit.
static vmask lanes_with_bit(const uint32_t numbers[VEC_LANES], unsigned bit)
{
	unsigned lanes = 0;

	for (unsigned i = 0; i < VEC_LANES; i++)
		lanes |= (numbers[i] >> bit & 1) << i;
	return (vmask)lanes;
}

// position counts the bits of the power that are still to come. The top bit is taken as set.
static enum phase run_draw(struct job *job)
{
	vec bit = vec_and(vec_shr(vec_load(job->draw_power.lane), --job->position), vec_set1(1));
	vmask multiply = job->to_draw & vec_test(bit, bit);

	for (unsigned i = 0; i < 2; i++) {
		const struct mont_digit *base = key_part(job, i == 0 ? MB_RSA_BLIND : MB_RSA_UNBLIND);

		sqr(&job->full, job->other, job->pair[i]);
		choose(job->pair[i], job->to_draw, job->other, job->pair[i], job->n_full);
		mul(&job->full, job->other, job->pair[i], base);
		choose(job->pair[i], multiply, job->other, job->pair[i], job->n_full);
	}
	return job->position > 0 ? PHASE_DRAW : PHASE_BLIND;
}

static void keep_pairs(struct job *job)
{
	for (unsigned lane = 0; lane < job->n_requests; lane++) {
		struct mb_rsa_blinding *blinding = job->blindings[lane];
		bool drawn = (job->to_draw >> lane & 1) != 0;

		for (unsigned i = 0; i < 2 * job->n_full; i++) {
			const struct mont_digit *pair = job->pair[i / job->n_full];

			blinding->pairs[i * VEC_LANES + lane] = pair[i % job->n_full].lane[lane];
		}
		blinding->uses_left[lane] = (uint16_t)(drawn ? MB_RSA_BLINDING_USES
							     : blinding->uses_left[lane] - 1);
	}
}

static enum phase run_blind(struct job *job)
{
	sqr(&job->full, job->pair[0], job->pair[0]);
	sqr(&job->full, job->pair[1], job->pair[1]);
	keep_pairs(job);
	mul(&job->full, job->value, job->message, job->pair[0]);
	job->prime = 0;
	return PHASE_REDUCE;
}

// value = high R + low, so value R = high R^2 + low R, modulo the prime: the base in Montgomery form. value
// is below 2 n, hence high R^3 / R below 2^-15 of the prime, and the sum below 3 of them.
static enum phase run_reduce(struct job *job)
{
	const struct mont_modulus *prime = &job->primes[job->prime];
	const struct mont_digit *r2 = key_part(job, job->prime == 0 ? MB_RSA_P_R2 : MB_RSA_Q_R2);
	struct mont_digit *base = table_entry(job, 1);
	struct mont_digit *high = table_entry(job, 2);

	mul(prime, table_entry(job, 0), r2, job->one);
	mul(prime, high, r2, r2);
	mul(prime, high, high, job->value + job->n_prime);
	mul(prime, base, r2, job->value);
	MB_SYMBOL(mont_add)(base, base, high, job->n_prime);
	job->position = 2;
	return PHASE_TABLE;
}

static unsigned window_count(const struct job *job)
{
	return (unsigned)MB_RSA_LEN(job->size) * 4 / WINDOW_BITS;
}

// position is the table's entry that is next.
static enum phase run_table(struct job *job)
{
	const struct mont_modulus *prime = &job->primes[job->prime];
	unsigned next = job->position++;

	if (next % 2 == 0)
		sqr(prime, table_entry(job, next), table_entry(job, next / 2));
	else
		mul(prime, table_entry(job, next), table_entry(job, next - 1), table_entry(job, 1));
	if (job->position < TABLE_LEN)
		return PHASE_TABLE;
	job->position = window_count(job);
	return PHASE_POWER;
}

// entry = base to the given window of the exponent. A window never spans two digits.
static void look_up_window(struct job *job, unsigned window)
{
	const struct mont_digit *exponent = key_part(job, job->prime == 0 ? MB_RSA_DP : MB_RSA_DQ);
	unsigned first_bit = window * WINDOW_BITS;
	vec bits = vec_shr(vec_load(exponent[first_bit / VEC_DIGIT_BITS].lane), first_bit % VEC_DIGIT_BITS);
	struct mont_digit idx;

	vec_store(idx.lane, vec_and(bits, vec_set1(TABLE_LEN - 1)));
	MB_SYMBOL(mont_lookup)(job->entry, job->table, TABLE_LEN, &idx, job->n_prime);
	wipe(&idx, sizeof(idx));
}

// position counts the windows that are still to come.
static enum phase run_power(struct job *job)
{
	const struct mont_modulus *prime = &job->primes[job->prime];
	struct mont_digit *residue = job->residues[job->prime];

	look_up_window(job, --job->position);
	if (job->position == window_count(job) - 1) {
		memcpy(residue, job->entry, bytes_of(job->n_prime));
		return PHASE_POWER;
	}
	for (unsigned i = 0; i < WINDOW_BITS; i++)
		sqr(prime, residue, residue);
	mul(prime, residue, residue, job->entry);
	if (job->position > 0)
		return PHASE_POWER;
	if (!job->halves)
		return job->prime++ == 0 ? PHASE_REDUCE : PHASE_COMBINE;
	for (unsigned i = 0; i < job->n_prime; i++)
		memcpy(job->residues[1][i].lane, residue[i].lane + HALF, HALF * sizeof(uint64_t));
	return PHASE_COMBINE;
}

// Garner's recombination. Nothing here has to be the smallest residue: with sq any number congruent to s
// modulo q and h to (sp - sq) / q modulo p, each below 5/4 of its prime, sq + q h is s modulo n and below 2
// n.
static enum phase run_combine(struct job *job)
{
	const struct mont_modulus *p = &job->primes[0];
	struct mont_digit *sp = job->residues[0];
	struct mont_digit *sq = job->residues[1];
	struct mont_digit *h = job->entry;

	mul(&job->primes[1], sq, sq, job->one);
	mul(p, h, sq, key_part(job, MB_RSA_P_R2));
	MB_SYMBOL(mont_sub)(p, h, sp, h);
	mul(p, h, h, key_part(job, MB_RSA_QINV));
	MB_SYMBOL(mont_product)(job->value, h, key_part(job, MB_RSA_Q), sq, job->n_prime);
	return PHASE_UNBLIND;
}

static enum phase run_unblind(struct job *job)
{
	mul(&job->full, job->value, job->value, job->pair[1]);
	MB_SYMBOL(mont_normalise)(&job->full, job->value, job->value);
	return PHASE_CHECK;
}

// base = value, and the power starts with the exponents' highest bit: base where it is set, else one.
static enum phase run_check(struct job *job)
{
	const struct mont_digit *r2 = key_part(job, MB_RSA_N_R2);

	job->position = 31 - (unsigned)__builtin_clz(job->e_all);
	mul(&job->full, job->base, job->value, r2);
	mul(&job->full, job->other, r2, job->one);
	choose(job->power, lanes_with_bit(job->e, job->position), job->base, job->other, job->n_full);
	return PHASE_RAISE;
}

// position counts the exponent's bits that are still to come. Exponents are public.
static enum phase run_raise(struct job *job)
{
	vmask multiply;

	if (job->position == 0) {
		mul(&job->full, job->power, job->power, job->one);
		MB_SYMBOL(mont_normalise)(&job->full, job->power, job->power);
		job->verified = MB_SYMBOL(mont_equal)(job->power, job->message, job->n_full);
		return PHASE_DONE;
	}
	multiply = lanes_with_bit(job->e, --job->position);
	sqr(&job->full, job->power, job->power);
	if (multiply != 0) {
		mul(&job->full, job->other, job->power, job->base);
		choose(job->power, multiply, job->other, job->power, job->n_full);
	}
	return PHASE_RAISE;
}

// What each phase does, and about how many multiplications modulo a prime and modulo n one piece of it takes.
static const struct {
	enum phase (*run)(struct job *job);
	uint8_t n_prime;
	uint8_t n_full;
} phases[PHASE_DONE] = {
	[PHASE_DRAW] = {run_draw, 0, 4},
	[PHASE_BLIND] = {run_blind, 0, 3},
	[PHASE_REDUCE] = {run_reduce, 4, 0},
	[PHASE_TABLE] = {run_table, 1, 0},
	[PHASE_POWER] = {run_power, WINDOW_BITS + 1, 0},
	[PHASE_COMBINE] = {run_combine, 5, 0},
	[PHASE_UNBLIND] = {run_unblind, 0, 1},
	[PHASE_CHECK] = {run_check, 0, 2},
	[PHASE_RAISE] = {run_raise, 0, 2},
};

bool MB_SYMBOL(rsa_sign_step)(struct mb_rsa_job *memory, unsigned slice)
{
	struct job *job = job_of(memory);
	unsigned spent = 0;

	while (job->phase != PHASE_DONE) {
		unsigned cost = phases[job->phase].n_prime * MONT_MUL_COST(job->n_prime) +
				phases[job->phase].n_full * MONT_MUL_COST(job->n_full);

		if (spent > 0 && spent + cost > slice)
			return true;
		job->phase = phases[job->phase].run(job);
		spent += cost;
	}
	return false;
}

// The parts of the job that do not depend on whether it signs or verifies.
static void begin(struct job *job, enum mb_rsa_size size, unsigned n_requests)
{
	job->size = size;
	job->n_prime = MB_RSA_PRIME_DIGITS(size);
	job->n_full = 2 * job->n_prime;
	job->n_requests = n_requests;
	job->halves = false;
	job->e_all = 0;
	job->full.n_digits = job->n_full;
	job->full.digits = key_part(job, MB_RSA_N);
	job->full.scratch = job->scratch;
	memset(job->message, 0, sizeof(job->message));
	memset(job->one, 0, sizeof(job->one));
	vec_store(job->one[0].lane, vec_set1(1));
}

static void load_keys(struct job *job, const struct mb_rsa_key *const keys[VEC_LANES])
{
	for (unsigned i = 0; i < 2; i++) {
		job->primes[i].n_digits = job->n_prime;
		job->primes[i].digits = key_part(job, i == 0 ? MB_RSA_P : MB_RSA_Q);
		job->primes[i].scratch = job->scratch;
	}
	for (unsigned lane = 0; lane < VEC_LANES; lane++) {
		job->e[lane] = keys[lane]->e;
		job->e_all |= keys[lane]->e;
		job->primes[0].minus_inverse.lane[lane] = keys[lane]->p_minus_inverse;
		job->primes[1].minus_inverse.lane[lane] = keys[lane]->q_minus_inverse;
		job->full.minus_inverse.lane[lane] = keys[lane]->n_minus_inverse;
	}
	for (unsigned i = 0; i < MB_RSA_KEY_DIGITS(job->size); i += VEC_LANES) {
		vec rows[VEC_LANES];

		for (unsigned lane = 0; lane < VEC_LANES; lane++)
			rows[lane] = vec_load(keys[lane]->digits + i);
		vec_transpose(rows);
		for (unsigned j = 0; j < VEC_LANES; j++)
			vec_store(job->key[i + j].lane, rows[j]);
	}
}

static void exchange_upper_lanes(struct mont_digit *a, struct mont_digit *b, unsigned n_digits)
{
	for (unsigned i = 0; i < n_digits; i++) {
		for (unsigned lane = HALF; lane < VEC_LANES; lane++) {
			uint64_t digit = a[i].lane[lane];

			a[i].lane[lane] = b[i].lane[lane];
			b[i].lane[lane] = digit;
		}
	}
}

static void exchange_primes(struct job *job)
{
	exchange_upper_lanes(key_part(job, MB_RSA_P), key_part(job, MB_RSA_Q), job->n_prime);
	exchange_upper_lanes(key_part(job, MB_RSA_P_R2), key_part(job, MB_RSA_Q_R2), job->n_prime);
	exchange_upper_lanes(key_part(job, MB_RSA_DP), key_part(job, MB_RSA_DQ), job->n_prime);
	exchange_upper_lanes(&job->primes[0].minus_inverse, &job->primes[1].minus_inverse, 1);
}

// The request that a lane works for.
static unsigned request_of(const struct job *job, unsigned lane)
{
	unsigned request = job->halves ? lane % HALF : lane;

	return request < job->n_requests ? request : 0;
}

// Takes the pairs from the blindings, or the key's pair where one has to be drawn. A request has the same
// pair in all lanes that work for it.
static void load_pairs(struct job *job)
{
	job->to_draw = 0;
	memcpy(job->pair[0], key_part(job, MB_RSA_BLIND), bytes_of(job->n_full));
	memcpy(job->pair[1], key_part(job, MB_RSA_UNBLIND), bytes_of(job->n_full));
	for (unsigned lane = 0; lane < VEC_LANES; lane++) {
		unsigned request = request_of(job, lane);
		const struct mb_rsa_blinding *blinding = job->blindings[request];

		if (blinding->uses_left[request] == 0) {
			job->to_draw |= (vmask)(1u << lane);
			continue;
		}
		for (unsigned i = 0; i < 2 * job->n_full; i++) {
			struct mont_digit *pair = job->pair[i / job->n_full];

			pair[i % job->n_full].lane[lane] = blinding->pairs[i * VEC_LANES + request];
		}
	}
}

// message = 0 in the lanes where it is not below the modulus.
static void refuse_out_of_range(struct job *job, struct mont_digit *number)
{
	job->in_range = MB_SYMBOL(mont_less)(number, job->full.digits, job->n_full);
	for (unsigned i = 0; i < job->n_full; i++)
		vec_store(number[i].lane, vec_keep(job->in_range, vec_load(number[i].lane)));
}

void MB_SYMBOL(rsa_sign_begin)(struct mb_rsa_job *memory, const struct mb_rsa_request requests[], unsigned n)
{
	struct job *job = job_of(memory);
	const struct mb_rsa_key *keys[VEC_LANES];

	SLUICE_ASSERT(n >= 1 && n <= VEC_LANES);
	begin(job, requests[0].key->size, n);
	job->halves = n <= HALF;
	for (unsigned lane = 0; lane < VEC_LANES; lane++) {
		const struct mb_rsa_request *request = &requests[request_of(job, lane)];

		SLUICE_ASSERT(request->key->size == job->size);
		keys[lane] = request->key;
		mont_digits_set(&job->message[0].lane[lane], job->n_full, VEC_LANES, request->message,
			(unsigned)MB_RSA_LEN(job->size));
		job->blindings[lane] = request->blinding;
		job->draw_power.lane[lane] = request->blinding_power;
	}
	load_keys(job, keys);
	if (job->halves)
		exchange_primes(job);
	refuse_out_of_range(job, job->message);
	load_pairs(job);
	job->position = DRAW_BITS;
	job->phase = job->to_draw != 0 ? PHASE_DRAW : PHASE_BLIND;
}

uint64_t MB_SYMBOL(rsa_sign_finish)(
	struct mb_rsa_job *memory, uint8_t *const out_signatures[], enum mb_rsa_verdict out_verdicts[])
{
	struct job *job = job_of(memory);
	vmask ok = job->in_range & job->verified;
	uint64_t result;

	SLUICE_ASSERT(job->phase == PHASE_DONE);
	for (unsigned i = 0; i < job->n_full; i++)
		vec_store(job->value[i].lane, vec_keep(ok, vec_load(job->value[i].lane)));
	for (unsigned lane = 0; lane < job->n_requests; lane++) {
		unsigned in_range = job->in_range >> lane & 1;
		unsigned verified = job->verified >> lane & 1;

		mont_digits_get(&job->value[0].lane[lane], job->n_full, VEC_LANES, out_signatures[lane],
			(unsigned)MB_RSA_LEN(job->size));
		out_verdicts[lane] = (enum mb_rsa_verdict)(
			(1 - in_range) * MB_RSA_OUT_OF_RANGE + in_range * (1 - verified) * MB_RSA_FAULT);
		job->blindings[lane]->uses_left[lane] = (uint16_t)(job->blindings[lane]->uses_left[lane] *
								   verified);
	}
	result = ok & ((1u << job->n_requests) - 1);
	wipe(job, sizeof(*job));
	return result;
}

// What a peer's public key has to be for the arithmetic to make sense; the lowest digit is odd when n is.
static bool check_is_usable(const struct mb_rsa_check *check, size_t len)
{
	return check->n[0] >= 0x80 && (check->n[len - 1] & 1) != 0 && check->e >= 3 && (check->e & 1) != 0;
}

// N_R2 = R^2 mod n, from n alone. 2^(8 len) is below 2 n; doubling it gives R and 2 R, the Montgomery form of
// 2; raising that to the number of R's bits gives the form of R.
static void compute_n_r2(struct job *job)
{
	const struct mont_modulus *full = &job->full;
	struct mont_digit *r2 = key_part(job, MB_RSA_N_R2);
	unsigned n_bits = (unsigned)MB_RSA_LEN(job->size) * 8;
	unsigned r_bits = job->n_full * VEC_DIGIT_BITS;

	memset(r2, 0, bytes_of(job->n_full));
	vec_store(r2[n_bits / VEC_DIGIT_BITS].lane, vec_set1(UINT64_C(1) << n_bits % VEC_DIGIT_BITS));
	MB_SYMBOL(mont_normalise)(full, r2, r2);
	for (unsigned bit = n_bits; bit < r_bits + 1; bit++) {
		MB_SYMBOL(mont_add)(r2, r2, r2, job->n_full);
		MB_SYMBOL(mont_normalise)(full, r2, r2);
	}
	for (unsigned bit = 31 - (unsigned)__builtin_clz(r_bits); bit-- > 0;) {
		sqr(full, r2, r2);
		if ((r_bits >> bit & 1) != 0)
			MB_SYMBOL(mont_add)(r2, r2, r2, job->n_full);
	}
}

uint64_t MB_SYMBOL(rsa_verify)(struct mb_rsa_job *memory, enum mb_rsa_size size,
	const struct mb_rsa_check checks[], uint8_t *const out_messages[], unsigned n)
{
	struct job *job = job_of(memory);
	unsigned len = (unsigned)MB_RSA_LEN(size);
	unsigned usable = 0;
	vmask ok;

	SLUICE_ASSERT(n >= 1 && n <= VEC_LANES);
	begin(job, size, n);
	for (unsigned lane = 0; lane < VEC_LANES; lane++) {
		const struct mb_rsa_check *check = &checks[lane < n ? lane : 0];
		struct mont_digit *modulus = key_part(job, MB_RSA_N);

		usable |= (unsigned)check_is_usable(check, len) << lane;
		mont_digits_set(&modulus[0].lane[lane], job->n_full, VEC_LANES, check->n, len);
		mont_digits_set(&job->value[0].lane[lane], job->n_full, VEC_LANES, check->signature, len);
		job->full.minus_inverse.lane[lane] = mont_minus_inverse(modulus[0].lane[lane]);
		job->e[lane] = check->e;
		job->e_all |= check->e | 1;
	}
	refuse_out_of_range(job, job->value);
	compute_n_r2(job);
	for (job->phase = PHASE_CHECK; job->phase != PHASE_DONE;)
		job->phase = phases[job->phase].run(job);
	ok = job->in_range & (vmask)usable & (vmask)((1u << n) - 1);
	for (unsigned i = 0; i < job->n_full; i++)
		vec_store(job->power[i].lane, vec_keep(ok, vec_load(job->power[i].lane)));
	for (unsigned lane = 0; lane < n; lane++)
		mont_digits_get(&job->power[0].lane[lane], job->n_full, VEC_LANES, out_messages[lane], len);
	return ok;
}
