/* master/supervise.c - see supervise.h */
#include "master/supervise.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "base/log.h"
#include "conf/acl.h"
#include "master/backends.h"
#include "master/child.h"
#include "master/daemon.h"
#include "master/ending.h"
#include "master/external.h"
#include "master/grant.h"
#include "master/inetd.h"
#include "master/landlock.h"
#include "master/recover.h"
#include "master/tell.h"

enum {
	AUTHS = 2,     /* processes of the pool that looks users up */
	REPLAY_S = 20, /* for journals, before the others are started all the same */
	START_S = 30,  /* for all roles together to be ready */
	KILL_S = 2,    /* what is killed must be gone by then */
};

static void roles_begin(struct master *m);

static void start_failed(struct master *m, int status, const char *reason)
{
	struct chan_out out = {.bulk = {slice_str(reason)}};

	tell(LOG_ERR, "%s", reason);
	if (m->keeper_fd >= 0)
		(void)chan_send(&m->keeper, MSG_FAILED, &out);
	ending_stop(m, status);
}

/* A worker that was started for its journals has done with them, or ended. */
static void recovered(struct master *m)
{
	if (m->starting && m->recovering > 0 && --m->recovering == 0 && !m->stopping)
		roles_begin(m);
}

static void child_ended(struct child *c, int status)
{
	struct master *m = c->master;
	bool was_ready = c->ready, died = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	struct identity owner = c->owner;
	struct why why;

	child_end(c, status);
	if (c->role == ROLE_STORE)
		externals_lose(c, died);
	if (c->role == ROLE_STORE)
		worker_ended(c, died || !was_ready);
	if (c->role == ROLE_STORE && !was_ready)
		recovered(m);
	if (c->role == ROLE_STORE && died && !m->starting && !m->stopping)
		recover_owner(m, owner);
	if (c->role == ROLE_FRONT) {
		commons_clear(m->commons, m->first + c->slot);
		opener_front_ended(m, c->serial);
		parked_front_ended(m, c->serial);
	}
	if (c->role == ROLE_OPENER)
		opener_ended(m);
	if (m->stopping) {
		externals_leave(m);
	} else if (m->starting && c->role != ROLE_STORE && !was_ready) {
		(void)fail(&why, ERR_TEMP, "%s ended before it was ready", child_name(c));
		start_failed(m,
			     WIFEXITED(status) && WEXITSTATUS(status) >= EX__BASE ? WEXITSTATUS(status) : EX_SOFTWARE,
			     why.text);
	} else if (m->is_inetd && c->role == ROLE_FRONT) {
		ending_stop(m, WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE);
	} else if (m->leaving && c->role == ROLE_FRONT) {
		ending_front_left(m);
	} else if (c->role != ROLE_STORE && c->role != ROLE_RELAY) {
		child_start_later(c);
	}
}

static struct child *child_find(struct master *m, pid_t pid)
{
	for (enum role r = ROLE_FRONT; r < ROLE_COUNT; r++)
		for (unsigned i = 0; i < m->pool[r].n; i++)
			if (m->pool[r].child[i].pid == pid)
				return &m->pool[r].child[i];
	return NULL;
}

static void on_child_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct master *m = w->data;
	int status;
	siginfo_t ended = {0};

	(void)loop;
	(void)revents;
	/* Looked at before it is taken away: until then nobody else has its number. */
	while (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid > 0) {
		pid_t pid = ended.si_pid;
		struct hold *program = externals_find(m, pid);
		struct child *c = program ? NULL : child_find(m, pid);
		bool reader = pid == m->apop.pid, nursery = pid == m->nursery.pid;

		if (program)
			externals_kill_group(program);
		if (waitpid(pid, &status, 0) != pid)
			return;
		if (program)
			externals_ended(program, status);
		else if (c)
			child_ended(c, status);
		else if (reader)
			apop_ended(m, status);
		else if (nursery)
			spares_nursery_ended(m, status);
		ended = (siginfo_t){0};
	}
}

/* --- what children say --- */

static void started(struct master *m);

static bool all_ready(const struct master *m)
{
	for (enum role r = ROLE_FRONT; r < ROLE_STORE; r++)
		for (unsigned i = 0; i < m->pool[r].n; i++)
			if (child_runs(&m->pool[r].child[i]) && !m->pool[r].child[i].ready)
				return false;
	return true;
}

static enum err on_ready(struct chan *ch, struct msg *msg, struct why *why)
{
	struct child *c = ch->owner;
	struct master *m = c->master;

