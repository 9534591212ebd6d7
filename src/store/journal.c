/* store/journal.c - see journal.h */
#include "store/journal_form.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mail/listing.h"
#include "store/cut.h"
#include "store/driver.h"
#include "store/room.h"

enum {
	VERSION = 1,
	ORDER = 0x01020304,
	WINDOW_LEAST = JOURNAL_BLOCK,
	CUTS_READ = 512, /* cuts that are read at once */
};
static const char magic[8] = "pop3jrn";

static_assert(sizeof(struct journal_head) == 4160 && sizeof(struct journal_head) <= JOURNAL_ATTEMPTS_AT,
	      "no padding in it");
static_assert(sizeof(struct journal_record) == 56, "nor here");
static_assert(offsetof(struct journal, slot.data) == offsetof(struct journal, slot) + sizeof(struct journal_record),
	      "written at once");

/* ---- its form ---- */

static uint64_t block_up(uint64_t n)
{
	return (n + JOURNAL_BLOCK - 1) / JOURNAL_BLOCK * JOURNAL_BLOCK;
}

static uint64_t slots_at(const struct journal_head *h)
{
	return block_up(JOURNAL_CUTS_AT + h->cuts * sizeof(struct cut));
}

static uint64_t slot_octets(const struct journal_head *h)
{
	return block_up(sizeof(struct journal_record) + h->window);
}

static off_t slot_at(const struct journal *j, uint64_t seq)
{
	return (off_t)(slots_at(&j->head) + seq % 2 * slot_octets(&j->head));
}

static uint32_t head_crc(const struct journal_head *h)
{
	return listing_crc(0, (struct slice){(const char *)h, offsetof(struct journal_head, head_crc)});
}

static uint32_t record_crc(const struct journal *j)
{
	const struct journal_record *r = &j->slot.rec;
	uint32_t crc = listing_crc(0, (struct slice){(const char *)r, offsetof(struct journal_record, crc)});

	return listing_crc(crc, (struct slice){j->slot.data, r->octets});
}

void journal_name(uint64_t ino, char name[static JOURNAL_NAME])
{
	(void)snprintf(name, JOURNAL_NAME, "%016llx", (unsigned long long)ino);
}

bool journal_is_name(const char *name)
{
	return strlen(name) == 16 && strspn(name, "0123456789abcdef") == 16;
}

