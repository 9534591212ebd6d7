/* store/maildrop_read.c - messages of an open maildrop. See maildrop.h */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/handover.h"
#include "store/maildrop_parts.h"

enum {
	BODY_INLINE = 64 * 1024, /* octets of a message that is rather sent than handed over as a descriptor */
	WALK_MESSAGES = 512, /* read by front at once: no more than these can be retrieved without store knowing it */
};

/* A process does one thing at a time. */
static struct index_window window;

enum err maildrop_window(const struct maildrop *md, uint32_t from, uint32_t n, struct why *why)
{
	enum err err = index_read(&md->index, from, n, &window, why);

	if (err != OK)
		maildrop_forget(md);
	return err;
}

void maildrop_message(uint32_t i, struct message *m)
{
	index_message(&window, i, m);
}

enum whole { WHOLE, CUT, UNREADABLE };

static enum whole read_whole(const struct body *b, const struct listing_rec *r, char *p, size_t cap)
{
	uint32_t crc = 0;

	for (uint64_t done = 0; done < r->raw;) {
		size_t n = r->raw - done < cap ? (size_t)(r->raw - done) : cap;
		ssize_t got = pread(b->fd, p, n, (off_t)(b->at + done));

		if (got < 0)
			return UNREADABLE;
		if (got == 0)
			return CUT;
		crc = listing_crc(crc, (struct slice){p, (size_t)got});
		done += (uint64_t)got;
		if (r->raw <= cap)
			p += got;
	}
	return crc == r->crc ? WHOLE : CUT;
}

/* In a mailbox that is one file, messages have no names. */
static const char *name_of(const struct message *m)
{
	return m->name[0] ? m->name : "a message";
}

static enum err changed(const struct maildrop *md, const struct message *m, struct why *why)
{
	maildrop_forget(md);
	return fail(why, ERR_TEMP, "%s has been changed by another program", name_of(m));
}

static enum err append_message(const struct maildrop *md, uint32_t i, struct buf *out, struct why *why)
{
	struct message m;
	struct body b;

	maildrop_message(i, &m);
	enum err err = md->driver->body(md, &m, &b, why);

	if (err != OK)
		return err;
	enum whole whole = b.octets == m.rec.raw ? read_whole(&b, &m.rec, out->p + out->len, out->cap - out->len) : CUT;
	int error = errno;

	close(b.fd);
	if (whole == CUT)
		return changed(md, &m, why);
	errno = error;
	if (whole == UNREADABLE)
		return fail_errno(why, storage_err(errno), "read %s", name_of(&m));
	out->len += m.rec.raw;
	return OK;
}

/* How many messages of the window lie close together: one read gets them all. The first one always fits. */
static uint32_t neighbours(uint32_t n, uint64_t octets, uint64_t span_most)
{
	const struct listing_rec *r = window.rec;
	uint64_t sum = r[0].raw, end = r[0].pos + r[0].raw;
	uint32_t k = 1;

	for (; k < n && r[k].pos >= end; k++) {
		sum += r[k].raw;
		end = r[k].pos + r[k].raw;
		if (sum > octets || end - r[0].pos > span_most)
			break;
	}
	return k;
}

/* Of a maildrop in one file. Where the first message has moved, those behind it have mostly moved with it; checksums tell. What lies between
 * messages is read with them, and they close up. */
static enum err append_messages(const struct maildrop *md, uint32_t n, uint32_t octets, struct buf *out,
				uint32_t *count, struct why *why)
{
	char *const span = out->p + out->len;
	const size_t room = out->cap - out->len;
	struct message m;
	struct body b;

	maildrop_message(window.from, &m);
	enum err err = md->driver->body(md, &m, &b, why);

	if (err != OK)
		return err;
	n = neighbours(n, octets, room);
	const struct listing_rec *r = window.rec, *last = &r[n - 1];
	ssize_t got = pread(b.fd, span, last->pos + last->raw - r->pos, (off_t)b.at);

	if (got < 0)
		err = fail_errno(why, storage_err(errno), "read a message");
	close(b.fd);
	for (; err == OK && *count < n; ++*count, ++r) {
		const char *text = span + (r->pos - window.rec->pos);

		if (r->pos - window.rec->pos + r->raw > (uint64_t)got ||
		    listing_crc(0, (struct slice){text, r->raw}) != r->crc)
			break;
		memmove(out->p + out->len, text, r->raw);
		out->len += r->raw;
	}
	return err == OK && *count == 0 ? changed(md, &m, why) : err;
}

