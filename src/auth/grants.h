/* auth/grants.h - where a grant goes: the store workers, by owner
 *
 * The worker of the mail's owner that waits for work and has the fewest sessions; where all of them have been busy
 * for a while, or there is none, master, who starts one and passes the grant on. */
#pragma once
#include "ipc/chan.h"
#include "ipc/role.h"

enum { GRANTS_OWNERS = 1024, GRANTS_BUSY_MS = 100 };

struct grants_worker;

struct grants {
	struct ev_loop *loop;
	struct chan *master;
	const struct store_slot *slots;             /* NULL: nothing is known of how they are doing */
	struct grants_worker *owner[GRANTS_OWNERS]; /* by hash of uid and gid */
	/* A worker died, and this session's grant may have died with it (ipc/granted.h). */
	void (*lost)(void *arg, uint64_t sid, uint64_t reservation);
	void *arg;
};

/* The caller has filled in loop, master, slots, lost and arg. */
void grants_close(struct grants *g);

/* A channel to a store worker; fd is ours on OK. */
enum err grants_peer(struct grants *g, const struct msg_peer *peer, int fd, struct why *why);

/* No more grants to this one: it wants to end. */
void grants_forget(struct grants *g, uint32_t serial);

/* bulk: name, mailbox, home. False: neither a worker nor master takes it. */
bool grants_send(struct grants *g, const struct msg_grant *grant, const struct slice bulk[3]);
