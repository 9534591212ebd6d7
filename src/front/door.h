/* front/door.h - who comes in: listening sockets, places, and those who wait for one
 *
 * The listening sockets are shared by all fronts. Each front watches them through an epoll instance of its own with
 * EPOLLEXCLUSIVE, so that a connection wakes one front, and lets go of them while it has clearly more clients than
 * another or no descriptor to spare. A client beyond max-children waits for a place, first come first served over all
 * fronts; all it costs is its descriptor and a ticket. */
#pragma once
#include <ev.h>

#include "conf/conf.h"
#include "front/access.h"
#include "ipc/catalogue.h"

struct front;

struct door {
	struct front *front;
	int epfd;                     /* holds the listening sockets */
	ev_io arrivals;               /* on epfd */
	ev_io wake;                   /* on the eventfd: a place has become free */
	ev_timer look;                /* while closed: may it be opened? */
	ev_timer tick;                /* while clients wait */
	struct waiting *first, **end; /* clients that wait, oldest first */
	unsigned turn;                /* connections taken from a socket before others get their turn */
	unsigned full;                /* turn of the loop in which there were as many */
	uint64_t descriptors;         /* that clients and channels may have */
	uint32_t waits;               /* clients that wait */
	bool admits;                  /* admit() of door.c is at work */
	bool shut;                    /* for good */
	bool starved;                 /* the machine has no descriptor or memory for another client */
};

/* The address that a server was configured with. Which of the machine's a wildcard stood for is not asked. */
struct address door_address(const struct conf_server *server);

/* False, and the reason is logged: it cannot be watched. */
bool door_open(struct front *f);

/* inetd mode: this client comes in, and no other. */
void door_only(struct front *f, int fd);

/* Takes the connections that the kernel has completed, and then no more: they come in as ever, or are told that we end,
 * as are those who wait for a place; who waits for a program is not told. A second call looks at those only. */
void door_leave(struct front *f, bool come_in);

/* Those who wait are refused. */
void door_close(struct front *f);

/* The access lists have decided about a client, or go on to. */
void door_decided(struct front *f, struct arrival *a, enum access verdict);

/* A client has gone: its place is for the next. */
void door_left(struct front *f, const struct address *client);
