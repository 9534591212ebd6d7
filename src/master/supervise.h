/* master/supervise.h - starting the roles, watching them, ending them
 *
 *	hash, auth, front	a fixed number each; one that ends is replaced, at once at first, later and later
 *				while it keeps ending soon after its start
 *	store			started by grant.c when somebody logs in; not replaced
 *
 * Who has a channel to whom: front to auth and store, auth to hash and store; all to master. */
#pragma once
#include "master/master.h"

/* Runs everything until the daemon is told to end; the status to exit with. The listeners are open, users and paths are
 * found. */
int supervise(struct master *m);

/* Starts a process in this place and gives it its channels. After an error none runs there, and it is not tried
 * again by itself. */
enum err child_start(struct child *c, struct why *why);

/* One more place for a process of this role, empty; NULL: there are as many as may be. */
struct child *place_add(struct master *m, enum role role);

/* A process runs here. */
bool child_runs(const struct child *c);
