/* store/uidl_table.h - hash tables for many messages at once: by unique-id, and by what lasts about them
 *
 * Others may choose what is looked up, so hashes have a seed. Texts and keys are borrowed. */
#pragma once
#include "base/slice.h"

#define UIDL_NONE UINT32_MAX

/* Each id once, with a number. Its room is fixed. */
struct uidl_table {
	struct uidl_slot {
		struct slice uidl; /* n 0: free */
		uint32_t value;
	} * slot;
	size_t mask;
	uint64_t seed;
};

/* For up to `most` ids. False: no memory. */
bool uidl_table_init(struct uidl_table *t, size_t most);
void uidl_table_done(struct uidl_table *t);
uint32_t uidl_table_find(const struct uidl_table *t, struct slice uidl);      /* UIDL_NONE: not there */
bool uidl_table_add(struct uidl_table *t, struct slice uidl, uint32_t value); /* false: it is there already */

/* Things with one key, in the order of their numbers. */
struct uidl_chains {
	uint32_t *head, *next; /* owned */
	const uint64_t *key;   /* borrowed, of each */
	size_t mask;
	uint64_t seed;
};
bool uidl_chains_init(struct uidl_chains *c, const uint64_t *key, uint32_t count);
void uidl_chains_done(struct uidl_chains *c);
uint32_t uidl_chains_first(const struct uidl_chains *c, uint64_t key);
uint32_t uidl_chains_next(const struct uidl_chains *c, uint32_t i); /* the next one with its key */
