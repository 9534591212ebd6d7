/* tests/ipc/test_turns.c - how many messages a channel takes in a turn of the loop */
#include "check.h"
#include "ipc/chan.h"

static struct ev_loop *loop;
static unsigned handled;

static enum err on_any(struct chan *c, struct msg *m, struct why *why)
{
	(void)c;
	(void)m;
	(void)why;
	handled++;
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
}

static const struct chan_ops ops = {.on = {[MSG_CLOSE] = on_any, [MSG_LEAVE] = on_any, [MSG_LEFT] = on_any},
				    .closed = on_closed};

static void begin(struct chan *self, enum role role, struct chan *other, enum role peer)
{
	struct why why;
	int fds[2];

	handled = 0;
	loop = ev_loop_new(0);
	check(loop && chan_pair(fds, &why) == OK);
	chan_init(self, loop, fds[0], role, peer, 1, &ops, NULL);
	chan_init(other, loop, fds[1], peer, role, 2, &ops, NULL);
}

static void end(struct chan *self, struct chan *other)
{
	chan_done(self);
	chan_done(other);
	ev_loop_destroy(loop);
}

static void send_all(struct chan *c, enum msg_type type, unsigned n)
{
	static const char zeros[256];

	while (n-- > 0)
		check(chan_send(c, type, &(struct chan_out){.payload = zeros}));
	check(chan_queued(c) == 0); /* all of them are there at once */
}

/* Channels of sessions are not asked for more than there mostly is; they are, where there always is more. */
static void test_session(void **state)
{
	enum { QUEUED = 100 };
	struct chan store, front;
	unsigned turns = 0;

	(void)state;
	begin(&store, ROLE_STORE, &front, ROLE_FRONT);
	send_all(&front, MSG_CLOSE, 3);
	for (unsigned i = 1; i <= 3; i++) {
		ev_run(loop, EVRUN_NOWAIT);
		check(handled == i);
	}
	send_all(&front, MSG_CLOSE, QUEUED);
	for (; turns < QUEUED && handled < 3 + QUEUED; turns++)
		ev_run(loop, EVRUN_NOWAIT);
	check(handled == 3 + QUEUED && turns < QUEUED * 3 / 4);
	ev_run(loop, EVRUN_NOWAIT); /* nothing is there */
	send_all(&front, MSG_CLOSE, 2);
	ev_run(loop, EVRUN_NOWAIT);
	check(handled == 3 + QUEUED + 1);
	end(&store, &front);
}

/* What master says, and what it is told, is all taken at once. */
static void test_master(void **state)
{
	struct chan master, front;

	(void)state;
	begin(&master, ROLE_MASTER, &front, ROLE_FRONT);
	send_all(&front, MSG_LEFT, 3);
	ev_run(loop, EVRUN_NOWAIT);
	check(handled == 3);
	send_all(&master, MSG_LEAVE, 3);
	ev_run(loop, EVRUN_NOWAIT);
	check(handled == 6);
	end(&master, &front);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_session), cmocka_unit_test(test_master)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
