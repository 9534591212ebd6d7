/* tests/store/test_dotmail.c - the dotmail driver: what is a message, what is a mailbox. The rest it shares with mbox, and with
 * test_contract.c and test_mbox_crash.c */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"
#include "store/dotmail.h"
#include "store/mbox.h"

static const struct {
	const char *about, *file;
	const char *messages[4]; /* as stored */
	uint64_t octets;         /* of all, on the wire */
} files[] = {
	{"one", "A: 1\n\nb\n.\n", {"A: 1\n\nb\n"}, 11},
	{"two", "A: 1\n\nb\n.\nA: 2\n\nc\n.\n", {"A: 1\n\nb\n", "A: 2\n\nc\n"}, 22},
	{"dots", "A: 1\n\n..\n...a\n.b\n. \n.\n", {"A: 1\n\n..\n...a\n.b\n. \n"}, 8 + 3 + 5 + 3 + 3},
	{"dots in a header", "A: 1\n.B: 2\n.\nC: 3\n\n.\n", {"A: 1\n.B: 2\n.\nC: 3\n\n"}, 6 + 7 + 3 + 6 + 2},
	{"empty bodies", "A: 1\n\n.\nA: 2\n\n.\n", {"A: 1\n\n", "A: 2\n\n"}, 16},
	{"CRLF",
	 "A: 1\r\n\r\n..b\r\n.\r\nA: 2\r\n\r\nc\r\n.\r\n",
	 {"A: 1\r\n\r\n..b\r\n", "A: 2\r\n\r\nc\r\n"},
	 12 + 11},
	{"CR alone", "A: 1\n\n.\rb\n.\r\r\n.\n", {"A: 1\n\n.\rb\n.\r\r\n"}, 8 + 4 + 3},
	{"no last dot", "A: 1\n\nb\n.\nA: 2\n\nc\n", {"A: 1\n\nb\n", "A: 2\n\nc\n"}, 22},
	{"no end of the last line", "A: 1\n\nb\n.\nA: 2\n\nc", {"A: 1\n\nb\n", "A: 2\n\nc"}, 22},
	{"no end of the last dot", "A: 1\n\nb\n.", {"A: 1\n\nb\n"}, 11},
	{"From_ lines are text",
	 "A: 1\n\n>From a\n\nFrom a Mon Jan  5 10:00:00 2026\n.\n",
	 {"A: 1\n\n>From a\n\nFrom a Mon Jan  5 10:00:00 2026\n"},
	 8 + 9 + 2 + 33},
	{"bookkeeping is not sent",
	 "X-IMAPbase: 1 2\nA: 1\nStatus: RO\n\nb\n.\n",
	 {"X-IMAPbase: 1 2\nA: 1\nStatus: RO\n\nb\n"},
	 11},
};

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(files); i++) {
		struct box b;
		uint32_t n = 0;

		shim_reset();
		box_new_dotmail(&b);
		box_write(&b, files[i].file);
		check_row(i, files[i].about, box_open(&b) == OK && b.md.driver == &dotmail_driver);
		while (n < TABLE_ROWS(files[i].messages) && files[i].messages[n])
			n++;
		check_row(i, files[i].about, b.md.index.count == n);
		check_row(i, files[i].about, b.md.index.octets == files[i].octets);
		for (uint32_t k = 0; k < n; k++)
			check_row(i, files[i].about, strcmp(box_text(&b, k), files[i].messages[k]) == 0);
		box_free(&b);
	}
}

static const struct {
	const char *file;
	const struct store_driver *driver; /* NULL: refused */
} kinds[] = {
	{"A: 1\n\nb\n.\n", &dotmail_driver},
	{"A: 1\n\nb\n", &dotmail_driver}, /* not ended */
	{"A: 1\n\nb\n\nFrom a Mon Jan  5 10:00:00 2026\n\nc\n.\n", &dotmail_driver},
	{"A: 1\n\nb\n\nFrom a Mon Jan  5 10:00:00 2026\n\nc\n", &mbox_driver}, /* whose beginning is lost */
	{"From a Mon Jan  5 10:00:00 2026\nA: 1\n\n.\n", &mbox_driver},
	{"hello\n.\n", NULL},
	{"hello world: yes\n.\n", NULL},
	{": 1\n\n.\n", NULL},
	{"\n.\n", NULL},
	{"", &mbox_driver},
};

