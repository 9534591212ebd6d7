/* store/known.c - see known.h
 *
 * Those with one identity are counted off: known ones that have not been found, in their order, meet those that were read, in theirs. */
#include <stdlib.h>
#include <string.h>

#include "store/ids.h"
#include "store/known.h"

/* What becomes of a message of `now`, from the first one on that was read. */
struct known_fate {
	uint32_t known; /* which it is, or KNOWN_NONE: a new one */
	uint32_t copy;  /* of a new one: so many others have its identity; TAKEN: it was known from the start */
};
#define TAKEN UINT32_MAX

/* An X-UIDL, and what is needed to see whether it is right. */
struct known_ask {
	uint64_t body;
	uint32_t now; /* whose it is */
	enum digest_lines lines;
	char xuidl[UIDL_MOST + 1];
};

/* A known message of a part that has not been found. */
struct link {
	uint32_t known;
	uint32_t next; /* of the same identity, or KNOWN_NONE */
};

static struct known_fate *fate_of(const struct known *k, uint32_t i)
{
	return (struct known_fate *)(void *)k->fates.p + (i - k->taken);
}

bool known_init(struct known *k, const struct scan *known, struct scan *now)
{
	*k = (struct known){.known = known, .now = now, .alike = known->count > 0};
	if (!room_grow(&k->where, ((size_t)known->count + 1) * sizeof(uint32_t)))
		return false;
	for (uint32_t i = 0; i < known->count; i++) {
		known_where(&k->where)[i] = KNOWN_NONE;
		room_pass(i);
	}
	scan_collect(now);
	return true;
}

void known_done(struct known *k)
{
	room_done(&k->where);
	room_done(&k->fates);
	room_done(&k->asks);
	fresh_done(&k->fresh);
}

/* ---- what is found ---- */

static enum err no_memory(struct why *why)
{
	return fail(why, ERR_TEMP, "no memory to tell messages apart");
}

static enum err add(struct known *k, struct known_fate fate, const struct listing_rec *r, const struct scan_entry *e,
		    struct slice name, struct why *why)
{
	struct known_fate *f = room_row(&k->fates, k->now->count - k->taken, sizeof *f);

	if (!f)
		return no_memory(why);
	*f = fate;
	return scan_add(k->now, r, e, name, why);
}

enum err known_take(struct known *k, uint32_t which, const struct scan_entry *e, struct slice name, struct why *why)
{
	known_where(&k->where)[which] = k->now->count;
	if (k->taken == k->now->count) {
		k->taken++;
		return scan_add(k->now, &k->known->rec[which], e, name, why);
	}
	return add(k, (struct known_fate){which, TAKEN}, &k->known->rec[which], e, name, why);
}

/* A filter is worth its memory in large mailboxes. */
enum { FRESH_FROM = 4096 };

/* The identity of message n, which has just been added. */
static void see_if_alike(struct known *k, uint32_t n, uint64_t id)
{
	k->alike = n == FRESH_FROM && !scan_ready(k->now);
	for (uint32_t i = 0; i < n && n == FRESH_FROM; i++)
		k->alike |= !fresh_is(&k->fresh, k->now->entry[i].id);
	if (n >= FRESH_FROM)
		k->alike |= !fresh_is(&k->fresh, id);
}

enum err known_add(struct known *k, const struct digest *m, int64_t at, struct slice name, struct why *why)
{
	const struct scan_entry e = {.id = m->id, .at = at};
	struct listing_rec r = m->rec;

	fresh_soon(&k->fresh, m->id);
	uidl_set(&r, slice_str(m->digits));
	if (m->xuidl[0]) {
		struct known_ask *ask = room_row(&k->asks, k->asked, sizeof *ask);

		if (!ask)
			return no_memory(why);
		*ask = (struct known_ask){.body = m->body, .now = k->now->count, .lines = m->lines};
		memcpy(ask->xuidl, m->xuidl, sizeof ask->xuidl);
		k->asked++;
	}
	k->read++;
	k->alike |= m->xuidl[0] != '\0';
	uint32_t n = k->now->count;
	enum err err = k->known->count == 0 ? scan_add(k->now, &r, &e, name, why)
					    : add(k, (struct known_fate){KNOWN_NONE, 0}, &r, &e, name, why);

	if (err == OK && !k->alike)
		see_if_alike(k, n, m->id);
	return err;
}

/* ---- which is which: part by part ---- */

/* From the last to the first, so that the first of several alike comes first. */
static bool add_known(const struct known *k, struct ids *t, struct room *links)
{
	uint32_t n = 0;

	for (uint32_t i = k->known->count; i-- > 0; room_pass(i)) {
		uint64_t id = k->known->entry[i].id;

		if (!ids_has(t, id))
			continue;
		struct ids_slot *s = ids_at(t, id);

		if (!s)
			return false;
		if (s->count++ == 0)
			s->first = KNOWN_NONE;
		if (known_where(&k->where)[i] != KNOWN_NONE)
			continue;
		struct link *l = room_row(links, n, sizeof *l);

		if (!l)
			return false;
		*l = (struct link){i, s->first};
		s->first = n++;
	}
	return true;
}

/* Position i of `now`, which was read. */
static void meet(const struct known *k, struct ids_slot *s, const struct room *links, uint32_t i)
{
	struct known_fate *f = fate_of(k, i);

	if (s->count == 0)
		s->first = KNOWN_NONE;
	if (s->first == KNOWN_NONE || !links->p) { /* the latter only for analysers, which do not see that it follows */
		f->copy = s->count++;
		return;
	}
	const struct link *l = (const struct link *)(const void *)links->p + s->first;

	f->known = l->known;
	known_where(&k->where)[l->known] = i;
	s->first = l->next;
}

