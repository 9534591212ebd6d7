/* conf/report.h - errors and warnings about a configuration, with the place they are about
 *
 * "PROGRAM: FILE:LINE.COL-COL: text" on one line each, at once; a place without file (--set) has none. Errors are counted:
 * a configuration with one is not used. Columns are octets, from 1; a range includes its last column. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

struct place {
	unsigned line, col;
};
struct range {
	const char *file; /* NULL: not from a file */
	struct place from, to;
};

struct report {
	FILE *f;
	const char *program;
	unsigned errors, warnings;
	bool only_modules; /* all errors so far are unknown modules: the exit status is another */
};

/* A note is only told, not counted. `where` may be NULL. Control characters in what a file says are written as \ooo. */
void report_error(struct report *r, const struct range *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void report_note(struct report *r, const struct range *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void report_warning(struct report *r, const struct range *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
