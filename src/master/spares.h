/* master/spares.h - store workers forked ahead: a first login of an owner waits for no fork
 *
 * A spare is a process in a place of ROLE_STORE that has let go of all that is master's, and waits for one message: whose it
 * is. Until then it is confined to nobody, holds nothing but what its set-up needs, and reads nothing but that message. It is
 * forked when the loop has nothing else to do, a moment after another one was taken. */
#pragma once
#include <ev.h>

struct child;
struct master;

enum { SPARES = 4 };

struct spares {
	struct child *child[SPARES];
	unsigned n, most;
	ev_idle idle;   /* runs while there are fewer than there may be */
	ev_timer pause; /* before the next one is forked */
};

/* From here on they are there. None without root, where there is one owner, and for a single session. */
void spares_open(struct master *m);

/* They end, and there will be no others. */
void spares_close(struct master *m);

/* Takes one: a place whose process waits for child_assign. NULL: there is none. */
struct child *spares_take(struct master *m);

/* One ended that nobody had taken, or had to be taken to find out. */
void spares_lost(struct master *m, const struct child *c);
