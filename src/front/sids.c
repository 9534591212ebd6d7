/* front/sids.c - see sids.h */
#include "front/sids.h"

#include <stdlib.h>

#include "front/session.h"

enum { BUCKETS_FIRST = 64 };

bool sids_init(struct sids *p, uint32_t serial, const uint32_t key[4])
{
	*p = (struct sids){.serial = serial, .buckets = BUCKETS_FIRST, .key = {key[0], key[1], key[2], key[3]}};
	p->bucket = calloc(p->buckets, sizeof *p->bucket);
	return p->bucket;
}

enum { ROUNDS = 8 };

static uint32_t mix(uint32_t half, unsigned round, const uint32_t key[4])
{
	uint64_t h = (half ^ (uint64_t)key[round % 4] << 16 ^ (uint64_t)round << 60) * 0x9E3779B97F4A7C15U;

	return (uint32_t)((h ^ h >> 31) * 0xBF58476D1CE4E5B9U >> 48);
}

/* A number for a number, none twice, and none to be guessed from others: a Feistel network of 16 bits each way. */
static uint32_t encrypt(uint32_t x, const uint32_t key[4])
{
	uint32_t left = x >> 16, right = x & 0xFFFF;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t old = right;

		right = left ^ mix(right, i, key);
		left = old;
	}
	return left << 16 | right;
}

static uint32_t decrypt(uint32_t x, const uint32_t key[4])
{
	uint32_t left = x >> 16, right = x & 0xFFFF;

	for (unsigned i = ROUNDS; i-- > 0;) {
		uint32_t old = left;

		left = right ^ mix(left, i, key);
		right = old;
	}
	return left << 16 | right;
}

static struct session **bucket_of(const struct sids *p, uint64_t sid)
{
	return &p->bucket[sid & (p->buckets - 1)];
}

struct session *sids_find(const struct sids *p, uint64_t sid)
{
	struct session *s = *bucket_of(p, sid);

	while (s && s->sid != sid)
		s = s->sid_next;
	return s;
}

static void insert(struct sids *p, struct session *s)
{
	struct session **bucket = bucket_of(p, s->sid);

	s->sid_next = *bucket;
	*bucket = s;
}

/* Without memory the table stays as it is, and gets slower. */
static void grow(struct sids *p)
{
	struct sids bigger = {.buckets = p->buckets * 2, .bucket = calloc(p->buckets * 2, sizeof *p->bucket)};

	if (!bigger.bucket)
		return;
	for (size_t i = 0; i < p->buckets; i++)
		while (p->bucket[i]) {
			struct session *s = p->bucket[i];

			p->bucket[i] = s->sid_next;
			insert(&bigger, s);
		}
	free(p->bucket);
	p->bucket = bigger.bucket;
	p->buckets = bigger.buckets;
}

bool sids_was_given(const struct sids *p, uint64_t sid)
{
	return sid_front(sid) == p->serial && (p->all_given || decrypt((uint32_t)sid, p->key) - 1 < p->counter);
}

void sids_give(struct sids *p, struct session *s)
{
	if (p->used >= p->buckets)
		grow(p);
	do {
		s->sid = (uint64_t)p->serial << 32 | encrypt(++p->counter, p->key);
		p->all_given |= p->counter == 0;
	} while (sids_find(p, s->sid));
	insert(p, s);
	p->used++;
}

void sids_take(struct sids *p, struct session *s)
{
	struct session **at = bucket_of(p, s->sid);

	while (*at != s)
		at = &(*at)->sid_next;
	*at = s->sid_next;
	s->sid = 0;
	p->used--;
}

void sids_done(struct sids *p)
{
	free(p->bucket);
}
