/* store/onefile_grow.c - a mailbox in one file to which mail was appended, and nothing else happened. See onefile.h
 *
 * What is left to the scan known.h says; and so is a last message that may have been delivered in parts, and a first one. */
#include "store/onefile.h"

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
		if (err == OK)
			err = known_add_new(more, &m, (int64_t)at, (struct slice){0}, grown, why);
	}
	return err;
}

/* Whether what is behind the old end begins a message of its own, and the one before is whole: what separates is no part of it. */
static enum err has_ended(const struct maildrop *md, const struct index *known, uint64_t now, bool *ended,
			  struct why *why)
{
	uint64_t end = known->stamp[0].size;
	struct message last;
	enum err err = OK;

	*ended = end == now;
	if (*ended || !md->driver->in_one_file->begins(md->fd, end))
		return OK;
	err = index_last(known, &last, why);
	*ended = err == OK && last.rec.pos + last.rec.raw < end;
	return err;
}

enum err onefile_grow(const struct maildrop *md, const struct index *known, struct scan *more, bool *grown,
		      struct why *why)
{
	enum err err = onefile_stamp(md->fd, md->rules, more->stamp, why);

	*grown = err == OK && md->fd >= 0 && known->count > 0 && onefile_has_grown(md->fd, known->stamp, more->stamp);
	if (*grown)
		err = has_ended(md, known, more->stamp[0].size, grown, why);
	if (err == OK && *grown)
		err = read_more(md, known->stamp[0].size, more, grown, why);
	if (err == OK && *grown && more->count > 0)
		err = known_are_new(known, more, grown, why);
	return err;
}
