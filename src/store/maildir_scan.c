/* store/maildir_scan.c - the Maildir driver: the scan, which reads only messages that are not known */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/maildir.h"
#include "store/maildrop.h"
#include "store/stamp.h"
#include "store/uidl.h"

/* ---- what is known and what is found are in the same order, and are merged ---- */

/* All with one stable name: mostly one that was found and one or none that is known. */
struct group {
	const struct found *f, *f_end;
	uint32_t known, known_end;
	uint32_t first; /* of the group in `now` */
};

/* Goes through the groups. */
struct walk {
	struct group g;
	struct maildir_name name; /* of known message number `parsed` */
	uint32_t parsed;
	bool missing; /* a message that is known was not found */
};

struct merge {
	const struct maildrop *md;
	const struct scan *known;
	struct scan *now;
	const struct maildir_list *list;
	int dir[DIRS];            /* O_PATH: each message has one component less to walk */
	struct walk walk, before; /* what is merged, and what is read ahead of it */
	const struct found *next; /* of the latter, in its group */
	struct maildir_ahead ahead;
	bool vanished; /* a message that was found could not be opened */
	bool missing;  /* a message that is known was not found */
	struct why *why;
};

static const struct found *claimed_by(const struct merge *m, const struct group *g, uint32_t known)
{
	for (const struct found *f = g->f; f < g->f_end; f++)
		if (f->ino == m->known->entry[known].id)
			return f;
	return NULL;
}

/* Whether another message of the group has this UIDL, or is about to keep it. */
static bool is_used(const struct merge *m, const struct group *g, const struct listing_rec *r)
{
	for (uint32_t i = g->first; i < m->now->count; i++)
		if (uidl_same(&m->now->rec[i], r))
			return true;
	for (uint32_t k = g->known; k < g->known_end; k++)
		if (uidl_same(&m->known->rec[k], r) && claimed_by(m, g, k))
			return true;
	return false;
}

static enum err no_memory(struct why *why)
{
	return fail(why, ERR_TEMP, "compute a unique-id: no memory");
}

/* The UIDL of a file that was read now. One that was only copied to another place keeps its own. */
static enum err choose_uidl(const struct merge *m, const struct group *g, struct listing_rec *r)
{
	struct slice stable = maildir_list_stable(m->list, g->f);

	if (g->first < m->now->count && !scan_ready(m->now))
		return no_memory(m->why);
	for (uint32_t k = g->known; k < g->known_end; k++) {
		const struct listing_rec *old = &m->known->rec[k];

		if (old->crc != r->crc || old->raw != r->raw || is_used(m, g, old))
			continue;
		uidl_keep(r, old);
		return OK;
	}
	for (uint32_t k = g->known; k < g->known_end; k++)
		if (!claimed_by(m, g, k)) { /* written anew */
			stamp_keep(r, &m->known->rec[k]);
			break;
		}
	bool made = uidl_plain(r, stable);

	for (uint32_t copy = 0; made && is_used(m, g, r); copy++) {
		made = uidl_distinct(r, stable, copy);
		r->flags |= UIDL_SPECIAL;
	}
	return made ? OK : no_memory(m->why);
}

static enum err add_new(struct merge *m, const struct group *g, const struct found *f)
{
	struct slice name = maildir_list_name(m->list, f);
	struct scan_entry e = {.id = f->ino, .dir = f->dir};
	struct listing_rec r = {0};
	char file[NAME_OCTETS + 1];
	struct why reason = {""};
	enum maildir_there there;

	(void)slice_cstr(name, file, sizeof file);
	enum err err = maildir_ahead_read(&m->ahead, f, file, &r, &e, &there, &reason);

	if (err != OK)
		return fail(m->why, err, "%.80s: %s/%s", reason.text, maildir_dirs[f->dir], file);
	m->vanished |= there == MAILDIR_GONE;
	if (there != MAILDIR_THERE)
		return OK;
	r.flags |= maildir_flags(name);
	err = choose_uidl(m, g, &r);
	maildir_note(m->now, f->dir, name, f->ino);
	return err == OK ? scan_add(m->now, &r, &e, name, m->why) : err;
}

static enum err add_known(struct merge *m, const struct found *f, uint32_t known)
{
	struct slice name = maildir_list_name(m->list, f);
	struct scan_entry e = m->known->entry[known];
	struct listing_rec r = m->known->rec[known];

	e.dir = f->dir;
	r.flags = (r.flags & ~(uint32_t)MESSAGE_MARKED) | maildir_flags(name);
	maildir_note(m->now, f->dir, name, f->ino);
	return scan_add(m->now, &r, &e, name, m->why);
}

/* The known message of the group that is this file; or known_end. */
static uint32_t known_of(const struct merge *m, const struct group *g, const struct found *f)
{
	uint32_t k = g->known;

	while (k < g->known_end && m->known->entry[k].id != f->ino)
		k++;
	return k;
}

static enum err merge_group(struct merge *m, const struct group *g)
{
	enum err err = OK;

	for (const struct found *f = g->f; f < g->f_end && err == OK; f++) {
		uint32_t k = known_of(m, g, f);

		err = k < g->known_end ? add_known(m, f, k) : add_new(m, g, f);
	}
	for (uint32_t k = g->known; k < g->known_end; k++)
		m->missing |= !claimed_by(m, g, k);
	return err;
}

/* ---- from group to group ---- */

