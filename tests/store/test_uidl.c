/* tests/store/test_uidl.c - unique-ids that cannot be computed from the mail alone: the same for ever, and never another message's
 *
 * Of identical copies it is seen by their number and their ids alone whether the right ones are left. Each fact holds with the index, and
 * without. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"
#include "store/uidl.h"
#include "store/uidl_settle.h"

#define FROM "From a@example.org Mon Jan  5 10:00:00 2026\n"
#define COPY FROM "A: copy\n\nbody\n\n"
#define OTHER FROM "A: other\n\nbody\n\n"
#define THIRD FROM "A: third\n\nbody\n\n"

enum { IDS_MOST = 16 };

struct ids {
	char id[IDS_MOST][UIDL_MOST + 1];
	uint32_t n;
};

static void lose_index(const struct box *b)
{
	char path[128];

	check(snprintf(path, sizeof path, "%s/.mbox.pop3idx", b->top) > 0);
	(void)unlink(path);
	check(snprintf(path, sizeof path, "%s/.pop3-index", b->path) > 0);
	(void)unlink(path);
}

static void read_ids(struct box *b, struct ids *ids)
{
	check_row(0, b->why.text, box_open(b) == OK);
	ids->n = b->md.index.count;
	check(ids->n <= IDS_MOST);
	for (uint32_t i = 0; i < ids->n; i++) {
		struct message m;

		box_message(b, i, &m);
		memcpy(ids->id[i], m.rec.uidl, UIDL_MOST + 1);
		for (uint32_t k = 0; k < i; k++)
			check_row(i, ids->id[i], strcmp(ids->id[i], ids->id[k]) != 0);
	}
}

static bool has_id(const struct ids *ids, const char *id)
{
	for (uint32_t i = 0; i < ids->n; i++)
		if (strcmp(ids->id[i], id) == 0)
			return true;
	return false;
}

/* "021": these of `before`, in this order; `?': one that was not among them. */
static void check_ids(struct box *b, const struct ids *before, const char *want)
{
	struct ids now;

	read_ids(b, &now);
	check_row(now.n, want, now.n == strlen(want));
	for (uint32_t i = 0; i < now.n; i++)
		if (want[i] == '?')
			check_row(i, now.id[i], !has_id(before, now.id[i]));
		else
			check_row(i, now.id[i], strcmp(now.id[i], before->id[want[i] - '0']) == 0);
}

/* The one file of unique-ids, or another name of that. */
static bool uidl_file(const struct box *b, const char *suffix, char path[512])
{
	char dir[128];
	const struct dirent *e;
	bool found = false;

	check(snprintf(dir, sizeof dir, "%s/uidl", b->top) > 0);
	DIR *d = opendir(dir);

	check(d != NULL);
	/* cppcheck-suppress readdirCalled ; glibc's is safe for a directory stream of one's own */
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && strstr(e->d_name, suffix)) {
			check(snprintf(path, 512, "%s/%s", dir, e->d_name) < 512);
			found = true;
		}
	closedir(d);
	return found;
}

static void put_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	check(f != NULL);
	check(fputs(text, f) >= 0 && fclose(f) == 0);
}

/* ---- what stays ---- */

static const struct {
	const char *about, *before, *marks,
		*after; /* after a session that deletes `marks`, the mailbox has `after` more */
	const char *want;
	bool other; /* it is another program that writes the mailbox anew: `before` is then what there is */
} stays[] = {
	{"the first of three goes", COPY COPY COPY OTHER, "d---", "", "123", false},
	{"the middle one", COPY COPY COPY OTHER, "-d--", "", "023", false},
	{"all but the last", COPY COPY OTHER COPY, "dd-", "", "23", false},
	{"a new copy gets an id of its own", COPY COPY OTHER, "d--", COPY, "12?", false},
	{"also where all copies went", COPY COPY OTHER, "dd-", "", "2", false},
	{"one alone is no copy", COPY OTHER, "-d", "", "0", false},
};

