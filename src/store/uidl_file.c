/* store/uidl_file.c - see uidl_file.h */
#include "store/uidl_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/driver.h"
#include "store/uidl.h"
#include "store/uidl_format.h"

enum {
	PATH_SHOWN = 180,   /* octets of a long path that its file's name has */
	PIECE = 256 * 1024, /* octets that are read and written at a time */
	MARK_BACK = 2,      /* octets from a UIDL back to its mark */
};
static const char suffix[] = ".uidl", made_suffix[] = ".new";

/* ---- names ---- */

static void put_escaped(struct buf *b, const char *path)
{
	for (const char *p = path; *p && !b->full; p++)
		if (*p == '/' || *p == '%')
			buf_str(b, *p == '/' ? "%2F" : "%25");
		else
			buf_char(b, *p);
}

void uidl_place_name(struct uidl_place *place)
{
	uidl_place_called(place, suffix);
}

void uidl_place_called(struct uidl_place *place, const char *end)
{
	struct buf b = {.p = place->name, .cap = PATH_SHOWN};
	char digits[UIDL_DIGITS + 1];
	uint64_t id;

	put_escaped(&b, place->path);
	b.cap = sizeof place->name;
	if (b.full && uidl_begin()) {
		uidl_feed(slice_str(place->path));
		b.full = false;
		buf_char(&b, '.');
		buf_str(&b, uidl_end(digits, &id) ? digits : "");
	}
	buf_put(&b, (struct slice){end, strlen(end) + 1}); /* with its NUL */
}

/* ---- reading ---- */

static enum err damaged(struct why *why, const char *what)
{
	return fail(why, ERR_PERM, "the file of unique-ids is damaged: %s", what);
}

static enum err read_octets(int fd, char *p, size_t n, struct why *why)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, p + done, n - done < PIECE ? n - done : PIECE, (off_t)done);

		if (got < 0)
			return fail_errno(why, ERR_TEMP, "read the file of unique-ids");
		if (got == 0)
			return damaged(why, "it was cut");
		done += (size_t)got;
		if (n > PIECE)
			room_shed_all();
	}
	return OK;
}

/* False: no memory. */
static bool make_room(struct uidl_file *f, size_t octets)
{
	bool made = room_grow(&f->room, octets + 1); /* with a NUL */

	f->text = f->room.p;
	return made;
}

/* The whole file, and a NUL. */
static enum err read_text(struct uidl_file *f, const struct uidl_place *place, size_t *octets, struct why *why)
{
	int fd = openat(place->dir, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st = {0};
	enum err err = OK;

	if (fd < 0 && errno == ENOENT)
		return OK;
	if (fd < 0 && errno == ELOOP)
		return damaged(why, "it is a link");
	if (fd < 0 || fstat(fd, &st) < 0)
		err = fail_errno(why, ERR_TEMP, "open the file of unique-ids");
	else if (!S_ISREG(st.st_mode) || st.st_size > UIDL_FILE_OCTETS)
		err = damaged(why, "it is no regular file, or too large");
	if (err == OK) {
		*octets = (size_t)st.st_size;
		err = make_room(f, *octets) ? read_octets(fd, f->text, *octets, why)
					    : fail(why, ERR_TEMP, "no memory for a file of unique-ids");
	}
	if (fd >= 0)
		close(fd);
	f->there = err == OK && f->text;
	if (f->there)
		f->text[*octets] = '\0';
	return err;
}

static bool take_hex(struct slice *rest, uint64_t *n)
{
	struct slice word = slice_take(rest, ' ');

	*n = 0;
	for (size_t i = 0; i < word.n; i++) {
		const char *digits = "0123456789abcdef", *d = memchr(digits, word.p[i], 16);

		if (!d)
			return false;
		*n = *n << 4 | (uint64_t)(d - digits);
	}
	return word.n > 0 && word.n <= 16;
}

static bool add_entry(struct uidl_file *f, const struct uidl_entry *e)
{
	struct uidl_entry *to = room_row(&f->entries, f->count, sizeof *to);

	if (!to)
		return false;
	*to = *e;
	f->entry = (void *)f->entries.p;
	room_pass(f->count++);
	return true;
}

/* KEY SUB MARK UIDL. The mark is wiped: the checksum knows none. */
static enum err take_entry(struct uidl_file *f, struct slice line, struct why *why)
{
	struct uidl_entry e = {0};
	struct slice rest = line;
	bool sane = take_hex(&rest, &e.key) && take_hex(&rest, &e.sub);
	struct slice mark = slice_take(&rest, ' ');

