/* store/dotmail_text.c - the octets of a dotmail mailbox, cut into messages. See dotmail.h */
#include <string.h>
#include <unistd.h>

#include "store/dotmail.h"

static enum err dotmail_next(struct text *t, uint64_t *at, uint64_t *pos, bool *is, struct why *why)
{
	enum err err = t->from == t->n && !text_is_end(t) ? text_fill(t, why) : OK;

	*is = err == OK && t->from < t->n;
	*at = *pos = t->at + t->from;
	t->in_body = t->in_line = false;
	return err;
}

/* A line that is a dot; the last one of a file may lack its end. Octets of it: 0, it is none. */
static size_t dot_line(const char *p, size_t n)
{
	if (n == 0 || p[0] != '.')
		return 0;
	if (n == 1 || p[1] == '\n')
		return n == 1 ? 1 : 2;
	return n > 2 && p[1] == '\r' && p[2] == '\n' ? 3 : 0;
}

/* Where the body begins that the header in window[i..end) has; `end`: farther on. */
static size_t skip_head(struct text *t, size_t i, size_t end)
{
	while (!t->in_body && i < end) {
		const char *line = t->p + i, *lf = memchr(line, '\n', end - i);
		size_t n = lf ? (size_t)(lf - line) : end - i;

		t->in_body = lf && (n == 0 || (n == 1 && line[0] == '\r'));
		i += n + (lf != NULL);
	}
	return i;
}

/* The line that ends the message, in window[i..end), all whole lines but for the first, which may have begun before; `end`: none does. */
static size_t find_dot(struct text *t, size_t i, size_t end)
{
	if (t->in_line) {
		const char *lf = memchr(t->p + i, '\n', end - i);

		if (!lf)
			return end;
		i = (size_t)(lf - t->p) + 1;
	}
	for (i = skip_head(t, i, end); i < end && dot_line(t->p + i, end - i) == 0;) {
		const char *next = memmem(t->p + i, end - i, "\n.", 2);

		i = next ? (size_t)(next - t->p) + 1 : end;
	}
	return i;
}

/* Where the last whole line in sight ends, or all that is in sight. */
static size_t lines_end(const struct text *t)
{
	const char *lf = text_is_end(t) ? NULL : memrchr(t->p + t->from, '\n', t->n - t->from);

	return lf ? (size_t)(lf - t->p) + 1 : t->n;
}

static enum err dotmail_piece(struct text *t, struct slice *piece, bool *last, struct why *why)
{
	size_t end = lines_end(t), start = t->from;

	if (!text_is_end(t) && (start == end || end == t->n)) {
		enum err err = text_fill(t, why);

		if (err != OK)
			return err;
		start = t->from;
		end = lines_end(t);
	}
	size_t dot = find_dot(t, start, end);

	*last = dot < end || (text_is_end(t) && end == t->n);
	*piece = (struct slice){t->p + start, dot - start};
	t->in_line = dot > start ? t->p[dot - 1] != '\n' : t->in_line;
	t->from = dot + (dot < end ? dot_line(t->p + dot, end - dot) : 0);
	return OK;
}

/* At the file's start, or behind a dot. */
static bool dotmail_begins(int fd, uint64_t at)
{
	char text[4];
	size_t before = at < sizeof text ? (size_t)at : sizeof text;
	ssize_t got = text_at(fd, text, before, at - before);

	if (at == 0)
		return true;
	if (got != (ssize_t)before || before < 2 || text[before - 1] != '\n')
		return false;
	size_t dot = before - 2 - (text[before - 2] == '\r' && before > 2);

	return text[dot] == '.' && (dot > 0 ? text[dot - 1] == '\n' : at < sizeof text);
}

/* Before a dot, or at the file's end. */
static bool dotmail_ends(int fd, uint64_t end, bool grows)
{
	char text[3];
	ssize_t got = text_at(fd, text, sizeof text, end);

	(void)grows; /* what others append is behind a dot, or it is another message by now */
	return got == 0 || (got > 0 && dot_line(text, (size_t)got) > 0);
}

/* A last message without its end gets it. */
static struct slice dotmail_gap(int fd, uint64_t octets)
{
	char last;

	if (dotmail_begins(fd, octets))
		return SLICE("");
	return text_at(fd, &last, 1, octets - 1) == 1 && last == '\n' ? SLICE(".\n") : SLICE("\n.\n");
}

const struct onefile_format dotmail_format = {.lines = DIGEST_DOTTED,
					      .next = dotmail_next,
					      .piece = dotmail_piece,
					      .begins = dotmail_begins,
					      .ends = dotmail_ends,
					      .gap = dotmail_gap,
					      .end = {".\n", 2}};