static void test_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(stays); i++)
		for (int lose = 0; lose < 4; lose++) {
			struct box b;
			struct ids before;
			struct outcome out;

			shim_reset();
			box_new_mbox(&b);
			box_write(&b, stays[i].before);
			read_ids(&b, &before);
			if (lose & 1) {
				lose_index(&b);
				read_ids(&b, &before);
			}
			check_row(i, stays[i].about, box_commit(&b, stays[i].marks, &out) == OK);
			box_append(&b, stays[i].after);
			/* With a new copy and no index nothing says which of them is new. */
			if (lose & 2 && !stays[i].after[0])
				lose_index(&b);
			check_ids(&b, &before, stays[i].want);
			lose_index(&b);
			if (!strchr(stays[i].want, '?'))
				check_ids(&b, &before, stays[i].want);
			box_free(&b);
		}
}

/* The index was there when the copy came, so its id is new, and stays. */
static void test_new_copy_is_durable(void **state)
{
	struct box b;
	struct ids before, with;

	(void)state;
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, OTHER COPY);
	read_ids(&b, &before);
	box_append(&b, COPY);
	check_ids(&b, &before, "01?");
	read_ids(&b, &with);
	lose_index(&b);
	check_ids(&b, &with, "012");
	box_write(&b, COPY OTHER COPY); /* another program has sorted it */
	lose_index(&b);
	check_ids(&b, &with, "102");
	box_free(&b);
}

/* What Mailutils has stored counts as long as its checksum is right; its id stays when others change what that is of. */
static void test_xuidl(void **state)
{
	static const char id[] = "f33858927d436fa24de1e53f46a54cd6.1795382216.1";
	static const char *const rewritten[] = {"Status: RO\nX-UIDL: f33858927d436fa24de1e53f46a54cd6.1795382216.1\n",
						"Status: RO\nX-Status: A\n", ""};
	char text[512];
	struct box b;
	struct ids ids;

	(void)state;
	shim_reset();
	box_new_mbox(&b);
	for (size_t i = 0; i <= TABLE_ROWS(rewritten); i++) {
		(void)snprintf(text, sizeof text, FROM "A: 1\n%s\nb\n\n" OTHER,
			       i > 0 ? rewritten[i - 1] : "X-UIDL: f33858927d436fa24de1e53f46a54cd6.1795382216.1\n");
		box_write(&b, text);
		lose_index(&b);
		read_ids(&b, &ids);
		check_row(i, ids.id[0], ids.n == 2 && strcmp(ids.id[0], id) == 0 && strcmp(ids.id[1], id) != 0);
	}
	box_free(&b);
}

/* Two files of a Maildir with one name, and different contents or the same. */
static void test_one_name_twice(void **state)
{
	static const char *const texts[][2] = {{"A: 1\n\nx\n", "A: 2\n\ny\n"}, {"A: 1\n\nx\n", "A: 1\n\nx\n"}};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(texts); i++)
		for (int gone = 0; gone < 2; gone++) {
			struct box b;
			struct ids before;
			struct outcome out;

			shim_reset();
			box_new(&b);
			box_put(&b, "new/1.M1.h", texts[i][0]);
			box_put(&b, "cur/1.M1.h:2,S", texts[i][1]);
			box_put(&b, "cur/2.M1.h:2,S", texts[i][1]);
			read_ids(&b, &before);
			check(before.n == 3);
			lose_index(&b);
			check_ids(&b, &before, "012");
			check(box_commit(&b, gone == 0 ? "d--" : "-d-", &out) == OK);
			lose_index(&b);
			check_ids(&b, &before, gone == 0 ? "12" : "02");
			box_rename(&b, "cur/2.M1.h:2,S", "cur/2.M1.h:2,FS");
			lose_index(&b);
			check_ids(&b, &before, gone == 0 ? "12" : "02");
			box_free(&b);
		}
}