bool journal_is_left(const struct journal_place *place, uint64_t ino)
{
	char name[JOURNAL_NAME];

	journal_name(ino, name);
	return place->dir >= 0 && faccessat(place->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void name_new(const struct journal *j, char name[static JOURNAL_NAME])
{
	(void)snprintf(name, JOURNAL_NAME, "%.16s.new", j->name);
}

/* ---- writing ---- */

bool journal_put_at(int fd, const void *p, size_t n, off_t at)
{
	for (size_t done = 0; done < n;) {
		ssize_t wrote = TEMP_FAILURE_RETRY(pwrite(fd, (const char *)p + done, n - done, at + (off_t)done));

		if (wrote < 0)
			return false;
		done += (size_t)wrote;
	}
	return true;
}

enum err journal_put(struct journal *j, struct why *why)
{
	struct journal_record *r = &j->slot.rec;

	r->crc = record_crc(j);
	if (!journal_put_at(j->fd, &j->slot, sizeof *r + r->octets, slot_at(j, r->seq)))
		return fail_errno(why, storage_err(errno), "write the journal");
	return OK;
}

enum err journal_sync(const struct journal *j, struct why *why)
{
	return TEMP_FAILURE_RETRY(fdatasync(j->fd)) < 0 ? fail_errno(why, storage_err(errno), "fdatasync the journal")
							: OK;
}

static enum err sync_dir(const struct journal *j, struct why *why)
{
	return TEMP_FAILURE_RETRY(fsync(j->dir)) < 0
		       ? fail_errno(why, storage_err(errno), "fsync the directory of journals")
		       : OK;
}

/* The file under its first name: an empty one, or the spare one, of which *octets is the size. */
static int file_new(const struct journal *j, bool spare, uint64_t *octets)
{
	char name[JOURNAL_NAME];
	struct stat st = {0};

	name_new(j, name);
	if (unlinkat(j->dir, name, 0) < 0 && errno != ENOENT) /* what a process that died has left */
		return -1;
	if (spare && renameat(j->dir, "spare", j->dir, name) < 0) {
		errno = errno == ENOENT ? ENOSPC : errno;
		return -1;
	}
	int fd = openat(j->dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (spare ? 0 : O_CREAT | O_EXCL),
			0600);

	if (fd >= 0 && fstat(fd, &st) == 0) {
		*octets = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The largest that two slots of it have room in so many octets. 0: none. */
static uint32_t window_within(const struct journal_head *h, uint64_t octets)
{
	uint64_t at = slots_at(h), each = octets > at ? (octets - at) / 2 / JOURNAL_BLOCK * JOURNAL_BLOCK : 0;

	if (each < sizeof(struct journal_record) + WINDOW_LEAST)
		return 0;
	each -= sizeof(struct journal_record);
	return each < JOURNAL_WINDOW ? (uint32_t)each : JOURNAL_WINDOW;
}

/* Slots have no record, and their space is there before anything depends on it. */
static bool slots_clear(const struct journal *j)
{
	static const char zeros[16 * JOURNAL_BLOCK];
	off_t at = (off_t)slots_at(&j->head), end = at + 2 * (off_t)slot_octets(&j->head);

	while (at < end) {
		size_t n = end - at < (off_t)sizeof zeros ? (size_t)(end - at) : sizeof zeros;

		if (!journal_put_at(j->fd, zeros, n, at))
			return false;
		at += (off_t)n;
	}
	return true;
}

/* There may be many, of which few are to be in memory. */
static size_t cuts_together(size_t n)
{
	const size_t most = 4096;

	return n < most ? n : most;
}

static bool head_write(struct journal *j, const struct cut *cut, size_t n)
{
	j->head.cuts_crc = 0;
	for (size_t i = 0, some; i < n; i += some, room_shed_all()) {
		some = cuts_together(n - i);
		j->head.cuts_crc =
			listing_crc(j->head.cuts_crc, (struct slice){(const char *)&cut[i], some * sizeof *cut});
	}
	j->head.head_crc = head_crc(&j->head);
	bool done = journal_put_at(j->fd, &j->head, sizeof j->head, 0) &&
		    journal_put_at(j->fd, &(uint32_t){0}, sizeof(uint32_t), JOURNAL_ATTEMPTS_AT);

	for (size_t i = 0, some; i < n && done; i += some, room_shed_all()) {
		some = cuts_together(n - i);
		done = journal_put_at(j->fd, &cut[i], some * sizeof *cut, (off_t)(JOURNAL_CUTS_AT + i * sizeof *cut));
	}
	return done;
}

enum err journal_new(struct journal *j, const struct journal_place *place, const struct stat *file,
		     const struct cut *cut, size_t n, uint32_t window, bool spare, struct why *why)
{
	uint64_t octets = 0;

	j->dir = place->dir;
	j->attempted = false;
	journal_name(file->st_ino, j->name);
	j->head = (struct journal_head){.version = VERSION,
					.order = ORDER,
					.ino = file->st_ino,
					.octets = (uint64_t)file->st_size,
					.cuts = n,
					.pid = (uint32_t)getppid(),
					.spare = spare};
	memcpy(j->head.magic, magic, sizeof magic);
	if (!slice_cstr(slice_str(place->path), j->head.path, sizeof j->head.path))
		return fail(why, ERR_PERM, "its path is too long");
	if (journal_is_left(place, file->st_ino))
		return fail(why, ERR_TEMP, "a journal of it is left");
	j->fd = file_new(j, spare, &octets);
	if (j->fd < 0)
		return fail_errno(why, storage_err(errno), "create a journal");
	j->head.window = spare ? window_within(&j->head, octets) : window < WINDOW_LEAST ? WINDOW_LEAST : window;
	j->slot.rec = (struct journal_record){0};
	errno = ENOSPC;
	if (j->head.window > 0 && head_write(j, cut, n) && slots_clear(j))
		return OK;
	enum err err = fail_errno(why, storage_err(errno), "write a journal");
	int error = errno;

	journal_abandon(j);
	errno = error;
	return err;
}

/* A name goes; the spare one gets its own back. */
static bool name_remove(const struct journal *j, const char *name)
{
	if (j->head.spare && renameat(j->dir, name, j->dir, "spare") == 0)
		return true;
	return unlinkat(j->dir, name, 0) == 0 || errno == ENOENT;
}

void journal_abandon(struct journal *j)
{
	char name[JOURNAL_NAME];

	name_new(j, name);
	/* What cannot be removed now is removed by whoever makes the next one, or replayed, which does no harm. */
	(void)name_remove(j, name);
	journal_close(j);
}

enum err journal_begin(struct journal *j, struct why *why)
{
	char name[JOURNAL_NAME];
	enum err err = journal_put(j, why);

	name_new(j, name);
	if (err == OK)
		err = journal_sync(j, why);
	if (err == OK && renameat(j->dir, name, j->dir, j->name) < 0)
		err = fail_errno(why, storage_err(errno), "rename a journal");
	if (err == OK && (err = sync_dir(j, why)) != OK)
		(void)name_remove(j, j->name); /* nothing has been changed yet */
	if (err != OK) {
		int error = errno;

		journal_abandon(j);
		errno = error;
	}
	return err;
}

enum err journal_remove(struct journal *j, struct why *why)
{
	enum err err = OK;

	if (!name_remove(j, j->name))
		err = fail_errno(why, ERR_TEMP, "remove the journal");
	else
		err = sync_dir(j, why);
	journal_close(j);
	return err;
}

void journal_close(struct journal *j)
{
	if (j->fd >= 0)
		close(j->fd); /* whatever matters is synced */
	j->fd = -1;
}

/* ---- reading ---- */

enum err journal_get_at(int fd, void *p, size_t n, uint64_t at, struct why *why)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = TEMP_FAILURE_RETRY(pread(fd, (char *)p + done, n - done, (off_t)(at + done)));

		if (got < 0)
			return fail_errno(why, ERR_TEMP, "read the journal");
		if (got == 0)
			return fail(why, ERR_PERM, "the journal is cut off");
		done += (size_t)got;
	}
	return OK;
}

static enum err damaged(struct why *why, const char *what)
{
	return fail(why, ERR_PERM, "the journal is damaged: %s", what);
}

int journal_file_open(int dir, const char *name, uint64_t *octets, enum err *err, struct why *why)
{
	int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	bool odd = errno == ELOOP || errno == EISDIR || errno == ENXIO;

	if (fd < 0) {
		*err = odd ? damaged(why, "no regular file") : fail_errno(why, ERR_TEMP, "open the journal");
		return -1;
	}
	if (fstat(fd, &st) < 0)
		*err = fail_errno(why, ERR_TEMP, "stat the journal");
	else if (!S_ISREG(st.st_mode))
		*err = damaged(why, "no regular file");
	else
		*err = OK;
	*octets = *err == OK ? (uint64_t)st.st_size : 0;
	if (*err == OK)
		return fd;
	close(fd);
	return -1;
}

static enum err head_read(int fd, const char *name, uint64_t octets, struct journal_head *h, struct why *why)
{
	char right[JOURNAL_NAME];
	enum err err = journal_get_at(fd, h, sizeof *h, 0, why);

	if (err != OK)
		return err;
	if (memcmp(h->magic, magic, sizeof magic) != 0 || h->order != ORDER || h->version != VERSION)
		return damaged(why, "it is none, or of another version");
	journal_name(h->ino, right);
	if (h->head_crc != head_crc(h) || strcmp(right, name) != 0)
		return damaged(why, "the head");
	if (h->path[0] != '/' || !memchr(h->path, '\0', sizeof h->path) || h->octets > INT64_MAX || h->cuts < 1 ||
	    h->cuts > octets / sizeof(struct cut) || h->window < WINDOW_LEAST || h->window > JOURNAL_WINDOW ||
	    octets < slots_at(h) + 2 * slot_octets(h))
		return damaged(why, "numbers in the head");
	return OK;
}

enum err journal_peek(int dir, const char *name, struct journal_head *head, struct why *why)
{
	uint64_t octets;
	enum err err;
	int fd = journal_file_open(dir, name, &octets, &err, why);

	if (fd < 0)
		return err;
	err = head_read(fd, name, octets, head, why);
	close(fd);
	return err;
}

/* So many cuts from `i` on. */
static enum err cuts_read(const struct journal *j, uint64_t i, size_t n, struct cut *out, struct why *why)
{
	return journal_get_at(j->fd, out, n * sizeof *out, JOURNAL_CUTS_AT + i * sizeof *out, why);
}

static enum err cuts_check(const struct journal *j, struct why *why)
{
	static struct cut cut[CUTS_READ];
	uint32_t crc = 0;
	uint64_t at = 0;

	for (uint64_t i = 0; i < j->head.cuts; i += CUTS_READ) {
		size_t n = j->head.cuts - i < CUTS_READ ? (size_t)(j->head.cuts - i) : CUTS_READ;
		enum err err = cuts_read(j, i, n, cut, why);

		if (err != OK)
			return err;
		crc = listing_crc(crc, (struct slice){(const char *)cut, n * sizeof *cut});
		for (size_t k = 0; k < n; k++) {
			if (cut[k].from < at || cut[k].to <= cut[k].from || cut[k].to > j->head.octets)
				return damaged(why, "the cuts");
			at = cut[k].to;
		}
	}
	return crc == j->head.cuts_crc ? OK : damaged(why, "the cuts");
}

enum err journal_cut(const struct journal *j, uint64_t i, struct cut *out, struct why *why)
{
	return cuts_read(j, i, 1, out, why);
}

/* The record of this slot, with its data, into j->slot; *whole: it is one. */
static enum err slot_read(struct journal *j, uint64_t slot, bool *whole, struct why *why)
{
	struct journal_record *r = &j->slot.rec;
	enum err err =
		journal_get_at(j->fd, &j->slot, sizeof j->slot.rec + j->head.window, (uint64_t)slot_at(j, slot), why);

	*whole = err == OK && r->seq > 0 && r->seq % 2 == slot && r->octets <= j->head.window && r->mark <= r->octets &&
		 r->crc == record_crc(j);
	if (*whole &&
	    (r->next > INT64_MAX || r->at >= r->next || r->octets > r->next - r->at || r->mark > JOURNAL_MARK ||
	     r->octets - r->mark == r->next - r->at || r->cut > j->head.cuts || (r->truncate && r->mark == 0)))
		return damaged(why, "numbers in a record");
	return err;
}

/* The one with the higher number, in j->slot. */
static enum err last_read(struct journal *j, struct why *why)
{
	uint64_t seq = 0;
	bool whole;
	enum err err = slot_read(j, 0, &whole, why);

	if (err == OK && whole)
		seq = j->slot.rec.seq;
	if (err == OK)
		err = slot_read(j, 1, &whole, why);
	if (err == OK && whole && j->slot.rec.seq > seq)
		return OK;
	if (err == OK && seq == 0)
		return damaged(why, "it has no record");
	return err == OK ? slot_read(j, 0, &whole, why) : err;
}

enum err journal_open(struct journal *j, int dir, const char *name, struct why *why)
{
	uint64_t octets;
	enum err err;

	j->dir = dir;
	j->attempted = true;
	(void)snprintf(j->name, sizeof j->name, "%s", name);
	j->fd = journal_file_open(dir, name, &octets, &err, why);
	if (j->fd < 0)
		return err;
	err = head_read(j->fd, name, octets, &j->head, why);
	if (err == OK)
		err = cuts_check(j, why);
	if (err == OK)
		err = last_read(j, why);
	if (err != OK)
		journal_close(j);
	return err;
}

enum err journal_harden(struct journal *j, struct why *why)
{
	enum err err = journal_put(j, why);

	if (err == OK)
		err = journal_sync(j, why);
	return err == OK ? sync_dir(j, why) : err;
}
