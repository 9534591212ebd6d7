/* tests/store/test_role.c - the store process over its channels: what it answers, and what it does not put up with
 *
 * store_main runs in a child that is not root; the test plays master, an auth and fronts. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "box.h"
#include "check.h"
#include "ipc/chan.h"
#include "ipc/role.h"

enum { NOBODY = 65534, FRONT = 7, AUTH = 9, WAIT_MS = 20000, TEST_S = 200, KEPT = 300 };

/* What came over a channel, oldest first. */
struct got {
	enum msg_type type;
	union {
		struct msg_scan scan;
		struct msg_body body;
		struct msg_bytes bytes;
		struct msg_done done;
		struct msg_deny deny;
	} u;
	size_t bulk;
	char start[16];
	int fd;
};

struct end {
	struct chan chan;
	struct got got[KEPT];
	unsigned count, taken;
	bool closed;
};

static struct ev_loop *loop;
static struct box box;
static struct end master, front, auth;
static struct store_slot *slot;
static pid_t child;
static struct conf conf = {.mailbox = {.mailbox_type = "maildir", .index = "auto", .session_lock_wait = {5}},
			   .auth = {.min_uid = 1}};
static bool ready, idle;

static uid_t owner(void)
{
	return geteuid() == 0 ? NOBODY : geteuid();
}

static gid_t group(void)
{
	return geteuid() == 0 ? NOBODY : getegid();
}

/* The store's timers are of a minute; here they are short. */
void __real_ev_timer_again(struct ev_loop *l, ev_timer *w);
void __wrap_ev_timer_again(struct ev_loop *l, ev_timer *w);
void __wrap_ev_timer_again(struct ev_loop *l, ev_timer *w)
{
	w->repeat = 0.05;
	__real_ev_timer_again(l, w);
}

/* ---- another program has the mailbox lock ---- */

/* Shared with the child: how many more attempts find it busy, and how many there were. */
static struct {
	_Atomic unsigned busy, opens, commits;
} * tries;

static bool is_busy(void)
{
	unsigned left = atomic_load(&tries->busy);

	if (left > 0)
		atomic_store(&tries->busy, left - 1);
	return left > 0;
}

enum err __real_maildrop_open(struct maildrop *md, struct index_first *first, struct why *why);
enum err __wrap_maildrop_open(struct maildrop *md, struct index_first *first, struct why *why);
enum err __wrap_maildrop_open(struct maildrop *md, struct index_first *first, struct why *why)
{
	atomic_fetch_add(&tries->opens, 1);
	return is_busy() ? ERR_IN_USE : __real_maildrop_open(md, first, why);
}

enum err __real_maildrop_commit(struct maildrop *md, const struct changes *ch, struct outcome *out, struct why *why);
enum err __wrap_maildrop_commit(struct maildrop *md, const struct changes *ch, struct outcome *out, struct why *why);
enum err __wrap_maildrop_commit(struct maildrop *md, const struct changes *ch, struct outcome *out, struct why *why)
{
	atomic_fetch_add(&tries->commits, 1);
	return is_busy() ? ERR_IN_USE : __real_maildrop_commit(md, ch, out, why);
}

/* ---- channels ---- */

static enum err keep(struct chan *c, struct msg *m, struct why *why)
{
	struct end *e = c->owner;

	(void)why;
	check(e->count < KEPT);
	struct got *g = &e->got[e->count++];

	*g = (struct got){.type = m->type, .bulk = m->bulk.n, .fd = msg_take_fd(m, 0)};
	check(msg_rule[m->type].payload <= sizeof g->u);
	memcpy(&g->u, m->payload, msg_rule[m->type].payload);
	memcpy(g->start, m->bulk.p, m->bulk.n < sizeof g->start ? m->bulk.n : sizeof g->start);
	return OK;
}

static enum err on_ready(struct chan *c, struct msg *m, struct why *why)
{
	(void)c;
	(void)why;
	ready |= m->type == MSG_READY;
	idle |= m->type == MSG_IDLE;
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	struct end *e = c->owner;

	(void)reason;
	e->closed = true;
	chan_done(c);
}

static const struct chan_ops front_ops = {
	.on = {[MSG_SCAN] = keep, [MSG_BODY] = keep, [MSG_BYTES] = keep, [MSG_DONE] = keep, [MSG_DENY] = keep},
	.closed = on_closed,
};
static const struct chan_ops master_ops = {.on = {[MSG_READY] = on_ready, [MSG_IDLE] = on_ready, [MSG_DENY] = keep},
					   .closed = on_closed};
