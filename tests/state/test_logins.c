/* tests/state/test_logins.c - records of last logins: how they are read, and when a login comes too soon */
#include "state/logins.h"

#include "check.h"

static const struct {
	const char *text;
	bool ok;
	uint64_t at;
} records[] = {
	{"1795382279", true, 1795382279}, /* as Mailutils writes them */
	{"0x6b034fc7", true, 0x6b034fc7},
	{"010", true, 8},
	{" 7", true, 7},
	{"0", true, 0},
	{"", false, 0},
	{"7 ", false, 0},
	{"7x", false, 0},
	{"x", false, 0},
	{"18446744073709551616", false, 0},
	{"000000000000000000000000000000000000000000000000000000000000007", true, 7},
	{"0000000000000000000000000000000000000000000000000000000000000007", false, 0}, /* 64 octets */
};

static void test_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(records); i++) {
		uint64_t at = 0;
		bool ok = login_time_parse(slice_str(records[i].text), &at);

		check_row(i, records[i].text, ok == records[i].ok && (!ok || at == records[i].at));
	}
}

static const struct {
	const char *what;
	uint64_t last, now, delay;
	bool too_soon;
} logins[] = {
	{"no record", 0, 1000, 60, false},
	{"in the same second", 1000, 1000, 60, true},
	{"a second too soon", 1000, 1059, 60, true},
	{"when the interval is over", 1000, 1060, 60, false},
	{"the clock was set back a little", 1030, 1000, 60, true},
	{"or so far that nobody can wait for it", 2000, 1000, 60, false},
	{"the largest record", UINT64_MAX, 1000, 60, false},
};

static void test_too_soon(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(logins); i++)
		check_row(i, logins[i].what,
			  login_is_too_soon(logins[i].last, logins[i].now, logins[i].delay) == logins[i].too_soon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_too_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
