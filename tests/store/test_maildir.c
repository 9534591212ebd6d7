/* tests/store/test_maildir.c - what only a Maildir has: names of all kinds, and other programs that rename while we look */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"

#define TEN "1234567890"
#define LONG_NAME                                                                                                      \
	"1.M1." TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

/* In the order that is expected; each message's text is its position. */
static const char *const order[] = {
	"cur/\x01 odd\xFF,S=1:2,",
	"cur/a",
	"new/b:1,S",
	"new/" LONG_NAME,
	"cur/1.M1P1.h:2,S",
	"cur/2.M1P1Q1.h",
	"new/2.M1P1Q2.h",
	"cur/2.M1P1Q10.h:2,",
	"new/2.M2P1Q1.h",
	"cur/2.M10P1.h,S=7,W=9:2,S",
	"new/10.M1P1.h",
	"cur/10.M1P1.i",
	"new/1767600000.M1P1.h",
	"cur/99999999999999999999999.h",
};

/* Not messages. */
static const char *const others[] = {"new/.hidden", "cur/.2.M1P1.h", "tmp/3.M1P1.h", ".pop3-index-like"};

static void check_order(struct box *b)
{
	for (uint32_t i = 0; i < TABLE_ROWS(order); i++) {
		char text[16];

		check(snprintf(text, sizeof text, "%u\n", i) > 0);
		check_row(i, order[i], strcmp(box_text(b, i), text) == 0);
	}
}

static void test_order_and_names(void **state)
{
	struct box b;
	char path[512];

	(void)state;
	shim_reset();
	box_new(&b);
	for (size_t i = TABLE_ROWS(order); i-- > 0;) {
		char text[16];

		check(snprintf(text, sizeof text, "%zu\n", i) > 0);
		box_put(&b, order[i], text);
	}
	for (size_t i = 0; i < TABLE_ROWS(others); i++)
		box_put(&b, others[i], "not me\n");
	check(snprintf(path, sizeof path, "%s/cur/3.directory", b.path) > 0 && mkdir(path, 0700) == 0);
	check(snprintf(path, sizeof path, "%s/cur/4.link", b.path) > 0 && symlink("a", path) == 0);
	check(snprintf(path, sizeof path, "%s/new/5.fifo", b.path) > 0 && mkfifo(path, 0600) == 0);
	check(box_open(&b) == OK);
	check(b.md.index.count == TABLE_ROWS(order));
	check_order(&b);
	check(box_open(&b) == OK); /* by way of the index */
	check_order(&b);
	check(box_has(&b, "tmp/3.M1P1.h"));
	box_free(&b);
}

/* ---- equal stable names ---- */

struct uidl {
	char text[UIDL_MOST + 1];
};

static struct uidl uidl_of(const struct box *b, uint32_t i)
{
	struct message m;
	struct uidl u;

	box_message(b, i, &m);
	memcpy(u.text, m.rec.uidl, sizeof u.text);
	return u;
}

static bool same(struct uidl a, struct uidl b)
{
	return memcmp(a.text, b.text, sizeof a.text) == 0;
}

static void test_equal_names(void **state)
{
	struct uidl before[4];
	struct outcome out;
	struct box b;

	(void)state;
	shim_reset();
	box_new(&b);
	box_put(&b, "cur/1.M1.h:2,S", "first\n");
	check(box_open(&b) == OK);
	before[0] = uidl_of(&b, 0);
	box_put(&b, "new/1.M1.h", "second\n");
	box_put(&b, "new/1.M1.h,S=6", "third\n");
	box_put(&b, "new/1.M1.h,S=7", "third\n");
	check(box_open(&b) == OK && b.md.index.count == 4);
	check(same(uidl_of(&b, 0), before[0])); /* who was there first keeps it */
	for (uint32_t i = 1; i < 4; i++) {
		before[i] = uidl_of(&b, i);
		for (uint32_t k = 0; k < i; k++)
			check_row(i, "two with one unique-id", !same(before[i], before[k]));
	}
	/* The first goes; the others keep what they have. */
	check(box_commit(&b, "d---", &out) == OK && out.deleted == 1);
	check(!box_has(&b, "cur/1.M1.h:2,S") && box_has(&b, "new/1.M1.h"));
	box_rename(&b, "new/1.M1.h", "cur/1.M1.h:2,RS");
	check(box_open(&b) == OK && b.md.index.count == 3);
	for (uint32_t i = 0; i < 3; i++)
		check_row(i, "another unique-id", same(uidl_of(&b, i), before[i + 1]));
	box_free(&b);
}

/* Restored from a backup: other inodes, the same mail. Rewritten in place of the old: the same name, other sizes. */
static void test_copies(void **state)
{
	struct box b;

	(void)state;
	shim_reset();
	box_new(&b);
	box_put(&b, "cur/1.M1.h:2,S", "text\n");
	check(box_open(&b) == OK);
	struct uidl kept = uidl_of(&b, 0);

	box_put(&b, "tmp/copy", "text\n");
	box_rename(&b, "tmp/copy", "cur/1.M1.h:2,S");
	shim_reset();
	check(box_open(&b) == OK && shim.reads == 1 && same(uidl_of(&b, 0), kept));
	box_put(&b, "tmp/copy", "X-UIDL: 1\n\ntext\n");
	box_rename(&b, "tmp/copy", "cur/1.M1.h:2,S");
	check(box_open(&b) == OK && same(uidl_of(&b, 0), kept));
	check(strcmp(box_text(&b, 0), "X-UIDL: 1\n\ntext\n") == 0);
	check(b.md.index.octets == 8);
	box_free(&b);
}