static int compare_known(const struct merge *m, struct walk *w, uint32_t known)
{
	if (w->parsed != known)
		maildir_name_parse(&w->name, scan_name(m->known, known));
	w->parsed = known;
	return maildir_list_compare(m->list, w->g.f, &w->name);
}

static void walk_begin(const struct merge *m, struct walk *w)
{
	*w = (struct walk){.g = {.f_end = m->list->found}, .parsed = UINT32_MAX};
}

/* False: there are no more. */
static bool walk_next(const struct merge *m, struct walk *w)
{
	const struct found *end = m->list->count > 0 ? m->list->found + m->list->count : NULL;
	struct group *g = &w->g;

	g->f = g->f_end;
	g->known = g->known_end;
	if (g->f == end) {
		w->missing |= g->known < m->known->count;
		return false;
	}
	for (g->f_end = g->f + 1;
	     g->f_end < end && slice_eq(maildir_list_stable(m->list, g->f), maildir_list_stable(m->list, g->f_end));)
		g->f_end++;
	for (; g->known < m->known->count && compare_known(m, w, g->known) > 0; g->known++)
		w->missing = true;
	for (g->known_end = g->known; g->known_end < m->known->count && compare_known(m, w, g->known_end) == 0;)
		g->known_end++;
	return true;
}

/* For struct maildir_ahead. */
static const struct found *next_new(void *merge)
{
	struct merge *m = merge;

	for (;;) {
		while (m->next < m->before.g.f_end) {
			const struct found *f = m->next++;

			if (known_of(m, &m->before.g, f) == m->before.g.known_end)
				return f;
		}
		if (!walk_next(m, &m->before))
			return NULL;
		m->next = m->before.g.f;
	}
}

static enum err merge_all(struct merge *m)
{
	enum err err = OK;

	walk_begin(m, &m->walk);
	walk_begin(m, &m->before);
	m->next = m->list->found;
	maildir_ahead_begin(&m->ahead, m->list,
			    m->list->count > m->known->count ? m->list->count - m->known->count : 0);
	while (err == OK && walk_next(m, &m->walk)) {
		m->walk.g.first = m->now->count;
		err = merge_group(m, &m->walk.g);
	}
	maildir_ahead_end(&m->ahead);
	m->missing |= m->walk.missing;
	return err;
}

/* With its directories open. */
static enum err merge_list(struct merge *m)
{
	enum err err = OK;

	for (unsigned d = 0; d < DIRS; d++)
		m->dir[d] = openat(m->md->fd, maildir_dirs[d], O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (unsigned d = 0; d < DIRS && err == OK; d++)
		if (m->dir[d] < 0)
			err = fail_errno(m->why, storage_err(errno), "open %s/", maildir_dirs[d]);
	if (err == OK)
		err = merge_all(m);
	for (unsigned d = 0; d < DIRS; d++)
		if (m->dir[d] >= 0)
			close(m->dir[d]);
	return err;
}

/* Mail that its user may read, but not delete: better said at once than at QUIT. */
static enum err check_access(const struct maildrop *md, struct why *why)
{
	for (unsigned d = 0; d < DIRS && !md->setup->read_only; d++)
		if (faccessat(md->fd, maildir_dirs[d], R_OK | W_OK | X_OK, AT_EACCESS) < 0)
			return fail_errno(why, storage_err(errno), "%s/ may not be changed by its user",
					  maildir_dirs[d]);
	return OK;
}

bool maildir_lasting(const struct listing_rec *r, const struct scan_entry *e, struct slice name, uint64_t *key,
		     uint64_t *sub)
{
	char digits[UIDL_DIGITS + 1];
	struct maildir_name n;

	(void)e;
	maildir_name_parse(&n, name);
	*sub = (uint64_t)r->crc << 32 | (uint32_t)r->raw;
	if (!uidl_begin())
		return false;
	uidl_feed((struct slice){n.stable, n.stable_len});
	return uidl_end(digits, key);
}

/* Reads the directories until a list is certainly whole: nothing moved meanwhile and nothing is missing, or two in a row agree.
 * What was read is known to the next pass. */
enum err maildir_scan(const struct maildrop *md, const struct scan *known, struct scan *now, struct why *why)
{
	struct scan carried = {0};
	uint64_t fingerprint = 0;
	bool settled = false;
	enum err err = check_access(md, why);

	for (int pass = 0; pass < MAILDIR_PASSES_MOST && err == OK && !settled; pass++) {
		struct maildir_list list = {0};
		struct merge m = {.md = md,
				  .known = pass > 0 ? &carried : known,
				  .now = now,
				  .list = &list,
				  .ahead = {.next = next_new, .arg = &m, .dir = m.dir},
				  .why = why};

		scan_collect(now);
		err = maildir_list_read(&list, md->fd, why);
		if (err == OK)
			err = merge_list(&m);
		if (err == OK && !scan_ready(now))
			err = no_memory(why);
		settled = !m.vanished && ((list.quiet && !m.missing) || (pass > 0 && list.fingerprint == fingerprint));
		fingerprint = list.fingerprint;
		memcpy(now->stamp, list.stamp, sizeof list.stamp);
		maildir_list_done(&list);
		if (err == OK && !settled) {
			scan_done(&carried);
			carried = *now;
			*now = (struct scan){0};
		}
	}
	scan_done(&carried);
	if (err == OK && !settled)
		err = fail(why, ERR_TEMP, "new/ and cur/ change all the time");
	if (err == OK && !md->setup->read_only)
		maildir_sweep(md);
	return err;
}
