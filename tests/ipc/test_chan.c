/* tests/ipc/test_chan.c - channels: the catalogue is enforced, order is kept, a slow or rude peer costs its channel only
 *
 * One end is a struct chan; the other is played by the test, as a socket, or is a second chan. */
#include "ipc/chan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

/* What the chan's owner saw. */
static struct {
	unsigned handled, closed;
	size_t bulk, fds;
	uint64_t sum; /* of the first octets of payloads */
	char reason[256];
	bool in_order;
	enum { KEEP, TAKE_FD, SAY_NO, DONE, DONE_AND_FREE, PAUSE } answer;
	int taken;
} seen;

static struct ev_loop *loop;
static struct chan *self;
static int other = -1; /* the peer's socket */

static enum err on_any(struct chan *c, struct msg *m, struct why *why)
{
	uint64_t first = 0;

	if (msg_rule[m->type].payload >= sizeof first)
		memcpy(&first, m->payload, sizeof first);
	seen.in_order = seen.in_order && first >= seen.sum;
	seen.sum = first;
	seen.handled++;
	seen.bulk += m->bulk.n;
	seen.fds += m->nfds;
	switch (seen.answer) {
	case TAKE_FD:
		seen.taken = msg_take_fd(m, 0);
		return msg_take_fd(m, 0) < 0 && msg_take_fd(m, 9) < 0 ? OK : ERR_PERM;
	case SAY_NO:
		return fail(why, ERR_PERM, "a field that cannot be");
	case DONE_AND_FREE:
		chan_done(c);
		free(c);
		self = NULL;
		return OK;
	case DONE:
		chan_done(c);
		return OK;
	case PAUSE:
		chan_pause(c, true);
		return OK;
	default:
		return OK;
	}
}

static void on_closed(struct chan *c, const char *reason)
{
	seen.closed++;
	snprintf(seen.reason, sizeof seen.reason, "%s", reason ? reason : "");
	chan_done(c);
	if (seen.answer == DONE_AND_FREE) {
		free(c);
		self = NULL;
	}
}

static struct chan_ops all_handled = {.closed = on_closed};
static const struct chan_ops nothing_handled = {.closed = on_closed};

/* A channel between `role` and `peer`, whose end is `other`. */
static void begin(enum role role, enum role peer, const struct chan_ops *ops)
{
	int fds[2];
	struct why why;

	memset(&seen, 0, sizeof seen);
	seen.in_order = true;
	seen.taken = -1;
	for (int type = 0; type < MSG_COUNT; type++)
		all_handled.on[type] = on_any;
	loop = ev_loop_new(0);
	self = malloc(sizeof *self);
	check(loop && self && chan_pair(fds, &why) == OK);
	chan_init(self, loop, fds[0], role, peer, 7, ops, NULL);
	other = fds[1];
}

static void end(void)
{
	if (self) {
		chan_done(self);
		chan_done(self); /* does nothing */
		free(self);
	}
	self = NULL;
	if (other >= 0)
		close(other);
	other = -1;
	ev_loop_destroy(loop);
}

