/* tests/store/test_mbox.c - the mbox driver: From_ lines, boundaries, identity, growth, what others write
 *
 * Each table is a list of facts about files; what all drivers share is in test_contract.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "ipc/handover.h"
#include "shim.h"
#include "store/mbox.h"

#define FROM "From a@example.org Mon Jan  5 10:00:00 2026\n"
#define CRLF "From a@example.org Mon Jan  5 10:00:00 2026\r\n"

static bool is_beside(const struct box *b, const char *name)
{
	char path[128];

	check(snprintf(path, sizeof path, "%s/%s", b->top, name) < (int)sizeof path);
	return access(path, F_OK) == 0;
}

/* ---- From_ lines ---- */

static const struct {
	const char *line;
	bool is;
} from_lines[] = {
	{"From a@example.org Mon Jan  5 10:00:00 2026", true},
	{"From a Mon Jan 5 1:00 2026", true},
	{"From a Mon Jan 05 10:00:60 2026", true},
	{"From a Mon Jan  5 10:00:00 EST 2026", true},
	{"From a Mon Jan  5 10:00:00 MET DST 2026", true},
	{"From a Mon Jan  5 10:00:00 2026 EST", true},
	{"From a Mon Jan  5 10:00:00 2026 +0100", true},
	{"From a Mon Jan  5 10:00:00 -0800 2026", true},
	{"From a Mon Jan  5 10:00 2026 remote from host", true},
	{"From a Mon Jan  5 10:00 EST 2026 remote from host", true},
	{"From a Mon Jan  5 10:00 2026 EST remote from host", true},
	{"From \"a b\"@example.org Mon Jan  5 10:00:00 2026", true},
	{"From Mon Mon Jan  5 10:00:00 2026", true},
	{"From a\tMon\tJan\t5\t10:00:00\t2026 ", true},
	{"From MAILER-DAEMON Tue Feb 29 23:59:59 2028", true},
	{"From a", false},
	{"From ", false},
	{"From", false},
	{"from a Mon Jan  5 10:00:00 2026", false},
	{">From a Mon Jan  5 10:00:00 2026", false},
	{" From a Mon Jan  5 10:00:00 2026", false},
	{"From Mon Jan  5 10:00:00 2026", false}, /* no sender */
	{"From the start, I did.", false},
	{"From a Mun Jan  5 10:00:00 2026", false},
	{"From a Mon Jen  5 10:00:00 2026", false},
	{"From a Mon Jan 32 10:00:00 2026", false},
	{"From a Mon Jan  5 24:00:00 2026", false},
	{"From a Mon Jan  5 10:60 2026", false},
	{"From a Mon Jan  5 10:00:61 2026", false},
	{"From a Mon Jan  5 1000 2026", false},
	{"From a Mon Jan  5 10:00:00", false},
	{"From a Mon Jan  5 10:00:00 26", false},
	{"From a Mon Jan  5 10:00:00 20260", false},
	{"From a Mon Jan  5 10:00:00 2026 EST more", false},
	{"From a Mon Jan  5 10:00:00 2026 remote", false},
	{"From a Mon Jan  5 10:00:00 2026 remote from", false},
	{"From a Mon Jan  5 10:00:00 2026 remote from a b", false},
	{"From a Mon Jan  5 10:00:00 2026\r", true},
	{"From a Mon Jan  5 10:00:00 2026\r\r", false},
};

static void test_from_lines(void **state)
{
	char line[MBOX_FROM_MOST + 2];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(from_lines); i++)
		check_row(i, from_lines[i].line, mbox_is_from(slice_str(from_lines[i].line)) == from_lines[i].is);
	for (size_t n = MBOX_FROM_MOST; n <= MBOX_FROM_MOST + 1; n++) {
		memset(line, 'a', n);
		memcpy(line, "From ", 5);
		memcpy(line + n - 25, " Mon Jan  5 10:00:00 2026", 25);
		check(mbox_is_from((struct slice){line, n}) == (n <= MBOX_FROM_MOST));
	}
}

/* ---- where messages begin and end, and what is sent of them ---- */

