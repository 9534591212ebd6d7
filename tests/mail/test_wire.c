/* tests/mail/test_wire.c - what RETR and TOP send of what is stored
 *
 * A table of facts first; then random messages, cut at random and put through small buffers, against an
 * implementation that is too plain to be wrong. */
#include "mail/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#define ALL WIRE_ALL_LINES
#define TEXT(literal)                                                                                                  \
	{                                                                                                              \
		(literal), sizeof(literal) - 1                                                                         \
	}

static const struct fact {
	const char *about;
	struct slice stored;
	uint32_t rules;
	uint64_t body_lines;
	struct slice sent; /* dot-stuffed */
	uint64_t octets, lines;
} facts[] = {
	{"nothing", TEXT(""), 7, ALL, TEXT(""), 0, 0},
	{"LF", TEXT("A: b\n\nc\n"), 7, ALL, TEXT("A: b\r\n\r\nc\r\n"), 11, 3},
	{"CRLF", TEXT("A: b\r\n\r\nc\r\n"), 7, ALL, TEXT("A: b\r\n\r\nc\r\n"), 11, 3},
	{"other CR", TEXT("A:\rb\r\r\n\n\rc\r\r"), 7, ALL, TEXT("A:\rb\r\r\n\r\n\rc\r\r\r\n"), 15, 3},
	{"NUL and 8 bit", TEXT("A: \0\xFF\n\n\0\x80\n"), 7, ALL, TEXT("A: \0\xFF\r\n\r\n\0\x80\r\n"), 13, 3},
	{"no last end", TEXT("A: b\n\nc"), 7, ALL, TEXT("A: b\r\n\r\nc\r\n"), 11, 3},
	{"no last end in the header", TEXT("A: b"), 7, ALL, TEXT("A: b\r\n"), 6, 1},
	{"no last end in a possible name", TEXT("A: b\nX-Sta"), 7, ALL, TEXT("A: b\r\nX-Sta\r\n"), 13, 2},
	{"CR at the end of the header", TEXT("A: b\n\r"), 7, ALL, TEXT("A: b\r\n\r\r\n"), 9, 2},
	{"no header", TEXT("\nc\n"), 7, ALL, TEXT("\r\nc\r\n"), 5, 2},
	{"header only", TEXT("A: b\n"), 7, ALL, TEXT("A: b\r\n"), 6, 1},
	{"dots", TEXT(".A: b\n..\n\n.\n..c\nd.\n."), 7, ALL, TEXT("..A: b\r\n...\r\n\r\n..\r\n...c\r\nd.\r\n..\r\n"),
	 28, 7},
	{"hidden", TEXT("A: b\nX-UIDL: 1\nSTATUS: RO\nB: c\n\nStatus: d\n"), 3, ALL,
	 TEXT("A: b\r\nB: c\r\n\r\nStatus: d\r\n"), 25, 4},
	{"hidden in Maildir", TEXT("X-UIDL: 1\nStatus: RO\nx-expire-timestamp:1\n\n"), WIRE_HIDE_UIDL, ALL,
	 TEXT("Status: RO\r\n\r\n"), 14, 2},
	{"nothing hidden", TEXT("X-UIDL: 1\nStatus: RO\n\n"), 0, ALL, TEXT("X-UIDL: 1\r\nStatus: RO\r\n\r\n"), 25, 3},
	{"hidden with continuation lines", TEXT("X-UID: 1\n 2\n\t3\r\n \nB: c\n d\n\n e\n"), 7, ALL,
	 TEXT("B: c\r\n d\r\n\r\n e\r\n"), 16, 4},
	{"hidden as the last line", TEXT("A: b\nX-IMAP: 1\n 2"), 7, ALL, TEXT("A: b\r\n"), 6, 1},
	{"hidden only", TEXT("X-IMAPbase: 1"), 7, ALL, TEXT(""), 0, 0},
	{"like hidden", TEXT("X-UIDLs: 1\nX-UID : 2\nX-Status-X: 3\nStatus\n\n"), 7, ALL,
	 TEXT("X-UIDLs: 1\r\nX-UID : 2\r\nX-Status-X: 3\r\nStatus\r\n\r\n"), 48, 5},
	{"hidden begun twice", TEXT("X-X-UID: 1\nSStatus: 2\n\n"), 7, ALL, TEXT("X-X-UID: 1\r\nSStatus: 2\r\n\r\n"), 26,
	 3},
	{"empty line behind hidden", TEXT("X-Keywords: 1\n\n\n"), 7, ALL, TEXT("\r\n\r\n"), 4, 2},
	{"From_", TEXT("A: b\n>From c\n\nFrom d\n>From e\n>>From f\n>Fromg\n> From h\n>>\n>Fro\n>>>.\n"), 4, ALL,
	 TEXT("A: b\r\n>From c\r\n\r\nFrom d\r\nFrom e\r\n>From f\r\n>Fromg\r\n> From h\r\n>>\r\n>Fro\r\n>>>.\r\n"), 76,
	 11},
	{"dots doubled", TEXT(".A: b\n\n..\n...c\n.d\ne\n.\r\n..f"), WIRE_UNDOT, ALL,
	 TEXT("..A: b\r\n\r\n..\r\n...c\r\nd\r\ne\r\n\r\n..f\r\n"), 29, 8},
	{"From_ of mboxo", TEXT("\nFrom d\n>From e\n>>From f\n>Fromg\n"), 8, ALL,
	 TEXT("\r\nFrom d\r\nFrom e\r\n>>From f\r\n>Fromg\r\n"), 36, 5},
	{"From_ at the end", TEXT("\n>From "), 4, ALL, TEXT("\r\nFrom \r\n"), 9, 2},
	{"nearly From_ at the end", TEXT("\n>>From"), 4, ALL, TEXT("\r\n>>From\r\n"), 10, 2},
	{"From_ elsewhere", TEXT("\n>From \n"), 3, ALL, TEXT("\r\n>From \r\n"), 10, 2},
	{"TOP 0", TEXT("A: b\n\nc\nd\n"), 7, 0, TEXT("A: b\r\n\r\n"), 8, 2},
	{"TOP 1", TEXT("A: b\n\nc\nd\n"), 7, 1, TEXT("A: b\r\n\r\nc\r\n"), 11, 3},
	{"TOP beyond", TEXT("A: b\n\nc\nd"), 7, 99999999, TEXT("A: b\r\n\r\nc\r\nd\r\n"), 14, 4},
	{"TOP counts empty lines", TEXT("A: b\n\n\n\nc\n"), 7, 2, TEXT("A: b\r\n\r\n\r\n\r\n"), 12, 4},
	{"TOP without body", TEXT("A: b\n\n"), 7, 0, TEXT("A: b\r\n\r\n"), 8, 2},
	{"TOP without empty line", TEXT("A: b\n"), 7, 0, TEXT("A: b\r\n"), 6, 1},
	{"TOP with CRLF", TEXT("A: b\r\n\r\n.c\r\nd\r\n"), 7, 1, TEXT("A: b\r\n\r\n..c\r\n"), 12, 3},
	{"TOP with From_", TEXT("\n>From a\n>From b\n"), 4, 1, TEXT("\r\nFrom a\r\n"), 10, 2},
};

