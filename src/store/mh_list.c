/* store/mh_list.c - see mh.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/mh.h"

enum { RECENT_NS = 100 * 1000 * 1000 };

bool mh_is_number(struct slice name)
{
	if (name.n == 0 || name.n > NAME_OCTETS || name.p[0] == '0')
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < '0' || name.p[i] > '9')
			return false;
	return true;
}

int mh_compare(struct slice a, struct slice b)
{
	return a.n != b.n ? (a.n > b.n) - (a.n < b.n) : memcmp(a.p, b.p, a.n);
}

int64_t mh_file(const struct stat *st)
{
	uint64_t h = (uint64_t)st->st_ino * 0x9E3779B97F4A7C15u;

	h = (h ^ h >> 29 ^ (uint64_t)st->st_size) * 0xBF58476D1CE4E5B9u;
	h = (h ^ h >> 32 ^ (uint64_t)storage_ns(st->st_mtim)) * 0x94D049BB133111EBu;
	return (int64_t)(h ^ h >> 31);
}

enum err mh_stamp(const struct maildrop *md, struct stamp stamp[STAMPS], struct why *why)
{
	struct stat st;

	if (fstat(md->fd, &st) < 0)
		return fail_errno(why, storage_err(errno), "stat the folder");
	memset(stamp, 0, STAMPS * sizeof *stamp);
	stamp[0] = storage_stamp(&st);
	return OK;
}

/* ---- one reading ---- */

struct reading {
	bool (*each)(void *arg, struct slice name, int64_t file);
	void *arg;
	bool vanished;
	uint32_t odd; /* numbers that are no files */
	char first_odd[NAME_OCTETS + 1];
};

/* What has a number and is no regular file is no message: a folder of year 2024 in this one, a link, a pipe. */
static enum err take(struct reading *r, int fd, const char *name, struct why *why)
{
	struct stat st;

	if (!mh_is_number(slice_str(name)))
		return OK;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		r->vanished |= errno == ENOENT;
		return errno == ENOENT ? OK : fail_errno(why, storage_err(errno), "stat %s", name);
	}
	if (S_ISREG(st.st_mode))
		return r->each(r->arg, slice_str(name), mh_file(&st))
			       ? OK
			       : fail(why, ERR_TEMP, "no memory for a list of messages");
	if (r->odd++ == 0)
		(void)slice_cstr(slice_str(name), r->first_odd, sizeof r->first_odd);
	return OK;
}

static enum err read_dir(struct reading *r, DIR *dir, struct why *why)
{
	enum err err = OK;

	while (err == OK) {
		errno = 0;
		/* cppcheck-suppress readdirCalled ; glibc's is safe for a directory stream of one's own */
		const struct dirent *e = readdir(dir);

		if (!e && errno != 0)
			return fail_errno(why, storage_err(errno), "read the folder");
		if (!e)
			break;
		err = take(r, dirfd(dir), e->d_name, why);
	}
	return err;
}

static void tell_odd(const struct reading *r, const struct maildrop *md)
{
	struct event e;

	if (r->odd == 0)
		return;
	event_new(&e, "not-messages");
	event_kv(&e, "maildrop", slice_str(md->path));
	event_u64(&e, "count", r->odd);
	event_kv(&e, "first", slice_str(r->first_odd));
	event_log(&e, LOG_NOTICE);
}

