/* store/uidl_marks.c - which of several identical messages a commit deletes. See uidl_settle.h */
#include "base/log.h"
#include "store/uidl_settling.h"

static bool count_keys(const struct uidl_file *f, struct ids *t)
{
	for (uint32_t k = 0; k < f->count; k++, room_pass(k)) {
		struct ids_slot *slot = ids_has(t, f->entry[k].key) ? ids_at(t, f->entry[k].key) : NULL;

		if (slot)
			slot->count++;
		else if (ids_has(t, f->entry[k].key))
			return false;
	}
	return true;
}

/* Entries whose key others have. False: no memory. */
static bool find_twins(const struct uidl_file *f, bool *any)
{
	struct ids t;
	bool done = true;

	ids_init(&t, f->count);
	for (uint32_t part = 0; part < t.parts && done; part++) {
		done = ids_part(&t, part) && count_keys(f, &t);
		for (uint32_t k = 0; k < f->count && done; k++, room_pass(k)) {
			struct uidl_entry *e = &f->entry[k];

			if (!ids_has(&t, e->key))
				continue;
			e->twin = ids_find(&t, e->key)->count > 1;
			*any |= e->twin;
		}
	}
	ids_done(&t);
	return done;
}

/* Twins by their ids; of one that comes twice the first counts. */
static bool index_twins(const struct uidl_file *f, struct ids *t)
{
	for (uint32_t k = 0; k < f->count; k++, room_pass(k)) {
		uint64_t hash = f->entry[k].twin ? settle_hash(t->seed, uidl_file_uidl(f, k)) : 0;

		if (!f->entry[k].twin || !ids_has(t, hash))
			continue;
		struct ids_slot *slot = ids_at(t, hash);

		if (!slot)
			return false;
		if (slot->count++ == 0)
			slot->first = k;
	}
	return true;
}

static void choose_going(struct uidl_marks *marks, const struct maildrop *md, const struct changes *ch,
			 const struct ids *t)
{
	struct changes_walk walk = {0};
	struct message m;
	enum err err = OK;

	while (changes_next(md, ch, &walk, &m, &err, NULL)) {
		uint64_t hash = err == OK ? settle_hash(t->seed, listing_uidl(&m.rec)) : 0;
		const struct ids_slot *slot = err == OK && ids_has(t, hash) ? ids_find(t, hash) : NULL;

		if (!slot)
			continue;
		marks->file.entry[slot->first].going = true;
		room_pass(marks->made++);
	}
}

static void find_going(struct uidl_marks *marks, const struct maildrop *md, const struct changes *ch)
{
	const struct uidl_file *f = &marks->file;
	bool twins = false, done = find_twins(f, &twins);
	struct ids t;

	ids_init(&t, f->count);
	for (uint32_t part = 0; part < t.parts && done && twins; part++) {
		done = ids_part(&t, part) && index_twins(f, &t);
		if (done)
			choose_going(marks, md, ch, &t);
	}
	ids_done(&t);
}

void uidl_marks_make(struct uidl_marks *marks, const struct maildrop *md, const struct changes *ch)
{
	struct why why = {""};
	bool unknown;

	marks->made = 0;
	marks->file = (struct uidl_file){0};
	if (md->setup->uidl_dir < 0)
		return;
	enum err err = uidl_place_of(md, marks->path, &marks->place, &why);

	if (err == OK)
		err = uidl_file_read(&marks->file, &marks->place, &unknown, &why);
	if (err == OK && marks->file.count > 0)
		find_going(marks, md, ch);
	if (err == OK && marks->made > 0)
		err = uidl_file_mark(&marks->file, &marks->place, &why);
	if (err != OK)
		debug(TOPIC_MAILBOX, DEBUG_ERROR, "%s: %s", md->path, why.text);
}

void uidl_marks_end(struct uidl_marks *marks, bool all)
{
	const struct uidl_file *f = &marks->file;
	struct uidl_text t = {0};

	if (marks->made > 0 && all) {
		uidl_text_begin(&t, marks->path, f->validity, f->next);
		for (uint32_t k = 0; k < f->count; k++, room_pass(k))
			if (!f->entry[k].going)
				uidl_text_add(&t, f->entry[k].key, f->entry[k].sub, false, uidl_file_uidl(f, k));
		uidl_text_end(&t);
		(void)settle_put(&marks->place, &t, f->next, NULL); /* or the next scan does it: it sees the marks */
		uidl_text_done(&t);
	}
	uidl_file_done(&marks->file);
}
