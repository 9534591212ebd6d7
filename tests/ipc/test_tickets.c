/* tests/ipc/test_tickets.c - keys of tickets: the newest is used, those before it are accepted for their time */
#include "ipc/tickets.h"

#include <string.h>
#include <sys/mman.h>

#include "check.h"

static void test_rotation(void **state)
{
	struct ticket_key seen[20];
	struct region r;
	struct why why;

	(void)state;
	check(region_new(&r, "tickets", sizeof(struct tickets), &why) == OK);
	const struct tickets *t = region_map(&r, false, 0, r.size);

	check(t);
	for (size_t i = 0; i < TABLE_ROWS(seen); i++) {
		check_row(i, why.text, tickets_rotate(&r, &why) == OK);
		seen[i] = *tickets_current(t);
		for (size_t j = 0; j <= i; j++) {
			const struct ticket_key *k = tickets_find(t, seen[j].name);

			check_row(j, "accepted", (k != NULL) == (i - j < TICKETS_ACCEPTED));
			check_row(j, "the same", !k || memcmp(k, &seen[j], sizeof *k) == 0);
			check_row(j, "another", i == j || memcmp(seen[i].aes, seen[j].aes, TICKET_KEY_OCTETS) != 0);
		}
	}
	munmap((void *)t, r.size);
	region_free(&r);
}

/* Before there is one, zeros are nobody's key. */
static void test_none(void **state)
{
	static const struct tickets none;
	static const uint8_t name[TICKET_NAME_OCTETS];

	(void)state;
	check(!tickets_find(&none, name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
