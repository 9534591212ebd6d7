/* store/maildrop.h - one user's mail as a session sees it
 *
 * Everything that does not depend on the format: finding out what there is, the index, checksums of what is sent. A
 * session looks for its maildrop, takes the session lock on its key, opens it, and closes it; what it shows is fixed
 * between open and close, whatever other programs do to the mail. Of a maildrop at rest there is a path and two descriptors in
 * memory, or three where the mail lies in one file.
 *
 * The file of a maildrop in one file is reached by its name in `parent` alone, and opened anew for whatever is done with it: other
 * programs put new files in its place. md->fd is the one that was opened last. */
#pragma once
#include "conf/conf.h"
#include "store/index.h"
#include "store/mailbox_lock.h"
#include "store/stamp.h"

enum index_mode { INDEX_AUTO, INDEX_OFF, INDEX_DIR };

/* What the configuration says, for all maildrops of a process. */
struct maildrop_setup {
	const char *type;      /* scheme for what does not exist yet */
	int accuracy;          /* ACCURACY_..., or another number: how closely a file is looked at to find its format */
	enum index_mode index; /* beside the mail if that can be; none kept; in index_dir only */
	int index_dir;         /* borrowed; -1: none */
	struct mailbox_lock_setup lock;
	bool mandatory;              /* Mailutils' lock is held as long as the maildrop is open */
	int mailutils_dir;           /* where, of what has no lock beside it; borrowed; -1: nowhere */
	const char *mailutils_locks; /* where Mailutils' sessions lock what has no lock beside it; NULL: nowhere */
	int journal_dir;             /* of the owner's journals, borrowed; -1: none */
	int uidl_dir;                /* of the owner's durable files of unique-ids, borrowed; -1: none are kept */
	const char *uidl_format, *uidl_pattern; /* of `mailbox'; borrowed; NULL: auto */
	bool read_only;    /* mail that is nobody's whom we serve: nothing is made or removed beside it */
	bool mh_backup;    /* what is deleted of an MH folder stays there as `,NUMBER' */
	bool undelete;     /* deletion marks are cleared when it is opened */
	bool update_flags; /* store/flags.h */
	struct stamp_setup stamps;
	uint32_t unquote; /* enum wire_rule: how From_ lines in an mbox are unquoted; 0: not at all */
};

struct maildrop {
	const struct maildrop_setup *setup; /* borrowed */
	const struct store_driver *driver;
	char *path; /* owned */
	char *url;  /* by which it was found; owned; NULL: it is none that is kept (store/kept.h) */
	int fd;     /* O_PATH of the directory; or the file, for reading and writing, -1 where there is none; owned */
	int parent; /* O_PATH; of a maildrop in one file, its directory, once links were resolved; owned */
	char *name; /* and its name there; owned */
	struct spool spool; /* what may be done in the parent, and its lock: while a function of maildrop.c runs */
	struct mailbox_lock lock;
	bool keeps;             /* it is held until the maildrop is closed: mandatory-locking */
	struct dotlock by_path; /* then, of what has no lock beside it: the file in mailutils_dir */
	uint32_t rules;         /* enum wire_rule */
	uint64_t key; /* of the session lock: the same for all names of a directory, and for every file of one name */
	uint64_t dev, ino;           /* of its directory */
	struct index index;          /* of an open maildrop; or, if it is warm, of when it was open */
	int index_at;                /* where that lies */
	struct listing_rec *records; /* of it, for the next session; owned; NULL: none */
	bool warm;                   /* it was kept, and nothing was done with it since it was taken from there */
	bool keepable;               /* it is as it was when it was opened by an index that was current */
	struct body reading;         /* of message reading_msgno, while front reads it through us */
	uint32_t reading_msgno;
	int marks;             /* the index, for writing, once a message was retrieved; -1: not yet; owned */
	uint32_t retrieved_at; /* stamp of what this session retrieves; 0: nothing yet */
	/* a bit for each message that is to get a header, where the index does not tell, or at QUIT; owned; NULL: none */
	uint8_t *retrieved;
	uint8_t *flagged, *seen; /* likewise, those whose flags are to be written; those that were retrieved */
};

/* What the configuration says for `index' and `unquote'. */
enum index_mode maildrop_index_mode(const struct conf *cf);
uint32_t maildrop_unquote(const struct conf *cf);

#define MAILDROP_CLOSED                                                                                                \
	((struct maildrop){.fd = -1,                                                                                   \
			   .parent = -1,                                                                               \
			   .by_path = {.fd = -1},                                                                      \
			   .index = {.fd = -1},                                                                        \
			   .reading = {.fd = -1},                                                                      \
			   .marks = -1})

/* Finds, or creates, what `url` names; nothing of the mail is looked at. On failure there is nothing to close. */
enum err maildrop_find(struct maildrop *md, struct slice url, const struct maildrop_setup *setup, struct why *why);

/* For reading alone, as anybody who may: what is not there is an error, nothing is made, locked or written, and it is not to be opened: what the
 * driver has for reading is called directly. On failure there is nothing to close. */