static const struct {
	const char *about, *file;
	const char *messages[4]; /* as stored */
	uint64_t octets;         /* of all, on the wire */
	uint32_t unquote;
} files[] = {
	{"nothing", "", {0}, 0, WIRE_UNQUOTE},
	{"one", FROM "A: 1\n\nb\n\n", {"A: 1\n\nb\n"}, 11, WIRE_UNQUOTE},
	{"no empty line at the end", FROM "A: 1\n\nb\n", {"A: 1\n\nb\n"}, 11, WIRE_UNQUOTE},
	{"no end of the last line", FROM "A: 1\n\nb", {"A: 1\n\nb"}, 11, WIRE_UNQUOTE},
	{"two", FROM "A: 1\n\nb\n\n" FROM "A: 2\n\nc\n\n", {"A: 1\n\nb\n", "A: 2\n\nc\n"}, 22, WIRE_UNQUOTE},
	{"more empty lines are the message's",
	 FROM "A: 1\n\nb\n\n\n\n" FROM "A: 2\n\n\n\n",
	 {"A: 1\n\nb\n\n\n", "A: 2\n\n\n"},
	 25,
	 WIRE_UNQUOTE},
	{"empty bodies", FROM "A: 1\n\n\n" FROM "A: 2\n\n\n", {"A: 1\n\n", "A: 2\n\n"}, 16, WIRE_UNQUOTE},
	{"no empty line behind a header", FROM "A: 1\n\n" FROM "A: 2\n", {"A: 1\n", "A: 2\n"}, 12, WIRE_UNQUOTE},
	{"no message", FROM "\n" FROM "\n\n" FROM, {"", "\n", ""}, 2, WIRE_UNQUOTE},
	{"a From_ line alone", "From a@example.org Mon Jan  5 10:00:00 2026", {""}, 0, WIRE_UNQUOTE},
	{"From_ without an empty line is text",
	 FROM "A: 1\n\nb\n" FROM "c\n",
	 {"A: 1\n\nb\n" FROM "c\n"},
	 59,
	 WIRE_UNQUOTE},
	{"From_ without a date is text", FROM "A: 1\n\nb\n\nFrom c\n", {"A: 1\n\nb\n\nFrom c\n"}, 21, WIRE_UNQUOTE},
	{"a blank is no empty line", FROM "A: 1\n\nb\n \n" FROM, {"A: 1\n\nb\n \n" FROM}, 59, WIRE_UNQUOTE},
	{"CRLF",
	 CRLF "A: 1\r\n\r\nb\r\n\r\n" CRLF "A: 2\r\n\r\n>From\r\n\r\n\r\n" CRLF "\r\nc",
	 {"A: 1\r\n\r\nb\r\n", "A: 2\r\n\r\n>From\r\n\r\n", "\r\nc"},
	 11 + 17 + 5,
	 WIRE_UNQUOTE},
	{"CRLF, and who does not know it",
	 CRLF "A: 1\r\n\r\nb\r\n\r\n" FROM "A: 2\n\n" CRLF "A: 3\r\n\r\n",
	 {"A: 1\r\n\r\nb\r\n", "A: 2\n", "A: 3\r\n"},
	 11 + 6 + 6,
	 WIRE_UNQUOTE},
	{"an empty line in the other way",
	 FROM "A: 1\n\nb\n\r\n" FROM "A: 2\n\n",
	 {"A: 1\n\nb\n", "A: 2\n"},
	 17,
	 WIRE_UNQUOTE},
	{"CR alone is no empty line", FROM "A: 1\n\nb\n\r" FROM, {"A: 1\n\nb\n\r" FROM}, 11 + 1 + 45, WIRE_UNQUOTE},
	{"empty lines before the first", "\n\n" FROM "A: 1\n\n", {"A: 1\n"}, 6, WIRE_UNQUOTE},
	{"one before the first", "\r\n" FROM "A: 1\n\n", {"A: 1\n"}, 6, WIRE_UNQUOTE},
	{"empty lines alone", "\n\n \r\n", {0}, 0, WIRE_UNQUOTE},
	{"a first message without a From_ line",
	 "A: 0\n\na\n\n" FROM "A: 1\n\n",
	 {"A: 0\n\na\n", "A: 1\n"},
	 17,
	 WIRE_UNQUOTE},
	{"what a message has left", "nd of a line\n\n" FROM "A: 1\n\n", {"nd of a line\n", "A: 1\n"}, 20, WIRE_UNQUOTE},
	{"CRLF in a message",
	 FROM "A: 1\r\n\r\nb\r\n\n" FROM "A: 2\n\n",
	 {"A: 1\r\n\r\nb\r\n", "A: 2\n"},
	 17,
	 WIRE_UNQUOTE},
	{"Content-Length lies",
	 FROM "Content-Length: 60\nA: 1\n\nb\n\n" FROM "A: 2\n\nc\n",
	 {"Content-Length: 60\nA: 1\n\nb\n", "A: 2\n\nc\n"},
	 42,
	 WIRE_UNQUOTE},
	{"bookkeeping is not sent",
	 FROM "X-IMAPbase: 1 2\nA: 1\nStatus: RO\n\nb\n\n" FROM "X-UIDL: x\nA: 2\nX-UID: 2\n 3\n\nc\n",
	 {"X-IMAPbase: 1 2\nA: 1\nStatus: RO\n\nb\n", "X-UIDL: x\nA: 2\nX-UID: 2\n 3\n\nc\n"},
	 22,
	 WIRE_UNQUOTE},
	{"mboxrd", FROM "A: 1\n\n>From b\n>>From c\n", {"A: 1\n\n>From b\n>>From c\n"}, 25, WIRE_UNQUOTE},
	{"mboxo", FROM "A: 1\n\n>From b\n>>From c\n", {"A: 1\n\n>From b\n>>From c\n"}, 26, WIRE_UNQUOTE_ONE},
	{"not quoted", FROM "A: 1\n\n>From b\n>>From c\n", {"A: 1\n\n>From b\n>>From c\n"}, 27, 0},
	{"what UW and Pine keep",
	 FROM "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nThis\n\n" FROM "A: 1\n\nb\n",
	 {"A: 1\n\nb\n"},
	 11,
	 WIRE_UNQUOTE},
	{"looks like it, and is not the first",
	 FROM "A: 1\n\n\n" FROM "X-IMAP: 1 2\nSubject: FOLDER INTERNAL DATA\n\n",
	 {"A: 1\n\n", "X-IMAP: 1 2\nSubject: FOLDER INTERNAL DATA\n"},
	 8 + 31,
	 WIRE_UNQUOTE},
	{"looks like it, and has nothing of it",
	 FROM "Subject: FOLDER INTERNAL DATA\n\n",
	 {"Subject: FOLDER INTERNAL DATA\n"},
	 31,
	 WIRE_UNQUOTE},
};

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(files); i++) {
		struct box b;
		uint32_t n = 0;

		shim_reset();
		box_new_mbox(&b);
		b.setup.unquote = files[i].unquote;
		box_write(&b, files[i].file);
		check_row(i, files[i].about, box_open(&b) == OK);
		while (n < TABLE_ROWS(files[i].messages) && files[i].messages[n])
			n++;
		check_row(i, files[i].about, b.md.index.count == n);
		check_row(i, files[i].about, b.md.index.octets == files[i].octets);
		for (uint32_t k = 0; k < n; k++) {
			struct message m;

			box_message(&b, k, &m);
			check_row(i, files[i].about, strcmp(box_text(&b, k), files[i].messages[k]) == 0);
			check_row(i, files[i].about, m.rec.crc == listing_crc(0, slice_str(files[i].messages[k])));
		}
		box_free(&b);
	}
}

