/* store/external.h - the external locker as store sees it: a program locks mailboxes, and master starts it (master/external.h)
 *
 * Store must not wait for a program, so whoever wants a lock asks, is told that it is busy, and comes again when the answer is there:
 * then the lock is his. One that nobody fetches is let go of again.
 *
 * What the last attempt came to is kept until the next begins: a process does one thing at a time. */
#pragma once
#include "ipc/chan.h"

struct external_lock; /* one mailbox's, from the question to the release */

struct external {
	struct ev_loop *loop;
	struct chan *master; /* borrowed */
	uint64_t job;        /* the last number that was given */
	struct external_lock *locks;
	ev_timer sweep;
	/* Of the last attempt: */
	uint64_t asked; /* the number of the question whose answer it must wait for; 0: it need not wait for one */
	bool refused;   /* the program said no, and it makes its attempts itself: there is to be no other */
};

void external_init(struct external *x, struct ev_loop *loop, struct chan *master);

/* A new attempt begins. */
void external_begin(struct external *x);

/* The lock of the mailbox `name` in `dir`; it lives until it is released or kept. ERR_IN_USE with x->asked: the answer is to come.
 * Otherwise the reason is one of those of Mailutils, and x->refused is set. */
enum err external_take(struct external *x, int dir, const char *name, struct external_lock **lock, struct why *why);

void external_release(struct external *x, struct external_lock *lock);

/* Lets go of it, but it stays, for us or for another worker of the owner: the mailbox must be replayed before anybody sees it. */
void external_keep(struct external *x, struct external_lock *lock);

/* The answer to this question is not waited for any more. */
void external_forget(struct external *x, uint64_t job);

/* An answer has come: whoever waits for it should make his next attempt. ERR_PERM: it is none. */
enum err external_answered(struct external *x, const struct msg *m, struct why *why);
