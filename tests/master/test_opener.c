/* tests/master/test_opener.c - logins of owners without a worker: who is asked, what becomes of the grant and of the session lock
 *
 * Auth, opener, fronts and a store worker are played here, over real channels. */
#include "master/opener.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "master/child.h"
#include "master/grant.h"

enum { AUTH = 5, OPENER = 6, FRONT = 7, OTHER_FRONT = 8, WORKER = 9, UID = 20001 };
#define KEY UINT64_C(4711)

/* What a process has heard, and last of all. */
struct end {
	struct chan chan;
	struct child *child;
	unsigned heard[MSG_COUNT];
	struct msg_open open;
	struct msg_begin begin;
	struct msg_park park;
	struct msg_grant grant;
	char bulk[64];
	int fd; /* that came with it; -1: none did */
};

static struct master m;
static struct conf conf = {.auth = {.min_uid = 1}, .expire_days = UINT32_MAX};
static struct end auth, opener, front, other_front, worker;
static char top[] = "/tmp/pop3d-opener-XXXXXX";

static enum err note(struct chan *c, struct msg *msg, struct why *why)
{
	struct end *e = c->owner;
	void *const out[MSG_COUNT] = {
		[MSG_OPEN] = &e->open, [MSG_BEGIN] = &e->begin, [MSG_PARK] = &e->park, [MSG_GRANT] = &e->grant};

	(void)why;
	e->heard[msg->type]++;
	if (out[msg->type])
		memcpy(out[msg->type], msg->payload, msg_rule[msg->type].payload);
	check(msg->bulk.n < sizeof e->bulk);
	memcpy(e->bulk, msg->bulk.p, msg->bulk.n);
	e->bulk[msg->bulk.n] = '\0';
	if (e->fd >= 0)
		close(e->fd);
	e->fd = msg_take_fd(msg, 0);
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
}

static const struct chan_ops end_ops = {
	.on = {[MSG_OPEN] = note, [MSG_BEGIN] = note, [MSG_DENY] = note, [MSG_PARK] = note, [MSG_GRANT] = note},
	.closed = on_closed};
static const struct chan_ops master_ops = {
	.on = {[MSG_GRANT] = on_grant, [MSG_OPENED] = on_opened, [MSG_BEGUN] = on_begun, [MSG_WAKE] = on_wake},
	.closed = on_closed};

static void process_new(struct end *e, enum role role, uint32_t serial)
{
	struct child *c = place_add(&m, role);
	int fds[2];

	check(c != NULL && chan_pair(fds, NULL) == OK);
	*e = (struct end){.child = c, .fd = -1};
	c->serial = serial;
	c->pid = getpid();
	c->ready = true;
	c->owner = (struct identity){.uid = UID, .gid = UID};
	chan_init(&c->chan, m.loop, fds[0], ROLE_MASTER, role, serial, &master_ops, c);
	chan_init(&e->chan, m.loop, fds[1], role, ROLE_MASTER, 0, &end_ops, e);
}

static void process_done(struct end *e)
{
	if (e->fd >= 0)
		close(e->fd);
	chan_done(&e->chan);
	chan_done(&e->child->chan);
}

static void run(void)
{
	for (int i = 0; i < 8; i++)
		ev_run(m.loop, EVRUN_NOWAIT);
}

static int set_up(void **state)
{
	static struct child places[ROLE_COUNT][4];
	struct why why;

	(void)state;
	log_setup(&(struct log_setup){.fd = -1});
	m = (struct master){.cf = &conf, .loop = ev_loop_new(0), .privileged = true};
	for (enum role r = 0; r < ROLE_COUNT; r++)
		m.pool[r] = (struct pool){.child = places[r], .most = 4};
	strcpy(top + sizeof top - 7, "XXXXXX");
	check(m.loop != NULL && mkdtemp(top) != NULL &&
	      region_new(&m.slots, "slots", 4 * STORE_SLOT_OCTETS, &why) == OK);
	m.paths.session_dir = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	process_new(&auth, ROLE_AUTH, AUTH);
	process_new(&opener, ROLE_OPENER, OPENER);
	process_new(&front, ROLE_FRONT, FRONT);
	process_new(&other_front, ROLE_FRONT, OTHER_FRONT);
	process_new(&worker, ROLE_STORE, WORKER); /* of nobody yet */
	return 0;
}

