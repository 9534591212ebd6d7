/* tests/master/test_external.c - the external locker in master: how the program is called, as whom, when, and what comes of it
 *
 * The program is a shell script that writes down how it was called and ends with the status that stands in a file; the test plays
 * store workers. */
#include "master/external.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "master/master.h"

enum { OWNER = 20091, GROUP = 20092, WAIT_S = 30, TICKS = 50, TEST_S = 200, TEXT = 8192 };

static const char script[] = "#!/bin/sh\n"
			     "cd %s\n"
			     "echo \"$@\" >> calls\n"
			     "id -u > who; id -g >> who; id -G >> who; env | sort | cut -d= -f1 | tr '\\n' ' ' >> who\n"
			     "ls /proc/$$/fd | tr '\\n' ' ' >> who; grep NoNewPrivs /proc/$$/status >> who\n"
			     "[ ! -p gate ] || read line < gate\n"
			     "[ ! -e trap ] || trap 'echo ended >> calls; exit 1' TERM\n"
			     "[ ! -p alive ] || exec 9<> alive\n"
			     "while [ -e hang ]; do sleep 1000 & wait; done\n"
			     "[ \"$1\" != -u ] || exit $(cat unlocks)\n"
			     "exit $(cat locks)\n";

static char top[] = "/tmp/pop3d-locking-XXXXXX", program[sizeof top + 16], other[sizeof top + 16];
static struct master m;
static struct conf conf;
static ev_signal ended;

/* A worker as master sees it, and its end of the channel. */
struct worker {
	struct child child;
	struct chan chan;
	unsigned answers;
	uint64_t job;
	enum err err;
	char reason[256];
	bool closed;
};
static struct worker bob, bob2;

/* ---- files ---- */

static void put(const char *name, const char *text, mode_t mode)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", top, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	check(fd >= 0 && fchmod(fd, mode) == 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
	      close(fd) == 0);
}

static const char *text_of(const char *name)
{
	static char text[TEXT];
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", top, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *path_to(const char *name)
{
	static char path[4][128];
	static unsigned next;

	next = (next + 1) % 4;
	(void)snprintf(path[next], sizeof path[next], "%s/%s", top, name);
	return path[next];
}

static void mailbox(const char *name, uid_t owner)
{
	put(name, "", 0600);
	check(geteuid() != 0 || chown(path_to(name), owner, owner) == 0);
}

/* ---- the loop, as supervise.c has it ---- */

static void on_ended(struct ev_loop *loop, ev_signal *w, int revents)
{
	siginfo_t info = {0};
	int status;

	(void)loop;
	(void)w;
	(void)revents;
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0) {
		struct hold *h = externals_find(&m, info.si_pid);

		check(h != NULL);
		externals_kill_group(h);
		check(waitpid(info.si_pid, &status, 0) == info.si_pid);
		externals_ended(h, status);
		info = (siginfo_t){0};
	}
}

/* Facts of the file system come without an event. */
static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	++*(unsigned *)w->data;
}

#define run_until(fact)                                                                                                \
	do {                                                                                                           \
		unsigned ticks = 0;                                                                                    \
		ev_timer timer;                                                                                        \
		ev_timer_init(&timer, on_tick, 1. / TICKS, 1. / TICKS);                                                \
		timer.data = &ticks;                                                                                   \
		ev_timer_start(m.loop, &timer);                                                                        \
		while (!(fact) && ticks < WAIT_S * TICKS)                                                              \
			ev_run(m.loop, EVRUN_ONCE);                                                                    \
		ev_timer_stop(m.loop, &timer);                                                                         \
		check(fact);                                                                                           \
	} while (0)

static void idle(void)
{
	run_until(!m.externals.first);
}

/* ---- workers ---- */

static enum err on_locked(struct chan *c, struct msg *msg, struct why *why)
{
	struct worker *w = c->owner;
	const struct msg_locked *q = msg->payload;

