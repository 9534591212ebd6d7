/* ipc/places.c - see places.h
 *
 * In the shared memory: the head, a part per slot, and then for each slot a stretch of pages of its own: clients that wait,
 * per server, and clients per address. Most of these pages are never touched, and so take no memory. No size depends on
 * the configuration, of which old and new fronts have different ones; how much of its table of addresses a front
 * uses, its part says.
 *
 * All atomics are sequentially consistent: "count, then add up" needs it. */
#include "ipc/places.h"

#include <stdalign.h>
#include <string.h>
#include <sys/mman.h>

enum {
	LINE = 64, /* octets of a cache line: parts of two fronts never share one */
	PAGE = 4096,
	SERVERS = PAGE / sizeof(uint32_t), /* that are counted apart; those beyond share their counts with the first */
	BUCKET = 16,                       /* addresses that share a place in the table */
	SPARE = 4, /* the table has room for so many times the clients: a full bucket is next to impossible */
	BUCKETS_MOST = 1 << 14, /* per front */
	AHEAD_LEAST = 32,       /* clients by which a front may lead in any case */
};

struct places_head {
	alignas(LINE) _Atomic uint64_t tickets;
	_Atomic uint64_t seed;
	_Atomic uint32_t spell; /* clients found no place */
	_Atomic uint32_t slots; /* those from here on were never used */
};

struct places_part {
	alignas(LINE) _Atomic uint64_t ticket; /* the lowest that waits here; 0: none */
	_Atomic uint32_t clients;
	_Atomic uint32_t takes;   /* its front takes new clients */
	_Atomic uint32_t buckets; /* of its table of addresses; 0: the slot was never used */
};

/* Clients of an address that a front holds. An entry without clients may be used for another address. */
struct places_address {
	_Atomic uint64_t key;
	_Atomic uint32_t clients;
};

/* What a slot has for itself. */
struct places_pages {
	alignas(PAGE) _Atomic uint32_t waiting[SERVERS];
	struct places_address address[BUCKETS_MOST * BUCKET];
};

static uint32_t most_clients(const struct conf *cf)
{
	if (cf->max_children == UINT32_MAX)
		return PLACES_UNSET;
	return cf->max_children > 0 ? cf->max_children : UINT32_MAX;
}

static uint32_t buckets_for(const struct conf *cf)
{
	uint32_t buckets = 1;

	while (buckets < BUCKETS_MOST && (uint64_t)buckets * BUCKET < (uint64_t)SPARE * most_clients(cf))
		buckets *= 2;
	return buckets;
}

/* Where the pages of the slots begin. */
static size_t pages_at(unsigned slots)
{
	size_t n = sizeof(struct places_head) + slots * sizeof(struct places_part);

	return (n + PAGE - 1) / PAGE * PAGE;
}

size_t places_octets(unsigned slots)
{
	return pages_at(slots) + slots * sizeof(struct places_pages);
}

static struct places_part *parts_of(void *shared)
{
	return (struct places_part *)((char *)shared + sizeof(struct places_head));
}

static struct places_pages *pages_of(void *shared, unsigned slots)
{
	return (struct places_pages *)((char *)shared + pages_at(slots));
}

void places_reset(void *shared, unsigned slots, unsigned slot)
{
	struct places_part *part = parts_of(shared) + slot;
	struct places_pages *pages = pages_of(shared, slots) + slot;

	part->takes = 0;
	part->ticket = 0;
	part->clients = 0;
	if (part->buckets != 0 && madvise(pages, sizeof *pages, MADV_REMOVE) < 0)
		memset(pages, 0, sizeof *pages);
	part->buckets = 0;
}

void places_open(struct places *p, const struct places_seat *seat, const struct conf *cf, uint64_t seed)
{
	uint64_t no_seed = 0;

	*p = (struct places){
		.seat = *seat,
		.head = seat->shared,
		.part = parts_of(seat->shared),
		.mine = parts_of(seat->shared) + seat->slot,
		.pages = pages_of(seat->shared, seat->slots),
		.most = most_clients(cf),
		.per_address = cf->max_per_address,
	};
	atomic_compare_exchange_strong(&p->head->seed, &no_seed, seed | 1);
	for (uint32_t used = p->head->slots; used <= seat->slot;)
		if (atomic_compare_exchange_weak(&p->head->slots, &used, seat->slot + 1))
			break;
	p->mine->buckets = buckets_for(cf);
	p->mine->takes = 1;
}

void places_leave(struct places *p)
{
	p->mine->takes = 0;
}

/* How many slots there may be something in. Other processes write that number, so it is not believed. */
static unsigned slots(const struct places *p)
{
	uint32_t n = p->head->slots;

	return n < p->seat.slots ? n : p->seat.slots;
}

static uint64_t clients(const struct places *p)
{
	uint64_t sum = 0;

	for (unsigned i = 0, n = slots(p); i < n; i++)
		sum += p->part[i].clients;
	return sum;
}

bool places_take(struct places *p)
{
	p->mine->clients++;
	if (clients(p) <= p->most)
		return true;
	p->mine->clients--;
	return false;
}

