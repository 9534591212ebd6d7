/* A file of users behind its index: what a look-up finds is what the file says at that moment. */
#include "auth/pwfile.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/log.h"
#include "check.h"
#include "files.h"

static enum err find_in(struct pwfile *p, const struct files *f, const char *name, const char *user,
			struct passwd_line *out, char line[PASSWD_LINE_MOST])
{
	struct pwfile_query q = {
		.format = &pwfile_passwd, .dirfd = f->fd, .label = f->path, .name = name, .user = slice_str(user)};
	struct why why = {""};
	struct slice text;
	enum err err = pwfile_find(p, &q, line, &text, &why);

	assert_true(err != OK || passwd_parse(text, out));
	return err;
}

static enum err find(struct pwfile *p, const struct files *f, const char *user, struct passwd_line *out,
		     char line[PASSWD_LINE_MOST])
{
	return find_in(p, f, "domain", user, out, line);
}

/* The file changes as the text says, in place or by a rename; then a user is looked up. */
static const struct {
	const char *text; /* NULL: as it was */
	bool replace;
	const char *user, *hash; /* hash NULL: there is no such user */
} story[] = {
	{"a:1:1:1::/a:\nbb:2:2:2::/b:\n", false, "a", "1"},
	{NULL, false, "bb", "2"},
	{NULL, false, "b", NULL},
	{NULL, false, "", NULL},
	{NULL, false, "a:1", NULL},
	{"a:9:1:1::/a:\nbb:2:2:2::/b:\n", false, "a", "9"}, /* the same size, the same inode */
	{"bb:2:2:2::/b:\na:8:1:1::/a:\n", false, "a", "8"}, /* elsewhere in the file */
	{NULL, false, "bb", "2"},
	{"a:7:1:1::/a:\nbb:2:2:2::/b:\n", true, "a", "7"},
	{"c:7:1:1::/a:\nbb:2:2:2::/b:\n", true, "a", NULL},
	{NULL, false, "c", "7"},
	{"c:7:1:1::/a:", true, "c", "7"},               /* no end of line */
	{"c:7:1:1::/a:\nc:8:1:1::/a:", true, "c", "7"}, /* the first one counts */
	{"\n\n# x\nc:7:1:1\nd:1:0:0::/d:\n", true, "d", "1"},
	{NULL, false, "c", NULL},
	{NULL, false, "# x", NULL},
	{"", true, "c", NULL},
	{"\n", true, "c", NULL},
};

static void test_story(void **state)
{
	char line[PASSWD_LINE_MOST];
	struct pwfile p = PWFILE_NONE;
	struct passwd_line out;
	struct files f;

	(void)state;
	files_open(&f);
	check(find(&p, &f, "a", &out, line) == ERR_AUTH); /* no file */
	for (size_t i = 0; i < TABLE_ROWS(story); i++) {
		if (story[i].text)
			(story[i].replace ? files_replace : files_put)(&f, "domain", story[i].text);
		enum err err = find(&p, &f, story[i].user, &out, line);

		check_row(i, story[i].user, err == (story[i].hash ? OK : ERR_AUTH));
		check_row(i, story[i].user, err != OK || slice_eq(out.hash, slice_str(story[i].hash)));
	}
	pwfile_drop(&p);
	files_close(&f);
}

/* An index that was not read anew when nothing changed: the table stays where it is. */
static void test_unchanged_is_not_read_again(void **state)
{
	static const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	char line[PASSWD_LINE_MOST];
	struct pwfile p = PWFILE_NONE;
	struct passwd_line out;
	struct files f;

	(void)state;
	files_open(&f);
	files_put(&f, "domain", "a:1:1:1::/a:\n");
	assert_int_equal(utimensat(f.fd, "domain", old, 0), 0);
	check(find(&p, &f, "a", &out, line) == OK);
	const uint64_t *slot = p.slot;

	check(find(&p, &f, "a", &out, line) == OK && find(&p, &f, "b", &out, line) == ERR_AUTH);
	check(p.slot == slot && pwfile_octets(&p) > 0);
	pwfile_drop(&p);
	check(pwfile_octets(&p) == 0);
	files_close(&f);
}

