/* store/uidl_unique.c - that no two messages have one id. See uidl_settle.h */
#include <stdio.h>

#include "store/uidl.h"
#include "store/uidl_settling.h"

static enum err no_memory(struct why *why)
{
	return fail(why, ERR_TEMP, "no memory for unique-ids");
}

static bool is_given(const struct uidl_row *r)
{
	return r->known || r->entry != UIDL_NO_ENTRY;
}

/* Calls `taken` for each message of one kind, given or new, whose id another one of the part has, which stands before it or was there before. */
static bool take_kind(struct settle *s, struct ids *t, bool given, void (*taken)(struct uidl_row *r), bool *any)
{
	for (uint32_t i = 0; i < s->now->count; i++, room_pass(i)) {
		struct uidl_row *r = settle_row(s, i);

		if (is_given(r) != given || !ids_has(t, r->hash))
			continue;
		struct ids_slot *slot = ids_at(t, r->hash);

		if (!slot)
			return false;
		if (slot->count == 0)
			slot->count = 1;
		else {
			*any = true;
			taken(r);
		}
	}
	return true;
}

/* ---- given ---- */

static void ungive(struct uidl_row *r)
{
	r->known = false;
	r->entry = UIDL_NO_ENTRY;
}

/* The ids of entries, to those whose they are. */
static void give_all(struct settle *s)
{
	for (uint32_t i = 0; i < s->now->count; i++, room_pass(i)) {
		struct uidl_row *r = settle_row(s, i);

		if (r->entry == UIDL_NO_ENTRY)
			continue;
		uidl_set(&s->now->rec[i], uidl_file_uidl(&s->file, r->entry));
		r->hash = settle_hash(s->seed, listing_uidl(&s->now->rec[i]));
	}
}

enum err settle_keep(struct settle *s, struct why *why)
{
	bool done = true, any = false;
	struct ids t;

	give_all(s);
	ids_init(&t, s->now->count);
	for (uint32_t part = 0; part < t.parts && done; part++)
		done = ids_part(&t, part) && take_kind(s, &t, true, ungive, &any);
	ids_done(&t);
	return done ? OK : no_memory(why);
}

/* ---- new ---- */

static void clash(struct uidl_row *r)
{
	r->clashes = true;
}

/* Given ids come first, so that nobody else gets them any more. */
static bool find_clashes(struct settle *s, bool *any)
{
	bool done = true, none = false;
	struct ids t;

	*any = false;
	ids_init(&t, s->now->count);
	for (uint32_t part = 0; part < t.parts && done; part++)
		done = ids_part(&t, part) && take_kind(s, &t, true, clash, &none) &&
		       take_kind(s, &t, false, clash, any);
	ids_done(&t);
	return done;
}

/* Where an id is taken: another one. */
static bool rename_clashing(struct settle *s)
{
	for (uint32_t i = 0; i < s->now->count; i++, room_pass(i)) {
		struct uidl_row *r = settle_row(s, i);
		struct listing_rec *rec = &s->now->rec[i];
		char digits[17];

		if (!r->clashes)
			continue;
		(void)snprintf(digits, sizeof digits, "%016llx", (unsigned long long)r->key);
		if (!uidl_copy(rec, slice_str(digits), ++s->copies))
			return false;
		r->hash = settle_hash(s->seed, listing_uidl(rec));
		r->clashes = false;
	}
	return true;
}

static enum err name_new(struct settle *s, bool *any, struct why *why)
{
	*any = false;
	for (uint32_t i = 0; i < s->now->count; i++, room_pass(i)) {
		struct uidl_row *r = settle_row(s, i);

		if (is_given(r))
			continue;
		enum err err = uidl_format_name(s->md, s->now, i, &s->numbers, why);

		if (err != OK)
			return err;
		r->hash = settle_hash(s->seed, listing_uidl(&s->now->rec[i]));
		*any = true;
	}
	return OK;
}

enum err settle_name(struct settle *s, struct why *why)
{
	bool any, done = true;
	enum err err = name_new(s, &any, why);

	while (err == OK && any && done) {
		done = find_clashes(s, &any);
		if (done && any)
			done = rename_clashing(s);
	}
	return err != OK || done ? err : no_memory(why);
}

enum err settle_clash(struct settle *s, bool *is, uint32_t *i, struct why *why)
{
	bool done = true;
	struct ids t;

	*is = false;
	ids_init(&t, s->now->count);
	for (uint32_t part = 0; part < t.parts && done; part++)
		done = ids_part(&t, part) && take_kind(s, &t, true, clash, is) && take_kind(s, &t, false, clash, is);
	ids_done(&t);
	for (*i = 0; done && *is && !settle_row(s, *i)->clashes;)
		++*i;
	return done ? OK : no_memory(why);
}
