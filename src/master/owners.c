/* master/owners.c - see owners.h */
#include "master/owners.h"

#include <stddef.h>
#include <unistd.h>

#include "master/child.h"

enum {
	RETIRED_AT_ONCE = 16,     /* so that not every login looks for one */
	LOOK_MS = 1000,           /* nor where all have sessions */
	IDLE_OCTETS = 256 * 1024, /* of memory, a worker without a session: rather more than it has */
	MEMORY_PART = 16,         /* of the machine's, for all of them */
	MOST_LEAST = 64,          /* on a small machine */
};

bool owner_same(struct identity a, struct identity b)
{
	return a.uid == b.uid && a.gid == b.gid;
}

/* --- by owner --- */

static size_t list_of(struct identity owner)
{
	uint64_t h = ((uint64_t)owner.gid << 32 | owner.uid) * UINT64_C(0x9E3779B97F4A7C15);

	return h >> 52;
}
_Static_assert(OWNERS_LISTS == 1 << (64 - 52), "list_of takes as many bits as there are lists");

static struct child *same_from(struct child *c, struct identity owner)
{
	while (c && !owner_same(c->owner, owner))
		c = c->next;
	return c;
}

struct child *owners_first(const struct owners *o, struct identity owner)
{
	return same_from(o->list[list_of(owner)], owner);
}

struct child *owners_next(const struct child *c)
{
	return same_from(c->next, c->owner);
}

void owners_add(struct owners *o, struct child *c)
{
	struct child **at = &o->list[list_of(c->owner)];

	while (*at)
		at = &(*at)->next;
	c->next = NULL;
	*at = c;
}

void owners_remove(struct owners *o, struct child *c)
{
	struct child **at = &o->list[list_of(c->owner)];

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
}

/* --- places --- */

/* One that an owner kept behind a failure, and who has not come again. Rare: there is no other place left. */
static struct child *place_reclaim(struct master *m)
{
	struct pool *stores = &m->pool[ROLE_STORE];
	uint64_t now = clock_ms();

	for (unsigned i = 0; i < stores->n; i++) {
		struct child *c = &stores->child[i];

		if (child_runs(c) || c->again_ms > now)
			continue;
		owners_remove(&m->owners, c);
		place_give(m, c);
		return m->owners.free;
	}
	return NULL;
}

struct child *place_take(struct master *m)
{
	struct owners *o = &m->owners;
	struct child *c = o->free ? o->free : place_add(m, ROLE_STORE);

	if (!c)
		c = place_reclaim(m);
	if (!c)
		return NULL;
	if (c == o->free)
		o->free = c->next;
	o->used++;
	return c;
}

void place_give(struct master *m, struct child *c)
{
	struct owners *o = &m->owners;

	c->early = 0;
	c->next = o->free;
	o->free = c;
	o->used--;
}

/* --- when there are too many --- */

/* Since when a worker has had no session; 0: it has some. */
static uint64_t idle_since(const struct child *c)
{
	uint64_t since = 0;
	off_t at = (off_t)c->slot * STORE_SLOT_OCTETS + (off_t)offsetof(struct store_slot, idle_since_ms);

	return pread(c->master->slots.ro, &since, sizeof since, at) == sizeof since ? since : 0;
}

struct idler {
	struct child *child;
	uint64_t since;
};

/* Keeps the list sorted, the longest idle first; what falls off its end stays. */
static void idler_put(struct idler list[static RETIRED_AT_ONCE], struct idler new)
{
	for (size_t i = 0; i < RETIRED_AT_ONCE; i++)
		if (!list[i].child || new.since < list[i].since) {
			struct idler old = list[i];

			list[i] = new;
			if (!old.child)
				return;
			new = old;
		}
}

unsigned owners_most(unsigned places)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t room = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page / MEMORY_PART / IDLE_OCTETS : 0;

	room = room < MOST_LEAST ? MOST_LEAST : room;
	return room < places - OWNERS_RESERVE ? (unsigned)room : places - OWNERS_RESERVE;
}

void owners_retire(struct master *m)
{
	const struct pool *stores = &m->pool[ROLE_STORE];
	struct owners *o = &m->owners;
	struct idler list[RETIRED_AT_ONCE] = {{0}};
	uint64_t now = clock_ms();

	if (o->used - o->retiring <= o->most || now < o->look_ms)
		return;
	for (unsigned i = 0; i < stores->n; i++) {
		struct child *c = &stores->child[i];
		uint64_t since = child_runs(c) && !c->spare && !c->leaving ? idle_since(c) : 0;

		if (since > 0)
			idler_put(list, (struct idler){c, since});
	}
	o->look_ms = list[RETIRED_AT_ONCE - 1].child ? now : now + LOOK_MS;
	for (size_t i = 0; i < RETIRED_AT_ONCE && list[i].child; i++)
		child_retire(list[i].child);
}
