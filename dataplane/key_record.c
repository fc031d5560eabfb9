// SPDX-License-Identifier: Apache-2.0
#include "key_record.h"

#include "base/reader.h"

enum {
	RSA_EXPONENT_LEN = 8
};

static bool read_rsa(uint32_t bits, struct span numbers, struct key_numbers *out)
{
	const size_t width = bits / 8;
	const size_t half = width / 2;
	struct reader reader = reader_over(numbers);

	out->type = KEY_RSA;
	out->rsa.n = reader_bytes(&reader, width);
	out->rsa.e = reader_bytes(&reader, RSA_EXPONENT_LEN);
	out->rsa_d = reader_bytes(&reader, width);
	out->rsa.p = reader_bytes(&reader, half);
	out->rsa.q = reader_bytes(&reader, half);
	out->rsa.dp = reader_bytes(&reader, half);
	out->rsa.dq = reader_bytes(&reader, half);
	out->rsa.qinv = reader_bytes(&reader, half);
	return reader_done(&reader);
}

bool key_record_read(
	const struct snapshot_private_key *head, struct span numbers, struct key_numbers *out_numbers)
{
	*out_numbers = (struct key_numbers){.scalar = numbers};
	switch ((enum snapshot_key_type)head->type) {
	case SNAPSHOT_KEY_RSA:
		if (!read_rsa(head->bits, numbers, out_numbers))
			return false;
		break;
	case SNAPSHOT_KEY_P256:
		out_numbers->type = KEY_ECDSA_P256;
		break;
	case SNAPSHOT_KEY_P384:
		out_numbers->type = KEY_ECDSA_P384;
		break;
	case SNAPSHOT_KEY_ED25519:
		out_numbers->type = KEY_ED25519;
		break;
	default:
		return false;
	}
	return key_numbers_footprint(out_numbers) != 0;
}
