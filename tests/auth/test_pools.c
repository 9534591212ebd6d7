/* Questions to modules in other processes: the test is these processes. */
#include "auth/pools.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "check.h"

enum { MODULE_SQL = 0, WORKERS_MOST = 4, QUESTIONS_MOST = POOL_WAITING_MOST + 8, TIMEOUT_MS = 400 };

/* A process of the module, which the test answers for. */
struct worker {
	struct chan chan;
	struct msg_look got; /* the last question */
	unsigned questions;
	bool closed;
};

static struct {
	struct ev_loop *loop;
	struct conf *conf;
	struct pools pools;
	struct pool_state shared[CONF_BACKENDS_MOST];
	struct worker worker[WORKERS_MOST];
	struct question q[QUESTIONS_MOST];
	unsigned answered[QUESTIONS_MOST];
	struct looked last; /* its slices are over */
	enum err err[QUESTIONS_MOST];
} t;

static enum err on_look(struct chan *c, struct msg *m, struct why *why)
{
	struct worker *w = c->owner;

	(void)why;
	w->got = *(const struct msg_look *)m->payload;
	w->questions++;
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	struct worker *w = c->owner;

	(void)reason;
	w->closed = true;
	chan_done(c);
}

static const struct chan_ops worker_ops = {.on = {[MSG_LOOK] = on_look}, .closed = on_closed};

static void on_answer(struct question *q, const struct looked *l)
{
	t.answered[q - t.q]++;
	t.err[q - t.q] = l->err;
	t.last = *l;
}

/* All that is to be done at once. */
static void settle(void)
{
	for (int i = 0; i < 8; i++)
		ev_run(t.loop, EVRUN_NOWAIT);
}

static void wait_answered(unsigned i)
{
	while (t.answered[i] == 0)
		ev_run(t.loop, EVRUN_ONCE);
}

static void worker_start(unsigned i)
{
	struct msg_peer peer = {.role = ROLE_BACKEND, .serial = i + 1, .module = MODULE_SQL};
	int fds[2];

	assert_int_equal(chan_pair(fds, NULL), OK);
	t.worker[i] = (struct worker){0};
	chan_init(&t.worker[i].chan, t.loop, fds[1], ROLE_BACKEND, ROLE_AUTH, 1, &worker_ops, &t.worker[i]);
	assert_int_equal(pools_peer(&t.pools, &peer, fds[0], NULL), OK);
}

static void ask(unsigned i, enum look_what what)
{
	t.q[i] = (struct question){.what = what, .login = SLICE("bob"), .password = SLICE("x"), .answer = on_answer};
	t.answered[i] = 0;
	pool_ask(pools_find(&t.pools, "sql"), &t.q[i]);
	settle();
}

static void reply(unsigned worker, enum err err, const char *why)
{
	struct msg_looked m = {.job = t.worker[worker].got.job, .err = (uint32_t)err};

	m.len[LOOKED_WHY] = (uint16_t)strlen(why);
	check(chan_send(&t.worker[worker].chan, MSG_LOOKED,
			&(struct chan_out){.payload = &m, .bulk = {slice_str(why)}}));
	settle();
}

static int setup(void **state)
{
	static const char *chain[] = {"sql"};

	(void)state;
	memset(&t, 0, sizeof t);
	t.loop = ev_loop_new(EVFLAG_AUTO);
	t.conf = conf_default();
	t.conf->auth.authorization = (struct conf_list){.item = chain, .n = 1, .given = true};
	t.conf->auth.authentication = t.conf->auth.authorization;
	t.conf->sql.interface = SQL_POSTGRES;
	pools_open(&t.pools, t.loop, t.conf, t.shared);
	check(t.pools.timeout_ms == 5000);
	t.pools.timeout_ms = TIMEOUT_MS;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pools_close(&t.pools);
	for (unsigned i = 0; i < WORKERS_MOST; i++)
		if (t.worker[i].chan.loop)
			chan_done(&t.worker[i].chan);
	conf_free(t.conf);
	ev_loop_destroy(t.loop);
	return 0;
}