/* Lets the loop run until nothing is ready any more. */
static void run(void)
{
	for (int i = 0; i < 100; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

static size_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Sends raw octets and descriptors, as a peer that was taken over may. */
static bool rude_send(uint32_t type, size_t octets, unsigned nfds)
{
	static char message[8 + 256 + MSG_BULK_MOST + 64];
	union {
		struct cmsghdr h;
		char octets[CMSG_SPACE(sizeof(int) * 8)];
	} control = {.octets = {0}};
	struct iovec io = {message, octets};
	struct msghdr mh = {.msg_iov = &io, .msg_iovlen = 1};

	memcpy(message, &type, sizeof type);
	if (nfds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		control.h.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		for (size_t i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(&control.h) + i * sizeof(int), &(int){STDERR_FILENO}, sizeof(int));
	}
	return sendmsg(other, &mh, MSG_NOSIGNAL) == (ssize_t)octets;
}

/* Sends one message of these measures from `peer` to `role`; true when the handler saw it and the channel stayed. */
static bool is_taken(enum role role, enum role peer, uint32_t type, size_t octets, unsigned nfds)
{
	size_t before = open_fds();

	begin(role, peer, &all_handled);
	check(rude_send(type, octets, nfds));
	run();
	bool taken = seen.handled == 1 && seen.closed == 0;

	check(taken || (seen.handled == 0 && seen.closed == 1 && seen.reason[0]));
	end();
	check(open_fds() == before);
	return taken;
}

/* Who may send it to whom: two roles, where it is not for two of one role only. */
static void pair_find(const struct msg_rule *r, enum role *from, enum role *to)
{
	for (enum role a = 0; a < ROLE_COUNT; a++)
		for (enum role b = 0; b < ROLE_COUNT; b++)
			if (r->from & 1 << a && r->to & 1 << b && (*from == ROLE_COUNT || *from == *to)) {
				*from = a;
				*to = b;
			}
}

static void test_every_rule(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < MSG_COUNT; type++) {
		const struct msg_rule *r = &msg_rule[type];
		size_t least = 8 + r->payload, most = least + r->bulk_most;
		enum role from = ROLE_COUNT, to = ROLE_COUNT;

		pair_find(r, &from, &to);
		check_row(type, r->name, is_taken(to, from, type, least, r->fds_least));
		check_row(type, r->name, is_taken(to, from, type, most, r->fds_most));
		check_row(type, r->name, r->payload == 0 || !is_taken(to, from, type, least - 1, r->fds_least));
		check_row(type, r->name, !is_taken(to, from, type, most + 1, r->fds_least));
		check_row(type, r->name, !is_taken(to, from, type, least, r->fds_most + 1U));
		check_row(type, r->name, !is_taken(to, from, type, least, 7)); /* more than the control buffer holds */
		if (r->fds_least > 0)
			check_row(type, r->name, !is_taken(to, from, type, least, r->fds_least - 1U));
		for (enum role a = 0; a < ROLE_COUNT; a++)
			for (enum role b = 0; b < ROLE_COUNT; b++)
				check_row(type, r->name,
					  is_taken(b, a, type, least, r->fds_least) ==
						  (r->from & 1 << a && r->to & 1 << b));
	}
}

static const struct {
	uint32_t type;
	size_t octets;
	unsigned nfds;
} garbage[] = {
	{MSG_COUNT, 8, 0}, {UINT32_MAX, 100, 2}, {MSG_SCAN, 7, 0}, {MSG_SCAN, 1, 1}, {MSG_SCAN, 4, 0},
};

static void test_garbage(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(garbage); i++)
		check_row(i, "refused",
			  !is_taken(ROLE_FRONT, ROLE_STORE, garbage[i].type, garbage[i].octets, garbage[i].nfds));
}

/* An empty message looks like the end, and keeps no descriptor open. */
static void test_empty_message(void **state)
{
	(void)state;
	size_t before = open_fds();

	begin(ROLE_FRONT, ROLE_STORE, &all_handled);
	rude_send(0, 0, 2);
	run();
	check(seen.closed == 1 && seen.handled == 0);
	end();
	check(open_fds() == before);
}

static void test_no_handler(void **state)
{
	(void)state;
	begin(ROLE_FRONT, ROLE_STORE, &nothing_handled);
	rude_send(MSG_DONE, 8 + sizeof(struct msg_done), 0);
	run();
	check(seen.closed == 1 && strstr(seen.reason, "not for this channel"));
	end();
}

static void test_handler_refuses(void **state)
{
	(void)state;
	begin(ROLE_FRONT, ROLE_STORE, &all_handled);
	seen.answer = SAY_NO;
	rude_send(MSG_DONE, 8 + sizeof(struct msg_done), 0);
	rude_send(MSG_DONE, 8 + sizeof(struct msg_done), 0);
	run();
	check(seen.handled == 1 && seen.closed == 1 && strcmp(seen.reason, "a field that cannot be") == 0);
	end();
}

static void test_peer_leaves(void **state)
{
	(void)state;
	begin(ROLE_FRONT, ROLE_STORE, &all_handled);
	rude_send(MSG_DONE, 8 + sizeof(struct msg_done), 0);
	close(other);
	other = -1;
	run();
	check(seen.handled == 1 && seen.closed == 1 && seen.reason[0] == '\0'); /* what it said before counts */
	end();
}

/* A peer that leaves without having read everything has still said what it said. */
static void test_peer_leaves_without_reading(void **state)
{
	(void)state;
	struct msg_fetch fetch = {.msgno = 1};

	begin(ROLE_FRONT, ROLE_STORE, &all_handled);
	check(chan_send(self, MSG_FETCH, &(struct chan_out){.payload = &fetch}));
	rude_send(MSG_DONE, 8 + sizeof(struct msg_done), 0);
	rude_send(MSG_DONE, 8 + sizeof(struct msg_done), 0);
	close(other);
	other = -1;
	check(!chan_send(self, MSG_FETCH, &(struct chan_out){.payload = &fetch}));
	check(self->lost && seen.closed == 0); /* never from inside chan_send */
	run();
	check(seen.handled == 2 && seen.closed == 1);
	end();
}

/* ---- waiting for an answer inside a handler ---- */

static struct {
	struct chan chan; /* whose answer is waited for */
	bool answered, closed, intact;
} asked;

static enum err on_answer(struct chan *c, struct msg *m, struct why *why)
{
	(void)c;
	(void)why;
	asked.answered = m->bulk.n == 6 && memcmp(m->bulk.p, "answer", 6) == 0;
	return OK;
}

