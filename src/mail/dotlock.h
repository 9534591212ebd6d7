/* mail/dotlock.h - NAME.lock beside a mailbox: the lock that deliverers and mail readers look for
 *
 * Made as it is safe on NFS too: a file .NAME.lck, which only one process can make at a time, gets our process number, link(2) makes it
 * NAME.lock, and what its links are then, not what link(2) says, tells whether that succeeded. One that a process has left which died in
 * between is removed by the next that wants the lock. Nothing here waits. Shared by store, in its owner's directories, and locker, in
 * the spool.
 *
 * A lock of ours does not outlive its maker: whoever checks process numbers finds it stale. Whoever calls dotlock_take knows by other
 * means (the session lock, locker's own list) that no process of this daemon holds NAME: a lock with the number of this
 * process or of `heir` was left behind, and is taken over. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/why.h"

enum { DOTLOCK_NAME_MOST = 250 }; /* octets of a NAME whose NAME.lock is a file name, and .NAME.new and .NAME.lck too */

/* Which locks of others are stale. An empty one, and one that says 0 (as lockfile(1) writes), tell of no process. */
struct dotlock_rules {
	bool pid_check; /* one whose process is gone, also because the machine was started since, or that holds something else than a number */
	uint64_t expire_s; /* one that is older; 0: none */
	pid_t heir;        /* the process whose number dotlock_keep writes; 0: none */
};

/* In its owner's storage. `fd` is our lock file, kept open so that no other file can be taken for it; -1: not held. */
struct dotlock {
	int fd;
};

/* ERR_IN_USE: somebody has the mailbox; `why` says who. ERR_PERM: nobody has, but no lock can be made in this directory (no right, no
 * room). In both cases, and after ERR_TEMP, nothing is held and nothing left behind. */
enum err dotlock_take(struct dotlock *l, int dir, const char *name, const struct dotlock_rules *rules, struct why *why);

/* From here on the lock of this process on NAME is `heir`'s, and survives this process and a power cut. Without such a lock nothing
 * happens. */
enum err dotlock_keep(int dir, const char *name, pid_t heir, struct why *why);

/* False: `why` says that another program has removed or replaced it while it was ours (its own stays), or that it could not be removed.
 * A lock that is not held: true. */
bool dotlock_release(struct dotlock *l, int dir, const char *name, struct why *why);

/* The process that a file of a lock names, if it runs; 0: it names none, or there is no file that could be read. */
pid_t dotlock_process(int dir, const char *file);

/* NAME.lock stays, and is not ours any more: for one that was kept. */
void dotlock_leave(struct dotlock *l);
