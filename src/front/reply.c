/* front/reply.c - see reply.h */
#include "front/reply.h"

#include <string.h>

#include "front/view.h"

static const struct {
	const char *code, *text;
} answers[ERR_COUNT] = {
	/* fetchmail looks for "wait" before it tries again later. */
	[ERR_TEMP] = {"[SYS/TEMP]", "Service temporarily unavailable, please wait and try again"},
	[ERR_PERM] = {"[SYS/PERM]", "Cannot authenticate"},
	[ERR_AUTH] = {"[AUTH]", "Bad login"},
	[ERR_IN_USE] = {"[IN-USE]", "Mailbox in use"},
	[ERR_LOCKED] = {"[SYS/TEMP]", "Too many wrong passwords, please wait and try again later"},
	[ERR_DELAY] = {"[LOGIN-DELAY]", "Attempt to log in within the minimum login delay interval"},
};

static void put_line(struct buf *out, const char *head, const char *text)
{
	buf_str(out, head);
	if (text[0] != '\0')
		buf_char(out, ' ');
	buf_str(out, text);
	buf_str(out, "\r\n");
}

void reply_ok(struct buf *out, const char *text)
{
	put_line(out, "+OK", text);
}

void reply_err(struct buf *out, const char *text)
{
	put_line(out, "-ERR", text);
}

static void put_code(struct buf *out, enum err err, const char *text)
{
	buf_str(out, "-ERR ");
	put_line(out, answers[err].code, text);
}

const char *reply_code_text(enum err err)
{
	return answers[err].code;
}

void reply_code(struct buf *out, enum err err)
{
	put_code(out, err, answers[err].text);
}

void reply_denial(struct buf *out, enum err err, bool maildrop)
{
	put_code(out, err, maildrop && err == ERR_PERM ? "Mailbox cannot be opened" : answers[err].text);
}

void reply_unreadable(struct buf *out, enum err err)
{
	if (err == ERR_PERM)
		put_code(out, err, "Mailbox cannot be read");
	else
		reply_code(out, ERR_TEMP);
}

void reply_not_removed(struct buf *out, enum err err)
{
	put_code(out, err == ERR_PERM ? err : ERR_TEMP, "Some deleted messages not removed");
}

void reply_number(struct buf *out, const char *before, uint64_t n, const char *after)
{
	buf_str(out, "+OK ");
	buf_str(out, before);
	buf_u64(out, n);
	buf_str(out, after);
	buf_str(out, "\r\n");
}

void reply_numbers(struct buf *out, const char *before, uint64_t n, const char *between, uint64_t m, const char *after)
{
	buf_str(out, "+OK ");
	buf_str(out, before);
	buf_u64(out, n);
	buf_str(out, between);
	buf_u64(out, m);
	buf_str(out, after);
	buf_str(out, "\r\n");
}

/* --- lines of listings: so many of them, that they are put where they go, octet by octet -------------------------- */

/* "+OK ", three numbers or one and a unique-id, blanks, the line's end. */
enum { LISTING_LINE_MOST = 4 + 3 * 20 + UIDL_MOST + 4 };

static char *put_text(char *at, struct slice text)
{
	if (text.n > 0)
		memcpy(at, text.p, text.n);
	return at + text.n;
}

static char *put_number(char *at, uint64_t n)
{
	uint64_t above = 10; /* a power of ten */
	unsigned digits = 1;

	for (; digits < 20 && n >= above; above *= 10)
		digits++;
	for (char *p = at + digits; p > at; n /= 10)
		*--p = (char)('0' + n % 10);
	return at + digits;
}

/* Where a line for message msgno goes on; NULL: no room. */
static char *begin_line(const struct buf *out, struct slice before, uint32_t msgno)
{
	if (out->cap - out->len < LISTING_LINE_MOST)
		return NULL;
	char *at = put_number(put_text(out->p + out->len, before), msgno);

	*at++ = ' ';
	return at;
}

static bool end_line(struct buf *out, char *at)
{
	*at++ = '\r';
	*at++ = '\n';
	out->len = (size_t)(at - out->p);
	return true;
}

bool reply_scan_line(struct buf *out, struct slice before, uint32_t msgno, const struct message *m, bool with_lines)
{
	char *at = begin_line(out, before, msgno);

	if (!at)
		return false;
	at = put_number(at, m->octets);
	if (with_lines) {
		*at++ = ' ';
		at = put_number(at, m->lines);
	}
	return end_line(out, at);
}

bool reply_uidl_line(struct buf *out, struct slice before, uint32_t msgno, const struct message *m)
{
	char *at = begin_line(out, before, msgno);

	return at && end_line(out, put_text(at, m->uidl));
}
