/* tests/store/test_grow.c - an index that grows with its maildrop: it says what one says that was made anew
 *
 * Random deliveries and other programs' work, opened with an index after each, and without one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"
#include "store/mh.h"

#define FROM "From a@example.org Mon Jan  5 10:00:00 2026\n"

enum { TEXT_MOST = 512 };

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)seed * below) >> 32);
}

/* ---- what happens to a maildrop ---- */

static unsigned serial; /* of messages; some steps use one again */

static void mbox_deliver(const struct box *b)
{
	char text[TEXT_MOST];

	check(snprintf(text, sizeof text, FROM "A: %u\n\nbody\n\n", ++serial) < TEXT_MOST);
	box_append(b, text);
}

static void mbox_copy(const struct box *b)
{
	char text[TEXT_MOST];

	check(snprintf(text, sizeof text, FROM "A: %u\n\nbody\n\n", 1 + draw(serial + 1)) < TEXT_MOST);
	box_append(b, text);
}

static void mbox_twins(const struct box *b)
{
	mbox_deliver(b);
	serial--;
	mbox_deliver(b);
}

static void mbox_part(const struct box *b)
{
	char text[TEXT_MOST];

	check(snprintf(text, sizeof text, FROM "A: %u\n\nbody\n", ++serial) < TEXT_MOST);
	box_append(b, text);
}

static void mbox_rest(const struct box *b)
{
	if (b->md.index.count > 0)
		box_append(b, "more\n\n");
}

static void mbox_rewrite(const struct box *b)
{
	char *text = strdup(box_mbox(b));
	char *second = text ? strstr(text, "\n" FROM) : NULL;

	if (second)
		box_write(b, second + 1); /* the first message is gone */
	free(text);
}

/* ---- dotmail ---- */

static void dotmail_put(const struct box *b, unsigned number, const char *end)
{
	char text[TEXT_MOST];

	check(snprintf(text, sizeof text, "A: %u\n\nbody\n%s", number, end) < TEXT_MOST);
	box_append(b, text);
}

static void dotmail_deliver(const struct box *b)
{
	dotmail_put(b, ++serial, ".\n");
}

static void dotmail_copy(const struct box *b)
{
	dotmail_put(b, 1 + draw(serial + 1), ".\n");
}

static void dotmail_twins(const struct box *b)
{
	dotmail_put(b, ++serial, ".\n");
	dotmail_put(b, serial, ".\n");
}

static void dotmail_part(const struct box *b)
{
	dotmail_put(b, ++serial, "");
}

/* A dot in a header ends nothing. */
static void dotmail_head(const struct box *b)
{
	char text[TEXT_MOST];

	check(snprintf(text, sizeof text, "A: %u\n.\n", ++serial) < TEXT_MOST);
	box_append(b, text);
}

static void dotmail_rest(const struct box *b)
{
	if (b->md.index.count > 0)
		box_append(b, "B: more\n\nmore\n.\n");
}

static void dotmail_rewrite(const struct box *b)
{
	char *text = strdup(box_mbox(b));
	char *dot = text ? strstr(text, "\n.\nA") : NULL;

	if (dot)
		box_write(b, dot + 3); /* the first message is gone */
	free(text);
}

/* ---- MH: a message comes with the number behind the last one ---- */

static void mh_put(const struct box *b, unsigned number, unsigned message)
{
	char name[16], text[TEXT_MOST];

	check(snprintf(name, sizeof name, "%u", number) > 0);
	check(snprintf(text, sizeof text, "A: %u\n\nbody\n", message) < TEXT_MOST);
	box_put(b, "tmp", text);
	box_rename(b, "tmp", name);
}

static void mh_deliver(const struct box *b)
{
	mh_put(b, box_mh_next(b), ++serial);
}

static void mh_many(const struct box *b)
{
	serial++;
	mh_put(b, serial, serial);
}

static void mh_copy(const struct box *b)
{
	mh_put(b, box_mh_next(b), 1 + draw(serial + 1));
}

static void mh_twins(const struct box *b)
{
	mh_deliver(b);
	mh_put(b, box_mh_next(b), serial);
}

static bool mh_any(const struct box *b, char name[TEXT_MOST])
{
	if (b->md.index.count == 0)
		return false;
	struct message m;

	box_message(b, draw(b->md.index.count), &m);
	return snprintf(name, TEXT_MOST, "%s", m.name) < TEXT_MOST && box_has(b, name);
}

