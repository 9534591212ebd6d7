/* access/requests.h - what fronts ask: programs that run, those that wait for their turn, and what comes of them
 *
 * In the order in which they were asked for, so many at a time, and no more than some for one address, so that nobody's clients stand in
 * everybody's way. How long one may wait, and how long it may run, acl-timeout says for each. What does not come to an end by
 * itself is a denial: too many, too long, killed, not to be run. */
#pragma once
#include "access/program.h"
#include "ipc/chan.h"

enum {
	REQUESTS_RUN_MOST = 32,     /* programs at a time */
	REQUESTS_RUN_ADDRESS = 8,   /* of them for one address (base/address.h: address_key) */
	REQUESTS_WAIT_MOST = 256,   /* that wait, of one front */
	REQUESTS_WAIT_ADDRESS = 64, /* of them for one address */
};

/* A front. */
struct asker {
	struct chan chan;
	struct requests *requests;
	struct asker *next;
	unsigned waiting;
	bool paused; /* its answers wait, so nothing more is read from it */
};

struct requests {
	struct ev_loop *loop;
	const struct conf *conf;
	struct request *waiting, **waiting_end; /* oldest first */
	struct request *running;
	unsigned runs;
	ev_signal child;
	bool leaving; /* nothing new is started; ends the loop with the last */
	bool killed;  /* and what still ran, was */
	ev_timer end;
};

/* False: the signal of ended processes cannot be watched. */
bool requests_open(struct requests *q, struct ev_loop *loop, const struct conf *cf);

/* ERR_PERM: a front must not ask that. */
enum err requests_ask(struct asker *front, const struct msg_ask *ask, struct why *why);

/* The client has gone: nothing is answered. A number that is not known is one that was answered already. */
void requests_withdraw(const struct asker *front, uint64_t job);

/* This front is gone: so is what it waits for. What decides nothing goes on. */
void requests_forget(struct asker *front);

/* No more: what somebody waits for is ended, what nobody does gets a few seconds. */
void requests_leave(struct requests *q);

void requests_done(struct requests *q);
