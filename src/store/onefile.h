/* store/onefile.h - what formats with all mail in one file have in common: mbox, dotmail
 *
 *	onefile.c		where a message is
 *	onefile_scan.c		stamps, and all messages: those that are known by what is known
 *	onefile_ahead.c		parts of a large file, read by several threads
 *	onefile_grow.c		only those that have come
 *	onefile_commit.c	which octets go, and which headers are written
 *	onefile_flags.c		numbers of messages
 *	onefile_marks.c		deletion marks of others
 *	onefile_deliver.c	what is appended
 *	digest.h, known.h	what is to be known of a message, and which one it is
 *
 * How such a file is cut into messages, its format says. Entry.at is where what separates a message from the one before ends and its own
 * octets begin (mbox: its From_ line), Record.pos where the message itself does. Entry.id is half of its identity. */
#pragma once
#include "store/header_edit.h"
#include "store/known.h"
#include "store/maildrop.h"
#include "store/text.h"

/* What is special about a format. Reading begins at the file's start, or where `begins` is true. */
struct onefile_format {
	enum digest_lines lines;

	/* Where messages begin the octets around tell, wherever reading begins: a `piece' from anywhere ends, as any, before the next message. */
	bool from_anywhere;

	/* The message that comes next: *at and *pos as above. *is false: there is none. */
	enum err (*next)(struct text *t, uint64_t *at, uint64_t *pos, bool *is, struct why *why);

	/* Octets of the message, valid until the next call: whole lines, where a line is not very long. *last: those were all. */
	enum err (*piece)(struct text *t, struct slice *piece, bool *last, struct why *why);

	/* Whether a message begins at `at`, as far as the octets around tell. */
	bool (*begins)(int fd, uint64_t at);

	/* Whether one ends at `end`. `grows`: somebody may be appending the next one at this moment. */
	bool (*ends)(int fd, uint64_t end, bool grows);

	/* What is to be appended to a file of so many octets before the next message. */
	struct slice (*gap)(int fd, uint64_t octets);
	struct slice end; /* and behind it */
};

enum { ONEFILE_PART_MOST = 256 }; /* messages that one thread reads at a time */

/* ---- onefile_scan.c ---- */

/* Size, times and samples of an open file, or of none (-1). */
enum err onefile_stamp(int fd, uint32_t rules, struct stamp stamp[STAMPS], struct why *why);

/* All messages of any open file; `where`, where it is not NULL, gets what struct known has (known_where), for the caller to end. `grown` false: what is
 * known of a file that only grew is not relied on. */
enum err onefile_find(int fd, const struct onefile_format *f, uint32_t rules, const struct scan *known, bool grown,
		      struct scan *now, struct room *where, struct why *why);

/* Whether an open file, whose stamps are `now`, has only grown since it had those: `old`. */
bool onefile_has_grown(int fd, const struct stamp old[STAMPS], const struct stamp now[STAMPS]);

/* A message of the file, of which `next` has told the place. */
enum err onefile_digest(struct text *t, const struct onefile_format *f, uint32_t rules, uint64_t pos, struct digest *m,
			struct why *why);

/* ---- onefile_ahead.c ---- */

struct onefile_message {
	uint64_t at;
	struct digest digest;
};

/* Messages that begin from `at` on and before `end`. */
struct onefile_part {
	uint64_t at, end;
	uint64_t next; /* this one, or where the first of those begins that there was no room for */
	uint32_t count;
	enum err err; /* behind those */
	struct why why;
	struct onefile_message message[ONEFILE_PART_MOST];
	/* private to onefile_ahead.c */
	const struct onefile_ahead *all;
	bool is_first; /* a message begins at `at` */
};

/* A mailbox that is read by several threads (store/crew.h). */
struct onefile_ahead {
	int fd;
	const struct onefile_format *format;
	uint32_t rules;
	uint64_t at, end; /* a message begins at `at`, the file ends at `end` */
	/* private to onefile_ahead.c */
	struct crew *crew;
	uint64_t given;  /* parts before this one */
	uint64_t octets; /* of the next part */
};

/* False: it is no large one, or there are no threads. The others only behind true. */
bool onefile_ahead_begin(struct onefile_ahead *a);

/* The next part, until the next call. NULL: those were all. */
const struct onefile_part *onefile_ahead_take(struct onefile_ahead *a);
void onefile_ahead_end(struct onefile_ahead *a);

/* ---- onefile.c ---- */

/* For detect: what a file begins with. */
struct onefile_head {
	bool is; /* a regular file */
	uint64_t octets;
	char text[1024];
	size_t n;
};
enum err onefile_head(int fd, struct onefile_head *head, struct why *why);

/* Whether the message is in the file where it was when it was listed, to the octet. */
bool onefile_is_at(int fd, const struct onefile_format *f, const struct listing_rec *rec, const struct scan_entry *e);

/* ---- onefile_flags.c: X-UID and X-IMAPbase, as Mailutils keeps them ---- */

/* Whether we may give numbers. Not where a pseudo-message of another program keeps them (UW's). */
bool onefile_has_numbers(const struct scan *now);

struct onefile_numbers {
	struct header_base base; /* of all, behind the last one */
	uint32_t next, last;     /* the next new number; the one before in the file */
	bool first;              /* the first message has still to come */
};

/* For the messages of the file that do not go (a bit each in `goes'), below position `end'. Those that have a number keep it, as long as they increase and
 * are below what X-IMAPbase says is the next one; others get that. Where one that has a number does not keep it, numbers begin anew: another validity. */
void onefile_numbers_begin(struct onefile_numbers *n, int fd, const struct scan *now, const uint8_t *goes,
			   uint32_t end);

/* One after the other, in the order of the file: its number, and of the first one what is to be said of all. 0: its header has no end, or there are no more numbers. */
void onefile_number(struct onefile_numbers *n, int fd, const struct listing_rec *r, uint32_t *uid,
		    struct header_base *base);

/* ---- members of struct store_driver ---- */

enum err onefile_stamps(const struct maildrop *md, struct stamp stamp[STAMPS], struct why *why);
enum err onefile_scan(const struct maildrop *md, const struct scan *known, struct scan *now, struct why *why);
enum err onefile_grow(const struct maildrop *md, const struct index *known, struct scan *more, bool *grown,
		      struct why *why);
enum err onefile_body(const struct maildrop *md, const struct message *m, struct body *out, struct why *why);
enum err onefile_commit(const struct maildrop *md, const struct changes *ch, struct outcome *out, struct scan *left,
			struct why *why);
enum err onefile_unmark(const struct maildrop *md, const struct scan *s, struct why *why);
enum err onefile_deliver(const struct maildrop *md, const struct delivery *d, struct why *why);
enum err onefile_find_delivered(const struct maildrop *md, const struct due *due, bool in[], struct why *why);
void onefile_forget(const struct maildrop *md);
