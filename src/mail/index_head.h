/* mail/index_head.h - the head of a scan listing that is kept between sessions (store/index.h), and what must hold of it
 *
 * Store writes it and reads it; front reads the head of an index that comes from the opener (front/opened.h). Whoever reads it takes nothing for
 * granted: the file may belong to a hostile user. */
#pragma once
#include <stdbool.h>

#include "base/filestamp.h"
#include "mail/listing.h"

enum {
	/* of a maildrop: what it looks like from outside; as long as they are the same, so is the maildrop */
	STAMPS = 2,
	NOTES = 4,
	INDEX_INLINE = 16 * 1024 / sizeof(struct listing_rec), /* records that are read together with the head */
	INDEX_BLOCK_LEAST = 256,
	INDEX_BLOCK_MOST = 1024,
	INDEX_ROOM_STEP = 16,
	INDEX_ROOM_MOST = 256, /* octets: a name of NAME_MAX, and one */
	INDEX_ENTRY_OCTETS = 40,
};

struct index_head {
	char magic[8];
	uint32_t version;
	uint32_t order; /* of octets in a number */
	char driver[16];
	uint32_t count;
	uint32_t block; /* messages: a power of two */
	uint32_t room;  /* octets of a name */
	/* 1, and 1 for each message with a deletion mark; 0: not known, it was written before they were looked for */
	uint32_t marks;
	uint64_t octets;  /* of all messages, on the wire */
	int64_t taken_ns; /* wall clock, before the maildrop was looked at */
	struct stamp stamp[STAMPS];
	uint64_t notes[NOTES];
	uint64_t sum;       /* of the checksums of all messages */
	uint32_t oldest;    /* stamp: no message has an older one; 0: none has any */
	uint32_t unwritten; /* 1: there may be a stamp that no header has */
	uint32_t flagged;   /* 1: no message has flags that are to be written (flags_pending of store/flags.h) */
	uint32_t head_crc;  /* of the head before this */
};

/* What one read gets of a file. */
struct index_first {
	struct index_head head;
	struct listing_rec rec[INDEX_INLINE];
};

/* A head with what says that it is one of ours, and 0 for the rest. `driver' is the format's name. */
void index_head_begin(struct index_head *h, const char *driver);

uint32_t index_head_crc(const struct index_head *h);

/* Of `got' octets that were read: it is one of ours, of this format, and whole. */
bool index_head_is_ours(const struct index_head *h, size_t got, const char *driver);

/* What was read behind it, `got' octets with the head, are sane records; a listing of at most INDEX_INLINE messages has as many octets as it says. */
bool index_first_is_sane(const struct index_first *first, size_t got);

/* At `now_ns' (wall clock), what has these times had last changed so long before that whatever changes it from now on gets other ones. */
bool index_is_calm(const struct stamp *s, int64_t now_ns);

/* Where the records of an index with such blocks are, and where what is known of `count' messages ends. */
struct listing_place index_records_at(uint32_t block, uint32_t room);
uint64_t index_end(uint32_t count, uint32_t block, uint32_t room);

/* Whether what was last written at `mtime_ns' was written since the machine was started, with some time in between: else it may have holes. */
bool index_is_of_this_boot(int64_t mtime_ns);