static const struct chan_ops auth_ops = {.closed = on_closed};

static bool late;

static void on_late(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	late = true;
}

/* Runs until *flag, or the test has waited far too long. */
static void run_until(const bool *flag)
{
	ev_timer t;

	late = false;
	ev_timer_init(&t, on_late, WAIT_MS / 1000.0, 0);
	ev_timer_start(loop, &t);
	while (!*flag && !late)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &t);
	check(*flag);
}

/* The next message of a type, from front's channel. */
static struct got *next(enum msg_type type)
{
	bool come = false;
	ev_timer t;

	late = false;
	ev_timer_init(&t, on_late, WAIT_MS / 1000.0, 0);
	ev_timer_start(loop, &t);
	while (front.taken == front.count && !front.closed && !late)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &t);
	come = front.taken < front.count;
	check_row(type, msg_rule[type].name, come);
	struct got *g = &front.got[front.taken++];

	check_row(g->type, msg_rule[type].name, g->type == type);
	return g;
}

static void connect_peer(struct end *e, enum role role, uint32_t serial, const struct chan_ops *ops)
{
	struct msg_peer peer = {.role = role, .serial = serial};
	int fds[2];

	*e = (struct end){.closed = false};
	check(chan_pair(fds, NULL) == OK);
	chan_init(&e->chan, loop, fds[0], role, ROLE_STORE, 1, ops, e);
	check(chan_send(&master.chan, MSG_PEER, &(struct chan_out){.payload = &peer, .fds = {fds[1]}, .nfds = 1}));
	close(fds[1]);
}

/* ---- the child ---- */

static void run_store(int master_fd, int session_fd)
{
	struct role_env env = {.conf = &conf,
			       .serial = 1,
			       .master_fd = master_fd,
			       .session_fd = session_fd,
			       .uid = owner(),
			       .gid = group(),
			       .slot_page = slot};

	log_setup(&(struct log_setup){.fd = -1});
	if (geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0))
		_exit(3);
	_exit(store_main(&env));
}

static void chown_all(const char *path)
{
	check(chown(path, owner(), group()) == 0);
}

static void put(const char *file, const char *text)
{
	char path[256];

	box_put(&box, file, text);
	check(snprintf(path, sizeof path, "%s/%s", box.path, file) > 0);
	chown_all(path);
}

static void make_box(void)
{
	static const char *const parts[] = {"", "/Maildir", "/Maildir/new", "/Maildir/cur", "/Maildir/tmp"};
	char path[256];

	box_new(&box);
	for (size_t i = 0; i < TABLE_ROWS(parts); i++) {
		check(snprintf(path, sizeof path, "%s%s", box.top, parts[i]) > 0);
		chown_all(path);
	}
	for (int i = 1; i <= 3; i++) {
		char file[32], text[32];

		check(snprintf(file, sizeof file, "new/%d.M1.h", i) > 0);
		check(snprintf(text, sizeof text, "A: %d\n\n", i) > 0);
		put(file, text);
	}
}

