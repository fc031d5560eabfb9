// SPDX-License-Identifier: Apache-2.0
//
// Commands about certificates and ticket keys. No key, and nothing that a key could be computed from, is ever
// in an answer.
#include "command.h"
#include "control.h"
#include "ocsp.h"
#include "pem.h"
#include "secret.h"

#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	ROWS_PER_STEP = 64
};

static void answer_seconds(struct answer *answer, const char *name, int width, int64_t seconds)
{
	struct text text = {0};

	if (answer->json) {
		answer_signed(answer, name, width, seconds);
		return;
	}
	if (seconds != 0)
		text_time(&text, seconds);
	answer_bytes(answer, name, width, text_string(&text), text.len);
	text_free(&text);
}

static void names_of(const struct cert *cert, struct text *names)
{
	char name[CERTIFICATE_NAME_MAX];
	size_t cursor = 0;

	while (certificate_next_name(cert_leaf(cert), &cursor, name))
		text_printf(names, "%s%s", names->len != 0 ? "," : "", name);
}

static void show_row(struct command_call *call, const struct cert *cert)
{
	struct text names = {0};

	names_of(cert, &names);
	answer_row(&call->answer);
	answer_string(&call->answer, "name", 36, cert->name);
	answer_string(&call->answer, "key", 11, key_name(cert->key->type, cert->key->bits));
	answer_seconds(&call->answer, "not_after", 20, cert_leaf(cert)->not_after);
	answer_seconds(&call->answer, "staple_until", 20, cert->staple_next_update);
	answer_bool(&call->answer, "saved", 5, !cert->unsaved);
	answer_bytes(&call->answer, "names", 0, text_string(&names), names.len);
	answer_row_end(&call->answer);
	text_free(&names);
}

static void answer_x509_name(struct answer *answer, const char *name, struct span der)
{
	const unsigned char *data = der.data;
	X509_NAME *parsed = d2i_X509_NAME(NULL, &data, (long)der.len);
	char *line = parsed != NULL ? X509_NAME_oneline(parsed, NULL, 0) : NULL;

	answer_string(answer, name, 0, line != NULL ? line : "");
	OPENSSL_free(line);
	X509_NAME_free(parsed);
}

static void answer_hex(struct answer *answer, const char *name, const void *bytes, size_t len)
{
	struct text text = {0};

	text_hex(&text, bytes, len);
	answer_string(answer, name, 0, text_string(&text));
	text_free(&text);
}

static void show_detail(struct command_call *call, const struct cert *cert)
{
	const struct certificate *leaf = cert_leaf(cert);
	struct answer *answer = &call->answer;
	struct text names = {0};

	names_of(cert, &names);
	answer_facts(answer);
	answer_string(answer, "name", 0, cert->name);
	answer_number(answer, "id", 0, cert->id);
	answer_x509_name(answer, "subject", leaf->subject);
	answer_x509_name(answer, "issuer", leaf->issuer);
	answer_hex(answer, "serial", leaf->serial.data, leaf->serial.len);
	answer_hex(answer, "sha256", cert->fingerprint, sizeof cert->fingerprint);
	answer_string(answer, "key", 0, key_name(cert->key->type, cert->key->bits));
	answer_bytes(answer, "names", 0, text_string(&names), names.len);
	answer_seconds(answer, "not_before", 0, leaf->not_before);
	answer_seconds(answer, "not_after", 0, leaf->not_after);
	answer_number(answer, "chain_length", 0, cert->n_certificates);
	answer_bool(answer, "chain_rearranged", 0, cert->rearranged);
	answer_bytes(answer, "ocsp_responder", 0, (const char *)leaf->ocsp_url.data, leaf->ocsp_url.len);
	answer_bool(answer, "must_staple", 0, leaf->must_staple);
	answer_bool(answer, "staple", 0, cert->staple.len != 0);
	answer_seconds(answer, "staple_until", 0, cert->staple_next_update);
	answer_bool(answer, "timestamps", 0, cert->scts.len != 0 || leaf->has_scts);
	answer_bool(answer, "saved", 0, !cert->unsaved);
	answer_bool(answer, "published", 0, publisher_has_published(&call->control->publisher, cert));
	answer_row_end(answer);
	text_free(&names);
}

// The cursor over all certificates: holds the set as it was when the command began.
struct listing {
	struct cert_set *set;
	int64_t until; // rows whose certificate ends before this
};

static enum command_result list_more(struct command_call *call)
{
	const struct listing *listing = call->state;

