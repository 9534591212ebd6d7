/* store/digest.h - what is to be known of one message that has no lasting name: sizes, checksum, identity
 *
 * For all formats whose messages other programs rewrite, move and renumber: mbox, dotmail, MH.
 *
 * The identity of a message, and its UIDL. For ever: SHA-256 over
 *	- each line of the header without its end (LF or CRLF), and an LF; but without the lines Status, X-Status, X-Keywords, X-UID,
 *	  X-IMAP, X-IMAPbase, X-UIDL, X-Expire-Timestamp, Content-Length and Lines (in any case), and the lines that continue
 *	  them (which begin with a blank or a tab);
 *	- an LF, whether there is an empty line behind the header or not;
 *	- the decimal number of octets of the body, as stored, without the CR and LF at its end; a blank; their CRC32C in decimal.
 * Its first 32 hexadecimal digits are the UIDL, the first 16 are Entry.id. Mail with the same hash is told apart by `copy`
 * (1, 2, ...): SHA-256 over these 32 digits, a blank, and the decimal copy. */
#pragma once
#include "mail/listing.h"
#include "mail/wire.h"
#include "store/stamp.h"
#include "store/uidl.h"

/* How a format keeps the lines of a body: as they are, with a > more before From_ lines, or with a dot more before dots. */
enum digest_lines { DIGEST_PLAIN, DIGEST_QUOTED, DIGEST_DOTTED };

struct digest {
	struct listing_rec rec; /* all but the UIDL, when it has ended; the stamp is not decided */
	uint64_t id;
	char digits[UIDL_DIGITS + 1]; /* of the hash */
	bool internal;                /* kept by another program for itself: no mail */
	char xuidl[UIDL_MOST + 1];    /* of a header X-UIDL that has the form of Mailutils'; else "" */
	/* private to digest.c */
	enum digest_lines lines;
	struct wire wire;
	uint32_t head_crc, body_crc, kept_crc;
	uint64_t body, kept; /* octets */
	bool in_body, in_line, skips, subject, imap;
	bool stamped; /* the last line begins an X-Expire-Timestamp */
};

/* Octets are counted by these rules (enum wire_rule); the message begins at `pos`. One at a time. False: no memory. */
bool digest_begin(struct digest *m, uint32_t rules, enum digest_lines lines, uint64_t pos);
void digest_take(struct digest *m, struct slice piece);
bool digest_end(struct digest *m);

/* One at a time in each thread, where this was called before there were several: what is made once is made then. False: no memory. */
bool digest_share(void);

/* Whether m->xuidl, MD5HEX.TIME.UID, is what Mailutils gave this message: the MD5 is that of what `fd` has at its place. m has ended. */
bool digest_xuidl_is_right(const struct digest *m, int fd);