	(void)msg;
	if (c->ready)
		return fail(why, ERR_PERM, "it was ready before");
	c->ready = true;
	if (c->role == ROLE_STORE)
		recovered(m);
	else if (m->starting && c->role == ROLE_STATE && fronts_count(m, false) == 0)
		roles_begin(m);
	else if (m->starting && all_ready(m))
		started(m);
	return OK;
}

static enum err on_left(struct chan *ch, struct msg *msg, struct why *why)
{
	struct child *c = ch->owner;

	(void)msg;
	if (!c->master->leaving)
		return fail(why, ERR_PERM, "it leaves, and was not told to");
	c->left = true;
	ending_front_left(c->master);
	return OK;
}

static enum err on_log_lost(struct chan *ch, struct msg *msg, struct why *why)
{
	const struct child *c = ch->owner;

	(void)msg;
	(void)why;
	log_again_lost(&c->master->log_again);
	return OK;
}

/* For the children too. */
static void log_opened(void *arg)
{
	struct master *m = arg;
	struct chan_out out = {.fds = {log_current()->fd}, .nfds = 1};

	spares_renew(m);
	for (enum role r = ROLE_FRONT; r < ROLE_COUNT; r++)
		for (unsigned i = 0; i < m->pool[r].n; i++)
			if (child_runs(&m->pool[r].child[i]) && !m->pool[r].child[i].spare)
				(void)chan_send(&m->pool[r].child[i].chan, MSG_LOG, &out); /* a child that ends */
}

/* A store worker had no session for a while. */
static enum err on_idle(struct chan *ch, struct msg *msg, struct why *why)
{
	(void)msg;
	(void)why;
	child_retire(ch->owner);
	return OK;
}

/* It is at its end, which will be told by SIGCHLD; or it broke a rule, and must end. */
static void on_child_closed(struct chan *ch, const char *reason)
{
	struct child *c = ch->owner;

	if (reason)
		child_kill(c, reason);
	else
		child_must_end(c);
	chan_done(ch);
}

static enum err on_wanted(struct chan *ch, struct msg *msg, struct why *why);

static enum err on_secrets_wanted(struct chan *ch, struct msg *msg, struct why *why)
{
	const struct child *c = ch->owner;

	(void)msg;
	if (!c->master->apop.on)
		return fail(why, ERR_PERM, "it wants a database that there is not");
	apop_read(c->master);
	return OK;
}

static const struct chan_ops child_ops = {
	.on =
		{
			[MSG_READY] = on_ready,
			[MSG_LEFT] = on_left,
			[MSG_WANTED] = on_wanted,
			[MSG_SECRETS_WANTED] = on_secrets_wanted,
			[MSG_LOG_LOST] = on_log_lost,
			[MSG_IDLE] = on_idle,
			[MSG_GRANT] = on_grant,
			[MSG_DENY] = on_deny,
			[MSG_LOCK] = on_lock,
			[MSG_PARK] = on_park,
			[MSG_WAKE] = on_wake,
			[MSG_OPENED] = on_opened,
			[MSG_BEGUN] = on_begun,
			[MSG_STUCK] = backends_on_stuck,
		},
	.closed = on_child_closed,
};

/* --- the start and the end --- */

static void started(struct master *m)
{
	m->starting = false;
	ev_timer_stop(m->loop, &m->patience);
	tell_started();
	spares_open(m);
	if (m->keeper_fd < 0)
		return;
	if (!m->cf->foreground)
		daemon_silence();
	(void)chan_send(&m->keeper, MSG_READY, NULL); /* if it fails, the loop hears of it */
}

static void on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct master *m = w->data;
	struct why why;

	(void)revents;
	if (m->recovering > 0 && m->starting && !m->stopping) {
		log_line(LOG_WARNING, "journals are still being replayed: these mailboxes have to wait");
		m->recovering = 0;
		roles_begin(m);
		return;
	}
	if (m->starting && !m->stopping) {
		(void)fail(&why, ERR_TEMP, "not all processes were ready after %d seconds", START_S);
		start_failed(m, EX_SOFTWARE, why.text);
		return;
	}
	if (m->leaving && m->stay == LEAVE_SESSIONS) {
		log_line(LOG_WARNING, "clients are still logged in after shutdown-timeout: ending their sessions");
		ending_leave(m, LEAVE_COMMITS);
		return;
	}
	log_line(LOG_WARNING, "%u processes do not end: killing them", m->running + m->externals.running);
	ending_kill(m, SIGKILL);
	externals_kill(m);
	ev_timer_set(w, KILL_S, 0.);
	ev_timer_start(loop, w);
}

