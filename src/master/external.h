/* master/external.h - the external locker: locks of mailboxes that a program makes, for store workers (`locking { type external; }')
 *
 * Store may start nothing, and must not wait. So master, which knows whose mail a worker serves and starts processes anyway, starts
 * the program for it, as that owner (external_program.h), and tells the worker what came of it. A lock is released by the program, too, when
 * the worker says so, or ends, or we do. One that a worker had while it changed a mailbox in place, or has asked to keep, stays for the
 * worker that replays the journal.
 *
 * So many programs run at a time, and fewer for one owner; questions wait for their turn, those for one mailbox behind each other and behind the
 * release of a lock that we have ourselves. A program that takes longer than external-locker-timeout is ended, with its group. */
#pragma once
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "ipc/chan.h"

struct child;
struct hold; /* a lock of one mailbox, from the question to the end of the program that released it */
struct master;

enum {
	EXTERNALS_LOCK_MOST = 32,   /* programs at a time that lock ... */
	EXTERNALS_UNLOCK_MOST = 32, /* ... and that unlock, for which nobody waits whose lock is to be released */
	EXTERNALS_OWNER_MOST = 8,   /* of the first, for one owner */
	EXTERNALS_HOLD_MOST = 256,  /* questions and locks of one worker */
};

struct externals {
	struct hold *first; /* oldest first */
	struct hold *run[EXTERNALS_LOCK_MOST + EXTERNALS_UNLOCK_MOST];
	unsigned running, locking; /* programs; those of them that lock */
	char spool
		[PATH_MAX]; /* programs for mailboxes of their owners in this directory have this group; "": none has */
	gid_t group;
};

/* Finds out whether there is such a directory. */
void externals_set_spool(struct master *m);

/* MSG_LOCK. */
enum err on_lock(struct chan *ch, struct msg *msg, struct why *why);

/* This worker has ended; `died`: perhaps in the middle of something. */
void externals_lose(struct child *worker, bool died);

/* The program with this number; NULL: it is none. */
struct hold *externals_find(const struct master *m, pid_t pid);

/* What it has started ends with it. */
void externals_kill_group(const struct hold *h);

/* It has ended with this status of wait(2). */
void externals_ended(struct hold *h, int status);

/* The daemon ends: nothing new is locked, and what is held is released as its workers end. */
void externals_stop(struct master *m);

/* While stopping: ends the loop when neither processes nor locks are left. */
void externals_leave(struct master *m);

/* Gives up what is left. */
void externals_kill(struct master *m);
