/* tests/store/test_mh.c - the MH driver: what is a message, which one it is whatever its number, and what goes */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"
#include "store/mh.h"

static char uidls[16][UIDL_MOST + 1];

static void put(const struct box *b, int number, const char *text)
{
	char name[16];

	check(snprintf(name, sizeof name, "%d", number) > 0);
	box_put(b, name, text);
}

/* Messages a, b, c, ... with numbers from 1. */
static void fill(struct box *b, int n)
{
	shim_reset();
	box_new_mh(b);
	for (int i = 0; i < n; i++) {
		char text[] = "A: a\n\na\n";

		text[3] = text[6] = (char)('a' + i);
		put(b, i + 1, text);
	}
}

static void remember(const struct box *b)
{
	for (uint32_t i = 0; i < b->md.index.count; i++) {
		struct message m;

		box_message(b, i, &m);
		(void)slice_cstr(listing_uidl(&m.rec), uidls[i], sizeof uidls[i]);
	}
}

static bool has_uidl(const struct box *b, uint32_t i, const char *uidl)
{
	struct message m;

	box_message(b, i, &m);
	return slice_eq(listing_uidl(&m.rec), slice_str(uidl));
}

/* ---- names ---- */

static const struct {
	const char *name;
	bool is;
} names[] = {{"1", true},   {"10", true},         {"4294967297", true},    {"99999999999999999999999999", true},
	     {"", false},   {"0", false},         {"01", false},           {",1", false},
	     {"1~", false}, {"#1", false},        {"-1", false},           {"1 ", false},
	     {"+1", false}, {"rcvstore1", false}, {".mh_sequences", false}};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(names); i++)
		check_row(i, names[i].name, mh_is_number(slice_str(names[i].name)) == names[i].is);
}

/* In the order of their numbers, whatever lies between them. */
static void test_what_is_there(void **state)
{
	static const char *const there[] = {"2", "10", "100", "4294967297", "99999999999999999999999999"};
	static const char *const others[] = {"0",        "01", ",3",  "5~", "rcvstoreX", ".mh_sequences",
					     ".mu-prop", "#7", "note"};
	char path[128];
	struct box b;

	(void)state;
	shim_reset();
	box_new_mh(&b);
	for (size_t i = TABLE_ROWS(there); i-- > 0;)
		box_put(&b, there[i], there[i]);
	for (size_t i = 0; i < TABLE_ROWS(others); i++)
		box_put(&b, others[i], "A: no\n\n");
	for (int i = 0; i < 3; i++) {
		check(snprintf(path, sizeof path, "%s/%d", b.path, 20 + i) > 0);
		check(i == 0 ? mkdir(path, 0700) == 0 : i == 1 ? symlink("2", path) == 0 : mkfifo(path, 0600) == 0);
	}
	check(box_open(&b) == OK);
	check(b.md.driver == &mh_driver && b.md.index.count == TABLE_ROWS(there));
	for (uint32_t i = 0; i < TABLE_ROWS(there); i++)
		check_row(i, there[i], strcmp(box_text(&b, i), there[i]) == 0);
	box_free(&b);
}

static const struct {
	const char *about, *file, *directory;
	enum err err;
} folders[] = {{"a message", "7", NULL, OK},
	       {"one that was deleted", ",7", NULL, OK},
	       {"MH's", ".mh_sequences", NULL, OK},
	       {"an index of ours", NULL, ".pop3-index", OK},
	       {"empty", NULL, NULL, OK},
	       {"a note", "note", NULL, ERR_PERM},
	       {"a part of a Maildir", NULL, "cur", ERR_PERM}};

/* With `mailbox-type mh' an empty directory is one; what holds something else is not. */
static void test_detection(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(folders); i++) {
		char path[128];
		struct box b;

		shim_reset();
		box_new_mh(&b);
		check(snprintf(path, sizeof path, "%s/%s", b.path, folders[i].directory) > 0);
		if (folders[i].file)
			box_put(&b, folders[i].file, "A: 7\n\n");
		if (folders[i].directory)
			check(mkdir(path, 0700) == 0);
		check_row(i, folders[i].about, box_open(&b) == folders[i].err);
		check_row(i, folders[i].about, folders[i].err != OK || b.md.driver == &mh_driver);
		box_free(&b);
	}
}

/* ---- numbers change ---- */

/* What sortm(1) does: through the next free number. */
static void reverse(const struct box *b, int n)
{
	char from[16], to[16];

	for (int i = 1; i < n + 1 - i; i++) {
		check(snprintf(from, sizeof from, "%d", i) > 0 && snprintf(to, sizeof to, "%d", n + 1 - i) > 0);
		box_rename(b, from, "1000");
		box_rename(b, to, from);
		box_rename(b, "1000", to);
	}
}

