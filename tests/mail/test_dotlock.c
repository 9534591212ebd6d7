/* tests/mail/test_dotlock.c - NAME.lock when several programs want it at the same time
 *
 * What becomes of other programs' locks is in tests/store/test_mailbox_lock.c. */
#include "mail/dotlock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static char top[] = "/tmp/pop3d-dotlock-XXXXXX";
static int dir;
static pid_t gone;
static const struct dotlock_rules rules = {.pid_check = true};

static void put(const char *name, pid_t pid)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && dprintf(fd, "%d\n", (int)pid) > 0 && close(fd) == 0);
}

static pid_t number_of(const char *name)
{
	char text[32] = "";
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	check(read(fd, text, sizeof text - 1) >= 0 && close(fd) == 0);
	return (pid_t)strtol(text, NULL, 10);
}

static unsigned files(void)
{
	DIR *d = opendir(top);
	unsigned n = 0;

	check(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* ---- another program is faster ---- */

enum meanwhile { NOTHING, OTHER_CLEANS, GOES, NO_EXCHANGE, OTHER_CLEANS_NO_EXCHANGE, OTHER_LOOKS_ALIKE, MANY };
static enum meanwhile meanwhile;

/* The lock of another program, in the inode and at the time of the stale one, if there is a way to get them. */
static void replace_alike(void)
{
	struct stat st;

	check(fstatat(dir, "box.lock", &st, AT_SYMLINK_NOFOLLOW) == 0 && unlinkat(dir, "box.lock", 0) == 0);
	put("box.lock", 1);
	check(utimensat(dir, "box.lock", (struct timespec[]){st.st_atim, st.st_mtim}, 0) == 0);
}

int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	enum meanwhile now = meanwhile;

	if (now != MANY && now != NO_EXCHANGE && now != OTHER_CLEANS_NO_EXCHANGE)
		meanwhile = NOTHING;
	if (now == OTHER_CLEANS || now == OTHER_CLEANS_NO_EXCHANGE || now == GOES)
		check(unlinkat(dir, "box.lock", 0) == 0);
	if (now == OTHER_CLEANS || now == OTHER_CLEANS_NO_EXCHANGE)
		put("box.lock", 1);
	if (now == OTHER_LOOKS_ALIKE)
		replace_alike();
	if (meanwhile == MANY)
		sched_yield();
	if (now == NO_EXCHANGE || now == OTHER_CLEANS_NO_EXCHANGE) {
		errno = EINVAL;
		return -1;
	}
	return __real_renameat2(from_dir, from, to_dir, to, flags);
}

/* What a file server does of what it is asked, and what it says: an answer that was lost is asked for again, and then the name is there. */
enum reply { HONEST, LOST_REPLY, LOST_TIMEOUT, NOT_MADE, MADE_BY_OTHER };
static enum reply reply;

int __real_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	static const int says[] = {[LOST_REPLY] = EEXIST, [LOST_TIMEOUT] = EIO};
	enum reply now = reply;

	if (now == MADE_BY_OTHER)
		put("box.lock", 1);
	if (now == NOT_MADE || now == MADE_BY_OTHER)
		return 0;
	int result = __real_linkat(from_dir, from, to_dir, to, flags);

	if (now == HONEST || result < 0)
		return result;
	errno = says[now];
	return -1;
}

static bool no_excl; /* O_EXCL is not known to the server */

int __real_openat64(int at, const char *name, int flags, ...);
int __wrap_openat64(int at, const char *name, int flags, ...);
int __wrap_openat64(int at, const char *name, int flags, ...)
{
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_list ap;

		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return __real_openat64(at, name, no_excl && name[0] == '.' ? flags & ~O_EXCL : flags, mode);
}

static bool booted; /* the machine has just been started */
static int unlink_error;

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	int result = __real_clock_gettime(clock, t);

	if (clock == CLOCK_BOOTTIME && booted)
		t->tv_sec = -100;
	return result;
}

