/* tests/store/test_opener.c - the opener over its channel: what it looks at, and what becomes of the session lock
 *
 * opener_main runs in a child; the test plays master. What it finds in real maildrops is in tests/e2e/test_opener.py. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "check.h"
#include "ipc/chan.h"
#include "ipc/role.h"

enum { NOBODY = 65534, TEST_S = 60, LONG_MS = 60 * 1000, WAIT_S = 20 };

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

/* About an mbox here. False: there is no answer. */
static bool ask(const char *name, uid_t uid, uint64_t until_ms, int lock_fd)
{
	gid_t gid = geteuid() == 0 ? NOBODY : getegid();
	struct msg_open q = {.job = 1, .until_ms = until_ms, .uid = uid, .gid = gid};
	char url[64];
	struct buf b = BUF(url);

	buf_str(&b, "mbox:");
	buf_str(&b, top);
	buf_str(&b, "/");
	buf_str(&b, name);
	is_answered = false;
	check(chan_send(&opener, MSG_OPEN,
			&(struct chan_out){.payload = &q, .bulk = {buf_slice(&b)}, .fds = {lock_fd}, .nfds = 1}));
	for (int i = 0; !is_answered && !is_closed && i < WAIT_S * 100; i++) {
		ev_run(loop, EVRUN_NOWAIT);
		(void)usleep(10000);
	}
	return is_answered;
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

static bool is_on_a_device(void)
{
	struct stat st;

	check(stat(top, &st) == 0);
	return major(st.st_dev) != 0;
}

/* There is no mbox yet, so nothing is to be read. Whoever waits no longer has unlocked it: it must not be locked again. */
static void test_until(void **state)
{
	uid_t uid = geteuid() == 0 ? NOBODY : geteuid();

	(void)state;
	if (!is_on_a_device())
		skip(); /* a worker's, whatever it is */
	for (int late = 0; late < 2; late++) {
		int fd = lock_file();

		check(fd >= 0);
		(void)ask("none", uid, clock_ms() + (late ? 0 : LONG_MS), fd);
		check_row((size_t)late, "fits", answer.job == 1 && answer.fits == !late);
		check_row((size_t)late, "is locked", is_locked(fd) == !late);
		close(fd);
	}
}

/* ---- an index that is somebody's file system ---- */

static void reply(int dev, const struct fuse_in_header *in, int error, const void *p, size_t n)
{
	char octets[256];
	struct fuse_out_header out = {.len = (uint32_t)(sizeof out + n), .error = error, .unique = in->unique};

	memcpy(octets, &out, sizeof out);
	memcpy(octets + sizeof out, p, n);
	check(write(dev, octets, out.len) == (ssize_t)out.len);
}

/* One file, which can be looked at and opened, and of which nobody hears again then. */
static _Noreturn void serve(int dev)
{
	static const struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = 65536};
	static const struct fuse_attr_out attr = {.attr = {.ino = 1, .mode = S_IFREG | 0644, .nlink = 1}};
	static const struct fuse_open_out opened = {.fh = 1};
	static char request[1 << 17];
	struct fuse_in_header in = {0};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (in.opcode != FUSE_OPEN && read(dev, request, sizeof request) > 0) {
		memcpy(&in, request, sizeof in);
		if (in.opcode == FUSE_INIT)
			reply(dev, &in, 0, &init, sizeof init);
		else if (in.opcode == FUSE_GETATTR)
			reply(dev, &in, 0, &attr, sizeof attr);
		else if (in.opcode == FUSE_OPEN)
			reply(dev, &in, 0, &opened, sizeof opened);
		else
			reply(dev, &in, -ENOSYS, "", 0);
	}
	for (;;)
		pause();
}

static void put(const char *name)
{
	char path[64];

	check(snprintf(path, sizeof path, "%s/%s", top, name) > 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	check(fd >= 0 && fchown(fd, NOBODY, NOBODY) == 0);
	close(fd);
}

/* Such a one is not opened: close(2) would wait for it, whatever signal comes, and all others for the opener. Needs root, to mount. */
static void test_silent_index(void **state)
{
	char index[64], options[96];
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC), fd = lock_file();

	(void)state;
	if (geteuid() != 0 || dev < 0 || !is_on_a_device())
		skip();
	put("mail");
	put(".mail.pop3idx");
	check(snprintf(index, sizeof index, "%s/.mail.pop3idx", top) > 0);
	check(snprintf(options, sizeof options, "fd=%d,rootmode=100000,user_id=0,group_id=0,allow_other", dev) > 0);
	check(mount("test", index, "fuse", 0, options) == 0);
	pid_t server = fork();

	if (server == 0)
		serve(dev);
	close(dev);
	bool first = ask("mail", NOBODY, clock_ms() + LONG_MS, fd) && !answer.fits;
	bool second = ask("none", NOBODY, clock_ms() + LONG_MS, fd) && answer.fits;

	/* Without its server the file system is dead, and nobody waits for it any more. */
	check(kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server);
	check(umount2(index, MNT_DETACH) == 0 && unlink(index) == 0);
	check(unlinkat(AT_FDCWD, strcat(strcpy(index, top), "/mail"), 0) == 0);
	check(first && second);
	close(fd);
}

/* It is never root's, whoever asks. */
static void test_root(void **state)
{
	int fd = lock_file();

	(void)state;
	(void)ask("none", 0, clock_ms() + LONG_MS, fd);
	check(is_closed && !is_answered && !is_locked(fd));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_until, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_silent_index, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_root, set_up, tear_down),
	};

	log_setup(&(struct log_setup){.fd = -1});
	return cmocka_run_group_tests(tests, NULL, NULL);
}
