/* store/ids.h - a hash table of 64-bit numbers that needs no more memory for a million of them than for some ten thousand
 *
 * Whoever has many goes through them once for each part, and looks only at those that belong to it: what has one number is in one part. Others may
 * choose the numbers, so what they are hashed with is new each time.
 *
 *	for (uint32_t part = 0; part < t.parts && ids_part(&t, part); part++)
 *		for all numbers
 *			if (ids_has(&t, id))
 *				... ids_at(&t, id) ...
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The caller's, but for the first member. */
struct ids_slot {
	uint64_t id;
	uint32_t count; /* 0: it was not there. Whoever got it from ids_at sets it, before the next call */
	uint32_t first;
};

struct ids {
	struct ids_slot *slot;
	size_t cap, used;
	uint64_t seed;
	uint32_t part, parts;
	size_t expected; /* numbers in a part */
};

/* For up to `count` numbers in all. Nothing is allocated yet. */
void ids_init(struct ids *t, uint64_t count);
void ids_done(struct ids *t);

/* The same parts as of another table, for up to `count` numbers. */
void ids_init_like(struct ids *t, const struct ids *other, uint64_t count);

/* Begins with a part: the table is empty. False: no memory. */
bool ids_part(struct ids *t, uint32_t part);

/* Whether a number belongs to the part. */
bool ids_has(const struct ids *t, uint64_t id);

/* The slot of a number of this part, until the next call; a new one, if there was none, with count 0. NULL: no memory. */
struct ids_slot *ids_at(struct ids *t, uint64_t id);

/* The same; NULL: it is not there. */
struct ids_slot *ids_find(const struct ids *t, uint64_t id);
