/* tests/store/test_power_bulletins.c - the power fails in the middle of a session that brings bulletins: each is there once, or comes with the
 * next session
 *
 * All that a session changes is recorded: the mailbox, the record of what it has got, what is due, the number, indexes. Every state that
 * power.h makes of it is opened as the next session would find it, and once more with a delivery before that. A data base of numbers is
 * durable or not by itself (state syncs it, while the session goes on), or cannot be used any more. Where the session has deleted what it was
 * shown, that does not come again, and nothing comes twice. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bulletinbox.h"
#include "check.h"
#include "power.h"

/* Moments: some, and the last, and a delivery before every second state; POP3D_LONG=1: all, and rows that differ little from others. */
enum { COMBINATIONS = 8, EACH_SHORT = 5 * EACH_TRIED };

static struct power_places places;
static struct power_story story;
static unsigned states;

static bool is_long(void)
{
	return getenv("POP3D_LONG") != NULL;
}

static void open_places(const struct box *b, const struct bulletin_format *f)
{
	places.n = 0;
	for (size_t i = 0; i < TABLE_ROWS(f->dirs) && f->dirs[i]; i++) {
		char path[128];

		check(snprintf(path, sizeof path, "%s/%s", b->top, f->dirs[i]) < (int)sizeof path);
		places.fd[places.n] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		check_row(i, path, places.fd[places.n] >= 0);
		places.n++;
	}
}

/* A mailbox that a session has written anew is another file, and for the next state the old one again. */
static ino_t mailbox;

static ino_t look_at(const struct box *b)
{
	struct stat st;

	shim.ino_seen = 0;
	check_row(0, b->path, stat(b->path, &st) == 0);
	return st.st_ino;
}

static void restore(const struct box *b, const struct power_world *w)
{
	shim.ino_seen = 0;
	power_write(w, &places);
	shim.ino = look_at(b);
	shim.ino_seen = mailbox;
}

/* ---- the data base of numbers ---- */

static size_t advanced_at; /* changes before it was told, */
static uint64_t advanced;  /* and what; 0: it was not */

static void on_advance(void *arg, uint64_t number)
{
	(void)arg;
	advanced_at = story.ops;
	advanced = number;
}

static void no_advance(void *arg, uint64_t number)
{
	(void)arg;
	(void)number;
}

enum numbers { NO_DB, DB_BEHIND, DB_WRITTEN, DB_BROKEN, NUMBERS };

/* ---- a session ---- */

struct row {
	const struct bulletin_format *format;
	bool db, deletes;
	size_t shown; /* changes before the session saw its maildrop */
};

static void record(struct box *b, struct row *row)
{
	const struct bulletins_db db = {.advance = on_advance};
	char marks[ALL + 8];
	struct outcome out;
	unsigned there[ALL];

	advanced = 0;
	mailbox = look_at(b);
	power_record(&story, &places);
	check_row(0, b->why.text, bulletins_session(b, row->db ? &db : NULL) == OK);
	row->shown = story.ops;
	bulletins_look(b, there, 0);
	check_row(0, row->format->about, there[OWN] == 1 && there[LATER - 1] == 1);
	bulletins_mark(b, marks);
	if (row->deletes)
		check_row(0, b->why.text, box_commit(b, marks, &out) == OK);
	box_close(b);
	power_recorded();
	check(!row->db || advanced == BULLETINS);
}

struct state {
	const struct row *row;
	size_t k;
	enum numbers numbers;
	bool delivered;
};

static bool is_right(const struct state *s, int n, unsigned there)
{
	if (n < OWN || n == LATER)
		return there == (n == LATER ? s->delivered : 1);
	if (!s->row->deletes || s->k <= s->row->shown)
		return there == 1;
	return there == 0 || (there == 1 && s->k < story.ops);
}

static void check_state(struct box *b, const struct state *s, const struct power_world *w)
{
	const struct bulletins_db db = {s->numbers == DB_WRITTEN, advanced, no_advance};

	restore(b, w);
	if (s->delivered)
		s->row->format->put(b, LATER);
	for (int session = 0; session < 2; session++) {
		unsigned there[ALL];
		bool has_db = s->numbers == DB_BEHIND || s->numbers == DB_WRITTEN;

		check_row(s->k, b->why.text, bulletins_session(b, has_db ? &db : NULL) == OK);
		bulletins_look(b, there, (unsigned)s->k);
		for (int n = 0; n < ALL; n++)
			check_row(s->k, s->row->format->about, is_right(s, n, there[n]));
	}
	box_close(b);
	states++;
}

static void check_crash(struct box *b, const struct row *row, size_t k)
{
	static struct power_world w;
	unsigned turn = 0;
	struct power_crash *c = power_crash_new(&story, k, true, COMBINATIONS);

	while (power_crash_next(c, &w))
		for (int n = row->db ? DB_BEHIND : NO_DB; n < (row->db ? NUMBERS : DB_BEHIND); n++)
			for (int delivered = 0; delivered < 2; delivered++)
				if ((is_long() || (turn++ / 2 + (unsigned)delivered) % 2 == 0) &&
				    (n != DB_WRITTEN || advanced_at <= k))
					check_state(b, &(struct state){row, k, (enum numbers)n, delivered}, &w);
	power_crash_free(c);
}

static void check_format(const struct bulletin_format *f, bool db, bool deletes)
{
	struct row row = {f, db, deletes, 0};
	struct box b;

	bulletins_fill(&b, f);
	check_row(0, b.why.text, box_open(&b) == OK); /* it has an index */
	box_close(&b);
	open_places(&b, f);
	record(&b, &row);
	states = 0;
	for (size_t k = 0; k < story.ops; k += is_long() ? 1 : EACH_SHORT)
		check_crash(&b, &row, k);
	check_crash(&b, &row, story.ops);
	print_message("%s%s%s: %zu changes, %u states\n", f->about, db ? ", data base" : "", deletes ? ", deleted" : "",
		      story.ops, states);
	check(states > 40);
	power_forget(&story);
	for (size_t i = 0; i < places.n; i++)
		close(places.fd[i]);
	shim_reset();
	box_free(&b);
}

enum { TWO_NAMES = 1, MAILDIR = 3 }; /* of the formats */

static void test_brought(void **state)
{
	(void)state;
	for (size_t i = 0; i < bulletin_formats_n; i++)
		for (int db = 0; db < 2; db++)
			if (is_long() || (i != TWO_NAMES && (!db || i == 0)))
				check_format(&bulletin_formats[i], db, false);
}

static void test_deleted(void **state)
{
	(void)state;
	for (size_t i = 0; i < bulletin_formats_n; i += is_long() ? 1 : MAILDIR)
		check_format(&bulletin_formats[i], false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_brought), cmocka_unit_test(test_deleted)};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
