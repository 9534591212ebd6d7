/* The processes auth and hash, driven over their channels: the test is master, front and store. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "auth/cache.h"
#include "auth/penalty.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "check.h"
#include "files.h"
#include "ipc/chan.h"
#include "ipc/role.h"

enum {
	FRONT = 7, /* serials */
	STORE = 8,
	STORE_BUSY = 9,
	HASHER = 10,
	UID = 1000,
	GID = 100,
	CACHE_ENTRIES = 64,
	WATCHDOG_SECONDS = 60,
	TEST_SECONDS = 200,
	PENALTY_MOST_S = 10000,
	WAITS_MOST = 1024,
};

/* What one of the channels to auth brought. */
struct seen {
	enum msg_type type; /* MSG_DENY or MSG_GRANT; 0: nothing */
	struct chan *from;
	struct msg_deny deny;
	struct msg_grant grant;
	char bulk[256];
};

static struct {
	struct ev_loop *loop;
	struct files files;
	struct conf conf;
	struct store_slot *slots;
	void *cache;
	pid_t auth, hash;
	struct chan master, hash_master, front, store, busy;
	struct seen seen;
	uint32_t front_serial, logins;
	uint64_t sid;     /* of the last login */
	unsigned denials; /* of any login */
	bool ready;       /* a process said so */
	bool closed;      /* a channel was, by the process */
} t;

/* --- the other end ------------------------------------------------------------------------------------------------ */

static enum err on_ready(struct chan *c, struct msg *m, struct why *why)
{
	(void)c;
	(void)m;
	(void)why;
	t.ready = true;
	return OK;
}

/* Like front, it takes no notice of a login that nobody waits for any more. */
static enum err on_deny(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_deny *deny = m->payload;

	(void)why;
	t.denials++;
	if (deny->sid == t.sid)
		t.seen = (struct seen){.type = MSG_DENY, .from = c, .deny = *deny};
	return OK;
}

static enum err on_grant(struct chan *c, struct msg *m, struct why *why)
{
	(void)why;
	t.seen = (struct seen){.type = MSG_GRANT, .from = c};
	memcpy(&t.seen.grant, m->payload, sizeof t.seen.grant);
	assert_true(m->bulk.n < sizeof t.seen.bulk);
	memcpy(t.seen.bulk, m->bulk.p, m->bulk.n);
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	(void)reason;
	t.closed = true;
	chan_done(c);
}

static const struct chan_ops master_ops = {.on = {[MSG_READY] = on_ready, [MSG_GRANT] = on_grant}, .closed = on_closed};
static const struct chan_ops front_ops = {.on = {[MSG_DENY] = on_deny}, .closed = on_closed};
static const struct chan_ops store_ops = {.on = {[MSG_GRANT] = on_grant}, .closed = on_closed};

static void on_watchdog(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	print_error("no answer within %d seconds\n", WATCHDOG_SECONDS);
	_fail(__FILE__, __LINE__);
}

static bool is_ready(void)
{
	return t.ready;
}

static bool is_closed(void)
{
	return t.closed;
}

static bool is_answered(void)
{
	return t.seen.type != 0;
}

static void wait_until(bool (*is_so)(void))
{
	ev_timer watchdog;

	ev_timer_init(&watchdog, on_watchdog, WATCHDOG_SECONDS, 0.);
	ev_timer_start(t.loop, &watchdog);
	while (!is_so())
		ev_run(t.loop, EVRUN_ONCE);
	ev_timer_stop(t.loop, &watchdog);
}

/* --- starting and ending the processes
 * ------------------------------------------------------------------------------ */

static pid_t start(int (*role_main)(const struct role_env *), struct role_env env, struct chan *master, enum role role)
{
	int fds[2];

	assert_int_equal(chan_pair(fds, NULL), OK);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* Nothing of the test's, or the end of its channels would not be seen. */
		for (int fd = 3; fd < 256; fd++)
			if (fd != fds[1])
				close(fd);
		env.master_fd = fds[1];
		_exit(role_main(&env));
	}
	close(fds[1]);
	chan_init(master, t.loop, fds[0], ROLE_MASTER, role, 1, &master_ops, NULL);
	t.ready = false;
	wait_until(is_ready);
	return pid;
}

