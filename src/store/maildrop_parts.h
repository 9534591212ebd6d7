/* store/maildrop_parts.h - what the parts of maildrop.h share
 *
 *	maildrop.c		opening: index, scan, mailbox lock
 *	maildrop_find.c		where it is, and its format
 *	maildrop_warm.c		the same of one that is kept (store/kept.h)
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

/* Messages of it may have marks that are to be cleared. */
bool maildrop_has_marks(const struct maildrop *md, const struct index *ix);

/* ---- maildrop_find.c ---- */

/* How its stored octets become wire octets: its driver's rules, and what the configuration says of quoting. */
uint32_t maildrop_rules(const struct maildrop *md);

/* maildrop_find, whatever is kept. */
enum err maildrop_find_cold(struct maildrop *md, struct slice url, const struct maildrop_setup *setup, struct why *why);

/* Frees what is left of one without a session. */
void maildrop_drop(struct maildrop *md);

/* ---- maildrop_warm.c ---- */

/* Of one that was kept: its name still says what it said. */
bool maildrop_is_in_place(const struct maildrop *md);

/* Under the session lock, of one that is warm: if nothing has changed since, its index is right, *first is filled in, and it stays warm. Else it is found anew, and is
 * not warm. */
enum err maildrop_look_again(struct maildrop *md, struct index_first *first, struct why *why);

/* It has been opened by its index, which is current: it can be kept, if whatever happens from now on will show. */
void maildrop_note(struct maildrop *md, const struct index_first *first);

/* ---- maildrop_read.c ---- */

/* Reads n messages of the index, from number `from' on, for maildrop_message, until the next call. An index that was damaged under the session is not
 * the next one's. */
enum err maildrop_window(const struct maildrop *md, uint32_t from, uint32_t n, struct why *why);
void maildrop_message(uint32_t i, struct message *m);

/* What front read through us. */
void maildrop_stop_reading(struct maildrop *md);
