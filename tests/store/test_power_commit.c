/* tests/store/test_power_commit.c - the power fails in the middle of a session
 * that deletes: each message is there once, or was deleted
 *
 * Everything that a session changes is recorded, from opening the maildrop to
 * the end of the commit: mail, locks, indexes, journals. Every state that
 * power.h makes of it is opened as the next session would find it, and once
 * more with a delivery before that. A format takes part with a row for each of
 * its ways to commit. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "power.h"

enum { MESSAGES = 6, NEW = 9, COMBINATIONS = 64 };

/* ---- formats ---- */

static void number_text(char *text, size_t cap, int n)
{
	char line[48];

	memset(line, '0' + n, sizeof line - 1);
	line[sizeof line - 1] = '\0';
	check(snprintf(text, cap, "A: %d\n\n%.*s\n", n, 10 + 5 * n, line) < (int)cap);
}

static void deliver_mbox(const struct box *b, int n)
{
	char text[96], whole[192];

	number_text(text, sizeof text, n);
	check(snprintf(whole, sizeof whole, "From a@example.org Mon Jan  5 10:00:00 2026\n%s\n", text) > 0);
	box_append(b, whole);
}

static void deliver_maildir(const struct box *b, int n)
{
	char text[96], name[32];

	number_text(text, sizeof text, n);
	check(snprintf(name, sizeof name, n % 2 ? "new/%d.M1.h" : "cur/%d.M1.h:2,S", n) > 0);
	box_put(b, name, text);
}

static void deliver_dotmail(const struct box *b, int n)
{
	char text[96];

	number_text(text, sizeof text, n);
	box_append(b, text);
	box_append(b, ".\n");
}

static void deliver_mh(const struct box *b, int n)
{
	char text[96];

	number_text(text, sizeof text, n);
	box_mh_deliver(b, text);
}

static void link_box(const struct box *b)
{
	char other[128];

	check(snprintf(other, sizeof other, "%s/other", b->top) > 0 && link(b->path, other) == 0);
}

/* A format and a way. */
static const struct row {
	const char *about;
	void (*make)(struct box *b);
	void (*deliver)(const struct box *b, int n);
	void (*prepare)(const struct box *b);
	const char *marks;
	bool at_once;                 /* all that go, or none of them */
	const char *dirs[POWER_DIRS]; /* below b->top */
	unsigned stamps;              /* so many messages get a header */
	bool flags;                   /* and all of them flags */
} rows[] = {
	{"mbox: a tail", box_new_mbox, deliver_mbox, NULL, "---ddd", true, {"", "journals", "uidl"}, 0, false},
	{"mbox: all", box_new_mbox, deliver_mbox, NULL, "dddddd", true, {"", "journals", "uidl"}, 0, false},
	{"mbox: renamed", box_new_mbox, deliver_mbox, NULL, "d-dd--", true, {"", "journals", "uidl"}, 0, false},
	{"mbox: in place", box_new_mbox, deliver_mbox, link_box, "d-dd-d", true, {"", "journals", "uidl"}, 0, false},
	{"dotmail: a tail", box_new_dotmail, deliver_dotmail, NULL, "---ddd", true, {"", "journals", "uidl"}, 0, false},
	{"dotmail: renamed",
	 box_new_dotmail,
	 deliver_dotmail,
	 NULL,
	 "d-dd--",
	 true,
	 {"", "journals", "uidl"},
	 0,
	 false},
	{"dotmail: in place",
	 box_new_dotmail,
	 deliver_dotmail,
	 link_box,
	 "d-dd-d",
	 true,
	 {"", "journals", "uidl"},
	 0,
	 false},
	{"Maildir",
	 box_new,
	 deliver_maildir,
	 NULL,
	 "dd-d-d",
	 false,
	 {"Maildir", "Maildir/new", "Maildir/cur"},
	 0,
	 false},
	{"MH", box_new_mh, deliver_mh, NULL, "dd-d-d", false, {"Maildir", "Maildir/.pop3-index", "uidl"}, 0, false},
	{"MH without backups",
	 box_new_mh_without,
	 deliver_mh,
	 NULL,
	 "-d-ddd",
	 false,
	 {"Maildir", "Maildir/.pop3-index", "uidl"},
	 0,
	 false},
	{"mbox: stamped and flagged",
	 box_new_mbox,
	 deliver_mbox,
	 NULL,
	 "-d----",
	 true,
	 {"", "journals", "uidl"},
	 4,
	 true},
	{"dotmail: stamped",
	 box_new_dotmail,
	 deliver_dotmail,
	 NULL,
	 "------",
	 true,
	 {"", "journals", "uidl"},
	 2,
	 false},
	{"MH: stamped",
	 box_new_mh,
	 deliver_mh,
	 NULL,
	 "-d----",
	 false,
	 {"Maildir", "Maildir/.pop3-index", "uidl"},
	 2,
	 false},
	{"Maildir: stamped and flagged",
	 box_new,
	 deliver_maildir,
	 NULL,
	 "-dd-dd",
	 false,
	 {"Maildir", "Maildir/new", "Maildir/cur", "Maildir/tmp"},
	 1,
	 true},
};

/* ---- a session ---- */

