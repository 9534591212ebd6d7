/* master/revive.c - see revive.h */
#include "master/revive.h"

#include "base/clock.h"
#include "base/log.h"
#include "master/notify.h"
#include "master/reload.h"

enum {
	EARLY_MS = 60000, /* a master that dies sooner is one more in a row */
	PAUSE_MOST_S = 64,
};

/* None before the first try; then one second, and twice as long each time. */
static double pause_before(unsigned tries)
{
	double seconds = tries > 0 ? 1 : 0;

	for (; tries > 1 && seconds < PAUSE_MOST_S; tries--)
		seconds *= 2;
	return seconds;
}

static void on_revive(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct keeper *k = w->data;
	struct why why = {""};

	(void)loop;
	(void)revents;
	if (k->stopping || k->current || k->coming || reload_revive(k, &why) == OK)
		return;
	log_line(LOG_ERR, "cannot start another master: %s", why.text);
	revive_later(k);
}

void revive_init(struct keeper *k)
{
	ev_timer_init(&k->revive, on_revive, 0., 0.);
	k->revive.data = k;
}

void revive_later(struct keeper *k)
{
	uint64_t now = clock_ms();

	if (k->revived_ms > 0 && now - k->revived_ms >= EARLY_MS)
		k->revivals = 0;
	k->revived_ms = 0;
	double seconds = pause_before(k->revivals++);

	notify("STATUS=Starting again what has died");
	ev_timer_stop(k->loop, &k->revive);
	ev_timer_set(&k->revive, seconds, 0.);
	ev_timer_start(k->loop, &k->revive);
}

void revived(struct keeper *k)
{
	k->revived_ms = clock_ms();
	log_line(LOG_NOTICE, "the configuration in force has a master again");
	notify("STATUS=Serving again");
}