/* Hands one end of a new channel to a process; returns the other. */
static int introduce(struct chan *master, struct msg_peer peer)
{
	int fds[2];

	assert_int_equal(chan_pair(fds, NULL), OK);
	assert_true(chan_send(master, MSG_PEER, &(struct chan_out){.payload = &peer, .fds = {fds[1]}, .nfds = 1}));
	close(fds[1]);
	return fds[0];
}

static void connect_as(struct chan *c, enum role role, uint32_t serial, uint32_t slot, const struct chan_ops *ops)
{
	int fd = introduce(&t.master,
			   (struct msg_peer){.role = role, .serial = serial, .slot = slot, .uid = UID, .gid = GID});

	chan_init(c, t.loop, fd, role, ROLE_AUTH, 2, ops, NULL);
}

static void connect_front(uint32_t serial)
{
	t.front_serial = serial;
	connect_as(&t.front, ROLE_FRONT, serial, 0, &front_ops);
}

/* A channel between the two. */
static void connect_hash(uint32_t serial)
{
	struct msg_peer to_auth = {.role = ROLE_HASH, .serial = serial}, to_hash = {.role = ROLE_AUTH, .serial = 2};
	int fds[2];

	assert_int_equal(chan_pair(fds, NULL), OK);
	assert_true(
		chan_send(&t.master, MSG_PEER, &(struct chan_out){.payload = &to_auth, .fds = {fds[0]}, .nfds = 1}));
	assert_true(chan_send(&t.hash_master, MSG_PEER,
			      &(struct chan_out){.payload = &to_hash, .fds = {fds[1]}, .nfds = 1}));
	close(fds[0]);
	close(fds[1]);
}

static void start_hash(void)
{
	t.hash = start(hash_main, (struct role_env){.conf = &t.conf}, &t.hash_master, ROLE_HASH);
	connect_hash(HASHER);
}

#define BOB_HASH "$1$abcdefgh$G//4keteveJp0qb8z2DxG/" /* password */

static const char users[] = "bob:" BOB_HASH ":1000:100::/home/bob:\n"
			    "ann:" BOB_HASH ":2000:100::/home/ann:\n"
			    "root:" BOB_HASH ":0:0::/root:\n"
			    "low:" BOB_HASH ":99:100::/home/low:\n"
			    "shadow:x:1000:100::/home/x:\n"
			    "star:*:1000:100::/home/x:\n"
			    "empty::1000:100::/home/x:\n"
			    "locked:!" BOB_HASH ":1000:100::/home/x:\n"
			    "plain:plainpassword:1000:100::/home/x:\n";

static void start_all(void *penalties)
{
	static const char *modules[] = {"generic", "virtdomain"};

	check_ends_within(TEST_SECONDS);
	memset(&t, 0, sizeof t);
	t.loop = ev_loop_new(EVFLAG_AUTO);
	files_open(&t.files);
	files_put(&t.files, "d", users);
	t.slots = shared_new(2 * sizeof *t.slots);
	t.cache = shared_new(cache_octets(CACHE_ENTRIES));
	t.conf = (struct conf){.auth = {.authorization = {.item = modules, .n = 2},
					.authentication = {.item = modules, .n = 2},
					.min_uid = 100},
			       .virtdomain_dir = t.files.path};
	t.conf.auth.cache.ttl.n = 300;
	t.conf.auth.cache.negative_ttl.n = 30;
	t.conf.auth.cache.size = CACHE_ENTRIES;
	t.conf.auth.penalty.enable = true;
	t.conf.auth.penalty.most.n = PENALTY_MOST_S;
	assert_int_equal(auth_cache_octets(&t.conf), cache_octets(CACHE_ENTRIES));
	t.auth = start(auth_main,
		       (struct role_env){.conf = &t.conf,
					 .slots = t.slots,
					 .cache = t.cache,
					 .cache_octets = cache_octets(CACHE_ENTRIES),
					 .penalties = penalties},
		       &t.master, ROLE_AUTH);
	start_hash();
	connect_front(FRONT);
}

