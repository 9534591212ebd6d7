/* store/uidl.h - unique-ids: lasting names of messages (RFC 1939, section 7, UIDL)
 *
 * Computed from what lasts about a message, never taken from a header that its sender wrote: 32 hex digits of a SHA-256.
 * So they are the same after the index was lost, and on another machine that the mail was moved to. */
#pragma once
#include "mail/listing.h"

/* The UIDL of the message with this lasting name, into r. False: no memory. */
bool uidl_plain(struct listing_rec *r, struct slice name);

/* Where several messages have one lasting name: told apart by their contents (r->crc and r->raw are set), and by `copy` where
 * these are the same, too. */
bool uidl_distinct(struct listing_rec *r, struct slice name, uint32_t copy);

bool uidl_same(const struct listing_rec *a, const struct listing_rec *b);
