/* store/uidl_settle.c - behind a scan: which id each message has, and what must be durable of that. See uidl_settle.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/lock.h"
#include "store/uidl.h"
#include "store/uidl_settling.h"

enum {
	STALE_FEW = 64,       /* entries of messages that are gone: not worth a write */
	LOOKS_MOST = 1000000, /* at entries, before settling all is better */
};

/* ---- where ---- */

enum err uidl_place_of(const struct maildrop *md, char path[static PATH_MAX], struct uidl_place *place, struct why *why)
{
	char link[64];
	int dir = md->name ? md->parent : md->fd;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
	ssize_t n = readlink(link, path, PATH_MAX - 1);

	if (n < 0 || path[0] != '/')
		return fail_errno(why, ERR_TEMP, "find the canonical path of its directory");
	path[n] = '\0';
	if (md->name) {
		size_t at = n > 1 ? (size_t)n : 0;
		int more = snprintf(path + at, PATH_MAX - at, "/%s", md->name);

		if (more < 0 || (size_t)more >= PATH_MAX - at)
			return fail(why, ERR_PERM, "its path is too long");
	}
	*place = (struct uidl_place){.dir = md->setup->uidl_dir, .path = path};
	uidl_place_name(place);
	return OK;
}

/* What is damaged is kept for people; ids are then what index and mail say. One of a later version is not touched. */
enum err settle_read(struct uidl_file *file, const struct uidl_place *place, const struct maildrop *md, struct why *why)
{
	char aside[NAME_OCTETS + 1];
	struct why reason = {""};
	bool unknown;
	enum err err = uidl_file_read(file, place, &unknown, &reason);

	if (err != ERR_PERM || unknown)
		return err == OK ? OK : fail(why, err, "%s", reason.text);
	err = uidl_file_set_aside(place, aside, why);
	if (err == OK)
		log_line(LOG_ERR, "%.300s: %s; it is kept as %s, and unique-ids that only it had may be others now",
			 md->path, reason.text, aside);
	return err;
}

/* ---- begin and end ---- */

void settle_done(struct settle *s)
{
	uidl_file_done(&s->file);
	room_done(&s->rows);
}

uint64_t settle_hash(uint64_t seed, struct slice uidl)
{
	return lock_key_named(seed, uidl.n, uidl);
}

static bool begin_row(struct settle *s, uint32_t i)
{
	const struct scan *now = s->now;
	const struct store_driver *driver = s->md->driver;
	struct uidl_row *r = room_row(&s->rows, i, sizeof *r);

	if (!r)
		return false;
	*r = (struct uidl_row){.key = now->entry[i].id,
			       .hash = settle_hash(s->seed, listing_uidl(&now->rec[i])),
			       .entry = UIDL_NO_ENTRY,
			       .known = (now->rec[i].flags & UIDL_SETTLED) != 0};
	room_pass(i);
	return !driver->lasting || driver->lasting(&now->rec[i], &now->entry[i], scan_name(now, i), &r->key, &r->sub);
}

enum err settle_begin(struct settle *s, struct why *why)
{
	bool done = true;

	s->seed = (uint64_t)clock_wall_ns();
	for (uint32_t i = 0; i < s->now->count && done; i++)
		done = begin_row(s, i);
	return done ? OK : fail(why, ERR_TEMP, "no memory for unique-ids");
}

/* ---- what must have an entry ---- */

/* Whether it is what the driver computes, so that nothing needs to be kept of it. */
static bool is_plain(const struct settle *s, uint32_t i)
{
	struct slice uidl = listing_uidl(&s->now->rec[i]);
	char digits[17];

	(void)snprintf(digits, sizeof digits, "%016llx", (unsigned long long)settle_row(s, i)->key);
	return uidl.n == UIDL_DIGITS && memcmp(uidl.p, digits, 16) == 0;
}

static bool is_kept(const struct settle *s, uint32_t i)
{
	return !uidl_format_is_computed(s->md->setup) || s->now->rec[i].flags & UIDL_RIVALLED ||
	       !settle_row(s, i)->alone || !is_plain(s, i);
}

/* Where ids are what they shall be. */
void settle_find_kept(struct settle *s)
{
	s->now->specials = 0;
	for (uint32_t i = 0; i < s->now->count; i++, room_pass(i)) {
		uint32_t *flags = &s->now->rec[i].flags;
		bool kept = is_kept(s, i);

		settle_row(s, i)->kept = kept;
		*flags = (*flags & ~(uint32_t)UIDL_SPECIAL) | (kept ? UIDL_SPECIAL : 0);
		s->now->specials += kept;
	}
}

/* ---- making it durable ---- */

/* One that says nothing is none. */
enum err settle_put(const struct uidl_place *place, const struct uidl_text *t, uint64_t next, struct why *why)
{
	return t->count > 0 || t->failed || next > 0 ? uidl_file_write(place, t, why) : uidl_file_remove(place, why);
}

enum err settle_write(struct settle *s, struct why *why)
{
	struct uidl_text t;

	uidl_text_begin(&t, s->path, s->numbers.validity, s->numbers.next);
	for (uint32_t i = 0; i < s->now->count; i++, room_pass(i)) {
		const struct uidl_row *r = settle_row(s, i);

		if (r->kept)
			uidl_text_add(&t, r->key, r->sub, false, listing_uidl(&s->now->rec[i]));
	}
	uidl_text_end(&t);
	enum err err = settle_put(&s->place, &t, s->numbers.next, why);

	uidl_text_done(&t);
	return err;
}

