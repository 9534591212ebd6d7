/* base/arena.c - see arena.h */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_FIRST = 512, BLOCK_MOST = 65536, ALIGN = alignof(max_align_t) };

struct block {
	struct block *prev;
	size_t cap, used; /* octets behind this header */
	alignas(max_align_t) char data[];
};

struct deferred {
	struct deferred *prev;
	void (*fn)(void *arg);
	void *arg;
};

struct arena {
	struct block *top;
	struct deferred *deferred;
	size_t ceiling, total;
};

static size_t round_up(size_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

struct arena *arena_new(size_t ceiling)
{
	struct arena *a = ceiling >= sizeof *a ? calloc(1, sizeof *a) : NULL;

	if (a) {
		a->ceiling = ceiling;
		a->total = sizeof *a;
	}
	return a;
}

/* Blocks double, so that the number of them stays small; a request larger than that gets its own size. */
static struct block *block_add(struct arena *a, size_t need)
{
	size_t cap = a->top ? a->top->cap * 2 : BLOCK_FIRST - sizeof(struct block);
	size_t room = a->ceiling - a->total;

	if (cap > BLOCK_MOST)
		cap = BLOCK_MOST;
	if (cap < need)
		cap = need;
	if (room < sizeof(struct block) || need > room - sizeof(struct block))
		return NULL;
	if (cap > room - sizeof(struct block))
		cap = need;
	struct block *b = malloc(sizeof *b + cap);

	if (b) {
		*b = (struct block){.prev = a->top, .cap = cap};
		a->top = b;
		a->total += sizeof *b + cap;
	}
	return b;
}

void *arena_zero(struct arena *a, size_t n)
{
	if (n > SIZE_MAX - ALIGN)
		return NULL;
	size_t need = round_up(n);
	struct block *b = a->top;

	if (!b || need > b->cap - b->used)
		b = block_add(a, need);
	if (!b)
		return NULL;
	void *p = b->data + b->used;

	b->used += need;
	return memset(p, 0, n);
}

char *arena_str(struct arena *a, struct slice text)
{
	char *s = text.n < SIZE_MAX ? arena_zero(a, text.n + 1) : NULL;

	if (s && text.n > 0)
		memcpy(s, text.p, text.n);
	return s;
}

bool arena_defer(struct arena *a, void (*fn)(void *arg), void *arg)
{
	struct deferred *d = arena_zero(a, sizeof *d);

	if (!d)
		return false;
	*d = (struct deferred){.prev = a->deferred, .fn = fn, .arg = arg};
	a->deferred = d;
	return true;
}

struct arena_mark arena_mark(const struct arena *a)
{
	return (struct arena_mark){
		.block = a->top,
		.used = a->top ? a->top->used : 0,
		.total = a->total,
		.deferred = a->deferred,
	};
}

void arena_release(struct arena *a, struct arena_mark mark)
{
	while (a->deferred != mark.deferred) {
		struct deferred *d = a->deferred;

		a->deferred = d->prev;
		d->fn(d->arg);
	}
	while (a->top != mark.block) {
		struct block *b = a->top;

		a->top = b->prev;
		free(b);
	}
	if (a->top)
		a->top->used = mark.used;
	a->total = mark.total;
}

void arena_wipe(struct arena *a)
{
	arena_release(a, (struct arena_mark){.block = a->top, .used = a->top ? a->top->used : 0, .total = a->total});
	for (struct block *b = a->top; b; b = b->prev)
		explicit_bzero(b->data, b->used);
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	arena_release(a, (struct arena_mark){0});
	free(a);
}

size_t arena_octets(const struct arena *a)
{
	return a->total;
}
