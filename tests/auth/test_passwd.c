/* Lines in passwd format, whole and otherwise. */
#include "auth/passwd.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

static const struct {
	struct slice line;
	const char *name, *hash, *home; /* name NULL: not such a line */
	uint32_t uid, gid;
} lines[] = {
	{TEXT("bob:$6$salt$hash:1000:100:Bob:/home/bob:/bin/sh"), "bob", "$6$salt$hash", "/home/bob", 1000, 100},
	{TEXT("bob:x:0:0::/:"), "bob", "x", "/", 0, 0},
	{TEXT("bob::4294967294:4294967294:::/"), "bob", "", "", 4294967294, 4294967294},
	{TEXT("bob::4294967294:4294967294::/h:"), "bob", "", "/h", 4294967294, 4294967294},
	{TEXT("b b:h:1:1:g,e:/a b:s\r"), "b b", "h", "/a b", 1, 1},
	{TEXT("bob:h:1:1::/h:/bin/sh:more"), "bob", "h", "/h", 1, 1},
	{TEXT("bob:h:1:1::/h"), NULL, NULL, NULL, 0, 0}, /* cut off: is /h the whole home? */
	{TEXT("bob:h:1:1:"), NULL, NULL, NULL, 0, 0},
	{TEXT("bob"), NULL, NULL, NULL, 0, 0},
	{TEXT(""), NULL, NULL, NULL, 0, 0},
	{TEXT("::::::"), NULL, NULL, NULL, 0, 0},
	{TEXT(":h:1:1::/h:"), NULL, NULL, NULL, 0, 0},
	{TEXT("bob:h:-1:1::/h:"), NULL, NULL, NULL, 0, 0},
	{TEXT("bob:h:4294967295:1::/h:"), NULL, NULL, NULL, 0, 0}, /* -1: no uid */
	{TEXT("bob:h:1:4294967295::/h:"), NULL, NULL, NULL, 0, 0},
	{TEXT("bob:h:4294967296:1::/h:"), NULL, NULL, NULL, 0, 0}, /* is not root */
	{TEXT("bob:h:1x:1::/h:"), NULL, NULL, NULL, 0, 0},
	{TEXT("bob:h:::: /h:"), NULL, NULL, NULL, 0, 0},
	{TEXT("bob:h:1:1::home:"), NULL, NULL, NULL, 0, 0},
	{TEXT("bob:h:1:1:::"), "bob", "h", "", 1, 1}, /* mailbox-pattern says where the mail is */
	{TEXT("bob:h:1:1::/h\0me:"), NULL, NULL, NULL, 0, 0},
	{TEXT("b\0b:h:1:1::/h:"), NULL, NULL, NULL, 0, 0},
	{TEXT("bob:h\t:1:1::/h:"), NULL, NULL, NULL, 0, 0},
	{TEXT("+::::::"), NULL, NULL, NULL, 0, 0},
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(lines); i++) {
		struct passwd_line out = {0};
		bool parsed = passwd_parse(lines[i].line, &out);

		check_row(i, lines[i].line.p, parsed == (lines[i].name != NULL));
		if (!parsed)
			continue;
		check_row(i, lines[i].line.p, slice_eq(out.name, slice_str(lines[i].name)));
		check_row(i, lines[i].line.p, slice_eq(out.hash, slice_str(lines[i].hash)));
		check_row(i, lines[i].line.p, slice_eq(out.home, slice_str(lines[i].home)));
		check_row(i, lines[i].line.p, out.uid == lines[i].uid && out.gid == lines[i].gid);
	}
}

static void test_length(void **state)
{
	static const char head[] = "bob:h:1:1::/";
	char text[PASSWD_LINE_MOST + 1];
	struct passwd_line out;

	(void)state;
	memset(text, 'h', sizeof text);
	memcpy(text, head, sizeof head - 1);
	text[PASSWD_LINE_MOST - 1] = ':';
	check(passwd_parse((struct slice){text, PASSWD_LINE_MOST}, &out));
	check(out.home.n == PASSWD_LINE_MOST - 1 - (sizeof head - 2));
	check(!passwd_parse((struct slice){text, PASSWD_LINE_MOST + 1}, &out));
}

static const struct {
	struct slice line;
	bool blank;
} blanks[] = {
	{TEXT(""), true},          {TEXT("  \t"), true},    {TEXT("\r"), true},       {TEXT("# bob"), true},
	{TEXT(" # bob:h:"), true}, {TEXT("bob:h:"), false}, {TEXT("bob # x"), false}, {TEXT("\r\r"), false},
};

static void test_blank(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(blanks); i++)
		check_row(i, blanks[i].line.p, passwd_is_blank(blanks[i].line) == blanks[i].blank);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_blank),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
