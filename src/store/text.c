/* store/text.c - see text.h */
#include "store/text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "store/driver.h"

enum { WINDOW = 256 * 1024 }; /* more would not stay in the processor's cache */

static char window[WINDOW];

void text_open(struct text *t, int fd, uint64_t at, uint64_t end)
{
	*t = (struct text){.fd = fd, .end = end, .at = at, .p = window};
}

bool text_is_end(const struct text *t)
{
	return t->at + t->n >= t->end;
}

enum err text_fill(struct text *t, struct why *why)
{
	size_t gone = t->from > TEXT_KEPT ? t->from - TEXT_KEPT : 0;

	memmove(window, window + gone, t->n - gone);
	t->at += gone;
	t->from -= gone;
	t->n -= gone;
	while (t->n < WINDOW && !text_is_end(t)) {
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

enum err text_lines(struct text *t, struct slice *piece, bool *last, struct why *why)
{
	enum err err = text_fill(t, why);
	const char *start = t->p + t->from;
	size_t n = t->n - t->from;

	*last = err != OK || text_is_end(t);
	if (!*last) {
		const char *lf = memrchr(start, '\n', n);

		n = lf ? (size_t)(lf - start) + 1 : n;
	}
	*piece = (struct slice){start, n};
	t->from += n;
	return err;
}
