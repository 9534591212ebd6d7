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
	size_t at = p->count * p->size;

	if (t.n > UINT32_MAX - p->text_len || p->count == UINT32_MAX || !room_row(&p->text, p->text_len + t.n, 1) ||
	    !room_row(&p->row, p->count, p->size) || !room_append(&p->row, at, &t, sizeof t) ||
	    !room_append(&p->row, at + sizeof t, (const char *)row + sizeof t, p->size - sizeof t) ||
	    !room_append(&p->text, t.at, text.p, text.n) || !room_append(&p->text, t.at + text.n, more.p, more.n))
		return false;
	room_pass(p->count++);
	p->text_len += t.n;
	return true;
}

static bool flush(struct pile *p)
{
	return room_flush(&p->row) && room_flush(&p->text);
}

static bool copy(const struct sorting *s, const void *row)
{
	return pile_add(s->to, row, (struct slice){pile_text(s->from, row), ((const struct pile_text *)row)->n},
			(struct slice){0});
}

/* In `rows`, which has room for a run. */
static bool sort_run(const struct sorting *s, size_t at, size_t n, char *rows)
{
	size_t size = s->from->size;
	bool done = room_read(&s->from->row, at * size, rows, n * size);

	if (done)
		qsort_r(rows, n, size, s->compare, s->from->text.p);
	for (size_t i = 0; i < n && done; i++)
		done = copy(s, rows + i * size);
	room_shed_all();
	return done;
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
		if (!copy(s, pile_row(s->from, next[least])))
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
static bool turn(struct sorting *s)
{
	struct pile was = *s->from;

	*s->from = *s->to;
	*s->to = was;
	s->to->count = s->to->text_len = 0;
	return flush(s->from);
}

static bool sort_runs(struct sorting *s, size_t run)
{
	char *rows = malloc(run * s->from->size);
	bool done = rows && room_grow(&s->to->row, s->from->count * s->from->size) &&
		    room_grow(&s->to->text, s->from->text_len + 1);

	for (size_t at = 0; at < s->from->count && done; at += run)
		done = sort_run(s, at, run < s->from->count - at ? run : s->from->count - at, rows);
	free(rows);
	done = done && turn(s);
	for (; run < s->from->count && done; run *= RUNS_MERGED) {
		for (size_t at = 0; at < s->from->count && done; at += run * RUNS_MERGED)
			done = merge(s, at, run);
		done = done && turn(s);
	}
	return done;
}

bool pile_sort(struct pile *p, int (*compare)(const void *a, const void *b, void *texts))
{
	struct pile other = {.size = p->size};
	struct sorting s = {p, &other, compare};
	size_t run = room_rows() / ROWS_OF_RUN + 1;
	bool done = flush(p);

	if (!done)
		return false;
	if (p->count > run)
		done = sort_runs(&s, run);
	else if (p->count > 0)
		qsort_r(p->row.p, p->count, p->size, compare, p->text.p);
	pile_done(&other);
	return done;
}
