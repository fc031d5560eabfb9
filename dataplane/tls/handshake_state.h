// SPDX-License-Identifier: Apache-2.0
//
// Inside a handshake: what its handlers share. For this folder's handshake files only.
//
// Handlers have one shape (tls_handler): the body of a message in, a verdict out. They parse into locals,
// check everything, then commit to the handshake. Before a handler runs, next_state holds what the table
// says; it may choose another. Messages that it wants to send it writes through tls_hs_writer and commits
// with tls_hs_send.
#pragma once

#include "base/writer.h"
#include "crypto/group.h"
#include "crypto/sign.h"
#include "tls/engine.h"
#include "tls/handshake.h"
#include "tls/key_schedule.h"
#include "tls/transcript.h"

// Keys follow each other; what is sent says under which it goes.
enum tls_epoch {
	TLS_EPOCH_PLAIN,
	TLS_EPOCH_HANDSHAKE, // TLS 1.2: after change_cipher_spec
	TLS_EPOCH_APPLICATION,
};

// What waits to leave: pieces of the block or of memory that outlives the handshake, in order.
enum {
	TLS_FLIGHT_PIECES = 12
};

struct tls_flight_piece {
	const uint8_t *data;
	uint32_t len;
	uint8_t type;  // enum tls_content_type
	uint8_t epoch; // enum tls_epoch
};

struct tls_flight {
	uint8_t *block; // NULL: none taken
	uint32_t block_used;
	uint8_t n_pieces;
	uint8_t idx;       // of the first piece that has not left whole
	uint32_t sent_len; // of that piece
	struct tls_flight_piece pieces[TLS_FLIGHT_PIECES];
};

// An incomplete message, or bytes that arrived behind one that had to wait.
struct tls_buffer {
	uint8_t *data; // NULL: none taken
	struct pool *pool;
	uint32_t start;
	uint32_t len; // from start on
	uint32_t capacity;
};

// The four traffic secrets of TLS 1.3, or TLS 1.2's key block.
union tls_secrets {
	struct {
		uint8_t client_handshake[TLS_HASH_MAX];
		uint8_t server_handshake[TLS_HASH_MAX];
		uint8_t client_application[TLS_HASH_MAX];
		uint8_t server_application[TLS_HASH_MAX];
	} v13;
	struct {
		uint8_t key_block[2 * (AEAD_KEY_MAX_LEN + AEAD_NONCE_LEN)];
		uint8_t master[TLS_MASTER_SECRET_LEN];
	} v12;
};

// Facts about a handshake that are yes or no.
enum tls_hs_flag {
	TLS_HS_MIDDLEBOX = 1 << 0, // change_cipher_spec for appearance's sake
	TLS_HS_CCS_SENT = 1 << 1,
	TLS_HS_CCS_ALLOWED = 1 << 2, // the peer may send one
	TLS_HS_SKIP_EARLY = 1 << 3,  // early data is being refused
	TLS_HS_WANTS_STAPLE = 1 << 4,
	TLS_HS_WANTS_SCTS = 1 << 5,
	TLS_HS_TICKET_12 = 1 << 6, // a NewSessionTicket is promised
	TLS_HS_PSK = 1 << 7,
	TLS_HS_ASKED_CERTIFICATE = 1 << 8, // a CertificateRequest passed
	TLS_HS_PEER_HAS_CHAIN = 1 << 9,
	TLS_HS_NO_TICKETS = 1 << 10, // the client can't use them (no psk_dhe_ke)
	TLS_HS_RENEGOTIATION_INFO = 1 << 11,
	TLS_HS_POINT_FORMATS = 1 << 12,
	TLS_HS_STAPLE_PROMISED = 1 << 13, // client 1.2: CertificateStatus may come
	TLS_HS_RETRY_GROUP = 1 << 14,     // the HelloRetryRequest changed the group
	TLS_HS_SIZE_LIMIT = 1 << 15,      // the peer sent record_size_limit
	TLS_HS_EXPECTS_PSK = 1 << 16,     // server: a session that was offered before the retry
	TLS_HS_KEEPS_MESSAGES = 1 << 17,  // TLS 1.2: a CertificateVerify may need them (handshake_12.c)
};

