/* base/signals.c - see signals.h */
#include "base/signals.h"

#include <signal.h>
#include <stddef.h>

void signals_restore(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* those that have no other action fail */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}
