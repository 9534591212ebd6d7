/* tests/master/test_parked.c - sessions that do nothing are kept: who may have them kept, wake them, and what becomes of their locks
 *
 * Store workers and fronts are played here, over real channels. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "master/child.h"
#include "master/grant.h"
#include "master/parked.h"

enum { FRONT = 7, OTHER_FRONT = 8, WORKER = 9, UID = 20001 };
#define KEY UINT64_C(4711)

/* What a process has heard last. */
struct end {
	struct chan chan;
	struct child *child;
	unsigned parked, parks, denied;
	struct msg_parked last_parked;
	struct msg_park park;
	struct msg_deny deny;
	char bulk[64];
	int lock; /* that came with a session; -1: none did */
};

static struct master m;
static struct conf conf = {.auth = {.min_uid = 1}};
static struct end front, other_front, worker;
static char top[] = "/tmp/pop3d-parked-XXXXXX";

static enum err on_parked(struct chan *c, struct msg *msg, struct why *why)
{
	struct end *e = c->owner;

	(void)why;
	e->parked++;
	e->last_parked = *(const struct msg_parked *)msg->payload;
	return OK;
}

static enum err on_denied(struct chan *c, struct msg *msg, struct why *why)
{
	struct end *e = c->owner;

	(void)why;
	e->denied++;
	e->deny = *(const struct msg_deny *)msg->payload;
	return OK;
}

static enum err on_session(struct chan *c, struct msg *msg, struct why *why)
{
	struct end *e = c->owner;

	(void)why;
	e->parks++;
	e->park = *(const struct msg_park *)msg->payload;
	check(msg->bulk.n < sizeof e->bulk);
	memcpy(e->bulk, msg->bulk.p, msg->bulk.n);
	e->bulk[msg->bulk.n] = '\0';
	e->lock = msg_take_fd(msg, 0);
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
}

static const struct chan_ops front_ops = {.on = {[MSG_PARKED] = on_parked, [MSG_DENY] = on_denied},
					  .closed = on_closed};
static const struct chan_ops worker_ops = {.on = {[MSG_PARK] = on_session}, .closed = on_closed};
static const struct chan_ops master_ops = {.on = {[MSG_PARK] = on_park, [MSG_WAKE] = on_wake}, .closed = on_closed};

/* A process that master has, in the first place of its role that is free: its number is ours. */
static void process_new(struct end *e, enum role role, uint32_t serial, const struct chan_ops *ops)
{
	struct child *c = place_add(&m, role);
	int fds[2];

	check(c != NULL && chan_pair(fds, NULL) == OK);
	*e = (struct end){.child = c, .lock = -1};
	c->serial = serial;
	c->pid = getpid();
	c->owner = (struct identity){.uid = UID, .gid = UID};
	chan_init(&c->chan, m.loop, fds[0], ROLE_MASTER, role, serial, &master_ops, c);
	chan_init(&e->chan, m.loop, fds[1], role, ROLE_MASTER, 0, ops, e);
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
	char path[128];

	(void)state;
	log_setup(&(struct log_setup){.fd = -1});
	m = (struct master){.cf = &conf, .loop = ev_loop_new(0)};
	for (enum role r = 0; r < ROLE_COUNT; r++)
		m.pool[r] = (struct pool){.child = places[r], .most = 4};
	strcpy(top + sizeof top - 7, "XXXXXX");
	check(m.loop != NULL && mkdtemp(top) != NULL &&
	      region_new(&m.slots, "slots", 4 * STORE_SLOT_OCTETS, &why) == OK);
	check(snprintf(path, sizeof path, "%s/%d", top, UID) > 0);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	check(fd >= 0);
	close(fd);
	m.paths.session_dir = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	process_new(&front, ROLE_FRONT, FRONT, &front_ops);
	process_new(&other_front, ROLE_FRONT, OTHER_FRONT, &front_ops);
	process_new(&worker, ROLE_STORE, WORKER, &worker_ops);
	owners_add(&m.owners, worker.child);
	return 0;
}

static void process_done(struct end *e)
{
	if (e->lock >= 0)
		close(e->lock);
	chan_done(&e->chan);
	chan_done(&e->child->chan);
}