/* Another one in its place, or one that comes before all others, or in a gap. */
static void mh_early(const struct box *b)
{
	mh_put(b, 1 + draw(box_mh_next(b)), ++serial);
}

/* The number of the last one is given again. */
static void mh_last_again(const struct box *b)
{
	char name[16];
	unsigned last = box_mh_next(b) - 1;

	check(snprintf(name, sizeof name, "%u", last) > 0);
	if (last > 0)
		box_remove(b, name);
	mh_deliver(b);
}

static void mh_remove(const struct box *b)
{
	char name[TEXT_MOST];

	if (mh_any(b, name))
		box_remove(b, name);
}

static void mh_renumber(const struct box *b)
{
	char name[TEXT_MOST], to[16];

	check(snprintf(to, sizeof to, "%u", box_mh_next(b) + draw(3)) > 0);
	if (mh_any(b, name))
		box_rename(b, name, to);
}

/* A message that is read, and written anew in its file. */
static void mh_rewrite(const struct box *b)
{
	char name[TEXT_MOST], text[TEXT_MOST];

	if (!mh_any(b, name))
		return;
	check(snprintf(text, sizeof text, "Status: %.*s\nA: %u\n\nbody\n", (int)draw(8), "RORORORO", ++serial) <
	      TEXT_MOST);
	box_put(b, name, text);
	mh_deliver(b);
}

/* ---- Maildir ---- */

static void maildir_put(const struct box *b, const char *dir, unsigned number, const char *end)
{
	char name[TEXT_MOST], text[TEXT_MOST];

	check(snprintf(name, sizeof name, "%s/%u.M1P1.host%s", dir, number, end) < TEXT_MOST);
	check(snprintf(text, sizeof text, "A: %u\n\nbody\n", number) < TEXT_MOST);
	box_put(b, name, text);
}

static void maildir_deliver(const struct box *b)
{
	maildir_put(b, "new", 1000 + ++serial, "");
}

static void maildir_deliver_seen(const struct box *b)
{
	maildir_put(b, "cur", 1000 + ++serial, ":2,S");
}

static void maildir_early(const struct box *b)
{
	maildir_put(b, "new", 1 + draw(900), "");
}

static void maildir_twins(const struct box *b)
{
	maildir_put(b, "new", 1000 + ++serial, ",S=1");
	maildir_put(b, "new", 1000 + serial, ",S=2");
}

static void maildir_long(const struct box *b)
{
	char end[200];

	memset(end, 'x', sizeof end - 1);
	end[sizeof end - 1] = '\0';
	maildir_put(b, "new", 1000 + ++serial, end);
}

static bool maildir_any(const struct box *b, char name[TEXT_MOST])
{
	if (b->md.index.count == 0)
		return false;
	struct message m;

	box_message(b, draw(b->md.index.count), &m);
	return snprintf(name, TEXT_MOST, "%s/%s", m.entry.dir ? "cur" : "new", m.name) < TEXT_MOST && box_has(b, name);
}

static void maildir_see(const struct box *b)
{
	char name[TEXT_MOST], seen[TEXT_MOST + 8];

	if (!maildir_any(b, name) || strstr(name, ":2,"))
		return;
	check(snprintf(seen, sizeof seen, "cur/%s:2,S", name + 4) > 0);
	box_rename(b, name, seen);
}

static void maildir_remove(const struct box *b)
{
	char name[TEXT_MOST];

	if (maildir_any(b, name))
		box_remove(b, name);
}

static void nothing(const struct box *b)
{
	(void)b;
}

