/* mail/wire.c - see wire.h
 *
 * A state machine with one step per state. A step takes what it can from the front of the input, at least one
 * octet or a change of state. Only the first octets of a line are looked at one by one; its text is found and copied whole. */
#include "mail/wire.h"

#include <string.h>
#include <strings.h>

#include "mail/lanes.h"

enum {
	ROOM_LEAST = 64, /* of out, for one step: a held name, a stuffed dot, a line's end */
	STEP_ROOM = 4,   /* of out, that a step keeps back for CR, CRLF and a dot */
};

enum state {
	HEAD_START,  /* at a line of the header; `held` has its first octets while they may be a hidden name */
	HIDDEN,      /* in a line that is left out */
	HIDDEN_NEXT, /* behind one: a continuation line is left out, too */
	BODY_START,  /* at a line of the body */
	QUOTE,       /* behind a > at its start: one > is held back, and held_len octets of "From " */
	UNDOTTED,    /* behind a dot at its start that is left out */
	TEXT,        /* behind the start of a line */
	TEXT_CR,     /* behind a CR in it, which is held back */
	FULL,        /* a TOP that has all its lines */
};

static const struct hidden {
	const char *name; /* with its colon */
	uint32_t rule;
} hidden[] = {
	{"X-UIDL:", WIRE_HIDE_UIDL},     {"X-Expire-Timestamp:", WIRE_HIDE_UIDL}, {"Status:", WIRE_HIDE_STATUS},
	{"X-Status:", WIRE_HIDE_STATUS}, {"X-Keywords:", WIRE_HIDE_STATUS},       {"X-UID:", WIRE_HIDE_STATUS},
	{"X-IMAP:", WIRE_HIDE_STATUS},   {"X-IMAPbase:", WIRE_HIDE_STATUS},
};

static const char from[] = "From ";

/* Whether they are the same but for case, where `name` is a letter. */
static bool is_letter(char c, char name)
{
	return ((c ^ name) & ~('a' - 'A')) == 0;
}

/* What a hidden name can begin with: most lines of a header are no more than this apart from one. */
static const char hidden_first[] = "XxSs";

void wire_init(struct wire *w, uint32_t rules, uint64_t body_lines)
{
	*w = (struct wire){.rules = rules, .body_left = body_lines, .state = HEAD_START};
}

/* Without `out` the octets are only counted. */
static void emit(struct wire *w, struct buf *out, const char *p, size_t n)
{
	w->octets += n;
	if (out && n > 0) {
		memcpy(out->p + out->len, p, n);
		out->len += n;
	}
}

/* Dot-stuffing is not counted (RFC 1939, section 11). */
static void stuff_dot(struct buf *out)
{
	if (out)
		out->p[out->len++] = '.';
}

static void end_line(struct wire *w, struct buf *out)
{
	emit(w, out, "\r\n", 2);
	w->lines++;
	if (!w->in_body)
		w->state = HEAD_START;
	else
		w->state = --w->body_left > 0 ? BODY_START : FULL;
}

/* The empty line behind the header. */
static void end_head(struct wire *w, struct buf *out)
{
	end_line(w, out);
	w->in_body = true;
	w->held_len = 0;
	w->state = w->body_left > 0 ? BODY_START : FULL;
}

static void release_held(struct wire *w, struct buf *out)
{
	emit(w, out, w->held, w->held_len);
	w->held_len = 0;
	w->state = TEXT;
}

enum match { MATCH_NO, MATCH_SO_FAR, MATCH };

/* Whether `held` and `c` behind it are, or begin, a name that is left out (RFC 5322: case does not matter). */
static enum match match_hidden(const struct wire *w, char c)
{
	size_t n = w->held_len;

	if (n == 0 && !memchr(hidden_first, c, sizeof hidden_first - 1))
		return MATCH_NO;
	for (const struct hidden *h = hidden; h < hidden + sizeof hidden / sizeof *hidden; h++)
		if (h->rule & w->rules && strncasecmp(h->name, w->held, n) == 0 && strncasecmp(h->name + n, &c, 1) == 0)
			return h->name[n + 1] == '\0' ? MATCH : MATCH_SO_FAR;
	return MATCH_NO;
}

