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

// Each implementation's own: whole conversations of this kind, our side as server or as client.
void tls_matrix_serve(const struct tls_combination *combination);
void tls_matrix_connect(const struct tls_combination *combination);

// Tests: all of them.
void test_server_matrix(void **state);
void test_client_matrix(void **state);
