/* store/lock.h - the session lock: one POP3 session per maildrop at a time
 *
 * An OFD byte-range lock (fcntl_locking(2)) of one octet, at an offset hashed from the maildrop's canonical name, in one
 * file per owner that is never unlinked: it heals by itself when a process dies. Sessions inside one process share
 * that file's descriptor, so they are kept apart by the process's own table. Nothing here waits. */
#pragma once
#include "base/slice.h"
#include "base/why.h"
#include "store/table.h"

/* The locks of a process. `fd` is borrowed. */
struct locks {
	int fd;
	struct table held;
};

/* One lock; in its owner's storage, which must not move while it is held. */
struct lock {
	struct table_item item;
	bool held;
};

/* Offset of the lock of what stat(2) calls (dev, ino). */
uint64_t lock_key(uint64_t dev, uint64_t ino);

/* The same for a name in the directory that stat(2) calls so. */
uint64_t lock_key_named(uint64_t dev, uint64_t ino, struct slice name);

/* ERR_IN_USE: another session has it. */
enum err lock_take(struct locks *ls, struct lock *l, uint64_t key, struct why *why);

/* A lock that is not held: nothing happens. */
void lock_release(struct locks *ls, struct lock *l);
