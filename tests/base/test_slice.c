/* tests/base/test_slice.c - slices and bounded buffers */
#include "base/slice.h"

#include <string.h>
#include <strings.h>

#include "check.h"

static const struct {
	const char *in;
	bool ok32, ok64;
	uint64_t n;
} numbers[] = {
	{"0", true, true, 0},
	{"1", true, true, 1},
	{"007", true, true, 7},
	{"4294967295", true, true, UINT32_MAX},
	{"4294967296", false, true, 4294967296U},
	{"4294967297", false, true, 4294967297U}, /* is not message 1 */
	{"18446744073709551615", false, true, UINT64_MAX},
	{"18446744073709551616", false, false, 0},
	{"18446744073709551617", false, false, 0},
	{"99999999999999999999999999", false, false, 0},
	{"", false, false, 0},
	{"1 ", false, false, 0},
	{" 1", false, false, 0},
	{"+1", false, false, 0},
	{"-1", false, false, 0},
	{"1x", false, false, 0},
	{"0x10", false, false, 0},
	{"1\xb2", false, false, 0},
	{"/", false, false, 0},
	{":", false, false, 0},
};

static void test_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(numbers); i++) {
		uint32_t n32 = 77;
		uint64_t n64 = 77;

		check_row(i, numbers[i].in, slice_u32(slice_str(numbers[i].in), &n32) == numbers[i].ok32);
		check_row(i, numbers[i].in, n32 == (numbers[i].ok32 ? numbers[i].n : 77));
		check_row(i, numbers[i].in, slice_u64(slice_str(numbers[i].in), &n64) == numbers[i].ok64);
		check_row(i, numbers[i].in, n64 == (numbers[i].ok64 ? numbers[i].n : 77));
	}
}

static const struct {
	const char *a, *b;
	bool same, same_nocase, starts; /* a starts with b */
} pairs[] = {
	{"", "", true, true, true},           {"a", "", false, false, true},
	{"", "a", false, false, false},       {"USER", "USER", true, true, true},
	{"USER", "user", false, true, false}, {"USER", "USE", false, false, true},
	{"USE", "USER", false, false, false}, {"\xc4", "\xe4", false, false, false}, /* ASCII letters only */
	{"[", "{", false, false, false},      {"@", "`", false, false, false},
};

static void test_compare(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(pairs); i++) {
		struct slice a = slice_str(pairs[i].a), b = slice_str(pairs[i].b);

		check_row(i, pairs[i].a, slice_eq(a, b) == pairs[i].same);
		check_row(i, pairs[i].a, slice_eq_nocase(a, b) == pairs[i].same_nocase);
		check_row(i, pairs[i].a, slice_starts(a, b) == pairs[i].starts);
	}
}

/* With octets of any kind at each place of a name. */
static void test_starts_nocase(void **state)
{
	char line[] = "x-uidl: 1";

	(void)state;
	check(slice_starts_nocase(SLICE("x-UiDl: 1"), SLICE("X-Uidl:")) &&
	      !slice_starts_nocase(SLICE("x-uid"), SLICE("X-Uidl:")));
	check(slice_starts_nocase(SLICE(""), SLICE("")) && slice_starts_nocase(SLICE("aB"), SLICE("Ab")));
	for (size_t i = 0; i < strlen("x-uidl:"); i++) {
		const char was = line[i];

		for (int c = 0; c <= UINT8_MAX; c++) {
			line[i] = (char)c;
			check_row(c, line,
				  slice_starts_nocase(slice_str(line), SLICE("X-UIDL:")) ==
					  (c > 0 && strncasecmp(line, "X-UIDL:", 7) == 0));
		}
		line[i] = was;
	}
}

static void test_compare_counts_nul(void **state)
{
	(void)state;
	check(!slice_eq(SLICE("a\0b"), SLICE("a\0c")));
	check(slice_eq(SLICE("a\0b"), SLICE("a\0b")));
}

static const struct {
	const char *in;
	char sep;
	const char *taken, *rest;
} takes[] = {
	{"USER bob", ' ', "USER", "bob"},
	{"USER", ' ', "USER", ""},
	{"USER ", ' ', "USER", ""},
	{" USER", ' ', "", "USER"},
	{"PASS  two blanks", ' ', "PASS", " two blanks"},
	{"", ' ', "", ""},
	{":::", ':', "", "::"},
};

