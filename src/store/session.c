/* store/session.c - see session.h */
#include "store/session.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/handover.h"
#include "ipc/old_line.h"

enum {
	WAIT_MOST_S = 3600,
	FRONT_WAIT_MS = 5000, /* a grant can overtake the channel to a front that has just been started */
};
static const double retry_s = 0.1;        /* between attempts to get a session lock that another process has */
static const double retry_least_s = 0.01; /* between attempts to get the mailbox lock, whatever `retry-sleep' says */

struct session {
	struct table_item item; /* by session id */
	struct store *store;
	struct peer *front; /* NULL: its channel has not come yet */
	uint32_t front_serial;
	uint64_t log_id;
	char source[SOURCE_MOST]; /* who made the record, for front's log */
	bool open;
	struct maildrop md;
	struct lock lock;
	ev_timer wait;
	uint64_t deadline_ms; /* for the session lock */
	uint32_t attempts;    /* to get the mailbox lock, so far */
	uint8_t *deleted;     /* what QUIT asked for, while it waits to be done; owned */
	struct session *next_waiting;
	uint16_t user_len;
	char user[];
};

/* One message is being answered at a time. */
static char bulk[MSG_BULK_MOST];
static struct index_first first;

static struct slice user_of(const struct session *s)
{
	return (struct slice){s->user, s->user_len};
}

static void old_opened(const struct session *s)
{
	char text[16];
	struct buf number = BUF(text);

	buf_u64(&number, s->md.index.count);
	(void)old_line(s->md.index.count == 1 ? OLD_OPENED_ONE : OLD_OPENED,
		       OLD(user_of(s), slice_str(s->md.path), buf_slice(&number)));
}

static void log_failure(const struct session *s, const char *event, int severity, const struct why *why)
{
	struct event e;

	event_new(&e, event);
	event_kv(&e, "user", user_of(s));
	event_kv(&e, "maildrop", slice_str(s->md.path));
	event_kv(&e, "reason", slice_str(why->text));
	event_log(&e, severity);
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

/* The mailbox lock is busy, and there will be another attempt: meanwhile others are served. */
static bool wait_for_mailbox(struct session *s, enum err err)
{
	const struct conf_locking *locking = &s->store->env->conf->locking;
	double sleep_s = (double)locking->retry_sleep.n;

	if (err != ERR_IN_USE || ++s->attempts >= locking->retry_count) /* 0: one */
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

void session_retry(struct store *st)
{
	wake(st, NULL);
}

/* ---- begin and end ---- */

static void session_end(struct session *s)
{
	struct store *st = s->store;
	uint64_t key = s->md.key;

	stop_waiting(s);
	lock_release(&st->locks, &s->lock);
	if (s->open)
		debug(TOPIC_MAILBOX, DEBUG_TRACE1, "%s: close", s->md.path);
	maildrop_close(&s->md);
	table_remove(&st->sessions, &s->item);
	free(s->deleted);
	free(s);
	wake(st, &key);
	store_count(st);
}

static void deny(struct peer *front, uint64_t sid, enum err err)
{
	struct msg_deny deny = {.sid = sid, .err = (uint32_t)err};

	if (front)
		store_answer(front, MSG_DENY, &(struct chan_out){.payload = &deny});
}

/* Where the front lives, only master can tell it, and that another worker is needed. */
static void deny_lost(struct store *st, uint64_t sid)
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
				.records_at = ix->records.at,
				.block = ix->records.block,
				.block_octets = ix->records.block_octets,
				.count = ix->count,
				.rules = s->md.rules,
				.uid = s->store->uid,
				.name_len = s->user_len};
	struct chan_out out = {
		.payload = &scan, .fds = {ix->fd}, .nfds = !inlined && handover_kind(ix->fd) != HANDOVER_NOT};

	memcpy(scan.source, s->source, sizeof scan.source);
	out.bulk[0] = user_of(s);
	if (inlined)
		out.bulk[1] = (struct slice){(const char *)first.rec, ix->count * sizeof *first.rec};
	store_answer(s->front, MSG_SCAN, &out);
}

