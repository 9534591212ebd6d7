/* master/fork.h - a new process of master's, which no signal disturbs */
#pragma once
#include <sys/types.h>

/* As fork(2). In the child all signals are blocked: they would be taken for master's own. */
pid_t fork_quietly(void);
