/* front/arrivals.h - clients about whom a program is asked: the channel to access, and who waits for its answer
 *
 * A question has a number that is never used again, and the client hangs on that number, not on its descriptor: an answer that comes when
 * the client has gone is for nobody, whoever has the descriptor by then. All that such a client costs is its descriptor; there is
 * no more than a number of them, and access sees to it that they are not all of one address. Who leaves is noticed, and
 * his program ended. Who is not answered in time is denied, and so is everybody while there is nobody to ask. */
#pragma once
#include "front/access.h"
#include "ipc/chan.h"

struct front;

enum { ARRIVALS_MOST = 512 }; /* clients that wait for programs */

struct arrivals {
	struct front *front;
	struct chan chan; /* to access, while `connected` */
	bool connected;
	uint64_t job; /* the last number that was given */
	int epfd;     /* tells who leaves; -1: no list has programs */
	ev_io leaving;
	ev_timer tick;                 /* while clients wait */
	struct awaiting *first, **end; /* oldest first */
	uint32_t n;
};

/* False, and the reason is logged. */
bool arrivals_open(struct front *f);

/* A new process that can be asked; owns fd. */
void arrivals_connect(struct front *f, const struct msg_peer *who, int fd);

/* Has this entry's program run for the client. */
enum err arrivals_run(struct front *f, const struct arrival *a, const struct conf_acl_rule *r, struct why *why);

/* The same, and the client waits for the answer: *a is copied, and its descriptor ours. With the answer he goes on to door_decided. */
enum err arrivals_ask(struct front *f, const struct arrival *a, const struct conf_acl_rule *r, struct why *why);

/* Nobody waits any more: the connections are closed, without an octet. */
void arrivals_leave(struct front *f);
void arrivals_close(struct front *f);
