/* store/table.h - a hash table of things that carry their own link
 *
 * Keys are 64 bits wide and unique in a table. Whatever is looked up by one embeds a struct table_item; the table owns
 * nothing but its buckets, which grow with the number of items. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_item {
	uint64_t key;
	struct table_item *next;
};

struct table {
	struct table_item **bucket;
	size_t buckets; /* a power of two; 0: none yet */
	size_t count;
};

/* False: no memory, or the key is there already; nothing has changed then. */
bool table_add(struct table *t, struct table_item *item, uint64_t key);

struct table_item *table_find(const struct table *t, uint64_t key); /* NULL: not there */

/* An item that is not in the table: nothing happens. */
void table_remove(struct table *t, const struct table_item *item);

/* Calls fn for every item; fn may remove the item that it is given, and no other. */
void table_each(struct table *t, void (*fn)(struct table_item *item, void *arg), void *arg);

/* Frees the buckets. The items are their owners'. */
void table_done(struct table *t);
