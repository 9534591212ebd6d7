/* store/bulletin_file.c - see bulletin_file.h */
#include "store/bulletin_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/driver.h"

enum {
	VERSION = 1,
	HEAD_MOST = 96,               /* octets of the first line */
	FILE_MOST = 64 * 1024 * 1024, /* more is not read */
	COPIES = 256 * 1024,          /* octets that are written at a time */
};
static const char record_end[] = ".bulletins", due_end_name[] = ".bulletins-due", made_end[] = ".bulletins-new";
static const char due_magic[8] = "p3dbull1";

/* ---- the record: reading ---- */

static bool take_hex(struct slice word, uint64_t *n)
{
	*n = 0;
	for (size_t i = 0; i < word.n; i++) {
		const char *digits = "0123456789abcdef", *d = memchr(digits, word.p[i], 16);

		if (!d)
			return false;
		*n = *n << 4 | (uint64_t)(d - digits);
	}
	return word.n == 16;
}

/* *unknown: it is a record, of a version that is not known. */
static bool parse_head(struct bulletin_record *r, struct slice line, bool *unknown)
{
	uint32_t version;

	*unknown = false;
	if (!slice_eq(slice_take(&line, ' '), SLICE("pop3d-bulletins")) || !slice_u32(slice_take(&line, ' '), &version))
		return false;
	*unknown = version != VERSION;
	return !*unknown && take_hex(slice_take(&line, ' '), &r->sum) &&
	       slice_u64(slice_take(&line, ' '), &r->number) && slice_u64(line, &r->seen);
}

static int record_open(const struct uidl_place *place, int flags)
{
	struct uidl_place at = *place;

	uidl_place_called(&at, record_end);
	return at.dir >= 0 ? openat(at.dir, at.name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
}

void bulletin_record_head(struct bulletin_record *r, const struct uidl_place *place)
{
	char text[HEAD_MOST];
	int fd = record_open(place, O_RDONLY);
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof text, 0) : -1;
	struct slice line = {text, n > 0 ? slice_find((struct slice){text, (size_t)n}, '\n') : 0};
	bool unknown;

	*r = (struct bulletin_record){0};
	r->there = n > 0 && line.n < (size_t)n && parse_head(r, line, &unknown);
	if (fd >= 0)
		close(fd);
}

static enum err damaged(struct why *why, const char *what)
{
	return fail(why, ERR_PERM, "the record of bulletins is damaged: %s", what);
}

static enum err parse(struct bulletin_record *r, struct slice all, bool *unknown, struct why *why)
{
	struct slice rest = all;
	uint64_t id, count, crc;

	if (!parse_head(r, slice_take(&rest, '\n'), unknown))
		return *unknown ? fail(why, ERR_PERM, "the record of bulletins has a version that is not known")
				: damaged(why, "it does not begin as one");
	if (!slice_starts(slice_take(&rest, '\n'), SLICE("maildrop ")))
		return damaged(why, "it does not say whose it is");
	while (rest.n > 0) {
		struct slice before = {all.p, (size_t)(rest.p - all.p)}, line = slice_take(&rest, '\n');

		if (!slice_starts(line, SLICE("end "))) {
			if (!take_hex(line, &id))
				return damaged(why, "a line has another form");
			if (!bulletin_record_add(r, id))
				return fail(why, ERR_TEMP, "no memory for a record of bulletins");
			continue;
		}
		line = (struct slice){line.p + 4, line.n - 4};
		if (slice_u64(slice_take(&line, ' '), &count) && take_hex(line, &crc) && count == r->count &&
		    crc == listing_crc(0, before) && rest.n == 0)
			return OK;
		return damaged(why, "its checksum is wrong");
	}
	return damaged(why, "it has no end");
}

static enum err read_text(int fd, struct room *text, size_t *octets, struct why *why)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MOST)
		return damaged(why, "it is no regular file, or too large");
	*octets = (size_t)st.st_size;
	if (!room_grow(text, *octets + 1))
		return fail(why, ERR_TEMP, "no memory for a record of bulletins");
	for (size_t done = 0; done < *octets;) {
		ssize_t got = pread(fd, text->p + done, *octets - done, (off_t)done);

		if (got <= 0)
			return got < 0 ? fail_errno(why, ERR_TEMP, "read the record of bulletins")
				       : damaged(why, "it was cut");
		done += (size_t)got;
	}
	return OK;
}

enum err bulletin_record_read(struct bulletin_record *r, const struct uidl_place *place, bool *unknown, struct why *why)
{
	struct room text = {0};
	size_t octets = 0;
	int fd = record_open(place, O_RDONLY);

