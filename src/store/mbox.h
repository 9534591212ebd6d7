/* store/mbox.h - what the parts of the mbox driver share
 *
 *	mbox.c		the driver: what is an mbox
 *	mbox_from.c	From_ lines
 *	mbox_text.c	the octets of a file, cut into messages
 *	onefile.h	everything else
 *
 * An mbox is a file of messages, each behind a From_ line. A line is one only where it has a valid date, and stands at the file's
 * start or behind an empty line. That empty line, or one at the file's end, is no part of the message before it. Content-Length is
 * not looked at. Lines end in LF or CRLF, From_ lines and the empty ones before them too, in one file as it comes. Else CR is an octet like
 * others in messages.
 *
 * What is before the first From_ line, is a message too: something has cut it off, or put it there, and nobody else would ever show it. But
 * blanks, line ends and NUL octets alone are left where they are. */
#pragma once
#include "store/onefile.h"

/* ---- mbox_from.c ---- */

enum { MBOX_FROM_MOST = 998 }; /* octets of a From_ line; longer ones are text */

/* Whether `line`, without its LF, is: From SENDER WEEKDAY MONTH DAY HH:MM[:SS] [ZONE] YEAR [ZONE] [remote from HOST] */
bool mbox_is_from(struct slice line);

/* The date of such a line, in seconds since 1970, as if it were UTC; 0: none. */
uint64_t mbox_from_date(struct slice line);

/* Whether these octets may be the first ones of a From_ line that somebody is about to write. */
bool mbox_is_from_begun(struct slice octets);

/* ---- mbox_text.c ---- */

/* Whether there is a From_ line in the first octets of the file (some hundred thousand), or nothing but blanks. */
enum err mbox_has_from(int fd, bool *has, struct why *why);

extern const struct onefile_format mbox_format;
