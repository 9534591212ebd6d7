/* tests/access/test_role.c - the access role over its channels: whose program runs when, what comes of it, and what is left of it
 *
 * access_main runs in a child; the test plays master and fronts. The programs are real ones: a script, which notes its start in a file and
 * waits at a FIFO where its first word is `gate'. Nothing here waits for time to pass, but for what must happen. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "access/requests.h"
#include "base/clock.h"
#include "base/log.h"
#include "check.h"
#include "ipc/chan.h"
#include "ipc/role.h"

enum { ANSWERS_MOST = 1024, PATH = 300, FOR_EVER = 3600, BOUND_MS = 60 * 1000, EXIT = 1, FILES = 6 };

static char top[] = "/tmp/pop3d-access-XXXXXX";

/* Word 2 is the port of the client, so that each has files of its own. */
static const char script[] =
	"#!/bin/sh\n"
	"cd ${0%/*} || exit 99\n"
	"case $1 in\n"
	"exit) exit $3;;\n"
	"signal) kill -TERM $$;;\n"
	"gate) : >started.$2; read x <gate.$2; exit 0;;\n"
	"family) sh -c 'echo $$ >child.'$2'; exec sleep 3600' & while [ ! -s child.$2 ]; do sleep .1; done\n"
	"  echo $$ >leader.$2.new; mv leader.$2.new leader.$2; wait;;\n"
	"away) setsid sh -c 'echo $$ >child.'$2'; exec sleep 3600' 2>/dev/null && exit 1\n"
	"  sh -c 'echo $$ >child.'$2'; exec sleep 3600' & while [ ! -s child.$2 ]; do sleep .1; done; exit 0;;\n"
	"flood) i=0; while [ $i -lt 100 ]; do echo \"line $i\" >&2; i=$((i + 1)); done\n"
	"  head -c 300000 /dev/zero >&2; exit 0;;\n"
	"odd) printf 'a\\033\"b\\nlast' >&2; exit 0;;\n"
	"facts) echo \"words: $*.\" >&2; echo \"in: $(readlink /proc/$$/fd/0) out: $(readlink /proc/$$/fd/1)\" >&2\n"
	"  echo \"open: $(ls /proc/self/fd | tr '\\n' ' ')\" >&2; grep -E '^Sig(Blk|Ign)' /proc/self/status >&2\n"
	"  tr '\\0' ' ' </proc/$$/environ >&2; echo >&2; echo \"umask $(umask) in $(readlink /proc/$$/cwd)\" >&2; exit "
	"0;;\n"
	"esac\n";

/* Entries of the list, by the first word of their program. */
enum {
	GATE,
	EXIT_0,
	EXIT_3,
	SIGNAL,
	FAMILY,
	AWAY,
	FLOOD,
	ODD,
	FACTS,
	MISSING,
	UNREADABLE,
	NO_FORMAT,
	NO_INTERPRETER,
	RUN_GATE,
	PLAIN,
	RULES
};
static char program[FILES][PATH];
enum { SCRIPT, P_MISSING, P_UNREADABLE, P_NO_FORMAT, P_NO_INTERPRETER };
static const char *words[RULES][4] = {
	[GATE] = {program[SCRIPT], "gate", "$port"},
	[EXIT_0] = {program[SCRIPT], "exit", "$port", "0"},
	[EXIT_3] = {program[SCRIPT], "exit", "$port", "3"},
	[SIGNAL] = {program[SCRIPT], "signal", "$port"},
	[FAMILY] = {program[SCRIPT], "family", "$port"},
	[AWAY] = {program[SCRIPT], "away", "$port"},
	[FLOOD] = {program[SCRIPT], "flood", "$port"},
	[ODD] = {program[SCRIPT], "odd", "$port"},
	[FACTS] = {program[SCRIPT], "facts", "$aclno $address $family", ""},
	[MISSING] = {program[P_MISSING]},
	[UNREADABLE] = {program[P_UNREADABLE]},
	[NO_FORMAT] = {program[P_NO_FORMAT]},
	[NO_INTERPRETER] = {program[P_NO_INTERPRETER]},
	[RUN_GATE] = {program[SCRIPT], "gate", "$port"},
	[PLAIN] = {NULL},
};
static struct conf_acl_rule rules[RULES];
static struct conf conf = {.acl = {.given = true, .rule = rules, .n = RULES}};

