// SPDX-License-Identifier: Apache-2.0
//
// Changes to certificates over the socket: what `set` brought waits, parsed and checked, until `commit` or
// `abort`. Several names may be open at a time, whoever opened them; one that nobody ends is forgotten after
// an hour.
#pragma once

#include "cert.h"

#include <sys/types.h>

enum {
	TRANSACTIONS_MAX = 64,
	TRANSACTION_LIFE_S = 3600
};

struct transaction {
	char *name;
	struct cert *cert; // NULL until `set`
	uid_t uid;
	int64_t opened_s;
};

struct transactions {
	struct transaction items[TRANSACTIONS_MAX];
	size_t n;
};

// NULL when there is none of that name.
struct transaction *transaction_find(struct transactions *transactions, const char *name);

// NULL when too many are open.
struct transaction *transaction_open(
	struct transactions *transactions, const char *name, uid_t uid, int64_t now_s);

// Replaces what the transaction holds; the reference becomes its own.
void transaction_set(struct transaction *transaction, struct cert *cert);

void transaction_close(struct transactions *transactions, struct transaction *transaction);

// Closes those that are too old; returns how many.
size_t transactions_expire(struct transactions *transactions, int64_t now_s);
void transactions_close_all(struct transactions *transactions);
