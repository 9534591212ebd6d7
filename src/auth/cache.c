/* auth/cache.c - see cache.h */
#include "auth/cache.h"

#include <openssl/evp.h>
#include <string.h>

enum { WAYS = 4, LINE = 64 };

/* The second word goes in one write: 32 bits of the tag, and when the entry ends. So a mixture of two writers'
 * entries has a tag that belongs to nobody. The lowest bit of the end says whether a right password is remembered; it
 * decides what to throw out, never the verdict. */
struct entry {
	_Atomic uint64_t tag, rest;
};

struct cache_bucket {
	struct entry entry[WAYS];
};

struct cache_head {
	struct keyed_secret secret;
	char pad[LINE - sizeof(struct keyed_secret)];
	_Atomic uint64_t count[LINE / sizeof(uint64_t)]; /* by enum cache_count */
};

_Static_assert(sizeof(struct cache_bucket) == LINE, "a bucket is a cache line");
_Static_assert(sizeof(struct cache_head) == 2 * (size_t)LINE, "buckets begin at a cache line");
_Static_assert(CACHE_COUNTS <= LINE / sizeof(uint64_t), "the counts have one");

#define TAG_MASK (UINT64_C(0xFFFFFFFF) << 32)

size_t cache_octets(uint32_t entries)
{
	return sizeof(struct cache_head) + ((size_t)entries + WAYS - 1) / WAYS * sizeof(struct cache_bucket);
}

/* One bit of the end is taken, and it must not run over. */
static uint32_t ttl_cap(uint64_t ttl)
{
	return ttl < UINT32_MAX / 4 ? (uint32_t)ttl : UINT32_MAX / 4;
}

enum err cache_open(struct cache *c, void *memory, size_t octets, uint64_t ttl, uint64_t negative_ttl, struct why *why)
{
	*c = (struct cache){0};
	if (!memory || octets < sizeof(struct cache_head))
		return OK;
	c->head = memory;
	enum err err = keyed_open(&c->mac, &c->head->secret, why);

	if (err != OK)
		return err;
	if (ttl == 0 || octets < sizeof(struct cache_head) + sizeof(struct cache_bucket))
		return OK;
	c->buckets = (struct cache_bucket *)(c->head + 1);
	c->nbuckets = (octets - sizeof(struct cache_head)) / sizeof(struct cache_bucket);
	c->ttl = ttl_cap(ttl);
	c->negative_ttl = ttl_cap(negative_ttl);
	return OK;
}

void cache_close(struct cache *c)
{
	EVP_MAC_CTX_free(c->mac);
	*c = (struct cache){0};
}

/* --- keys ------------------------------------------------------------------------------------------------------- */

bool cache_key(const struct cache *c, struct slice user, struct slice password, struct slice hash,
	       struct cache_key *key)
{
	struct slice field[] = {user, password, hash};
	uint32_t mac[KEYED_OCTETS / sizeof(uint32_t)];

	memset(key, 0, sizeof *key);
	if (c->nbuckets == 0 || !keyed_hash(c->mac, field, sizeof field / sizeof *field, mac))
		return false;
	/* 8 octets choose the bucket, 12 say "right", the other 12 say "wrong" */
	key->bucket = (uint64_t)mac[0] << 32 | mac[1];
	key->tag[VERDICT_RIGHT][0] = (uint64_t)mac[2] << 32 | mac[3];
	key->tag[VERDICT_RIGHT][1] = (uint64_t)mac[4] << 32;
	key->tag[VERDICT_WRONG][0] = (uint64_t)mac[5] << 32 | mac[6];
	key->tag[VERDICT_WRONG][1] = (uint64_t)mac[7] << 32;
	return true;
}

/* A field more than a key has: so no entry is made of the same octets. */
bool cache_made_up(const struct cache *c, struct slice what, struct slice user, unsigned char out[static CACHE_MADE_UP])
{
	struct slice field[] = {SLICE("made up"), what, user, SLICE("")};
	uint32_t mac[KEYED_OCTETS / sizeof(uint32_t)];

	if (!c->mac || !keyed_hash(c->mac, field, sizeof field / sizeof *field, mac))
		return false;
	memcpy(out, mac, CACHE_MADE_UP);
	return true;
}

static bool key_is_made(const struct cache_key *key)
{
	return (key->tag[VERDICT_RIGHT][0] | key->tag[VERDICT_WRONG][0]) != 0;
}

/* --- entries ---------------------------------------------------------------------------------------------------- */

static struct cache_bucket *bucket_of(const struct cache *c, const struct cache_key *key)
{
	return &c->buckets[key->bucket % c->nbuckets];
}

static uint64_t rest_make(uint64_t tag, uint32_t end, enum verdict v)
{
	return tag | (uint64_t)end << 1 | (v == VERDICT_RIGHT ? 1 : 0);
}

