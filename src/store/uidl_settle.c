/* store/uidl_settle.c - see uidl_settle.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/uidl.h"
#include "store/uidl_settling.h"

enum {
	STALE_FEW = 64,       /* entries of messages that are gone: not worth a write */
	LOOKS_MOST = 1000000, /* at entries, before tables are better */
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
enum err settle_read(struct uidl_file *file, const struct uidl_place *place, const struct maildrop *md,
			  struct why *why)
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
	uidl_chains_done(&s->messages);
	uidl_chains_done(&s->entries);
	uidl_table_done(&s->uidls);
	free(s->key);
	free(s->sub);
	free(s->entry_key);
	free(s->entry_of);
	free(s->message_of);
	free(s->known);
}

static bool find_lasting(struct settle *s)
{
	const struct scan *now = s->now;
	const struct store_driver *driver = s->md->driver;

	for (uint32_t i = 0; i < now->count; i++) {
		s->key[i] = now->entry[i].id;
		if (driver->lasting &&
		    !driver->lasting(&now->rec[i], &now->entry[i], scan_name(now, i), &s->key[i], &s->sub[i]))
			return false;
		s->known[i] = (now->rec[i].flags & UIDL_SETTLED) != 0;
		s->entry_of[i] = UIDL_NONE;
	}
	return true;
}

/* The file has been read. */
bool settle_tables(struct settle *s)
{
	size_t messages = (size_t)s->now->count + 1, entries = (size_t)s->file.count + 1;

	s->key = calloc(messages, sizeof *s->key);
	s->sub = calloc(messages, sizeof *s->sub);
	s->entry_of = calloc(messages, sizeof *s->entry_of);
	s->known = calloc(messages, sizeof *s->known);
	s->entry_key = calloc(entries, sizeof *s->entry_key);
	s->message_of = calloc(entries, sizeof *s->message_of);
	if (!s->key || !s->sub || !s->entry_of || !s->known || !s->entry_key || !s->message_of || !find_lasting(s))
		return false;
	for (uint32_t k = 0; k < s->file.count; k++) {
		s->entry_key[k] = s->file.entry[k].key;
		s->message_of[k] = UIDL_NONE;
	}
	return uidl_chains_init(&s->messages, s->key, s->now->count) &&
	       uidl_chains_init(&s->entries, s->entry_key, s->file.count) && uidl_table_init(&s->uidls, messages);
}

/* ---- which entry is whose: group by group of one key ---- */

static void match(struct settle *s, uint32_t message, uint32_t entry)
{
	s->entry_of[message] = entry;
	s->message_of[entry] = message;
}

static bool is_free(const struct settle *s, uint32_t entry, bool going)
{
	return s->message_of[entry] == UIDL_NONE && s->file.entry[entry].going == going;
}

static bool has_going(const struct settle *s, uint32_t entry)
{
	for (; entry != UIDL_NONE; entry = uidl_chains_next(&s->entries, entry))
		if (s->file.entry[entry].going)
			return true;
	return false;
}

/* Those whose id was known before keep it, unless a commit was about to delete that message. False: none is known. */
static bool match_known(struct settle *s, uint32_t first, const struct uidl_table *by_uidl)
{
	bool any = false;

	for (uint32_t i = first; i != UIDL_NONE; i = uidl_chains_next(&s->messages, i)) {
		uint32_t k = s->known[i] ? uidl_table_find(by_uidl, listing_uidl(&s->now->rec[i])) : UIDL_NONE;

		any |= s->known[i];
		if (k != UIDL_NONE && s->entry_key[k] == s->key[i] && is_free(s, k, false))
			match(s, i, k);
	}
	return any;
}

/* Those that something tells apart. */
static void match_sub(struct settle *s, uint32_t first, uint32_t entry, bool going)
{
	for (uint32_t i = first; i != UIDL_NONE; i = uidl_chains_next(&s->messages, i))
		for (uint32_t k = entry; k != UIDL_NONE && s->sub[i] != 0 && s->entry_of[i] == UIDL_NONE;
		     k = uidl_chains_next(&s->entries, k))
			if (is_free(s, k, going) && s->file.entry[k].sub == s->sub[i])
				match(s, i, k);
}

/* The others, one after the other; `known': of them those that are known. */
static void match_rest(struct settle *s, uint32_t first, uint32_t entry, bool known, bool going)
{
	for (uint32_t i = first; i != UIDL_NONE; i = uidl_chains_next(&s->messages, i)) {
		if (s->entry_of[i] != UIDL_NONE || (known && !s->known[i]))
			continue;
		while (entry != UIDL_NONE && !is_free(s, entry, going))
			entry = uidl_chains_next(&s->entries, entry);
		if (entry == UIDL_NONE)
			return;
		match(s, i, entry);
	}
}

/* Where a message of the group is known, the others are new: what is left over was of messages that are gone. But where a commit was
 * interrupted, the index may be older than file and mail: then these tell which of those that it knows are left. */
static void match_group(struct settle *s, uint32_t first, const struct uidl_table *by_uidl)
{
	uint32_t entry = uidl_chains_first(&s->entries, s->key[first]);
	bool marked = has_going(s, entry), any = entry != UIDL_NONE && match_known(s, first, by_uidl);

	if (entry == UIDL_NONE)
		return;
	for (int going = 0; going <= (int)marked && !any; going++)
		match_sub(s, first, entry, going);
	for (int going = 0; going <= (int)marked; going++)
		match_rest(s, first, entry, any, going);
}

