/* auth/auth_child.h - what auth and hash have in common: the loop, and the channel to master
 *
 * The process ends when that channel does. A fresh log descriptor is taken, a lost log reported. */
#pragma once
#include "ipc/chan.h"
#include "ipc/role.h"

struct auth_child {
	struct ev_loop *loop;
	struct chan master;
	struct chan_ops ops;
};

/* peer, forget: handlers of MSG_PEER and MSG_FORGET (NULL: is not for us), called with a channel whose owner is
 * `owner`. */
void auth_child_open(struct auth_child *p, const struct role_env *env, chan_handler peer, chan_handler forget,
		     void *owner);

/* Says MSG_READY and serves until master ends. */
void auth_child_run(struct auth_child *p);
void auth_child_close(struct auth_child *p);
