/* store/locker.c - see locker.h */
#include "store/locker.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { ANSWER_MS = 10000 };

static enum err on_spooled(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_spooled *q = m->payload;
	struct locker *l = c->owner;

	if (q->err >= ERR_COUNT)
		return fail(why, ERR_PERM, "an answer with error %u", q->err);
	if (l->answered || q->job != l->job) /* to a question that was given up */
		return OK;
	l->answered = true;
	l->err = (enum err)q->err;
	l->fd = msg_take_fd(m, 0);
	(void)fail(&l->why, l->err, "%.*s", (int)m->bulk.n, m->bulk.p);
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	if (reason)
		log_line(LOG_ERR, "channel to locker %u is closed: %s", c->peer_serial, reason);
	chan_done(c);
}

static const struct chan_ops locker_ops = {.on = {[MSG_SPOOLED] = on_spooled}, .closed = on_closed};

void locker_init(struct locker *l, const char *spool)
{
	struct stat st;

	*l = (struct locker){.chan = {.in = {.fd = -1}}, .fd = -1};
	if (!spool)
		return;
	if (stat(spool, &st) < 0) {
		log_line(LOG_WARNING, "cannot look at %s, where the locker makes files", spool);
		return;
	}
	l->expected = true;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
}

void locker_connect(struct locker *l, struct ev_loop *loop, int fd, uint32_t serial)
{
	chan_done(&l->chan);
	chan_init(&l->chan, loop, fd, ROLE_STORE, ROLE_LOCKER, serial, &locker_ops, l);
}

bool locker_serves(const struct locker *l, int dir)
{
	struct stat st;

	return l->expected && fstat(dir, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino;
}

static bool send_op(struct locker *l, enum spool_op op, const char *name)
{
	struct msg_spool q = {.job = ++l->job, .op = op, .heir = op == SPOOL_LOCK ? l->heir : 0};

	return l->chan.in.fd >= 0 &&
	       chan_send(&l->chan, MSG_SPOOL, &(struct chan_out){.payload = &q, .bulk = {slice_str(name)}});
}

/* What undoes an operation of which it is not known whether it was done; it does no harm where it was not. */
static const enum spool_op undo[SPOOL_OPS] = {
	[SPOOL_LOCK] = SPOOL_UNLOCK, [SPOOL_UNLOCK] = SPOOL_UNLOCK,   [SPOOL_KEEP] = SPOOL_KEEP,
	[SPOOL_NEW] = SPOOL_ABANDON, [SPOOL_REPLACE] = SPOOL_ABANDON, [SPOOL_ABANDON] = SPOOL_ABANDON,
};

enum err locker_ask(struct locker *l, enum spool_op op, const char *name, int *fd, struct why *why)
{
	if (fd)
		*fd = -1;
	if (strlen(name) > SPOOL_NAME_MOST)
		return fail(why, ERR_PERM, "its name is too long");
	l->answered = false;
	if (!send_op(l, op, name))
		return fail(why, ERR_TEMP, "the locker is gone, and will be there again soon");
	chan_wait(&l->chan, &l->answered, ANSWER_MS);
	if (!l->answered) {
		if (l->chan.in.fd >= 0)
			(void)send_op(l, undo[op],
				      name); /* it is read behind the question, by whatever is left of it */
		return fail(why, ERR_TEMP, "the locker does not answer");
	}
	if (fd)
		*fd = l->fd;
	else if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	return l->err == OK ? OK : fail(why, l->err, "%s", l->why.text);
}