/* Messages that lie over the ends of windows, whatever their length; and lines that are longer. */
static void test_large(void **state)
{
	static char file[3 * 1024 * 1024], body[700 * 1024];
	static const size_t lengths[] = {262000, 1, 262144, 5, 261000, 700000, 524288 - 100, 3};
	struct box b;

	(void)state;
	for (unsigned line = 76; line < 400000; line = line * 40 + 1) {
		struct buf out = BUF(file);
		uint32_t n = 0;

		shim_reset();
		box_new_mbox(&b);
		for (size_t i = 0; i < sizeof body; i++)
			body[i] = i % line == line - 1 ? '\n' : 'F';
		for (size_t i = 0; i < TABLE_ROWS(lengths); i++) {
			buf_str(&out, FROM "A: 1\n\n");
			buf_put(&out, (struct slice){body, lengths[i]});
			buf_str(&out, "\n\n");
		}
		buf_char(&out, '\0');
		check(!out.full);
		box_write(&b, file);
		check_row(line, "lines", box_open(&b) == OK && b.md.index.count == TABLE_ROWS(lengths));
		for (const char *p = file; (p = strstr(p, FROM)); n++) {
			const char *text = p + strlen(FROM), *next = strstr(text, FROM);
			struct message m;

			p = next ? next : text + strlen(text);
			box_message(&b, n, &m);
			check_row(n, "place",
				  m.rec.pos == (uint64_t)(text - file) && m.rec.raw == (size_t)(p - 1 - text));
			check_row(n, "checksum", m.rec.crc == listing_crc(0, (struct slice){text, m.rec.raw}));
		}
		box_free(&b);
	}
}

/* What looks like a From_ line up to the end of what is read at once, and goes on. */
static void test_line_over_the_end_of_a_window(void **state)
{
	static char file[600 * 1024];
	const char *line = "From a@example.org Mon Jan  5 10:00:00 2026";

	(void)state;
	for (size_t at = 256 * 1024 - 50; at < 256 * 1024 + 5; at++) {
		struct buf out = BUF(file);
		struct box b;

		buf_str(&out, FROM "A: 1\n\n");
		while (out.len < at - 2)
			buf_char(&out, out.len % 70 == 0 ? '\n' : 'x');
		buf_str(&out, "\n\n");
		buf_str(&out, line);
		buf_str(&out, " was the line\n\n");
		buf_str(&out, line);
		buf_str(&out, "\nA: 2\n\n");
		buf_char(&out, '\0');
		check(!out.full);
		shim_reset();
		box_new_mbox(&b);
		box_write(&b, file);
		check_row(at, "one is text, one is not", box_open(&b) == OK && b.md.index.count == 2);
		box_free(&b);
	}
}

/* Nor does it matter to what a message is where in a window its header ends. */
static void test_header_over_the_end_of_a_window(void **state)
{
	static char file[300 * 1024];
	const size_t end = 256 * 1024 - 1098; /* of what is looked at of the first window */
	char first[UIDL_MOST + 1] = "";

	(void)state;
	for (size_t at = end - 90; at < end + 5; at++) {
		struct buf out = BUF(file);
		struct message m;
		struct box b;

		buf_str(&out, FROM "A: 1\n\n");
		while (out.len < at - 2)
			buf_char(&out, out.len % 70 == 0 ? '\n' : 'x');
		buf_str(&out, "\n\n" FROM "A: 2\r\nB: 3\r\n\r\ntext\r\n");
		for (unsigned line = 0; line < 1000; line++)
			buf_str(&out, "more text\r\n");
		buf_char(&out, '\0');
		check(!out.full);
		shim_reset();
		box_new_mbox(&b);
		box_write(&b, file);
		check_row(at, "both are there", box_open(&b) == OK && b.md.index.count == 2);
		box_message(&b, 1, &m);
		if (first[0] == '\0')
			(void)slice_cstr(listing_uidl(&m.rec), first, sizeof first);
		check_row(at, first, slice_eq(listing_uidl(&m.rec), slice_str(first)));
		box_free(&b);
	}
}

/* ---- what is no mailbox ---- */

static const struct {
	const char *file, *why;
} refused[] = {
	{"hello\n", "no known mailbox format"},
	{"From nobody\n\n", "no known mailbox format"},
	{"text\n" FROM, "no known mailbox format"},
	{"Frome", "no known mailbox format"},
	{"F", "does not begin with a From_ line"}, /* and nobody holds a lock, who would go on */
	{"From a@exa", "does not begin with a From_ line"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(refused); i++) {
		struct box b;

		box_new_mbox(&b);
		box_write(&b, refused[i].file);
		check_row(i, refused[i].file, box_open(&b) == ERR_PERM);
		check_row(i, b.why.text, strstr(b.why.text, refused[i].why));
		check_row(i, "it is as it was", strcmp(box_mbox(&b), refused[i].file) == 0);
		box_free(&b);
	}
}

/* No file is an empty maildrop, and none is made; no directory is an error. */
static void test_nothing_there(void **state)
{
	struct box b;
	char url[128];

	(void)state;
	box_new_mbox(&b);
	check(unlink(b.path) == 0);
	check(box_open(&b) == OK && b.md.index.count == 0 && b.md.driver == &mbox_driver);
	check(!is_beside(&b, "mbox") && !is_beside(&b, ".mbox.pop3idx"));
	box_write(&b, FROM "A: 1\n\n");
	check(box_open(&b) == OK && b.md.index.count == 1);
	box_close(&b);
	check(snprintf(url, sizeof url, "mbox:%s/no/mbox", b.top) > 0);
	check(maildrop_find(&b.md, slice_str(url), &b.setup, &b.why) != OK);
	check(snprintf(url, sizeof url, "mbox:%s", b.top) > 0);
	check(maildrop_find(&b.md, slice_str(url), &b.setup, &b.why) == ERR_PERM);
	check(snprintf(url, sizeof url, "file:%s/none", b.top) > 0); /* no format: that of mailbox-type */
	check(maildrop_find(&b.md, slice_str(url), &b.setup, &b.why) == OK && b.md.driver == &mbox_driver);
	maildrop_close(&b.md);
	box_free(&b);
}

