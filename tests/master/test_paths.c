/* tests/master/test_paths.c - the daemon's directories: made with the right modes, refused where somebody else could write */
#include "master/paths.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"

enum { OTHER = 20078 };

static char top[64];

static const char *below(const char *name)
{
	static char path[32][PATH_MAX]; /* a test uses fewer */
	static unsigned next;
	char *p = path[next++ % 32];

	(void)snprintf(p, PATH_MAX, "%s/%s", top, name);
	return p;
}

static bool is_dir(const char *path, mode_t mode)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == mode;
}

static struct conf conf_for(const char *runtime, const char *cache)
{
	return (struct conf){
		.runtime_dir = runtime, .cache_dir = cache, .state_dir = below("state"), .mailbox = {.index = "auto"}};
}

/* Whatever the umask says; a second daemon start finds and accepts all of it. */
static void test_makes(void **state)
{
	(void)state;
	struct conf cf = conf_for(below("a/run"), below("a/cache"));
	struct identity me = {geteuid(), getegid()};
	struct paths p;
	struct why why = {""};
	char dir[PATH_MAX];

	umask(077);
	for (int i = 0; i < 2; i++) {
		check_row(i, why.text, paths_open(&p, &cf, &why) == OK);
		check_row(i, "run", is_dir(below("a/run"), geteuid() == 0 ? 0755 : 0700));
		check_row(i, "empty", is_dir(below("a/run/empty"), 0555) && strcmp(p.empty, below("a/run/empty")) == 0);
		check_row(i, "session", is_dir(below("a/run/session"), 0700));
		check_row(i, "index", paths_index_dir(&p, &me, dir, &why) && is_dir(dir, 0700));
		check_row(i, "journals", paths_journal_dir(&p, &me, dir, &why) && is_dir(dir, 0700));
		int fd = paths_session_file(&p, 4711, &why), again = paths_session_file(&p, 4711, &why);

		check_row(i, "session file", fd >= 0 && again >= 0 && fd != again);
		close(fd);
		close(again);
		paths_close(&p);
	}
}

static void test_index_dir_is_the_owners(void **state)
{
	(void)state;
	struct conf cf = conf_for(below("b/run"), below("b/cache"));
	struct identity other = {OTHER, OTHER}, third = {OTHER + 1, OTHER};
	struct paths p;
	struct why why = {""};
	struct stat st;
	char dir[PATH_MAX];

	if (geteuid() != 0) {
		print_message("test_index_dir_is_the_owners needs root\n");
		skip();
	}
	check(paths_open(&p, &cf, &why) == OK);
	check(paths_index_dir(&p, &other, dir, &why) && strcmp(dir, below("b/cache/20078")) == 0);
	check(stat(dir, &st) == 0 && st.st_uid == OTHER && st.st_gid == OTHER && (st.st_mode & 07777) == 0700);
	/* one that has his name, and belongs to another */
	check(mkdir(below("b/cache/20079"), 0700) == 0 && chown(below("b/cache/20079"), OTHER, OTHER) == 0);
	check(!paths_index_dir(&p, &third, dir, &why) && strstr(why.text, "belongs to uid 20078"));
	paths_close(&p);
}

static void make_link(void)
{
	(void)mkdir(below("c"), 0755);
	(void)mkdir(below("c/elsewhere"), 0755);
	check(symlink(below("c/elsewhere"), below("c/run")) == 0);
}

static void make_shared(void)
{
	(void)mkdir(below("d"), 0755);
	check(mkdir(below("d/run"), 0755) == 0 && chmod(below("d/run"), 01777) == 0);
}

static void make_file(void)
{
	int fd;

	(void)mkdir(below("e"), 0755);
	fd = open(below("e/run"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	check(fd >= 0 && close(fd) == 0);
}

static void make_nothing(void)
{
}

/* Nothing that another user may have prepared is used. */
static const struct {
	const char *name;
	void (*make)(void);
	const char *runtime, *says;
} refused[] = {
	{"a link", make_link, "c/run", "open directory"},
	{"a directory that others may write", make_shared, "d/run", "can be written by others"},
	{"a file", make_file, "e/run", "open directory"},
	{"below a file", make_nothing, "e/run/deeper", "make directory"},
};

static void test_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(refused); i++) {
		char runtime[PATH_MAX];
		struct conf cf = conf_for(runtime, below("cache"));
		struct paths p;
		struct why why = {""};

		refused[i].make();
		(void)snprintf(runtime, sizeof runtime, "%s", below(refused[i].runtime));
		check_row(i, refused[i].name, paths_open(&p, &cf, &why) != OK);
		check_row(i, why.text, strstr(why.text, refused[i].says));
	}
	struct conf relative = conf_for("run", NULL), root = conf_for("/", NULL);
	struct paths p;
	struct why why = {""};

	check(paths_open(&p, &relative, &why) != OK && strstr(why.text, "absolute"));
	check(paths_open(&p, &root, &why) != OK && strstr(why.text, "absolute"));
}