int __real_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags)
{
	errno = unlink_error;
	return unlink_error != 0 ? -1 : __real_unlinkat(at, name, flags);
}

static void test_cleaning(void **state)
{
	static const struct {
		const char *what;
		enum meanwhile meanwhile;
		enum err err;
	} rows[] = {
		{"a stale lock is replaced", NOTHING, OK},
		{"another program has removed it, and has the lock now", OTHER_CLEANS, ERR_IN_USE},
		{"so it is, in a file with the inode and time of the stale one", OTHER_LOOKS_ALIKE, ERR_IN_USE},
		{"another program has removed it", GOES, OK},
		{"the file system exchanges no names", NO_EXCHANGE, OK},
		{"nor does it, and another program has the lock", OTHER_CLEANS_NO_EXCHANGE, ERR_IN_USE},
	};
	struct why why;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		struct dotlock l;

		put("box.lock", gone);
		meanwhile = rows[i].meanwhile;
		check_row(i, rows[i].what, dotlock_take(&l, dir, "box", &rules, &why) == rows[i].err);
		meanwhile = NOTHING;
		check_row(i, rows[i].what, number_of("box.lock") == (rows[i].err == OK ? getpid() : 1));
		check_row(i, rows[i].what, files() == 1);
		check_row(i, rows[i].what, dotlock_release(&l, dir, "box", &why));
		check_row(i, rows[i].what, files() == (rows[i].err == OK ? 0 : 1));
		(void)unlinkat(dir, "box.lock", 0);
	}
}

/* ---- what is left behind ---- */

/* A process that died while it made a lock has left its file: the next one takes it away. One that is at it still has locked it. */
static void test_left(void **state)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct dotlock l;
	struct why why;

	(void)state;
	put(".box.lck", gone);
	check(dotlock_take(&l, dir, "box", &rules, &why) == OK && number_of("box.lock") == getpid() && files() == 1);
	check(dotlock_release(&l, dir, "box", &why) && files() == 0);
	put(".box.lck", gone);
	int fd = openat(dir, ".box.lck", O_RDWR | O_CLOEXEC);

	check(fd >= 0 && fcntl(fd, F_OFD_SETLK, &all) == 0);
	check(dotlock_take(&l, dir, "box", &rules, &why) == ERR_IN_USE && files() == 1 &&
	      number_of(".box.lck") == gone);
	check(close(fd) == 0 && dotlock_take(&l, dir, "box", &rules, &why) == OK && files() == 1);
	check(dotlock_release(&l, dir, "box", &why) && files() == 0);
}

/* Before the machine was started nobody lived who lives now: not even the process of that number, or of none. */
static void test_other_boot(void **state)
{
	static const pid_t pids[] = {0, 1, -1};
	const struct dotlock_rules unchecked = {.pid_check = false};
	struct dotlock l;
	struct why why;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(pids); i++) {
		put("box.lock", pids[i]);
		check_row(i, "of this boot",
			  dotlock_take(&l, dir, "box", &rules, &why) == (pids[i] < 0 ? OK : ERR_IN_USE));
		(void)dotlock_release(&l, dir, "box", NULL);
		put("box.lock", pids[i]);
		booted = true;
		check_row(i, "unchecked", dotlock_take(&l, dir, "box", &unchecked, &why) == ERR_IN_USE);
		check_row(i, why.text, dotlock_take(&l, dir, "box", &rules, &why) == OK);
		booted = false;
		check(dotlock_release(&l, dir, "box", &why) && files() == 0);
	}
}

/* What is told when a lock cannot be removed. */
static void test_release(void **state)
{
	struct dotlock l;
	struct why why;

	(void)state;
	check(dotlock_take(&l, dir, "box", &rules, &why) == OK && unlinkat(dir, "box.lock", 0) == 0);
	check(!dotlock_release(&l, dir, "box", &why) &&
	      strstr(why.text, "another program has removed or replaced box.lock"));
	check(dotlock_take(&l, dir, "box", &rules, &why) == OK);
	unlink_error = EROFS;
	check(!dotlock_release(&l, dir, "box", &why) && strstr(why.text, "remove box.lock: Read-only file system"));
	unlink_error = 0;
	check(unlinkat(dir, "box.lock", 0) == 0);
}