/* Small messages that lie together are read together. */
static void test_fetch_of_many(void **state)
{
	static char text[64 * 1024];
	struct buf out = BUF(text);
	struct body body;
	struct box b;
	uint32_t count;
	char file[64 * 64];
	struct buf f = BUF(file);

	(void)state;
	for (int i = 0; i < 50; i++)
		buf_str(&f, FROM "A: 1\n\nb\n\n");
	buf_char(&f, '\0');
	check(!f.full);
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, file);
	check(box_open(&b) == OK && b.md.index.count == 50);
	shim_reset();
	check(maildrop_fetch(&b.md, 1, sizeof text, &out, &count, &body, &b.why) == OK);
	check(count == 50 && out.len == 50 * strlen("A: 1\n\nb\n"));
	/* 2 reads of the index, open, fstat, 4 samples, the messages, close */
	check(shim.calls == 10);
	out.len = 0;
	box_write(&b, file); /* as it was, but for its time */
	check(maildrop_fetch(&b.md, 49, 20, &out, &count, &body, &b.why) == OK && count == 2);
	out.len = 0;
	check(maildrop_fetch(&b.md, 49, 15, &out, &count, &body, &b.why) == OK && count == 1);
	box_free(&b);
}

/* Whoever takes one after the other gets the file, as long as all are where they were. */
static void test_walk(void **state)
{
	struct message m;
	struct body body;
	struct box b;
	uint32_t count;
	char file[1000 * 64];
	struct buf f = BUF(file);

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_str(&f, FROM "A: 1\n\nb\n\n");
	buf_char(&f, '\0');
	check(!f.full);
	box_new_mbox(&b);
	box_write(&b, file);
	check(box_open(&b) == OK && b.md.index.count == 1000);
	bool may = handover_kind(b.md.fd) != HANDOVER_NOT; /* what file system tests run on is not ours to choose */

	box_message(&b, 99, &m);
	check(maildrop_walk(&b.md, 100, &count, &body) == may);
	check(!may || (count == 512 && body.at == m.rec.pos && close(body.fd) == 0));
	check(maildrop_walk(&b.md, 1000, &count, &body) == may);
	check(!may || (count == 1 && close(body.fd) == 0));
	box_write(&b, file + strlen(FROM "A: 1\n\nb\n\n")); /* another program has deleted the first one */
	check(!maildrop_walk(&b.md, 1000, &count, &body) && body.fd < 0);
	box_free(&b);
}

/* ---- identity ---- */

/* The hash is for ever: this one was computed by another program (sha256sum). */
static void test_uidl_is_for_ever(void **state)
{
	struct message m;
	struct box b;

	(void)state;
	box_new_mbox(&b);
	box_write(&b, FROM "A: 1\nStatus: RO\nB: 2\n 3\n\nbody\nof it\n\n");
	check(box_open(&b) == OK);
	box_message(&b, 0, &m);
	/* printf 'A: 1\nB: 2\n 3\n\n10 3349135912' | sha256sum: the body is `body\nof it', its checksum CRC32C in decimal */
	check_row(0, m.rec.uidl, slice_eq(listing_uidl(&m.rec), SLICE("5ab439f4b2c74d33d6fa49bf4795c781")));
	box_free(&b);
}

static const struct {
	const char *about, *message;
	bool same;
} rewrites[] = {
	{"itself", "A: 1\nB: 2\n\nbody\n\n", true},
	{"Status", "A: 1\nB: 2\nStatus: RO\n\nbody\n\n", true},
	{"more of them", "X-IMAPbase: 1 2\nA: 1\nx-status: A\nB: 2\nX-Keywords: a\n b\n\tc\nX-UID: 7\n\nbody\n\n",
	 true},
	{"mutt", "A: 1\nB: 2\nStatus: RO\nContent-Length: 5\nLines: 1\n\nbody\n\n", true},
	{"X-UIDL", "A: 1\nB: 2\nX-UIDL: mine\nX-Expire-Timestamp: 1\nX-IMAP: 1\n\nbody\n\n", true},
	{"no empty line at the end", "A: 1\nB: 2\n\nbody\n", true},
	{"no end of the last line", "A: 1\nB: 2\n\nbody", true},
	{"empty lines at the end", "A: 1\nB: 2\n\nbody\n\n\n\n", true},
	{"line ends of the header", "A: 1\r\nB: 2\r\n\r\nbody\n", true},
	{"another header", "A: 1\nB: 3\n\nbody\n\n", false},
	{"one more", "A: 1\nB: 2\nC: 3\n\nbody\n\n", false},
	{"their order", "B: 2\nA: 1\n\nbody\n\n", false},
	{"another body", "A: 1\nB: 2\n\nbodi\n\n", false},
	{"a longer one", "A: 1\nB: 2\n\nbody\nx\n\n", false},
	{"an empty line before it", "A: 1\nB: 2\n\n\nbody\n\n", false},
	{"Status in the body", "A: 1\nB: 2\n\nStatus: RO\nbody\n\n", false},
	{"a name that only begins so", "A: 1\nB: 2\nStatuses: RO\n\nbody\n\n", false},
};

static void test_uidl_of_rewrites(void **state)
{
	char file[512];
	struct box b;

	(void)state;
	box_new_mbox(&b);
	b.setup.index = INDEX_OFF;
	for (size_t i = 0; i < TABLE_ROWS(rewrites); i++) {
		static char first[UIDL_MOST + 1];
		struct message m;

		check(snprintf(file, sizeof file, FROM "%s", rewrites[i].message) < (int)sizeof file);
		box_write(&b, file);
		check_row(i, rewrites[i].about, box_open(&b) == OK && b.md.index.count == 1);
		box_message(&b, 0, &m);
		if (i == 0)
			memcpy(first, m.rec.uidl, sizeof first);
		check_row(i, rewrites[i].about, (memcmp(first, m.rec.uidl, sizeof first) == 0) == rewrites[i].same);
	}
	box_free(&b);
}