	for (size_t i = 0; i < ROWS_PER_STEP; i++) {
		if (call->position == listing->set->n_certs)
			return COMMAND_ANSWERED;
		if (cert_leaf(listing->set->certs[call->position])->not_after < listing->until)
			show_row(call, listing->set->certs[call->position]);
		call->position++;
	}
	return COMMAND_MORE;
}

static void list_end(struct command_call *call)
{
	struct listing *listing = call->state;

	cert_set_free(listing->set);
	free(listing);
}

static enum command_result list_all(struct command_call *call, int64_t until)
{
	struct listing *listing = memory_alloc(1, sizeof *listing);

	*listing = (struct listing){.set = cert_set_copy(call->control->certs), .until = until};
	call->state = listing;
	call->next = list_more;
	call->end = list_end;
	answer_table(&call->answer);
	return COMMAND_MORE;
}

static void show_for_host(struct command_call *call, const char *host)
{
	const struct cert_set *certs = call->control->certs;
	size_t n;
	const size_t first = cert_set_lookup(certs, host, &n);

	if (first == SIZE_MAX) {
		answer_error(&call->answer, "no certificate is for '%s'", host);
		return;
	}
	answer_table(&call->answer);
	for (size_t i = first; i < first + n; i++)
		show_row(call, certs->certs[certs->names[i].cert_idx]);
}

static enum command_result list_expiring(struct command_call *call)
{
	const char *days = call->arguments[1];

	if (days[0] == '\0' || strspn(days, "0123456789") != strlen(days) || strlen(days) > 5) {
		answer_usage(&call->answer, "show cert expiring DAYS");
		return COMMAND_ANSWERED;
	}
	return list_all(call, (int64_t)time(NULL) + 86400 * (int64_t)strtoul(days, NULL, 10));
}

enum command_result command_show_cert(struct command_call *call)
{
	const struct cert *cert;

	if (call->n_arguments == 0)
		return list_all(call, INT64_MAX);
	if (call->n_arguments == 2 && strcmp(call->arguments[0], "expiring") == 0)
		return list_expiring(call);
	if (call->n_arguments == 2 && strcmp(call->arguments[0], "sni") == 0) {
		show_for_host(call, call->arguments[1]);
		return COMMAND_ANSWERED;
	}
	cert = call->n_arguments == 1 ? cert_set_find(call->control->certs, call->arguments[0]) : NULL;
	if (cert != NULL)
		show_detail(call, cert);
	else
		answer_error(
			&call->answer, "no certificate has the name '%s'; see show cert", call->arguments[0]);
	return COMMAND_ANSWERED;
}

enum command_result command_show_ticket_keys(struct command_call *call)
{
	const struct ticket_keys *keys = &call->control->ticket_keys;
	const int64_t now_s = (int64_t)time(NULL);

	answer_table(&call->answer);
	for (int role = 0; role < N_TICKET_KEYS; role++) {
		uint8_t fingerprint[TICKET_FINGERPRINT_LEN];
		struct text text = {0};

		if (!keys->keys[role].valid)
			continue;
		ticket_key_fingerprint(&keys->keys[role], fingerprint);
		text_hex(&text, fingerprint, sizeof fingerprint);
		answer_row(&call->answer);
		answer_string(&call->answer, "role", 8, ticket_key_role_name((enum ticket_key_role)role));
		answer_string(&call->answer, "fingerprint", 16, text_string(&text));
		answer_signed(&call->answer, "age_seconds", 11, now_s - keys->keys[role].made_s);
		answer_signed(&call->answer, "in_role_seconds", 15, now_s - keys->keys[role].in_role_s);
		answer_bool(
			&call->answer, "published", 9, publisher_has_ticket_keys(&call->control->publisher));
		answer_row_end(&call->answer);
		text_free(&text);
	}
	return COMMAND_ANSWERED;
}

// ---- Changes -------------------------------------------------------------------------------------------

// The transaction of the name, opened if there is none; NULL, and an error answered, when too many are.
static struct transaction *open_transaction(struct command_call *call, const char *name)
{
	struct transactions *transactions = &call->control->transactions;
	struct transaction *transaction = transaction_find(transactions, name);

	if (transaction == NULL)
		transaction = transaction_open(transactions, name, call->uid, (int64_t)time(NULL));
	if (transaction == NULL)
		answer_error(&call->answer, "%d transactions are open; commit or abort one first",
			TRANSACTIONS_MAX);
	return transaction;
}

enum command_result command_new_cert(struct command_call *call)
{
	const char *name = call->arguments[0];

