/* tests/store/model_formats.c - what deliverers and other programs do to a maildrop of each format, and to its model. See model.h */
#include "model.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "store/stamp.h"

struct box box;
struct model model;
const struct format *format;

/* As it is stored. */
void letter_text(const struct letter *l, char out[TEXT_MOST])
{
	char status[16] = "", stamp[STAMP_LINE] = "";

	if (l->status)
		(void)snprintf(status, sizeof status, "Status: %c\n", l->status);
	if (l->header)
		(void)stamp_line(stamp, l->header, false);
	check(snprintf(out, TEXT_MOST, "A: %d\n%s%s\n%.*s\n", l->number, stamp, status, 5 + l->number * 7 % 90,
		       "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
		       "56789") < TEXT_MOST);
}

struct letter *letter_any(uint32_t dice)
{
	int there = 0;

	for (int i = 0; i < model.letters; i++)
		there += model.letter[i].there;
	int n = there > 0 ? (int)(dice % (uint32_t)there) : -1;

	for (int i = 0; i < model.letters; i++)
		if (model.letter[i].there && n-- == 0)
			return &model.letter[i];
	return NULL;
}

static void touch(const struct letter *l)
{
	model.touched[l - model.letter] = true;
}

/* ---- a mailbox in one file ---- */

/* All mail, in one file. */
static void file_whole(char *out, size_t cap)
{
	struct buf b = {.p = out, .cap = cap - 1};

	for (int i = 0; i < model.letters; i++) {
		char text[TEXT_MOST];

		if (!model.letter[i].there)
			continue;
		letter_text(&model.letter[i], text);
		buf_str(&b, format->before);
		buf_str(&b, text);
		buf_str(&b, format->behind);
	}
	check(!b.full);
	out[b.len] = '\0';
}

static void file_deliver(struct letter *l)
{
	char text[TEXT_MOST];

	letter_text(l, text);
	box_append(&box, format->before);
	box_append(&box, text);
	box_append(&box, format->behind);
}

/* Another program writes a header, or removes a message, or nothing: in the same file, or a new one in its place. */
static void file_edit(uint32_t dice)
{
	struct letter *l = letter_any(dice / 16);
	char text[MESSAGES_MOST * TEXT_MOST], beside[128];

	if (l && dice % 4 < 2)
		touch(l);
	if (l && dice % 4 == 0)
		l->there = false;
	else if (l && dice % 4 == 1)
		l->status = l->status == 'O' ? 'R' : 'O';
	file_whole(text, sizeof text);
	if (dice / 4 % 2 == 0) {
		box_write(&box, text);
		return;
	}
	check(snprintf(beside, sizeof beside, "%s/beside", box.top) > 0);
	FILE *f = fopen(beside, "w");

	check(f && fputs(text, f) >= 0 && fclose(f) == 0 && syscall(SYS_rename, beside, box.path) == 0);
}

/* Octet for octet. */
static void file_look(void)
{
	char text[MESSAGES_MOST * TEXT_MOST];

	file_whole(text, sizeof text);
	check_row(0, box_mbox(&box), strcmp(text, box_mbox(&box)) == 0);
}

static void maildir_deliver(struct letter *l)
{
	char text[TEXT_MOST];

	(void)snprintf(l->name, sizeof l->name, "%s/%d.M1.h%s", l->number % 2 ? "new" : "cur", 1000 + l->number,
		       l->number % 2 ? "" : ":2,");
	letter_text(l, text);
	box_put(&box, l->name, text);
}

/* Flags and names change, messages go. */
static void maildir_edit(uint32_t dice)
{
	struct letter *l = letter_any(dice / 16);
	char name[sizeof l->name];

	if (!l)
		return;
	if (dice % 4 == 0) {
		touch(l);
		l->there = false;
		box_remove(&box, l->name);
		return;
	}
	(void)snprintf(name, sizeof name, "cur/%d.M1.h:2,%s", 1000 + l->number, dice % 4 == 1 ? "S" : "RS");
	if (strcmp(name, l->name) == 0)
		return;
	box_rename(&box, l->name, name);
	memcpy(l->name, name, sizeof name);
}

static void maildir_look(void)
{
	unsigned there = 0;

	for (int i = 0; i < model.letters; i++) {
		there += model.letter[i].there;
		check_row(i, model.letter[i].name, box_has(&box, model.letter[i].name) == model.letter[i].there);
	}
	check(box_count(&box, "new") + box_count(&box, "cur") == there);
}

/* ---- MH: a message comes with the number behind the last one ---- */

static void mh_place(struct letter *l, unsigned number)
{
	l->place = number;
	check(snprintf(l->name, sizeof l->name, "%u", number) > 0);
}

static void mh_deliver(struct letter *l)
{
	char text[TEXT_MOST];

	mh_place(l, box_mh_next(&box));
	letter_text(l, text);
	box_put(&box, "tmp", text);
	box_rename(&box, "tmp", l->name);
}

static void mh_move(struct letter *l, unsigned number)
{
	char from[sizeof l->name];

	memcpy(from, l->name, sizeof from);
	mh_place(l, number);
	if (strcmp(from, l->name) != 0)
		box_rename(&box, from, l->name);
}