static int setup(void **state)
{
	(void)state;
	start_all(NULL);
	return 0;
}

static void check_exit(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Both end, and well, when their channel to master does. */
static int teardown(void **state)
{
	(void)state;
	chan_done(&t.master);
	check_exit(t.auth);
	chan_done(&t.hash_master);
	check_exit(t.hash);
	chan_done(&t.front);
	if (t.store.loop)
		chan_done(&t.store);
	if (t.busy.loop)
		chan_done(&t.busy);
	munmap(t.slots, 2 * sizeof *t.slots);
	munmap(t.cache, cache_octets(CACHE_ENTRIES));
	ev_loop_destroy(t.loop);
	files_close(&t.files);
	return 0;
}

/* --- logins
 * --------------------------------------------------------------------------------------------------------- */

static void login_send(struct slice user, struct slice password)
{
	struct msg_login m = {.sid = (uint64_t)t.front_serial << 32 | ++t.logins,
			      .log_id = 4711,
			      .client = {.family = AF_INET, .ip = {192, 0, 2, 1}},
			      .user_len = (uint16_t)user.n,
			      .password_len = (uint16_t)password.n};

	t.sid = m.sid;
	t.seen = (struct seen){0};
	assert_true(chan_send(&t.front, MSG_LOGIN, &(struct chan_out){.payload = &m, .bulk = {user, password}}));
}

/* The one answer to the last login: the error of a denial, or OK with the grant in t.seen. */
static enum err login_wait(void)
{
	wait_until(is_answered);
	assert_int_equal(t.seen.type == MSG_DENY ? t.seen.deny.sid : t.seen.grant.sid, t.sid);
	return t.seen.type == MSG_DENY ? (enum err)t.seen.deny.err : OK;
}

static enum err login(const char *user, const char *password)
{
	login_send(slice_str(user), slice_str(password));
	return login_wait();
}

/* After this auth has seen all that happened before. Messages of one channel have an order, those of several have
 * not: a new front comes behind other news from master; and whatever was ready before the first answer was handled
 * before the second. */
static void sync_auth(void)
{
	chan_done(&t.front);
	connect_front(FRONT);
	check(login("bob@d", "password") == OK);
	check(login("bob@d", "password") == OK);
}

static const struct {
	struct slice user, password;
	enum err answer;
} logins[] = {
	{TEXT("bob@d"), TEXT("password"), OK},
	{TEXT("bob@d"), TEXT("Password"), ERR_AUTH},
	{TEXT("bob@d"), TEXT("password "), ERR_AUTH},
	{TEXT("bob@d"), TEXT(""), ERR_AUTH},
	{TEXT("bob@d"), TEXT(BOB_HASH), ERR_AUTH}, /* the hash is no password */
	{TEXT("bob@d"), TEXT("password\0"), ERR_AUTH},
	{TEXT("bob@d"), TEXT("password\r"), ERR_AUTH},
	{TEXT("bob@d\n"), TEXT("password"), ERR_AUTH},
	{TEXT("bob@d\0"), TEXT("password"), ERR_AUTH},
	{TEXT("eve@d"), TEXT("password"), ERR_AUTH}, /* the password that the decoy was made of */
	{TEXT("eve@d"), TEXT("nobody has this"), ERR_AUTH},
	{TEXT("bob@e"), TEXT("password"), ERR_AUTH},
	{TEXT("bob"), TEXT("password"), ERR_AUTH},
	{TEXT("bob@../d"), TEXT("password"), ERR_AUTH},
	{TEXT(""), TEXT(""), ERR_AUTH},
	{TEXT("shadow@d"), TEXT("x"), ERR_AUTH},
	{TEXT("shadow@d"), TEXT("password"), ERR_AUTH},
	{TEXT("star@d"), TEXT("*"), ERR_AUTH},
	{TEXT("empty@d"), TEXT(""), ERR_AUTH},
	{TEXT("empty@d"), TEXT("password"), ERR_AUTH},
	{TEXT("locked@d"), TEXT("password"), ERR_AUTH},
	{TEXT("locked@d"), TEXT("!" BOB_HASH), ERR_AUTH},
	{TEXT("plain@d"), TEXT("plainpassword"), ERR_AUTH},
	{TEXT("root@d"), TEXT("password"), ERR_PERM}, /* only the right password is told that the uid is wrong */
	{TEXT("root@d"), TEXT("wrong"), ERR_AUTH},
	{TEXT("low@d"), TEXT("password"), ERR_PERM},
	{TEXT("bob@d"), TEXT("password"), OK},
	{TEXT("bob@d"), TEXT("Password"), ERR_AUTH},
};

/* Twice, so that the second time the cache answers. */
static void test_logins(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * TABLE_ROWS(logins); i++) {
		size_t row = i % TABLE_ROWS(logins);

		login_send(logins[row].user, logins[row].password);
		check_row(i, logins[row].user.p, login_wait() == logins[row].answer);
	}
}

