// SPDX-License-Identifier: Apache-2.0
#include "chain_verifier.h"

#include "base/assert.h"
#include "base/pool.h"
#include "base/ring.h"
#include "base/writer.h"

#include <errno.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum {
	SECURITY_LEVEL = 2, // OpenSSL's: 112 bits, no SHA-1
};

struct job {
	struct tls_reference who;
	X509_STORE *store; // a reference
	int depth;
	uint32_t n_certificates;
	uint32_t lens[TLS_CHAIN_MAX];
	struct tls_verify_answer answer;
	uint8_t bytes[CHAIN_VERIFIER_LEN];
};

struct chain_verifier_client {
	struct ring asked; // of job indices
	struct ring answered;
	struct pool jobs; // the worker's
	struct chain_verifier *verifier;
};

struct chain_verifier {
	struct chain_verifier_client *clients;
	uint32_t n_clients;
	sem_t work;
	atomic_bool stopping;
	pthread_t thread;
};

static _Thread_local struct chain_verifier_client *mine;

// --- what is trusted ---

static bool add_name(struct writer *names, const X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	const uint8_t *der;
	size_t len;
	struct writer_mark mark;

	if (X509_NAME_get0_der(subject, &der, &len) != 1)
		return false;
	mark = writer_open16(names);
	writer_bytes(names, span_of(der, len));
	writer_close(names, mark);
	return true;
}

static bool add_authorities(X509_STORE *store, struct span authorities, struct writer *names)
{
	const uint8_t *at = authorities.data;
	const uint8_t *end = authorities.data + authorities.len;
	bool well = authorities.len != 0;

	while (well && at != end) {
		X509 *certificate = d2i_X509(NULL, &at, end - at);

		well = certificate != NULL && X509_STORE_add_cert(store, certificate) == 1 &&
		       add_name(names, certificate);
		X509_free(certificate);
	}
	return well;
}

static bool ask(struct tls_verifier *base, struct tls_reference who,
	const struct tls_verify_question *question, struct tls_verify_answer *out_answer);

bool chain_anchors_init(
	struct chain_anchors *anchors, struct span authorities, uint8_t depth, const char **out_reason)
{
	struct writer names = writer_over(
		(struct mut_span){.data = anchors->names, .len = sizeof anchors->names});

	*anchors = (struct chain_anchors){.base = {.ask = ask}, .store = X509_STORE_new(), .depth = depth};
	if (anchors->store != NULL && add_authorities(anchors->store, authorities, &names)) {
		anchors->names_len = writer_span(&names).len;
		return true;
	}
	*out_reason = authorities.len == 0 ? "client certificates need authorities"
					   : "an authority for client certificates can't be read";
	chain_anchors_destroy(anchors);
	return false;
}

void chain_anchors_destroy(struct chain_anchors *anchors)
{
	X509_STORE_free(anchors->store);
	anchors->store = NULL;
}

// --- the worker's side ---

static bool copy_chain(struct job *job, const struct tls_cert_chain *chain)
{
	size_t len = 0;

	for (uint32_t i = 0; i < chain->n_certificates; i++) {
		struct span certificate = chain->certificates[i];

		if (certificate.len > sizeof job->bytes - len)
			return false;
		memcpy(job->bytes + len, certificate.data, certificate.len);
		job->lens[i] = (uint32_t)certificate.len;
		len += certificate.len;
	}
	job->n_certificates = chain->n_certificates;
	return true;
}

