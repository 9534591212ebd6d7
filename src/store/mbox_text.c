/* store/mbox_text.c - the octets of an mbox, cut into messages. See mbox.h
 *
 * What comes next is searched for the next From_ line, many octets at a time. The end of the window is kept back for
 * the next one, as long as a From_ line may begin there. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/lanes.h"
#include "store/mbox.h"

enum { HELD = MBOX_FROM_MOST + 100 }; /* octets at the end of a window */

/* Octets of the empty line that ends at `p`; 0: there is none. `start` is how far back octets are in sight: to the file's start, or farther than
 * is looked here. */
static size_t empty_before(const char *start, const char *p)
{
	size_t n = (size_t)(p - start), line = 1;

	if (n == 0 || p[-1] != '\n')
		return 0;
	line += n > 1 && p[-2] == '\r';
	return n == line || p[-(ptrdiff_t)line - 1] == '\n' ? line : 0;
}

/* Octets of the line at `i`, with its end. */
static size_t line_at(const struct text *t, size_t i)
{
	const char *lf = memchr(t->p + i, '\n', t->n - i);

	return lf ? (size_t)(lf - t->p) + 1 - i : t->n - i;
}

static bool is_from_line(const struct text *t, size_t i)
{
	size_t n = line_at(t, i);

	return mbox_is_from((struct slice){t->p + i, n - (n > 0 && t->p[i + n - 1] == '\n')});
}

