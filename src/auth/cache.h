/* auth/cache.h - what was checked a moment ago: user, password and stored hash -> right or wrong
 *
 * A hash takes a millisecond (SHA-512) or 64 (yescrypt), a poll a fifth of one: so what the last check said is kept,
 * in memory that all auth workers share and nobody else can see. An entry is no password and no hash, but a tag of 96
 * bits out of HMAC-SHA256(key, user, password, stored hash); the key is made at start and never leaves that memory. A
 * right and a wrong password have different tags, so whatever a half-written or damaged entry holds, it never turns a
 * wrong password into a right one. A new hash in the password file makes a new tag: a changed password counts at
 * once.
 *
 * Workers write without locks. Four entries share a cache line and are the only places where a tag can be. */
#pragma once
#include "auth/keyed.h"

enum verdict { VERDICT_NONE, VERDICT_RIGHT, VERDICT_WRONG };

struct cache_bucket;
struct cache_head;

struct cache {
	struct cache_head *head;
	struct cache_bucket *buckets; /* shared */
	size_t nbuckets;              /* 0: the cache is off */
	uint32_t ttl, negative_ttl;   /* seconds; 0: not kept */
	EVP_MAC_CTX *mac;             /* with the key in it, copied for each use */
};

/* Octets of shared memory, zeroed at first, for so many entries. */
size_t cache_octets(uint32_t entries);

/* memory: cache_octets(entries), mapped by every worker; aligned to 64. ttl 0 turns the cache off. */
enum err cache_open(struct cache *c, void *memory, size_t octets, uint64_t ttl, uint64_t negative_ttl, struct why *why);
void cache_close(struct cache *c);

/* What the tags of one check are made of; valid for this process and start alone. */
struct cache_key {
	uint64_t bucket;
	uint64_t tag[3][2]; /* by enum verdict: 64 bits and 32 bits */
};
/* False: no key could be made (the cache is off, or libcrypto failed); get and put then do nothing. */
bool cache_key(const struct cache *c, struct slice user, struct slice password, struct slice hash,
	       struct cache_key *key);

/* Octets that nobody can foretell, the same ones each time for `user`, out of the same key: for what is made up of users who are not there.
 * False: there is no key, or libcrypto failed. */
enum { CACHE_MADE_UP = KEYED_OCTETS };
bool cache_made_up(const struct cache *c, struct slice what, struct slice user,
		   unsigned char out[static CACHE_MADE_UP]);

/* Of all workers, since the memory was new; nothing of it is about anybody in particular. */
enum cache_count {
	CACHE_RIGHT,     /* answers: right, */
	CACHE_WRONG,     /* wrong, */
	CACHE_UNKNOWN,   /* none */
	CACHE_LOOKED_AT, /* entries, for all these: at most four each */
	CACHE_KEPT,      /* entries that were written ... */
	CACHE_DISPLACED, /* ... some of them in the place of one that still counted */
	CACHE_COUNTS
};
uint64_t cache_count(const struct cache *c, enum cache_count which);

/* now: seconds of the monotonic clock. An entry that is used lives on from there. */
enum verdict cache_get(const struct cache *c, const struct cache_key *key, uint32_t now);

/* The same for who has waited since his cache_get, when another one with the same key may have been answered: not counted once more. */
enum verdict cache_get_again(const struct cache *c, const struct cache_key *key, uint32_t now);

void cache_put(const struct cache *c, const struct cache_key *key, enum verdict verdict, uint32_t now);
