/* store/uidl_settle.h - which unique-id each message has, for good
 *
 * A driver proposes what can be computed from the mail. What cannot lies in the durable file (uidl_file.h), and is settled here, above the
 * drivers, before a client sees it: an id that was given is never another message's, and stays when the index is lost, when other messages
 * go, and when it is no longer what the mail alone would say. Needs the session lock.
 *
 * A maildrop in which each message has the id that its driver computes has no such file, and costs one look for it when it is scanned; one
 * that is opened by its index costs nothing. */
#pragma once
#include <limits.h>

#include "store/maildrop.h"
#include "store/uidl_file.h"

/* Behind a scan: gives each message its id, and makes durable what must be. Where that fails, the new messages that need it are taken out of
 * the listing, which then never passes for current, and a line says so. An error: nothing can be said of the ids. */
enum err uidl_settle(const struct maildrop *md, struct scan *now, struct why *why);

/* The same of a maildrop that grew by `more`, without a look at what was there. False: the durable file may have to do with these messages, and it
 * must be scanned and settled. */
bool uidl_settle_more(const struct maildrop *md, struct scan *more);

/* Of identical messages it cannot be seen, behind a crash, which ones a commit has deleted. So these are marked before. Marks that
 * cannot be made are no reason to delete nothing. */
struct uidl_marks {
	char path[PATH_MAX];
	struct uidl_place place;
	struct uidl_file file;
	uint32_t made;
};
void uidl_marks_make(struct uidl_marks *marks, const struct maildrop *md, const struct changes *ch);

/* Behind the commit; `all`: it deleted all of them. In any case to be called. */
void uidl_marks_end(struct uidl_marks *marks, bool all);

/* Makes the ids that the records of `now` have those of their messages, for good: all of them lie in the durable file then. The ids must
 * be different. Numbers: of the messages to come; 0: as they are. */
enum err uidl_impose(const struct maildrop *md, struct scan *now, uint64_t validity, uint64_t next, struct why *why);

/* Gives each message the id that `file' has for it: has[i] 1; the others stay what they are. */
enum err uidl_match(const struct maildrop *md, struct scan *now, struct uidl_file *file, uint8_t *has, struct why *why);

/* A file with the ids of all messages, to be ended by uidl_text_done. */
enum err uidl_export(const struct maildrop *md, struct scan *now, struct uidl_text *t, struct why *why);

/* Where the durable file of a maildrop lies. `path` gets the canonical path, which `place` borrows. */
enum err uidl_place_of(const struct maildrop *md, char path[static PATH_MAX], struct uidl_place *place,
		       struct why *why);
