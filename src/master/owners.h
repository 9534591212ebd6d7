/* master/owners.h - places for store workers, and who has them: found at the same cost however many there are
 *
 * A place is one of the pool of ROLE_STORE. An owner keeps the place of a worker that failed, so that the next one is not
 * started too soon; all other places that nobody runs in are free. */
#pragma once
#include <stdbool.h>

#include "master/privs.h"

struct child;
struct master;

enum {
	OWNERS_LISTS = 4096,
	OWNERS_RESERVE = 32, /* places that are kept free, as long as there are workers without a session */
};

struct owners {
	struct child *list[OWNERS_LISTS]; /* by hash of uid and gid */
	struct child *free;
	unsigned used;     /* places that are not free */
	unsigned retiring; /* workers that were asked to go */
	unsigned most;     /* with more than these, workers without a session go */
	uint64_t look_ms;  /* clock_ms: before that there is none to be asked, or there was none a moment ago */
};

bool owner_same(struct identity a, struct identity b);

/* This owner's first place, and the one behind c; NULL: no more. */
struct child *owners_first(const struct owners *o, struct identity owner);
struct child *owners_next(const struct child *c);

/* The place is c->owner's from here on, or nobody's (which it may have been). */
void owners_add(struct owners *o, struct child *c);
void owners_remove(struct owners *o, struct child *c);

/* A place in which nobody runs; NULL: there is none. It is given back when it is not in the lists. */
struct child *place_take(struct master *m);
void place_give(struct master *m, struct child *c);

/* How many workers there may be before those without a session go: as many as have room in a part of the machine's memory, and in the places. */
unsigned owners_most(unsigned places);

/* Where there are more: the workers that have been without a session for the longest time are asked to go. */
void owners_retire(struct master *m);
