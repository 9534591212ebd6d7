/* mail/dotlock.c - see dotlock.h */
#include "mail/dotlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/slice.h"
#include "mail/twin.h"

enum {
	MODE_LOCK = 0644, /* others must be able to read the number */
	NUMBER_MOST = 32, /* octets that are looked at */
	MAKING_S = 60,    /* after which nobody can be about to make a lock of a file any more */
};
static const int64_t boot_slack_ns = 2000000000; /* clocks are set while a machine starts */

struct lock_name {
	char text[DOTLOCK_NAME_MOST + sizeof ".lock"];
};

static enum err name_lock(struct lock_name *out, const char *name, struct why *why)
{
	size_t n = strlen(name);

	if (n > DOTLOCK_NAME_MOST)
		return fail(why, ERR_PERM, "its name is too long for a lock beside it");
	memcpy(out->text, name, n);
	memcpy(out->text + n, ".lock", sizeof ".lock");
	return OK;
}

/* Whether a lock can be made where this happened at all. */
static enum err making_err(int error)
{
	static const int never[] = {EACCES, EPERM, EROFS, ENOSPC, EDQUOT, EMLINK, EOPNOTSUPP};

	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (error == never[i])
			return ERR_PERM;
	return ERR_TEMP;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* ---- somebody else's lock ---- */

enum state { FREE, BUSY, STALE };

/* `fd` keeps its inode from being given to another file while it is looked at; -1: there is none. */
struct found {
	enum state state;
	int fd;
	struct stat st; /* not of FREE */
};

/* The number at the beginning of what a lock holds: -1: something else; 0: none, or it says 0. */
static pid_t number_read(int fd)
{
	char text[NUMBER_MOST];
	ssize_t n = pread(fd, text, sizeof text, 0);
	struct slice rest = {text, n > 0 ? (size_t)n : 0};
	uint32_t number = 0;
	size_t digits = 0;

	if (n < 0)
		return 0; /* cannot be known: age alone counts */
	while (digits < rest.n && rest.p[digits] >= '0' && rest.p[digits] <= '9')
		digits++;
	if (rest.n == 0)
		return 0;
	if (digits == 0 || !slice_u32((struct slice){text, digits}, &number) || number > INT_MAX)
		return -1;
	return (pid_t)number;
}

/* EPERM: it runs, as somebody else. */
static bool process_is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* It was written before the machine was started, or so it seems where its file system has its own clock. */
static bool is_of_other_boot(const struct stat *st)
{
	return st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec < clock_boot_ns() - boot_slack_ns;
}

static bool is_stale(int fd, const struct stat *st, const struct dotlock_rules *rules, struct why *why)
{
	int64_t age_s = clock_wall_ns() / 1000000000 - st->st_mtim.tv_sec;
	pid_t pid = number_read(fd);

	if (!S_ISREG(st->st_mode))
		return fail(why, ERR_IN_USE, "what stands in the place of its lock is no regular file") == OK;
	if (pid > 0)
		(void)fail(why, ERR_IN_USE, "process %d has locked it", pid);
	else
		(void)fail(why, ERR_IN_USE, "it is locked, by a file that names no process");
	if (rules->expire_s > 0 && age_s > 0 && (uint64_t)age_s > rules->expire_s)
		return true;
	if (pid > 0 && (pid == getpid() || pid == rules->heir))
		return true;
	return rules->pid_check && (pid < 0 || (pid > 0 && process_is_gone(pid)) || is_of_other_boot(st));
}

/* With as much right to it as we have; of one that may not be read, only its age is known. */
static int open_any(int dir, const char *lock)
{
	static const int how[] = {O_RDWR | O_NONBLOCK, O_RDONLY | O_NONBLOCK, O_PATH};
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < sizeof how / sizeof *how; i++)
		fd = openat(dir, lock, how[i] | O_NOFOLLOW | O_CLOEXEC);
	return fd;
}

/* ERR_TEMP: it cannot be said. The caller closes out->fd. */
static enum err look(int dir, const char *lock, const struct dotlock_rules *rules, struct found *out, struct why *why)
{
	out->fd = open_any(dir, lock);
	out->state = FREE;
	if (out->fd < 0 && errno == ENOENT)
		return OK;
	if (out->fd < 0 || fstat(out->fd, &out->st) < 0)
		return fail_errno(why, ERR_TEMP, "look at %s", lock);
	out->state = is_stale(out->fd, &out->st, rules, why) ? STALE : BUSY;
	return OK;
}

/* Only who has this may take a lock file away, be it stale or his own, so that of our processes one at a time does. It ends with the
 * descriptor. Who cannot have it anyhow (no right to write, no locks here) goes on without. */
/* Where there are no such locks, all succeed. */
static bool removal_lock(int fd, short type)
{
	struct flock all = {.l_type = type, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &all) == 0 || (errno != EAGAIN && errno != EACCES);
}

