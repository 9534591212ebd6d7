/* store/mailbox_lock.c - see mailbox_lock.h */
#include "store/mailbox_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/external.h"

enum { TELL_MS = 60 * 1000 };

/* Without NAME.lock, programs that know nothing else are not kept out: the operator must hear of it, but not with every session. */
static void tell_alone(const struct spool *sp, const struct why *why)
{
	static uint64_t told_ms;
	uint64_t now_ms = clock_ms();

	if (told_ms != 0 && now_ms - told_ms < TELL_MS)
		return;
	told_ms = now_ms;
	log_line(LOG_WARNING,
		 "no %.100s.lock can be made (%.150s): the mailbox is locked by fcntl alone, and changed in place; for "
		 "a directory "
		 "that users may not write, name it by mail-spool, owned by root:mail with mode 2775",
		 sp->name, why->text);
}

/* All of the file, whatever its length is and will be. */
static int kernel_set(int fd, short type)
{
	struct flock all = {.l_type = type, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &all);
}

static enum err kernel_take(int fd, struct why *why)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return fail_errno(why, ERR_TEMP, "its descriptor");
	if (kernel_set(fd, (flags & O_ACCMODE) == O_RDONLY ? F_RDLCK : F_WRLCK) == 0)
		return OK;
	if (errno == EAGAIN || errno == EACCES)
		return fail(why, ERR_IN_USE, "another program has locked it by fcntl");
	return fail_errno(why, ERR_TEMP, "lock it by fcntl");
}

static enum err dotlock_try(struct mailbox_lock *l, const struct mailbox_lock_setup *setup, struct why *why)
{
	const struct conf_locking *conf = setup->conf;
	const struct dotlock_rules rules = {.pid_check = conf->pid_check,
					    .expire_s = conf->expire_timeout.n,
					    .heir = setup->heir > 0 ? setup->heir : getppid()};
	struct why reason = {""};
	enum err err = spool_lock(l->sp, &l->file, &rules, &reason);

	l->dotlock = err == OK;
	if (err != ERR_PERM)
		return err == OK ? OK : fail(why, err, "%s", reason.text);
	tell_alone(l->sp, &reason);
	return OK;
}

/* The program first, and not while fcntl's lock is held: it may take long. */
static enum err external_try(struct mailbox_lock *l, const struct mailbox_lock_setup *setup, struct why *why)
{
	if (setup->conf->type != LOCK_EXTERNAL || !setup->external)
		return OK;
	enum err err = external_take(setup->external, l->sp->dir, l->sp->name, &l->external, why);

	l->by = err == OK ? setup->external : NULL;
	return err;
}

static void external_let_go(struct mailbox_lock *l, void (*how)(struct external *, struct external_lock *))
{
	if (l->by)
		how(l->by, l->external);
	l->by = NULL;
}

enum err mailbox_lock_try(struct mailbox_lock *l, const struct mailbox_lock_setup *setup, const struct spool *sp,
			  int fd, struct why *why)
{
	*l = (struct mailbox_lock){.sp = sp, .fd = fd, .file = {.fd = -1}};
	if (setup->conf->type == LOCK_NULL) {
		l->held = true;
		return OK;
	}
	enum err err = external_try(l, setup, why);

	if (err == OK)
		err = kernel_take(fd, why);
	if (err != OK) {
		debug(TOPIC_LOCKER, DEBUG_TRACE1, "mailbox lock: %d=%s %s", (int)err, err_name(err), why->text);
		external_let_go(l, external_release);
		return err;
	}
	if (setup->conf->type != LOCK_KERNEL && !l->by)
		err = dotlock_try(l, setup, why);
	l->held = err == OK;
	debug(TOPIC_LOCKER, DEBUG_TRACE1, "mailbox lock: %d=%s %s", (int)err, err_name(err),
	      err == OK ? "" : why->text);
	if (err != OK)
		(void)kernel_set(fd, F_UNLCK); /* cannot fail on a range that is held */
	return err;
}

void mailbox_lock_release(struct mailbox_lock *l)
{
	struct why why = {""};

	if (!l->held)
		return;
	if (l->dotlock && !spool_unlock(l->sp, &l->file, &why))
		log_line(LOG_WARNING, "mailbox lock: %s", why.text);
	external_let_go(l, external_release);
	(void)kernel_set(l->fd, F_UNLCK); /* cannot fail on a range that is held */
	l->held = l->dotlock = false;
}

void mailbox_lock_leave(struct mailbox_lock *l)
{
	if (!l->held)
		return;
	dotlock_leave(&l->file);
	external_let_go(l, external_keep);
	(void)kernel_set(l->fd, F_UNLCK); /* cannot fail on a range that is held */
	l->held = l->dotlock = false;
}