static int tear_down(void **state)
{
	char path[128];

	(void)state;
	parked_front_ended(&m, FRONT);
	process_done(&front);
	process_done(&other_front);
	process_done(&worker);
	close(m.paths.session_dir);
	check(snprintf(path, sizeof path, "%s/%d", top, UID) > 0 && unlink(path) == 0 && rmdir(top) == 0);
	close(m.slots.rw);
	close(m.slots.ro);
	ev_loop_destroy(m.loop);
	return 0;
}

static int open_locks(void)
{
	char path[128];

	check(snprintf(path, sizeof path, "%s/%d", top, UID) > 0);
	return open(path, O_RDWR | O_CLOEXEC);
}

static bool set(int fd, short type)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)KEY, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &range) == 0;
}

/* Whoever has the session lock, it is not us. */
static bool is_locked(void)
{
	int fd = open_locks();
	bool locked = !set(fd, F_WRLCK);

	close(fd);
	return locked;
}

static uint64_t sid(uint32_t n)
{
	return (uint64_t)FRONT << 32 | n;
}

/* The worker has a session with number n, and gives it away; its own descriptor goes with it, as at its end. */
static void park(uint32_t n, uint32_t marks)
{
	struct msg_park p = {
		.sid = sid(n), .key = KEY, .requests = 5, .ahead = 2, .marks = marks, .name_len = 3, .mailbox_len = 6};
	int fd = open_locks();

	check(set(fd, F_WRLCK));
	check(chan_send(
		&worker.chan, MSG_PARK,
		&(struct chan_out){.payload = &p, .bulk = {SLICE("bob"), SLICE("mbox:/")}, .fds = {fd}, .nfds = 1}));
	close(fd);
	run();
}

static void say(struct end *e, uint32_t n, enum wake_how how, uint32_t taken)
{
	struct msg_wake w = {.sid = sid(n), .how = (uint32_t)how, .taken = taken};

	check(chan_send(&e->chan, MSG_WAKE, &(struct chan_out){.payload = &w}));
	run();
}

/* Front hears of it, the lock stays; and a worker gets all of it back. */
static void test_there_and_back(void **state)
{
	(void)state;
	park(1, 0);
	check(front.parked == 1 && other_front.parked == 0);
	check(front.last_parked.sid == sid(1) && front.last_parked.worker == WORKER &&
	      front.last_parked.requests == 5 && front.last_parked.kept == 1);
	check(is_locked());
	say(&front, 1, WAKE_WANTED, 0);
	check(worker.parks == 1 && worker.park.sid == sid(1) && worker.park.key == KEY && worker.park.over == 0 &&
	      strcmp(worker.bulk, "bobmbox:/") == 0);
	check(is_locked());
	close(worker.lock); /* master has not kept it */
	worker.lock = -1;
	check(!is_locked());
	say(&front, 1, WAKE_WANTED, 0); /* it has gone */
	check(worker.parks == 1 && front.denied == 0);
}

static const struct {
	enum wake_how how;
	uint32_t marks, taken;
	bool locked, woken;
} ends[] = {
	{WAKE_OVER, 0, 0, false, false},
	{WAKE_OVER, 0, 1, false, false},
	{WAKE_OVER, 1, 0, false, false},
	{WAKE_OVER, 1, 2, true, true}, /* what was retrieved is to be noted */
};

static void test_ends(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < TABLE_ROWS(ends); i++) {
		unsigned before = worker.parks;

		park(i, ends[i].marks);
		check_row(i, "locked before", is_locked());
		say(&front, i, ends[i].how, ends[i].taken);
		check_row(i, "locked", is_locked() == ends[i].locked);
		check_row(i, "woken", worker.parks == before + ends[i].woken);
		check_row(i, "over", !ends[i].woken || (worker.park.over == 1 && worker.park.taken == ends[i].taken));
	}
}