/* ---- other programs at work while a scan is under way ---- */

static const struct box *busy;
static unsigned opens;

/* When cur/ is opened: what was seen in new/ has gone there, so it is seen twice. */
static void move_between(const char *path)
{
	if (strcmp(path, "cur") == 0 && opens++ == 0)
		box_rename(busy, "new/2.M1.h", "cur/2.M1.h:2,");
}

/* When a message is opened: it has another name by then. */
static void move_before_read(const char *path)
{
	if (strcmp(path, "2.M1.h") == 0)
		box_rename(busy, "new/2.M1.h", "cur/2.M1.h:2,");
}

static void flags_before_read(const char *path)
{
	if (strcmp(path, "1.M1.h:2,") == 0)
		box_rename(busy, "cur/1.M1.h:2,", "cur/1.M1.h:2,S");
}

static void deliver_between(const char *path)
{
	if (strcmp(path, "cur") == 0 && opens++ == 0)
		box_put(busy, "new/4.M1.h", "4\n");
}

static void remove_before_read(const char *path)
{
	if (strcmp(path, "3.M1.h") == 0 && opens++ == 0)
		box_remove(busy, "new/3.M1.h");
}

static const struct {
	const char *about;
	void (*before_open)(const char *path);
	const char *texts[4];
} scenes[] = {
	{"moved between new/ and cur/", move_between, {"1\n", "2\n", "3\n"}},
	{"moved before it was read", move_before_read, {"1\n", "2\n", "3\n"}},
	{"flags set before it was read", flags_before_read, {"1\n", "2\n", "3\n"}},
	{"delivered between new/ and cur/", deliver_between, {"1\n", "2\n", "3\n", "4\n"}},
	{"removed before it was read", remove_before_read, {"1\n", "2\n"}},
};

static void test_moves_during_scan(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(scenes); i++) {
		uint32_t count = 0;
		struct box b;

		shim_reset();
		box_new(&b);
		box_put(&b, "cur/1.M1.h:2,", "1\n");
		box_put(&b, "new/2.M1.h", "2\n");
		box_put(&b, "new/3.M1.h", "3\n");
		busy = &b;
		opens = 0;
		shim.before_open = scenes[i].before_open;
		check_row(i, scenes[i].about, box_open(&b) == OK);
		shim.before_open = NULL;
		while (count < 4 && scenes[i].texts[count])
			count++;
		check_row(i, scenes[i].about, b.md.index.count == count);
		for (uint32_t k = 0; k < count; k++)
			check_row(i, scenes[i].about, strcmp(box_text(&b, k), scenes[i].texts[k]) == 0);
		box_free(&b);
	}
}

/* A program that never stops: an error, not a guess. */
static void never_stop(const char *path)
{
	if (strncmp(path, "new/2.", 6) == 0 || strncmp(path, "cur/2.", 6) == 0)
		return;
	if (strcmp(path, "cur") == 0) {
		char from[32], to[32];

		check(snprintf(from, sizeof from, "new/%u.M1.h", 2 + opens) > 0);
		check(snprintf(to, sizeof to, "new/%u.M1.h", 3 + opens) > 0);
		box_rename(busy, from, to);
		opens++;
	}
}

static void test_endless_moves(void **state)
{
	struct box b;

	(void)state;
	shim_reset();
	box_new(&b);
	box_put(&b, "new/2.M1.h", "2\n");
	busy = &b;
	opens = 0;
	shim.before_open = never_stop;
	check(box_open(&b) == ERR_TEMP);
	check(strstr(b.why.text, "change all the time"));
	shim_reset();
	check(box_open(&b) == OK && b.md.index.count == 1);
	box_free(&b);
}

/* ---- deliveries in a session are not shown, and not lost ---- */

static void test_deliveries_during_session(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	shim_reset();
	box_new(&b);
	box_put(&b, "new/1.M1.h", "1\n");
	check(box_open(&b) == OK);
	for (int i = 0; i < 50; i++) {
		char name[32];

		check(snprintf(name, sizeof name, "new/%d.M2.h", i) > 0);
		box_put(&b, name, "later\n");
	}
	check(b.md.index.count == 1 && strcmp(box_text(&b, 0), "1\n") == 0);
	check(box_commit(&b, "d", &out) == OK && out.deleted == 1);
	check(box_count(&b, "new") == 50);
	check(box_open(&b) == OK && b.md.index.count == 50);
	box_free(&b);
}

/* Between the look and the deed: a message that is renamed again and again is followed. */
static void rename_in_commit(const char *path)
{
	if (strcmp(path, "cur") == 0 && opens++ == 0)
		box_rename(busy, "cur/1.M1.h:2,S", "cur/1.M1.h:2,RS");
}