static const struct format {
	const char *name;
	void (*new)(struct box *b);
	struct step {
		void (*run)(const struct box *b);
		uint32_t weight;
		bool forgets; /* which of several alike is which */
	} steps[11];
	const char *index;
	void (*fill)(const struct box *b);
	unsigned looks; /* at each message that is known */
	bool locked;
} formats[] = {
	{"mbox",
	 box_new_mbox,
	 {{mbox_deliver, 12, false},
	  {mbox_copy, 3, false},
	  {mbox_twins, 1, false},
	  {mbox_part, 1, false},
	  {mbox_rest, 1, false},
	  {mbox_rewrite, 1, true},
	  {nothing, 2, false}},
	 "../.mbox.pop3idx",
	 mbox_deliver,
	 0,
	 true},
	{"dotmail",
	 box_new_dotmail,
	 {{dotmail_deliver, 12, false},
	  {dotmail_copy, 3, false},
	  {dotmail_twins, 1, false},
	  {dotmail_part, 1, false},
	  {dotmail_head, 2, false},
	  {dotmail_rest, 2, false},
	  {dotmail_rewrite, 1, true},
	  {nothing, 2, false}},
	 "../.mbox.pop3idx",
	 dotmail_deliver,
	 0,
	 true},
	{"maildir",
	 box_new,
	 {{maildir_deliver, 8, false},
	  {maildir_deliver_seen, 4, false},
	  {maildir_early, 1, false},
	  {maildir_twins, 1, true},
	  {maildir_long, 1, false},
	  {maildir_see, 2, false},
	  {maildir_remove, 2, false},
	  {nothing, 2, false}},
	 ".pop3-index",
	 maildir_deliver_seen,
	 0,
	 false},
	{"mh",
	 box_new_mh,
	 {{mh_deliver, 12, false},
	  {mh_copy, 1, false},
	  {mh_twins, 1, false},
	  {mh_early, 1, true},
	  {mh_last_again, 1, true},
	  {mh_remove, 1, true},
	  {mh_renumber, 1, true},
	  {mh_rewrite, 1, true},
	  {nothing, 2, false}},
	 MH_INDEX_DIR "/listing",
	 mh_many,
	 1,
	 false},
};

static const struct step *any_step(const struct format *f)
{
	uint32_t all = 0;

	for (const struct step *s = f->steps; s->run; s++)
		all += s->weight;
	uint32_t at = draw(all);
	const struct step *s = f->steps;

	for (; at >= s->weight; s++)
		at -= s->weight;
	return s;
}

/* ---- what an index says ---- */

/* The same messages in the same order; ids, too, where copies did not go. */
static void check_same(struct box *b, bool ids, const char *about, unsigned row)
{
	struct box plain = *b;

	plain.md = MAILDROP_CLOSED;
	plain.setup.index = INDEX_OFF;
	check_row(row, plain.why.text, box_open(&plain) == OK);
	check_row(row, about, b->md.index.count == plain.md.index.count && b->md.index.octets == plain.md.index.octets);
	for (uint32_t i = 0; i < b->md.index.count; i++) {
		struct message m, p;

		box_message(b, i, &m);
		box_message(&plain, i, &p);
		check_row(row, m.name,
			  m.rec.pos == p.rec.pos && m.rec.crc == p.rec.crc && m.rec.octets == p.rec.octets);
		check_row(row, m.name,
			  m.entry.id == p.entry.id && m.entry.at == p.entry.at && m.entry.dir == p.entry.dir);
		check_row(row, m.name, strcmp(m.name, p.name) == 0);
		check_row(row, about, !ids || slice_eq(listing_uidl(&m.rec), listing_uidl(&p.rec)));
		for (uint32_t k = 0; k < i; k++) {
			box_message(b, k, &p);
			check_row(row, about, !slice_eq(listing_uidl(&m.rec), listing_uidl(&p.rec)));
		}
	}
	box_close(&plain);
}

static ino_t index_ino(const struct box *b, const char *name)
{
	char path[512];
	struct stat st;

	check(snprintf(path, sizeof path, "%s/%s%s", *name == '.' && name[1] == '.' ? b->top : b->path,
		       *name == '.' && name[1] == '.' ? name + 3 : name, "") < (int)sizeof path);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static void run_random(const struct format *f, unsigned rounds)
{
	unsigned grown = 0, anew = 0;

	for (unsigned round = 0; round < rounds; round++) {
		bool ids = true;
		struct box b;

		shim_reset();
		shim.later_s = 10;
		serial = 0;
		f->new (&b);
		check(box_open(&b) == OK);
		for (int n = 0; n < 12; n++) {
			const struct step *step = any_step(f);
			ino_t was = index_ino(&b, f->index);
			uint32_t count = b.md.index.count;

			step->run(&b);
			ids = ids && !step->forgets;
			check_row(round, b.why.text, box_open(&b) == OK);
			check_same(&b, ids, f->name, round);
			*(was == index_ino(&b, f->index) && b.md.index.count > count ? &grown : &anew) += 1;
		}
		box_free(&b);
	}
	check_row(0, "it did not grow", grown > anew / 4);
}

static void test_random(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(formats); i++)
		run_random(&formats[i], 150 / EACH_TRIED / EACH_TRIED);
	shim_reset();
}

