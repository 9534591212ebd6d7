/* dbm/text.c - a text file: lines `KEY VALUE', for few records
 *
 * A key is one word that does not begin with #; the value is the rest of the line behind the blanks, to its last octet that is none.
 * Empty lines and those with # are kept as they are. The file is in memory while it is open; dbm_sync writes it beside and renames. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dbm/driver.h"

enum { FILE_MOST = 64 * 1024 * 1024 };

struct text_priv {
	int fd; /* with the lock */
	char *text;
	size_t n, cap;
	bool changed;
};

/* A line, and what is in it; key.n 0: no record. */
struct line {
	struct slice whole; /* with its line feed */
	struct slice key, value;
	bool odd; /* neither a record nor a comment */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct line line_read(struct slice whole)
{
	struct line l = {.whole = whole};
	struct slice text = whole;

	if (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n > 0 && text.p[text.n - 1] == '\r')
		text.n--;
	text = slice_trim(text);
	if (text.n == 0 || text.p[0] == '#')
		return l;
	for (l.key = (struct slice){text.p, 0}; l.key.n < text.n && !is_blank(text.p[l.key.n]);)
		l.key.n++;
	l.value = slice_trim((struct slice){text.p + l.key.n, text.n - l.key.n});
	l.odd = l.value.n == 0 || !dbm_is_key(l.key) || !dbm_is_value(l.value);
	if (l.odd)
		l.key = (struct slice){NULL, 0};
	return l;
}

/* The line at *at, which is moved behind it; false: there is none. */
static bool line_next(const struct text_priv *p, size_t *at, struct line *out)
{
	struct slice rest = {p->text + *at, p->n - *at};
	size_t end = slice_find(rest, '\n');

	if (rest.n == 0)
		return false;
	rest.n = end < rest.n ? end + 1 : rest.n;
	*at += rest.n;
	*out = line_read(rest);
	return true;
}

/* The last line of a key, which counts. */
static bool line_find(const struct text_priv *p, struct slice key, struct line *out)
{
	struct line l;
	bool found = false;

	for (size_t at = 0; line_next(p, &at, &l);) {
		if (l.key.n > 0 && slice_eq(l.key, key)) {
			*out = l;
			found = true;
		}
	}
	return found;
}

/* Puts text in the place of `cut` octets at `at`. */
static enum err put_between(struct text_priv *p, size_t at, size_t cut, struct slice text, struct why *why)
{
	if (p->n - cut + text.n > p->cap) {
		size_t cap = 2 * (p->n + text.n);
		char *more = malloc(cap);

		if (!more)
			return fail(why, ERR_TEMP, "no memory");
		memcpy(more, p->text, p->n);
		explicit_bzero(p->text, p->n);
		free(p->text);
		p->text = more;
		p->cap = cap;
	}
	memmove(p->text + at + text.n, p->text + at + cut, p->n - at - cut);
	if (text.n > 0)
		memcpy(p->text + at, text.p, text.n);
	p->n = p->n - cut + text.n;
	p->changed = true;
	return OK;
}

static enum err file_read(struct dbm *db, struct text_priv *p, struct why *why)
{
	struct stat st;

