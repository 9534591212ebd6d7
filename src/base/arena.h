/* base/arena.h - memory with one lifetime and a ceiling
 *
 * Everything that a session (or a command, a parse, a scan) allocates comes from its arena and goes
 * with it. Memory is taken from malloc in blocks that start small and grow, so that an idle
 * session costs what it uses. Nothing is freed singly; a mark gives back all that came after it. */
#pragma once
#include <stddef.h>

#include "base/slice.h"

struct arena;

/* A new arena that never holds more than `ceiling` octets (its own book-keeping included).
 * NULL: no memory. */
struct arena *arena_new(size_t ceiling);

/* Runs what was deferred, last first, then frees all. NULL is fine. */
void arena_free(struct arena *a);

/* Overwrites all that was allocated, for an arena that secrets passed through: arena_free next. */
void arena_wipe(struct arena *a);

/* `n` octets of zeros, aligned for any type; NULL when the ceiling or the machine says no. */
void *arena_zero(struct arena *a, size_t n);

/* A copy of text with a NUL behind it; NULL as above. */
char *arena_str(struct arena *a, struct slice text);

/* Runs fn(arg) when the arena is freed. False: no memory, and fn will not run. */
bool arena_defer(struct arena *a, void (*fn)(void *arg), void *arg);

/* Everything allocated after arena_mark is given back by arena_release; what was deferred after
 * the mark is run then. Marks nest. */
struct arena_mark {
	void *block;
	size_t used, total;
	void *deferred;
};
struct arena_mark arena_mark(const struct arena *a);
void arena_release(struct arena *a, struct arena_mark mark);

/* Octets taken from malloc at the moment. */
size_t arena_octets(const struct arena *a);
