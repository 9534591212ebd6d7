/* master/grant.c - see grant.h
 *
 * This is the only thing that master does for a session, and only for an owner whose workers are none, or all busy. */
#include "master/grant.h"

#include <stddef.h>
#include <unistd.h>

#include "base/log.h"
#include "master/child.h"

enum {
	WORKERS_MOST = 8,   /* of one owner */
	BUSY_LONG_MS = 100, /* a worker that is at one thing for so long is worth another one beside it */
	DENIALS_MOST = 64,  /* that master passes on for one worker: so it can guess no number of another's login */
};

struct child *front_find(const struct master *m, uint32_t serial)
{
	const struct pool *fronts = &m->pool[ROLE_FRONT];

	for (unsigned i = 0; i < fronts->n; i++)
		if (child_runs(&fronts->child[i]) && fronts->child[i].serial == serial)
			return &fronts->child[i];
	return NULL;
}

static void deny(const struct master *m, uint64_t sid, enum err err, struct slice reason)
{
	struct child *f = front_find(m, sid_front(sid));
	struct msg_deny d = {.sid = sid, .err = err};
	struct chan_out out = {.payload = &d, .bulk = {reason}};

	if (f)
		(void)chan_send(&f->chan, MSG_DENY, &out); /* a front that ends needs no answer */
}

/* What became of a login that master had to do with. Where there is no state, or it is being replaced, it counts as one. */
static void settle(const struct master *m, uint64_t reservation, enum settle_how how)
{
	const struct pool *states = &m->pool[ROLE_STATE];
	struct msg_settle s = {.reservation = reservation, .how = (uint32_t)how};

	if (reservation > 0 && states->n > 0 && child_runs(&states->child[0]))
		(void)chan_send(&states->child[0].chan, MSG_SETTLE, &(struct chan_out){.payload = &s});
}

static void refuse(struct master *m, const struct msg_grant *g, struct slice name, enum err err, const char *why)
{
	struct event e;

	event_new(&e, "no maildrop");
	event_kv(&e, "user", name);
	event_u64(&e, "uid", g->uid);
	event_u64(&e, "gid", g->gid);
	event_kv(&e, "reason", slice_str(why));
	event_log(&e, LOG_ERR);
	settle(m, g->reservation, SETTLE_RELEASE);
	deny(m, g->sid, err, SLICE(""));
}

/* For how long it has been busy with one thing. */
static uint64_t busy_ms(const struct child *c)
{
	uint64_t since = 0, now = clock_ms();
	off_t at = (off_t)c->slot * STORE_SLOT_OCTETS + (off_t)offsetof(struct store_slot, busy_since_ms);

	if (pread(c->master->slots.ro, &since, sizeof since, at) != sizeof since)
		return 0;
	return since > 0 && since < now ? now - since : 0;
}

/* An owner's workers. */
struct workers {
	struct child *best;
	struct child *kept; /* the place of one that failed, where another may be tried */
	uint64_t best_busy_ms, again_ms;
	unsigned n;
};

static void worker_count(struct workers *w, struct child *c)
{
	uint64_t busy = busy_ms(c);

	w->n++;
	if (!c->leaving && (!w->best || busy < w->best_busy_ms)) {
		w->best = c;
		w->best_busy_ms = busy;
	}
}

static struct workers workers_find(const struct master *m, struct identity owner)
{
	struct workers w = {0};
	uint64_t now = clock_ms();

	for (struct child *c = owners_first(&m->owners, owner); c; c = owners_next(c)) {
		if (child_runs(c))
			worker_count(&w, c);
		else if (c->again_ms <= now)
			w.kept = c;
		else if (c->again_ms > w.again_ms)
			w.again_ms = c->again_ms;
	}
	return w;
}

/* A spare that lives, else a place for a new process: of the nursery, else of master itself. */
static enum err worker_start(struct child *c, struct identity owner, struct why *why)
{
	if (!c->spare && c->master->nursery.fd >= 0)
		(void)child_start_spare(c, why);
	c->owner = owner;
	return c->spare ? child_assign(c, why) : child_start(c, why);
}

/* A new worker; `kept` is its owner's place of one that failed, or NULL. How often it failed counts for the new one. */
static struct child *worker_new(struct master *m, struct identity owner, struct child *kept, struct why *why)
{
	struct child *c;
	unsigned early = kept ? kept->early : 0;

	while ((c = spares_take(m)) && worker_start(c, owner, why) != OK)
		continue; /* it had died, which will be told */
	if (kept) {
		owners_remove(&m->owners, kept);
		place_give(m, kept);
	}
	if (!c && !(c = place_take(m))) {
		(void)fail(why, ERR_TEMP, "there are too many workers");
		return NULL;
	}
	if (!child_runs(c) && worker_start(c, owner, why) != OK) {
		if (!child_runs(c)) /* else it has been let go, and its end will be told */
			place_give(m, c);
		return NULL;
	}
	c->early = early;
	owners_add(&m->owners, c);
	owners_retire(m);
	return c;
}

/* A worker for this owner: one that has time, else a new one, else any. NULL: `why` says why not. */
static struct child *worker_get(struct master *m, struct identity owner, struct why *why)
{
	struct workers w = workers_find(m, owner);
	struct child *new = NULL;

