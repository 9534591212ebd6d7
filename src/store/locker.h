/* store/locker.h - the locker role as store sees it: who makes files beside mailboxes in the spool, where our owner may not
 *
 * It answers at once, so store waits for it; what it does is spelled out in ipc/catalogue.h (enum spool_op). It may die and come back: then what
 * is asked meanwhile fails with ERR_TEMP. */
#pragma once
#include "ipc/chan.h"

struct locker {
	bool expected; /* there is to be one, for the directory (dev, ino) */
	uint64_t dev, ino;
	struct chan chan; /* while there is one: chan.in.fd >= 0 */
	uint32_t heir;    /* see struct msg_spool: for the next SPOOL_LOCK */
	/* The answer that is waited for. */
	uint64_t job;
	bool answered;
	enum err err;
	struct why why;
	int fd;
};

/* `spool`: the directory that it serves; NULL: there is none, and will be none. */
void locker_init(struct locker *l, const char *spool);

/* A new process; owns fd. */
void locker_connect(struct locker *l, struct ev_loop *loop, int fd, uint32_t serial);

/* True where it makes the files of this directory. */
bool locker_serves(const struct locker *l, int dir);

/* *fd is the caller's, -1 where there is none; NULL where none is expected. ERR_TEMP: no locker, or no answer in time; then whatever may
 * have been done is undone. */
enum err locker_ask(struct locker *l, enum spool_op op, const char *name, int *fd, struct why *why);