static struct ev_loop *loop;
static struct chan master;
static pid_t child;
static bool ready;

/* A front, and the answers that it got. */
struct end {
	struct chan chan;
	bool closed;
	unsigned answers;
	struct {
		uint64_t job;
		bool allowed;
		char reason[128];
	} answer[ANSWERS_MOST];
};
static struct end front, other;

static void path_of(char path[static PATH], const char *name, unsigned n)
{
	(void)snprintf(path, PATH, "%s/%s.%u", top, name, n);
}

/* ---- the ends ---- */

static enum err on_verdict(struct chan *c, struct msg *m, struct why *why)
{
	struct end *e = c->owner;
	const struct msg_verdict *v = m->payload;

	(void)why;
	check(e->answers < ANSWERS_MOST);
	e->answer[e->answers].job = v->job;
	e->answer[e->answers].allowed = v->allowed;
	(void)snprintf(e->answer[e->answers].reason, 128, "%.*s", (int)m->bulk.n, m->bulk.p);
	e->answers++;
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	struct end *e = c->owner;

	(void)reason;
	if (e)
		e->closed = true;
	chan_done(c);
}

static enum err on_ready(struct chan *c, struct msg *m, struct why *why)
{
	(void)c;
	(void)m;
	(void)why;
	ready = true;
	return OK;
}

static const struct chan_ops front_ops = {.on = {[MSG_VERDICT] = on_verdict}, .closed = on_closed};
static const struct chan_ops master_ops = {.on = {[MSG_READY] = on_ready}, .closed = on_closed};

static void connect_front(struct end *e, uint32_t serial)
{
	struct msg_peer peer = {.role = ROLE_FRONT, .serial = serial};
	int fds[2];

	*e = (struct end){.answers = 0};
	check(chan_pair(fds, NULL) == OK);
	chan_init(&e->chan, loop, fds[0], ROLE_FRONT, ROLE_ACCESS, 1, &front_ops, e);
	check(chan_send(&master, MSG_PEER, &(struct chan_out){.payload = &peer, .fds = {fds[1]}, .nfds = 1}));
	close(fds[1]);
}

/* The client 10.0.0.HOST with this port, which is the number of the question, too. */
static void ask(struct end *e, unsigned rule, unsigned host, uint16_t port)
{
	struct msg_ask m = {
		.job = port,
		.log_id = 62,
		.server = UINT32_MAX,
		.rule = rule,
		.client = {.family = AF_INET, .port = port, .ip = {10, 0, (uint8_t)(host >> 8), (uint8_t)host}}};

	check(chan_send(&e->chan, MSG_ASK, &(struct chan_out){.payload = &m}));
}

static void withdraw(struct end *e, uint64_t job)
{
	struct msg_withdraw m = {.job = job};

	check(chan_send(&e->chan, MSG_WITHDRAW, &(struct chan_out){.payload = &m}));
}

