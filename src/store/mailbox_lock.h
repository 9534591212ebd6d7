/* store/mailbox_lock.h - the mailbox lock: keeps deliverers and mail readers out of a mailbox that is one file
 *
 * Held while scanning and while committing only, and always under the session lock. As `locking` says: of type dotlock, NAME.lock beside the mailbox
 * and a write lock of fcntl(2) on all of it, as Debian's policy wants both; of type external, the lock of a program (store/external.h) and that of fcntl; of type kernel, the latter alone; of type null, nothing, and whoever says so knows why. Where no NAME.lock can be made, one that
 * others have made is respected all the same, and a line in the log says what to do. Nothing here waits: whoever finds it busy
 * comes again.
 *
 * The lock of fcntl(2) belongs to the open file (F_OFD_SETLK): closing other descriptors of it does not lose it. Who has the lock looks whether
 * NAME still is the file that `fd` is: another program may have replaced it before. */
#pragma once
#include "conf/conf.h"
#include "store/spool.h"

struct mailbox_lock_setup {
	const struct conf_locking *conf;
	struct locker *locker; /* NULL: none */
	/* of type external; NULL: nobody who would start the program, and NAME.lock is made instead */
	struct external *external;
	pid_t heir; /* whose number a lock may have that was left behind, see spool_keep; 0: of our master */
};

struct mailbox_lock {
	bool held;
	bool dotlock;        /* NAME.lock is ours: the mailbox may be replaced by a rename */
	struct external *by; /* NULL, or who has the lock of the external locker for us: then, too */
	struct external_lock *external;
	const struct spool *sp; /* borrowed while it is held */
	int fd;                 /* of the mailbox, borrowed while it is held */
	struct dotlock file;
};

/* `fd`: of the mailbox, open for reading, and for writing where the owner may write. Both `fd` and `sp` stay until the release.
 * ERR_IN_USE: another program has it, or the external locker is being asked (its `asked'). After an error nothing is held. */
enum err mailbox_lock_try(struct mailbox_lock *l, const struct mailbox_lock_setup *setup, const struct spool *sp,
			  int fd, struct why *why);

/* One that is not held: nothing happens. One that another program has taken away is told in the log, and its own lock is left alone. */
void mailbox_lock_release(struct mailbox_lock *l);

/* Lets go of it, but leaves NAME.lock, and that of the external locker: the mailbox must not be touched before it has been replayed (store/replay.h). */
void mailbox_lock_leave(struct mailbox_lock *l);
