/* store/maildir_commit.c - the Maildir driver: what goes, and what gets headers and flags
 *
 * What is left is told, if all was where the index said, so that the next session does not begin anew. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/flags.h"
#include "store/maildir.h"
#include "store/maildrop.h"
#include "store/mu_prop.h"

struct commit {
	const struct maildrop *md;
	const struct changes *ch;
	struct maildir_stamped stamped;
	uint32_t uid;             /* the next number of a message, and of all that have none; 0: no flags are written */
	struct why flags_why;     /* why not */
	struct maildir_list list; /* read when a name is not there any more */
	bool listed;
	bool touched[DIRS];
};

/* Whether the file at `path` is the message that the session saw. Where the file was written anew, its contents decide. */
static enum err verify(const struct commit *c, const struct message *m, const struct maildir_path *path,
		       enum maildir_there *there, struct why *why)
{
	struct stat st;

	if (fstatat(c->md->fd, path->text, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		*there = MAILDIR_GONE;
		return errno == ENOENT ? OK : fail_errno(why, storage_err(errno), "stat %s", path->text);
	}
	*there = S_ISREG(st.st_mode) && (uint64_t)st.st_size == m->rec.raw ? MAILDIR_THERE : MAILDIR_NO_MESSAGE;
	if (*there == MAILDIR_NO_MESSAGE || (st.st_ino == m->entry.id && storage_ns(st.st_mtim) == m->entry.at))
		return OK;
	struct listing_rec r = {0};
	struct scan_entry e;
	enum err err = maildir_read_message(c->md->fd, path->text, &r, &e, there, why);

	if (err == OK && *there == MAILDIR_THERE && (r.crc != m->rec.crc || r.raw != m->rec.raw))
		*there = MAILDIR_NO_MESSAGE;
	return err;
}

/* One attempt under one name. */
static void touch(struct commit *c, const struct maildir_path *path)
{
	c->touched[memcmp(path->text, maildir_dirs[DIR_CUR], sizeof maildir_dirs[0] - 1) == 0 ? DIR_CUR : DIR_NEW] =
		true;
}

static enum err try_remove(struct commit *c, const struct message *m, const struct maildir_path *path,
			   enum maildir_there *there, struct why *why)
{
	enum err err = verify(c, m, path, there, why);

	if (err != OK || *there == MAILDIR_GONE)
		return err;
	if (*there == MAILDIR_NO_MESSAGE)
		return fail(why, ERR_TEMP, "%s has been changed by another program and stays", path->text);
	if (unlinkat(c->md->fd, path->text, 0) == 0) {
		touch(c, path);
		return OK;
	}
	*there = MAILDIR_GONE;
	return errno == ENOENT ? OK : fail_errno(why, storage_err(errno), "remove %s", path->text);
}

/* What is done with a message under its name; MAILDIR_GONE: it has another one by now. */
typedef enum err attempt(struct commit *c, const struct message *m, const struct maildir_path *path,
			 enum maildir_there *there, struct why *why);

/* Under the name that it has, whoever renames it meanwhile. *there MAILDIR_GONE: somebody has removed it. */
static enum err with_message(struct commit *c, const struct message *m, attempt *try_it, enum maildir_there *there,
			     struct why *why)
{
	struct maildir_path path;

	maildir_path(&path, m->entry.dir, slice_str(m->name));
	enum err err = try_it(c, m, &path, there, why);

	for (int pass = 0; err == OK && *there == MAILDIR_GONE; pass++) {
		if (pass > 0 || !c->listed) /* a name from a list can be out of date, too */
			err = maildir_list_agreed(c->md, &c->list, why);
		c->listed = true;
		if (err != OK || !maildir_find_path(&c->list, m, &path))
			return err;
		if (pass == MAILDIR_PASSES_MOST)
			return fail(why, ERR_TEMP, "%s is renamed all the time", path.text);
		err = try_it(c, m, &path, there, why);
	}
	return err;
}

static enum err sync_dirs(const struct commit *c, struct why *why)
{
	enum err err = OK;