static int tear_down(void **state)
{
	char path[128];

	(void)state;
	owners_add(&m.owners, worker.child); /* there is somebody for all that is left */
	opener_ended(&m);
	opener_front_ended(&m, FRONT);
	parked_front_ended(&m, FRONT);
	process_done(&auth);
	process_done(&opener);
	process_done(&front);
	process_done(&other_front);
	process_done(&worker);
	close(m.paths.session_dir);
	check(snprintf(path, sizeof path, "%s/%d", top, UID) > 0);
	(void)unlink(path); /* where nobody was asked, there is none */
	check(rmdir(top) == 0);
	close(m.slots.rw);
	close(m.slots.ro);
	ev_timer_stop(m.loop, &m.opener.patience);
	ev_loop_destroy(m.loop);
	return 0;
}

static bool set(int fd, short type)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)KEY, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &range) == 0;
}

static bool is_locked(void)
{
	char path[128];

	check(snprintf(path, sizeof path, "%s/%d", top, UID) > 0);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool locked = !set(fd, F_WRLCK);

	close(fd);
	return locked;
}

static uint64_t sid(uint32_t n)
{
	return (uint64_t)FRONT << 32 | n;
}

static void grant(uint32_t n, uint64_t reservation)
{
	struct msg_grant g = {.sid = sid(n),
			      .reservation = reservation,
			      .uid = UID,
			      .gid = UID,
			      .login_delay_s = 17,
			      .name_len = 3,
			      .mailbox_len = 6,
			      .home_len = 2,
			      .source = "system"};

	check(chan_send(&auth.chan, MSG_GRANT,
			&(struct chan_out){.payload = &g, .bulk = {SLICE("bob"), SLICE("mbox:/"), SLICE("/b")}}));
	run();
}

/* The opener has taken the lock, and lets go of all that it had; or it wants a worker. */
static void opened(uint64_t job, bool fits)
{
	struct msg_opened q = {.job = job, .key = KEY, .fits = fits, .look = {.driver = "mbox", .rules = 3}};
	int index = memfd_create("index", MFD_CLOEXEC);

	check(!fits || set(opener.fd, F_WRLCK));
	close(opener.fd);
	opener.fd = -1;
	check(chan_send(&opener.chan, MSG_OPENED,
			&(struct chan_out){.payload = &q, .bulk = {SLICE("/path")}, .fds = {index}, .nfds = fits}));
	close(index);
	run();
}

static void begun(struct end *e, uint32_t n, enum begun_how how)
{
	struct msg_begun b = {.sid = sid(n), .octets = 60, .sum = 99, .count = 3, .how = (uint32_t)how};

	check(chan_send(&e->chan, MSG_BEGUN, &(struct chan_out){.payload = &b}));
	run();
}

static void worker_comes(void)
{
	owners_add(&m.owners, worker.child);
}

/* It got the grant, whole. */
static bool worker_has(uint32_t n)
{
	return worker.heard[MSG_GRANT] > 0 && worker.grant.sid == sid(n) && worker.grant.login_delay_s == 17 &&
	       strcmp(worker.bulk, "bobmbox://b") == 0;
}

/* All of it, and the session goes on as one that was parked. */
static void test_begins(void **state)
{
	struct msg_wake w = {.sid = sid(1), .how = WAKE_WANTED};

	(void)state;
	uint64_t before_ms = clock_ms();

	grant(1, 0);
	check(opener.open.until_ms > before_ms + OPENER_PATIENCE_MS - 1 &&
	      opener.open.until_ms <= clock_ms() + OPENER_PATIENCE_MS);
	check(opener.heard[MSG_OPEN] == 1 && opener.open.uid == UID && opener.open.gid == UID && opener.fd >= 0 &&
	      strcmp(opener.bulk, "mbox:/") == 0);
	opened(opener.open.job, true);
	check(front.heard[MSG_BEGIN] == 1 && front.begin.sid == sid(1) && front.begin.uid == UID &&
	      front.begin.login_delay_s == 17 && strcmp(front.begin.source, "system") == 0 &&
	      strcmp(front.begin.look.driver, "mbox") == 0 && front.begin.look.rules == 3 && front.fd >= 0 &&
	      strcmp(front.bulk, "bob/path") == 0);
	check(is_locked());
	begun(&front, 1, BEGUN_TAKEN);
	check(is_locked() && m.opener.list == NULL);
	worker_comes();
	check(chan_send(&front.chan, MSG_WAKE, &(struct chan_out){.payload = &w}));
	run();
	check(worker.heard[MSG_GRANT] == 0 && worker.heard[MSG_PARK] == 1 && worker.park.key == KEY &&
	      worker.park.count == 3 && worker.park.octets == 60 && worker.park.sum == 99 && worker.park.marks == 0 &&
	      strcmp(worker.bulk, "bobmbox:/") == 0 && is_locked());
}

