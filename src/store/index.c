/* store/index.c - see index.h */
#include "store/index.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/flags.h"
#include "store/stamp.h"
#include "store/uidl.h"

enum {
	VERSION = 3,
	ORDER = 0x01020304,
	BLOCK_LEAST = 256,
	BLOCK_MOST = 1024,
	BLOCKS_SHED = 4,
	BLOCKS_SMALL = 64, /* so many of less than BLOCK_MOST: it is written anew, with larger ones */
	ROOM_STEP = 16,
	ROOM_MOST = NAME_OCTETS + 1,
	MARKED = STAMP_HEADER | STAMP_FOREIGN | STAMP_LEFT | FLAGS_ALL, /* of a record's flags, what is in its mark */
};
static const char magic[8] = "pop3idx";
static const int64_t settle_ns = 2 * 1000000000LL; /* a change this short before a look may have been missed by it */
static const int64_t boot_slack_ns = 60 * 1000000000LL;

static_assert(sizeof(struct index_head) == 200, "a head has no padding");
static_assert(sizeof(struct listing_rec) == 112 && sizeof(struct index_entry) == 40, "nor have records");
static_assert((int)BLOCK_LEAST >= (int)INDEX_INLINE, "a small listing lies together");

/* ---- where things are ---- */

static uint32_t block_octets(uint32_t block, uint32_t room)
{
	return block * (uint32_t)(sizeof(struct listing_rec) + sizeof(struct index_entry) + room);
}

static struct listing_place place_of(uint32_t block, uint32_t room)
{
	return (struct listing_place){sizeof(struct index_head), block, block_octets(block, room)};
}

static uint64_t block_at(const struct index *ix, uint32_t i)
{
	return ix->records.at + (uint64_t)(i / ix->records.block) * ix->records.block_octets;
}

static uint64_t entry_at(const struct index *ix, uint32_t i)
{
	uint32_t block = ix->records.block;

	return block_at(ix, i) + block * sizeof(struct listing_rec) + (i % block) * sizeof(struct index_entry);
}

static uint64_t name_at(const struct index *ix, uint32_t i)
{
	uint32_t block = ix->records.block;

	return block_at(ix, i) + block * (sizeof(struct listing_rec) + sizeof(struct index_entry)) +
	       (uint64_t)(i % block) * ix->room;
}

static uint64_t end_of(const struct index *ix)
{
	if (ix->count == 0)
		return ix->records.at;
	return ix->room > 0 ? name_at(ix, ix->count - 1) + ix->room
			    : entry_at(ix, ix->count - 1) + sizeof(struct index_entry);
}

/* ---- checksums ---- */

static uint32_t head_crc(const struct index_head *h)
{
	return listing_crc(0, (struct slice){(const char *)h, offsetof(struct index_head, head_crc)});
}

static uint32_t message_crc(uint32_t i, const struct listing_rec *r, const struct index_entry *e, const char *name,
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

/* Of the message at position i; none, where it is not whole. */
static struct index_mark mark_get(uint32_t i, const struct index_entry *e)
{
	return e->mark.check == mark_check(i, &e->mark, e->id) ? e->mark : (struct index_mark){0};
}

static void mark_set(uint32_t i, struct index_entry *e, uint32_t stamp, uint32_t where)
{
	e->mark = (struct index_mark){.stamp = stamp, .where = where & MARKED};
	e->mark.check = mark_check(i, &e->mark, e->id);
}

/* What the head says of all of them. */
static void mark_note(struct index *ix, uint32_t stamp, uint32_t where)
{
	ix->flagged = ix->flagged && !flags_pending(where);
	if (stamp == 0)
		return;
	if (ix->oldest == 0 || stamp < ix->oldest)
		ix->oldest = stamp;
	ix->unwritten = ix->unwritten || !(where & (STAMP_HEADER | STAMP_LEFT));
}

static void set_head(struct index_head *h, const struct store_driver *driver)
{
	*h = (struct index_head){.version = VERSION, .order = ORDER};
	memcpy(h->magic, magic, sizeof magic);
	strncpy(h->driver, driver->name, sizeof h->driver - 1);
}

/* ---- reading ---- */

/* All `n` octets at `at`, or false. */
static bool read_at(int fd, void *p, size_t n, uint64_t at)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, (char *)p + done, n - done, (off_t)(at + done));

		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

static bool has_our_form(const struct index_head *h, size_t got, const struct store_driver *driver)
{
	struct index_head want;

	set_head(&want, driver);
	return got >= sizeof *h && memcmp(h, &want, offsetof(struct index_head, count)) == 0 &&
	       h->head_crc == head_crc(h) && h->block >= BLOCK_LEAST && h->block <= BLOCK_MOST &&
	       (h->block & (h->block - 1)) == 0 && h->room <= ROOM_MOST && h->room % ROOM_STEP == 0;
}