static void test_grant(void **state)
{
	static const char bulk[] = "bob/home/bob/INBOX/home/bob";

	(void)state;
	check(login("bob@d", "password") == OK);
	check(t.seen.from == &t.master);
	check(sid_front(t.seen.grant.sid) == FRONT && t.seen.grant.uid == UID && t.seen.grant.gid == GID);
	check(t.seen.grant.log_id == 4711 && strcmp(t.seen.grant.source, "virtdomain") == 0);
	check(t.seen.grant.name_len == 3 && t.seen.grant.mailbox_len == 15 && t.seen.grant.home_len == 9);
	check(memcmp(t.seen.bulk, bulk, sizeof bulk - 1) == 0);
}

/* How two workers of the owner are doing, and who gets the grant. */
enum { WAITS, BUSY, BUSY_LONG };
static const struct {
	uint32_t sessions[2];
	int load[2];
	enum { TO_FIRST, TO_SECOND, TO_MASTER } to;
} loads[] = {
	{{0, 1}, {WAITS, WAITS}, TO_FIRST},      {{5, 1}, {WAITS, WAITS}, TO_SECOND},
	{{5, 1}, {WAITS, BUSY}, TO_FIRST},       {{0, 9}, {BUSY, WAITS}, TO_SECOND},
	{{0, 0}, {BUSY_LONG, WAITS}, TO_SECOND}, {{0, 0}, {BUSY_LONG, BUSY_LONG}, TO_MASTER},
	{{0, 0}, {BUSY, BUSY_LONG}, TO_FIRST},
};

/* Right on a slow machine, and on one that was started a moment ago: not for long is since the future, for long is since
 * the clock began. */
static uint64_t busy_since(int load)
{
	return load == WAITS ? 0 : load == BUSY ? clock_ms() + 1000000 : 1;
}

static void test_workers(void **state)
{
	const struct chan *to[] = {&t.store, &t.busy, &t.master};

	(void)state;
	connect_as(&t.store, ROLE_STORE, STORE, 0, &store_ops);
	connect_as(&t.busy, ROLE_STORE, STORE_BUSY, 1, &store_ops);
	sync_auth();
	check(login("ann@d", "password") == OK && t.seen.from == &t.master); /* another owner */
	for (size_t i = 0; i < TABLE_ROWS(loads); i++) {
		for (size_t w = 0; w < 2; w++) {
			atomic_store(&t.slots[w].sessions, loads[i].sessions[w]);
			atomic_store(&t.slots[w].busy_since_ms, busy_since(loads[i].load[w]));
		}
		check_row(i, "bob@d", login("bob@d", "password") == OK && t.seen.from == to[loads[i].to]);
	}
	/* One wants to end, then one dies: its recent grants are denied, since nobody knows whether they arrived. */
	atomic_store(&t.slots[1].busy_since_ms, 0);
	t.closed = false;
	check(chan_send(&t.master, MSG_FORGET, &(struct chan_out){.payload = &(struct msg_forget){STORE}}));
	wait_until(is_closed);
	atomic_store(&t.slots[0].busy_since_ms, 0);
	check(login("bob@d", "password") == OK && t.seen.from == &t.busy);
	t.seen = (struct seen){0};
	chan_done(&t.busy);
	wait_until(is_answered);
	check(t.seen.type == MSG_DENY && t.seen.deny.err == ERR_TEMP);
	check(login("bob@d", "password") == OK && t.seen.from == &t.master);
}