static bool removal_is_ours(int fd)
{
	return removal_lock(fd, F_WRLCK);
}

/* ---- ours ---- */

/* Hidden, so that neither is a mailbox: what becomes the lock, and where a stale one goes that cannot change places with it. */
struct own_name {
	char text[DOTLOCK_NAME_MOST + sizeof "..lck"];
	char aside[DOTLOCK_NAME_MOST + sizeof "..old"];
};

/* "PID\n". Where there is no room for it the lock stays empty: nobody takes an empty one for stale. */
static enum err number_write(int fd, pid_t pid, struct why *why)
{
	char text[NUMBER_MOST];
	int n = snprintf(text, sizeof text, "%d\n", (int)pid);

	if (pwrite(fd, text, (size_t)n, 0) != n)
		n = errno == ENOSPC || errno == EDQUOT ? 0 : -1;
	if (n >= 0 && ftruncate(fd, n) == 0)
		return OK;
	return fail_errno(why, ERR_TEMP, "write a lock");
}

static bool is_name_of(int dir, const char *name, int fd)
{
	struct stat named, st;

	return fstat(fd, &st) == 0 && fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && same_file(&named, &st);
}

/* One that a process has left behind which died while it made a lock: whoever is at it has locked it. */
static bool own_remove_left(int dir, const char *own)
{
	int fd = openat(dir, own, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	bool left = fd >= 0 && removal_is_ours(fd) && is_name_of(dir, own, fd);

	if (fd < 0 && errno == EACCES && fstatat(dir, own, &st, AT_SYMLINK_NOFOLLOW) == 0)
		left = clock_wall_ns() / 1000000000 - st.st_ctim.tv_sec > MAKING_S;
	if (left)
		left = unlinkat(dir, own, 0) == 0;
	if (fd >= 0)
		close(fd);
	return left;
}

/* Ours alone from here on: who finds it before it is locked removes it, and then it is not at its name any more. */
static int own_create(int dir, const char *own)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, own, flags, MODE_LOCK);

	if (fd < 0 && errno == EEXIST) {
		if (own_remove_left(dir, own))
			fd = openat(dir, own, flags, MODE_LOCK);
		else
			errno = EEXIST;
	}
	if (fd >= 0 && !(removal_is_ours(fd) && is_name_of(dir, own, fd))) {
		close(fd);
		fd = -1;
		errno = EEXIST;
	}
	return fd;
}

/* A file that is to become the lock. */
static enum err own_new(int dir, const char *name, struct own_name *own, int *fd, struct why *why)
{
	(void)snprintf(own->text, sizeof own->text, ".%s.lck", name);
	(void)snprintf(own->aside, sizeof own->aside, ".%s.old", name);
	*fd = own_create(dir, own->text);
	if (*fd < 0 && errno == EEXIST)
		return fail(why, ERR_IN_USE, "another process is just locking it");
	if (*fd < 0)
		return fail_errno(why, making_err(errno), "make a lock");
	if (fchmod(*fd, MODE_LOCK) == 0 && number_write(*fd, getpid(), why) == OK)
		return OK;
	(void)unlinkat(dir, own->text, 0); /* the failure before counts */
	close(*fd);
	return ERR_TEMP;
}

/* What link(2) says does not count: on NFS an answer can be lost. */
static enum err own_link(int dir, const struct own_name *own, int fd, const char *lock, struct why *why)
{
	struct stat st;
	int error = linkat(dir, own->text, dir, lock, 0) < 0 ? errno : 0;

	if ((fstat(fd, &st) == 0 && st.st_nlink == 2) || is_name_of(dir, lock, fd))
		return OK;
	if (error == EEXIST || error == ENOENT || error == 0)
		return fail(why, ERR_IN_USE, "another program has just locked it");
	errno = error;
	return fail_errno(why, making_err(error), "make %s", lock);
}

static bool is_at(int dir, const char *name, const struct stat *st)
{
	struct stat now;

	return fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && same_file(&now, st) &&
	       now.st_mtim.tv_sec == st->st_mtim.tv_sec && now.st_mtim.tv_nsec == st->st_mtim.tv_nsec;
}

/* Where two names cannot change places: the stale lock steps aside, and is looked at again before it goes. One that is fresh is put back. */
static enum err own_replace_aside(int dir, const struct own_name *own, int fd, const char *lock,
				  const struct stat *stale, struct why *why)
{
	if (renameat(dir, lock, dir, own->aside) < 0 && errno != ENOENT)
		return fail_errno(why, making_err(errno), "remove the stale %s", lock);
	bool fresh = !is_at(dir, own->aside, stale);

	if (fresh)
		(void)linkat(dir, own->aside, dir, lock, 0); /* taken meanwhile: its owner will notice */
	(void)unlinkat(dir, own->aside, 0);
	return fresh ? fail(why, ERR_IN_USE, "another program has just locked it") : own_link(dir, own, fd, lock, why);
}

