/* store/stamp_write.c - see stamp_write.h */
#include "store/stamp_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/wire.h"
#include "store/driver.h"

enum { HEAD_MOST = 64 * 1024 };

static char piece[HEAD_MOST]; /* a process does one thing at a time */

/* ---- where ---- */

static bool is_named(struct slice line, const char *name)
{
	size_t n = strlen(name);

	return line.n >= n && strncasecmp(line.p, name, n) == 0;
}

/* What stands behind it. */
static bool is_kept_last(struct slice line)
{
	static const char *const names[] = {"Status:", "X-Status:", "X-Keywords:", "X-UID:", "X-IMAP:", "X-IMAPbase:"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (is_named(line, names[i]))
			return true;
	return false;
}

/* False: there are too many of them. */
static bool cut_add(struct stamp_edit *e, uint64_t from, uint64_t to)
{
	if (e->cuts > 0 && e->cut[e->cuts - 1].to == from) {
		e->cut[e->cuts - 1].to = to;
		return true;
	}
	if (e->cuts == STAMP_CUTS)
		return false;
	e->cut[e->cuts++] = (struct cut){from, to};
	return true;
}

/* `head' begins with a header. The empty line behind it is looked for; lines that go on belong to the one before. */
static bool plan(struct stamp_edit *e, struct slice head, bool *crlf)
{
	enum { OTHER, LAST, STAMP } kind = OTHER;
	size_t at = 0;

	e->at = 0;
	while (at < head.n) {
		const char *lf = memchr(head.p + at, '\n', head.n - at);
		struct slice line = {head.p + at, lf ? (size_t)(lf - head.p) - at : 0};

		if (!lf)
			return false;
		*crlf = line.n > 0 && line.p[line.n - 1] == '\r';
		if (line.n == 0 || (line.n == 1 && *crlf))
			return true;
		if (line.p[0] != ' ' && line.p[0] != '\t')
			kind = is_named(line, STAMP_NAME) ? STAMP : is_kept_last(line) ? LAST : OTHER;
		if (kind == STAMP && !cut_add(e, at, at + line.n + 1))
			return false;
		at += line.n + 1;
		if (kind == OTHER)
			e->at = at;
	}
	return false;
}

/* Of what was read of the message, and of what becomes of it. */
static void checksum(struct stamp_edit *e, struct slice text)
{
	size_t done = 0;
	bool put_line = false;

	e->read = text.n;
	e->crc = listing_crc(0, text);
	e->crc_edited = 0;
	for (size_t i = 0; i <= e->cuts; i++) {
		size_t from = i < e->cuts ? (size_t)e->cut[i].from : text.n,
		       to = i < e->cuts ? (size_t)e->cut[i].to : text.n;

		if (!put_line && e->at <= from) {
			e->crc_edited = listing_crc(e->crc_edited, (struct slice){text.p + done, (size_t)e->at - done});
			e->crc_edited = listing_crc(e->crc_edited, (struct slice){e->line, e->octets});
			done = (size_t)e->at;
			put_line = true;
		}
		e->crc_edited = listing_crc(e->crc_edited, (struct slice){text.p + done, from - done});
		done = to;
	}
}

/* By arithmetic: the octets behind what was read have a checksum that follows from both. */
void stamp_record(const struct stamp_edit *e, uint32_t stamp, struct listing_rec *r)
{
	uint64_t behind = r->raw - e->read;
	uint32_t crc = listing_crc_join(e->crc, 0, behind) ^ r->crc;

	r->crc = listing_crc_join(e->crc_edited, crc, behind);
	r->raw += e->octets;
	for (size_t i = 0; i < e->cuts; i++)
		r->raw -= e->cut[i].to - e->cut[i].from;
	r->stamp = stamp;
	r->flags = (r->flags & ~(uint32_t)STAMP_FLAGS) | STAMP_HEADER;
}

bool stamp_edit(struct stamp_edit *e, int fd, uint64_t pos, uint64_t octets, uint32_t stamp)
{
	size_t want = octets < sizeof piece ? (size_t)octets : sizeof piece;
	ssize_t got = TEMP_FAILURE_RETRY(pread(fd, piece, want, (off_t)pos));
	bool crlf = false;

	e->cuts = 0;
	if (got <= 0 || !plan(e, (struct slice){piece, (size_t)got}, &crlf))
		return false;
	e->octets = stamp_line(e->line, stamp, crlf);
	e->crlf = crlf;
	checksum(e, (struct slice){piece, (size_t)got});
	return true;
}

/* ---- the copy ---- */

struct copy {
	int to;
	struct wire wire;  /* of what a client will see */
	struct wire plain; /* and of all that is there */
	struct listing_rec rec;
};

static enum err put(struct copy *c, struct slice octets, struct why *why)
{
	c->rec.crc = listing_crc(c->rec.crc, octets);
	c->rec.raw += octets.n;
	wire_count(&c->wire, octets);
	wire_count(&c->plain, octets);
	while (octets.n > 0) {
		ssize_t wrote = TEMP_FAILURE_RETRY(write(c->to, octets.p, octets.n));

		if (wrote < 0)
			return fail_errno(why, storage_err(errno), "write a message");
		octets = (struct slice){octets.p + wrote, octets.n - (size_t)wrote};
	}
	return OK;
}

/* The octets from `from' on, to `to', of the message at `pos'; *crc is of all that was read. */
static enum err copy_range(struct copy *c, int fd, uint64_t pos, uint64_t from, uint64_t to, bool keep, uint32_t *crc,
			   struct why *why)
{
	enum err err = OK;

	while (err == OK && from < to) {
		size_t want = to - from < sizeof piece ? (size_t)(to - from) : sizeof piece;
		ssize_t got = TEMP_FAILURE_RETRY(pread(fd, piece, want, (off_t)(pos + from)));

		if (got <= 0)
			return fail_errno(why, ERR_TEMP, "read a message");
		*crc = listing_crc(*crc, (struct slice){piece, (size_t)got});
		if (keep)
			err = put(c, (struct slice){piece, (size_t)got}, why);
		from += (uint64_t)got;
	}
	return err;
}

static enum err copy_all(struct copy *c, const struct stamp_edit *e, int fd, uint64_t pos, uint64_t octets,
			 uint32_t *crc, struct why *why)
{
	uint64_t done = 0;
	enum err err = OK;
	bool put_line = false;

	for (size_t i = 0; err == OK && i <= e->cuts; i++) {
		uint64_t from = i < e->cuts ? e->cut[i].from : octets, to = i < e->cuts ? e->cut[i].to : octets;

		if (!put_line && e->at <= from) {
			err = copy_range(c, fd, pos, done, e->at, true, crc, why);
			if (err == OK)
				err = put(c, (struct slice){e->line, e->octets}, why);
			done = e->at;
			put_line = true;
		}
		if (err == OK)
			err = copy_range(c, fd, pos, done, from, true, crc, why);
		if (err == OK)
			err = copy_range(c, fd, pos, from, to, false, crc, why);
		done = to;
	}
	return err;
}

enum err stamp_copy(int from, uint64_t pos, int to, uint32_t rules, uint32_t stamp, struct listing_rec *r,
		    uint64_t *wire, struct why *why)
{
	struct copy c = {.to = to, .rec = *r};
	struct stamp_edit e;
	uint32_t crc = 0;

	if (!stamp_edit(&e, from, pos, r->raw, stamp))
		return fail(why, ERR_PERM, "its header has no end");
	wire_init(&c.wire, rules, WIRE_ALL_LINES);
	wire_init(&c.plain, 0, WIRE_ALL_LINES);
	c.rec.raw = 0;
	c.rec.crc = 0;
	enum err err = copy_all(&c, &e, from, pos, r->raw, &crc, why);

	wire_count_end(&c.wire);
	wire_count_end(&c.plain);
	*wire = c.plain.octets;
	if (err != OK)
		return err;
	if (crc != r->crc || c.wire.octets != r->octets)
		return fail(why, ERR_TEMP, "it has been changed by another program");
	c.rec.stamp = stamp;
	c.rec.flags = (r->flags & ~(uint32_t)STAMP_FLAGS) | STAMP_HEADER;
	*r = c.rec;
	return OK;
}

/* Times are when mail came, for readers that show or sort by them. */
enum err stamp_dress(int fd, const struct stat *st, struct why *why)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};
	struct stat is;

	if (fstat(fd, &is) < 0 || (is.st_gid != st->st_gid && fchown(fd, (uid_t)-1, st->st_gid) < 0) ||
	    is.st_uid != st->st_uid || fchmod(fd, st->st_mode & 0777) < 0 || futimens(fd, times) < 0)
		return fail_errno(why, ERR_PERM, "make a file like that of the message");
	return TEMP_FAILURE_RETRY(fsync(fd)) < 0 ? fail_errno(why, storage_err(errno), "fsync a message") : OK;
}

