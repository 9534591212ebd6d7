/* store/session.c - see session.h */
#include "store/session_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ipc/old_line.h"

enum {
	WAIT_MOST_S = 3600,
	FRONT_WAIT_MS = 5000, /* a grant can overtake the channel to a front that has just been started */
	LET_GO_MS = 500,      /* that a process may need to let go of a maildrop whose client was told so */
	TAKEOVER_MS = 5000,   /* or to hear that it must */
	LOCK_ATTEMPTS = 3,    /* at least: then all that was on its way when the first one failed has been heard */
};
static const double retry_s = 0.1;        /* between attempts to get a session lock that another process has */
static const double retry_least_s = 0.01; /* between attempts to get the mailbox lock, whatever `retry-sleep' says */

/* One maildrop is being opened at a time. */
static struct index_first first;

struct slice session_user(const struct session *s)
{
	return (struct slice){s->user, s->user_len};
}

static void old_opened(const struct session *s)
{
	char text[16];
	struct buf number = BUF(text);

	buf_u64(&number, s->md.index.count);
	(void)old_line(s->md.index.count == 1 ? OLD_OPENED_ONE : OLD_OPENED,
		       OLD(session_user(s), slice_str(s->md.path), buf_slice(&number)));
}

static void log_event(const struct session *s, const char *event, struct slice maildrop, int severity,
		      const struct why *why)
{
	struct event e;

	event_new(&e, event);
	event_kv(&e, "user", session_user(s));
	event_kv(&e, "maildrop", maildrop);
	event_kv(&e, "reason", slice_str(why->text));
	event_log(&e, severity);
}

void session_log_failure(const struct session *s, const char *event, int severity, const struct why *why)
{
	log_event(s, event, slice_str(s->md.path), severity, why);
}

/* ---- waiting ---- */

static void stop_waiting(struct session *s)
{
	struct session **at = &s->store->waiting;

	ev_timer_stop(s->store->loop, &s->wait);
	while (*at && *at != s)
		at = &(*at)->next_waiting;
	if (*at)
		*at = s->next_waiting;
}

/* Its timer comes every so many seconds, until stop_waiting. */
static void start_waiting(struct session *s, double seconds)
{
	stop_waiting(s);
	s->next_waiting = s->store->waiting;
	s->store->waiting = s;
	ev_timer_set(&s->wait, seconds, seconds);
	ev_timer_start(s->store->loop, &s->wait);
}

bool session_waits_for_mailbox(struct session *s, enum err err)
{
	const struct conf_locking *locking = &s->store->env->conf->locking;
	const struct external *external = &s->store->external;
	double sleep_s = (double)locking->retry_sleep.n;

	s->external_job = err == ERR_IN_USE ? external->asked : 0;
	if (s->external_job > 0) {
		start_waiting(s, WAIT_MOST_S); /* the answer comes sooner */
		return true;
	}
	if (err != ERR_IN_USE || external->refused || ++s->attempts >= locking->retry_count) /* 0: one */
		return false;
	start_waiting(s, sleep_s > retry_least_s ? sleep_s : retry_least_s);
	return true;
}

/* Something may have changed for those that wait for a session lock, or for their front; the others have their timer alone. */
static void wake(struct store *st, const uint64_t *key)
{
	for (struct session *w = st->waiting; w; w = w->next_waiting)
		if (!w->lock.held && (!key || w->md.key == *key))
			ev_feed_event(st->loop, &w->wait, EV_TIMER);
}

bool session_on_locked(struct store *st, uint64_t job)
{
	struct session *w = st->waiting;

	while (w && w->external_job != job)
		w = w->next_waiting;
	if (w)
		ev_feed_event(st->loop, &w->wait, EV_TIMER);
	return w != NULL;
}

void session_retry(struct store *st)
{
	wake(st, NULL);
}

/* ---- begin and end ---- */

static void stop_asking(struct session *s)
{
	if (s->asks)
		lock_unask(&s->store->locks, s->md.key);
	s->asks = false;
}

