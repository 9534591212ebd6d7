/* store/maildir.c - the Maildir driver: a file per message in new/ or cur/; tmp/ is the deliverers'
 *
 * Nothing is renamed or marked here: new/ stays new/ for the programs that care. Entry.dir is an enum maildir_dir. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "mail/wire.h"
#include "store/maildir_list.h"
#include "store/maildrop.h"
#include "store/uidl.h"

enum {
	PASSES_MOST = 32, /* readings of directories that change all the time */
	RULES = WIRE_HIDE_UIDL,
};

static const char *const subdirs[] = {"tmp", "new", "cur"};

/* ---- what is a Maildir ---- */

static enum err maildir_detect(int fd, bool *is, struct why *why)
{
	struct stat st;

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

/* ---- reading a message ---- */

static int open_message(const struct maildrop *md, const struct maildir_path *path)
{
	return openat(md->fd, path->text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Sizes, lines and checksum of what `fd` holds, all from the octets themselves. */
static enum err count_message(int fd, struct listing_rec *r, struct why *why)
{
	static char piece[128 * 1024];
	struct wire w;
	ssize_t n;

	wire_init(&w, RULES, WIRE_ALL_LINES);
	do {
		n = read(fd, piece, sizeof piece);
		if (n < 0)
			return fail_errno(why, storage_err(errno), "read a message");
		r->crc = listing_crc(r->crc, (struct slice){piece, (size_t)n});
		wire_count(&w, (struct slice){piece, (size_t)n});
		r->raw += (uint64_t)n;
	} while ((size_t)n == sizeof piece); /* a short read is the end of a regular file */
	wire_count_end(&w);
	r->octets = w.octets;
	r->lines = w.lines < UINT32_MAX ? (uint32_t)w.lines : UINT32_MAX;
	return OK;
}

/* Some deliverers count in another way, or compress: nothing is built on what a name claims. */
static void check_claims(const struct maildir_path *path, const struct listing_rec *r)
{
	struct maildir_name n;
	struct event e;

	if (!log_wants(LOG_DEBUG))
		return;
	maildir_name_parse(&n, slice_str(path->text + sizeof maildir_dirs[0]));
	if ((n.stored == CLAIM_NONE || n.stored == r->raw) && (n.wire == CLAIM_NONE || n.wire == r->octets))
		return;
	event_new(&e, "claimed-size-differs");
	event_kv(&e, "file", slice_str(path->text));
	event_u64(&e, "stored", r->raw);
	event_u64(&e, "octets", r->octets);
	event_log(&e, LOG_DEBUG);
}

enum there { THERE, GONE, NO_MESSAGE };

static enum err read_message(const struct maildrop *md, const struct maildir_path *path, struct listing_rec *r,
			     struct scan_entry *e, enum there *there, struct why *why)
{
	int fd = open_message(md, path);
	struct stat st = {0};
	enum err err = OK;

	if (fd < 0 && (errno == ENOENT || errno == ELOOP)) { /* a symbolic link is no message */
		*there = errno == ENOENT ? GONE : NO_MESSAGE;
		return OK;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		err = fail_errno(why, storage_err(errno), "open a message");
	*there = S_ISREG(st.st_mode) ? THERE : NO_MESSAGE;
	if (err == OK && *there == THERE)
		err = count_message(fd, r, why);
	if (fd >= 0)
		close(fd);
	if (err == OK && *there == THERE)
		check_claims(path, r);
	e->mtime_ns = storage_ns(st.st_mtim);
	return err;
}

/* ---- a scan: what is known and what is found are in the same order, and are merged ---- */

struct merge {
	const struct maildrop *md;
	const struct scan *known;
	struct scan *now;
	const struct maildir_list *list;
	struct maildir_name name; /* of known message number `parsed` */
	uint32_t parsed;
	bool vanished; /* a message that was found could not be opened */
	bool missing;  /* a message that is known was not found */
	struct why *why;
};

/* All with one stable name: mostly one that was found and one or none that is known. */
struct group {
	const struct found *f, *f_end;
	uint32_t known, known_end;
	uint32_t first; /* of the group in `now` */
};

static const struct found *claimed_by(const struct merge *m, const struct group *g, uint32_t known)
{
	for (const struct found *f = g->f; f < g->f_end; f++)
		if (f->ino == m->known->entry[known].ino)
			return f;
	return NULL;
}

/* Whether another message of the group has this UIDL, or is about to keep it. */
static bool is_used(const struct merge *m, const struct group *g, const struct listing_rec *r)
{
	for (uint32_t i = g->first; i < m->now->count; i++)
		if (uidl_same(&m->now->rec[i], r))
			return true;
	for (uint32_t k = g->known; k < g->known_end; k++)
		if (uidl_same(&m->known->rec[k], r) && claimed_by(m, g, k))
			return true;
	return false;
}

/* The UIDL of a file that was read now. One that was only copied to another place keeps its own. */
static enum err choose_uidl(const struct merge *m, const struct group *g, struct listing_rec *r)
{
	struct slice stable = maildir_list_stable(m->list, g->f);

	for (uint32_t k = g->known; k < g->known_end; k++) {
		const struct listing_rec *old = &m->known->rec[k];

		if (old->crc != r->crc || old->raw != r->raw || is_used(m, g, old))
			continue;
		memcpy(r->uidl, old->uidl, sizeof r->uidl);
		r->uidl_len = old->uidl_len;
		return OK;
	}
	bool made = uidl_plain(r, stable);

	for (uint32_t copy = 0; made && is_used(m, g, r); copy++)
		made = uidl_distinct(r, stable, copy);
	return made ? OK : fail(m->why, ERR_TEMP, "compute a unique-id: no memory");
}

static enum err add_new(struct merge *m, const struct group *g, const struct found *f)
{
	struct slice name = maildir_list_name(m->list, f);
	struct scan_entry e = {.ino = f->ino, .dir = f->dir};
	struct listing_rec r = {0};
	struct maildir_path path;
	struct why reason = {""};
	enum there there;

	maildir_path(&path, f->dir, name);
	enum err err = read_message(m->md, &path, &r, &e, &there, &reason);

	if (err != OK)
		return fail(m->why, err, "%.80s: %s", reason.text, path.text);
	m->vanished |= there == GONE;
	if (there != THERE)
		return OK;
	err = choose_uidl(m, g, &r);
	return err == OK ? scan_add(m->now, &r, &e, name, m->why) : err;
}

static enum err add_known(struct merge *m, const struct found *f, uint32_t known)
{
	struct scan_entry e = m->known->entry[known];

	e.dir = f->dir;
	return scan_add(m->now, &m->known->rec[known], &e, maildir_list_name(m->list, f), m->why);
}

static enum err merge_group(struct merge *m, const struct group *g)
{
	enum err err = OK;

	for (const struct found *f = g->f; f < g->f_end && err == OK; f++) {
		uint32_t k = g->known;

		while (k < g->known_end && m->known->entry[k].ino != f->ino)
			k++;
		err = k < g->known_end ? add_known(m, f, k) : add_new(m, g, f);
	}
	for (uint32_t k = g->known; k < g->known_end; k++)
		m->missing |= !claimed_by(m, g, k);
	return err;
}

static int compare_known(struct merge *m, const struct found *f, uint32_t known)
{
	if (m->parsed != known)
		maildir_name_parse(&m->name, scan_name(m->known, known));
	m->parsed = known;
	return maildir_list_compare(m->list, f, &m->name);
}

static enum err merge_all(struct merge *m)
{
	const struct found *end = m->list->found + m->list->count;
	struct group g = {.f = m->list->found};
	enum err err = OK;

	for (; g.f < end && err == OK; g.f = g.f_end, g.known = g.known_end) {
		for (g.f_end = g.f + 1; g.f_end < end && slice_eq(maildir_list_stable(m->list, g.f),
								  maildir_list_stable(m->list, g.f_end));)
			g.f_end++;
		for (; g.known < m->known->count && compare_known(m, g.f, g.known) > 0; g.known++)
			m->missing = true;
		for (g.known_end = g.known; g.known_end < m->known->count && compare_known(m, g.f, g.known_end) == 0;)
			g.known_end++;
		g.first = m->now->count;
		err = merge_group(m, &g);
	}
	m->missing |= g.known < m->known->count;
	return err;
}

/* Mail that its user may read, but not delete: better said at once than at QUIT. */
static enum err check_access(const struct maildrop *md, struct why *why)
{
	for (unsigned d = 0; d < DIRS; d++)
		if (faccessat(md->fd, maildir_dirs[d], R_OK | W_OK | X_OK, AT_EACCESS) < 0)
			return fail_errno(why, storage_err(errno), "%s/ may not be changed by its user",
					  maildir_dirs[d]);
	return OK;
}

/* Reads the directories until a list is certainly whole: nothing moved meanwhile and nothing is missing, or two in a row agree.
 * What was read is known to the next pass. */
static enum err maildir_scan(const struct maildrop *md, const struct scan *known, struct scan *now,
			     struct stamp stamp[STAMPS], struct why *why)
{
	struct scan carried = {0};
	uint64_t fingerprint = 0;
	bool settled = false;
	enum err err = check_access(md, why);

	for (int pass = 0; pass < PASSES_MOST && err == OK && !settled; pass++) {
		struct maildir_list list = {0};
		struct merge m = {.md = md,
				  .known = pass > 0 ? &carried : known,
				  .now = now,
				  .list = &list,
				  .parsed = UINT32_MAX,
				  .why = why};

		err = maildir_list_read(&list, md->fd, why);
		if (err == OK)
			err = merge_all(&m);
		settled = !m.vanished && ((list.quiet && !m.missing) || (pass > 0 && list.fingerprint == fingerprint));
		fingerprint = list.fingerprint;
		memcpy(stamp, list.stamp, sizeof list.stamp);
		maildir_list_done(&list);
		if (err == OK && !settled) {
			scan_done(&carried);
			carried = *now;
			*now = (struct scan){0};
		}
	}
	scan_done(&carried);
	if (err == OK && !settled)
		err = fail(why, ERR_TEMP, "new/ and cur/ change all the time");
	return err;
}

/* ---- a message that may have been renamed ---- */

/* A list that shows all there is: one that the next one agrees with. */
static enum err list_agreed(const struct maildrop *md, struct maildir_list *list, struct why *why)
{
	uint64_t fingerprint = 0;

	for (int pass = 0; pass < PASSES_MOST; pass++) {
		maildir_list_done(list);
		enum err err = maildir_list_read(list, md->fd, why);

		if (err != OK || (pass > 0 && list->fingerprint == fingerprint))
			return err;
		fingerprint = list->fingerprint;
	}
	return fail(why, ERR_TEMP, "new/ and cur/ change all the time");
}

/* Its name now; false: it is not there. Another file with its stable name is another message. */
static bool find_path(const struct maildir_list *list, const struct message *m, struct maildir_path *path)
{
	struct maildir_name n;
	const struct found *end;

	maildir_name_parse(&n, slice_str(m->name));
	const struct found *f = maildir_list_find(list, &n, &end);

	while (f && f < end && f->ino != m->entry.ino)
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
		fd = b.full ? -1 : open_message(md, path);
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
	*fd = open_message(md, path);
	return *fd < 0 ? fail_errno(why, storage_err(errno), "open %s", path->text) : OK;
}

static enum err maildir_body(const struct maildrop *md, const struct message *m, struct body *out, struct why *why)
{
	struct maildir_path path;
	struct stat st;
	enum err err = OK;

	maildir_path(&path, m->entry.dir, slice_str(m->name));
	int fd = open_message(md, &path);

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
			     .same = st.st_ino == m->entry.ino && storage_ns(st.st_mtim) == m->entry.mtime_ns};
	return OK;
}

/* ---- a commit ---- */

struct commit {
	const struct maildrop *md;
	struct maildir_list list; /* read when a name is not there any more */
	bool listed;
	bool touched[DIRS];
};

/* Whether the file at `path` is the message that the session saw. Where the file was written anew, its contents decide. */
static enum err verify(const struct commit *c, const struct message *m, const struct maildir_path *path,
		       enum there *there, struct why *why)
{
	struct stat st;

	if (fstatat(c->md->fd, path->text, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		*there = GONE;
		return errno == ENOENT ? OK : fail_errno(why, storage_err(errno), "stat %s", path->text);
	}
	*there = S_ISREG(st.st_mode) && (uint64_t)st.st_size == m->rec.raw ? THERE : NO_MESSAGE;
	if (*there == NO_MESSAGE || (st.st_ino == m->entry.ino && storage_ns(st.st_mtim) == m->entry.mtime_ns))
		return OK;
	struct listing_rec r = {0};
	struct scan_entry e;
	enum err err = read_message(c->md, path, &r, &e, there, why);

	if (err == OK && *there == THERE && (r.crc != m->rec.crc || r.raw != m->rec.raw))
		*there = NO_MESSAGE;
	return err;
}

/* One attempt under one name. */
static enum err try_remove(struct commit *c, const struct message *m, const struct maildir_path *path,
			   enum there *there, struct why *why)
{
	enum err err = verify(c, m, path, there, why);

	if (err != OK || *there == GONE)
		return err;
	if (*there == NO_MESSAGE)
		return fail(why, ERR_TEMP, "%s has been changed by another program and stays", path->text);
	if (unlinkat(c->md->fd, path->text, 0) == 0) {
		c->touched[memcmp(path->text, maildir_dirs[DIR_CUR], sizeof maildir_dirs[0] - 1) == 0 ? DIR_CUR
												      : DIR_NEW] = true;
		return OK;
	}
	*there = GONE;
	return errno == ENOENT ? OK : fail_errno(why, storage_err(errno), "remove %s", path->text);
}

static enum err remove_message(struct commit *c, const struct message *m, struct why *why)
{
	struct maildir_path path;
	enum there there;

	maildir_path(&path, m->entry.dir, slice_str(m->name));
	enum err err = try_remove(c, m, &path, &there, why);

	for (int pass = 0; err == OK && there == GONE; pass++) {
		if (pass > 0 || !c->listed) /* a name from a list can be out of date, too */
			err = list_agreed(c->md, &c->list, why);
		c->listed = true;
		if (err != OK || !find_path(&c->list, m, &path))
			return err;
		if (pass == PASSES_MOST)
			return fail(why, ERR_TEMP, "%s is renamed all the time", path.text);
		err = try_remove(c, m, &path, &there, why);
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

static enum err maildir_commit(const struct maildrop *md, const struct changes *ch, struct outcome *out,
			       struct why *why)
{
	struct commit c = {.md = md};
	struct changes_walk walk = {0};
	struct message m;
	enum err err = OK, first = OK;

	*out = (struct outcome){0};
	while (changes_next(md, ch, &walk, &m, &err, first == OK ? why : NULL)) {
		if (err == OK)
			err = remove_message(&c, &m, first == OK ? why : NULL);
		if (first == OK)
			first = err;
		*(err == OK ? &out->deleted : &out->failed) += 1;
	}
	maildir_list_done(&c.list);
	err = sync_dirs(&c, first == OK ? why : NULL);
	return first != OK ? first : err;
}

const struct store_driver maildir_driver = {
	.name = "maildir",
	.wire_rules = RULES,
	.detect = maildir_detect,
	.create = maildir_create,
	.stamp = maildir_stamps,
	.scan = maildir_scan,
	.body = maildir_body,
	.commit = maildir_commit,
};
