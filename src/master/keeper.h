/* master/keeper.h - the daemon's first process: it keeps what lasts, over all reloads, and starts a generation for each
 *
 * Its are the signals, the listening sockets, the pidfile, the service manager, the counts of clients that all fronts share.
 *
 *	SIGTERM, SIGINT, SIGQUIT	no more clients; who is logged in may finish, up to shutdown-timeout; again: sooner
 *	SIGHUP				the configuration is read again and a new generation started; once it serves, the one
 *					before it is told to leave. Where that fails, nothing has changed
 *
 * It has no business with clients, users or mail, so that nothing makes it wait. */
#pragma once
#include "conf/cmdline.h"

/* Runs the daemon to its end; the status to exit with. Owns cf. */
int keeper_run(const struct cmdline *cl, struct conf *cf);
