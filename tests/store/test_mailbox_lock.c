/* tests/store/test_mailbox_lock.c - the mailbox lock against other programs' locks: fresh, stale, stolen, by fcntl */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "store/mailbox_lock.h"

#include "check.h"

static char top[] = "/tmp/pop3d-mailbox-lock-XXXXXX";
static int dir, mailbox;
static struct conf_locking conf;
static struct mailbox_lock_setup setup = {.conf = &conf};
static struct spool sp;
static struct mailbox_lock lock;
static struct why why;

static void put(const char *name, const char *text, int age_s)
{
	const struct timespec old[2] = {{.tv_sec = time(NULL) - age_s}, {.tv_sec = time(NULL) - age_s}};
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	check(futimens(fd, old) == 0 && close(fd) == 0);
}

/* What the file holds; NULL: there is none. */
static const char *text_of(const char *name)
{
	static char text[64];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n >= 0 ? text : NULL;
}

static unsigned files(void)
{
	DIR *d = opendir(top);
	unsigned n = 0;

	check(d != NULL);
	for (const struct dirent *e; (e = readdir(d));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

static enum err try(void)
{
	return mailbox_lock_try(&lock, &setup, &sp, mailbox, &why);
}

/* The number of a process that has gone. */
static pid_t dead(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	check(pid > 0 && waitpid(pid, NULL, 0) == pid);
	return pid;
}

static pid_t alive(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	check(pid > 0);
	return pid;
}

static void end(pid_t pid)
{
	check(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

static void test_file(void **state)
{
	struct stat st;
	char pid[32];

	(void)state;
	(void)snprintf(pid, sizeof pid, "%d\n", getpid());
	check(try() == OK && lock.held && lock.dotlock);
	check(strcmp(text_of("box.lock"), pid) == 0);
	check(fstatat(dir, "box.lock", &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & 07777) == 0644 &&
	      st.st_nlink == 1);
	check(files() == 2);
	mailbox_lock_release(&lock);
	mailbox_lock_release(&lock);
	check(!lock.held && files() == 1);
}

/* What stands in NAME.lock, how old it is, and whether the mailbox can be had then. */
static void test_stale(void **state)
{
	enum number { NONE, DEAD, ALIVE, ROOT };
	static const struct {
		const char *text; /* with %d for the number */
		enum number number;
		int age_s;
		bool pid_check;
		uint64_t expire_s;
		enum err err;
	} rows[] = {
		{"%d", DEAD, 0, true, 0, OK},
		{"%d\n", DEAD, 0, true, 0, OK},
		{"%d somewhere", DEAD, 0, true, 0, OK},
		{"%d", DEAD, 0, false, 0, ERR_IN_USE},
		{"%d", DEAD, 0, true, 600, OK},
		{"%d", ALIVE, 0, true, 0, ERR_IN_USE},
		{"%d\n", ALIVE, 0, true, 0, ERR_IN_USE},
		{"%d", ALIVE, 601, true, 600, OK},
		{"%d", ALIVE, 590, true, 600, ERR_IN_USE},
		{"%d", ALIVE, 100000, true, 0, ERR_IN_USE},
		{"%d", ALIVE, -100, true, 1, ERR_IN_USE}, /* a clock that is ahead */
		{"1", ROOT, 0, true, 0, ERR_IN_USE},      /* EPERM, unless we are root: alive in any case */
		{"", NONE, 0, true, 0, ERR_IN_USE},
		{"", NONE, 601, true, 600, OK},
		{"0", NONE, 0, true, 0, ERR_IN_USE}, /* lockfile(1) */
		{"abc", NONE, 0, true, 0, OK},
		{"abc", NONE, 0, false, 0, ERR_IN_USE},
		{"-7", NONE, 0, true, 0, OK},
		{"99999999999999999999", NONE, 0, true, 0, OK},
	};
	pid_t pid[] = {[DEAD] = dead(), [ALIVE] = alive(), [ROOT] = 1};
	char text[64];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		conf = (struct conf_locking){.pid_check = rows[i].pid_check, .expire_timeout = {rows[i].expire_s}};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(text, sizeof text, rows[i].text, pid[rows[i].number]);
#pragma GCC diagnostic pop
		put("box.lock", text, rows[i].age_s);
		check_row(i, rows[i].text, try() == rows[i].err);
		check_row(i, rows[i].text, lock.held == (rows[i].err == OK));
		check_row(i, rows[i].text, lock.held || strcmp(text_of("box.lock"), text) == 0);
		check_row(i, rows[i].text, files() == 2);
		mailbox_lock_release(&lock);
		(void)unlinkat(dir, "box.lock", 0);
	}
	end(pid[ALIVE]);
}

/* Of a process of ours that died, whatever pid-check says: the session lock tells that nobody has it. */
static void test_left_behind(void **state)
{
	pid_t numbers[] = {getpid(), getppid()};
	char text[32];

	(void)state;
	conf.pid_check = false;
	for (size_t i = 0; i < TABLE_ROWS(numbers); i++) {
		(void)snprintf(text, sizeof text, "%d\n", numbers[i]);
		put("box.lock", text, 0);
		check_row(i, text, try() == OK);
		mailbox_lock_release(&lock);
		check_row(i, text, files() == 1);
	}
}

/* Kept for the replay: it bears the number of the parent, and is released as any other while we live. */
static void test_kept(void **state)
{
	char text[32];

	(void)state;
	(void)snprintf(text, sizeof text, "%d\n", getppid());
	check(spool_keep(&sp, &why) == OK && files() == 1); /* there is none: nothing happens */
	check(try() == OK);
	check(spool_keep(&sp, &why) == OK && strcmp(text_of("box.lock"), text) == 0);
	mailbox_lock_release(&lock);
	check(files() == 1);
	put("box.lock", "1\n", 0);
	check(spool_keep(&sp, &why) == OK && strcmp(text_of("box.lock"), "1\n") == 0); /* somebody else's */
	check(unlinkat(dir, "box.lock", 0) == 0);
}

/* What the log gets during the test. */
static FILE *log_stream;
static int log_file;

static bool has_warned(const char *text)
{
	char got[2048] = "";

	check(pread(log_file, got, sizeof got - 1, 0) >= 0);
	check(ftruncate(log_file, 0) == 0);
	(void)lseek(log_file, 0, SEEK_SET);
	return strstr(got, text) != NULL;
}

static void test_taken_away(void **state)
{
	(void)state;
	check(try() == OK && unlinkat(dir, "box.lock", 0) == 0);
	mailbox_lock_release(&lock);
	check(has_warned("box.lock") && files() == 1);
	check(try() == OK && unlinkat(dir, "box.lock", 0) == 0);
	put("box.lock", "1", 0);
	mailbox_lock_release(&lock);
	check(has_warned("box.lock") && strcmp(text_of("box.lock"), "1") == 0);
	check(unlinkat(dir, "box.lock", 0) == 0);
	check(try() == OK);
	mailbox_lock_release(&lock);
	check(!has_warned("box.lock"));
}

static void test_no_file(void **state)
{
	(void)state;
	check(mkdirat(dir, "box.lock", 0700) == 0);
	conf.expire_timeout.n = 1;
	check(try() == ERR_IN_USE && strstr(why.text, "no regular file"));
	check(unlinkat(dir, "box.lock", AT_REMOVEDIR) == 0);
	check(symlinkat("nowhere", dir, "box.lock") == 0);
	check(try() == ERR_IN_USE);
	check(unlinkat(dir, "box.lock", 0) == 0);
}

/* ---- fcntl ---- */

/* Another process locks the mailbox as other programs do, with a POSIX lock, and waits. */
static pid_t fcntl_holder(short type)
{
	int ready[2];
	char octet;

	check(pipe(ready) == 0);
	pid_t pid = fork();

	if (pid == 0) {
		struct flock all = {.l_type = type, .l_whence = SEEK_SET};
		int fd = openat(dir, "box", O_RDWR | O_CLOEXEC);

		if (fcntl(fd, F_SETLK, &all) == 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	check(pid > 0 && read(ready[0], &octet, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static bool fcntl_is_free(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		int fd = openat(dir, "box", O_RDWR | O_CLOEXEC);

		_exit(fcntl(fd, F_SETLK, &all) == 0 ? 0 : 1);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status == 0;
}

static void test_fcntl(void **state)
{
	static const enum lock_type types[] = {LOCK_DOTLOCK, LOCK_KERNEL};
	static const short kinds[] = {F_RDLCK, F_WRLCK};

	(void)state;
	for (size_t t = 0; t < TABLE_ROWS(types); t++) {
		conf.type = types[t];
		for (size_t k = 0; k < TABLE_ROWS(kinds); k++) {
			pid_t pid = fcntl_holder(kinds[k]);

			check_row(t, "busy", try() == ERR_IN_USE && files() == 1);
			end(pid);
		}
		check_row(t, "free", try() == OK && lock.dotlock == (types[t] == LOCK_DOTLOCK));
		check_row(t, "ours", !fcntl_is_free() && files() == (types[t] == LOCK_DOTLOCK ? 2 : 1));
		int other = openat(dir, "box", O_RDWR | O_CLOEXEC);

		close(other); /* loses a POSIX lock, and not ours */
		check_row(t, "still ours", !fcntl_is_free());
		mailbox_lock_release(&lock);
		check_row(t, "released", fcntl_is_free());
	}
	put("box.lock", "1", 0); /* and a dotlock that is busy leaves no other lock behind */
	conf.type = LOCK_DOTLOCK;
	check(try() == ERR_IN_USE && fcntl_is_free());
	check(unlinkat(dir, "box.lock", 0) == 0);
}

static void test_read_only(void **state)
{
	int fd = openat(dir, "box", O_RDONLY | O_CLOEXEC);

	(void)state;
	check(mailbox_lock_try(&lock, &setup, &sp, fd, &why) == OK);
	mailbox_lock_release(&lock);
	close(fd);
}

/* ---- where no lock can be made ---- */

/* As a user who may not write there: what others have made counts, and the log says what to do. */
static void test_not_ours(void **state)
{
	char pid[32];

	(void)state;
	(void)snprintf(pid, sizeof pid, "%d", dead());
	check(fchmod(dir, 0555) == 0 && fchmod(mailbox, 0666) == 0);
	if (geteuid() == 0)
		check(seteuid(12345) == 0);
	check(spool_init(&sp, dir, "box", NULL, &why) == OK && !sp.own);
	check(try() == OK && lock.held && !lock.dotlock && !fcntl_is_free());
	mailbox_lock_release(&lock);
	check(seteuid(getuid()) == 0 && fchmod(dir, 0755) == 0);
	check(has_warned("mail-spool"));
	put("box.lock", "1", 0);
	check(fchmodat(dir, "box.lock", 0644, 0) == 0 && fchmod(dir, 0555) == 0);
	if (geteuid() == 0)
		check(seteuid(12345) == 0);
	check(try() == ERR_IN_USE && fcntl_is_free());
	check(seteuid(getuid()) == 0 && fchmod(dir, 0755) == 0);
	put("box.lock", pid, 0);
	check(fchmod(dir, 0555) == 0);
	if (geteuid() == 0)
		check(seteuid(12345) == 0);
	check(try() == OK && !lock.dotlock && files() == 2); /* stale, but not ours to remove */
	mailbox_lock_release(&lock);
	check(seteuid(getuid()) == 0 && fchmod(dir, 0755) == 0);
}

static int begin(void **state)
{
	(void)state;
	conf = (struct conf_locking){.pid_check = true};
	for (const char *const *name = (const char *const[]){"box.lock", NULL}; *name; name++)
		(void)unlinkat(dir, *name, 0);
	return spool_init(&sp, dir, "box", NULL, &why) == OK && sp.own ? 0 : -1;
}

static int set_up(void **state)
{
	struct log_setup log = {.severity = LOG_INFO, .tag = "test"};

	(void)state;
	log_stream = tmpfile();
	if (!log_stream || !mkdtemp(top))
		return -1;
	log.fd = log_file = fileno(log_stream);
	log_setup(&log);
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mailbox = openat(dir, "box", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return dir < 0 || mailbox < 0;
}

static int tear_down(void **state)
{
	(void)state;
	return fclose(log_stream) != 0 || unlinkat(dir, "box", 0) < 0 || rmdir(top) < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_file, begin),
		cmocka_unit_test_setup(test_stale, begin),
		cmocka_unit_test_setup(test_left_behind, begin),
		cmocka_unit_test_setup(test_kept, begin),
		cmocka_unit_test_setup(test_taken_away, begin),
		cmocka_unit_test_setup(test_no_file, begin),
		cmocka_unit_test_setup(test_fcntl, begin),
		cmocka_unit_test_setup(test_read_only, begin),
		cmocka_unit_test_setup_teardown(test_not_ours, begin, begin),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
