/* tests/master/test_supervise.c - master with roles that play a script: who gets a worker, who is refused, who is ended
 *
 * The roles here are doubles: auth asks master for workers, one row of the table after the other; store and front note in
 * shared memory what reached them. Everything else (processes, channels, confinement) is the real thing. */
#include "master/supervise.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"

enum {
	OWNER = 20081,
	OTHER = 20082,
	STILLBORN = 20083,
	DYING = 20084,
	LOST = 20085,
	FRONT = 65534,
	AUTH = 65533,
	MIN_UID = 1000,
	WAIT_S = 30,
	TEST_S = 200
};

/* Behind the rows: so many owners, one after the other, whose workers go as soon as they may. */
enum { PASSERS = 200, PASSER = 30000 };

/* What becomes of a grant. */
enum outcome { NOTHING, GRANTED, DENIED };

/* clang-format off */
static const struct row {
	const char *name;
	uid_t uid;
	gid_t gid;
	bool stays_busy;       /* the worker works on it for ever */
	enum outcome outcome;
	enum err err;          /* of DENIED */
	unsigned worker;       /* of GRANTED: the n-th one that was started */
} rows[] = {
	{"root",                       0,             0,         false, DENIED,  ERR_PERM, 0},
	{"below min-uid",              MIN_UID - 1,   OWNER,     false, DENIED,  ERR_PERM, 0},
	{"no uid",                     (uid_t)-1,     OWNER,     false, DENIED,  ERR_PERM, 0},
	{"no gid",                     OWNER,         (gid_t)-1, false, DENIED,  ERR_PERM, 0},
	{"front's user",               FRONT,         OWNER,     false, DENIED,  ERR_PERM, 0},
	{"auth's user",                AUTH,          OWNER,     false, DENIED,  ERR_PERM, 0},
	{"a first worker",             OWNER,         OWNER,     false, GRANTED, OK,       1},
	{"the same again",             OWNER,         OWNER,     false, GRANTED, OK,       1},
	{"of another owner",           OTHER,         OTHER,     false, GRANTED, OK,       2},
	{"of another group",           OWNER,         OTHER,     false, GRANTED, OK,       3},
	{"busy from now on",           OWNER,         OWNER,     true,  GRANTED, OK,       1},
	{"one beside the busy one",    OWNER,         OWNER,     true,  GRANTED, OK,       4},
	{"third",                      OWNER,         OWNER,     true,  GRANTED, OK,       5},
	{"fourth",                     OWNER,         OWNER,     true,  GRANTED, OK,       6},
	{"fifth",                      OWNER,         OWNER,     true,  GRANTED, OK,       7},
	{"sixth",                      OWNER,         OWNER,     true,  GRANTED, OK,       8},
	{"seventh",                    OWNER,         OWNER,     true,  GRANTED, OK,       9},
	{"eighth",                     OWNER,         OWNER,     true,  GRANTED, OK,       10},
	{"no more: the first queues",  OWNER,         OWNER,     false, GRANTED, OK,       1},
	{"it ends before it serves",   STILLBORN,     STILLBORN, false, DENIED,  ERR_TEMP, 0},
	{"it ends with the grant",     DYING,         DYING,     false, DENIED,  ERR_TEMP, 0},
	{"others are as they were",    OTHER,         OTHER,     false, GRANTED, OK,       2},
	{"it has lost its front",      LOST,          LOST,      false, DENIED,  ERR_TEMP, 0},
	{"it gets no more work",       LOST,          LOST,      false, GRANTED, OK,       11},
	{"it may go",                  OTHER,         OTHER,     false, GRANTED, OK,       2},
	{"who goes gets no more work", OTHER,         OTHER,     false, GRANTED, OK,       12},
};
/* clang-format on */
enum { ROWS = sizeof rows / sizeof *rows, IDLE_ROW = ROWS - 2 };

/* What a worker may deny, as often as it guesses. */
enum { GUESS = 0x10000, GUESSES = 100, DENIALS_MOST = 64 };

/* Written by the doubles, read by the test. */
static struct {
	_Atomic int outcome[ROWS], err[ROWS];
	_Atomic uint32_t worker[ROWS], uid[ROWS], serial[ROWS];
	_Atomic unsigned workers, hashes, forgotten, losses, guesses;
	_Atomic uint32_t forgot; /* serial */
	_Atomic bool pass;       /* the passers may begin */
	_Atomic uint32_t passed; /* of them */
	_Atomic pid_t first_passer;
	_Atomic uint32_t slot; /* the highest that a worker had */
} * seen;

