/* store/uidl_which.c - which entry of the durable file is whose: group by group of one key. See uidl_settle.h */
#include "store/uidl_settling.h"

#define NONE UINT32_MAX
enum { MEMBERS_FEWER = 4 }; /* than of numbers alone: there are three tables, and more is to be known of each */

/* A message or an entry of a part. */
struct member {
	uint64_t key, sub, hash;
	uint32_t at;   /* position of the message, or number of the entry */
	uint32_t next; /* of the same key, or NONE */
	uint32_t mate; /* the entry that is this message's, or the message whose entry it is; NONE */
	bool known;    /* a message */
	bool going;    /* an entry */
};

/* Members in their order. */
struct group {
	struct room room;
	struct member *m;
	uint32_t n;
	struct ids by_key; /* first: the first of its key */
};

struct part {
	struct settle *s;
	struct group messages, entries;
	struct ids by_hash; /* first: the first entry with this id */
};

/* ---- what belongs to a part ---- */

static bool add(struct group *g, const struct member *m)
{
	struct member *to = room_row(&g->room, g->n, sizeof *to);

	if (!to)
		return false;
	*to = *m;
	to->next = to->mate = NONE;
	g->m = (void *)g->room.p;
	g->n++;
	return true;
}

static bool gather_messages(struct part *p)
{
	const struct settle *s = p->s;
	struct group *g = &p->messages;

	g->n = 0;
	for (uint32_t i = 0; i < s->now->count; i++, room_pass(i)) {
		const struct uidl_row *r = settle_row(s, i);

		if (ids_has(&g->by_key, r->key) &&
		    !add(g,
			 &(struct member){.key = r->key, .sub = r->sub, .hash = r->hash, .at = i, .known = r->known}))
			return false;
	}
	return true;
}

static bool gather_entries(struct part *p)
{
	const struct uidl_file *f = &p->s->file;
	struct group *g = &p->entries;

	g->n = 0;
	for (uint32_t k = 0; k < f->count; k++, room_pass(k)) {
		const struct uidl_entry *e = &f->entry[k];

		if (ids_has(&g->by_key, e->key) &&
		    !add(g, &(struct member){.key = e->key,
					     .sub = e->sub,
					     .hash = settle_hash(p->s->seed, uidl_file_uidl(f, k)),
					     .at = k,
					     .going = e->going}))
			return false;
	}
	return true;
}

/* From the last to the first, so that the first comes first. */
static bool chain(struct group *g)
{
	for (uint32_t i = g->n; i-- > 0;) {
		struct ids_slot *slot = ids_at(&g->by_key, g->m[i].key);

		if (!slot)
			return false;
		g->m[i].next = slot->count++ > 0 ? slot->first : NONE;
		slot->first = i;
	}
	return true;
}

/* Of one that comes twice the first counts. */
static bool index_hashes(struct part *p)
{
	for (uint32_t k = 0; k < p->entries.n; k++) {
		struct ids_slot *slot = ids_at(&p->by_hash, p->entries.m[k].hash);

		if (!slot)
			return false;
		if (slot->count++ == 0)
			slot->first = k;
	}
	return true;
}

/* ---- which is whose ---- */

static void pair(struct part *p, struct member *message, uint32_t entry)
{
	message->mate = entry;
	p->entries.m[entry].mate = message->at;
}

static bool is_free(const struct part *p, uint32_t entry, bool going)
{
	return p->entries.m[entry].mate == NONE && p->entries.m[entry].going == going;
}

static bool has_going(const struct part *p, uint32_t entry)
{
	for (; entry != NONE; entry = p->entries.m[entry].next)
		if (p->entries.m[entry].going)
			return true;
	return false;
}

/* Those whose id was known before keep it, unless a commit was about to delete that message. False: none is known. */
static bool match_known(struct part *p, uint32_t first)
{
	bool any = false;

	for (uint32_t i = first; i != NONE; i = p->messages.m[i].next) {
		struct member *m = &p->messages.m[i];
		const struct ids_slot *slot = m->known ? ids_find(&p->by_hash, m->hash) : NULL;

		any |= m->known;
		if (slot && p->entries.m[slot->first].key == m->key && is_free(p, slot->first, false))
			pair(p, m, slot->first);
	}
	return any;
}

