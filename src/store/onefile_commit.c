/* store/onefile_commit.c - which octets of a mailbox in one file go. See onefile.h
 *
 * Messages are looked for in the file as it is now, under the lock. Where it is as it was scanned, or has only grown, they are where they
 * were, which each one's checksum confirms; else the file is scanned again, and what is alike is the same. One that is not found
 * stays, if it is there at all. How octets are taken out of a file is store/cut.h's business. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/cut.h"
#include "store/onefile.h"

struct commit {
	const struct maildrop *md;
	const struct changes *ch;
	struct scan known, now;
	struct room where; /* of known messages, in `now` */
	struct room room;  /* of the cuts */
	struct cut *cut;
	size_t cuts;
	uint32_t found; /* messages in the cuts */
};

static bool is_deleted(const struct commit *c, uint32_t i)
{
	return c->ch->deleted[i / 8] >> i % 8 & 1;
}

/* ---- finding ---- */

static enum err find(struct commit *c, bool grown, struct why *why)
{
	scan_done(&c->now);
	room_done(&c->where);
	return onefile_find(c->md->fd, c->md->driver->in_one_file, c->md->rules, &c->known, grown, &c->now, &c->where,
			    why);
}

/* A file that is what it was scanned as, to the time of its last change, need not be read; unless that was a moment before. */
static bool is_unchanged(const struct commit *c)
{
	return c->md->index.settled && memcmp(c->now.stamp, c->known.stamp, sizeof c->now.stamp) == 0;
}

/* Whether each of those that go is where it was. */
static bool are_at(const struct commit *c)
{
	const uint32_t *where = known_where(&c->where);

	for (uint32_t i = 0; i < c->ch->count; i++, room_pass(i))
		if (is_deleted(c, i) && (where[i] != i || !onefile_is_at(c->md->fd, c->md->driver->in_one_file,
									 &c->known.rec[i], &c->known.entry[i])))
			return false;
	return true;
}

static enum err find_all(struct commit *c, struct why *why)
{
	enum err err = index_load(&c->md->index, &c->known, why);

	if (err == OK && c->known.count != c->ch->count)
		err = fail(why, ERR_TEMP, "the index is of another maildrop");
	if (err == OK)
		err = find(c, true, why);
	if (err == OK && !is_unchanged(c) && !are_at(c))
		err = find(c, false, why);
	return err;
}

/* ---- cutting ---- */

/* Behind the message and what separates it from the next one. */
static uint64_t end_of(const struct commit *c, uint32_t now)
{
	return now + 1 < c->now.count ? (uint64_t)c->now.entry[now + 1].at : c->now.stamp[0].size;
}

/* False: there is no memory. */
static bool cut_new(struct commit *c, uint64_t from, uint64_t to)
{
	struct cut *cut = room_row(&c->room, c->cuts, sizeof *cut);

	if (!cut)
		return false;
	*cut = (struct cut){from, to};
	c->cut = (void *)c->room.p;
	c->cuts++;
	return true;
}

/* False: the index, which may be anybody's work, has messages in places where there can be none; or there is no memory. */
static bool add_cut(struct commit *c, uint64_t from, uint64_t to)
{
	const struct onefile_format *f = c->md->driver->in_one_file;
	uint64_t size = c->now.stamp[0].size;

	if (to <= from || to > size || (c->cuts > 0 && c->cut[c->cuts - 1].to > from) || !f->begins(c->md->fd, from) ||
	    (to < size && !f->begins(c->md->fd, to)))
		return false;
	if (c->cuts == 0 || c->cut[c->cuts - 1].to != from)
		return cut_new(c, from, to);
	c->cut[c->cuts - 1].to = to;
	return true;
}

/* In the order of the file as it is now. */
static enum err make_cuts(struct commit *c, struct why *why)
{
	uint8_t *goes = calloc((size_t)c->now.count / 8 + 1, 1); /* a bit for each */
	const uint32_t *where = known_where(&c->where);
	bool sane = true;

	if (!goes)
		return fail(why, ERR_TEMP, "no memory to delete messages");
	for (uint32_t i = 0; i < c->ch->count; i++, room_pass(i))
		if (is_deleted(c, i) && where[i] != KNOWN_NONE)
			goes[where[i] / 8] |= (uint8_t)(1 << where[i] % 8);
	for (uint32_t i = 0; i < c->now.count && sane; i++, room_pass(i))
		if (goes[i / 8] >> i % 8 & 1) {
			sane = add_cut(c, (uint64_t)c->now.entry[i].at, end_of(c, i));
			c->found++;
		}
	free(goes);
	return sane ? OK : fail(why, ERR_TEMP, "the index is damaged, or there is no memory");
}

static enum err cut_all(const struct commit *c, struct why *why)
{
	const struct maildrop *md = c->md;
	const struct journal_place journal = {.dir = md->setup->journal_dir, .path = md->path};
	const struct cut_file f = {.fd = md->fd,
				   .spool = &md->spool,
				   .may_rename = md->lock.dotlock || md->lock.by,
				   .journal = journal.dir >= 0 ? &journal : NULL};

	return c->cuts > 0 ? cut_apply(&f, c->cut, c->cuts, why) : OK;
}

/* ---- what is left ---- */

/* What stays has moved to the left by what went before it. */
static enum err make_left(const struct commit *c, struct scan *left, struct why *why)
{
	uint64_t gone = 0;
	size_t next = 0;
	enum err err = OK;

	for (uint32_t i = 0; i < c->now.count && err == OK; i++) {
		struct listing_rec r = c->now.rec[i];
		struct scan_entry e = c->now.entry[i];

		for (; next < c->cuts && c->cut[next].to <= (uint64_t)e.at; next++)
			gone += c->cut[next].to - c->cut[next].from;
		if (next < c->cuts && c->cut[next].from <= (uint64_t)e.at)
			continue;
		r.pos -= gone;
		e.at -= (int64_t)gone;
		err = scan_add(left, &r, &e, (struct slice){0}, why);
	}
	return err;
}

static uint64_t octets_cut(const struct commit *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->cuts; i++, room_pass(i))
		n += c->cut[i].to - c->cut[i].from;
	return n;
}

/* Only where the file is now what the cuts make of it: then the next session knows it already. */
static void tell_left(const struct commit *c, struct scan *left)
{
	int fd = openat(c->md->parent, c->md->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool known = fd >= 0 && make_left(c, left, NULL) == OK &&
		     onefile_stamp(fd, c->md->rules, left->stamp, NULL) == OK &&
		     left->stamp[0].size + octets_cut(c) == c->now.stamp[0].size;

	if (fd >= 0)
		close(fd);
	if (!known)
		scan_done(left);
}

enum err onefile_commit(const struct maildrop *md, const struct changes *ch, struct outcome *out, struct scan *left,
			struct why *why)
{
	struct commit c = {.md = md, .ch = ch};
	uint32_t wanted = changes_count(ch);

	*out = (struct outcome){.failed = wanted};
	enum err err = find_all(&c, why);

	if (err == OK)
		err = make_cuts(&c, why);
	if (err == OK)
		err = cut_all(&c, why);
	if (err == OK) {
		*out = (struct outcome){.deleted = c.found, .failed = wanted - c.found};
		tell_left(&c, left);
	}
	if (err == OK && out->failed > 0)
		err = fail(why, ERR_TEMP, "%u messages have been removed or changed by another program", out->failed);
	scan_done(&c.known);
	scan_done(&c.now);
	room_done(&c.where);
	room_done(&c.room);
	return err;
}
