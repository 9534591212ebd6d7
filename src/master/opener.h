/* master/opener.h - logins of owners without a store worker: the opener looks, and where nothing has changed, a session needs none
 *
 * What is asked of most sessions can be answered from the index: whether there is mail. So a session of a maildrop that is as its index says begins
 * as one that was parked (master/parked.h): master keeps what the grant says and the open file that has the session lock. No process is started for it.
 *
 *	auth   --GRANT-->  master		as ever, for an owner without a worker
 *	master --OPEN-->   opener		the mailbox, and the owner's file of session locks, opened for this session
 *	opener --OPENED--> master		how it looks from outside, and its index; the session lock is taken. Or: let a worker see to it
 *	master --BEGIN-->  front		the same, and what the grant says
 *	front  --BEGUN-->  master		the index is what it must be, with these sums, and the client is told. Or: let a worker see to it
 *
 * The opener (store/opener.c) takes on the owner's identity in the file system and looks, at all that an opening by a worker would look at; it reads nothing.
 * Front reads the index, as hostile input, and compares. Whatever either does not like, or is unusual, is for a worker: the lock is let go, and the
 * grant passed on as if nobody had looked. So all that is refused, repaired, waited for or logged is as ever.
 *
 * Nobody waits for the opener: an answer that does not come within OPENER_PATIENCE_MS is not waited for, and nothing is asked until it has caught up; one that is
 * silent for OPENER_STUCK_MS is replaced. */
#pragma once
#include "ipc/chan.h"

struct conf;
struct master;

enum {
	OPENER_ASKED_MOST = 64, /* at a time */
	OPENER_PATIENCE_MS = 100,
	OPENER_STUCK_MS = 2000,
};

struct opener {
	struct opening *list; /* that wait for an answer, of the opener or of a front */
	uint64_t job;         /* the last one */
	unsigned owed;        /* answers */
	bool slow;            /* some of these are late */
	uint64_t heard_ms;    /* clock_ms: of the last answer, or of the question behind which it had nothing to do */
	ev_timer patience;    /* while answers are owed */
};

/* There is one with this configuration, as root. */
bool opener_is_wanted(const struct conf *cf);

/* A grant, with its bulk, for an owner who has no worker. True: it is seen to. */
bool opener_ask(struct master *m, const struct msg_grant *g, struct slice bulk);

/* Handlers: of the opener, and of a front. */
enum err on_opened(struct chan *ch, struct msg *msg, struct why *why);
enum err on_begun(struct chan *ch, struct msg *msg, struct why *why);

/* The opener has ended: what it was asked is for workers. */
void opener_ended(struct master *m);

/* This front has ended, and nobody waits for its sessions. What parked.h has of them it sees to itself. */
void opener_front_ended(struct master *m, uint32_t front);
