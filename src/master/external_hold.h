/* master/external_hold.h - a lock of the external locker, for the files of master/external.h alone
 *
 * external.c has the list of them and runs their programs, external_asked.c does what workers say. */
#pragma once
#include <ev.h>
#include <stdint.h>

#include "master/external.h"
#include "master/privs.h"

enum hold_state {
	WAITS,   /* for its turn */
	LOCKS,   /* the program runs */
	HELD,    /* by a worker; or by none: it waits for the one that replays */
	DUE,     /* to be released, as soon as its program may run */
	UNLOCKS, /* the program runs */
};

struct hold {
	struct hold *next;
	struct master *master;
	enum hold_state state;
	struct child *worker; /* NULL: nobody wants it any more */
	uint64_t job;         /* the worker's number for it */
	struct identity owner;
	pid_t pid;         /* LOCKS, UNLOCKS */
	bool overdue;      /* it was told to end */
	unsigned attempts; /* to release it */
	ev_timer timer;    /* LOCKS, UNLOCKS: how long it may run; HELD by none: see orphan_s; DUE: the next attempt */
	char path[];
};

/* The last of the list: it waits. NULL: no memory. */
struct hold *hold_new(struct child *c, uint64_t job, struct slice path);

void hold_free(struct hold *h);

/* Of this owner, for this mailbox. */
bool hold_same(const struct hold *h, struct identity owner, const char *path);

/* It is held, and waits for whoever replays. */
bool hold_is_orphan(const struct hold *h);

/* Tells the worker, if one wants to know. */
void hold_answer(const struct hold *h, enum err err, const char *reason);

/* It is held, and this worker's from here on. */
void hold_hand_over(struct hold *h, struct child *worker, uint64_t job);

/* Nobody wants it any more: one that is locked is released, one that waits is freed. */
void hold_drop(struct hold *h);

/* One that is held stays for whoever of its owner wants it next, or does already (whose own is freed). */
void hold_orphan(struct hold *h);

/* Starts what may be started. What goes is released first: others may wait for it. */
void externals_pump(struct master *m);

/* This owner has a journal that is to be replayed. */
bool externals_journal(const struct master *m, struct identity owner);