/* Starts a store with three messages in its maildrop, an auth and a front. */
static int set_up(void **state)
{
	char path[128];
	int fds[2];

	(void)state;
	check_ends_within(TEST_S);
	if (!loop)
		loop = ev_loop_new(EVFLAG_AUTO); /* not the default one, which waits for children itself */
	make_box();
	check(snprintf(path, sizeof path, "%s/session", box.top) > 0);
	int session_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	slot = mmap(NULL, sizeof *slot, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	tries = mmap(NULL, sizeof *tries, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(session_fd >= 0 && slot != MAP_FAILED && tries != MAP_FAILED && chan_pair(fds, NULL) == OK);
	ready = idle = false;
	child = fork();
	if (child == 0) {
		close(fds[0]);
		ev_loop_fork(loop);
		run_store(fds[1], session_fd);
	}
	check(child > 0);
	close(fds[1]);
	close(session_fd);
	master = (struct end){.closed = false};
	chan_init(&master.chan, loop, fds[0], ROLE_MASTER, ROLE_STORE, 1, &master_ops, &master);
	connect_peer(&auth, ROLE_AUTH, AUTH, &auth_ops);
	connect_peer(&front, ROLE_FRONT, FRONT, &front_ops);
	run_until(&ready);
	return 0;
}

/* The same, and nobody waits for a lock. */
static int set_up_without_wait(void **state)
{
	conf.mailbox.session_lock_wait = (struct seconds){0};
	int result = set_up(state);

	conf.mailbox.session_lock_wait = (struct seconds){5};
	return result;
}

/* Master's end is the store's: without complaint. */
static int tear_down(void **state)
{
	int status;

	(void)state;
	chan_done(&master.chan);
	chan_done(&front.chan);
	chan_done(&auth.chan);
	check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	for (unsigned i = 0; i < front.count; i++)
		if (front.got[i].fd >= 0)
			close(front.got[i].fd);
	munmap(slot, sizeof *slot);
	munmap(tries, sizeof *tries);
	box_free(&box);
	return 0;
}

/* ---- messages ---- */

static uint64_t sid(uint32_t n)
{
	return (uint64_t)FRONT << 32 | n;
}

static void send_grant(struct chan *c, const struct msg_grant *how, const char *mailbox)
{
	struct msg_grant g = *how;

	g.name_len = 3;
	strcpy(g.source, "virtdomain");
	g.mailbox_len = (uint16_t)(g.mailbox_len + strlen(mailbox));
	check(chan_send(c, MSG_GRANT, &(struct chan_out){.payload = &g, .bulk = {SLICE("bob"), slice_str(mailbox)}}));
}

static void grant(uint32_t n)
{
	send_grant(&auth.chan, &(struct msg_grant){.sid = sid(n), .uid = owner(), .gid = group()}, box.path);
}

static void send_fetch(uint32_t n, uint32_t msgno, uint32_t octets)
{
	struct msg_fetch f = {.sid = sid(n), .msgno = msgno, .octets = octets};

	check(chan_send(&front.chan, MSG_FETCH, &(struct chan_out){.payload = &f}));
}

static void send_close(uint32_t n)
{
	struct msg_close q = {.sid = sid(n)};

	check(chan_send(&front.chan, MSG_CLOSE, &(struct chan_out){.payload = &q}));
}

/* ---- tests ---- */

static void test_a_session(void **state)
{
	struct msg_read listing = {.sid = sid(1),
				   .at = sizeof(struct listing_rec),
				   .source = SOURCE_LISTING,
				   .octets = 2 * sizeof(struct listing_rec)};
	struct msg_read part = {.sid = sid(1), .at = 3, .source = SOURCE_MESSAGE, .msgno = 2, .octets = 2};
	struct msg_commit commit = {.sid = sid(1), .count = 3, .deleted = 2};

	(void)state;
	grant(1);
	struct got *g = next(MSG_SCAN);

	check(g->u.scan.sid == sid(1) && g->u.scan.count == 3 && g->u.scan.octets == 24 && g->u.scan.rules == 1);
	check(g->bulk == strlen("bob") + 3 * sizeof(struct listing_rec) && g->fd < 0);
	check(g->u.scan.name_len == strlen("bob") && g->u.scan.uid == owner());
	check(memcmp(g->start, "bob", 3) == 0 && strcmp(g->u.scan.source, "virtdomain") == 0);
	send_fetch(1, 2, 1000);
	g = next(MSG_BODY);
	check(g->u.body.err == OK && g->u.body.msgno == 2 && g->u.body.count == 2 && g->bulk == 12);
	check(memcmp(g->start, "A: 2\n\nA: 3\n\n", 12) == 0);
	check(chan_send(&front.chan, MSG_READ, &(struct chan_out){.payload = &listing}));
	g = next(MSG_BYTES);
	check(g->u.bytes.err == OK && g->bulk == listing.octets && g->u.bytes.at == listing.at);
	check(chan_send(&front.chan, MSG_READ, &(struct chan_out){.payload = &part}));
	g = next(MSG_BYTES);
	check(g->u.bytes.err == OK && g->bulk == 2 && memcmp(g->start, "2\n", 2) == 0);
	check(atomic_load(&slot->sessions) == 1);
	check(chan_send(&front.chan, MSG_COMMIT, &(struct chan_out){.payload = &commit, .bulk = {SLICE("\5")}}));
	g = next(MSG_DONE);
	check(g->u.done.err == OK && g->u.done.deleted == 2);
	check(box_count(&box, "new") == 1 && box_has(&box, "new/2.M1.h"));
	send_close(1); /* it has ended already */
	grant(2);
	g = next(MSG_SCAN);
	check(g->u.scan.count == 1);
}

static void test_large_listing(void **state)
{
	struct listing_rec rec[200];
	struct msg_commit commit = {.sid = sid(1), .count = 203, .deleted = 203};
	uint8_t all[26];

	(void)state;
	for (int i = 0; i < 200; i++) {
		char name[32];

		check(snprintf(name, sizeof name, "new/%d.M2.h", 100 + i) > 0);
		put(name, "A: large\n\n");
	}
	grant(1);
	const struct got *g = next(MSG_SCAN);

	check(g->u.scan.count == 203 && g->bulk == strlen("bob") && g->fd >= 0);
	check((fcntl(g->fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
	check(g->u.scan.block >= 203 && pread(g->fd, rec, sizeof rec, (off_t)g->u.scan.records_at) == sizeof rec);
	for (size_t i = 0; i < TABLE_ROWS(rec); i++)
		check_row(i, "record", listing_is_sane(&rec[i]));
	memset(all, 0xFF, sizeof all);
	all[25] = 7;
	int fd = memfd_create("deleted", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	check(fd >= 0 && write(fd, all, sizeof all) == sizeof all);
	check(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	check(chan_send(&front.chan, MSG_COMMIT, &(struct chan_out){.payload = &commit, .fds = {fd}, .nfds = 1}));
	close(fd);
	g = next(MSG_DONE);
	check(g->u.done.err == OK && g->u.done.deleted == 203 && box_count(&box, "new") == 0);
}

static void test_session_lock(void **state)
{
	(void)state;
	grant(1);
	check(next(MSG_SCAN)->u.scan.sid == sid(1));
	grant(2); /* waits */
	send_fetch(1, 1, 0);
	check(next(MSG_BODY)->u.body.sid == sid(1));
	send_close(1);
	check(next(MSG_SCAN)->u.scan.sid == sid(2));
	grant(3); /* gives up while it waits; channels keep no order between them, so it must have come first */
	while (atomic_load(&slot->sessions) != 2)
		ev_run(loop, EVRUN_NOWAIT);
	send_close(3);
	send_close(2);
	grant(4);
	check(next(MSG_SCAN)->u.scan.sid == sid(4));
}

static void test_in_use(void **state)
{
	(void)state;
	grant(1);
	check(next(MSG_SCAN)->u.scan.sid == sid(1));
	grant(2);
	const struct got *g = next(MSG_DENY);

	check(g->u.deny.sid == sid(2) && g->u.deny.err == ERR_IN_USE);
}

static void test_refused(void **state)
{
	uid_t uid = owner();
	gid_t gid = group();
	const struct {
		uint32_t uid, gid;
		const char *mailbox;
		enum err err;
	} grants[] = {
		{0, gid, box.path, ERR_PERM},       {uid + 1, gid, box.path, ERR_PERM},
		{uid, gid + 1, box.path, ERR_PERM}, {uid, gid, "/nonexistent/box", ERR_TEMP},
		{uid, gid, "relative", ERR_PERM},   {uid, gid, "imap://host/x", ERR_PERM},
		{uid, gid, "/dev/null", ERR_PERM},
	};

	(void)state;
	for (uint32_t i = 0; i < TABLE_ROWS(grants); i++) {
		send_grant(&auth.chan, &(struct msg_grant){.sid = sid(i), .uid = grants[i].uid, .gid = grants[i].gid},
			   grants[i].mailbox);
		const struct got *g = next(MSG_DENY);

		check_row(i, grants[i].mailbox, g->u.deny.sid == sid(i) && g->u.deny.err == (uint32_t)grants[i].err);
	}
	grant(100);
	check(next(MSG_SCAN)->u.scan.count == 3);
}

/* A grant can be faster than the channel to its front; master sends grants, too. */
static void test_front_comes_late(void **state)
{
	struct msg_grant g = {.sid = (uint64_t)(FRONT + 1) << 32 | 1, .uid = owner(), .gid = group()};

	(void)state;
	chan_done(&front.chan);
	send_grant(&auth.chan, &g, box.path);
	while (atomic_load(&slot->sessions) == 0)
		ev_run(loop, EVRUN_NOWAIT);
	connect_peer(&front, ROLE_FRONT, FRONT + 1, &front_ops);
	check(next(MSG_SCAN)->u.scan.sid == g.sid);
	chan_done(&front.chan);
	g.sid++;
	connect_peer(&front, ROLE_FRONT, FRONT + 1, &front_ops);
	send_grant(&master.chan, &g, box.path); /* behind the channel: at once, and the lock is free */
	check(next(MSG_SCAN)->u.scan.sid == g.sid);
}

static void test_front_dies(void **state)
{
	(void)state;
	grant(1);
	next(MSG_SCAN);
	chan_done(&front.chan);
	while (atomic_load(&slot->sessions) != 0)
		ev_run(loop, EVRUN_NOWAIT);
	check(box_count(&box, "new") == 3);
}

/* This login, and nothing else, is denied through master. */
static void check_denied(uint64_t sid)
{
	const struct got *g = &master.got[master.taken];
	ev_timer t;

	late = false;
	ev_timer_init(&t, on_late, WAIT_MS / 1000.0, 0);
	ev_timer_start(loop, &t);
	while (master.taken == master.count && !late)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &t);
	check(master.count == ++master.taken && g->u.deny.sid == sid && g->u.deny.err == ERR_TEMP);
}

/* Its channel is lost, and for all we know it lives: whose login waits, and who comes later, is denied through master. */
static void test_front_is_lost(void **state)
{
	(void)state;
	grant(1);
	next(MSG_SCAN);
	grant(2); /* waits for the first one's session lock */
	while (atomic_load(&slot->sessions) != 2)
		ev_run(loop, EVRUN_NOWAIT);
	chan_done(&front.chan);
	check_denied(sid(2));
	grant(3);
	check_denied(sid(3));
	check(atomic_load(&slot->sessions) == 0);
}

/* What no honest front sends costs it its channel; others are served. */
static void send_bad(int i)
{
	static const struct msg_fetch fetches[] = {{.sid = 1, .msgno = 1},
						   {.sid = (uint64_t)FRONT << 32 | 1, .msgno = 0},
						   {.sid = (uint64_t)FRONT << 32 | 1, .msgno = 4},
						   {.sid = (uint64_t)FRONT << 32 | 2, .msgno = 1}};
	const uint64_t s = sid(1);
	const struct msg_read reads[] = {
		{.sid = s, .source = SOURCE_LISTING, .at = 0, .octets = 3 * sizeof(struct listing_rec) + 1},
		{.sid = s, .source = SOURCE_LISTING, .at = UINT64_MAX, .octets = 2},
		{.sid = s, .source = SOURCE_MESSAGE, .msgno = 1, .at = 5, .octets = 2},
		{.sid = s, .source = SOURCE_MESSAGE, .msgno = 0, .at = 0, .octets = 1},
		{.sid = s, .source = SOURCE_MESSAGE, .msgno = 4, .at = 0, .octets = 1},
		{.sid = s, .source = 2, .msgno = 1, .at = 0, .octets = 1},
		{.sid = s, .source = SOURCE_MESSAGE, .msgno = 1, .at = 0, .octets = MSG_BULK_MOST + 1},
	};
	const struct msg_commit commits[] = {
		{.sid = s, .count = 4, .deleted = 1},      {.sid = s, .count = 3, .deleted = 2},
		{.sid = s, .count = 3, .deleted = 1},      {.sid = s, .count = 3, .deleted = 1},
		{.sid = sid(2), .count = 3, .deleted = 1},
	};
	static const struct slice bits[] = {{"\1", 1}, {"\1", 1}, {"\x10", 1}, {"\1\0", 2}, {"\1", 1}};

	if (i < (int)TABLE_ROWS(fetches))
		check(chan_send(&front.chan, MSG_FETCH, &(struct chan_out){.payload = &fetches[i]}));
	else if ((i -= (int)TABLE_ROWS(fetches)) < (int)TABLE_ROWS(reads))
		check(chan_send(&front.chan, MSG_READ, &(struct chan_out){.payload = &reads[i]}));
	else if ((i -= (int)TABLE_ROWS(reads)) < (int)TABLE_ROWS(commits))
		check(chan_send(&front.chan, MSG_COMMIT,
				&(struct chan_out){.payload = &commits[i], .bulk = {bits[i]}}));
	else
		check(!"one more");
}

static void test_bad_messages(void **state)
{
	(void)state;
	for (int i = 0; i < 16; i++) {
		grant(1);
		check(next(MSG_SCAN)->u.scan.count == 3);
		send_bad(i);
		run_until(&front.closed);
		check_row(i, "nothing is answered", front.taken == front.count);
		connect_peer(&front, ROLE_FRONT, FRONT, &front_ops);
		grant(100 + (uint32_t)i); /* behind this one, the new channel is known */
		check(next(MSG_SCAN)->u.scan.sid == sid(100 + (uint32_t)i));
		send_close(100 + (uint32_t)i);
	}
	check(box_count(&box, "new") == 3);
}

/* A set that could still change is not believed. */
static void test_unsealed_set(void **state)
{
	struct msg_commit commit = {.sid = sid(1), .count = 3, .deleted = 1};
	int fd = memfd_create("deleted", MFD_CLOEXEC);

	(void)state;
	grant(1);
	next(MSG_SCAN);
	check(fd >= 0 && write(fd, "\1", 1) == 1);
	check(chan_send(&front.chan, MSG_COMMIT, &(struct chan_out){.payload = &commit, .fds = {fd}, .nfds = 1}));
	close(fd);
	run_until(&front.closed);
	check(box_count(&box, "new") == 3);
}

/* A front that asks and does not listen is not listened to: its answers do not pile up, and all of them come. */
static void test_back_pressure(void **state)
{
	enum { ASKED = 250 };
	static char text[60 * 1024];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	put("new/4.M1.h", text);
	grant(1);
	check(next(MSG_SCAN)->u.scan.count == 4);
	chan_pause(&front.chan, true);
	for (int i = 0; i < ASKED; i++)
		send_fetch(1, 4, 0);
	for (int i = 0; i < 1000; i++)
		ev_run(loop, EVRUN_NOWAIT);
	chan_pause(&front.chan, false);
	for (int i = 0; i < ASKED; i++)
		check_row(i, "body", next(MSG_BODY)->bulk == sizeof text - 1);
}

/* Asks whether it may go; goes when no auth can send it anything more, and not before its session has ended. */
/* ---- waiting for the mailbox lock ---- */

enum { ATTEMPTS = 3, FOR_EVER = 1000000 };

static int set_up_attempts(void **state)
{
	conf.locking.retry_count = ATTEMPTS;
	return set_up(state);
}

static int set_up_one_attempt(void **state)
{
	conf.locking.retry_count = 0;
	return set_up(state);
}

static int set_up_for_ever(void **state)
{
	conf.locking.retry_count = FOR_EVER;
	return set_up(state);
}

static void send_commit(uint32_t n)
{
	struct msg_commit q = {.sid = sid(n), .count = 3, .deleted = 1};

	check(chan_send(&front.chan, MSG_COMMIT, &(struct chan_out){.payload = &q, .bulk = {SLICE("\2")}}));
}

static void wait_for(const _Atomic unsigned *count, unsigned least)
{
	while (atomic_load(count) < least)
		ev_run(loop, EVRUN_NOWAIT);
}

static void test_mailbox_is_busy_once(void **state)
{
	(void)state;
	atomic_store(&tries->busy, ATTEMPTS - 1);
	grant(1);
	check(next(MSG_SCAN)->u.scan.sid == sid(1) && atomic_load(&tries->opens) == ATTEMPTS);
	atomic_store(&tries->busy, ATTEMPTS - 1); /* as many attempts again */
	send_commit(1);
	const struct got *g = next(MSG_DONE);

	check(g->u.done.err == OK && g->u.done.deleted == 1 && atomic_load(&tries->commits) == ATTEMPTS);
	check(box_count(&box, "new") == 2);
}

static void test_mailbox_stays_busy(void **state)
{
	(void)state;
	atomic_store(&tries->busy, FOR_EVER);
	grant(1);
	const struct got *g = next(MSG_DENY);

	check(g->u.deny.err == ERR_IN_USE && atomic_load(&tries->opens) == ATTEMPTS);
	atomic_store(&tries->busy, 0);
	grant(2);
	next(MSG_SCAN);
	atomic_store(&tries->busy, FOR_EVER);
	send_commit(2);
	g = next(MSG_DONE);
	check(g->u.done.err == ERR_TEMP && g->u.done.deleted == 0 && atomic_load(&tries->commits) == ATTEMPTS);
	check(box_count(&box, "new") == 3);
}

static void test_one_attempt(void **state)
{
	(void)state;
	atomic_store(&tries->busy, 1);
	grant(1);
	check(next(MSG_DENY)->u.deny.err == ERR_IN_USE && atomic_load(&tries->opens) == 1);
}

/* A session that waits keeps its session lock, and holds up nobody else. */
static void test_others_are_served(void **state)
{
	(void)state;
	grant(1);
	next(MSG_SCAN);
	atomic_store(&tries->busy, FOR_EVER);
	send_commit(1);
	wait_for(&tries->commits, 2);
	send_grant(&auth.chan, &(struct msg_grant){.sid = sid(2), .uid = owner(), .gid = group()},
		   "/nothing/of/this/name");
	check(next(MSG_DENY)->u.deny.sid == sid(2)); /* an answer, while the other waits */
	grant(3);                                    /* waits for the session lock */
	unsigned commits = atomic_load(&tries->commits);

	wait_for(&tries->commits, commits + 2);
	atomic_store(&tries->busy, 0);
	check(next(MSG_DONE)->u.done.err == OK);
	check(next(MSG_SCAN)->u.scan.sid == sid(3) && box_count(&box, "new") == 2);
}

/* Nothing else is asked of a session that waits for its end; its front closes it, or dies: then nothing is deleted. */
static void test_end_while_waiting(void **state)
{
	(void)state;
	grant(1);
	next(MSG_SCAN);
	atomic_store(&tries->busy, FOR_EVER);
	send_commit(1);
	wait_for(&tries->commits, 2);
	send_close(1);
	while (atomic_load(&slot->sessions) != 0)
		ev_run(loop, EVRUN_NOWAIT);
	atomic_store(&tries->busy, 0);
	grant(2); /* the session lock is free again */
	check(next(MSG_SCAN)->u.scan.count == 3);
	atomic_store(&tries->busy, FOR_EVER);
	send_commit(2);
	wait_for(&tries->commits, 4);
	chan_done(&front.chan);
	while (atomic_load(&slot->sessions) != 0)
		ev_run(loop, EVRUN_NOWAIT);
	atomic_store(&tries->busy, 0);
	check(box_count(&box, "new") == 3);
}

static void test_second_commit(void **state)
{
	(void)state;
	grant(1);
	next(MSG_SCAN);
	atomic_store(&tries->busy, FOR_EVER);
	send_commit(1);
	wait_for(&tries->commits, 1);
	send_commit(1);
	run_until(&front.closed);
	check(box_count(&box, "new") == 3);
}

static void test_retirement(void **state)
{
	(void)state;
	run_until(&idle);
	grant(1);
	next(MSG_SCAN);
	chan_done(&auth.chan);
	send_fetch(1, 1, 0);
	next(MSG_BODY);
	check(!master.closed);
	send_close(1);
	run_until(&master.closed);
}

/* The same where master says so, because others need the place; and since when it is idle, for master to see. */
static void test_told_to_go(void **state)
{
	(void)state;
	grant(1);
	next(MSG_SCAN);
	check(slot->sessions == 1 && slot->idle_since_ms == 0);
	check(chan_send(&master.chan, MSG_IDLE, NULL));
	chan_done(&auth.chan);
	send_fetch(1, 1, 0);
	next(MSG_BODY);
	check(!master.closed);
	send_close(1);
	run_until(&master.closed);
	check(slot->sessions == 0 && slot->idle_since_ms > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_session, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_large_listing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_session_lock, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_in_use, set_up_without_wait, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_front_comes_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_front_dies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_front_is_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_messages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unsealed_set, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_back_pressure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mailbox_is_busy_once, set_up_attempts, tear_down),
		cmocka_unit_test_setup_teardown(test_mailbox_stays_busy, set_up_attempts, tear_down),
		cmocka_unit_test_setup_teardown(test_one_attempt, set_up_one_attempt, tear_down),
		cmocka_unit_test_setup_teardown(test_others_are_served, set_up_for_ever, tear_down),
		cmocka_unit_test_setup_teardown(test_end_while_waiting, set_up_for_ever, tear_down),
		cmocka_unit_test_setup_teardown(test_second_commit, set_up_for_ever, tear_down),
		cmocka_unit_test_setup_teardown(test_retirement, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_told_to_go, set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
