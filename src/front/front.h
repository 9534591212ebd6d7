/* front/front.h - one front process: its loop, its peers, its clients
 *
 * A front talks to strangers. It runs in an empty root without the right to open, connect, execute or signal; all it has
 * is what it was handed: listening sockets, channels, shared pages. The system calls it makes, for the filter that
 * master puts around it:
 *	accept4 close shutdown fcntl read recvfrom recvmsg sendto sendmsg preadv2 write(eventfd, log) fstat statx(AT_EMPTY_PATH) fstatfs
 *	pread (certificates) memfd_create epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2 ioctl(TIOCOUTQ)
 *	setsockopt(TCP_NODELAY) clock_gettime sched_yield mmap munmap mremap brk madvise mprotect futex getpid exit_group
 * and when it starts getrandom, prlimit64, rt_sigaction. */
#pragma once
#include <ev.h>

#include "front/arrivals.h"
#include "front/door.h"
#include "front/peers.h"
#include "front/pool.h"
#include "front/streak.h"
#include "front/tls.h"
#include "front/view.h"
#include "ipc/places.h"
#include "ipc/role.h"

enum {
	READ_OCTETS = 4096,            /* taken from a socket at a time */
	AHEAD_MOST = 32 * 1024 * 1024, /* octets of fetched messages that all clients together have not taken yet */
};

struct front {
	const struct role_env *env;
	const struct conf *conf;
	struct ev_loop *loop;
	struct places places;
	struct door door;
	struct arrivals arrivals;
	struct peers peers;
	struct streak streak;
	struct pool pool;         /* output buffers */
	struct pool records;      /* and those for TLS records */
	struct tls_server **tls;  /* one for each of conf->servers; NULL: no TLS there. Some may be the same */
	struct window window;     /* of the scan listing being read at the moment */
	char *input;              /* the longest line + READ_OCTETS: what the session at work reads */
	size_t input_octets;      /* of it, to be wiped when its turn is over */
	struct piece piece;       /* raw octets on their way to the wire */
	uint64_t log_id;          /* of the session that came last */
	size_t ahead;             /* octets of fetched messages that wait for their clients */
	struct session *sessions; /* all */
	struct chan master;
	int status;     /* inetd mode: to exit with */
	bool leaves;    /* no client comes in any more; ends with the last one */
	ptrdiff_t turn; /* octets that the session at work may still move before others get their turn */
};

/* What was given to us for TLS: after front_init, before the first session. */
enum err front_tls_open(struct front *f, struct why *why);

/* Without channels and listeners. False: no memory. */
bool front_init(struct front *f, struct ev_loop *loop, const struct role_env *env);

/* No more clients; those that may not stay are ended. */
void front_leave(struct front *f, enum leave stay);

/* A client has gone. Where no other may come, that ends the loop. */
void front_left(struct front *f);

/* For log_session: the id of a connection that has just been accepted. */
uint64_t front_log_id(struct front *f);

/* Ends all sessions and gives everything back. */
void front_done(struct front *f);