struct need {
	uint32_t missing; /* messages that must be in the file, and are not */
	uint32_t relied;  /* entries that were used for a message that was not known: they may be in memory only */
	bool tidy;        /* what it has is not worth keeping */
};

static struct need find_need(const struct settle *s)
{
	struct need need = {0};
	uint32_t used = 0;

	for (uint32_t i = 0; i < s->now->count; i++, room_pass(i)) {
		const struct uidl_row *r = settle_row(s, i);
		bool has = r->entry != UIDL_NO_ENTRY;

		need.missing += r->kept && !has;
		need.relied += r->kept && has && !r->known;
		used += r->kept && has;
	}
	for (uint32_t k = 0; k < s->file.count; k++, room_pass(k))
		need.tidy |= s->file.entry[k].going;
	uint32_t stale = s->file.count - used;

	need.tidy |= stale > 0 && (stale == s->file.count || (stale > STALE_FEW && stale > s->file.count / 2));
	return need;
}

/* Takes those out that no client may see yet. Stamps that no maildrop has make the next session look again. */
static enum err hold_back(struct settle *s, const struct why *reason, struct why *why)
{
	struct scan *now = s->now, all = *now;
	enum err err = OK;
	uint32_t held = 0;

	*now = (struct scan){0};
	for (uint32_t i = 0; i < all.count && err == OK; i++)
		if (all.rec[i].flags & UIDL_WAITS)
			held++;
		else
			err = scan_add(now, &all.rec[i], &all.entry[i], scan_name(&all, i), why);
	scan_done(&all);
	log_line(LOG_ERR, "%.300s: %u new messages wait until their unique-ids can be kept: %s", s->md->path, held,
		 reason->text);
	return err;
}

static bool mark_waiting(struct settle *s)
{
	bool any = false;

	for (uint32_t i = 0; i < s->now->count; i++, room_pass(i)) {
		const struct uidl_row *r = settle_row(s, i);

		if (r->kept && r->entry == UIDL_NO_ENTRY && !r->known) {
			s->now->rec[i].flags |= UIDL_WAITS;
			any = true;
		}
	}
	return any;
}

static enum err make_durable(struct settle *s, struct why *why)
{
	struct need need = find_need(s);
	struct why reason = {""};
	enum err err = OK;

	if (s->place.dir < 0) /* told at the start */
		return OK;
	if (need.missing > 0 || need.tidy)
		err = settle_write(s, &reason);
	else if (need.relied > 0 && fsync(s->place.dir) < 0)
		err = fail_errno(&reason, ERR_TEMP, "sync the directory of unique-ids");
	if (err != OK && mark_waiting(s))
		return hold_back(s, &reason, why);
	if (err != OK)
		debug(TOPIC_MAILBOX, DEBUG_ERROR, "%s: %s", s->md->path, reason.text);
	return OK;
}

/* ---- all of it ---- */

/* First those that have been given, which nobody else gets any more; then the new ones. */
static enum err settle_special(struct settle *s, struct why *why)
{
	enum err err = settle_begin(s, why);

	s->numbers = (struct uidl_numbers){s->file.validity, s->file.next};
	if (err == OK)
		err = settle_match(s, why);
	if (err == OK)
		err = settle_keep(s, why);
	if (err == OK)
		err = settle_name(s, why);
	if (err != OK)
		return err;
	settle_find_kept(s);
	return make_durable(s, why);
}

enum err uidl_settle(const struct maildrop *md, struct scan *now, struct why *why)
{
	static struct settle settle; /* a process does one thing at a time */
	struct settle *s = &settle;

	*s = (struct settle){.md = md, .now = now, .place = {.dir = -1}};
	enum err err = md->setup->uidl_dir >= 0 ? uidl_place_of(md, s->path, &s->place, why) : OK;

	if (err == OK)
		err = settle_read(&s->file, &s->place, md, why);
	if (err == OK && (s->file.there || now->specials > 0 || !uidl_format_is_computed(md->setup)))
		err = settle_special(s, why);
	settle_done(s);
	return err;
}

/* Whether an entry of the file could be this message's, or has its id. */
static bool has_to_do(const struct uidl_file *f, uint32_t k, uint64_t key, struct slice uidl)
{
	return f->entry[k].going || f->entry[k].key == key || slice_eq(uidl_file_uidl(f, k), uidl);
}

/* Whether the file, which is there, says nothing about what has come. */
static bool is_silent(const struct uidl_file *f, const struct store_driver *driver, const struct scan *more)
{
	bool silent = (uint64_t)f->count * more->count <= LOOKS_MOST;

	for (uint32_t i = 0; i < more->count && silent; i++, room_shed_all()) {
		uint64_t key = more->entry[i].id, sub;

		silent = !driver->lasting ||
			 driver->lasting(&more->rec[i], &more->entry[i], scan_name(more, i), &key, &sub);
		for (uint32_t k = 0; k < f->count && silent; k++, room_pass(k))
			silent = !has_to_do(f, k, key, listing_uidl(&more->rec[i]));
	}
	return silent;
}

bool uidl_settle_more(const struct maildrop *md, struct scan *more)
{
	static char path[PATH_MAX];
	struct uidl_file file = {0};
	struct uidl_place place;
	bool unknown, silent = true;

	if (more->specials > 0 || !uidl_format_is_computed(md->setup))
		return false;
	if (md->setup->uidl_dir >= 0)
		silent = uidl_place_of(md, path, &place, NULL) == OK &&
			 uidl_file_read(&file, &place, &unknown, NULL) == OK && is_silent(&file, md->driver, more);
	uidl_file_done(&file);
	return silent;
}
