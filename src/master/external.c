/* master/external.c - see external.h */
#include "master/external.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "master/external_hold.h"
#include "master/external_program.h"
#include "master/journals.h"
#include "master/master.h"
#include "master/spool.h"

enum { UNLOCKS_MOST = 3 }; /* attempts to release a lock */

/* Seconds: between two of them; from the signal that asks a program to end to the one that does not ask; that a lock waits for whoever
 * replays, before it is asked whether anybody still must; that a program that locks still has when the daemon ends. */
static const double again_s = 1, grace_s = 2, orphan_s = 60, stop_s = 5;

void externals_set_spool(struct master *m)
{
	struct externals *x = &m->externals;
	char dir[PATH_MAX];

	if (!group_find("mail", &x->group) || x->group == 0 || !spool_find(m->cf, x->group, dir) ||
	    !realpath(dir, x->spool))
		x->spool[0] = '\0';
}

/* ---- the list ---- */

static void hold_timer(struct hold *h, double seconds)
{
	ev_timer_stop(h->master->loop, &h->timer);
	ev_timer_set(&h->timer, seconds, 0.);
	ev_timer_start(h->master->loop, &h->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents);

struct hold *hold_new(struct child *c, uint64_t job, struct slice path)
{
	struct hold *h = calloc(1, sizeof *h + path.n + 1), **at = &c->master->externals.first;

	if (!h)
		return NULL;
	h->master = c->master;
	h->worker = c;
	h->job = job;
	h->owner = c->owner;
	memcpy(h->path, path.p, path.n);
	ev_timer_init(&h->timer, on_timer, 0., 0.);
	h->timer.data = h;
	while (*at)
		at = &(*at)->next;
	*at = h;
	return h;
}

void hold_free(struct hold *h)
{
	struct hold **at = &h->master->externals.first;

	ev_timer_stop(h->master->loop, &h->timer);
	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	free(h);
}

bool hold_same(const struct hold *h, struct identity owner, const char *path)
{
	return h->owner.uid == owner.uid && strcmp(h->path, path) == 0;
}

bool hold_is_orphan(const struct hold *h)
{
	return h->state == HELD && !h->worker;
}

void hold_answer(const struct hold *h, enum err err, const char *reason)
{
	struct msg_locked q = {.job = h->job, .err = err};

	if (h->worker)
		(void)chan_send(&h->worker->chan, MSG_LOCKED,
				&(struct chan_out){.payload = &q, .bulk = {slice_str(reason)}}); /* or it is ending */
}

void hold_drop(struct hold *h)
{
	h->worker = NULL;
	if (h->state == WAITS)
		hold_free(h);
	else if (h->state == HELD)
		h->state = DUE;
}

void hold_hand_over(struct hold *h, struct child *worker, uint64_t job)
{
	ev_timer_stop(h->master->loop, &h->timer);
	h->worker = worker;
	h->job = job;
	hold_answer(h, OK, "");
}

void hold_orphan(struct hold *h)
{
	struct hold *next = h->next;

	h->worker = NULL;
	hold_timer(h, orphan_s);
	while (next && !(next->state == WAITS && hold_same(next, h->owner, h->path)))
		next = next->next;
	if (!next)
		return;
	hold_hand_over(h, next->worker, next->job);
	hold_free(next);
}

/* ---- programs ---- */

static bool is_unlocking(const struct hold *h)
{
	return h->state == DUE || h->state == UNLOCKS;
}

static void run_add(struct hold *h)
{
	struct externals *x = &h->master->externals;

	x->run[x->running++] = h;
	x->locking += h->state == LOCKS;
}

static void run_remove(const struct hold *h)
{
	struct externals *x = &h->master->externals;
	unsigned i = 0;

	while (x->run[i] != h)
		i++;
	x->run[i] = x->run[--x->running];
	x->locking -= h->state == LOCKS;
}

static unsigned runs_of(const struct externals *x, struct identity owner)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->running; i++)
		n += x->run[i]->state == LOCKS && x->run[i]->owner.uid == owner.uid;
	return n;
}

/* Not behind another one of the same mailbox, and with room for its program. */
static bool has_turn(const struct hold *h)
{
	const struct externals *x = &h->master->externals;

	if (h->state == DUE)
		return !ev_is_active(&h->timer) && x->running - x->locking < EXTERNALS_UNLOCK_MOST;
	if (h->state != WAITS || x->locking == EXTERNALS_LOCK_MOST || runs_of(x, h->owner) == EXTERNALS_OWNER_MOST)
		return false;
	for (const struct hold *other = x->first; other != h; other = other->next)
		if (hold_same(other, h->owner, h->path))
			return false;
	return true;
}

/* It could not be released, for now or for good. */
static void unlock_failed(struct hold *h, const char *reason)
{
	bool last = ++h->attempts == UNLOCKS_MOST;

	log_line(last ? LOG_ERR : LOG_WARNING, "unlocking mailbox `%s' failed: %s", h->path, reason);
	h->state = DUE;
	if (last)
		hold_free(h);
	else
		hold_timer(h, again_s);
}

