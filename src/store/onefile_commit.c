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
#include "store/flags.h"
#include "store/header_edit.h"
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

	/* where headers are written, too */
	struct room edit_room, text_room;
	struct edit *edit;
	size_t edits;
	uint64_t texts;     /* octets of them */
	int64_t delta;      /* octets that they add */
	uint32_t unstamped; /* messages that they do not change, though they should */
	uint32_t unflagged; /* likewise */
	bool numbers;       /* messages have numbers, and so there is more to write */
	struct onefile_numbers number;
};

static bool is_deleted(const struct commit *c, uint32_t i)
{
	return c->ch->deleted[i / 8] >> i % 8 & 1;
}

static bool is_stamped(const struct commit *c, uint32_t i)
{
	return c->ch->stamped && c->ch->stamped[i / 8] >> i % 8 & 1;
}

static bool is_flagged(const struct commit *c, uint32_t i)
{
	return c->ch->flagged && c->ch->flagged[i / 8] >> i % 8 & 1;
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

/* Whether each of those that go, or change, is where it was. */
static bool are_at(const struct commit *c)
{
	const uint32_t *where = known_where(&c->where);
	bool are = true;

	text_near(c->md->fd);
	for (uint32_t i = 0; i < c->ch->count && are; i++, room_pass(i))
		are = !(is_deleted(c, i) || is_stamped(c, i) || is_flagged(c, i)) ||
		      (where[i] == i &&
		       onefile_is_at(c->md->fd, c->md->driver->in_one_file, &c->known.rec[i], &c->known.entry[i]));
	text_far();
	return are;
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
	text_near(c->md->fd);
	for (uint32_t i = 0; i < c->now.count && sane; i++, room_pass(i))
		if (goes[i / 8] >> i % 8 & 1) {
			sane = add_cut(c, (uint64_t)c->now.entry[i].at, end_of(c, i));
			c->found++;
		}
	text_far();
	free(goes);
	return sane ? OK : fail(why, ERR_TEMP, "the index is damaged, or there is no memory");
}

/* ---- headers ---- */

static bool edit_new(struct commit *c, uint64_t from, uint64_t to, struct slice text)
{
	struct edit *e = room_row(&c->edit_room, c->edits, sizeof *e);

	if (!e || !room_grow(&c->text_room, c->texts + text.n))
		return false;
	*e = (struct edit){from, to, c->texts, text.n};
	if (text.n > 0)
		memcpy(c->text_room.p + c->texts, text.p, text.n);
	c->texts += text.n;
	c->edit = (void *)c->edit_room.p;
	c->edits++;
	return true;
}

/* The message at position i of the file as it is now goes, with what separates it. */
static bool edit_away(struct commit *c, uint32_t i)
{
	uint64_t from = (uint64_t)c->now.entry[i].at, to = end_of(c, i);

	c->delta -= (int64_t)(to - from);
	return edit_new(c, from, to, (struct slice){0});
}

/* In the order of the file. */
static bool add_edits(struct commit *c, const struct header_edit *e, uint64_t pos)
{
	bool put_text = false, done = true;

	for (size_t k = 0; k <= e->cuts && done; k++) {
		if (!put_text && (k == e->cuts || e->at <= e->cut[k].from)) {
			done = e->octets == 0 ||
			       edit_new(c, pos + e->at, pos + e->at, (struct slice){e->text, e->octets});
			put_text = true;
		}
		if (k < e->cuts && done)
			done = edit_new(c, pos + e->cut[k].from, pos + e->cut[k].to, (struct slice){0});
	}
	return done;
}

/* Nothing of what is wanted can be written: the index knows it. */
static void leave(struct commit *c, struct listing_rec *r, const struct header_want *want)
{
	if (want->stamp != 0) {
		r->stamp = want->stamp;
		r->flags |= STAMP_LEFT;
		c->unstamped++;
	}
	if (want->status != 0) {
		r->flags |= FLAGS_LEFT;
		c->unflagged++;
	}
}

/* Or gets headers, where it has not these: then *r is what becomes of it. */
static bool edit_header(struct commit *c, uint32_t i, const struct header_want *want, struct listing_rec *r)
{
	uint64_t pos = c->now.rec[i].pos, raw = r->raw;
	struct header_edit e;

	if (!header_edit(&e, c->md->fd, pos, raw, want)) {
		leave(c, r, want);
		return true;
	}
	header_record(&e, r);
	c->delta += (int64_t)r->raw - (int64_t)raw;
	return !e.changes || add_edits(c, &e, pos);
}

/* Messages of the file as it is now, a bit each. */
struct marked {
	uint8_t *goes, *stamped, *flagged;
	uint32_t end; /* behind the last one that the session has numbered */
};

static bool marked_new(struct marked *m, uint32_t count)
{
	size_t octets = (size_t)count / 8 + 1;

	*m = (struct marked){.goes = calloc(octets, 1), .stamped = calloc(octets, 1), .flagged = calloc(octets, 1)};
	return m->goes && m->stamped && m->flagged;
}

static void marked_done(struct marked *m)
{
	free(m->goes);
	free(m->stamped);
	free(m->flagged);
}

/* Those that go, and those that get a header. */
static void find_marked(struct commit *c, struct marked *m)
{
	const uint32_t *where = known_where(&c->where);

	for (uint32_t i = 0; i < c->ch->count; i++, room_pass(i)) {
		uint32_t at = where[i];
		uint8_t bit = (uint8_t)(1 << at % 8);

		if (at == KNOWN_NONE)
			continue;
		m->end = at >= m->end ? at + 1 : m->end;
		if (c->ch->seen && c->ch->seen[i / 8] >> i % 8 & 1)
			c->now.rec[at].flags |= FLAGS_SEEN;
		if (is_deleted(c, i)) {
			m->goes[at / 8] |= bit;
			continue;
		}
		if (is_stamped(c, i) && !(c->now.rec[at].flags & STAMP_HEADER))
			m->stamped[at / 8] |= bit;
		if (is_flagged(c, i))
			m->flagged[at / 8] |= bit;
	}
}

/* What the message at position i is to have. */
static struct header_want wanted(struct commit *c, const struct marked *m, uint32_t i)
{
	const struct listing_rec *r = &c->now.rec[i];
	struct header_want w = {0};

	if (m->stamped[i / 8] >> i % 8 & 1)
		w.stamp = r->stamp > 0 ? r->stamp : c->ch->stamp;
	if (m->flagged[i / 8] >> i % 8 & 1)
		w.status = flags_letter('O') | (r->flags & FLAGS_SEEN ? flags_letter('R') : 0);
	if (c->numbers && i < m->end)
		onefile_number(&c->number, c->md->fd, r, &w.uid, &w.base);
	return w;
}

/* All that changes, in the order of the file, and what is left behind it. */
static enum err make_edits(struct commit *c, const struct marked *m, struct scan *left)
{
	bool done = true;

	if (c->numbers)
		onefile_numbers_begin(&c->number, c->md->fd, &c->now, m->goes, m->end);
	for (uint32_t i = 0; i < c->now.count && done; i++, room_pass(i)) {
		struct listing_rec r = c->now.rec[i];
		struct scan_entry e = c->now.entry[i];

		if (m->goes[i / 8] >> i % 8 & 1) {
			done = edit_away(c, i);
			continue;
		}
		const struct header_want want = wanted(c, m, i);

		r.pos += (uint64_t)c->delta;
		e.at += c->delta;
		if (want.stamp != 0 || want.status != 0 || want.uid != 0)
			done = edit_header(c, i, &want, &r);
		done = done && scan_add(left, &r, &e, (struct slice){0}, NULL) == OK;
	}
	return done ? OK : ERR_TEMP;
}

static void forget_edits(struct commit *c)
{
	room_done(&c->edit_room);
	room_done(&c->text_room);
	c->edit = NULL;
	c->edits = 0;
}

/* Everything in one copy of the file. *done false: that cannot be made, and nothing has changed; *reason says why. */
static enum err edit_all(struct commit *c, const struct cut_file *f, struct scan *left, bool *done, struct why *reason)
{
	struct marked m;
	bool impossible = true;
	enum err err = fail(reason, ERR_TEMP, "no memory");

	if (marked_new(&m, c->now.count)) {
		find_marked(c, &m);
		err = make_edits(c, &m, left);
	}
	marked_done(&m);
	if (err == OK) {
		impossible = false;
		if (c->edits > 0)
			err = cut_edit(f, c->edit, c->edits, c->text_room.p, &impossible, reason);
	}
	*done = !impossible;
	if (err != OK)
		scan_done(left);
	forget_edits(c);
	return impossible ? OK : err;
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

/* No header could be written: the index has what they were to say. */
static void note_left(struct commit *c)
{
	const uint32_t *where = known_where(&c->where);

	c->unstamped = c->unflagged = 0;
	for (uint32_t i = 0; i < c->ch->count; i++, room_pass(i)) {
		if (is_deleted(c, i) || where[i] == KNOWN_NONE)
			continue;
		struct listing_rec *r = &c->now.rec[where[i]];

		leave(c, r,
		      &(struct header_want){.stamp = !is_stamped(c, i) ? 0
						     : r->stamp > 0    ? r->stamp
								       : c->ch->stamp,
					    .status = is_flagged(c, i)});
	}
}

/* With a message that goes, what the first one says of all may go: it is written into another one. */
static bool has_headers(const struct commit *c)
{
	return c->ch->stamped || c->ch->flagged ||
	       (c->numbers && c->cuts > 0 && c->cut[0].from <= (uint64_t)c->now.entry[0].at);
}

/* Only where the file is now what the changes make of it: then the next session knows it already. */
static void tell_left(const struct commit *c, bool edited, struct scan *left)
{
	int64_t delta = edited ? c->delta : -(int64_t)octets_cut(c);
	int fd = openat(c->md->parent, c->md->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool known = fd >= 0 && (edited || make_left(c, left, NULL) == OK) &&
		     onefile_stamp(fd, c->md->rules, left->stamp, NULL) == OK &&
		     left->stamp[0].size == c->now.stamp[0].size + (uint64_t)delta;

	if (fd >= 0)
		close(fd);
	if (!known)
		scan_done(left);
}

/* Both together where headers are to be written and can be; else deletions alone. */
static enum err change_all(struct commit *c, struct outcome *out, struct scan *left, struct why *why)
{
	const struct maildrop *md = c->md;
	const struct journal_place journal = {.dir = md->setup->journal_dir, .path = md->path};
	const struct cut_file f = {.fd = md->fd,
				   .spool = &md->spool,
				   .may_rename = md->lock.dotlock || md->lock.by,
				   .journal = journal.dir >= 0 ? &journal : NULL};
	struct why reason = {"some have a header without an end"};
	bool edited = false;
	enum err err = OK;

	if (has_headers(c))
		err = edit_all(c, &f, left, &edited, &reason);
	if (err == OK && !edited) {
		note_left(c);
		err = c->cuts > 0 ? cut_apply(&f, c->cut, c->cuts, why) : OK;
	} else if (err != OK && why) {
		*why = reason;
	}
	out->unstamped = c->unstamped;
	out->unflagged = c->unflagged;
	out->unstamped_why = reason;
	if (err == OK)
		tell_left(c, edited, left);
	return err;
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
	c.numbers = md->setup->update_flags && onefile_has_numbers(&c.now);
	if (err == OK)
		err = change_all(&c, out, left, why);
	if (err == OK) {
		out->deleted = c.found;
		out->failed = wanted - c.found;
	}
	if (err == OK && out->failed > 0)
		err = fail(why, ERR_TEMP, "%u messages have been removed or changed by another program", out->failed);
	scan_done(&c.known);
	scan_done(&c.now);
	room_done(&c.where);
	room_done(&c.room);
	return err;
}