struct tls_handshake {
	struct tls_engine *engine;
	struct tls_conn *conn;
	const struct tls_common_config *common;
	const struct tls_server_config *server; // one of the two
	const struct tls_client_config *client;
	void *owner;
	uint32_t generation;
	uint32_t flags;             // set of enum tls_hs_flag
	uint8_t state;              // enum tls_state
	uint8_t next_state;         // enum tls_state
	uint8_t status;             // enum tls_status, of the last step
	uint8_t write_epoch;        // enum tls_epoch
	uint8_t epoch_after_flight; // what follows when the flight has left
	uint8_t n_ccs;
	uint8_t n_warnings;
	uint16_t failed_message; // the message being handled
	uint16_t early_left;     // bytes of early data that are still passed over
	uint16_t peer_size_limit;
	size_t n_behind; // bytes that were read together with the message being handled and follow it
	uint64_t wait_since_tsc;

	// The message being handled, header included.
	struct span message;

	const struct tls_suite *suite;
	const struct tls_name_entry *names; // server: the certificates that the SNI leads to
	const struct tls_certificate *certificate;
	const struct scheme *scheme;
	const struct group *group;
	struct key_exchange exchange;
	union {
		struct signing signing;
		struct {
			struct verification verification;
			struct public_key peer_key;
		} proof; // judging the peer's certificate comes after a server's signing, before a client's
	};
	bool event_ready;    // what the state waits for was done at once
	bool signing_active; // which member of the union is in use
	bool proof_active;

	struct tls_transcript transcript;
	struct tls_schedule schedule;
	union tls_secrets secrets;
	uint8_t client_random[TLS_RANDOM_LEN];
	uint8_t server_random[TLS_RANDOM_LEN];
	uint8_t session_id_len;
	uint8_t session_id[TLS_SESSION_ID_MAX];
	uint16_t selected_identity;

	// The session that is being resumed, then the one being made.
	struct tls_session_state session;
	bool session_found;
	bool extended_master_secret; // TLS 1.2: both have it
	bool ticket_is_old;          // sealed under the previous key: the client gets a new one
	uint16_t offered_suites;     // server 1.2: set of indices into tls_suites
	uint16_t verdict_on_full;    // server 1.2: whether a full handshake is possible, enum tls_verdict
	uint8_t peer_hash[16];       // truncated SHA-256 of the peer's certificate

	struct tls_buffer incoming;
	struct tls_buffer
		kept; // a client's: the session that it offers, then TLS 1.2's Certificate and what follows
	struct tls_buffer cookie;   // of a HelloRetryRequest
	struct tls_buffer messages; // TLS 1.2: all so far, see TLS_HS_KEEPS_MESSAGES
	uint32_t kept_lens[4];      // timestamps, Certificate, staple, ServerKeyExchange
	uint32_t offered;           // client: set of enum tls_extension that the server may answer
	uint32_t ticket_lifetime_s; // client 1.2
	struct tls_flight flight;
	bool kept_session;         // `kept` is a session
	bool answered;             // the verifier has spoken
	uint16_t verdict_on_chain; // enum tls_verdict; the key is proof.peer_key

	struct tls_handshake_report report;
};

typedef enum tls_verdict tls_handler(struct tls_handshake *hs, struct span body);

// One row: in this state, this message goes to this handler, and if it is content, this state follows.
// Messages enter the transcript before the handler runs, unless it says that it does that itself.
struct tls_transition {
	uint8_t state;    // enum tls_state
	uint8_t next;     // enum tls_state
	uint16_t message; // enum tls_message_type
	bool handler_hashes;
	tls_handler *handler;
};

// Handlers by role and version, as the tables name them.
tls_handler tls_server_hello_received, tls_server_lookup_done;
tls_handler tls_server13_second_hello, tls_server13_shared, tls_server13_signed, tls_server13_certificate,
	tls_server13_chain, tls_server13_certificate_verify, tls_server13_proof, tls_server13_finished;
tls_handler tls_server12_share, tls_server12_signed, tls_server12_certificate, tls_server12_chain,
	tls_server12_client_key_exchange, tls_server12_shared, tls_server12_certificate_verify,
	tls_server12_proof, tls_server12_change_cipher_spec, tls_server12_finished;
tls_handler tls_client_start_hello, tls_client_share, tls_client_server_hello;
tls_handler tls_client13_shared, tls_client13_encrypted_extensions, tls_client13_certificate_request,
	tls_client13_certificate, tls_client13_chain, tls_client13_certificate_verify, tls_client13_proof,
	tls_client13_finished, tls_client13_signed;