/* Small listings go to front as they are: nothing of them is left to chance. */
static bool is_first_sane(const struct index_first *first, size_t got)
{
	size_t n = (got - sizeof first->head) / sizeof *first->rec;
	uint64_t octets = 0;

	if (n > first->head.count)
		n = first->head.count;
	for (size_t i = 0; i < n; i++) {
		if (!listing_is_sane(&first->rec[i]))
			return false;
		octets += first->rec[i].octets;
	}
	return n < first->head.count || octets == first->head.octets;
}

static bool is_settled(int64_t taken_ns, int64_t changed_ns)
{
	int64_t since;

	return !__builtin_sub_overflow(taken_ns, changed_ns, &since) && since > settle_ns;
}

static void from_head(struct index *ix, int fd, const struct index_head *h)
{
	*ix = (struct index){.fd = fd,
			     .count = h->count,
			     .room = h->room,
			     .marks = h->marks,
			     .octets = h->octets,
			     .sum = h->sum,
			     .records = place_of(h->block, h->room),
			     .settled = true,
			     .oldest = h->oldest,
			     .unwritten = h->unwritten != 0,
			     .flagged = h->flagged == 1};
	memcpy(ix->stamp, h->stamp, sizeof ix->stamp);
	memcpy(ix->notes, h->notes, sizeof ix->notes);
	for (int i = 0; i < STAMPS; i++) {
		ix->calm[i] =
			is_settled(h->taken_ns, h->stamp[i].mtime_ns) && is_settled(h->taken_ns, h->stamp[i].ctime_ns);
		ix->settled = ix->settled && ix->calm[i];
	}
}

/* `n` messages that lie in one block, into the window behind those that it has. */
static bool read_run(const struct index *ix, uint32_t from, uint32_t n, struct index_window *w)
{
	return read_at(ix->fd, w->rec + w->n, n * sizeof *w->rec, listing_at(&ix->records, from)) &&
	       read_at(ix->fd, w->entry + w->n, n * sizeof *w->entry, entry_at(ix, from)) &&
	       (ix->room == 0 ||
		read_at(ix->fd, w->names + (size_t)w->n * ix->room, (size_t)n * ix->room, name_at(ix, from)));
}

