/* state/state.c - the state role: what is kept of a user from one login to the next
 *
 * It is there only where something is configured that needs it, and it alone opens these data bases. Auth asks, once the password was right,
 * whether the user may log in (RESERVE); whoever the login comes to says what became of it (SETTLE). Until then it is a reservation
 * (reservations.h), which is undone where nobody is left to settle it. */
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/role_log.h"
#include "state/logins.h"
#include "state/numbers.h"
#include "state/reservations.h"

enum {
	DOUBT_MS = 1000,   /* a reservation that nobody may be left to confirm; what was on its way has come by then */
	INHERIT_MS = 5000, /* in which auths have asked again what they had asked the process before us */
	UNREAD_MOST = 256, /* reservations before what stores have confirmed is read: there is room for many more */
};
static const double doubt_look_s = 0.5; /* between two looks for such */

/* A channel to an auth or a store. */
struct peer {
	struct chan chan;
	struct peer *next;
	bool paused; /* its answers wait: nothing is taken from it until they are through */
};

struct state_role {
	struct ev_loop *loop;
	struct chan master;
	struct peer *auths, *stores;
	struct reservations reservations;
	struct logins logins;
	struct numbers numbers;
	int confirmed; /* the pipe that stores confirm by */
	ev_timer doubt;
	ev_prepare before_wait;
};

static struct state_role self;

/* --- reservations ----------------------------------------------------------------------------------------------- */

/* A login that was let in and is over before it began. What somebody else has recorded meanwhile stays. */
static void undo(struct reservation *r)
{
	struct login_times t;
	struct slice key = reservation_key(r);

	if (r->recorded && logins_get(&self.logins, key, SLICE(""), &t) == OK && t.own == r->at)
		(void)logins_put(&self.logins, key, r->had_before ? r->before : 0); /* else it counts: told by then */
	reservation_end(r);
}

static void doubt_start(void)
{
	if (!ev_is_active(&self.doubt))
		ev_timer_again(self.loop, &self.doubt);
}

static const struct peer *auth_find(uint32_t serial)
{
	const struct peer *p = self.auths;

	while (p && p->chan.peer_serial != serial)
		p = p->next;
	return p;
}

/* The process before us has left reservations: whose auth has ended meanwhile, nobody told us. */
static void doubt_orphans(void)
{
	const struct reservations *rs = &self.reservations;

	for (uint32_t i = 0; i < RESERVATIONS_MOST; i++)
		if (rs->row[i].number != 0 && !auth_find(rs->row[i].auth))
			reservations_doubt(rs, rs->row[i].auth, clock_ms());
	self.reservations.inherited = 0;
}

static void on_doubt(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct reservation *r = NULL;
	uint64_t now = clock_ms();

	(void)revents;
	reservations_take_confirmed(&self.reservations, self.confirmed);
	if (self.reservations.inherited > 0 && now - self.reservations.since_ms >= INHERIT_MS)
		doubt_orphans();
	while ((r = reservations_doubtful(&self.reservations, r, now - DOUBT_MS)))
		undo(r);
	if (self.reservations.inherited == 0 && !reservations_doubtful(&self.reservations, NULL, now))
		ev_timer_stop(loop, w);
}

/* --- what auth asks --------------------------------------------------------------------------------------------- */

/* Whether the process before us let this login in, and has recorded it. */
static struct reservation *resumed(const struct msg_reserve *q, struct slice key)
{
	struct reservation *r = reservations_inherited(&self.reservations, q->sid, key);
	struct login_times t;

	if (!r)
		return NULL;
	if (!r->recorded || (logins_get(&self.logins, key, SLICE(""), &t) == OK && t.own == r->at))
		return r;
	reservation_end(r); /* it was about to */
	return NULL;
}

/* ERR_DELAY: he comes too soon. Trouble with the data base lets him in. */
static enum err delay_check(const struct msg_reserve *q, struct reservation *r, struct slice old)
{
	struct login_times t;
	uint64_t now = (uint64_t)time(NULL);

