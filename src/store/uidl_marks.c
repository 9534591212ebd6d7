/* store/uidl_marks.c - which of several identical messages a commit deletes. See uidl_settle.h */
#include <stdlib.h>

#include "base/log.h"
#include "store/uidl_settling.h"

/* Whether another message has the key of this one. */
static bool has_twin(const struct uidl_chains *c, const struct uidl_file *f, uint32_t entry)
{
	return uidl_chains_first(c, f->entry[entry].key) != entry || uidl_chains_next(c, entry) != UIDL_NONE;
}

static void choose_going(struct uidl_marks *marks, const struct maildrop *md, const struct changes *ch,
			 const struct uidl_table *by_uidl, const struct uidl_chains *by_key)
{
	struct changes_walk walk = {0};
	struct message m;
	enum err err = OK;

	while (changes_next(md, ch, &walk, &m, &err, NULL)) {
		uint32_t k = err == OK ? uidl_table_find(by_uidl, listing_uidl(&m.rec)) : UIDL_NONE;

		if (k == UIDL_NONE || !has_twin(by_key, &marks->file, k))
			continue;
		marks->file.entry[k].going = true;
		marks->made++;
	}
}

static void find_going(struct uidl_marks *marks, const struct maildrop *md, const struct changes *ch)
{
	struct uidl_file *f = &marks->file;
	struct uidl_table by_uidl = {0};
	struct uidl_chains by_key = {0};
	uint64_t *key = calloc((size_t)f->count + 1, sizeof *key);

	for (uint32_t k = 0; key && k < f->count; k++)
		key[k] = f->entry[k].key;
	if (key && uidl_table_init(&by_uidl, f->count) && uidl_chains_init(&by_key, key, f->count)) {
		for (uint32_t k = 0; k < f->count; k++)
			(void)uidl_table_add(&by_uidl, uidl_file_uidl(f, k), k);
		choose_going(marks, md, ch, &by_uidl, &by_key);
	}
	uidl_table_done(&by_uidl);
	uidl_chains_done(&by_key);
	free(key);
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
		for (uint32_t k = 0; k < f->count; k++)
			if (!f->entry[k].going)
				uidl_text_add(&t, f->entry[k].key, f->entry[k].sub, false, uidl_file_uidl(f, k));
		uidl_text_end(&t);
		(void)settle_put(&marks->place, &t, f->next, NULL); /* or the next scan does it: it sees the marks */
		uidl_text_done(&t);
	}
	uidl_file_done(&marks->file);
}