/* --- who tells us to end: the keeper, or without one a signal --- */

static enum err on_leave(struct chan *ch, struct msg *msg, struct why *why)
{
	const struct msg_leave *message = msg->payload;

	if (message->stay >= LEAVE_COUNT)
		return fail(why, ERR_PERM, "nobody knows who may stay");
	ending_leave(ch->owner, (enum leave)message->stay);
	return OK;
}

/* Whoever of auth runs: what it has counted, all of them share. */
static enum err on_counts(struct chan *ch, struct msg *msg, struct why *why)
{
	struct master *m = ch->owner;
	struct pool *auths = &m->pool[ROLE_AUTH];

	(void)msg;
	(void)why;
	for (unsigned i = 0; i < auths->n; i++)
		if (child_runs(&auths->child[i]) && chan_send(&auths->child[i].chan, MSG_COUNTS, NULL))
			break;
	return OK;
}

static void on_keeper_closed(struct chan *ch, const char *reason)
{
	if (reason)
		log_line(LOG_ERR, "channel to the keeper: %s", reason);
	chan_done(ch);
	ending_leave(ch->owner, LEAVE_COMMITS);
}

static const struct chan_ops keeper_ops = {.on = {[MSG_LEAVE] = on_leave, [MSG_COUNTS] = on_counts},
					   .closed = on_keeper_closed};

/* Another signal means: sooner. */
static void on_stop_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct master *m = w->data;

	(void)loop;
	(void)revents;
	if (!m->leaving)
		ending_leave(m, LEAVE_SESSIONS);
	else if (m->stay < LEAVE_COMMITS)
		ending_leave(m, LEAVE_COMMITS);
	else
		ending_kill(m, SIGKILL);
}

static void watch(struct master *m)
{
	static const struct {
		int number;
		void (*on)(struct ev_loop *, ev_signal *, int);
	} signals[SIGNALS_WATCHED] = {
		{SIGCHLD, on_child_signal}, {SIGTERM, on_stop_signal}, {SIGINT, on_stop_signal},
		{SIGQUIT, on_stop_signal},  {SIGHUP, on_stop_signal},
	};
	bool for_us = m->keeper_fd < 0;

	for (size_t i = 0; i < SIGNALS_WATCHED; i++) {
		ev_signal_init(&m->signal[i], signals[i].on, signals[i].number);
		/* Behind the messages: what a child said (that it serves) counts before its end, or ours. */
		ev_set_priority(&m->signal[i], EV_MINPRI);
		m->signal[i].data = m;
		if (for_us || signals[i].number == SIGCHLD)
			ev_signal_start(m->loop, &m->signal[i]);
	}
	if (!for_us)
		chan_init(&m->keeper, m->loop, m->keeper_fd, ROLE_MASTER, ROLE_MASTER, 0, &keeper_ops, m);
	ev_timer_init(&m->patience, on_patience, REPLAY_S, 0.);
	m->patience.data = m;
	ev_timer_start(m->loop, &m->patience);
	log_again_init(&m->log_again, m->loop, log_opened, m);
}

/* How many processes each role has: for store, how many it may have. */
static void pools_size(const struct master *m, unsigned size[static ROLE_COUNT])
{
	unsigned cores = m->commons->fronts;
	bool single = m->cf->single_process;

	size[ROLE_HASH] = single || cores < 2 ? 1 : cores - 1;
	size[ROLE_AUTH] = single ? 1 : AUTHS;
	size[ROLE_FRONT] = single ? 1 : cores;
	size[ROLE_RELAY] = m->is_inetd && m->relay >= 0 ? 1 : 0;
	size[ROLE_LOCKER] = m->spool[0] ? 1 : 0;
	size[ROLE_ACCESS] = acl_has_programs(m->cf) ? 1 : 0;
	size[ROLE_STATE] = conf_keeps_state(m->cf) ? 1 : 0;
	size[ROLE_BACKEND] = backends_count(m->cf);
	size[ROLE_OPENER] = m->privileged && landlock_abi() > 0 && opener_is_wanted(m->cf) ? 1 : 0;
	size[ROLE_STORE] = STORES_MOST;
}

static enum err pools_make(struct master *m, struct why *why)
{
	unsigned size[ROLE_COUNT] = {0};