static size_t step_head_start(struct wire *w, struct slice in, struct buf *out)
{
	char c = in.p[0];
	bool after_cr = w->held_len == 1 && w->held[0] == '\r';

	if (c == '\n' && (w->held_len == 0 || after_cr)) {
		end_head(w, out);
		return 1;
	}
	enum match match = w->held_len == 0 && c == '\r' ? MATCH_SO_FAR : match_hidden(w, c);

	if (match == MATCH_SO_FAR) {
		w->held[w->held_len++] = c;
		return 1;
	}
	if (match == MATCH) {
		w->held_len = 0;
		w->state = HIDDEN;
		return 1;
	}
	if (w->held_len == 0 && c == '.')
		stuff_dot(out);
	release_held(w, out);
	return 0;
}

static size_t step_hidden(struct wire *w, struct slice in, struct buf *out)
{
	const char *nl = memchr(in.p, '\n', in.n);

	(void)out;
	if (!nl)
		return in.n;
	w->state = HIDDEN_NEXT;
	return (size_t)(nl - in.p) + 1;
}

static size_t step_hidden_next(struct wire *w, struct slice in, struct buf *out)
{
	(void)out;
	w->state = in.p[0] == ' ' || in.p[0] == '\t' ? HIDDEN : HEAD_START;
	return 0;
}

static bool unquotes(const struct wire *w)
{
	return w->rules & (WIRE_UNQUOTE | WIRE_UNQUOTE_ONE);
}

static size_t step_body_start(struct wire *w, struct slice in, struct buf *out)
{
	w->state = TEXT;
	if (in.p[0] == '.' && w->rules & WIRE_UNDOT) {
		w->state = UNDOTTED;
		return 1;
	}
	if (in.p[0] == '.')
		stuff_dot(out);
	if (in.p[0] != '>' || !unquotes(w))
		return 0;
	w->state = QUOTE;
	return 1;
}

static size_t step_undotted(struct wire *w, struct slice in, struct buf *out)
{
	w->state = TEXT;
	if (in.p[0] == '.')
		stuff_dot(out);
	return 0;
}

/* All > but one can go at once: which of them is left out makes no difference. */
static size_t step_quote(struct wire *w, struct slice in, struct buf *out)
{
	if (w->held_len == 0 && in.p[0] == '>' && w->rules & WIRE_UNQUOTE) {
		emit(w, out, ">", 1);
		return 1;
	}
	if (in.p[0] != from[w->held_len]) {
		emit(w, out, ">", 1);
		release_held(w, out);
		return 0;
	}
	w->held[w->held_len++] = in.p[0];
	if (w->held_len == sizeof from - 1)
		release_held(w, out);
	return 1;
}

/* As much of the line's text as there is and fits. */
static size_t step_text(struct wire *w, struct slice in, struct buf *out)
{
	size_t most = out && out->cap - out->len - STEP_ROOM < in.n ? out->cap - out->len - STEP_ROOM : in.n;
	const char *nl = memchr(in.p, '\n', most);
	size_t n = nl ? (size_t)(nl - in.p) : most;
	bool cr = n > 0 && in.p[n - 1] == '\r';

	emit(w, out, in.p, n - cr);
	if (nl)
		end_line(w, out);
	else
		w->state = cr ? TEXT_CR : TEXT;
	return nl ? n + 1 : n;
}

static size_t step_text_cr(struct wire *w, struct slice in, struct buf *out)
{
	if (in.p[0] == '\n') {
		end_line(w, out);
		return 1;
	}
	emit(w, out, "\r", 1);
	w->state = TEXT;
	return 0;
}

static size_t step_full(struct wire *w, struct slice in, struct buf *out)
{
	(void)w;
	(void)out;
	return in.n;
}

static size_t (*const steps[])(struct wire *w, struct slice in, struct buf *out) = {
	[HEAD_START] = step_head_start,
	[HIDDEN] = step_hidden,
	[HIDDEN_NEXT] = step_hidden_next,
	[BODY_START] = step_body_start,
	[QUOTE] = step_quote,
	[UNDOTTED] = step_undotted,
	[TEXT] = step_text,
	[TEXT_CR] = step_text_cr,
	[FULL] = step_full,
};

