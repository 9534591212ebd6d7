/* store/header_edit.c - see header_edit.h */
#include "store/header_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/wire.h"
#include "store/driver.h"
#include "store/flags.h"

enum {
	HEAD_FIRST = 4 * 1024, /* most headers end within it */
	HEAD_MOST = 64 * 1024,
};

static char piece[HEAD_MOST]; /* a process does one thing at a time */

/* ---- lines ---- */

/* STATUS and above are what others keep at the end of a header. */
enum kind { OTHER, STAMP, STATUS, UID, BASE, KEPT };

static const struct {
	const char *name;
	enum kind kind;
} names[] = {
	{STAMP_NAME, STAMP}, {"Status:", STATUS},   {"X-UID:", UID},   {"X-IMAPbase:", BASE},
	{"X-Status:", KEPT}, {"X-Keywords:", KEPT}, {"X-IMAP:", KEPT},
};

static enum kind kind_of(struct slice line, struct slice *value)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct slice name = slice_str(names[i].name);

		if (!slice_starts_nocase(line, name))
			continue;
		*value = slice_trim((struct slice){line.p + name.n, line.n - name.n});
		return names[i].kind;
	}
	return OTHER;
}

/* The next line of a header, without its end. False: that was the empty one, or the text ends within it (*whole false). */
struct lines {
	struct slice rest;
	bool whole, crlf;
};

static bool next_line(struct lines *l, struct slice *line)
{
	const char *lf = l->rest.n > 0 ? memchr(l->rest.p, '\n', l->rest.n) : NULL;

	l->whole = lf != NULL;
	if (!lf)
		return false;
	*line = slice_take(&l->rest, '\n');
	l->crlf = line->n > 0 && line->p[line->n - 1] == '\r';
	line->n -= l->crlf;
	return line->n > 0;
}

static bool goes_on(struct slice line)
{
	return line.p[0] == ' ' || line.p[0] == '\t';
}

/* ---- what there is ---- */

static void see_base(struct slice value, struct header_base *base)
{
	struct slice validity = slice_take(&value, ' ');
	struct header_base is;

	if (slice_u32(validity, &is.validity) && slice_u32(slice_trim(value), &is.next))
		*base = is;
}

static void see(struct header_seen *seen, enum kind kind, struct slice value)
{
	if (kind == STATUS && seen->statuses++ == 0)
		for (size_t i = 0; i < value.n; i++)
			seen->status |= flags_letter(value.p[i]);
	else if (kind == UID && seen->uids++ == 0)
		(void)slice_u32(value, &seen->uid); /* or it has none */
	else if (kind == BASE && seen->bases++ == 0)
		see_base(value, &seen->base);
}

/* False: the header has no end within the text. */
static bool look(struct header_seen *seen, struct slice text)
{
	struct lines l = {.rest = text};
	struct slice line, value = {0};

	*seen = (struct header_seen){0};
	while (next_line(&l, &line))
		if (!goes_on(line))
			see(seen, kind_of(line, &value), value);
	return l.whole;
}

/* What the message begins with, as far as that has the header. */
static bool read_header(int fd, uint64_t pos, uint64_t octets, struct header_seen *seen, struct slice *text)
{
	static const size_t sizes[] = {HEAD_FIRST, HEAD_MOST};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t want = octets < sizes[i] ? (size_t)octets : sizes[i];
		ssize_t got = TEMP_FAILURE_RETRY(pread(fd, piece, want, (off_t)pos));

		*text = (struct slice){piece, got > 0 ? (size_t)got : 0};
		if (got <= 0 || look(seen, *text))
			return got > 0;
	}
	return false;
}

bool header_look(struct header_seen *seen, int fd, uint64_t pos, uint64_t octets)
{
	struct slice text;

	return read_header(fd, pos, octets, seen, &text);
}

/* ---- what is to be there ---- */

/* What goes, as a set of kinds. */
static unsigned goes(const struct header_want *want, const struct header_seen *seen)
{
	bool base = want->base.next != 0;
	unsigned kinds = 0;

	if (want->stamp != 0)
		kinds |= 1U << STAMP;
	if (want->status & ~seen->status || (want->status && seen->statuses > 1))
		kinds |= 1U << STATUS;
	if (want->uid != 0 && (seen->uid != want->uid || seen->uids != 1))
		kinds |= 1U << UID;
	if (want->uid != 0 && (seen->bases != base || (base && (seen->base.validity != want->base.validity ||
								seen->base.next != want->base.next))))
		kinds |= 1U << BASE;
	return kinds;
}

static void write_text(struct header_edit *e, unsigned kinds, uint64_t status, bool crlf)
{
	const char *end = crlf ? "\r\n" : "\n";
	const struct header_want *w = &e->want;
	char letters[FLAGS_LETTERS];
	size_t n = 0;

	if (kinds >> STAMP & 1)
		n += stamp_line(e->text, w->stamp, crlf);
	if (kinds >> BASE & 1 && w->base.next != 0)
		n += (size_t)snprintf(e->text + n, HEADER_TEXT - n, "X-IMAPbase: %20u %20u%s", w->base.validity,
				      w->base.next, end);
	if (kinds >> UID & 1)
		n += (size_t)snprintf(e->text + n, HEADER_TEXT - n, "X-UID: %u%s", w->uid, end);
	if (kinds >> STATUS & 1)
		n += (size_t)snprintf(e->text + n, HEADER_TEXT - n, "Status: %.*s%s", (int)flags_text(status, letters),
				      letters, end);
	e->octets = n; /* HEADER_TEXT has room for the longest of each */
}

