/* auth/auth_child.c - see auth_child.h */
#include "auth/auth_child.h"

#include "ipc/role_log.h"

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
	p->ops = (struct chan_ops){.on = {[MSG_PEER] = peer, [MSG_FORGET] = forget, [MSG_LOG] = role_log_on_log},
				   .closed = on_master_closed};
	chan_init(&p->master, p->loop, env->master_fd, self, ROLE_MASTER, 0, &p->ops, owner);
	role_log_tell(&p->master);
}

void auth_child_run(struct auth_child *p)
{
	if (chan_send(&p->master, MSG_READY, NULL))
		ev_run(p->loop, 0);
}

void auth_child_close(struct auth_child *p)
{
	role_log_tell(NULL);
	chan_done(&p->master);
}
