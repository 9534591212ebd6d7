/* store/maildrop_parts.h - what the parts of maildrop.h share
 *
 *	maildrop.c		opening: index, scan, mailbox lock
 *	maildrop_find.c		where it is, and its format
 *	maildrop_read.c		messages
 *	maildrop_commit.c	stamps and deletions */
#pragma once
#include "store/maildrop.h"

enum { TELL_MS = 60 * 1000 }; /* between two lines about what goes wrong with every session */

/* ---- maildrop.c ---- */

/* Where its index may lie. */
enum { MAILDROP_BESIDE, MAILDROP_IN_DIR, MAILDROP_PLACES };
void maildrop_places(const struct maildrop *md, struct index_place place[MAILDROP_PLACES]);

/* Puts it in the first place that takes it, and says which; MAILDROP_PLACES: none does. A mailbox that is not there needs none. */
int maildrop_put_index(const struct maildrop *md, const struct scan *now, int64_t taken_ns,
		       struct index_place place[MAILDROP_PLACES], struct why *why);

/* What the scan has read of stamps. */
void maildrop_decide_stamps(const struct maildrop *md, struct scan *s, bool known);

/* Where the mailbox lock is held for the whole session, it is there already, and stays. */
enum err maildrop_lock_begin(struct maildrop *md, struct why *why);

/* ---- maildrop_read.c ---- */

/* Reads n messages of the index, from number `from' on, for maildrop_message, until the next call. An index that was damaged under the session is not
 * the next one's. */
enum err maildrop_window(const struct maildrop *md, uint32_t from, uint32_t n, struct why *why);
void maildrop_message(uint32_t i, struct message *m);

/* What front read through us. */
void maildrop_stop_reading(struct maildrop *md);