/* The letter with the lowest number above this one. */
static struct letter *mh_above(unsigned number)
{
	struct letter *found = NULL;

	for (int i = 0; i < model.letters; i++) {
		struct letter *l = &model.letter[i];

		if (l->there && l->place > number && (!found || l->place < found->place))
			found = l;
	}
	return found;
}

/* folder -pack: numbers from 1 on, in the same order. */
static void mh_pack(void)
{
	unsigned number = 0;

	for (struct letter *l = mh_above(0); l; l = mh_above(number))
		mh_move(l, ++number);
}

/* What sortm(1) does, through a number that nobody has. */
static void mh_exchange(struct letter *l, struct letter *other)
{
	unsigned number = l->place, number_of_other = other->place;

	if (l == other)
		return;
	mh_move(l, box_mh_next(&box));
	mh_move(other, number);
	mh_move(l, number_of_other);
}

/* refile(1), rmm(1): to another folder, or under a name that is no message's. */
static void mh_remove(struct letter *l, bool away)
{
	char to[sizeof l->name + 16];

	check(snprintf(to, sizeof to, away ? "../%s.away" : ",%s", l->name) > 0);
	box_rename(&box, l->name, to);
	l->there = false;
}

/* anno(1), or a mail reader that keeps the status in a header: a new file, the same message. */
static void mh_rewrite(struct letter *l)
{
	char text[TEXT_MOST];

	l->status = l->status == 'O' ? 'R' : 'O';
	letter_text(l, text);
	box_put(&box, "tmp", text);
	box_rename(&box, "tmp", l->name);
}

static void mh_edit(uint32_t dice)
{
	struct letter *l = letter_any(dice / 16), *other = letter_any(dice / 512);

	if (!l)
		return;
	if (dice % 8 < 4)
		touch(l);
	if (dice % 8 < 2)
		mh_remove(l, dice % 2);
	else if (dice % 8 < 4)
		mh_rewrite(l);
	else if (dice % 8 < 6)
		mh_pack();
	else if (dice % 8 == 6)
		mh_move(l, box_mh_next(&box)); /* refile(1) into the same folder */
	else
		mh_exchange(l, other);
}

static void mh_look(void)
{
	unsigned there = 0, named = 0;

	for (int i = 0; i < model.letters; i++) {
		there += model.letter[i].there;
		check_row(i, model.letter[i].name, !model.letter[i].there || box_has(&box, model.letter[i].name));
	}
	for (unsigned number = 1, end = box_mh_next(&box); number < end; number++) {
		char name[16];

		check(snprintf(name, sizeof name, "%u", number) > 0);
		named += box_has(&box, name);
	}
	check_row(named, "messages", named == there);
}

static void nothing(void)
{
}

/* Changed in place. */
static void link_mbox(void)
{
	char other[128];

	check(snprintf(other, sizeof other, "%s/other", box.top) > 0 && link(box.path, other) == 0);
}

#define FROM "From a@example.org Mon Jan  5 10:00:00 2026\n"
#define FILE_INDEX ".mbox.pop3idx"
#define MAILDIR_INDEX "Maildir/.pop3-index"
#define MH_INDEX "Maildir/.pop3-index/listing"
#define FILE_OPS file_deliver, file_edit, file_look
#define MAILDIR_OPS maildir_deliver, maildir_edit, maildir_look
#define MH_OPS mh_deliver, mh_edit, mh_look

const struct format formats[FORMATS] = {
	{"mbox", FILE_INDEX, box_new_mbox, nothing, FILE_OPS, true, FROM, "\n", STAMPS_NOT},
	{"mbox, stamps", FILE_INDEX, box_new_mbox, nothing, FILE_OPS, true, FROM, "\n", STAMPS_WRITTEN},
	{"mbox, in place", FILE_INDEX, box_new_mbox, link_mbox, FILE_OPS, true, FROM, "\n", STAMPS_NOT},
	{"mbox, in place, stamps", FILE_INDEX, box_new_mbox, link_mbox, FILE_OPS, true, FROM, "\n", STAMPS_TRIED},
	{"dotmail", FILE_INDEX, box_new_dotmail, nothing, FILE_OPS, true, "", ".\n", STAMPS_NOT},
	{"dotmail, stamps", FILE_INDEX, box_new_dotmail, nothing, FILE_OPS, true, "", ".\n", STAMPS_WRITTEN},
	{"dotmail, in place", FILE_INDEX, box_new_dotmail, link_mbox, FILE_OPS, true, "", ".\n", STAMPS_NOT},
	{"Maildir", MAILDIR_INDEX, box_new, nothing, MAILDIR_OPS, false, NULL, NULL, STAMPS_NOT},
	{"Maildir, stamps", MAILDIR_INDEX, box_new, nothing, MAILDIR_OPS, false, NULL, NULL, STAMPS_WRITTEN},
	{"MH", MH_INDEX, box_new_mh, nothing, MH_OPS, false, NULL, NULL, STAMPS_NOT},
	{"MH, stamps", MH_INDEX, box_new_mh, nothing, MH_OPS, false, NULL, NULL, STAMPS_WRITTEN},
	{"MH without backups", MH_INDEX, box_new_mh_without, nothing, MH_OPS, false, NULL, NULL, STAMPS_NOT},
};