static uint32_t rest_end(uint64_t rest)
{
	return (uint32_t)(rest & ~TAG_MASK) >> 1;
}

static bool is_tagged(const struct entry *e, uint64_t rest, const uint64_t tag[2])
{
	return atomic_load_explicit(&e->tag, memory_order_relaxed) == tag[0] && (rest & TAG_MASK) == tag[1];
}

static uint32_t ttl_of(const struct cache *c, enum verdict v)
{
	return v == VERDICT_RIGHT ? c->ttl : c->negative_ttl;
}

/* A right password that is used stays known. Seldom written, so that the line stays in every worker's cache. */
static void refresh(const struct cache *c, struct entry *e, uint64_t rest, const struct cache_key *key, uint32_t now)
{
	uint64_t longer = rest_make(key->tag[VERDICT_RIGHT][1], now + c->ttl, VERDICT_RIGHT);

	if (rest_end(rest) - now < c->ttl - c->ttl / 8)
		atomic_compare_exchange_strong(&e->rest, &rest, longer);
}

static void count(const struct cache *c, enum cache_count which, uint64_t n)
{
	atomic_fetch_add_explicit(&c->head->count[which], n, memory_order_relaxed);
}

uint64_t cache_count(const struct cache *c, enum cache_count which)
{
	return c->nbuckets > 0 ? atomic_load_explicit(&c->head->count[which], memory_order_relaxed) : 0;
}

/* *looked_at: the entries that it took. */
static enum verdict bucket_find(const struct cache *c, struct cache_bucket *b, const struct cache_key *key,
				uint32_t now, size_t *looked_at)
{
	for (*looked_at = 0; *looked_at < WAYS;) {
		struct entry *e = &b->entry[(*looked_at)++];
		uint64_t rest = atomic_load_explicit(&e->rest, memory_order_relaxed);

		if (rest_end(rest) <= now)
			continue;
		if (is_tagged(e, rest, key->tag[VERDICT_RIGHT])) {
			refresh(c, e, rest, key, now);
			return VERDICT_RIGHT;
		}
		if (is_tagged(e, rest, key->tag[VERDICT_WRONG]))
			return VERDICT_WRONG;
	}
	return VERDICT_NONE;
}

enum verdict cache_get(const struct cache *c, const struct cache_key *key, uint32_t now)
{
	static const enum cache_count of[] = {
		[VERDICT_NONE] = CACHE_UNKNOWN, [VERDICT_RIGHT] = CACHE_RIGHT, [VERDICT_WRONG] = CACHE_WRONG};
	size_t looked_at;

	if (c->nbuckets == 0 || !key_is_made(key))
		return VERDICT_NONE;
	enum verdict v = bucket_find(c, bucket_of(c, key), key, now, &looked_at);

	count(c, of[v], 1);
	count(c, CACHE_LOOKED_AT, looked_at);
	return v;
}

enum verdict cache_get_again(const struct cache *c, const struct cache_key *key, uint32_t now)
{
	size_t looked_at;

	if (c->nbuckets == 0 || !key_is_made(key))
		return VERDICT_NONE;
	return bucket_find(c, bucket_of(c, key), key, now, &looked_at);
}

/* What an entry is worth: whoever guesses passwords fills the cache with wrong ones, and must not push out right
 * ones. */
static uint64_t worth(uint64_t rest, uint32_t now)
{
	uint32_t end = rest_end(rest);
	uint64_t left = end > now ? end - now : 0;

	return left > 0 && (rest & 1) ? left + UINT32_MAX : left;
}

static struct entry *entry_to_replace(struct cache_bucket *b, const uint64_t tag[2], uint32_t now, uint64_t *least)
{
	struct entry *poorest = NULL;

	for (size_t i = 0; i < WAYS; i++) {
		struct entry *e = &b->entry[i];
		uint64_t rest = atomic_load_explicit(&e->rest, memory_order_relaxed);
		uint64_t w = is_tagged(e, rest, tag) ? 0 : worth(rest, now);

		if (!poorest || w < *least) {
			poorest = e;
			*least = w;
		}
	}
	return poorest;
}

void cache_put(const struct cache *c, const struct cache_key *key, enum verdict verdict, uint32_t now)
{
	uint32_t ttl = ttl_of(c, verdict);
	uint64_t least = 0;

	if (c->nbuckets == 0 || !key_is_made(key) || verdict == VERDICT_NONE || ttl == 0)
		return;
	struct entry *e = entry_to_replace(bucket_of(c, key), key->tag[verdict], now, &least);

	if (verdict == VERDICT_WRONG && least > UINT32_MAX)
		return;
	count(c, CACHE_KEPT, 1);
	count(c, CACHE_DISPLACED, least > 0);
	atomic_store_explicit(&e->tag, key->tag[verdict][0], memory_order_relaxed);
	atomic_store_explicit(&e->rest, rest_make(key->tag[verdict][1], now + ttl, verdict), memory_order_relaxed);
}
