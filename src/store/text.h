/* store/text.h - a window that moves over the octets of a mailbox in one file
 *
 * Read, never mapped: other programs truncate. One at a time in a process, whose octets lie in a buffer of this file; threads bring their own. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"
#include "base/why.h"

enum { TEXT_KEPT = 4 }; /* octets before `from` that stay in sight, as far as there are so many */

struct text {
	int fd;                /* borrowed */
	uint64_t end;          /* of the file, as far as it counts */
	uint64_t at;           /* in the file, of the first octet in the window */
	char *p;               /* the window */
	size_t cap;            /* of it */
	size_t from, n;        /* in it: what comes next, and where it ends */
	bool in_body, in_line; /* a format's: where in a message, in a line `from` is */
};

/* The mailbox ends at `end`; reading begins at `at`. */
void text_open(struct text *t, int fd, uint64_t at, uint64_t end);

/* The same with a window of the caller's, of so many octets: more than any line that must be seen whole. */
void text_open_in(struct text *t, int fd, uint64_t at, uint64_t end, char *window, size_t cap);

/* Goes on reading elsewhere. */
void text_seek(struct text *t, uint64_t at);

/* Nothing comes behind the window. */
bool text_is_end(const struct text *t);

/* Moves the window on, and fills it. */
enum err text_fill(struct text *t, struct why *why);

/* pread(2) of a few octets. Between text_near and text_far, of this file, those around are kept, in the same buffer: for who looks at many places one after the
 * other, and holds a lock meanwhile. */
ssize_t text_at(int fd, void *p, size_t n, uint64_t at);
void text_near(int fd);
void text_far(void);

/* Octets up to the end of the file, for a message that has a file of its own: whole lines, where a line is not very long. Valid until
 * the next call. *last: those were all. */
enum err text_lines(struct text *t, struct slice *piece, bool *last, struct why *why);