	*r = (struct bulletin_record){0};
	*unknown = false;
	if (fd < 0 && errno == ENOENT)
		return OK;
	if (fd < 0)
		return errno == ELOOP ? damaged(why, "it is a link")
				      : fail_errno(why, ERR_TEMP, "open the record of bulletins");
	enum err err = read_text(fd, &text, &octets, why);

	if (err == OK)
		err = parse(r, (struct slice){text.p, octets}, unknown, why);
	close(fd);
	room_done(&text);
	r->there = err == OK;
	if (err != OK)
		bulletin_record_done(r);
	return err;
}

void bulletin_record_done(struct bulletin_record *r)
{
	room_done(&r->room);
	*r = (struct bulletin_record){0};
}

/* ---- the record: ids, sorted ---- */

/* Where it is, or would be. */
static uint32_t where(const struct bulletin_record *r, uint64_t id)
{
	uint32_t from = 0, to = r->count;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (r->id[middle] < id)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

bool bulletin_record_has(const struct bulletin_record *r, uint64_t id)
{
	uint32_t i = where(r, id);

	return i < r->count && r->id[i] == id;
}

bool bulletin_record_add(struct bulletin_record *r, uint64_t id)
{
	uint32_t i = where(r, id);

	if (i < r->count && r->id[i] == id)
		return true;
	if (r->count == UINT32_MAX || !room_row(&r->room, r->count, sizeof *r->id))
		return false;
	r->id = (void *)r->room.p;
	memmove(r->id + i + 1, r->id + i, (r->count - i) * sizeof *r->id);
	r->id[i] = id;
	r->count++;
	return true;
}

/* ---- the record: writing ---- */

static char copy[COPIES]; /* a process does one thing at a time */

struct writing {
	int fd;
	uint32_t crc;
	struct buf b;
	bool ok;
};

static bool write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		p += put;
		n -= (size_t)put;
	}
	return true;
}

static void flush(struct writing *w)
{
	w->crc = listing_crc(w->crc, buf_slice(&w->b));
	w->ok = w->ok && write_all(w->fd, w->b.p, w->b.len);
	buf_rewind(&w->b, 0);
}

static void put_hex(struct buf *b, uint64_t n)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		buf_char(b, "0123456789abcdef"[n >> shift & 15]);
}

static bool write_record(const struct bulletin_record *r, const char *path, int fd)
{
	struct writing w = {.fd = fd, .b = BUF(copy), .ok = true};

	buf_str(&w.b, "pop3d-bulletins 1 ");
	put_hex(&w.b, r->sum);
	buf_char(&w.b, ' ');
	buf_u64(&w.b, r->number);
	buf_char(&w.b, ' ');
	buf_u64(&w.b, r->seen);
	buf_str(&w.b, "\nmaildrop ");
	for (const char *p = path; *p; p++)
		buf_char(&w.b, (unsigned char)*p < ' ' ? '?' : *p); /* for people */
	buf_char(&w.b, '\n');
	for (uint32_t i = 0; i < r->count; i++) {
		put_hex(&w.b, r->id[i]);
		buf_char(&w.b, '\n');
		if (w.b.cap - w.b.len < HEAD_MOST)
			flush(&w);
	}
	flush(&w);
	buf_str(&w.b, "end ");
	buf_u64(&w.b, r->count);
	buf_char(&w.b, ' ');
	put_hex(&w.b, w.crc);
	buf_char(&w.b, '\n');
	flush(&w);
	return w.ok;
}

enum err bulletin_record_write(const struct bulletin_record *r, const struct uidl_place *place, struct why *why)
{
	struct uidl_place at = *place, made = *place;

