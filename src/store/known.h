/* store/known.h - which message is which, where none has a lasting name
 *
 * A scan adds what it finds, and at the end it is said for all of them at once which known messages they are: so that nothing needs to be
 * known of all identities at a time (store/ids.h). */
#pragma once
#include "store/digest.h"
#include "store/fresh.h"
#include "store/index.h"

#define KNOWN_NONE UINT32_MAX

struct known {
	const struct scan *known; /* borrowed, as the next one */
	struct scan *now;         /* what is found; only functions of this file add to it */
	struct room where;        /* of each known message: its position now, or KNOWN_NONE; see known_where */
	uint32_t taken;           /* so many of `now` were known before the first one was read */
	struct room fates; /* of each message behind these, where something was known; else made when they are needed */
	struct fresh fresh; /* identities, where nothing was known */
	bool alike;         /* some may be alike, or known: it must be found out */
	struct room asks;   /* of those that have an X-UIDL */
	uint32_t asked, read;
};

/* False: no memory. In any case there is something to be done with. */
bool known_init(struct known *k, const struct scan *known, struct scan *now);
void known_done(struct known *k);

/* The next message is known message number `which`, which something else has told; what is known of it is added. */
enum err known_take(struct known *k, uint32_t which, const struct scan_entry *e, struct slice name, struct why *why);

/* The next message was read. Which it is known_end says; until then its UIDL is that of its identity. */
enum err known_add(struct known *k, const struct digest *m, int64_t at, struct slice name, struct why *why);

/* Whether the X-UIDL of a message that was read, at this position, is right: of *m there is what digest_xuidl_is_right needs. */
typedef bool known_right(void *arg, uint32_t now, const struct digest *m);

/* Says of all that were read which known message each is: the first of several alike that has not been found yet. One that is new gets its
 * UIDL, and so do copies; where somebody has that already, store/uidl_settle.h sees to it. */
enum err known_end(struct known *k, known_right *right, void *arg, struct why *why);

/* Where a known message is now, or KNOWN_NONE; `where` may be taken over from a struct known. */
static inline uint32_t *known_where(const struct room *where)
{
	return (void *)where->p;
}

/* ---- of a maildrop that only grew ----
 *
 * What is known is not looked at, but for its identities: a copy of a message that is there already needs to know how many there are, and is
 * left to the scan. So is one that has an X-UIDL, for another may have the same. All others have a hash for a UIDL that nobody else has. */

/* Appends a message that has come to `more`. *new false: it needs the scan, and nothing was done. */
enum err known_add_new(struct scan *more, struct digest *m, int64_t at, struct slice name, bool *new, struct why *why);

/* *new: all that has come is unlike each other, and unlike what is known. */
enum err known_are_new(const struct index *known, const struct scan *more, bool *new, struct why *why);