/* ---- costs ---- */

/* One message came: nothing that is known is looked at, but identities, a thousand at a time, and of an MH folder each file once, which is not
 * read; and what is written does not grow. */
static void test_costs(void **state)
{
	static const unsigned sizes[] = {10, 3000};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(formats); i++) {
		unsigned calls[2], changes[2], reads[2];

		for (size_t k = 0; k < TABLE_ROWS(sizes); k++) {
			const struct format *f = &formats[i];
			struct box b;

			shim_reset();
			shim.later_s = 10;
			serial = 0;
			f->new (&b);
			for (unsigned n = 0; n < sizes[k]; n++)
				f->fill(&b);
			check(box_open(&b) == OK);
			box_close(&b);
			f->steps[0].run(&b);
			shim_reset();
			check(box_open(&b) == OK && b.md.index.count == sizes[k] + 1);
			calls[k] = shim.calls;
			changes[k] = shim.changes;
			reads[k] = shim.reads;
			box_free(&b);
		}
		unsigned looks = formats[i].looks * (sizes[1] - sizes[0]);

		check_row(i, formats[i].name,
			  calls[1] <= calls[0] + looks + sizes[1] / 1000 && changes[1] == changes[0]);
		check_row(i, formats[i].name, reads[1] == reads[0]);
	}
	shim_reset();
}

/* ---- whoever has opened it before ---- */

static void test_sessions_keep_theirs(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(formats); i++) {
		const struct format *f = &formats[i];
		struct box b, later;
		struct message m;

		shim_reset();
		shim.later_s = 10;
		serial = 0;
		f->new (&b);
		for (int n = 0; n < 300; n++)
			f->steps[0].run(&b);
		check(box_open(&b) == OK && b.md.index.count == 300);
		ino_t was = index_ino(&b, f->index);

		later = b;
		later.md = MAILDROP_CLOSED;
		for (int n = 0; n < 300; n++)
			f->steps[0].run(&b);
		check(box_open(&later) == OK && later.md.index.count == 600 && index_ino(&b, f->index) == was);
		check(b.md.index.count == 300);
		for (uint32_t n = 0; n < 300; n++)
			box_message(&b, n, &m);
		check(strlen(box_text(&b, 299)) > 0);
		box_close(&later);
		box_free(&b);
	}
	shim_reset();
}

/* ---- whatever dies or fails meanwhile ---- */

static void run_dying(const struct format *f, enum shim_what what, unsigned at)
{
	struct box b;
	int status;

	shim_reset();
	shim.later_s = 10;
	serial = 0;
	f->new (&b);
	for (int n = 0; n < 4; n++)
		f->steps[0].run(&b);
	check(box_open(&b) == OK);
	box_close(&b);
	for (int n = 0; n < 3; n++)
		f->steps[0].run(&b);
	pid_t pid = fork();

	if (pid == 0) {
		shim.what = what;
		shim.at = shim.changes + at;
		shim.error = ENOSPC;
		enum err err = box_open(&b);

		_exit(err == OK && b.md.index.count == 7 ? 0 : 50);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	check_row(at, f->name, WEXITSTATUS(status) != 50 || what != SHIM_ERROR || f->locked);
	f->steps[0].run(&b);
	check_row(at, b.why.text, box_open(&b) == OK && b.md.index.count == 8);
	check_same(&b, true, f->name, at);
	box_free(&b);
}

static void test_dying(void **state)
{
	static const enum shim_what what[] = {SHIM_KILL, SHIM_KILL_BEHIND, SHIM_ERROR, SHIM_SHORT};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(formats); i++)
		for (size_t k = 0; k < TABLE_ROWS(what); k++)
			for (unsigned at = 1; at <= 12; at++)
				run_dying(&formats[i], what[k], at);
	shim_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_costs),
		cmocka_unit_test(test_sessions_keep_theirs),
		cmocka_unit_test(test_dying),
	};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
