/* store/mbox.h - what the parts of the mbox driver share
 *
 *	mbox.c		the driver: what is an mbox, its stamps, where a message is
 *	mbox_from.c	From_ lines
 *	mbox_text.c	the octets of a file, cut into messages
 *	mbox_message.c	what is to be known of one message
 *	mbox_scan.c	all messages, those that are known by what is known
 *	mbox_known.c	which message is which
 *	mbox_commit.c	which octets go
 *
 * An mbox is a file of messages, each behind a From_ line. A line is one only where it has a valid date, and stands at the file's
 * start or behind an empty line. That empty line, or one at the file's end, is no part of the message before it. Content-Length is
 * not looked at. Lines end in LF; a mailbox whose From_ lines end in CRLF is refused (there is no program that writes it on
 * Linux, and none that could append to it rightly). CR is an octet like others in messages.
 *
 * Entry.at is where the From_ line begins, Record.pos where the message does. Entry.id is half of the hash below. */
#pragma once
#include "mail/wire.h"
#include "store/maildrop.h"
#include "store/uidl.h"

/* ---- mbox_from.c ---- */

enum { MBOX_FROM_MOST = 998 }; /* octets of a From_ line; longer ones are text */

/* Whether `line`, without its end, is: From SENDER WEEKDAY MONTH DAY HH:MM[:SS] [ZONE] YEAR [ZONE] [remote from HOST] */
bool mbox_is_from(struct slice line);

/* ---- mbox_text.c ---- */

/* Octets of a file from one of its From_ lines on. One at a time in a process: the octets lie in a buffer of the file's. */
struct mbox_text {
	int fd;         /* borrowed */
	uint64_t end;   /* of the file, as far as it counts */
	uint64_t at;    /* in the file, of the first octet in the buffer */
	size_t from, n; /* in the buffer: what comes next, and where it ends */
};

/* A mailbox ends at `end`; reading begins at `at`, where a From_ line is. */
void mbox_text_open(struct mbox_text *t, int fd, uint64_t at, uint64_t end);

/* The From_ line that comes next: *at and *pos are where it and its message begin. *is false: there is none. */
enum err mbox_text_from(struct mbox_text *t, uint64_t *at, uint64_t *pos, bool *is, struct why *why);

/* Octets of the message, valid until the next call: whole lines, where a line is not very long. *last: those were all. */
enum err mbox_text_piece(struct mbox_text *t, struct slice *piece, bool *last, struct why *why);

/* Whether a From_ line begins at `at`, at the file's start or behind an empty line. */
bool mbox_text_begins(int fd, uint64_t at);

/* ---- mbox_message.c ----
 *
 * The identity of a message, and its UIDL. For ever: SHA-256 over
 *	- each line of the header without its end (LF or CRLF), and an LF; but without the lines Status, X-Status, X-Keywords, X-UID,
 *	  X-IMAP, X-IMAPbase, X-UIDL, X-Expire-Timestamp, Content-Length and Lines (in any case), and the lines that continue
 *	  them (which begin with a blank or a tab);
 *	- an LF, whether there is an empty line behind the header or not;
 *	- the decimal number of octets of the body, as stored, without the CR and LF at its end; a blank; their CRC32C in decimal.
 * Its first 32 hexadecimal digits are the UIDL, the first 16 are Entry.id. Mail with the same hash is told apart by `copy`
 * (1, 2, ...): SHA-256 over these 32 digits, a blank, and the decimal copy. */

struct mbox_message {
	struct listing_rec rec; /* all but the UIDL, when it has ended */
	uint64_t id;
	char digits[UIDL_DIGITS + 1]; /* of the hash */
	bool internal;                /* kept by another program for itself: no mail */
	char xuidl[UIDL_MOST + 1];    /* of a header X-UIDL that has the form of Mailutils'; else "" */
	/* private to mbox_message.c */
	struct wire wire;
	uint32_t head_crc, body_crc, kept_crc;
	uint64_t body, kept; /* octets */
	bool in_body, in_line, skips, subject, imap;
};

/* One at a time. False: no memory. */
bool mbox_message_begin(struct mbox_message *m, uint32_t rules, uint64_t pos);
void mbox_message_take(struct mbox_message *m, struct slice piece);
bool mbox_message_end(struct mbox_message *m);

/* Whether m->xuidl, MD5HEX.TIME.UID, is what Mailutils gave this message: the MD5 is that of what `fd` has at its place. m has ended. */
bool mbox_xuidl_is_right(const struct mbox_message *m, int fd);

/* ---- mbox_known.c ---- */

#define MBOX_NONE UINT32_MAX

/* Known messages by identity, and UIDLs that are taken. */
struct mbox_known {
	const struct scan *scan; /* borrowed */
	uint32_t *where;         /* of each known message: its position now, or MBOX_NONE */
	uint32_t *next;          /* the next one of the same identity, or MBOX_NONE */
	struct mbox_same *same;  /* a hash table of identities */
	uint64_t *uidl;          /* a hash table of hashes of UIDLs */
	size_t sames, sames_cap, uidls, uidls_cap;
	uint64_t seed;
};

bool mbox_known_init(struct mbox_known *k, const struct scan *scan);
void mbox_known_done(struct mbox_known *k);

/* The first `n` known messages are where they were. */
void mbox_known_keep(struct mbox_known *k, uint32_t n);

/* Says which known message this is, the first of several alike that has not been found yet: *which; or MBOX_NONE, and then m->rec gets a
 * UIDL that no other has. `now` is its position. False: no memory. */
bool mbox_known_match(struct mbox_known *k, struct mbox_message *m, int fd, uint32_t now, uint32_t *which);

/* ---- mbox_scan.c ---- */

/* Size, times and samples of an open file, or of none (-1). */
enum err mbox_stamp(int fd, uint32_t rules, struct stamp stamp[STAMPS], struct why *why);

/* The driver's scan. */
enum err mbox_scan(const struct maildrop *md, const struct scan *known, struct scan *now, struct why *why);

/* The same of any open file; `where`, where it is not NULL, gets what mbox_known has, for the caller to free. `grown` false: what is known of a
 * file that only grew is not relied on. */
enum err mbox_find(int fd, uint32_t rules, const struct scan *known, bool grown, struct scan *now, uint32_t **where,
		   struct why *why);

/* ---- mbox.c ---- */

/* Whether the message is in the file where it was when it was listed, to the octet. */
bool mbox_is_at(int fd, const struct listing_rec *rec, const struct scan_entry *e);

/* ---- mbox_commit.c ---- */

enum err mbox_commit(const struct maildrop *md, const struct changes *ch, struct outcome *out, struct scan *left,
		     struct why *why);