/* Turns the loop until the expression is true; a bound that only a broken program reaches. */
#define UNTIL(fact)                                                                                                    \
	do {                                                                                                           \
		uint64_t until_ms = clock_ms() + BOUND_MS;                                                             \
		while (!(fact) && clock_ms() < until_ms) {                                                             \
			ev_run(loop, EVRUN_NOWAIT);                                                                    \
			(void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);                                 \
		}                                                                                                      \
		check_row(__LINE__, #fact, (fact));                                                                    \
	} while (0)

/* The answer to a job; -1: none so far. */
static int answer_of(const struct end *e, uint64_t job)
{
	for (unsigned i = 0; i < e->answers; i++)
		if (e->answer[i].job == job)
			return (int)i;
	return -1;
}

static bool is_answered(const struct end *e, uint64_t job, bool allowed, const char *reason)
{
	int i = answer_of(e, job);

	return i >= 0 && e->answer[i].allowed == allowed && strstr(e->answer[i].reason, reason);
}

/* ---- the programs ---- */

static void gate_make(unsigned port)
{
	char path[PATH];

	path_of(path, "gate", port);
	check(mkfifo(path, 0666) == 0 && chmod(path, 0666) == 0);
}

static bool started(unsigned port)
{
	char path[PATH];

	path_of(path, "started", port);
	return access(path, F_OK) == 0;
}

/* Whoever waits at that gate goes on. */
static void gate_open(unsigned port)
{
	char path[PATH];
	int fd = -1;

	path_of(path, "gate", port);
	UNTIL(fd >= 0 || (fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0);
	close(fd);
}

static unsigned started_count(unsigned from, unsigned to)
{
	unsigned n = 0;

	for (unsigned port = from; port < to; port++)
		n += started(port);
	return n;
}

/* A number that a program wrote; 0: none yet. */
static pid_t pid_in(const char *name, unsigned port)
{
	char path[PATH], text[32] = "";

	path_of(path, name, port);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	(void)!read(fd, text, sizeof text - 1);
	close(fd);
	return strchr(text, '\n') ? (pid_t)atol(text) : 0;
}

/* True for one that is not even a zombie any more. */
static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static char *log_text(void)
{
	static char text[1 << 18];
	char path[PATH];

	path_of(path, "log", 0);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

static bool logged(const char *what)
{
	return strstr(log_text(), what) != NULL;
}

/* ---- set-up ---- */

static void file_make(int i, const char *name, mode_t mode, const char *text)
{
	(void)snprintf(program[i], PATH, "%s/%s", top, name);
	int fd = text ? open(program[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0755) : -1;

	check(!text || (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text)));
	if (fd >= 0)
		check(fchmod(fd, mode) == 0 && close(fd) == 0);
}

static void list_make(void)
{
	file_make(SCRIPT, "script", 0755, script);
	file_make(P_MISSING, "missing", 0, NULL);
	file_make(P_UNREADABLE, "unreadable", 0644, script);
	file_make(P_NO_FORMAT, "no-format", 0755, "exit 0\n");
	file_make(P_NO_INTERPRETER, "no-interpreter", 0755, "#!/no/such/shell\n");
	for (unsigned i = 0; i < RULES; i++) {
		rules[i] = (struct conf_acl_rule){.action = i == RUN_GATE ? ACL_EXEC : ACL_IFEXEC,
						  .number = i + 1,
						  .file = "list",
						  .line = i + 100,
						  .word = words[i]};
		while (rules[i].words < 4 && words[i][rules[i].words])
			rules[i].words++;
	}
}

static _Noreturn void role_run(int fd)
{
	struct role_env env = {.conf = &conf, .master_fd = fd, .session_fd = -1};
	char path[PATH];

	path_of(path, "log", 0);
	log_setup(&(struct log_setup){.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644),
				      .severity = LOG_DEBUG,
				      .session_id = true,
				      .tag = "test"});
	check(setenv("SECRET", "x", 1) == 0 && setenv("TZ", "UTC", 1) == 0);
	_exit(access_main(&env));
}

static void role_start(uint64_t seconds)
{
	int fds[2];

	strcpy(strrchr(top, '-'), "-XXXXXX");
	check(mkdtemp(top) && chmod(top, 0777) == 0 && chan_pair(fds, NULL) == OK);
	list_make();
	conf.acl_timeout.n = seconds;
	ready = false;
	child = fork();
	if (child == 0) {
		ev_loop_destroy(loop);
		close(fds[0]);
		role_run(fds[1]);
	}
	check(child > 0);
	close(fds[1]);
	chan_init(&master, loop, fds[0], ROLE_MASTER, ROLE_ACCESS, 1, &master_ops, NULL);
	UNTIL(ready);
	connect_front(&front, 5);
	connect_front(&other, 6);
}

static int set_up(void **state)
{
	(void)state;
	loop = ev_loop_new(EVFLAG_AUTO);
	role_start(FOR_EVER);
	return 0;
}

static int set_up_hasty(void **state)
{
	(void)state;
	loop = ev_loop_new(EVFLAG_AUTO);
	role_start(1);
	return 0;
}

static void role_end(void)
{
	int status = -1;

	chan_done(&master);
	if (child > 0)
		check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	child = 0;
}

static int tear_down(void **state)
{
	char command[PATH];

	(void)state;
	role_end();
	chan_done(&front.chan);
	chan_done(&other.chan);
	(void)snprintf(command, sizeof command, "rm -rf %s", top);
	ev_loop_destroy(loop);
	return system(command); /* NOLINT(cert-env33-c): a path that we made */
}

/* ---- tests ---- */

static const struct {
	unsigned rule;
	bool allowed;
	const char *reason, *logs;
} outcomes[] = {
	{EXIT_0, true, "", NULL},
	{EXIT_3, false, "its program ended with status 3", NULL},
	{SIGNAL, false, "its program was killed by signal 15", NULL},
	{MISSING, false, "status 127",
	 "No such file or directory: it, or the interpreter that its first line names, is not there"},
	{NO_INTERPRETER, false, "status 127", "No such file or directory: it, or the interpreter"},
	{UNREADABLE, false, "status 127", "Permission denied: our user must be able to execute it"},
	{NO_FORMAT, false, "status 127", "Exec format error: its first line must name its interpreter"},
};

/* 0 lets in, and nothing else does; what cannot be run is told with its place and with what to do, in lines of the session. */
static void test_outcomes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TABLE_ROWS(outcomes); i++) {
		char line[PATH];

		ask(&front, outcomes[i].rule, 1, (uint16_t)(100 + i));
		UNTIL(answer_of(&front, 100 + i) >= 0);
		check_row(i, outcomes[i].reason, is_answered(&front, 100 + i, outcomes[i].allowed, outcomes[i].reason));
		(void)snprintf(line, sizeof line, "test: 00000010 list:%u: cannot run ", 100 + outcomes[i].rule);
		if (outcomes[i].logs)
			check_row(i, outcomes[i].logs, logged(outcomes[i].logs) && logged(line));
	}
}

