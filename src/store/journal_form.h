/* store/journal_form.h - the octets of a journal (journal.h): where things are in the file
 *
 * For journal*.c alone. */
#pragma once
#include "store/journal.h"

enum {
	JOURNAL_BLOCK = 4096, /* parts of the file begin at multiples of it */
	JOURNAL_CUTS_AT = 2 * JOURNAL_BLOCK,
	JOURNAL_ATTEMPTS_AT = 8000, /* a number behind the head, of no checksum */
};

/* All `n` octets at `at`, or false. */
bool journal_put_at(int fd, const void *p, size_t n, off_t at);

/* ERR_PERM: there are not so many octets. */
enum err journal_get_at(int fd, void *p, size_t n, uint64_t at, struct why *why);

/* The descriptor, of a regular file of *octets; -1: *err says why not. */
int journal_file_open(int dir, const char *name, uint64_t *octets, enum err *err, struct why *why);
