/* store/ids.c - see ids.h. Open addressing; half of the slots are free, where numbers are spread as one expects. */
#include "store/ids.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/room.h"

enum { SLOTS_FIRST = 64 };

void ids_init(struct ids *t, uint64_t count)
{
	uint64_t most = room_rows(), parts = count > most ? (count + most - 1) / most : 1;

	*t = (struct ids){.seed = (uint64_t)clock_wall_ns(), .parts = (uint32_t)parts};
	t->expected = (size_t)((count + parts - 1) / parts);
}

void ids_init_like(struct ids *t, const struct ids *other, uint64_t count)
{
	*t = (struct ids){.seed = other->seed, .parts = other->parts};
	t->expected = (size_t)((count + t->parts - 1) / t->parts);
}

void ids_done(struct ids *t)
{
	free(t->slot);
	*t = (struct ids){0};
}

bool ids_part(struct ids *t, uint32_t part)
{
	t->part = part;
	t->used = 0;
	if (t->slot) {
		memset(t->slot, 0, t->cap * sizeof *t->slot);
		return true;
	}
	t->cap = SLOTS_FIRST;
	while (t->cap < t->expected + t->expected / 2)
		t->cap *= 2;
	t->slot = calloc(t->cap, sizeof *t->slot);
	return t->slot != NULL;
}

static uint64_t hash(const struct ids *t, uint64_t id)
{
	uint64_t h = (id ^ t->seed) * 0x9E3779B97F4A7C15u;

	h = (h ^ h >> 32) * 0xD6E8FEB86659FD93u;
	return h ^ h >> 32;
}

bool ids_has(const struct ids *t, uint64_t id)
{
	return t->parts == 1 || (hash(t, id) >> 32) * t->parts >> 32 == t->part;
}

static struct ids_slot *slot_of(const struct ids *t, uint64_t id)
{
	size_t i = hash(t, id) & (t->cap - 1);

	while (t->slot[i].count > 0 && t->slot[i].id != id)
		i = (i + 1) & (t->cap - 1);
	return &t->slot[i];
}

/* More than one expects fell into this part. */
static bool grow(struct ids *t)
{
	struct ids bigger = *t;

	bigger.cap = t->cap * 2;
	bigger.slot = calloc(bigger.cap, sizeof *bigger.slot);
	if (!bigger.slot)
		return false;
	for (size_t i = 0; i < t->cap; i++)
		if (t->slot[i].count > 0)
			*slot_of(&bigger, t->slot[i].id) = t->slot[i];
	free(t->slot);
	*t = bigger;
	return true;
}

struct ids_slot *ids_at(struct ids *t, uint64_t id)
{
	if (t->used * 4 >= t->cap * 3 && !grow(t))
		return NULL;
	struct ids_slot *s = slot_of(t, id);

	if (s->count == 0) {
		s->id = id;
		s->first = 0;
		t->used++;
	}
	return s;
}

struct ids_slot *ids_find(const struct ids *t, uint64_t id)
{
	struct ids_slot *s = slot_of(t, id);

	return s->count > 0 ? s : NULL;
}