	if (cert_set_find(call->control->certs, name) != NULL)
		answer_error(&call->answer, "'%s' is there already; use set ssl cert to change it", name);
	else if (transaction_find(&call->control->transactions, name) != NULL)
		answer_error(&call->answer, "a transaction for '%s' is open; commit or abort it first", name);
	else
		(void)open_transaction(call, name);
	return COMMAND_ANSWERED;
}

enum command_result command_set_cert(struct command_call *call)
{
	const char *name = call->arguments[0];
	struct control *control = call->control;
	struct transaction *transaction = transaction_find(&control->transactions, name);
	struct text reason = {0};
	struct cert *cert;

	if (transaction == NULL && cert_set_find(control->certs, name) == NULL) {
		answer_error(&call->answer, "no certificate has the name '%s'; use new ssl cert first", name);
		return COMMAND_ANSWERED;
	}
	cert = cert_from_pem(control->key_context, name, call->payload, &reason);
	if (cert != NULL)
		transaction = open_transaction(call, name);
	if (cert == NULL) {
		answer_error(&call->answer, "%s; nothing was changed", text_string(&reason));
	} else if (transaction != NULL) {
		cert->unsaved = cert->ocsp_fetch = true;
		transaction_set(transaction, cert);
	} else {
		cert_release(cert);
	}
	text_free(&reason);
	return COMMAND_ANSWERED;
}

enum command_result command_commit_cert(struct command_call *call)
{
	struct control *control = call->control;
	struct transaction *transaction = transaction_find(&control->transactions, call->arguments[0]);

	if (transaction == NULL) {
		answer_error(&call->answer, "no transaction is open for '%s'", call->arguments[0]);
	} else if (transaction->cert == NULL) {
		answer_error(&call->answer, "the transaction holds nothing yet; use set ssl cert");
	} else if (control->reload.running) {
		answer_error(&call->answer, "a reload is running; try again when it has ended");
	} else {
		// As long as its files stay what they were, a reload keeps what came over the socket.
		const struct cert *before = cert_set_find(control->certs, transaction->name);

		if (before != NULL)
			memcpy(transaction->cert->stamps, before->stamps, sizeof before->stamps);
		control_take_certs(control, cert_set_with(control->certs, transaction->cert));
		control->n_commits++;
		transaction_close(&control->transactions, transaction);
	}
	return COMMAND_ANSWERED;
}

enum command_result command_abort_cert(struct command_call *call)
{
	struct transaction *transaction = transaction_find(&call->control->transactions, call->arguments[0]);

	if (transaction != NULL)
		transaction_close(&call->control->transactions, transaction);
	else
		answer_error(&call->answer, "no transaction is open for '%s'", call->arguments[0]);
	return COMMAND_ANSWERED;
}

enum command_result command_clear_cert(struct command_call *call)
{
	struct control *control = call->control;
	const struct cert *cert = cert_set_find(control->certs, call->arguments[0]);

	if (cert == NULL)
		answer_error(
			&call->answer, "no certificate has the name '%s'; see show cert", call->arguments[0]);
	else if (!cert->unsaved)
		answer_error(
			&call->answer, "it comes from a file; take it out of the configuration and reload");
	else if (control->reload.running)
		answer_error(&call->answer, "a reload is running; try again when it has ended");
	else
		control_take_certs(control, cert_set_without(control->certs, call->arguments[0]));
	return COMMAND_ANSWERED;
}

enum command_result command_set_ocsp(struct command_call *call)
{
	struct control *control = call->control;
	const struct cert *cert = cert_set_find(control->certs, call->arguments[0]);
	const struct pem_block block = {.encoded = call->payload};
	struct text reason = {0};
	struct cert *with_staple;
	int64_t next_update;
	uint8_t *der;
	size_t len;

	if (cert == NULL) {
		answer_error(
			&call->answer, "no certificate has the name '%s'; see show cert", call->arguments[0]);
		return COMMAND_ANSWERED;
	}
	der = memory_alloc(pem_decoded_max(&block), 1);
	if (!pem_decode(&block, (struct mut_span){der, pem_decoded_max(&block)}, &len)) {
		answer_error(&call->answer, "the payload is no base64; nothing was changed");
	} else if (!ocsp_check(cert, span_of(der, len), (int64_t)time(NULL), &next_update, &reason)) {
		answer_error(&call->answer, "%s; nothing was changed", text_string(&reason));
	} else if (control->reload.running) {
		answer_error(&call->answer, "a reload is running; try again when it has ended");
	} else {
		with_staple = cert_with_staple(cert, span_of(der, len), next_update);
		control_take_certs(control, cert_set_with(control->certs, with_staple));
		cert_release(with_staple);
	}
	free(der);
	text_free(&reason);
	return COMMAND_ANSWERED;
}