void places_give(struct places *p)
{
	p->mine->clients--;
}

uint32_t places_mine(const struct places *p)
{
	return p->mine->clients;
}

bool places_are_ahead(const struct places *p)
{
	uint32_t least = UINT32_MAX, mine = p->mine->clients;

	for (unsigned i = 0, n = slots(p); i < n; i++)
		if (p->part[i].takes && p->part[i].clients < least)
			least = p->part[i].clients;
	return mine > least && mine - least > AHEAD_LEAST + least / 4;
}

int places_idlest(const struct places *p)
{
	uint32_t least = UINT32_MAX;
	int idlest = -1;

	for (unsigned i = 0, n = slots(p); i < n; i++)
		if (i != p->seat.slot && p->part[i].takes && p->part[i].clients < least) {
			least = p->part[i].clients;
			idlest = (int)i;
		}
	return idlest;
}

uint64_t places_ticket(struct places *p)
{
	return ++p->head->tickets;
}

void places_publish(struct places *p, uint64_t ticket)
{
	p->mine->ticket = ticket;
}

/* The slot with the lowest ticket; -1: nobody waits. */
static int first_waiting(const struct places *p)
{
	uint64_t lowest = UINT64_MAX;
	int slot = -1;

	for (unsigned i = 0, n = slots(p); i < n; i++) {
		uint64_t ticket = p->part[i].ticket;

		if (ticket != 0 && ticket < lowest) {
			lowest = ticket;
			slot = (int)i;
		}
	}
	return slot;
}

bool places_are_awaited(const struct places *p)
{
	return first_waiting(p) >= 0;
}

int places_next(const struct places *p)
{
	int slot = first_waiting(p);

	return slot >= 0 && clients(p) < p->most ? slot : -1;
}

bool places_spell_begins(struct places *p)
{
	return p->head->spell == 0 && atomic_exchange(&p->head->spell, 1) == 0;
}

void places_spell_over(struct places *p)
{
	if (atomic_load(&p->head->spell)) /* as a rule it is clear: no write to a line that all fronts read */
		atomic_store(&p->head->spell, 0);
}

/* Servers are those of a configuration, so only the fronts that have the same one are asked. */
bool places_wait(struct places *p, size_t server, uint32_t most)
{
	uint64_t sum = 0;

	p->pages[p->seat.slot].waiting[server % SERVERS]++;
	for (unsigned i = 0; i < p->seat.peers; i++)
		sum += p->pages[p->seat.first + i].waiting[server % SERVERS];
	if (sum <= most)
		return true;
	places_wait_over(p, server);
	return false;
}

void places_wait_over(struct places *p, size_t server)
{
	p->pages[p->seat.slot].waiting[server % SERVERS]--;
}

/* The bucket of a key in a slot's table; NULL: it has none. Mixed with a seed, so that nobody can choose addresses that share
 * one. */
static struct places_address *bucket_of(const struct places *p, unsigned slot, uint64_t key)
{
	uint64_t h = (key ^ p->head->seed) * 0x9E3779B97F4A7C15U; /* 2^64 / golden ratio, as Knuth has it */
	uint32_t buckets = p->part[slot].buckets;

	if (buckets == 0 || buckets > BUCKETS_MOST) /* other processes write that number, so it is not believed */
		return NULL;
	h = (h ^ h >> 32) * (p->head->seed | 1);
	h ^= h >> 29;
	return p->pages[slot].address + (h & (buckets - 1)) * BUCKET;
}

static struct places_address *address_find(const struct places *p, unsigned slot, uint64_t key)
{
	struct places_address *bucket = bucket_of(p, slot, key);

	for (unsigned i = 0; bucket && i < BUCKET; i++)
		if (bucket[i].clients > 0 && bucket[i].key == key) /* in this order: see address_add */
			return &bucket[i];
	return NULL;
}

/* The key is set while nobody counts here: who sees the clients of the new key sees the new key. */
static struct places_address *address_add(struct places *p, uint64_t key)
{
	struct places_address *bucket = bucket_of(p, p->seat.slot, key);

	for (unsigned i = 0; bucket && i < BUCKET; i++)
		if (bucket[i].clients == 0) {
			bucket[i].key = key;
			return &bucket[i];
		}
	return NULL;
}

/* Clients are counted without a limit too: the next configuration may have one. */
bool places_address_take(struct places *p, const struct address *a)
{
	uint64_t key = address_key(a), sum = 0;

	if (key == 0)
		return true;
	struct places_address *own = address_find(p, p->seat.slot, key);

	if (!own)
		own = address_add(p, key);
	if (!own)
		return p->per_address == 0;
	own->clients++;
	if (p->per_address == 0)
		return true;
	for (unsigned i = 0, n = slots(p); i < n; i++) {
		const struct places_address *e = address_find(p, i, key);

		sum += e ? e->clients : 0;
	}
	if (sum <= p->per_address)
		return true;
	own->clients--;
	return false;
}

void places_address_give(struct places *p, const struct address *a)
{
	uint64_t key = address_key(a);
	struct places_address *own = key != 0 ? address_find(p, p->seat.slot, key) : NULL;

	if (own)
		own->clients--;
}