static void read_uidls(struct box *b, char uidl[][UIDL_MOST + 1])
{
	for (uint32_t i = 0; i < b->md.index.count; i++) {
		struct message m;

		box_message(b, i, &m);
		memcpy(uidl[i], m.rec.uidl, UIDL_MOST + 1);
	}
}

/* Identical copies have UIDLs of their own, and the one that stays keeps its own as long as the index does. */
static void test_copies(void **state)
{
	char before[3][UIDL_MOST + 1], behind[3][UIDL_MOST + 1];
	struct outcome out;
	struct box b;

	(void)state;
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, FROM "A: 1\n\nb\n\n" FROM "A: 1\n\nb\n\n" FROM "A: 1\n\nb\n\n");
	check(box_open(&b) == OK && b.md.index.count == 3);
	read_uidls(&b, before);
	check(strcmp(before[0], before[1]) != 0 && strcmp(before[1], before[2]) != 0 &&
	      strcmp(before[0], before[2]) != 0);
	check(box_commit(&b, "d-d", &out) == OK && out.deleted == 2);
	check(box_open(&b) == OK && b.md.index.count == 1);
	read_uidls(&b, behind);
	check(strcmp(behind[0], before[1]) == 0);
	box_append(&b, FROM "A: 1\n\nb\n\n");
	check(box_open(&b) == OK && b.md.index.count == 2);
	read_uidls(&b, behind);
	check(strcmp(behind[0], before[1]) == 0 && strcmp(behind[1], before[1]) != 0);
	box_free(&b);
}

/* Mailutils wrote these X-UIDL: the MD5 is that of the message without it. One that somebody else made up does not count. */
static const struct {
	const char *about, *header;
	bool honoured;
} xuidls[] = {
	{"as Mailutils writes", "X-UIDL: f33858927d436fa24de1e53f46a54cd6.1795382216.1\n", true},
	{"with what it writes later", "X-UIDL: f33858927d436fa24de1e53f46a54cd6.1795382216.1\nX-UID: 1\nStatus: O\n",
	 true},
	{"with what it had written before",
	 "X-UIDL: c4b4922f04fe73545a4416f7e29857d1.1795382216.1\nX-IMAPbase: 1 2\nX-UID: 1\nStatus: OR\n", true},
	{"another MD5", "X-UIDL: 00000000000000000000000000000000.1795382216.1\n", false},
	{"no time", "X-UIDL: f33858927d436fa24de1e53f46a54cd6\n", false},
	{"more", "X-UIDL: f33858927d436fa24de1e53f46a54cd6.1795382216.1.2\n", false},
	{"made up", "X-UIDL: mine\n", false},
};

static void test_xuidl(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(xuidls); i++) {
		char file[512];
		struct message m;
		struct box b;

		box_new_mbox(&b);
		check(snprintf(file, sizeof file, FROM "A: 1\n%s\nb\n\n" FROM "A: 1\n%s\nb\n\n", xuidls[i].header,
			       xuidls[i].header) < (int)sizeof file);
		box_write(&b, file);
		check_row(i, xuidls[i].about, box_open(&b) == OK);
		box_message(&b, 0, &m);
		struct slice uidl = listing_uidl(&m.rec);

		check_row(i, xuidls[i].about, (uidl.n > UIDL_DIGITS) == xuidls[i].honoured);
		check_row(i, xuidls[i].about,
			  !xuidls[i].honoured || strncmp(uidl.p, xuidls[i].header + 8, uidl.n) == 0);
		box_message(&b, 1, &m); /* the second one with the same is not its first */
		check_row(i, xuidls[i].about, m.rec.uidl_len == UIDL_DIGITS);
		box_free(&b);
	}
}

/* ---- growth ---- */

static const struct {
	const char *about, *before, *behind;
	uint32_t count;
	bool from_old_end; /* what was there is not read again */
} growths[] = {
	{"a message", FROM "A: 1\n\nb\n\n", FROM "A: 2\n\nc\n\n", 2, true},
	{"to nothing", "", FROM "A: 2\n\nc\n\n", 1, false},
	{"behind a last line without end", FROM "A: 1\n\nb", "\n\n" FROM "A: 2\n\nc\n", 2, false},
	{"behind no empty line", FROM "A: 1\n\nb\n", "\n" FROM "A: 2\n\nc\n", 2, false},
	{"the rest of a message", FROM "A: 1\n\nb\n\n", "c\n\n", 1, false},
	{"From_ that is none", FROM "A: 1\n\nb\n\n", "From c\n\n", 1, false},
	{"the rest of a From_ line", FROM "A: 1\n\nb\n\nFrom a Mon Jan  5 ", "10:00 2026\nA: 2\n\n", 2, false},
};

static void test_growth(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(growths); i++) {
		char before[4][UIDL_MOST + 1] = {{0}}, grown[4][UIDL_MOST + 1], fresh[4][UIDL_MOST + 1];
		struct box b;

		shim_reset();
		box_new_mbox(&b);
		box_write(&b, growths[i].before);
		check_row(i, growths[i].about, box_open(&b) == OK);
		read_uidls(&b, before);
		box_append(&b, growths[i].behind);
		check_row(i, growths[i].about, box_open(&b) == OK && b.md.index.count == growths[i].count);
		read_uidls(&b, grown);
		b.setup.index = INDEX_OFF;
		check_row(i, growths[i].about, box_open(&b) == OK && b.md.index.count == growths[i].count);
		read_uidls(&b, fresh);
		check_row(i, growths[i].about, memcmp(grown, fresh, sizeof *grown * growths[i].count) == 0);
		check_row(i, growths[i].about, !growths[i].from_old_end || strcmp(before[0], grown[0]) == 0);
		box_free(&b);
	}
}