enum err settle_match(struct settle *s, struct why *why)
{
	struct uidl_table by_uidl;
	bool sane = uidl_table_init(&by_uidl, s->file.count);

	for (uint32_t k = 0; k < s->file.count && sane; k++)
		(void)uidl_table_add(&by_uidl, uidl_file_uidl(&s->file, k),
				     k); /* of one that comes twice the first counts */
	for (uint32_t i = 0; i < s->now->count && sane; i++)
		if (uidl_chains_first(&s->messages, s->key[i]) == i)
			match_group(s, i, &by_uidl);
	uidl_table_done(&by_uidl);
	return sane ? OK : fail(why, ERR_TEMP, "no memory for unique-ids");
}

/* ---- ids ---- */

/* Whether it is what the driver computes, so that nothing needs to be kept of it. */
static bool is_plain(const struct settle *s, uint32_t i)
{
	struct slice uidl = listing_uidl(&s->now->rec[i]);
	char digits[17];

	(void)snprintf(digits, sizeof digits, "%016llx", (unsigned long long)s->key[i]);
	return uidl.n == UIDL_DIGITS && memcmp(uidl.p, digits, 16) == 0;
}

static bool is_alone(const struct settle *s, uint32_t i)
{
	return uidl_chains_first(&s->messages, s->key[i]) == i && uidl_chains_next(&s->messages, i) == UIDL_NONE;
}

static bool is_kept(const struct settle *s, uint32_t i)
{
	return !uidl_format_is_computed(s->md->setup) || s->now->rec[i].flags & UIDL_RIVALLED || !is_plain(s, i) ||
	       !is_alone(s, i);
}

/* Where it is taken: another one. */
static bool make_unique(struct settle *s, uint32_t i)
{
	struct listing_rec *r = &s->now->rec[i];
	char digits[17];

	(void)snprintf(digits, sizeof digits, "%016llx", (unsigned long long)s->key[i]);
	while (!uidl_table_add(&s->uidls, listing_uidl(r), i))
		if (!uidl_copy(r, slice_str(digits), ++s->copies))
			return false;
	return true;
}

/* First those that have been given, which nobody else gets any more; then the new ones. */
static enum err name_all(struct settle *s, struct why *why)
{
	bool made = true;

	for (uint32_t i = 0; i < s->now->count; i++) {
		uint32_t k = s->entry_of[i];

		if (k != UIDL_NONE)
			uidl_set(&s->now->rec[i], uidl_file_uidl(&s->file, k));
		if ((k != UIDL_NONE || s->known[i]) && uidl_table_add(&s->uidls, listing_uidl(&s->now->rec[i]), i))
			continue;
		s->known[i] = false; /* or never was; or another has its id */
		if (k != UIDL_NONE)
			s->message_of[k] = UIDL_NONE;
		s->entry_of[i] = UIDL_NONE;
	}
	for (uint32_t i = 0; i < s->now->count && made; i++)
		if (s->entry_of[i] == UIDL_NONE && !s->known[i]) {
			enum err err = uidl_format_name(s->md, s->now, i, &s->numbers, why);

			if (err != OK)
				return err;
			made = make_unique(s, i);
		}
	return made ? OK : fail(why, ERR_TEMP, "compute a unique-id: no memory");
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
	for (uint32_t i = 0; i < s->now->count; i++)
		if (is_kept(s, i))
			uidl_text_add(&t, s->key[i], s->sub[i], false, listing_uidl(&s->now->rec[i]));
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
	uint32_t stale = 0;

	for (uint32_t i = 0; i < s->now->count; i++) {
		bool kept = is_kept(s, i);

		need.missing += kept && s->entry_of[i] == UIDL_NONE;
		need.relied += kept && s->entry_of[i] != UIDL_NONE && !s->known[i];
	}
	for (uint32_t k = 0; k < s->file.count; k++) {
		uint32_t i = s->message_of[k];

		stale += i == UIDL_NONE || !is_kept(s, i);
		need.tidy |= s->file.entry[k].going;
	}
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

	for (uint32_t i = 0; i < s->now->count; i++)
		if (is_kept(s, i) && s->entry_of[i] == UIDL_NONE && !s->known[i]) {
			s->now->rec[i].flags |= UIDL_WAITS;
			any = true;
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

static void set_flags(struct settle *s)
{
	for (uint32_t i = 0; i < s->now->count; i++) {
		uint32_t *flags = &s->now->rec[i].flags;

		*flags = (*flags & ~(uint32_t)UIDL_SPECIAL) | (is_kept(s, i) ? UIDL_SPECIAL : 0);
	}
}

static enum err settle_special(struct settle *s, struct why *why)
{
	s->numbers = (struct uidl_numbers){s->file.validity, s->file.next};
	if (!settle_tables(s))
		return fail(why, ERR_TEMP, "no memory for unique-ids");
	enum err err = settle_match(s, why);

	if (err == OK)
		err = name_all(s, why);
	if (err != OK)
		return err;
	set_flags(s);
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

	for (uint32_t i = 0; i < more->count && silent; i++) {
		uint64_t key = more->entry[i].id, sub;

		silent = !driver->lasting ||
			 driver->lasting(&more->rec[i], &more->entry[i], scan_name(more, i), &key, &sub);
		for (uint32_t k = 0; k < f->count && silent; k++)
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