/* The hash that is found for user a; "" where there is none. */
static const char *hash_of_a(struct pwfile *p, const struct files *f)
{
	static char hash[16], line[PASSWD_LINE_MOST];
	struct passwd_line out;

	if (find(p, f, "a", &out, line) != OK || !slice_cstr(out.hash, hash, sizeof hash))
		return "";
	return hash;
}

/* A small file is not read again where its times are sure to show each change: what is told apart here by other octets in memory. */
static void test_small_is_kept(void **state)
{
	struct pwfile p = PWFILE_NONE;
	struct files f;

	(void)state;
	files_open(&f);
	files_put(&f, "domain", "b:2:2:2::/b:\na:1:1:1::/a:");
	assert_string_equal(hash_of_a(&p, &f), "1");
	check(p.text);
	p.settled = false;
	p.text[sizeof "b:2:2:2::/b:\na:" - 1] = '7';
	assert_string_equal(hash_of_a(&p, &f), "1"); /* it has only just changed, and may have again */
	p.settled = true;
	p.text[sizeof "b:2:2:2::/b:\na:" - 1] = '7';
	assert_string_equal(hash_of_a(&p, &f), "7");
	files_put(&f, "domain", "b:2:2:2::/b:\na:33:1:1::/a:");
	assert_string_equal(hash_of_a(&p, &f), "33");
	p.settled = true;
	files_replace(&f, "domain", "b:2:2:2::/b:\na:4:1:1::/a:");
	assert_string_equal(hash_of_a(&p, &f), "4");
	p.settled = true;
	assert_int_equal(unlinkat(f.fd, "domain", 0), 0);
	assert_string_equal(hash_of_a(&p, &f), "");
	pwfile_drop(&p);
	check(!p.text);
	files_close(&f);
}

/* A line of a large one is always read. */
static void test_large_is_not_kept(void **state)
{
	enum { OCTETS = 65536 };
	struct pwfile p = PWFILE_NONE;
	char *text = calloc(1, OCTETS + 2);
	struct files f;

	(void)state;
	assert_non_null(text);
	memset(text, '#', OCTETS + 1); /* a comment behind the line, as long as it takes */
	memcpy(text, "a:1:1:1::/a:\n", sizeof "a:1:1:1::/a:\n" - 1);
	files_open(&f);
	files_put(&f, "domain", text);
	assert_string_equal(hash_of_a(&p, &f), "1");
	check(!p.text);
	text[OCTETS] = '\0';
	files_replace(&f, "domain", text);
	assert_string_equal(hash_of_a(&p, &f), "1");
	check(p.text && pwfile_octets(&p) > OCTETS);
	pwfile_drop(&p);
	files_close(&f);
	free(text);
}

static void test_not_a_file(void **state)
{
	char line[PASSWD_LINE_MOST];
	struct pwfile p = PWFILE_NONE;
	struct passwd_line out;
	struct files f;

	(void)state;
	files_open(&f);
	assert_int_equal(mkdirat(f.fd, "domain", 0700), 0);
	check(find(&p, &f, "a", &out, line) == ERR_AUTH);
	assert_int_equal(unlinkat(f.fd, "domain", AT_REMOVEDIR), 0);
	assert_int_equal(mkfifoat(f.fd, "domain", 0600), 0);
	check(find(&p, &f, "a", &out, line) == ERR_AUTH); /* and does not wait for a writer */
	assert_int_equal(unlinkat(f.fd, "domain", 0), 0);
	assert_int_equal(symlinkat("domain", f.fd, "domain"), 0);
	check(find(&p, &f, "a", &out, line) == ERR_PERM);
	assert_int_equal(unlinkat(f.fd, "domain", 0), 0);
	files_put(&f, "other", "a:1:1:1::/a:\n");
	assert_int_equal(symlinkat("other", f.fd, "domain"), 0); /* an alias */
	check(find(&p, &f, "a", &out, line) == OK);
	pwfile_drop(&p);
	files_close(&f);
}