/* Whether these octets begin a line that is sent, and does not end the header. False, too: there are too few to tell. */
static bool is_shown(const struct wire *w, const char *p, size_t n)
{
	if (*p == '\n' || *p == '\r' || n < sizeof w->held)
		return false;
	for (const struct hidden *h = hidden; h < hidden + sizeof hidden / sizeof *hidden; h++)
		if (h->rule & w->rules && is_letter(p[0], h->name[0]) && is_letter(p[2], h->name[2]) &&
		    strncasecmp(h->name, p, strlen(h->name)) == 0)
			return false;
	return true;
}

/* The bulk of a message: whole lines while they fit. What steps would do, without a call for each part of a line. Lines of base64 are as
 * long as the one before: where there is an end, none is looked for; that there is none before it is seen while it is copied. */
LANES_FUNCTION static size_t put_lines(struct wire *w, struct slice in, struct buf *out)
{
	const char *p = in.p, *end = in.p + in.n;
	char *o = out->p + out->len, *o_end = out->p + out->cap;
	bool body = w->in_body, quotes = unquotes(w), undots = body && w->rules & WIRE_UNDOT;
	uint64_t lines = 0, most = body ? w->body_left : UINT64_MAX;
	size_t stuffed = 0, usual = 0;

	while (p < end && lines < most && (body ? !(quotes && *p == '>') : is_shown(w, p, (size_t)(end - p)))) {
		size_t left = (size_t)(end - p), room = (size_t)(o_end - o);
		bool is_copied = usual >= LANES && usual < left && usual + STEP_ROOM <= room && p[usual] == '\n' &&
				 *p != '.' && lanes_copy_without(o, p, '\n', usual);
		const char *nl = is_copied ? p + usual : memchr(p, '\n', left);

		if (!nl || room < (size_t)(nl - p) + STEP_ROOM)
			break;
		usual = (size_t)(nl - p);
		p += undots && *p == '.';
		size_t n = (size_t)(nl - p);

		if (*p == '.') {
			*o++ = '.';
			stuffed++;
		}
		n -= n > 0 && nl[-1] == '\r';
		if (!is_copied)
			memcpy(o, p, n);
		memcpy(o + n, "\r\n", 2);
		o += n + 2;
		p = nl + 1;
		lines++;
	}
	w->lines += lines;
	w->body_left -= body ? lines : 0;
	w->octets += (size_t)(o - out->p) - out->len - stuffed;
	out->len = (size_t)(o - out->p);
	if (body && w->body_left == 0)
		w->state = FULL;
	return (size_t)(p - in.p);
}

static bool is_at_line(const struct wire *w)
{
	return w->state == BODY_START || (w->state == HEAD_START && w->held_len == 0);
}

size_t wire_put(struct wire *w, struct slice in, struct buf *out)
{
	size_t taken = 0;

	while (taken < in.n && out->cap - out->len >= ROOM_LEAST) {
		struct slice rest = {in.p + taken, in.n - taken};
		size_t n = is_at_line(w) ? put_lines(w, rest, out) : 0;

		taken += n > 0 ? n : steps[w->state](w, rest, out);
	}
	return taken;
}

static bool is_inside_line(const struct wire *w)
{
	return w->state == TEXT || w->state == TEXT_CR || w->state == QUOTE || w->state == UNDOTTED ||
	       (w->state == HEAD_START && w->held_len > 0);
}

static void end_message(struct wire *w, struct buf *out)
{
	if (!is_inside_line(w))
		return;
	if (w->state == TEXT_CR)
		emit(w, out, "\r", 1);
	if (w->state == QUOTE)
		emit(w, out, ">", 1);
	release_held(w, out);
	end_line(w, out);
}

bool wire_end(struct wire *w, struct buf *out)
{
	if (out->cap - out->len < ROOM_LEAST && is_inside_line(w))
		return false;
	end_message(w, out);
	return true;
}

bool wire_is_full(const struct wire *w)
{
	return w->state == FULL;
}

/* ---- counting ---- */

/* What of a body matters: its line ends, and lines that lose a >. */
struct ends {
	uint64_t lf, crlf, unquoted;
};

/* Whether the line at `p`, which begins with a > and has its end, loses one. */
static bool is_quoted(const char *p, uint32_t rules)
{
	do {
		p++;
	} while (*p == '>' && rules & WIRE_UNQUOTE);
	for (size_t i = 0; i < sizeof from - 1; i++)
		if (p[i] != from[i])
			return false;
	return true;
}

