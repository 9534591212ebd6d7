/* master/spawn.h - a new process for a role: forked, stripped, confined, and on its way */
#pragma once
#include "master/confine.h"
#include "master/master.h"

/* Gives this place, where no process runs, a new serial and a channel. What is sent through it from here on waits for the
 * process, which will have *child_fd, the caller's until then. After OK c->chan is open. */
enum err spawn_prepare(struct child *c, const struct chan_ops *ops, int *child_fd, struct why *why);

/* Starts the process (for store, c->owner says for whom). After OK c->pid is set. */
enum err spawn(struct child *c, int child_fd, struct why *why);

/* Store: the nursery starts it, and it waits for spawn_assign. After OK c->pid is set. */
enum err spawn_in_nursery(struct child *c, int child_fd, struct why *why);

/* It is c->owner's, and begins. Before all else that is said to it. False: it has ended. */
bool spawn_assign(struct child *c);

/* Who a process of this role becomes, and what it may still reach. Before confine; texts in it are this process's. */
void spawn_confinement(const struct child *c, const struct role_env *env, struct confinement *out);

/* The same for standing_make. */
void spawn_standing(struct master *m, struct confinement *out);

/* In the nursery: all that is master's goes, but fd and what workers need to begin. */
enum err spawn_let_go(struct master *m, int fd, struct why *why);

/* In what the nursery has forked: waits to hear whose it is, and becomes that. Ends with master's end of the channel. */
_Noreturn void spawn_spare(struct child *c, int master_fd, pid_t parent);
