/* master/external_asked.c - what store workers say of locks that the external locker makes. See external.h */
#include <stdlib.h>
#include <string.h>

#include "master/external_hold.h"
#include "master/master.h"

static struct hold *hold_of(const struct child *worker, uint64_t job)
{
	struct hold *h = worker->master->externals.first;

	while (h && (h->worker != worker || h->job != job))
		h = h->next;
	return h;
}

/* Whether a worker that died, or gave up, has left a lock of this mailbox for whoever replays: then it is this one's. */
static bool adopt(struct child *c, uint64_t job, const char *path)
{
	struct hold *h = c->master->externals.first;

	while (h && !(hold_is_orphan(h) && hold_same(h, c->owner, path)))
		h = h->next;
	if (h)
		hold_hand_over(h, c, job);
	return h != NULL;
}

static unsigned holds_of(const struct child *worker)
{
	unsigned n = 0;

	for (const struct hold *h = worker->master->externals.first; h; h = h->next)
		n += h->worker == worker;
	return n;
}

static enum err take(struct child *c, uint64_t job, struct slice path, struct why *why)
{
	struct msg_locked no = {.job = job, .err = ERR_TEMP};
	struct chan_out out = {.payload = &no,
			       .bulk = {SLICE("External locker failed: too many mailboxes wait for it")}};

	if (path.n == 0 || path.p[0] != '/' || slice_find(path, '\0') != path.n)
		return fail(why, ERR_PERM, "a lock for what is no path");
	if (hold_of(c, job))
		return fail(why, ERR_PERM, "a lock under a number that there is");
	char text[URL_MOST + 1];

	if (!slice_cstr(path, text, sizeof text))
		return fail(why, ERR_PERM, "a lock for a path that is too long");
	if (adopt(c, job, text))
		return OK;
	if (c->master->stopping || holds_of(c) >= EXTERNALS_HOLD_MOST || !hold_new(c, job, path))
		(void)chan_send(&c->chan, MSG_LOCKED, &out); /* a worker that ends needs no answer */
	else
		externals_pump(c->master);
	return OK;
}

/* One that is not there was refused. */
static enum err release(struct child *c, uint64_t job, struct slice path, struct why *why)
{
	struct hold *h = hold_of(c, job);

	(void)path;
	(void)why;
	if (h)
		hold_drop(h);
	externals_pump(c->master);
	return OK;
}

static enum err keep(struct child *c, uint64_t job, struct slice path, struct why *why)
{
	struct hold *h = hold_of(c, job);

	if (!h || h->state != HELD)
		return release(c, job, path, why);
	hold_orphan(h);
	return OK;
}

enum err on_lock(struct chan *ch, struct msg *msg, struct why *why)
{
	static enum err (*const ops[LOCK_OPS])(struct child *, uint64_t, struct slice, struct why *) = {
		[LOCK_OP_TAKE] = take, [LOCK_OP_RELEASE] = release, [LOCK_OP_KEEP] = keep};
	const struct msg_lock *q = msg->payload;
	struct child *c = ch->owner;

	if (c->master->cf->locking.type != LOCK_EXTERNAL || c->spare || q->op >= LOCK_OPS)
		return fail(why, ERR_PERM, "operation %u with a lock", q->op);
	return ops[q->op](c, q->job, msg->bulk, why);
}

static struct hold *held_by(const struct master *m, const struct child *worker)
{
	struct hold *h = m->externals.first;

	while (h && h->worker != worker)
		h = h->next;
	return h;
}

void externals_lose(struct child *worker, bool died)
{
	struct master *m = worker->master;
	bool replays = died && !m->stopping && m->externals.first && externals_journal(m, worker->owner);
	struct hold *h, *next;

	for (h = m->externals.first; h; h = next) {
		next = h->next;
		if (h->worker == worker && !(replays && h->state == HELD))
			hold_drop(h);
	}
	while ((h = held_by(m, worker)))
		hold_orphan(h);
	externals_pump(m);
}