	pools_size(m, size);
	for (enum role r = ROLE_FRONT; r < ROLE_COUNT; r++) {
		m->pool[r] = (struct pool){.child = calloc(size[r] + 1, sizeof(struct child)), .most = size[r]};
		if (!m->pool[r].child)
			return fail(why, ERR_TEMP, "no memory for %u processes", size[r]);
		while (r != ROLE_STORE && place_add(m, r))
			continue;
	}
	m->owners.most = owners_most(STORES_MOST);
	backends_settle(m);
	return OK;
}

/* Memory that the roles share. */
static enum err shared_make(struct master *m, struct why *why)
{
	size_t cache = auth_cache_octets(m->cf), backends = auth_pools_octets(m->cf);

	m->confirmed[0] = m->confirmed[1] = -1;
	enum err err = region_new(&m->slots, "pop3d stores", (size_t)STORES_MOST * STORE_SLOT_OCTETS, why);

	if (err == OK && cache > 0)
		err = region_new(&m->cache, "pop3d cache", cache, why);
	if (err == OK && backends > 0)
		err = region_new(&m->backends, "pop3d backends", backends, why);
	if (err == OK && conf_keeps_state(m->cf))
		err = region_new(&m->reservations, "pop3d reservations", state_octets(), why);
	if (err == OK && conf_keeps_state(m->cf))
		err = region_new(&m->state_page, "pop3d state", sizeof(struct state_page), why);
	if (err == OK && conf_keeps_state(m->cf) && pipe2(m->confirmed, O_CLOEXEC | O_NONBLOCK) < 0)
		err = fail_errno(why, ERR_TEMP, "create a pipe");
	return err;
}

/* In this order. In inetd mode only what the client needs to be greeted; the others are started by on_wanted. */
static enum err roles_start(struct master *m, bool for_login, struct why *why)
{
	static const struct {
		enum role role;
		bool for_login;
	} order[] = {{ROLE_LOCKER, true},  {ROLE_HASH, true},   {ROLE_BACKEND, true},
		     {ROLE_AUTH, true},    {ROLE_OPENER, true}, {ROLE_RELAY, false},
		     {ROLE_ACCESS, false}, {ROLE_FRONT, false}}; /* state was first */
	enum err err = OK;

	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		for (unsigned n = 0; err == OK && n < m->pool[order[i].role].n; n++)
			if (!m->is_inetd || order[i].for_login == for_login)
				err = child_start(&m->pool[order[i].role].child[n], why);
	return err;
}

static enum err on_wanted(struct chan *ch, struct msg *msg, struct why *why)
{
	struct child *c = ch->owner;
	struct master *m = c->master;
	struct why reason = {""};

	(void)msg;
	if (!m->is_inetd || m->logs_in)
		return fail(why, ERR_PERM, "it wants what is there");
	m->logs_in = true;
	if (!m->leaving && !m->stopping && roles_start(m, true, &reason) != OK)
		log_line(LOG_ERR, "cannot start what a login needs: %s", reason.text); /* the client is told in time */
	return OK;
}

static void roles_begin(struct master *m)
{
	struct why why = {""};

	patience_set(m, START_S);
	if (m->pool[ROLE_STATE].n > 0 && !m->pool[ROLE_STATE].child[0].ready) {
		if (child_start(&m->pool[ROLE_STATE].child[0], &why) != OK)
			start_failed(m, EX_OSERR, why.text);
		return; /* what it says about its data bases comes before the first client: on_ready goes on */
	}
	if (roles_start(m, false, &why) != OK)
		start_failed(m, EX_OSERR, why.text);
	if (m->is_inetd)
		inetd_let_go(m); /* front has the client now */
}

int supervise(struct master *m)
{
	struct why why = {""};

	m->loop = ev_loop_new(EVFLAG_AUTO);
	if (!m->loop) {
		tell(LOG_ERR, "cannot make an event loop");
		return EX_OSERR;
	}
	m->child_ops = &child_ops;
	m->nursery.fd = -1;
	m->starting = true;
	watch(m);
	if (pools_make(m, &why) != OK || shared_make(m, &why) != OK)
		start_failed(m, EX_OSERR, why.text);
	else if (!m->is_inetd) /* a session replays what it finds itself */
		recover_all(m);
	if (m->recovering == 0 && !m->stopping)
		roles_begin(m);
	if (!m->stopping || m->running > 0)
		ev_run(m->loop, 0);
	return m->status;
}
