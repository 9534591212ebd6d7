/* store/digest.c - see digest.h
 *
 * The header is looked at line by line, the body only counted and checksummed: most octets of a mailbox are in bodies. */
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "store/digest.h"
#include "store/marks.h"
#include "store/scan.h"

/* With their colons. The list is part of the identity of messages, and must never change. */
static const char *const rewritten[] = {
	"Status:",     "X-Status:", "X-Keywords:",         "X-UID:",          "X-IMAP:",
	"X-IMAPbase:", "X-UIDL:",   "X-Expire-Timestamp:", "Content-Length:", "Lines:",
};

static bool is_named(struct slice line, const char *name)
{
	return slice_starts_nocase(line, slice_str(name));
}

static bool is_rewritten(struct slice line)
{
	static const char first[] = "SsXxCcLl";

	if (line.n == 0 || !memchr(first, line.p[0], sizeof first - 1))
		return false;
	for (size_t i = 0; i < sizeof rewritten / sizeof *rewritten; i++)
		if (is_named(line, rewritten[i]))
			return true;
	return false;
}

/* Takes decimal digits and, where there is one, the dot behind them. */
static bool take_digits(struct slice *text)
{
	struct slice digits = slice_take(text, '.');

	for (size_t i = 0; i < digits.n; i++)
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
	return digits.n > 0;
}

enum { MD5_DIGITS = 32 };

/* MD5HEX.TIME.UID: what Mailutils writes. A header of another form is its sender's. */
static void keep_xuidl(struct digest *m, struct slice line)
{
	struct slice value = slice_trim((struct slice){line.p + 7, line.n - 7}), rest = value;
	struct slice md5 = slice_take(&rest, '.');
	bool is = md5.n == MD5_DIGITS && value.n <= UIDL_MOST && m->xuidl[0] == '\0';

	for (size_t i = 0; is && i < md5.n; i++)
		is = memchr("0123456789abcdef", md5.p[i], 16) != NULL;
	if (is && take_digits(&rest) && take_digits(&rest) && rest.n == 0)
		(void)slice_cstr(value, m->xuidl, sizeof m->xuidl);
}

/* Headers that say something about the message itself. */
static void look_at(struct digest *m, struct slice line)
{
	if (line.n == 0 || !memchr("XxSs", line.p[0], 4))
		return;
	if (is_named(line, "X-UIDL:"))
		keep_xuidl(m, line);
	if (marks_has(line))
		m->rec.flags |= MESSAGE_MARKED;
	if (is_named(line, STAMP_NAME) && !(m->rec.flags & STAMP_READ)) {
		m->rec.flags |= STAMP_READ;
		m->rec.stamp =
			stamp_parse((struct slice){line.p + sizeof STAMP_NAME - 1, line.n - (sizeof STAMP_NAME - 1)});
		m->stamped = true;
	}
	m->imap |= is_named(line, "X-IMAP:") || is_named(line, "X-IMAPbase:");
	m->subject |= is_named(line, "Subject:") &&
		      memmem(line.p, line.n, "FOLDER INTERNAL DATA", sizeof "FOLDER INTERNAL DATA" - 1) != NULL;
}

bool digest_share(void)
{
	(void)listing_crc_join(0, 0, UINT64_MAX); /* its tables, of all lengths */
	return uidl_begin();
}

bool digest_begin(struct digest *m, uint32_t rules, enum digest_lines lines, uint64_t pos)
{
	*m = (struct digest){.rec.pos = pos, .lines = lines};
	wire_init(&m->wire, rules, WIRE_ALL_LINES);
	return uidl_begin();
}

/* What other programs may rewrite is no part of it. */
static bool is_skipped(struct digest *m, struct slice line)
{
	bool begins = !m->in_line, continues = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');

	if (begins && !continues) {
		m->skips = is_rewritten(line);
		m->stamped = false;
		look_at(m, line);
	}
	if (m->stamped && (!begins || continues)) /* it goes on, and is no number */
		m->rec.stamp = 0;
	return m->skips;
}

/* Lines that follow each other as they are hashed go in one piece. */
struct run {
	const char *from;
	size_t n;
};