	(void)why;
	w->job = q->job;
	w->err = (enum err)q->err;
	(void)snprintf(w->reason, sizeof w->reason, "%.*s", (int)msg->bulk.n, msg->bulk.n ? msg->bulk.p : "");
	w->answers++;
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	(void)reason;
	((struct worker *)c->owner)->closed = true;
	chan_done(c);
}

static void on_child_closed(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
}

static const struct chan_ops worker_ops = {.on = {[MSG_LOCKED] = on_locked}, .closed = on_closed};
static const struct chan_ops child_ops = {.on = {[MSG_LOCK] = on_lock}, .closed = on_child_closed};

static void worker_open(struct worker *w)
{
	struct why why = {""};
	int fds[2];

	*w = (struct worker){.child = {.master = &m, .role = ROLE_STORE, .owner = {OWNER, GROUP}}};
	if (geteuid() != 0)
		w->child.owner = m.self;
	check(chan_pair(fds, &why) == OK);
	chan_init(&w->child.chan, m.loop, fds[0], ROLE_MASTER, ROLE_STORE, 1, &child_ops, &w->child);
	chan_init(&w->chan, m.loop, fds[1], ROLE_STORE, ROLE_MASTER, 0, &worker_ops, w);
}

static void say(struct worker *w, enum lock_op op, uint64_t job, const char *path)
{
	struct msg_lock q = {.job = job, .op = op};

	check(chan_send(&w->chan, MSG_LOCK, &(struct chan_out){.payload = &q, .bulk = {slice_str(path)}}));
}

/* Asks for it, and has the answer. */
static enum err take(struct worker *w, uint64_t job, const char *name)
{
	unsigned n = w->answers;

	say(w, LOCK_OP_TAKE, job, path_to(name));
	run_until(w->answers > n);
	check(w->job == job);
	return w->err;
}

static void release(struct worker *w, uint64_t job)
{
	say(w, LOCK_OP_RELEASE, job, "");
	idle();
}

static int set_up(void **state)
{
	(void)state;
	check_ends_within(TEST_S);
	m = (struct master){.cf = &conf,
			    .loop = ev_loop_new(EVFLAG_AUTO),
			    .privileged = geteuid() == 0,
			    .self = {geteuid(), getegid()},
			    .paths.journal_dir = -1};
	conf = (struct conf){.locking = {.type = LOCK_EXTERNAL, .external_locker = program, .external_timeout = {60}}};
	check(m.loop != NULL);
	ev_signal_init(&ended, on_ended, SIGCHLD);
	ev_signal_start(m.loop, &ended);
	put("calls", "", 0666);
	put("who", "", 0666);
	put("locks", "0", 0644);
	put("unlocks", "0", 0644);
	mailbox("box", OWNER);
	mailbox("box2", OWNER);
	worker_open(&bob);
	worker_open(&bob2);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	check(!m.externals.first && m.externals.running == 0 && m.externals.locking == 0);
	for (const char *const *name = (const char *const[]){"alive", "hang", "gate", "trap", NULL}; *name; name++)
		(void)unlink(path_to(*name));
	chan_done(&bob.child.chan);
	chan_done(&bob.chan);
	chan_done(&bob2.child.chan);
	chan_done(&bob2.chan);
	ev_signal_stop(m.loop, &ended);
	ev_loop_destroy(m.loop);
	return 0;
}

/* ---- tests ---- */

/* As Mailutils' manual says. */
static void test_calls(void **state)
{
	static const struct {
		uint64_t expire;
		uint32_t retry;
		const char *options;
	} rows[] = {{0, 0, ""}, {600, 0, "-f600 "}, {0, 10, "-r10 "}, {7, 1, "-f7 -r1 "}};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		char expected[512];

		put("calls", "", 0666);
		conf.locking.expire_timeout.n = rows[i].expire;
		conf.locking.retry_count = rows[i].retry;
		check(take(&bob, i + 1, "box") == OK);
		release(&bob, i + 1);
		(void)snprintf(expected, sizeof expected, "%s%s\n-u %s%s\n", rows[i].options, path_to("box"),
			       rows[i].options, path_to("box"));
		check_row(i, rows[i].options, strcmp(text_of("calls"), expected) == 0);
	}
}

