/* auth/pools.c - see pools.h */
#include "auth/pools.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/role.h"

enum {
	MARGIN_MS = 200, /* before a question's deadline, so that the module's own words come in time */
	STUCK_MS = 1500, /* from a deadline that a process has missed: by then it has ended itself, or cannot */
	LATE_MS = 2000,  /* from the deadline of a probe that nobody has ended */
};

struct pool_worker {
	struct pool_worker *next;
	struct pool *pool;
	struct chan chan;
	uint64_t busy; /* the id of the question that it has; 0: none */
	ev_timer stuck;
	bool mute; /* it takes nothing any more; its channel is about to close */
};

/* --- whether the module is asked at all ---------------------------------------------------------------------------- */

static void tell(const struct pool *p, const char *name, const char *key, const char *value, int severity)
{
	struct event e;

	event_new(&e, name);
	event_word(&e, "module", p->backend->module);
	event_kv(&e, key, slice_str(value));
	event_log(&e, severity);
}

/* False: not now. */
static bool may_ask(const struct pool *p, struct question *q)
{
	uint64_t again = atomic_load(&p->state->again_ms), now = clock_ms();

	if (again == 0)
		return true;
	/* Whoever wins is the probe; where it is never answered (this process dies), another may be. */
	q->probe =
		now >= again && atomic_compare_exchange_strong(&p->state->again_ms, &again, q->deadline_ms + LATE_MS);
	return q->probe;
}

static void went_away(struct pool *p, const struct question *q, const char *reason)
{
	uint64_t up = 0, now = clock_ms();

	if (q->probe) {
		uint32_t pause = atomic_load(&p->state->pause_s) * 2;

		pause = pause < POOL_PAUSE_MOST_S ? pause : POOL_PAUSE_MOST_S;
		atomic_store(&p->state->pause_s, pause);
		atomic_store(&p->state->again_ms, now + (uint64_t)pause * 1000);
	} else if (atomic_compare_exchange_strong(&p->state->again_ms, &up, now + 1000)) {
		atomic_store(&p->state->pause_s, 1);
		tell(p, "backend-away", "reason", reason, LOG_ERR);
	}
}

static void is_there(struct pool *p)
{
	if (atomic_load_explicit(&p->state->again_ms, memory_order_relaxed) == 0 ||
	    atomic_exchange(&p->state->again_ms, 0) == 0)
		return;
	tell(p, "backend-back", "effect", "its users are served again", LOG_NOTICE);
}

/* --- questions --------------------------------------------------------------------------------------------------- */

static void timer_follow(struct pool *p)
{
	uint64_t now = clock_ms();

	ev_timer_stop(p->all->loop, &p->due);
	if (!p->first)
		return;
	ev_now_update(p->all->loop);
	ev_timer_set(&p->due, p->first->deadline_ms > now ? (double)(p->first->deadline_ms - now) / 1000 : 0., 0.);
	ev_timer_start(p->all->loop, &p->due);
}

static void unlink_question(struct pool *p, struct question *q)
{
	struct question **at = &p->first;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	if (!*at)
		p->end = at;
	if (!q->worker)
		p->waiting--;
	q->worker = NULL;
}

static void finish(struct pool *p, struct question *q, const struct looked *l)
{
	unlink_question(p, q);
	log_session(q->log_id);
	q->answer(q, l);
}

static void finish_without(struct pool *p, struct question *q, const char *reason)
{
	struct looked l = {.err = ERR_TEMP};

	(void)fail(&l.why, ERR_TEMP, "%s: %s", p->backend->module, reason);
	finish(p, q, &l);
}

static struct pool_worker *worker_free(const struct pool *p)
{
	struct pool_worker *w = p->list;

	while (w && (w->busy || w->mute))
		w = w->next;
	return w;
}

