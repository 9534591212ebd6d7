/* tests/store/bulletinbox.c - see bulletinbox.h */
#include "bulletinbox.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "mail/wire.h"
#include "shim.h"

static const char *const texts[ALL] = {
	"A: own 0\n\nbody\n",         "A: own 1\n\nbody\n",      "A: bulletin 2\n\nFrom here\nbody\n",
	"A: bulletin 3\n\n.\nbody\n", "A: bulletin 4\n\nbody\n", "A: later 5\n\nbody\n"};

/* ---- formats ---- */

static void put_mbox(const struct box *b, int n)
{
	box_append(b, "From a@example.org Mon Jan  5 10:00:00 2026\n");
	box_append(b, texts[n]);
	box_append(b, "\n");
}

static void put_dotmail(const struct box *b, int n)
{
	box_append(b, texts[n]);
	box_append(b, ".\n");
}

static void put_maildir(const struct box *b, int n)
{
	char name[32];

	check(snprintf(name, sizeof name, "new/%d.M1.h", n) > 0);
	box_put(b, name, texts[n]);
}

static void put_mh(const struct box *b, int n)
{
	box_mh_deliver(b, texts[n]);
}

static void link_box(const struct box *b)
{
	char name[128];

	check(snprintf(name, sizeof name, "%s/other", b->top) > 0 && link(b->path, name) == 0);
}

const struct bulletin_format bulletin_formats[] = {
	{"mbox", box_new_mbox, put_mbox, NULL, {"", "uidl", "journals"}},
	{"mbox with two names", box_new_mbox, put_mbox, link_box, {"", "uidl", "journals"}},
	{"dotmail", box_new_dotmail, put_dotmail, NULL, {"", "uidl", "journals"}},
	{"Maildir", box_new, put_maildir, NULL, {"", "uidl", "Maildir", "Maildir/new", "Maildir/cur", "Maildir/tmp"}},
	{"MH", box_new_mh, put_mh, NULL, {"", "uidl", "Maildir", "Maildir/.pop3-index"}}};
const size_t bulletin_formats_n = TABLE_ROWS(bulletin_formats);

/* ---- a session ---- */

static char source[128];

static void write_source(const struct box *b)
{
	char path[128];

	check(snprintf(path, sizeof path, "%s/source", b->top) > 0);
	FILE *f = fopen(path, "w");

	check(f != NULL);
	for (int n = OWN; n < LATER; n++)
		check(fprintf(f, "From root@example.org Mon Jan  5 10:00:0%d 2026\n%s%s\n", n,
			      n == OWN ? "A: bulletin 2\n\n>From here\nbody\n" : texts[n], "") > 0);
	check(fclose(f) == 0);
	check(snprintf(source, sizeof source, "mbox:%s", path) > 0);
}

void bulletins_fill(struct box *b, const struct bulletin_format *f)
{
	shim_reset();
	shim.no_sync = true;
	f->make(b);
	b->setup.unquote = WIRE_UNQUOTE; /* as store has it, whatever the format */
	for (int n = 0; n < OWN; n++)
		f->put(b, n);
	if (f->prepare)
		f->prepare(b);
	write_source(b);
}

enum err bulletins_session(struct box *b, const struct bulletins_db *db)
{
	static struct bulletins bulletins; /* of a new process */
	const struct conf cf = {.bulletin_source = source};
	const struct bulletin_user u = {.name = SLICE("bob"),
					.home = b->top,
					.db = db != NULL,
					.db_known = db && db->known,
					.db_number = db ? db->number : 0,
					.db_advance = db ? db->advance : NULL};

	box_close(b);
	memset(&bulletins, 0, sizeof bulletins);
	bulletins_init(&bulletins, &cf, &b->setup);
	enum err err = maildrop_find(&b->md, slice_str(b->path), &b->setup, &b->why);

	if (err == OK)
		err = bulletins_bring(&bulletins, &b->md, &u, &b->why);
	if (err == ERR_IN_USE) /* a part was taken away */
		err = bulletins_bring(&bulletins, &b->md, &u, &b->why);
	if (err == OK)
		err = maildrop_open(&b->md, &b->first, &b->why);
	if (err != OK)
		maildrop_close(&b->md);
	return err;
}

void bulletins_look(struct box *b, unsigned there[ALL], unsigned at)
{
	memset(there, 0, ALL * sizeof *there);
	for (uint32_t i = 0; i < b->md.index.count; i++) {
		char text[256];
		bool quoted = b->md.driver->in_one_file;

		check(snprintf(text, sizeof text, "%s", box_text(b, i)) < (int)sizeof text);
		char *mark = strstr(text, "\n>From");

		if (mark && quoted)
			memmove(mark + 1, mark + 2, strlen(mark + 2) + 1);
		mark = strstr(text, "\n..\n");
		if (mark && quoted)
			memmove(mark + 1, mark + 2, strlen(mark + 2) + 1);
		int n = 0;

		while (n < ALL && strcmp(text, texts[n]) != 0)
			n++;
		check_row(at, text, n < ALL);
		there[n]++;
	}
}

void bulletins_mark(struct box *b, char marks[ALL + 8])
{
	memset(marks, 0, ALL + 8);
	for (uint32_t i = 0; i < b->md.index.count && i < ALL + 7; i++)
		marks[i] = strstr(box_text(b, i), "A: bulletin") ? 'd' : '-';
}
