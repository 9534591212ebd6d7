/* tests/store/test_external.c - the external locker as store sees it: the test plays master and answers */
#include "store/external.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "store/mailbox_lock.h"

enum { KEPT = 16, WAIT_S = 20 };

/* What master hears, oldest first. */
struct heard {
	struct msg_lock q;
	char path[256];
};

static char top[] = "/tmp/pop3d-external-XXXXXX";
static struct ev_loop *loop;
static struct chan store, master;
static struct external x;
static struct heard heard[KEPT];
static unsigned count, answers;
static enum err answer_err;
static int dir;
static struct why why;

static enum err on_lock(struct chan *c, struct msg *m, struct why *reason)
{
	(void)c;
	(void)reason;
	check(count < KEPT && m->bulk.n < sizeof heard->path);
	memcpy(&heard[count].q, m->payload, sizeof heard->q);
	(void)snprintf(heard[count++].path, sizeof heard->path, "%.*s", (int)m->bulk.n, m->bulk.n ? m->bulk.p : "");
	return OK;
}

static enum err on_locked(struct chan *c, struct msg *m, struct why *reason)
{
	(void)c;
	answers++;
	answer_err = external_answered(&x, m, reason);
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
}

static const struct chan_ops master_ops = {.on = {[MSG_LOCK] = on_lock}, .closed = on_closed};
static const struct chan_ops store_ops = {.on = {[MSG_LOCKED] = on_locked}, .closed = on_closed};

static void on_too_late(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)revents;
	*(bool *)w->data = true;
}

static void run_until(const unsigned *counter, unsigned n)
{
	bool late = false;
	ev_timer timer;

	ev_timer_init(&timer, on_too_late, WAIT_S, 0.);
	timer.data = &late;
	ev_timer_start(loop, &timer);
	while (*counter < n && !late)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &timer);
	check(*counter == n);
}

static void answer(uint64_t job, uint32_t err, const char *reason)
{
	struct msg_locked q = {.job = job, .err = err};
	unsigned n = answers + 1;

	check(chan_send(&master, MSG_LOCKED, &(struct chan_out){.payload = &q, .bulk = {slice_str(reason)}}));
	run_until(&answers, n);
}

static enum err take(const char *name, struct external_lock **lock)
{
	external_begin(&x);
	return external_take(&x, dir, name, lock, &why);
}

static int set_up(void **state)
{
	int fds[2];

	(void)state;
	loop = ev_loop_new(EVFLAG_AUTO);
	check(loop && chan_pair(fds, &why) == OK);
	chan_init(&store, loop, fds[0], ROLE_STORE, ROLE_MASTER, 0, &store_ops, NULL);
	chan_init(&master, loop, fds[1], ROLE_MASTER, ROLE_STORE, 1, &master_ops, NULL);
	external_init(&x, loop, &store);
	count = answers = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (uint64_t job = 1; job <= x.job; job++)
		external_forget(&x, job);
	check(!x.locks);
	ev_timer_stop(loop, &x.sweep);
	chan_done(&store);
	chan_done(&master);
	ev_loop_destroy(loop);
	return 0;
}

/* Asked once, by the path without links; his when the answer is there, and only his. */
static void test_taken(void **state)
{
	struct external_lock *lock = NULL, *other;
	char path[sizeof top + 8];

	(void)state;
	(void)snprintf(path, sizeof path, "%s/box", top);
	check(take("box", &lock) == ERR_IN_USE && x.asked == 1 && !x.refused);
	check(take("box", &lock) == ERR_IN_USE && x.asked == 1);
	check(take("other", &lock) == ERR_IN_USE && x.asked == 2);
	run_until(&count, 2);
	check(heard[0].q.op == LOCK_OP_TAKE && heard[0].q.job == 1 && strcmp(heard[0].path, path) == 0);
	answer(1, OK, "");
	check(answer_err == OK && take("box", &lock) == OK && lock && x.asked == 0);
	check(take("box", &other) == ERR_IN_USE && x.asked == 0 && !x.refused);
	external_release(&x, lock);
	run_until(&count, 3);
	check(heard[2].q.op == LOCK_OP_RELEASE && heard[2].q.job == 1 && heard[2].path[0] == '\0');
	check(take("box", &lock) == ERR_IN_USE && x.asked == 3);
	answer(3, OK, "");
	check(take("box", &lock) == OK);
	external_keep(&x, lock);
	run_until(&count, 5);
	check(heard[4].q.op == LOCK_OP_KEEP && heard[4].q.job == 3);
}