/* Each has one question, the others wait in the order they came. */
static void test_as_many_as_processes(void **state)
{
	(void)state;
	worker_start(0);
	worker_start(1);
	for (unsigned i = 0; i < 4; i++)
		ask(i, LOOK_RECORD);
	check(t.worker[0].questions == 1 && t.worker[1].questions == 1);
	unsigned first = t.worker[0].got.job == t.q[0].id ? 0 : 1;

	reply(first, OK, "");
	check(t.answered[0] == 1 && t.err[0] == OK && t.worker[first].got.job == t.q[2].id);
	reply(1 - first, ERR_AUTH, "no such user");
	check(t.answered[1] == 1 && t.err[1] == ERR_AUTH && strcmp(t.last.why.text, "no such user") == 0);
	check(t.worker[1 - first].got.job == t.q[3].id);
	reply(0, OK, "");
	reply(1, OK, "");
	check(t.answered[2] == 1 && t.answered[3] == 1);
}

/* No answer in time: nobody waits longer; the answer that comes late is nobody's, and the process has the next question. */
static void test_deadline(void **state)
{
	(void)state;
	worker_start(0);
	ask(0, LOOK_RECORD);
	check(t.worker[0].got.deadline_ms < t.q[0].deadline_ms);
	wait_answered(0);
	check(t.err[0] == ERR_TEMP && clock_ms() >= t.q[0].deadline_ms);
	ask(1, LOOK_RECORD); /* left alone */
	check(t.answered[1] == 1 && t.err[1] == ERR_TEMP && t.worker[0].questions == 1);
	reply(0, OK, ""); /* it is there after all */
	ask(2, LOOK_RECORD);
	check(t.answered[2] == 0 && t.worker[0].questions == 2);
	reply(0, OK, "");
	check(t.answered[2] == 1 && t.err[2] == OK && t.answered[0] == 1);
}

/* Without any process questions wait, but not for ever, and that says nothing about the module. */
static void test_no_process(void **state)
{
	(void)state;
	ask(0, LOOK_RECORD);
	check(t.answered[0] == 0);
	wait_answered(0);
	check(t.err[0] == ERR_TEMP && atomic_load(&t.shared[MODULE_SQL].again_ms) == 0);
	ask(1, LOOK_RECORD);
	worker_start(0);
	settle();
	check(t.worker[0].questions == 1);
	reply(0, OK, "");
	check(t.err[1] == OK && t.answered[1] == 1);
}

/* Nobody could be asked: 1, 2, 4 ... seconds, and one probe behind each. Other users of the module hear it at once. */
static void test_back_off(void **state)
{
	struct pool_state *s = &t.shared[MODULE_SQL];
	static const uint32_t pauses[] = {2, 4, 8, 16, 30, 30};

	(void)state;
	worker_start(0);
	worker_start(1);
	ask(0, LOOK_RECORD);
	ask(1, LOOK_RECORD);
	reply(0, ERR_TEMP, "refused");
	reply(1, ERR_TEMP, "refused"); /* of the same time: it makes nothing worse */
	check(atomic_load(&s->pause_s) == 1 && atomic_load(&s->again_ms) > clock_ms());
	ask(2, LOOK_RECORD);
	check(t.answered[2] == 1 && t.err[2] == ERR_TEMP);
	for (size_t i = 0; i < TABLE_ROWS(pauses); i++) {
		unsigned asked = t.worker[0].questions + t.worker[1].questions;

		atomic_store(&s->again_ms, 1); /* the pause is over */
		ask(2, LOOK_RECORD);
		ask(3, LOOK_PASSWORD);
		check_row(i, "one probe", t.worker[0].questions + t.worker[1].questions == asked + 1);
		check_row(i, "the others not", t.answered[2] == 0 && t.answered[3] == 1 && t.err[3] == ERR_TEMP);
		reply(t.worker[0].got.job == t.q[2].id ? 0 : 1, ERR_TEMP, "refused");
		check_row(i, "longer", atomic_load(&s->pause_s) == pauses[i] && t.answered[2] == 1);
	}
	atomic_store(&s->again_ms, 1);
	ask(2, LOOK_RECORD);
	reply(t.worker[0].got.job == t.q[2].id ? 0 : 1, ERR_AUTH, "no such user"); /* whatever it says, it is there */
	check(atomic_load(&s->again_ms) == 0);
	ask(3, LOOK_RECORD);
	ask(4, LOOK_RECORD);
	check(t.answered[3] == 0 && t.answered[4] == 0);
}

