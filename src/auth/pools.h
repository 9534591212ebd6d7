/* auth/pools.h - questions to modules in other processes (backend/backend.h): a pool of processes for each
 *
 * A process has one question at a time; the others wait here, first come first served, and at most POOL_WAITING_MOST of them for
 * each module. Each is answered once, at its deadline at the latest, whatever the process does. Where a process dies, a
 * look-up is tried on another one, once.
 *
 * A module that says that nobody could be asked, or that does not answer in time, is left alone: for 1, 2, 4 ... 30 seconds its
 * questions are answered at once; then one of them is a probe. That it is away, and that it is back, is told once. All
 * auth workers share what they know of that, in memory that nobody else has. */
#pragma once
#include <stdatomic.h>

#include "auth/module.h"
#include "conf/backends.h"
#include "ipc/chan.h"

enum { POOL_WAITING_MOST = 1024, POOL_TRIES = 2, POOL_PAUSE_MOST_S = 30 };

/* What was answered; slices are valid until the callback returns. */
struct looked {
	enum err err;
	struct why why;
	uint32_t uid, gid;
	bool asks_source;
	struct slice text[LOOKED_TEXTS];
};

/* Lives in the asker's storage until it is answered. */
struct question {
	struct question *next; /* private, as is all that follows but for: */
	uint64_t id, deadline_ms;
	unsigned tries;
	bool probe;
	struct pool_worker *worker; /* that has it; NULL: it waits */
	/* the asker's: */
	enum look_what what;
	bool wants_secret;
	uint64_t log_id;
	struct address client;
	struct slice login, name, password;
	/* The question is the asker's again. */
	void (*answer)(struct question *q, const struct looked *l);
};

/* In shared memory, for each module. */
struct pool_state {
	_Atomic uint64_t again_ms; /* not asked before; 0: it is asked */
	_Atomic uint32_t pause_s;  /* then */
	uint32_t pad;
};

struct pool_worker;

struct pool {
	struct pools *all;
	const struct conf_backend *backend;
	struct pool_state *state;
	struct pool_worker *list;
	struct question *first, **end; /* by deadline: all that are not answered */
	size_t waiting;
	ev_timer due; /* the deadline of the first */
};

struct pools {
	struct ev_loop *loop;
	struct chan *master; /* who ends a process that is stuck, told by its serial; NULL: nobody */
	struct pool pool[CONF_BACKENDS_MOST];
	size_t n;
	uint64_t timeout_ms, last_id;
	struct pool_state own[CONF_BACKENDS_MOST]; /* where nothing is shared */
};

/* shared: of auth_pools_octets, zeroed at first; NULL: there is none. */
void pools_open(struct pools *p, struct ev_loop *loop, const struct conf *cf, void *shared);
void pools_close(struct pools *p); /* questions are not answered */

/* A channel to a new process; fd is ours on OK. */
enum err pools_peer(struct pools *p, const struct msg_peer *peer, int fd, struct why *why);

/* NULL: the module is not in use. */
struct pool *pools_find(struct pools *p, const char *module);

/* Its answer may come before it returns. */
void pool_ask(struct pool *p, struct question *q);
