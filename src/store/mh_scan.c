/* store/mh_scan.c - all messages of an MH folder. See mh.h */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "store/ahead.h"
#include "store/ids.h"
#include "store/mh.h"
#include "store/text.h"

/* ---- one message ---- */

static int open_at(int dir, const char *name, struct stat *st)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || (fstat(fd, st) == 0 && S_ISREG(st->st_mode)))
		return fd;
	close(fd);
	errno = ELOOP;
	return -1;
}

int mh_open(const struct maildrop *md, const char *name, struct stat *st)
{
	return open_at(md->fd, name, st);
}

static enum err digest_text(struct text *t, struct digest *d, struct why *why)
{
	bool last = false;

	if (!digest_begin(d, MH_RULES, DIGEST_PLAIN, 0))
		return fail(why, ERR_TEMP, "no memory to read a message");
	while (!last) {
		struct slice piece;
		enum err err = text_lines(t, &piece, &last, why);

		if (err != OK)
			return err;
		digest_take(d, piece);
	}
	return digest_end(d) ? OK : fail(why, ERR_TEMP, "no memory to read a message");
}

enum err mh_digest(int fd, const struct stat *st, struct digest *d, struct why *why)
{
	struct text t;

	text_open(&t, fd, 0, (uint64_t)st->st_size);
	return digest_text(&t, d, why);
}

/* A thread's own window; NULL: that of the process. */
struct lane {
	char window[64 * 1024];
};

static enum err read_whole(int fd, const struct stat *st, struct lane *lane, struct digest *d, int64_t *file,
			   struct why *why)
{
	struct stat behind;
	struct text t;

	if (lane)
		text_open_in(&t, fd, 0, (uint64_t)st->st_size, lane->window, sizeof lane->window);
	else
		text_open(&t, fd, 0, (uint64_t)st->st_size);
	enum err err = digest_text(&t, d, why);

	if (err == OK && fstat(fd, &behind) < 0)
		err = fail_errno(why, ERR_TEMP, "stat a message");
	if (err == OK)
		*file = mh_file(st) == mh_file(&behind) ? mh_file(st) : MH_CHANGES;
	return err;
}

static enum err read_at(int dir, const char *path, struct lane *lane, struct digest *d, int *fd, int64_t *file,
			struct why *why)
{
	struct why reason = {""};
	struct stat st;

	*fd = open_at(dir, path, &st);
	if (*fd < 0 && (errno == ENOENT || errno == ELOOP))
		return OK;
	enum err err = *fd >= 0 ? read_whole(*fd, &st, lane, d, file, &reason)
				: fail_errno(&reason, storage_err(errno), "open a message");

	return err == OK ? OK : fail(why, err, "%.120s: %s", reason.text, path);
}

enum err mh_read(const struct maildrop *md, struct slice name, struct digest *d, int *fd, int64_t *file,
		 struct why *why)
{
	char path[NAME_OCTETS + 1];

	(void)slice_cstr(name, path, sizeof path);
	return read_at(md->fd, path, NULL, d, fd, file, why);
}

void mh_note(uint64_t notes[NOTES], struct slice name, int64_t file)
{
	scan_note(notes, name, (uint64_t)file);
}

/* ---- all: files that are as they were first, then what is new ---- */

struct pass {
	const struct maildrop *md;
	const struct scan *known;
	struct known which;
	struct mh_list list;
	struct room is; /* of each that was found: the known message that it is, or KNOWN_NONE; see is_of */
	bool vanished;  /* one that was found was not there any more, or another one */
	struct scan *now;
	struct ahead ahead; /* reads those that are not known */
	uint32_t next;      /* this one, if it is none of these, and those behind it */
};

static uint32_t *is_of(const struct pass *p, size_t i)
{
	return (uint32_t *)(void *)p->is.p + i;
}

/* Of several names of one file, the first one is in the table; the others are found by their contents. */
static bool add_files(const struct pass *p, struct ids *files)
{
	for (uint32_t k = 0; k < p->known->count; k++, room_pass(k)) {
		uint64_t file = (uint64_t)p->known->entry[k].at;

		if (!ids_has(files, file))
			continue;
		struct ids_slot *slot = ids_at(files, file);

		if (!slot)
			return false;
		if (slot->count++ == 0)
			slot->first = k;
	}
	return true;
}

static void match_file(const struct pass *p, const struct ids *files, size_t i)
{
	const struct ids_slot *slot = ids_find(files, (uint64_t)p->list.found[i].file);
	uint32_t *where = slot ? &known_where(&p->which.where)[slot->first] : NULL;
	bool is = where && *where == KNOWN_NONE;

	*is_of(p, i) = is ? slot->first : KNOWN_NONE;
	if (is)
		*where = (uint32_t)i; /* no other file is it any more */
}

/* False: no memory. */
static bool match_files(struct pass *p)
{
	struct ids files;
	bool done = room_grow(&p->is, (p->list.count + 1) * sizeof(uint32_t));

	ids_init(&files, p->known->count);
	for (uint32_t part = 0; part < files.parts && done; part++) {
		done = ids_part(&files, part) && add_files(p, &files);
		for (size_t i = 0; i < p->list.count && done; i++, room_pass(i))
			if (ids_has(&files, (uint64_t)p->list.found[i].file))
				match_file(p, &files, i);
	}
	ids_done(&files);
	return done;
}

struct new_file {
	int dir;
	char name[NAME_OCTETS + 1];
	struct digest digest;
	int64_t file;
	bool is_there;
};

/* For struct ahead. */
static bool next_new(void *pass, void *file)
{
	struct pass *p = pass;
	struct new_file *next = file;

	while (p->next < p->list.count && *is_of(p, p->next) != KNOWN_NONE)
		p->next++;
	if (p->next == p->list.count)
		return false;
	next->dir = p->md->fd;
	return slice_cstr(mh_list_name(&p->list, &p->list.found[p->next++]), next->name, sizeof next->name);
}

