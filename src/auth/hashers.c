/* auth/hashers.c - see hashers.h */
#include "auth/hashers.h"

#include <stdlib.h>

#include "base/log.h"

struct hasher {
	struct hasher *next;
	struct hashers *all;
	struct chan chan;
	bool mute; /* it takes nothing any more; its channel is about to close */
	struct hash_job *job[HASHER_JOBS];
	unsigned njobs;
};

static void put_last(struct hashers *h, struct hash_job *j)
{
	j->next = NULL;
	*h->end = j;
	h->end = &j->next;
	h->waiting++;
}

static void put_first(struct hashers *h, struct hash_job *j)
{
	j->next = h->first;
	if (!h->first)
		h->end = &j->next;
	h->first = j;
	h->waiting++;
}

static struct hash_job *take_first(struct hashers *h)
{
	struct hash_job *j = h->first;

	h->first = j->next;
	if (!h->first)
		h->end = &h->first;
	h->waiting--;
	return j;
}

/* The one with the fewest jobs; NULL: none can take another. */
static struct hasher *hasher_free(const struct hashers *h)
{
	struct hasher *best = NULL;

	for (struct hasher *w = h->list; w; w = w->next)
		if (w->njobs < HASHER_JOBS && !w->mute && (!best || w->njobs < best->njobs))
			best = w;
	return best;
}

static void hasher_give(struct hasher *w, struct hash_job *j)
{
	struct msg_hash m = {
		.job = j->id, .setting_len = (uint16_t)j->setting.n, .password_len = (uint16_t)j->password.n};

	w->job[w->njobs++] = j;
	w->mute = !chan_send(&w->chan, MSG_HASH, &(struct chan_out){.payload = &m, .bulk = {j->setting, j->password}});
	if (!w->mute) /* else it comes back when the channel closes */
		j->tries++;
}

static void dispatch(struct hashers *h)
{
	struct hasher *w;

	while (h->first && (w = hasher_free(h))) {
		struct hash_job *j = take_first(h);

		if (!h->is_known(h->arg, j))
			hasher_give(w, j);
	}
	if (!h->first || h->list)
		ev_timer_stop(h->loop, &h->none);
	else if (!ev_is_active(&h->none)) {
		ev_timer_set(&h->none, HASHERS_WAIT_SECONDS, 0.);
		ev_timer_start(h->loop, &h->none);
	}
}

static void on_none(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct hashers *h = t->data;

	(void)loop;
	(void)revents;
	log_line(LOG_ERR, "auth: no hash process; %zu logins are refused", h->waiting);
	for (size_t n = h->waiting; n > 0; n--)
		h->answer(h->arg, take_first(h), VERDICT_NONE);
	log_session(0);
}

static enum err on_hashed(struct chan *c, struct msg *m, struct why *why)
{
	struct hasher *w = c->owner;
	struct hashers *h = w->all;
	const struct msg_hashed *answer = m->payload;
	unsigned i = 0;

	while (i < w->njobs && w->job[i]->id != answer->job)
		i++;
	if (i == w->njobs || answer->same > 1)
		return fail(why, ERR_PERM, "an answer to a job that it does not have");
	struct hash_job *j = w->job[i];

	w->job[i] = w->job[--w->njobs];
	h->answer(h->arg, j, answer->same == 1 ? VERDICT_RIGHT : VERDICT_WRONG);
	dispatch(h);
	return OK;
}

static void hasher_unlink(struct hasher *w)
{
	struct hasher **at = &w->all->list;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

/* A job that was there when two processes ended is suspect; it is not tried on a third. */
static void on_closed(struct chan *c, const char *reason)
{
	struct hasher *w = c->owner;
	struct hashers *h = w->all;

	if (reason)
		log_line(LOG_WARNING, "auth: channel to hash %u closed: %s", (unsigned)c->peer_serial, reason);
	hasher_unlink(w);
	chan_done(c);
	while (w->njobs > 0) {
		struct hash_job *j = w->job[--w->njobs];

		if (j->tries < HASHER_TRIES)
			put_first(h, j);
		else
			h->answer(h->arg, j, VERDICT_NONE);
	}
	free(w);
	dispatch(h);
}

static const struct chan_ops hasher_ops = {.on = {[MSG_HASHED] = on_hashed}, .closed = on_closed};

void hashers_open(struct hashers *h, struct ev_loop *loop)
{
	h->loop = loop;
	h->end = &h->first;
	ev_timer_init(&h->none, on_none, HASHERS_WAIT_SECONDS, 0.);
	h->none.data = h;
}

void hashers_close(struct hashers *h)
{
	while (h->list) {
		struct hasher *w = h->list;

		h->list = w->next;
		chan_done(&w->chan);
		free(w);
	}
	ev_timer_stop(h->loop, &h->none);
}

enum err hashers_peer(struct hashers *h, const struct msg_peer *peer, int fd, struct why *why)
{
	struct hasher *w = calloc(1, sizeof *w);

	if (!w)
		return fail(why, ERR_TEMP, "no memory for a channel to hash");
	w->all = h;
	w->next = h->list;
	h->list = w;
	chan_init(&w->chan, h->loop, fd, ROLE_AUTH, ROLE_HASH, peer->serial, &hasher_ops, w);
	dispatch(h);
	return OK;
}

bool hashers_put(struct hashers *h, struct hash_job *j)
{
	if (h->waiting >= HASHERS_QUEUE_MOST)
		return false;
	j->id = ++h->last_id;
	j->tries = 0;
	put_last(h, j);
	dispatch(h);
	return true;
}
