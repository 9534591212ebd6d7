/* tests/store/test_opener.c - the opener over its channel: what it looks at, and what becomes of the session lock
 *
 * opener_main runs in a child; the test plays master. What it finds in real maildrops is in tests/e2e/test_opener.py. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "check.h"
#include "ipc/chan.h"
#include "ipc/role.h"

enum { NOBODY = 65534, TEST_S = 60, LONG_MS = 60 * 1000 };

static struct ev_loop *loop;
static struct chan opener;
static pid_t child;
static struct conf conf = {.mailbox = {.mailbox_type = "mbox", .index = "auto"}};
static struct msg_opened answer;
static bool is_answered, is_closed;
static char top[] = "/tmp/pop3d-opener-XXXXXX";

static enum err on_opened(struct chan *c, struct msg *m, struct why *why)
{
	(void)c;
	(void)why;
	memcpy(&answer, m->payload, sizeof answer);
	is_answered = true;
	return OK;
}

static enum err on_ready(struct chan *c, struct msg *m, struct why *why)
{
	(void)c;
	(void)m;
	(void)why;
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
	is_closed = true;
}

static const struct chan_ops ops = {.on = {[MSG_READY] = on_ready, [MSG_OPENED] = on_opened}, .closed = on_closed};

static int set_up(void **state)
{
	int fds[2];

	(void)state;
	alarm(TEST_S);
	is_closed = false;
	strcpy(top + sizeof top - 7, "XXXXXX");
	check(mkdtemp(top) && chmod(top, 0755) == 0 && chan_pair(fds, NULL) == OK);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		close(fds[0]);
		_exit(opener_main(&(struct role_env){.conf = &conf, .master_fd = fds[1]}));
	}
	close(fds[1]);
	loop = ev_loop_new(0);
	chan_init(&opener, loop, fds[0], ROLE_MASTER, ROLE_OPENER, 1, &ops, NULL);
	return 0;
}

static int tear_down(void **state)
{
	int status;

	(void)state;
	if (!is_closed)
		chan_done(&opener);
	check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
	ev_loop_destroy(loop);
	return rmdir(top);
}

/* A file of session locks as master opens it for one session; it has no name. */
static int lock_file(void)
{
	return open(top, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* About an mbox that nobody has made yet, of which there is nothing to read. */
static void ask(uid_t uid, uint64_t until_ms, int lock_fd)
{
	gid_t gid = geteuid() == 0 ? NOBODY : getegid();
	struct msg_open q = {.job = 1, .until_ms = until_ms, .uid = uid, .gid = gid};
	char url[64];
	struct buf b = BUF(url);

	buf_str(&b, "mbox:");
	buf_str(&b, top);
	buf_str(&b, "/none");
	is_answered = false;
	check(chan_send(&opener, MSG_OPEN,
			&(struct chan_out){.payload = &q, .bulk = {buf_slice(&b)}, .fds = {lock_fd}, .nfds = 1}));
	while (!is_answered && !is_closed)
		ev_run(loop, EVRUN_ONCE);
}

/* By the open file that the opener has had. */
static bool is_locked(int lock_fd)
{
	char path[32];
	struct flock any = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	check(snprintf(path, sizeof path, "/proc/self/fd/%d", lock_fd) > 0);
	int other = open(path, O_RDWR | O_CLOEXEC);

	check(other >= 0 && fcntl(other, F_OFD_GETLK, &any) == 0);
	close(other);
	return any.l_type != F_UNLCK;
}

/* Whoever waits no longer has unlocked it: it must not be locked again. */
static void test_until(void **state)
{
	struct stat st;
	uid_t uid = geteuid() == 0 ? NOBODY : geteuid();

	(void)state;
	check(stat(top, &st) == 0);
	if (major(st.st_dev) == 0)
		skip(); /* a worker's, whatever it is */
	for (int late = 0; late < 2; late++) {
		int fd = lock_file();

		check(fd >= 0);
		ask(uid, clock_ms() + (late ? 0 : LONG_MS), fd);
		check_row((size_t)late, "fits", answer.job == 1 && answer.fits == !late);
		check_row((size_t)late, "is locked", is_locked(fd) == !late);
		close(fd);
	}
}

/* It is never root's, whoever asks. */
static void test_root(void **state)
{
	int fd = lock_file();

	(void)state;
	ask(0, clock_ms() + LONG_MS, fd);
	check(is_closed && !is_answered && !is_locked(fd));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_until, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_root, set_up, tear_down),
	};

	log_setup(&(struct log_setup){.fd = -1});
	return cmocka_run_group_tests(tests, NULL, NULL);
}