	for (unsigned d = 0; d < DIRS; d++) {
		int fd = c->touched[d] ? openat(c->md->fd, maildir_dirs[d], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

		if (c->touched[d] && (fd < 0 || fsync(fd) < 0))
			err = fail_errno(why, storage_err(errno), "fsync %s/", maildir_dirs[d]);
		if (fd >= 0)
			close(fd);
	}
	return err;
}

/* ---- headers ---- */

static enum err try_stamp(struct commit *c, const struct message *m, const struct maildir_path *path,
			  enum maildir_there *there, struct why *why)
{
	enum err err = verify(c, m, path, there, why);

	if (err != OK || *there == MAILDIR_GONE)
		return err;
	if (*there == MAILDIR_NO_MESSAGE)
		return fail(why, ERR_TEMP, "%s has been changed by another program", path->text);
	err = maildir_stamp_file(c->md, m, path, &c->stamped, there, why);
	if (err == OK && *there == MAILDIR_THERE)
		touch(c, path);
	return err;
}

static bool is_set(const uint8_t *set, uint32_t i)
{
	return set && set[i / 8] >> i % 8 & 1;
}

/* What goes wrong with one message. */
static void stamp_one(struct commit *c, bool twin, struct message *m, struct outcome *out)
{
	enum maildir_there there = MAILDIR_THERE;
	struct why why = {""};

	c->stamped = (struct maildir_stamped){.stamp = m->rec.stamp > 0 ? m->rec.stamp : c->ch->stamp};
	enum err err =
		twin ? fail(&why, ERR_PERM, "another file has its name") : with_message(c, m, try_stamp, &there, &why);

	if (err == OK && there == MAILDIR_THERE) {
		m->rec = c->stamped.rec;
		m->entry = c->stamped.entry;
		memcpy(m->name, c->stamped.name, sizeof m->name);
	} else if (err != OK) {
		m->rec.stamp = c->stamped.stamp;
		m->rec.flags |= STAMP_LEFT;
		out->unstamped++;
		out->unstamped_why = why;
	}
}

/* ---- flags ---- */

/* No name is taken that somebody has; one that is gone is looked for. Contents do not matter. */
static enum err try_flag(struct commit *c, const struct message *m, const struct maildir_path *path,
			 enum maildir_there *there, struct why *why)
{
	struct slice name = slice_str(path->text + sizeof maildir_dirs[0]);
	struct maildir_path to;
	struct stat st;

