/* auth/hashers.h - hash jobs, spread over the hash processes
 *
 * Each has at most two jobs of ours, the second so that it never waits for the next; the others wait here, first come
 * first served, and at most HASHERS_QUEUE_MOST of them. Where a process dies, its jobs go to another one, once; while
 * there is none at all, jobs wait a few seconds for master to start one. */
#pragma once
#include "auth/cache.h"
#include "ipc/chan.h"

enum { HASHERS_QUEUE_MOST = 1024, HASHER_JOBS = 2, HASHER_TRIES = 2, HASHERS_WAIT_SECONDS = 5 };

/* Lives in the asker's storage until it is answered. */
struct hash_job {
	struct hash_job *next; /* the rest is private to hashers.c, but for: */
	uint64_t id;
	unsigned tries;
	struct slice setting, password; /* the asker's */
};

struct hasher;

struct hashers {
	struct ev_loop *loop;
	struct hasher *list;
	struct hash_job *first, **end;
	size_t waiting;
	uint64_t last_id;
	ev_timer none; /* runs while there is no process and a job waits */
	/* Each job is answered once; VERDICT_NONE: it could not be computed. The job is the asker's again. */
	void (*answer)(void *arg, struct hash_job *j, enum verdict v);
	/* Whether a job that has waited need not be computed any more, because the same was asked and answered
	 * meanwhile; if so, it has been dealt with. */
	bool (*is_known)(void *arg, struct hash_job *j);
	void *arg;
};

void hashers_open(struct hashers *h, struct ev_loop *loop);
void hashers_close(struct hashers *h); /* jobs are not answered */

/* A channel to a new process; fd is ours on OK. */
enum err hashers_peer(struct hashers *h, const struct msg_peer *peer, int fd, struct why *why);

/* False: too many wait already, and the job is still the caller's. */
bool hashers_put(struct hashers *h, struct hash_job *j);
