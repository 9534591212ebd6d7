/* master/nursery.h - the process that workers of store are forked from
 *
 * A fork of master copies what master has, and both pay for it page by page. The nursery is forked from it once, lets go of what no
 * worker needs (its loop, environment, secrets, descriptors, capabilities, names of files that are the same for all), and then
 * only forks: one spare (spares.h) for each message of master's. What it forks is master's child, not its own (CLONE_PARENT), so
 * the end of a worker is told as ever, and that of the nursery ends no worker.
 *
 * Where there is none (it was killed; without root), master forks for itself. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "base/why.h"

struct child;
struct master;

struct nursery {
	pid_t pid; /* 0: there is none */
	int fd;    /* to it; in it: to master; -1 */
	bool has_forked;
	bool is_self; /* this process is it, or was forked from it */
};

/* Starts it, where there is none. */
enum err nursery_open(struct master *m, struct why *why);

/* It ends; what it has forked does not. */
void nursery_close(struct master *m);

/* It was told to, and its end has not been told yet. */
bool nursery_ends(const struct master *m);

/* A new process for this place, which has child_fd (the caller's until then) as its channel, and waits there to hear whose it is.
 * Waits for the answer; a nursery that has none in time is killed. */
enum err nursery_fork(struct master *m, const struct child *c, int child_fd, pid_t *pid, struct why *why);

/* It has ended, with this status of wait(2). */
void nursery_ended(struct master *m, int status);
