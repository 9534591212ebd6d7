/* auth/penalty_entry.c - see penalty_entry.h */
#include "auth/penalty_entry.h"

enum { COUNT_MOST = 0xFFFF };

#define CHECK_MASK UINT64_C(0xFFFF)

static uint64_t check_of(uint64_t key)
{
	return key >> 48;
}

static uint64_t state_make(uint64_t key, uint64_t now_ms, uint32_t count)
{
	return (uint64_t)(uint32_t)(now_ms / 1000) << 32 | (uint64_t)count << 16 | check_of(key);
}

/* What is left of so many after so long: halves, and between two halves a straight line. */
static uint32_t decayed(uint32_t count, uint64_t seconds)
{
	uint64_t halves = seconds / PENALTY_HALF_S, rest = seconds % PENALTY_HALF_S;

	if (halves >= 16)
		return 0;
	count >>= halves;
	return count - (uint32_t)(count * rest / (uint64_t)(2 * PENALTY_HALF_S));
}

static uint32_t count_in(uint64_t state, uint64_t key, uint64_t now_ms)
{
	uint64_t then = state >> 32, now = now_ms / 1000;

	if ((state & CHECK_MASK) != check_of(key))
		return 0;
	return decayed((uint32_t)(state >> 16) & COUNT_MOST, now > then ? now - then : 0);
}

uint32_t entry_count(const struct penalty_entry *e, uint64_t key, uint64_t now_ms)
{
	return e ? count_in(atomic_load(&e->state), key, now_ms) : 0;
}

uint64_t entry_time(uint64_t word, uint64_t key)
{
	return (word & CHECK_MASK) == check_of(key) ? word >> 16 : 0;
}

uint64_t entry_word(uint64_t ms, uint64_t key)
{
	return ms << 16 | check_of(key);
}

uint64_t entry_locked(const struct penalty_entry *e, uint64_t key, uint64_t now_ms)
{
	uint64_t until = e ? entry_time(atomic_load(&e->locked), key) : 0;

	return until > now_ms ? until - now_ms : 0;
}

static struct penalty_bucket *bucket_of(const struct penalties *p, uint64_t key)
{
	return &p->buckets[key % p->nbuckets];
}

struct penalty_entry *entry_find(const struct penalties *p, uint64_t key)
{
	struct penalty_bucket *b = bucket_of(p, key);

	for (size_t i = 0; key != 0 && i < PENALTY_WAYS; i++)
		if (atomic_load(&b->entry[i].key) == key)
			return &b->entry[i];
	return NULL;
}

/* What it would be a pity to forget: lock-outs, then many failures, then those of late. */
static uint64_t worth(const struct penalty_entry *e, uint64_t now_ms)
{
	uint64_t key = atomic_load(&e->key), state = atomic_load(&e->state);

	if (key == 0)
		return 0;
	return (uint64_t)(entry_locked(e, key, now_ms) > 0) << 63 | (uint64_t)count_in(state, key, now_ms) << 32 |
	       ((state >> 32) + 1);
}

static struct penalty_entry *entry_poorest(struct penalty_bucket *b, uint64_t now_ms)
{
	struct penalty_entry *poorest = &b->entry[0];
	uint64_t least = worth(poorest, now_ms);

	for (size_t i = 1; i < PENALTY_WAYS && least > 0; i++) {
		uint64_t w = worth(&b->entry[i], now_ms);

		if (w < least) {
			poorest = &b->entry[i];
			least = w;
		}
	}
	return poorest;
}

/* That key's, made if it is not there. First the old key goes, then what counted for it, then the new one comes: whoever
 * dies in between leaves a free entry. */
struct penalty_entry *entry_claim(const struct penalties *p, uint64_t key, uint64_t now_ms)
{
	struct penalty_entry *e = entry_find(p, key);

	if (e)
		return e;
	e = entry_poorest(bucket_of(p, key), now_ms);
	atomic_store(&e->key, 0);
	atomic_store(&e->state, 0);
	atomic_store(&e->next, 0);
	atomic_store(&e->locked, 0);
	for (size_t i = 0; i < PENALTY_TAGS; i++)
		atomic_store(&e->tag[i], 0);
	atomic_store(&e->key, key);
	return e;
}

uint32_t entry_change(struct penalty_entry *e, uint64_t key, int64_t by, uint64_t now_ms)
{
	uint64_t old = atomic_load(&e->state);
	int64_t count;

	do {
		count = (int64_t)count_in(old, key, now_ms) + by;
		count = count < 0 ? 0 : count > COUNT_MOST ? COUNT_MOST : count;
	} while (!atomic_compare_exchange_weak(&e->state, &old, state_make(key, now_ms, (uint32_t)count)));
	return (uint32_t)count;
}

bool entry_tag(struct penalty_entry *e, uint32_t tag)
{
	for (size_t i = 0; i < PENALTY_TAGS; i++)
		if (atomic_load(&e->tag[i]) == tag)
			return true;
	atomic_store(&e->tag[atomic_fetch_add(&e->at, 1) % PENALTY_TAGS], tag);
	return false;
}

uint32_t entry_take(struct penalty_entry *e, uint64_t key, uint64_t now_ms)
{
	return count_in(atomic_exchange(&e->state, state_make(key, now_ms, 0)), key, now_ms);
}
