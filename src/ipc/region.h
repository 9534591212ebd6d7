/* ipc/region.h - memory that processes share, each with no more right to it than it needs
 *
 * Made by master as a memfd with two descriptors, one of which can only ever be mapped for reading, whatever the
 * process that holds the mapping tries later. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/why.h"

struct region {
	int rw, ro; /* owned */
	size_t size;
};

/* Zeroed. On failure nothing is left behind. */
enum err region_new(struct region *r, const char *name, size_t size, struct why *why);
void region_free(struct region *r);

/* Maps `len` octets from `at` (a multiple of the page size); NULL with errno set. */
void *region_map(const struct region *r, bool write, size_t at, size_t len);
