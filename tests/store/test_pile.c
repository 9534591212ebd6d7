/* tests/store/test_pile.c - sorting many rows, and tables of many numbers, some at a time */
#include "store/pile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "store/fresh.h"
#include "store/ids.h"

enum { ROWS = 3000, TEXT_MOST = 40 };

static const uint32_t at_a_time[] = {1, 7, 100, ROOM_ROWS};

struct row {
	struct pile_text text;
	uint32_t number, was;
};

static int compare(const void *left, const void *right, void *texts)
{
	const struct row *a = left, *b = right;
	const char *text = texts;
	size_t n = a->text.n < b->text.n ? a->text.n : b->text.n;
	int order = (a->number > b->number) - (a->number < b->number);

	if (!order)
		order = memcmp(text + a->text.at, text + b->text.at, n);
	return order ? order : (a->text.n > b->text.n) - (a->text.n < b->text.n);
}

/* A text that says which row it is, of two parts. */
static size_t text_of(uint32_t i, char text[TEXT_MOST], size_t *first)
{
	size_t n = (size_t)snprintf(text, TEXT_MOST, "%.*s%u", (int)(i % 17), "aaaaaaaaaaaaaaaaaaaaa", i * 7919 % ROWS);

	*first = i % 3 == 0 ? n : i % n;
	return n;
}

static void add(struct pile *p, uint32_t i)
{
	char text[TEXT_MOST];
	size_t first, n = text_of(i, text, &first);
	const struct row r = {.number = i * 31 % 50, .was = i};

	check_row(i, "added", pile_add(p, &r, (struct slice){text, first}, (struct slice){text + first, n - first}));
}

/* Of rows: all are there once, with their texts, in their order. */
static void check_sorted(const struct pile *p, uint32_t count)
{
	static bool seen[ROWS];

	memset(seen, 0, sizeof seen);
	check(p->count == count);
	for (uint32_t i = 0; i < count; i++) {
		const struct row *r = pile_row(p, i);
		char text[TEXT_MOST] = "";
		size_t first;

		check_row(i, "a row", r->was < count && !seen[r->was] && r->number == r->was * 31 % 50);
		seen[r->was] = true;
		check_row(i, "its text",
			  slice_eq((struct slice){pile_text(p, r), r->text.n},
				   (struct slice){text, text_of(r->was, text, &first)}));
		check_row(i, "order", i == 0 || compare(pile_row(p, i - 1), r, p->text.p) <= 0);
	}
}

static void test_rows_are_sorted(void **state)
{
	static const uint32_t counts[] = {0, 1, 2, 3, 17, 18, 300, ROWS};

	(void)state;
	for (size_t t = 0; t < TABLE_ROWS(at_a_time); t++)
		for (size_t c = 0; c < TABLE_ROWS(counts); c++) {
			struct pile p = {.size = sizeof(struct row)};

			room_set_rows(at_a_time[t]);
			for (uint32_t i = 0; i < counts[c]; i++)
				add(&p, i);
			check(pile_sort(&p, compare));
			check_sorted(&p, counts[c]);
			pile_done(&p);
		}
	room_set_rows(ROOM_ROWS);
}

/* How many of the numbers that belong to a part are there; each of them as often as it should. */
static uint32_t count_part(struct ids *t, uint32_t part, uint32_t count)
{
	uint32_t seen = 0;

	check(ids_part(t, part));
	for (uint32_t i = 0; i < count; i++) {
		uint64_t id = (uint64_t)(i % (count / 2 + 1)) << 40;

		if (!ids_has(t, id))
			continue;
		check_row(i, "not there before", (ids_find(t, id) == NULL) == (i < count / 2 + 1));
		struct ids_slot *slot = ids_at(t, id);

		check_row(i, "as often as it came", slot && slot->count == (i < count / 2 + 1 ? 0 : 1));
		if (slot->count++ == 0)
			slot->first = i;
		check_row(i, "the first", ids_find(t, id)->first == i % (count / 2 + 1));
		seen++;
	}
	return seen;
}

static void test_parts_are_all(void **state)
{
	static const uint32_t counts[] = {0, 1, 2, 300, ROWS};

	(void)state;
	for (size_t r = 0; r < TABLE_ROWS(at_a_time); r++)
		for (size_t c = 0; c < TABLE_ROWS(counts); c++) {
			uint32_t seen = 0;
			struct ids t;

			room_set_rows(at_a_time[r]);
			ids_init(&t, counts[c]);
			check_row(c, "parts",
				  t.parts == (counts[c] + at_a_time[r] - 1) / at_a_time[r] + (counts[c] == 0));
			for (uint32_t part = 0; part < t.parts; part++) {
				uint32_t more = count_part(&t, part, counts[c]);

				check_row(c, "parts are alike", more <= 32 + 2 * (uint32_t)t.expected);
				seen += more;
			}
			check_row(c, "all of them", seen == counts[c]);
			ids_done(&t);
		}
	room_set_rows(ROOM_ROWS);
}

/* More numbers than were told. */
static void test_table_grows(void **state)
{
	struct ids t;

	(void)state;
	ids_init(&t, 1);
	check(ids_part(&t, 0));
	for (uint64_t i = 0; i < ROWS; i++) {
		struct ids_slot *slot = ids_at(&t, i * i);

		check_row(i, "room", slot && slot->count == 0);
		*slot = (struct ids_slot){.id = i * i, .count = 1, .first = (uint32_t)i};
	}
	for (uint64_t i = 0; i < ROWS; i++)
		check_row(i, "found", ids_find(&t, i * i) && ids_find(&t, i * i)->first == i);
	check(!ids_find(&t, 3));
	ids_done(&t);
}

/* A hash that was there is never called new; one that was not, hardly ever not. */
static void test_fresh(void **state)
{
	enum { HASHES = 100000 };
	struct fresh f = {0};
	uint32_t taken_for_another = 0;

	(void)state;
	for (uint64_t i = 1; i <= HASHES; i++)
		taken_for_another += !fresh_is(&f, i * 0xD6E8FEB86659FD93u);
	check(taken_for_another <= 1);
	for (uint64_t i = 1; i <= HASHES; i++)
		check_row(i, "seen", !fresh_is(&f, i * 0xD6E8FEB86659FD93u));
	check(fresh_is(&f, 4711));
	fresh_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows_are_sorted), cmocka_unit_test(test_parts_are_all),
					   cmocka_unit_test(test_table_grows), cmocka_unit_test(test_fresh)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
