/* store/maildir_scan.c - the Maildir driver: reading messages, and the scan that reads only those that are not known */
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

/* ---- reading a message ---- */

int maildir_open_message(int at, const char *file)
{
	return openat(at, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Sizes, lines and checksum of what `fd` holds, all from the octets themselves. */
static enum err count_message(int fd, struct listing_rec *r, struct why *why)
{
	static char piece[128 * 1024];
	struct wire w;
	ssize_t n;

	wire_init(&w, MAILDIR_RULES, WIRE_ALL_LINES);
	do {
		n = read(fd, piece, sizeof piece);
		if (n < 0)
			return fail_errno(why, storage_err(errno), "read a message");
		if (r->raw == 0) /* the header; what is behind so much of it is not seen */
			stamp_find(r, (struct slice){piece, (size_t)n});
		r->crc = listing_crc(r->crc, (struct slice){piece, (size_t)n});
		wire_count(&w, (struct slice){piece, (size_t)n});
		r->raw += (uint64_t)n;
	} while ((size_t)n == sizeof piece); /* a short read is the end of a regular file */
	wire_count_end(&w);
	r->octets = w.octets;
	r->lines = w.lines < UINT32_MAX ? (uint32_t)w.lines : UINT32_MAX;
	return OK;
}

/* Some deliverers count in another way, or compress: nothing is built on what a name claims. */
static void check_claims(struct slice name, const struct listing_rec *r)
{
	struct maildir_name n;
	struct event e;

	if (!log_wants(LOG_DEBUG))
		return;
	maildir_name_parse(&n, name);
	if ((n.stored == CLAIM_NONE || n.stored == r->raw) && (n.wire == CLAIM_NONE || n.wire == r->octets))
		return;
	event_new(&e, "claimed-size-differs");
	event_kv(&e, "file", name);
	event_u64(&e, "stored", r->raw);
	event_u64(&e, "octets", r->octets);
	event_log(&e, LOG_DEBUG);
}

enum err maildir_read_message(int at, const char *file, struct listing_rec *r, struct scan_entry *e,
			      enum maildir_there *there, struct why *why)
{
	int fd = maildir_open_message(at, file);
	struct stat st = {0};
	enum err err = OK;

	if (fd < 0 && (errno == ENOENT || errno == ELOOP)) { /* a symbolic link is no message */
		*there = errno == ENOENT ? MAILDIR_GONE : MAILDIR_NO_MESSAGE;
		return OK;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		err = fail_errno(why, storage_err(errno), "open a message");
	*there = S_ISREG(st.st_mode) ? MAILDIR_THERE : MAILDIR_NO_MESSAGE;
	if (err == OK && *there == MAILDIR_THERE)
		err = count_message(fd, r, why);
	if (fd >= 0)
		close(fd);
	if (err == OK && *there == MAILDIR_THERE) {
		const char *slash = strrchr(file, '/');
		struct slice name = slice_str(slash ? slash + 1 : file);

		check_claims(name, r);
		stamp_came(r, maildir_name_number(name));
	}
	e->at = storage_ns(st.st_mtim);
	return err;
}

/* ---- a scan: what is known and what is found are in the same order, and are merged ---- */

struct merge {
	const struct maildrop *md;
	const struct scan *known;
	struct scan *now;
	const struct maildir_list *list;
	int dir[DIRS];            /* O_PATH: each message has one component less to walk */
	struct maildir_name name; /* of known message number `parsed` */
	uint32_t parsed;
	bool vanished; /* a message that was found could not be opened */
	bool missing;  /* a message that is known was not found */
	struct why *why;
};

/* All with one stable name: mostly one that was found and one or none that is known. */
struct group {
	const struct found *f, *f_end;
	uint32_t known, known_end;
	uint32_t first; /* of the group in `now` */
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
	enum err err = maildir_read_message(m->dir[f->dir], file, &r, &e, &there, &reason);

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

static enum err merge_group(struct merge *m, const struct group *g)
{
	enum err err = OK;

	for (const struct found *f = g->f; f < g->f_end && err == OK; f++) {
		uint32_t k = g->known;

		while (k < g->known_end && m->known->entry[k].id != f->ino)
			k++;
		err = k < g->known_end ? add_known(m, f, k) : add_new(m, g, f);
	}
	for (uint32_t k = g->known; k < g->known_end; k++)
		m->missing |= !claimed_by(m, g, k);
	return err;
}

static int compare_known(struct merge *m, const struct found *f, uint32_t known)
{
	if (m->parsed != known)
		maildir_name_parse(&m->name, scan_name(m->known, known));
	m->parsed = known;
	return maildir_list_compare(m->list, f, &m->name);
}

static enum err merge_all(struct merge *m)
{
	const struct found *first = m->list->found, *end = first ? first + m->list->count : NULL;
	struct group g = {.f = first};
	enum err err = OK;

	for (; g.f < end && err == OK; g.f = g.f_end, g.known = g.known_end) {
		for (g.f_end = g.f + 1; g.f_end < end && slice_eq(maildir_list_stable(m->list, g.f),
								  maildir_list_stable(m->list, g.f_end));)
			g.f_end++;
		for (; g.known < m->known->count && compare_known(m, g.f, g.known) > 0; g.known++)
			m->missing = true;
		for (g.known_end = g.known; g.known_end < m->known->count && compare_known(m, g.f, g.known_end) == 0;)
			g.known_end++;
		g.first = m->now->count;
		err = merge_group(m, &g);
	}
	m->missing |= g.known < m->known->count;
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
				  .parsed = UINT32_MAX,
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