/* Opens the maildrop if the locks can be had; otherwise the timer comes again: for the session lock until the deadline, for the
 * mailbox lock as often as `locking' says. */
static void session_try(struct session *s)
{
	struct why why = {"its front is gone"};
	enum err err = s->lock.held ? OK : ERR_IN_USE;

	if (!s->front)
		s->front = store_front(s->store, s->front_serial);
	if (s->front && !s->lock.held)
		err = lock_take(&s->store->locks, &s->lock, s->md.key, &why);
	debug(TOPIC_LOCKER, DEBUG_TRACE1, "%s: session lock: %d=%s %s", s->md.path, (int)err, err_name(err),
	      err == OK ? "" : why.text);
	if (err == ERR_IN_USE && clock_ms() < s->deadline_ms)
		return;
	stop_waiting(s);
	if (err == OK) {
		err = maildrop_open(&s->md, &first, &why);
		if (wait_for_mailbox(s, err))
			return;
	}
	if (err == OK) {
		debug(TOPIC_MAILBOX, DEBUG_TRACE1, "%s: open (%s), %u messages, %llu octets", s->md.path,
		      s->md.driver->name, s->md.index.count, (unsigned long long)s->md.index.octets);
		s->open = true;
		old_opened(s);
		send_scan(s);
		return;
	}
	if (!old_line(err == ERR_IN_USE ? OLD_IN_USE : OLD_NOT_OPENED, OLD(slice_str(s->md.path), slice_str(why.text))))
		log_failure(s, "maildrop-refused", err == ERR_IN_USE ? LOG_INFO : LOG_ERR, &why);
	deny(s->front, s->item.key, err);
	session_end(s);
}

static void commit_try(struct session *s);

static void on_wait(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct session *s = w->data;

	(void)loop;
	(void)revents;
	log_session(s->log_id);
	if (s->deleted)
		commit_try(s);
	else
		session_try(s);
	log_session(0);
}

/* NULL: no memory, or the id is in use. */
static struct session *session_new(struct store *st, const struct msg_grant *g, struct slice user)
{
	struct session *s = calloc(1, sizeof *s + user.n);

	if (s && !table_add(&st->sessions, &s->item, g->sid)) {
		free(s);
		return NULL;
	}
	if (!s)
		return NULL;
	s->store = st;
	s->front_serial = g->front;
	s->md = MAILDROP_CLOSED;
	s->log_id = g->log_id;
	memcpy(s->source, g->source, sizeof s->source);
	s->user_len = (uint16_t)user.n;
	if (user.n > 0)
		memcpy(s->user, user.p, user.n);
	ev_init(&s->wait, on_wait);
	s->wait.data = s;
	return s;
}

static void log_not_found(struct slice user, struct slice mailbox, const struct why *why)
{
	struct event e;

	if (old_line(OLD_NOT_OPENED, OLD(mailbox, slice_str(why->text))))
		return;
	event_new(&e, "maildrop-refused");
	event_kv(&e, "user", user);
	event_kv(&e, "maildrop", mailbox);
	event_kv(&e, "reason", slice_str(why->text));
	event_log(&e, LOG_ERR);
}

static void session_start(struct store *st, const struct msg_grant *g, struct slice user, struct slice mailbox)
{
	uint64_t lock_wait_s = st->env->conf->mailbox.session_lock_wait.n;
	struct session *s = session_new(st, g, user);
	struct why why = {""};

	if (!s) {
		log_line(LOG_ERR, "no memory for a session");
		deny(store_front(st, g->front), g->sid, ERR_TEMP);
		return;
	}
	store_count(st);
	s->front = store_front(st, g->front);
	s->deadline_ms = clock_ms() + (!s->front                   ? FRONT_WAIT_MS
				       : lock_wait_s < WAIT_MOST_S ? lock_wait_s * 1000
								   : WAIT_MOST_S * 1000);
	enum err err = maildrop_find(&s->md, mailbox, &st->setup, &why);

	if (err != OK) {
		log_not_found(user, mailbox, &why);
		deny(s->front, g->sid, err);
		session_end(s);
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
	if ((size_t)g->name_len + g->mailbox_len + g->home_len != m->bulk.n || g->sid >> 32 != g->front)
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
		deny(store_front(st, g->front), g->sid, ERR_PERM);
		return OK;
	}
	if (store_front_is_lost(st, g->front))
		deny_lost(st, g->sid);
	else
		session_start(st, g, user, (struct slice){m->bulk.p + g->name_len, g->mailbox_len});
	return OK;
}