static void run_end(struct run *r)
{
	if (r->n > 0)
		uidl_feed((struct slice){r->from, r->n});
	r->n = 0;
}

static void run_add(struct run *r, const char *p, size_t n)
{
	if (r->n == 0 || r->from + r->n != p) {
		run_end(r);
		r->from = p;
	}
	r->n += n;
}

/* A line of the header, or the end of one that is very long, without LF. */
static void take_line(struct digest *m, struct slice line, bool has_lf, struct run *run)
{
	bool cr = has_lf && line.n > 0 && line.p[line.n - 1] == '\r';

	line.n -= cr;
	bool skipped = is_skipped(m, line);

	m->in_line = !has_lf;
	if (skipped)
		return;
	run_add(run, line.p, line.n + (has_lf && !cr));
	if (cr)
		run_add(run, line.p + line.n + 1, 1); /* the LF */
}

/* The header's part of a piece. What is behind is the body. */
static struct slice take_head(struct digest *m, struct slice piece)
{
	const char *p = piece.p, *end = piece.p + piece.n;
	struct run run = {0};

	while (!m->in_body && p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		struct slice line = {p, (size_t)((lf ? lf : end) - p)};

		m->in_body = !m->in_line && lf && (line.n == 0 || (line.n == 1 && line.p[0] == '\r'));
		if (!m->in_body)
			take_line(m, line, lf != NULL, &run);
		p = lf ? lf + 1 : end;
	}
	run_end(&run);
	piece.n = (size_t)(p - piece.p);
	m->head_crc = listing_crc(m->head_crc, piece);
	return (struct slice){p, (size_t)(end - p)};
}

static void take_body(struct digest *m, struct slice piece)
{
	size_t n = piece.n;

	while (n > 0 && (piece.p[n - 1] == '\n' || piece.p[n - 1] == '\r'))
		n--;
	m->body_crc = listing_crc(m->body_crc, (struct slice){piece.p, n});
	if (n > 0) {
		m->kept_crc = m->body_crc;
		m->kept = m->body + n;
	}
	m->body_crc = listing_crc(m->body_crc, (struct slice){piece.p + n, piece.n - n});
	m->body += piece.n;
}

void digest_take(struct digest *m, struct slice piece)
{
	wire_count(&m->wire, piece);
	m->rec.raw += piece.n;
	if (!m->in_body)
		piece = take_head(m, piece);
	if (piece.n > 0)
		take_body(m, piece);
}

bool digest_end(struct digest *m)
{
	char text[64];
	struct buf b = BUF(text);

	if (m->in_line && !m->skips)
		uidl_feed(SLICE("\n")); /* the end that the last line lacks */
	buf_char(&b, '\n');
	buf_u64(&b, m->kept);
	buf_char(&b, ' ');
	buf_u64(&b, m->kept_crc);
	uidl_feed(buf_slice(&b));
	wire_count_end(&m->wire);
	m->rec.octets = m->wire.octets;
	m->rec.lines = m->wire.lines < UINT32_MAX ? (uint32_t)m->wire.lines : UINT32_MAX;
	m->rec.crc = listing_crc_join(m->head_crc, m->body_crc, m->body);
	m->internal = m->subject && m->imap;
	return uidl_end(m->digits, &m->id);
}

/* ---- X-UIDL: MD5 of the message as Mailutils read it, without the From_ line, quoting undone, and before it added X-UIDL ---- */

/* Which of its other headers it had added in sessions before: X-UID and X-IMAPbase, Status, which has changed since, and the stamp, which we may have
 * written since. */
static const struct earlier {
	bool uid;
	const char *status; /* a line; NULL: as it is now */
	bool stamp;         /* X-Expire-Timestamp */
} earlier[] = {{false, "", true},
	       {true, NULL, true},
	       {false, NULL, true},
	       {true, "Status: O\n", true},
	       {false, "Status: O\n", true},
	       {false, "", false},
	       {true, NULL, false},
	       {false, NULL, false},
	       {true, "Status: O\n", false},
	       {false, "Status: O\n", false}};

static struct slice earlier_line(const struct earlier *e, struct slice line)
{
	if (is_named(line, "X-UIDL:") || (!e->stamp && is_named(line, STAMP_NAME)) ||
	    (!e->uid && (is_named(line, "X-UID:") || is_named(line, "X-IMAPbase:"))))
		return SLICE("");
	return e->status && is_named(line, "Status:") ? slice_str(e->status) : line;
}

