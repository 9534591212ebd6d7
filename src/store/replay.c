/* store/replay.c - see replay.h */
#include "store/replay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/shift.h"

/* The mailbox that a journal speaks of, by its path. ERR_PERM: it is another file by now. One that is not there may come back, with
 * its file system. */
static enum err mailbox_open(struct maildrop *md, const struct journal_head *head, struct why *why)
{
	struct stat st;

	md->path = strdup(head->path);
	if (!md->path)
		return fail(why, ERR_TEMP, "no memory");
	if (maildrop_place(md, why) != OK)
		return ERR_TEMP;
	if (md->fd < 0)
		return fail(why, ERR_TEMP, "%.200s is not there", md->path);
	if (fstat(md->fd, &st) < 0)
		return fail_errno(why, ERR_TEMP, "stat");
	return st.st_ino == head->ino ? OK : fail(why, ERR_PERM, "it is another file now");
}

static enum err mailbox_replay(struct maildrop *md, const struct journal_head *head, const char *name, struct why *why)
{
	struct journal_place place = {.dir = md->setup->journal_dir, .path = md->path};
	struct cut_file f = {.fd = md->fd, .spool = &md->spool, .journal = &place};
	enum err err = maildrop_lock(md, why);

	if (err != OK)
		return err == ERR_IN_USE ? err : ERR_TEMP;
	if (journal_is_left(&place, head->ino)) /* whoever had the lock before may have done it */
		err = shift_replay(&f, name, why);
	if (err == ERR_TEMP)
		mailbox_lock_leave(&md->lock);
	mailbox_lock_release(&md->lock);
	return err;
}

static enum err set_aside(int dir, const char *name, const char *path, struct why *why)
{
	struct why reason = *why;
	char aside[JOURNAL_NAME];
	enum err err = journal_set_aside(dir, name, aside, why);

	if (err == OK)
		log_line(LOG_ERR,
			 "a change of %.300s was interrupted, and cannot be brought to its end: %s; its journal is "
			 "kept as %s",
			 path[0] ? path : "the mailbox with the inode (in hexadecimal) that names the journal",
			 reason.text, aside);
	return err;
}

/* OK: it is done, or set aside. */
static enum err replay(const struct maildrop_setup *setup, const char *name, struct why *why)
{
	static struct journal_head head; /* a process does one thing at a time */
	struct maildrop_setup own = *setup;
	struct maildrop md = MAILDROP_CLOSED;

	head.path[0] = '\0';
	enum err err = journal_attempt(setup->journal_dir, name, why);

	if (err == OK)
		err = journal_peek(setup->journal_dir, name, &head, why);

	if (err == ERR_TEMP && faccessat(setup->journal_dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return OK; /* another worker has done it */
	own.lock.heir = (pid_t)head.pid;
	md.setup = &own;
	if (err == OK)
		err = mailbox_open(&md, &head, why);
	if (err == OK)
		err = mailbox_replay(&md, &head, name, why);
	maildrop_close(&md);
	if (err == ERR_PERM)
		return set_aside(setup->journal_dir, name, head.path, why);
	if (err != OK)
		journal_forgive(setup->journal_dir, name);
	if (err == OK)
		log_line(LOG_NOTICE, "%.300s: a change that was interrupted is brought to its end", head.path);
	return err;
}

enum err replay_file(const struct maildrop_setup *setup, int fd, struct why *why)
{
	const struct journal_place place = {.dir = setup->journal_dir};
	char name[JOURNAL_NAME];
	struct stat st;

	if (place.dir < 0)
		return OK;
	if (fstat(fd, &st) < 0)
		return fail_errno(why, storage_err(errno), "stat");
	if (!journal_is_left(&place, st.st_ino))
		return OK;
	journal_name(st.st_ino, name);
	return replay(setup, name, why);
}

void replay_all(const struct maildrop_setup *setup)
{
	int fd = setup->journal_dir >= 0 ? openat(setup->journal_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!d) {
		if (setup->journal_dir >= 0)
			log_line(LOG_ERR, "cannot read the directory of journals: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d))) {
		struct why why = {""};

		if (journal_is_name(e->d_name) && replay(setup, e->d_name, &why) != OK)
			log_line(LOG_WARNING, "journal %s stays for the next attempt: %s", e->d_name, why.text);
	}
	closedir(d);
	journal_sweep(setup->journal_dir);
}