static char uidls[MESSAGES][UIDL_MOST + 1]; /* as they were before */
static struct power_places places;

static void open_places(const struct box *b, const struct row *row)
{
	places.n = 0;
	for (int i = 0; i < POWER_DIRS && row->dirs[i]; i++) {
		char path[128];

		check(snprintf(path, sizeof path, "%s/%s", b->top, row->dirs[i]) < (int)sizeof path);
		places.fd[places.n] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		check_row(i, path, places.fd[places.n] >= 0);
		places.n++;
	}
}

static void fill(struct box *b, const struct row *row)
{
	shim_reset();
	row->make(b);
	for (int i = 0; i < MESSAGES; i++)
		row->deliver(b, i);
	if (row->stamps > 0)
		box_write_stamps(b);
	if (row->flags)
		box_write_flags(b);
	if (row->prepare)
		row->prepare(b);
	check_row(0, row->about, box_open(b) == OK && b->md.index.count == MESSAGES);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		struct message m;

		box_message(b, i, &m);
		memcpy(uidls[i], m.rec.uidl, sizeof uidls[i]);
	}
	box_close(b);
	open_places(b, row);
}

static unsigned states;

/* Of a state of the disk, which the next session finds. */
struct state {
	const struct row *row;
	size_t k;
	bool done; /* the commit had said so */
	bool delivered;
};

static void check_mail(struct box *b, const struct state *s)
{
	unsigned there[NEW + 1] = {0}, gone = 0, go = 0;

	check_row(s->k, b->why.text, box_open(b) == OK);
	for (uint32_t i = 0; i < b->md.index.count; i++) {
		bool stamped;
		const char *text = box_text_bare(b, i, &stamped);
		char right[96];
		struct message m;
		int n = text[0] ? text[3] - '0' : -1;

		check_row(s->k, text[0] ? text : b->why.text, n >= 0 && n <= NEW);
		number_text(right, sizeof right, n);
		box_message(b, i, &m);
		check_row(s->k, text, strcmp(text, right) == 0 && ++there[n] == 1);
		check_row(s->k, text, !stamped || n < (int)s->row->stamps);
		check_row(s->k, text, !s->done || stamped == (n < (int)s->row->stamps));
		if (s->done && s->row->flags && n < MESSAGES)
			check_row(s->k, m.name,
				  m.name[0] ? strstr(m.name, ",a=O") != NULL
					    : strstr(box_text(b, i), "\nStatus: O") != NULL);
		check_row(s->k, text, n >= MESSAGES || memcmp(uidls[n], m.rec.uidl, sizeof uidls[n]) == 0);
	}
	for (int n = 0; n < MESSAGES; n++) {
		bool goes = s->row->marks[n] == 'd';

		go += goes;
		gone += !there[n];
		check_row(s->k, s->row->about, there[n] || goes);
		check_row(s->k, "was said to be done", !s->done || there[n] == !goes);
	}
	check_row(s->k, "all or nothing", !s->row->at_once || gone == 0 || gone == go);
	check_row(s->k, "what was delivered", there[NEW] == s->delivered);
}

/* Nothing stands in the way of later sessions. */
static void check_later(struct box *b, const struct state *s)
{
	char marks[NEW + 2] = "";
	struct outcome out;

	memset(marks, 'd', b->md.index.count);
	check_row(s->k, b->why.text, box_commit(b, marks, &out) == OK);
	check_row(s->k, b->why.text, box_open(b) == OK && b->md.index.count == 0);
}

static void check_state(struct box *b, const struct state *s, const struct power_world *w)
{
	power_write(w, &places);
	if (s->delivered)
		s->row->deliver(b, NEW);
	check_mail(b, s);
	if (!s->delivered)
		check_later(b, s);
	box_close(b);
	states++;
}

static void check_crash(struct box *b, const struct row *row, const struct power_story *story, size_t k)
{
	static struct power_world w;
	struct power_crash *c = power_crash_new(story, k, true, COMBINATIONS);

	while (power_crash_next(c, &w))
		for (int delivered = 0; delivered < 2; delivered++)
			check_state(b, &(struct state){row, k, k == story->ops, delivered}, &w);
	power_crash_free(c);
}

static void test_commit(void **state)
{
	static struct power_story story;

	(void)state;
	for (const struct row *row = rows; row < rows + TABLE_ROWS(rows); row++) {
		struct outcome out;
		struct box b;

		fill(&b, row);
		power_record(&story, &places);
		check_row(0, b.why.text, box_open(&b) == OK);
		if (row->stamps > 0)
			maildrop_retrieved(&b.md, 1, row->stamps, RETRIEVED_STAMP | (row->flags ? RETRIEVED_SEEN : 0));
		check_row(0, b.why.text, box_commit(&b, row->marks, &out) == OK);
		box_close(&b);
		power_recorded();
		states = 0;
		for (size_t k = 0; k <= story.ops; k += EACH_TRIED)
			check_crash(&b, row, &story, k);
		print_message("%s: %zu changes, %u states\n", row->about, story.ops, states);
		check(states > 100 / EACH_TRIED);
		power_forget(&story);
		for (size_t i = 0; i < places.n; i++)
			close(places.fd[i]);
		shim_reset();
		box_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_commit)};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
