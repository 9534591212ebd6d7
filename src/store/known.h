/* store/known.h - which message is which, where none has a lasting name
 *
 * Known messages by identity, and UIDLs that are taken. */
#pragma once
#include "store/digest.h"
#include "store/scan.h"

#define KNOWN_NONE UINT32_MAX

struct known {
	const struct scan *scan; /* borrowed */
	uint32_t *where;         /* of each known message: its position now, or KNOWN_NONE */
	uint32_t *next;          /* the next one of the same identity, or KNOWN_NONE */
	struct known_same *same; /* a hash table of identities */
	uint64_t *uidl;          /* a hash table of hashes of UIDLs */
	size_t sames, sames_cap, uidls, uidls_cap;
	uint64_t seed;
};

/* False: no memory. In any case there is something to be done with. */
bool known_init(struct known *k, const struct scan *scan);
void known_done(struct known *k);

/* The first `n` known messages are where they were. */
void known_keep(struct known *k, uint32_t n);

/* Known message number `known` is the one at position `now`, which something else has told. False: it is another one already. */
bool known_is(struct known *k, uint32_t known, uint32_t now);

/* Says which known message this is, the first of several alike that has not been found yet: *which; or KNOWN_NONE, and then m->rec gets a
 * UIDL that no other has. `now` is its position. False: no memory. */
bool known_match(struct known *k, struct digest *m, int fd, uint32_t now, uint32_t *which);
