/* tests/master/test_locker.c - the locker role over its channels: what it does for a worker, and what it refuses
 *
 * locker_main runs in a child, in a spool of the test's; the test plays master and two store workers of different owners. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "ipc/chan.h"
#include "ipc/role.h"

enum { BOB = 20071, EVE = 20072, WAIT_MS = 20000 };

static char top[] = "/tmp/pop3d-locker-XXXXXX";
static struct ev_loop *loop;
static struct conf conf = {.locking = {.pid_check = true}};
static struct chan master;
static pid_t child;

/* A store worker, and the answer that it got last. */
struct end {
	struct chan chan;
	bool answered, closed;
	struct msg_spooled answer;
	int fd;
};
static struct end bob, bob2, eve;

static uid_t uid_of(uid_t uid)
{
	return geteuid() == 0 ? uid : geteuid();
}

static enum err on_spooled(struct chan *c, struct msg *m, struct why *why)
{
	struct end *e = c->owner;

	(void)why;
	memcpy(&e->answer, m->payload, sizeof e->answer);
	e->fd = msg_take_fd(m, 0);
	e->answered = true;
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	struct end *e = c->owner;

	(void)reason;
	e->closed = true;
	chan_done(c);
}

static const struct chan_ops worker_ops = {.on = {[MSG_SPOOLED] = on_spooled}, .closed = on_closed};

static enum err ignore(struct chan *c, struct msg *m, struct why *why)
{
	(void)c;
	(void)m;
	(void)why;
	return OK;
}

static void on_master_closed(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
}

static const struct chan_ops master_ops = {.on = {[MSG_READY] = ignore}, .closed = on_master_closed};

static void connect_worker(struct end *e, uid_t uid)
{
	struct msg_peer peer = {.role = ROLE_STORE, .serial = 5, .uid = uid_of(uid)};
	int fds[2];

	*e = (struct end){.fd = -1};
	check(chan_pair(fds, NULL) == OK);
	chan_init(&e->chan, loop, fds[0], ROLE_STORE, ROLE_LOCKER, 1, &worker_ops, e);
	check(chan_send(&master, MSG_PEER, &(struct chan_out){.payload = &peer, .fds = {fds[1]}, .nfds = 1}));
	close(fds[1]);
}

static pid_t heir; /* that requests name */

/* What is answered; the channel must not end. */
static enum err ask(struct end *e, enum spool_op op, struct slice name)
{
	struct msg_spool q = {.job = 1, .op = op, .heir = (uint32_t)heir};

	e->answered = false;
	check(chan_send(&e->chan, MSG_SPOOL, &(struct chan_out){.payload = &q, .bulk = {name}}));
	chan_wait(&e->chan, &e->answered, WAIT_MS);
	check_row(op, name.p, e->answered);
	return (enum err)e->answer.err;
}

static void path_of(char path[static 300], const char *name)
{
	(void)snprintf(path, 300, "%s/%s", top, name);
}

