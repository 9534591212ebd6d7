/* store/text.c - see text.h */
#include "store/text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "store/driver.h"

enum { WINDOW = 256 * 1024 }; /* more would not stay in the processor's cache */

static char window[WINDOW];

/* What the window has, while it is used so. */
static struct {
	int fd; /* -1: nothing */
	uint64_t at;
	size_t n;
} near = {.fd = -1};

void text_near(int fd)
{
	near.fd = fd;
	near.at = near.n = 0;
}

void text_far(void)
{
	near.fd = -1;
}

void text_open(struct text *t, int fd, uint64_t at, uint64_t end)
{
	text_far();
	text_open_in(t, fd, at, end, window, WINDOW);
}

void text_open_in(struct text *t, int fd, uint64_t at, uint64_t end, char *own, size_t cap)
{
	*t = (struct text){.fd = fd, .end = end, .at = at, .p = own, .cap = cap};
}

void text_seek(struct text *t, uint64_t at)
{
	text_open_in(t, t->fd, at, t->end, t->p, t->cap);
}

bool text_is_end(const struct text *t)
{
	return t->at + t->n >= t->end;
}

enum err text_fill(struct text *t, struct why *why)
{
	size_t gone = t->from > TEXT_KEPT ? t->from - TEXT_KEPT : 0;

	memmove(t->p, t->p + gone, t->n - gone);
	t->at += gone;
	t->from -= gone;
	t->n -= gone;
	while (t->n < t->cap && !text_is_end(t)) {
		uint64_t left = t->end - (t->at + t->n);
		size_t want = left < t->cap - t->n ? (size_t)left : t->cap - t->n;
		ssize_t got = pread(t->fd, t->p + t->n, want, (off_t)(t->at + t->n));

		if (got < 0)
			return fail_errno(why, storage_err(errno), "read the mailbox");
		if (got == 0)
			return fail(why, ERR_TEMP, "another program is making the mailbox shorter");
		t->n += (size_t)got;
	}
	return OK;
}

ssize_t text_at(int fd, void *p, size_t n, uint64_t at)
{
	if (fd != near.fd || n > WINDOW / 4)
		return pread(fd, p, n, (off_t)at);
	if (at < near.at || at + n > near.at + near.n) {
		uint64_t from =
			at > WINDOW / 8 ? at - WINDOW / 8 : 0; /* who looks at what separates messages looks back */
		ssize_t got = pread(fd, window, WINDOW, (off_t)from);

		if (got < 0)
			return -1;
		near.at = from;
		near.n = (size_t)got;
	}
	uint64_t there = near.at + near.n > at ? near.at + near.n - at : 0;

	n = n < there ? n : (size_t)there;
	memcpy(p, window + (at - near.at), n);
	return (ssize_t)n;
}

enum err text_lines(struct text *t, struct slice *piece, bool *last, struct why *why)
{
	enum err err = text_fill(t, why);
	const char *start = t->p + t->from;
	size_t n = t->n - t->from;

	*last = err != OK || text_is_end(t);
	if (!*last) {
		const char *lf = memrchr(start, '\n', n);

		n = lf ? (size_t)(lf - start) + 1 : n - (start[n - 1] == '\r'); /* what ends a line stays together */
	}
	*piece = (struct slice){start, n};
	t->from += n;
	return err;
}