static bool is_blank(char c)
{
	return c == '\0' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* At the file's start: blank octets before a From_ line, or alone, are passed over; others belong to a message that has lost its own. */
static enum err pass_blanks(struct text *t, bool *alone, struct why *why)
{
	enum err err = text_fill(t, why);

	while (err == OK && t->from < t->n && is_blank(t->p[t->from]))
		if (++t->from == t->n && !text_is_end(t))
			err = text_fill(t, why);
	*alone = err == OK && t->from == t->n;
	if (err == OK && t->n - t->from <= HELD && !text_is_end(t))
		err = text_fill(t, why);
	if (err != OK || *alone || (is_from_line(t, t->from) && empty_before(t->p, t->p + t->from) > 0))
		return err;
	text_seek(t, 0);
	return text_fill(t, why);
}

static enum err mbox_next(struct text *t, uint64_t *at, uint64_t *pos, bool *is, struct why *why)
{
	enum err err = t->n - t->from <= HELD && !text_is_end(t) ? text_fill(t, why) : OK;
	bool start = t->at + t->from == 0, alone = false;

	if (err == OK && start && !is_from_line(t, 0))
		err = pass_blanks(t, &alone, why);
	*is = err == OK && !alone && t->from < t->n;
	if (!*is)
		return err;
	bool from = is_from_line(t, t->from);
	bool begun = text_is_end(t) && mbox_is_from_begun((struct slice){t->p + t->from, t->n - t->from});

	if (!from && (!start || begun))
		return fail(why, ERR_PERM, "it does not begin with a From_ line");
	*at = t->at + t->from;
	t->from += from ? line_at(t, t->from) : 0;
	*pos = t->at + t->from;
	return OK;
}

/* A From_ line in window[i..end); false: none begins there, or its end is not in sight. */
static bool is_from_at(const struct text *t, size_t i, size_t end)
{
	const char *p = t->p + i;

	if (end - i < 5 || memcmp(p, "From ", 5) != 0 || empty_before(t->p, p) == 0)
		return false;
	const char *lf = memchr(p, '\n', end - i < MBOX_FROM_MOST + 1 ? end - i : MBOX_FROM_MOST + 1);

	return mbox_is_from((struct slice){p, lf ? (size_t)(lf - p) : end - i});
}

/* The first F in p[i..end) that may be behind an empty line, i >= 2; `end`: there is none. */
LANES_FUNCTION static size_t find_start(const char *p, size_t i, size_t end)
{
	enum { BLOCK = 8 * LANES };

	for (; end - i >= BLOCK; i += BLOCK) {
		lanes any = {0};

		for (size_t k = i; k < i + BLOCK; k += LANES)
			any |= (*LANES_AT(p + k) == 'F') & (*LANES_AT(p + k - 1) == '\n') &
			       ((*LANES_AT(p + k - 2) == '\n') | (*LANES_AT(p + k - 2) == '\r'));
		if (lanes_any(&any))
			break;
	}
	for (; end - i >= LANES; i += LANES) { /* where in the block */
		lanes is = (*LANES_AT(p + i) == 'F') & (*LANES_AT(p + i - 1) == '\n');

		if (lanes_any(&is))
			break;
	}
	while (i < end && (p[i] != 'F' || p[i - 1] != '\n' || (p[i - 2] != '\n' && p[i - 2] != '\r')))
		i++;
	return i;
}

/* The first From_ line in window[i..end), i >= 1; `end`: there is none. */
static size_t find_from(const struct text *t, size_t i, size_t end)
{
	if (i == 1 && i < end && is_from_at(t, i, end))
		return i;
	i += i == 1 && i < end;
	while (i < end) {
		i = find_start(t->p, i, end);
		if (i < end && is_from_at(t, i, end))
			break;
		i += i < end;
	}
	return i;
}

/* Octets at the end of window[from..to) that are an empty line, which separates. */
static size_t empty_end(const struct text *t, size_t to)
{
	size_t n = to > t->from ? empty_before(t->p, t->p + to) : 0;

	return n <= to - t->from ? n : 0;
}

static enum err mbox_piece(struct text *t, struct slice *piece, bool *last, struct why *why)
{
	enum err err = t->n - t->from <= HELD + 1 && !text_is_end(t) ? text_fill(t, why) : OK;

	if (err != OK)
		return err;
	size_t start = t->from, next = start < t->n ? find_from(t, start + 1, t->n) : t->n;

	/* One that is not whole in sight is looked at again when more is. */
	if (next + HELD > t->n && !text_is_end(t))
		next = t->n;
	*last = next < t->n || text_is_end(t);
	if (*last) {
		*piece = (struct slice){t->p + start, next - start - empty_end(t, next)};
		t->from = next;
		return OK;
	}
	const char *lf = memrchr(t->p + start, '\n', t->n - HELD - start);
	size_t n = lf ? (size_t)(lf - t->p) + 1 - start : t->n - HELD - start;

	n -= !lf && t->p[start + n - 1] == '\r'; /* what ends a line stays together; there is more */
	*piece = (struct slice){t->p + start, n};
	t->from += n;
	return OK;
}

/* At the file's start there may be anything. */
static bool mbox_begins(int fd, uint64_t at)
{
	char text[3 + MBOX_FROM_MOST + 2];
	size_t before = at < 3 ? (size_t)at : 3;
	ssize_t got = text_at(fd, text, sizeof text, at - before);

	if (at == 0 || got <= (ssize_t)before || empty_before(text, text + before) == 0)
		return at == 0 && got > 0;
	const char *line = text + before, *lf = memchr(line, '\n', (size_t)got - before);

	return mbox_is_from((struct slice){line, lf ? (size_t)(lf - line) : (size_t)got - before});
}

/* Behind an empty line, somebody is appending the next message: its From_ line is not whole yet. */
static bool is_begun_at(int fd, uint64_t at)
{
	char text[MBOX_FROM_MOST + 1];
	ssize_t got = text_at(fd, text, sizeof text, at);

	return got > 0 && mbox_is_from_begun((struct slice){text, (size_t)got});
}

/* Octets of a line's end at the beginning of `text`. */
static size_t line_end(struct slice text)
{
	return slice_starts(text, SLICE("\n")) ? 1 : slice_starts(text, SLICE("\r\n")) ? 2 : 0;
}

/* The file does, or an empty line and a From_ line follow. A last line without its end may have got it since. */
static bool mbox_ends(int fd, uint64_t end, bool grows)
{
	char text[8] = "";
	ssize_t got = end > 0 ? text_at(fd, text, sizeof text, end - 1) : -1;
	struct slice rest = {text + 1, got > 0 ? (size_t)got - 1 : 0};

	if (got < 1 || rest.n == 0)
		return got == 1;
	for (unsigned ends = text[0] == '\n'; ends < 2; ends++) {
		size_t n = line_end(rest);

		rest = (struct slice){rest.p + n, rest.n - n};
		if (n == 0 || rest.n == 0)
			return n > 0;
	}
	uint64_t at = end - 1 + (uint64_t)(rest.p - text);

	return mbox_begins(fd, at) || (grows && is_begun_at(fd, at));
}

enum err mbox_has_from(int fd, bool *has, struct why *why)
{
	struct stat st;
	struct text t;

	if (fstat(fd, &st) < 0)
		return fail_errno(why, storage_err(errno), "stat the mailbox");
	text_open(&t, fd, 0, (uint64_t)st.st_size);
	enum err err = text_fill(&t, why);
	size_t blanks = 0;

	while (err == OK && blanks < t.n && is_blank(t.p[blanks]))
		blanks++;
	*has = err == OK &&
	       (is_from_line(&t, 0) || (blanks == t.n && text_is_end(&t)) || (t.n > 0 && find_from(&t, 1, t.n) < t.n));
	return err;
}

/* The end of the last line, and an empty one. */
static struct slice mbox_gap(int fd, uint64_t octets)
{
	char text[4];
	size_t n = octets < sizeof text ? (size_t)octets : sizeof text;

	if (n == 0 || text_at(fd, text, n, octets - n) != (ssize_t)n || empty_before(text, text + n) > 0)
		return SLICE("");
	return text[n - 1] == '\n' ? SLICE("\n") : SLICE("\n\n");
}

const struct onefile_format mbox_format = {.lines = DIGEST_QUOTED,
					   .from_anywhere = true,
					   .next = mbox_next,
					   .piece = mbox_piece,
					   .begins = mbox_begins,
					   .ends = mbox_ends,
					   .gap = mbox_gap,
					   .end = {"\n", 1}};
