/* store/mh_grow.c - an MH folder into which messages have come, and nothing else happened. See mh.h
 *
 * Names are summed up, with what their files are: those that are not behind the last known one must have the sum that the known ones had,
 * and then they are what is known. So neither the index is read, but for what known.h says, nor are names sorted, nor is anything
 * written but what has come. Behind a commit, too, which says what it has left.
 *
 * Each file is looked at, once. Names and inodes alone, which a directory has, would not do: the number of a last message that is gone is
 * given to the next one that comes, and many file systems give it the inode, too. Then a client would be shown the unique-id of mail that it has in the
 * place of mail that it has not, and would never fetch that. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "store/mh.h"

struct growth {
	struct message last;   /* of what is known; without a name: nothing is */
	uint64_t notes[NOTES]; /* of what is not behind it */
	struct mh_list list;   /* of what is */
};

static bool on_found(void *arg, struct slice name, int64_t file)
{
	struct growth *g = arg;

	if (mh_compare(name, slice_str(g->last.name)) > 0)
		return mh_list_add(&g->list, name, file);
	mh_note(g->notes, name, file);
	return true;
}

/* *same: the folder has all that was known of it, as it was. */
static enum err read_folder(struct growth *g, const struct maildrop *md, const struct index *known, bool *same,
			    struct why *why)
{
	bool vanished;
	enum err err = known->count > 0 ? index_last(known, &g->last, why) : OK;

	if (err == OK)
		err = mh_each(md, on_found, g, &vanished, why);
	*same = err == OK && !vanished && memcmp(g->notes, known->notes, sizeof g->notes) == 0;
	return err;
}

static enum err add_new(const struct maildrop *md, const struct mh_list *l, const struct mh_found *f, struct scan *more,
			bool *grown, struct why *why)
{
	struct slice name = mh_list_name(l, f);
	struct digest d;
	int64_t file;
	int fd;
	enum err err = mh_read(md, name, &d, &fd, &file, why);

	*grown = err == OK && fd >= 0 && file == f->file;
	if (fd >= 0)
		close(fd);
	if (!*grown)
		return err;
	mh_note(more->notes, name, file);
	return known_add_new(more, &d, file, name, grown, why);
}

static enum err add_all(const struct maildrop *md, struct mh_list *l, const struct index *known, struct scan *more,
			bool *grown, struct why *why)
{
	enum err err = OK;

	memcpy(more->notes, known->notes, sizeof more->notes);
	if (!mh_list_sort(l))
		return fail(why, ERR_TEMP, "no memory for a list of messages");
	for (size_t i = 0; i < l->count && *grown && err == OK; i++)
		err = add_new(md, l, &l->found[i], more, grown, why);
	return err == OK && *grown && more->count > 0 ? known_are_new(known, more, grown, why) : err;
}

static enum err grow(struct growth *g, const struct maildrop *md, const struct index *known, struct scan *more,
		     bool *grown, struct why *why)
{
	struct stamp behind[STAMPS] = {0};
	enum err err = mh_stamp(md, more->stamp, why);

	if (err == OK)
		err = read_folder(g, md, known, grown, why);
	if (err == OK && *grown)
		err = add_all(md, &g->list, known, more, grown, why);
	if (err == OK && *grown)
		err = mh_stamp(md, behind, why);
	*grown = *grown && err == OK && memcmp(more->stamp, behind, sizeof behind) == 0;
	return err;
}

enum err mh_grow(const struct maildrop *md, const struct index *known, struct scan *more, bool *grown, struct why *why)
{
	struct growth g = {0};
	int lock;
	enum err err = mh_lock(md, F_RDLCK, &lock, why);

	*grown = false;
	if (err == OK)
		err = grow(&g, md, known, more, grown, why);
	mh_list_done(&g.list);
	if (lock >= 0)
		close(lock);
	return err;
}
