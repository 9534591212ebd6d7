/* store/uidl.h - unique-ids: lasting names of messages (RFC 1939, section 7, UIDL)
 *
 * Computed from what lasts about a message, never taken from a header that its sender wrote: 32 hex digits of a SHA-256.
 * So they are the same after the index was lost, and on another machine that the mail was moved to. What is hashed, the driver says
 * (Maildir: the file's name; others: store/digest.h). */
#pragma once
#include "mail/listing.h"

/* Of a listing_rec's flags; with MESSAGE_MARKED of store/scan.h. */
enum {
	UIDL_SPECIAL = 1,  /* it is not what the driver computes of this message alone */
	UIDL_SETTLED = 2,  /* store/uidl_settle.h has seen to it: so with all that are in an index */
	UIDL_WAITS = 4,    /* no client may see it yet; private to uidl_settle.c */
	UIDL_RIVALLED = 8, /* the message has an X-UIDL that may count instead: which of both it was is kept */
};

/* The UIDL of the message with this lasting name, into r. False: no memory. */
bool uidl_plain(struct listing_rec *r, struct slice name);

/* Where several messages have one lasting name: told apart by their contents (r->crc and r->raw are set), and by `copy` where
 * these are the same, too. */
bool uidl_distinct(struct listing_rec *r, struct slice name, uint32_t copy);

/* Another one for the same name: `copy` of it. */
bool uidl_copy(struct listing_rec *r, struct slice name, uint32_t copy);

/* A hash of pieces, one at a time in a thread, the first of all before there are several. False: no memory. `digits` gets a C string, *id the first half of it. */
enum { UIDL_DIGITS = 32 };
bool uidl_begin(void);
void uidl_feed(struct slice octets);
bool uidl_end(char digits[UIDL_DIGITS + 1], uint64_t *id);
void uidl_forget(void); /* before a thread ends: what it keeps for the next hash */

/* The UIDL that `text` is, 1 to UIDL_MOST octets. */
void uidl_set(struct listing_rec *r, struct slice text);

/* Two hexadecimal digits for each of n octets, and a NUL. */
void uidl_hex(char *digits, const unsigned char *octets, size_t n);

/* The UIDL of another record, and what is known of it. */
void uidl_keep(struct listing_rec *r, const struct listing_rec *old);

bool uidl_same(const struct listing_rec *a, const struct listing_rec *b);
