/* Tables of secrets: what is put in is found, by its name alone, and a table that is damaged has nothing. */
#include "ipc/secrets.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "check.h"

static int memfd(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	return fd;
}

static const struct {
	struct slice name, secret;
} records[] = {{TEXT("bob"), TEXT("1")},     {TEXT("al"), TEXT("two words")}, {TEXT("bobby"), TEXT("3")},
	       {TEXT("bob"), TEXT("later")}, {TEXT("\xff"), TEXT("")},        {TEXT("z"), TEXT("9")},
	       {TEXT("al"), TEXT("4")},      {TEXT("bob@a"), TEXT("5")}};

static const struct {
	struct slice name;
	const char *secret; /* NULL: none */
} asked[] = {
	{TEXT("bob"), "later"}, {TEXT("al"), "4"},  {TEXT("bobby"), "3"}, {TEXT("bob@a"), "5"},
	{TEXT("z"), "9"},       {TEXT("\xff"), ""}, {TEXT("bo"), NULL},   {TEXT(""), NULL},
	{TEXT("zz"), NULL},     {TEXT("a"), NULL},  {TEXT("Bob"), NULL},  {TEXT("\xff\xff"), NULL},
};

static void test_found(void **state)
{
	(void)state;
	struct secrets_draft d = {0};
	struct secrets s = {0};
	struct file_stamp stamp = {.ino = 4711};
	struct slice secret;
	int fd = memfd();

	for (size_t i = 0; i < TABLE_ROWS(records); i++)
		assert_int_equal(secrets_add(&d, records[i].name, records[i].secret, NULL), OK);
	assert_int_equal(secrets_write(&d, fd, &stamp, NULL), OK);
	secrets_discard(&d);
	check(!secrets_find(&s, SLICE("bob"), &secret)); /* in none */
	assert_int_equal(secrets_open(&s, fd, NULL), OK);
	check(write(fd, "x", 1) < 0); /* it is sealed */
	close(fd);
	for (size_t i = 0; i < TABLE_ROWS(asked); i++) {
		bool found = secrets_find(&s, asked[i].name, &secret);

		check_row(i, asked[i].name.p, found == (asked[i].secret != NULL));
		check_row(i, asked[i].name.p, !found || slice_eq(secret, slice_str(asked[i].secret)));
	}
	check(file_stamp_same(secrets_stamp(&s), &stamp) && secrets_read_ns(&s) > 0);
	secrets_close(&s);
}

/* More than fit into what was allocated first. */
static void test_many(void **state)
{
	(void)state;
	enum { MANY = 20000 };
	struct secrets_draft d = {0};
	struct secrets s;
	struct file_stamp stamp = {0};
	struct slice secret;
	char name[32], value[32];
	int fd = memfd();

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof name, "u%d", i);
		(void)snprintf(value, sizeof value, "s%d", i);
		assert_int_equal(secrets_add(&d, slice_str(name), slice_str(value), NULL), OK);
	}
	assert_int_equal(secrets_write(&d, fd, &stamp, NULL), OK);
	secrets_discard(&d);
	assert_int_equal(secrets_open(&s, fd, NULL), OK);
	close(fd);
	for (int i = 0; i < MANY; i += 7) {
		(void)snprintf(name, sizeof name, "u%d", i);
		(void)snprintf(value, sizeof value, "s%d", i);
		check_row(i, name, secrets_find(&s, slice_str(name), &secret) && slice_eq(secret, slice_str(value)));
	}
	secrets_close(&s);
}

/* Cut off anywhere: it is refused, or nothing outside of it is read. */
static void test_cut(void **state)
{
	(void)state;
	struct secrets_draft d = {0};
	struct file_stamp stamp = {0};
	static char octets[4096];
	int whole = memfd();

	for (size_t i = 0; i < TABLE_ROWS(records); i++)
		assert_int_equal(secrets_add(&d, records[i].name, records[i].secret, NULL), OK);
	assert_int_equal(secrets_write(&d, whole, &stamp, NULL), OK);
	secrets_discard(&d);
	ssize_t n = pread(whole, octets, sizeof octets, 0);

	close(whole);
	check(n > 0 && n < (ssize_t)sizeof octets);
	for (ssize_t cut = 0; cut < n; cut++) {
		struct secrets s;
		struct slice secret;
		int fd = memfd();

		assert_int_equal(write(fd, octets, (size_t)cut), cut);
		if (secrets_open(&s, fd, NULL) == OK) {
			for (size_t i = 0; i < TABLE_ROWS(asked); i++)
				(void)secrets_find(&s, asked[i].name, &secret);
			secrets_close(&s);
		} else {
			check_row(cut, "refused", s.head == NULL);
		}
		close(fd);
	}
}

static void test_stamp(void **state)
{
	(void)state;
	char path[] = "/tmp/poplar-stamp-XXXXXX";
	struct file_stamp a, b;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	check(file_stamp(path, &a) == 1 && file_stamp(path, &b) == 1 && file_stamp_same(&a, &b));
	assert_int_equal(write(fd, "x", 1), 1);
	check(file_stamp(path, &b) == 1 && !file_stamp_same(&a, &b));
	close(fd);
	assert_int_equal(unlink(path), 0);
	check(file_stamp(path, &a) == 0);
	check(file_stamp("/etc/passwd/x", &a) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_found), cmocka_unit_test(test_many),
					   cmocka_unit_test(test_cut), cmocka_unit_test(test_stamp)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