/* Puts the message through in pieces of at most `piece` octets and a buffer with `room`. */
static size_t convert(struct wire *w, struct slice in, size_t piece, size_t room, char *sent)
{
	size_t len = 0;
	struct buf out = {.cap = room};

	for (;;) {
		struct slice part = {in.p, in.n < piece ? in.n : piece};

		/* A buffer of exactly this size, so that a sanitizer sees the first octet too many. */
		out.p = malloc(out.cap);
		out.len = 0;
		assert_non_null(out.p);
		size_t n = wire_put(w, part, &out);
		bool done = n == in.n && wire_end(w, &out);

		assert_true(n <= part.n && out.len <= out.cap);
		memcpy(sent + len, out.p, out.len);
		len += out.len;
		free(out.p);
		in = (struct slice){in.p + n, in.n - n};
		if (done)
			return len;
	}
}

static void test_facts(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (const struct fact *f = facts; f < facts + sizeof facts / sizeof *facts; f++)
		for (size_t piece = 1; piece <= f->stored.n + 1; piece++) {
			struct wire w, count;
			char sent[256];

			wire_init(&w, f->rules, f->body_lines);
			wire_init(&count, f->rules, f->body_lines);
			size_t n = convert(&w, f->stored, piece, 64 + piece, sent);

			for (size_t at = 0; at < f->stored.n; at += piece)
				wire_count(&count, (struct slice){f->stored.p + at,
								  piece < f->stored.n - at ? piece : f->stored.n - at});
			wire_count_end(&count);
			bool right = slice_eq((struct slice){sent, n}, f->sent) && w.octets == f->octets &&
				     w.lines == f->lines && count.octets == f->octets && count.lines == f->lines;

			if (!right)
				print_error("%s: pieces of %zu: %zu octets %.*s, counted %lu/%lu and %lu/%lu\n",
					    f->about, piece, n, (int)n, sent, w.octets, w.lines, count.octets,
					    count.lines);
			wrong += !right;
		}
	assert_int_equal(wrong, 0);
}

