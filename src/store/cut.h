/* store/cut.h - removes ranges of octets from a file, whatever dies when
 *
 * Knows no mail. All of it or nothing, also after kill -9 and a power cut: what is found then is the file as it was, the file without
 * the ranges, or something that store/replay.h brings to the latter before anybody is served. The ways, in this order:
 *
 *	a tail goes	the file is truncated.
 *	rewrite		where it may be renamed and has one name: what stays is copied beside it, synced, and renamed over it.
 *	in place	otherwise, or where there is no room for a copy: what stays is moved to the left, see store/shift.h.
 *
 * The caller holds whatever locks there are. Octets that others append without one stay, too; all but those that they
 * write between two neighbouring system calls, the last look at the size and the truncation. Memory: one window, whatever the size. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "store/journal.h"
#include "store/spool.h"

struct cut {
	uint64_t from, to; /* octets that go: from <= octet < to */
};

/* Octets that another text takes the place of. */
struct edit {
	uint64_t from, to; /* equal: nothing goes */
	uint64_t text_at;  /* of all texts */
	uint64_t octets;   /* of this one */
};

struct cut_file {
	int fd;                    /* the regular file, open for reading and writing; all members are borrowed */
	const struct spool *spool; /* its name, and what may be done in its directory */
	bool may_rename; /* whoever waits for it will open it anew: a dotlock is held, or the external locker's */
	const struct journal_place *journal; /* NULL: not in place */
};

/* Cuts are sorted, apart and not empty. After an error nothing has changed, or journal_is_left() says true: then the file is no
 * mailbox until it has been replayed, and the locks must stay. An error can also mean that all is done but not known to be durable. */
enum err cut_apply(const struct cut_file *f, const struct cut *cut, size_t n, struct why *why);

/* Edits are sorted and apart; `texts' has what they say. By rewriting alone: where the file can grow in no other way, or there is no room, *impossible, with an error; nothing
 * has changed then. */
enum err cut_edit(const struct cut_file *f, const struct edit *edit, size_t n, const char *texts, bool *impossible,
		  struct why *why);