	if (w.best && w.best_busy_ms < BUSY_LONG_MS)
		return w.best;
	if (w.again_ms > 0)
		(void)fail(why, ERR_TEMP, "its last worker failed a moment ago");
	else if (w.n >= WORKERS_MOST)
		(void)fail(why, ERR_TEMP, "there are too many workers");
	else
		new = worker_new(m, owner, w.kept, why);
	return new ? new : w.best;
}

static void on_lost(void *arg, uint64_t sid, uint64_t reservation)
{
	settle(arg, reservation, SETTLE_DOUBT);
	deny(arg, sid, ERR_TEMP, SLICE("the store process ended"));
}

void worker_ended(struct child *c, bool with_work)
{
	struct master *m = c->master;

	if (with_work)
		granted_lost(&c->granted, on_lost, m);
	c->granted.n = 0;
	if (c->spare)
		spares_lost(m, c);
	else if (c->early > 0)
		return;
	else
		owners_remove(&m->owners, c);
	c->spare = false;
	place_give(m, c);
}

/* Whether we may run a worker as this owner at all. */
static const char *owner_refused(const struct master *m, struct identity id)
{
	if (id.uid == 0)
		return "mail of uid 0 is not served";
	if (id.uid < m->cf->auth.min_uid)
		return "the uid is below auth.min-uid";
	if (id.uid == (uid_t)-1 || id.gid == (gid_t)-1)
		return "this is no uid or gid";
	if (m->privileged && (id.uid == m->front.uid || id.uid == m->auth.uid))
		return "this is the user of processes of the daemon";
	if (!m->privileged && id.uid != m->self.uid)
		return "the daemon was not started as root, and serves its own user's mail only";
	return NULL;
}

void grant_pass(struct master *m, const struct msg_grant *g, struct slice bulk)
{
	struct identity owner = {.uid = g->uid, .gid = g->gid};
	struct chan_out out = {.payload = g, .bulk = {bulk}};
	struct why reason = {""};
	struct child *worker = m->stopping ? NULL : worker_get(m, owner, &reason);

	if (!worker || !chan_send(&worker->chan, MSG_GRANT, &out))
		refuse(m, g, (struct slice){bulk.p, g->name_len}, ERR_TEMP,
		       reason.text[0] ? reason.text : "its worker is ending");
	else
		granted_note(&worker->granted, g->sid, g->reservation);
}

enum err on_grant(struct chan *ch, struct msg *msg, struct why *why)
{
	const struct child *auth = ch->owner;
	struct master *m = auth->master;
	const struct msg_grant *g = msg->payload;

	log_session(g->log_id);
	if (msg->bulk.n != (size_t)g->name_len + g->mailbox_len + g->home_len)
		return fail(why, ERR_PERM, "a grant with lengths that do not add up");
	struct slice name = {msg->bulk.p, g->name_len};
	struct identity owner = {.uid = g->uid, .gid = g->gid};
	const char *refused = owner_refused(m, owner);

	if (refused) {
		refuse(m, g, name, ERR_PERM, refused);
		return OK;
	}
	if (owners_first(&m->owners, owner) || !opener_ask(m, g, msg->bulk))
		grant_pass(m, g, msg->bulk);
	return OK;
}

enum err on_deny(struct chan *ch, struct msg *msg, struct why *why)
{
	struct child *store = ch->owner;
	const struct msg_deny *d = msg->payload;
	uint32_t front = sid_front(d->sid);

	if (store->role != ROLE_STORE)
		return fail(why, ERR_PERM, "it denies a login that is not for it");
	if (!front_find(store->master, front) || store->denials == DENIALS_MOST)
		return OK;
	if (store->denials++ == 0)
		log_line(LOG_ERR, "store %ld has no channel to front %u any more: it gets no more work",
			 (long)store->pid, (unsigned)front);
	deny(store->master, d->sid, ERR_TEMP, SLICE("the store process has no channel to front"));
	child_retire(store);
	return OK;
}

bool worker_wake(struct master *m, struct identity owner, const struct chan_out *out)
{
	const struct msg_park *p = out->payload;
	struct why reason = {"its worker is ending"};

	log_session(p->log_id);
	struct child *worker = m->stopping ? NULL : worker_get(m, owner, &reason);

	if (worker && chan_send(&worker->chan, MSG_PARK, out)) {
		granted_note(&worker->granted, p->sid, 0);
		return true;
	}
	log_line(LOG_ERR, "no worker for a session that was idle, of uid %u: %s", (unsigned)owner.uid, reason.text);
	deny(m, p->sid, ERR_TEMP, slice_str(reason.text));
	return false;
}

struct child *worker_replay(struct master *m, struct identity owner, struct why *why)
{
	const char *refused = owner_refused(m, owner);
	struct workers w = workers_find(m, owner);

	if (refused)
		(void)fail(why, ERR_PERM, "%s", refused);
	else if (w.again_ms > 0)
		(void)fail(why, ERR_TEMP, "its last worker failed a moment ago");
	return refused || w.again_ms > 0 ? NULL : worker_new(m, owner, w.kept, why);
}