/* Those that something tells apart. */
static void match_sub(struct part *p, uint32_t first, uint32_t entry, bool going)
{
	for (uint32_t i = first; i != NONE; i = p->messages.m[i].next) {
		struct member *m = &p->messages.m[i];

		for (uint32_t k = entry; k != NONE && m->sub != 0 && m->mate == NONE; k = p->entries.m[k].next)
			if (is_free(p, k, going) && p->entries.m[k].sub == m->sub)
				pair(p, m, k);
	}
}

/* The others, one after the other; `known': of them those that are known. */
static void match_rest(struct part *p, uint32_t first, uint32_t entry, bool known, bool going)
{
	for (uint32_t i = first; i != NONE; i = p->messages.m[i].next) {
		struct member *m = &p->messages.m[i];

		if (m->mate != NONE || (known && !m->known))
			continue;
		while (entry != NONE && !is_free(p, entry, going))
			entry = p->entries.m[entry].next;
		if (entry == NONE)
			return;
		pair(p, m, entry);
	}
}

/* Where a message of the group is known, the others are new: what is left over was of messages that are gone. But where a commit was
 * interrupted, the index may be older than file and mail: then these tell which of those that it knows are left. */
static void match_group(struct part *p, uint32_t first)
{
	const struct ids_slot *slot = ids_find(&p->entries.by_key, p->messages.m[first].key);

	if (!slot)
		return;
	uint32_t entry = slot->first;
	bool marked = has_going(p, entry), any = match_known(p, first);

	for (int going = 0; going <= (int)marked && !any; going++)
		match_sub(p, first, entry, going);
	for (int going = 0; going <= (int)marked; going++)
		match_rest(p, first, entry, any, going);
}

/* Into the rows. */
static void tell(const struct part *p)
{
	for (uint32_t i = 0; i < p->messages.n; i++, room_pass(i)) {
		const struct member *m = &p->messages.m[i];
		struct uidl_row *r = settle_row(p->s, m->at);

		r->entry = m->mate == NONE ? UIDL_NO_ENTRY : p->entries.m[m->mate].at;
		r->alone = ids_find(&p->messages.by_key, m->key)->count == 1;
	}
}

static bool match_part(struct part *p, uint32_t part)
{
	if (!ids_part(&p->messages.by_key, part) || !ids_part(&p->entries.by_key, part) ||
	    !ids_part(&p->by_hash, part) || !gather_messages(p) || !gather_entries(p) || !chain(&p->messages) ||
	    !chain(&p->entries) || !index_hashes(p))
		return false;
	for (uint32_t i = 0; i < p->messages.n; i++)
		if (ids_find(&p->messages.by_key, p->messages.m[i].key)->first == i)
			match_group(p, i);
	tell(p);
	return true;
}

static void part_done(struct part *p)
{
	ids_done(&p->messages.by_key);
	ids_done(&p->entries.by_key);
	ids_done(&p->by_hash);
	room_done(&p->messages.room);
	room_done(&p->entries.room);
}

enum err settle_match(struct settle *s, struct why *why)
{
	struct part p = {.s = s};
	bool done = true;

	ids_init(&p.messages.by_key, MEMBERS_FEWER * ((uint64_t)s->now->count + s->file.count));
	ids_init_like(&p.messages.by_key, &p.messages.by_key, s->now->count);
	ids_init_like(&p.entries.by_key, &p.messages.by_key, s->file.count);
	ids_init_like(&p.by_hash, &p.messages.by_key, s->file.count);
	for (uint32_t part = 0; part < p.messages.by_key.parts && done; part++)
		done = match_part(&p, part);
	part_done(&p);
	return done ? OK : fail(why, ERR_TEMP, "no memory for unique-ids");
}
