/* store/external.c - see external.h */
#include "store/external.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { FETCH_MS = 1000 }; /* that a lock waits for whoever asked for it */

enum state { ASKED, ANSWERED, TAKEN };

struct external_lock {
	struct external_lock *next;
	uint64_t job;
	enum state state;
	enum err err;         /* ANSWERED */
	uint64_t answered_ms; /* ANSWERED */
	struct why why;       /* ANSWERED */
	char path[];
};

static void on_sweep(struct ev_loop *loop, ev_timer *w, int revents);

void external_init(struct external *x, struct ev_loop *loop, struct chan *master)
{
	*x = (struct external){.loop = loop, .master = master};
	ev_timer_init(&x->sweep, on_sweep, 0., FETCH_MS / 1000.);
	x->sweep.data = x;
}

void external_begin(struct external *x)
{
	x->asked = 0;
	x->refused = false;
}

static bool say(const struct external *x, enum lock_op op, uint64_t job, const char *path)
{
	struct msg_lock q = {.job = job, .op = op};

	return chan_send(x->master, MSG_LOCK, &(struct chan_out){.payload = &q, .bulk = {slice_str(path)}});
}

static void drop(struct external *x, struct external_lock *lock)
{
	struct external_lock **at = &x->locks;

	while (*at != lock)
		at = &(*at)->next;
	*at = lock->next;
	free(lock);
}

/* ---- asking ---- */

/* Without links: others must call the mailbox by the same name. */
static enum err path_of(int dir, const char *name, char path[static URL_MOST + 1], struct why *why)
{
	char link[64];

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
	ssize_t n = readlink(link, path, URL_MOST);

	if (n < 0)
		return fail_errno(why, ERR_TEMP, "find out the path of its directory");
	struct buf b = {.p = path, .len = (size_t)n, .cap = URL_MOST};

	if (n > 1)
		buf_char(&b, '/');
	buf_str(&b, name);
	if (b.full || path[0] != '/')
		return fail(why, ERR_PERM, "its path is too long");
	path[b.len] = '\0';
	return OK;
}

static struct external_lock *find(const struct external *x, const char *path)
{
	struct external_lock *lock = x->locks;

	while (lock && strcmp(lock->path, path) != 0)
		lock = lock->next;
	return lock;
}

static enum err ask(struct external *x, const char *path, struct why *why)
{
	struct external_lock *lock = calloc(1, sizeof *lock + strlen(path) + 1);

	if (!lock)
		return fail(why, ERR_TEMP, "no memory");
	lock->job = ++x->job;
	memcpy(lock->path, path, strlen(path) + 1);
	if (!say(x, LOCK_OP_TAKE, lock->job, path)) {
		free(lock);
		return fail(why, ERR_TEMP, "the daemon is ending");
	}
	lock->next = x->locks;
	x->locks = lock;
	x->asked = lock->job;
	return fail(why, ERR_IN_USE, "the external locker is being asked");
}

enum err external_take(struct external *x, int dir, const char *name, struct external_lock **lock, struct why *why)
{
	char path[URL_MOST + 1];
	enum err err = path_of(dir, name, path, why);

	if (err != OK)
		return err;
	struct external_lock *known = find(x, path);

	if (!known)
		return ask(x, path, why);
	if (known->state == TAKEN)
		return fail(why, ERR_IN_USE, "it is locked by another session");
	if (known->state == ASKED) {
		x->asked = known->job;
		return fail(why, ERR_IN_USE, "the external locker is being asked");
	}
	if (known->err == OK) {
		known->state = TAKEN;
		*lock = known;
		return OK;
	}
	err = fail(why, known->err, "%s", known->why.text);
	x->refused = true;
	drop(x, known);
	return err;
}

/* ---- the end ---- */

static void end(struct external *x, struct external_lock *lock, enum lock_op op)
{
	(void)say(x, op, lock->job, ""); /* without master it knows that we are gone */
	drop(x, lock);
}

void external_release(struct external *x, struct external_lock *lock)
{
	end(x, lock, LOCK_OP_RELEASE);
}

void external_keep(struct external *x, struct external_lock *lock)
{
	end(x, lock, LOCK_OP_KEEP);
}

static struct external_lock *numbered(const struct external *x, uint64_t job)
{
	struct external_lock *lock = x->locks;

	while (lock && lock->job != job)
		lock = lock->next;
	return lock;
}

void external_forget(struct external *x, uint64_t job)
{
	struct external_lock *lock = job > 0 ? numbered(x, job) : NULL;

	if (lock && lock->state != TAKEN)
		end(x, lock, LOCK_OP_RELEASE);
}

/* ---- answers ---- */

enum err external_answered(struct external *x, const struct msg *m, struct why *why)
{
	const struct msg_locked *q = m->payload;
	struct external_lock *lock = numbered(x, q->job);

	if (q->err >= ERR_COUNT || (lock && lock->state != ASKED))
		return fail(why, ERR_PERM, "an answer with error %u to a question that is not open", q->err);
	if (!lock) /* it was forgotten meanwhile */
		return OK;
	lock->state = ANSWERED;
	lock->err = (enum err)q->err;
	lock->answered_ms = clock_ms();
	(void)fail(&lock->why, lock->err, "%.*s", (int)m->bulk.n, m->bulk.p);
	if (!ev_is_active(&x->sweep))
		ev_timer_again(x->loop, &x->sweep);
	return OK;
}

/* Those that nobody has fetched: who asked has gone, or does not need it any more. */
static void on_sweep(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct external *x = w->data;
	struct external_lock *lock = x->locks, *next;
	bool more = false;

	(void)revents;
	for (; lock; lock = next) {
		next = lock->next;
		if (lock->state != ANSWERED)
			continue;
		if (clock_ms() - lock->answered_ms >= FETCH_MS)
			end(x, lock, LOCK_OP_RELEASE);
		else
			more = true;
	}
	if (!more)
		ev_timer_stop(loop, w);
}
