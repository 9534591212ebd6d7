/* store/session_rest.c - a session that does nothing is given to master, so that its process can end; and one that master has kept goes
 * on here. See session_state.h, and master/parked.h for the whole */
#include "store/session_state.h"

#include <string.h>

static void offer(struct table_item *item, void *store)
{
	struct session *s = (struct session *)item;
	struct store *st = store;
	const struct maildrop_setup *setup = &st->setup;
	struct slice url = slice_str(s->md.url);
	struct msg_park p = {
		.sid = s->item.key,
		.log_id = s->log_id,
		.key = s->md.key,
		.octets = s->md.index.octets,
		.sum = s->md.index.sum,
		.count = s->md.index.count,
		.requests = s->requests,
		.fetched = s->fetched,
		.ahead = s->ahead,
		.preview = s->preview,
		.marks = setup->update_flags || (setup->stamps.days > 0 && setup->stamps.days != UINT32_MAX),
		.name_len = s->user_len,
		.mailbox_len = (uint16_t)url.n,
	};

	s->offered = chan_send(&st->master, MSG_PARK,
			       &(struct chan_out){.payload = &p,
						  .bulk = {session_user(s), url},
						  .fds = {lock_fd(&st->locks, &s->lock)},
						  .nfds = 1});
}

static void look(struct table_item *item, void *can)
{
	const struct session *s = (const struct session *)item;
	bool *all = can;

	*all = *all && s->open && !s->ended && !s->offered && s->lock.held && maildrop_can_rest(&s->md);
}

/* One alone: a process that serves several (virtual users of one uid) is no process for each of them. */
static bool is_quiet(struct store *st)
{
	const double slack_s = 0.001;
	bool can = st->rest_s > 0 && st->sessions.count == 1 && ev_now(st->loop) - st->asked_at + slack_s >= st->rest_s;

	if (can)
		table_each(&st->sessions, look, &can);
	return can;
}

void session_rest_all(struct store *st)
{
	if (!is_quiet(st))
		return;
	if (st->leaving && !st->auths) {
		table_each(&st->sessions, offer, st);
		return;
	}
	st->leaving = true;
	(void)chan_send(&st->master, MSG_IDLE, NULL);
}

/* One that has ended meanwhile is fine. */
enum err session_on_rest(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_rest *q = m->payload;
	const struct peer *front = c->owner;
	struct store *st = front->store;
	struct session *s = (struct session *)table_find(&st->sessions, q->sid);

	if (!s || s->front != front)
		return OK;
	if (!s->offered)
		return fail(why, ERR_PERM, "it gives away a session that was not offered");
	if (q->rests) {
		debug(TOPIC_MAILBOX, DEBUG_TRACE1, "%s: at rest", s->md.path);
		lock_leave(&st->locks, &s->lock);
		session_end(s);
		return OK;
	}
	s->offered = false;
	st->asked_at = ev_now(st->loop);
	return OK;
}

/* ---- it goes on ---- */

static void go_on(struct session *s, const struct msg_park *p)
{
	struct msg_awake awake = {.sid = p->sid};

	s->open = true;
	s->brought = true; /* bulletins came with the login */
	s->fetched = p->fetched;
	s->ahead = p->ahead;
	s->preview = p->preview != 0;
	debug(TOPIC_MAILBOX, DEBUG_TRACE1, "%s: goes on", s->md.path);
	if (!p->over) {
		store_answer(s->front, MSG_AWAKE, &(struct chan_out){.payload = &awake});
		return;
	}
	(void)session_taken(s, p->taken); /* or front has claimed too much, and is not heard */
	session_end(s);
}

enum err session_on_park(struct store *st, struct msg *m, struct why *why)
{
	const struct msg_park *p = m->payload;
	const struct msg_grant g = {.sid = p->sid, .log_id = p->log_id};
	const struct listing_sums was = {.key = p->key, .octets = p->octets, .sum = p->sum, .count = p->count};
	static struct index_first first; /* one is opened at a time */
	struct lock lock = {.held = false};
	struct why reason = {""};

	log_session(p->log_id);
	st->asked_at = ev_now(st->loop);
	if ((size_t)p->name_len + p->mailbox_len != m->bulk.n)
		return fail(why, ERR_PERM, "a session that contradicts itself");
	struct slice url = {m->bulk.p + p->name_len, p->mailbox_len};
	struct session *s = session_make(st, &g, (struct slice){m->bulk.p, p->name_len}, SLICE(""));
	enum err err = lock_adopt(&st->locks, s ? &s->lock : &lock, p->key, msg_take_fd(m, 0), &reason);

	if (!s || !(s->front = store_front(st, sid_front(p->sid)))) {
		lock_release(&st->locks, s ? &s->lock : &lock);
		session_deny_lost(st, p->sid);
		if (s)
			session_end(s);
		return OK;
	}
	store_count(st);
	if (err == OK)
		err = maildrop_resume(&s->md, url, &st->setup, &was, &first, &reason);
	if (err == OK)
		go_on(s, p);
	else
		session_refuse(s, url, err, &reason);
	return OK;
}