	if (!sane || !(slice_eq(mark, SLICE("-")) || slice_eq(mark, SLICE("x"))) || !uidl_is_sane(rest))
		return damaged(why, "a line has another form");
	e.at = (uint32_t)(rest.p - f->text);
	e.len = (uint8_t)rest.n;
	e.going = mark.p[0] == 'x';
	f->text[mark.p - f->text] = '-';
	return add_entry(f, &e) ? OK : fail(why, ERR_TEMP, "no memory for a file of unique-ids");
}

static bool take_numbers(struct uidl_file *f, struct slice rest)
{
	struct slice validity = slice_take(&rest, ' ');

	return slice_u64(validity, &f->validity) && slice_u64(rest, &f->next) && f->validity > 0 && f->next > 0;
}

static uint32_t crc_of(struct slice text)
{
	uint32_t crc = 0;

	for (; text.n > PIECE; text = (struct slice){text.p + PIECE, text.n - PIECE}) {
		crc = listing_crc(crc, (struct slice){text.p, PIECE});
		room_shed_all();
	}
	return listing_crc(crc, text);
}

/* The last line: nothing may follow. */
static bool is_end(const struct uidl_file *f, struct slice line, struct slice behind)
{
	struct slice all = {f->text, (size_t)(line.p - f->text)};
	struct slice rest = {line.p + 4, line.n - 4};
	uint64_t count, crc;

	return slice_u64(slice_take(&rest, ' '), &count) && take_hex(&rest, &crc) && rest.n == 0 && behind.n == 0 &&
	       count == f->count && crc == crc_of(all);
}

static enum err parse(struct uidl_file *f, size_t octets, bool *unknown, struct why *why)
{
	struct slice rest = {f->text, octets}, line = slice_take(&rest, '\n');
	enum err err = OK;
	uint32_t version;

	if (!slice_starts(line, SLICE("pop3d-uidl ")) || !slice_u32((struct slice){line.p + 11, line.n - 11}, &version))
		return damaged(why, "it does not begin as one");
	*unknown = version != UIDL_FILE_VERSION;
	if (*unknown)
		return fail(why, ERR_PERM, "the file of unique-ids has version %u, which this program does not know",
			    version);
	line = slice_take(&rest, '\n');
	if (!slice_starts(line, SLICE("maildrop ")))
		return damaged(why, "it does not say whose it is");
	while (err == OK && rest.n > 0) {
		line = slice_take(&rest, '\n');
		if (slice_starts(line, SLICE("end ")))
			return is_end(f, line, rest) ? OK : damaged(why, "its checksum is wrong");
		if (slice_starts(line, SLICE("numbers ")) && f->count == 0 && f->next == 0)
			err = take_numbers(f, (struct slice){line.p + 8, line.n - 8}) ? OK : damaged(why, "numbers");
		else
			err = take_entry(f, line, why);
	}
	return err != OK ? err : damaged(why, "it has no end");
}

enum err uidl_file_read(struct uidl_file *f, const struct uidl_place *place, bool *unknown, struct why *why)
{
	size_t octets = 0;

	*f = (struct uidl_file){0};
	*unknown = false;
	enum err err = place->dir >= 0 ? read_text(f, place, &octets, why) : OK;

	if (err == OK && f->there)
		err = parse(f, octets, unknown, why);
	if (err != OK)
		uidl_file_done(f);
	return err;
}

enum err uidl_file_parse(struct uidl_file *f, struct slice text, struct why *why)
{
	bool unknown;

	*f = (struct uidl_file){.there = true};
	if (!make_room(f, text.n))
		return fail(why, ERR_TEMP, "no memory for a file of unique-ids");
	if (text.n > 0)
		memcpy(f->text, text.p, text.n);
	enum err err = text.n <= UIDL_FILE_OCTETS ? parse(f, text.n, &unknown, why) : damaged(why, "it is too large");

