/* store/spool.h - what may be done beside a mailbox that is one file: NAME.lock, and a new file that takes its place
 *
 * Directly where the owner may make files, else through the locker role, which serves the configured spool (src/master/locker.c);
 * elsewhere neither can be: then the calls below say ERR_PERM, and the mailbox is locked by fcntl(2) and changed in place.
 *
 * The new file is called .NAME.new: hidden, so that it is nobody's mailbox. Everything but spool_init and spool_keep needs the mailbox
 * lock, and that one the session lock: so two processes of ours are never at the same name. */
#pragma once
#include "mail/dotlock.h"

struct locker; /* store/locker.h */

struct spool {
	int dir;               /* borrowed */
	const char *name;      /* borrowed; in `dir`, no slash in it */
	bool own;              /* files can be made in it */
	struct locker *locker; /* NULL: none, or `dir` is not what it serves */
};

/* `locker` may be NULL. */
enum err spool_init(struct spool *sp, int dir, const char *name, struct locker *locker, struct why *why);

/* .NAME.new: empty, with owner, mode and ACL of NAME; the caller owns *fd. ERR_PERM: these cannot be kept, or nothing can be made here. */
enum err spool_new(const struct spool *sp, int *fd, struct why *why);

/* .NAME.new over NAME: the caller has synced its contents; the directory is synced before OK. After ERR_TEMP it is not known which
 * of the two NAME is; each is whole. */
enum err spool_replace(const struct spool *sp, struct why *why);

/* .NAME.new goes. */
void spool_abandon(const struct spool *sp);

/* To be called before the first octet is changed in place: from here on NAME.lock, if it is ours, survives this process, locker and a
 * power cut: it bears the number of master, which sees to the replay. Whoever takes the lock next, for the replay, takes it over. */
enum err spool_keep(const struct spool *sp, struct why *why);

/* NAME.lock, for mailbox_lock.c, as dotlock_take and dotlock_release. Through locker, l->fd stays -1. */
enum err spool_lock(const struct spool *sp, struct dotlock *l, const struct dotlock_rules *rules, struct why *why);
bool spool_unlock(const struct spool *sp, struct dotlock *l, struct why *why);
