/* store/maildir_grow.c - a Maildir into which mail was delivered, and nothing else happened
 *
 * Directories that are what they were are not read. Of the others, names are only summed up: what is not behind the last known message must
 * have the sum that the known ones had, and then it is what is known. So neither the index is read, nor are names sorted, but the new ones.
 *
 * What is noted of a directory: the number of its messages, and the sum of hashes of their names and inodes. */
#include <string.h>

#include "store/index.h"
#include "store/maildir.h"
#include "store/maildrop.h"
#include "store/uidl.h"

void maildir_note(struct scan *now, unsigned dir, struct slice name, uint64_t ino)
{
	scan_note(now->notes + dir * NOTES_OF_DIR, name, ino);
}

/* ---- what is found ---- */

struct growth {
	struct maildir_name last; /* of what is known */
	bool none_known;
	uint64_t notes[NOTES];    /* of what is not behind it */
	struct maildir_list list; /* of what is */
};

/* Mostly the number that names begin with tells. */
static bool is_behind(const struct growth *g, struct slice name)
{
	struct maildir_name n;
	uint64_t number = maildir_name_number(name);

	if (g->none_known || number != g->last.number)
		return g->none_known || number > g->last.number;
	maildir_name_parse(&n, name);
	return maildir_name_compare(&n, &g->last) > 0;
}

static bool on_found(void *arg, unsigned dir, uint64_t ino, struct slice name)
{
	struct growth *g = arg;

	if (is_behind(g, name))
		return maildir_list_add(&g->list, dir, ino, name);
	scan_note(g->notes + dir * NOTES_OF_DIR, name, ino);
	return true;
}

static enum err read_last(struct growth *g, const struct index *known, struct why *why)
{
	struct message m;

	g->none_known = known->count == 0;
	if (g->none_known)
		return OK;
	enum err err = index_last(known, &m, why);

	if (err == OK)
		maildir_name_parse(&g->last, slice_str(m.name));
	return err;
}

/* *same: the directory has all that was known of it, with the same names. */
static enum err read_dir(struct growth *g, const struct maildrop *md, unsigned d, const struct index *known,
			 const struct stamp *now, bool *same, struct why *why)
{
	const size_t at = d * NOTES_OF_DIR, n = NOTES_OF_DIR * sizeof *g->notes;

	*same = known->calm[d] && memcmp(&known->stamp[d], now, sizeof *now) == 0;
	if (*same)
		return OK;
	enum err err = maildir_each(md->fd, d, on_found, g, why);

	*same = memcmp(g->notes + at, known->notes + at, n) == 0;
	return err;
}

/* ---- what has come ---- */

static enum err add_new(const struct maildrop *md, const struct maildir_list *l, const struct found *f,
			struct scan *more, bool *grown, struct why *why)
{
	struct slice name = maildir_list_name(l, f);
	struct scan_entry e = {.id = f->ino, .dir = f->dir};
	struct listing_rec r = {0};
	struct maildir_path path;
	enum maildir_there there;

	maildir_path(&path, f->dir, name);
	enum err err = maildir_read_message(md->fd, path.text, &r, &e, &there, why);

	*grown = err == OK && there == MAILDIR_THERE;
	if (!*grown)
		return err;
	if (!uidl_plain(&r, maildir_list_stable(l, f)))
		return fail(why, ERR_TEMP, "compute a unique-id: no memory");
	r.flags |= maildir_flags(name);
	maildir_note(more, f->dir, name, f->ino);
	return scan_add(more, &r, &e, name, why);
}

/* Several of one stable name are the scan's business. */
static enum err add_all(const struct maildrop *md, struct maildir_list *l, struct scan *more, bool *grown,
			struct why *why)
{
	enum err err = OK;

	if (!maildir_list_sort(l))
		return fail(why, ERR_TEMP, "no memory for a list of messages");
	for (size_t i = 1; i < l->count && *grown; i++)
		*grown = !slice_eq(maildir_list_stable(l, &l->found[i - 1]), maildir_list_stable(l, &l->found[i]));
	for (size_t i = 0; i < l->count && *grown && err == OK; i++)
		err = add_new(md, l, &l->found[i], more, grown, why);
	return err;
}

enum err maildir_grow(const struct maildrop *md, const struct index *known, struct scan *more, bool *grown,
		      struct why *why)
{
	struct growth g = {0};
	struct stamp behind[STAMPS] = {{0}};
	enum err err = maildir_stamp(md->fd, more->stamp, why);

	*grown = true;
	memcpy(more->notes, known->notes, sizeof more->notes);
	if (err == OK)
		err = read_last(&g, known, why);
	for (unsigned d = 0; d < DIRS && err == OK && *grown; d++)
		err = read_dir(&g, md, d, known, &more->stamp[d], grown, why);
	if (err == OK && *grown)
		err = add_all(md, &g.list, more, grown, why);
	if (err == OK && *grown)
		err = maildir_stamp(md->fd, behind, why);
	*grown = *grown && err == OK && memcmp(more->stamp, behind, sizeof behind) == 0;
	maildir_list_done(&g.list);
	return err;
}