/* Mailutils' statuses, and their reasons. */
static void test_statuses(void **state)
{
	static const struct {
		const char *status;
		enum err err;
		const char *reason;
	} rows[] = {
		{"1", ERR_TEMP, "External locker failed: "},        {"2", ERR_TEMP, "Lock not held on file"},
		{"3", ERR_IN_USE, "Conflict with previous locker"}, {"4", ERR_PERM, "Operation not permitted"},
		{"127", ERR_TEMP, "External locker failed: "},      {"9", ERR_TEMP, "External locker failed: "},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		put("locks", rows[i].status, 0644);
		check_row(i, rows[i].status, take(&bob, i + 1, "box") == rows[i].err);
		check_row(i, bob.reason, strncmp(bob.reason, rows[i].reason, strlen(rows[i].reason)) == 0);
		check_row(i, "nothing is unlocked", !m.externals.first && !strstr(text_of("calls"), "-u "));
	}
	conf.locking.external_locker = "/nonexistent/locker";
	check(take(&bob, 100, "box") == ERR_TEMP && strstr(bob.reason, "could not be run"));
	conf.locking.external_locker = "pop3d-no-such-locker";
	check(take(&bob, 101, "box") == ERR_TEMP && strstr(bob.reason, "could not be run"));
	conf.locking.external_locker = "true"; /* found in PATH */
	check(take(&bob, 102, "box") == OK);
	release(&bob, 102);
}

/* What is no mailbox of the owner is not locked: no file, a link, a directory, somebody else's. */
static void test_not_a_mailbox(void **state)
{
	(void)state;
	mailbox("others", 0);
	check(symlink(path_to("box"), path_to("link")) == 0);
	check(take(&bob, 1, "nothing") == ERR_PERM && strncmp(bob.reason, "File check failed", 17) == 0);
	check(take(&bob, 2, "link") == ERR_PERM);
	check(take(&bob, 3, ".") == ERR_PERM);
	check(geteuid() != 0 || take(&bob, 4, "others") == ERR_PERM);
	check(text_of("calls")[0] == '\0');
	check(unlink(path_to("others")) == 0 && unlink(path_to("link")) == 0);
}

/* The owner, no further groups, nothing of ours; in the spool of group mail with that group, for what is the owner's. */
static void test_identity(void **state)
{
	const struct group *mail = getgrnam("mail");
	char expected[256];

	(void)state;
	check(setenv("POP3D_TEST_SECRET", "1", 1) == 0);
	check(take(&bob, 1, "box") == OK);
	release(&bob, 1);
	(void)snprintf(expected, sizeof expected, "%u\n%u\n", (unsigned)bob.child.owner.uid,
		       (unsigned)bob.child.owner.gid);
	check(strncmp(text_of("who"), expected, strlen(expected)) == 0);
	check(!strstr(text_of("who"), "POP3D") && strstr(text_of("who"), "NoNewPrivs:\t1\n"));
	check(strstr(text_of("who"), "0 1 10 2 ") || strstr(text_of("who"), "0 1 2 ")); /* 10: the script itself */
	if (geteuid() != 0 || !mail)
		return;
	(void)snprintf(m.externals.spool, sizeof m.externals.spool, "%s", top);
	m.externals.group = mail->gr_gid;
	check(take(&bob, 2, "box") == OK);
	release(&bob, 2);
	(void)snprintf(expected, sizeof expected, "%d\n%u\n%u %d\n", OWNER, (unsigned)mail->gr_gid,
		       (unsigned)mail->gr_gid, GROUP);
	check(strncmp(text_of("who"), expected, strlen(expected)) == 0);
	mailbox("others", 0);
	check(chmod(path_to("others"), 0644) == 0 && take(&bob, 3, "others") == OK);
	release(&bob, 3);
	(void)snprintf(expected, sizeof expected, "%d\n%d\n%d\n", OWNER, GROUP, GROUP);
	check(strncmp(text_of("who"), expected, strlen(expected)) == 0 && unlink(path_to("others")) == 0);
}