/* In a thread, or with a lane NULL. */
static enum err read_file(void *file, void *lane, struct why *why)
{
	struct new_file *f = file;
	int fd;
	enum err err = read_at(f->dir, f->name, lane, &f->digest, &fd, &f->file, why);

	f->is_there = fd >= 0;
	if (fd >= 0)
		close(fd);
	return err;
}

static void lane_done(void *lane)
{
	(void)lane;
	uidl_forget();
}

static enum err add_new(struct pass *p, uint32_t i, const struct new_file *new, struct why *why)
{
	const struct mh_found *f = &p->list.found[i];
	struct slice name = mh_list_name(&p->list, f);

	p->vanished |= !new->is_there || new->file != f->file;
	if (!new->is_there)
		return OK;
	mh_note(p->now->notes, name, new->file);
	return known_add(&p->which, &new->digest, new->file, name, why);
}

static enum err read_new(struct pass *p, uint32_t i, struct why *why)
{
	struct new_file own = {.dir = p->md->fd};
	const void *new = &own;

	(void)slice_cstr(mh_list_name(&p->list, &p->list.found[i]), own.name, sizeof own.name);
	enum err err = p->ahead.crew ? ahead_take(&p->ahead, &new, why) : read_file(&own, NULL, why);

	return err == OK ? add_new(p, i, new, why) : err;
}

static enum err take_known(struct pass *p, uint32_t i, uint32_t k, struct why *why)
{
	struct slice name = mh_list_name(&p->list, &p->list.found[i]);

	mh_note(p->now->notes, name, p->known->entry[k].at);
	return known_take(&p->which, k, &p->known->entry[k], name, why);
}

/* A file that is another one by now has no right one. */
static bool is_right(void *pass, uint32_t now, const struct digest *m)
{
	const struct pass *p = pass;
	char name[NAME_OCTETS + 1];
	struct stat st;
	int fd = slice_cstr(scan_name(p->now, now), name, sizeof name) ? mh_open(p->md, name, &st) : -1;
	bool right = fd >= 0 && digest_xuidl_is_right(m, fd);

	if (fd >= 0)
		close(fd);
	return right;
}

static enum err add_all(struct pass *p, struct why *why)
{
	static const struct ahead_task task = {next_new, read_file, lane_done, sizeof(struct new_file),
					       sizeof(struct lane)};
	uint32_t known = p->known->count, found = (uint32_t)p->list.count;
	enum err err = OK;

	if (digest_share())
		(void)ahead_begin(&p->ahead, &task, p, found > known ? found - known : 0);
	for (uint32_t i = 0; i < p->list.count && err == OK; i++) {
		uint32_t k = *is_of(p, i);

		err = k == KNOWN_NONE ? read_new(p, i, why) : take_known(p, i, k, why);
	}
	ahead_end(&p->ahead);
	return err == OK ? known_end(&p->which, is_right, p, why) : err;
}

/* What the next pass knows: all of this one, and what was known and not found. */
static enum err carry(const struct pass *p, struct scan *carried, struct why *why)
{
	enum err err = OK;

	*carried = *p->now;
	carried->collected = false;
	*p->now = (struct scan){0};
	for (uint32_t k = 0; k < p->known->count && err == OK; k++)
		if (known_where(&p->which.where)[k] == KNOWN_NONE)
			err = scan_add(carried, &p->known->rec[k], &p->known->entry[k], (struct slice){0}, why);
	return err;
}

/* *carried: empty when this was the last pass. */
static enum err scan_once(const struct maildrop *md, const struct scan *known, struct scan *now, struct scan *carried,
			  bool *again, struct why *why)
{
	struct pass p = {.md = md, .known = known, .now = now};
	enum err err = mh_list_read(&p.list, md, why);

	if (err == OK && (!known_init(&p.which, known, now) || !match_files(&p)))
		err = fail(why, ERR_TEMP, "no memory to read the folder");
	if (err == OK) {
		memcpy(now->stamp, p.list.stamp, sizeof now->stamp);
		err = add_all(&p, why);
	}
	*again = p.vanished;
	if (err == OK && p.vanished)
		err = carry(&p, carried, why);
	known_done(&p.which);
	mh_list_done(&p.list);
	room_done(&p.is);
	return err;
}

/* Mail that its user may read, but not delete: better said at once than at QUIT. And a directory for the index: the folder itself changes
 * when files are put into it. */
static enum err prepare(const struct maildrop *md, struct why *why)
{
	if (md->setup->read_only)
		return OK;
	if (faccessat(md->fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0)
		return fail_errno(why, storage_err(errno), "the folder may not be changed by its user");
	if (md->setup->index == INDEX_AUTO)
		(void)mkdirat(md->fd, MH_INDEX_DIR, 0700); /* it may be there; without it the index lies elsewhere */
	return OK;
}

enum err mh_scan(const struct maildrop *md, const struct scan *known, struct scan *now, struct why *why)
{
	struct scan carried = {0};
	bool again = true;
	int lock = -1;
	enum err err = prepare(md, why);

	if (err == OK)
		err = mh_lock(md, F_RDLCK, &lock, why);
	for (int pass = 0; pass < MH_PASSES_MOST && err == OK && again; pass++) {
		struct scan before = carried;

		carried = (struct scan){0};
		err = scan_once(md, pass > 0 ? &before : known, now, &carried, &again, why);
		scan_done(&before);
	}
	scan_done(&carried);
	if (lock >= 0)
		close(lock);
	return err == OK && again ? fail(why, ERR_TEMP, "the folder changes all the time") : err;
}