	if (!(q->wants & RESERVE_DELAY) || logins_get(&self.logins, reservation_key(r), old, &t) != OK)
		return OK;
	if (login_is_too_soon(t.last, now, q->delay_s))
		return ERR_DELAY;
	r->recorded = true;
	r->at = now;
	r->had_before = t.own > 0;
	r->before = t.own;
	return OK;
}

/* The row is there before the record is, so that a record without a row is never one that can be undone. */
static enum err reserve(const struct peer *auth, const struct msg_reserve *q, struct slice key, struct slice old,
			struct msg_reserved *answer)
{
	enum err err;

	if (self.reservations.begun >= UNREAD_MOST)
		reservations_take_confirmed(&self.reservations, self.confirmed);
	struct reservation *r = reservations_new(&self.reservations, key);

	r->sid = q->sid;
	r->auth = auth->chan.peer_serial;
	err = delay_check(q, r, old);
	if (err != OK || !(r->recorded || q->wants & RESERVE_BULLETIN))
		return err;
	if (!reservation_begin(&self.reservations, r))
		return OK; /* without a number nobody could settle it */
	if (r->recorded && logins_put(&self.logins, key, r->at) != OK)
		reservation_end(r);
	answer->reservation = r->number;
	return OK;
}

static void answer_send(struct peer *auth, const struct msg_reserved *answer)
{
	(void)chan_send(&auth->chan, MSG_RESERVED,
			&(struct chan_out){.payload = answer}); /* one that is lost says so from the loop */
	if (!auth->paused && chan_queued(&auth->chan) > 0) {
		auth->paused = true;
		chan_pause(&auth->chan, true);
	}
}

static enum err on_reserve(struct chan *c, struct msg *m, struct why *why)
{
	struct peer *auth = c->owner;
	const struct msg_reserve *q = m->payload;
	struct slice key = {m->bulk.p, q->key_len}, old = {m->bulk.p + q->key_len, q->old_len};
	struct msg_reserved answer = {.sid = q->sid, .bulletin = BULLETIN_UNKNOWN};

	if ((size_t)q->key_len + q->old_len != m->bulk.n || q->key_len == 0 || q->key_len > KEY_MOST)
		return fail(why, ERR_PERM, "a reservation with lengths that do not add up");
	log_session(q->log_id);
	const struct reservation *r = resumed(q, key);

	if (r)
		answer.reservation = r->number;
	else
		answer.err = (uint32_t)reserve(auth, q, key, old, &answer);
	if (answer.err == OK && q->wants & RESERVE_BULLETIN)
		answer.bulletin = numbers_get(&self.numbers, key, old);
	answer_send(auth, &answer);
	log_session(0);
	return OK;
}

/* --- what became of it ------------------------------------------------------------------------------------------ */

static enum err on_settle(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_settle *q = m->payload;
	struct reservation *r = reservations_find(&self.reservations, q->reservation);

	(void)c;
	if (q->how >= SETTLE_WAYS)
		return fail(why, ERR_PERM, "nobody knows what became of a reservation");
	if (!r)
		return OK; /* it was settled before */
	if (q->how == SETTLE_CONFIRM) {
		reservation_end(r);
	} else if (q->how == SETTLE_RELEASE) {
		undo(r);
	} else if (r->doubt_ms == 0) {
		r->doubt_ms = clock_ms();
		doubt_start();
	}
	return OK;
}

/* Whose it is the reservation says: a store cannot name another user. */
static enum err on_advance(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_advance *q = m->payload;
	const struct reservation *r = reservations_find(&self.reservations, q->reservation);

	(void)c;
	(void)why;
	if (r)
		numbers_put(&self.numbers, reservation_key(r), q->number);
	return OK;
}

/* --- channels --------------------------------------------------------------------------------------------------- */

static void peer_end(struct peer **list, struct peer *p)
{
	while (*list != p)
		list = &(*list)->next;
	*list = p->next;
	chan_done(&p->chan);
	free(p);
}

