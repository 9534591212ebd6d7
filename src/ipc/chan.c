/* ipc/chan.c - see chan.h */
#include "ipc/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	QUEUE_MOST = 4 * 1024 * 1024, /* octets that wait for one peer */
	BATCH = 32,                   /* messages taken from one channel before others get their turn */
	PATIENCE = 8,                 /* turns of the loop that find messages before more than one is taken in each */
	MESSAGE_MOST = 8 + 256 + MSG_BULK_MOST,
};

struct head {
	uint32_t type;
	uint32_t pad;
};

struct chan_queued {
	struct chan_queued *next;
	int fds[MSG_FDS_MOST];
	unsigned nfds;
	size_t len;
	char octets[];
};

/* One message at a time is being handled in a process, so one buffer serves all its channels; and one while its handler waits
 * for an answer. */
static alignas(max_align_t) char first_buffer[MESSAGE_MOST], answer_buffer[8 + 256 + CHAN_WAIT_BULK];
static char *receive_buffer = first_buffer;
static size_t receive_octets = sizeof first_buffer;

int msg_take_fd(struct msg *m, unsigned i)
{
	int fd = i < m->nfds ? m->fds[i] : -1;

	if (fd >= 0)
		m->fds[i] = -1;
	return fd;
}

static void close_fds(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

enum err chan_pair(int fds[2], struct why *why)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return fail_errno(why, ERR_TEMP, "create a channel");
	return OK;
}

static void queue_free(struct chan *c)
{
	while (c->queue) {
		struct chan_queued *q = c->queue;

		c->queue = q->next;
		close_fds(q->fds, q->nfds);
		explicit_bzero(q->octets, q->len);
		free(q);
	}
	c->queue_end = &c->queue;
	c->queued = 0;
}

/* Tells the owner, once. Nothing of `c` may be touched behind it. */
static void chan_fail(struct chan *c, const char *reason)
{
	if (c->shut)
		return;
	c->shut = true;
	ev_io_stop(c->loop, &c->in);
	ev_io_stop(c->loop, &c->out);
	c->ops->closed(c, reason);
}

static enum err dispatch(struct chan *c, struct msg *m, size_t octets, struct why *why)
{
	const struct msg_rule *r = m->type < MSG_COUNT ? &msg_rule[m->type] : NULL;

	if (!r || !(r->from & 1 << c->peer) || !(r->to & 1 << c->self) || !c->ops->on[m->type])
		return fail(why, ERR_PERM, "message %u is not for this channel", (unsigned)m->type);
	if (octets < r->payload || octets - r->payload > r->bulk_most)
		return fail(why, ERR_PERM, "message %s has %zu octets", r->name, octets);
	if (m->nfds < r->fds_least || m->nfds > r->fds_most)
		return fail(why, ERR_PERM, "message %s has %u descriptors", r->name, m->nfds);
	m->payload = receive_buffer + sizeof(struct head);
	m->bulk = (struct slice){receive_buffer + sizeof(struct head) + r->payload, octets - r->payload};
	enum err err = c->ops->on[m->type](c, m, why);

	if (r->secret)
		explicit_bzero(receive_buffer, sizeof(struct head) + octets);
	return err;
}

/* Takes the descriptors out of the control data; true when some were cut off. */
static bool take_fds(struct msghdr *mh, struct msg *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(mh); h; h = CMSG_NXTHDR(mh, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
			if (m->nfds < MSG_FDS_MOST)
				m->fds[m->nfds++] = fd;
			else
				close(fd);
		}
	}
	return mh->msg_flags & (MSG_CTRUNC | MSG_TRUNC);
}

/* Checks one message of n octets and has it handled. *gone is set where its handler ended the channel. */
static enum err take_message(struct chan *c, struct msg *m, size_t n, bool *gone, struct why *why)
{
	struct head head;

	if (n < sizeof head)
		return fail(why, ERR_PERM, "a message that is cut");
	memcpy(&head, receive_buffer, sizeof head);
	m->type = (enum msg_type)head.type;
	c->gone = gone;
	enum err err = dispatch(c, m, n - sizeof head, why);

	if (!*gone)
		c->gone = NULL;
	return err;
}

