// SPDX-License-Identifier: Apache-2.0
#include "kat_lanes.h"

#include <stdlib.h>
#include <string.h>

struct lanes *lanes_begin(const char *set, lane_run *run)
{
	struct lanes *lanes = calloc(1, sizeof(*lanes));

	lanes->set = set;
	lanes->run = run;
	return lanes;
}

// One turn: vector i in lane (i + turn) mod 8.
static void run_turn(
	struct lanes *lanes, const struct mb_kernels *kernels, unsigned turn, bool passed[MB_LANES])
{
	static const uint8_t zeros[LANE_OUTPUT_LEN];
	const struct lane_vector *vectors[MB_LANES];
	uint8_t out[MB_LANES][LANE_OUTPUT_LEN];
	uint64_t done;

	for (unsigned i = 0; i < MB_LANES; i++)
		vectors[(i + turn) % MB_LANES] = &lanes->vectors[i];
	memset(out, 0xaa, sizeof(out));
	done = lanes->run(kernels, vectors, out);
	for (unsigned i = 0; i < MB_LANES; i++) {
		const struct lane_vector *vector = &lanes->vectors[i];
		unsigned lane = (i + turn) % MB_LANES;
		const uint8_t *expected = vector->valid ? vector->expected : zeros;

		passed[i] &= (done >> lane & 1) == vector->valid;
		passed[i] &= memcmp(out[lane], expected, vector->expected_len) == 0;
	}
}

static void run_all(struct lanes *lanes)
{
	static unsigned n_runs;
	bool passed[MB_LANES];

	for (unsigned i = 0; i < MB_LANES; i++) {
		passed[i] = true;
		if (i >= lanes->n)
			lanes->vectors[i] = lanes->vectors[0];
	}
	for (unsigned turn = 0; turn < MB_LANES; turn++) {
		if (turn == n_runs % MB_LANES || getenv("KAT_ALL_TURNS") != NULL)
			run_turn(lanes, &mb_kernels_plain, turn, passed);
		if (mb_kernels_select() != NULL)
			run_turn(lanes, mb_kernels_select(), turn, passed);
	}
	n_runs++;
	for (unsigned i = 0; i < lanes->n; i++)
		kat_check(passed[i], lanes->set, lanes->vectors[i].name);
	lanes->n = 0;
}

struct lane_vector *lanes_next(struct lanes *lanes, const char *name)
{
	struct lane_vector *vector = &lanes->vectors[lanes->n];

	memset(vector, 0, sizeof(*vector));
	(void)snprintf(vector->name, sizeof(vector->name), "%s", name);
	return vector;
}

void lanes_add(struct lanes *lanes)
{
	lanes->n++;
	if (lanes->n == MB_LANES)
		run_all(lanes);
}

void lanes_end(struct lanes *lanes)
{
	if (lanes->n != 0)
		run_all(lanes);
	free(lanes);
}

bool lanes_number(uint8_t *out, size_t len, struct span number)
{
	while (number.len > 0 && number.data[0] == 0) {
		number.data++;
		number.len--;
	}
	if (number.len > len)
		return false;
	memset(out, 0, len - number.len);
	if (number.len != 0)
		memcpy(out + len - number.len, number.data, number.len);
	return true;
}

struct span lanes_bytes(const struct kat_file *file, const char *name)
{
	const char *value = kat_field(file, name);
	char even[2 * LANE_INPUT_LEN + 2];

	if (value == NULL || strlen(value) % 2 == 0)
		return kat_bytes(file, name);
	(void)snprintf(even, sizeof(even), "0%s", value);
	return kat_parse(even);
}

bool lanes_curve(const char *text, enum mb_curve *out_curve)
{
	if (text == NULL)
		return false;
	*out_curve = strstr(text, "P-384") != NULL || strstr(text, "secp384r1") != NULL ? MB_P384 : MB_P256;
	return *out_curve == MB_P384 || strstr(text, "P-256") != NULL || strstr(text, "secp256r1") != NULL;
}

bool lanes_point(uint8_t *out, enum mb_curve curve, struct span x, struct span y)
{
	size_t len = mb_curve_len(curve);

	out[0] = 4;
	return lanes_number(out + 1, len, x) && lanes_number(out + 1 + len, len, y);
}
