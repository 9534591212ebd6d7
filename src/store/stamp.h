/* store/stamp.h - when a message was first retrieved: `expire'
 *
 * A stamp is in seconds since 1970, 0: it was not retrieved. It is in the index (struct index_mark), and with `expire-mark header' in the message's
 * header, too, X-Expire-Timestamp, where Mailutils and scripts look for it. While a maildrop is scanned it is in Record.stamp and these flags.
 *
 * Whoever sends mail can write that header, and mail must not vanish unread for it. So it is believed only
 *	- where the message had none when it was listed before: a program of this machine has written it; or
 *	- where nothing is known of the maildrop (Mailutils served it until now, or the index is lost), and then not if it lies in the future, or
 *	  before the message came, as far as the message's place tells that.
 * Any other is as none, but that it goes when ours is written. */
#pragma once
#include "mail/listing.h"

/* Of a record's flags, beside those of store/uidl.h and MESSAGE_MARKED. */
enum {
	STAMP_HEADER = 32,  /* the message's header has its stamp */
	STAMP_FOREIGN = 64, /* its header has one that is not believed */
	STAMP_READ = 128, /* its header was read now, and it is not decided: rec.stamp is what it says, 0: no number */
	STAMP_LEFT = 256, /* its header could not be written; it is tried again when others are */
	STAMP_FLAGS = STAMP_HEADER | STAMP_FOREIGN | STAMP_READ | STAMP_LEFT,
};

#define STAMP_NAME "X-Expire-Timestamp:"

struct stamp_setup {
	uint32_t days; /* `expire'; UINT32_MAX: never */
	bool deletes;  /* `delete-expired' */
	bool header;   /* `expire-mark' */
};

/* The line of a header, without NUL; its octets. */
enum { STAMP_LINE = 48 };
size_t stamp_line(char line[static STAMP_LINE], uint32_t stamp, bool crlf);

/* Now, as a stamp. */
uint32_t stamp_now(void);

/* What a header says: all of it is a decimal number, with blanks around; one that is too large is UINT32_MAX. 0: it is none. */
uint32_t stamp_parse(struct slice value);

/* Looks for the header in what a message begins with, as far as that has its header. */
void stamp_find(struct listing_rec *r, struct slice message);

/* A record that was read now is of the message that `old' is of. */
void stamp_keep(struct listing_rec *r, const struct listing_rec *old);

/* A message that was not listed before came at that time, if that can be said: a stamp of before it is none. Seconds; 0 and the future say nothing. */
void stamp_came(struct listing_rec *r, uint64_t came);

/* Decides what stamp_keep has not decided. known: of this maildrop something is known. */
void stamp_decide(struct listing_rec *r, bool known, uint32_t now);

/* From when on a message with this stamp may be deleted; UINT64_MAX: never. */
uint64_t stamp_ends(const struct stamp_setup *setup, uint32_t stamp);
