/* tests/front/test_commands.c - the command table: verbs, and what stands behind them */
#include "front/commands.h"

#include "check.h"

#define BAD "Invalid arguments"
#define NONE "No such message"

static const struct {
	enum arg shape;
	const char *in;
	const char *wrong; /* NULL: nothing */
	uint32_t msgno, lines;
	const char *text; /* NULL: not looked at */
} arguments[] = {
	{ARG_NONE, "", NULL, 0, 0, NULL},
	{ARG_NONE, " \t", NULL, 0, 0, NULL},
	{ARG_NONE, "x", BAD, 0, 0, NULL},
	{ARG_NAME, "bob", NULL, 0, 0, "bob"},
	{ARG_NAME, "  bob\t", NULL, 0, 0, "bob"},
	{ARG_NAME, "", BAD, 0, 0, NULL},
	{ARG_NAME, "b b", BAD, 0, 0, NULL},
	{ARG_VERBATIM, " a  b ", NULL, 0, 0, " a  b "},
	{ARG_VERBATIM, "", NULL, 0, 0, ""},
	{ARG_MSG, "1", NULL, 1, 0, NULL},
	{ARG_MSG, " 9 ", NULL, 9, 0, NULL},
	{ARG_MSG, "0009", NULL, 9, 0, NULL},
	{ARG_MSG, "", BAD, 0, 0, NULL},
	{ARG_MSG, "0", NONE, 0, 0, NULL},
	{ARG_MSG, "10", NONE, 0, 0, NULL},
	{ARG_MSG, "4294967297", NONE, 0, 0, NULL},           /* 2^32 + 1 is not 1 */
	{ARG_MSG, "18446744073709551617", NONE, 0, 0, NULL}, /* nor is 2^64 + 1 */
	{ARG_MSG, "1x", BAD, 0, 0, NULL},
	{ARG_MSG, "-1", BAD, 0, 0, NULL},
	{ARG_MSG, "+1", BAD, 0, 0, NULL},
	{ARG_MSG, "0x1", BAD, 0, 0, NULL},
	{ARG_MSG, "1 1", BAD, 0, 0, NULL},
	{ARG_MSG, "3", "Message has been deleted", 0, 0, NULL},
	{ARG_MSG_OPT, "", NULL, 0, 0, NULL},
	{ARG_MSG_OPT, " ", NULL, 0, 0, NULL},
	{ARG_MSG_OPT, "2", NULL, 2, 0, NULL},
	{ARG_MSG_OPT, "x", BAD, 0, 0, NULL},
	{ARG_MSG_LINES, "2 0", NULL, 2, 0, NULL},
	{ARG_MSG_LINES, " 2 \t 4294967295 ", NULL, 2, UINT32_MAX, NULL},
	{ARG_MSG_LINES, "2", BAD, 0, 0, NULL},
	{ARG_MSG_LINES, "2 -1", BAD, 0, 0, NULL},
	{ARG_MSG_LINES, "2 4294967296", BAD, 0, 0, NULL},
	{ARG_MSG_LINES, "2 1 1", BAD, 0, 0, NULL},
	{ARG_MSG_LINES, "99 x", BAD, 0, 0, NULL}, /* no question for message 99 */
	{ARG_MSG_LINES, "99 1", NONE, 0, 0, NULL},
	{ARG_MSG_LINES, "3 1", "Message has been deleted", 0, 0, NULL},
};

static void test_arguments(void **state)
{
	uint8_t bits[2] = {1 << 2, 0}; /* message 3 */
	struct view view = {.count = 9, .bits = bits, .deleted = 1};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(arguments); i++) {
		const char *in = arguments[i].in;
		struct args a;
		const char *wrong = args_parse(arguments[i].shape, slice_str(in), &view, &a);

		check_row(i, in, slice_eq(slice_str(wrong), slice_str(arguments[i].wrong)));
		if (wrong)
			continue;
		check_row(i, in, a.msgno == arguments[i].msgno && a.lines == arguments[i].lines);
		check_row(i, in, !arguments[i].text || slice_eq(a.text, slice_str(arguments[i].text)));
	}
}

static const struct {
	struct slice in;
	const char *verb; /* NULL: there is none */
} verbs[] = {
	{TEXT("USER"), "USER"}, {TEXT("quit"), "QUIT"}, {TEXT("Uidl"), "UIDL"}, {TEXT("US"), NULL},
	{TEXT("USERS"), NULL},  {TEXT(""), NULL},       {TEXT("QUIT\0"), NULL}, {TEXT("STLS"), "STLS"},
	{TEXT("XAPOP"), NULL},  {TEXT("XTND"), NULL},   {TEXT("LAST"), NULL},
};

static void test_verbs(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(verbs); i++) {
		const struct command *c = command_find(verbs[i].in);

		check_row(i, verbs[i].in.p, slice_eq(slice_str(c ? c->verb : NULL), slice_str(verbs[i].verb)));
	}
}

/* The longest name that auth will hear of. */
static void test_long_name(void **state)
{
	static char name[NAME_MOST + 1];
	struct view view = {.count = 0};
	struct args a;

	(void)state;
	for (size_t i = 0; i < sizeof name; i++)
		name[i] = 'a';
	check(!args_parse(ARG_NAME, (struct slice){name, NAME_MOST}, &view, &a));
	check(args_parse(ARG_NAME, (struct slice){name, NAME_MOST + 1}, &view, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_long_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