enum err maildrop_find_source(struct maildrop *md, struct slice url, const struct maildrop_setup *setup,
			      struct why *why);

/* Under the session lock, of a maildrop that was found: it is what its name says now, and no change of it is half done. maildrop_open begins with it. */
enum err maildrop_prepare(struct maildrop *md, struct why *why);

/* Under the session lock. *first gets what a small listing needs. On failure it is as it was; ERR_IN_USE: another program has the
 * mailbox lock, which is worth another attempt. */
enum err maildrop_open(struct maildrop *md, struct index_first *first, struct why *why);

/* For popctl, under the session lock: all messages, settled, into an empty scan; no index is written. ERR_IN_USE as above. */
enum err maildrop_scan(struct maildrop *md, struct scan *now, struct why *why);

/* What the index says is not believed any more: the next session scans. */
void maildrop_forget(const struct maildrop *md);

/* Whole messages as they are stored, appended one behind the other: `msgno` if it fits, and those behind it while they fit and are
 * at most `octets` together. *count of them. One that does not fit: count 0, and *body says where it is; the caller owns
 * its fd. A message whose checksum is wrong is never handed out. */
enum err maildrop_fetch(struct maildrop *md, uint32_t msgno, uint32_t octets, struct buf *out, uint32_t *count,
			struct body *body, struct why *why);

/* The file that holds this message and those behind it, *count in all, each where its record says, and that front may read: *body says where, and
 * the caller owns its fd. False: there is none; maildrop_fetch knows why. */
bool maildrop_walk(struct maildrop *md, uint32_t msgno, uint32_t *count, struct body *body);

/* Appends `octets` of a stored message; *within is false, and nothing is done, where the message does not have them. */
enum err maildrop_read(struct maildrop *md, uint32_t msgno, uint64_t at, uint32_t octets, struct buf *out, bool *within,
		       struct why *why);

/* So many messages from `msgno' on were retrieved: those that have no stamp get one, in the index, and where `update-flags' is on, it is noted there that they were
 * seen. A failure to do so is none. */
enum retrieved { RETRIEVED_STAMP = 1, RETRIEVED_SEEN = 2 };
void maildrop_retrieved(struct maildrop *md, uint32_t msgno, uint32_t n, unsigned what);

/* It can be closed, and found and opened again by maildrop_resume: nothing of the session is in our memory alone. */
bool maildrop_can_rest(const struct maildrop *md);

/* Under the session lock: finds it, and opens it with the listing that has these sums, whatever has come since. On failure there is nothing to
 * close; ERR_TEMP: it is another one. */
struct listing_sums {
	uint64_t key; /* of the maildrop */
	uint64_t octets, sum;
	uint32_t count;
};
enum err maildrop_resume(struct maildrop *md, struct slice url, const struct maildrop_setup *setup,
			 const struct listing_sums *was, struct index_first *first, struct why *why);

/* From when on QUIT has something to do, whatever the client has deleted: seconds since 1970; UINT64_MAX: never. Costs nothing. */
uint64_t maildrop_due(const struct maildrop *md);

/* Sets bits (as in struct changes) of all messages that have expired; *found of them were not set. */
enum err maildrop_expired(const struct maildrop *md, uint8_t *set, uint32_t *found, struct why *why);

/* Deletes; see struct store_driver. ERR_IN_USE: nothing was done, as for maildrop_open. */
enum err maildrop_commit(struct maildrop *md, const struct changes *ch, struct outcome *out, struct why *why);

/* Tells others that the lock that is held for the session is none that was left behind: some take old ones away. */
void maildrop_touch(const struct maildrop *md);

/* Changes no mail. What it has may be kept for the next one. */
void maildrop_close(struct maildrop *md);

/* For drivers: how many messages of `ch` go. */
uint32_t changes_count(const struct changes *ch);

/* For drivers: the messages of `ch`, one after the other. False: no more. A message that cannot be read from the index is
 * counted with *err set. A walk begins as {0}. */
struct changes_walk {
	uint32_t next, from, n;
};
bool changes_next(const struct maildrop *md, const struct changes *ch, struct changes_walk *walk, struct message *m,
		  enum err *err, struct why *why);

/* For replay.c: of md->path alone, as the path of a file: where it is, links being resolved, and the file. ERR_IN_USE as above. */
enum err maildrop_place(struct maildrop *md, struct why *why);

/* Takes the mailbox lock, where there is one, if the file is still what its name says. */
enum err maildrop_lock(struct maildrop *md, struct why *why);

/* Lets go of it behind a change that ended with `err`: where that left a journal, the lock stays for whoever replays it. */
void maildrop_unlock(struct maildrop *md, enum err err);

/* Between maildrop_find.c and maildrop.c: opens the file by its name again; none is no error. */
enum err maildrop_reopen(struct maildrop *md, struct why *why);
void maildrop_leave(struct maildrop *md);  /* closes the parent */
void maildrop_let_go(struct maildrop *md); /* the lock that was held for the whole session goes */
void maildrop_advise(enum err err, struct why *why);