/* It writes the numbers of X-IMAPbase in columns, and hashes them without the blanks before the first. */
static struct slice columns_skip(EVP_MD_CTX *md5, struct slice line, bool *ok)
{
	const struct slice name = SLICE("X-IMAPbase: ");
	size_t n = name.n;

	if (!is_named(line, name.p))
		return line;
	while (n < line.n && line.p[n] == ' ')
		n++;
	*ok = EVP_DigestUpdate(md5, name.p, name.n) == 1;
	return (struct slice){line.p + n, line.n - n};
}

static char stored[64 * 1024];

static bool hash_head(EVP_MD_CTX *md5, const struct digest *m, int fd, const struct earlier *e)
{
	uint64_t head = m->rec.raw - m->body;

	if (head > sizeof stored || pread(fd, stored, head, (off_t)m->rec.pos) != (ssize_t)head)
		return false;
	for (struct slice rest = {stored, head}; rest.n > 0;) {
		struct slice line = rest;

		slice_take(&rest, '\n');
		line.n -= rest.n;
		bool ok = true;

		line = columns_skip(md5, earlier_line(e, line), &ok);
		if (!ok || EVP_DigestUpdate(md5, line.p, line.n) != 1)
			return false;
	}
	return true;
}

/* Has an octet at its start that it had not when it came. */
static bool is_quoted(enum digest_lines lines, struct slice line)
{
	size_t n = 0;

	if (lines != DIGEST_QUOTED)
		return lines == DIGEST_DOTTED && slice_starts(line, SLICE("."));

	while (n < line.n && line.p[n] == '>')
		n++;
	return n > 0 && slice_starts((struct slice){line.p + n, line.n - n}, SLICE("From "));
}

/* Lines that begin in this piece: at its start only if *starts. */
static bool hash_lines(EVP_MD_CTX *md5, enum digest_lines lines, struct slice piece, bool *starts)
{
	while (piece.n > 0) {
		struct slice line = piece;
		bool ended = slice_find(piece, '\n') < piece.n;

		slice_take(&piece, '\n');
		line.n -= piece.n;
		size_t less = *starts && is_quoted(lines, line);

		*starts = ended;
		if (EVP_DigestUpdate(md5, line.p + less, line.n - less) != 1)
			return false;
	}
	return true;
}

static bool hash_body(EVP_MD_CTX *md5, const struct digest *m, int fd)
{
	uint64_t at = m->rec.pos + m->rec.raw - m->body, end = m->rec.pos + m->rec.raw;
	bool starts = true;

	while (at < end) {
		size_t want = end - at < sizeof stored ? (size_t)(end - at) : sizeof stored;
		ssize_t got = pread(fd, stored, want, (off_t)at);

		if (got <= 0)
			return false;
		const char *lf = at + (uint64_t)got < end ? memrchr(stored, '\n', (size_t)got) : NULL;
		size_t n = lf ? (size_t)(lf - stored) + 1 : (size_t)got; /* whole lines, unless one is very long */

		if (!hash_lines(md5, m->lines, (struct slice){stored, n}, &starts))
			return false;
		at += n;
	}
	return true;
}

bool digest_xuidl_is_right(const struct digest *m, int fd)
{
	static EVP_MD_CTX *md5;
	unsigned char digest[EVP_MAX_MD_SIZE];
	char digits[MD5_DIGITS + 1] = "";
	bool right = false;

	if (!md5)
		md5 = EVP_MD_CTX_new();
	for (size_t i = 0; md5 && i < sizeof earlier / sizeof *earlier && !right; i++)
		if (EVP_DigestInit_ex2(md5, EVP_md5(), NULL) == 1 && hash_head(md5, m, fd, &earlier[i]) &&
		    hash_body(md5, m, fd) && EVP_DigestFinal_ex(md5, digest, NULL) == 1) {
			uidl_hex(digits, digest, MD5_DIGITS / 2);
			right = memcmp(digits, m->xuidl, MD5_DIGITS) == 0;
		}
	return right;
}
