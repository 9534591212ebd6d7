/* store/popbull.h - ~/.popbull: the number of the last bulletin that a user got, as Mailutils' pop3d keeps it
 *
 * One line, a number in C notation. In the user's home, as the user; never through a link. */
#pragma once
#include <stdint.h>

#include "base/slice.h"
#include "base/why.h"

enum popbull { POPBULL_NONE, POPBULL_KNOWN, POPBULL_WRONG };

/* A number as Mailutils reads it: blanks before it, a sign, 0x.., 0.. or decimal, then the end or white space. What is too large, or below 0,
 * is the largest. False: no number. */
bool popbull_parse(const char *text, uint64_t *number);

/* POPBULL_WRONG: `why` says what it is. No home, or no file: POPBULL_NONE. */
enum popbull popbull_read(const char *home, uint64_t *number, struct why *why);

/* Durably; after an error it is what it was. */
enum err popbull_write(const char *home, uint64_t number, struct why *why);