/* ---- what front asks ---- */

/* The open session that a front speaks of, if it is its own. Lines are logged for it from here on. */
static struct session *session_of(const struct chan *c, uint64_t sid)
{
	const struct peer *front = c->owner;
	struct session *s = (struct session *)table_find(&front->store->sessions, sid);

	if (!s || s->front != front || !s->open)
		return NULL;
	log_session(s->log_id);
	return s;
}

enum err session_on_fetch(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_fetch *f = m->payload;
	struct session *s = session_of(c, f->sid);
	struct msg_body answer = {.sid = f->sid, .msgno = f->msgno};
	struct buf out = BUF(bulk);
	struct why reason = {""};
	struct body body;

	if (!s || f->msgno < 1 || f->msgno > s->md.index.count)
		return fail(why, ERR_PERM, "it fetches a message that is not there");
	enum err err = maildrop_fetch(&s->md, f->msgno, f->octets, &out, &answer.count, &body, &reason);

	if (err != OK)
		log_failure(s, "fetch-failed", LOG_ERR, &reason);
	answer.err = (uint32_t)err;
	answer.at = body.at;
	if (body.fd >= 0)
		answer.count = 1;
	bool handed = body.fd >= 0 && handover_kind(body.fd) != HANDOVER_NOT;

	store_answer(
		s->front, MSG_BODY,
		&(struct chan_out){.payload = &answer, .bulk = {buf_slice(&out)}, .fds = {body.fd}, .nfds = handed});
	if (body.fd >= 0)
		close(body.fd);
	return OK;
}

/* Whole records, or octets of a message. False: more than there is. */
static bool read_octets(struct session *s, const struct msg_read *r, struct buf *out, enum err *err, struct why *reason)
{
	const size_t rec = sizeof(struct listing_rec);
	uint64_t listing = s->md.index.count * rec;
	bool within = r->octets <= MSG_BULK_MOST;

	if (within && r->source == SOURCE_LISTING) {
		within = r->at % rec == 0 && r->octets % rec == 0 && r->at <= listing && r->octets <= listing - r->at;
		*err = within ? index_records(&s->md.index, (uint32_t)(r->at / rec), (uint32_t)(r->octets / rec), out,
					      reason)
			      : OK;
		return within;
	}
	within = within && r->source == SOURCE_MESSAGE && r->msgno >= 1 && r->msgno <= s->md.index.count;
	if (within)
		*err = maildrop_read(&s->md, r->msgno, r->at, r->octets, out, &within, reason);
	return within;
}

enum err session_on_read(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_read *r = m->payload;
	struct session *s = session_of(c, r->sid);
	struct msg_bytes answer = {.sid = r->sid, .at = r->at};
	struct buf out = BUF(bulk);
	struct why reason = {""};
	enum err err = OK;

	if (!s || !read_octets(s, r, &out, &err, &reason))
		return fail(why, ERR_PERM, "it reads octets that are not there");
	if (err != OK) {
		log_failure(s, "read-failed", LOG_ERR, &reason);
		out.len = 0;
	}
	answer.err = (uint32_t)err;
	store_answer(s->front, MSG_BYTES, &(struct chan_out){.payload = &answer, .bulk = {buf_slice(&out)}});
	return OK;
}

/* ---- QUIT ---- */

/* The set of a large maildrop comes in a memfd that nobody can change any more. */
static bool read_set(int fd, uint8_t *set, size_t octets)
{
	const int sealed = F_SEAL_SHRINK | F_SEAL_WRITE;
	struct stat st;

	return (fcntl(fd, F_GET_SEALS) & sealed) == sealed && fstat(fd, &st) == 0 && (size_t)st.st_size == octets &&
	       pread(fd, set, octets, 0) == (ssize_t)octets;
}