/* By what is in it, whatever is said of files that are not there. */
static void test_detection(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(kinds); i++) {
		struct box b;

		shim_reset();
		box_new_mbox(&b);
		box_write(&b, kinds[i].file);
		check_row(i, kinds[i].file, (box_open(&b) == OK) == (kinds[i].driver != NULL));
		check_row(i, kinds[i].file, !kinds[i].driver || b.md.driver == kinds[i].driver);
		check_row(i, kinds[i].file, strcmp(box_mbox(&b), kinds[i].file) == 0);
		box_free(&b);
	}
}

/* A line of any length, and messages at every place of what is read at once. */
static void test_windows(void **state)
{
	static char file[1200 * 1024];

	(void)state;
	for (size_t n = 262100; n < 262180; n++) {
		struct buf out = BUF(file);
		struct scan none = {0}, now = {0};
		int fd = memfd_create("dotmail", 0);

		buf_str(&out, "A: 1\n\n");
		while (out.len < n)
			buf_char(&out, 'x');
		buf_str(&out, "\n..\n.\nA: 2\n\n");
		for (size_t k = 0; k < 2 * n; k++)
			buf_char(&out, k % 70 == 69 ? '\n' : '.');
		buf_str(&out, "y\n.\n");
		check(!out.full && fd >= 0 && pwrite(fd, out.p, out.len, 0) == (ssize_t)out.len);
		check_row(n, "scan",
			  onefile_find(fd, &dotmail_format, WIRE_UNDOT, &none, false, &now, NULL, NULL) == OK);
		check_row(n, "messages", now.count == 2 && now.rec[0].raw == n + 4 && now.rec[1].pos == n + 6);
		check_row(n, "the second", now.rec[1].raw == out.len - 2 - (n + 6));
		scan_done(&now);
		close(fd);
	}
}

/* One that was not ended when it was seen is read again when more is there; the others are not. */
static void test_growth(void **state)
{
	struct box b;
	struct message first, again;

	(void)state;
	shim_reset();
	box_new_dotmail(&b);
	box_write(&b, "A: 1\n\nb\n.\nA: 2\n\nc");
	check(box_open(&b) == OK && b.md.index.count == 2);
	box_message(&b, 0, &first);
	box_append(&b, "d\n.\nA: 3\n\ne\n.\n");
	check(box_open(&b) == OK && b.md.index.count == 3);
	check(strcmp(box_text(&b, 1), "A: 2\n\ncd\n") == 0 && strcmp(box_text(&b, 2), "A: 3\n\ne\n") == 0);
	box_message(&b, 0, &again);
	check(uidl_same(&first.rec, &again.rec));
	box_append(&b, "A: 4\n\n.\n");
	check(box_open(&b) == OK && b.md.index.count == 4);
	box_free(&b);
}

static const struct {
	const char *marks, *left;
} deletions[] = {{"d--", "A: 2\n\nb\n.\nA: 3\n\nc"},
		 {"-d-", "A: 1\n\na\n.\nA: 3\n\nc"},
		 {"--d", "A: 1\n\na\n.\nA: 2\n\nb\n.\n"},
		 {"dd-", "A: 3\n\nc"},
		 {"ddd", ""}};

static void test_deletions(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(deletions); i++) {
		struct outcome out;
		struct box b;

		shim_reset();
		box_new_dotmail(&b);
		box_write(&b, "A: 1\n\na\n.\nA: 2\n\nb\n.\nA: 3\n\nc");
		check_row(i, deletions[i].marks, box_open(&b) == OK && box_commit(&b, deletions[i].marks, &out) == OK);
		check_row(i, deletions[i].marks, strcmp(box_mbox(&b), deletions[i].left) == 0);
		check_row(i, deletions[i].marks, box_open(&b) == OK);
		box_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),  cmocka_unit_test(test_detection), cmocka_unit_test(test_windows),
		cmocka_unit_test(test_growth), cmocka_unit_test(test_deletions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