static void on_asked_closed(struct chan *c, const char *reason)
{
	(void)reason;
	asked.closed = true;
	chan_done(c);
}

static enum err on_commit_asks(struct chan *c, struct msg *m, struct why *why)
{
	char before[64];

	(void)c;
	(void)why;
	check(m->bulk.n == sizeof before);
	memcpy(before, m->bulk.p, sizeof before);
	chan_wait(&asked.chan, &asked.answered, 10000);
	asked.intact = memcmp(before, m->bulk.p, sizeof before) == 0;
	return OK;
}

static void answer_send(int fd, size_t octets)
{
	struct {
		uint32_t type, pad;
		struct msg_spooled spooled;
		char bulk[CHAN_WAIT_BULK + 16];
	} m = {.type = MSG_SPOOLED, .bulk = "answer"};

	check(send(fd, &m, offsetof(__typeof__(m), bulk) + octets, 0) > 0);
}

/* What is being handled is not touched by what comes meanwhile; a peer that has nothing to say costs its time, one that ends, or says
 * too much, costs none. */
static void test_wait(void **state)
{
	static const struct chan_ops commit_ops = {.on = {[MSG_COMMIT] = on_commit_asks}, .closed = on_closed};
	static const struct chan_ops answer_ops = {.on = {[MSG_SPOOLED] = on_answer}, .closed = on_asked_closed};
	static const struct {
		const char *what;
		size_t octets; /* of the answer's bulk; 0: none comes, and the peer leaves */
		bool answered, closed;
	} rows[] = {
		{"an answer", 6, true, false},
		{"a peer that leaves", 0, false, true},
		{"more than an answer", CHAN_WAIT_BULK + 1, false, true},
	};
	bool never = false;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		int fds[2];

		begin(ROLE_STORE, ROLE_FRONT, &commit_ops);
		check(chan_pair(fds, NULL) == OK);
		memset(&asked, 0, sizeof asked);
		chan_init(&asked.chan, loop, fds[0], ROLE_STORE, ROLE_LOCKER, 9, &answer_ops, NULL);
		chan_wait(&asked.chan, &never, 1);
		check_row(i, rows[i].what, !asked.answered && !asked.closed);
		if (rows[i].octets > 0)
			answer_send(fds[1], rows[i].octets);
		else
			shutdown(fds[1], SHUT_RDWR);
		check(rude_send(MSG_COMMIT, 8 + sizeof(struct msg_commit) + 64, 0));
		ev_io_stop(loop, &asked.chan.in); /* it is the handler that hears it */
		run();
		check_row(i, rows[i].what, asked.intact && seen.closed == 0);
		check_row(i, rows[i].what, asked.answered == rows[i].answered && asked.closed == rows[i].closed);
		chan_done(&asked.chan);
		close(fds[1]);
		end();
	}
}

static const struct {
	int answer;
	unsigned handled, closed;
} endings[] = {
	{DONE, 1, 0},
	{DONE_AND_FREE, 1, 0},
	{PAUSE, 1, 0},
	{KEEP, 3, 0},
};

/* The channel may end inside a handler, with its storage; a paused one takes no further message. */
static void test_ends_inside_handler(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(endings); i++) {
		begin(ROLE_AUTH, ROLE_FRONT, &all_handled);
		seen.answer = endings[i].answer;
		for (int k = 0; k < 3; k++)
			rude_send(MSG_LOGIN, 8 + sizeof(struct msg_login), 0);
		run();
		check_row(i, "handled", seen.handled == endings[i].handled && seen.closed == endings[i].closed);
		if (endings[i].answer == PAUSE) {
			seen.answer = KEEP;
			chan_pause(self, false);
			run();
			check_row(i, "the rest", seen.handled == 3);
		}
		end();
	}
}

static void test_freed_in_closed(void **state)
{
	(void)state;
	begin(ROLE_AUTH, ROLE_FRONT, &all_handled);
	seen.answer = DONE_AND_FREE;
	close(other);
	other = -1;
	run();
	check(seen.closed == 1 && !self);
	end();
}

static void test_descriptors(void **state)
{
	(void)state;
	size_t before = open_fds();

	for (int answer = KEEP; answer <= TAKE_FD; answer++) {
		begin(ROLE_FRONT, ROLE_STORE, &all_handled);
		seen.answer = answer;
		rude_send(MSG_SCAN, 8 + sizeof(struct msg_scan), 1);
		run();
		check_row(answer, "came", seen.handled == 1 && seen.fds == 1 && seen.closed == 0);
		check_row(answer, "owned", (seen.taken >= 0) == (answer == TAKE_FD));
		if (seen.taken >= 0) {
			check_row(answer, "closed on exec", fcntl(seen.taken, F_GETFD) & FD_CLOEXEC);
			close(seen.taken);
		}
		end();
		check_row(answer, "none is left", open_fds() == before);
	}
}