#define C_LIBRARYS (3ULL << (32 - 1)) /* signals 32 and 33, in a mask */

/* What a program finds: its words, and nothing of ours. */
static void test_facts(void **state)
{
	static const char *const facts[] = {"words: facts 9 10.0.0.7 AF_INET .", "in: /dev/null out: /dev/null",
					    "SigBlk:\\x090000000000000000", "umask 0077 in "};

	(void)state;
	ask(&front, FACTS, 7, 1);
	UNTIL(answer_of(&front, 1) >= 0);
	for (size_t i = 0; i < TABLE_ROWS(facts); i++)
		UNTIL(logged(facts[i]));
	const char *ignored = strstr(log_text(), "SigIgn:\\x09"), *environment = strstr(log_text(), ": PATH=");

	/* posix_spawn(3), with which make(1) and others started us, may leave the C library's own two ignored: nobody can change that */
	check(ignored && (strtoull(ignored + strlen("SigIgn:\\x09"), NULL, 16) & ~C_LIBRARYS) == 0);
	check(environment && strstr(environment, "TZ=UTC") && !strstr(log_text(), "SECRET"));
	check(logged(": open: 0 1 2 3 \n")); /* 3 is the directory that is listed */
}

/* Who has left is not answered, and his program with all that it started is gone; others never notice. */
static void test_withdraw(void **state)
{
	(void)state;
	ask(&front, FAMILY, 1, 1);
	gate_make(2);
	ask(&other, GATE, 1, 2);
	UNTIL(pid_in("leader", 1) > 0 && started(2));
	withdraw(&front, 1);
	withdraw(&other, 1); /* which is not his */
	UNTIL(is_gone(pid_in("leader", 1)) && is_gone(pid_in("child", 1)));
	gate_open(2);
	UNTIL(is_answered(&other, 2, true, ""));
	check(front.answers == 0);
}

