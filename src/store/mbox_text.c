/* store/mbox_text.c - the octets of an mbox, cut into messages. See mbox.h
 *
 * What comes next is searched for the next From_ line, many octets at a time. The end of the window is kept back for
 * the next one, as long as a From_ line may begin there. */
#include <string.h>
#include <unistd.h>

#include "mail/lanes.h"
#include "store/mbox.h"

enum { HELD = MBOX_FROM_MOST + 100 }; /* octets at the end of a window */

static enum err mbox_next(struct text *t, uint64_t *at, uint64_t *pos, bool *is, struct why *why)
{
	enum err err = t->n - t->from <= HELD && !text_is_end(t) ? text_fill(t, why) : OK;

	*is = err == OK && t->from < t->n;
	if (!*is)
		return err;
	const char *line = t->p + t->from, *lf = memchr(line, '\n', t->n - t->from);
	size_t n = lf ? (size_t)(lf - line) : t->n - t->from;

	if (!mbox_is_from((struct slice){line, n}))
		return fail(why, ERR_PERM, "it does not begin with a From_ line");
	*at = t->at + t->from;
	t->from += n + (lf != NULL);
	*pos = t->at + t->from;
	return OK;
}

/* A From_ line in window[i..end); false: none begins there, or its end is not in sight. */
static bool is_from_at(const struct text *t, size_t i, size_t end)
{
	const char *p = t->p + i;

	if (end - i < 5 || memcmp(p, "From ", 5) != 0)
		return false;
	const char *lf = memchr(p, '\n', end - i < MBOX_FROM_MOST + 1 ? end - i : MBOX_FROM_MOST + 1);

	return mbox_is_from((struct slice){p, lf ? (size_t)(lf - p) : end - i});
}

/* The first F in p[i..end) behind an empty line, i >= 2; `end`: there is none. */
LANES_FUNCTION static size_t find_start(const char *p, size_t i, size_t end)
{
	enum { BLOCK = 8 * LANES };

	for (; end - i >= BLOCK; i += BLOCK) {
		lanes any = {0};

		for (size_t k = i; k < i + BLOCK; k += LANES)
			any |= (*LANES_AT(p + k) == 'F') & (*LANES_AT(p + k - 1) == '\n') &
			       (*LANES_AT(p + k - 2) == '\n');
		if (lanes_any(&any))
			break;
	}
	while (i < end && (p[i] != 'F' || p[i - 1] != '\n' || p[i - 2] != '\n'))
		i++;
	return i;
}

/* The first From_ line in window[i..end), i >= 2; `end`: there is none. */
static size_t find_from(const struct text *t, size_t i, size_t end)
{
	while (i < end) {
		i = find_start(t->p, i, end);
		if (i < end && is_from_at(t, i, end))
			break;
		i += i < end;
	}
	return i;
}

/* The octets of window[from..to) end with an empty line that separates. */
static bool ends_empty(const struct text *t, size_t to)
{
	return to > t->from && to >= 2 && t->p[to - 1] == '\n' && t->p[to - 2] == '\n';
}

static enum err mbox_piece(struct text *t, struct slice *piece, bool *last, struct why *why)
{
	enum err err = t->n - t->from <= HELD && !text_is_end(t) ? text_fill(t, why) : OK;

	if (err != OK)
		return err;
	size_t start = t->from, next = start < t->n ? find_from(t, start + 1, t->n) : t->n;

	/* One that is not whole in sight is looked at again when more is. */
	if (next + HELD > t->n && !text_is_end(t))
		next = t->n;
	*last = next < t->n || text_is_end(t);
	if (*last) {
		*piece = (struct slice){t->p + start, next - start - ends_empty(t, next)};
		t->from = next;
		return OK;
	}
	const char *lf = memrchr(t->p + start, '\n', t->n - HELD - start);
	size_t n = lf ? (size_t)(lf - t->p) + 1 - start : t->n - HELD - start;

	*piece = (struct slice){t->p + start, n};
	t->from += n;
	return OK;
}

static bool mbox_begins(int fd, uint64_t at)
{
	char text[2 + MBOX_FROM_MOST + 1];
	size_t before = at > 0 ? 2 : 0;
	ssize_t got = at == 1 ? 0 : pread(fd, text, sizeof text, (off_t)(at - before));

	if (got <= (ssize_t)before || (before > 0 && memcmp(text, "\n\n", 2) != 0))
		return false;
	const char *line = text + before, *lf = memchr(line, '\n', (size_t)got - before);

	return mbox_is_from((struct slice){line, lf ? (size_t)(lf - line) : (size_t)got - before});
}

/* Behind an empty line, somebody is appending the next message: its From_ line is not whole yet. */
static bool is_begun_at(int fd, uint64_t at)
{
	char text[MBOX_FROM_MOST + 1];
	ssize_t got = pread(fd, text, sizeof text, (off_t)at);

	return got > 0 && mbox_is_from_begun((struct slice){text, (size_t)got});
}

/* Whether a message ends at `end`: the file does, or an empty line and a From_ line follow. A last line without its end may have got
 * it since. */
static bool is_end(int fd, uint64_t end)
{
	char text[3] = "\n"; /* what is before `end` may be any */
	ssize_t got = end > 0 ? pread(fd, text, sizeof text, (off_t)(end - 1)) : -1;
	uint64_t empty = end + (text[0] != '\n');

	if (got < 1)
		return false;
	if ((uint64_t)got < sizeof text)
		return got == 1 || text[1] == '\n';
	return text[1] == '\n' && mbox_begins(fd, empty + 1);
}

static bool mbox_ends(int fd, uint64_t end, bool grows)
{
	return is_end(fd, end) || (grows && is_begun_at(fd, end + 1));
}

const struct onefile_format mbox_format = {
	.lines = DIGEST_QUOTED, .next = mbox_next, .piece = mbox_piece, .begins = mbox_begins, .ends = mbox_ends};
