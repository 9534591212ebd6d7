/* store/onefile_grow.c - a mailbox in one file to which mail was appended, and nothing else happened. See onefile.h
 *
 * What is known is not looked at, but for its identities: a copy of a message that is there already needs to know how many there are, and is
 * left to the scan. So is one that has an X-UIDL, for another may have the same; a last message that may have been delivered in
 * parts; and a first one. All others have a hash for a UIDL that nobody else has. */
#include <stdlib.h>
#include <string.h>

#include "store/index.h"
#include "store/onefile.h"

enum {
	GROWN_MOST = 64 * 1024
}; /* messages: what more have come is the scan's business, too, for their identities are all in memory here */

static enum err add_message(struct scan *more, struct digest *m, uint64_t at, struct why *why)
{
	struct scan_entry e = {.id = m->id, .at = (int64_t)at};

	uidl_set(&m->rec, slice_str(m->digits));
	return scan_add(more, &m->rec, &e, (struct slice){0}, why);
}

/* All messages from `at` on. */
static enum err read_more(const struct maildrop *md, uint64_t at, struct scan *more, bool *grown, struct why *why)
{
	const struct onefile_format *f = md->driver->in_one_file;
	struct text text;
	enum err err = OK;

	text_open(&text, md->fd, at, more->stamp[0].size);
	while (err == OK && *grown) {
		struct digest m;
		uint64_t pos;
		bool is;

		err = f->next(&text, &at, &pos, &is, why);
		if (err != OK || !is)
			break;
		err = onefile_digest(&text, f, md->rules, pos, &m, why);
		*grown = m.xuidl[0] == '\0' && more->count < GROWN_MOST;
		if (err == OK && *grown)
			err = add_message(more, &m, at, why);
	}
	return err;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

struct ids {
	uint64_t *id; /* of what has come, sorted */
	size_t n;
	bool known; /* one of them was there */
};

static void look_for(void *arg, uint64_t id)
{
	struct ids *ids = arg;

	if (ids->n == 1) /* mostly */
		ids->known |= *ids->id == id;
	else if (!ids->known)
		ids->known = bsearch(&id, ids->id, ids->n, sizeof id, compare_ids) != NULL;
}

/* Whether all that has come is unlike anything else. */
static enum err are_new(const struct index *known, const struct scan *more, bool *new, struct why *why)
{
	struct ids ids = {.id = malloc((size_t)more->count * sizeof *ids.id + 1), .n = more->count};

	if (!ids.id)
		return fail(why, ERR_TEMP, "no memory to read the mailbox");
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

enum err onefile_grow(const struct maildrop *md, const struct index *known, struct scan *more, bool *grown,
		      struct why *why)
{
	enum err err = onefile_stamp(md->fd, md->rules, more->stamp, why);
	uint64_t end = known->stamp[0].size;

	*grown = err == OK && md->fd >= 0 && known->count > 0 && onefile_has_grown(md->fd, known->stamp, more->stamp) &&
		 (end == more->stamp[0].size || md->driver->in_one_file->begins(md->fd, end));
	if (*grown)
		err = read_more(md, end, more, grown, why);
	if (err == OK && *grown && more->count > 0)
		err = are_new(known, more, grown, why);
	return err;
}
