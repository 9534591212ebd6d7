/* store/bulletin_text.c - see bulletin_text.h
 *
 * It goes through mail/wire.h, as for a client: that knows what is hidden and how quoting is undone. What that adds, CR and dots, is taken away
 * again, and the lines are quoted for the maildrop. */
#include "store/bulletin_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/mbox.h"

enum { PIECE = 64 * 1024, HEAD_MOST = 64 * 1024 };

static char stored[PIECE], wired[PIECE], made[PIECE]; /* a process does one thing at a time */
static const char from_word[] = "From ";

struct writer {
	const struct bulletin_form *form;
	struct digest digest;
	size_t n;    /* in `made` */
	bool cr;     /* one was held back: it may be that of a line's end */
	bool line;   /* in a line; else at the beginning of one */
	bool dotted; /* a dot was taken away from this line */
	bool in_body;
	size_t octets;         /* of this line so far */
	bool held;             /* at the beginning of a line of the body, which may become a From_ line */
	size_t marks, letters; /* of it: > and those of `From ' */
};

/* ---- out ---- */

static void flush(struct writer *w)
{
	struct slice piece = {made, w->n};

	digest_take(&w->digest, piece);
	w->form->put(w->form->arg, piece);
	w->n = 0;
}

static void out(struct writer *w, char c)
{
	if (w->n == sizeof made)
		flush(w);
	made[w->n++] = c;
}

/* What was held back of a line, with one more mark where it is to be quoted. */
static void release(struct writer *w, bool quote)
{
	for (size_t i = 0; i < w->marks + quote; i++)
		out(w, '>');
	for (size_t i = 0; i < w->letters; i++)
		out(w, from_word[i]);
	w->held = false;
}

/* True: the octet was held back, or released. */
static bool hold(struct writer *w, char c)
{
	bool all = w->form->rules & WIRE_UNQUOTE; /* lines that have marks, too */

	if (c == '>' && w->letters == 0 && all) {
		w->marks++;
		return true;
	}
	if (c == from_word[w->letters]) {
		w->letters++;
		if (w->letters == sizeof from_word - 1)
			release(w, true);
		return true;
	}
	release(w, false);
	return false;
}

static void begin_line(struct writer *w)
{
	w->line = true;
	w->octets = 0;
	w->held = w->in_body && w->form->lines == DIGEST_QUOTED;
	w->marks = w->letters = 0;
}

/* An octet of the message, with LF for the end of a line. */
static void take(struct writer *w, char c)
{
	if (!w->line) {
		begin_line(w);
		if (c == '.' && w->in_body && w->form->lines == DIGEST_DOTTED)
			out(w, '.');
	}
	if (c != '\n' && w->held && hold(w, c)) {
		w->octets++;
		return;
	}
	if (w->held)
		release(w, false);
	out(w, c);
	if (c != '\n') {
		w->octets++;
		return;
	}
	w->in_body = w->in_body || w->octets == 0;
	w->line = false;
}

/* ---- in ---- */

/* What goes over the wire has a dot more before each line that begins with one, and CR before LF. */
static void unwire(struct writer *w, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (w->cr && c != '\n')
			take(w, '\r');
		w->cr = c == '\r';
		if (w->cr)
			continue;
		if (!w->line && c == '.' && !w->dotted) {
			w->dotted = true;
			continue;
		}
		w->dotted = false;
		take(w, c);
	}
}

static enum err changed(struct why *why)
{
	return fail(why, ERR_TEMP, "it is changed by another program");
}

static enum err copy(struct writer *w, const struct bulletin_reading *r, const struct body *b, uint32_t *crc,
		     struct why *why)
{
	struct wire wire;
	bool ended = false;

	wire_init(&wire, r->md.rules | WIRE_HIDE_UIDL | WIRE_HIDE_STATUS, WIRE_ALL_LINES);
	for (uint64_t at = 0; at < b->octets;) {
		size_t want = b->octets - at < sizeof stored ? (size_t)(b->octets - at) : sizeof stored;
		ssize_t got = pread(b->fd, stored, want, (off_t)(b->at + at));

		if (got < 0)
			return fail_errno(why, storage_err(errno), "read");
		if (got == 0)
			return changed(why);
		struct slice in = {stored, (size_t)got};

		*crc = listing_crc(*crc, in);
		at += in.n;
		while (in.n > 0) {
			struct buf room = BUF(wired);
			size_t n = wire_put(&wire, in, &room);

			in = (struct slice){in.p + n, in.n - n};
			unwire(w, buf_slice(&room));
		}
	}
	while (!ended) {
		struct buf room = BUF(wired);

		ended = wire_end(&wire, &room);
		unwire(w, buf_slice(&room));
	}
	return OK;
}

/* ---- From_ lines ---- */

/* That of the source, without its end; empty: it has none. */
static struct slice from_line(const struct bulletin_reading *r, uint32_t i, char text[static MBOX_FROM_MOST + 2])
{
	const struct listing_rec *rec = &r->scan.rec[i];
	uint64_t at = (uint64_t)r->scan.entry[i].at;
	size_t n = r->md.driver == &mbox_driver && rec->pos > at && rec->pos - at <= MBOX_FROM_MOST + 2
			   ? (size_t)(rec->pos - at)
			   : 0;

	if (n == 0 || pread(r->md.fd, text, n, (off_t)at) != (ssize_t)n)
		return (struct slice){0};
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	return mbox_is_from((struct slice){text, n}) ? (struct slice){text, n} : (struct slice){0};
}

