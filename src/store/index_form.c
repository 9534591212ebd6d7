/* store/index_form.c - see index_form.h */
#include "store/index_form.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "store/flags.h"
#include "store/stamp.h"

static_assert(sizeof(struct index_entry) == INDEX_ENTRY_OCTETS, "an entry has no padding");
static_assert((int)INDEX_ROOM_MOST == (int)NAME_OCTETS + 1, "there is room for any name");

/* ---- where things are ---- */

static uint64_t block_at(const struct index *ix, uint32_t i)
{
	return ix->records.at + (uint64_t)(i / ix->records.block) * ix->records.block_octets;
}

uint64_t index_entry_at(const struct index *ix, uint32_t i)
{
	uint32_t block = ix->records.block;

	return block_at(ix, i) + block * sizeof(struct listing_rec) + (i % block) * sizeof(struct index_entry);
}

uint64_t index_name_at(const struct index *ix, uint32_t i)
{
	uint32_t block = ix->records.block;

	return block_at(ix, i) + block * (sizeof(struct listing_rec) + sizeof(struct index_entry)) +
	       (uint64_t)(i % block) * ix->room;
}

/* ---- checksums ---- */

uint32_t index_message_crc(uint32_t i, const struct listing_rec *r, const struct index_entry *e, const char *name,
			   uint32_t room)
{
	struct index_entry plain = *e;
	uint32_t crc = listing_crc(i, (struct slice){(const char *)r, sizeof *r});

	plain.crc = 0;
	plain.mark = (struct index_mark){0};
	crc = listing_crc(crc, (struct slice){(const char *)&plain, sizeof plain});
	return listing_crc(crc, (struct slice){name, room});
}

static uint32_t mark_check(uint32_t i, const struct index_mark *m, uint64_t id)
{
	uint32_t crc = listing_crc(i, (struct slice){(const char *)m, offsetof(struct index_mark, check)});

	return listing_crc(crc, (struct slice){(const char *)&id, sizeof id});
}

struct index_mark index_mark_get(uint32_t i, const struct index_entry *e)
{
	return e->mark.check == mark_check(i, &e->mark, e->id) ? e->mark : (struct index_mark){0};
}

void index_mark_set(uint32_t i, struct index_entry *e, uint32_t stamp, uint32_t where)
{
	e->mark = (struct index_mark){.stamp = stamp, .where = where & INDEX_MARKED};
	e->mark.check = mark_check(i, &e->mark, e->id);
}

void index_mark_note(struct index *ix, uint32_t stamp, uint32_t where)
{
	ix->flagged = ix->flagged && !flags_pending(where);
	if (stamp == 0)
		return;
	if (ix->oldest == 0 || stamp < ix->oldest)
		ix->oldest = stamp;
	ix->unwritten = ix->unwritten || !(where & (STAMP_HEADER | STAMP_LEFT));
}

/* ---- octets ---- */

bool index_read_at(int fd, void *p, size_t n, uint64_t at)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, (char *)p + done, n - done, (off_t)(at + done));

		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

bool index_write_at(int fd, const void *p, size_t n, uint64_t at)
{
	for (size_t done = 0; done < n;) {
		ssize_t put = pwrite(fd, (const char *)p + done, n - done, (off_t)(at + done));

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		done += (size_t)put;
	}
	return true;
}