/* ---- many at the same time ---- */

enum { CLEANERS = 4, TAKES = 50, TRIES = 200000 };

/* Takes the lock so many times; every second time it leaves it behind as a process does that dies. 1: somebody else had it, too. */
static int clean(void)
{
	int takes = 0;

	for (int i = 0; i < TRIES && takes < TAKES; i++) {
		struct dotlock l;

		if (dotlock_take(&l, dir, "box", &rules, NULL) != OK)
			continue;
		int fd = openat(dir, "holder", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (fd < 0 || close(fd) < 0 || unlinkat(dir, "holder", 0) < 0)
			return 1;
		if (++takes % 2)
			(void)dotlock_release(&l, dir, "box", NULL);
		else if (dotlock_keep(dir, "box", gone, NULL) != OK)
			return 2;
		dotlock_leave(&l);
	}
	return takes == TAKES ? 0 : 3;
}

static void one_at_a_time(void)
{
	pid_t pid[CLEANERS];
	int status;

	put("box.lock", gone);
	meanwhile = MANY;
	for (int i = 0; i < CLEANERS; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(clean());
		check(pid[i] > 0);
	}
	for (int i = 0; i < CLEANERS; i++) {
		check(waitpid(pid[i], &status, 0) == pid[i]);
		check_row(i, "status of a cleaner", WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	meanwhile = NOTHING;
	(void)unlinkat(dir, "box.lock", 0);
	check(files() == 0);
}

static void test_one_at_a_time(void **state)
{
	(void)state;
	one_at_a_time();
}

/* ---- on a file server ---- */

static void test_without_excl(void **state)
{
	(void)state;
	no_excl = true;
	one_at_a_time();
	no_excl = false;
}

static void test_replies(void **state)
{
	static const struct {
		enum reply reply;
		enum err err;
	} rows[] = {{HONEST, OK},
		    {LOST_REPLY, OK},
		    {LOST_TIMEOUT, OK},
		    {NOT_MADE, ERR_IN_USE},
		    {MADE_BY_OTHER, ERR_IN_USE}};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		struct why why = {""};
		struct dotlock l;

		reply = rows[i].reply;
		check_row(i, why.text, dotlock_take(&l, dir, "box", &rules, &why) == rows[i].err);
		reply = HONEST;
		if (rows[i].err == OK) {
			check_row(i, "it is ours", number_of("box.lock") == getpid() && files() == 1);
			check_row(i, "it goes", dotlock_release(&l, dir, "box", NULL));
		} else if (rows[i].reply == MADE_BY_OTHER) {
			check_row(i, "it is another's",
				  number_of("box.lock") == 1 && unlinkat(dir, "box.lock", 0) == 0);
		}
		check_row(i, "nothing is left", files() == 0);
	}
}

/* ---- no lock can be made ---- */

static void test_long_name(void **state)
{
	char name[DOTLOCK_NAME_MOST + 2];
	struct dotlock l;

	(void)state;
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	check(dotlock_take(&l, dir, name, &rules, NULL) == ERR_PERM);
	name[DOTLOCK_NAME_MOST] = '\0';
	check(dotlock_take(&l, dir, name, &rules, NULL) == OK && dotlock_release(&l, dir, name, NULL));
}

static int set_up(void **state)
{
	(void)state;
	gone = fork();
	if (gone == 0)
		_exit(0);
	if (gone < 0 || waitpid(gone, NULL, 0) != gone || !mkdtemp(top))
		return -1;
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(dir);
	return rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cleaning),      cmocka_unit_test(test_left),
		cmocka_unit_test(test_other_boot),    cmocka_unit_test(test_release),
		cmocka_unit_test(test_one_at_a_time), cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_without_excl),  cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