/* What waits for a process when the module goes away does not have it asked one after the other. */
static void test_queue_is_answered(void **state)
{
	(void)state;
	worker_start(0);
	for (unsigned i = 0; i < 5; i++)
		ask(i, LOOK_RECORD);
	reply(0, ERR_TEMP, "refused");
	for (unsigned i = 0; i < 5; i++)
		check_row(i, "answered", t.answered[i] == 1 && t.err[i] == ERR_TEMP);
	check(t.worker[0].questions == 1);
}

/* A process that dies: a look-up is tried once more, a password is not. */
static void test_process_dies(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++) {
		enum look_what what = round == 0 ? LOOK_RECORD : LOOK_PASSWORD;

		worker_start(0);
		ask(0, what);
		check_row(round, "asked", t.worker[0].questions == 1);
		chan_done(&t.worker[0].chan);
		settle();
		check_row(round, "not yet", t.answered[0] == (what == LOOK_PASSWORD));
		worker_start(1);
		settle();
		check_row(round, "again", t.worker[1].questions == (what == LOOK_RECORD));
		chan_done(&t.worker[1].chan);
		settle();
		check_row(round, "and that is all", t.answered[0] == 1 && t.err[0] == ERR_TEMP);
		check_row(round, "it is not away", atomic_load(&t.shared[MODULE_SQL].again_ms) == 0);
	}
}

/* What is no answer closes the channel: another job's, a code that is none, lengths that are not its octets'. */
static const struct {
	uint64_t job_off;
	uint32_t err;
	uint16_t len[2];
	size_t octets;
} broken[] = {
	{1, OK, {0, 0}, 0}, {0, ERR_IN_USE, {0, 0}, 0}, {0, 77, {0, 0}, 0},
	{0, OK, {5, 0}, 4}, {0, OK, {3, 0}, 4},         {0, OK, {65535, 65535}, 4},
};

static void test_broken_answers(void **state)
{
	static const char octets[8];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(broken); i++) {
		worker_start(0);
		ask(0, LOOK_PASSWORD);
		struct msg_looked m = {.job = t.worker[0].got.job + broken[i].job_off, .err = broken[i].err};

		m.len[LOOKED_NAME] = broken[i].len[0];
		m.len[LOOKED_HOME] = broken[i].len[1];
		check(chan_send(&t.worker[0].chan, MSG_LOOKED,
				&(struct chan_out){.payload = &m, .bulk = {{octets, broken[i].octets}}}));
		settle();
		check_row(i, "closed", t.worker[0].closed && t.answered[0] == 1 && t.err[0] == ERR_TEMP);
	}
}

static void test_queue_is_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= POOL_WAITING_MOST; i++) {
		t.q[i] = (struct question){.login = SLICE("bob"), .answer = on_answer};
		pool_ask(pools_find(&t.pools, "sql"), &t.q[i]);
	}
	check(t.answered[POOL_WAITING_MOST - 1] == 0);
	check(t.answered[POOL_WAITING_MOST] == 1 && t.err[POOL_WAITING_MOST] == ERR_TEMP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_as_many_as_processes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_back_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_process_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_is_bounded, setup, teardown),
	};

	log_setup(&(struct log_setup){.fd = -1});
	return cmocka_run_group_tests(tests, NULL, NULL);
}
