/* store/store.c - the store role: its loop, its channels, its end. See store.h */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/role_log.h"
#include "store/kept.h"
#include "store/replay.h"
#include "store/session.h"

static const double touch_s = 60;   /* between two touches of the locks of sessions */
static const double takeover_s = 1; /* between two looks whether another process wants a maildrop of ours */
/* Without a session, before a worker asks whether it may go: clients come every few minutes. */
static const double idle_s = 600;

struct peer *store_front(const struct store *st, uint32_t serial)
{
	struct peer *p = st->fronts;

	while (p && p->chan.peer_serial != serial)
		p = p->next;
	return p;
}

bool store_front_is_lost(const struct store *st, uint32_t serial)
{
	return !store_front(st, serial) && serial <= st->newest_front;
}

void store_answer(struct peer *front, enum msg_type type, const struct chan_out *out)
{
	/* A channel that is lost says so from the loop. */
	(void)chan_send(&front->chan, type, out);
	if (!front->paused && chan_queued(&front->chan) > 0) {
		front->paused = true;
		chan_pause(&front->chan, true);
	}
}

static void timer_runs(struct store *st, ev_timer *timer, bool wanted)
{
	if (!wanted)
		ev_timer_stop(st->loop, timer);
	else if (!ev_is_active(timer))
		ev_timer_again(st->loop, timer);
}

/* Gone when master, asked, has taken us out of all auths, and the last session has ended. */
void store_count(struct store *st)
{
	struct store_slot *slot = st->env->slot_page;
	bool idle = st->sessions.count == 0,
	     was_idle = atomic_load_explicit(&slot->idle_since_ms, memory_order_relaxed) > 0;

	atomic_store_explicit(&slot->sessions, (uint32_t)st->sessions.count, memory_order_relaxed);
	if (idle != was_idle)
		atomic_store_explicit(&slot->idle_since_ms, idle ? clock_ms() : 0, memory_order_relaxed);
	timer_runs(st, &st->touch, !idle && st->setup.mandatory);
	timer_runs(st, &st->rest, !idle && st->rest_s > 0);
	timer_runs(st, &st->takeover, !idle && st->env->conf->mailbox.session_takeover);
	if (idle && st->leaving && !st->auths)
		ev_break(st->loop, EVBREAK_ALL);
	else
		timer_runs(st, &st->idle, idle);
}

static void on_idle(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct store *st = w->data;

	(void)revents;
	ev_timer_stop(loop, w);
	st->leaving = true;
	(void)chan_send(&st->master, MSG_IDLE, NULL);
}

static void on_touch(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	session_touch_locks(w->data);
}

static void on_rest(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct store *st = w->data;
	double left = st->asked_at + st->rest_s - ev_now(loop);

	(void)revents;
	session_rest_all(st);
	w->repeat = left > 0 ? left : st->rest_s;
	ev_timer_again(loop, w);
}

static void on_takeover(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	session_look_for_takeover(w->data);
}

/* ---- since when we are busy, for auth and master to see ---- */

static void on_before_wait(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct store *st = w->data;

	(void)loop;
	(void)revents;
	for (struct peer *p = st->fronts; p; p = p->next)
		if (p->paused && chan_queued(&p->chan) == 0) {
			p->paused = false;
			chan_pause(&p->chan, false);
		}
	atomic_store_explicit(&st->env->slot_page->busy_since_ms, 0, memory_order_relaxed);
}

static void on_behind_wait(struct ev_loop *loop, ev_check *w, int revents)
{
	const struct store *st = w->data;

	(void)loop;
	(void)revents;
	atomic_store_explicit(&st->env->slot_page->busy_since_ms, clock_ms(), memory_order_relaxed);
}

/* ---- channels ---- */

static void unlink_peer(struct peer **list, const struct peer *p)
{
	while (*list && *list != p)
		list = &(*list)->next;
	if (*list)
		*list = p->next;
}

static void log_closed(const struct chan *c, const char *reason)
{
	if (reason)
		log_line(LOG_ERR, "channel to %s %u is closed: %s", role_name(c->peer), c->peer_serial, reason);
}

static void on_front_closed(struct chan *c, const char *reason)
{
	struct peer *p = c->owner;

	log_closed(c, reason);
	unlink_peer(&p->store->fronts, p);
	session_end_all(p->store, p);
	chan_done(c);
	free(p);
}

static void on_auth_closed(struct chan *c, const char *reason)
{
	struct peer *p = c->owner;
	struct store *st = p->store;

	log_closed(c, reason);
	unlink_peer(&st->auths, p);
	chan_done(c);
	free(p);
	store_count(st);
	session_rest_all(st);
}

static void on_master_closed(struct chan *c, const char *reason)
{
	const struct store *st = c->owner;

	log_closed(c, reason);
	ev_break(st->loop, EVBREAK_ALL);
}