	uidl_place_called(&at, record_end);
	uidl_place_called(&made, made_end);
	/* What a killed process left. The session lock keeps others away. */
	if (unlinkat(made.dir, made.name, 0) < 0 && errno != ENOENT)
		return fail_errno(why, storage_err(errno), "remove %s", made.name);
	int fd = openat(made.dir, made.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail_errno(why, storage_err(errno), "create a record of bulletins");
	bool written = write_record(r, place->path, fd) && fsync(fd) == 0;

	written = close(fd) == 0 && written;
	if (written && renameat(made.dir, made.name, at.dir, at.name) == 0)
		return fsync(at.dir) == 0 ? OK : fail_errno(why, storage_err(errno), "sync the record of bulletins");
	enum err err = fail_errno(why, storage_err(errno), "write the record of bulletins");

	(void)unlinkat(made.dir, made.name, 0); /* of no use to anybody, and harmless */
	return err;
}

/* ---- the intent ---- */

void due_init(struct due *d, const struct uidl_place *place)
{
	*d = (struct due){.place = *place, .fd = -1};
	uidl_place_called(&d->place, due_end_name);
}

void due_done(struct due *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	room_done(&d->room);
	d->row = NULL;
}

void due_remove(struct due *d)
{
	(void)unlinkat(d->place.dir, d->place.name, 0); /* what stays says that all is done */
	due_done(d);
}

static bool has_crc(const struct due *d, uint64_t octets)
{
	uint32_t crc = 0;

	for (uint64_t at = 0; at < octets;) {
		size_t want = octets - at < sizeof copy ? (size_t)(octets - at) : sizeof copy;
		ssize_t got = pread(d->fd, copy, want, (off_t)at);

		if (got <= 0)
			return false;
		crc = listing_crc(crc, (struct slice){copy, (size_t)got});
		at += (uint64_t)got;
	}
	return crc == d->end.crc;
}

/* Whether all of it is there. */
static bool read_whole(struct due *d)
{
	struct stat st;
	struct due_end *e = &d->end;

	if (fstat(d->fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size < sizeof *e)
		return false;
	uint64_t octets = (uint64_t)st.st_size - sizeof *e;

	if (pread(d->fd, e, sizeof *e, (off_t)octets) != sizeof *e ||
	    memcmp(e->magic, due_magic, sizeof e->magic) != 0 || e->text > octets ||
	    e->count != (octets - e->text) / sizeof *d->row || (octets - e->text) % sizeof *d->row != 0 ||
	    !has_crc(d, octets))
		return false;
	size_t rows = e->count * sizeof *d->row;

	if (!room_grow(&d->room, rows + 1))
		return false;
	d->row = (void *)d->room.p;
	return pread(d->fd, d->row, rows, (off_t)e->text) == (ssize_t)rows;
}

enum err due_read(struct due *d, struct why *why)
{
	d->fd = openat(d->place.dir, d->place.name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (d->fd < 0)
		return errno == ENOENT ? OK : fail_errno(why, storage_err(errno), "open what is due");
	errno = 0;
	if (read_whole(d))
		return OK;
	if (errno != 0) {
		enum err err = fail_errno(why, storage_err(errno), "read what is due");

		due_done(d);
		return err;
	}
	due_remove(d);
	return OK;
}

enum err due_begin(struct due *d, struct why *why)
{
	(void)unlinkat(d->place.dir, d->place.name, 0);
	d->fd = openat(d->place.dir, d->place.name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	d->failed = false;
	d->crc = 0;
	d->n = 0;
	d->end = (struct due_end){.pad = 0};
	return d->fd >= 0 ? OK : fail_errno(why, storage_err(errno), "create what is due");
}

static void due_flush(struct due *d)
{
	d->failed = d->failed || !write_all(d->fd, copy, d->n);
	d->n = 0;
}

static void put(struct due *d, const char *p, size_t n)
{
	d->crc = listing_crc(d->crc, (struct slice){p, n});
	while (n > 0) {
		size_t some = sizeof copy - d->n < n ? sizeof copy - d->n : n;

		memcpy(copy + d->n, p, some);
		d->n += some;
		p += some;
		n -= some;
		if (d->n == sizeof copy)
			due_flush(d);
	}
}

void due_put(struct due *d, struct slice octets)
{
	put(d, octets.p, octets.n);
	d->end.text += octets.n;
}

bool due_add(struct due *d, uint64_t id, uint64_t key)
{
	struct due_row *row = room_row(&d->room, d->end.count, sizeof *row);

	if (!row)
		return false;
	*row = (struct due_row){id, key};
	d->row = (void *)d->room.p;
	d->end.count++;
	return true;
}

enum err due_end(struct due *d, uint64_t dev, uint64_t ino, uint64_t at, struct why *why)
{
	errno = 0;
	put(d, (const char *)d->row, d->end.count * sizeof *d->row);
	memcpy(d->end.magic, due_magic, sizeof d->end.magic);
	d->end.dev = dev;
	d->end.ino = ino;
	d->end.at = at;
	d->end.crc = d->crc;
	put(d, (const char *)&d->end, sizeof d->end);
	due_flush(d);
	if (!d->failed && fsync(d->fd) == 0 && fsync(d->place.dir) == 0)
		return OK;
	enum err err = fail_errno(why, storage_err(errno), "write what is due");

	due_remove(d);
	return err;
}

enum err due_set_done(struct due *d, struct why *why)
{
	off_t at = (off_t)(d->end.text + d->end.count * sizeof *d->row + offsetof(struct due_end, done));
	uint32_t done = 1;

	d->end.done = 1;
	if (pwrite(d->fd, &done, sizeof done, at) == (ssize_t)sizeof done && fdatasync(d->fd) == 0)
		return OK;
	return fail_errno(why, storage_err(errno), "mark what is due as done");
}