/* The stale lock and ours change places in one step, so that the mailbox is never without a lock. Our own processes do this one after the
 * other; whoever finds that he has removed a fresh one, because another program cleans up too, puts it back. */
static enum err own_replace(int dir, const struct own_name *own, int fd, const char *lock, const struct found *found,
			    struct why *why)
{
	const struct stat *stale = &found->st;

	if (!removal_is_ours(found->fd) || !is_at(dir, lock, stale))
		return fail(why, ERR_IN_USE, "another program has just locked it");
	if (renameat2(dir, own->text, dir, lock, RENAME_EXCHANGE) < 0) {
		if (errno == ENOENT)
			return own_link(dir, own, fd, lock, why);
		if (errno == EINVAL || errno == ENOSYS)
			return own_replace_aside(dir, own, fd, lock, stale, why);
		return fail_errno(why, making_err(errno), "replace the stale %s", lock);
	}
	if (is_at(dir, own->text, stale) && is_name_of(dir, lock, fd))
		return OK;
	(void)renameat2(dir, own->text, dir, lock, RENAME_EXCHANGE); /* gone meanwhile: then nobody misses it */
	return fail(why, ERR_IN_USE, "another program has just locked it");
}

static enum err take_found(struct dotlock *l, int dir, const char *name, const char *lock, const struct found *found,
			   struct why *why)
{
	struct own_name own;
	int fd = -1;
	enum err err = own_new(dir, name, &own, &fd, why);

	if (err != OK)
		return err;
	err = found->state == STALE ? own_replace(dir, &own, fd, lock, found, why) : own_link(dir, &own, fd, lock, why);
	(void)unlinkat(dir, own.text, 0); /* the name we began with, or the stale lock */
	(void)removal_lock(fd, F_UNLCK);  /* from here on the rules for stale locks count */
	if (err == OK)
		l->fd = fd;
	else
		close(fd);
	return err;
}

static enum err take(struct dotlock *l, int dir, const char *name, const char *lock, const struct dotlock_rules *rules,
		     struct why *why)
{
	struct found found;
	enum err err = look(dir, lock, rules, &found, why);

	if (err == OK)
		err = found.state == BUSY ? ERR_IN_USE : take_found(l, dir, name, lock, &found, why);
	if (found.fd >= 0)
		close(found.fd);
	return err;
}

enum err dotlock_take(struct dotlock *l, int dir, const char *name, const struct dotlock_rules *rules, struct why *why)
{
	struct lock_name lock;
	enum err err = name_lock(&lock, name, why);

	l->fd = -1;
	return err == OK ? take(l, dir, name, lock.text, rules, why) : err;
}

enum err dotlock_keep(int dir, const char *name, pid_t heir, struct why *why)
{
	struct lock_name lock;
	enum err err = name_lock(&lock, name, why);
	int fd = err == OK ? openat(dir, lock.text, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;

	if (err != OK || (fd < 0 && errno == ENOENT))
		return err;
	if (fd < 0)
		return errno == EACCES ? OK : fail_errno(why, ERR_TEMP, "open %s", lock.text);
	if (number_read(fd) == getpid()) {
		err = number_write(fd, heir, why); /* one write: readers stop at the end of the line */
		if (err == OK && fsync(fd) < 0)
			err = fail_errno(why, ERR_TEMP, "make %s durable", lock.text);
		if (err == OK)
			err = directory_sync(dir, why);
	}
	close(fd);
	return err;
}

pid_t dotlock_process(int dir, const char *file)
{
	int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	pid_t pid = 0;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !is_of_other_boot(&st))
		pid = number_read(fd);
	close(fd);
	return pid > 0 && !process_is_gone(pid) ? pid : 0;
}

void dotlock_leave(struct dotlock *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* While it is ours to be removed. */
static enum err release(const struct dotlock *l, int dir, const char *lock, struct why *why)
{
	struct stat mine, now;

	if (fstat(l->fd, &mine) < 0)
		return fail_errno(why, ERR_TEMP, "look at our lock");
	if (!removal_is_ours(l->fd) || fstatat(dir, lock, &now, AT_SYMLINK_NOFOLLOW) < 0 || !same_file(&mine, &now))
		return fail(why, ERR_TEMP, "another program has removed or replaced %s while it was ours", lock);
	return unlinkat(dir, lock, 0) == 0 ? OK : fail_errno(why, ERR_TEMP, "remove %s", lock);
}

bool dotlock_release(struct dotlock *l, int dir, const char *name, struct why *why)
{
	struct lock_name lock;

	if (l->fd < 0)
		return true;
	enum err err = name_lock(&lock, name, why);

	if (err == OK)
		err = release(l, dir, lock.text, why);
	dotlock_leave(l);
	return err == OK;
}
