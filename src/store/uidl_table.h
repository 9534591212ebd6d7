/* store/uidl_table.h - a hash table of unique-ids, for popctl
 *
 * Others may choose what is looked up, so hashes have a seed. Texts are borrowed. */
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