/* ---- the plain implementation: whole message, line by line ---- */

struct plain {
	char *sent;
	size_t len;
	uint64_t octets, lines;
};

static bool is_named(struct slice line, const char *name)
{
	size_t n = strlen(name);

	return line.n > n && strncasecmp(line.p, name, n) == 0 && line.p[n] == ':';
}

static bool is_hidden(struct slice line, uint32_t rules)
{
	static const char *const status[] = {"Status", "X-Status", "X-Keywords", "X-UID", "X-IMAP", "X-IMAPbase"};

	if (rules & WIRE_HIDE_UIDL && (is_named(line, "X-UIDL") || is_named(line, "X-Expire-Timestamp")))
		return true;
	for (size_t i = 0; rules & WIRE_HIDE_STATUS && i < sizeof status / sizeof *status; i++)
		if (is_named(line, status[i]))
			return true;
	return false;
}

static bool is_quoted(struct slice line, uint32_t rules)
{
	size_t n = 0, most = rules & WIRE_UNQUOTE ? SIZE_MAX : rules & WIRE_UNQUOTE_ONE ? 1 : 0;

	while (n < line.n && n < most && line.p[n] == '>')
		n++;
	return n > 0 && slice_starts((struct slice){line.p + n, line.n - n}, SLICE("From "));
}

static void plain_line(struct plain *p, struct slice line)
{
	if (line.n > 0 && line.p[0] == '.')
		p->sent[p->len++] = '.';
	memcpy(p->sent + p->len, line.p, line.n);
	memcpy(p->sent + p->len + line.n, "\r\n", 2);
	p->len += line.n + 2;
	p->octets += line.n + 2;
	p->lines++;
}

static void plain_convert(struct plain *p, struct slice in, uint32_t rules, uint64_t body_lines)
{
	bool body = false, hiding = false;

	while (in.n > 0) {
		bool ended = slice_find(in, '\n') < in.n;
		struct slice line = slice_take(&in, '\n');

		if (ended && line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (body && body_lines-- == 0)
			return;
		if (body && (rules & WIRE_UNDOT ? slice_starts(line, SLICE(".")) : is_quoted(line, rules)))
			line = (struct slice){line.p + 1, line.n - 1};
		hiding = !body &&
			 ((hiding && line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t')) || is_hidden(line, rules));
		if (!hiding)
			plain_line(p, line);
		if (line.n == 0)
			body = true;
	}
}

/* ---- random messages ---- */

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)seed * below) >> 32);
}

