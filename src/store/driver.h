/* store/driver.h - a mailbox format
 *
 * One table of functions per format. They run as the mail's owner, may block, and log at most for debugging; a call that fails has changed no
 * mail, but for a commit, which says how far it came. What all formats would repeat is above them and written once: session
 * lock, index, checksums, the session. Each comment is a row of tests/store/test_contract.c, which every driver passes. */
#pragma once
#include <time.h>

#include "store/scan.h"

struct maildrop;
struct onefile_format; /* store/onefile.h */
struct index;          /* store/index.h */
struct delivery;       /* store/delivery.h */
struct due;

/* A message as the index has it. */
struct message {
	struct listing_rec rec;
	struct scan_entry entry;
	char name[NAME_OCTETS + 1];
};

/* Where the octets of a message are. */
struct body {
	int fd;          /* a regular file, open for reading */
	uint64_t at;     /* where the message begins */
	uint64_t octets; /* that it has there now: others than were scanned, and it was changed */
	bool same;       /* the file is certainly as it was when it was scanned; otherwise the checksum tells */
};

/* What a session changes: bit i % 8 of octet i / 8 says that message-number i + 1 goes. */
struct changes {
	const uint8_t *deleted;
	uint32_t count;         /* of the maildrop's messages */
	const uint8_t *stamped; /* likewise: a header is to have its stamp (store/stamp.h); NULL: none */
	uint32_t stamp;         /* of those that have none in the index */
	const uint8_t *flagged; /* likewise: flags are to be written (store/flags.h); NULL: none */
	const uint8_t *seen;    /* likewise: have been retrieved, beside those of which the index says it; NULL: none */
};

struct outcome {
	uint32_t deleted;   /* are gone, durably; those that somebody else has removed are counted */
	uint32_t failed;    /* are still there */
	uint32_t unstamped; /* have no header: that is not worth an error */
	uint32_t unflagged; /* flags could not be written: nor is that */
	struct why unstamped_why;
	bool left; /* what the driver says in `left' is all there is, also if that is nothing */
};

struct store_driver {
	const char *name;       /* the scheme of a mailbox URL */
	const char *index_name; /* where the listing is kept, seen from the directory; NULL: .pop3-index */
	/* enum wire_rule: how stored octets become wire octets; mbox-quoting may choose others for unquoting */
	uint32_t wire_rules;
	/* NULL: a file per message. Else its maildrops have a parent and a name, a mailbox lock, and may have no file: then they are empty. */
	const struct onefile_format *in_one_file;

	/* Whether what `fd` names has this format: a directory (O_PATH), or a regular file that can be read. `why` may say why not.
	 * How much of it is looked at: the least (ACCURACY_FAST of conf/conf.h: a file is an mbox), its beginning (ACCURACY_MINIMAL), or what is needed to be sure. */
	enum err (*detect)(int fd, int accuracy, bool *is, struct why *why);

	/* An empty maildrop at `path`, where there is nothing, or an empty directory. All of it or nothing; parents are not created.
	 * NULL where a maildrop that is not there is an empty one. */
	enum err (*create)(const char *path, struct why *why);

	/* At a cost that does not depend on the number of messages. */
	enum err (*stamp)(const struct maildrop *md, struct stamp stamp[STAMPS], struct why *why);

	/* Under the mailbox lock, where there is one. All messages, in their order, and the stamps, into `now`, which is empty; on
	 * failure it may have some. What `known` has of a message is kept (UIDL, and sizes and checksum where these are the same)
	 * however it is called by now. A message that cannot be read fails the scan. */
	enum err (*scan)(const struct maildrop *md, const struct scan *known, struct scan *now, struct why *why);

	/* What lasts about a message of a scan, whoever renames or marks it, and whatever others there are: `key', the first half of its plain
	 * UIDL. Where several can have one, `sub' tells them apart, if it is not 0. False: no memory. NULL: key is Entry.id, sub 0. */
	bool (*lasting)(const struct listing_rec *r, const struct scan_entry *e, struct slice name, uint64_t *key,
			uint64_t *sub);

	/* Under the mailbox lock, where there is one. Where nothing has happened since `known' but that messages have come, which are those behind all
	 * others: *grown, and `more', which is empty, gets them, and the stamps and notes of all. At a cost that depends on them, and as little as can
	 * be on what was known; what it costs in vain is done again by scan. NULL, a failure, or *grown false: it must be scanned. */
	enum err (*grow)(const struct maildrop *md, const struct index *known, struct scan *more, bool *grown,
			 struct why *why);

	/* Finds the message, also where another program has renamed it since. The caller owns out->fd. */
	enum err (*body)(const struct maildrop *md, const struct message *m, struct body *out, struct why *why);

	/* Under the mailbox lock, where there is one. Deletes by identity, never by name or offset alone, and makes it durable. Mail
	 * that came since stays, and so does a message that is no longer what the session saw: that one fails. After a power
	 * cut each message is there whole or not at all. `out` is valid in any case. A driver that knows what is left says so in
	 * `left`, which is empty; with the stamps of how that looks now the next session need not scan.
	 * Then writes headers and flags, as far as it can; each message is there as it was, or has them. */
	enum err (*commit)(const struct maildrop *md, const struct changes *ch, struct outcome *out, struct scan *left,
			   struct why *why);

	/* Under the mailbox lock, where there is one: takes the deletion marks from the messages of a scan that have one (MESSAGE_MARKED), durably.
	 * Their UIDLs and sizes stay. What is not any more where the scan saw it is left alone; the next scan tells what is still marked. */
	enum err (*unmark)(const struct maildrop *md, const struct scan *s, struct why *why);

	/* Bulletins, under the mailbox lock, where there is one; see store/delivery.h. `deliver` puts them there, durably; `find_delivered` says which of
	 * an earlier delivery, of which it is not known how it ended, are there, and takes away what is there of others; what is left of it
	 * beside the mail `end_delivery` removes (NULL: nothing is). */
	enum err (*deliver)(const struct maildrop *md, const struct delivery *d, struct why *why);
	enum err (*find_delivered)(const struct maildrop *md, const struct due *due, bool in[], struct why *why);
	void (*end_delivery)(const struct maildrop *md, const struct due *due);

	/* When a message of a scan came, as far as its place in the maildrop tells, in seconds; 0, NULL: it does not (Maildir: see maildir_read_message). */
	uint64_t (*came)(const struct maildrop *md, const struct listing_rec *r, const struct scan_entry *e);

	/* Forgets what it keeps of the maildrop. NULL: nothing. */
	void (*close)(const struct maildrop *md);
};

extern const struct store_driver maildir_driver, mbox_driver, mh_driver, dotmail_driver;

/* What errno of a storage call means to the client: whether trying again can help. */
enum err storage_err(int error);

/* A file's time in nanoseconds; one beyond their range is the last of it. */
int64_t storage_ns(struct timespec t);

/* What stat(2) says of a file, to be compared as memory. */
struct stat;
struct stamp storage_stamp(const struct stat *st);