	if (fstat(p->fd, &st) < 0)
		return dbm_failed(db, "cannot be read", why);
	if (st.st_size > FILE_MOST)
		return fail(why, ERR_PERM, "%s: too large for a text file", db->name.path);
	p->cap = (size_t)st.st_size + 1;
	p->text = malloc(p->cap);
	if (!p->text)
		return fail(why, ERR_TEMP, "%s: no memory", db->name.path);
	while (p->n < (size_t)st.st_size) {
		ssize_t n = pread(p->fd, p->text + p->n, (size_t)st.st_size - p->n, (off_t)p->n);

		if (n < 0)
			return dbm_failed(db, "cannot be read", why);
		if (n == 0)
			break;
		p->n += (size_t)n;
	}
	return OK;
}

static void text_close(struct dbm *db)
{
	struct text_priv *p = db->priv;

	if (p->text)
		explicit_bzero(p->text, p->n);
	free(p->text);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

/* An empty file is a whole one. */
static enum err file_make(const struct dbm *db, struct why *why)
{
	int fd = open(db->name.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0);

	if (fd < 0)
		return errno == EEXIST ? OK : dbm_failed(db, "cannot be made", why);
	enum err err = fchmod(fd, db->how.mode) == 0 ? OK : dbm_failed(db, "cannot be made", why);

	close(fd);
	return err;
}

static enum err text_open(struct dbm *db, struct why *why)
{
	struct text_priv *p = calloc(1, sizeof *p);
	enum err err = OK;

	db->priv = p;
	if (!p)
		return fail(why, ERR_TEMP, "%s: no memory", db->name.path);
	p->fd = -1;
	if (db->how.use == DBM_MAKE && !dbm_is_there(&db->name))
		err = file_make(db, why);
	if (err == OK)
		p->fd = dbm_file_lock(db, &err, why);
	if (err == OK)
		err = file_read(db, p, why);
	if (err != OK)
		text_close(db);
	return err;
}

static enum err text_get(struct dbm *db, struct slice key, struct buf *value, bool *found, struct why *why)
{
	struct line l;

	if (!line_find(db->priv, key, &l))
		return OK;
	enum err err = dbm_take(db, l.value, value, why);

	*found = err == OK;
	return err;
}

static bool can_be_written(struct slice key, struct slice value)
{
	static const char never[] = " \t\r\n";

	for (const char *c = never; *c; c++)
		if (slice_find(key, *c) < key.n)
			return false;
	return key.p[0] != '#' && value.n > 0 && slice_find(value, '\n') == value.n &&
	       slice_find(value, '\r') == value.n && slice_eq(slice_trim(value), value);
}

static enum err text_put(struct dbm *db, struct slice key, struct slice value, struct why *why)
{
	struct text_priv *p = db->priv;
	char text[DBM_KEY_MOST + DBM_VALUE_MOST + 4];
	struct buf b = BUF(text);
	struct line l;
	size_t at = p->n;

	if (!can_be_written(key, value))
		return fail(why, ERR_PERM, "%s: a record of a text file is a word, a blank and the rest of a line",
			    db->name.path);
	if (line_find(p, key, &l))
		at = (size_t)(l.whole.p - p->text);
	else if (p->n > 0 && p->text[p->n - 1] != '\n')
		buf_char(&b, '\n');
	buf_put(&b, key);
	buf_char(&b, ' ');
	buf_put(&b, value);
	buf_char(&b, '\n');
	enum err err = put_between(p, at, at < p->n ? l.whole.n : 0, buf_slice(&b), why);

	explicit_bzero(text, sizeof text);
	return err;
}

static enum err text_delete(struct dbm *db, struct slice key, bool *found, struct why *why)
{
	struct text_priv *p = db->priv;
	struct line l;
	enum err err = OK;

	while (err == OK && line_find(p, key, &l)) {
		*found = true;
		err = put_between(p, (size_t)(l.whole.p - p->text), l.whole.n, SLICE(""), why);
	}
	return err;
}

static enum err text_walk(struct dbm *db, enum err (*fn)(void *, struct slice, struct slice, struct why *), void *arg,
			  uint64_t *passed_over, struct why *why)
{
	struct line l;
	enum err err = OK;

	for (size_t at = 0; err == OK && line_next(db->priv, &at, &l);) {
		if (l.key.n > 0)
			err = fn(arg, l.key, l.value, why);
		else
			*passed_over += l.odd;
	}
	return err;
}

static enum err file_write(const struct dbm *db, struct text_priv *p, int fd, const char *temp, struct why *why)
{
	struct stat st;

	for (size_t at = 0; at < p->n;) {
		ssize_t n = write(fd, p->text + at, p->n - at);

		if (n < 0)
			return dbm_failed(db, "cannot be written", why);
		at += (size_t)n;
	}
	if (fstat(p->fd, &st) < 0 || (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0) ||
	    fchmod(fd, st.st_mode & 07777) < 0 || fsync(fd) < 0 || rename(temp, db->name.path) < 0)
		return dbm_failed(db, "cannot be written", why);
	return OK;
}

/* From here on the lock is that of the new file. */
static enum err text_sync(struct dbm *db, struct why *why)
{
	struct text_priv *p = db->priv;
	char temp[PATH_MAX];
	enum err err = OK;

	if (!p->changed)
		return OK;
	int fd = db->how.fd > 0 ? -1 : dbm_file_beside(db, temp, why);

	if (fd < 0)
		return db->how.fd > 0 ? fail(why, ERR_PERM, "%s: opened by a descriptor", db->name.path) : ERR_PERM;
	err = file_write(db, p, fd, temp, why);
	close(fd);
	if (err != OK) {
		(void)unlink(temp);
		return err;
	}
	p->changed = false;
	close(p->fd);
	p->fd = dbm_file_lock(db, &err, why);
	return err;
}

const struct dbm_driver dbm_text = {
	.scheme = "text",
	.open = text_open,
	.get = text_get,
	.put = text_put,
	.del = text_delete,
	.walk = text_walk,
	.sync = text_sync,
	.close = text_close,
};