static void put(const char *name, uid_t uid, const char *text)
{
	char path[300];

	path_of(path, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
	check(chown(path, uid_of(uid), (gid_t)-1) == 0);
}

static bool is_there(const char *name)
{
	char path[300];
	struct stat st;

	path_of(path, name);
	return lstat(path, &st) == 0;
}

static int set_up(void **state)
{
	int fds[2];

	(void)state;
	strcpy(strrchr(top, '-'), "-XXXXXX");
	loop = ev_default_loop(EVFLAG_AUTO);
	check(mkdtemp(top) && chan_pair(fds, NULL) == OK);
	child = fork();
	if (child == 0) {
		struct role_env env = {.conf = &conf, .master_fd = fds[1], .session_fd = -1};

		close(fds[0]);
		ev_loop_fork(loop);
		log_setup(&(struct log_setup){.fd = -1});
		_exit(chdir(top) == 0 ? locker_main(&env) : 1);
	}
	check(child > 0);
	close(fds[1]);
	chan_init(&master, loop, fds[0], ROLE_MASTER, ROLE_LOCKER, 1, &master_ops, NULL);
	connect_worker(&bob, BOB);
	connect_worker(&bob2, BOB);
	connect_worker(&eve, EVE);
	put("bob", BOB, "mail of bob\n");
	put("eve", EVE, "mail of eve\n");
	return 0;
}

static int set_up_unchecked(void **state)
{
	conf.locking.pid_check = false;
	int result = set_up(state);

	conf.locking.pid_check = true;
	return result;
}

static void remove_all(void)
{
	DIR *d = opendir(top);

	check(d != NULL);
	for (const struct dirent *e; (e = readdir(d));)
		(void)unlinkat(dirfd(d), e->d_name, strcmp(e->d_name, "dir") == 0 ? AT_REMOVEDIR : 0);
	closedir(d);
	check(rmdir(top) == 0);
}

/* It ends with master and its last worker, without complaint, and leaves nothing of its own. */
static int tear_down(void **state)
{
	int status;

	(void)state;
	chan_done(&master);
	chan_done(&bob.chan);
	chan_done(&bob2.chan);
	chan_done(&eve.chan);
	check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	remove_all();
	return 0;
}

/* Names that are no mailbox of bob's, whatever lies there. */
static void test_names(void **state)
{
	static const struct {
		const char *name;
		size_t n; /* 0: of the string */
	} rows[] = {
		{"", 0},       {".", 0},      {"..", 0},      {".bob", 0},        {"/bob", 0},
		{"bob/", 0},   {"../bob", 0}, {"dir/bob", 0}, {"bob.lock", 0},    {"bob.new", 0},
		{"bob\0x", 5}, {"bob\0", 4},  {"nothing", 0}, {"dir", 0},         {"link", 0},
		{"fifo", 0},   {".lock", 0},  {"bob\n", 0},   {"/etc/shadow", 0},
	};
	char path[300];

	(void)state;
	put("bob.lock", BOB, "1");
	put("bob.new", BOB, "somebody's mail");
	put(".bob", BOB, "");
	path_of(path, "dir");
	check(mkdir(path, 0700) == 0 && chown(path, uid_of(BOB), (gid_t)-1) == 0);
	path_of(path, "link");
	check(symlink("bob", path) == 0 && lchown(path, uid_of(BOB), (gid_t)-1) == 0);
	path_of(path, "fifo");
	check(mkfifo(path, 0600) == 0 && chown(path, uid_of(BOB), (gid_t)-1) == 0);
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		struct slice name = {rows[i].name, rows[i].n ? rows[i].n : strlen(rows[i].name)};

		check_row(i, rows[i].name, ask(&bob, SPOOL_LOCK, name) == ERR_PERM);
		check_row(i, rows[i].name, ask(&bob, SPOOL_NEW, name) == ERR_PERM);
		check_row(i, rows[i].name, ask(&bob, SPOOL_REPLACE, name) == ERR_PERM);
	}
	check(!is_there("link.lock") && !is_there("dir.lock") && is_there("bob.new") && is_there("bob.lock"));
	char longest[251];

	memset(longest, 'x', sizeof longest);
	check(ask(&bob, SPOOL_LOCK, (struct slice){longest, 250}) == ERR_PERM);
}

/* Who a worker works for master says; what it asks for must be its owner's. */
static void test_foreign_owners(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("test_foreign_owners needs root\n");
		skip();
	}
	check(ask(&eve, SPOOL_LOCK, SLICE("bob")) == ERR_PERM && !is_there("bob.lock"));
	check(ask(&bob, SPOOL_LOCK, SLICE("bob")) == OK && is_there("bob.lock"));
	for (enum spool_op op = SPOOL_KEEP; op < SPOOL_OPS; op++)
		check_row(op, "of bob, by eve", ask(&eve, op, SLICE("bob")) == ERR_PERM);
	check(ask(&eve, SPOOL_UNLOCK, SLICE("bob")) == OK && is_there("bob.lock")); /* hers, of which there is none */
	put("bob", EVE, "it has changed hands\n");
	check(ask(&bob, SPOOL_NEW, SLICE("bob")) == ERR_PERM && !is_there(".bob.new"));
	check(ask(&bob, SPOOL_UNLOCK, SLICE("bob")) == OK && !is_there("bob.lock"));
}

static void test_lock(void **state)
{
	(void)state;
	check(ask(&bob, SPOOL_LOCK, SLICE("bob")) == OK && is_there("bob.lock"));
	check(ask(&bob, SPOOL_LOCK, SLICE("bob")) == OK); /* an answer that came too late */
	check(ask(&bob2, SPOOL_LOCK, SLICE("bob")) == ERR_IN_USE);
	check(ask(&bob, SPOOL_UNLOCK, SLICE("bob")) == OK && !is_there("bob.lock"));
	check(ask(&bob, SPOOL_UNLOCK, SLICE("bob")) == OK);
	put("bob.lock", EVE, "1\n"); /* of another program, which runs */
	check(ask(&bob, SPOOL_LOCK, SLICE("bob")) == ERR_IN_USE && is_there("bob.lock"));
}

static void test_lock_is_stolen(void **state)
{
	char path[300];

	(void)state;
	path_of(path, "bob.lock");
	check(ask(&bob, SPOOL_LOCK, SLICE("bob")) == OK && unlink(path) == 0);
	put("bob.lock", EVE, "1\n");
	check(ask(&bob, SPOOL_UNLOCK, SLICE("bob")) == ERR_TEMP && is_there("bob.lock"));
}

