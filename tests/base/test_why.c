/* tests/base/test_why.c - failures, secrets and clocks: the small files of base */
#include "base/why.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "check.h"

/* fail and fail_errno return their code, and write a sentence where one is lent. */
static void test_fail(void **state)
{
	(void)state;
	struct why why;

	for (int err = OK; err < ERR_COUNT; err++) {
		check_row(err, "returns", (fail)(&why, (enum err)err, "open %s", "x") == (enum err)err);
		check_row(err, "text", strcmp(why.text, "open x") == 0);
		check_row(err, "no why", (fail)(NULL, (enum err)err, "open %s", "x") == (enum err)err);
	}
	errno = ENOENT;
	check(fail_errno(&why, ERR_TEMP, "open %s", "x") == ERR_TEMP);
	check(strcmp(why.text, "open x: No such file or directory") == 0);
	check(errno == ENOENT);
	check(fail_errno(NULL, ERR_TEMP, "open %s", "x") == ERR_TEMP && errno == ENOENT);
}

/* Always a C string, cut when too long. */
static void test_fail_cuts(void **state)
{
	(void)state;
	char text[600];
	struct {
		struct why why;
		char guard;
	} w = {.guard = '!'};

	memset(text, 'x', sizeof text);
	for (size_t n = 240; n < 270; n++) {
		errno = EACCES;
		(void)fail_errno(&w.why, ERR_PERM, "%.*s", (int)n, text);
		check_row(n, "ends", strnlen(w.why.text, sizeof w.why.text) < sizeof w.why.text);
		check_row(n, "begins", strncmp(w.why.text, text, n < 255 ? n : 255) == 0);
		(void)(fail)(&w.why, ERR_PERM, "%.*s", (int)n, text);
		check_row(n, "length", strlen(w.why.text) == (n < 255 ? n : 255));
		check_row(n, "guard", w.guard == '!');
	}
}

static const struct {
	struct slice a, b;
	bool same;
} secrets[] = {
	{TEXT(""), TEXT(""), true},
	{TEXT("a"), TEXT(""), false},
	{TEXT(""), TEXT("a"), false},
	{TEXT("secret"), TEXT("secret"), true},
	{TEXT("secret"), TEXT("secreT"), false},
	{TEXT("secret"), TEXT("Secret"), false},
	{TEXT("secretsecret"), TEXT("secret"), false}, /* the kept one is walked round */
	{TEXT("secret"), TEXT("secretsecret"), false},
	{TEXT("aaaa"), TEXT("a"), false},
	{TEXT("a\0b"), TEXT("a\0c"), false},
	{TEXT("\1"), TEXT(""), false},
};

static void test_secret_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(secrets); i++)
		check_row(i, "same", secret_same(secrets[i].a, secrets[i].b) == secrets[i].same);
}

static void test_secret_kept_and_wiped(void **state)
{
	(void)state;
	static const char zeros[SECRET_MOST];
	static char longest[SECRET_MOST + 1];
	struct secret s;

	memset(longest, 'x', sizeof longest);
	check(secret_set(&s, (struct slice){longest, SECRET_MOST}));
	check(slice_eq(secret_slice(&s), (struct slice){longest, SECRET_MOST}));
	check(secret_set(&s, SLICE("pw"))); /* nothing of the longer one stays behind it */
	check(memcmp(s.octets + 2, zeros, SECRET_MOST - 2) == 0);
	check(!secret_set(&s, (struct slice){longest, SECRET_MOST + 1}));
	check(s.n == 0 && memcmp(s.octets, zeros, SECRET_MOST) == 0);
	check(secret_set(&s, SLICE("")) && secret_slice(&s).n == 0);
	check(secret_set(&s, SLICE("pw")));
	secret_wipe(&s);
	check(s.n == 0 && memcmp(s.octets, zeros, SECRET_MOST) == 0);
}

static void test_clocks(void **state)
{
	(void)state;
	uint64_t last = clock_ms();

	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_ms();

		check(now >= last);
		last = now;
	}
	check(clock_wall_ns() > INT64_C(1600000000) * 1000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fail),        cmocka_unit_test(test_fail_cuts),
		cmocka_unit_test(test_secret_same), cmocka_unit_test(test_secret_kept_and_wiped),
		cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
