/* store/scan.h - a scan listing in the making: what a driver finds, in the order of message-numbers
 *
 * Lives only while a maildrop is opened; what a session uses of it afterwards is in the index. A record is what front is
 * shown, an entry is store's own: where the message is. */
#pragma once
#include "base/why.h"
#include "mail/index_head.h"
#include "store/room.h"

enum { NAME_OCTETS = 255 }; /* of a file's name, NAME_MAX */

enum { MESSAGE_MARKED = 16 }; /* of a listing_rec's flags: has a deletion mark (store/marks.h) */

struct scan_entry {
	/* what lasts about the message: Maildir: the inode; mbox: a hash of what other programs do not rewrite */
	uint64_t id;
	int64_t at;       /* Maildir: mtime of the file when it was read, in ns; mbox: where its From_ line begins */
	uint32_t name_at; /* into the names */
	uint16_t name_len;
	uint16_t dir; /* the driver's */
};

enum { SCAN_RECS, SCAN_ENTRIES, SCAN_NAMES, SCAN_ROOMS };

struct scan {
	struct room room[SCAN_ROOMS]; /* what rec, entry and names point into; owned */
	struct listing_rec *rec;      /* of a scan that is collected, these three are NULL until it is ready */
	struct scan_entry *entry;
	char *names; /* one behind the other, in the order of the entries */
	bool collected;
	uint32_t count, cap;
	uint32_t names_len, names_cap;
	uint32_t specials;          /* records with UIDL_SPECIAL when they were added */
	uint32_t marked;            /* with MESSAGE_MARKED */
	bool stamps_read;           /* one had STAMP_READ when it was added */
	uint16_t name_most;         /* octets of the longest name */
	uint64_t octets;            /* of all records, on the wire */
	struct stamp stamp[STAMPS]; /* older than anything that was seen of the maildrop */
	uint64_t notes[NOTES];      /* of the driver, for itself: the index keeps them */
};

/* From now on what is added is collected, and nothing of it is looked at before scan_ready, behind which more may be added: for a driver that
 * goes through all of a maildrop, which need not have what it has found mapped (store/room.h). The scan is empty. False: no memory. */
void scan_collect(struct scan *s);
bool scan_ready(struct scan *s);

/* Appends copies; e->name_at and name_len are set here. A failure changes nothing. */
enum err scan_add(struct scan *s, const struct listing_rec *r, const struct scan_entry *e, struct slice name,
		  struct why *why);

struct slice scan_name(const struct scan *s, uint32_t i);

/* Copies `n` records and entries from position i on, and their names one behind the other, of at most NAME_OCTETS each: names[0] is that of the first. False: they cannot be read. */
bool scan_copy(const struct scan *s, uint32_t i, uint32_t n, struct listing_rec *rec, struct scan_entry *entry,
	       char *names);

/* What a driver may note of a directory: how many files are in it, and the sum of hashes of what they are. Adds one. */
enum { NOTE_COUNT, NOTE_SUM, NOTES_OF_DIR };
void scan_note(uint64_t notes[static NOTES_OF_DIR], struct slice name, uint64_t file);

/* Whoever goes through all of a scan calls it for each message: once in a while it lets go of the memory behind (store/room.h). */
void scan_pass(uint32_t i);

/* Frees what it holds; an empty scan again. */
void scan_done(struct scan *s);
