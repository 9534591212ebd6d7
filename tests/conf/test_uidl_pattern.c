/* tests/conf/test_uidl_pattern.c - Dovecot's patterns of unique-ids */
#include "conf/uidl_pattern.h"

#include <string.h>

#include "check.h"

static const struct {
	const char *pattern;
	bool is, numbers;
	const char *uidl; /* of message 26 of validity 1795886953; NULL: it lacks something */
} patterns[] = {
	{"%08Xu%08Xv", true, true, "0000001a6b0b0f69"},
	{"%08xv%08xu", true, true, "6b0b0f690000001a"},
	{"%u.%v", true, true, "26.1795886953"},
	{"UID%u-%v", true, true, "UID26-1795886953"},
	{"%Xu", true, true, "1a"},
	{"%04u", true, true, "0026"},
	{"%u%%", true, true, "26%"},
	{"%f", true, false, "1.M1P1.h"},
	{"%m", true, false, "d41d8cd98f00b204e9800998ecf8427e"},
	{"%g", true, false, NULL},
	{"", false, false, ""},
	{"x", false, false, "x"},
	{"%v", false, true, "1795886953"}, /* one for all messages */
	{"%%", false, false, "%"},
	{"%", false, false, NULL},
	{"%08X", false, false, NULL},
	{"%08Xf", false, false, NULL},
	{"%q", false, false, NULL},
	{"%99999999999999999999u", false, false, NULL},
	{"a b%u", false, false, NULL},
	{"%{uid}", false, false, NULL},
};

static void test_patterns(void **state)
{
	static const struct uidl_facts facts = {
		26, 1795886953, {"d41d8cd98f00b204e9800998ecf8427e", 32}, {"1.M1P1.h", 8}, {NULL, 0}};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(patterns); i++) {
		struct slice pattern = slice_str(patterns[i].pattern);
		char text[64];
		struct buf b = BUF(text);
		bool numbers;

		check_row(i, patterns[i].pattern, uidl_pattern_is(pattern, &numbers) == patterns[i].is);
		if (!patterns[i].is)
			continue;
		check_row(i, patterns[i].pattern, numbers == patterns[i].numbers);
		check_row(i, patterns[i].pattern, uidl_pattern_put(&b, pattern, &facts) == (patterns[i].uidl != NULL));
		check_row(i, patterns[i].pattern,
			  !patterns[i].uidl || slice_eq(buf_slice(&b), slice_str(patterns[i].uidl)));
	}
}

/* What does not fit is none. */
static void test_full(void **state)
{
	char text[8];
	struct buf b = BUF(text);

	(void)state;
	check(!uidl_pattern_put(&b, SLICE("%08Xu%08Xv"), &(struct uidl_facts){1, 1, {0}, {0}, {0}}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns), cmocka_unit_test(test_full)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
