/* master/supervise.h - starting the roles, watching them, ending them
 *
 *	hash, auth, front	a fixed number each; one that ends is replaced, at once at first, later and later
 *				while it keeps ending soon after its start
 *	store			started by grant.c when somebody logs in; not replaced
 * See child.h for who has a channel to whom. */
#pragma once
#include "master/master.h"

/* Runs everything until it is told to leave and the last client has gone; the status to exit with. The listeners are open, users
 * and paths are found. */
int supervise(struct master *m);
