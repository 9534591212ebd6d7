/* store/lock.h - the session lock: one POP3 session per maildrop at a time
 *
 * An OFD byte-range lock (fcntl_locking(2)) of one octet, at an offset hashed from the maildrop's canonical name, in one
 * file per owner that is never unlinked: it heals by itself when a process dies. Sessions inside one process share
 * that file's descriptor, so they are kept apart by the process's own table. Nothing here waits.
 *
 * Whoever wants one that another process has can ask for it: by a lock of the same kind at another offset, which its holder finds there. So
 * that holders need not look for that again and again, who asks changes the file's time (session-takeover). */
#pragma once
#include "base/slice.h"
#include "base/why.h"
#include "store/table.h"

/* The locks of a process. `fd` is borrowed. */
struct locks {
	int fd;
	struct table held;
	int64_t rung_ns; /* when somebody has last asked for one, as far as we know */
};

/* One lock; in its owner's storage, which must not move while it is held. */
struct lock {
	struct table_item item;
	bool held;
	int fd; /* of the open file that has it, where that is another one than the process's: owned; only while it is held */
};

/* Offset of the lock of what stat(2) calls (dev, ino). */
uint64_t lock_key(uint64_t dev, uint64_t ino);

/* The same for a name in the directory that stat(2) calls so. */
uint64_t lock_key_named(uint64_t dev, uint64_t ino, struct slice name);

/* ERR_IN_USE: another session has it. */
enum err lock_take(struct locks *ls, struct lock *l, uint64_t key, struct why *why);

/* Takes over what another process has taken through `fd', of which nothing else is locked. Owns fd in any case; ERR_TEMP: it is not taken over, and
 * nobody has it. */
enum err lock_adopt(struct locks *ls, struct lock *l, uint64_t key, int fd, struct why *why);

/* It stays locked, for whoever else has the open file. */
void lock_leave(struct locks *ls, struct lock *l);

/* The open file that has it. */
int lock_fd(const struct locks *ls, const struct lock *l);

/* Asks the process that has it to let go, until lock_unask; to be repeated. */
void lock_ask(const struct locks *ls, uint64_t key);
void lock_unask(const struct locks *ls, uint64_t key);

/* Somebody may have asked since the last time, and somebody asks for this one. */
bool lock_rung(struct locks *ls);
bool lock_is_asked(const struct locks *ls, uint64_t key);

/* A lock that is not held: nothing happens. */
void lock_release(struct locks *ls, struct lock *l);