static void log_closed(const struct chan *c, const char *reason)
{
	if (reason)
		log_line(LOG_ERR, "channel to %s %u is closed: %s", role_name(c->peer), c->peer_serial, reason);
}

static void on_auth_closed(struct chan *c, const char *reason)
{
	log_closed(c, reason);
	reservations_doubt(&self.reservations, c->peer_serial, clock_ms());
	doubt_start();
	peer_end(&self.auths, c->owner);
}

static void on_store_closed(struct chan *c, const char *reason)
{
	log_closed(c, reason);
	peer_end(&self.stores, c->owner);
}

static const struct chan_ops auth_ops = {.on = {[MSG_RESERVE] = on_reserve, [MSG_SETTLE] = on_settle},
					 .closed = on_auth_closed};
static const struct chan_ops store_ops = {.on = {[MSG_SETTLE] = on_settle, [MSG_ADVANCE] = on_advance},
					  .closed = on_store_closed};

static enum err on_peer(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_peer *q = m->payload;
	bool is_auth = q->role == ROLE_AUTH;
	struct peer **list = is_auth ? &self.auths : &self.stores, *p;

	if (!is_auth && q->role != ROLE_STORE)
		return fail(why, ERR_PERM, "a channel to a process that has no business with logins");
	p = calloc(1, sizeof *p);
	if (!p) {
		log_line(LOG_ERR, "no memory for a channel to %s %u", role_name((enum role)q->role),
			 q->serial); /* which goes on */
		return OK;
	}
	p->next = *list;
	*list = p;
	chan_init(&p->chan, c->loop, msg_take_fd(m, 0), ROLE_STATE, (enum role)q->role, q->serial,
		  is_auth ? &auth_ops : &store_ops, p);
	return OK;
}

static void on_master_closed(struct chan *c, const char *reason)
{
	(void)reason; /* whoever made the channel knows */
	ev_break(c->loop, EVBREAK_ALL);
}

static const struct chan_ops master_ops = {
	.on = {[MSG_PEER] = on_peer, [MSG_SETTLE] = on_settle, [MSG_LOG] = role_log_on_log},
	.closed = on_master_closed};

static void on_before_wait(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	for (struct peer *p = self.auths; p; p = p->next)
		if (p->paused && chan_queued(&p->chan) == 0) {
			p->paused = false;
			chan_pause(&p->chan, false);
		}
}

static void state_end(void)
{
	role_log_tell(NULL);
	while (self.auths)
		peer_end(&self.auths, self.auths);
	while (self.stores)
		peer_end(&self.stores, self.stores);
	logins_close(&self.logins);
	numbers_close(&self.numbers);
	chan_done(&self.master);
	ev_prepare_stop(self.loop, &self.before_wait);
	ev_timer_stop(self.loop, &self.doubt);
	ev_loop_destroy(self.loop);
}

static void set_up_loop(void)
{
	ev_prepare_init(&self.before_wait, on_before_wait);
	ev_prepare_start(self.loop, &self.before_wait);
	ev_init(&self.doubt, on_doubt);
	self.doubt.repeat = doubt_look_s;
	if (self.reservations.inherited > 0)
		doubt_start();
}

size_t state_octets(void)
{
	return reservations_octets();
}

int state_main(const struct role_env *env)
{
	(void)signal(SIGPIPE, SIG_IGN);
	self = (struct state_role){.loop = ev_loop_new(EVFLAG_AUTO), .confirmed = env->confirmed};
	if (!self.loop)
		return EX_OSERR;
	chan_init(&self.master, self.loop, env->master_fd, ROLE_STATE, ROLE_MASTER, 0, &master_ops, NULL);
	role_log_tell(&self.master);
	reservations_open(&self.reservations, env->reservations);
	reservations_take_confirmed(&self.reservations, self.confirmed);
	logins_open(&self.logins, self.loop, env);
	numbers_open(&self.numbers, self.loop, env);
	set_up_loop();
	if (chan_send(&self.master, MSG_READY, NULL))
		ev_run(self.loop, 0);
	state_end();
	return EX_OK;
}
