/* store/mh_commit.c - the MH driver's commit: messages go, and others get headers. See mh.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/flags.h"
#include "store/header_edit.h"
#include "store/mh.h"
#include "store/mu_prop.h"

#define MH_STAMPED ".pop3-stamped" /* a message before it changes places with one that has no header */

enum { ATTEMPTS_MOST = 8 }; /* at a message that others renumber meanwhile */

enum taken { TAKEN, NOT_TAKEN, FAILED };

static enum taken failed(struct why *why, const char *what, const char *name)
{
	(void)fail_errno(why, storage_err(errno), "%s %s", what, name);
	return FAILED;
}

/* For mh_each: the largest number, as text. */
static bool on_number(void *arg, struct slice name, int64_t file)
{
	char *most = arg;

	(void)file;
	if (mh_compare(name, slice_str(most)) > 0)
		(void)slice_cstr(name, most, NAME_OCTETS + 1);
	return true;
}

/* Behind all others, as rcvstore(1) would number it. */
static enum taken number_anew(const struct maildrop *md, const char *backup, struct why *why)
{
	for (int attempt = 0; attempt < ATTEMPTS_MOST; attempt++) {
		char most[NAME_OCTETS + 1] = "", next[24];
		bool vanished;

		if (mh_each(md, on_number, most, &vanished, why) != OK)
			return FAILED;
		(void)snprintf(next, sizeof next, "%llu", strtoull(most, NULL, 10) + 1);
		if (renameat2(md->fd, backup, md->fd, next, RENAME_NOREPLACE) == 0)
			return NOT_TAKEN;
	}
	return failed(why, "number a message anew, which is called", backup);
}

/* What was renamed to `backup` was another message: it gets its number back, or where another program has given that away, the next. */
static enum taken give_back(const struct maildrop *md, const char *backup, const char *name, struct why *why)
{
	if (renameat2(md->fd, backup, md->fd, name, RENAME_NOREPLACE) == 0)
		return NOT_TAKEN;
	return number_anew(md, backup, why);
}

/* It cannot be removed, so it is a message again; or stays as a backup, which is none. */
static enum taken keep(const struct maildrop *md, const char *backup, const char *name, struct why *why)
{
	int error = errno;

	if (renameat2(md->fd, backup, md->fd, name, RENAME_NOREPLACE) < 0)
		return TAKEN;
	errno = error;
	return failed(why, "remove message", name);
}

/* Takes the file away that *st says, if `name` is still its name: MH and Mailutils leave a message as `,NUMBER'. No lock keeps all
 * programs from putting another one there in this moment: then it is not taken. */
static enum taken take_away(const struct maildrop *md, const char *name, const struct stat *st, struct why *why)
{
	char backup[NAME_OCTETS + 2];
	struct stat taken;

	(void)snprintf(backup, sizeof backup, ",%s", name);
	if (renameat(md->fd, name, md->fd, backup) < 0) {
		if (errno == ENOENT)
			return NOT_TAKEN;
		if (errno != ENOSPC && errno != EDQUOT && errno != ENAMETOOLONG)
			return failed(why, "remove message", name);
		return unlinkat(md->fd, name, 0) == 0 ? TAKEN : failed(why, "remove message", name);
	}
	if (fstatat(md->fd, backup, &taken, AT_SYMLINK_NOFOLLOW) < 0 || taken.st_ino != st->st_ino ||
	    taken.st_dev != st->st_dev)
		return give_back(md, backup, name, why);
	if (!md->setup->mh_backup && unlinkat(md->fd, backup, 0) < 0 && errno != ENOENT)
		return keep(md, backup, name, why);
	return TAKEN;
}

/* The same mail, whatever other programs have written into its header since. */
static enum err is_message(int fd, const struct stat *st, const struct message *m, bool *is, struct why *why)
{
	struct digest d;
	enum err err = mh_digest(fd, st, &d, why);

	*is = err == OK && d.id == m->entry.id;
	return err;
}

/* A message that is looked for, and what has been found of it so far. */
struct target {
	const struct message *m;
	char moved[NAME_OCTETS + 1];
	const char *name; /* NULL: it is gone */
	struct stat st;
};

/* By its number; else where the file is that it was; else by its number again, if it is the same mail. The caller closes *fd, which keeps
 * its inode from being given to another file. */
static enum err find(const struct maildrop *md, struct target *t, int *fd, unsigned *readings, struct why *why)
{
	const struct message *m = t->m;
	bool is = false;
	int fd_moved;

