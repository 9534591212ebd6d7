/* tests/store/test_stamp.c - when messages were retrieved: marks in the index, and headers that are believed or not */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"
#include "store/digest.h"
#include "store/mbox.h"
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
	const char *made; /* part of the path of what a header is written to first */
} subjects[] = {
	{"maildir", box_new, put_maildir, "pop3d-stamp"},
	{"mh", box_new_mh, put_mh, ".pop3-stamped"},
	{"mbox", box_new_mbox, put_mbox, ".mbox.new"},
	{"dotmail", box_new_dotmail, put_dotmail, ".mbox.new"},
};
enum { WRITERS = 4 };

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
		maildrop_retrieved(&b.md, 2, 1, RETRIEVED_STAMP);
		uint32_t stamp = stamp_at(&b, 1);

		check_row(k, s->name, are_marked(&b, "-m---") && stamp + 5 > stamp_now());
		shim.later_s += 100;
		check_row(k, s->name, box_open(&b) == OK); /* a session has one time */
		maildrop_retrieved(&b.md, 1, 3, RETRIEVED_STAMP);
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
		maildrop_retrieved(&b.md, 4, 1, RETRIEVED_STAMP);
		check_row(k, s->name, are_marked(&b, "m--m") && stamp_at(&b, 3) + 5 > stamp_now());
		box_free(&b);
	}
}

