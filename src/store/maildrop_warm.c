/* store/maildrop_warm.c - a maildrop that is kept (store/kept.h): whether all is as it was
 *
 * What is noticed, and by which call:
 *	stat(2) of the path		a directory or link of it that is another one, or was removed; a maildrop that was replaced, moved, or unmounted, or that its owner
 *					may not reach any more. The directory must be the same inode; a file must be the same inode with the same size and
 *					times, and have one name, so that it is the one that is called so in its directory, where our lock on it is.
 *					Of a file it is done again under the session lock, when it may be another session that has changed it.
 *	the driver's stamp (not of a	mail that has come, gone or been renamed; new/ or cur/ replaced, or closed to us: as it is of a maildrop that is
 *	file: that was it)		not warm
 *	fstatat(2) of the index		one that was removed, replaced, appended to or marked by another process, damaged in place, given to others, or is a link now:
 *					inode, size, mtime and ctime are those it had before it was read. It is kept only if that was two seconds after its last change, so that no
 *					later one has the same times.
 *	faccessat(2) of its journal	a change in place that was interrupted (a file)
 *	fstatat(2) of NAME.lock, and of the lock of Mailutils: as ever (maildrop.c)
 * Not noticed: that tmp/ of a Maildir is gone, which takes no mail and delivers none; octets of a file that were changed without a change of its times, in the four places at which
 * onefile_stamp looks (a program that has it mapped can do that; checksums tell when such a message is sent).
 *
 * Whatever is not as it was, all is found and read anew. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/journal.h"
#include "store/maildrop_parts.h"

enum { RECORDS_KEPT = 64 }; /* of a maildrop with more they are read again */

static bool is_same(const struct stamp *a, const struct stamp *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static bool is_same_file(const struct maildrop *md, const struct stat *st)
{
	const struct stamp now = storage_stamp(st);

	return S_ISREG(st->st_mode) && st->st_nlink == 1 && is_same(&now, &md->index.stamp[0]);
}

bool maildrop_is_in_place(const struct maildrop *md)
{
	struct stat st;

	if (fstatat(AT_FDCWD, md->path, &st, 0) < 0)
		return false;
	return md->driver->in_one_file ? is_same_file(md, &st)
				       : S_ISDIR(st.st_mode) && st.st_dev == md->dev && st.st_ino == md->ino;
}

static bool is_index_same(const struct maildrop *md)
{
	struct index_place place[MAILDROP_PLACES];
	struct stat st;

	maildrop_places(md, place);
	const struct index_place *at = &place[md->index_at];

	if (at->dir < 0 || fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	const struct stamp now = storage_stamp(&st);

	return S_ISREG(st.st_mode) && is_same(&now, &md->index.file);
}

static bool is_mail_same(const struct maildrop *md)
{
	const struct journal_place journal = {.dir = md->setup->journal_dir};
	struct stamp now[STAMPS];
	struct stat st;

	if (md->driver->in_one_file)
		return fstatat(md->parent, md->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_same_file(md, &st) &&
		       !journal_is_left(&journal, st.st_ino);
	return md->driver->stamp(md, now, NULL) == OK && memcmp(now, md->index.stamp, sizeof now) == 0;
}

static bool have_records(const struct maildrop *md, struct index_first *first)
{
	if (md->index.count > INDEX_INLINE)
		return true; /* they are read from the file */
	if (!md->records)
		return index_first_again(&md->index, first);
	memcpy(first->rec, md->records, md->index.count * sizeof *first->rec);
	return true;
}

/* It may be of another format by now. Where it is in another place, that is for the next session: this one has its lock. */
static enum err find_again(struct maildrop *md, struct why *why)
{
	struct maildrop now;

	md->keepable = false;
	enum err err = maildrop_find_cold(&now, slice_str(md->url), md->setup, why);

	if (err != OK)
		return err;
	md->warm = false;
	if (now.key == md->key) {
		maildrop_drop(md);
		*md = now;
	} else {
		index_close(&md->index);
		maildrop_drop(&now);
	}
	return OK;
}

enum err maildrop_look_again(struct maildrop *md, struct index_first *first, struct why *why)
{
	if (!is_mail_same(md) || !is_index_same(md) || maildrop_has_marks(md, &md->index) || !have_records(md, first))
		return find_again(md, why);
	md->keepable = true;
	debug(TOPIC_MAILBOX, DEBUG_TRACE2, "%s: nothing has changed", md->path);
	return OK;
}

void maildrop_note(struct maildrop *md, const struct index_first *first)
{
	size_t octets = md->index.count * sizeof *first->rec;

	free(md->records);
	md->records = NULL;
	md->keepable = md->url && index_is_calm(&md->index.file, clock_wall_ns());
	if (md->keepable)
		index_find_out(&md->index);
	if (md->keepable && md->index.count > 0 && md->index.count <= RECORDS_KEPT)
		md->records = malloc(octets);
	if (md->records)
		memcpy(md->records, first->rec, octets);
}