static bool match_part(const struct known *k, struct ids *t, struct room *links)
{
	if (!add_known(k, t, links))
		return false;
	for (uint32_t i = k->taken; i < k->now->count; i++, room_pass(i)) {
		uint64_t id = k->now->entry[i].id;

		if (!ids_has(t, id) || fate_of(k, i)->copy == TAKEN)
			continue;
		struct ids_slot *s = ids_at(t, id);

		if (!s)
			return false;
		meet(k, s, links, i);
	}
	return true;
}

static bool match_all(const struct known *k)
{
	struct room links = {0};
	struct ids t;
	bool done = true;

	ids_init(&t, (uint64_t)k->known->count + k->now->count);
	for (uint32_t part = 0; part < t.parts && done; part++)
		done = ids_part(&t, part) && match_part(k, &t, &links);
	room_done(&links);
	ids_done(&t);
	return done;
}

/* ---- ids ---- */

static bool is_right(const struct known *k, const struct known_ask *ask, known_right *right, void *arg)
{
	struct digest m = {.rec = k->now->rec[ask->now], .body = ask->body, .lines = ask->lines};

	memcpy(m.xuidl, ask->xuidl, sizeof m.xuidl);
	return right(arg, ask->now, &m);
}

/* A hash is only that of messages with this identity, and the first of them has it. But one that Mailutils gave counts. */
static bool name_message(const struct known *k, uint32_t i, const struct known_ask *ask, known_right *right, void *arg)
{
	const struct known_fate *f = fate_of(k, i);
	struct listing_rec *r = &k->now->rec[i];
	bool done = true;

	if (f->known != KNOWN_NONE) {
		uidl_keep(r, &k->known->rec[f->known]);
		if (ask) /* who does not know it would take that */
			r->flags |= UIDL_SPECIAL | UIDL_RIVALLED;
	} else if (ask && is_right(k, ask, right, arg)) {
		uidl_set(r, slice_str(ask->xuidl));
		r->flags |= UIDL_SPECIAL | UIDL_RIVALLED;
	} else if (f->copy > 0) {
		done = uidl_copy(r, listing_uidl(r), f->copy);
		r->flags |= UIDL_SPECIAL;
	}
	k->now->specials += (r->flags & UIDL_SPECIAL) != 0;
	return done;
}

static bool name_all(const struct known *k, known_right *right, void *arg)
{
	const struct known_ask *ask = (const void *)k->asks.p;
	bool done = true;

	for (uint32_t i = k->taken, asked = 0; i < k->now->count && done; i++, room_pass(i)) {
		const struct known_fate *f = fate_of(k, i);
		bool asks = asked < k->asked && ask[asked].now == i;

		if (f->copy != TAKEN && (asks || f->known != KNOWN_NONE || f->copy > 0))
			done = name_message(k, i, asks ? &ask[asked] : NULL, right, arg);
		asked += asks;
	}
	return done;
}

/* Nothing was known, so none was made yet. */
static bool make_fates(struct known *k)
{
	for (uint32_t i = 0; k->known->count == 0 && i < k->now->count; i++, room_pass(i)) {
		struct known_fate *f = room_row(&k->fates, i, sizeof *f);

		if (!f)
			return false;
		*f = (struct known_fate){KNOWN_NONE, 0};
	}
	return true;
}

enum err known_end(struct known *k, known_right *right, void *arg, struct why *why)
{
	if (!scan_ready(k->now))
		return no_memory(why);
	if (k->read == 0 || (!k->alike && k->now->count > FRESH_FROM))
		return OK;
	return make_fates(k) && match_all(k) && name_all(k, right, arg) ? OK : no_memory(why);
}

/* ---- what has come ---- */

enum {
	COME_MOST = 64 * 1024
}; /* what more have come is the scan's business, too, for their identities are all in memory here */

enum err known_add_new(struct scan *more, struct digest *m, int64_t at, struct slice name, bool *new, struct why *why)
{
	*new = m->xuidl[0] == '\0' && more->count < COME_MOST;
	if (!*new)
		return OK;
	uidl_set(&m->rec, slice_str(m->digits));
	return scan_add(more, &m->rec, &(struct scan_entry){.id = m->id, .at = at}, name, why);
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

struct come {
	uint64_t *id; /* of what has come, sorted */
	size_t n;
	bool known; /* one of them was there */
};

static void look_for(void *arg, uint64_t id)
{
	struct come *ids = arg;

	if (ids->n == 1) /* mostly */
		ids->known |= *ids->id == id;
	else if (!ids->known)
		ids->known = bsearch(&id, ids->id, ids->n, sizeof id, compare_ids) != NULL;
}

enum err known_are_new(const struct index *known, const struct scan *more, bool *new, struct why *why)
{
	struct come ids = {.id = malloc((size_t)more->count * sizeof *ids.id + 1), .n = more->count};

	if (!ids.id)
		return fail(why, ERR_TEMP, "no memory for new messages");
	for (uint32_t i = 0; i < more->count; i++)
		ids.id[i] = more->entry[i].id;
	qsort(ids.id, ids.n, sizeof *ids.id, compare_ids);
	for (size_t i = 1; i < ids.n; i++)
		ids.known |= ids.id[i] == ids.id[i - 1];
	enum err err = ids.known ? OK : index_ids(known, look_for, &ids, why);

	*new = !ids.known;
	free(ids.id);
	return err;
}
