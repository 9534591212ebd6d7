/* store/mbox_text.c - the octets of an mbox, cut into messages. See mbox.h
 *
 * A window of the file moves over it; it is read, never mapped, since other programs truncate. What comes next is searched for the
 * next From_ line, in blocks that compilers turn into vectors. The end of the window is kept back for the next one, as long as
 * a From_ line may begin there. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "store/mbox.h"

enum {
	WINDOW = 256 * 1024,         /* more would not stay in the processor's cache */
	KEPT = 2,                    /* octets before `from` that say whether an empty line is before it */
	HELD = MBOX_FROM_MOST + 100, /* at the end of a window */
};

static char window[WINDOW];

void mbox_text_open(struct mbox_text *t, int fd, uint64_t at, uint64_t end)
{
	*t = (struct mbox_text){.fd = fd, .end = end, .at = at};
}

static bool is_end(const struct mbox_text *t)
{
	return t->at + t->n >= t->end;
}

/* Moves the window on, and fills it. */
static enum err text_fill(struct mbox_text *t, struct why *why)
{
	size_t gone = t->from > KEPT ? t->from - KEPT : 0;

	memmove(window, window + gone, t->n - gone);
	t->at += gone;
	t->from -= gone;
	t->n -= gone;
	while (t->n < WINDOW && !is_end(t)) {
		uint64_t left = t->end - (t->at + t->n);
		size_t want = left < WINDOW - t->n ? (size_t)left : WINDOW - t->n;
		ssize_t got = pread(t->fd, window + t->n, want, (off_t)(t->at + t->n));

		if (got < 0)
			return fail_errno(why, storage_err(errno), "read the mailbox");
		if (got == 0)
			return fail(why, ERR_TEMP, "another program is making the mailbox shorter");
		t->n += (size_t)got;
	}
	return OK;
}

enum err mbox_text_from(struct mbox_text *t, uint64_t *at, uint64_t *pos, bool *is, struct why *why)
{
	enum err err = t->n - t->from <= HELD && !is_end(t) ? text_fill(t, why) : OK;

	*is = err == OK && t->from < t->n;
	if (!*is)
		return err;
	const char *line = window + t->from, *lf = memchr(line, '\n', t->n - t->from);
	size_t n = lf ? (size_t)(lf - line) : t->n - t->from;

	if (!mbox_is_from((struct slice){line, n}))
		return fail(why, ERR_PERM, "it does not begin with a From_ line");
	*at = t->at + t->from;
	t->from += n + (lf != NULL);
	*pos = t->at + t->from;
	return OK;
}

/* A From_ line in window[i..end), behind an empty line; false: none begins there, or its end is not in sight. */
static bool is_from_at(size_t i, size_t end)
{
	const char *p = window + i;

	if (p[-2] != '\n' || end - i < 5 || memcmp(p, "From ", 5) != 0)
		return false;
	const char *lf = memchr(p, '\n', end - i < MBOX_FROM_MOST + 1 ? end - i : MBOX_FROM_MOST + 1);

	return mbox_is_from((struct slice){p, lf ? (size_t)(lf - p) : end - i});
}

/* The first From_ line in window[i..end), i >= 2; `end`: there is none. */
static size_t find_from(size_t i, size_t end)
{
	enum { BLOCK = 128 }; /* a constant, and a counter of one octet, so that compilers use vectors */

	for (; end - i >= BLOCK; i += BLOCK) {
		const char *p = window + i - 1;
		uint8_t any = 0;

		for (size_t k = 0; k < BLOCK; k++)
			any = (uint8_t)(any + ((p[k] == '\n') & (p[k + 1] == 'F')));
		for (size_t k = i; any && k < i + BLOCK; k++)
			if (window[k] == 'F' && window[k - 1] == '\n' && is_from_at(k, end))
				return k;
	}
	for (; i < end; i++)
		if (window[i] == 'F' && window[i - 1] == '\n' && is_from_at(i, end))
			return i;
	return end;
}

/* The octets of window[from..to) end with an empty line that separates. */
static bool ends_empty(const struct mbox_text *t, size_t to)
{
	return to > t->from && to >= 2 && window[to - 1] == '\n' && window[to - 2] == '\n';
}

enum err mbox_text_piece(struct mbox_text *t, struct slice *piece, bool *last, struct why *why)
{
	enum err err = t->n - t->from <= HELD && !is_end(t) ? text_fill(t, why) : OK;

	if (err != OK)
		return err;
	size_t start = t->from, next = start < t->n ? find_from(start + 1, t->n) : t->n;

	/* One that is not whole in sight is looked at again when more is. */
	if (next + HELD > t->n && !is_end(t))
		next = t->n;
	*last = next < t->n || is_end(t);
	if (*last) {
		*piece = (struct slice){window + start, next - start - ends_empty(t, next)};
		t->from = next;
		return OK;
	}
	const char *lf = memrchr(window + start, '\n', t->n - HELD - start);
	size_t n = lf ? (size_t)(lf - window) + 1 - start : t->n - HELD - start;

	*piece = (struct slice){window + start, n};
	t->from += n;
	return OK;
}

bool mbox_text_begins(int fd, uint64_t at)
{
	char text[2 + MBOX_FROM_MOST + 1];
	size_t before = at > 0 ? 2 : 0;
	ssize_t got = at == 1 ? 0 : pread(fd, text, sizeof text, (off_t)(at - before));

	if (got <= (ssize_t)before || (before > 0 && memcmp(text, "\n\n", 2) != 0))
		return false;
	const char *line = text + before, *lf = memchr(line, '\n', (size_t)got - before);

	return mbox_is_from((struct slice){line, lf ? (size_t)(lf - line) : (size_t)got - before});
}
