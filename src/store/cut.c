/* store/cut.c - see cut.h */
#include "store/cut.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/driver.h"
#include "store/room.h"
#include "store/shift.h"

enum {
	GROWN_MOST = 16, /* times that a file may have grown while it was copied */
	SHED_EACH = 16,  /* pieces */
	/* octets that the disk begins to write while more are copied: the rest of it is waited for */
	BEGIN_EACH = 8 * 1024 * 1024,
};

static char piece[256 * 1024]; /* a process does one thing at a time */

static bool is_sane(const struct cut *cut, size_t n, uint64_t octets)
{
	uint64_t at = 0;

	for (size_t i = 0; i < n; i++, room_pass(i)) {
		if (cut[i].from < at || cut[i].to <= cut[i].from || cut[i].to > octets)
			return false;
		at = cut[i].to;
	}
	return true;
}

/* The file is what its name says, and has what is to be cut. */
static enum err look(const struct cut_file *f, const struct cut *cut, size_t n, struct stat *st, struct why *why)
{
	struct stat named;

	if (fstatat(f->spool->dir, f->spool->name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(why, storage_err(errno), "stat %s", f->spool->name);
	if (fstat(f->fd, st) < 0)
		return fail_errno(why, storage_err(errno), "stat");
	if (!S_ISREG(st->st_mode) || named.st_dev != st->st_dev || named.st_ino != st->st_ino)
		return fail(why, ERR_TEMP, "%s has been replaced by another program", f->spool->name);
	if (!is_sane(cut, n, (uint64_t)st->st_size))
		return fail(why, ERR_TEMP, "%s has been changed by another program", f->spool->name);
	return OK;
}

static enum err truncate_to(int fd, uint64_t octets, struct why *why)
{
	if (TEMP_FAILURE_RETRY(ftruncate(fd, (off_t)octets)) < 0)
		return fail_errno(why, storage_err(errno), "truncate");
	return TEMP_FAILURE_RETRY(fsync(fd)) < 0 ? fail_errno(why, storage_err(errno), "fsync") : OK;
}

/* ---- beside, and renamed ---- */

/* What is appended, where others may append, too. */
static ssize_t put_octets(int fd, const char *p, size_t n)
{
	static size_t waits; /* octets that the disk has not been told of */
	struct iovec v = {.iov_base = (char *)p, .iov_len = n};
	size_t done = 0;

	while (done < n) {
		ssize_t wrote = TEMP_FAILURE_RETRY(pwritev2(fd, &v, 1, 0, RWF_APPEND));

		if (wrote < 0)
			return -1;
		done += (size_t)wrote;
		v = (struct iovec){.iov_base = (char *)p + done, .iov_len = n - done};
	}
	waits += n;
	if (waits >= BEGIN_EACH) {
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* fsync tells what fails */
		waits = 0;
	}
	return (ssize_t)done;
}

static ssize_t put(int fd, size_t n)
{
	return put_octets(fd, piece, n);
}

/* Of what says where to cut a little is mapped at a time; messages are no smaller than their From_ lines. */
static void shed(unsigned *pieces)
{
	if (++*pieces % SHED_EACH == 0)
		room_shed_all();
}

/* The cuts of a file, from the next one on that is not behind. */
struct cuts {
	const struct cut *next, *end;
};

/* Moves together what stays of piece[0..n), which are the octets of the file from `at` on, and says how many these are. */
static size_t keep(struct cuts *cuts, uint64_t at, size_t n)
{
	size_t kept = 0, i = 0;

	while (cuts->next < cuts->end && cuts->next->from < at + n) {
		size_t stop = (size_t)(cuts->next->from - at);

		memmove(piece + kept, piece + i, stop - i);
		kept += stop - i;
		if (cuts->next->to >= at + n)
			return kept; /* it goes on behind this piece */
		i = (size_t)(cuts->next++->to - at);
	}
	memmove(piece + kept, piece + i, n - i);
	return kept + n - i;
}

/* What stays of a range, to the end of `to`. All of it is read, one piece after the other: messages are small, and calls cost more than
 * octets. But a cut that is longer than a piece is passed over. */
static enum err copy(int from, int to, uint64_t at, uint64_t end, struct cuts cuts, struct why *why)
{
	unsigned pieces = 0;

	while (at < end) {
		if (cuts.next < cuts.end && cuts.next->from <= at) {
			at = cuts.next++->to;
			continue;
		}
		size_t n = end - at < sizeof piece ? (size_t)(end - at) : sizeof piece;
		ssize_t got = TEMP_FAILURE_RETRY(pread(from, piece, n, (off_t)at));

		if (got == 0)
			return fail(why, ERR_TEMP, "it has been changed by another program");
		if (got < 0 || put(to, keep(&cuts, at, (size_t)got)) < 0)
			return fail_errno(why, storage_err(errno), got < 0 ? "read" : "write beside");
		at += (uint64_t)got;
		if (cuts.next < cuts.end) /* there may be many of them */
			shed(&pieces);
	}
	return OK;
}

/* Copies what others append until they do not; *octets of the file are copied, durably. */
static enum err copy_grown(int from, int to, uint64_t *octets, struct why *why)
{
	struct stat st;
	enum err err = OK;

	for (int round = 0; err == OK; round++) {
		if (TEMP_FAILURE_RETRY(fsync(to)) < 0)
			return fail_errno(why, storage_err(errno), "fsync beside");
		if (fstat(from, &st) < 0)
			return fail_errno(why, storage_err(errno), "stat");
		if ((uint64_t)st.st_size == *octets)
			return OK;
		if ((uint64_t)st.st_size < *octets || round == GROWN_MOST)
			return fail(why, ERR_TEMP, "it is changed by another program all the time");
		err = copy(from, to, *octets, (uint64_t)st.st_size, (struct cuts){0}, why);
		*octets = (uint64_t)st.st_size;
	}
	return err;
}

/* ---- edits ---- */

/* What is to be written, gathered. */
struct gathered {
	int fd;
	size_t n;
	char text[sizeof piece];
};

static bool gathered_put(struct gathered *g)
{
	bool done = put_octets(g->fd, g->text, g->n) >= 0;

	g->n = 0;
	return done;
}

static bool gather(struct gathered *g, const char *p, size_t n)
{
	while (n > 0) {
		size_t some = n < sizeof g->text - g->n ? n : sizeof g->text - g->n;

		memcpy(g->text + g->n, p, some);
		g->n += some;
		p += some;
		n -= some;
		if (g->n == sizeof g->text && !gathered_put(g))
			return false;
	}
	return true;
}

struct edits {
	const struct edit *next, *end;
	const char *texts;
	bool begun; /* the next one's text is written */
};

/* piece[0..n) has the octets of the file from `at' on. */
static bool edit_piece(struct gathered *g, struct edits *e, uint64_t at, size_t n)
{
	size_t i = 0;

	for (; e->next < e->end && e->next->from < at + n; e->next++, e->begun = false) {
		size_t stop = e->begun ? i : (size_t)(e->next->from - at);

		if (!gather(g, piece + i, stop - i) ||
		    (!e->begun && e->next->octets > 0 && !gather(g, e->texts + e->next->text_at, e->next->octets)))
			return false;
		e->begun = true;
		if (e->next->to > at + n)
			return true; /* it goes on behind this piece */
		i = (size_t)(e->next->to - at);
	}
	return gather(g, piece + i, n - i);
}

static enum err copy_edited(int from, int to, uint64_t end, struct edits e, struct why *why)
{
	static struct gathered g; /* a process does one thing at a time */
	unsigned pieces = 0;
	uint64_t at = 0;

	g.fd = to;
	g.n = 0;
	while (at < end) {
		size_t want = end - at < sizeof piece ? (size_t)(end - at) : sizeof piece;
		ssize_t got = TEMP_FAILURE_RETRY(pread(from, piece, want, (off_t)at));

		if (got == 0)
			return fail(why, ERR_TEMP, "it has been changed by another program");
		if (got < 0 || !edit_piece(&g, &e, at, (size_t)got))
			return fail_errno(why, storage_err(errno), got < 0 ? "read" : "write beside");
		at += (uint64_t)got;
		shed(&pieces); /* there may be many edits */
	}
	return gathered_put(&g) ? OK : fail_errno(why, storage_err(errno), "write beside");
}

/* What a copy leaves out, or changes. */
struct change {
	const struct cut *cut;
	const struct edit *edit; /* NULL: cuts */
	size_t n;
	const char *texts;
};

/* *impossible: nothing is wrong, but a copy beside it cannot be made. */
static enum err rewrite(const struct cut_file *f, struct change ch, uint64_t octets, bool *impossible, struct why *why)
{
	int fd;

	*impossible = true;
	if (spool_new(f->spool, &fd, why) != OK)
		return ERR_TEMP;
	errno = 0;
	enum err err =
		ch.edit ? copy_edited(f->fd, fd, octets, (struct edits){ch.edit, ch.edit + ch.n, ch.texts, false}, why)
			: copy(f->fd, fd, 0, octets, (struct cuts){ch.cut, ch.cut + ch.n}, why);

	if (err == OK)
		err = copy_grown(f->fd, fd, &octets, why);
	*impossible = err != OK && (errno == ENOSPC || errno == EDQUOT);
	if (err == OK)
		err = spool_replace(f->spool, why);
	if (err != OK)
		spool_abandon(f->spool);
	else /* whoever had it open already may have appended since */
		err = copy_grown(f->fd, fd, &octets, why);
	close(fd); /* synced */
	return err;
}

enum err cut_apply(const struct cut_file *f, const struct cut *cut, size_t n, struct why *why)
{
	bool impossible = true;
	struct stat st = {0};
	enum err err = look(f, cut, n, &st, why);
	uint64_t octets = (uint64_t)st.st_size;

	if (err != OK || n == 0)
		return err;
	if (n == 1 && cut->to == octets)
		return truncate_to(f->fd, cut->from, why);
	if (f->may_rename && st.st_nlink == 1)
		err = rewrite(f, (struct change){.cut = cut, .n = n}, octets, &impossible, why);
	if (impossible && f->journal)
		err = shift_apply(f, cut, n, why);
	else if (impossible && err == OK)
		err = fail(why, ERR_PERM, "%s cannot be changed in place: there is no journal", f->spool->name);
	return err;
}

static bool are_edits_sane(const struct edit *edit, size_t n, uint64_t octets)
{
	uint64_t at = 0;

	for (size_t i = 0; i < n; i++, room_pass(i)) {
		if (edit[i].from < at || edit[i].to < edit[i].from || edit[i].to > octets || edit[i].from >= octets)
			return false;
		at = edit[i].to;
	}
	return true;
}

enum err cut_edit(const struct cut_file *f, const struct edit *edit, size_t n, const char *texts, bool *impossible,
		  struct why *why)
{
	struct stat st = {0};
	enum err err = look(f, NULL, 0, &st, why);

	*impossible = false;
	if (err == OK && !are_edits_sane(edit, n, (uint64_t)st.st_size))
		err = fail(why, ERR_TEMP, "%s has been changed by another program", f->spool->name);
	if (err != OK)
		return err;
	*impossible = !f->may_rename || st.st_nlink != 1;
	if (*impossible)
		return fail(why, ERR_PERM, "%s can only be changed in place, where it cannot grow", f->spool->name);
	return rewrite(f, (struct change){.edit = edit, .n = n, .texts = texts}, (uint64_t)st.st_size, impossible, why);
}