static void worker_give(struct pool_worker *w, struct question *q)
{
	struct msg_look m = {.job = q->id,
			     .log_id = q->log_id,
			     .deadline_ms = q->deadline_ms - MARGIN_MS,
			     .client = q->client,
			     .what = q->what,
			     .login_len = (uint16_t)q->login.n,
			     .name_len = (uint16_t)q->name.n,
			     .password_len = (uint16_t)q->password.n,
			     .wants_secret = q->wants_secret};

	w->mute = !chan_send(&w->chan, MSG_LOOK,
			     &(struct chan_out){.payload = &m, .bulk = {q->login, q->name, q->password}});
	if (w->mute)
		return; /* it waits for another one */
	w->busy = q->id;
	q->worker = w;
	q->tries++;
	w->pool->waiting--;
}

static struct question *first_waiting(const struct pool *p)
{
	struct question *q = p->first;

	while (q && q->worker)
		q = q->next;
	return q;
}

/* Answers call back, and may ask again: nothing is remembered from one turn to the next. */
static void dispatch(struct pool *p)
{
	struct pool_worker *w;

	while (p->waiting > 0 && (w = worker_free(p))) {
		struct question *q = first_waiting(p);

		if (q->probe || may_ask(p, q))
			worker_give(w, q);
		else
			finish_without(p, q, "it is left alone for a moment, since nobody could be asked");
	}
	timer_follow(p);
}

static void on_stuck(struct ev_loop *loop, ev_timer *t, int revents)
{
	const struct pool_worker *w = t->data;
	struct msg_stuck m = {.serial = w->chan.peer_serial};

	(void)loop;
	(void)revents;
	if (w->busy && w->pool->all->master)
		(void)chan_send(w->pool->all->master, MSG_STUCK,
				&(struct chan_out){.payload = &m}); /* its end is ours */
}

static void worker_missed(struct pool_worker *w)
{
	ev_timer_stop(w->pool->all->loop, &w->stuck);
	ev_timer_set(&w->stuck, STUCK_MS / 1000., 0.);
	ev_timer_start(w->pool->all->loop, &w->stuck);
}

static void on_due(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct pool *p = t->data;

	(void)loop;
	(void)revents;
	while (p->first && p->first->deadline_ms <= clock_ms()) {
		struct question *q = p->first;

		/* Where all are busy with others' questions, that says nothing about the module. */
		if (q->worker) {
			went_away(p, q, "no answer in time");
			worker_missed(q->worker);
		}
		finish_without(p, q, q->worker ? "no answer in time" : "no process was free in time");
	}
	log_session(0);
	dispatch(p);
}

void pool_ask(struct pool *p, struct question *q)
{
	q->id = ++p->all->last_id;
	q->deadline_ms = clock_ms() + p->all->timeout_ms;
	q->tries = 0;
	q->probe = false;
	q->worker = NULL;
	q->next = NULL;
	*p->end = q;
	p->end = &q->next;
	p->waiting++;
	if (p->waiting > POOL_WAITING_MOST)
		finish_without(p, q, "too many wait");
	else if (!may_ask(p, q))
		finish_without(p, q, "it is left alone for a moment, since nobody could be asked");
	else
		dispatch(p);
}

/* --- processes --------------------------------------------------------------------------------------------------- */

static bool is_sound(const struct msg_looked *m, struct slice bulk, struct looked *l)
{
	size_t at = 0;

	if (m->err != OK && m->err != ERR_AUTH && m->err != ERR_TEMP && m->err != ERR_PERM)
		return false;
	for (size_t i = 0; i < LOOKED_TEXTS; i++) {
		if (m->len[i] > bulk.n - at)
			return false;
		l->text[i] = (struct slice){bulk.p + at, m->len[i]};
		at += m->len[i];
	}
	l->err = (enum err)m->err;
	l->uid = m->uid;
	l->gid = m->gid;
	l->asks_source = m->asks_source != 0;
	if (l->err != OK && !slice_cstr(l->text[LOOKED_WHY], l->why.text, sizeof l->why.text))
		return false;
	return at == bulk.n;
}

static enum err on_looked(struct chan *c, struct msg *msg, struct why *why)
{
	struct pool_worker *w = c->owner;
	struct pool *p = w->pool;
	const struct msg_looked *m = msg->payload;
	struct looked l = {.err = ERR_TEMP};
	struct question *q = p->first;