static uint64_t count_bits(const uint8_t *set, size_t octets)
{
	uint64_t n = 0;

	for (size_t i = 0; i < octets; i++)
		n += (unsigned)__builtin_popcount(set[i]);
	return n;
}

static size_t set_octets(uint32_t count)
{
	return ((size_t)count + 7) / 8;
}

/* The set that comes with a commit, for as long as that may take. Freed by the caller; NULL: it is not right, or no memory. */
static uint8_t *take_set(const struct msg_commit *q, const struct msg *m)
{
	size_t octets = set_octets(q->count);
	bool handed = m->nfds > 0;
	uint8_t *set = m->bulk.n == (handed ? 0 : octets) ? malloc(octets + 1) : NULL;

	if (!set)
		return NULL;
	if (!handed)
		memcpy(set, m->bulk.p, octets);
	if ((!handed || read_set(m->fds[0], set, octets)) && count_bits(set, octets) == q->deleted &&
	    (q->count % 8 == 0 || set[octets - 1] >> q->count % 8 == 0))
		return set;
	free(set);
	return NULL;
}

static void log_commit(const struct session *s, enum err err, const struct outcome *outcome, const struct why *why)
{
	struct event e;
	event_new(&e, "deleted");
	event_kv(&e, "user", user_of(s));
	event_kv(&e, "maildrop", slice_str(s->md.path));
	event_u64(&e, "deleted", outcome->deleted);
	event_u64(&e, "failed", outcome->failed);
	if (err != OK)
		event_kv(&e, "reason", slice_str(why->text));
	event_log(&e, err == OK ? LOG_INFO : LOG_ERR);
}

/* Deletes and answers, unless the mailbox lock is busy: then the timer comes again, until front closes the session. */
static void commit_try(struct session *s)
{
	const struct changes ch = {.deleted = s->deleted, .count = s->md.index.count};
	struct msg_done done = {.sid = s->item.key};
	struct outcome outcome = {0};
	struct why why = {""};

	debug(TOPIC_MAILBOX, DEBUG_TRACE1, "%s: commit", s->md.path);
	enum err err = maildrop_commit(&s->md, &ch, &outcome, &why);

	if (wait_for_mailbox(s, err))
		return;
	if (err == ERR_IN_USE) {
		outcome = (struct outcome){.failed = (uint32_t)count_bits(ch.deleted, set_octets(ch.count))};
		err = ERR_TEMP;
	}
	log_commit(s, err, &outcome, &why);
	done.err = (uint32_t)err;
	done.deleted = outcome.deleted;
	store_answer(s->front, MSG_DONE, &(struct chan_out){.payload = &done});
	session_end(s);
}

/* Comes from the least trusted process: every number is checked against what there is. */
enum err session_on_commit(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_commit *q = m->payload;
	struct session *s = session_of(c, q->sid);

	if (!s || q->count != s->md.index.count)
		return fail(why, ERR_PERM, "a commit for another maildrop");
	s->deleted = take_set(q, m);
	if (!s->deleted)
		return fail(why, ERR_PERM, "a commit that contradicts itself");
	s->open = false; /* nothing else is asked for any more */
	s->attempts = 0;
	commit_try(s);
	return OK;
}

/* One that has ended meanwhile, or was denied, is fine. */
enum err session_on_close(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_close *q = m->payload;
	const struct peer *front = c->owner;
	struct session *s = (struct session *)table_find(&front->store->sessions, q->sid);

	(void)why;
	if (s && s->front == front)
		session_end(s);
	return OK;
}

static void end_one(struct table_item *item, void *front)
{
	struct session *s = (struct session *)item;

	if (front && s->front != front)
		return;
	if (front && !s->open && !s->deleted) /* a login that waits */
		deny_lost(s->store, s->item.key);
	session_end(s);
}

void session_end_all(struct store *st, const struct peer *front)
{
	table_each(&st->sessions, end_one, (void *)front);
}
