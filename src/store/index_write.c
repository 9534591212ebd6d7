/* store/index_write.c - indexes are written, and messages appended, see index.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/index_form.h"
#include "store/uidl.h"

enum {
	BLOCKS_SMALL = 64, /* so many of less than INDEX_BLOCK_MOST: it is written anew, with larger ones */
};

/* Messages of `s` from `k` on become those of the index behind what it has: `n`, which lie in one block. */
static bool write_run(struct index *ix, const struct scan *s, uint32_t k, uint32_t n)
{
	static struct listing_rec rec[INDEX_BLOCK_MOST];
	static struct scan_entry found[INDEX_BLOCK_MOST];
	static struct index_entry entry[INDEX_BLOCK_MOST];
	static char names[INDEX_BLOCK_MOST * INDEX_ROOM_MOST], texts[INDEX_BLOCK_MOST * NAME_OCTETS];
	uint32_t at = ix->count;

	if (!scan_copy(s, k, n, rec, found, texts))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const struct scan_entry *e = &found[i];
		char *to = names + (size_t)i * ix->room;

		memcpy(to, texts + (e->name_at - found[0].name_at), e->name_len);
		memset(to + e->name_len, 0, ix->room - e->name_len);
		uint32_t stamp = rec[i].stamp, flags = rec[i].flags;

		rec[i].stamp = 0;
		rec[i].flags = (flags & ~(uint32_t)(STAMP_FLAGS | FLAGS_ALL)) | UIDL_SETTLED;
		entry[i] = (struct index_entry){.id = e->id, .at = e->at, .name_len = e->name_len, .dir = e->dir};
		index_mark_set(at + i, &entry[i], stamp, flags);
		index_mark_note(ix, stamp, flags);
		entry[i].crc = index_message_crc(at + i, &rec[i], &entry[i], to, ix->room);
		ix->sum += entry[i].crc;
		ix->octets += rec[i].octets;
		ix->marks += ix->marks > 0 && rec[i].flags & MESSAGE_MARKED;
	}
	ix->count += n;
	return index_write_at(ix->fd, rec, n * sizeof *rec, listing_at(&ix->records, at)) &&
	       index_write_at(ix->fd, entry, n * sizeof *entry, index_entry_at(ix, at)) &&
	       (ix->room == 0 || index_write_at(ix->fd, names, (size_t)n * ix->room, index_name_at(ix, at)));
}

/* The head comes last: what a killed process has left behind the old one is nothing to anybody. */
static bool write_messages(struct index *ix, const struct store_driver *driver, const struct scan *s, int64_t taken_ns)
{
	struct index_head h;

	for (uint32_t k = 0, n; k < s->count; k += n) {
		n = listing_run(&ix->records, ix->count);
		n = n < s->count - k ? n : s->count - k;
		if (!write_run(ix, s, k, n))
			return false;
	}
	index_head_begin(&h, driver->name);
	h.count = ix->count;
	h.block = ix->records.block;
	h.room = ix->room;
	h.marks = ix->marks;
	h.oldest = ix->oldest;
	h.unwritten = ix->unwritten;
	h.flagged = ix->flagged;
	h.octets = ix->octets;
	h.taken_ns = taken_ns;
	memcpy(h.stamp, s->stamp, sizeof h.stamp);
	memcpy(h.notes, s->notes, sizeof h.notes);
	h.sum = ix->sum;
	h.head_crc = index_head_crc(&h);
	return index_write_at(ix->fd, &h, sizeof h, 0);
}

/* Names get room for flags and the like, so that those which come later fit, too. */
static bool write_all(int fd, const struct store_driver *driver, const struct scan *s, int64_t taken_ns)
{
	uint32_t block = INDEX_BLOCK_LEAST, most = s->name_most;
	uint32_t room = most == 0 ? 0 : (most + 2 * INDEX_ROOM_STEP - 1) / INDEX_ROOM_STEP * INDEX_ROOM_STEP;

	while (block < INDEX_BLOCK_MOST && block < s->count)
		block *= 2;
	room = room < INDEX_ROOM_MOST ? room : INDEX_ROOM_MOST;
	struct index ix = {
		.fd = fd, .room = room, .marks = 1, .flagged = true, .records = index_records_at(block, room)};

	return write_messages(&ix, driver, s, taken_ns);
}

enum err index_write(const struct index_place *place, const struct store_driver *driver, const struct scan *s,
		     int64_t taken_ns, struct why *why)
{
	char name[sizeof place->name + 4];
	struct buf b = BUF(name);

	buf_str(&b, place->name);
	buf_put(&b, (struct slice){".new", 5}); /* with its NUL */
	/* What a killed process left. The session lock keeps others away. */
	if (unlinkat(place->dir, name, 0) < 0 && errno != ENOENT)
		return fail_errno(why, storage_err(errno), "remove %s", name);
	int fd = openat(place->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail_errno(why, storage_err(errno), "create %s", name);
	bool written = write_all(fd, driver, s, taken_ns);

	written = close(fd) == 0 && written;
	if (written && renameat(place->dir, name, place->dir, place->name) == 0)
		return OK;
	enum err err = fail_errno(why, storage_err(errno), "write %s", name);

	(void)unlinkat(place->dir, name, 0); /* of no use to anybody, and harmless */
	return err;
}

static bool may_append(const struct index *ix, const struct scan *more)
{
	uint32_t block = ix->records.block;

	return more->count <= UINT32_MAX - ix->count && more->name_most <= ix->room &&
	       (block == INDEX_BLOCK_MOST || ix->count + more->count <= block * BLOCKS_SMALL);
}

enum err index_append(const struct index_place *place, const struct index *ix, const struct store_driver *driver,
		      const struct scan *more, int64_t taken_ns, struct why *why)
{
	struct index to = *ix;

	if (!may_append(ix, more))
		return fail(why, ERR_PERM, "what has come does not fit into the index");
	to.fd = index_writer(ix, place);
	if (to.fd < 0)
		return fail_errno(why, ERR_PERM, "open the index for writing");
	enum err err =
		write_messages(&to, driver, more, taken_ns) ? OK : fail_errno(why, ERR_PERM, "append to the index");

	if (close(to.fd) < 0 && err == OK)
		err = fail_errno(why, ERR_PERM, "append to the index");
	return err;
}

enum err index_memfd(int *fd, const struct store_driver *driver, const struct scan *s, int64_t taken_ns,
		     struct why *why)
{
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

	*fd = memfd_create("pop3d-listing", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd >= 0 && write_all(*fd, driver, s, taken_ns) && fcntl(*fd, F_ADD_SEALS, seals) == 0)
		return OK;
	enum err err = fail_errno(why, ERR_TEMP, "keep a scan listing of %u messages in memory", s->count);

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return err;
}
