/* tests/store/test_spool.c - the file that takes the place of a mailbox, in a directory of its owner's */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "store/spool.h"

#include "check.h"

static char top[] = "/tmp/pop3d-spool-XXXXXX";
static int dir;
static struct spool sp;
static struct why why;

/* user::rw- user:4242:r-- group::rw- mask::rw- other::--- */
static const unsigned char acl[] = {2, 0,    0,    0,   1,   0,   6,    0, 255, 255, 255, 255, 2,   0,    4,
				    0, 0x92, 0x10, 0,   0,   4,   0,    6, 0,   255, 255, 255, 255, 0x10, 0,
				    6, 0,    255,  255, 255, 255, 0x20, 0, 0,   0,   255, 255, 255, 255};
static const char acl_name[] = "system.posix_acl_access", default_name[] = "system.posix_acl_default";

static struct stat stat_of(const char *name)
{
	struct stat st;

	check(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st;
}

static bool is_there(const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put(const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static void test_names(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "/"};
	struct spool other;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(bad); i++)
		check_row(i, bad[i], spool_init(&other, dir, bad[i], NULL, &why) == ERR_PERM);
}

static void test_modes(void **state)
{
	static const mode_t modes[] = {0600, 0660, 0640, 0644, 0400};
	int fd;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(modes); i++) {
		put("box", "old");
		check(fchmodat(dir, "box", modes[i], 0) == 0);
		struct stat old = stat_of("box");

		check_row(i, "new", spool_new(&sp, &fd, &why) == OK && fd >= 0);
		check_row(i, "alike",
			  stat_of(".box.new").st_mode == old.st_mode && stat_of(".box.new").st_uid == old.st_uid);
		check_row(i, "fill", write(fd, "new octets", 10) == 10 && close(fd) == 0);
		check_row(i, "old until then", stat_of("box").st_ino == old.st_ino);
		check_row(i, "replace", spool_replace(&sp, &why) == OK && !is_there(".box.new"));
		check_row(i, "in place", stat_of("box").st_size == 10 && stat_of("box").st_mode == old.st_mode);
		check(unlinkat(dir, "box", 0) == 0);
	}
}

static void test_abandon(void **state)
{
	int fd;

	(void)state;
	put("box", "old");
	put(".box.new", "what a crash has left");
	check(spool_new(&sp, &fd, &why) == OK && stat_of(".box.new").st_size == 0 && close(fd) == 0);
	spool_abandon(&sp);
	spool_abandon(&sp);
	check(!is_there(".box.new") && stat_of("box").st_size == 3);
	check(spool_replace(&sp, &why) == ERR_TEMP && stat_of("box").st_size == 3);
	check(mkdirat(dir, ".box.new", 0700) == 0 && spool_new(&sp, &fd, &why) == ERR_PERM && fd == -1);
	check(unlinkat(dir, ".box.new", AT_REMOVEDIR) == 0);
}

/* It is kept; where there is none, a default of the directory gives none to the new file either. */
static void test_acl(void **state)
{
	unsigned char got[sizeof acl];
	char path[64], new[64];
	int fd;

	(void)state;
	(void)snprintf(path, sizeof path, "%s/box", top);
	(void)snprintf(new, sizeof new, "%s/.box.new", top);
	put("box", "old");
	if (setxattr(path, acl_name, acl, sizeof acl, 0) < 0) {
		print_message("test_acl needs a file system with ACLs\n");
		skip();
	}
	mode_t mode = stat_of("box").st_mode;

	check(spool_new(&sp, &fd, &why) == OK && close(fd) == 0);
	check(getxattr(new, acl_name, got, sizeof got) == sizeof acl && memcmp(got, acl, sizeof acl) == 0);
	check(stat_of(".box.new").st_mode == mode);
	spool_abandon(&sp);
	check(removexattr(path, acl_name) == 0 && setxattr(top, default_name, acl, sizeof acl, 0) == 0);
	check(spool_new(&sp, &fd, &why) == OK && close(fd) == 0);
	check(getxattr(new, acl_name, got, sizeof got) < 0 && errno == ENODATA);
	spool_abandon(&sp);
	check(removexattr(top, default_name) == 0);
}

/* What an owner cannot give is not given up: a group that he is not in, a directory that is not his. */
static void test_what_cannot_be_kept(void **state)
{
	int fd;

	(void)state;
	if (geteuid() != 0) {
		print_message("test_what_cannot_be_kept needs root\n");
		skip();
	}
	put("box", "old");
	check(fchownat(dir, "box", 12345, 8, 0) == 0 && fchown(dir, 12345, 12345) == 0);
	check(setegid(12345) == 0 && seteuid(12345) == 0);
	check(spool_init(&sp, dir, "box", NULL, &why) == OK && sp.own);
	check(spool_new(&sp, &fd, &why) == ERR_PERM && fd == -1 && !is_there(".box.new"));
	check(seteuid(0) == 0 && setegid(0) == 0 && fchown(dir, 0, 0) == 0);
	check(fchownat(dir, "box", 12345, 12345, 0) == 0);
	check(setegid(12345) == 0 && seteuid(12345) == 0);
	check(spool_init(&sp, dir, "box", NULL, &why) == OK && !sp.own);
	check(spool_new(&sp, &fd, &why) == ERR_PERM && fd == -1);
	check(seteuid(0) == 0 && setegid(0) == 0);
}

static int begin(void **state)
{
	(void)state;
	(void)unlinkat(dir, "box", 0);
	(void)unlinkat(dir, ".box.new", 0);
	return spool_init(&sp, dir, "box", NULL, &why) == OK && sp.own ? 0 : -1;
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(top) || chmod(top, 0755) < 0)
		return -1;
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static int tear_down(void **state)
{
	return begin(state) < 0 || close(dir) < 0 || rmdir(top) < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_names, begin),
		cmocka_unit_test_setup(test_modes, begin),
		cmocka_unit_test_setup(test_abandon, begin),
		cmocka_unit_test_setup(test_acl, begin),
		cmocka_unit_test_setup(test_what_cannot_be_kept, begin),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
