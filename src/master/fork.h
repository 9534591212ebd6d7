/* master/fork.h - a new process out of one with a loop that watches signals */
#pragma once
#include <ev.h>
#include <stddef.h>
#include <sys/types.h>

/* As fork(2). In the child all signals are blocked until fork_leave, since one would be taken for one of its parent's. */
pid_t fork_quietly(void);

/* Waits for a child. The status that it ended with; EX_OSERR: with none. */
int fork_wait(pid_t pid);

/* In the child: lets go of the parent's loop and its watchers. Ignores the signals that a terminal, or whoever stops a service,
 * sends to all processes at once: who ends when, is the parent's to say. */
void fork_leave(struct ev_loop *loop, ev_signal *watchers, size_t n);

/* This process does not take the processor from the one that wakes it. What somebody has chosen for the daemon stays. */
void fork_batch(void);