enum err mh_each(const struct maildrop *md, bool (*each)(void *arg, struct slice name, int64_t file), void *arg,
		 bool *vanished, struct why *why)
{
	struct reading r = {.each = each, .arg = arg};
	int fd = openat(md->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	enum err err = dir ? read_dir(&r, dir, why) : fail_errno(why, storage_err(errno), "open the folder");

	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	if (err == OK)
		tell_odd(&r, md);
	*vanished = r.vanished;
	return err;
}

/* ---- a list ---- */

bool mh_list_add(void *list, struct slice name, int64_t file)
{
	const struct mh_found f = {.file = file};
	struct mh_list *l = list;

	l->pile.size = sizeof f;
	if (!pile_add(&l->pile, &f, name, (struct slice){0}))
		return false;
	l->count++;
	return true;
}

static int compare(const void *left, const void *right, void *texts)
{
	const struct pile_text *a = left, *b = right;
	const char *text = texts;

	return mh_compare((struct slice){text + a->at, a->n}, (struct slice){text + b->at, b->n});
}

bool mh_list_sort(struct mh_list *l)
{
	if (!pile_sort(&l->pile, compare))
		return false;
	l->found = (void *)l->pile.row.p;
	return true;
}

/* A file that was renamed meanwhile may have been seen under both numbers: readings until two agree will tell. */
static uint64_t fingerprint(const struct mh_list *l)
{
	uint64_t sum = l->count;

	for (size_t i = 0; i < l->count; i++, room_pass(i))
		sum += (uint64_t)l->found[i].file;
	return sum;
}

/* Times of directories go on by some milliseconds at once: a change right behind another one does not show. */
static bool is_recent(const struct stamp *s)
{
	int64_t last = s->mtime_ns > s->ctime_ns ? s->mtime_ns : s->ctime_ns, since;

	return __builtin_sub_overflow(clock_wall_ns(), last, &since) || since < RECENT_NS;
}

static enum err read_once(struct mh_list *l, const struct maildrop *md, struct why *why)
{
	struct stamp behind[STAMPS];
	bool vanished;
	enum err err = mh_stamp(md, l->stamp, why);

	if (err == OK)
		err = mh_each(md, mh_list_add, l, &vanished, why);
	if (err == OK)
		err = mh_stamp(md, behind, why);
	if (err != OK)
		return err;
	if (!mh_list_sort(l))
		return fail(why, ERR_TEMP, "no memory for a list of messages");
	l->quiet = !vanished && memcmp(l->stamp, behind, sizeof behind) == 0 && !is_recent(&l->stamp[0]);
	l->fingerprint = fingerprint(l);
	return OK;
}

enum err mh_list_read(struct mh_list *l, const struct maildrop *md, struct why *why)
{
	uint64_t before = 0;

	for (int pass = 0; pass < MH_PASSES_MOST; pass++) {
		mh_list_done(l);
		enum err err = read_once(l, md, why);

		if (err != OK || l->quiet || (pass > 0 && l->fingerprint == before))
			return err;
		before = l->fingerprint;
	}
	return fail(why, ERR_TEMP, "the folder changes all the time");
}

void mh_list_done(struct mh_list *l)
{
	pile_done(&l->pile);
	free(l->by_file);
	memset(l, 0, sizeof *l);
}

struct slice mh_list_name(const struct mh_list *l, const struct mh_found *f)
{
	return (struct slice){pile_text(&l->pile, f), f->name.n};
}

static int compare_files(const void *left, const void *right, void *list)
{
	const struct mh_found *found = ((const struct mh_list *)list)->found;
	int64_t a = found[*(const uint32_t *)left].file, b = found[*(const uint32_t *)right].file;

	return (a > b) - (a < b);
}

/* Sorted when it is needed. False: no memory. */
static bool sort_files(struct mh_list *l)
{
	if (l->by_file)
		return true;
	l->by_file = malloc((l->count + 1) * sizeof *l->by_file);
	if (!l->by_file)
		return false;
	for (uint32_t i = 0; i < l->count; i++)
		l->by_file[i] = i;
	qsort_r(l->by_file, l->count, sizeof *l->by_file, compare_files, l);
	return true;
}

const struct mh_found *mh_list_find(struct mh_list *l, int64_t file)
{
	size_t low = 0, high = sort_files(l) ? l->count : 0, end = high;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->found[l->by_file[middle]].file < file)
			low = middle + 1;
		else
			high = middle;
	}
	return low < end && l->found[l->by_file[low]].file == file ? &l->found[l->by_file[low]] : NULL;
}

/* ---- the lock ---- */

enum err mh_lock(const struct maildrop *md, short kind, int *fd, struct why *why)
{
	struct flock lock = {.l_type = kind, .l_whence = SEEK_SET};
	int mode = kind == F_WRLCK ? O_RDWR : O_RDONLY;

	*fd = openat(md->fd, ".mh_sequences", mode | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (*fd < 0 || fcntl(*fd, F_OFD_SETLK, &lock) == 0)
		return OK; /* no such file, or one that nobody could lock */
	bool busy = errno == EAGAIN || errno == EACCES;

	close(*fd);
	*fd = -1;
	return busy ? fail(why, ERR_IN_USE, "another program has locked .mh_sequences") : OK;
}