	t->name = m->name;
	*fd = mh_open(md, m->name, &t->st);
	if (*fd < 0 && errno != ENOENT && errno != ELOOP)
		return fail_errno(why, storage_err(errno), "open message %s", m->name);
	if (*fd >= 0 && mh_file(&t->st) == m->entry.at)
		return OK;
	struct stat st = t->st;
	enum err err = mh_open_moved(md, m, t->moved, &t->st, &fd_moved, readings, why);

	if (err != OK || fd_moved >= 0) {
		if (*fd >= 0)
			close(*fd);
		*fd = fd_moved;
		t->name = t->moved;
		return err;
	}
	t->name = NULL;
	t->st = st;
	if (*fd < 0)
		return OK;
	err = is_message(*fd, &st, m, &is, why);
	t->name = m->name;
	return err != OK || is
		       ? err
		       : fail(why, ERR_TEMP, "message %s has been changed by another program and stays", m->name);
}

static enum err remove_message(const struct maildrop *md, const struct message *m, unsigned *readings, struct why *why)
{
	for (int attempt = 0; attempt < ATTEMPTS_MOST; attempt++) {
		struct target t = {.m = m};
		int fd;
		enum err err = find(md, &t, &fd, readings, why);
		enum taken taken = err == OK && t.name ? take_away(md, t.name, &t.st, why) : FAILED;

		if (fd >= 0)
			close(fd);
		if (err != OK || !t.name || taken == TAKEN)
			return err;
		if (taken == FAILED)
			return errno == EACCES || errno == EPERM ? ERR_PERM : ERR_TEMP;
	}
	return fail(why, ERR_TEMP, "message %s is renumbered all the time", m->name);
}

static enum err sync_folder(const struct maildrop *md, struct why *why)
{
	int fd = openat(md->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err = fd >= 0 && fsync(fd) == 0 ? OK : fail_errno(why, storage_err(errno), "fsync the folder");

	if (fd >= 0)
		close(fd);
	return err;
}

/* ---- headers ---- */

static enum err write_edited(const struct maildrop *md, int from, const struct stat *st, const struct header_edit *e,
			     struct listing_rec *r, struct stat *made, struct why *why)
{
	uint64_t wire;
	int to = -1;

	if (unlinkat(md->fd, MH_STAMPED, 0) < 0 &&
	    errno != ENOENT) /* what a process that died has left: never mail that is not elsewhere */
		return fail_errno(why, storage_err(errno), "remove %s", MH_STAMPED);
	to = openat(md->fd, MH_STAMPED, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return fail_errno(why, storage_err(errno), "create %s", MH_STAMPED);
	enum err err = header_copy(e, from, 0, to, MH_RULES, r, &wire, why);

	if (err == OK)
		err = header_dress(to, st, why);
	if (err == OK && fstat(to, made) < 0)
		err = fail_errno(why, ERR_TEMP, "stat %s", MH_STAMPED);
	close(to); /* synced */
	return err;
}

/* The new file and the message change places. *done false: that is gone. */
static enum err exchange(const struct maildrop *md, const struct target *t, bool *done, struct why *why)
{
	enum err err = header_exchange(md->fd, MH_STAMPED, t->name, &t->st, done, why);

	if (err != ERR_IN_USE) {
		(void)unlinkat(md->fd, MH_STAMPED, 0); /* the old file, or ours in vain */
	} else { /* mail that has found no place: a number that nobody has is one */
		char backup[NAME_OCTETS + 2];

		(void)snprintf(backup, sizeof backup, ",%s", t->name);
		(void)renameat2(md->fd, MH_STAMPED, md->fd, backup, RENAME_NOREPLACE);
	}
	return err;
}

/* As in a Maildir (maildir_stamp.c): a file that has the headers changes places with the message. *done false: that is gone. */
static enum err edit_message(const struct maildrop *md, const struct message *m, const struct header_want *want,
			     struct message *now, bool *done, unsigned *readings, struct why *why)
{
	struct target t = {.m = m};
	struct header_edit e;
	struct stat made;
	int fd;
	enum err err = find(md, &t, &fd, readings, why);