static void test_foreign_directory(void **state)
{
	(void)state;
	struct conf cf = conf_for(below("f"), below("cache"));
	struct paths p;
	struct why why = {""};

	if (geteuid() != 0) {
		print_message("test_foreign_directory needs root\n");
		skip();
	}
	check(mkdir(below("f"), 0755) == 0 && chown(below("f"), OTHER, OTHER) == 0);
	check(paths_open(&p, &cf, &why) != OK && strstr(why.text, "belongs to uid 20078"));
}

/* A link where a session file should be is not followed. */
static void test_session_file_is_no_link(void **state)
{
	(void)state;
	struct conf cf = conf_for(below("g/run"), below("g/cache"));
	struct paths p;
	struct why why = {""};

	check(paths_open(&p, &cf, &why) == OK);
	check(symlink("/etc/passwd", below("g/run/session/7")) == 0);
	check(paths_session_file(&p, 7, &why) < 0);
	paths_close(&p);
}

/* The statement's directory is the base; the cache's is not made then. */
static void test_index_statement(void **state)
{
	(void)state;
	struct conf cf = conf_for(below("i/run"), below("i/cache"));
	struct identity me = {geteuid(), getegid()};
	struct paths p;
	struct why why = {""};
	char dir[PATH_MAX], want[PATH_MAX];

	cf.mailbox.index = below("i/deep/index");
	(void)snprintf(want, sizeof want, "%s/%u", cf.mailbox.index, (unsigned)me.uid);
	check(paths_open(&p, &cf, &why) == OK);
	check(paths_index_dir(&p, &me, dir, &why) && strcmp(dir, want) == 0 && is_dir(want, 0700));
	check(access(cf.cache_dir, F_OK) < 0);
	paths_close(&p);
}

/* A cache that cannot be made costs time only. */
static void test_no_cache(void **state)
{
	(void)state;
	struct conf cf = conf_for(below("h/run"), "/proc/no/such/cache");
	struct identity me = {geteuid(), getegid()};
	struct paths p;
	struct why why = {""};
	char dir[PATH_MAX];

	check(paths_open(&p, &cf, &why) == OK && p.cache_dir < 0);
	check(!paths_index_dir(&p, &me, dir, &why));
	paths_close(&p);
}

/* Space that is there when the disk is full; the owner may have used it, or removed it. */
static void test_spare(void **state)
{
	(void)state;
	struct conf cf = conf_for(below("s/run"), below("s/cache"));
	struct identity me = {geteuid(), getegid()};
	struct paths p;
	struct why why = {""};
	char dir[PATH_MAX], spare[PATH_MAX + 8];
	struct stat st;

	cf.state_dir = below("s/state");
	check(paths_open(&p, &cf, &why) == OK);
	for (int i = 0; i < 3; i++) {
		check_row(i, why.text, paths_journal_dir(&p, &me, dir, &why));
		(void)snprintf(spare, sizeof spare, "%s/spare", dir);
		check_row(i, spare, stat(spare, &st) == 0 && st.st_uid == me.uid && st.st_blocks * 512 >= st.st_size);
		check_row(i, spare, st.st_size == 256 * 1024 && (st.st_mode & 07777) == 0600);
		check_row(i, spare, i == 0 || unlink(spare) == 0);
	}
	paths_close(&p);
}

/* Without it no mailbox is changed in place; all else works. */
static void test_no_state(void **state)
{
	(void)state;
	struct conf cf = conf_for(below("n/run"), below("n/cache"));
	struct identity me = {geteuid(), getegid()};
	struct paths p;
	struct why why = {""};
	char dir[PATH_MAX];

	cf.state_dir = "/proc/no/such/state";
	check(paths_open(&p, &cf, &why) == OK && p.journal_dir < 0 && p.cache_dir >= 0);
	check(!paths_journal_dir(&p, &me, dir, &why));
	paths_close(&p);
}

static int make_top(void **state)
{
	struct log_setup quiet = {.fd = -1};

	(void)state;
	log_setup(&quiet);
	(void)snprintf(top, sizeof top, "/var/tmp/pop3d-paths-XXXXXX");
	return !mkdtemp(top) || chmod(top, 0755) < 0;
}

static int remove_top(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof command, "rm -rf %s", top);
	return system(command); /* NOLINT(cert-env33-c): a path that we made */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_makes),
		cmocka_unit_test(test_index_dir_is_the_owners),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_foreign_directory),
		cmocka_unit_test(test_session_file_is_no_link),
		cmocka_unit_test(test_index_statement),
		cmocka_unit_test(test_no_cache),
		cmocka_unit_test(test_spare),
		cmocka_unit_test(test_no_state),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}