/* Others may have the maildrop. */
static void let_go(struct session *s)
{
	uint64_t key = s->md.key;

	stop_waiting(s);
	stop_asking(s);
	external_forget(&s->store->external, s->external_job);
	lock_release(&s->store->locks, &s->lock);
	if (s->open)
		debug(TOPIC_MAILBOX, DEBUG_TRACE1, "%s: close", s->md.path);
	maildrop_close(&s->md);
	s->open = false;
	wake(s->store, &key);
}

void session_end(struct session *s)
{
	struct store *st = s->store;

	let_go(s);
	store_settle(st, s->reservation, SETTLE_RELEASE); /* of one that was opened there is none any more */
	table_remove(&st->sessions, &s->item);
	free(s->deleted);
	free(s);
	store_count(st);
}

static void deny(struct peer *front, uint64_t sid, enum err err)
{
	struct msg_deny deny = {.sid = sid, .err = (uint32_t)err};

	if (front)
		store_answer(front, MSG_DENY, &(struct chan_out){.payload = &deny});
}

/* And that another worker is needed. */
void session_deny_lost(struct store *st, uint64_t sid)
{
	struct msg_deny deny = {.sid = sid, .err = ERR_TEMP};

	(void)chan_send(&st->master, MSG_DENY, &(struct chan_out){.payload = &deny}); /* who loses master ends */
}

static void send_scan(const struct session *s)
{
	const struct index *ix = &s->md.index;
	bool inlined = ix->count <= INDEX_INLINE;
	struct msg_scan scan = {.sid = s->item.key,
				.octets = ix->octets,
				.due = maildrop_due(&s->md),
				.records_at = ix->records.at,
				.block = ix->records.block,
				.block_octets = ix->records.block_octets,
				.count = ix->count,
				.rules = s->md.rules,
				.login_delay_s = s->login_delay_s,
				.uid = s->store->uid,
				.name_len = s->user_len};
	struct chan_out out = {.payload = &scan, .fds = {ix->fd}, .nfds = !inlined && index_is_handed_over(ix)};

	memcpy(scan.source, s->source, sizeof scan.source);
	out.bulk[0] = session_user(s);
	if (inlined)
		out.bulk[1] = (struct slice){(const char *)first.rec, ix->count * sizeof *first.rec};
	store_answer(s->front, MSG_SCAN, &out);
}

/* The login counts, before anybody hears that it was one: whenever we are killed, no client has two in an interval. */
static void confirm(struct session *s)
{
	store_confirm(s->store, s->reservation, s->advanced);
	s->reservation = 0;
}

void session_refuse(struct session *s, struct slice maildrop, enum err err, const struct why *why)
{
	bool in_use = err == ERR_IN_USE || s->store->external.refused;

	if (!old_line(in_use ? OLD_IN_USE : OLD_NOT_OPENED, OLD(maildrop, slice_str(why->text))))
		log_event(s, "maildrop-refused", maildrop, err == ERR_IN_USE ? LOG_INFO : LOG_ERR, why);
	external_begin(&s->store->external);
	deny(s->front, s->item.key, err);
	session_end(s);
}

void session_taken_away(struct session *s)
{
	deny(s->front, s->item.key, ERR_IN_USE);
	let_go(s);
	s->ended = true;
}

static void touch(struct table_item *item, void *store)
{
	(void)store;
	maildrop_touch(&((struct session *)item)->md);
}

void session_touch_locks(struct store *st)
{
	table_each(&st->sessions, touch, st);
}

/* ---- begin ---- */

static enum err take_lock(struct session *s, struct why *why)
{
	struct locks *locks = &s->store->locks;
	enum err err = lock_take(locks, &s->lock, s->md.key, why);

	s->lock_attempts++;
	if (err == ERR_IN_USE && session_takes_over(s))
		err = lock_take(locks, &s->lock, s->md.key, why);
	if (err == OK)
		stop_asking(s);
	return err;
}

static void advance(void *session, uint64_t number)
{
	struct session *s = session;

	s->advanced = true;
	store_advance(s->store, s->reservation, number);
}