static void test_new(void **state)
{
	struct stat old, st;
	char path[300];

	(void)state;
	path_of(path, "bob");
	check(chmod(path, 0640) == 0 && stat(path, &old) == 0);
	check(ask(&bob, SPOOL_NEW, SLICE("bob")) == ERR_PERM); /* not locked */
	check(ask(&bob, SPOOL_LOCK, SLICE("bob")) == OK);
	check(ask(&bob, SPOOL_REPLACE, SLICE("bob")) == ERR_PERM); /* there is none */
	put(".bob.new", BOB, "what a crash has left");
	check(ask(&bob, SPOOL_NEW, SLICE("bob")) == OK && bob.fd >= 0 && fstat(bob.fd, &st) == 0);
	check(st.st_uid == old.st_uid && st.st_gid == old.st_gid && st.st_mode == old.st_mode && st.st_size == 0);
	check(write(bob.fd, "new\n", 4) == 4 && close(bob.fd) == 0);
	check(ask(&bob, SPOOL_REPLACE, SLICE("bob")) == OK && !is_there(".bob.new"));
	check(stat(path, &old) == 0 && old.st_ino == st.st_ino && old.st_size == 4);
	check(ask(&bob, SPOOL_NEW, SLICE("bob")) == OK && bob.fd >= 0 && close(bob.fd) == 0);
	check(ask(&bob, SPOOL_ABANDON, SLICE("bob")) == OK && !is_there(".bob.new"));
	check(ask(&bob, SPOOL_ABANDON, SLICE("bob")) == OK);
}

/* What a worker held goes when it dies; what it has asked to keep stays, and the next who asks has it. */
static void test_worker_dies(void **state)
{
	(void)state;
	check(ask(&bob, SPOOL_LOCK, SLICE("bob")) == OK && ask(&bob, SPOOL_NEW, SLICE("bob")) == OK);
	close(bob.fd);
	chan_done(&bob.chan);
	while (is_there("bob.lock") || is_there(".bob.new"))
		check(ask(&eve, SPOOL_UNLOCK, SLICE("eve")) == OK); /* it comes to it */
	check(ask(&bob2, SPOOL_KEEP, SLICE("bob")) == ERR_PERM);    /* not locked */
	check(ask(&bob2, SPOOL_LOCK, SLICE("bob")) == OK && ask(&bob2, SPOOL_KEEP, SLICE("bob")) == OK);
	chan_done(&bob2.chan);
	for (int i = 0; i < 3; i++) /* behind the end of the other, in the order of the loop */
		check(ask(&eve, SPOOL_UNLOCK, SLICE("eve")) == OK && is_there("bob.lock"));
	connect_worker(&bob, BOB);
	check(ask(&bob, SPOOL_LOCK, SLICE("bob")) == OK && ask(&bob, SPOOL_UNLOCK, SLICE("bob")) == OK);
	check(!is_there("bob.lock"));
}

/* Its lock was left for a replay by a master that is gone: whoever replays says so, whatever pid-check says. */
static void test_heir(void **state)
{
	char text[32];
	pid_t gone = fork();

	(void)state;
	if (gone == 0)
		_exit(0);
	check(gone > 0 && waitpid(gone, NULL, 0) == gone);
	(void)snprintf(text, sizeof text, "%d\n", (int)gone);
	put("bob.lock", BOB, text);
	check(ask(&bob, SPOOL_LOCK, SLICE("bob")) == ERR_IN_USE); /* pid-check no */
	heir = gone;
	check(ask(&bob, SPOOL_LOCK, SLICE("bob")) == OK && ask(&bob, SPOOL_UNLOCK, SLICE("bob")) == OK);
	put("bob.lock", BOB, "1\n");
	check(ask(&bob, SPOOL_LOCK, SLICE("bob")) == ERR_IN_USE);
	heir = 0;
}

/* A worker has locks of as many mailboxes as it needs, and no more. */
static void test_bound(void **state)
{
	char name[16];
	unsigned n = 0;

	(void)state;
	for (; n < 1000; n++) {
		(void)snprintf(name, sizeof name, "box%u", n);
		put(name, BOB, "");
		if (ask(&bob, SPOOL_LOCK, slice_str(name)) != OK)
			break;
	}
	check(n >= 1 && n < 1000);
}

static void test_unknown_operation(void **state)
{
	struct msg_spool q = {.op = SPOOL_OPS};

	(void)state;
	check(ask(&eve, SPOOL_LOCK, SLICE("eve")) == OK);
	check(chan_send(&eve.chan, MSG_SPOOL, &(struct chan_out){.payload = &q, .bulk = {SLICE("eve")}}));
	chan_wait(&eve.chan, &eve.closed, WAIT_MS);
	check(eve.closed && ask(&bob, SPOOL_LOCK, SLICE("bob")) == OK && !is_there("eve.lock"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_foreign_owners),
		TEST(test_lock),
		TEST(test_lock_is_stolen),
		TEST(test_new),
		TEST(test_worker_dies),
		TEST(test_bound),
		cmocka_unit_test_setup_teardown(test_heir, set_up_unchecked, tear_down),
		TEST(test_unknown_operation),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