static void count_quoted(const char *p, size_t n, uint32_t rules, uint64_t *unquoted)
{
	for (size_t i = 0; i < n; i++)
		*unquoted += p[i] == '\n' && p[i + 1] == '>' && is_quoted(p + i + 1, rules);
}

/* LF, those of them that have a CR before them, and quoted lines, in p[1..n]; p[0] is what stands before. Where there may be quoted
 * lines, p[n] is the end of a line. */
LANES_FUNCTION static void count_pairs(const char *p, size_t n, uint32_t rules, struct ends *e)
{
	enum { BLOCK = 32 * LANES }; /* no lane counts beyond an octet */
	bool quotes = rules & (WIRE_UNQUOTE | WIRE_UNQUOTE_ONE);

	while (n >= LANES) {
		size_t block = n < BLOCK ? n - n % LANES : BLOCK;
		lanes lf = {0}, crlf = {0}, quoted = {0};

		for (size_t i = 0; i < block; i += LANES) {
			lanes before = *LANES_AT(p + i), now = *LANES_AT(p + i + 1), is_lf = now == '\n';

			lf -= is_lf;
			crlf -= is_lf & (before == '\r');
			quoted |= (before == '\n') & (now == '>');
		}
		e->lf += lanes_sum(&lf);
		e->crlf += lanes_sum(&crlf);
		if (quotes && lanes_any(&quoted))
			count_quoted(p, block, rules, &e->unquoted);
		n -= block;
		p += block;
	}
	for (size_t i = 0; i < n; i++) {
		e->lf += p[i + 1] == '\n';
		e->crlf += p[i + 1] == '\n' && p[i] == '\r';
	}
	if (quotes)
		count_quoted(p, n, rules, &e->unquoted);
}

/* Lines that begin with a dot, but for one at the start. */
static uint64_t count_dots(struct slice in)
{
	uint64_t n = 0;

	for (const char *p = in.p, *end = in.p + in.n; (p = memmem(p, (size_t)(end - p), "\n.", 2)); p++)
		n++;
	return n;
}

/* Takes what it can of a body and says how much: everything, where every line is sent as it is; else whole lines. `in` has an octet at
 * least, none is held back. */
static size_t count_body(struct wire *w, struct slice in)
{
	struct ends e = {.lf = in.p[0] == '\n'};

	if (unquotes(w)) {
		const char *nl = memrchr(in.p, '\n', in.n);

		if (!nl)
			return 0;
		in.n = (size_t)(nl - in.p) + 1;
		e.unquoted = w->state == BODY_START && in.p[0] == '>' && is_quoted(in.p, w->rules);
		count_pairs(in.p, in.n - 1, w->rules, &e);
	} else {
		count_pairs(in.p, in.n - 1, 0, &e);
	}
	if (w->rules & WIRE_UNDOT)
		e.unquoted += count_dots(in) + (w->state == BODY_START && in.p[0] == '.');
	char last = in.p[in.n - 1];

	w->octets += in.n + e.lf - e.crlf - e.unquoted - (last == '\r');
	w->lines += e.lf;
	w->state = last == '\n' ? BODY_START : last == '\r' ? TEXT_CR : TEXT;
	return in.n;
}

/* Lines of a header that are not hidden ones. */
static size_t count_head(struct wire *w, struct slice in)
{
	const char *p = in.p, *end = in.p + in.n;

	while (p < end && is_shown(w, p, (size_t)(end - p))) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		if (!lf)
			break;
		w->octets += (size_t)(lf - p) + (lf[-1] == '\r' ? 1 : 2);
		w->lines++;
		p = lf + 1;
	}
	return (size_t)(p - in.p);
}

/* What goes without a step for each part of a line. */
static size_t count_bulk(struct wire *w, struct slice in)
{
	if (w->state == HEAD_START && w->held_len == 0)
		return count_head(w, in);
	if (w->in_body && (w->state == BODY_START || w->state == TEXT))
		return count_body(w, in);
	return 0;
}

void wire_count(struct wire *w, struct slice in)
{
	bool whole = w->body_left > WIRE_ALL_LINES / 2; /* no message has so many lines */

	while (in.n > 0) {
		size_t n = whole ? count_bulk(w, in) : 0;

		if (n == 0)
			n = steps[w->state](w, in, NULL);
		in = (struct slice){in.p + n, in.n - n};
	}
}

void wire_count_end(struct wire *w)
{
	end_message(w, NULL);
}
