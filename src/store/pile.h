/* store/pile.h - many rows, each with a text, that are brought into an order without having them all in memory
 *
 * Rows have any size, which is the same for all of a pile, and begin with a struct pile_text. They lie in rooms (store/room.h), one behind the
 * other, as do their texts. Some thousand are sorted at a time, and what is sorted is merged. */
#pragma once
#include "base/slice.h"
#include "store/room.h"

struct pile_text {
	uint32_t at; /* in the texts */
	uint32_t n;
};

struct pile {
	struct room row, text; /* owned */
	size_t size;           /* of a row */
	size_t count, text_len;
};

/* Begins as {.size = ...}. Adds a copy of a row, with a text of two parts. False: no memory, and nothing has changed. None is looked at before they were sorted. */
bool pile_add(struct pile *p, const void *row, struct slice text, struct slice more);

static inline void *pile_row(const struct pile *p, size_t i)
{
	return p->row.p + i * p->size;
}

static inline const char *pile_text(const struct pile *p, const void *row)
{
	return p->text.p + ((const struct pile_text *)row)->at;
}

/* By `compare`, which gets two rows and p->text.p. False: no memory, and rows may be lost. */
bool pile_sort(struct pile *p, int (*compare)(const void *a, const void *b, void *texts));

void pile_done(struct pile *p);
