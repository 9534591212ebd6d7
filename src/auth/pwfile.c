/* auth/pwfile.c - see pwfile.h */
#include "auth/pwfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "auth/shadow.h"
#include "base/clock.h"
#include "base/log.h"

enum {
	READ_OCTETS = 256 * 1024,
	TRIES = 3,          /* of a file that changes while it is read */
	SAME_TAG = 8,       /* lines with one tag near each other: the same name over and over */
	TELL_MOST = 5,      /* malformed lines told singly */
	SETTLE_SECONDS = 2, /* two changes within the coarsest time stamp look like one */
	KEPT_MOST = 64,     /* files that stay open between look-ups; others are opened for each */
	TEXT_MOST = 65536,  /* octets of a file that is kept in memory */
};

static const uint64_t POSITION_MASK = (UINT64_C(1) << 40) - 1;

/* --- formats ---------------------------------------------------------------------------------------------------- */

static bool passwd_name(struct slice line, struct slice *name)
{
	struct passwd_line parsed;
	bool ok = passwd_parse(line, &parsed);

	*name = ok ? parsed.name : SLICE("");
	return ok;
}

static bool shadow_name(struct slice line, struct slice *name)
{
	struct shadow_line parsed;
	bool ok = shadow_parse(line, &parsed);

	*name = ok ? parsed.name : SLICE("");
	return ok;
}

const struct pwfile_format pwfile_passwd = {"passwd", "name:hash:uid:gid:gecos:home:shell", passwd_name};
const struct pwfile_format pwfile_shadow = {"shadow", "name:hash:changed:min:max:warn:inactive:expires:reserved",
					    shadow_name};

/* --- names to numbers ------------------------------------------------------------------------------------------- */

/* Names come from the administrator's file, clients can only ask for them: a seed is enough against bad luck. */
static uint64_t name_hash(struct slice name)
{
	static uint64_t seed;

	while (seed == 0)
		if (getrandom(&seed, sizeof seed, 0) < 0)
			seed = (uint64_t)clock_wall_ns();
	uint64_t h = seed;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)name.p[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);                     /* and MurmurHash3's last mix */
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

static uint64_t hash_tag(uint64_t h)
{
	return h << 40;
}

/* The upper bits, which the tag does not show. */
static size_t hash_home(uint64_t h, size_t nslots)
{
	return (size_t)((h >> 32) * nslots >> 32);
}

/* Remembers that a line with this name begins at `at`. False: no room, the file has more lines than were counted. */
static bool index_put(struct pwfile *f, struct slice name, uint64_t at)
{
	uint64_t h = name_hash(name);
	unsigned same = 0;
	size_t i = hash_home(h, f->nslots);

	for (size_t n = 0; n < f->nslots; n++) {
		if (f->slot[i] == 0) {
			f->slot[i] = hash_tag(h) | (at + 1);
			return true;
		}
		if ((f->slot[i] & ~POSITION_MASK) == hash_tag(h) && ++same == SAME_TAG)
			return true;
		i = i + 1 < f->nslots ? i + 1 : 0;
	}
	return false;
}

/* --- reading the file ------------------------------------------------------------------------------------------- */

struct reader {
	int fd;
	off_t at;              /* of the next octets to read */
	size_t begin, end;     /* what the buffer holds */
	struct slice line;     /* the current one */
	uint64_t line_at;      /* where it begins in the file */
	uint64_t number;       /* counted from 1 */
	bool failed, too_long; /* too_long: the line does not fit into the buffer, and is cut */
	char octets[READ_OCTETS];
};

static bool reader_fill(struct reader *r)
{
	memmove(r->octets, r->octets + r->begin, r->end - r->begin);
	r->end -= r->begin;
	r->begin = 0;
	ssize_t n = pread(r->fd, r->octets + r->end, sizeof r->octets - r->end, r->at);

	if (n < 0)
		r->failed = true;
	if (n <= 0)
		return false;
	r->at += n;
	r->end += (size_t)n;
	return true;
}