	if (w->busy == 0 || m->job != w->busy || !is_sound(m, msg->bulk, &l))
		return fail(why, ERR_PERM, "an answer that is none");
	w->busy = 0;
	ev_timer_stop(p->all->loop, &w->stuck);
	while (q && q->worker != w)
		q = q->next;
	if (l.err == ERR_TEMP && q)
		went_away(p, q, l.why.text);
	else if (l.err != ERR_TEMP)
		is_there(p);
	if (q) /* else its time was over */
		finish(p, q, &l);
	log_session(0);
	dispatch(p);
	return OK;
}

static void worker_unlink(struct pool_worker *w)
{
	struct pool_worker **at = &w->pool->list;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

/* A question that was there when two processes ended is suspect; a password is not tried twice. */
static void on_closed(struct chan *c, const char *reason)
{
	struct pool_worker *w = c->owner;
	struct pool *p = w->pool;
	struct question *q = p->first;

	if (reason)
		log_line(LOG_WARNING, "auth: channel to %s %u closed: %s", p->backend->module, (unsigned)c->peer_serial,
			 reason);
	worker_unlink(w);
	ev_timer_stop(p->all->loop, &w->stuck);
	chan_done(c);
	while (q && q->worker != w)
		q = q->next;
	free(w);
	if (q && q->tries < POOL_TRIES && q->what != LOOK_PASSWORD) {
		q->worker = NULL;
		p->waiting++;
	} else if (q) {
		finish_without(p, q, "its process has ended");
	}
	log_session(0);
	dispatch(p);
}

static const struct chan_ops worker_ops = {.on = {[MSG_LOOKED] = on_looked}, .closed = on_closed};

enum err pools_peer(struct pools *ps, const struct msg_peer *peer, int fd, struct why *why)
{
	struct pool *p = peer->module < ps->n ? &ps->pool[peer->module] : NULL;
	struct pool_worker *w = p ? calloc(1, sizeof *w) : NULL;

	if (!p)
		return fail(why, ERR_PERM, "a channel to a module that is not configured");
	if (!w)
		return fail(why, ERR_TEMP, "no memory for a channel to %s", p->backend->module);
	w->pool = p;
	ev_init(&w->stuck, on_stuck);
	w->stuck.data = w;
	w->next = p->list;
	p->list = w;
	chan_init(&w->chan, ps->loop, fd, ROLE_AUTH, ROLE_BACKEND, peer->serial, &worker_ops, w);
	dispatch(p);
	return OK;
}

void pools_open(struct pools *ps, struct ev_loop *loop, const struct conf *cf, void *shared)
{
	const struct conf_backend *list[CONF_BACKENDS_MOST];
	struct pool_state *state = shared ? shared : ps->own;

	*ps = (struct pools){.loop = loop, .timeout_ms = cf->auth.lookup_timeout.n * 1000};
	ps->n = conf_backends(cf, list);
	for (size_t i = 0; i < ps->n; i++) {
		struct pool *p = &ps->pool[i];

		*p = (struct pool){.all = ps, .backend = list[i], .state = &state[i]};
		p->end = &p->first;
		ev_init(&p->due, on_due);
		p->due.data = p;
	}
}

void pools_close(struct pools *ps)
{
	for (size_t i = 0; i < ps->n; i++) {
		struct pool *p = &ps->pool[i];

		ev_timer_stop(ps->loop, &p->due);
		while (p->list) {
			struct pool_worker *w = p->list;

			p->list = w->next;
			ev_timer_stop(ps->loop, &w->stuck);
			chan_done(&w->chan);
			free(w);
		}
	}
}

struct pool *pools_find(struct pools *ps, const char *module)
{
	for (size_t i = 0; i < ps->n; i++)
		if (strcmp(ps->pool[i].backend->module, module) == 0)
			return &ps->pool[i];
	return NULL;
}

size_t auth_pools_octets(const struct conf *cf)
{
	const struct conf_backend *list[CONF_BACKENDS_MOST];

	return conf_backends(cf, list) * sizeof(struct pool_state);
}
