/* master/fork.c - see fork.h */
#include "master/fork.h"

#include <signal.h>
#include <unistd.h>

pid_t fork_quietly(void)
{
	sigset_t all, before;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();

	if (pid != 0)
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}
