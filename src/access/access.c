/* access/access.c - the access role: runs programs of access lists, for fronts that wait for what they say
 *
 * It is there only where a list has programs. It is the one role that starts others, so it has nothing that they could take: no
 * client, no password, no mail. What a program may reach is what this process may (master/confine.c). A front asks with the
 * number of an entry, never with a command; which program that is, the configuration says. */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "access/requests.h"
#include "access/wrappers.h"
#include "base/log.h"
#include "ipc/role.h"
#include "ipc/role_log.h"

struct access_role {
	struct chan master;
	struct asker *fronts;
	struct requests requests;
	ev_prepare before_wait;
};

static struct access_role self;

static enum err on_ask(struct chan *c, struct msg *m, struct why *why)
{
	return requests_ask(c->owner, m->payload, why);
}

static enum err on_withdraw(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_withdraw *w = m->payload;

	(void)why;
	requests_withdraw(c->owner, w->job);
	return OK;
}

static void on_front_closed(struct chan *c, const char *reason)
{
	struct asker *front = c->owner, **at = &self.fronts;

	if (reason)
		log_line(LOG_ERR, "channel to %s %u is closed: %s", role_name(c->peer), c->peer_serial, reason);
	while (*at != front)
		at = &(*at)->next;
	*at = front->next;
	requests_forget(front);
	chan_done(c);
	free(front);
}

static const struct chan_ops front_ops = {.on = {[MSG_ASK] = on_ask, [MSG_WITHDRAW] = on_withdraw},
					  .closed = on_front_closed};

static enum err on_peer(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_peer *peer = m->payload;
	struct asker *front = peer->role == ROLE_FRONT ? malloc(sizeof *front) : NULL;

	if (peer->role != ROLE_FRONT)
		return fail(why, ERR_PERM, "a channel to a process that has no clients");
	if (!front) {
		log_line(LOG_ERR, "no memory for a channel to front %u",
			 peer->serial); /* which denies whom it cannot ask about */
		return OK;
	}
	*front = (struct asker){.requests = &self.requests, .next = self.fronts};
	self.fronts = front;
	chan_init(&front->chan, c->loop, msg_take_fd(m, 0), ROLE_ACCESS, ROLE_FRONT, peer->serial, &front_ops, front);
	return OK;
}

static void on_master_closed(struct chan *c, const char *reason)
{
	(void)reason; /* whoever made the channel knows */
	chan_done(c);
	requests_leave(&self.requests);
}

static const struct chan_ops master_ops = {.on = {[MSG_PEER] = on_peer, [MSG_LOG] = role_log_on_log},
					   .closed = on_master_closed};

/* Fronts that have taken their answers are listened to again. */
static void on_before_wait(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	for (struct asker *front = self.fronts; front; front = front->next)
		if (front->paused && chan_queued(&front->chan) == 0) {
			front->paused = false;
			chan_pause(&front->chan, false);
		}
}

static void access_end(struct ev_loop *loop)
{
	role_log_tell(NULL);
	requests_done(&self.requests);
	while (self.fronts) {
		struct asker *front = self.fronts;

		self.fronts = front->next;
		chan_done(&front->chan);
		free(front);
	}
	chan_done(&self.master);
	ev_prepare_stop(loop, &self.before_wait);
	ev_loop_destroy(loop);
}

int access_main(const struct role_env *env)
{
	struct ev_loop *loop =
		ev_loop_new(EVFLAG_AUTO); /* not the default one, which takes ended processes away itself */
	struct why why = {""};

	(void)signal(SIGPIPE, SIG_IGN);
	/* What programs leave behind comes to us when they end; where it does not, to somebody else. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (!loop || !requests_open(&self.requests, loop, env->conf)) {
		log_line(LOG_ERR, "no memory to run programs of access lists");
		return EX_OSERR;
	}
	if (wrappers_load(env->conf, &why) != OK) {
		log_line(LOG_ERR, "%s", why.text);
		return EX_UNAVAILABLE;
	}
	chan_init(&self.master, loop, env->master_fd, ROLE_ACCESS, ROLE_MASTER, 0, &master_ops, NULL);
	role_log_tell(&self.master);
	ev_prepare_init(&self.before_wait, on_before_wait);
	ev_prepare_start(loop, &self.before_wait);
	if (chan_send(&self.master, MSG_READY, NULL))
		ev_run(loop, 0);
	access_end(loop);
	return EX_OK;
}
