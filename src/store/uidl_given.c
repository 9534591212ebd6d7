/* store/uidl_given.c - unique-ids that somebody says: what popctl imports, compares and exports. See uidl_settle.h */
#include "store/uidl.h"
#include "store/uidl_settling.h"

enum err uidl_impose(const struct maildrop *md, struct scan *now, uint64_t validity, uint64_t next, struct why *why)
{
	static struct settle settle;
	struct settle *s = &settle;
	bool clash = false;
	uint32_t i = 0;

	*s = (struct settle){.md = md, .now = now};
	enum err err = uidl_place_of(md, s->path, &s->place, why);

	if (err == OK && s->place.dir < 0)
		err = fail(why, ERR_PERM, "there is no directory for unique-ids");
	if (err == OK)
		err = settle_read(&s->file, &s->place, md, why);
	if (err == OK)
		err = settle_begin(s, why);
	s->numbers = next > 0 ? (struct uidl_numbers){validity, next}
			      : (struct uidl_numbers){s->file.validity, s->file.next};
	if (err == OK)
		err = settle_clash(s, &clash, &i, why);
	if (err == OK && clash)
		err = fail(why, ERR_PERM, "two messages have the unique-id %.*s", (int)now->rec[i].uidl_len,
			   now->rec[i].uidl);
	if (err == OK)
		err = settle_match(s, why); /* which are alone */
	if (err == OK)
		settle_find_kept(s);
	if (err == OK)
		err = settle_write(s, why);
	settle_done(s);
	return err;
}

enum err uidl_match(const struct maildrop *md, struct scan *now, struct uidl_file *file, uint8_t *has, struct why *why)
{
	static struct settle settle;
	struct settle *s = &settle;

	*s = (struct settle){.md = md, .now = now, .file = *file};
	enum err err = settle_begin(s, why);

	for (uint32_t i = 0; i < now->count && err == OK; i++, room_pass(i))
		settle_row(s, i)->known = false; /* what they have been called here says nothing */
	if (err == OK)
		err = settle_match(s, why);
	for (uint32_t i = 0; i < now->count && err == OK; i++, room_pass(i)) {
		uint32_t entry = settle_row(s, i)->entry;

		has[i] = entry != UIDL_NO_ENTRY;
		if (has[i])
			uidl_set(&now->rec[i], uidl_file_uidl(&s->file, entry));
	}
	s->file = (struct uidl_file){0}; /* the caller's */
	settle_done(s);
	return err;
}

enum err uidl_export(const struct maildrop *md, struct scan *now, struct uidl_text *t, struct why *why)
{
	static struct settle settle;
	struct settle *s = &settle;

	*s = (struct settle){.md = md, .now = now};
	*t = (struct uidl_text){0};
	enum err err = uidl_place_of(md, s->path, &s->place, why);

	if (err == OK)
		err = settle_read(&s->file, &s->place, md, why);
	if (err == OK)
		err = settle_begin(s, why);
	if (err == OK) {
		uidl_text_begin(t, s->path, s->file.validity, s->file.next);
		for (uint32_t i = 0; i < now->count; i++, room_pass(i))
			uidl_text_add(t, settle_row(s, i)->key, settle_row(s, i)->sub, false,
				      listing_uidl(&now->rec[i]));
		uidl_text_end(t);
		err = t->failed ? fail(why, ERR_TEMP, "no memory for unique-ids") : OK;
	}
	settle_done(s);
	return err;
}
