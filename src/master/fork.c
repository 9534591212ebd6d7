/* master/fork.c - see fork.h */
#include "master/fork.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"

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

int fork_wait(pid_t pid)
{
	int ended = 0;
	pid_t got;

	do
		got = waitpid(pid, &ended, 0);
	while (got < 0 && errno == EINTR);
	return got == pid && WIFEXITED(ended) ? WEXITSTATUS(ended) : EX_OSERR;
}

void fork_leave(struct ev_loop *loop, ev_signal *watchers, size_t n)
{
	static const int not_for_us[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
	sigset_t none;

	for (size_t i = 0; i < n; i++)
		ev_signal_stop(loop, &watchers[i]);
	for (size_t i = 0; i < sizeof not_for_us / sizeof *not_for_us; i++)
		(void)signal(not_for_us[i], SIG_IGN); /* these can be ignored: there is no other error */
	ev_loop_destroy(loop);
	log_on_lost(NULL); /* what the parent does then needs its loop */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void fork_batch(void)
{
	const struct sched_param param = {0};

	if (sched_getscheduler(0) == SCHED_OTHER)
		(void)sched_setscheduler(0, SCHED_BATCH, &param);
}