	*done = err == OK && t.name;
	if (!*done)
		return err;
	*now = *m;
	(void)slice_cstr(slice_str(t.name), now->name, sizeof now->name);
	if (!header_edit(&e, fd, 0, m->rec.raw, want))
		err = fail(why, ERR_PERM, "its header has no end");
	if (err == OK && e.changes)
		err = write_edited(md, fd, &t.st, &e, &now->rec, &made, why);
	close(fd);
	if (err != OK || !e.changes) {
		header_record(&e, &now->rec);
		return err;
	}
	err = exchange(md, &t, done, why);
	now->entry.at = mh_file(&made);
	return err;
}

static bool is_set(const uint8_t *set, uint32_t i)
{
	return set && set[i / 8] >> i % 8 & 1;
}

/* What is to be known of a message that is left, with the headers that it gets now. */
static enum err leave(const struct maildrop *md, const struct changes *ch, const struct scan *known, uint32_t i,
		      unsigned *readings, struct outcome *out, struct scan *left)
{
	struct message m = {.rec = known->rec[i], .entry = known->entry[i]}, now;
	struct header_want want = {0};
	struct why why = {""};
	bool done = false;

	(void)slice_cstr(scan_name(known, i), m.name, sizeof m.name);
	if (is_set(ch->seen, i))
		m.rec.flags |= FLAGS_SEEN;
	if (is_set(ch->stamped, i))
		want.stamp = m.rec.stamp > 0 ? m.rec.stamp : ch->stamp;
	if (is_set(ch->flagged, i))
		want.status = flags_letter('O') | (m.rec.flags & FLAGS_SEEN ? flags_letter('R') : 0);
	if (want.stamp == 0 && want.status == 0) {
		/* it stays as it is */
	} else if (edit_message(md, &m, &want, &now, &done, readings, &why) != OK) {
		m.rec.stamp = want.stamp > 0 ? want.stamp : m.rec.stamp;
		m.rec.flags |= (want.stamp > 0 ? STAMP_LEFT : 0) | (want.status > 0 ? FLAGS_LEFT : 0);
		out->unstamped += want.stamp > 0;
		out->unflagged += want.status > 0;
		out->unstamped_why = why;
	} else if (done) {
		m = now;
	}
	mh_note(left->notes, slice_str(m.name), m.entry.at);
	return scan_add(left, &m.rec, &m.entry, slice_str(m.name), NULL);
}

/* Messages have numbers, those that their files are called by: Mailutils notes the next one. */
static void note_numbers(const struct maildrop *md, const struct scan *known)
{
	static struct mu_prop prop; /* a process does one thing at a time */
	struct why why = {""};
	uint32_t last;

	if (known->count == 0 || !slice_u32(scan_name(known, known->count - 1), &last) || last == UINT32_MAX)
		return;
	if (mu_prop_read(md->fd, &prop, &why) != OK || mu_prop_write(md->fd, &prop, last + 1, false, &why) != OK)
		debug(TOPIC_MAILBOX, DEBUG_ERROR, "%s: %s", md->path, why.text);
}

/* All but what was deleted, so that no copy of that gets its UIDL. Whether the folder is that now only a reading tells (mh_grow). */
static void tell_left(const struct maildrop *md, const struct changes *ch, const uint8_t *gone, unsigned *readings,
		      struct outcome *out, struct scan *left)
{
	struct scan known = {0};
	enum err err = gone ? index_load(&md->index, &known, NULL) : ERR_TEMP;

	if (err == OK && known.count != ch->count)
		err = ERR_TEMP;
	if (err == OK && ch->flagged)
		note_numbers(md, &known);
	for (uint32_t i = 0; i < known.count && err == OK; i++)
		if (!gone[i])
			err = leave(md, ch, &known, i, readings, out, left);
	if (err != OK)
		scan_done(left);
	scan_done(&known);
}

enum err mh_commit(const struct maildrop *md, const struct changes *ch, struct outcome *out, struct scan *left,
		   struct why *why)
{
	struct changes_walk walk = {0};
	uint8_t *gone = calloc((size_t)ch->count + 1, 1);
	unsigned readings = MH_PASSES_MOST;
	struct message m;
	int lock;
	enum err first = mh_lock(md, F_WRLCK, &lock, why), err = OK;

	*out = (struct outcome){.failed = changes_count(ch)};
	if (first != OK) {
		free(gone);
		return first;
	}
	while (changes_next(md, ch, &walk, &m, &err, first == OK ? why : NULL)) {
		if (err == OK)
			err = remove_message(md, &m, &readings, first == OK ? why : NULL);
		if (first == OK)
			first = err;
		if (gone && err == OK)
			gone[walk.next - 1] = 1;
		out->deleted += err == OK;
		out->failed -= err == OK;
	}
	tell_left(md, ch, gone, &readings, out, left);
	free(gone);
	err = sync_folder(md, first == OK ? why : NULL);
	if (lock >= 0)
		close(lock);
	return first != OK ? first : err;
}
