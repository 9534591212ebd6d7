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

/* ---- ids ---- */

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

/* ---- keys ---- */

static uint32_t *head_of(const struct uidl_chains *c, uint64_t key)
{
	return &c->head[lock_key(c->seed, key) & c->mask];
}

/* From the last to the first, so that the first comes first. */
bool uidl_chains_init(struct uidl_chains *c, const uint64_t *key, uint32_t count)
{
	*c = (struct uidl_chains){.key = key, .mask = mask_for(count), .seed = (uint64_t)clock_wall_ns()};
	c->head = malloc((c->mask + 1) * sizeof *c->head);
	c->next = calloc((size_t)count + 1, sizeof *c->next);
	if (!c->head || !c->next)
		return false;
	for (size_t i = 0; i <= c->mask; i++)
		c->head[i] = UIDL_NONE;
	for (uint32_t i = count; i-- > 0;) {
		c->next[i] = *head_of(c, key[i]);
		*head_of(c, key[i]) = i;
	}
	return true;
}

void uidl_chains_done(struct uidl_chains *c)
{
	free(c->head);
	free(c->next);
	*c = (struct uidl_chains){0};
}

static uint32_t with_key(const struct uidl_chains *c, uint32_t i, uint64_t key)
{
	while (i != UIDL_NONE && c->key[i] != key)
		i = c->next[i];
	return i;
}

uint32_t uidl_chains_first(const struct uidl_chains *c, uint64_t key)
{
	return with_key(c, *head_of(c, key), key);
}

uint32_t uidl_chains_next(const struct uidl_chains *c, uint32_t i)
{
	return with_key(c, c->next[i], c->key[i]);
}