static bool is_file(int dir, const char *name, const struct stat *st)
{
	struct stat is;

	return fstatat(dir, name, &is, AT_SYMLINK_NOFOLLOW) == 0 && is.st_ino == st->st_ino &&
	       is.st_dev == st->st_dev && is.st_size == st->st_size &&
	       storage_ns(is.st_mtim) == storage_ns(st->st_mtim);
}

enum err stamp_exchange(int dir, const char *made, const char *name, const struct stat *st, bool *there,
			struct why *why)
{
	enum { ATTEMPTS = 8 };

	*there = true;
	if (renameat2(dir, made, dir, name, RENAME_EXCHANGE) < 0) {
		*there = errno != ENOENT;
		return *there ? fail_errno(why, storage_err(errno), "put %s in its place", name) : OK;
	}
	if (is_file(dir, made, st))
		return OK;
	for (int i = 0; i < ATTEMPTS; i++)
		if (renameat2(dir, made, dir, name, RENAME_EXCHANGE) == 0 ||
		    renameat2(dir, made, dir, name, RENAME_NOREPLACE) == 0)
			return fail(why, ERR_TEMP, "%s has been changed by another program", name);
	return fail(why, ERR_IN_USE, "%s is changed all the time; what another program has put there is now %s", name,
		    made);
}