static void start(struct hold *h)
{
	const struct master *m = h->master;
	struct why why = {""};
	bool unlock = h->state == DUE;

	h->pid = external_program_start(m, h->owner, h->path, unlock, &why);
	h->overdue = false;
	debug(TOPIC_LOCKER, DEBUG_TRACE1, "external locker %ld: %s %s", (long)h->pid, unlock ? "unlocks" : "locks",
	      h->path);
	if (h->pid > 0) {
		h->state = unlock ? UNLOCKS : LOCKS;
		run_add(h);
		hold_timer(h, (double)m->cf->locking.external_timeout.n);
	} else if (unlock) {
		unlock_failed(h, why.text);
	} else {
		hold_answer(h, ERR_TEMP, why.text);
		hold_free(h);
	}
}

void externals_pump(struct master *m)
{
	static const enum hold_state order[] = {DUE, WAITS};

	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		for (struct hold *h = m->externals.first, *next; h; h = next) {
			next = h->next;
			if (h->state == order[i] && has_turn(h))
				start(h);
		}
	if (m->stopping)
		externals_leave(m);
}

void externals_kill_group(const struct hold *h)
{
	(void)kill(-h->pid, SIGKILL);
}

/* It is asked to end, so that it can take back what it has half done; then it is not asked any more. */
static void overdue(struct hold *h)
{
	if (h->overdue) {
		externals_kill_group(h);
	} else {
		log_line(LOG_ERR, "external locker %ld for `%s' takes too long, and is ended", (long)h->pid, h->path);
		(void)kill(-h->pid, SIGTERM);
	}
	h->overdue = true;
	hold_timer(h, grace_s);
}

bool externals_journal(const struct master *m, struct identity owner)
{
	return journals_of_owner(m, &owner);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct hold *h = w->data;
	struct master *m = h->master;

	(void)loop;
	(void)revents;
	if (h->state == LOCKS || h->state == UNLOCKS) {
		overdue(h);
		return;
	}
	if (hold_is_orphan(h) && externals_journal(m, h->owner)) {
		hold_timer(h, orphan_s);
		return;
	}
	if (hold_is_orphan(h))
		hold_drop(h);
	externals_pump(m);
}

struct hold *externals_find(const struct master *m, pid_t pid)
{
	const struct externals *x = &m->externals;

	for (unsigned i = 0; i < x->running; i++)
		if (x->run[i]->pid == pid)
			return x->run[i];
	return NULL;
}

static void locked(struct hold *h, enum err err, const char *reason)
{
	hold_answer(h, err, reason);
	h->state = HELD;
	if (err != OK)
		hold_free(h);
	else if (!h->worker)
		hold_drop(h);
}

static void unlocked(struct hold *h, enum err err, bool not_locked, const char *reason)
{
	if (err != OK && !not_locked) {
		unlock_failed(h, reason);
		return;
	}
	if (not_locked)
		log_line(LOG_WARNING, "unlocking mailbox `%s' failed: %s", h->path, reason);
	hold_free(h);
}

void externals_ended(struct hold *h, int status)
{
	struct master *m = h->master;
	struct why why = {""};
	bool not_locked, unlock = is_unlocking(h);
	enum err err = external_program_result(&m->cf->locking, status, &not_locked, &why);

	debug(TOPIC_LOCKER, DEBUG_TRACE1, "external locker %ld: %d=%s %s", (long)h->pid, (int)err, err_name(err),
	      why.text);
	run_remove(h);
	ev_timer_stop(m->loop, &h->timer);
	if (err != OK && h->overdue)
		err = fail(&why, ERR_TEMP, "External locker failed: %s took longer than external-locker-timeout",
			   m->cf->locking.external_locker);
	if (unlock)
		unlocked(h, err, not_locked, why.text);
	else
		locked(h, err, why.text);
	externals_pump(m);
}

/* ---- the end ---- */

void externals_stop(struct master *m)
{
	for (struct hold *h = m->externals.first, *next; h; h = next) {
		next = h->next;
		if (h->state == LOCKS && !h->overdue && (double)m->cf->locking.external_timeout.n > stop_s)
			hold_timer(h, stop_s);
		if (h->state == WAITS || hold_is_orphan(h))
			hold_drop(h);
	}
	externals_pump(m);
}

void externals_leave(struct master *m)
{
	if (m->running == 0 && !m->externals.first)
		ev_break(m->loop, EVBREAK_ALL);
}

void externals_kill(struct master *m)
{
	for (struct hold *h = m->externals.first, *next; h; h = next) {
		next = h->next;
		log_line(LOG_WARNING, "mailbox `%s' may stay locked by the external locker", h->path);
		if (h->state == LOCKS || h->state == UNLOCKS) {
			externals_kill_group(h);
			run_remove(h);
		}
		hold_free(h);
	}
	externals_leave(m);
}
