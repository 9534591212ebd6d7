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

enum { VERSION = 1, ORDER = 0x01020304 };
static const char magic[8] = "pop3idx";
static const int64_t settle_ns = 2 * 1000000000LL; /* a change this short before a look may have been missed by it */
static const int64_t boot_slack_ns = 60 * 1000000000LL;

static_assert(sizeof(struct index_head) == 144, "a head has no padding");
static_assert(sizeof(struct listing_rec) == 112 && sizeof(struct scan_entry) == 24, "nor have records");

static uint64_t entries_at(uint32_t count)
{
	return sizeof(struct index_head) + (uint64_t)count * sizeof(struct listing_rec);
}

static uint64_t names_at(uint32_t count)
{
	return entries_at(count) + (uint64_t)count * sizeof(struct scan_entry);
}

static uint32_t head_crc(const struct index_head *h)
{
	return listing_crc(0, (struct slice){(const char *)h, offsetof(struct index_head, head_crc)});
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

static bool has_our_form(const struct index_head *h, size_t got, uint64_t file_octets,
			 const struct store_driver *driver)
{
	struct index_head want;

	set_head(&want, driver);
	return got >= sizeof *h && memcmp(h, &want, offsetof(struct index_head, count)) == 0 &&
	       h->head_crc == head_crc(h) && file_octets == names_at(h->count) + h->names_len;
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

/* Checksums all behind the head. */
static bool is_body_whole(int fd, const struct index_head *h)
{
	static char piece[64 * 1024];
	uint64_t at = sizeof *h, end = names_at(h->count) + h->names_len;
	uint32_t crc = 0;

	while (at < end) {
		size_t n = end - at < sizeof piece ? (size_t)(end - at) : sizeof piece;

		if (!read_at(fd, piece, n, at))
			return false;
		crc = listing_crc(crc, (struct slice){piece, n});
		at += n;
	}
	return crc == h->body_crc;
}

/* What was written before a crash of the machine may have holes. Checked once, which its mtime then shows. */
static bool survived_boot(int fd, const struct stat *st, const struct index_head *h)
{
	struct timespec up;

	if (clock_gettime(CLOCK_BOOTTIME, &up) < 0)
		return false;
	if (storage_ns(st->st_mtim) > clock_wall_ns() - storage_ns(up) + boot_slack_ns)
		return true;
	if (!is_body_whole(fd, h))
		return false;
	(void)futimens(fd, NULL); /* without it, it is checked again: slower, not wrong */
	return true;
}

static bool is_settled(int64_t taken_ns, int64_t changed_ns)
{
	int64_t since;

	return !__builtin_sub_overflow(taken_ns, changed_ns, &since) && since > settle_ns;
}

static bool are_settled(const struct index_head *h)
{
	for (int i = 0; i < STAMPS; i++)
		if (!is_settled(h->taken_ns, h->stamp[i].mtime_ns) || !is_settled(h->taken_ns, h->stamp[i].ctime_ns))
			return false;
	return true;
}

enum err index_adopt(struct index *ix, int fd, const struct store_driver *driver, const struct stamp stamp[STAMPS],
		     struct index_first *first, bool *current, struct why *why)
{
	struct stat st;
	ssize_t got = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? pread(fd, first, sizeof *first, 0) : -1;

	if (got < 0 || st.st_uid != geteuid() ||
	    !has_our_form(&first->head, (size_t)got, (uint64_t)st.st_size, driver) ||
	    !is_first_sane(first, (size_t)got) || !survived_boot(fd, &st, &first->head)) {
		close(fd);
		*ix = (struct index){.fd = -1};
		return fail(why, ERR_PERM, "the index is damaged, of another version, or not ours");
	}
	const struct index_head *h = &first->head;

	*ix = (struct index){
		.fd = fd, .count = h->count, .names_len = h->names_len, .octets = h->octets, .body_crc = h->body_crc};
	memcpy(ix->stamp, h->stamp, sizeof ix->stamp);
	ix->settled = are_settled(h);
	*current = ix->settled && memcmp(h->stamp, stamp, sizeof h->stamp) == 0;
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

static bool load_arrays(const struct index *ix, struct scan *s)
{
	s->rec = calloc((size_t)ix->count + 1, sizeof *s->rec); /* one more: NULL is a failure only */
	s->entry = calloc((size_t)ix->count + 1, sizeof *s->entry);
	s->names = malloc((size_t)ix->names_len + 1);
	return s->rec && s->entry && s->names &&
	       read_at(ix->fd, s->rec, ix->count * sizeof *s->rec, sizeof(struct index_head)) &&
	       read_at(ix->fd, s->entry, ix->count * sizeof *s->entry, entries_at(ix->count)) &&
	       read_at(ix->fd, s->names, ix->names_len, names_at(ix->count));
}

enum err index_load(const struct index *ix, struct scan *out, struct why *why)
{
	struct scan s = {.count = ix->count,
			 .cap = ix->count,
			 .names_len = ix->names_len,
			 .names_cap = ix->names_len,
			 .octets = ix->octets};
	bool whole = load_arrays(ix, &s);

	memcpy(s.stamp, ix->stamp, sizeof s.stamp);
	if (whole) {
		uint32_t crc = listing_crc(0, (struct slice){(char *)s.rec, s.count * sizeof *s.rec});

		crc = listing_crc(crc, (struct slice){(char *)s.entry, s.count * sizeof *s.entry});
		whole = ix->body_crc == listing_crc(crc, (struct slice){s.names, s.names_len});
	}
	for (uint32_t i = 0; whole && i < s.count; i++)
		whole = scan_is_sane(&s.rec[i], &s.entry[i], s.names_len);
	if (!whole) {
		scan_done(&s);
		return fail(why, ERR_PERM, "the index is damaged");
	}
	*out = s;
	return OK;
}

enum err index_read(const struct index *ix, uint32_t from, uint32_t n, struct index_window *w, struct why *why)
{
	const struct scan_entry *last = &w->entry[n - 1];
	bool sane = read_at(ix->fd, w->rec, n * sizeof *w->rec, sizeof(struct index_head) + from * sizeof *w->rec) &&
		    read_at(ix->fd, w->entry, n * sizeof *w->entry, entries_at(ix->count) + from * sizeof *w->entry);

	w->from = from;
	w->n = n;
	w->names_at = w->entry[0].name_at;
	for (uint32_t i = 0; sane && i < n; i++)
		sane = scan_is_sane(&w->rec[i], &w->entry[i], ix->names_len) && w->entry[i].name_at >= w->names_at &&
		       w->entry[i].name_at + w->entry[i].name_len <= last->name_at + last->name_len;
	uint64_t names = sane ? last->name_at + last->name_len - w->names_at : 0;

	if (!sane || names > sizeof w->names || !read_at(ix->fd, w->names, names, names_at(ix->count) + w->names_at) ||
	    memchr(w->names, '/', names) || memchr(w->names, '\0', names))
		return fail(why, ERR_TEMP, "the index is damaged or was cut");
	return OK;
}

void index_message(const struct index_window *w, uint32_t i, struct message *m)
{
	uint32_t k = i - w->from;

	m->rec = w->rec[k];
	m->entry = w->entry[k];
	memcpy(m->name, w->names + (w->entry[k].name_at - w->names_at), w->entry[k].name_len);
	m->name[w->entry[k].name_len] = '\0';
}

enum err index_octets(const struct index *ix, uint64_t at, struct buf *out, size_t n, struct why *why)
{
	if (n > out->cap - out->len || !read_at(ix->fd, out->p + out->len, n, sizeof(struct index_head) + at))
		return fail(why, ERR_TEMP, "the index is damaged or was cut");
	out->len += n;
	return OK;
}

void index_close(struct index *ix)
{
	if (ix->fd >= 0)
		close(ix->fd);
	*ix = (struct index){.fd = -1};
}

/* ---- writing ---- */

static bool write_all(int fd, const void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t put = write(fd, (const char *)p + done, n - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		done += (size_t)put;
	}
	return true;
}

static bool write_index(int fd, const struct store_driver *driver, const struct scan *s, int64_t taken_ns)
{
	struct index_head h;
	size_t recs = s->count * sizeof *s->rec, entries = s->count * sizeof *s->entry;

	set_head(&h, driver);
	h.count = s->count;
	h.names_len = s->names_len;
	h.octets = s->octets;
	h.taken_ns = taken_ns;
	memcpy(h.stamp, s->stamp, sizeof h.stamp);
	h.body_crc = listing_crc(0, (struct slice){(const char *)s->rec, recs});
	h.body_crc = listing_crc(h.body_crc, (struct slice){(const char *)s->entry, entries});
	h.body_crc = listing_crc(h.body_crc, (struct slice){s->names, s->names_len});
	h.head_crc = head_crc(&h);
	return write_all(fd, &h, sizeof h) && write_all(fd, s->rec, recs) && write_all(fd, s->entry, entries) &&
	       write_all(fd, s->names, s->names_len);
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
	bool written = write_index(fd, driver, s, taken_ns);

	written = close(fd) == 0 && written;
	if (written && renameat(place->dir, name, place->dir, place->name) == 0)
		return OK;
	enum err err = fail_errno(why, storage_err(errno), "write %s", name);

	(void)unlinkat(place->dir, name, 0); /* of no use to anybody, and harmless */
	return err;
}

enum err index_memfd(int *fd, const struct store_driver *driver, const struct scan *s, int64_t taken_ns,
		     struct why *why)
{
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

	*fd = memfd_create("pop3d-listing", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd >= 0 && write_index(*fd, driver, s, taken_ns) && fcntl(*fd, F_ADD_SEALS, seals) == 0)
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