tls_handler tls_client12_certificate, tls_client12_status, tls_client12_key_exchange, tls_client12_chain,
	tls_client12_proof, tls_client12_certificate_request, tls_client12_hello_done, tls_client12_shared,
	tls_client12_signed, tls_client12_ticket, tls_client12_change_cipher_spec, tls_client12_finished;

extern const struct tls_transition tls_server_table[];
extern const uint32_t tls_n_server_transitions;
extern const struct tls_transition tls_client_table[];
extern const uint32_t tls_n_client_transitions;

static inline bool tls_hs_is(const struct tls_handshake *hs, enum tls_hs_flag flag)
{
	return (hs->flags & flag) != 0;
}

static inline bool tls_hs_is_server(const struct tls_handshake *hs)
{
	return hs->server != NULL;
}

// A client of TLS 1.3 that has yet to send the change_cipher_spec that boxes in the middle expect of it
// (RFC 8446 D.4).
static inline bool tls_hs_owes_change_cipher_spec(const struct tls_handshake *hs)
{
	return !tls_hs_is_server(hs) && tls_conn_is(hs->conn, TLS_CONN_IS_13) &&
	       tls_hs_is(hs, TLS_HS_MIDDLEBOX) && !tls_hs_is(hs, TLS_HS_CCS_SENT);
}

// The writer over what is left of the flight's block, with the block taken if need be; a failed writer when
// there is none. tls_hs_send commits what was written as one message: into the transcript and the flight.
// tls_hs_send_borrowed does the same with a message that lies elsewhere.
struct writer tls_hs_writer(struct tls_handshake *hs);
enum tls_verdict tls_hs_send(
	struct tls_handshake *hs, const struct writer *writer, enum tls_epoch epoch) TLS_MUST_CHECK;
enum tls_verdict tls_hs_send_borrowed(
	struct tls_handshake *hs, struct span message, enum tls_epoch epoch) TLS_MUST_CHECK;
enum tls_verdict tls_hs_send_change_cipher_spec(struct tls_handshake *hs) TLS_MUST_CHECK;
bool tls_flight_empty(const struct tls_flight *flight);
void tls_flight_release(struct tls_engine *engine, struct tls_flight *flight);
// Keys for what is sent from now on; only ever forward.
void tls_hs_enter_write_epoch(struct tls_handshake *hs, enum tls_epoch epoch);
size_t tls_flight_output(struct tls_handshake *hs, struct mut_span out);

// Grows as needed, from block to medium to large; false when it can't.
bool tls_buffer_append(struct tls_engine *engine, struct tls_buffer *buffer, struct span bytes);
bool tls_buffer_reserve(struct tls_engine *engine, struct tls_buffer *buffer, size_t len);
void tls_buffer_release(struct tls_buffer *buffer);

// The version is settled: from here on records are checked for it.
void tls_hs_set_version(struct tls_handshake *hs, const struct tls_suite *suite);

// Key exchange and signing behind one face for both roles: TLS_OK when done at once, else the reason to wait.
// Their polls are for the handlers of the events, and leave the state when it has to wait on.
enum tls_verdict tls_hs_kx_begun(struct tls_handshake *hs, enum key_exchange_status status) TLS_MUST_CHECK;
enum tls_verdict tls_hs_kx_poll(struct tls_handshake *hs) TLS_MUST_CHECK;
enum tls_verdict tls_hs_sign(
	struct tls_handshake *hs, const struct private_key *key, struct span content) TLS_MUST_CHECK;
enum tls_verdict tls_hs_sign_digest(
	struct tls_handshake *hs, const struct private_key *key, const uint8_t *digest) TLS_MUST_CHECK;
enum tls_verdict tls_hs_sign_poll(struct tls_handshake *hs) TLS_MUST_CHECK;
// Checks the peer's signature with the key of the accepted chain.
enum tls_verdict tls_hs_prove(
	struct tls_handshake *hs, uint16_t scheme, struct span content, struct span signature) TLS_MUST_CHECK;
enum tls_verdict tls_hs_prove_digest(
	struct tls_handshake *hs, uint16_t scheme, struct span digest, struct span signature) TLS_MUST_CHECK;
