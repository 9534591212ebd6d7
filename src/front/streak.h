/* front/streak.h - a client that says the next command as soon as it has the reply to the last one, many times
 *
 * For such a one, front does not sleep at once: that, and being woken, take longer than all that there is to do for a command. It
 * looks again and again, until 100 us after the last command, as long as it has nothing else to do at all; and each time lets others
 * have the processor. A command that comes later than that, the first in vain, ends the streak: then eight more of them must come at
 * once before front looks again. */
#pragma once
#include <ev.h>

struct front;
struct session;

struct streak {
	ev_idle idle; /* the loop does not sleep while it is active */
	double heard; /* ev_now: the last command of a streak */
};

void streak_init(struct front *f);
void streak_done(struct front *f);

/* The client, who is logged in, has said something. */
void streak_heard(struct session *s);