enum err auth_kerberos_load(struct role_env *env, struct why *why)
{
	return env && why ? OK : ERR_TEMP;
}

enum err auth_keytab_check(const struct conf *cf, struct why *why)
{
	return cf && why ? OK : ERR_TEMP;
}

size_t auth_penalties_octets(void)
{
	return 0;
}

size_t auth_cache_octets(const struct conf *cf)
{
	(void)cf;
	return 0;
}

size_t auth_pools_octets(const struct conf *cf)
{
	(void)cf;
	return 0;
}

size_t state_octets(void)
{
	return 0;
}

/* --- what the doubles have in common --- */

static struct chan master_channel;
static struct ev_loop *loop;
static uint32_t front_serial;
static const struct role_env *role_env;

static void on_closed(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
	if (c == &master_channel)
		ev_break(loop, EVBREAK_ALL);
}

static void double_open(const struct role_env *env, enum role self, const struct chan_ops *ops)
{
	role_env = env;
	loop = ev_default_loop(EVBACKEND_EPOLL);
	chan_init(&master_channel, loop, env->master_fd, self, ROLE_MASTER, 0, ops, NULL);
	chan_send(&master_channel, MSG_READY, NULL);
}

static int double_run(void)
{
	ev_run(loop, 0);
	return 0;
}

/* Asks master for a worker, as row i says; behind the rows: for a passer. */
static void ask(size_t i)
{
	struct msg_grant g = {.sid = (uint64_t)front_serial << 32 | i,
			      .uid = i < ROWS ? rows[i].uid : (uid_t)(PASSER + i),
			      .gid = i < ROWS ? rows[i].gid : (gid_t)(PASSER + i),
			      .name_len = 4,
			      .mailbox_len = 10,
			      .home_len = 4};
	struct chan_out out = {.payload = &g, .bulk = {SLICE("name"), SLICE("maildir:/x"), SLICE("home")}};

	chan_send(&master_channel, MSG_GRANT, &out);
}

/* As a worker does that has lost its front: master is to deny this one. */
static void deny(uint64_t sid)
{
	struct msg_deny d = {.sid = sid, .err = ERR_AUTH}; /* front is told what master thinks of it */

	chan_send(&master_channel, MSG_DENY, &(struct chan_out){.payload = &d});
}

/* A peer's channel stays open as long as we live; those of passers, which the test does not count here, too. */
static enum err on_peer(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_peer *p = m->payload;

	(void)c;
	(void)why;
	(void)msg_take_fd(m, 0);
	if (p->role == ROLE_FRONT)
		front_serial = p->serial;
	return OK;
}

/* --- hash: the first two say what they must not, the third one closes its channel and goes on --- */

int hash_main(const struct role_env *env)
{
	static const struct chan_ops ops = {.on = {[MSG_PEER] = on_peer}, .closed = on_closed};
	unsigned number = ++seen->hashes;

	double_open(env, ROLE_HASH, &ops);
	if (number == 1)
		ask(ROWS); /* a grant from a process that has no business with it */
	else if (number == 2)
		deny(0); /* nor with this */
	if (number == 3) {
		chan_done(&master_channel);
		for (;;)
			pause();
	}
	return double_run();
}

/* --- front: notes denials; its last client is gone when it is told to leave --- */

static enum err on_leave(struct chan *c, struct msg *m, struct why *why)
{
	(void)m;
	(void)why;
	chan_send(c, MSG_LEFT, NULL);
	ev_break(loop, EVBREAK_ALL);
	return OK;
}

static enum err on_deny(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_deny *d = m->payload;
	uint32_t row = (uint32_t)d->sid;

	(void)c;
	(void)why;
	seen->guesses += row >= GUESS;
	if (row < ROWS) {
		seen->err[row] = (int)d->err;
		seen->outcome[row] = DENIED;
	}
	return OK;
}

int front_main(const struct role_env *env)
{
	static const struct chan_ops ops = {.on = {[MSG_PEER] = on_peer, [MSG_DENY] = on_deny, [MSG_LEAVE] = on_leave},
					    .closed = on_closed};

	double_open(env, ROLE_FRONT, &ops);
	return double_run();
}

/* --- store: notes grants --- */

