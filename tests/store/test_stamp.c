/* tests/store/test_stamp.c - when messages were retrieved: marks in the index, and headers that are believed or not */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"
#include "store/digest.h"
#include "store/stamp.h"

enum { DAY = 86400 };

/* ---- numbers ---- */

static const struct {
	const char *message;
	uint32_t flags, stamp;
} headers[] = {
	{"A: b\nX-Expire-Timestamp: 1795886953\n\nb\n", STAMP_READ, 1795886953},
	{"x-expire-timestamp:\t12  \r\n\r\nb\n", STAMP_READ, 12},
	{"A: b\n\nX-Expire-Timestamp: 1795886953\n", 0, 0},
	{"A: b\nX-Expire-Timestamp2: 1\nX-Expire-Timestam: 2\n\n", 0, 0},
	{"X-Expire-Timestamp: junk\n\n", STAMP_READ, 0},
	{"X-Expire-Timestamp: 12x\n\n", STAMP_READ, 0},
	{"X-Expire-Timestamp: -12\n\n", STAMP_READ, 0},
	{"X-Expire-Timestamp: 1 2\n\n", STAMP_READ, 0},
	{"X-Expire-Timestamp:\n\n", STAMP_READ, 0},
	{"X-Expire-Timestamp: 12\n 3\n\n", STAMP_READ, 0},
	{"X-Expire-Timestamp: 99999999999999999999999\n\n", STAMP_READ, UINT32_MAX},
	{"X-Expire-Timestamp: 4294967296\n\n", STAMP_READ, UINT32_MAX},
	{"X-Expire-Timestamp: 5\nX-Expire-Timestamp: 6\n\n", STAMP_READ, 5},
};

static void test_header(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(headers); i++) {
		struct listing_rec r = {0};
		struct digest d;

		stamp_find(&r, slice_str(headers[i].message));
		check_row(i, headers[i].message, r.flags == headers[i].flags && r.stamp == headers[i].stamp);
		check(digest_begin(&d, WIRE_HIDE_UIDL, DIGEST_PLAIN, 0));
		digest_take(&d, slice_str(headers[i].message));
		check(digest_end(&d));
		check_row(i, headers[i].message, d.rec.flags == headers[i].flags && d.rec.stamp == headers[i].stamp);
	}
}

static const struct {
	const char *about;
	uint32_t stamp;
	bool known;
	uint64_t came;
	uint32_t flags, becomes;
} decided[] = {
	{"of before us", 1000000, false, 0, STAMP_HEADER, 1000000},
	{"with mail that came", 1000000, true, 0, STAMP_FOREIGN, 0},
	{"no number", 0, false, 0, STAMP_FOREIGN, 0},
	{"of before the mail came", 1000000, false, 1000000 + DAY + 1, STAMP_FOREIGN, 0},
	{"of a day before, which a clock may explain", 1000000, false, 1000000 + DAY, STAMP_HEADER, 1000000},
	{"mail that came in the future says nothing", 1000000, false, UINT32_MAX, STAMP_HEADER, 1000000},
	{"of the future", 2000000 + DAY + 1, false, 0, STAMP_FOREIGN, 0},
	{"of a clock that is ahead", 2000000 + DAY, false, 0, STAMP_HEADER, 2000000 + DAY},
};

static void test_who_is_believed(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(decided); i++) {
		struct listing_rec r = {.stamp = decided[i].stamp, .flags = 1 | STAMP_READ};

		stamp_came(&r, decided[i].came);
		stamp_decide(&r, decided[i].known, 2000000);
		check_row(i, decided[i].about, r.flags == (1 | decided[i].flags) && r.stamp == decided[i].becomes);
	}
}

static const struct {
	const char *about;
	uint32_t flags, stamp, old_flags, old_stamp, new_flags, becomes;
} kept[] = {
	{"marked in the index, no header", 0, 0, 0, 5, 0, 5},
	{"a program of ours has written one", STAMP_READ, 7, 0, 0, STAMP_HEADER, 7},
	{"into a message that was marked", STAMP_READ, 7, 0, 5, STAMP_HEADER, 7},
	{"it is rewritten", STAMP_READ, 7, STAMP_HEADER, 5, STAMP_HEADER, 7},
	{"removed: the index knows", 0, 0, STAMP_HEADER, 5, 0, 5},
	{"not believed before", STAMP_READ, 7, STAMP_FOREIGN, 0, STAMP_FOREIGN, 0},
	{"nor where it was retrieved", STAMP_READ, 7, STAMP_FOREIGN, 9, STAMP_FOREIGN, 9},
	{"no number", STAMP_READ, 0, 0, 9, STAMP_FOREIGN, 9},
};