/* The next line, without its end; false behind the last one. A line that is longer than the buffer comes in pieces,
 * all but the last of them marked too_long. */
static bool reader_next(struct reader *r)
{
	size_t seen = 0;

	for (;;) {
		const char *start = r->octets + r->begin;
		size_t have = r->end - r->begin;
		const char *lf = have > seen ? memchr(start + seen, '\n', have - seen) : NULL;
		bool full = have == sizeof r->octets;

		if (!lf && !full) {
			seen = have;
			if (reader_fill(r))
				continue;
			if (have == 0 || r->failed)
				return false;
		}
		start = r->octets + r->begin;
		r->line = (struct slice){start, lf ? (size_t)(lf - start) : have};
		r->line_at = (uint64_t)r->at - (r->end - r->begin);
		r->begin += r->line.n + (lf ? 1 : 0);
		r->number += r->too_long ? 0 : 1;
		r->too_long = !lf && full;
		return true;
	}
}

static bool count_lines(struct reader *r, size_t *lines)
{
	ssize_t n;

	*lines = 1; /* the last one may lack its end */
	for (off_t at = 0; (n = pread(r->fd, r->octets, sizeof r->octets, at)) > 0; at += n)
		for (const char *p = r->octets, *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))); p++)
			++*lines;
	return n == 0;
}

static void tell_malformed(const struct pwfile_query *q, const struct reader *r, uint64_t nth)
{
	if (nth <= TELL_MOST)
		log_line(LOG_WARNING, "%s/%s:%llu: skipped, not in %s format (%s)", q->label, q->name,
			 (unsigned long long)r->number, q->format->name, q->format->fields);
	else if (nth == TELL_MOST + 1)
		log_line(LOG_WARNING, "%s/%s:%llu: skipped too, and perhaps others behind it", q->label, q->name,
			 (unsigned long long)r->number);
}

/* False: the file grew while it was read. */
static bool index_fill(struct pwfile *f, const struct pwfile_query *q, struct reader *r, bool tell)
{
	struct slice name;
	uint64_t malformed = 0;
	bool inside = false; /* in a line that was too long from its first piece on */

	while (reader_next(r)) {
		bool whole = !inside && !r->too_long;
		bool first = !inside;

		inside = r->too_long;
		if (!first || (whole && passwd_is_blank(r->line)))
			continue;
		if (whole && q->format->parse(r->line, &name)) {
			if (r->line_at >= POSITION_MASK || !index_put(f, name, r->line_at))
				return false;
		} else if (tell) {
			tell_malformed(q, r, ++malformed);
		}
	}
	return !r->failed;
}

static void stamp(struct pwfile *f, const struct stat *st)
{
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	f->size = (uint64_t)st->st_size;
	f->mtime = st->st_mtim;
	f->ctime = st->st_ctim;
}