/* The buffer that a password came in is wiped behind its handler. */
static const char *kept_secret;

static enum err on_secret(struct chan *c, struct msg *m, struct why *why)
{
	(void)c;
	(void)why;
	kept_secret = m->bulk.p;
	return memcmp(kept_secret, "hunter2", 7) == 0 ? OK : ERR_PERM;
}

static void test_secret_is_wiped(void **state)
{
	(void)state;
	static const struct chan_ops ops = {.on = {[MSG_LOGIN] = on_secret}, .closed = on_closed};
	struct {
		uint32_t type, pad;
		struct msg_login login;
		char bulk[8];
	} message = {.type = MSG_LOGIN, .bulk = "hunter2"};

	begin(ROLE_AUTH, ROLE_FRONT, &ops);
	check(send(other, &message, 8 + sizeof(struct msg_login) + 7, MSG_NOSIGNAL) > 0);
	run();
	check(seen.closed == 0 && kept_secret && memcmp(kept_secret, "\0\0\0\0\0\0\0", 7) == 0);
	end();
}

/* Two channels on one loop: what is sent while the peer does not read waits, keeps its order, arrives whole. */
static void test_queue(void **state)
{
	(void)state;
	static char bulk[MSG_BULK_MOST];
	struct chan peer;
	size_t before = open_fds();
	size_t sent = 0;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	begin(ROLE_FRONT, ROLE_STORE, &all_handled);
	static struct chan_ops store_ops = {.closed = on_closed};
	chan_init(&peer, loop, other, ROLE_STORE, ROLE_FRONT, 8, &store_ops, NULL);
	other = -1;
	chan_pause(self, true);
	for (; sent < 25; sent++) {
		struct msg_scan scan = {.sid = sent};

		check_row(sent, "sent",
			  chan_send(&peer, MSG_SCAN,
				    &(struct chan_out){.payload = &scan,
						       .bulk = {{bulk, 10}, {bulk, 0}, {bulk, sizeof bulk - 10}},
						       .fds = {null},
						       .nfds = 1}));
	}
	run();
	check(seen.handled == 0 && chan_queued(&peer) > 20 * sizeof bulk);
	chan_pause(self, false);
	run();
	check(seen.handled == sent && seen.in_order && seen.sum == sent - 1);
	check(seen.bulk == sent * sizeof bulk && seen.fds == sent);
	check(chan_queued(&peer) == 0 && seen.closed == 0);
	chan_done(&peer);
	run();
	check(seen.closed == 1);
	close(null);
	end();
	check(open_fds() == before);
}

/* A peer that never reads: the queue is bounded, and the sender's owner hears of it once, from the loop. */
static void test_queue_full(void **state)
{
	(void)state;
	static char bulk[MSG_BULK_MOST];
	size_t before = open_fds();
	struct msg_scan scan = {0};
	struct chan_out out = {.payload = &scan, .bulk = {{bulk, sizeof bulk}}};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	unsigned sent = 0;

	begin(ROLE_STORE, ROLE_FRONT, &all_handled);
	out.fds[0] = null;
	out.nfds = 1;
	while (sent < 1000 && chan_send(self, MSG_SCAN, &out))
		sent++;
	check(sent > 8 && sent < 100 && seen.closed == 0);
	check(!chan_send(self, MSG_SCAN, &out));
	run();
	check(seen.closed == 1 && strstr(seen.reason, "queue is full"));
	close(null);
	end();
	check(open_fds() == before);
}

/* The peer goes while messages wait for it. */
static void test_peer_leaves_with_queue(void **state)
{
	(void)state;
	static char bulk[MSG_BULK_MOST];
	size_t before = open_fds();
	struct msg_scan scan = {0};

	begin(ROLE_STORE, ROLE_FRONT, &all_handled);
	for (int i = 0; i < 10; i++)
		check(chan_send(self, MSG_SCAN, &(struct chan_out){.payload = &scan, .bulk = {{bulk, sizeof bulk}}}));
	check(chan_queued(self) > 0);
	rude_send(MSG_CLOSE, 8 + sizeof(struct msg_close), 0);
	close(other);
	other = -1;
	run();
	check(seen.handled == 1 && seen.closed == 1); /* its last word is heard */
	end();
	check(open_fds() == before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_rule),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_empty_message),
		cmocka_unit_test(test_no_handler),
		cmocka_unit_test(test_handler_refuses),
		cmocka_unit_test(test_peer_leaves),
		cmocka_unit_test(test_peer_leaves_without_reading),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_ends_inside_handler),
		cmocka_unit_test(test_freed_in_closed),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_secret_is_wiped),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_queue_full),
		cmocka_unit_test(test_peer_leaves_with_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