static void test_the_same_message_read_anew(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(kept); i++) {
		struct listing_rec r = {.stamp = kept[i].stamp, .flags = 1 | kept[i].flags},
				   old = {.stamp = kept[i].old_stamp, .flags = kept[i].old_flags};

		stamp_keep(&r, &old);
		check_row(i, kept[i].about, r.flags == (1 | kept[i].new_flags) && r.stamp == kept[i].becomes);
	}
}

/* 64 bits: no number of days is too large. */
static void test_arithmetic(void **state)
{
	static const struct {
		struct stamp_setup setup;
		uint32_t stamp;
		uint64_t ends;
	} rows[] = {
		{{.days = 3, .deletes = true}, 1000, 1000 + 3 * DAY},
		{{.days = 0, .deletes = true}, 1000, 1000},
		{{.days = 3}, 1000, UINT64_MAX},
		{{.days = UINT32_MAX, .deletes = true}, 1000, UINT64_MAX},
		{{.days = UINT32_MAX - 1, .deletes = true}, UINT32_MAX, UINT32_MAX + (UINT32_MAX - 1) * (uint64_t)DAY},
		{{.days = 3, .deletes = true}, 0, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++)
		check_row(i, "ends", stamp_ends(&rows[i].setup, rows[i].stamp) == rows[i].ends);
}

/* ---- marks in the index, of every format ---- */

static void put_maildir(const struct box *b, unsigned n, const char *text)
{
	char name[64];

	check(snprintf(name, sizeof name, "new/17676000%02u.M1P1.host", n) < (int)sizeof name);
	box_put(b, name, text);
}

static void put_mh(const struct box *b, unsigned n, const char *text)
{
	(void)n;
	box_mh_deliver(b, text);
}

static void put_mbox(const struct box *b, unsigned n, const char *text)
{
	(void)n;
	box_append(b, "From a Mon Jan  5 10:00:00 2026\n");
	box_append(b, text);
	box_append(b, "\n");
}

static void put_dotmail(const struct box *b, unsigned n, const char *text)
{
	(void)n;
	box_append(b, text);
	box_append(b, ".\n");
}

static const struct subject {
	const char *name;
	void (*box)(struct box *b);
	void (*put)(const struct box *b, unsigned n, const char *text);
} subjects[] = {
	{"maildir", box_new, put_maildir},
	{"mh", box_new_mh, put_mh},
	{"mbox", box_new_mbox, put_mbox},
	{"dotmail", box_new_dotmail, put_dotmail},
};

static void put(const struct subject *s, const struct box *b, unsigned from, unsigned n, const char *header)
{
	for (unsigned i = from; i < from + n; i++) {
		char text[128];

		check(snprintf(text, sizeof text, "Subject: %u\n%s\nbody %u\n", i, header, i) < (int)sizeof text);
		s->put(b, i, text);
	}
}

static uint32_t stamp_at(const struct box *b, uint32_t i)
{
	struct message m;

	box_message(b, i, &m);
	return m.rec.stamp;
}

/* A letter each: m it is marked, - it is not. */
static bool are_marked(const struct box *b, const char *marks)
{
	check(b->md.index.count == strlen(marks));
	for (uint32_t i = 0; marks[i]; i++)
		if ((stamp_at(b, i) != 0) != (marks[i] == 'm'))
			return false;
	return true;
}

static uint32_t expired(const struct box *b)
{
	uint8_t set[128] = {0};
	struct why why;
	uint32_t n;

	check(maildrop_expired(&b->md, set, &n, &why) == OK);
	return n;
}

/* They last: into the next session, when mail comes, when all is scanned, when others go. */
static void test_marks(void **state)
{
	(void)state;
	for (size_t k = 0; k < TABLE_ROWS(subjects); k++) {
		const struct subject *s = &subjects[k];
		struct outcome out;
		struct box b;

		shim_reset();
		shim.later_s = 10;
		s->box(&b);
		b.setup.stamps = (struct stamp_setup){.days = 3, .deletes = true};
		put(s, &b, 0, 5, "");
		check_row(k, s->name, box_open(&b) == OK && are_marked(&b, "-----"));
		check_row(k, s->name, maildrop_due(&b.md) == UINT64_MAX);
		maildrop_retrieved(&b.md, 2, 1);
		uint32_t stamp = stamp_at(&b, 1);

		check_row(k, s->name, are_marked(&b, "-m---") && stamp + 5 > stamp_now());
		shim.later_s += 100;
		maildrop_retrieved(&b.md, 1, 3);
		check_row(k, s->name,
			  stamp_at(&b, 1) == stamp && stamp_at(&b, 0) >= stamp + 100); /* the first one counts */
		check_row(k, s->name, box_open(&b) == OK && are_marked(&b, "mmm--") && stamp_at(&b, 1) == stamp);
		put(s, &b, 5, 2, "");
		shim.later_s += 100;
		check_row(k, s->name, box_open(&b) == OK && are_marked(&b, "mmm----"));
		check_row(k, s->name, maildrop_due(&b.md) == stamp + UINT64_C(3) * DAY && expired(&b) == 0);
		check_row(k, s->name, box_commit(&b, "d------", &out) == OK);
		shim.later_s += 100;
		check_row(k, s->name, box_open(&b) == OK && are_marked(&b, "mm----") && stamp_at(&b, 0) == stamp);
		shim.later_s += 3 * DAY - 300 - 10;
		check_row(k, s->name, expired(&b) == 0);
		shim.later_s += 20;
		check_row(k, s->name, expired(&b) == 1);
		shim.later_s += 100;
		check_row(k, s->name, expired(&b) == 2);
		box_free(&b);
	}
}

/* A header counts where we begin, or where it appears later; one that comes with mail does not. */
static void test_headers_in_mail(void **state)
{
	(void)state;
	for (size_t k = 0; k < TABLE_ROWS(subjects); k++) {
		const struct subject *s = &subjects[k];
		struct box b;

		shim_reset();
		shim.later_s = 10;
		s->box(&b);
		b.setup.stamps = (struct stamp_setup){.days = 3, .deletes = true};
		put(s, &b, 0, 1, "X-Expire-Timestamp: 1770000000\n");
		put(s, &b, 1, 1, "X-Expire-Timestamp: junk\n");
		put(s, &b, 2, 1, "X-Expire-Timestamp: 99999999999\n");
		check_row(k, s->name, box_open(&b) == OK && are_marked(&b, "m--") && expired(&b) == 1);
		box_close(&b);
		put(s, &b, 3, 1, "X-Expire-Timestamp: 1770000000\n");
		shim.later_s += 10;
		check_row(k, s->name, box_open(&b) == OK && are_marked(&b, "m---") && expired(&b) == 1);
		maildrop_retrieved(&b.md, 4, 1);
		check_row(k, s->name, are_marked(&b, "m--m") && stamp_at(&b, 3) + 5 > stamp_now());
		box_free(&b);
	}
}

/* A mark that is torn, or of another message, is none, and the rest of the index is good. */
static void test_torn_mark(void **state)
{
	struct box b;
	char path[128];

	(void)state;
	for (unsigned octet = 0; octet < sizeof(struct index_mark); octet++) {
		shim_reset();
		shim.later_s = 10;
		box_new(&b);
		b.setup.stamps = (struct stamp_setup){.days = 0, .deletes = true};
		put(&subjects[0], &b, 0, 3, "");
		check(box_open(&b) == OK);
		maildrop_retrieved(&b.md, 1, 2);
		check(are_marked(&b, "mm-") && expired(&b) == 2);
		uint64_t at = b.md.index.records.at + (uint64_t)b.md.index.records.block * sizeof(struct listing_rec) +
			      offsetof(struct index_entry, mark) + octet;

		box_close(&b);
		check(snprintf(path, sizeof path, "%s/.pop3-index", b.path) < (int)sizeof path);
		FILE *f = fopen(path, "r+");

		check(f && fseek(f, (long)at, SEEK_SET) == 0);
		int was = fgetc(f);

		check(fseek(f, (long)at, SEEK_SET) == 0 && fputc(was ^ 1, f) != EOF && fclose(f) == 0);
		shim_reset();
		shim.later_s = 20;
		check(box_open(&b) == OK);
		check_row(octet, "torn", shim.reads == 0 && are_marked(&b, "-m-") && expired(&b) == 1);
		box_free(&b);
	}
}

/* So many calls, whether 10 messages are marked or 10,000, one after the other by themselves or together. */
static void test_marking_is_cheap(void **state)
{
	static const unsigned sizes[] = {10, 10000};
	unsigned together[2], alone[2];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(sizes); i++) {
		struct box b;

		shim_reset();
		shim.later_s = 10;
		box_new_mbox(&b);
		put(&subjects[2], &b, 0, sizes[i], "");
		check(box_open(&b) == OK);
		shim_reset();
		maildrop_retrieved(&b.md, 1, 1);
		maildrop_retrieved(&b.md, 2, 4);
		together[i] = shim.calls;
		shim_reset();
		maildrop_retrieved(&b.md, sizes[i], 1);
		alone[i] = shim.calls;
		check(i > 0 || are_marked(&b, "mmmmm----m"));
		shim_reset();
		shim.later_s = 20;
		check(box_open(&b) == OK); /* and opening is what it was */
		check_row(i, "open", maildrop_due(&b.md) == UINT64_MAX && shim.changes == 0);
		box_free(&b);
	}
	check(together[0] == together[1]);
	check(alone[0] == alone[1] && alone[0] == 2); /* read, written */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_who_is_believed),
		cmocka_unit_test(test_the_same_message_read_anew),
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_headers_in_mail),
		cmocka_unit_test(test_torn_mark),
		cmocka_unit_test(test_marking_is_cheap),
	};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