static enum err on_auth_grant(struct chan *c, struct msg *m, struct why *why)
{
	const struct peer *p = c->owner;

	return session_on_grant(p->store, m, why);
}

static enum err on_master_grant(struct chan *c, struct msg *m, struct why *why)
{
	return session_on_grant(c->owner, m, why);
}

static enum err on_master_park(struct chan *c, struct msg *m, struct why *why)
{
	return session_on_park(c->owner, m, why);
}

static void on_state_closed(struct chan *c, const char *reason)
{
	log_closed(c, reason);
	chan_done(c);
}

/* It never says anything but what it is asked. */
static const struct chan_ops state_ops = {.closed = on_state_closed};

void store_settle(struct store *st, uint64_t reservation, enum settle_how how)
{
	struct msg_settle m = {.reservation = reservation, .how = (uint32_t)how};

	if (reservation > 0 && st->state.in.fd >= 0)
		(void)chan_send(&st->state, MSG_SETTLE, &(struct chan_out){.payload = &m});
}

/* State need not wake for it; it does where there is no room in the pipe, or behind a number, which comes first. */
void store_confirm(struct store *st, uint64_t reservation, bool in_order)
{
	if (reservation == 0)
		return;
	if (in_order || write(st->env->confirmed, &reservation, sizeof reservation) != sizeof reservation)
		store_settle(st, reservation, SETTLE_CONFIRM);
}

void store_advance(struct store *st, uint64_t reservation, uint64_t number)
{
	struct msg_advance m = {.reservation = reservation, .number = number};

	if (reservation > 0 && st->state.in.fd >= 0)
		(void)chan_send(&st->state, MSG_ADVANCE, &(struct chan_out){.payload = &m});
}

static const struct chan_ops front_ops = {
	.on =
		{
			[MSG_FETCH] = session_on_fetch,
			[MSG_READ] = session_on_read,
			[MSG_COMMIT] = session_on_commit,
			[MSG_CLOSE] = session_on_close,
			[MSG_REST] = session_on_rest,
		},
	.closed = on_front_closed,
};
static const struct chan_ops auth_ops = {.on = {[MSG_GRANT] = on_auth_grant}, .closed = on_auth_closed};

static enum err on_peer(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_peer *q = m->payload;
	struct store *st = c->owner;
	bool front = q->role == ROLE_FRONT;

	if (q->role == ROLE_LOCKER) {
		locker_connect(&st->locker, st->loop, msg_take_fd(m, 0), q->serial);
		replay_all(&st->setup); /* of the spool, for which it was needed */
		return OK;
	}
	if (q->role == ROLE_STATE) {
		chan_done(&st->state); /* the one before, whose end may not have been told */
		chan_init(&st->state, st->loop, msg_take_fd(m, 0), ROLE_STORE, ROLE_STATE, q->serial, &state_ops, st);
		return OK;
	}
	if (!front && q->role != ROLE_AUTH)
		return fail(why, ERR_PERM, "a peer of role %u", q->role);
	struct peer *p = calloc(1, sizeof *p);
	struct peer **list = front ? &st->fronts : &st->auths;

	if (!p)
		return fail(why, ERR_TEMP, "no memory for a channel");
	p->store = st;
	p->next = *list;
	*list = p;
	if (front && q->serial > st->newest_front)
		st->newest_front = q->serial;
	if (front)
		session_retry(st); /* a grant may have been faster than this */
	else
		st->leaving = false; /* it may send grants */
	chan_init(&p->chan, st->loop, msg_take_fd(m, 0), ROLE_STORE, (enum role)q->role, q->serial,
		  front ? &front_ops : &auth_ops, p);
	store_count(st);
	return OK;
}

/* Others need our place, and master sends us nobody any more. */
static enum err on_go(struct chan *c, struct msg *m, struct why *why)
{
	struct store *st = c->owner;

	(void)m;
	(void)why;
	st->leaving = true;
	store_count(st);
	return OK;
}

/* A session waits for it, or a journal that was to be replayed. */
static enum err on_locked(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_locked *q = m->payload;
	struct store *st = c->owner;
	enum err err = external_answered(&st->external, m, why);

	if (err == OK && !session_on_locked(st, q->job))
		replay_all(&st->setup);
	return err;
}

static const struct chan_ops master_ops = {
	.on =
		{
			[MSG_PEER] = on_peer,
			[MSG_LOG] = role_log_on_log,
			[MSG_IDLE] = on_go,
			[MSG_GRANT] = on_master_grant,
			[MSG_LOCKED] = on_locked,
			[MSG_PARK] = on_master_park,
		},
	.closed = on_master_closed,
};

/* ---- begin and end ---- */

static struct store store;

