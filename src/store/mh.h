/* store/mh.h - what the parts of the MH driver share
 *
 *	mh.c		the driver: what is an MH folder, where a message is
 *	mh_commit.c	what goes, and what gets headers
 *	mh_list.c	what lies in it
 *	mh_scan.c	what is to be known of a file, and all messages
 *	mh_grow.c	only those that have come
 *	mh_deliver.c	those that we add
 *
 * An MH folder is a directory. A file whose name is a decimal number without leading zeros is a message; everything else is not: `,5' is
 * what MH and Mailutils leave of message 5 when they delete it, .mh_sequences is MH's, .mu-prop Mailutils'. The number is a
 * message's place and nothing more: sortm(1) and folder(1) -pack give it to another. So messages are identified by their contents
 * (store/digest.h). Entry.id is half of that, Entry.at the file as it was when it was read (mh_file), so that only new files are.
 *
 * nmh's programs hold a lock of fcntl(2) on .mh_sequences while they number, sort and remove; so do we, where there is that file. Whoever
 * adds a message makes it under another name first, or takes the next number and nobody else's. */
#pragma once
#include <sys/stat.h>

#include "store/known.h"
#include "store/maildrop.h"
#include "store/pile.h"

#define MH_INDEX_DIR ".pop3-index"

enum { MH_RULES = WIRE_HIDE_UIDL | WIRE_HIDE_STATUS, MH_PASSES_MOST = 32 };

/* ---- mh.c ---- */

/* The file as it was read, whatever its number is; *fd -1: it is not there. The folder is read at most *readings times. */
enum err mh_open_moved(const struct maildrop *md, const struct message *m, char name[NAME_OCTETS + 1], struct stat *st,
		       int *fd, unsigned *readings, struct why *why);

/* ---- mh_commit.c ---- */

/* The driver's commit. */
enum err mh_commit(const struct maildrop *md, const struct changes *ch, struct outcome *out, struct scan *left,
		   struct why *why);

/* ---- mh_list.c ---- */

struct mh_found {
	struct pile_text name;
	int64_t file; /* see mh_file */
};

struct mh_list {
	struct pile pile;
	struct mh_found *found; /* of the pile: in the order of their numbers */
	size_t count;
	uint32_t *by_file;          /* their positions, sorted by `file`; NULL: not yet */
	struct stamp stamp[STAMPS]; /* of the directory before it was read */
	bool quiet;                 /* it was certainly the same behind it, and nothing vanished */
	uint64_t fingerprint;       /* of the files there are, whatever their numbers */
};

/* Whether a name is a message's. */
bool mh_is_number(struct slice name);

/* Below, at or above 0: in the order of numbers. */
int mh_compare(struct slice a, struct slice b);

/* A file as it is: a hash of its inode, size and time. */
int64_t mh_file(const struct stat *st);

enum err mh_stamp(const struct maildrop *md, struct stamp stamp[STAMPS], struct why *why);

/* Calls `each` for all messages that lie in the folder, in no order, until it says false: no memory. *vanished: one was there and was gone. */
enum err mh_each(const struct maildrop *md, bool (*each)(void *arg, struct slice name, int64_t file), void *arg,
		 bool *vanished, struct why *why);

/* Reads the directory into an empty list, until it is certainly whole: nothing changed meanwhile, or two readings agree. */
enum err mh_list_read(struct mh_list *l, const struct maildrop *md, struct why *why);
void mh_list_done(struct mh_list *l);

/* Or one by one, and then sorted. False: no memory. */
bool mh_list_add(void *list, struct slice name, int64_t file);
bool mh_list_sort(struct mh_list *l);

struct slice mh_list_name(const struct mh_list *l, const struct mh_found *f);

/* A file that is as `file` says; NULL: there is none. */
const struct mh_found *mh_list_find(struct mh_list *l, int64_t file);

/* The lock of nmh's programs: of a kind of fcntl(2), F_RDLCK or F_WRLCK. *fd is its descriptor, which the caller closes; -1: there is
 * nothing to lock. ERR_IN_USE: somebody has it. */
enum err mh_lock(const struct maildrop *md, short kind, int *fd, struct why *why);

/* ---- mh_scan.c ---- */

/* For reading, never through a link, and regular; -1 with errno set, ELOOP where it is no regular file. */
int mh_open(const struct maildrop *md, const char *name, struct stat *st);

/* Reads a whole file of st->st_size octets. */
enum err mh_digest(int fd, const struct stat *st, struct digest *d, struct why *why);

enum { MH_CHANGES = 0 }; /* an mh_file that no file has */

/* The same by its name. The caller closes *fd; -1: there is no such message. *file is what was read, MH_CHANGES where it was changed meanwhile. */
enum err mh_read(const struct maildrop *md, struct slice name, struct digest *d, int *fd, int64_t *file,
		 struct why *why);

/* To be called for each message that is added to a scan. */
void mh_note(uint64_t notes[NOTES], struct slice name, int64_t file);

/* The driver's scan. */
enum err mh_scan(const struct maildrop *md, const struct scan *known, struct scan *now, struct why *why);

/* ---- mh_marks.c ---- */

/* The driver's unmark. */
enum err mh_unmark(const struct maildrop *md, const struct scan *s, struct why *why);

/* ---- mh_grow.c ---- */

/* The driver's grow. */
enum err mh_grow(const struct maildrop *md, const struct index *known, struct scan *more, bool *grown, struct why *why);

/* ---- mh_deliver.c ---- */

/* The driver's deliver, and what belongs to it. */
enum err mh_bring(const struct maildrop *md, const struct delivery *d, struct why *why);
enum err mh_find_brought(const struct maildrop *md, const struct due *due, bool in[], struct why *why);
void mh_end_bringing(const struct maildrop *md, const struct due *due);