static bool ask(struct tls_verifier *base, struct tls_reference who,
	const struct tls_verify_question *question, struct tls_verify_answer *out_answer)
{
	struct chain_anchors *anchors = (struct chain_anchors *)base; // its first member
	struct job *job = mine != NULL ? pool_alloc(&mine->jobs) : NULL;
	uint32_t idx;

	*out_answer = (struct tls_verify_answer){.verdict = TLS_REFUSE_INTERNAL_ERROR};
	if (job == NULL)
		return true;
	if (!copy_chain(job, question->chain)) {
		pool_free(&mine->jobs, job);
		out_answer->verdict = TLS_REFUSE_BAD_CERTIFICATE;
		return true;
	}
	SLUICE_ASSERT(X509_STORE_up_ref(anchors->store) == 1); // counts, and allocates nothing
	job->who = who;
	job->store = anchors->store;
	job->depth = anchors->depth;
	idx = pool_index(&mine->jobs, job);
	SLUICE_ASSERT(ring_push(&mine->asked, &idx)); // there are as many places as jobs
	SLUICE_ASSERT(sem_post(&mine->verifier->work) == 0);
	return false;
}

void chain_verifier_use(struct chain_verifier *verifier, uint32_t worker_idx)
{
	SLUICE_ASSERT(worker_idx < verifier->n_clients);
	mine = &verifier->clients[worker_idx];
}

bool chain_verifier_next(struct tls_reference *out_who, struct tls_verify_answer *out_answer)
{
	struct job *job;
	uint32_t idx;

	if (mine == NULL || !ring_pop(&mine->answered, &idx))
		return false;
	job = pool_at(&mine->jobs, idx);
	*out_who = job->who;
	*out_answer = job->answer;
	pool_free(&mine->jobs, job);
	return true;
}

// --- the thread's side ---

// RFC 8446 6.2 names the alerts.
static enum tls_verdict verdict_of(int error)
{
	switch (error) {
	case X509_V_OK:
		return TLS_OK;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_REFUSE_CERTIFICATE_EXPIRED;
	case X509_V_ERR_CERT_REVOKED:
		return TLS_REFUSE_CERTIFICATE_REVOKED;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
		return TLS_REFUSE_UNKNOWN_CA;
	case X509_V_ERR_INVALID_PURPOSE:
		return TLS_REFUSE_UNSUPPORTED_CERTIFICATE;
	case X509_V_ERR_OUT_OF_MEM:
		return TLS_REFUSE_INTERNAL_ERROR;
	default:
		return TLS_REFUSE_BAD_CERTIFICATE;
	}
}

static void take_name(X509 *leaf, struct tls_verify_answer *answer)
{
	char name[TLS_PEER_NAME_MAX + 1];
	int len = X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, name, sizeof name);

	// What has a zero inside is no name, whatever follows.
	if (len <= 0 || strlen(name) != (size_t)len)
		return;
	memcpy(answer->name, name, (size_t)len);
	answer->name_len = (uint8_t)len;
}

static enum tls_verdict check_chain(const struct job *job, X509 *leaf, STACK_OF(X509) * others)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	enum tls_verdict verdict = TLS_REFUSE_INTERNAL_ERROR;

	if (context != NULL && X509_STORE_CTX_init(context, job->store, leaf, others) == 1 &&
		X509_STORE_CTX_set_default(context, "ssl_client") == 1) {
		X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
		bool verified;

		X509_VERIFY_PARAM_set_depth(parameters, job->depth);
		X509_VERIFY_PARAM_set_auth_level(parameters, SECURITY_LEVEL);
		verified = X509_verify_cert(context) == 1;

		verdict = verdict_of(X509_STORE_CTX_get_error(context));
		// A failure that left no error is one nevertheless.
		if (!verified && verdict == TLS_OK)
			verdict = TLS_REFUSE_BAD_CERTIFICATE;
	}
	X509_STORE_CTX_free(context);
	return verdict;
}

static enum tls_verdict judge(struct job *job, STACK_OF(X509) * chain)
{
	const uint8_t *at = job->bytes;
	enum tls_verdict verdict;
	X509 *leaf;

