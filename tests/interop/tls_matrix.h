// SPDX-License-Identifier: Apache-2.0
//
// What the matrices of all implementations go through: every suite with every group and every kind of
// certificate that it takes.
#pragma once

#include "tls_fixture.h"

struct tls_combination {
	uint16_t version;
	uint16_t suite;
	uint16_t group;
	enum tls_fixture_kind kind; // of the certificate
};

void tls_matrix(void (*run)(const struct tls_combination *combination));
