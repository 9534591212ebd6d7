/* store/bulletin_source.h - the mailbox that bulletins come from: which there are, and what each is called for ever
 *
 * Any local mailbox, read by its users as themselves; nothing of it is written. What a worker knows of it is one number for each bulletin and how
 * it looked from outside; as long as it looks the same, nothing else is done than to look. Behind that lies an index, as for maildrops, in
 * the owner's directory of the cache.
 *
 * A bulletin's id is half of the identity of its message (store/digest.h; of a Maildir, of the stable name): the same wherever it stands. Of
 * those that are alike, the second, third, ... have ids of their own. */
#pragma once
#include <limits.h>

#include "store/maildrop.h"

enum { SOURCE_PATHS = STAMPS };

struct bulletin_source {
	const char *url;             /* borrowed; NULL: there are no bulletins */
	struct maildrop_setup setup; /* what is needed to read it */
	bool known;                  /* what follows is valid */
	bool calm;                   /* it had not changed for a while: as long as it looks the same, it is */
	char path[SOURCE_PATHS][PATH_MAX];
	struct stamp stamp[SOURCE_PATHS]; /* of what is called so; an empty path: nothing */
	uint32_t count;
	uint64_t sum; /* of all ids, in any order; never 0 */
};

/* The source while bulletins are taken from it. */
struct bulletin_reading {
	struct maildrop md; /* for reading alone; a mailbox in one file is locked */
	struct scan scan;
	struct room ids;
	uint64_t *id; /* of each message */
};

void bulletin_source_init(struct bulletin_source *s, const char *url, const struct maildrop_setup *setup);

/* Brings count and sum up to date. ERR_IN_USE: somebody is writing to it; they come later. */
enum err bulletin_source_look(struct bulletin_source *s, struct why *why);

/* Reads all of it, too. After an error there is nothing to be done with. */
enum err bulletin_source_open(struct bulletin_source *s, struct bulletin_reading *r, struct why *why);
void bulletin_source_close(struct bulletin_reading *r);

/* One number of several, whatever their order. */
uint64_t bulletin_mix(uint64_t id);

/* It was not changed for a while. */
struct stat;
bool bulletin_is_calm(const struct stat *st);
