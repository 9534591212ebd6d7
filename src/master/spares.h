/* master/spares.h - store workers forked ahead: a first login of an owner waits for no fork
 *
 * A spare is a process in a place of ROLE_STORE, of the nursery (nursery.h), that waits for one message: whose it is. Until then
 * it is as confined as the nursery, and reads nothing but that message. It is forked when the loop has nothing else to do, a
 * moment after another one was taken. */
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

/* From here on they are there, and so is a nursery. None without root, where there is one owner, and for a single session. */
void spares_open(struct master *m);

/* They end, and there will be no others. */
void spares_close(struct master *m);

/* Takes one: a place whose process waits for child_assign. NULL: there is none. */
struct child *spares_take(struct master *m);

/* New ones, from a new nursery: what they have of master (its log) is not what it was. */
void spares_renew(struct master *m);

/* The nursery has ended: another one is started. */
void spares_nursery_ended(struct master *m, int status);

/* One ended that nobody had taken, or had to be taken to find out. */
void spares_lost(struct master *m, const struct child *c);
