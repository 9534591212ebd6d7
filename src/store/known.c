/* store/known.c - see known.h
 *
 * Two hash tables with open addressing. Identities are halves of SHA-256, and their own hash; UIDLs can be chosen by others, so theirs has
 * a seed. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/known.h"
#include "store/lock.h"

struct known_same {
	uint64_t id;
	uint32_t known;  /* the first known message of this identity that has not been found; KNOWN_NONE */
	uint32_t copies; /* that have this identity, known ones included; 0: the slot is free */
};

enum { SLOTS_FIRST = 64 };

static struct known_same *same_slot(const struct known *k, uint64_t id)
{
	size_t i = id & (k->sames_cap - 1);

	while (k->same[i].copies > 0 && k->same[i].id != id)
		i = (i + 1) & (k->sames_cap - 1);
	return &k->same[i];
}

static bool sames_grow(struct known *k)
{
	struct known bigger = {.sames_cap = k->sames_cap ? k->sames_cap * 2 : SLOTS_FIRST};

	bigger.same = calloc(bigger.sames_cap, sizeof *bigger.same);
	if (!bigger.same)
		return false;
	for (size_t i = 0; i < k->sames_cap; i++)
		if (k->same[i].copies > 0)
			*same_slot(&bigger, k->same[i].id) = k->same[i];
	free(k->same);
	k->same = bigger.same;
	k->sames_cap = bigger.sames_cap;
	return true;
}

/* The entry of this identity, made where there is none; NULL: no memory. */
static struct known_same *same_of(struct known *k, uint64_t id)
{
	if (k->sames * 4 >= k->sames_cap * 3 && !sames_grow(k))
		return NULL;
	struct known_same *s = same_slot(k, id);

	if (s->copies == 0) {
		*s = (struct known_same){.id = id, .known = KNOWN_NONE};
		k->sames++;
	}
	return s;
}

static uint64_t hash_uidl(const struct known *k, struct slice uidl)
{
	return lock_key_named(k->seed, uidl.n, uidl) | 1; /* 0: a free slot */
}

static uint64_t *uidl_slot(const struct known *k, uint64_t hash)
{
	size_t i = (hash >> 1) & (k->uidls_cap - 1);

	while (k->uidl[i] != 0 && k->uidl[i] != hash)
		i = (i + 1) & (k->uidls_cap - 1);
	return &k->uidl[i];
}

static bool uidls_grow(struct known *k)
{
	struct known bigger = {.uidls_cap = k->uidls_cap ? k->uidls_cap * 2 : SLOTS_FIRST};

	bigger.uidl = calloc(bigger.uidls_cap, sizeof *bigger.uidl);
	if (!bigger.uidl)
		return false;
	for (size_t i = 0; i < k->uidls_cap; i++)
		if (k->uidl[i] != 0)
			*uidl_slot(&bigger, k->uidl[i]) = k->uidl[i];
	free(k->uidl);
	k->uidl = bigger.uidl;
	k->uidls_cap = bigger.uidls_cap;
	return true;
}

/* Nobody else gets it any more. *was: somebody had. */
static bool take_uidl(struct known *k, struct slice uidl, bool *was)
{
	uint64_t hash = hash_uidl(k, uidl);

	if (k->uidls * 2 >= k->uidls_cap && !uidls_grow(k))
		return false;
	uint64_t *slot = uidl_slot(k, hash);

	*was = *slot != 0;
	k->uidls += !*was;
	*slot = hash;
	return true;
}

/* ---- what is known ---- */

/* From the last message to the first, so that the first of several alike comes first. */
static bool add_known(struct known *k)
{
	for (uint32_t i = k->scan->count; i-- > 0;) {
		struct known_same *s = same_of(k, k->scan->entry[i].id);
		bool was;

		if (!s || (k->scan->rec[i].flags & UIDL_SPECIAL && !take_uidl(k, listing_uidl(&k->scan->rec[i]), &was)))
			return false;
		k->next[i] = s->known;
		k->where[i] = KNOWN_NONE;
		s->known = i;
		s->copies++;
		scan_pass(i);
	}
	return true;
}

bool known_init(struct known *k, const struct scan *scan)
{
	*k = (struct known){.scan = scan, .seed = (uint64_t)clock_wall_ns()};
	k->where = calloc((size_t)scan->count + 1, sizeof *k->where);
	k->next = calloc((size_t)scan->count + 1, sizeof *k->next);
	return k->where && k->next && add_known(k);
}

void known_done(struct known *k)
{
	free(k->where);
	free(k->next);
	free(k->same);
	free(k->uidl);
}

void known_keep(struct known *k, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		same_slot(k, k->scan->entry[i].id)->known = k->next[i];
		k->where[i] = i;
	}
}

/* A UIDL of its own (a hash is only that of messages with this identity, and the first of them has it): the one that Mailutils gave it, the hash, or that of the first copy that nobody is. */
static bool name_message(struct known *k, struct digest *m, int fd, uint32_t copy)
{
	bool was = true;

	if (m->xuidl[0] && digest_xuidl_is_right(m, fd)) {
		uidl_set(&m->rec, slice_str(m->xuidl));
		m->rec.flags = UIDL_SPECIAL | UIDL_RIVALLED;
		if (!take_uidl(k, listing_uidl(&m->rec), &was))
			return false;
	}
	if (was && copy == 0) {
		uidl_set(&m->rec, slice_str(m->digits));
		m->rec.flags = 0;
		return true;
	}
	for (; was; copy++) {
		m->rec.flags = UIDL_SPECIAL;
		if (!uidl_copy(&m->rec, slice_str(m->digits), copy) || !take_uidl(k, listing_uidl(&m->rec), &was))
			return false;
	}
	return true;
}

bool known_is(struct known *k, uint32_t known, uint32_t now)
{
	if (k->where[known] != KNOWN_NONE)
		return false;
	k->where[known] = now;
	return true;
}

bool known_match(struct known *k, struct digest *m, int fd, uint32_t now, uint32_t *which)
{
	struct known_same *s = same_of(k, m->id);

	if (!s)
		return false;
	while (s->known != KNOWN_NONE && k->where[s->known] != KNOWN_NONE)
		s->known = k->next[s->known];
	*which = s->known;
	if (s->known == KNOWN_NONE)
		return name_message(k, m, fd, s->copies++);
	uidl_keep(&m->rec, &k->scan->rec[*which]);
	if (m->xuidl[0]) /* who does not know it would take that */
		m->rec.flags |= UIDL_SPECIAL | UIDL_RIVALLED;
	k->where[*which] = now;
	s->known = k->next[*which];
	return true;
}
