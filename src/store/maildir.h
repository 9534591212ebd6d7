/* store/maildir.h - what the parts of the Maildir driver share */
#pragma once
#include "mail/wire.h"
#include "store/ahead.h"
#include "store/maildir_list.h"

enum {
	MAILDIR_PASSES_MOST = 32, /* readings of directories that change all the time */
	MAILDIR_RULES = WIRE_HIDE_UIDL,
	MAILDIR_PIECE = 128 * 1024, /* octets of a message that are read at a time */
};

/* ---- maildir_read.c ---- */

/* For reading, and never through a link; -1 with errno set. The caller owns it. */
int maildir_open_message(int at, const char *file);

enum maildir_there { MAILDIR_THERE, MAILDIR_GONE, MAILDIR_NO_MESSAGE };

/* Reads a whole message, whose path from `at` is `file`: r gets its sizes, lines and checksum, e its mtime; both begin zeroed. Where it is not there,
 * that is no error. */
enum err maildir_read_message(int at, const char *file, struct listing_rec *r, struct scan_entry *e,
			      enum maildir_there *there, struct why *why);

/* The same, with memory of the caller's, and without maildir_check_claims, which writes to the log: for threads. */
enum err maildir_read_in(char piece[MAILDIR_PIECE], int at, const char *file, struct listing_rec *r,
			 struct scan_entry *e, enum maildir_there *there, struct why *why);
void maildir_check_claims(const char *file, const struct listing_rec *r);

/* ---- maildir_ahead.c ---- */

/* The files that a scan does not know (store/ahead.h). */
struct maildir_ahead {
	const struct found *(*next)(void *arg); /* the files that will be asked for, in that order; NULL: no more */
	void *arg;
	const int *dir; /* open directories, DIRS of them */
	/* private to maildir_ahead.c */
	const struct maildir_list *list;
	struct ahead ahead;
};

/* Of the list, so many may be asked for. */
void maildir_ahead_begin(struct maildir_ahead *a, const struct maildir_list *list, size_t files);

/* As maildir_read_message: `file` is the name of f. */
enum err maildir_ahead_read(struct maildir_ahead *a, const struct found *f, const char *file, struct listing_rec *r,
			    struct scan_entry *e, enum maildir_there *there, struct why *why);
void maildir_ahead_end(struct maildir_ahead *a);

/* ---- maildir.c ---- */

/* A list that shows all there is: one that the next one agrees with. */
enum err maildir_list_agreed(const struct maildrop *md, struct maildir_list *list, struct why *why);

/* Its name now; false: it is not there. Another file with its stable name is another message. */
bool maildir_find_path(struct maildir_list *list, const struct message *m, struct maildir_path *path);

/* MESSAGE_MARKED where a name has the flag T, else 0. */
uint32_t maildir_flags(struct slice name);

/* ---- maildir_commit.c ---- */

/* The driver's commit. */
enum err maildir_commit(const struct maildrop *md, const struct changes *ch, struct outcome *out, struct scan *left,
			struct why *why);

/* ---- maildir_marks.c ---- */

/* The driver's unmark. */
enum err maildir_unmark(const struct maildrop *md, const struct scan *s, struct why *why);

/* ---- maildir_flags.c ---- */

/* The number in a name, `,u='; 0: it has none. */
uint32_t maildir_uid(struct slice name);

/* The name of a message that was seen: in `,a=' there is an O, it has a number (`uid', if it had none), and where it was `read' the flag S. False: it would be
 * too long. */
bool maildir_flagged_name(struct slice name, uint32_t uid, bool read, char to[NAME_OCTETS + 1]);

/* ---- maildir_stamp.c ---- */

/* A file whose header is to have a stamp, and what it is then. */
struct maildir_stamped {
	uint32_t stamp;
	struct listing_rec rec;
	struct scan_entry entry;
	char name[NAME_OCTETS + 1];
};

/* Puts a file with the stamp into the place of the message at `path', which is what it was. *there MAILDIR_GONE: nobody is there any more. After an error
 * it is as it was. To be made durable: the directory. */
enum err maildir_stamp_file(const struct maildrop *md, const struct message *m, const struct maildir_path *path,
			    struct maildir_stamped *s, enum maildir_there *there, struct why *why);

/* Another message of the scan has the same stable name: what tells them apart may be their contents. */
bool maildir_is_twin(const struct scan *s, uint32_t i);

/* ---- maildir_scan.c ---- */

/* The driver's lasting: by the stable name, as UIDLs are. */
bool maildir_lasting(const struct listing_rec *r, const struct scan_entry *e, struct slice name, uint64_t *key,
		     uint64_t *sub);

/* ---- maildir_grow.c ---- */

/* To be called for each message that is added to a scan. */
void maildir_note(struct scan *now, unsigned dir, struct slice name, uint64_t ino);

/* The driver's grow. */
enum err maildir_grow(const struct maildrop *md, const struct index *known, struct scan *more, bool *grown,
		      struct why *why);

/* ---- maildir_tmp.c ---- */

/* Removes what nobody has touched in tmp/ for 36 hours. */
void maildir_sweep(const struct maildrop *md);

/* The driver's scan. */
enum err maildir_scan(const struct maildrop *md, const struct scan *known, struct scan *now, struct why *why);

/* ---- maildir_deliver.c ---- */

/* The driver's deliver, and what belongs to it. */
enum err maildir_deliver(const struct maildrop *md, const struct delivery *d, struct why *why);
enum err maildir_find_delivered(const struct maildrop *md, const struct due *due, bool in[], struct why *why);
void maildir_end_delivery(const struct maildrop *md, const struct due *due);