/* Lines around the sizes of buffers, and an endless one; those behind them are found. */
static void test_long_lines(void **state)
{
	static const size_t length[] = {
		PASSWD_LINE_MOST - 1, PASSWD_LINE_MOST, PASSWD_LINE_MOST + 1, 262143, 262144, 262145, 1000000};
	static char text[1100000];
	char line[PASSWD_LINE_MOST];
	struct pwfile p = PWFILE_NONE;
	struct passwd_line out;
	struct files f;

	(void)state;
	files_open(&f);
	for (size_t i = 0; i < TABLE_ROWS(length); i++) {
		memset(text, 'h', length[i]);
		memcpy(text, "a:1:1:1::/", 10);
		text[length[i] - 1] = ':';
		memcpy(text + length[i], "\nb:2:2:2::/b:\n", 15);
		files_put(&f, "domain", text);
		check_row(length[i], "a",
			  find(&p, &f, "a", &out, line) == (length[i] <= PASSWD_LINE_MOST ? OK : ERR_AUTH));
		check_row(length[i], "b", find(&p, &f, "b", &out, line) == OK && slice_eq(out.hash, SLICE("2")));
	}
	pwfile_drop(&p);
	files_close(&f);
}

/* The same name over and over costs no more than other names. */
static void test_same_names(void **state)
{
	enum { LINES = 300000 };
	static char text[LINES * 13 + 32];
	char line[PASSWD_LINE_MOST], *at = text;
	struct pwfile p = PWFILE_NONE;
	struct passwd_line out;
	struct files f;

	(void)state;
	files_open(&f);
	for (int i = 0; i < LINES; i++)
		at = stpcpy(at, "a:1:1:1::/a:\n");
	stpcpy(at, "b:2:2:2::/b:\n");
	files_put(&f, "domain", text);
	check(find(&p, &f, "a", &out, line) == OK && find(&p, &f, "b", &out, line) == OK);
	pwfile_drop(&p);
	files_close(&f);
}

/* --- many users, while the file is replaced --------------------------------------------------------------------- */

enum { USERS = 200000 };