/* The reason is told once; the next attempt asks again. */
static void test_refused(void **state)
{
	struct external_lock *lock = NULL;

	(void)state;
	check(take("box", &lock) == ERR_IN_USE && x.asked == 1);
	answer(1, ERR_IN_USE, "Conflict with previous locker");
	check(take("box", &lock) == ERR_IN_USE && x.asked == 0 && x.refused);
	check(strcmp(why.text, "Conflict with previous locker") == 0);
	check(take("box", &lock) == ERR_IN_USE && x.asked == 2 && !x.refused);
	answer(2, ERR_PERM, "Operation not permitted");
	check(take("box", &lock) == ERR_PERM && x.refused && !lock);
}

/* Whoever asked and has gone leaves nothing behind, whether he says so or not. */
static void test_nobody_fetches(void **state)
{
	struct external_lock *lock = NULL;

	(void)state;
	check(take("box", &lock) == ERR_IN_USE && take("other", &lock) == ERR_IN_USE);
	external_forget(&x, 1);
	run_until(&count, 3);
	check(heard[2].q.op == LOCK_OP_RELEASE && heard[2].q.job == 1);
	answer(1, OK, "");
	check(answer_err == OK);
	answer(2, OK, "");
	run_until(&count, 4);
	check(heard[3].q.op == LOCK_OP_RELEASE && heard[3].q.job == 2 && !x.locks);
}

/* One that is held is not forgotten. */
static void test_held_is_not_forgotten(void **state)
{
	struct external_lock *lock = NULL;

	(void)state;
	check(take("box", &lock) == ERR_IN_USE);
	answer(1, OK, "");
	check(take("box", &lock) == OK);
	external_forget(&x, 1);
	check(x.locks == lock);
	answer(1, OK, "");
	check(answer_err == ERR_PERM);
	external_release(&x, lock);
}

/* With it, and fcntl's lock beside it, a mailbox is locked; without fcntl's it is let go of. */
static void test_with_fcntl(void **state)
{
	const struct conf_locking conf = {.type = LOCK_EXTERNAL};
	const struct mailbox_lock_setup setup = {.conf = &conf, .external = &x};
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(dir, "box", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int other = openat(dir, "box", O_RDWR | O_CLOEXEC);
	struct mailbox_lock lock;
	struct spool sp;
	struct stat st;

	(void)state;
	check(fd >= 0 && other >= 0 && spool_init(&sp, dir, "box", NULL, &why) == OK);
	check(mailbox_lock_try(&lock, &setup, &sp, fd, &why) == ERR_IN_USE && x.asked == 1 && !lock.held);
	answer(1, OK, "");
	check(mailbox_lock_try(&lock, &setup, &sp, fd, &why) == OK && lock.held && lock.by && !lock.dotlock);
	check(fstatat(dir, "box.lock", &st, 0) < 0 && fcntl(other, F_OFD_SETLK, &all) < 0);
	mailbox_lock_release(&lock);
	run_until(&count, 2);
	check(heard[1].q.op == LOCK_OP_RELEASE && fcntl(other, F_OFD_SETLK, &all) == 0);
	external_begin(&x);
	check(mailbox_lock_try(&lock, &setup, &sp, fd, &why) == ERR_IN_USE);
	answer(2, OK, "");
	external_begin(&x);
	check(mailbox_lock_try(&lock, &setup, &sp, fd, &why) == ERR_IN_USE && x.asked == 0 && !x.refused);
	run_until(&count, 4);
	check(heard[3].q.op == LOCK_OP_RELEASE && heard[3].q.job == 2 && !x.locks);
	close(other);
	check(mailbox_lock_try(&lock, &setup, &sp, fd, &why) == ERR_IN_USE);
	answer(3, OK, "");
	check(mailbox_lock_try(&lock, &setup, &sp, fd, &why) == OK);
	mailbox_lock_leave(&lock);
	run_until(&count, 6);
	check(heard[5].q.op == LOCK_OP_KEEP && heard[5].q.job == 3);
	close(fd);
	check(unlinkat(dir, "box", 0) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody_fetches, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_held_is_not_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_with_fcntl, set_up, tear_down),
	};

	check(mkdtemp(top) && (dir = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC)) >= 0);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	check(rmdir(top) == 0);
	return failed;
}