/* Receives and handles one message. False: nothing more for now, or the channel is over. */
static bool receive_one(struct chan *c)
{
	union {
		struct cmsghdr align;
		char octets[CMSG_SPACE(sizeof(int) * MSG_FDS_MOST)];
	} control;
	struct iovec io = {receive_buffer, receive_octets};
	struct msghdr mh = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	ssize_t n = recvmsg(c->in.fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct msg m = {0};
	struct why why = {""};
	bool gone = false;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		c->streak = 0;
		return false;
	}
	if (n < 0 && errno == ECONNRESET) /* it left without reading all; what it said before that still comes */
		return true;
	if (n < 0) {
		chan_fail(c, c->why_lost);
		return false;
	}
	bool cut = take_fds(&mh, &m); /* an empty message may carry some, too */

	if (n == 0) {
		close_fds(m.fds, m.nfds);
		chan_fail(c, c->why_lost);
		return false;
	}
	enum err err = take_message(c, &m, cut ? 0 : (size_t)n, &gone, &why);

	close_fds(m.fds, m.nfds);
	if (gone)
		return false;
	if (err != OK)
		chan_fail(c, why.text);
	return err == OK && !c->shut;
}

/* A session that a handler took up is done with. */
static bool receive(struct chan *c)
{
	bool more = receive_one(c);

	log_session(0);
	return more;
}

static bool is_of_session(enum role r)
{
	return r == ROLE_FRONT || r == ROLE_AUTH || r == ROLE_STORE;
}

/* How many messages to take in this turn of the loop. That no other follows, the loop says for nothing, and recvmsg at the price of a
 * call: more than one is asked for where each turn has found some for a while. With master, all: what it says is known before
 * anything else is read, and so is what its child has said last, before it hears that it ended. */
static unsigned batch(struct chan *c)
{
	unsigned turn = ev_iteration(c->loop);

	if (!is_of_session(c->self) || !is_of_session(c->peer))
		return BATCH;
	c->streak = turn == c->turn + 1 ? c->streak + 1 : 0;
	c->turn = turn;
	return c->streak / PATIENCE < BATCH ? 1 + c->streak / PATIENCE : BATCH;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct chan *c = w->data;

	(void)loop;
	(void)revents;
	for (unsigned left = batch(c); left > 0 && receive(c); left--)
		if (!ev_is_active(&c->in)) /* paused by a handler */
			break;
}

static bool is_readable(const struct chan *c, uint64_t until_ms)
{
	struct pollfd p = {.fd = c->in.fd, .events = POLLIN};
	uint64_t now_ms = clock_ms();

	return poll(&p, 1, until_ms > now_ms ? (int)(until_ms - now_ms) : 0) > 0;
}

void chan_wait(struct chan *c, const bool *done, unsigned timeout_ms)
{
	uint64_t until_ms = clock_ms() + timeout_ms;

	receive_buffer = answer_buffer;
	receive_octets = sizeof answer_buffer;
	while (!*done && !c->shut && is_readable(c, until_ms))
		(void)receive_one(c);
	receive_buffer = first_buffer;
	receive_octets = sizeof first_buffer;
}

enum sent { SENT, SENT_LATER, SENT_NEVER };

static enum sent send_now(const struct chan *c, const struct iovec *io, size_t nio, const int *fds, unsigned nfds)
{
	union {
		struct cmsghdr h;
		char octets[CMSG_SPACE(sizeof(int) * MSG_FDS_MOST)];
	} control = {.octets = {0}};
	struct msghdr mh = {.msg_iov = (struct iovec *)io, .msg_iovlen = nio};