/* Without a file there is no index, and so no descriptor; and with one there is. */
static void test_no_file(void **state)
{
	struct msg_opened q = {.key = KEY, .fits = 1, .look = {.driver = "mbox", .kind = MAIL_NONE}};
	struct chan_out out = {.payload = &q, .bulk = {SLICE("/path")}};

	(void)state;
	grant(1, 0);
	q.job = opener.open.job;
	check(chan_send(&opener.chan, MSG_OPENED, &out));
	run();
	check(front.heard[MSG_BEGIN] == 1 && front.begin.look.kind == MAIL_NONE && front.fd < 0);
	grant(2, 0);
	q.job = opener.open.job;
	q.look.kind = MAIL_SAMPLED;
	check(chan_send(&opener.chan, MSG_OPENED, &out));
	run();
	check(front.heard[MSG_BEGIN] == 1 && opener.child->chan.shut);
}

static const struct {
	bool fits;
	enum begun_how how;
	bool by_worker;
} others[] = {
	{false, BEGUN_WAYS, true},
	{true, BEGUN_NOT, true},
	{true, BEGUN_OVER, false},
};

static void test_does_not_begin(void **state)
{
	(void)state;
	worker_comes();
	for (uint32_t i = 0; i < TABLE_ROWS(others); i++) {
		owners_remove(&m.owners, worker.child);
		grant(i + 1, 0);
		worker_comes();
		opened(opener.open.job, others[i].fits);
		if (others[i].fits)
			begun(&front, i + 1, others[i].how);
		check_row(i, "a worker has it", worker_has(i + 1) == others[i].by_worker);
		check_row(i, "is free", !is_locked() && m.opener.list == NULL);
	}
}

/* What has to do with more than the maildrop; an owner who has a worker; an opener that is not there. */
static void test_not_asked(void **state)
{
	(void)state;
	worker_comes();
	grant(1, 0);
	check(worker_has(1));
	opener.child->ready = false;
	owners_remove(&m.owners, worker.child);
	m.stopping = true;
	grant(2, 0);
	m.stopping = false;
	opener.child->ready = true;
	check(front.heard[MSG_DENY] == 1);
	m.stopping = true;
	grant(3, 0);
	m.stopping = false;
	check(front.heard[MSG_DENY] == 2 && opener.heard[MSG_OPEN] == 0);
	m.opener.slow = true;
	check(!opener_ask(&m, &(struct msg_grant){.uid = UID}, SLICE("")));
	m.opener.slow = false;
	check(!opener_ask(&m, &(struct msg_grant){.uid = UID, .reservation = 1}, SLICE("")));
	m.opener.owed = OPENER_ASKED_MOST;
	check(!opener_ask(&m, &(struct msg_grant){.uid = UID}, SLICE("")));
	m.opener.owed = 0;
	check(opener.heard[MSG_OPEN] == 0);
}

/* An answer that does not come in time is not waited for; until it is there, nothing else is asked. */
static void test_late(void **state)
{
	(void)state;
	grant(1, 0);
	check(set(opener.fd, F_WRLCK) && is_locked());
	worker_comes();
	while (worker.heard[MSG_GRANT] == 0)
		ev_run(m.loop, EVRUN_ONCE);
	check(worker_has(1) && !is_locked());
	check(!opener_ask(&m, &(struct msg_grant){.uid = UID}, SLICE("")));
	opened(opener.open.job, true);
	check(front.heard[MSG_BEGIN] == 0 && !is_locked() && !opener.child->chan.shut);
	owners_remove(&m.owners, worker.child);
	grant(2, 0);
	check(opener.heard[MSG_OPEN] == 2);
}

static void test_opener_ends(void **state)
{
	(void)state;
	grant(1, 0);
	check(set(opener.fd, F_WRLCK) && is_locked());
	worker_comes();
	opener_ended(&m);
	run();
	check(worker_has(1) && !is_locked());
}

/* While it is asked itself, and while the opener is. */
static void test_front_ends(void **state)
{
	(void)state;
	grant(1, 0);
	opened(opener.open.job, true);
	check(is_locked());
	opener_front_ended(&m, OTHER_FRONT);
	check(m.opener.list != NULL);
	opener_front_ended(&m, FRONT);
	parked_front_ended(&m, FRONT);
	check(!is_locked() && m.opener.list == NULL);
}

/* They lose their channels. */
static void test_what_nobody_asked(void **state)
{
	(void)state;
	grant(1, 0);
	uint64_t job = opener.open.job;

	opened(job, true);
	begun(&other_front, 1, BEGUN_TAKEN);
	check(other_front.child->chan.shut && is_locked() && m.opener.list != NULL);
	begun(&front, 2, BEGUN_TAKEN);
	check(front.child->chan.shut);
	opener.fd = open(top, O_PATH | O_CLOEXEC);
	opened(job + 1, false);
	check(opener.child->chan.shut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_begins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_does_not_begin, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_opener_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_front_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_nobody_asked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