/* Two workers and one mailbox: the second is not asked for before the first one's is released. */
static void test_one_after_the_other(void **state)
{
	char expected[512];

	(void)state;
	check(take(&bob, 1, "box") == OK);
	say(&bob2, LOCK_OP_TAKE, 1, path_to("box"));
	check(take(&bob, 2, "box2") == OK && bob2.answers == 0);
	say(&bob, LOCK_OP_RELEASE, 1, "");
	run_until(bob2.answers == 1);
	check(bob2.err == OK);
	(void)snprintf(expected, sizeof expected, "%s\n%s\n-u %s\n%s\n", path_to("box"), path_to("box2"),
		       path_to("box"), path_to("box"));
	check(strcmp(text_of("calls"), expected) == 0);
	say(&bob, LOCK_OP_RELEASE, 2, "");
	release(&bob2, 1);
}

static void gate_open(void)
{
	int fd = open(path_to("gate"), O_RDWR | O_CLOEXEC);

	check(fd >= 0 && unlink(path_to("gate")) == 0);
	for (int i = 0; i < EXTERNALS_OWNER_MOST; i++)
		check(write(fd, "\n", 1) == 1);
	run_until(m.externals.locking == 0);
	close(fd);
}

/* So many questions of one worker; those for one mailbox wait behind each other. */
static void test_limits(void **state)
{
	const unsigned most = EXTERNALS_HOLD_MOST;

	(void)state;
	check(mkfifo(path_to("gate"), 0666) == 0 && chmod(path_to("gate"), 0666) == 0);
	for (unsigned i = 1; i <= most; i++)
		say(&bob, LOCK_OP_TAKE, i, path_to("box"));
	check(take(&bob, most + 1, "box") == ERR_TEMP && strstr(bob.reason, "too many"));
	check(bob.answers == 1 && m.externals.locking == 1);
	for (unsigned i = 1; i <= most; i++)
		say(&bob, LOCK_OP_RELEASE, i, "");
	check(take(&bob2, 1, "nothing") == ERR_PERM);
	gate_open();
	idle();
}

/* So many programs for one owner at a time. */
static void test_owners_programs(void **state)
{
	const unsigned asked = EXTERNALS_OWNER_MOST + 3;
	char name[32];

	(void)state;
	check(mkfifo(path_to("gate"), 0666) == 0 && chmod(path_to("gate"), 0666) == 0);
	for (unsigned i = 1; i <= asked; i++) {
		(void)snprintf(name, sizeof name, "many%u", i);
		mailbox(name, OWNER);
		say(&bob, LOCK_OP_TAKE, i, path_to(name));
	}
	run_until(m.externals.locking == EXTERNALS_OWNER_MOST);
	check(bob.answers == 0);
	gate_open();
	run_until(bob.answers == asked);
	for (unsigned i = 1; i <= asked; i++) {
		(void)snprintf(name, sizeof name, "many%u", i);
		check(unlink(path_to(name)) == 0);
		say(&bob, LOCK_OP_RELEASE, i, "");
	}
	idle();
}

/* Whoever does not want it any more: it is released once it is there. */
static void test_released_while_it_is_made(void **state)
{
	(void)state;
	check(mkfifo(path_to("gate"), 0666) == 0 && chmod(path_to("gate"), 0666) == 0);
	say(&bob, LOCK_OP_TAKE, 1, path_to("box"));
	run_until(m.externals.locking == 1);
	say(&bob, LOCK_OP_RELEASE, 1, "");
	check(take(&bob2, 1, "nothing") == ERR_PERM);
	gate_open();
	idle();
	check(bob.answers == 0 && strstr(text_of("calls"), "-u "));
}

