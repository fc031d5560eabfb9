// SPDX-License-Identifier: Apache-2.0
//
// What the tests, fuzz targets and benchmarks of the TLS engine stand on: a worker's crypto and engine in an
// arena of their own, certificates made on the spot by OpenSSL, configurations, a verifier, and an endpoint
// that runs one connection over byte buffers instead of a network.
#pragma once

#include "tls/engine.h"
#include "tls/handshake.h"
#include "tls/record.h"

struct evp_pkey_st;
struct x509_st;

struct tls_fixture {
	struct arena arena;
	struct crypto crypto;
	struct tls_engine engine;
	uint64_t ahead_us; // of the civil clock
};

// Asserts that all went well.
void tls_fixture_init(struct tls_fixture *fixture, const struct tls_engine_settings *settings);
void tls_fixture_destroy(struct tls_fixture *fixture);

// One turn's worth of lanes: fires everything that waits and resumes the handshakes it belongs to.
void tls_fixture_run_lanes(struct tls_fixture *fixture);

// Ticket keys that follow from a seed.
void tls_fixture_ticket_keys(struct tls_fixture *fixture, uint8_t current, uint8_t next, uint8_t previous);

// A certificate of ours with everything that belongs to it. Kinds beyond key types: the RSA size.
enum tls_fixture_kind {
	TLS_FIXTURE_P256,
	TLS_FIXTURE_P384,
	TLS_FIXTURE_ED25519,
	TLS_FIXTURE_RSA2048,
	TLS_FIXTURE_RSA3072,
	TLS_FIXTURE_RSA4096,
	TLS_FIXTURE_RSA_PSS,
	TLS_N_FIXTURE_KINDS
};

struct tls_identity {
	struct evp_pkey_st *pkey;
	struct x509_st *x509;
	void *memory[2];
	const struct private_key *key;
	const struct tls_certificate *certificate;
};

const char *tls_fixture_kind_name(enum tls_fixture_kind kind);

// Self-signed, for "sluice.test". Made once per kind and process and kept.
struct tls_identity *tls_fixture_identity(enum tls_fixture_kind kind);

// An identity from parts: the chain's DER with optional staple and timestamps.
struct tls_identity *tls_identity_make(struct evp_pkey_st *pkey, const struct tls_cert_chain *chain);
void tls_identity_free(struct tls_identity *identity);

// Accepts every chain, unless told otherwise, and takes the key out of the leaf. A deferred one answers when
// tls_fixture_answer is called.
struct tls_fixture_verifier {
	struct tls_verifier base;
	enum tls_verdict verdict;
	bool deferred;
	bool pending;
	struct tls_reference who;
	struct tls_verify_answer answer;
	unsigned n_asked;
	size_t staple_len; // of the last question
	size_t scts_len;
	char name[TLS_NAME_MAX + 1];
};
void tls_fixture_verifier_init(struct tls_fixture_verifier *verifier);
struct tls_handshake *tls_fixture_answer(struct tls_fixture_verifier *verifier, struct tls_engine *engine);

// Configurations with everything allowed; fields may be changed afterwards.
struct tls_server_config tls_fixture_server_config(const struct tls_names *names);
struct tls_client_config tls_fixture_client_config(struct tls_fixture_verifier *verifier);

// An index with these identities as the default (and for "sluice.test"). Freed with free.
const struct tls_names *tls_fixture_names(struct tls_identity *const *identities, uint32_t n);

enum {
	TLS_END_BUFFER_LEN = 256 * 1024
};

// One end of a connection.
struct tls_end {
	struct tls_fixture *fixture;
	struct tls_conn conn;
	bool handshaking;
	enum tls_status status;
	struct tls_handshake_report report; // after the handshake
	bool closed;                        // close_notify came
	uint8_t peer_alert;                 // after a failure by the peer
	bool failed;
	size_t chunk;           // what arrives is looked at in pieces of so many bytes; 0: all at once
	bool updates_with_data; // KeyUpdates wait for data that is to be sent
	size_t output_max;      // room that the engine is given at a time; 0: plenty
	uint8_t *in;            // what the peer sent and was not consumed
	size_t in_len;
	size_t in_seen;
	uint8_t *out; // what is to be sent
	size_t out_len;
	uint8_t *data; // application data that came
	size_t data_len;
};

void tls_end_init(struct tls_end *end, struct tls_fixture *fixture);
void tls_end_destroy(struct tls_end *end);
void tls_end_serve(struct tls_end *end, const struct tls_server_config *config);
void tls_end_connect(struct tls_end *end, const struct tls_client_config *config, const char *name,
	const struct tls_session *session);

// Bytes from the peer. tls_end_step handles what is there; true if anything happened.
void tls_end_receive(struct tls_end *end, const void *bytes, size_t len);
bool tls_end_step(struct tls_end *end);
void tls_end_send(struct tls_end *end, const void *bytes, size_t len);
void tls_end_close(struct tls_end *end);

// Moves bytes between two ends and runs lanes until nothing happens any more.
void tls_fixture_pump(struct tls_end *a, struct tls_end *b);

static inline bool tls_end_up(const struct tls_end *end)
{
	return !end->handshaking && !end->failed && tls_conn_is(&end->conn, TLS_CONN_ESTABLISHED);
}

// keep_session for a client configuration: its context is one of these.
struct tls_session_slot {
	struct tls_session session;
	unsigned n_kept;
};
void tls_fixture_keep_session(void *context, void *owner, const struct tls_session *session);
