/* store/table.c - see table.h */
#include "store/table.h"

#include <stdlib.h>

enum { BUCKETS_FIRST = 16 };

static struct table_item **bucket_of(const struct table *t, uint64_t key)
{
	return &t->bucket[(key * 0x9E3779B97F4A7C15u) >> 32 & (t->buckets - 1)];
}

static bool grow(struct table *t)
{
	struct table bigger = {.buckets = t->buckets ? t->buckets * 2 : BUCKETS_FIRST, .count = t->count};

	bigger.bucket = calloc(bigger.buckets, sizeof *bigger.bucket);
	if (!bigger.bucket)
		return false;
	for (size_t i = 0; i < t->buckets; i++)
		while (t->bucket[i]) {
			struct table_item *item = t->bucket[i];
			struct table_item **to = bucket_of(&bigger, item->key);

			t->bucket[i] = item->next;
			item->next = *to;
			*to = item;
		}
	free(t->bucket);
	*t = bigger;
	return true;
}

bool table_add(struct table *t, struct table_item *item, uint64_t key)
{
	if (table_find(t, key) || (t->count >= t->buckets && !grow(t)))
		return false;
	struct table_item **to = bucket_of(t, key);

	*item = (struct table_item){.key = key, .next = *to};
	*to = item;
	t->count++;
	return true;
}

struct table_item *table_find(const struct table *t, uint64_t key)
{
	struct table_item *item = t->buckets ? *bucket_of(t, key) : NULL;

	while (item && item->key != key)
		item = item->next;
	return item;
}

void table_remove(struct table *t, const struct table_item *item)
{
	struct table_item **at = t->buckets ? bucket_of(t, item->key) : NULL;

	while (at && *at && *at != item)
		at = &(*at)->next;
	if (at && *at) {
		*at = item->next;
		t->count--;
	}
}

void table_each(struct table *t, void (*fn)(struct table_item *item, void *arg), void *arg)
{
	for (size_t i = 0; i < t->buckets; i++)
		for (struct table_item *item = t->bucket[i], *next; item; item = next) {
			next = item->next;
			fn(item, arg);
		}
}

void table_done(struct table *t)
{
	free(t->bucket);
	*t = (struct table){0};
}