	*there = MAILDIR_GONE;
	if (fstatat(c->md->fd, path->text, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? OK : fail_errno(why, storage_err(errno), "stat %s", path->text);
	if (st.st_ino != m->entry.id || !S_ISREG(st.st_mode))
		return OK;
	if (!maildir_flagged_name(name, c->uid, m->rec.flags & FLAGS_SEEN, c->stamped.name))
		return fail(why, ERR_PERM, "%s would have too long a name", path->text);
	maildir_path(&to, DIR_CUR, slice_str(c->stamped.name));
	if (strcmp(path->text, to.text) != 0 &&
	    renameat2(c->md->fd, path->text, c->md->fd, to.text, RENAME_NOREPLACE) < 0)
		return errno == ENOENT ? OK : fail_errno(why, storage_err(errno), "rename %s", path->text);
	*there = MAILDIR_THERE;
	touch(c, path);
	touch(c, &to);
	return OK;
}

static void flag_one(struct commit *c, bool twin, struct message *m, struct outcome *out)
{
	bool numbered = maildir_uid(slice_str(m->name)) > 0;
	enum maildir_there there = MAILDIR_THERE;
	struct why why = c->flags_why;
	enum err err = ERR_PERM;

	if (c->uid > 0)
		err = twin ? fail(&why, ERR_PERM, "another file has its name")
			   : with_message(c, m, try_flag, &there, &why);
	if (err == OK && there == MAILDIR_THERE) {
		memcpy(m->name, c->stamped.name, sizeof m->name);
		m->entry.dir = DIR_CUR;
		m->rec.flags = flags_written(m->rec.flags);
		c->uid += !numbered;
	} else if (err != OK) {
		m->rec.flags = flags_left(m->rec.flags);
		out->unflagged++;
		out->unstamped_why = why;
	}
}

/* The first new number: above all that were given. They are spoken for before a file has one, also if it never gets it. */
static void begin_flags(struct commit *c, const struct scan *known)
{
	static struct mu_prop prop; /* a process does one thing at a time */
	enum err err = mu_prop_read(c->md->fd, &prop, &c->flags_why);
	uint32_t next = prop.next > 0 ? prop.next : 1, without = 0;

	for (uint32_t i = 0; i < known->count; i++, scan_pass(i)) {
		uint32_t uid = maildir_uid(scan_name(known, i));

		without += uid == 0 && is_set(c->ch->flagged, i) && !is_set(c->ch->deleted, i);
		next = uid >= next && uid < UINT32_MAX ? uid + 1 : next;
	}
	if (err == OK && prop.old)
		err = fail(&c->flags_why, ERR_PERM, "its names have flags of an old Mailutils");
	if (err == OK && next > UINT32_MAX - without)
		err = fail(&c->flags_why, ERR_PERM, "there are no more numbers");
	if (err == OK)
		err = mu_prop_write(c->md->fd, &prop, next + without, true, &c->flags_why);
	c->uid = err == OK ? next : 0;
}

/* With what is written now: so the next scan knows these files. Names may have changed since. */
static enum err write_one(struct commit *c, const struct scan *known, uint32_t i, struct outcome *out,
			  struct scan *left)
{
	struct message m = {.rec = known->rec[i], .entry = known->entry[i]};
	bool stamps = is_set(c->ch->stamped, i), flags = is_set(c->ch->flagged, i);
	bool twin = (stamps || flags) && maildir_is_twin(known, i);

	(void)slice_cstr(scan_name(known, i), m.name, sizeof m.name);
	if (is_set(c->ch->seen, i))
		m.rec.flags |= FLAGS_SEEN;
	if (stamps)
		stamp_one(c, twin, &m, out);
	if (flags)
		flag_one(c, twin, &m, out);
	maildir_note(left, m.entry.dir, slice_str(m.name), m.entry.id);
	return scan_add(left, &m.rec, &m.entry, slice_str(m.name), NULL);
}

/* What the session has not touched, where it was certainly read after its last change, is as it was. */
static void keep_calm(const struct commit *c, struct scan *left)
{
	const struct index *ix = &c->md->index;

	for (unsigned d = 0; d < DIRS; d++)
		if (!c->touched[d] && ix->calm[d])
			left->stamp[d] = ix->stamp[d];
}

/* All that is left: so the next session need not sort and merge what it finds, but add up names (maildir_grow). How a directory looks that was changed here is
 * not said: others may have changed it in the same moment, which its time does not tell. */
static void write_all(struct commit *c, struct outcome *out, struct scan *left)
{
	struct scan known = {0};
	enum err err = index_load(&c->md->index, &known, NULL);

	if (err == OK && known.count != c->ch->count)
		err = ERR_TEMP;
	if (err == OK && c->ch->flagged)
		begin_flags(c, &known);
	for (uint32_t i = 0; i < known.count && err == OK; i++)
		if (!is_set(c->ch->deleted, i))
			err = write_one(c, &known, i, out, left);
	if (err != OK)
		scan_done(left);
	scan_done(&known);
}

enum err maildir_commit(const struct maildrop *md, const struct changes *ch, struct outcome *out, struct scan *left,
			struct why *why)
{
	struct commit c = {.md = md, .ch = ch};
	struct changes_walk walk = {0};
	enum maildir_there there;
	struct message m;
	enum err err = OK, first = OK;

	*out = (struct outcome){0};
	while (changes_next(md, ch, &walk, &m, &err, first == OK ? why : NULL)) {
		if (err == OK)
			err = with_message(&c, &m, try_remove, &there, first == OK ? why : NULL);
		if (first == OK)
			first = err;
		*(err == OK ? &out->deleted : &out->failed) += 1;
	}
	bool expected = first == OK && !c.listed; /* all was where the index says */

	if (ch->stamped || ch->flagged || expected)
		write_all(&c, out, left);
	maildir_list_done(&c.list);
	err = sync_dirs(&c, first == OK ? why : NULL);
	out->left = expected && err == OK && left->count + out->deleted == ch->count;
	if (out->left)
		keep_calm(&c, left);
	return first != OK ? first : err;
}
