// SPDX-License-Identifier: Apache-2.0
//
// Two ends of our engine facing each other, with configurations that a test may change before they connect.
#pragma once

#include "seam/cmocka_all.h"

#include "tls_fixture.h"

extern struct tls_fixture tls_pair_fixture;
extern struct tls_fixture_verifier tls_pair_verifier;

struct pair {
	struct tls_server_config server_config;
	struct tls_client_config client_config;
	struct tls_session_slot slot;
	struct tls_end server;
	struct tls_end client;
	const struct tls_names *names;
};

// Before and after each test; afterwards nothing of the engine may be in use.
int pair_set_up(void **state);
int pair_tear_down(void **state);

#define PAIR_TEST(function) cmocka_unit_test_setup_teardown(function, pair_set_up, pair_tear_down)

struct pair *pair_new(enum tls_fixture_kind kind);
struct pair *pair_of_version(uint16_t version); // that the client offers alone, with a P-256 certificate
void pair_free(struct pair *pair);

// Starts both ends; pair_connect also lets them talk until nothing happens any more.
void pair_begin(struct pair *pair, const struct tls_session *session);
void pair_connect(struct pair *pair, const struct tls_session *session);
void pair_end(struct pair *pair);

// The state of an end's handshake, while there is one.
struct tls_handshake *pair_handshake_of(const struct tls_end *end);

void pair_check_up(struct pair *pair);
// Data in both directions, then a clean end on both sides.
void pair_check_data(struct pair *pair);
void pair_check_reports_agree(const struct pair *pair);

// One side must have failed with this alert, and the other heard of it.
void pair_check_server_refused(struct pair *pair, enum tls_alert alert);
void pair_check_client_refused(struct pair *pair, enum tls_alert alert);