/* Of a file that only grew, the old part is not read again, however long it is. */
/* Where nobody knows whether the file has changed, all that goes is looked at again: by pieces of the file, not message by message. */
static void test_commit_reads_pieces(void **state)
{
	enum { MESSAGES = 1000, CALLS = 200 };
	static char file[MESSAGES * 80];
	uint8_t half[MESSAGES / 8];
	struct buf f = BUF(file);
	struct outcome out;
	struct box b;

	(void)state;
	for (unsigned i = 0; i < MESSAGES; i++) {
		buf_str(&f, FROM "A: ");
		buf_u64(&f, i);
		buf_str(&f, "\n\nb\n\n");
	}
	buf_char(&f, '\0');
	check(!f.full);
	memset(half, 0x55, sizeof half);
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, file);
	check(box_open(&b) == OK && b.md.index.count == MESSAGES && !b.md.index.settled);
	shim_reset();
	check(maildrop_commit(&b.md, &(struct changes){.deleted = half, .count = MESSAGES}, &out, &b.why) == OK);
	check(out.deleted == MESSAGES / 2);
	check_row(shim.calls, "calls", shim.calls < CALLS);
	check(box_open(&b) == OK && b.md.index.count == MESSAGES / 2);
	box_free(&b);
}

static void test_growth_reads_the_end_only(void **state)
{
	struct box b;
	unsigned calls[2];

	(void)state;
	for (unsigned i = 0; i < TABLE_ROWS(calls); i++) {
		shim_reset();
		box_new_mbox(&b);
		box_write(&b, FROM "A: 1\n\n");
		check(truncate(b.path, i ? 64 << 20 : 4096) == 0); /* a body of NUL */
		box_append(&b, "\n\n" FROM "A: 2\n\nc\n\n");
		check(box_open(&b) == OK && b.md.index.count == 2);
		box_append(&b, FROM "A: 3\n\nd\n\n");
		box_close(&b);
		shim_reset();
		check(box_open(&b) == OK && b.md.index.count == 3);
		calls[i] = shim.calls;
		box_free(&b);
	}
	check(calls[0] == calls[1]);
}

/* An index that somebody made up, or that belongs to somebody else, is worth nothing. */
static void test_index_of_others(void **state)
{
	struct box b;
	char path[128];

	(void)state;
	if (geteuid() != 0)
		skip();
	shim_reset();
	shim.later_s = 10;
	box_new_mbox(&b);
	box_write(&b, FROM "A: 1\n\nb\n\n");
	check(box_open(&b) == OK);
	check(snprintf(path, sizeof path, "%s/.mbox.pop3idx", b.top) > 0);
	box_close(&b);
	shim_reset();
	check(box_open(&b) == OK && shim.changes == 0); /* it is used */
	box_close(&b);
	check(chown(path, 12345, 12345) == 0);
	shim_reset();
	check(box_open(&b) == OK && shim.changes > 0); /* written anew */
	box_free(&b);
}

/* The owner of a mailbox may have made its index: with right checksums, and with messages where there are none. */
static const struct {
	const char *about;
	int64_t at;
	uint64_t pos, raw;
	bool harmless; /* the message begins where it does, and ends where the next one begins */
} made_up[] = {
	{"before the file", -1, 40, 8, false},
	{"behind its end", 1000000, 1000050, 8, false},
	{"ends behind its end", 0, 45, 1000000, true},
	{"ends before it begins", 60, 45, 8, false},
	{"anywhere", 3, 5, 8, false},
	{"far away", INT64_MAX, INT64_MAX / 4, INT64_MAX / 4, false},
	{"over the others", 0, 45, 64, true},
};

static void test_index_of_a_liar(void **state)
{
	static char text[64 * 1024];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(made_up); i++) {
		struct buf out = BUF(text);
		struct outcome outcome;
		struct scan s = {0};
		struct body body = {.fd = -1};
		struct box b;
		uint32_t count;

		shim_reset();
		shim.later_s = 10;
		box_new_mbox(&b);
		box_write(&b, FROM "A: 1\n\nb\n\n" FROM "A: 2\n\nc\n\n");
		check(box_open(&b) == OK && b.md.index.count == 2);
		check(index_load(&b.md.index, &s, &b.why) == OK);
		s.entry[0].at = made_up[i].at;
		s.octets += 2 * made_up[i].raw - s.rec[0].octets;
		s.rec[0].pos = made_up[i].pos;
		s.rec[0].raw = made_up[i].raw;
		s.rec[0].octets = 2 * made_up[i].raw;
		struct index_place place = {.dir = b.md.parent, .name = ".mbox.pop3idx"};

		check(index_write(&place, b.md.driver, &s, INT64_MAX, &b.why) == OK);
		scan_done(&s);
		check(box_open(&b) == OK && b.md.index.count == 2);
		(void)maildrop_fetch(&b.md, 1, sizeof text, &out, &count, &body, &b.why);
		if (body.fd >= 0)
			close(body.fd);
		check_row(i, made_up[i].about, count == 0 || body.fd >= 0);
		bool done = box_commit(&b, "d-", &outcome) == OK;

		check_row(i, made_up[i].about, done == made_up[i].harmless);
		check_row(i, made_up[i].about,
			  strcmp(box_mbox(&b),
				 done ? FROM "A: 2\n\nc\n\n" : FROM "A: 1\n\nb\n\n" FROM "A: 2\n\nc\n\n") == 0);
		box_free(&b);
	}
}

/* ---- links ---- */