/* Where nothing is known yet: one that is older than the mail was written by nobody who has seen it come. */
static void test_older_than_the_mail(void **state)
{
	static const struct {
		const char *line;
		uint64_t seconds;
	} dates[] = {
		{"From a@b Mon Jan  5 10:00:30 2026", 1767607200},
		{"From a b Mon c Mon Dec 31 23:59 +0100 2026\r", 1798761540},
		{"From a Mon Jan  5 10:00:00 EST 1960", 0},
		{"From a", 0},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(dates); i++)
		check_row(i, dates[i].line, mbox_from_date(slice_str(dates[i].line)) == dates[i].seconds);
	for (size_t k = 0; k < TABLE_ROWS(subjects); k++) {
		const struct subject *s = &subjects[k];
		struct box b;

		shim_reset();
		shim.later_s = 10;
		s->box(&b);
		b.setup.stamps = (struct stamp_setup){.days = 3, .deletes = true};
		put(s, &b, 0, 1, "X-Expire-Timestamp: 1767400000\n"); /* two days before it came */
		put(s, &b, 1, 1, "X-Expire-Timestamp: 1767700000\n");
		bool tells = k == 0 || k == 2;

		check_row(k, s->name, box_open(&b) == OK && are_marked(&b, tells ? "-m" : "mm"));
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
		maildrop_retrieved(&b.md, 1, 2, RETRIEVED_STAMP);
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

/* ---- headers are written ---- */

static const struct {
	const char *about;
	const char *before, *behind; /* @ is the line with the stamp */
} written[] = {
	{"at the end", "A: 1\nB: 2\n c\n\nbody 1\n", "A: 1\nB: 2\n c\n@\n\nbody 1\n"},
	{"before what mail readers keep", "A: 2\nX-IMAPbase: 1 2\n  3\nX-UID: 1\nStatus: RO\n\nbody 2\n",
	 "A: 2\n@\nX-IMAPbase: 1 2\n  3\nX-UID: 1\nStatus: RO\n\nbody 2\n"},
	{"but not before a header in between", "Status: RO\nA: 3\nX-UID: 2\n\nbody 3\n",
	 "Status: RO\nA: 3\n@\nX-UID: 2\n\nbody 3\n"},
	{"one that is no number goes", "A: 4\nx-expire-timestamp: junk\n more\nB: 1\nX-UID: 3\n\nbody 4\n",
	 "A: 4\nB: 1\n@\nX-UID: 3\n\nbody 4\n"},
	{"several, too",
	 "X-Expire-Timestamp:\nX-Expire-Timestamp: 2\nA: 5\nX-Expire-Timestamp: 3\nStatus: R\nX-Expire-Timestamp: "
	 "4\n\nb 5\n",
	 "A: 5\n@\nStatus: R\n\nb 5\n"},
	{"CRLF", "A: 6\r\nStatus: R\r\n\r\nbody 6\r\n", "A: 6\r\n@\r\nStatus: R\r\n\r\nbody 6\r\n"},
	{"another one", "B: 8\n\nFrom\n\nbody 8\n", "B: 8\n@\n\nFrom\n\nbody 8\n"},
	{"no end of the header", "A: 7\nB: 1\n", "A: 7\nB: 1\n"},
};
enum { WRITTEN = TABLE_ROWS(written), HAS_NO_END = WRITTEN - 1 };

/* The row's text with the stamp. */
static const char *with_stamp(size_t i, uint32_t stamp)
{
	static char text[512];
	struct buf b = BUF(text);

	for (const char *p = written[i].behind; *p; p++)
		if (*p != '@') {
			buf_char(&b, *p);
		} else {
			buf_str(&b, "X-Expire-Timestamp: ");
			buf_u64(&b, stamp);
		}
	buf_char(&b, '\0');
	return text;
}

/* Sizes, unique-ids and order. */
static void note_shown(const struct box *b, struct listing_rec *shown)
{
	for (uint32_t i = 0; i < b->md.index.count; i++) {
		struct message m;

		box_message(b, i, &m);
		shown[i] = m.rec;
	}
}

static bool shows(const struct box *b, const struct listing_rec *shown, uint32_t count)
{
	struct listing_rec now[WRITTEN];

	if (b->md.index.count != count)
		return false;
	note_shown(b, now);
	for (uint32_t i = 0; i < count; i++)
		if (now[i].octets != shown[i].octets || now[i].lines != shown[i].lines ||
		    !uidl_same(&now[i], &shown[i]))
			return false;
	return true;
}

/* All messages have their headers, or what is known of them says why not. */
static void check_written(const struct subject *s, struct box *b, const struct listing_rec *shown, uint32_t stamp,
			  uint32_t count, bool lost)
{
	check_row(lost, s->name, box_open(b) == OK && shows(b, shown, count));
	check_row(lost, s->name, lost || shim.reads == 0); /* what was written is known */
	for (uint32_t i = 0; i < count; i++) {
		struct message m;

		box_message(b, i, &m);
		check_row(i, box_text(b, i), strcmp(box_text(b, i), with_stamp(i, stamp)) == 0);
		check_row(i, written[i].about, m.rec.stamp == (lost && i == HAS_NO_END ? 0 : stamp));
		check_row(i, written[i].about, !(m.rec.flags & STAMP_HEADER) == (i == HAS_NO_END));
	}
}

static void test_headers_are_written(void **state)
{
	(void)state;
	for (size_t k = 0; k < WRITERS; k++) {
		const struct subject *s = &subjects[k];
		const uint32_t count =
			k == 3 ? HAS_NO_END
			       : WRITTEN; /* in dotmail, a header that has no end goes on in the next message */
		struct listing_rec shown[WRITTEN];
		struct outcome out;
		struct box b;

		shim_reset();
		shim.later_s = 10;
		s->box(&b);
		b.setup.stamps = (struct stamp_setup){.days = 3, .deletes = true, .header = true};
		for (unsigned i = 0; i < count; i++)
			s->put(&b, i, written[i].before);
		check_row(k, s->name, box_open(&b) == OK);
		check_row(b.md.index.count, s->name, b.md.index.count == count);
		note_shown(&b, shown);
		maildrop_retrieved(&b.md, 1, count, RETRIEVED_STAMP);
		uint32_t stamp = stamp_at(&b, 0);

		check_row(k, s->name, maildrop_due(&b.md) == 0 && box_commit(&b, "", &out) == OK);
		check_row(k, out.unstamped_why.text,
			  out.deleted == 0 && out.failed == 0 && out.unstamped == WRITTEN - HAS_NO_END - (k == 3));
		shim.later_s += 10;
		shim.reads = 0;
		check_written(s, &b, shown, stamp, count, false);
		shim.later_s += 10;
		maildrop_forget(&b.md);
		check_written(s, &b, shown, stamp, count, true);
		check_row(k, s->name, maildrop_due(&b.md) == stamp + UINT64_C(3) * DAY);
		shim.changes = 0;
		check_row(k, s->name, box_commit(&b, "", &out) == OK && shim.changes == 0);
		box_free(&b);
	}
}

/* With deletions; in the next commit, when this session has ended otherwise; and where there is no index, at QUIT. */
static void test_commits_that_stamp(void **state)
{
	(void)state;
	for (size_t k = 0; k < WRITERS; k++)
		for (int indexed = 0; indexed < 2; indexed++) {
			const struct subject *s = &subjects[k];
			struct outcome out;
			struct box b;

			shim_reset();
			shim.later_s = 10;
			s->box(&b);
			b.setup.stamps = (struct stamp_setup){.days = 3, .header = true};
			b.setup.index = indexed ? INDEX_AUTO : INDEX_OFF;
			put(s, &b, 0, 5, "");
			check_row(k, s->name, box_open(&b) == OK);
			maildrop_retrieved(&b.md, 1, 2, RETRIEVED_STAMP);
			check_row(k, s->name, maildrop_due(&b.md) == (indexed ? 0 : UINT64_MAX));
			if (indexed)
				check_row(k, s->name, box_open(&b) == OK && maildrop_due(&b.md) == 0);
			maildrop_retrieved(&b.md, 5, 1, RETRIEVED_STAMP);
			check_row(k, s->name,
				  box_commit(&b, "d-d--", &out) == OK && out.deleted == 2 && out.unstamped == 0);
			shim.later_s += 10;
			check_row(k, s->name, box_open(&b) == OK && are_marked(&b, "m-m"));
			check_row(k, s->name, strstr(box_text(&b, 0), "Subject: 1\nX-Expire-Timestamp: "));
			check_row(k, s->name, strstr(box_text(&b, 1), "Subject: 3\n\nbody 3"));
			check_row(k, s->name, strstr(box_text(&b, 2), "Subject: 4\nX-Expire-Timestamp: "));
			box_free(&b);
		}
}

/* No room, or no right: the deletions are done, the index keeps the stamps, it is not tried again and again, but with the next message. */
static void test_headers_wait(void **state)
{
	(void)state;
	for (size_t k = 0; k < WRITERS; k++) {
		const struct subject *s = &subjects[k];
		struct outcome out;
		struct box b;

		shim_reset();
		shim.later_s = 10;
		s->box(&b);
		b.setup.stamps = (struct stamp_setup){.days = 3, .header = true};
		put(s, &b, 0, 3, "");
		check_row(k, s->name, box_open(&b) == OK);
		maildrop_retrieved(&b.md, 1, 2, RETRIEVED_STAMP);
		shim.path = s->made;
		shim.path_error = ENOSPC;
		check_row(k, b.why.text, box_commit(&b, "d--", &out) == OK);
		check_row(out.unstamped, out.unstamped_why.text, out.deleted == 1 && out.unstamped == 1);
		shim.later_s += 10;
		check_row(k, s->name, box_open(&b) == OK && are_marked(&b, "m-") && maildrop_due(&b.md) == UINT64_MAX);
		shim.path = NULL;
		maildrop_retrieved(&b.md, 2, 1, RETRIEVED_STAMP);
		check_row(k, s->name, box_commit(&b, "", &out) == OK && out.unstamped == 0);
		check_row(k, s->name, strstr(box_text(&b, 0), "\nX-Expire-Timestamp: ") || box_open(&b) == OK);
		check_row(k, s->name, strstr(box_text(&b, 0), "\nX-Expire-Timestamp: "));
		check_row(k, s->name, strstr(box_text(&b, 1), "\nX-Expire-Timestamp: "));
		box_free(&b);
	}
}

/* Of a Maildir: mode and times stay, sizes in names are right, and a name that another program gives meanwhile is its name. */
static const char *renamed_from, *renamed_to;
static const struct box *renamed_in;

static void rename_meanwhile(void)
{
	const char *from = renamed_from;

	renamed_from = NULL;
	if (from && box_has(renamed_in, from))
		box_rename(renamed_in, from, renamed_to);
}

static void test_file_of_a_maildir(void **state)
{
	static const struct {
		const char *name, *becomes, *meanwhile;
	} rows[] = {
		{"new/1767600001.M1.host", "new/1767600001.M1.host", NULL},
		{"cur/1767600001.M1.host:2,S", "cur/1767600001.M1.host:2,S", NULL},
		{"cur/1767600001.M1.host,S=13,W=16:2,S", "cur/1767600001.M1.host,S=44,W=48:2,S", NULL},
		{"new/1767600001.M1.host,W=3,S=7,u=5", "new/1767600001.M1.host,W=48,S=44,u=5", NULL},
		{"new/1767600001.M1.host", "cur/1767600001.M1.host:2,S", "cur/1767600001.M1.host:2,S"},
		{"new/1767600001.M1.host", NULL, "tmp/removed"},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		struct box b;
		struct outcome out;
		char path[160];
		struct stat st;

		shim_reset();
		shim.later_s = 10;
		box_new(&b);
		b.setup.stamps = (struct stamp_setup){.days = 3, .header = true};
		box_put(&b, rows[i].name, "A: b\n\nbody 1\n");
		check(snprintf(path, sizeof path, "%s/%s", b.path, rows[i].name) < (int)sizeof path);
		check(chmod(path, 0640) == 0);
		check(utimensat(AT_FDCWD, path, (struct timespec[2]){{.tv_sec = 1000}, {.tv_sec = 2000, .tv_nsec = 3}},
				0) == 0);
		check(box_open(&b) == OK);
		maildrop_retrieved(&b.md, 1, 1, RETRIEVED_STAMP);
		renamed_in = &b;
		renamed_from = rows[i].meanwhile ? rows[i].name : NULL;
		renamed_to = rows[i].meanwhile;
		shim.before = rename_meanwhile; /* before the first change */
		check_row(i, rows[i].name, box_commit(&b, "", &out) == OK && out.unstamped == 0);
		shim.before = NULL;
		check_row(i, rows[i].name, box_count(&b, "new") + box_count(&b, "cur") == (rows[i].becomes != NULL));
		check_row(i, rows[i].name, box_count(&b, "tmp") == (rows[i].becomes == NULL));
		if (rows[i].becomes) {
			check(snprintf(path, sizeof path, "%s/%s", b.path, rows[i].becomes) < (int)sizeof path);
			check_row(i, rows[i].name, stat(path, &st) == 0 && (st.st_mode & 07777) == 0640);
			check_row(i, rows[i].name,
				  st.st_size == 44 && st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 3);
		}
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
		maildrop_retrieved(&b.md, 1, 1, RETRIEVED_STAMP);
		maildrop_retrieved(&b.md, 2, 4, RETRIEVED_STAMP);
		together[i] = shim.calls;
		shim_reset();
		maildrop_retrieved(&b.md, sizes[i], 1, RETRIEVED_STAMP);
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
		cmocka_unit_test(test_older_than_the_mail),
		cmocka_unit_test(test_torn_mark),
		cmocka_unit_test(test_headers_are_written),
		cmocka_unit_test(test_commits_that_stamp),
		cmocka_unit_test(test_headers_wait),
		cmocka_unit_test(test_file_of_a_maildir),
		cmocka_unit_test(test_marking_is_cheap),
	};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
