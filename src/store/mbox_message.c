/* store/mbox_message.c - what is to be known of one message of an mbox: sizes, checksum, identity. See mbox.h
 *
 * The header is looked at line by line, the body only counted and checksummed: most octets of a mailbox are in bodies. */
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "store/mbox.h"
#include "store/uidl.h"

/* With their colons. The list is part of the identity of messages, and must never change. */
static const char *const rewritten[] = {
	"Status:",     "X-Status:", "X-Keywords:",         "X-UID:",          "X-IMAP:",
	"X-IMAPbase:", "X-UIDL:",   "X-Expire-Timestamp:", "Content-Length:", "Lines:",
};

static bool is_named(struct slice line, const char *name)
{
	size_t n = strlen(name);

	return line.n >= n && strncasecmp(line.p, name, n) == 0;
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
static void keep_xuidl(struct mbox_message *m, struct slice line)
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
static void look_at(struct mbox_message *m, struct slice line)
{
	if (is_named(line, "X-UIDL:"))
		keep_xuidl(m, line);
	m->imap |= is_named(line, "X-IMAP:") || is_named(line, "X-IMAPbase:");
	m->subject |= is_named(line, "Subject:") &&
		      memmem(line.p, line.n, "FOLDER INTERNAL DATA", sizeof "FOLDER INTERNAL DATA" - 1) != NULL;
}

bool mbox_message_begin(struct mbox_message *m, uint32_t rules, uint64_t pos)
{
	*m = (struct mbox_message){.rec.pos = pos};
	wire_init(&m->wire, rules, WIRE_ALL_LINES);
	return uidl_begin();
}

/* A line of the header, or the end of one that is very long, without LF. */
static void take_line(struct mbox_message *m, struct slice line, bool has_lf)
{
	bool begins = !m->in_line, continues = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');

	m->in_line = !has_lf;
	line.n -= has_lf && line.n > 0 && line.p[line.n - 1] == '\r';
	if (begins && !continues) {
		m->skips = is_rewritten(line);
		look_at(m, line);
	}
	if (m->skips)
		return;
	uidl_feed(line);
	if (has_lf)
		uidl_feed(SLICE("\n"));
}

/* The header's part of a piece. What is behind is the body. */
static struct slice take_head(struct mbox_message *m, struct slice piece)
{
	struct slice rest = piece;

	while (!m->in_body && rest.n > 0) {
		bool begins = !m->in_line, has_lf = slice_find(rest, '\n') < rest.n;
		struct slice line = slice_take(&rest, '\n');

		m->in_body = begins && has_lf && (line.n == 0 || (line.n == 1 && line.p[0] == '\r'));
		if (!m->in_body)
			take_line(m, line, has_lf);
	}
	piece.n -= rest.n;
	m->head_crc = listing_crc(m->head_crc, piece);
	return rest;
}

static void take_body(struct mbox_message *m, struct slice piece)
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

void mbox_message_take(struct mbox_message *m, struct slice piece)
{
	wire_count(&m->wire, piece);
	m->rec.raw += piece.n;
	if (!m->in_body)
		piece = take_head(m, piece);
	if (piece.n > 0)
		take_body(m, piece);
}

bool mbox_message_end(struct mbox_message *m)
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

/* ---- X-UIDL ---- */

/* Which headers Mailutils had not written yet when it computed the hash: X-UIDL alone, or all of its own. */
static bool is_left_out(struct slice line, bool all)
{
	return is_named(line, "X-UIDL:") ||
	       (all && (is_named(line, "Status:") || is_named(line, "X-UID:") || is_named(line, "X-IMAPbase:")));
}

/* The header goes in line by line, the rest as it is. False: it cannot be read, or has no header that would fit. */
static bool hash_stored(EVP_MD_CTX *md5, const struct mbox_message *m, int fd, bool all)
{
	static char text[64 * 1024];
	uint64_t head = m->rec.raw - m->body;
	bool skips = false;

	if (head > sizeof text || pread(fd, text, head, (off_t)m->rec.pos) != (ssize_t)head)
		return false;
	for (struct slice rest = {text, head}; rest.n > 0;) {
		struct slice line = rest;

		slice_take(&rest, '\n');
		line.n -= rest.n;
		if (line.p[0] != ' ' && line.p[0] != '\t')
			skips = is_left_out(line, all);
		if (!skips && EVP_DigestUpdate(md5, line.p, line.n) != 1)
			return false;
	}
	for (uint64_t done = 0; done < m->body;) {
		size_t want = m->body - done < sizeof text ? (size_t)(m->body - done) : sizeof text;
		ssize_t got = pread(fd, text, want, (off_t)(m->rec.pos + head + done));

		if (got <= 0 || EVP_DigestUpdate(md5, text, (size_t)got) != 1)
			return false;
		done += (uint64_t)got;
	}
	return true;
}

bool mbox_xuidl_is_right(const struct mbox_message *m, int fd)
{
	static EVP_MD_CTX *md5;
	unsigned char digest[EVP_MAX_MD_SIZE];
	char digits[MD5_DIGITS + 1] = "";
	bool right = false;

	if (!md5)
		md5 = EVP_MD_CTX_new();
	for (int all = 0; md5 && all <= 1 && !right; all++)
		if (EVP_DigestInit_ex2(md5, EVP_md5(), NULL) == 1 && hash_stored(md5, m, fd, all) &&
		    EVP_DigestFinal_ex(md5, digest, NULL) == 1) {
			uidl_hex(digits, digest, MD5_DIGITS / 2);
			right = memcmp(digits, m->xuidl, MD5_DIGITS) == 0;
		}
	return right;
}
