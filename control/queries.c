// SPDX-License-Identifier: Apache-2.0
#include "queries.h"

#include "base/assert.h"
#include "dataplane_link.h"

void queries_init(struct queries *queries, struct dataplane_link *to)
{
	*queries = (struct queries){.to = to};
	list_init(&queries->waiting);
}

static void send_next(struct queries *queries)
{
	struct list_link *first = list_first(&queries->waiting);

	if (first == NULL || queries->to->state != LINK_RUNNING || queries->to->query_id != 0)
		return;
	list_remove(first);
	queries->out = LIST_ITEM(first, struct query, link);
	dataplane_link_query(queries->to, &queries->out->ask);
}

const char *queries_ask(struct queries *queries, struct query *query)
{
	SLUICE_ASSERT(query->waits_in == NULL);
	if (queries->to->state != LINK_RUNNING)
		return "the dataplane does not run; see show info";
	query->waits_in = queries;
	list_push_back(&queries->waiting, &query->link);
	send_next(queries);
	return NULL;
}

void queries_cancel(struct query *query)
{
	if (query->waits_in == NULL)
		return;
	if (query->waits_in->out == query)
		query->waits_in->out = NULL;
	else
		list_remove(&query->link);
	query->waits_in = NULL;
}

static void tell(struct query *query, const struct ipc_rows *rows, const char *reason)
{
	query->waits_in = NULL;
	query->answered(query, rows, reason);
}

void queries_answered(struct queries *queries, const struct ipc_rows *rows, const char *reason)
{
	struct query *query = queries->out;

	queries->out = NULL;
	if (query != NULL && rows != NULL && rows->kind != query->ask.kind) {
		rows = NULL;
		reason = "the dataplane answered something else";
	}
	if (query != NULL)
		tell(query, rows, reason);
	send_next(queries);
}

void queries_link_down(struct queries *queries)
{
	struct query *query = queries->out;
	struct list_link *first;

	queries->out = NULL;
	if (query != NULL)
		tell(query, NULL, "the dataplane is gone");
	while ((first = list_first(&queries->waiting)) != NULL) {
		list_remove(first);
		tell(LIST_ITEM(first, struct query, link), NULL, "the dataplane is gone");
	}
}
