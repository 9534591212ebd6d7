/* tests/store/test_names.c - what is read out of a Maildir's file names, and out of mailbox URLs */
#include <string.h>

#include "store/maildir_name.h"
#include "store/url.h"

#include "check.h"

#define LAST UINT64_MAX

static const struct {
	const char *name, *stable;
	uint64_t number, m, q, stored, wire;
} names[] = {
	{"1767600000.M12P34Q5.host", "1767600000.M12P34Q5.host", 1767600000, 12, 5, LAST, LAST},
	{"1767600000.M12P34.host:2,", "1767600000.M12P34.host", 1767600000, 12, 0, LAST, LAST},
	{"1767600000.M12P34.host,S=100,W=110:2,RS", "1767600000.M12P34.host", 1767600000, 12, 0, 100, 110},
	{"1767600000.M12P34.host,a=O,u=7:2,S", "1767600000.M12P34.host", 1767600000, 12, 0, LAST, LAST},
	{"1.M1.h,S=1,X=2,W=3", "1.M1.h,X=2", 1, 1, 0, 1, 3},
	{"1.M1.h,S=,W=x,u=,b=1,a=1", "1.M1.h,S=,W=x,u=,b=1,a=1", 1, 1, 0, LAST, LAST},
	{"1.V0000000000000803I0000000000A0B3D1M77P8Q9R.h", "1.V0000000000000803I0000000000A0B3D1M77P8Q9R.h", 1, 77, 9,
	 LAST, LAST},
	{"1234.5678_3.host", "1234.5678_3.host", 1234, 0, 0, LAST, LAST},
	{"a.b:2,S", "a.b", 0, 0, 0, LAST, LAST},
	{"a:1,x", "a:1,x", 0, 0, 0, LAST, LAST},
	{"a:2,S:2,S", "a", 0, 0, 0, LAST, LAST},
	{":2,S", "", 0, 0, 0, LAST, LAST},
	{",S=1", "", 0, 0, 0, 1, LAST},
	{"x", "x", 0, 0, 0, LAST, LAST},
	{"1,", "1,", 1, 0, 0, LAST, LAST},
	{"1,,S=1", "1,", 1, 0, 0, 1, LAST},
	{"1,,a", "1,,a", 1, 0, 0, LAST, LAST},
	{"\xFF\x01 \n.M\xC3\xA4:2,", "\xFF\x01 \n.M\xC3\xA4", 0, 0, 0, LAST, LAST},
	{"18446744073709551615.M1.h", "18446744073709551615.M1.h", LAST, 1, 0, LAST, LAST},
	{"99999999999999999999999.M1.h,S=99999999999999999999", "99999999999999999999999.M1.h", LAST, 1, 0, LAST, LAST},
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(names); i++) {
		const char *name = names[i].name;
		struct maildir_name n;

		maildir_name_parse(&n, slice_str(name));
		check_row(i, name, slice_eq((struct slice){n.stable, n.stable_len}, slice_str(names[i].stable)));
		check_row(i, name, n.number == names[i].number && n.m == names[i].m && n.q == names[i].q);
		check_row(i, name, n.stored == names[i].stored && n.wire == names[i].wire);
	}
}

/* The longest there can be, of nothing but separators, and one that is too long. */
static void test_long_names(void **state)
{
	char name[NAME_OCTETS + 10];
	struct maildir_name n;

	(void)state;
	for (const char *c = ",.:x1MQ="; *c; c++) {
		memset(name, *c, sizeof name);
		maildir_name_parse(&n, (struct slice){name, NAME_OCTETS});
		check(n.stable_len <= NAME_OCTETS);
		maildir_name_parse(&n, (struct slice){name, sizeof name});
		check(n.stable_len <= NAME_OCTETS);
	}
}