static void set_up_maildrops(struct store *st)
{
	const struct conf *cf = st->env->conf;

	st->setup =
		(struct maildrop_setup){.type = cf->mailbox.mailbox_type ? cf->mailbox.mailbox_type : "mbox",
					.accuracy = cf->mailbox.autodetect_accuracy,
					.index_dir = -1,
					.lock = {.conf = &cf->locking,
						 .locker = &st->locker,
						 .external = cf->locking.type == LOCK_EXTERNAL ? &st->external : NULL},
					.mandatory = cf->mandatory_locking.enable,
					.mailutils_dir = -1,
					.mailutils_locks = cf->mandatory_locking.lock_directory,
					.journal_dir = -1,
					.uidl_dir = -1,
					.uidl_format = cf->mailbox.uidl_format,
					.uidl_pattern = cf->mailbox.uidl_pattern,
					.stamps = {.days = cf->expire_days,
						   .deletes = cf->delete_expired,
						   .header = cf->expire_mark == EXPIRE_HEADER},
					.mh_backup = cf->mailbox.mh_backup,
					.undelete = cf->undelete,
					.update_flags = cf->mailbox.update_flags,
					.unquote = maildrop_unquote(cf),
					.index = maildrop_index_mode(cf)};
	if (cf->mandatory_locking.enable)
		st->setup.mailutils_dir = open(cf->mandatory_locking.lock_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (st->env->index_dir && st->setup.index != INDEX_OFF) {
		st->setup.index_dir = open(st->env->index_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (st->setup.index_dir < 0)
			log_line(LOG_WARNING, "no indexes in %s: %s", st->env->index_dir, strerror(errno));
		room_set_dir(st->setup.index_dir);
	}
}

/* What is large goes back to the system as soon as it is freed, and not into the heap, which would keep it: workers wait for long. */
static void set_up_memory(void)
{
	enum { LARGE = 128 * 1024 };

	(void)mallopt(M_MMAP_THRESHOLD, LARGE);
}

/* Journals, and what they tell of: nobody is served before that is done. */
static void set_up_journals(struct store *st)
{
	const char *dir = st->env->journal_dir;

	if (!dir)
		return;
	st->setup.journal_dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->setup.journal_dir < 0)
		log_line(LOG_ERR, "no journals in %s: %s", dir, strerror(errno));
	replay_all(&st->setup);
}

static void set_up_uidls(struct store *st)
{
	const char *dir = st->env->uidl_dir;

	if (!dir)
		return;
	st->setup.uidl_dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->setup.uidl_dir < 0)
		log_line(LOG_ERR, "no files of unique-ids in %s: %s", dir, strerror(errno));
}

/* 0: never. Whoever wants a maildrop that rests could not be heard; under inetd there is one client. */
static double rest_s(const struct conf *cf)
{
	bool stays = cf->mailbox.session_takeover || cf->mandatory_locking.enable || cf->mode == MODE_INETD;

	return stays ? 0 : (double)cf->mailbox.session_idle_worker.n;
}

static void set_up_loop(struct store *st)
{
	ev_prepare_init(&st->before_wait, on_before_wait);
	ev_check_init(&st->behind_wait, on_behind_wait);
	ev_init(&st->idle, on_idle);
	st->idle.repeat = idle_s;
	ev_init(&st->takeover, on_takeover);
	st->takeover.repeat = takeover_s;
	ev_init(&st->rest, on_rest);
	st->rest.repeat = st->rest_s = rest_s(st->env->conf);
	ev_init(&st->touch, on_touch);
	st->touch.repeat = touch_s;
	st->before_wait.data = st->behind_wait.data = st->idle.data = st->takeover.data = st->touch.data =
		st->rest.data = st;
	ev_prepare_start(st->loop, &st->before_wait);
	ev_check_start(st->loop, &st->behind_wait);
}

int store_main(const struct role_env *env)
{
	struct store *st = &store;

	st->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV); /* not the default one, which makes ready for children */
	if (!st->loop)
		return EXIT_FAILURE;
	signal(SIGPIPE, SIG_IGN);
	st->env = env;
	st->uid = geteuid();
	st->locks.fd = env->session_fd;
	locker_init(&st->locker, env->spool);
	st->state = (struct chan){.in.fd = -1};
	chan_init(&st->master, st->loop, env->master_fd, ROLE_STORE, ROLE_MASTER, 0, &master_ops, st);
	external_init(&st->external, st->loop, &st->master);
	set_up_maildrops(st);
	set_up_uidls(st);
	bulletins_init(&st->bulletins, env->conf, &st->setup);
	set_up_memory();
	set_up_journals(st);
	set_up_loop(st);
	kept_begin(st->loop);
	role_log_tell(&st->master);
	store_count(st);
	(void)chan_send(&st->master, MSG_READY, NULL);
	ev_run(st->loop, 0);
	session_end_all(st, NULL);
	return EXIT_SUCCESS;
}