/* Elsewhere, with the file under the name of the new place. */
static void test_moved(void **state)
{
	char old_file[512], new_file[512];
	struct box a, b;
	struct ids before;
	struct outcome out;

	(void)state;
	shim_reset();
	box_new_mbox(&a);
	box_write(&a, COPY COPY OTHER);
	read_ids(&a, &before);
	check(box_commit(&a, "d--", &out) == OK);
	check(uidl_file(&a, ".uidl", old_file));
	box_new_mbox(&b);
	box_write(&b, COPY OTHER);
	struct uidl_place p = {.path = b.path};

	uidl_place_name(&p);
	check(snprintf(new_file, sizeof new_file, "%s/uidl/%s", b.top, p.name) < (int)sizeof new_file);
	check(rename(old_file, new_file) == 0);
	check_ids(&b, &before, "12");
	box_free(&a);
	box_free(&b);
}

/* ---- what it costs ---- */

static unsigned calls_of_open(struct box *b)
{
	box_close(b);
	shim.calls = shim.changes = 0;
	check(box_open(b) == OK);
	return shim.calls;
}

static void test_costs_nothing(void **state)
{
	struct box b;
	struct outcome out;
	char path[512];

	(void)state;
	shim_reset();
	shim.later_s = 10;
	box_new_mbox(&b);
	box_write(&b, OTHER THIRD);
	check(box_open(&b) == OK);
	int dir = b.setup.uidl_dir;
	unsigned with = calls_of_open(&b);

	b.setup.uidl_dir = -1;
	check_row(with, "by the index: nothing", calls_of_open(&b) == with);
	lose_index(&b);
	unsigned without = calls_of_open(&b);

	b.setup.uidl_dir = dir;
	lose_index(&b);
	with = calls_of_open(&b);
	check_row(with, "scanned: one look for the file", with == without + 1);
	check(box_commit(&b, "d-", &out) == OK);
	check_row(0, "no file was made", !uidl_file(&b, "", path));
	box_free(&b);
}

/* What is gone is dropped with the next write; and with the last of what needs it, so does the file. */
static void test_stays_small(void **state)
{
	struct box b;
	struct outcome out;
	char path[512];

	(void)state;
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, COPY COPY OTHER);
	check(box_open(&b) == OK && uidl_file(&b, ".uidl", path));
	box_write(&b, COPY COPY COPY OTHER);
	check(box_open(&b) == OK && uidl_file(&b, ".uidl", path));
	check(box_commit(&b, "ddd-", &out) == OK);
	check(box_open(&b) == OK);
	check(!uidl_file(&b, "", path));
	box_free(&b);
}

/* ---- what fails ---- */

/* The disk has no room for it: what came before is served, what is new waits, and is there when there is room again. */
static void test_no_room(void **state)
{
	struct box b;
	struct ids before, with;
	struct outcome out;
	char path[512], made[600];

	(void)state;
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, COPY COPY OTHER);
	read_ids(&b, &before);
	check(uidl_file(&b, ".uidl", path) && snprintf(made, sizeof made, "%s.new", path) > 0);
	check(mkdir(made, 0700) == 0); /* in the way */
	box_append(&b, COPY THIRD COPY);
	check_ids(&b, &before, "012?");
	check_ids(&b, &before, "012?"); /* and they go on waiting */
	check(box_commit(&b, "d---", &out) == OK);
	check_ids(&b, &before, "12?");
	check(rmdir(made) == 0);
	check_ids(&b, &before, "12???");
	read_ids(&b, &with);
	lose_index(&b);
	check_ids(&b, &with, "01234");
	box_free(&b);
}

static const struct {
	const char *about, *text;
} broken[] = {
	{"empty", ""},
	{"something else", "hello\n"},
	{"cut", "pop3d-uidl 1\nmaildrop /x\n"},
	{"no owner", "pop3d-uidl 1\nend 0 00000000\n"},
	{"wrong checksum", "pop3d-uidl 1\nmaildrop /x\n0000000000000001 0 - a\nend 1 00000000\n"},
	{"a line of another form", "pop3d-uidl 1\nmaildrop /x\n0000000000000001 0 ? a\nend 1 00000000\n"},
	{"a blank in an id", "pop3d-uidl 1\nmaildrop /x\n0000000000000001 0 - a b\nend 1 00000000\n"},
};

