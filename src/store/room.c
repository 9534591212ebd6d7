/* store/room.c - see room.h */
#include "store/room.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The mapping of a large room. */
struct room_large {
	int fd;
	bool reserved; /* its octets are really there: a write into a hole of a full disk would be fatal */
	char *p;
	size_t cap;
	char *tail; /* what was appended, and is not written yet: tail_n octets from tail_at on */
	size_t tail_at, tail_n;
	struct room_large *next;
};

enum { ROWS_FIRST = 64, PASS_SHED = 4096, TAIL = 64 * 1024 };

static int tmp_dir = -1;
static uint32_t rows_most = ROOM_ROWS;
static struct room_large *all;

void room_set_dir(int dir)
{
	tmp_dir = dir;
}

/* A file of `cap` octets in the directory, or false. */
static bool open_reserved(struct room_large *l, size_t cap)
{
	l->fd = tmp_dir >= 0 ? openat(tmp_dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;
	l->reserved = true;
	if (l->fd >= 0 && posix_fallocate(l->fd, 0, (off_t)cap) == 0)
		return true;
	if (l->fd >= 0)
		close(l->fd);
	return false;
}

static bool open_memory(struct room_large *l, size_t cap)
{
	l->fd = memfd_create("pop3d-scan", MFD_CLOEXEC);
	l->reserved = false;
	if (l->fd >= 0 && ftruncate(l->fd, (off_t)cap) == 0)
		return true;
	if (l->fd >= 0)
		close(l->fd);
	return false;
}

static void large_free(struct room_large *l)
{
	struct room_large **at = &all;

	while (*at && *at != l)
		at = &(*at)->next;
	if (*at)
		*at = l->next;
	munmap(l->p, l->cap);
	close(l->fd);
	free(l->tail);
	free(l);
}

/* NULL: no memory. */
static struct room_large *large_new(size_t cap)
{
	struct room_large *l = calloc(1, sizeof *l);

	if (!l || (!open_reserved(l, cap) && !open_memory(l, cap))) {
		free(l);
		return NULL;
	}
	l->cap = cap;
	l->p = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
	if (l->p == MAP_FAILED) {
		close(l->fd);
		free(l);
		return NULL;
	}
	l->next = all;
	all = l;
	return l;
}

static bool move(struct room *r, size_t cap)
{
	struct room_large *l = room_flush(r) ? large_new(cap) : NULL;

	if (!l)
		return false;
	if (r->cap > 0)
		memcpy(l->p, r->p, r->cap);
	room_done(r);
	*r = (struct room){l->p, cap, l};
	return true;
}

/* Where its file cannot grow, it goes into another one. */
static bool stretch(struct room *r, size_t cap)
{
	struct room_large *l = r->large;
	bool longer = l->reserved ? posix_fallocate(l->fd, (off_t)l->cap, (off_t)(cap - l->cap)) == 0
				  : ftruncate(l->fd, (off_t)cap) == 0;

	if (!longer)
		return move(r, cap);
	char *p = mremap(l->p, l->cap, cap, MREMAP_MAYMOVE);

	if (p == MAP_FAILED)
		return false;
	r->p = l->p = p;
	r->cap = l->cap = cap;
	return true;
}

static bool grow_heap(struct room *r, size_t cap)
{
	char *p = realloc(r->p, cap);

	if (!p)
		return false;
	r->p = p;
	r->cap = cap;
	return true;
}

bool room_grow(struct room *r, size_t cap)
{
	if (cap <= r->cap)
		return true;
	if (cap > PTRDIFF_MAX)
		return false;
	if (r->large)
		return stretch(r, cap);
	return cap > ROOM_HEAP_MOST ? move(r, cap) : grow_heap(r, cap);
}

void *room_row(struct room *r, size_t n, size_t size)
{
	size_t need = (n + 1) * size;

	if (need > r->cap && !room_grow(r, need + need / 4 + ROWS_FIRST * size))
		return NULL;
	return r->p + n * size;
}

static bool write_at(int fd, const char *p, size_t n, size_t at)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, (off_t)at);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
		at += (size_t)done;
	}
	return true;
}

bool room_flush(struct room *r)
{
	struct room_large *l = r->large;

	if (!l || l->tail_n == 0)
		return true;
	bool done = write_at(l->fd, l->tail, l->tail_n, l->tail_at);

	l->tail_n = done ? 0 : l->tail_n;
	return done;
}

bool room_append(struct room *r, size_t at, const void *p, size_t n)
{
	struct room_large *l = r->large;

	if (n == 0)
		return true;
	if (!l) {
		memcpy(r->p + at, p, n);
		return true;
	}
	if ((at != l->tail_at + l->tail_n || l->tail_n + n > TAIL) && !room_flush(r))
		return false;
	if (!l->tail)
		l->tail = malloc(TAIL);
	if (!l->tail || n > TAIL)
		return write_at(l->fd, p, n, at);
	if (l->tail_n == 0)
		l->tail_at = at;
	memcpy(l->tail + l->tail_n, p, n);
	l->tail_n += n;
	return true;
}

bool room_read(const struct room *r, size_t at, void *p, size_t n)
{
	char *to = p;

	if (n > 0 && !r->large)
		memcpy(p, r->p + at, n);
	while (n > 0 && r->large) {
		ssize_t got = pread(r->large->fd, to, n, (off_t)at);

		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
		at += (size_t)got;
	}
	return true;
}

void room_shed_all(void)
{
	for (const struct room_large *l = all; l; l = l->next)
		(void)madvise(l->p, l->cap, MADV_DONTNEED); /* of a shared mapping nothing is lost */
}

void room_pass(size_t i)
{
	if (i % PASS_SHED == PASS_SHED - 1)
		room_shed_all();
}

uint32_t room_rows(void)
{
	return rows_most;
}

void room_set_rows(uint32_t rows)
{
	rows_most = rows;
}

void room_done(struct room *r)
{
	if (r->large)
		large_free(r->large);
	else
		free(r->p);
	*r = (struct room){0};
}