	for (uint32_t i = 0; i < job->n_certificates; i++) {
		const uint8_t *end = at + job->lens[i];
		X509 *certificate = d2i_X509(NULL, &at, (long)job->lens[i]);

		if (certificate == NULL || at != end || sk_X509_push(chain, certificate) == 0) {
			X509_free(certificate);
			return TLS_REFUSE_BAD_CERTIFICATE;
		}
	}
	leaf = sk_X509_value(chain, 0);
	verdict = check_chain(job, leaf, chain);
	if (verdict != TLS_OK)
		return verdict;
	if (public_key_from_pkey(&job->answer.key, X509_get0_pubkey(leaf)) != KEY_OK)
		return TLS_REFUSE_UNSUPPORTED_CERTIFICATE;
	take_name(leaf, &job->answer);
	return TLS_OK;
}

static void run_job(struct job *job)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	memset(&job->answer, 0, sizeof job->answer);
	job->answer.verdict = chain != NULL ? judge(job, chain) : TLS_REFUSE_INTERNAL_ERROR;
	sk_X509_pop_free(chain, X509_free);
	X509_STORE_free(job->store);
}

static bool run_round(struct chain_verifier *verifier)
{
	bool worked = false;
	uint32_t idx;

	for (uint32_t i = 0; i < verifier->n_clients; i++) {
		struct chain_verifier_client *client = &verifier->clients[i];

		if (!ring_pop(&client->asked, &idx))
			continue;
		run_job(pool_at(&client->jobs, idx));
		SLUICE_ASSERT(ring_push(&client->answered, &idx));
		worked = true;
	}
	return worked;
}

static void *thread_main(void *argument)
{
	struct chain_verifier *verifier = argument;

	while (!atomic_load_explicit(&verifier->stopping, memory_order_acquire)) {
		if (run_round(verifier))
			continue;
		while (sem_wait(&verifier->work) != 0)
			SLUICE_ASSERT(errno == EINTR);
	}
	return NULL;
}

// --- start and end ---

size_t chain_verifier_footprint(uint32_t n_workers)
{
	return sizeof(struct chain_verifier) + 2 * 64 +
	       n_workers * (sizeof(struct chain_verifier_client) +
				   pool_footprint(CHAIN_VERIFIER_JOBS, sizeof(struct job)) +
				   2 * (CHAIN_VERIFIER_JOBS * sizeof(uint32_t) + 64) + 4 * 64);
}

static bool make_client(
	struct chain_verifier_client *client, struct arena *arena, struct chain_verifier *verifier)
{
	client->verifier = verifier;
	return ring_init(&client->asked, arena, CHAIN_VERIFIER_JOBS, sizeof(uint32_t)) &&
	       ring_init(&client->answered, arena, CHAIN_VERIFIER_JOBS, sizeof(uint32_t)) &&
	       pool_init(&client->jobs, arena, CHAIN_VERIFIER_JOBS, sizeof(struct job));
}

struct chain_verifier *chain_verifier_start(struct arena *arena, uint32_t n_workers)
{
	struct chain_verifier *verifier = arena_alloc(arena, sizeof *verifier, 64);

	if (verifier == NULL)
		return NULL;
	verifier->n_clients = n_workers;
	verifier->clients = arena_alloc(arena, n_workers * sizeof *verifier->clients, 64);
	if (verifier->clients == NULL)
		return NULL;
	for (uint32_t i = 0; i < n_workers; i++)
		if (!make_client(&verifier->clients[i], arena, verifier))
			return NULL;
	if (sem_init(&verifier->work, 0, 0) == 0 &&
		pthread_create(&verifier->thread, NULL, thread_main, verifier) == 0)
		return verifier;
	return NULL;
}

void chain_verifier_stop(struct chain_verifier *verifier)
{
	uint32_t idx;

	atomic_store_explicit(&verifier->stopping, true, memory_order_release);
	SLUICE_ASSERT(sem_post(&verifier->work) == 0);
	SLUICE_ASSERT(pthread_join(verifier->thread, NULL) == 0);
	for (uint32_t i = 0; i < verifier->n_clients; i++)
		while (ring_pop(&verifier->clients[i].asked, &idx))
			X509_STORE_free(((struct job *)pool_at(&verifier->clients[i].jobs, idx))->store);
	SLUICE_ASSERT(sem_destroy(&verifier->work) == 0);
}
