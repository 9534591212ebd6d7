/* store/spool.c - see spool.h */
#include "store/spool.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mail/twin.h"
#include "store/locker.h"

enum err spool_init(struct spool *sp, int dir, const char *name, struct locker *locker, struct why *why)
{
	*sp = (struct spool){.dir = dir, .name = name};
	if (name[0] == '\0' || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail(why, ERR_PERM, "%s is no name of a mailbox", name);
	sp->own = faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == 0;
	if (!sp->own && locker && locker_serves(locker, dir))
		sp->locker = locker;
	return OK;
}

static enum err new_directly(const struct spool *sp, int *fd, struct why *why)
{
	struct twin_like like;
	int old = openat(sp->dir, sp->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	*fd = -1;
	if (old < 0)
		return fail_errno(why, ERR_PERM, "open it");
	enum err err = twin_like_file(&like, old, why);

	close(old);
	return err == OK ? twin_new(sp->dir, sp->name, &like, fd, why) : err;
}

enum err spool_new(const struct spool *sp, int *fd, struct why *why)
{
	if (!sp->locker)
		return new_directly(sp, fd, why);
	enum err err = locker_ask(sp->locker, SPOOL_NEW, sp->name, fd, why);

	return err == OK && *fd < 0 ? fail(why, ERR_TEMP, "the locker has handed nothing over") : err;
}

enum err spool_replace(const struct spool *sp, struct why *why)
{
	return sp->locker ? locker_ask(sp->locker, SPOOL_REPLACE, sp->name, NULL, why)
			  : twin_replace(sp->dir, sp->name, why);
}

void spool_abandon(const struct spool *sp)
{
	if (sp->locker)
		(void)locker_ask(sp->locker, SPOOL_ABANDON, sp->name, NULL,
				 NULL); /* what stays is removed before the next */
	else
		twin_abandon(sp->dir, sp->name);
}

enum err spool_keep(const struct spool *sp, struct why *why)
{
	return sp->locker ? locker_ask(sp->locker, SPOOL_KEEP, sp->name, NULL, why)
			  : dotlock_keep(sp->dir, sp->name, getppid(), why);
}

enum err spool_lock(const struct spool *sp, struct dotlock *l, const struct dotlock_rules *rules, struct why *why)
{
	l->fd = -1;
	if (sp->locker)
		sp->locker->heir = (uint32_t)rules->heir;
	return sp->locker ? locker_ask(sp->locker, SPOOL_LOCK, sp->name, NULL, why)
			  : dotlock_take(l, sp->dir, sp->name, rules, why);
}

bool spool_unlock(const struct spool *sp, struct dotlock *l, struct why *why)
{
	if (sp->locker)
		return locker_ask(sp->locker, SPOOL_UNLOCK, sp->name, NULL, why) == OK;
	return dotlock_release(l, sp->dir, sp->name, why);
}
