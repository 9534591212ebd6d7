/* master/recover.h - changes of mailboxes that a crash has interrupted are brought to their end, before anybody is served
 *
 * Store replays the journals of its owner before it says that it is ready (store/replay.h); here is who sees to it that it runs: for
 * every owner with a journal when the daemon starts, and again where a worker has died. */
#pragma once
#include "master/master.h"

/* Starts a worker for each owner who has a journal; while starting, m->recovering counts them. */
void recover_all(struct master *m);

/* A worker of this owner has died: another one is started where it has left a journal, or later where workers of his keep dying. */
void recover_owner(struct master *m, struct identity owner);