static enum err on_grant_note(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_grant *g = m->payload;
	const uint64_t front = g->sid - (uint32_t)g->sid;
	const uint32_t row = (uint32_t)g->sid;
	static unsigned number; /* of this worker */

	(void)why;
	if (g->uid == DYING)
		_exit(1);
	if (g->uid == LOST && seen->losses++ == 0) {
		deny(front + (UINT64_C(1000) << 32) + IDLE_ROW); /* a front that there is not */
		deny(g->sid);
		for (uint32_t i = 0; i < GUESSES; i++)
			deny(front + GUESS + i);
		return OK;
	}
	if (number == 0)
		number = ++seen->workers;
	if (role_env->slot > seen->slot)
		seen->slot = role_env->slot;
	if (row == ROWS)
		seen->first_passer = getpid();
	if (row >= ROWS || row == IDLE_ROW)
		chan_send(c, MSG_IDLE, NULL);
	if (row >= ROWS || !slice_eq(m->bulk, slice_str("namemaildir:/xhome")))
		return OK;
	if (rows[row].stays_busy)
		role_env->slot_page->busy_since_ms = 1;
	seen->uid[row] = getuid();
	seen->serial[row] = role_env->serial;
	seen->worker[row] = number;
	seen->outcome[row] = GRANTED;
	return OK;
}

/* No auth knows us any more. */
static void on_auth_closed(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
	ev_break(loop, EVBREAK_ALL);
}

static enum err on_store_peer(struct chan *c, struct msg *m, struct why *why)
{
	static const struct chan_ops ops = {.closed = on_auth_closed};
	static struct chan auth;
	const struct msg_peer *p = m->payload;

	(void)why;
	if (p->role == ROLE_AUTH)
		chan_init(&auth, c->loop, msg_take_fd(m, 0), ROLE_STORE, ROLE_AUTH, p->serial, &ops, NULL);
	else
		(void)msg_take_fd(m, 0);
	return OK;
}

int store_main(const struct role_env *env)
{
	static const struct chan_ops ops = {.on = {[MSG_PEER] = on_store_peer, [MSG_GRANT] = on_grant_note},
					    .closed = on_closed};

	if (env->uid == STILLBORN)
		_exit(1);
	double_open(env, ROLE_STORE, &ops);
	(void)double_run();
	if (env->uid >= PASSER)
		seen->passed++;
	return 0;
}

int opener_main(const struct role_env *env)
{
	return env != NULL;
}

/* --- auth: plays the table --- */

static ev_timer next;
static size_t asked;

/* The next row, once the last one's outcome is there (behind the idle one: once we were told to forget it). */
static void on_next(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	if (front_serial == 0 || (asked > 0 && asked <= ROWS && seen->outcome[asked - 1] == NOTHING))
		return;
	if (asked == IDLE_ROW + 1 && seen->forgotten < 2)
		return;
	if (asked < ROWS || (seen->pass && asked < ROWS + PASSERS && seen->passed == asked - ROWS))
		ask(asked++);
}

/* The channels to store workers, by serial. */
static int worker_fd[ROWS + PASSERS + 64];

static enum err on_auth_peer(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_peer *p = m->payload;

	if (p->role == ROLE_STORE && p->serial < TABLE_ROWS(worker_fd)) {
		worker_fd[p->serial] = msg_take_fd(m, 0);
		return OK;
	}
	return on_peer(c, m, why);
}

static enum err on_forget(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_forget *f = m->payload;

	(void)c;
	(void)why;
	if (f->serial < TABLE_ROWS(worker_fd))
		close(worker_fd[f->serial]);
	if (seen->forgotten++ == 1) /* behind the one that lost its front */
		seen->forgot = f->serial;
	return OK;
}

/* No list has programs. */
int access_main(const struct role_env *env)
{
	return env != NULL;
}

int state_main(const struct role_env *env)
{
	return env != NULL;
}

int auth_main(const struct role_env *env)
{
	static const struct chan_ops ops = {.on = {[MSG_PEER] = on_auth_peer, [MSG_FORGET] = on_forget},
					    .closed = on_closed};

	double_open(env, ROLE_AUTH, &ops);
	ev_timer_init(&next, on_next, 0.005, 0.005);
	ev_timer_start(loop, &next);
	return double_run();
}

/* --- the test --- */

static char top[64];

static _Noreturn void master_run(void)
{
	static struct conf_server none;
	static char runtime[96], cache[96], durable[96];
	struct identity front = {FRONT, FRONT}, auth = {AUTH, AUTH};
	struct conf cf = {
		.mode = MODE_DAEMON,
		.foreground = true,
		.single_process = true,
		.max_children = 4,
		.shutdown_timeout = {WAIT_S},
		.servers = &none,
		.nservers = 1,
		.auth = {.min_uid = MIN_UID},
		.mailbox = {.index = "auto", .pattern = "maildir:/var/mail/${user}"},
		.runtime_dir = runtime,
		.cache_dir = cache,
		.state_dir = durable,
	};
	static struct commons commons;
	struct master m = {
		.cf = &cf, .privileged = true, .front = front, .auth = auth, .commons = &commons, .keeper_fd = -1};
	struct why why;

	(void)snprintf(runtime, sizeof runtime, "%s/run", top);
	(void)snprintf(cache, sizeof cache, "%s/cache", top);
	(void)snprintf(durable, sizeof durable, "%s/state", top);
	if (paths_open(&m.paths, &cf, &why) != OK || commons_open(&commons, 1, 0, &why) != OK)
		_exit(99);
	_exit(supervise(&m));
}

