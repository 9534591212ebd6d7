/* store/maildrop_rest.c - an open maildrop that is closed for a while, and opened again as the same one. See maildrop.h */
#include <fcntl.h>
#include <sys/stat.h>

#include "store/maildrop_parts.h"

/* What was opened is what lies there. */
static bool is_at(const struct index *ix, const struct index_place *place)
{
	struct stat is, named;

	return place->dir >= 0 && ix->fd >= 0 && fstat(ix->fd, &is) == 0 &&
	       fstatat(place->dir, place->name, &named, AT_SYMLINK_NOFOLLOW) == 0 && is.st_ino == named.st_ino &&
	       is.st_dev == named.st_dev;
}

bool maildrop_can_rest(const struct maildrop *md)
{
	struct index_place place[MAILDROP_PLACES];
	bool lies = md->index.count == 0; /* nothing of it will be asked for */

	if (md->keeps || md->lock.held || md->reading.fd >= 0 || md->retrieved || md->flagged || md->seen)
		return false;
	maildrop_places(md, place);
	for (int p = 0; p < MAILDROP_PLACES; p++)
		lies = lies || is_at(&md->index, &place[p]);
	return lies;
}

/* With the listing that has these sums. */
static enum err open_same(struct maildrop *md, const struct listing_sums *was, struct index_first *first,
			  struct why *why)
{
	const struct stamp unknown[STAMPS] = {{0}}; /* whether the index is current does not matter */
	struct index_place place[MAILDROP_PLACES];
	bool current;

	maildrop_places(md, place);
	for (int p = 0; p < MAILDROP_PLACES; p++) {
		struct index ix = {.fd = -1};

		if (place[p].dir >= 0 && index_open(&ix, &place[p], md->driver, unknown, first, &current, NULL) == OK &&
		    ix.count == was->count && ix.octets == was->octets && ix.sum == was->sum) {
			md->index = ix;
			md->index_at = p;
			return OK;
		}
		index_close(&ix);
	}
	return fail(why, ERR_TEMP, "the index of a session that did nothing for a while has gone, or is another one");
}

enum err maildrop_resume(struct maildrop *md, struct slice url, const struct maildrop_setup *setup,
			 const struct listing_sums *was, struct index_first *first, struct why *why)
{
	enum err err = maildrop_find_cold(md, url, setup, why);

	if (err != OK)
		return err;
	if (md->key != was->key)
		err = fail(why, ERR_TEMP, "it is another maildrop now");
	if (err == OK && md->driver->in_one_file)
		err = maildrop_reopen(md, why);
	if (err == OK)
		err = open_same(md, was, first, why);
	if (err != OK)
		maildrop_close(md);
	return err;
}
