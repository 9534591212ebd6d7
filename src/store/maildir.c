/* store/maildir.c - the Maildir driver: a file per message in new/ or cur/; tmp/ is the deliverers'
 *
 * Nothing is renamed or marked but where `update-flags' says so: new/ stays new/ for the programs that care. Entry.dir is an enum maildir_dir. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/flags.h"
#include "store/maildir.h"
#include "store/maildrop.h"
#include "store/mu_prop.h"

static const char *const subdirs[] = {"tmp", "new", "cur"};

/* ---- what is a Maildir ---- */

static enum err maildir_detect(int fd, int accuracy, bool *is, struct why *why)
{
	struct stat st;

	(void)accuracy; /* of files */
	*is = true;
	for (size_t i = 0; i < sizeof subdirs / sizeof *subdirs && *is; i++) {
		*is = fstatat(fd, subdirs[i], &st, 0) == 0;
		if (!*is && errno != ENOENT && errno != ENOTDIR)
			return fail_errno(why, storage_err(errno), "%s/", subdirs[i]);
		*is = *is && S_ISDIR(st.st_mode);
	}
	return OK;
}

static enum err make_subdirs(const char *path, struct why *why)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	enum err err = fd < 0 ? fail_errno(why, storage_err(errno), "open the new Maildir") : OK;

	for (size_t i = 0; err == OK && i < sizeof subdirs / sizeof *subdirs; i++)
		if (mkdirat(fd, subdirs[i], 0700) < 0)
			err = fail_errno(why, storage_err(errno), "create %s/ of the new Maildir", subdirs[i]);
	if (fd >= 0)
		close(fd);
	return err;
}

static void remove_made(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < sizeof subdirs / sizeof *subdirs; i++)
		(void)unlinkat(fd, subdirs[i], AT_REMOVEDIR); /* empty, and nobody's */
	if (fd >= 0)
		close(fd);
	(void)rmdir(path);
}

/* Made beside and renamed, so that nobody ever finds a part of it. An empty directory gives way; another does not. */
static enum err maildir_create(const char *path, struct why *why)
{
	char made[PATH_MAX];
	int n = snprintf(made, sizeof made, "%s.XXXXXX", path);

	if (n < 0 || (size_t)n >= sizeof made)
		return fail(why, ERR_PERM, "its path is too long");
	if (!mkdtemp(made))
		return fail_errno(why, storage_err(errno), "create a Maildir");
	enum err err = make_subdirs(made, why);

	if (err == OK && rename(made, path) == 0)
		return OK;
	if (err == OK && (errno == ENOTEMPTY || errno == EEXIST))
		err = fail(why, ERR_PERM, "it is not a Maildir, and not empty");
	else if (err == OK)
		err = fail_errno(why, storage_err(errno), "create a Maildir");
	remove_made(made);
	return err;
}

static enum err maildir_stamps(const struct maildrop *md, struct stamp stamp[STAMPS], struct why *why)
{
	return maildir_stamp(md->fd, stamp, why);
}

/* ---- a message that may have been renamed ---- */

/* A list that shows all there is: one that the next one agrees with. */
static enum err list_agreed(const struct maildrop *md, struct maildir_list *list, struct why *why)
{
	uint64_t fingerprint = 0;

	for (int pass = 0; pass < MAILDIR_PASSES_MOST; pass++) {
		maildir_list_done(list);
		enum err err = maildir_list_read(list, md->fd, why);

		if (err != OK || (pass > 0 && list->fingerprint == fingerprint))
			return err;
		fingerprint = list->fingerprint;
	}
	return fail(why, ERR_TEMP, "new/ and cur/ change all the time");
}

/* Its name now; false: it is not there. Another file with its stable name is another message. */
static bool find_path(struct maildir_list *list, const struct message *m, struct maildir_path *path)
{
	struct maildir_name n;
	const struct found *end;

	maildir_name_parse(&n, slice_str(m->name));
	const struct found *f = maildir_list_find(list, &n, &end);

	while (f && f < end && f->ino != m->entry.id)
		f++;
	if (!f || f == end)
		return false;
	maildir_path(path, f->dir, maildir_list_name(list, f));
	return true;
}