/* False: there are too many of them. */
static bool cut_add(struct header_edit *e, uint64_t from, uint64_t to)
{
	if (e->cuts > 0 && e->cut[e->cuts - 1].to == from) {
		e->cut[e->cuts - 1].to = to;
		return true;
	}
	if (e->cuts == HEADER_CUTS)
		return false;
	e->cut[e->cuts++] = (struct cut){from, to};
	return true;
}

/* Where the text goes, and what goes away; lines that go on belong to the one before. */
static bool plan(struct header_edit *e, struct slice text, unsigned kinds, bool *crlf)
{
	struct lines l = {.rest = text};
	enum kind kind = OTHER;
	struct slice line, value;

	e->at = 0;
	while (next_line(&l, &line)) {
		uint64_t from = (uint64_t)(line.p - text.p), to = text.n - l.rest.n;

		kind = goes_on(line) ? kind : kind_of(line, &value);
		if (kinds >> kind & 1 && !cut_add(e, from, to))
			return false;
		if (kind == OTHER)
			e->at = to;
	}
	*crlf = l.crlf;
	return l.whole;
}

/* Of what was read of the message, and of what becomes of it. */
static void checksum(struct header_edit *e, struct slice text)
{
	size_t done = 0;
	bool put_text = false;

	e->read = text.n;
	e->crc = listing_crc(0, text);
	e->crc_edited = 0;
	for (size_t i = 0; i <= e->cuts; i++) {
		size_t from = i < e->cuts ? (size_t)e->cut[i].from : text.n,
		       to = i < e->cuts ? (size_t)e->cut[i].to : text.n;

		if (!put_text && e->at <= from) {
			e->crc_edited = listing_crc(e->crc_edited, (struct slice){text.p + done, (size_t)e->at - done});
			e->crc_edited = listing_crc(e->crc_edited, (struct slice){e->text, e->octets});
			done = (size_t)e->at;
			put_text = true;
		}
		e->crc_edited = listing_crc(e->crc_edited, (struct slice){text.p + done, from - done});
		done = to;
	}
}

bool header_edit(struct header_edit *e, int fd, uint64_t pos, uint64_t octets, const struct header_want *want)
{
	struct header_seen seen;
	struct slice text;
	bool crlf = false;

	e->want = *want;
	e->cuts = 0;
	if (!read_header(fd, pos, octets, &seen, &text))
		return false;
	unsigned kinds = goes(want, &seen);

	if (!plan(e, text, kinds, &crlf))
		return false;
	write_text(e, kinds, seen.status | want->status, crlf);
	e->changes = e->octets > 0 || e->cuts > 0;
	checksum(e, text);
	return true;
}

/* What the record says of it then. */
static void header_note(const struct header_edit *e, struct listing_rec *r)
{
	if (e->want.stamp != 0) {
		r->stamp = e->want.stamp;
		r->flags = (r->flags & ~(uint32_t)STAMP_FLAGS) | STAMP_HEADER;
	}
	if (e->want.status != 0)
		r->flags = flags_written(r->flags);
}

/* By arithmetic: the octets behind what was read have a checksum that follows from both. */
void header_record(const struct header_edit *e, struct listing_rec *r)
{
	uint64_t behind = r->raw - e->read;
	uint32_t crc = listing_crc_join(e->crc, 0, behind) ^ r->crc;

	r->crc = listing_crc_join(e->crc_edited, crc, behind);
	r->raw += e->octets;
	for (size_t i = 0; i < e->cuts; i++)
		r->raw -= e->cut[i].to - e->cut[i].from;
	header_note(e, r);
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

static enum err copy_all(struct copy *c, const struct header_edit *e, int fd, uint64_t pos, uint64_t octets,
			 uint32_t *crc, struct why *why)
{
	uint64_t done = 0;
	enum err err = OK;
	bool put_text = false;

	for (size_t i = 0; err == OK && i <= e->cuts; i++) {
		uint64_t from = i < e->cuts ? e->cut[i].from : octets, to = i < e->cuts ? e->cut[i].to : octets;

		if (!put_text && e->at <= from) {
			err = copy_range(c, fd, pos, done, e->at, true, crc, why);
			if (err == OK)
				err = put(c, (struct slice){e->text, e->octets}, why);
			done = e->at;
			put_text = true;
		}
		if (err == OK)
			err = copy_range(c, fd, pos, done, from, true, crc, why);
		if (err == OK)
			err = copy_range(c, fd, pos, from, to, false, crc, why);
		done = to;
	}
	return err;
}

enum err header_copy(const struct header_edit *e, int from, uint64_t pos, int to, uint32_t rules, struct listing_rec *r,
		     uint64_t *wire, struct why *why)
{
	struct copy c = {.to = to, .rec = *r};
	uint32_t crc = 0;

	wire_init(&c.wire, rules, WIRE_ALL_LINES);
	wire_init(&c.plain, 0, WIRE_ALL_LINES);
	c.rec.raw = 0;
	c.rec.crc = 0;
	enum err err = copy_all(&c, e, from, pos, r->raw, &crc, why);

	wire_count_end(&c.wire);
	wire_count_end(&c.plain);
	*wire = c.plain.octets;
	if (err != OK)
		return err;
	if (crc != r->crc || c.wire.octets != r->octets)
		return fail(why, ERR_TEMP, "it has been changed by another program");
	header_note(e, &c.rec);
	*r = c.rec;
	return OK;
}

/* Times are when mail came, for readers that show or sort by them. */
enum err header_dress(int fd, const struct stat *st, struct why *why)
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

enum err header_exchange(int dir, const char *made, const char *name, const struct stat *st, bool *there,
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
