/* tests/base/test_arena.c - ceilings, marks, deferred calls */
#include "base/arena.h"

#include <stdalign.h>
#include <string.h>

#include "check.h"

enum { ROOMY = 1 << 20 };

static const struct {
	size_t ceiling;
	size_t ask;
	bool ok;
} ceilings[] = {
	{4096, 1, true},
	{4096, 4000, true},
	{4096, 4096, false}, /* the book-keeping counts too */
	{4096, 100000, false},
	{4096, SIZE_MAX, false},
	{4096, SIZE_MAX - 8, false},
	{4096, SIZE_MAX / 2, false},
	{ROOMY, 65537, true}, /* larger than the largest block */
	{ROOMY, ROOMY, false},
	{100, 1, true},
	{60, 100, false},
};

static void test_ceiling(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(ceilings); i++) {
		struct arena *a = arena_new(ceilings[i].ceiling);

		check_row(i, "new", a);
		check_row(i, "ask", (arena_zero(a, ceilings[i].ask) != NULL) == ceilings[i].ok);
		check_row(i, "bound", arena_octets(a) <= ceilings[i].ceiling);
		arena_free(a);
	}
	check(!arena_new(8)); /* not even its own book-keeping */
}

/* Whatever the sizes, a client exhausts its own allowance and no more. */
static void test_exhaust(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 16, 100, 480, 1000, 4096};

	for (size_t i = 0; i < TABLE_ROWS(sizes); i++) {
		struct arena *a = arena_new(50000);
		size_t got = 0;

		while (arena_zero(a, sizes[i])) {
			got += sizes[i];
			check_row(i, "bound", arena_octets(a) <= 50000);
		}
		check_row(i, "most of it was usable", sizes[i] < 16 || got > 40000);
		check_row(i, "small ones still fit where large ones do not", sizes[i] < 1000 || arena_zero(a, 16));
		arena_free(a);
	}
}

static void test_zeroed_and_aligned(void **state)
{
	(void)state;
	struct arena *a = arena_new(ROOMY);
	struct arena_mark m = arena_mark(a);

	for (int round = 0; round < 2; round++) { /* the second one sees used memory */
		for (size_t n = 1; n < 700; n += 13) {
			unsigned char *p = arena_zero(a, n);

			check_row(n, "aligned", p && (uintptr_t)p % alignof(max_align_t) == 0);
			for (size_t k = 0; k < n; k++)
				check_row(n, "zero", p[k] == 0);
			memset(p, 0xAA, n);
		}
		arena_release(a, m);
	}
	arena_free(a);
}

static void test_no_overlap(void **state)
{
	(void)state;
	struct arena *a = arena_new(ROOMY);
	char *p[200];

	for (size_t i = 0; i < TABLE_ROWS(p); i++) {
		p[i] = arena_zero(a, i);
		memset(p[i], (int)i, i);
	}
	for (size_t i = 0; i < TABLE_ROWS(p); i++)
		for (size_t k = 0; k < i; k++)
			check_row(i, "kept", p[i][k] == (char)i);
	arena_free(a);
}

static void test_idle_is_small(void **state)
{
	(void)state;
	struct arena *a = arena_new(ROOMY);

	check(arena_octets(a) < 128);
	arena_zero(a, 1);
	check(arena_octets(a) <= 512 + 128);
	arena_free(a);
}

static char order[8];
static size_t steps;

static void note(void *arg)
{
	order[steps++] = *(const char *)arg;
}

/* Last first; a release runs what came after its mark, arena_free the rest; marks nest. */
static void test_deferred(void **state)
{
	(void)state;
	struct arena *a = arena_new(ROOMY);

	steps = 0;
	memset(order, 0, sizeof order);
	check(arena_defer(a, note, "a"));
	check(arena_defer(a, note, "b"));
	struct arena_mark outer = arena_mark(a);
	check(arena_defer(a, note, "c"));
	struct arena_mark inner = arena_mark(a);
	check(arena_defer(a, note, "d"));
	arena_release(a, inner);
	check(strcmp(order, "d") == 0);
	arena_release(a, inner);
	check(strcmp(order, "d") == 0);
	arena_release(a, outer);
	check(strcmp(order, "dc") == 0);
	arena_free(a);
	check(strcmp(order, "dcba") == 0);
}

static void test_defer_without_room(void **state)
{
	(void)state;
	struct arena *a = arena_new(64);

	steps = 0;
	check(!arena_defer(a, note, "a"));
	arena_free(a);
	check(steps == 0);
}

static void test_marks_give_back(void **state)
{
	(void)state;
	struct arena *a = arena_new(ROOMY);
	char *kept = arena_str(a, SLICE("kept"));
	struct arena_mark m = arena_mark(a);
	size_t octets = arena_octets(a);

	for (int i = 0; i < 1000; i++) { /* far more than the ceiling, command by command */
		check(arena_zero(a, 10000) && arena_zero(a, 10));
		arena_release(a, m);
		check(arena_octets(a) == octets);
	}
	check(strcmp(kept, "kept") == 0);
	arena_free(a);
}

/* All that secrets passed through is overwritten, in every block. */
static void test_wipe(void **state)
{
	(void)state;
	struct arena *a = arena_new(ROOMY);
	char *p[50];

	steps = 0;
	check(arena_defer(a, note, "a"));
	for (size_t i = 0; i < TABLE_ROWS(p); i++) {
		p[i] = arena_zero(a, 1000);
		memset(p[i], 's', 1000);
	}
	arena_wipe(a);
	check(steps == 1); /* what was deferred ran before, on whole data */
	for (size_t i = 0; i < TABLE_ROWS(p); i++)
		for (size_t k = 0; k < 1000; k++)
			check_row(i, "wiped", p[i][k] == 0);
	arena_free(a);
	check(steps == 1);
}

static void test_str(void **state)
{
	(void)state;
	struct arena *a = arena_new(ROOMY);
	const char *s = arena_str(a, (struct slice){"bobby", 3});

	check(s && strcmp(s, "bob") == 0);
	s = arena_str(a, (struct slice){0});
	check(s && *s == '\0');
	check(!arena_str(a, (struct slice){"", SIZE_MAX}));
	arena_free(a);
	arena_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_exhaust),
		cmocka_unit_test(test_zeroed_and_aligned),
		cmocka_unit_test(test_no_overlap),
		cmocka_unit_test(test_idle_is_small),
		cmocka_unit_test(test_deferred),
		cmocka_unit_test(test_defer_without_room),
		cmocka_unit_test(test_marks_give_back),
		cmocka_unit_test(test_str),
		cmocka_unit_test(test_wipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