static void test_take(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(takes); i++) {
		struct slice rest = slice_str(takes[i].in);
		struct slice taken = slice_take(&rest, takes[i].sep);

		check_row(i, takes[i].in, slice_eq(taken, slice_str(takes[i].taken)));
		check_row(i, takes[i].in, slice_eq(rest, slice_str(takes[i].rest)));
	}
}

static const struct {
	const char *in, *out;
} trims[] = {
	{"", ""}, {" ", ""}, {"\t \t", ""}, {"a", "a"}, {" a ", "a"}, {"\ta b\t", "a b"}, {"\na\r", "\na\r"},
};

static void test_trim(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(trims); i++)
		check_row(i, trims[i].in, slice_eq(slice_trim(slice_str(trims[i].in)), slice_str(trims[i].out)));
}

static const struct {
	struct slice in;
	size_t cap;
	bool ok;
	const char *out;
} cstrs[] = {
	{TEXT(""), 1, true, ""},     {TEXT("abc"), 4, true, "abc"},
	{TEXT("abc"), 3, false, ""}, {TEXT("a\0c"), 9, false, ""}, /* a path must not end early */
	{TEXT("\0"), 9, false, ""},  {{NULL, 0}, 2, true, ""},
};

static void test_cstr(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(cstrs); i++) {
		char dst[10] = "untouched";

		check_row(i, cstrs[i].out, slice_cstr(cstrs[i].in, dst, cstrs[i].cap) == cstrs[i].ok);
		check_row(i, cstrs[i].out, strcmp(dst, cstrs[i].out) == 0);
	}
	check(!slice_cstr(SLICE(""), NULL, 0)); /* no room for the NUL, and none is written */
}

static void test_null_is_empty(void **state)
{
	(void)state;
	struct slice null = slice_str(NULL);

	check(null.n == 0);
	check(slice_eq(null, SLICE("")));
	check(slice_eq_nocase(null, SLICE("")));
	check(slice_starts(null, null));
	check(slice_find(null, 'x') == 0);
	check(slice_trim(null).n == 0);
	check(slice_take(&null, ' ').n == 0 && null.n == 0);
}

static void test_find(void **state)
{
	(void)state;
	check(slice_find(SLICE("a\0b"), 'b') == 2);
	check(slice_find(SLICE("abc"), 'x') == 3);
	check(slice_find((struct slice){"abc", 2}, 'c') == 2); /* never behind the end */
}

static const struct {
	uint64_t n;
	const char *out;
} decimals[] = {
	{0, "0"}, {9, "9"}, {10, "10"}, {4294967296U, "4294967296"}, {UINT64_MAX, "18446744073709551615"},
};

static void test_buf_u64(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(decimals); i++) {
		char text[32];
		struct buf b = BUF(text);

		buf_u64(&b, decimals[i].n);
		check_row(i, decimals[i].out, !b.full && slice_eq(buf_slice(&b), slice_str(decimals[i].out)));
	}
}

/* Appends are all or nothing, and nothing follows one that did not fit. */
static void test_buf_full(void **state)
{
	(void)state;
	char text[5];
	struct buf b = {.p = text, .cap = 4}; /* the fifth octet is a guard */

	text[4] = '!';
	buf_str(&b, "abc");
	buf_put(&b, SLICE(""));
	check(!b.full && b.len == 3);
	buf_str(&b, "de");
	check(b.full && b.len == 3);
	buf_char(&b, 'd'); /* would fit */
	check(b.full && slice_eq(buf_slice(&b), SLICE("abc")));
	buf_rewind(&b, 2);
	buf_u64(&b, 42);
	check(!b.full && slice_eq(buf_slice(&b), SLICE("ab42")));
	buf_char(&b, 'x');
	check(b.full && b.len == 4 && text[4] == '!');
}

static void test_buf_without_room(void **state)
{
	(void)state;
	struct buf b = {0};

	buf_put(&b, (struct slice){0});
	check(!b.full);
	buf_u64(&b, 0);
	check(b.full && b.len == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),       cmocka_unit_test(test_compare),
		cmocka_unit_test(test_starts_nocase), cmocka_unit_test(test_compare_counts_nul),
		cmocka_unit_test(test_take),          cmocka_unit_test(test_trim),
		cmocka_unit_test(test_cstr),          cmocka_unit_test(test_null_is_empty),
		cmocka_unit_test(test_find),          cmocka_unit_test(test_buf_u64),
		cmocka_unit_test(test_buf_full),      cmocka_unit_test(test_buf_without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