	if (nfds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		control.h.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(&control.h), fds, sizeof(int) * nfds);
	}
	for (;;) {
		if (sendmsg(c->in.fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return SENT;
		if (errno == EINTR)
			continue;
		/* ETOOMANYREFS: too many descriptors are under way; they arrive, and then there is room. */
		return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS ? SENT_LATER : SENT_NEVER;
	}
}

/* Nothing can be sent any more. The owner hears of it from the loop, behind what the peer sent before: the socket is at
 * its end from now on. */
static bool lose(struct chan *c, const char *reason)
{
	if (!c->lost)
		c->why_lost = reason;
	c->lost = true;
	ev_io_stop(c->loop, &c->out);
	queue_free(c);
	shutdown(c->in.fd, SHUT_RDWR);
	ev_io_start(c->loop, &c->in);
	return false;
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct chan *c = w->data;

	(void)revents;
	while (c->queue) {
		struct chan_queued *q = c->queue;
		struct iovec io = {q->octets, q->len};
		enum sent sent = send_now(c, &io, 1, q->fds, q->nfds);

		if (sent == SENT_LATER)
			return;
		if (sent == SENT_NEVER) {
			lose(c, NULL);
			return;
		}
		c->queue = q->next;
		if (!c->queue)
			c->queue_end = &c->queue;
		c->queued -= q->len;
		close_fds(q->fds, q->nfds);
		explicit_bzero(q->octets, q->len);
		free(q);
	}
	ev_io_stop(loop, &c->out);
}

static bool enqueue(struct chan *c, const struct iovec *io, size_t nio, const struct chan_out *out)
{
	size_t len = 0;

	for (size_t i = 0; i < nio; i++)
		len += io[i].iov_len;
	struct chan_queued *q = len <= QUEUE_MOST - c->queued ? malloc(sizeof *q + len) : NULL;

	if (!q)
		return false;
	*q = (struct chan_queued){.len = len};
	for (size_t i = 0, at = 0; i < nio; at += io[i++].iov_len)
		if (io[i].iov_len > 0)
			memcpy(q->octets + at, io[i].iov_base, io[i].iov_len);
	for (; q->nfds < out->nfds; q->nfds++) {
		q->fds[q->nfds] = fcntl(out->fds[q->nfds], F_DUPFD_CLOEXEC, 0);
		if (q->fds[q->nfds] < 0) {
			close_fds(q->fds, q->nfds);
			free(q);
			return false;
		}
	}
	*c->queue_end = q;
	c->queue_end = &q->next;
	c->queued += len;
	ev_io_start(c->loop, &c->out);
	return true;
}

bool chan_send(struct chan *c, enum msg_type type, const struct chan_out *out)
{
	static const struct chan_out nothing;
	struct head head = {.type = (uint32_t)type};
	struct iovec io[2 + sizeof out->bulk / sizeof *out->bulk] = {{&head, sizeof head}};
	size_t nio = 1;

	if (!out)
		out = &nothing;
	if (c->shut || c->lost)
		return false;
	if (msg_rule[type].payload > 0)
		io[nio++] = (struct iovec){(void *)out->payload, msg_rule[type].payload};
	for (size_t i = 0; i < sizeof out->bulk / sizeof *out->bulk; i++)
		if (out->bulk[i].n > 0)
			io[nio++] = (struct iovec){(void *)out->bulk[i].p, out->bulk[i].n};
	enum sent sent = c->queue ? SENT_LATER : send_now(c, io, nio, out->fds, out->nfds);

	if (sent == SENT_LATER && !enqueue(c, io, nio, out))
		return lose(c, "it takes no messages, and its queue is full");
	return sent == SENT_NEVER ? lose(c, NULL) : true;
}

size_t chan_queued(const struct chan *c)
{
	return c->queued;
}

void chan_pause(struct chan *c, bool pause)
{
	if (c->shut)
		return;
	if (pause && !c->lost)
		ev_io_stop(c->loop, &c->in);
	else
		ev_io_start(c->loop, &c->in);
}

void chan_init(struct chan *c, struct ev_loop *loop, int fd, enum role self, enum role peer, uint32_t peer_serial,
	       const struct chan_ops *ops, void *owner)
{
	*c = (struct chan){
		.loop = loop, .ops = ops, .owner = owner, .self = self, .peer = peer, .peer_serial = peer_serial};
	c->queue_end = &c->queue;
	ev_io_init(&c->in, on_readable, fd, EV_READ);
	ev_io_init(&c->out, on_writable, fd, EV_WRITE);
	c->in.data = c->out.data = c;
	/* What master says comes first, so that a peer is known before a message that names it is read. */
	ev_set_priority(&c->in, peer == ROLE_MASTER ? EV_MAXPRI : 0);
	ev_io_start(loop, &c->in);
}

void chan_done(struct chan *c)
{
	if (c->in.fd < 0)
		return;
	c->shut = true;
	if (c->gone)
		*c->gone = true;
	ev_io_stop(c->loop, &c->in);
	ev_io_stop(c->loop, &c->out);
	close(c->in.fd);
	c->in.fd = -1;
	queue_free(c);
}