static void test_withdraw_of_another(void **state)
{
	(void)state;
	gate_make(1);
	ask(&front, GATE, 1, 1);
	UNTIL(started(1));
	withdraw(&other, 1);
	ask(&other, EXIT_0, 1, 9);
	UNTIL(is_answered(&other, 9, true, ""));
	gate_open(1);
	UNTIL(is_answered(&front, 1, true, ""));
}

/* A front ends: what it waited for is killed, what nobody waits for goes on, and other fronts are served. */
static void test_front_gone(void **state)
{
	(void)state;
	gate_make(2);
	gate_make(3);
	ask(&front, FAMILY, 1, 1);
	ask(&front, RUN_GATE, 1, 2);
	ask(&other, GATE, 1, 3);
	UNTIL(pid_in("leader", 1) > 0 && started(2) && started(3));
	chan_done(&front.chan);
	UNTIL(is_gone(pid_in("leader", 1)) && is_gone(pid_in("child", 1)));
	gate_open(2); /* fails where nobody reads there any more */
	gate_open(3);
	UNTIL(is_answered(&other, 3, true, ""));
}

/* So many at once, the oldest first; and not more than some for one address, behind which others do not wait. */
static void test_order(void **state)
{
	enum { N = REQUESTS_RUN_MOST, OF_ONE = REQUESTS_RUN_ADDRESS + 2 };

	(void)state;
	for (unsigned port = 1; port <= OF_ONE + N; port++)
		gate_make(port);
	for (unsigned port = 1; port <= OF_ONE; port++)
		ask(&front, GATE, 1, (uint16_t)port);
	for (unsigned port = OF_ONE + 1; port <= OF_ONE + N; port++)
		ask(&front, GATE, port, (uint16_t)port);
	UNTIL(started_count(1, OF_ONE + N + 1) == N);
	check(started_count(1, OF_ONE + 1) == REQUESTS_RUN_ADDRESS && !started(OF_ONE) && !started(OF_ONE - 1));
	check(!started(OF_ONE + N) && started(OF_ONE + N - REQUESTS_RUN_ADDRESS));
	gate_open(OF_ONE + 1); /* of another: now the next of others, since the first address has all that it may */
	UNTIL(started(OF_ONE + N - REQUESTS_RUN_ADDRESS + 1));
	check(!started(OF_ONE - 1));
	gate_open(1);
	UNTIL(started(OF_ONE - 1)); /* which is older than the others */
	UNTIL(started_count(1, OF_ONE + N + 1) == N + 2 && is_answered(&front, 1, true, ""));
	for (unsigned port = 2; port <= OF_ONE + N; port++)
		if (port != OF_ONE + 1)
			gate_open(port);
	UNTIL(front.answers == OF_ONE + N);
}

/* Beyond what may wait a client is denied, with a line; those of one address sooner, and another front's not at all. */
static void test_crowd(void **state)
{
	enum { OF_ONE = REQUESTS_RUN_ADDRESS + REQUESTS_WAIT_ADDRESS, ALL = REQUESTS_RUN_MOST + REQUESTS_WAIT_MOST };

	(void)state;
	for (unsigned port = 1; port <= OF_ONE + 1; port++)
		ask(&front, FAMILY, 1, (uint16_t)port);
	UNTIL(front.answers == 1);
	check(is_answered(&front, OF_ONE + 1, false, "too many wait for programs"));
	check(logged("is not run: too many clients wait for programs"));
	for (unsigned port = OF_ONE + 2; port <= ALL + 2; port++)
		ask(&front, FAMILY, port, (uint16_t)port);
	UNTIL(front.answers == 2);
	check(is_answered(&front, ALL + 2, false, "too many wait for programs"));
	ask(&other, EXIT_0, 5000, 1); /* waits for its turn, and gets it when the others have gone */
	chan_done(&front.chan);
	UNTIL(is_answered(&other, 1, true, ""));
}

