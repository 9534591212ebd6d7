/* store/index_marks.c - when messages of an index were retrieved, and what was told of them, see index.h */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/index_form.h"

int index_writer(const struct index *ix, const struct index_place *place)
{
	struct stat is, was;
	int fd = place->dir < 0
			 ? -1
			 : openat(place->dir, place->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 ||
	    (fstat(fd, &is) == 0 && fstat(ix->fd, &was) == 0 && is.st_ino == was.st_ino && is.st_dev == was.st_dev))
		return fd;
	close(fd);
	return -1;
}

static bool head_write(const struct index *ix, int fd)
{
	struct index_head h;

	if (!index_read_at(fd, &h, sizeof h, 0) || h.head_crc != index_head_crc(&h))
		return false;
	h.oldest = ix->oldest;
	h.unwritten = ix->unwritten;
	h.flagged = ix->flagged;
	h.head_crc = index_head_crc(&h);
	return index_write_at(fd, &h, sizeof h, 0);
}

/* What the head says of stamps and flags comes before the first of them: it may say too much, and never too little. */
static bool head_mark(struct index *ix, int fd, uint32_t stamp, bool seen)
{
	if ((stamp == 0 || (ix->unwritten && ix->oldest != 0 && ix->oldest <= stamp)) && !(seen && ix->flagged))
		return true;
	const struct index was = *ix;

	index_mark_note(ix, stamp, FLAGS_WRITTEN | (seen ? FLAGS_SEEN : 0));
	if (head_write(ix, fd))
		return true;
	*ix = was;
	return false;
}

void index_tried(struct index *ix, int fd)
{
	ix->unwritten = false;
	ix->flagged = true;
	(void)head_write(ix, fd); /* or it is tried again */
}

/* Whether the mark changes. */
static bool mark_add(uint32_t i, struct index_entry *e, uint32_t stamp, bool seen)
{
	const struct index_mark was = index_mark_get(i, e);
	uint32_t where =
		seen && !(was.where & FLAGS_SEEN) ? (was.where | FLAGS_SEEN) & ~(uint32_t)FLAGS_LEFT : was.where;

	if (was.stamp != 0)
		stamp = was.stamp;
	if (stamp == was.stamp && where == was.where)
		return false;
	index_mark_set(i, e, stamp, where);
	return true;
}

/* `n` messages that lie in one block. */
static bool mark_run(struct index *ix, int fd, uint32_t from, uint32_t n, uint32_t stamp, bool seen)
{
	static struct index_entry entry[INDEX_BLOCK_MOST];
	uint32_t first = n, last = 0;

	if (!index_read_at(fd, entry, n * sizeof *entry, index_entry_at(ix, from)))
		return false;
	for (uint32_t k = 0; k < n; k++) {
		if (!mark_add(from + k, &entry[k], stamp, seen))
			continue;
		first = first < n ? first : k;
		last = k;
	}
	return first == n ||
	       (head_mark(ix, fd, stamp, seen) && index_write_at(fd, entry + first, (last + 1 - first) * sizeof *entry,
								 index_entry_at(ix, from + first)));
}

enum err index_mark(struct index *ix, int fd, uint32_t from, uint32_t n, uint32_t stamp, bool seen, struct why *why)
{
	for (uint32_t run; n > 0; from += run, n -= run) {
		run = listing_run(&ix->records, from);
		run = run < n ? run : n;
		if (!mark_run(ix, fd, from, run, stamp, seen))
			return fail_errno(why, ERR_TEMP, "mark messages in the index");
	}
	return OK;
}

/* Which marks are looked for. */
struct wanted {
	uint32_t newest, but; /* stamps: as for index_stamped */
	bool unflagged;
};

static bool is_wanted(const struct wanted *w, const struct index_mark *mark)
{
	return w->unflagged ? flags_pending(mark->where & ~(uint32_t)FLAGS_LEFT)
			    : mark->stamp != 0 && mark->stamp <= w->newest && !(mark->where & w->but);
}

static enum err find_marks(const struct index *ix, const struct wanted *w, uint8_t *set, uint32_t *found,
			   struct why *why)
{
	static struct index_entry entry[INDEX_BLOCK_MOST];

	*found = 0;
	for (uint32_t from = 0, n; from < ix->count; from += n) {
		n = listing_run(&ix->records, from);
		n = n < ix->count - from ? n : ix->count - from;
		if (!index_read_at(ix->fd, entry, n * sizeof *entry, index_entry_at(ix, from)))
			return fail(why, ERR_TEMP, "the index is damaged or was cut");
		for (uint32_t k = 0, i = from; k < n; k++, i++) {
			const struct index_mark mark = index_mark_get(i, &entry[k]);

			if (!is_wanted(w, &mark) || set[i / 8] >> i % 8 & 1)
				continue;
			set[i / 8] |= (uint8_t)(1 << i % 8);
			++*found;
		}
	}
	return OK;
}

enum err index_stamped(const struct index *ix, uint32_t newest, uint32_t but, uint8_t *set, uint32_t *found,
		       struct why *why)
{
	return find_marks(ix, &(struct wanted){.newest = newest, .but = but}, set, found, why);
}

enum err index_unflagged(const struct index *ix, uint8_t *set, uint32_t *found, struct why *why)
{
	return find_marks(ix, &(struct wanted){.unflagged = true}, set, found, why);
}