/* What stays with its worker stays locked, in the worker's own open file; what does not is unlocked there, too. */
static void test_worker_has_the_same_file(void **state)
{
	static const struct {
		enum wake_how how;
		bool locked;
	} rows[] = {{WAKE_STAYS, true}, {WAKE_OVER, false}};

	(void)state;
	for (uint32_t i = 0; i < TABLE_ROWS(rows); i++) {
		struct msg_park p = {.sid = sid(i), .key = KEY};
		int fd = open_locks();

		check(set(fd, F_WRLCK));
		check(chan_send(&worker.chan, MSG_PARK, &(struct chan_out){.payload = &p, .fds = {fd}, .nfds = 1}));
		run();
		say(&front, i, rows[i].how, 0);
		check_row(i, "locked", is_locked() == rows[i].locked);
		close(fd);
		check_row(i, "locked by nobody", !is_locked());
	}
}

static void test_front_ends(void **state)
{
	(void)state;
	park(1, 1);
	parked_front_ended(&m, OTHER_FRONT);
	check(is_locked());
	parked_front_ended(&m, FRONT);
	check(!is_locked());
}

static void test_no_worker(void **state)
{
	(void)state;
	park(1, 0);
	m.stopping = true;
	say(&front, 1, WAKE_WANTED, 0);
	check(front.denied == 1 && front.deny.sid == sid(1) && front.deny.err == ERR_TEMP && worker.parks == 0);
	check(!is_locked());
}

/* The worker ends with the session before it has said that it goes on with it. */
static void test_worker_dies(void **state)
{
	(void)state;
	park(1, 0);
	say(&front, 1, WAKE_WANTED, 0);
	check(worker.parks == 1 && front.denied == 0);
	worker_ended(worker.child, true);
	run();
	check(front.denied == 1 && front.deny.sid == sid(1) && front.deny.err == ERR_TEMP);
}

/* One at a time from each worker, as long as front has not said what becomes of it; none twice; and nothing but the owner's file. */
static void test_what_is_not_kept(void **state)
{
	struct msg_park p = {.sid = sid(3), .key = KEY};
	int fd = memfd_create("other", MFD_CLOEXEC);

	(void)state;
	check(chan_send(&worker.chan, MSG_PARK, &(struct chan_out){.payload = &p, .fds = {fd}, .nfds = 1}));
	close(fd);
	run();
	check(front.parked == 1 && front.last_parked.kept == 0);
	park(1, 0);
	check(front.last_parked.kept == 1);
	p.sid = sid(2);
	fd = open_locks();
	check(chan_send(&worker.chan, MSG_PARK, &(struct chan_out){.payload = &p, .fds = {fd}, .nfds = 1}));
	close(fd);
	run();
	check(front.parked == 3 && front.last_parked.sid == sid(2) && front.last_parked.kept == 0);
	say(&front, 1, WAKE_STAYS, 0);
	park(1, 0);
	check(front.last_parked.kept == 1);
}

/* Half of the descriptors are for workers. */
static void test_few_descriptors(void **state)
{
	const struct msg_park p = {.sid = sid(4)}, another = {.sid = sid(5)};
	struct rlimit files;

	(void)state;
	check(getrlimit(RLIMIT_NOFILE, &files) == 0);
	const struct rlimit few = {.rlim_cur = 2, .rlim_max = files.rlim_max};

	check(parked_add(&m, (struct identity){0}, &p, SLICE(""), open_locks()));
	check(setrlimit(RLIMIT_NOFILE, &few) == 0);
	bool is = parked_add(&m, (struct identity){0}, &another, SLICE(""), -1);

	check(setrlimit(RLIMIT_NOFILE, &files) == 0 && !is);
	parked_front_ended(&m, FRONT);
	check(m.parkeds.n == 0);
}

/* It loses its channel. */
static void test_front_of_another(void **state)
{
	struct msg_wake w = {.sid = sid(1), .how = WAKE_OVER};

	(void)state;
	park(1, 0);
	check(chan_send(&other_front.chan, MSG_WAKE, &(struct chan_out){.payload = &w}));
	run();
	check(is_locked() && other_front.child->chan.shut);
	w.how = WAKE_WAYS;
	check(chan_send(&front.chan, MSG_WAKE, &(struct chan_out){.payload = &w}));
	run();
	check(is_locked() && front.child->chan.shut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_worker_has_the_same_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_front_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_worker, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_worker_dies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_not_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_few_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_front_of_another, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