/* A new password counts at once, and the old one is of no use any more, whatever the cache knows. */
static void test_password_changes(void **state)
{
	(void)state;
	check(login("bob@d", "password") == OK && login("bob@d", "password") == OK);
	check(login("bob@d", "new") == ERR_AUTH);
	files_replace(&t.files, "d", "bob:$1$abcdefgh$dmPRVLMjfPiqm76xCVtVY.:1000:100::/home/bob:\n"); /* new */
	check(login("bob@d", "password") == ERR_AUTH);
	check(login("bob@d", "new") == OK);
	files_replace(&t.files, "d", users);
	check(login("bob@d", "password") == OK && login("bob@d", "new") == ERR_AUTH);
	files_replace(&t.files, "d", "");
	check(login("bob@d", "password") == ERR_AUTH);
}

/* What the cache knows needs no hash process: there is none. */
static void test_cache_needs_no_hash(void **state)
{
	(void)state;
	check(login("bob@d", "password") == OK && login("bob@d", "wrong") == ERR_AUTH &&
	      login("eve@d", "any") == ERR_AUTH);
	kill(t.hash, SIGSTOP);
	check(login("bob@d", "password") == OK && login("bob@d", "wrong") == ERR_AUTH &&
	      login("eve@d", "any") == ERR_AUTH);
	kill(t.hash, SIGCONT);
}

/* A hash process dies with a job; another one does it. */
static void test_hash_dies(void **state)
{
	uint64_t sid;
	int status;

	(void)state;
	check(login("bob@d", "password") == OK);
	kill(t.hash, SIGSTOP);
	login_send(SLICE("ann@d"), SLICE("password"));
	sid = t.sid;
	check(login("bob@d", "password") == OK); /* so auth has seen ann, too */
	kill(t.hash, SIGKILL);
	assert_int_equal(waitpid(t.hash, &status, 0), t.hash);
	chan_done(&t.hash_master);
	start_hash();
	t.seen = (struct seen){0};
	t.sid = sid;
	check(login_wait() == OK && t.seen.grant.uid == 2000);
}

/* One that kills every process that computes it is not tried for ever. */
static void test_hash_dies_twice(void **state)
{
	uint64_t sid;
	int status;

	(void)state;
	check(login("bob@d", "password") == OK);
	kill(t.hash, SIGSTOP);
	login_send(SLICE("ann@d"), SLICE("password"));
	sid = t.sid;
	for (int i = 0; i < 2; i++) {
		sync_auth();
		t.seen = (struct seen){0};
		t.sid = sid;
		kill(t.hash, SIGKILL);
		assert_int_equal(waitpid(t.hash, &status, 0), t.hash);
		chan_done(&t.hash_master);
		t.hash = start(hash_main, (struct role_env){.conf = &t.conf}, &t.hash_master, ROLE_HASH);
		kill(t.hash, SIGSTOP);
		connect_hash(HASHER + 1 + (uint32_t)i);
	}
	check(login_wait() == ERR_TEMP);
	kill(t.hash, SIGCONT);
	check(login("ann@d", "password") == OK);
}

/* More logins than may wait: refused for now, and the others are served. */
enum { LOGINS = 1100, KEPT = 1024 + 2 };
static unsigned count[2]; /* refused for now, answered */

static enum err on_count(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_deny *deny = m->payload;

	(void)c;
	(void)why;
	count[deny->err == ERR_TEMP ? 0 : 1]++;
	return OK;
}

static bool are_refused(void)
{
	return count[0] >= LOGINS - KEPT;
}

static bool are_answered(void)
{
	return count[0] + count[1] >= LOGINS;
}

static void test_queue_is_bounded(void **state)
{
	static const struct chan_ops ops = {.on = {[MSG_DENY] = on_count}, .closed = on_closed};
	char password[32];

	(void)state;
	t.front.ops = &ops;
	count[0] = count[1] = 0;
	kill(t.hash, SIGSTOP);
	for (int i = 0; i < LOGINS; i++) {
		(void)snprintf(password, sizeof password, "%d", i);
		login_send(SLICE("bob@d"), slice_str(password));
	}
	wait_until(are_refused);
	kill(t.hash, SIGCONT);
	wait_until(are_answered);
	check(count[0] == LOGINS - KEPT && count[1] == KEPT);
}

