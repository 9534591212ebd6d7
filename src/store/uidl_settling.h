/* store/uidl_settling.h - what the parts of uidl_settle.h share
 *
 *	uidl_settle.c	behind a scan: ids, and what must be durable
 *	uidl_which.c	which entry of the durable file is whose
 *	uidl_unique.c	that no two messages have one id
 *	uidl_given.c	ids that somebody says (popctl)
 *	uidl_marks.c	before and behind a commit
 *
 * Of messages and entries there may be a million. What is known of each lies in rooms and is gone through from front to end; what needs more is done part
 * by part (store/ids.h). */
#pragma once
#include "store/ids.h"
#include "store/uidl_format.h"
#include "store/uidl_settle.h"

#define UIDL_NO_ENTRY UINT32_MAX

/* What is to be known of a message. */
struct uidl_row {
	uint64_t key, sub; /* what lasts about it */
	uint64_t hash;     /* of the id that it has now */
	uint32_t entry;    /* its entry, or UIDL_NO_ENTRY */
	bool known;        /* it had its id before this scan */
	bool alone;        /* no other has its key */
	bool kept;         /* it must have an entry */
	bool clashes;      /* another message has its id */
};

/* One at a time. */
struct settle {
	const struct maildrop *md;
	struct scan *now;
	char path[PATH_MAX];
	struct uidl_place place;
	struct uidl_file file;
	struct room rows; /* of messages: see settle_row */
	uint64_t seed;    /* of hashes of ids, which others may choose */
	struct uidl_numbers numbers;
	uint32_t copies; /* ids that were made because another was taken */
};

static inline struct uidl_row *settle_row(const struct settle *s, uint32_t i)
{
	return (struct uidl_row *)(void *)s->rows.p + i;
}

/* ---- uidl_settle.c ---- */

/* What is damaged is kept for people; ids are then what index and mail say. One of a later version is not touched. */
enum err settle_read(struct uidl_file *file, const struct uidl_place *place, const struct maildrop *md,
		     struct why *why);

/* Rows; the file has been read. */
enum err settle_begin(struct settle *s, struct why *why);
void settle_done(struct settle *s);

/* Sets row.kept, and flags of records, where ids are what they shall be. */
void settle_find_kept(struct settle *s);

/* The durable file anew, with those that must be in it; one that says nothing is none. */
enum err settle_write(struct settle *s, struct why *why);
enum err settle_put(const struct uidl_place *place, const struct uidl_text *t, uint64_t next, struct why *why);

uint64_t settle_hash(uint64_t seed, struct slice uidl);

/* ---- uidl_which.c ---- */

/* Sets row.entry and row.alone. */
enum err settle_match(struct settle *s, struct why *why);

/* ---- uidl_unique.c ---- */

/* Ids that were given: of those that are equal, the first message keeps its own; others are new. */
enum err settle_keep(struct settle *s, struct why *why);

/* New messages get an id that nobody has. */
enum err settle_name(struct settle *s, struct why *why);

/* Whether two messages have one id: *i is the first that has another's, if *is. */
enum err settle_clash(struct settle *s, bool *is, uint32_t *i, struct why *why);
