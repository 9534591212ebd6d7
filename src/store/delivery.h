/* store/delivery.h - bulletins on their way into a maildrop
 *
 * What is about to be done is written down and synced first (struct due), so that whoever finds it half done knows. A driver's `deliver`:
 *
 *	OK			all are in the maildrop, durably, and d->due says which
 *	otherwise		none is, and nothing is due; or it could not be found out: d->due has a file, and find_delivered tells
 *
 * Formats with a file for each message make each one under a name of our own first, and then give it its place by link(2): so as long as our
 * name is there, it tells whether the message has been delivered, whatever it is called by now. */
#pragma once
#include "store/bulletin_file.h"
#include "store/bulletin_text.h"

struct delivery {
	const struct bulletin_reading *from;
	const uint32_t *which; /* messages of the source */
	uint32_t count;
	struct due *due; /* without a file before */
};

/* For formats with a file for each message: where they are made, and where they go. Directories are seen from md->fd. */
struct delivery_place {
	const char *made_dir; /* "" or "tmp/" */
	const char *made;     /* what begins our own names */
	const char *dir;      /* "" or "new/" */
	/* The name for the next message; another one with each call. */
	enum err (*name)(void *arg, char name[static NAME_OCTETS + 1], struct why *why);
	void *arg;
	uint32_t rules;
};
enum err delivery_by_link(const struct maildrop *md, const struct delivery *d, const struct delivery_place *p,
			  struct why *why);
enum err delivery_find_links(const struct maildrop *md, const struct due *due, const struct delivery_place *p,
			     bool in[], struct why *why);
void delivery_end_links(const struct maildrop *md, const struct due *due, const struct delivery_place *p);