static void test_links(void **state)
{
	char to[128], dir[128], url[160];
	struct outcome out;
	struct box b;
	struct stat st;

	(void)state;
	shim_reset();
	box_new_mbox(&b);
	check(snprintf(dir, sizeof dir, "%s/d", b.top) > 0 && mkdir(dir, 0700) == 0);
	check(snprintf(to, sizeof to, "%s/d/link", b.top) > 0 && symlink("../mbox", to) == 0);
	box_write(&b, FROM "A: 1\n\nb\n\n" FROM "A: 2\n\nc\n\n");
	check(snprintf(url, sizeof url, "mbox:%s", to) > 0);
	check(maildrop_find(&b.md, slice_str(url), &b.setup, &b.why) == OK);
	check(maildrop_open(&b.md, &b.first, &b.why) == OK && b.md.index.count == 2);
	check(strcmp(b.md.name, "mbox") == 0);
	check(box_commit(&b, "d-", &out) == OK);
	check(lstat(to, &st) == 0 && S_ISLNK(st.st_mode)); /* what it leads to was changed */
	check(strcmp(box_mbox(&b), FROM "A: 2\n\nc\n\n") == 0);
	box_close(&b);
	check(chmod(dir, 0777) == 0);
	check(maildrop_find(&b.md, slice_str(url), &b.setup, &b.why) == ERR_PERM);
	check_row(0, b.why.text, strstr(b.why.text, "symbolic link"));
	check(chmod(dir, 0700) == 0 && unlink(to) == 0 && link(b.path, to) == 0);
	check(box_open(&b) == OK && stat(b.path, &st) == 0);
	ino_t ino = st.st_ino;

	check(box_commit(&b, "d", &out) == OK && out.deleted == 1);
	check(stat(b.path, &st) == 0 && st.st_ino == ino && st.st_size == 0 && st.st_nlink == 2);
	box_free(&b);
}

/* ---- commits ---- */

static const struct {
	const char *about, *marks, *left;
} commits[] = {
	{"the first", "d--", FROM "A: 2\n\nc\n\n" FROM "A: 3\n\nd\n\n"},
	{"the second", "-d-", FROM "A: 1\n\nb\n\n" FROM "A: 3\n\nd\n\n"},
	{"the last", "--d", FROM "A: 1\n\nb\n\n" FROM "A: 2\n\nc\n\n"},
	{"the first two", "dd-", FROM "A: 3\n\nd\n\n"},
	{"the outer ones", "d-d", FROM "A: 2\n\nc\n\n"},
	{"all", "ddd", ""},
};

static void test_commits(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(commits); i++) {
		char before[3][UIDL_MOST + 1], behind[3][UIDL_MOST + 1];
		struct outcome out;
		struct stat st, now;
		struct box b;
		uint32_t left = 0;

		shim_reset();
		box_new_mbox(&b);
		box_write(&b, FROM "A: 1\n\nb\n\n" FROM "A: 2\n\nc\n\n" FROM "A: 3\n\nd\n\n");
		check(chmod(b.path, 0640) == 0 && stat(b.path, &st) == 0);
		check(box_open(&b) == OK && b.md.index.count == 3);
		read_uidls(&b, before);
		check_row(i, b.why.text, box_commit(&b, commits[i].marks, &out) == OK && out.failed == 0);
		check_row(i, box_mbox(&b), strcmp(box_mbox(&b), commits[i].left) == 0);
		check(stat(b.path, &now) == 0 && now.st_mode == st.st_mode && now.st_uid == st.st_uid);
		check_row(i, "no lock is left", !is_beside(&b, "mbox.lock") && !is_beside(&b, ".mbox.new"));
		check_row(i, commits[i].about, box_open(&b) == OK);
		read_uidls(&b, behind);
		for (uint32_t k = 0; k < 3; k++)
			if (commits[i].marks[k] == '-')
				check_row(i, commits[i].about, strcmp(before[k], behind[left++]) == 0);
		check_row(i, commits[i].about, b.md.index.count == left);
		box_free(&b);
	}
}

/* What others do to the file between open and commit. */
static const struct {
	const char *about, *behind; /* how the file is then */
	const char *marks, *left;
	uint32_t failed;
} races[] = {
	{"appended to", FROM "A: 1\n\nb\n\n" FROM "A: 2\n\nc\n\n" FROM "A: 3\n\n\n", "d-",
	 FROM "A: 2\n\nc\n\n" FROM "A: 3\n\n\n", 0},
	{"headers written", FROM "A: 1\nStatus: RO\n\nb\n\n" FROM "A: 2\nStatus: O\n\nc\n\n", "d-",
	 FROM "A: 2\nStatus: O\n\nc\n\n", 0},
	{"in another order", FROM "A: 2\n\nc\n\n" FROM "A: 1\n\nb\n\n", "d-", FROM "A: 2\n\nc\n\n", 0},
	{"one put before", FROM "A: 0\n\nz\n\n" FROM "A: 1\n\nb\n\n" FROM "A: 2\n\nc\n\n", "d-",
	 FROM "A: 0\n\nz\n\n" FROM "A: 2\n\nc\n\n", 0},
	{"another in its place", FROM "A: 9\n\nb\n\n" FROM "A: 2\n\nc\n\n", "d-",
	 FROM "A: 9\n\nb\n\n" FROM "A: 2\n\nc\n\n", 1},
	{"another of its length, and grown", FROM "A: 9\n\nb\n\n" FROM "A: 2\n\nc\n\n" FROM "A: 3\n\n", "dd",
	 FROM "A: 9\n\nb\n\n" FROM "A: 3\n\n", 1},
	{"removed", FROM "A: 2\n\nc\n\n", "dd", "", 1},
	{"emptied", "", "dd", "", 2},
	{"the last one goes on", FROM "A: 1\n\nb\n\n" FROM "A: 2\n\nc\n\nd\n\n", "-d",
	 FROM "A: 1\n\nb\n\n" FROM "A: 2\n\nc\n\nd\n\n", 1},
};

static void test_races(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(races); i++) {
		struct outcome out;
		struct box b;

		shim_reset();
		box_new_mbox(&b);
		box_write(&b, FROM "A: 1\n\nb\n\n" FROM "A: 2\n\nc\n\n");
		check(box_open(&b) == OK && b.md.index.count == 2);
		box_write(&b, races[i].behind);
		enum err err = box_commit(&b, races[i].marks, &out);

		check_row(i, races[i].about, (err == OK) == (races[i].failed == 0));
		check_row(i, races[i].about, out.failed == races[i].failed);
		check_row(i, races[i].about, strcmp(box_mbox(&b), races[i].left) == 0);
		box_free(&b);
	}
}

