/* master/spawn.h - a new process for a role: forked, stripped, confined, and on its way */
#pragma once
#include "master/confine.h"
#include "master/master.h"

/* Gives this place, where no process runs, a new serial and a channel. What is sent through it from here on waits for the
 * process, which will have *child_fd, the caller's until then. After OK c->chan is open. */
enum err spawn_prepare(struct child *c, const struct chan_ops *ops, int *child_fd, struct why *why);

/* Starts the process (for store, c->owner says for whom). After OK c->pid is set. order_fd: a store process that reads from
 * there whose it is, when it is needed; -1: it knows. */
enum err spawn(struct child *c, int child_fd, int order_fd, struct why *why);

/* Who a process of this role becomes, and what it may still reach. Before confine; texts in it are this process's. */
void spawn_confinement(const struct child *c, const struct role_env *env, struct confinement *out);
