/* tests/front/test_reply.c - the lines of listings */
#include "front/reply.h"

#include "check.h"
#include "front/view.h"

#define UIDL_LONGEST "1234567890123456789012345678901234567890123456789012345678901234567890"

static const struct {
	const char *before;
	uint32_t msgno;
	uint64_t octets;
	uint32_t lines;
	const char *uidl;
	const char *scan, *with_lines, *uidls;
} facts[] = {
	{"", 1, 0, 0, "!", "1 0\r\n", "1 0 0\r\n", "1 !\r\n"},
	{"", 9, 9, 9, "a", "9 9\r\n", "9 9 9\r\n", "9 a\r\n"},
	{"", 10, 10, 10, "a", "10 10\r\n", "10 10 10\r\n", "10 a\r\n"},
	{"", 99, 99, 99, "a", "99 99\r\n", "99 99 99\r\n", "99 a\r\n"},
	{"", 100, 1000, 100, "a", "100 1000\r\n", "100 1000 100\r\n", "100 a\r\n"},
	{"+OK ", 2, 120, 3, "abc", "+OK 2 120\r\n", "+OK 2 120 3\r\n", "+OK 2 abc\r\n"},
	{"+OK ", UINT32_MAX, UINT64_MAX, UINT32_MAX, UIDL_LONGEST, "+OK 4294967295 18446744073709551615\r\n",
	 "+OK 4294967295 18446744073709551615 4294967295\r\n", "+OK 4294967295 " UIDL_LONGEST "\r\n"},
	{"", 1, UINT64_C(9999999999999999999), 1, "a", "1 9999999999999999999\r\n", "1 9999999999999999999 1\r\n",
	 "1 a\r\n"},
	{"", 1, UINT64_C(10000000000000000000), 1, "a", "1 10000000000000000000\r\n", "1 10000000000000000000 1\r\n",
	 "1 a\r\n"},
};

static bool is_text(const struct buf *b, const char *text)
{
	return slice_eq(buf_slice(b), slice_str(text));
}

static void test_lines(void **state)
{
	char room[200];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(facts); i++) {
		struct message m = {
			.octets = facts[i].octets, .lines = facts[i].lines, .uidl = slice_str(facts[i].uidl)};
		struct slice before = slice_str(facts[i].before);
		struct buf b = BUF(room);

		check(reply_scan_line(&b, before, facts[i].msgno, &m, false));
		check_row(i, facts[i].scan, is_text(&b, facts[i].scan));
		b.len = 0;
		check(reply_scan_line(&b, before, facts[i].msgno, &m, true));
		check_row(i, facts[i].with_lines, is_text(&b, facts[i].with_lines));
		b.len = 0;
		check(reply_uidl_line(&b, before, facts[i].msgno, &m));
		check_row(i, facts[i].uidls, is_text(&b, facts[i].uidls));
	}
}

/* With less and less room, a line is there as a whole, or nothing of it is; and nothing behind the buffer. */
static void test_room(void **state)
{
	const struct message longest = {.octets = UINT64_MAX, .lines = UINT32_MAX, .uidl = SLICE(UIDL_LONGEST)};
	bool refused = false;

	(void)state;
	for (size_t cap = 200; cap > 0; cap--) {
		char *room = malloc(cap); /* of its own, so that a sanitizer sees its end */
		struct buf b = {.p = room, .cap = cap};

		check(room);
		for (size_t before = 0; reply_uidl_line(&b, SLICE("+OK "), UINT32_MAX, &longest); before = b.len)
			check(b.len == before + strlen("+OK 4294967295 " UIDL_LONGEST "\r\n"));
		refused |= b.len == 0;
		b.len = 0;
		if (reply_scan_line(&b, SLICE("+OK "), UINT32_MAX, &longest, true))
			check(is_text(&b, "+OK 4294967295 18446744073709551615 4294967295\r\n"));
		else
			check(b.len == 0);
		free(room);
	}
	check(refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_room)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