/* Bulletins come before the maildrop is looked at. True: it waits, and comes again. */
static bool waits_for_bulletins(struct session *s)
{
	const struct bulletin_user u = {.name = session_user(s),
					.home = s->user + s->user_len,
					.db = s->bulletin != BULLETIN_UNKNOWN,
					.db_known = s->bulletin < BULLETIN_UNKNOWN,
					.db_number = s->bulletin,
					.db_advance = advance,
					.arg = s};
	struct bulletins *b = &s->store->bulletins;
	struct why why = {""};

	if (s->brought)
		return false;
	enum err err = bulletins_bring(b, &s->md, &u, &why);

	if (session_waits_for_mailbox(s, err))
		return true;
	if (err != OK)
		bulletins_tell(b, &s->md, &why);
	s->brought = true;
	return false;
}

/* Opens the maildrop if the locks can be had; otherwise the timer comes again: for the session lock until the deadline, for the
 * mailbox lock as often as `locking' says. */
static void session_try(struct session *s)
{
	struct why why = {"its front is gone"};
	enum err err = s->lock.held ? OK : ERR_IN_USE;

	if (!s->front)
		s->front = store_front(s->store, sid_front(s->item.key));
	if (s->front && !s->lock.held)
		err = take_lock(s, &why);
	debug(TOPIC_LOCKER, DEBUG_TRACE1, "%s: session lock: %d=%s %s", s->md.path, (int)err, err_name(err),
	      err == OK ? "" : why.text);
	if (err == ERR_IN_USE && (clock_ms() < s->deadline_ms || s->lock_attempts < LOCK_ATTEMPTS))
		return;
	stop_waiting(s);
	if (err == OK) {
		external_begin(&s->store->external);
		if (waits_for_bulletins(s))
			return;
		err = maildrop_open(&s->md, &first, &why);
		if (session_waits_for_mailbox(s, err))
			return;
	}
	if (err == OK) {
		debug(TOPIC_MAILBOX, DEBUG_TRACE1, "%s: open (%s), %u messages, %llu octets", s->md.path,
		      s->md.driver->name, s->md.index.count, (unsigned long long)s->md.index.octets);
		s->open = true;
		old_opened(s);
		confirm(s);
		send_scan(s);
		return;
	}
	session_refuse(s, slice_str(s->md.path), err, &why);
}

static void on_wait(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct session *s = w->data;

	(void)loop;
	(void)revents;
	log_session(s->log_id);
	if (s->deleted)
		session_commit_try(s);
	else
		session_try(s);
	log_session(0);
}

struct session *session_make(struct store *st, const struct msg_grant *g, struct slice user, struct slice home)
{
	struct session *s = calloc(1, sizeof *s + user.n + home.n + 1);

	if (s && !table_add(&st->sessions, &s->item, g->sid)) {
		free(s);
		return NULL;
	}
	if (!s)
		return NULL;
	s->store = st;
	s->md = MAILDROP_CLOSED;
	s->log_id = g->log_id;
	s->reservation = g->reservation;
	s->bulletin = g->bulletin;
	s->login_delay_s = g->login_delay_s;
	memcpy(s->source, g->source, sizeof s->source);
	s->user_len = (uint16_t)user.n;
	if (user.n > 0)
		memcpy(s->user, user.p, user.n);
	(void)slice_cstr(home, s->user + user.n, home.n + 1); /* one with a NUL in it is none */
	ev_init(&s->wait, on_wait);
	s->wait.data = s;
	return s;
}

/* How long it waits for the session lock. */
static uint64_t lock_wait_ms(const struct session *s)
{
	const struct conf *cf = s->store->env->conf;
	uint64_t wait_s = cf->mailbox.session_lock_wait.n;
	uint64_t wait_ms = wait_s < WAIT_MOST_S ? wait_s * 1000 : WAIT_MOST_S * 1000;
	uint64_t least_ms = !s->front ? FRONT_WAIT_MS : cf->mailbox.session_takeover ? TAKEOVER_MS : LET_GO_MS;

	return wait_ms > least_ms ? wait_ms : least_ms;
}

/* What the grant says of the user. */
struct words {
	struct slice user, mailbox, home;
};

