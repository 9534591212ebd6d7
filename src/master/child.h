/* master/child.h - one process: its start with all its channels, its end, and when it is tried again
 *
 * Who has a channel to whom: front to auth and store, auth to hash and store, locker to store, front to access, backend to auth, state to auth and
 * store; all to master. */
#pragma once
#include "master/master.h"

/* One more place for a process of this role, empty; NULL: there are as many as may be. */
struct child *place_add(struct master *m, enum role role);

/* "front", ...; of a backend its module. */
const char *child_name(const struct child *c);

/* A process runs here. */
bool child_runs(const struct child *c);

/* Starts a process in this place, where none runs, and gives it its channels. After an error none runs there, and it is
 * not tried again by itself. */
enum err child_start(struct child *c, struct why *why);

/* The same from the loop: at once, or later the more often it ended soon after its start. Goes on until it succeeds. */
void child_start_later(struct child *c);

/* Store: starts a process that waits for its owner, in a place that is nobody's. */
enum err child_start_spare(struct child *c, struct why *why);

/* It is c->owner's from here on, and hears of its peers as they of it. After an error it ends. */
enum err child_assign(struct child *c, struct why *why);

/* It will see its channels close, and end by itself. */
void child_let_go(struct child *c);

/* Ends it at once: it does what it must not. */
void child_kill(const struct child *c, const char *reason);

/* It has let go of its channel, so it is at its end; where it does not come to it, it is killed. */
void child_must_end(struct child *c);

/* Store: no auth sends it grants any more, and it ends when its sessions have. */
void child_retire(struct child *c);

/* The process that ran here has ended with this status of wait(2): logs it, closes its channel, and notes from when on another
 * may be started. */
void child_end(struct child *c, int status);