static void test_renumbered(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	fill(&b, 6);
	check(box_open(&b) == OK && b.md.index.count == 6);
	remember(&b);
	reverse(&b, 6);
	check(strcmp(box_text(&b, 0), "A: a\n\na\n") == 0); /* under the session */
	check(box_commit(&b, "-d----", &out) == OK && out.deleted == 1);
	check(box_has(&b, "6") && !box_has(&b, "5") && box_has(&b, ",5") && box_has(&b, "2"));
	shim_reset();
	check(box_open(&b) == OK && b.md.index.count == 5);
	check(shim.reads == 0); /* files that were only renamed are not read again */
	check(has_uidl(&b, 0, uidls[5]) && has_uidl(&b, 3, uidls[2]) && has_uidl(&b, 4, uidls[0]));
	b.setup.index = INDEX_OFF;
	check(box_open(&b) == OK && has_uidl(&b, 0, uidls[5]) && has_uidl(&b, 4, uidls[0]));
	box_free(&b);
}

static void test_copies(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	shim_reset();
	box_new_mh(&b);
	for (int i = 1; i <= 4; i++)
		put(&b, i, i < 4 ? "A: same\n\nsame\n" : "A: 4\n\n");
	check(box_open(&b) == OK && b.md.index.count == 4);
	remember(&b);
	check(strcmp(uidls[0], uidls[1]) != 0 && strcmp(uidls[1], uidls[2]) != 0 && strcmp(uidls[0], uidls[2]) != 0);
	reverse(&b, 4);
	put(&b, 9, "A: same\n\nsame\n");
	check(box_commit(&b, "d---", &out) == OK && out.deleted == 1 && !box_has(&b, "4"));
	check(box_open(&b) == OK && b.md.index.count == 4);
	check(has_uidl(&b, 0, uidls[3]) && has_uidl(&b, 1, uidls[2]) && has_uidl(&b, 2, uidls[1]));
	for (size_t i = 0; i < 4; i++) /* that of a message that is gone is not used again either */
		check(!has_uidl(&b, 3, uidls[i]));
	box_free(&b);
}

/* Other programs write into headers: a new file, the same message. */
static void test_rewritten(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	fill(&b, 3);
	check(box_open(&b) == OK);
	remember(&b);
	for (int i = 1; i <= 3; i++) {
		char name[16], text[] = "A: a\nStatus: RO\nX-UID: 7\n\na\n";

		text[3] = text[strlen(text) - 2] = (char)('a' + i - 1);
		check(snprintf(name, sizeof name, "%d", i) > 0);
		box_put(&b, "tmp", text);
		box_rename(&b, "tmp", name);
	}
	check(strcmp(box_text(&b, 0), "") == 0); /* not what was listed */
	check(box_commit(&b, "d--", &out) == OK && out.deleted == 1 && !box_has(&b, "1"));
	check(box_open(&b) == OK && b.md.index.count == 2);
	check(has_uidl(&b, 0, uidls[1]) && has_uidl(&b, 1, uidls[2]));
	struct message m;

	box_message(&b, 0, &m);
	check(m.rec.octets == strlen("A: b\r\n\r\nb\r\n"));
	box_free(&b);
}

/* ---- deleting ---- */

static void test_backup(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	for (int backup = 0; backup < 2; backup++) {
		fill(&b, 2);
		b.setup.mh_backup = backup;
		box_put(&b, ",1", "an older one");
		check(box_open(&b) == OK && box_commit(&b, "dd", &out) == OK && out.deleted == 2);
		check_row((size_t)backup, "message", !box_has(&b, "1") && !box_has(&b, "2"));
		check_row((size_t)backup, "backup",
			  box_has(&b, ",1") == (backup == 1) && box_has(&b, ",2") == (backup == 1));
		check(box_open(&b) == OK && b.md.driver == &mh_driver && b.md.index.count == 0);
		box_free(&b);
	}
}

static struct box *raced;

/* A program without a lock gives the number to another message, between the look at it and its end. */
static void renumber(void)
{
	shim.before = NULL;
	box_rename(raced, "1", "7");
	box_rename(raced, "2", "1");
}

static void test_race(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	for (int backup = 0; backup < 2; backup++) {
		fill(&b, 2);
		b.setup.mh_backup = backup;
		raced = &b;
		check(box_open(&b) == OK);
		shim.before = renumber;
		check(box_commit(&b, "d-", &out) == OK && out.deleted == 1);
		check(box_open(&b) == OK && b.md.index.count == 1); /* the right one, wherever it was */
		check(strcmp(box_text(&b, 0), "A: b\n\nb\n") == 0);
		box_free(&b);
	}
}

/* And then the number once more, to one that comes: what had it meanwhile is not left behind as a backup. */
static void number_again(void)
{
	shim.before = NULL;
	put(raced, 1, "A: c\n\nc\n");
}

static void renumber_twice(void)
{
	renumber();
	shim.before = number_again;
}

static void test_number_given_twice(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	fill(&b, 2);
	raced = &b;
	check(box_open(&b) == OK);
	shim.before = renumber_twice;
	check(box_commit(&b, "d-", &out) == OK && out.deleted == 1);
	check(box_open(&b) == OK && b.md.index.count == 2);
	check(box_has(&b, "1") && box_has(&b, "8") && !box_has(&b, "7") && !box_has(&b, ",1"));
	box_free(&b);
}