static size_t random_message(char *p, size_t most)
{
	static const char *const parts[] = {
		"\n",        "\n",        "\r\n",   "\r",     "\n\n",    ".",           "\n.",
		"From ",     ">",         ">From ", "\n>>",   "X-UIDL:", "X-UID: 1",    "Status:",
		"X-Status:", "\n ",       "\n\t",   "X-IMAP", "base:",   "x-keywords:", "X",
		"a",         "word word", "\nX-",   "\nStat", "us: R",   "\nSubject: ", "\xC3",
	};
	size_t n = 0, count = draw(draw(16) == 0 ? 4000 : 40); /* many: several blocks */

	while (count-- > 0) {
		const char *part = parts[draw(sizeof parts / sizeof *parts)];
		size_t len = draw(30) == 0 ? 1 + draw(300) : strlen(part); /* long lines: counted in blocks */

		if (len > most - n)
			break;
		if (len > strlen(part))
			memset(p + n, 'z', len);
		else
			memcpy(p + n, part, len);
		n += len;
	}
	return n;
}

/* Lines of one length, as base64 has them, but for an octet here and there. */
static size_t random_block(char *p, size_t most)
{
	size_t length = 20 + draw(100), n = (length + 1) * (2 + draw(20));

	if (n > most)
		return 0;
	for (size_t i = 0; i < n; i++)
		p[i] = i % (length + 1) == length ? '\n' : 'b';
	for (uint32_t odd = draw(4); odd > 0; odd--)
		p[draw((uint32_t)n)] = "\n\r.>b"[draw(5)];
	return n;
}

static size_t random_mail(char *p, size_t most)
{
	size_t n = random_message(p, most);

	n += random_block(p + n, most - n);
	return n + random_message(p + n, most - n);
}

static void test_any_cut(void **state)
{
	static char stored[32 * 1024], sent[3 * sizeof stored], expected[3 * sizeof stored];

	(void)state;
	for (uint32_t round = 0; round < 20000; round++) {
		uint32_t start = seed, rules = draw(WIRE_RULES + 1); /* no format both quotes and doubles dots */
		uint64_t body_lines = draw(2) ? ALL : draw(8);
		struct slice in = {stored, random_mail(stored, sizeof stored)};
		struct plain p = {.sent = expected};
		struct wire w, count;

		if (rules & WIRE_UNDOT)
			rules &= ~(uint32_t)(WIRE_UNQUOTE | WIRE_UNQUOTE_ONE);
		plain_convert(&p, in, rules, body_lines);
		wire_init(&w, rules, body_lines);
		wire_init(&count, rules, body_lines);
		size_t n = convert(&w, in, 1 + draw(1000), 64 + draw(1000), sent);

		while (in.n > 0) {
			size_t piece = 1 + draw((uint32_t)in.n);

			wire_count(&count, (struct slice){in.p, piece});
			in = (struct slice){in.p + piece, in.n - piece};
		}
		wire_count_end(&count);
		bool right = slice_eq((struct slice){sent, n}, (struct slice){expected, p.len}) &&
			     w.octets == p.octets && w.lines == p.lines && count.octets == p.octets &&
			     count.lines == p.lines;

		if (!right)
			print_error("seed %u\n", start);
		assert_true(right);
	}
}

/* A TOP says when it has enough, and does not say so before. */
static void test_full(void **state)
{
	char room[256];
	struct buf out = BUF(room);
	struct wire w;

	(void)state;
	wire_init(&w, WIRE_HIDE_UIDL, 1);
	assert_int_equal(wire_put(&w, SLICE("A: b\n\n"), &out), 6);
	assert_false(wire_is_full(&w));
	assert_int_equal(wire_put(&w, SLICE("c\nd\ne\n"), &out), 6); /* takes, and leaves out, what is too much */
	assert_true(wire_is_full(&w));
	assert_true(wire_end(&w, &out));
	assert_int_equal(out.len, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_any_cut),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