static void test_renames_during_commit(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	shim_reset();
	box_new(&b);
	box_put(&b, "new/1.M1.h", "1\n");
	box_put(&b, "new/2.M1.h", "2\n");
	check(box_open(&b) == OK);
	box_rename(&b, "new/1.M1.h", "cur/1.M1.h:2,S");
	busy = &b;
	opens = 0;
	shim.before_open = rename_in_commit;
	check(box_commit(&b, "d-", &out) == OK && out.deleted == 1);
	check(box_count(&b, "cur") == 0 && box_count(&b, "new") == 1);
	shim_reset();
	box_free(&b);
}

/* ---- large messages go as descriptors, several small ones together ---- */

static void test_fetch(void **state)
{
	static char large[100 * 1024], room[128 * 1024];
	struct box b;
	struct body body;
	uint32_t count;

	(void)state;
	shim_reset();
	box_new(&b);
	memset(large, 'x', sizeof large - 1);
	box_put(&b, "new/1.h", "one\n");
	box_put(&b, "new/2.h", "two\n");
	box_put(&b, "new/3.h", large);
	box_put(&b, "new/4.h", "four\n");
	check(box_open(&b) == OK);
	static const struct {
		uint32_t msgno, octets, count, out;
		bool fd;
	} fetches[] = {
		{1, 0, 1, 4, false},
		{1, 7, 1, 4, false},
		{1, 8, 2, 8, false},
		{1, 1000, 2, 8, false},
		{3, 0, 0, 0, true},
		{4, UINT32_MAX, 1, 5, false},
		{1, UINT32_MAX, 4, 13 + sizeof large - 1, false},
	};
	for (size_t i = 0; i < TABLE_ROWS(fetches); i++) {
		struct buf out = BUF(room);

		check(maildrop_fetch(&b.md, fetches[i].msgno, fetches[i].octets, &out, &count, &body, &b.why) == OK);
		check_row(i, "fetch", count == fetches[i].count && out.len == fetches[i].out);
		check_row(i, "fetch", (body.fd >= 0) == fetches[i].fd);
		if (body.fd >= 0) {
			check((fcntl(body.fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
			check(body.at == 0 && pread(body.fd, room, sizeof room, 0) == sizeof large - 1);
			close(body.fd);
		}
	}
	box_free(&b);
}

static void test_read(void **state)
{
	static const struct {
		uint32_t msgno;
		uint64_t at;
		uint32_t octets;
		const char *text; /* NULL: not within */
	} reads[] = {
		{1, 0, 4, "one\n"}, {1, 1, 2, "ne"}, {2, 0, 4, "two\n"},       {1, 4, 0, ""},
		{1, 4, 1, NULL},    {1, 5, 0, NULL}, {1, UINT64_MAX, 2, NULL}, {2, 3, 1, "\n"},
	};
	char room[64];
	struct box b;

	(void)state;
	shim_reset();
	box_new(&b);
	box_put(&b, "new/1.h", "one\n");
	box_put(&b, "new/2.h", "two\n");
	check(box_open(&b) == OK);
	for (size_t i = 0; i < TABLE_ROWS(reads); i++) {
		struct buf out = BUF(room);
		bool within;

		check(maildrop_read(&b.md, reads[i].msgno, reads[i].at, reads[i].octets, &out, &within, &b.why) == OK);
		check_row(i, "read", within == (reads[i].text != NULL));
		check_row(i, "read", !within || slice_eq(buf_slice(&out), slice_str(reads[i].text)));
	}
	box_put(&b, "tmp/x", "longer\n");
	box_rename(&b, "tmp/x", "new/1.h");
	struct buf out = BUF(room);
	bool within;

	check(maildrop_read(&b.md, 1, 0, 4, &out, &within, &b.why) == ERR_TEMP);
	box_free(&b);
}

/* What a delivery has left goes after 36 hours, and nothing else does. */
static void test_tmp(void **state)
{
	struct box b;

	(void)state;
	shim_reset();
	box_new(&b);
	box_put(&b, "tmp/1.M1P1.h", "A: half");
	box_put(&b, "tmp/.keep", "");
	box_put(&b, "new/1.M1P1.h", "A: 1\n\n");
	shim.later_s = 35 * 3600;
	check(box_open(&b) == OK && b.md.index.count == 1 && box_has(&b, "tmp/1.M1P1.h"));
	shim.later_s = 37 * 3600;
	check(box_open(&b) == OK && box_has(&b, "tmp/1.M1P1.h")); /* nothing has changed, so nothing was looked at */
	b.setup.index = INDEX_OFF;
	check(box_open(&b) == OK && b.md.index.count == 1 && !box_has(&b, "tmp/1.M1P1.h"));
	check(box_has(&b, "tmp/.keep") && box_has(&b, "new/1.M1P1.h"));
	box_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_names),
		cmocka_unit_test(test_equal_names),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_moves_during_scan),
		cmocka_unit_test(test_endless_moves),
		cmocka_unit_test(test_deliveries_during_session),
		cmocka_unit_test(test_renames_during_commit),
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_tmp),
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