/* Where mail readers put a message when they have seen it: found without reading directories. */
static int open_moved(const struct maildrop *md, const struct message *m, struct maildir_path *path)
{
	static const char *const flags[] = {":2,", ":2,S"};
	struct slice base = slice_str(m->name);
	const char *old = strstr(m->name, ":2,");
	int fd = -1;

	if (old)
		base.n = (size_t)(old - m->name);
	for (size_t i = 0; i < sizeof flags / sizeof *flags && fd < 0; i++) {
		char name[NAME_OCTETS];
		struct buf b = BUF(name);

		buf_put(&b, base);
		buf_str(&b, flags[i]);
		maildir_path(path, DIR_CUR, buf_slice(&b));
		fd = b.full ? -1 : maildir_open_message(md->fd, path->text);
	}
	return fd;
}

static enum err open_listed(const struct maildrop *md, const struct message *m, struct maildir_path *path, int *fd,
			    struct why *why)
{
	struct maildir_list list = {0};
	enum err err = list_agreed(md, &list, why);

	if (err == OK && !find_path(&list, m, path))
		err = fail(why, ERR_TEMP, "%s has been removed by another program", m->name);
	maildir_list_done(&list);
	if (err != OK)
		return err;
	*fd = maildir_open_message(md->fd, path->text);
	return *fd < 0 ? fail_errno(why, storage_err(errno), "open %s", path->text) : OK;
}

static enum err maildir_body(const struct maildrop *md, const struct message *m, struct body *out, struct why *why)
{
	struct maildir_path path;
	struct stat st;
	enum err err = OK;

	maildir_path(&path, m->entry.dir, slice_str(m->name));
	int fd = maildir_open_message(md->fd, path.text);

	if (fd < 0 && errno == ENOENT)
		fd = open_moved(md, m, &path);
	if (fd < 0 && errno == ENOENT)
		err = open_listed(md, m, &path, &fd, why);
	else if (fd < 0)
		err = fail_errno(why, storage_err(errno), "open %s", path.text);
	if (err != OK)
		return err;
	if (fstat(fd, &st) < 0)
		err = fail_errno(why, ERR_TEMP, "stat %s", path.text);
	else if (!S_ISREG(st.st_mode))
		err = fail(why, ERR_TEMP, "%s is no message any more", path.text);
	if (err != OK) {
		close(fd);
		return err;
	}
	*out = (struct body){.fd = fd,
			     .octets = (uint64_t)st.st_size,
			     .same = st.st_ino == m->entry.id && storage_ns(st.st_mtim) == m->entry.at};
	return OK;
}

/* ---- a commit ---- */

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
			err = list_agreed(c->md, &c->list, why);
		c->listed = true;
		if (err != OK || !find_path(&c->list, m, &path))
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

/* All that is left, with what is written now: so the next scan knows these files. Names may have changed since. */
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

static enum err maildir_commit(const struct maildrop *md, const struct changes *ch, struct outcome *out,
			       struct scan *left, struct why *why)
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
	if (ch->stamped || ch->flagged) /* else names change all the time, and a list of them costs little */
		write_all(&c, out, left);
	maildir_list_done(&c.list);
	err = sync_dirs(&c, first == OK ? why : NULL);
	return first != OK ? first : err;
}

const struct store_driver maildir_driver = {
	.name = "maildir",
	.wire_rules = MAILDIR_RULES,
	.detect = maildir_detect,
	.create = maildir_create,
	.stamp = maildir_stamps,
	.scan = maildir_scan,
	.lasting = maildir_lasting,
	.grow = maildir_grow,
	.body = maildir_body,
	.commit = maildir_commit,
	.unmark = maildir_unmark,
	.deliver = maildir_deliver,
	.find_delivered = maildir_find_delivered,
	.end_delivery = maildir_end_delivery,
};
