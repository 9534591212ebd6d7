/* Names of databases: schemes, checks, and what an administrator is told. */
#include <pwd.h>

#include "base.h"

enum { SHARED = DBM_CHECKS_SHARED, OTHER = 4711 };

static const struct {
	const char *text;
	const char *scheme; /* NULL: refused, and what is said then holds `path' */
	const char *path;
	unsigned checks;
	uid_t owner;
} names[] = {
	{"/var/run/pop3-login", "gdbm", "/var/run/pop3-login", SHARED, OTHER},
	{"gdbm:///a/b", "gdbm", "/a/b", SHARED, OTHER},
	{"gdbm:/a/b", "gdbm", "/a/b", SHARED, OTHER},
	{"lmdb:///a/b", "lmdb", "/a/b", SHARED, OTHER},
	{"text:///a/b", "text", "/a/b", SHARED, OTHER},
	{"bdb:///a/b;none", "bdb", "/a/b", 0, OTHER},
	{"a:b", "gdbm", "a:b", SHARED, OTHER},
	{"./a", "gdbm", "./a", SHARED, OTHER},
	{"/a;none", "gdbm", "/a", 0, OTHER},
	{"/a;all", "gdbm", "/a", CHECK_ALL, OTHER},
	{"/a;-none", "gdbm", "/a", CHECK_ALL, OTHER},
	{"/a;-ardfil", "gdbm", "/a", SHARED & ~CHECK_ARDFIL, OTHER},
	{"/a;+grdfil", "gdbm", "/a", SHARED | CHECK_GRDFIL, OTHER},
	{"/a;grdfil;+gwrfil", "gdbm", "/a", CHECK_GRDFIL | CHECK_GWRFIL, OTHER},
	{"gdbm:///a;-gwrdir;-awrdir", "gdbm", "/a", SHARED & ~CHECK_GWRDIR & ~CHECK_AWRDIR, OTHER},
	{"/a;owner", "gdbm", "/a", CHECK_OWNER, OTHER},
	{"/a;+owner=root", "gdbm", "/a", SHARED | CHECK_OWNER, 0},
	{"/a;none;owner=17", "gdbm", "/a", CHECK_OWNER, 17},
	{"/a;all;-owner", "gdbm", "/a", CHECK_ALL & ~CHECK_OWNER, OTHER},
	{"/a;owner=no.such.user", NULL, "no such user: no.such.user", 0, 0},
	{"/a;foo", NULL, "unknown keyword: foo", 0, 0},
	{"/a;", "gdbm", "/a", SHARED, OTHER},
	{"", NULL, "not a name of a database", 0, 0},
	{";none", NULL, "not a name of a database", 0, 0},
	{"gdbm://host/a", NULL, "not a name of a database", 0, 0},
	{"kc:///a.kct", NULL, "kchashmgr list", 0, 0},
	{"tc:///a", NULL, "tchmgr list", 0, 0},
	{"ndbm:///a", NULL, "popauth --create", 0, 0},
	{"sdbm:///a", NULL, "sdbm: databases of this kind are not read", 0, 0},
	{"GDBM:///a", NULL, "GDBM: databases of this kind are not read", 0, 0},
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(names); i++) {
		struct dbm_name n;
		struct why why = {""};
		enum err err = dbm_name_read(slice_str(names[i].text), SHARED, OTHER, &n, &why);

		check_row(i, names[i].text, (err == OK) == (names[i].scheme != NULL));
		if (err != OK) {
			check_row(i, why.text, strstr(why.text, names[i].path));
			continue;
		}
		check_row(i, names[i].text, strcmp(dbm_scheme(&n), names[i].scheme) == 0);
		check_row(i, n.path, strcmp(n.path, names[i].path) == 0);
		check_row(i, names[i].text, n.checks == names[i].checks && n.owner == names[i].owner);
	}
}

static void test_long_name(void **state)
{
	(void)state;
	static char text[PATH_MAX + 2];
	struct dbm_name n;

	memset(text, 'a', PATH_MAX);
	check(dbm_name_read(slice_str(text), SHARED, 0, &n, NULL) == ERR_PERM);
	text[PATH_MAX - 1] = '\0';
	check(dbm_name_read(slice_str(text), SHARED, 0, &n, NULL) == OK);
}

/* What checks find, by the file that is opened. */
static const struct {
	mode_t mode, dir;
	const char *checks, *wrong; /* NULL: it is opened */
} safety[] = {
	{0600, 0700, "all", NULL},
	{0640, 0700, "all", "x.db: Group readable file"},
	{0620, 0700, "all", "x.db: Group writable file"},
	{0660, 0700, "-grdfil;-gwrfil", NULL},
	{0664, 0700, "-grdfil;-gwrfil", "x.db: World readable file"},
	{0600, 0770, "all", "x.db: File in a group writable directory"},
	{0600, 0702, "all", "x.db: File in a world writable directory"},
	{0666, 0777, "none", NULL},
	{0600, 0700, "owner=4711", "x.db: File owner mismatch"},
};

static void test_safety(void **state)
{
	(void)state;
	static const char *const schemes[] = {"gdbm", "lmdb", "text", "bdb"};

	for (size_t s = 0; s < TABLE_ROWS(schemes); s++) {
		struct base b;

		base_init(&b, schemes[s]);
		check_row(s, b.why.text, base_put(&b, "a", "1") == OK);
		for (size_t i = 0; i < TABLE_ROWS(safety); i++) {
			char text[256];
			struct dbm *db = NULL;

			assert_true(chmod(b.path, safety[i].mode) == 0 && chmod(b.dir, safety[i].dir) == 0);
			(void)snprintf(text, sizeof text, "%s;%s", b.text, safety[i].checks);
			assert_int_equal(dbm_name_read(slice_str(text), CHECK_ALL, geteuid(), &b.name, NULL), OK);
			enum err err = base_open(&b, &db, DBM_READ);

			check_row(i, text, (err == OK) == !safety[i].wrong);
			check_row(i, b.why.text, err == OK || (err == ERR_PERM && strstr(b.why.text, safety[i].wrong)));
			dbm_close(db);
			assert_int_equal(chmod(b.dir, 0700), 0);
		}
		base_done(&b);
	}
}

static void test_schemes(void **state)
{
	(void)state;
	char text[64], little[6];

	dbm_schemes(text, sizeof text);
	assert_string_equal(text, "gdbm lmdb text bdb");
	dbm_schemes(little, sizeof little);
	check(strlen(little) < sizeof little);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_long_name),
					   cmocka_unit_test(test_safety), cmocka_unit_test(test_schemes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
