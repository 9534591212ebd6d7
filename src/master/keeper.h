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
#include <ev.h>
#include <limits.h>

#include "conf/cmdline.h"
#include "master/daemon.h"
#include "master/generation.h"
#include "master/log_again.h"
#include "master/pidfile.h"

enum { KEEPER_SIGNALS = 6 };

/* Its state: of keeper.c, reload.c and revive.c alone. */
struct keeper {
	struct cmdline cl;
	char config_file[PATH_MAX], site_file[PATH_MAX];
	struct ev_loop *loop;
	struct conf *cf; /* in force */
	struct listeners listeners;
	struct commons commons;
	struct generation generation[GENERATIONS_MOST];
	struct generation *current; /* serves new clients; NULL: it is coming, or was and has died (revive.c) */
	/* a start or a reload under way: */
	struct generation *coming;  /* is to take the current one's place */
	struct generation *leaving; /* has been told to leave the doors to the current one */
	struct conf *new_cf;        /* NULL: the one in force, once more */
	struct listeners new_listeners;
	struct why reason; /* why `coming` cannot serve, where it said so */
	bool again;        /* another reload is wanted behind this one */

	ev_timer revive;     /* where the current one has died: until the next try */
	unsigned revivals;   /* tries in a row */
	uint64_t revived_ms; /* clock_ms: when the last one served; 0: it does not */

	unsigned generations; /* so far */
	bool stopping;
	enum leave stay; /* while stopping: who may */
	int status;      /* to exit with */
	struct daemon daemon;
	struct pidfile pidfile;
	ev_signal signal[KEEPER_SIGNALS];
	ev_timer patience;   /* while one is coming or leaving */
	ev_timer ticket_key; /* the next */
	struct log_again log_again;
};

/* Generations that live. */
unsigned generations_count(const struct keeper *k);

/* Runs the daemon to its end; the status to exit with. Owns cf. */
int keeper_run(const struct cmdline *cl, struct conf *cf);