/* Its octets are looked at only where they may have changed: front compares the checksum, too. */
static enum err open_large(const struct maildrop *md, uint32_t i, struct body *b, struct why *why)
{
	static char piece[64 * 1024];
	struct message m;

	maildrop_message(i, &m);
	enum err err = md->driver->body(md, &m, b, why);

	if (err != OK)
		return err;
	enum whole whole = b->octets != m.rec.raw ? CUT : b->same ? WHOLE : read_whole(b, &m.rec, piece, sizeof piece);

	if (whole == WHOLE)
		return OK;
	err = whole == CUT ? changed(md, &m, why) : fail_errno(why, storage_err(errno), "read %s", name_of(&m));
	close(b->fd);
	b->fd = -1;
	return err;
}

enum err maildrop_fetch(struct maildrop *md, uint32_t msgno, uint32_t octets, struct buf *out, uint32_t *count,
			struct body *body, struct why *why)
{
	uint32_t first = msgno - 1;
	uint32_t n = md->index.count - first;
	size_t start = out->len;

	*count = 0;
	*body = (struct body){.fd = -1};
	if (octets == 0)
		n = 1;
	else if (n > INDEX_WINDOW)
		n = INDEX_WINDOW;
	enum err err = maildrop_window(md, first, n, why);

	if (err == OK && (window.rec[0].raw > BODY_INLINE || window.rec[0].raw > out->cap - out->len))
		return open_large(md, first, body, why);
	if (err == OK && md->driver->in_one_file)
		return append_messages(md, n, octets, out, count, why);
	for (uint32_t k = 0; k < n && err == OK; k++) {
		uint64_t raw = window.rec[k].raw;

		if (k > 0 && (raw > out->cap - out->len || out->len - start + raw > octets))
			break;
		err = append_message(md, first + k, out, why);
		*count += err == OK;
	}
	return *count > 0 ? OK : err; /* what comes behind is asked for again */
}

/* Only where nothing has moved. Front compares checksums, and asks again where one is wrong. */
bool maildrop_walk(struct maildrop *md, uint32_t msgno, uint32_t *count, struct body *body)
{
	const uint32_t left = md->index.count - msgno + 1;
	struct message m;

	*count = left < WALK_MESSAGES ? left : WALK_MESSAGES;
	*body = (struct body){.fd = -1};
	if (!md->driver->in_one_file || maildrop_window(md, msgno - 1, 1, NULL) != OK)
		return false;
	maildrop_message(msgno - 1, &m);
	if (md->driver->body(md, &m, body, NULL) != OK)
		return false;
	if (body->at == m.rec.pos && body->octets == m.rec.raw && handover_kind(body->fd) != HANDOVER_NOT)
		return true;
	close(body->fd);
	*body = (struct body){.fd = -1};
	return false;
}

void maildrop_stop_reading(struct maildrop *md)
{
	if (md->reading.fd >= 0)
		close(md->reading.fd);
	md->reading.fd = -1;
}

static enum err start_reading(struct maildrop *md, uint32_t msgno, struct why *why)
{
	struct message m;
	enum err err = maildrop_window(md, msgno - 1, 1, why);

	maildrop_stop_reading(md);
	if (err != OK)
		return err;
	maildrop_message(msgno - 1, &m);
	err = md->driver->body(md, &m, &md->reading, why);
	if (err == OK && md->reading.octets != m.rec.raw) {
		maildrop_stop_reading(md);
		err = changed(md, &m, why);
	}
	md->reading_msgno = msgno;
	return err;
}

enum err maildrop_read(struct maildrop *md, uint32_t msgno, uint64_t at, uint32_t octets, struct buf *out, bool *within,
		       struct why *why)
{
	enum err err = OK;

	*within = true;
	if (md->reading.fd < 0 || md->reading_msgno != msgno)
		err = start_reading(md, msgno, why);
	if (err != OK)
		return err;
	*within = at <= md->reading.octets && octets <= md->reading.octets - at;
	for (uint32_t done = 0; *within && done < octets;) {
		ssize_t got =
			pread(md->reading.fd, out->p + out->len, octets - done, (off_t)(md->reading.at + at + done));

		if (got <= 0)
			return fail_errno(why, ERR_TEMP, "read message %u", msgno);
		out->len += (size_t)got;
		done += (uint32_t)got;
	}
	if (*within && at + octets == md->reading.octets)
		maildrop_stop_reading(md);
	return OK;
}
