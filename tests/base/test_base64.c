/* tests/base/test_base64.c - the vectors of RFC 4648, section 10, and what is no base64 */
#include "base/base64.h"

#include <string.h>

#include "check.h"

static const struct {
	const char *text;
	struct slice octets;
} pairs[] = {
	{"", TEXT("")},
	{"Zg==", TEXT("f")},
	{"Zm8=", TEXT("fo")},
	{"Zm9v", TEXT("foo")},
	{"Zm9vYg==", TEXT("foob")},
	{"Zm9vYmE=", TEXT("fooba")},
	{"Zm9vYmFy", TEXT("foobar")},
	{"AAAA", TEXT("\0\0\0")},
	{"+/+/", TEXT("\xFB\xFF\xBF")},
	{"AGFsaWNlAGFwdw==", TEXT("\0alice\0apw")},
};

static const char *const broken[] = {
	"Z",    "Zg",   "Zg=",      "Zm9",  "Zm9vYg", "=",      "====", "Z===", "=g==",     "Zg=a",
	"Zh==", "Zm9=", "Zg==Zg==", "Zm9 ", "Zm\n9",  "Zm9v\n", " Zm9", "Zm-_", "Zm9v====", "\x80m9v",
};

static void test_pairs(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(pairs); i++) {
		char out[64], text[64];
		struct buf b = BUF(text);
		size_t n = 99;

		check_row(i, pairs[i].text, base64_decode(slice_str(pairs[i].text), out, &n));
		check_row(i, pairs[i].text, slice_eq((struct slice){out, n}, pairs[i].octets));
		base64_encode(&b, pairs[i].octets);
		check_row(i, pairs[i].text, slice_eq(buf_slice(&b), slice_str(pairs[i].text)));
	}
}

static void test_broken(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(broken); i++) {
		char out[64];
		size_t n;

		check_row(i, broken[i], !base64_decode(slice_str(broken[i]), out, &n));
	}
}

/* Where it stands, as front does it. */
static void test_in_place(void **state)
{
	char text[] = "Zm9vYmFyZm9vYmE=";
	size_t n;

	(void)state;
	check(base64_decode(slice_str(text), text, &n) && n == 11 && memcmp(text, "foobarfooba", 11) == 0);
}

/* Into a place of its own, which may be too small. */
static void test_take(void **state)
{
	unsigned char out[4];

	(void)state;
	check(base64_take(SLICE("Zm9vYg=="), out, 4) == 4 && memcmp(out, "foob", 4) == 0);
	check(base64_take(SLICE("Zm9vYg=="), out, 3) == 0);
	check(base64_take(SLICE("Zm9v"), out, 3) == 3);
	check(base64_take(SLICE(""), out, 4) == 0 && base64_take(SLICE("="), out, 4) == 0 &&
	      base64_take(SLICE("Zg"), out, 4) == 0);
}

/* The other alphabet: no padding, and none of the first. */
static void test_url(void **state)
{
	static const struct {
		const char *text;
		struct slice octets;
	} urls[] = {
		{"Zg", TEXT("f")},        {"Zm8", TEXT("fo")}, {"Zm9v", TEXT("foo")}, {"-_-_", TEXT("\xFB\xFF\xBF")},
		{"Zm9vYg", TEXT("foob")}, {"", TEXT("")},      {"Zg==", TEXT("")},    {"Z", TEXT("")},
		{"Zm9vY", TEXT("")},      {"+/+/", TEXT("")},  {"Zh", TEXT("")},      {"Zm9=", TEXT("")},
		{"Zm 9", TEXT("")},       {"Z=", TEXT("")},    {"Zm9vYmE", TEXT("")}, /* has no room */
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(urls); i++) {
		unsigned char out[4];
		size_t n = base64url_take(slice_str(urls[i].text), out, sizeof out);

		check_row(i, urls[i].text, slice_eq((struct slice){(const char *)out, n}, urls[i].octets));
	}
}

static void test_no_room(void **state)
{
	char text[10] = "ab";
	struct buf b = {.p = text, .len = 2, .cap = 9};

	(void)state;
	base64_encode(&b, SLICE("foobar"));
	check(b.full && b.len == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs),    cmocka_unit_test(test_broken),
					   cmocka_unit_test(test_in_place), cmocka_unit_test(test_take),
					   cmocka_unit_test(test_url),      cmocka_unit_test(test_no_room)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
