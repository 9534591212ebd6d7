/* store/pile.c - see pile.h
 *
 * Runs of rows are sorted, and copied together with their texts into another pile, so that both of them lie in one order; then some runs at a
 * time are merged into longer ones, from one pile into the other and back. So memory is gone through from front to end, but for what is sorted at a
 * time. */
#include "store/pile.h"

#include <stdlib.h>
#include <string.h>

enum {
	RUNS_MERGED = 16,
	ROWS_READY = 1024,
	TEXT_READY = 128 * 1024,
	ROWS_OF_RUN = 8, /* of room_rows(), one in so many: there is a text with each */
};

struct sorting {
	struct pile *from, *to;
	int (*compare)(const void *a, const void *b, void *texts);
};

void pile_done(struct pile *p)
{
	room_done(&p->row);
	room_done(&p->text);
	*p = (struct pile){.size = p->size};
}

bool pile_add(struct pile *p, const void *row, struct slice text, struct slice more)
{
	struct pile_text t = {.at = (uint32_t)p->text_len, .n = (uint32_t)(text.n + more.n)};

	if (t.n > UINT32_MAX - p->text_len || p->count == UINT32_MAX || !room_row(&p->text, p->text_len + t.n, 1))
		return false;
	void *to = room_row(&p->row, p->count, p->size);

	if (!to)
		return false;
	memcpy(to, row, p->size);
	memcpy(to, &t, sizeof t);
	if (text.n > 0)
		memcpy(p->text.p + t.at, text.p, text.n);
	if (more.n > 0)
		memcpy(p->text.p + t.at + text.n, more.p, more.n);
	room_pass(p->count++);
	p->text_len += t.n;
	if (p->count % ROWS_READY == 0) {
		room_ready(&p->row, p->count * p->size, ROWS_READY * p->size);
		room_ready(&p->text, p->text_len, TEXT_READY);
	}
	return true;
}

static bool copy(const struct sorting *s, size_t i)
{
	const void *row = pile_row(s->from, i);

	return pile_add(s->to, row, (struct slice){pile_text(s->from, row), ((const struct pile_text *)row)->n},
			(struct slice){0});
}

static bool sort_run(const struct sorting *s, size_t at, size_t n)
{
	qsort_r(pile_row(s->from, at), n, s->from->size, s->compare, s->from->text.p);
	for (size_t i = 0; i < n; i++)
		if (!copy(s, at + i))
			return false;
	room_shed_all();
	return true;
}

/* Runs of `n` rows from `at` on become one. */
static bool merge(const struct sorting *s, size_t at, size_t n)
{
	size_t next[RUNS_MERGED], end[RUNS_MERGED], runs = 0;

	for (; runs < RUNS_MERGED && at < s->from->count; runs++, at += n) {
		next[runs] = at;
		end[runs] = n < s->from->count - at ? at + n : s->from->count;
	}
	while (runs > 0) {
		size_t least = 0;

		for (size_t r = 1; r < runs; r++)
			if (s->compare(pile_row(s->from, next[r]), pile_row(s->from, next[least]), s->from->text.p) < 0)
				least = r;
		if (!copy(s, next[least]))
			return false;
		if (++next[least] < end[least])
			continue;
		runs--;
		for (size_t r = least; r < runs; r++) {
			next[r] = next[r + 1];
			end[r] = end[r + 1];
		}
	}
	return true;
}

/* What was written is what is read next. */
static void turn(struct sorting *s)
{
	struct pile was = *s->from;

	*s->from = *s->to;
	*s->to = was;
	s->to->count = s->to->text_len = 0;
}

static bool sort_runs(struct sorting *s, size_t run)
{
	bool done = room_grow(&s->to->row, s->from->count * s->from->size) &&
		    room_grow(&s->to->text, s->from->text_len + 1);

	for (size_t at = 0; at < s->from->count && done; at += run)
		done = sort_run(s, at, run < s->from->count - at ? run : s->from->count - at);
	if (done)
		turn(s);
	for (; run < s->from->count && done; run *= RUNS_MERGED) {
		for (size_t at = 0; at < s->from->count && done; at += run * RUNS_MERGED)
			done = merge(s, at, run);
		if (done)
			turn(s);
	}
	return done;
}

bool pile_sort(struct pile *p, int (*compare)(const void *a, const void *b, void *texts))
{
	struct pile other = {.size = p->size};
	struct sorting s = {p, &other, compare};
	size_t run = room_rows() / ROWS_OF_RUN + 1;
	bool done = true;

	if (p->count > run)
		done = sort_runs(&s, run);
	else if (p->count > 0)
		qsort_r(p->row.p, p->count, p->size, compare, p->text.p);
	pile_done(&other);
	return done;
}
