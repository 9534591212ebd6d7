/* tests/store/keptbox.c - see keptbox.h */
#include "keptbox.h"

#include <ev.h>
#include <stdio.h>

#include "check.h"
#include "shim.h"
#include "store/kept.h"

const char *keptbox_path(const char *dir, const char *name)
{
	static char path[2][256];
	static unsigned turn;

	turn = !turn;
	check(snprintf(path[turn], sizeof path[0], "%s/%s", dir, name) < (int)sizeof path[0]);
	return path[turn];
}

static void put_one(const struct box *b, unsigned i)
{
	char name[32];

	check(snprintf(name, sizeof name, "new/%u.M1P1.host", i) > 0);
	box_put(b, name, KEPT_TEXT);
}

static void put_one_mh(const struct box *b, unsigned i)
{
	(void)i;
	box_mh_deliver(b, KEPT_TEXT);
}

static void put_one_mbox(const struct box *b, unsigned i)
{
	(void)i;
	box_append(b, "From a Mon Jan  5 10:00:00 2026\n" KEPT_TEXT "\n");
}

static void put_one_dotmail(const struct box *b, unsigned i)
{
	(void)i;
	box_append(b, KEPT_TEXT ".\n");
}

const struct kept_format kept_formats[] = {
	[KEPT_MAILDIR] = {"maildir", box_new, put_one, "Maildir/.pop3-index", 4}, /* the path, new/, cur/, the index */
	[KEPT_MBOX] = {"mbox", box_new_mbox, put_one_mbox, ".mbox.pop3idx",
		       4}, /* the path, the file, the index, mbox.lock */
	[KEPT_MH] = {"mh", box_new_mh, put_one_mh, "Maildir/.pop3-index/listing",
		     3}, /* the path, the directory, the index */
	[KEPT_DOTMAIL] = {"dotmail", box_new_dotmail, put_one_dotmail, ".mbox.pop3idx", 4},
};

void keptbox_begin(struct box *b, const struct kept_format *f)
{
	shim_reset();
	shim.later_s = 10;
	f->new (b);
	for (unsigned i = 1; i <= 3; i++)
		f->put(b, i);
	check_row(0, f->name, box_open(b) == OK && !b->md.keepable);
	check_row(0, f->name, box_open(b) == OK && b->md.keepable && !b->md.warm);
	box_close(b);
	check_row(0, f->name, kept_count() == 1);
}

void keptbox_end(struct box *b)
{
	shim_reset();
	box_free(b);
}

void keptbox_keep(void)
{
	kept_begin(ev_default_loop(EVFLAG_AUTO));
	box_in_memory();
}