/* Neither what runs for ever nor what never has its turn lets anybody in. */
static void test_time_limit(void **state)
{
	enum { N = REQUESTS_RUN_ADDRESS };

	(void)state;
	for (unsigned port = 1; port <= N; port++)
		ask(&front, FAMILY, 1, (uint16_t)port);
	UNTIL(front.answers == N);
	for (unsigned port = 1; port <= N; port++)
		check_row(port, "denied", is_answered(&front, port, false, "its program took too long"));
	check(logged("is killed: it has run for 1 seconds"));
	for (unsigned port = 1; port <= N; port++)
		UNTIL((pid_in("leader", port) == 0 || is_gone(pid_in("leader", port))) &&
		      (pid_in("child", port) == 0 || is_gone(pid_in("child", port))));
	ask(&front, EXIT_0, 1, N + 1);
	UNTIL(answer_of(&front, N + 1) >= 0);
}

/* What a program leaves behind goes with it, and nothing leaves its group. */
static void test_left_behind(void **state)
{
	(void)state;
	ask(&front, AWAY, 1, 1);
	UNTIL(is_answered(&front, 1, true, ""));
	UNTIL(is_gone(pid_in("child", 1)));
}

/* Lines are escaped and counted, and a program that says much is not stopped by that. */
static void test_said(void **state)
{
	(void)state;
	ask(&front, ODD, 1, 1);
	ask(&front, FLOOD, 1, 2);
	UNTIL(is_answered(&front, 1, true, "") && is_answered(&front, 2, true, ""));
	check(logged("script: a\\x1b\\\"b\n") && logged("script: last\n"));
	check(logged("script: line 19\n") && !logged("script: line 20\n") &&
	      logged("script: says more, which is not logged\n"));
	char *more = strstr(log_text(), "says more");

	check(more && !strstr(more + 1, "says more"));
}

/* Where nobody waits, nobody is answered. */
static void test_exec(void **state)
{
	(void)state;
	gate_make(1);
	ask(&front, RUN_GATE, 1, 1);
	UNTIL(started(1));
	withdraw(&front, 1); /* is nothing that can be withdrawn */
	gate_open(1);
	ask(&front, EXIT_0, 1, 2);
	UNTIL(is_answered(&front, 2, true, ""));
	check(front.answers == 1);
}

/* Our master ends: so do we, and what clients wait for. */
static void test_master_gone(void **state)
{
	(void)state;
	ask(&front, FAMILY, 1, 1);
	UNTIL(pid_in("leader", 1) > 0);
	role_end();
	UNTIL(is_gone(pid_in("leader", 1)) && is_gone(pid_in("child", 1)));
	UNTIL(front.closed);
	check(!is_answered(&front, 1, true, ""));
}

/* A front that was taken over runs no program but those of the list, and for nobody whom they are not for. */
static void test_what_must_not_be_asked(void **state)
{
	static const unsigned bad[] = {PLAIN, RULES, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(bad); i++) {
		chan_done(&front.chan);
		connect_front(&front, 7);
		ask(&front, bad[i], 1, 1);
		UNTIL(front.closed);
	}
	ask(&other, EXIT_0, 1, 1);
	UNTIL(is_answered(&other, 1, true, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_outcomes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_facts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_withdraw, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_withdraw_of_another, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_front_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_crowd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_time_limit, set_up_hasty, tear_down),
		cmocka_unit_test_setup_teardown(test_left_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_exec, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_master_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_must_not_be_asked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
