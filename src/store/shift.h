/* store/shift.h - what stays of a file moves to the left, in place, by a journal
 *
 * The order, with a sync behind each step:
 *	1. the dotlock, which from here on is master's: whoever replays takes it over
 *	2. the journal with its first record
 *	3. the data of record n, in the file
 *	4. record n + 1, in the other slot of the journal; then 3 again
 *	5. a record that says `truncate'
 *	6. the file is truncated
 *	7. the journal is removed
 * A record has the octets that it writes, so it can be done again, whatever part of it the file has, and however torn. Record n + 1 is
 * written only when the data of n is durable, and the data of n + 1 only when its record is: so with the last record that is
 * whole all before it is done, and nothing behind it is begun. A record that is not whole was not acted upon.
 *
 * Octets that others append come behind the old end and are moved like all others, until there are no more: no matter whether that was
 * before a crash or after it. The one question that sizes cannot answer is whether step 6 was done before a crash,
 * since others may have appended after it, too. So the last data has a random mark where the file is to end: where
 * it is still there, the file was not truncated. Marks are of octets above 0x7F, as long as there is room for them.
 *
 * A file is what the journal speaks of if its inode is, it is not shorter than it can be, and the octets around the data of the last
 * record are what they were: not by its device, whose number may be another one after a boot. */
#pragma once
#include "store/cut.h"

/* See cut_apply: the file is what it was looked at there. */
enum err shift_apply(const struct cut_file *f, const struct cut *cut, size_t n, struct why *why);

/* Brings the file to its end by the journal of this name, in f->journal->dir, and removes that. ERR_PERM: the journal is damaged, or
 * does not speak of this file; nothing was changed then. After another error it may be tried again. Under the lock of the file. */
enum err shift_replay(const struct cut_file *f, const char *name, struct why *why);
