/* master/grant.h - a login for which auth has no free store worker: master finds or starts one, and passes the grant on; likewise a session that goes
 * on */
#pragma once
#include "ipc/chan.h"
#include "master/privs.h"

struct child;
struct master;

enum err on_grant(struct chan *ch, struct msg *m, struct why *why);

/* Passes a grant, with its bulk, to a worker of its owner, perhaps a new one; where that cannot be, the login is denied. */
void grant_pass(struct master *m, const struct msg_grant *g, struct slice bulk);

/* A worker has no channel any more to the front of a login that it was given: the login is denied, if that front lives, and the
 * worker gets no more. */
enum err on_deny(struct chan *ch, struct msg *m, struct why *why);

/* A new worker of this owner, who has journals to be replayed. NULL: `why` says why not. */
struct child *worker_replay(struct master *m, struct identity owner, struct why *why);

/* A worker of this owner goes on with a session that was parked: `out' is for MSG_PARK. False: none can, and its front is told. */
bool worker_wake(struct master *m, struct identity owner, const struct chan_out *out);

/* The front with this serial; NULL: it has ended. */
struct child *front_find(const struct master *m, uint32_t serial);

/* The process of a store worker has ended (child_end): its place is free, or its owner's until another one may be tried.
 * `with_work`: logins that were passed on to it may have ended with it, and are denied. */
void worker_ended(struct child *c, bool with_work);
