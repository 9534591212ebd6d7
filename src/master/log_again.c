/* master/log_again.c - see log_again.h */
#include "master/log_again.h"

#include "base/log.h"
#include "master/tell.h"

enum { AGAIN_S = 2 }; /* between tries */

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	const struct log_again *a = w->data;

	(void)revents;
	if (log_current()->form != LOG_TO_SYSLOG) {
		ev_timer_stop(loop, w); /* a reload has said so */
	} else if (tell_reopen()) {
		ev_timer_stop(loop, w);
		if (a->opened)
			a->opened(a->arg);
	}
}

void log_again_lost(void *p)
{
	struct log_again *a = p;

	if (log_current()->form == LOG_TO_SYSLOG && !ev_is_active(&a->timer))
		ev_timer_again(a->loop, &a->timer);
}

void log_again_init(struct log_again *a, struct ev_loop *loop, void (*opened)(void *arg), void *arg)
{
	*a = (struct log_again){.loop = loop, .opened = opened, .arg = arg};
	ev_timer_init(&a->timer, on_again, AGAIN_S, AGAIN_S);
	a->timer.data = a;
	tell_on_lost(log_again_lost, a);
}
