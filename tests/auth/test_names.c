/* What may be a user and a domain: nothing that leads out of the directory, nothing that an editor left there. */
#include "auth/names.h"

#include <string.h>

#include "check.h"

static const struct {
	struct slice login;
	const char *user, *domain; /* NULL: there is no domain */
} splits[] = {
	{TEXT("bob@example.com"), "bob", "example.com"},
	{TEXT("bob:example.com"), "bob", "example.com"},
	{TEXT("bob!example.com"), "bob", "example.com"},
	{TEXT("bob!a@b"), "bob", "a@b"}, /* the first one counts */
	{TEXT("bob@a:b"), "bob", "a:b"},
	{TEXT("bob@"), "bob", ""},
	{TEXT("@example.com"), "", "example.com"},
	{TEXT("bob"), "bob", NULL},
	{TEXT(""), "", NULL},
};

static void test_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(splits); i++) {
		struct slice user = splits[i].login, domain = {0};
		bool split = name_split(splits[i].login, &user, &domain);

		check_row(i, splits[i].login.p, split == (splits[i].domain != NULL));
		check_row(i, splits[i].login.p, slice_eq(user, slice_str(splits[i].user)));
		check_row(i, splits[i].login.p, slice_eq(domain, slice_str(splits[i].domain)));
	}
}

static const struct {
	struct slice name;
	bool user, domain;
} names[] = {
	{TEXT("bob"), true, true},
	{TEXT("example.com"), true, true},
	{TEXT("127.0.0.1"), true, true},
	{TEXT("xn--bcher-kva.example"), true, true},
	{TEXT("b\xc3\xbc"
	      "cher.example"),
	 true, true},
	{TEXT("a_b-c.d"), true, true},
	{TEXT("bob+lists"), true, false},
	{TEXT("bob smith"), true, false},
	{TEXT("o'brien"), true, false},
	{TEXT("example.com~"), true, false}, /* what an editor leaves */
	{TEXT("#example.com#"), true, false},
	{TEXT(".example.com.swp"), false, false},
	{TEXT("a@b"), true, false},
	{TEXT(""), false, false},
	{TEXT("."), false, false},
	{TEXT(".."), false, false},
	{TEXT("..."), false, false},
	{TEXT(".hidden"), false, false},
	{TEXT("../shadow"), false, false},
	{TEXT("a/b"), false, false},
	{TEXT("/etc/shadow"), false, false},
	{TEXT("a/../b"), false, false},
	{TEXT("a..b"), false, false},
	{TEXT("a\0b"), false, false},
	{TEXT("a\nb"), false, false},
	{TEXT("a\rb"), false, false},
	{TEXT("a\tb"), false, false},
	{TEXT("a\x7f"), false, false},
	{TEXT("\x1b[2J"), false, false},
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(names); i++) {
		check_row(i, names[i].name.p, name_is_user(names[i].name) == names[i].user);
		check_row(i, names[i].name.p, name_is_domain(names[i].name) == names[i].domain);
	}
}

static void test_length(void **state)
{
	char text[300];

	(void)state;
	memset(text, 'a', sizeof text);
	check(name_is_user((struct slice){text, 255}) && name_is_domain((struct slice){text, 255}));
	check(!name_is_user((struct slice){text, 256}) && !name_is_domain((struct slice){text, 256}));
}

static const struct {
	struct slice text;
	bool clean;
} credentials[] = {
	{TEXT(""), true},     {TEXT("pass word"), true}, {TEXT("\x01\x7f\xff\t"), true}, {TEXT("a\rb"), false},
	{TEXT("a\n"), false}, {TEXT("\0"), false},       {TEXT("secret\0"), false},
};

static void test_credentials(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(credentials); i++)
		check_row(i, credentials[i].text.p, credential_is_clean(credentials[i].text) == credentials[i].clean);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