/* A front that breaks the rules loses its channel; the next one is served. */
static const struct {
	uint16_t user_len, password_len;
	size_t octets;
	bool is_foreign; /* the number is another front's */
} broken[] = {
	{5, 9, 13, false},         {5, 9, 15, false},      {0, 0, 1, false}, {256, 1, 257, false},
	{65535, 65535, 14, false}, {1, 1025, 1026, false}, {5, 9, 14, true},
};

static void test_broken_front(void **state)
{
	static const char octets[2048];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(broken); i++) {
		struct msg_login m = {.sid = (uint64_t)(t.front_serial + broken[i].is_foreign) << 32,
				      .user_len = broken[i].user_len,
				      .password_len = broken[i].password_len};

		t.closed = false;
		assert_true(chan_send(&t.front, MSG_LOGIN,
				      &(struct chan_out){.payload = &m, .bulk = {{octets, broken[i].octets}}}));
		wait_until(is_closed);
		connect_front(FRONT + 100 + (uint32_t)i);
	}
	struct msg_sasl_step step = {.sid = (uint64_t)FRONT << 32};

	t.closed = false;
	check(chan_send(&t.front, MSG_SASL_STEP, &(struct chan_out){.payload = &step}));
	wait_until(is_closed);
	connect_front(FRONT);
	check(login("bob@d", "password") == OK);
}

/* The channel of a front ends while its login is being computed: nobody gets a grant that nobody would end. */
static void test_front_ends(void **state)
{
	(void)state;
	check(login("bob@d", "password") == OK);
	kill(t.hash, SIGSTOP);
	login_send(SLICE("ann@d"), SLICE("password"));
	check(login("bob@d", "password") == OK);
	chan_done(&t.front);
	connect_front(FRONT + 1);
	check(login("bob@d", "password") == OK);
	kill(t.hash, SIGCONT);
	check(login("bob@d", "wrong") == ERR_AUTH); /* behind ann in the queue; login_wait checks whose answer it is */
	check(login("ann@d", "password") == OK && sid_front(t.seen.grant.sid) == FRONT + 1);
}

/* --- wrong passwords of before ---------------------------------------------------------------------------------- */

/* Those who would wait for hours are so many and no more; the others are told. They go with their front, and are wiped. */
static void test_waits_are_bounded(void **state)
{
	size_t octets = auth_penalties_octets();
	void *memory = shared_new(octets);
	struct penalty_rules rules = {.most_s = PENALTY_MOST_S};
	struct penalty_news news;
	struct penalties p;

	(void)state;
	assert_int_equal(penalties_open(&p, memory, octets, &rules, NULL), OK);
	for (uint8_t i = 0; i < 20; i++) {
		struct address from = {.family = AF_INET, .ip = {10, 0, 0, i}};
		struct penalty_client c = {.address = &from, .user = SLICE("bob@d")};

		penalties_wrong(&p, &c, (struct slice){(const char *)&i, 1}, clock_ms(), &news);
	}
	start_all(memory);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < WAITS_MOST; i++)
			login_send(SLICE("bob@d"), SLICE("password"));
		check(login("bob@d", "password") == ERR_LOCKED && t.denials == (unsigned)round + 1);
		check(login("ann@d", "password") == OK);
		chan_done(&t.front);
		connect_front(FRONT + 1);
	}
	check(penalties_stat(&p, PENALTY_STAT_DELAYED) == 2 * (WAITS_MOST + 1));
	penalties_close(&p);
	munmap(memory, octets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_logins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grant, setup, teardown),
		cmocka_unit_test_setup_teardown(test_workers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_password_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cache_needs_no_hash, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hash_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hash_dies_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_front, setup, teardown),
		cmocka_unit_test_setup_teardown(test_front_ends, setup, teardown),
		cmocka_unit_test_teardown(test_waits_are_bounded, teardown),
	};

	log_setup(&(struct log_setup){.fd = -1});
	return cmocka_run_group_tests(tests, NULL, NULL);
}