// The handler of that event in every state: good, and the peer is who its certificate says.
enum tls_verdict tls_hs_proof_answer(struct tls_handshake *hs) TLS_MUST_CHECK;
// Asks the verifier; the key that it gives is hs->proof.peer_key.
void tls_hs_take_answer(struct tls_handshake *hs, const struct tls_verify_answer *answer);
enum tls_verdict tls_hs_ask_verifier(
	struct tls_handshake *hs, const struct tls_cert_chain *chain, struct span name) TLS_MUST_CHECK;
enum tls_verdict tls_hs_verifier_answer(struct tls_handshake *hs) TLS_MUST_CHECK;

// The first of our schemes for the client's certificate that the peer's list and the version allow; NULL:
// none.
const struct scheme *tls_choose_scheme(const struct tls_handshake *hs, struct span peer_list,
	const struct tls_preferences *ours, uint16_t version);

// TLS 1.3 pieces that both roles need.
void tls_hs_transcript_hash(const struct tls_handshake *hs, uint8_t out[TLS_HASH_MAX], struct span *out_span);
enum tls_verdict tls_hs_send_finished_13(
	struct tls_handshake *hs, const uint8_t *traffic_secret, enum tls_epoch epoch) TLS_MUST_CHECK;
enum tls_verdict tls_hs_check_finished_13(
	struct tls_handshake *hs, const uint8_t *traffic_secret, struct span body) TLS_MUST_CHECK;
void tls_hs_derive_handshake_13(struct tls_handshake *hs);
void tls_hs_derive_application_13(struct tls_handshake *hs);
enum tls_verdict tls_hs_send_certificate_verify(
	struct tls_handshake *hs, enum tls_epoch epoch) TLS_MUST_CHECK;
enum tls_verdict tls_hs_sign_transcript_13(
	struct tls_handshake *hs, const struct private_key *key) TLS_MUST_CHECK;
enum tls_verdict tls_hs_check_certificate_verify_13(
	struct tls_handshake *hs, struct span body) TLS_MUST_CHECK;
// Our Certificate in the form that the peer asked for.
struct span tls_hs_own_certificate_13(const struct tls_handshake *hs);
// Installs the keys for reading; whatever was read ahead under the old ones is unexpected_message.
enum tls_verdict tls_hs_read_secret_13(struct tls_handshake *hs, const uint8_t *secret) TLS_MUST_CHECK;

// The same for TLS 1.2.
void tls_hs_derive_master_12(struct tls_handshake *hs, struct span premaster, bool extended);
void tls_hs_derive_keys_12(struct tls_handshake *hs);
void tls_hs_install_read_12(struct tls_handshake *hs);
void tls_hs_install_write_12(struct tls_handshake *hs);
enum tls_verdict tls_hs_send_finished_12(struct tls_handshake *hs) TLS_MUST_CHECK;
enum tls_verdict tls_hs_check_finished_12(struct tls_handshake *hs, struct span body) TLS_MUST_CHECK;
enum tls_verdict tls_hs_read_change_cipher_spec_12(struct tls_handshake *hs, struct span body) TLS_MUST_CHECK;

// A message that was sent or received enters the transcript.
void tls_hs_add_message(struct tls_handshake *hs, struct span bytes);

// CertificateVerify of TLS 1.2 may need more than the suite's hash: what it may need is kept from the first
// message on, until it is clear that only the suite's is needed (drop).
void tls_hs_keep_messages(struct tls_handshake *hs);
void tls_hs_drop_messages(struct tls_handshake *hs);
bool tls_hs_has_hash_12(const struct tls_handshake *hs, const struct scheme *scheme);
enum tls_verdict tls_hs_sign_transcript_12(
	struct tls_handshake *hs, const struct private_key *key) TLS_MUST_CHECK;
enum tls_verdict tls_hs_prove_transcript_12(
	struct tls_handshake *hs, uint16_t scheme, struct span signature) TLS_MUST_CHECK;

// Sessions (session.c): whether the server may resume one now, and what to remember of this handshake.
bool tls_session_fits(const struct tls_handshake *hs, const struct tls_session_state *state);
void tls_session_describe(const struct tls_handshake *hs, struct tls_session_state *out);

// The session that a client tries to resume, copied; NULL: none.
void tls_hs_offer_session(struct tls_handshake *hs, const struct tls_session *session);

// RFC 8449: what the peer may be sent, and what we accept from it.
void tls_hs_set_size_limits(struct tls_handshake *hs, uint16_t peer_limit, bool ours_counts);

// The last step of both roles.
void tls_hs_establish(struct tls_handshake *hs);
