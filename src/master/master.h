/* master/master.h - the process that starts and watches the roles of one configuration: its state
 *
 * Master makes what the roles share (pages, channels), starts a process for each, hands out the channels, and starts
 * another one when one ends. It carries no session and reads nothing that a client sent. One thread, one loop; all it does
 * follows from a signal, a timer or a message.
 *
 * There is a master for each configuration that still has sessions; what all of them share (the listening sockets, the counts
 * of clients) they have from the keeper (keeper.h), which tells them when to leave. */
#pragma once
#include <ev.h>

#include "ipc/chan.h"
#include "ipc/granted.h"
#include "ipc/region.h"
#include "ipc/role.h"
#include "master/apop.h"
#include "master/certs.h"
#include "master/commons.h"
#include "master/external.h"
#include "master/log_again.h"
#include "master/nursery.h"
#include "master/opener.h"
#include "master/owners.h"
#include "master/parked.h"
#include "master/paths.h"
#include "master/privs.h"
#include "master/sockets.h"
#include "master/spares.h"

struct master;

/* A place for a process of a role; the process in it comes and goes. */
struct child {
	struct master *master;
	enum role role;
	uint32_t slot;          /* its number among those of its role, and in shared pages */
	pid_t pid;              /* 0: none runs */
	uint32_t serial;        /* of the process that runs, or ran last */
	struct identity owner;  /* store: whose mail */
	const char *module;     /* backend: what it does */
	uint32_t number;        /* backend: its place among those of its module ... */
	uint32_t module_at;     /* ... and that one's among those of the configuration */
	struct chan chan;       /* while a process runs */
	bool ready;             /* it serves */
	bool left;              /* front: it takes no more clients */
	bool leaving;           /* store: it was told that it may go, and gets no more work */
	bool spare;             /* store: it waits to hear whose it is */
	struct child *next;     /* store: of the same list of owners, or of free places */
	struct granted granted; /* store: what master passed on to it */
	unsigned denials;       /* store: what it denied through master */
	bool parks;             /* store: it has asked master to keep a session, and front has not said yet whether */
	uint64_t started_ms;
	unsigned early;    /* how often in a row it ended soon after its start */
	uint64_t again_ms; /* not started again before */
	ev_timer again;
	ev_timer overdue; /* it has closed its channel, and should have ended by then */
};

/* The places of a role. */
struct pool {
	struct child *child; /* room for `most` */
	unsigned n, most;
};

enum { SIGNALS_WATCHED = 5 };

struct master {
	struct conf *cf;
	struct ev_loop *loop;
	bool privileged;      /* started as root */
	struct identity self; /* who we are */
	struct identity front, auth;
	struct identity locker;
	char spool[PATH_MAX]; /* the directory in which locker makes files; "": there is no locker */
	gid_t shadow;         /* the group that may read the system's passwords, for auth; 0: nobody needs it */
	struct paths paths;
	struct listeners listeners;
	struct certs certs;
	struct apop apop;
	struct commons *commons; /* of the fronts of all masters */
	unsigned first;          /* slot there of our first front */
	struct region slots, cache;
	struct region backends;                 /* of auth: how they are doing, where there are any */
	struct region reservations, state_page; /* of state, where there is one */
	int confirmed[2];                       /* a pipe from stores to state, likewise; -1 */
	struct pool pool[ROLE_COUNT];
	struct owners owners;
	struct externals externals;
	struct parkeds parkeds;
	struct opener opener;
	struct spares spares;
	struct nursery nursery;
	const struct chan_ops *child_ops; /* of the channels to all of them */
	uint32_t serial;                  /* the last one given to a process */
	unsigned running;                 /* processes */
	unsigned recovering;              /* store workers that replay journals before the other roles are started */
	ev_timer recover;                 /* the next attempt, see recover.c */
	int keeper_fd;                    /* the channel to the keeper; -1: there is none, and signals are for us */
	struct chan keeper;               /* once the loop runs */
	bool is_inetd;                    /* there is one client, and the end of its front is ours */
	/* its socket, and relay's end of the pair where there is a relay, until they have them; -1 */
	int client, relay;
	bool logs_in; /* the client wants to: what that needs was started */
	bool starting;
	bool leaving;    /* no new clients: fronts end when they have none left, and then the others */
	bool stopping;   /* all are told to end */
	enum leave stay; /* who may, while leaving */
	int status;      /* to exit with */
	ev_signal signal[SIGNALS_WATCHED];
	ev_timer patience; /* while starting, leaving and stopping */
	struct log_again log_again;
};