/* Waits until all rows have an outcome, or too long. */
static void wait_for_rows(void)
{
	for (unsigned i = 0; i < WAIT_S * 100; i++) {
		size_t done = 0;

		while (done < ROWS && seen->outcome[done] != NOTHING)
			done++;
		if (done == ROWS && seen->hashes > 3)
			return;
		usleep(10000);
	}
}

static size_t descriptors_of(pid_t pid)
{
	char path[64];
	size_t n = 0;

	(void)snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
	DIR *d = opendir(path);

	check(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The spare worker of this master; 0: there is none at the moment. */
static pid_t spare_of(pid_t master)
{
	char path[64], text[4096], name[32], *rest;
	pid_t spare = 0;

	(void)snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)master, (long)master);
	FILE *f = fopen(path, "re");

	check(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	(void)fclose(f);
	for (char *pid = strtok_r(text, " ", &rest); pid; pid = strtok_r(NULL, " ", &rest)) {
		(void)snprintf(path, sizeof path, "/proc/%s/comm", pid);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof name, f) && strcmp(name, "pop3d-spare\n") == 0)
			spare = (pid_t)strtol(pid, NULL, 10);
		if (f)
			(void)fclose(f);
	}
	return spare;
}

static pid_t spare_wait(pid_t master)
{
	pid_t spare = 0;

	for (unsigned i = 0; i < WAIT_S * 100 && !(spare = spare_of(master)); i++)
		usleep(10000);
	check(spare != 0);
	return spare;
}

/* Lets them all come and go; the number of master's descriptors must be what it was. */
static void passers_check(pid_t master)
{
	pid_t spare = spare_wait(master);
	size_t before = descriptors_of(master), now = 0;

	seen->pass = true;
	for (unsigned i = 0; i < WAIT_S * 100 && (seen->passed < PASSERS || now != before); i++) {
		usleep(10000);
		now = descriptors_of(master);
	}
	check(seen->passed == PASSERS);
	check(now == before);
	check(seen->slot < ROWS); /* places are used again */
	/* the first of them was served by who was there, and another one came */
	check(seen->first_passer == spare && spare_wait(master) != spare);
}

static void rows_check(void)
{
	for (size_t i = 0; i < ROWS; i++) {
		check_row(i, rows[i].name, seen->outcome[i] == (int)rows[i].outcome);
		if (rows[i].outcome == DENIED)
			check_row(i, rows[i].name, seen->err[i] == (int)rows[i].err);
		else
			check_row(i, rows[i].name, seen->worker[i] == rows[i].worker && seen->uid[i] == rows[i].uid);
	}
}

static void test_grants(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (geteuid() != 0) {
		print_message("test_grants needs root\n");
		skip();
	}
	check_ends_within(TEST_S);
	pid = fork();
	if (pid == 0)
		master_run();
	wait_for_rows();
	passers_check(pid);
	check(kill(pid, SIGTERM) == 0 && waitpid(pid, &status, 0) == pid);
	rows_check();
	/* fewer where the worker, which is told to go, was faster than master read them */
	check(seen->guesses < DENIALS_MOST);
	/* the one that had nothing to do was told to all auths, by its serial */
	check(seen->forgotten == 2 + PASSERS && seen->forgot == seen->serial[IDLE_ROW]);
	/* the processes that broke the catalogue were replaced, and did no harm; so was the one that wanted to outlive its channel */
	check(seen->hashes == 4);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int make_top(void **state)
{
	struct log_setup quiet = {.fd = -1};

	(void)state;
	log_setup(&quiet);
	/* cppcheck-suppress invalidFunctionArg ; -1 goes with MAP_ANONYMOUS */
	seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)snprintf(top, sizeof top, "/var/tmp/pop3d-supervise-XXXXXX");
	return seen == MAP_FAILED || !mkdtemp(top) || chmod(top, 0755) < 0;
}

static int remove_top(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof command, "rm -rf %s", top);
	return system(command); /* NOLINT(cert-env33-c): a path that we made */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_grants)};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}
