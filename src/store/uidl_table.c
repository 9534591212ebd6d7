/* store/uidl_table.c - see uidl_table.h */
#include "store/uidl_table.h"

#include <stdlib.h>

#include "base/clock.h"
#include "store/lock.h"

static size_t mask_for(size_t most)
{
	size_t slots = 64;

	while (slots < most * 2)
		slots *= 2;
	return slots - 1;
}

bool uidl_table_init(struct uidl_table *t, size_t most)
{
	*t = (struct uidl_table){.mask = mask_for(most), .seed = (uint64_t)clock_wall_ns()};
	t->slot = calloc(t->mask + 1, sizeof *t->slot);
	return t->slot != NULL;
}

void uidl_table_done(struct uidl_table *t)
{
	free(t->slot);
	*t = (struct uidl_table){0};
}

static struct uidl_slot *slot_of(const struct uidl_table *t, struct slice uidl)
{
	size_t i = lock_key_named(t->seed, uidl.n, uidl) & t->mask;

	while (t->slot[i].uidl.n > 0 && !slice_eq(t->slot[i].uidl, uidl))
		i = (i + 1) & t->mask;
	return &t->slot[i];
}

uint32_t uidl_table_find(const struct uidl_table *t, struct slice uidl)
{
	const struct uidl_slot *s = slot_of(t, uidl);

	return s->uidl.n > 0 ? s->value : UIDL_NONE;
}

bool uidl_table_add(struct uidl_table *t, struct slice uidl, uint32_t value)
{
	struct uidl_slot *s = slot_of(t, uidl);

	if (s->uidl.n > 0)
		return false;
	*s = (struct uidl_slot){uidl, value};
	return true;
}