	if (err != OK)
		uidl_file_done(f);
	return err;
}

void uidl_file_done(struct uidl_file *f)
{
	room_done(&f->entries);
	room_done(&f->room);
	*f = (struct uidl_file){0};
}

struct slice uidl_file_uidl(const struct uidl_file *f, uint32_t i)
{
	return (struct slice){f->text + f->entry[i].at, f->entry[i].len};
}

/* ---- marks ---- */

enum err uidl_file_mark(const struct uidl_file *f, const struct uidl_place *place, struct why *why)
{
	int fd = openat(place->dir, place->name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool done = fd >= 0;

	for (uint32_t i = 0; i < f->count && done; i++, room_pass(i))
		if (f->entry[i].going)
			done = pwrite(fd, "x", 1, (off_t)f->entry[i].at - MARK_BACK) == 1;
	done = done && fdatasync(fd) == 0;
	enum err err = done ? OK : fail_errno(why, storage_err(errno), "mark unique-ids of messages that go");

	if (fd >= 0)
		close(fd);
	return err;
}

/* ---- writing ---- */

static char *room(struct uidl_text *t, size_t n)
{
	if (!t->failed) {
		t->failed = !room_row(&t->room, t->n + n, 1);
		t->p = t->room.p;
	}
	return t->failed ? NULL : t->p + t->n;
}

void uidl_text_begin(struct uidl_text *t, const char *path, uint64_t validity, uint64_t next)
{
	size_t most = strlen(path) + 128;

	*t = (struct uidl_text){0};
	struct buf b = {.p = room(t, most), .cap = t->failed ? 0 : most};

	buf_str(&b, "pop3d-uidl 1\nmaildrop ");
	for (const char *p = path; *p; p++)
		buf_char(&b, (unsigned char)*p < ' ' ? '?' : *p); /* for people */
	buf_char(&b, '\n');
	if (next > 0) {
		buf_str(&b, "numbers ");
		buf_u64(&b, validity);
		buf_char(&b, ' ');
		buf_u64(&b, next);
		buf_char(&b, '\n');
	}
	t->n += b.len;
}

static void put_hex(struct buf *b, uint64_t n, unsigned digits)
{
	while (digits < 16 && n >> 4 * digits)
		digits++;
	while (digits-- > 0)
		buf_char(b, "0123456789abcdef"[n >> 4 * digits & 15]);
}

void uidl_text_add(struct uidl_text *t, uint64_t key, uint64_t sub, bool going, struct slice uidl)
{
	size_t most = 40 + UIDL_MOST;
	struct buf b = {.p = room(t, most), .cap = t->failed ? 0 : most};

	put_hex(&b, key, 16);
	buf_char(&b, ' ');
	put_hex(&b, sub, 1);
	buf_str(&b, going ? " x " : " - ");
	buf_put(&b, uidl);
	buf_char(&b, '\n');
	t->n += b.len;
	room_pass(t->count++);
}

/* As if nothing was marked. */
static uint32_t text_crc(const struct uidl_text *t)
{
	uint32_t crc = 0;
	size_t lines = 0;

	for (struct slice rest = {t->p, t->n}; rest.n > 0; room_pass(lines++)) {
		struct slice line = rest, words;

		slice_take(&rest, '\n');
		line.n -= rest.n;
		words = line;
		slice_take(&words, ' ');
		slice_take(&words, ' ');
		if (!slice_starts(words, SLICE("x "))) {
			crc = listing_crc(crc, line);
			continue;
		}
		crc = listing_crc(crc, (struct slice){line.p, (size_t)(words.p - line.p)});
		crc = listing_crc(crc, SLICE("-"));
		crc = listing_crc(crc, (struct slice){words.p + 1, words.n - 1});
	}
	return crc;
}

void uidl_text_end(struct uidl_text *t)
{
	size_t most = 64;
	uint32_t crc = t->failed ? 0 : text_crc(t);
	struct buf b = {.p = room(t, most), .cap = t->failed ? 0 : most};

	buf_str(&b, "end ");
	buf_u64(&b, t->count);
	buf_char(&b, ' ');
	put_hex(&b, crc, 8);
	buf_char(&b, '\n');
	t->n += b.len;
}

void uidl_text_done(struct uidl_text *t)
{
	room_done(&t->room);
	*t = (struct uidl_text){0};
}

static bool write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, p, n < PIECE ? n : PIECE);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		p += put;
		n -= (size_t)put;
		if (n > 0)
			room_shed_all();
	}
	return true;
}

enum err uidl_file_write(const struct uidl_place *place, const struct uidl_text *t, struct why *why)
{
	char made[sizeof place->name + sizeof made_suffix];
	struct buf b = BUF(made);

	if (t->failed)
		return fail(why, ERR_TEMP, "no memory for a file of unique-ids");
	buf_str(&b, place->name);
	buf_put(&b, (struct slice){made_suffix, sizeof made_suffix}); /* with its NUL */
	/* What a killed process left. The session lock keeps others away. */
	if (unlinkat(place->dir, made, 0) < 0 && errno != ENOENT)
		return fail_errno(why, storage_err(errno), "remove %s", made);
	int fd = openat(place->dir, made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail_errno(why, storage_err(errno), "create a file of unique-ids");
	bool written = write_all(fd, t->p, t->n) && fsync(fd) == 0;

	written = close(fd) == 0 && written;
	if (written && renameat(place->dir, made, place->dir, place->name) == 0) {
		if (fsync(place->dir) == 0)
			return OK;
		return fail_errno(why, storage_err(errno), "sync the directory of unique-ids");
	}
	enum err err = fail_errno(why, storage_err(errno), "write the file of unique-ids");

	(void)unlinkat(place->dir, made, 0); /* of no use to anybody, and harmless */
	return err;
}

enum err uidl_file_remove(const struct uidl_place *place, struct why *why)
{
	if (unlinkat(place->dir, place->name, 0) < 0 && errno != ENOENT)
		return fail_errno(why, storage_err(errno), "remove the file of unique-ids");
	return fsync(place->dir) < 0 ? fail_errno(why, storage_err(errno), "sync the directory of unique-ids") : OK;
}

enum err uidl_file_set_aside(const struct uidl_place *place, char aside[static NAME_OCTETS + 1], struct why *why)
{
	int n = snprintf(aside, NAME_OCTETS + 1, "%.220s.aside-%lld", place->name, (long long)clock_wall_ns());

	if (n < 0 || renameat(place->dir, place->name, place->dir, aside) < 0)
		return fail_errno(why, storage_err(errno), "rename the damaged file of unique-ids");
	return OK;
}
