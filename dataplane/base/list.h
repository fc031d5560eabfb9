// SPDX-License-Identifier: Apache-2.0
//
// Intrusive doubly linked lists: the link is a member of the object, so that putting an object on a list
// allocates nothing and taking it off needs no search. A list is a ring through its head. A link that is on
// no list points to itself, so that removing twice is harmless and `list_link_linked` can be asked. A list
// owns none of its members.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

// The system's header, which DPDK's headers bring along, has macros of these names for lists of its own.
#undef LIST_FOREACH
#undef LIST_FOREACH_SAFE

struct list_link {
	struct list_link *next;
	struct list_link *prev;
};

struct list {
	struct list_link head;
};

// The object of the given type whose member `member` is the link.
#define LIST_ITEM(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

// Walks the links of a list. The SAFE form allows the current link to be taken off; `following` is a second
// cursor.
#define LIST_FOREACH(link, list) \
	for ((link) = (list)->head.next; (link) != &(list)->head; (link) = (link)->next)
#define LIST_FOREACH_SAFE(link, following, list) \
	for ((link) = (list)->head.next, (following) = (link)->next; (link) != &(list)->head; \
		(link) = (following), (following) = (link)->next)

static inline void list_link_init(struct list_link *link)
{
	link->next = link;
	link->prev = link;
}

static inline void list_init(struct list *list)
{
	list_link_init(&list->head);
}

static inline bool list_link_linked(const struct list_link *link)
{
	return link->next != link;
}

static inline bool list_empty(const struct list *list)
{
	return list->head.next == &list->head;
}

static inline void list_insert_after(struct list_link *link, struct list_link *place)
{
	link->prev = place;
	link->next = place->next;
	place->next->prev = link;
	place->next = link;
}

static inline void list_push_back(struct list *list, struct list_link *link)
{
	list_insert_after(link, list->head.prev);
}

static inline void list_push_front(struct list *list, struct list_link *link)
{
	list_insert_after(link, &list->head);
}

static inline void list_remove(struct list_link *link)
{
	link->next->prev = link->prev;
	link->prev->next = link->next;
	list_link_init(link);
}

// The first link, or NULL when the list is empty; list_pop_front takes it off.
static inline struct list_link *list_first(struct list *list)
{
	return list_empty(list) ? NULL : list->head.next;
}

static inline struct list_link *list_pop_front(struct list *list)
{
	struct list_link *link = list_first(list);

	if (link != NULL)
		list_remove(link);
	return link;
}

// Moves all of `from` to the end of `to`; `from` is empty afterwards.
static inline void list_splice_back(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->head.next->prev = to->head.prev;
	to->head.prev->next = from->head.next;
	from->head.prev->next = &to->head;
	to->head.prev = from->head.prev;
	list_init(from);
}