/* A change that no sample shows, in a file that grew: no wrong message is sent, and none deleted. */
static void test_change_between_samples(void **state)
{
	static char file[16 * 1024];
	struct buf out = BUF(file);
	struct outcome outcome;
	struct box b;

	(void)state;
	for (int i = 0; i < 3; i++) {
		buf_str(&out, FROM "A: 1\n\n");
		for (int k = 0; k < 3000; k++)
			buf_char(&out, (char)('a' + i));
		buf_str(&out, "\n\n");
	}
	buf_char(&out, '\0');
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, file);
	check(box_open(&b) == OK && b.md.index.count == 3);
	memset(strchr(file, 'b') + 500, 'z', 100); /* of 3000; samples are at 0, a third, two thirds and the end */
	box_write(&b, file);
	box_append(&b, FROM "A: 4\n\n");
	check(strcmp(box_text(&b, 1), "") == 0 && box_text(&b, 2)[6] == 'c');
	check(box_commit(&b, "dd-", &outcome) != OK && outcome.deleted == 1 && outcome.failed == 1);
	check(!strstr(box_mbox(&b), "aaa") && strstr(box_mbox(&b), "zzz") && strstr(box_mbox(&b), "A: 4"));
	box_free(&b);
}

/* Another program has the mailbox: nothing is done, and another attempt is worth it. */
static void test_locked(void **state)
{
	struct outcome out;
	struct box b;
	char lock[128];
	FILE *f;

	(void)state;
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, FROM "A: 1\n\nb\n\n");
	check(box_open(&b) == OK);
	check(snprintf(lock, sizeof lock, "%s.lock", b.path) > 0);
	f = fopen(lock, "w"); /* an empty one is nobody's, and not stale */
	check(f != NULL && fclose(f) == 0);
	check(box_commit(&b, "d", &out) == ERR_IN_USE && out.deleted == 0 && out.failed == 1);
	check(strcmp(box_mbox(&b), FROM "A: 1\n\nb\n\n") == 0);
	box_close(&b);
	box_append(&b, FROM "A: 2\n\nb\n\n");
	check(box_open(&b) == ERR_IN_USE);
	check(unlink(lock) == 0);
	check(box_open(&b) == OK && b.md.index.count == 2);
	check(box_commit(&b, "d-", &out) == OK && out.deleted == 1);
	box_free(&b);
}

/* A deliverer that has locked the mailbox is in the middle of its first From_ line: busy, not damaged. */
static void test_begun(void **state)
{
	struct box b;
	char lock[128];

	(void)state;
	shim_reset();
	box_new_mbox(&b);
	box_write(&b, "F");
	check(snprintf(lock, sizeof lock, "%s.lock", b.path) > 0);
	FILE *f = fopen(lock, "w");

	check(f != NULL && fclose(f) == 0);
	check(box_open(&b) == ERR_IN_USE);
	box_write(&b, FROM "A: 1\n\nb\n\n");
	check(unlink(lock) == 0);
	check(box_open(&b) == OK && b.md.index.count == 1);
	box_free(&b);
}

/* A message is there while the next one is being appended: body takes no lock. */
static void test_append_under_way(void **state)
{
	static const char *const begun[] = {"F", "From a@exa", FROM, FROM "A: 2\n\nb"};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(begun); i++) {
		struct box b;

		shim_reset();
		box_new_mbox(&b);
		box_write(&b, FROM "A: 1\n\nb\n\n");
		check(box_open(&b) == OK);
		box_append(&b, begun[i]);
		char text[256];
		struct buf out = BUF(text);
		struct body body;
		uint32_t count;

		check_row(i, begun[i],
			  maildrop_fetch(&b.md, 1, sizeof text, &out, &count, &body, &b.why) == OK &&
				  slice_eq(buf_slice(&out), SLICE("A: 1\n\nb\n")));
		box_free(&b);
	}
}

/* What a killed worker has left, the next session takes away, though it needs no lock; what somebody holds it leaves, and goes on. */
static void test_left_lock(void **state)
{
	static const struct {
		const char *says;
		bool stays;
		enum err
			err; /* one of a process that runs may be a session of Mailutils; one without a number is a deliverer's */
	} locks[] = {{"2147483646\n", false, OK}, {"", true, OK}, {"1\n", true, ERR_IN_USE}};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(locks); i++) {
		struct box b;
		char lock[128];

		shim_reset();
		box_new_mbox(&b);
		box_write(&b, FROM "A: 1\n\nb\n\n");
		shim.later_s = 10; /* so that the index is believed */
		check(box_open(&b) == OK);
		box_close(&b);
		check(snprintf(lock, sizeof lock, "%s.lock", b.path) > 0);
		FILE *f = fopen(lock, "w");

		check(f != NULL && fputs(locks[i].says, f) >= 0 && fclose(f) == 0);
		check_row(i, locks[i].says, box_open(&b) == locks[i].err);
		check_row(i, locks[i].says, locks[i].err != OK || b.md.index.count == 1);
		check_row(i, locks[i].says, (access(lock, F_OK) == 0) == locks[i].stays);
		box_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_lines),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_line_over_the_end_of_a_window),
		cmocka_unit_test(test_header_over_the_end_of_a_window),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_fetch_of_many),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_uidl_is_for_ever),
		cmocka_unit_test(test_uidl_of_rewrites),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_xuidl),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_commit_reads_pieces),
		cmocka_unit_test(test_growth_reads_the_end_only),
		cmocka_unit_test(test_index_of_others),
		cmocka_unit_test(test_index_of_a_liar),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_commits),
		cmocka_unit_test(test_races),
		cmocka_unit_test(test_change_between_samples),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_begun),
		cmocka_unit_test(test_append_under_way),
		cmocka_unit_test(test_left_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
