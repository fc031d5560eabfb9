// SPDX-License-Identifier: Apache-2.0
#include "base/list.h"
#include "seam/cmocka_all.h"

struct thing {
	int value;
	struct list_link link;
};

static int value_of(struct list_link *link)
{
	return LIST_ITEM(link, struct thing, link)->value;
}

static void order_is_kept_at_both_ends(void **state)
{
	struct thing things[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
	struct list list;
	struct list_link *link;
	int expected = 1;

	(void)state;
	list_init(&list);
	assert_true(list_empty(&list));
	assert_null(list_first(&list));
	assert_null(list_pop_front(&list));
	list_push_back(&list, &things[1].link);
	list_push_back(&list, &things[2].link);
	list_push_front(&list, &things[0].link);
	LIST_FOREACH (link, &list)
		assert_int_equal(value_of(link), expected++);
	assert_int_equal(expected, 4);
	assert_int_equal(value_of(list_pop_front(&list)), 1);
}

static void a_link_removed_twice_harms_nobody(void **state)
{
	struct thing things[2] = {{.value = 1}, {.value = 2}};
	struct list list;

	(void)state;
	list_init(&list);
	list_link_init(&things[0].link);
	list_remove(&things[0].link);
	list_push_back(&list, &things[0].link);
	list_push_back(&list, &things[1].link);
	assert_true(list_link_linked(&things[0].link));
	list_remove(&things[0].link);
	list_remove(&things[0].link);
	assert_false(list_link_linked(&things[0].link));
	assert_int_equal(value_of(list_first(&list)), 2);
}

static void safe_walk_survives_removal(void **state)
{
	struct thing things[5];
	struct list list;
	struct list_link *link;
	struct list_link *following;
	int n = 0;

	(void)state;
	list_init(&list);
	for (int i = 0; i < 5; i++) {
		things[i].value = i;
		list_push_back(&list, &things[i].link);
	}
	LIST_FOREACH_SAFE (link, following, &list)
		if (value_of(link) % 2 == 0)
			list_remove(link);
	LIST_FOREACH (link, &list) {
		assert_int_equal(value_of(link) % 2, 1);
		n++;
	}
	assert_int_equal(n, 2);
}

static void splice_moves_all_and_empties(void **state)
{
	struct thing things[4] = {{.value = 0}, {.value = 1}, {.value = 2}, {.value = 3}};
	struct list to;
	struct list from;

	(void)state;
	list_init(&to);
	list_init(&from);
	list_splice_back(&to, &from);
	assert_true(list_empty(&to));
	for (int i = 0; i < 4; i++)
		list_push_back(i < 2 ? &to : &from, &things[i].link);
	list_splice_back(&to, &from);
	assert_true(list_empty(&from));
	for (int i = 0; i < 4; i++)
		assert_int_equal(value_of(list_pop_front(&to)), i);
	assert_true(list_empty(&to));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_kept_at_both_ends),
		cmocka_unit_test(a_link_removed_twice_harms_nobody),
		cmocka_unit_test(safe_walk_survives_removal),
		cmocka_unit_test(splice_moves_all_and_empties),
	};

	return cmocka_run_group_tests_name("base/list", tests, NULL, NULL);
}