static void test_others_message(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	fill(&b, 2);
	check(box_open(&b) == OK);
	box_remove(&b, "1");
	box_rename(&b, "2", "1"); /* folder -pack */
	put(&b, 2, "A: new\n\nnew\n");
	check(box_commit(&b, "d-", &out) != OK && out.failed == 1);
	check(box_has(&b, "1") && box_has(&b, "2"));
	box_free(&b);
}

/* nmh's lock: whoever sorts must not be disturbed, and is not waited for here. */
static void test_lock(void **state)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct outcome out;
	char path[128];
	struct box b;

	(void)state;
	fill(&b, 2);
	box_put(&b, ".mh_sequences", "cur: 1\n");
	check(snprintf(path, sizeof path, "%s/.mh_sequences", b.path) > 0);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	check(fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0);
	check(box_open(&b) == ERR_IN_USE);
	lock.l_type = F_RDLCK; /* others read */
	check(fcntl(fd, F_OFD_SETLK, &lock) == 0 && box_open(&b) == OK);
	check(box_commit(&b, "d-", &out) == ERR_IN_USE && out.failed == 1 && box_has(&b, "1"));
	close(fd);
	check(box_commit(&b, "d-", &out) == OK && !box_has(&b, "1"));
	box_free(&b);
}

/* One file, two numbers: two messages. */
static void test_hard_links(void **state)
{
	char one[128], two[128];
	struct outcome out;
	struct box b;

	(void)state;
	fill(&b, 1);
	check(snprintf(one, sizeof one, "%s/1", b.path) > 0 && snprintf(two, sizeof two, "%s/2", b.path) > 0);
	check(link(one, two) == 0 && box_open(&b) == OK && b.md.index.count == 2);
	remember(&b);
	check(strcmp(uidls[0], uidls[1]) != 0);
	check(box_commit(&b, "d-", &out) == OK && !box_has(&b, "1") && box_has(&b, "2"));
	check(box_open(&b) == OK && b.md.index.count == 1);
	box_free(&b);
}

/* An index in the folder is current, though it lies in there. */
static void test_index(void **state)
{
	struct box b;

	(void)state;
	fill(&b, 3);
	shim.later_s = 10;
	check(box_open(&b) == OK && shim.reads == 3);
	shim_reset();
	shim.later_s = 20;
	check(box_open(&b) == OK && b.md.index.count == 3);
	check(shim.reads == 0 && shim.changes == 0);
	put(&b, 4, "A: d\n\n");
	shim_reset();
	shim.later_s = 30;
	check(box_open(&b) == OK && b.md.index.count == 4 && shim.reads == 1);
	box_free(&b);
}

/* A file that goes while the folder is read, and comes back under another number, is not missed. */
static void vanish(const char *path)
{
	if (strcmp(path, "2") != 0)
		return;
	shim.before_open = NULL;
	box_rename(raced, "2", "20");
}

static void test_renumbered_while_it_is_read(void **state)
{
	struct box b;

	(void)state;
	fill(&b, 3);
	raced = &b;
	shim.before_open = vanish;
	check(box_open(&b) == OK && b.md.index.count == 3);
	check(strcmp(box_text(&b, 2), "A: b\n\nb\n") == 0);
	box_free(&b);
}

static unsigned reads_left;

/* Somebody writes a message under its number, and is not done when it has been opened. */
static void write_more(void)
{
	if (reads_left-- > 0)
		return;
	shim.before_read = NULL;
	put(raced, 2, "A: b\n\nb\nand more\n");
}

/* What was read while it was written is not what is there, and is read again. */
static void test_written_while_it_is_read(void **state)
{
	struct box b;

	(void)state;
	fill(&b, 3);
	raced = &b;
	reads_left = 1;
	shim.before_read = write_more;
	check(box_open(&b) == OK && b.md.index.count == 3 && !shim.before_read && shim.reads > 3);
	check(strcmp(box_text(&b, 1), "A: b\n\nb\nand more\n") == 0);
	box_free(&b);
}

/* Behind a commit, and behind a delivery, each file is looked at, and none is read that is known. */
static void test_grows(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	fill(&b, 6);
	check(box_open(&b) == OK && box_commit(&b, "--d-d-", &out) == OK && out.deleted == 2);
	box_close(&b);
	put(&b, 7, "A: g\n\ng\n");
	shim_reset();
	check(box_open(&b) == OK && b.md.index.count == 5 && shim.reads == 1);
	check(shim.changes == 4); /* its record, its entry, its name, and the head of the index */
	check(strcmp(box_text(&b, 4), "A: g\n\ng\n") == 0 && strcmp(box_text(&b, 2), "A: d\n\nd\n") == 0);
	box_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_what_is_there),
		cmocka_unit_test(test_detection),
		cmocka_unit_test(test_renumbered),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_rewritten),
		cmocka_unit_test(test_backup),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_number_given_twice),
		cmocka_unit_test(test_others_message),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_hard_links),
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_renumbered_while_it_is_read),
		cmocka_unit_test(test_written_while_it_is_read),
		cmocka_unit_test(test_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