static void session_start(struct store *st, const struct msg_grant *g, const struct words *w)
{
	struct session *s = session_make(st, g, w->user, st->bulletins.source.url ? w->home : SLICE(""));
	struct slice mailbox = w->mailbox;
	struct why why = {""};

	if (!s) {
		log_line(LOG_ERR, "no memory for a session");
		store_settle(st, g->reservation, SETTLE_RELEASE);
		deny(store_front(st, sid_front(g->sid)), g->sid, ERR_TEMP);
		return;
	}
	store_count(st);
	s->front = store_front(st, sid_front(g->sid));
	s->deadline_ms = clock_ms() + lock_wait_ms(s);
	external_begin(&st->external);
	enum err err = maildrop_find(&s->md, mailbox, &st->setup, &why);

	if (err != OK) {
		session_refuse(s, mailbox, err, &why);
		return;
	}
	start_waiting(s, retry_s);
	session_try(s);
}

/* A worker serves its owner, and root never. Whoever asks for anything else was taken over, or has a bug. */
static bool is_for_us(const struct store *st, const struct msg_grant *g)
{
	return g->uid == st->env->uid && g->gid == st->env->gid && g->uid == st->uid && g->uid != 0 &&
	       g->uid >= st->env->conf->auth.min_uid;
}

enum err session_on_grant(struct store *st, struct msg *m, struct why *why)
{
	const struct msg_grant *g = m->payload;
	struct slice user = {m->bulk.p, g->name_len};

	log_session(g->log_id);
	st->asked_at = ev_now(st->loop);
	if ((size_t)g->name_len + g->mailbox_len + g->home_len != m->bulk.n)
		return fail(why, ERR_PERM, "a grant that contradicts itself");
	if (table_find(&st->sessions, g->sid))
		return fail(why, ERR_PERM, "a grant for a session that there is");
	if (!is_for_us(st, g)) {
		struct event e;

		event_new(&e, "grant-refused");
		event_kv(&e, "user", user);
		event_u64(&e, "uid", g->uid);
		event_u64(&e, "gid", g->gid);
		event_u64(&e, "own-uid", st->uid);
		event_log(&e, LOG_ERR);
		store_settle(st, g->reservation, SETTLE_RELEASE);
		deny(store_front(st, sid_front(g->sid)), g->sid, ERR_PERM);
		return OK;
	}
	if (store_front_is_lost(st, sid_front(g->sid))) {
		store_settle(st, g->reservation, SETTLE_RELEASE);
		session_deny_lost(st, g->sid);
	} else {
		session_start(st, g,
			      &(struct words){user,
					      {m->bulk.p + g->name_len, g->mailbox_len},
					      {m->bulk.p + g->name_len + g->mailbox_len, g->home_len}});
	}
	return OK;
}

/* ---- what front says ---- */

struct session *session_of(const struct chan *c, uint64_t sid, bool *late)
{
	const struct peer *front = c->owner;
	struct session *s = (struct session *)table_find(&front->store->sessions, sid);
	bool ours = s && s->front == front;

	*late = ours && s->ended;
	if (!ours || !s->open)
		return NULL;
	s->requests++;
	s->store->asked_at = ev_now(s->store->loop);
	log_session(s->log_id);
	return s;
}

/* One that has ended meanwhile, or was denied, is fine. */
enum err session_on_close(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_close *q = m->payload;
	const struct peer *front = c->owner;
	struct session *s = (struct session *)table_find(&front->store->sessions, q->sid);

	if (!s || s->front != front)
		return OK;
	if (s->open && !session_taken(s, q->taken))
		return fail(why, ERR_PERM, "it has retrieved messages that it never got");
	session_end(s);
	return OK;
}

static void end_one(struct table_item *item, void *front)
{
	struct session *s = (struct session *)item;

	if (front && s->front != front)
		return;
	if (front && !s->open && !s->deleted && !s->ended) /* a login that waits */
		session_deny_lost(s->store, s->item.key);
	if (s->offered) /* what becomes of it, and of its lock, is between front and master */
		lock_leave(&s->store->locks, &s->lock);
	session_end(s);
}

void session_end_all(struct store *st, const struct peer *front)
{
	table_each(&st->sessions, end_one, (void *)front);
}