/* User N has the hash "hN.GENERATION", and every generation begins with lines of another length. */
static void write_users(const struct files *f, const char *name, unsigned generation)
{
	int fd = openat(f->fd, ".writing", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (!out)
		_exit(1);
	for (unsigned i = 0; i < generation; i++)
		(void)fputs("# a line that moves all others\n", out);
	for (unsigned i = 0; i < USERS; i++)
		(void)fprintf(out, "user%u:h%u.%u:1000:1000:User %u:/home/user%u:/bin/false\n", i, i, generation, i, i);
	if (fclose(out) != 0 || renameat(f->fd, ".writing", f->fd, name) != 0)
		_exit(1);
}

/* The user's own hash, of whatever generation. */
static bool is_own(const struct passwd_line *out, unsigned i)
{
	char own[32];
	int n = snprintf(own, sizeof own, "h%u.", i);

	return n > 0 && slice_starts(out->hash, (struct slice){own, (size_t)n});
}

static void test_many_users(void **state)
{
	enum { GENERATIONS = 4, STEP = 997 };
	char line[PASSWD_LINE_MOST], name[32];
	struct pwfile p = PWFILE_NONE;
	struct passwd_line out;
	struct files f;
	int status;
	bool writing = true;

	(void)state;
	files_open(&f);
	write_users(&f, "domain", 0);
	for (unsigned i = 0; i < USERS; i += 7) {
		(void)snprintf(name, sizeof name, "user%u", i);
		check_row(i, name, find(&p, &f, name, &out, line) == OK && is_own(&out, i));
	}
	check(find(&p, &f, "user200000", &out, line) == ERR_AUTH);
	check(pwfile_octets(&p) <= (size_t)USERS * 12);

	pid_t writer = fork();

	assert_true(writer >= 0);
	if (writer == 0) {
		for (unsigned g = 1; g <= GENERATIONS; g++)
			write_users(&f, "domain", g);
		_exit(0);
	}
	for (unsigned i = 0; writing; i = (i + STEP) % USERS) {
		writing = waitpid(writer, &status, WNOHANG) == 0;
		(void)snprintf(name, sizeof name, "user%u", i);
		check_row(i, name, find(&p, &f, name, &out, line) == OK && is_own(&out, i));
	}
	assert_int_equal(status, 0);
	check(find(&p, &f, "user42", &out, line) == OK && slice_eq(out.hash, SLICE("h42.4")));
	pwfile_drop(&p);
	files_close(&f);
}

/* Written in place, as nobody should: users are missing for a while, but nobody ever gets another's line. */
static void test_written_in_place(void **state)
{
	enum { LINES = 2000, ROUNDS = 200 };
	char line[PASSWD_LINE_MOST], name[32];
	struct pwfile p = PWFILE_NONE;
	struct passwd_line out;
	struct files f;
	int status;
	bool writing = true;

	(void)state;
	files_open(&f);
	pid_t writer = fork();

	assert_true(writer >= 0);
	if (writer == 0) {
		for (unsigned r = 0; r < ROUNDS; r++) {
			FILE *to = fdopen(openat(f.fd, "domain", O_WRONLY | O_CREAT | O_TRUNC, 0600), "w");

			for (unsigned i = 0; to && i < LINES; i++)
				(void)fprintf(to, "u%u:h%u.%u:1:1::/u%u:\n", (i + r) % LINES, (i + r) % LINES, r, i);
			if (!to || fclose(to) != 0)
				_exit(1);
		}
		_exit(0);
	}
	for (unsigned i = 0; writing; i = (i + 17) % LINES) {
		writing = waitpid(writer, &status, WNOHANG) == 0;
		(void)snprintf(name, sizeof name, "u%u", i);
		enum err err = find(&p, &f, name, &out, line);

		check_row(i, name, err == OK ? is_own(&out, i) : (err == ERR_AUTH || err == ERR_TEMP));
	}
	assert_int_equal(status, 0);
	check(find(&p, &f, "u3", &out, line) == OK && slice_eq(out.hash, SLICE("h3.199")));
	pwfile_drop(&p);
	files_close(&f);
}

static unsigned descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Some files of a disk stay open between look-ups, however many there are; what is found is in the file that has the name. */
static void test_kept_open(void **state)
{
	enum { DOMAINS = 100 };
	char line[PASSWD_LINE_MOST], name[32], text[64];
	struct pwfile p[DOMAINS];
	struct passwd_line out;
	struct files f;
	unsigned before = descriptors(), kept;
	struct stat st;

	(void)state;
	files_open(&f);
	check(fstat(f.fd, &st) == 0);
	kept = major(st.st_dev) != 0 ? 64 : 0;
	for (unsigned i = 0; i < DOMAINS; i++)
		p[i] = PWFILE_NONE;
	for (unsigned n = 0; n < 3 * DOMAINS; n++) {
		unsigned i = n % DOMAINS;

		(void)snprintf(name, sizeof name, "domain%u", i);
		(void)snprintf(text, sizeof text, "a:h%u.:1:1::/a:\n", n);
		(n / DOMAINS == 1 ? files_put : files_replace)(&f, name, text);
		for (unsigned again = 0; again < 2; again++)
			check_row(i, name, find_in(&p[i], &f, name, "a", &out, line) == OK && is_own(&out, n));
	}
	check(descriptors() == before + 1 + kept);
	assert_int_equal(unlinkat(f.fd, "domain1", 0), 0);
	check(find_in(&p[1], &f, "domain1", "a", &out, line) == ERR_AUTH);
	check(kept == 0 || descriptors() == before + kept);
	for (unsigned i = 0; i < DOMAINS; i++)
		pwfile_drop(&p[i]);
	check(descriptors() == before + 1);
	files_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story),
		cmocka_unit_test(test_unchanged_is_not_read_again),
		cmocka_unit_test(test_small_is_kept),
		cmocka_unit_test(test_large_is_not_kept),
		cmocka_unit_test(test_not_a_file),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_same_names),
		cmocka_unit_test(test_many_users),
		cmocka_unit_test(test_written_in_place),
		cmocka_unit_test(test_kept_open),
	};

	log_setup(&(struct log_setup){.fd = -1});
	return cmocka_run_group_tests(tests, NULL, NULL);
}
