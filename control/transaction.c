// SPDX-License-Identifier: Apache-2.0
#include "transaction.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

struct transaction *transaction_find(struct transactions *transactions, const char *name)
{
	for (size_t i = 0; i < transactions->n; i++)
		if (strcmp(transactions->items[i].name, name) == 0)
			return &transactions->items[i];
	return NULL;
}

struct transaction *transaction_open(
	struct transactions *transactions, const char *name, uid_t uid, int64_t now_s)
{
	struct transaction *transaction;

	if (transactions->n == TRANSACTIONS_MAX)
		return NULL;
	transaction = &transactions->items[transactions->n++];
	*transaction = (struct transaction){.name = memory_string(name), .uid = uid, .opened_s = now_s};
	return transaction;
}

void transaction_set(struct transaction *transaction, struct cert *cert)
{
	cert_release(transaction->cert);
	transaction->cert = cert;
}

void transaction_close(struct transactions *transactions, struct transaction *transaction)
{
	cert_release(transaction->cert);
	free(transaction->name);
	*transaction = transactions->items[--transactions->n];
	transactions->items[transactions->n] = (struct transaction){0};
}

size_t transactions_expire(struct transactions *transactions, int64_t now_s)
{
	size_t n_expired = 0;

	for (size_t i = transactions->n; i-- > 0;) {
		const int64_t age_s = now_s - transactions->items[i].opened_s;

		if (age_s < TRANSACTION_LIFE_S)
			continue;
		transaction_close(transactions, &transactions->items[i]);
		n_expired++;
	}
	return n_expired;
}

void transactions_close_all(struct transactions *transactions)
{
	while (transactions->n != 0)
		transaction_close(transactions, &transactions->items[0]);
}
