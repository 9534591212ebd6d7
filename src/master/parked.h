/* master/parked.h - sessions that do nothing, and have no store worker
 *
 * A worker whose only session has been idle for `session-idle-worker' asks master to keep it (MSG_PARK): what a grant said, and the
 * open file that has the session lock, which so stays locked. Front decides (MSG_PARKED): it alone knows whether it has asked for something
 * meanwhile. What it agrees to it tells the worker (MSG_REST), which ends; what it does not, it tells master (WAKE_STAYS). Until
 * then both have the session, and neither lets go of the lock on its own.
 *
 * When front wants something of it (WAKE_WANTED) some worker of the owner gets all of that back, opens the maildrop with the same listing, and
 * says so to front (MSG_AWAKE), or denies. When the session ends, or its front does, the lock goes. */
#pragma once
#include "ipc/chan.h"
#include "master/privs.h"

struct master;
struct parked;

enum { PARKED_LISTS = 1024 };

struct parkeds {
	struct parked *list[PARKED_LISTS]; /* by session id */
	unsigned n;
};

/* Handlers: of a store worker, and of a front. */
enum err on_park(struct chan *ch, struct msg *m, struct why *why);
enum err on_wake(struct chan *ch, struct msg *m, struct why *why);

/* A session that begins so (master/opener.h), with what its grant says: `text' is its name and mailbox. Owns lock_fd, which has the session lock, if it says true; false: no memory
 * or descriptors, or there is one with this id. Its front has to say how it goes on, before all else: then parked_begun says whether it is still here. */
bool parked_add(struct master *m, struct identity owner, const struct msg_park *park, struct slice text, int lock_fd);
bool parked_begun(struct master *m, const struct msg_begun *how);

/* This front has ended, and its sessions with it. */
void parked_front_ended(struct master *m, uint32_t front);