static bool time_same(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_unchanged(const struct pwfile *f, const struct stat *st)
{
	return f->ino == st->st_ino && f->dev == st->st_dev && f->size == (uint64_t)st->st_size &&
	       time_same(f->mtime, st->st_mtim) && time_same(f->ctime, st->st_ctim);
}

static bool is_old(struct timespec t)
{
	return clock_wall_ns() / 1000000000 - t.tv_sec > SETTLE_SECONDS;
}

static void index_free(struct pwfile *f)
{
	if (f->text)
		explicit_bzero(f->text, f->size);
	free(f->text);
	f->text = NULL;
	free(f->slot);
	f->slot = NULL;
	f->nslots = 0;
	f->ino = 0;
}

/* Without memory, lines are read from the file. */
static void text_read(struct pwfile *f, int fd)
{
	char *text = f->size > 0 && f->size <= TEXT_MOST ? malloc(f->size) : NULL;

	if (text && pread(fd, text, f->size, 0) == (ssize_t)f->size)
		f->text = text;
	else
		free(text);
}

static enum err index_build(struct pwfile *f, const struct pwfile_query *q, int fd, const struct stat *st,
			    struct why *why)
{
	bool tell = !is_unchanged(f, st);
	struct reader *r = calloc(1, sizeof *r);
	size_t lines;
	enum err err = OK;

	index_free(f);
	if (!r)
		return fail(why, ERR_TEMP, "%s/%s: no memory to read it", q->label, q->name);
	r->fd = fd;
	if (!count_lines(r, &lines)) {
		err = fail_errno(why, ERR_TEMP, "read %s/%s", q->label, q->name);
	} else if (!(f->slot = calloc(lines + lines / 3 + 1, sizeof *f->slot))) {
		err = fail(why, ERR_TEMP, "%s/%s: no memory for an index of %zu lines", q->label, q->name, lines);
	} else {
		f->nslots = lines + lines / 3 + 1;
		f->settled = is_old(st->st_ctim);
		if (index_fill(f, q, r, tell)) {
			stamp(f, st);
			text_read(f, fd);
		} else if (r->failed) {
			err = fail_errno(why, ERR_TEMP, "read %s/%s", q->label, q->name);
		}
	}
	free(r);
	return err;
}

/* --- looking up ------------------------------------------------------------------------------------------------- */

enum found { FOUND, FOUND_NOT, FOUND_OTHER }; /* OTHER: not there, and a line was not what its tag promised */

/* No fd: from the text. */
static ssize_t read_at(const struct pwfile *f, int fd, uint64_t at, char line[PASSWD_LINE_MOST])
{
	if (fd >= 0)
		return pread(fd, line, PASSWD_LINE_MOST, (off_t)at);
	size_t left = at < f->size ? f->size - at : 0, n = left < PASSWD_LINE_MOST ? left : PASSWD_LINE_MOST;

	memcpy(line, f->text + at, n);
	return (ssize_t)n;
}

/* The line that begins there is this user's. */
static bool read_line(const struct pwfile *f, const struct pwfile_query *q, int fd, uint64_t at,
		      char line[PASSWD_LINE_MOST], struct slice *out)
{
	ssize_t n = read_at(f, fd, at, line);
	struct slice text = {line, n > 0 ? (size_t)n : 0}, name;

	*out = slice_take(&text, '\n');
	return q->format->parse(*out, &name) && slice_eq(name, q->user);
}

static enum found index_find(const struct pwfile *f, const struct pwfile_query *q, int fd, char line[PASSWD_LINE_MOST],
			     struct slice *out)
{
	uint64_t h = name_hash(q->user);
	enum found found = FOUND_NOT;
	size_t i = f->nslots > 0 ? hash_home(h, f->nslots) : 0;

	for (size_t n = 0; n < f->nslots && f->slot[i] != 0; n++) {
		if ((f->slot[i] & ~POSITION_MASK) == hash_tag(h)) {
			if (read_line(f, q, fd, (f->slot[i] & POSITION_MASK) - 1, line, out))
				return FOUND;
			found = FOUND_OTHER;
		}
		i = i + 1 < f->nslots ? i + 1 : 0;
	}
	return found;
}

static bool is_current(const struct pwfile *f, const struct stat *st)
{
	return is_unchanged(f, st) && (f->settled || !is_old(st->st_ctim));
}

/* In the file as it was opened. *again: it changed meanwhile. */
static enum err find_in(struct pwfile *f, const struct pwfile_query *q, int fd, const struct stat *before,
			char line[PASSWD_LINE_MOST], struct slice *out, bool *again, struct why *why)
{
	struct stat after;

	if (!S_ISREG(before->st_mode))
		return fail(why, ERR_AUTH, "no such domain"); /* a directory, a device */
	bool fresh = !is_current(f, before), in_memory = !fresh && f->settled && f->text;
	enum err err = fresh ? index_build(f, q, fd, before, why) : OK;

	if (err != OK)
		return err;
	enum found found = index_find(f, q, in_memory ? -1 : fd, line, out);

	if (in_memory) {
		*again = false; /* nothing was read that could have changed */
	} else if (found == FOUND_OTHER && !f->settled && !fresh) {
		index_free(f); /* changed within one tick of the clock */
		*again = true;
	} else if (fstat(fd, &after) < 0) {
		return fail_errno(why, ERR_TEMP, "stat %s/%s", q->label, q->name);
	} else {
		*again = !is_unchanged(f, &after);
	}
	return found == FOUND ? OK : fail(why, ERR_AUTH, "no such user");
}

/* --- the file --------------------------------------------------------------------------------------------------- */

static unsigned kept; /* files of this process that are open between look-ups */

static void let_go(struct pwfile *f)
{
	if (f->fd < 0)
		return;
	close(f->fd);
	f->fd = -1;
	kept--;
}

/* -1, and closed, when it cannot be. */
static int file_look(int fd, struct stat *st)
{
	if (fstat(fd, st) == 0)
		return fd;
	int cause = errno;

	close(fd);
	errno = cause;
	return -1;
}

/* What has the name now: the file that was kept open, or one that is opened. -1: errno says why. */
static int file_open(struct pwfile *f, const struct pwfile_query *q, struct stat *st)
{
	if (f->fd >= 0 && fstatat(q->dirfd, q->name, st, 0) == 0 && is_unchanged(f, st))
		return f->fd;
	let_go(f);
	int fd = openat(q->dirfd, q->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? fd : file_look(fd, st);
}

/* It changed while it was read. Another file has the name of the one that was kept open; one that was opened just now is
 * as good as any. */
static int file_again(struct pwfile *f, const struct pwfile_query *q, int fd, struct stat *st)
{
	if (fd != f->fd)
		return file_look(fd, st);
	let_go(f);
	return file_open(f, q, st);
}

/* Kept is what the index is of. Of a file in the network only opening it is sure to tell whether it changed: the kernel may
 * believe for a minute what it knows of a name. Such file systems have no device of their own, and a major number of 0. */
static void file_close(struct pwfile *f, int fd, const struct stat *st)
{
	if (fd == f->fd)
		return;
	if (!is_unchanged(f, st) || kept == KEPT_MOST || major(st->st_dev) == 0) {
		close(fd);
		return;
	}
	f->fd = fd;
	kept++;
}

/* A symbolic link beside its target (one domain is another's alias) is fine. One that leads out of the directory is
 * not for a process that may read beneath it only. */
static enum err open_failed(const struct pwfile_query *q, struct why *why)
{
	int cause = errno;
	struct stat st;

	if (cause == ENOENT || cause == ENAMETOOLONG)
		return fail(why, ERR_AUTH, "no such domain");
	if (cause == EACCES && fstatat(q->dirfd, q->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return fail(why, ERR_PERM,
			    "%s/%s is a symbolic link that leads out of the directory, or to a file without read "
			    "permission",
			    q->label, q->name);
	if (cause == EACCES)
		return fail(why, ERR_PERM, "open %s/%s: %s; \"chgrp %s %s/%s; chmod 640 %s/%s\" helps", q->label,
			    q->name, strerror(cause), q->group, q->label, q->name, q->label, q->name);
	errno = cause;
	return fail_errno(why, cause == EPERM || cause == ELOOP ? ERR_PERM : ERR_TEMP, "open %s/%s", q->label, q->name);
}

enum err pwfile_find(struct pwfile *f, const struct pwfile_query *q, char line[PASSWD_LINE_MOST], struct slice *out,
		     struct why *why)
{
	struct stat st;
	int fd = file_open(f, q, &st);

	for (int i = 0; fd >= 0 && i < TRIES; i++) {
		bool again = false;
		enum err err = find_in(f, q, fd, &st, line, out, &again, why);

		if (!again) {
			file_close(f, fd, &st);
			return err;
		}
		fd = file_again(f, q, fd, &st);
	}
	if (fd < 0)
		return open_failed(q, why);
	file_close(f, fd, &st);
	return fail(why, ERR_TEMP, "%s/%s does not stop changing", q->label, q->name);
}

size_t pwfile_octets(const struct pwfile *f)
{
	return f->nslots * sizeof *f->slot + (f->text ? f->size : 0);
}

void pwfile_drop(struct pwfile *f)
{
	let_go(f);
	index_free(f);
}