static const struct {
	const char *url, *scheme, *path; /* path, with all directories; NULL: refused */
} urls[] = {
	/* what Mailutils makes of them */
	{"maildir:///d;type=index;param=2;user=mupt", "maildir", "/d/m/u/mupt"},
	{"mbox:///d;type=index;param=6;user=mupt", "mbox", "/d/m/u/p/t/t/t/mupt"},
	{"file:///d;type=rev-index;param=2;user=mupt", "file", "/d/t/p/mupt"},
	{"mh:/d;type=rev-index;param=6;user=mupt", "mh", "/d/t/p/u/m/m/m/mupt"},
	{"dotmail:/d;type=hash;param=2;user=mupt", "dotmail", "/d/E2/mupt"},
	{"mbox:/d;type=hash;param=99;user=mupt", "mbox", "/d/C6/mupt"},
	{"mbox:/d;type=hash;user=mupt", "mbox", "/d/mupt"},
	{"mbox:/d;type=index;user=mupt", "mbox", "/d/mupt"},
	{"mbox:/d;user=smith;param=2;type=index", "mbox", "/d/s/m/smith"},
	{"mbox:/d;type=rev-index;param=2;user=smith", "mbox", "/d/h/t/smith"},
	{"mbox:/d;type=index;param=14;user=0123456789.-@Z", "mbox", "/d/w/x/y/z/a/b/c/d/e/f/u/t/m/z/0123456789.-@Z"},
	{"mbox:/d;type=index;param=4;user=[`{\x7f\xff", "mbox", "/d/b/g/b/f/[`{\x7f\xff"},
	{"mbox:/d;user=bob", "mbox", "/d"},
	{"mbox:/d;type=index;param=2", NULL, NULL},
	{"mbox:/d;type=index;param=2;user=", NULL, NULL},
	{"mbox:/d;type=index;param=2;user=..", NULL, NULL},
	{"mbox:/d;type=index;param=2;user=a/b", NULL, NULL},
	{"mbox:/d;type=tree;param=2;user=bob", NULL, NULL},
	{"mbox:/d;type=index;param=x;user=bob", NULL, NULL},
	{"mbox:/d;type=index;param=256;user=bob", NULL, NULL},
	{"mbox:/d;type=index;param=-1;user=bob", NULL, NULL},
	{"mbox:/d;depth=2", NULL, NULL},
	{"/var/mail/bob", "", "/var/mail/bob"},
	{"/dir;type=index", "", "/dir;type=index"},
	{"/odd:name", "", "/odd:name"},
	{"maildir:/d", "maildir", "/d"},
	{"maildir:///d", "maildir", "/d"},
	{"maildir:////d", "maildir", "//d"},
	{"file:/d", "file", "/d"},
	{"mbox:/d;", "mbox", "/d"},
	{"maildir://host/d", NULL, NULL},
	{"maildir:", NULL, NULL},
	{"maildir:d", NULL, NULL},
	{"relative/path", NULL, NULL},
	{"~/mail", NULL, NULL},
	{"", NULL, NULL},
};

static void test_urls(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(urls); i++) {
		struct url out;
		struct why why;
		enum err err = url_parse(slice_str(urls[i].url), &out, &why);

		check_row(i, urls[i].url, (err == OK) == (urls[i].path != NULL));
		if (urls[i].path) {
			check_row(i, urls[i].url, slice_eq(out.scheme, slice_str(urls[i].scheme)));
			char path[512] = "";
			struct buf b = BUF(path);

			check_row(i, urls[i].url, url_path(&out, &b, &why) == OK && strcmp(path, urls[i].path) == 0);
		}
	}
	char small[8];
	struct buf tight = BUF(small);

	check(url_path(&(struct url){.path = SLICE("/too/long")}, &tight, NULL) == ERR_PERM);
	check(url_parse(SLICE("mbox:/a;type=index;user=b\0c"), &(struct url){0}, NULL) == ERR_PERM);
	check(url_parse(SLICE("/a\0b"), &(struct url){0}, NULL) == ERR_PERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