static bool is_message_sane(const struct index_window *w, uint32_t k)
{
	const struct index_entry *e = &w->entry[k];
	const char *name = w->names + (size_t)k * w->room;

	return e->crc == message_crc(w->from + k, &w->rec[k], e, name, w->room) && listing_is_sane(&w->rec[k]) &&
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

	const struct index_mark mark = mark_get(i, e);

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
		there = read_at(ix->fd, out->p + out->len, octets, listing_at(&ix->records, from));
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
	static struct index_entry entry[BLOCK_MOST];

	for (uint32_t from = 0, n; from < ix->count; from += n) {
		n = listing_run(&ix->records, from);
		n = n < ix->count - from ? n : ix->count - from;
		if (!read_at(ix->fd, entry, n * sizeof *entry, entry_at(ix, from)))
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
	struct timespec up;

	if (clock_gettime(CLOCK_BOOTTIME, &up) < 0)
		return false;
	if (storage_ns(st->st_mtim) > clock_wall_ns() - storage_ns(up) + boot_slack_ns)
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
	bool sane = got >= 0 && st.st_uid == geteuid() && has_our_form(&first->head, (size_t)got, driver) &&
		    is_first_sane(first, (size_t)got);

	*ix = (struct index){.fd = fd};
	if (sane) {
		from_head(ix, fd, &first->head);
		sane = end_of(ix) <= (uint64_t)st.st_size && survived_boot(ix, &st);
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

/* ---- writing ---- */

static bool write_at(int fd, const void *p, size_t n, uint64_t at)
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

/* Messages of `s` from `k` on become those of the index behind what it has: `n`, which lie in one block. */
static bool write_run(struct index *ix, const struct scan *s, uint32_t k, uint32_t n)
{
	static struct listing_rec rec[BLOCK_MOST];
	static struct index_entry entry[BLOCK_MOST];
	static char names[BLOCK_MOST * ROOM_MOST];
	uint32_t at = ix->count;

	for (uint32_t i = 0; i < n; i++) {
		const struct scan_entry *e = &s->entry[k + i];
		struct slice name = scan_name(s, k + i);
		char *to = names + (size_t)i * ix->room;

		if (name.n > 0)
			memcpy(to, name.p, name.n);
		memset(to + name.n, 0, ix->room - name.n);
		rec[i] = s->rec[k + i];
		uint32_t stamp = rec[i].stamp, flags = rec[i].flags;

		rec[i].stamp = 0;
		rec[i].flags = (flags & ~(uint32_t)(STAMP_FLAGS | FLAGS_ALL)) | UIDL_SETTLED;
		entry[i] = (struct index_entry){.id = e->id, .at = e->at, .name_len = e->name_len, .dir = e->dir};
		mark_set(at + i, &entry[i], stamp, flags);
		mark_note(ix, stamp, flags);
		entry[i].crc = message_crc(at + i, &rec[i], &entry[i], to, ix->room);
		ix->sum += entry[i].crc;
		ix->octets += rec[i].octets;
		ix->marks += ix->marks > 0 && rec[i].flags & MESSAGE_MARKED;
	}
	ix->count += n;
	return write_at(ix->fd, rec, n * sizeof *rec, listing_at(&ix->records, at)) &&
	       write_at(ix->fd, entry, n * sizeof *entry, entry_at(ix, at)) &&
	       (ix->room == 0 || write_at(ix->fd, names, (size_t)n * ix->room, name_at(ix, at)));
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
		if (k / BLOCK_MOST % BLOCKS_SHED == BLOCKS_SHED - 1)
			room_shed_all();
	}
	set_head(&h, driver);
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
	h.head_crc = head_crc(&h);
	return write_at(ix->fd, &h, sizeof h, 0);
}

/* Names get room for flags and the like, so that those which come later fit, too. */
static bool write_all(int fd, const struct store_driver *driver, const struct scan *s, int64_t taken_ns)
{
	uint32_t block = BLOCK_LEAST, most = s->name_most;
	uint32_t room = most == 0 ? 0 : (most + 2 * ROOM_STEP - 1) / ROOM_STEP * ROOM_STEP;

	while (block < BLOCK_MOST && block < s->count)
		block *= 2;
	room = room < ROOM_MOST ? room : ROOM_MOST;
	struct index ix = {.fd = fd, .room = room, .marks = 1, .flagged = true, .records = place_of(block, room)};

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
	       (block == BLOCK_MOST || ix->count + more->count <= block * BLOCKS_SMALL);
}

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

/* ---- stamps ---- */

static bool head_write(const struct index *ix, int fd)
{
	struct index_head h;

	if (!read_at(fd, &h, sizeof h, 0) || h.head_crc != head_crc(&h))
		return false;
	h.oldest = ix->oldest;
	h.unwritten = ix->unwritten;
	h.flagged = ix->flagged;
	h.head_crc = head_crc(&h);
	return write_at(fd, &h, sizeof h, 0);
}

/* What the head says of stamps and flags comes before the first of them: it may say too much, and never too little. */
static bool head_mark(struct index *ix, int fd, uint32_t stamp, bool seen)
{
	if ((stamp == 0 || (ix->unwritten && ix->oldest != 0 && ix->oldest <= stamp)) && !(seen && ix->flagged))
		return true;
	const struct index was = *ix;

	mark_note(ix, stamp, FLAGS_WRITTEN | (seen ? FLAGS_SEEN : 0));
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
	const struct index_mark was = mark_get(i, e);
	uint32_t where =
		seen && !(was.where & FLAGS_SEEN) ? (was.where | FLAGS_SEEN) & ~(uint32_t)FLAGS_LEFT : was.where;

	if (was.stamp != 0)
		stamp = was.stamp;
	if (stamp == was.stamp && where == was.where)
		return false;
	mark_set(i, e, stamp, where);
	return true;
}

/* `n` messages that lie in one block. */
static bool mark_run(struct index *ix, int fd, uint32_t from, uint32_t n, uint32_t stamp, bool seen)
{
	static struct index_entry entry[BLOCK_MOST];
	uint32_t first = n, last = 0;

	if (!read_at(fd, entry, n * sizeof *entry, entry_at(ix, from)))
		return false;
	for (uint32_t k = 0; k < n; k++) {
		if (!mark_add(from + k, &entry[k], stamp, seen))
			continue;
		first = first < n ? first : k;
		last = k;
	}
	return first == n ||
	       (head_mark(ix, fd, stamp, seen) &&
		write_at(fd, entry + first, (last + 1 - first) * sizeof *entry, entry_at(ix, from + first)));
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
	static struct index_entry entry[BLOCK_MOST];

	*found = 0;
	for (uint32_t from = 0, n; from < ix->count; from += n) {
		n = listing_run(&ix->records, from);
		n = n < ix->count - from ? n : ix->count - from;
		if (!read_at(ix->fd, entry, n * sizeof *entry, entry_at(ix, from)))
			return fail(why, ERR_TEMP, "the index is damaged or was cut");
		for (uint32_t k = 0, i = from; k < n; k++, i++) {
			const struct index_mark mark = mark_get(i, &entry[k]);

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

void index_drop(const struct index_place *place)
{
	if (place->dir >= 0)
		(void)unlinkat(place->dir, place->name, 0); /* it may not be there */
}
