/* auth/auth_child.c - see auth_child.h */
#include "auth/auth_child.h"

#include <unistd.h>

#include "base/log.h"

static struct chan *log_chan; /* where a lost log is reported: the log has room for no argument */

static void report_lost_log(void)
{
	chan_send(log_chan, MSG_LOG_LOST, NULL);
}

static enum err on_log(struct chan *c, struct msg *m, struct why *why)
{
	struct log_setup s = *log_current();
	int old = s.fd;

	(void)c;
	(void)why;
	s.fd = msg_take_fd(m, 0);
	log_setup(&s);
	if (old > STDERR_FILENO)
		close(old);
	return OK;
}

static void on_master_closed(struct chan *c, const char *reason)
{
	(void)reason; /* whoever made the channel knows */
	ev_break(c->loop, EVBREAK_ALL);
}

void auth_child_open(struct auth_child *p, const struct role_env *env, chan_handler peer, chan_handler forget,
		     void *owner)
{
	enum role self = forget ? ROLE_AUTH : ROLE_HASH;

	p->loop = ev_default_loop(EVFLAG_AUTO);
	p->ops = (struct chan_ops){.on = {[MSG_PEER] = peer, [MSG_FORGET] = forget, [MSG_LOG] = on_log},
				   .closed = on_master_closed};
	chan_init(&p->master, p->loop, env->master_fd, self, ROLE_MASTER, 0, &p->ops, owner);
	log_chan = &p->master;
	log_on_lost(report_lost_log);
}

void auth_child_run(struct auth_child *p)
{
	if (chan_send(&p->master, MSG_READY, NULL))
		ev_run(p->loop, 0);
}

void auth_child_close(struct auth_child *p)
{
	log_on_lost(NULL);
	chan_done(&p->master);
}
