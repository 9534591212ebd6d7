/* tests/front/test_sids.c - numbers of logins: none twice, none that was not given, and all found again */
#include "front/sids.h"

#include <stdlib.h>

#include "check.h"
#include "front/session.h"

enum { MANY = 1000, SERIAL = 7 };

static const uint32_t key[4] = {1, 2, 3, 4};
static struct session session[MANY];

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_numbers(void **state)
{
	struct sids s;
	uint64_t sid[MANY];

	(void)state;
	check(sids_init(&s, SERIAL, key));
	for (unsigned i = 0; i < MANY; i++) {
		sids_give(&s, &session[i]);
		sid[i] = session[i].sid;
		check(sid[i] >> 32 == SERIAL && sids_was_given(&s, sid[i]));
	}
	for (unsigned i = 0; i < MANY; i++)
		check(sids_find(&s, sid[i]) == &session[i]);
	for (unsigned i = 0; i < MANY; i += 2)
		sids_take(&s, &session[i]);
	for (unsigned i = 0; i < MANY; i++) {
		check(sids_find(&s, sid[i]) == (i % 2 ? &session[i] : NULL));
		check(sids_was_given(&s, sid[i]));
	}
	qsort(sid, MANY, sizeof sid[0], by_value);
	for (unsigned i = 1; i < MANY; i++)
		check(sid[i] != sid[i - 1]);
	sids_done(&s);
}

static void test_guesses(void **state)
{
	struct sids s;
	unsigned right = 0;

	(void)state;
	check(sids_init(&s, SERIAL, key));
	sids_give(&s, &session[0]);
	for (uint32_t low = 0; low < 100000; low++)
		right += sids_was_given(&s, (uint64_t)SERIAL << 32 | low);
	check(right == ((uint32_t)session[0].sid < 100000));            /* itself, perhaps */
	check(!sids_was_given(&s, session[0].sid ^ (uint64_t)1 << 32)); /* of another front */
	sids_done(&s);
}

/* The counter comes round: a number that is in use is skipped. */
static void test_round(void **state)
{
	struct sids s;

	(void)state;
	check(sids_init(&s, SERIAL, key));
	sids_give(&s, &session[0]);
	s.counter = UINT32_MAX;
	sids_give(&s, &session[1]);
	sids_give(&s, &session[2]);
	check(session[1].sid != session[0].sid && session[2].sid != session[0].sid && session[2].sid != session[1].sid);
	check(sids_was_given(&s, (uint64_t)SERIAL << 32 | 12345)); /* long ago */
	sids_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_guesses),
		cmocka_unit_test(test_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
