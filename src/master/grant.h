/* master/grant.h - a login for which auth has no free store worker: master finds or starts one, and passes the grant on */
#pragma once
#include "ipc/chan.h"
#include "master/privs.h"

struct child;
struct master;

enum err on_grant(struct chan *ch, struct msg *m, struct why *why);

/* A worker has no channel any more to the front of a login that it was given: the login is denied, if that front lives, and the
 * worker gets no more. */
enum err on_deny(struct chan *ch, struct msg *m, struct why *why);

/* A new worker of this owner, who has journals to be replayed. NULL: `why` says why not. */
struct child *worker_replay(struct master *m, struct identity owner, struct why *why);

/* The process of a store worker has ended (child_end): its place is free, or its owner's until another one may be tried.
 * `with_work`: logins that were passed on to it may have ended with it, and are denied. */
void worker_ended(struct child *c, bool with_work);