static void put_from(const struct bulletin_reading *r, uint32_t i, const struct bulletin_form *form)
{
	char text[MBOX_FROM_MOST + 2], date[64];
	struct slice line = from_line(r, i, text);
	time_t now = time(NULL);
	struct tm tm;

	if (line.n == 0) {
		size_t n = gmtime_r(&now, &tm)
				   ? strftime(date, sizeof date, "From MAILER-DAEMON %a %b %e %H:%M:%S %Y", &tm)
				   : 0;

		line = (struct slice){date, n};
	}
	form->put(form->arg, line);
	form->put(form->arg, SLICE("\n"));
}

static enum err open_body(const struct bulletin_reading *r, uint32_t i, struct body *b, struct why *why)
{
	struct message m = {.rec = r->scan.rec[i], .entry = r->scan.entry[i]};

	(void)slice_cstr(scan_name(&r->scan, i), m.name, sizeof m.name);
	return r->md.driver->body(&r->md, &m, b, why);
}

enum err bulletin_write(const struct bulletin_reading *r, uint32_t i, const struct bulletin_form *form, uint64_t *key,
			struct why *why)
{
	struct writer w = {.form = form};
	struct body b;
	uint32_t crc = 0;

	if (!digest_begin(&w.digest, form->rules, form->lines, 0))
		return fail(why, ERR_TEMP, "no memory to deliver a bulletin");
	enum err err = open_body(r, i, &b, why);

	if (err != OK)
		return err;
	if (form->from_line)
		put_from(r, i, form);
	err = copy(&w, r, &b, &crc, why);
	close(b.fd);
	if (err == OK && crc != r->scan.rec[i].crc)
		err = changed(why);
	if (err != OK)
		return err;
	if (!w.in_body && form->lines == DIGEST_DOTTED) /* a dot ends a body only */
		take(&w, '\n');
	flush(&w);
	form->put(form->arg, form->end);
	*key = digest_end(&w.digest) ? w.digest.id : 0;
	return OK;
}

/* What ends a message of a mailbox in one file is no part of it. */
static bool has_end(const struct bulletin_reading *r, const struct body *b, const struct stat *st)
{
	uint64_t end = b->at + b->octets;
	char last;

	if (r->md.driver->in_one_file)
		return end < (uint64_t)st->st_size;
	return b->octets > 0 && pread(b->fd, &last, 1, (off_t)end - 1) == 1 && last == '\n';
}

bool bulletin_is_whole(const struct bulletin_reading *r, uint32_t i)
{
	struct stat st;
	struct body b;

	if (r->md.driver == &maildir_driver || (r->md.driver->in_one_file && i + 1 < r->scan.count) ||
	    open_body(r, i, &b, NULL) != OK)
		return true; /* or what is wrong is found out later */
	bool whole = fstat(b.fd, &st) < 0 || bulletin_is_calm(&st) || has_end(r, &b, &st);

	close(b.fd);
	return whole;
}

/* ---- dates ---- */

/* A date in C's words, whatever the locale: strptime(3) knows them in the one that is set, and nobody sets another. */
static bool parse_date(const char *text, const char *const forms[], size_t n, int64_t *seconds)
{
	for (size_t i = 0; i < n; i++) {
		struct tm tm = {0};

		if (!strptime(text, forms[i], &tm))
			continue;
		long zone = tm.tm_gmtoff;

		*seconds = (int64_t)timegm(&tm) - zone;
		return true;
	}
	return false;
}

static bool header_date(struct slice head, int64_t *seconds)
{
	static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S %z", "%d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M %z",
					    "%a, %d %b %Y %H:%M:%S"};

	while (head.n > 0) {
		struct slice line = slice_take(&head, '\n');
		char text[128];

		if (line.n == 0)
			break;
		if (line.n > 5 && slice_eq_nocase((struct slice){line.p, 5}, SLICE("Date:")) &&
		    slice_cstr(slice_trim((struct slice){line.p + 5, line.n - 5}), text, sizeof text))
			return parse_date(text, forms, sizeof forms / sizeof *forms, seconds);
	}
	return false;
}

/* Behind the sender. */
static bool from_date(struct slice line, int64_t *seconds)
{
	static const char *const forms[] = {"%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M %Y"};
	char text[128];

	(void)slice_take(&line, ' ');
	(void)slice_take(&line, ' ');
	return line.n > 0 && slice_cstr(line, text, sizeof text) &&
	       parse_date(text, forms, sizeof forms / sizeof *forms, seconds);
}

bool bulletin_date(const struct bulletin_reading *r, uint32_t i, int64_t *seconds)
{
	char from[MBOX_FROM_MOST + 2];
	struct stat st;
	struct body b;

	if (open_body(r, i, &b, NULL) != OK)
		return false;
	size_t want = b.octets < HEAD_MOST ? (size_t)b.octets : HEAD_MOST;
	ssize_t got = pread(b.fd, stored, want, (off_t)b.at);
	bool known = got > 0 && header_date((struct slice){stored, (size_t)got}, seconds);

	if (!known)
		known = from_date(from_line(r, i, from), seconds);
	if (!known && !r->md.driver->in_one_file && fstat(b.fd, &st) == 0) {
		*seconds = (int64_t)st.st_mtim.tv_sec;
		known = true;
	}
	close(b.fd);
	return known;
}
