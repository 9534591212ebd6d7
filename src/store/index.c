/* store/index.c - reading and opening, see index.h */
#include "store/index.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/handover.h"
#include "store/index_form.h"

/* ---- reading ---- */

void index_find_out(struct index *ix)
{
	if (ix->count > INDEX_INLINE)
		ix->handover = (uint8_t)(1 + handover_kind(ix->fd));
}

bool index_is_handed_over(const struct index *ix)
{
	enum handover kind = ix->handover > 0 ? (enum handover)(ix->handover - 1) : handover_kind(ix->fd);

	return ix->count > INDEX_INLINE && kind != HANDOVER_NOT;
}

bool index_first_again(const struct index *ix, struct index_first *first)
{
	size_t n = ix->count * sizeof *first->rec;

	first->head.count = ix->count;
	first->head.octets = ix->octets;
	return ix->count <= INDEX_INLINE && index_read_at(ix->fd, first->rec, n, ix->records.at) &&
	       index_first_is_sane(first, sizeof first->head + n);
}

static void from_head(struct index *ix, int fd, const struct index_head *h)
{
	*ix = (struct index){.fd = fd,
			     .count = h->count,
			     .room = h->room,
			     .marks = h->marks,
			     .octets = h->octets,
			     .sum = h->sum,
			     .records = index_records_at(h->block, h->room),
			     .settled = true,
			     .oldest = h->oldest,
			     .unwritten = h->unwritten != 0,
			     .flagged = h->flagged == 1};
	memcpy(ix->stamp, h->stamp, sizeof ix->stamp);
	memcpy(ix->notes, h->notes, sizeof ix->notes);
	for (int i = 0; i < STAMPS; i++) {
		ix->calm[i] = index_is_calm(&h->stamp[i], h->taken_ns);
		ix->settled = ix->settled && ix->calm[i];
	}
}

/* `n` messages that lie in one block, into the window behind those that it has. */
static bool read_run(const struct index *ix, uint32_t from, uint32_t n, struct index_window *w)
{
	return index_read_at(ix->fd, w->rec + w->n, n * sizeof *w->rec, listing_at(&ix->records, from)) &&
	       index_read_at(ix->fd, w->entry + w->n, n * sizeof *w->entry, index_entry_at(ix, from)) &&
	       (ix->room == 0 || index_read_at(ix->fd, w->names + (size_t)w->n * ix->room, (size_t)n * ix->room,
					       index_name_at(ix, from)));
}

static bool is_message_sane(const struct index_window *w, uint32_t k)
{
	const struct index_entry *e = &w->entry[k];
	const char *name = w->names + (size_t)k * w->room;

	return e->crc == index_message_crc(w->from + k, &w->rec[k], e, name, w->room) && listing_is_sane(&w->rec[k]) &&
	       e->name_len <= NAME_OCTETS && e->name_len <= w->room && !memchr(name, '/', e->name_len) &&
	       !memchr(name, '\0', e->name_len);
}

enum err index_read(const struct index *ix, uint32_t from, uint32_t n, struct index_window *w, struct why *why)
{
	bool sane = true;

	w->from = from;
	w->n = 0;
	w->room = ix->room;
	while (sane && w->n < n) {
		uint32_t run = listing_run(&ix->records, from + w->n);

		run = run < n - w->n ? run : n - w->n;
		sane = read_run(ix, from + w->n, run, w);
		w->n += run;
	}
	for (uint32_t k = 0; sane && k < n; k++)
		sane = is_message_sane(w, k);
	return sane ? OK : fail(why, ERR_TEMP, "the index is damaged or was cut");
}

void index_message(const struct index_window *w, uint32_t i, struct message *m)
{
	uint32_t k = i - w->from;
	const struct index_entry *e = &w->entry[k];

	const struct index_mark mark = index_mark_get(i, e);

	m->rec = w->rec[k];
	m->rec.stamp = mark.stamp;
	m->rec.flags |= mark.where;
	m->entry = (struct scan_entry){.id = e->id, .at = e->at, .name_len = e->name_len, .dir = e->dir};
	memcpy(m->name, w->names + (size_t)k * w->room, e->name_len);
	m->name[e->name_len] = '\0';
}

enum err index_records(const struct index *ix, uint32_t from, uint32_t n, struct buf *out, struct why *why)
{
	bool there = n <= (out->cap - out->len) / sizeof(struct listing_rec);

	while (there && n > 0) {
		uint32_t run = listing_run(&ix->records, from);
		size_t octets = (run < n ? run : n) * sizeof(struct listing_rec);

		run = run < n ? run : n;
		there = index_read_at(ix->fd, out->p + out->len, octets, listing_at(&ix->records, from));
		out->len += there ? octets : 0;
		from += run;
		n -= run;
	}
	return there ? OK : fail(why, ERR_TEMP, "the index is damaged or was cut");
}

