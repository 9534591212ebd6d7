/* front/streak.c - see streak.h */
#include "front/streak.h"

#include <sched.h>

#include "front/front.h"
#include "front/session.h"

enum { LONG = 8 }; /* more than a session says that looks for mail and finds none */

static const double at_once_s = 100e-6;

/* The clock may have been put back in between. */
static bool is_at_once(double heard, double now)
{
	return now >= heard && now - heard < at_once_s;
}

/* There was nothing to do, for anybody. */
static void on_idle(struct ev_loop *loop, ev_idle *w, int revents)
{
	const struct streak *k = w->data;

	(void)revents;
	if (is_at_once(k->heard, ev_now(loop)))
		sched_yield();
	else
		ev_idle_stop(loop, w);
}

void streak_init(struct front *f)
{
	ev_idle_init(&f->streak.idle, on_idle);
	f->streak.idle.data = &f->streak;
}

void streak_done(struct front *f)
{
	ev_idle_stop(f->loop, &f->streak.idle);
}

void streak_heard(struct session *s)
{
	struct front *f = s->front;
	double now = ev_now(f->loop);

	s->streak = is_at_once(s->heard, now) ? s->streak + 1 : 0;
	s->heard = now;
	if (s->streak < LONG)
		return;
	f->streak.heard = now;
	ev_idle_start(f->loop, &f->streak.idle);
}
