/* mail/listing.h - a record of the scan listing, as it goes from store to front and lies in the index
 *
 * Fixed size, native byte order (it never leaves the machine: an index of another one does not
 * have our magic and is rebuilt). The reader checks every value with listing_is_sane: the file may
 * belong to a hostile user. */
#pragma once
#include "base/slice.h"

enum { UIDL_MOST = 70 }; /* RFC 1939, section 7 (UIDL) */

struct listing_rec {
	uint64_t pos;    /* where the message begins in its file; a file of its own: 0 */
	uint64_t raw;    /* octets as stored */
	uint64_t octets; /* on the wire, before dot-stuffing */
	uint32_t crc;    /* CRC32C of the raw octets, see listing_crc */
	uint32_t lines;  /* on the wire, header and body */
	uint32_t flags;  /* the driver's */
	uint32_t stamp;  /* store's own, see store/stamp.h; front and the index's records have 0 */
	uint8_t uidl_len;
	char uidl[UIDL_MOST + 1]; /* not terminated */
};

/* Where the records of a listing lie in a file: in blocks, so that what else is known of their messages can lie between them, and more
 * can be appended. */
struct listing_place {
	uint64_t at;           /* of the first record */
	uint32_t block;        /* records in a block */
	uint32_t block_octets; /* from the beginning of one to that of the next */
};

/* Where record `i` is, counted from 0; and how many lie together from it on. Only where the place is sane. */
uint64_t listing_at(const struct listing_place *p, uint32_t i);
uint32_t listing_run(const struct listing_place *p, uint32_t i);

/* Whether there is a record in a block, and blocks do not overlap: then no place of a record is beyond 64 bits. */
bool listing_place_is_sane(const struct listing_place *p);

/* 1 to 70 octets of 0x21 to 0x7E, sizes that belong together. */
bool listing_is_sane(const struct listing_rec *r);

struct slice listing_uidl(const struct listing_rec *r);

/* CRC32C (RFC 3720, appendix B.4) over pieces: start with 0, feed the result back in. */
uint32_t listing_crc(uint32_t crc, struct slice octets);

/* The CRC32C of `a` and `b_octets` octets behind it that have `b` by themselves; nothing is read. What it needs for a length is made when that is first met: by
 * one thread; all of it for UINT64_MAX. */
uint32_t listing_crc_join(uint32_t a, uint32_t b, uint64_t b_octets);