/* ---- all of it ---- */

/* One at a time in a process. */
static struct index_window walked;

/* Calls `each`, where there is one, for every message, as long as it returns true. False: it did not, or the index is damaged. */
static bool walk(const struct index *ix, bool (*each)(void *arg, const struct message *m), void *arg)
{
	uint64_t sum = 0, octets = 0;
	struct message m;

	for (uint32_t from = 0, n; from < ix->count; from += n) {
		n = ix->count - from < INDEX_WINDOW ? ix->count - from : INDEX_WINDOW;
		if (index_read(ix, from, n, &walked, NULL) != OK)
			return false;
		for (uint32_t k = 0; k < n; k++) {
			sum += walked.entry[k].crc;
			octets += walked.rec[k].octets;
			if (!each)
				continue;
			index_message(&walked, from + k, &m);
			if (!each(arg, &m))
				return false;
		}
	}
	return sum == ix->sum && octets == ix->octets;
}

enum err index_last(const struct index *ix, struct message *m, struct why *why)
{
	enum err err = index_read(ix, ix->count - 1, 1, &walked, why);

	if (err == OK)
		index_message(&walked, ix->count - 1, m);
	return err;
}

static bool load_one(void *arg, const struct message *m)
{
	return scan_add(arg, &m->rec, &m->entry, slice_str(m->name), NULL) == OK;
}

enum err index_load(const struct index *ix, struct scan *out, struct why *why)
{
	memcpy(out->stamp, ix->stamp, sizeof out->stamp);
	memcpy(out->notes, ix->notes, sizeof out->notes);
	if (walk(ix, load_one, out))
		return OK;
	scan_done(out);
	return fail(why, ERR_PERM, "the index is damaged");
}

enum err index_ids(const struct index *ix, void (*each)(void *arg, uint64_t id), void *arg, struct why *why)
{
	static struct index_entry entry[INDEX_BLOCK_MOST];

	for (uint32_t from = 0, n; from < ix->count; from += n) {
		n = listing_run(&ix->records, from);
		n = n < ix->count - from ? n : ix->count - from;
		if (!index_read_at(ix->fd, entry, n * sizeof *entry, index_entry_at(ix, from)))
			return fail(why, ERR_TEMP, "the index is damaged or was cut");
		for (uint32_t k = 0; k < n; k++)
			each(arg, entry[k].id);
	}
	return OK;
}

/* ---- opening ---- */

/* What was written before a crash of the machine may have holes. Checked once, which its mtime then shows. */
static bool survived_boot(const struct index *ix, const struct stat *st)
{
	if (index_is_of_this_boot(storage_ns(st->st_mtim)))
		return true;
	if (!walk(ix, NULL, NULL))
		return false;
	(void)futimens(ix->fd, NULL); /* without it, it is checked again: slower, not wrong */
	return true;
}

enum err index_adopt(struct index *ix, int fd, const struct store_driver *driver, const struct stamp stamp[STAMPS],
		     struct index_first *first, bool *current, struct why *why)
{
	struct stat st;
	ssize_t got = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? pread(fd, first, sizeof *first, 0) : -1;
	bool sane = got >= 0 && st.st_uid == geteuid() && index_head_is_ours(&first->head, (size_t)got, driver->name) &&
		    index_first_is_sane(first, (size_t)got);

	*ix = (struct index){.fd = fd};
	if (sane) {
		from_head(ix, fd, &first->head);
		ix->file = storage_stamp(&st);
		sane = index_end(ix->count, ix->records.block, ix->room) <= (uint64_t)st.st_size &&
		       survived_boot(ix, &st);
	}
	if (!sane) {
		index_close(ix);
		return fail(why, ERR_PERM, "the index is damaged, of another version, or not ours");
	}
	*current = ix->settled && memcmp(ix->stamp, stamp, sizeof ix->stamp) == 0;
	return OK;
}

enum err index_open(struct index *ix, const struct index_place *place, const struct store_driver *driver,
		    const struct stamp stamp[STAMPS], struct index_first *first, bool *current, struct why *why)
{
	int fd = place->dir < 0
			 ? -1
			 : openat(place->dir, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	*ix = (struct index){.fd = -1};
	if (fd < 0)
		return fail_errno(why, ERR_PERM, "open the index");
	return index_adopt(ix, fd, driver, stamp, first, current, why);
}

void index_close(struct index *ix)
{
	if (ix->fd >= 0)
		close(ix->fd);
	*ix = (struct index){.fd = -1};
}

void index_drop(const struct index_place *place)
{
	if (place->dir >= 0)
		(void)unlinkat(place->dir, place->name, 0); /* it may not be there */
}