static void test_damaged(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(broken); i++) {
		struct box b;
		struct ids before;
		struct outcome out;
		char path[512], aside[512];

		shim_reset();
		box_new_mbox(&b);
		box_write(&b, COPY COPY OTHER);
		read_ids(&b, &before);
		check(box_commit(&b, "d--", &out) == OK);
		check(uidl_file(&b, ".uidl", path));
		put_text(path, broken[i].text);
		box_append(&b, THIRD);
		check_ids(&b, &before, "12?"); /* as the index has it */
		check_row(i, broken[i].about, uidl_file(&b, ".aside-", aside));
		lose_index(&b);
		check_ids(&b, &before, "12?"); /* it has been written again */
		put_text(path, broken[i].text);
		lose_index(&b);
		check_row(i, broken[i].about, box_open(&b) == OK); /* others, which the log tells */
		box_free(&b);
	}
}

/* Of a later version: nothing is known of it, so nothing is shown, and it is left alone. */
static void test_later_version(void **state)
{
	static const char text[] = "pop3d-uidl 2\nwhatever\n";
	struct box b;
	char path[512], got[64] = "";

	(void)state;
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, COPY COPY);
	check(box_open(&b) == OK && uidl_file(&b, ".uidl", path));
	put_text(path, text);
	lose_index(&b);
	check(box_open(&b) == ERR_PERM && strstr(b.why.text, "version 2") != NULL);
	FILE *f = fopen(path, "r");

	check(f != NULL && fread(got, 1, sizeof got - 1, f) == strlen(text) && strcmp(got, text) == 0);
	(void)fclose(f);
	box_free(&b);
}

/* A file that cannot be read is no reason to show other ids. */
static void test_unreadable(void **state)
{
	struct box b;

	(void)state;
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, COPY COPY);
	check(box_open(&b) == OK);
	lose_index(&b);
	shim.path = ".uidl";
	shim.path_error = EIO;
	check(box_open(&b) == ERR_TEMP);
	shim_reset();
	box_free(&b);
}

/* ---- in which order things are made durable ---- */

static char story[256];

static void on_made(const struct shim_op *op)
{
	const char *name = op->name2 ? op->name2 : op->name ? op->name : "";
	char c = op->kind == OP_SYNC     ? 's'
		 : op->kind == OP_CREATE ? 'c'
		 : op->kind == OP_RENAME ? 'r'
		 : op->kind == OP_WRITE  ? 'w'
					 : '-';
	size_t n = strlen(story);

	char link[64], path[256] = "";

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", op->fd);
	if (readlink(link, path, sizeof path - 1) > 0 && strstr(path, "/uidl"))
		c = (char)(c - 'a' + 'A'); /* of ours */
	if (strstr(name, ".lock") || n + 1 >= sizeof story)
		return;
	story[n] = c;
	story[n + 1] = '\0';
}

static void test_durable_before_shown(void **state)
{
	struct box b;
	struct outcome out;

	(void)state;
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, COPY COPY OTHER);
	story[0] = '\0';
	shim.made = on_made;
	check(box_open(&b) == OK);
	/* its file is written, synced and renamed, the directory synced; then comes the index */
	check_row(0, story, strstr(story, "CWSRSc") != NULL);
	story[0] = '\0';
	check(box_commit(&b, "d--", &out) == OK);
	/* The mark is synced before anything happens to the mail; and behind that the file is written without it. */
	check_row(0, story, strchr(story, 'r') != NULL && strstr(story, "WS") != NULL);
	check_row(0, story, strstr(story, "WS") < strchr(story, 'r') && strstr(story, "CWSRS") > strchr(story, 'r'));
	box_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stays),       cmocka_unit_test(test_new_copy_is_durable),
		cmocka_unit_test(test_xuidl),       cmocka_unit_test(test_one_name_twice),
		cmocka_unit_test(test_moved),       cmocka_unit_test(test_costs_nothing),
		cmocka_unit_test(test_stays_small), cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_damaged),     cmocka_unit_test(test_later_version),
		cmocka_unit_test(test_unreadable),  cmocka_unit_test(test_durable_before_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
