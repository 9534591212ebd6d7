/* master/log_again.h - the system's log has gone: it is tried again until it is back, for the processes that open it */
#pragma once
#include <ev.h>

struct log_again {
	struct ev_loop *loop;
	ev_timer timer;
	void (*opened)(void *arg); /* there is a fresh descriptor; NULL: that is nobody's business */
	void *arg;
};

/* Once the loop is there; from here on a lost log of this process is noticed. */
void log_again_init(struct log_again *a, struct ev_loop *loop, void (*opened)(void *arg), void *arg);

/* Somebody else has noticed. `a` is a struct log_again. */
void log_again_lost(void *a);