/* It is released with its worker; where that has left a journal, it is for the next worker of the owner. */
static void test_worker_ends(void **state)
{
	char owner[64];

	(void)state;
	check(take(&bob, 1, "box") == OK);
	externals_lose(&bob.child, true);
	idle();
	check(strstr(text_of("calls"), "-u "));
	(void)snprintf(owner, sizeof owner, "journal/%u", (unsigned)bob.child.owner.uid);
	check(mkdir(path_to("journal"), 0755) == 0 && mkdir(path_to(owner), 0755) == 0);
	check(geteuid() != 0 || chown(path_to(owner), OWNER, GROUP) == 0);
	m.paths.journal_dir = open(path_to("journal"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(owner, sizeof owner, "journal/%u/00000000000000aa", (unsigned)bob.child.owner.uid);
	put(owner, "", 0600);
	put("calls", "", 0666);
	check(take(&bob, 2, "box") == OK);
	externals_lose(&bob.child, true);
	check(take(&bob2, 7, "box") == OK && !strstr(text_of("calls"), "-u "));
	say(&bob, LOCK_OP_TAKE, 3, path_to("box")); /* behind it */
	check(take(&bob, 4, "box2") == OK && bob.answers == 3);
	externals_lose(&bob2.child, true);
	run_until(bob.answers == 4);
	check(bob.job == 3 && bob.err == OK);
	say(&bob, LOCK_OP_KEEP, 3, "");
	check(take(&bob2, 8, "box") == OK && !strstr(text_of("calls"), "-u "));
	check(unlink(path_to(owner)) == 0);
	externals_lose(&bob2.child, true);
	externals_lose(&bob.child, false);
	idle();
	close(m.paths.journal_dir);
	*strrchr(owner, '/') = '\0';
	check(rmdir(path_to(owner)) == 0 && rmdir(path_to("journal")) == 0);
}

/* It is asked to end, and what it has started ends with it. */
static void test_overdue(void **state)
{
	(void)state;
	conf.locking.external_timeout.n = 1;
	struct pollfd alive = {.fd = -1};
	unsigned asked = 0;

	put("hang", "", 0644);
	put("trap", "", 0644);
	check(mkfifo(path_to("alive"), 0666) == 0 && chmod(path_to("alive"), 0666) == 0);
	while (alive.fd < 0) { /* on a busy machine it may be told to end before it has begun */
		asked++;
		say(&bob, LOCK_OP_TAKE, asked, path_to("box"));
		run_until((alive.fd = open(path_to("alive"), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0 ||
			  bob.answers == asked);
	}
	run_until(bob.answers == asked);
	check(bob.err == ERR_TEMP && strstr(bob.reason, "took longer than external-locker-timeout"));
	check(strstr(text_of("calls"), "ended"));
	idle();
	check(poll(&alive, 1, WAIT_S * 1000) == 1 && alive.revents & POLLERR); /* nobody has it open */
	close(alive.fd);
}

/* What it leaves running when it ends, ends too, whatever it thinks of being asked. */
static void test_leftovers(void **state)
{
	static const char leaves[] = "#!/bin/sh\ncd %s\nexec 9<> alive\ntrap '' TERM\nsleep 1000 &\n"
				     "while [ ! -e go ]; do sleep 0.05; done\nexit 3\n";
	struct pollfd alive = {.fd = -1};
	char text[sizeof leaves + sizeof top];

	(void)state;
	(void)snprintf(text, sizeof text, leaves, top);
	put("leaves", text, 0755);
	(void)snprintf(other, sizeof other, "%s/leaves", top);
	conf.locking.external_locker = other;
	check(mkfifo(path_to("alive"), 0666) == 0 && chmod(path_to("alive"), 0666) == 0);
	say(&bob, LOCK_OP_TAKE, 1, path_to("box"));
	run_until((alive.fd = open(path_to("alive"), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0);
	put("go", "", 0644);
	run_until(bob.answers == 1);
	check(bob.err == ERR_IN_USE && poll(&alive, 1, WAIT_S * 1000) == 1 && alive.revents & POLLERR);
	close(alive.fd);
	check(unlink(path_to("leaves")) == 0 && unlink(path_to("go")) == 0);
}

/* Who does not end when he is asked to is not asked any more. */
static void test_stubborn(void **state)
{
	static const char stubborn[] = "#!/bin/sh\ntrap '' TERM\nsleep 1000\n";

	(void)state;
	put("stubborn", stubborn, 0755);
	conf.locking.external_timeout.n = 1;
	(void)snprintf(other, sizeof other, "%s/stubborn", top);
	conf.locking.external_locker = other;
	check(take(&bob, 1, "box") == ERR_TEMP && strstr(bob.reason, "took longer than"));
	idle();
	check(unlink(path_to("stubborn")) == 0);
}

/* A release that fails is tried again; one of what is not locked is not. */
static void test_unlock_fails(void **state)
{
	(void)state;
	put("unlocks", "1", 0644);
	check(take(&bob, 1, "box") == OK);
	say(&bob, LOCK_OP_RELEASE, 1, "");
	run_until(strstr(text_of("calls"), "-u "));
	put("unlocks", "0", 0644);
	idle();
	put("unlocks", "2", 0644);
	put("calls", "", 0666);
	check(take(&bob, 2, "box") == OK);
	release(&bob, 2);
	const char *first = strstr(text_of("calls"), "-u ");

	check(first && !strstr(first + 1, "-u "));
}

/* The daemon ends: what is held is released when its worker has ended, and nothing new is locked. */
static void test_stop(void **state)
{
	(void)state;
	check(take(&bob, 1, "box") == OK);
	m.stopping = true;
	m.running = 1;
	externals_stop(&m);
	check(take(&bob2, 1, "box2") == ERR_TEMP && m.externals.first);
	m.running = 0;
	externals_lose(&bob.child, false);
	ev_run(m.loop, 0); /* it ends by itself */
	check(!m.externals.first && strstr(text_of("calls"), "-u "));
}

/* A worker that says what it must not loses its channel. */
static void test_rules(void **state)
{
	static const struct {
		const char *name, *path;
		enum lock_op op;
		enum lock_type type;
	} rows[] = {
		{"no path", "", LOCK_OP_TAKE, LOCK_EXTERNAL},
		{"an option", "-u", LOCK_OP_TAKE, LOCK_EXTERNAL},
		{"not configured", "/", LOCK_OP_TAKE, LOCK_DOTLOCK},
		{"unknown", "/", LOCK_OPS, LOCK_EXTERNAL},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		conf.locking.type = rows[i].type;
		say(&bob, rows[i].op, i + 1, rows[i].path);
		run_until(bob.closed);
		chan_done(&bob.child.chan);
		worker_open(&bob);
	}
	check(text_of("calls")[0] == '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_calls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_statuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_a_mailbox, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_identity, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_after_the_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owners_programs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_released_while_it_is_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_worker_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overdue, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_leftovers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stubborn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unlock_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rules, set_up, tear_down),
	};
	char text[sizeof script + sizeof top];

	check(mkdtemp(top) && chmod(top, 0777) == 0);
	(void)snprintf(program, sizeof program, "%s/locker", top);
	(void)snprintf(text, sizeof text, script, top);
	put("locker", text, 0755);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	for (const char *const *name =
		     (const char *const[]){"locker", "calls", "who", "locks", "unlocks", "box", "box2", NULL};
	     *name; name++)
		(void)unlink(path_to(*name));
	check(rmdir(top) == 0);
	return failed;
}
