/* front/transfer.c - see transfer.h */
#include "front/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "front/flow.h"
#include "front/front.h"
#include "front/reply.h"

enum {
	AHEAD_OCTETS = 64 * 1024, /* fetched at once for a client that takes one message after the other */
	END_ROOM = 128,           /* of the output: what wire_end may write, and the terminating line */
};

void transfer_init(struct transfer *t)
{
	*t = (struct transfer){.file = FILE_ABSENT};
}

static void body_drop(struct session *s)
{
	struct transfer *t = &s->transfer;

	if (t->body_kept) {
		s->front->ahead -= t->body_octets;
		free(t->body_kept);
	}
	t->body_kept = NULL;
	t->body_octets = 0;
	t->body = (struct slice){0};
	t->is_checked = false;
	t->ahead = 0;
}

static void file_drop(struct session *s)
{
	struct transfer *t = &s->transfer;

	if (s->front->piece.of == &t->file)
		s->front->piece.of = NULL;
	t->walk_end = 0;
	file_close(&t->file);
}

void transfer_done(struct session *s)
{
	body_drop(s);
	file_drop(s);
}

void transfer_keep(struct session *s)
{
	struct transfer *t = &s->transfer;
	size_t n = t->body.n;

	if (n > 0 && t->body_kept)
		return;
	/* Without memory, what is left of this message will be asked for again. */
	char *kept = n > 0 && s->front->ahead + n <= AHEAD_MOST ? malloc(n) : NULL;
	uint32_t ahead = t->ahead;

	if (kept)
		memcpy(kept, t->body.p, n);
	body_drop(s);
	if (!kept)
		return;
	t->body_kept = kept;
	t->body_octets = n;
	t->body = (struct slice){kept, n};
	t->ahead = ahead;
	s->front->ahead += n;
}

/* The octets are there, or on their way: the reply is +OK. */
static enum next begin(struct session *s)
{
	if (s->transfer.is_top)
		reply_ok(&s->out, "");
	else
		reply_number(&s->out, "", s->transfer.octets, " octets");
	s->more = transfer_more;
	return NEXT_STREAM;
}

static enum next gone(struct session *s)
{
	session_fail(s, ERR_TEMP, "store is gone");
	return NEXT_WAIT;
}

/* A file of which this message could not be read, since it was not in memory or not what it should be, is not asked for again at once. */
static enum next fetch(struct session *s, bool walks)
{
	struct transfer *t = &s->transfer;
	struct msg_fetch q = {.sid = s->sid,
			      .msgno = t->msgno,
			      .octets = walks && s->front->ahead < AHEAD_MOST / 2 ? AHEAD_OCTETS : 0,
			      .taken = s->taken,
			      .preview = t->is_preview,
			      .walks = walks && !s->view.entries && t->walk_end < t->msgno};

	body_drop(s);
	file_drop(s);
	s->taken = 0;
	session_wait(s, WAIT_BODY, 0);
	return peers_send(s, MSG_FETCH, &(struct chan_out){.payload = &q}) ? NEXT_WAIT : gone(s);
}

/* The message in the file that was handed over for those before it. False: it is not there, or has to be waited for. */
static bool walk_on(struct session *s, const struct message *m)
{
	struct transfer *t = &s->transfer;
	const char *text = "";

	t->file_at = m->pos;
	if (m->raw > PIECE_OCTETS ||
	    file_piece(&t->file, &s->front->piece, m->pos, m->raw, PIECE_OCTETS, &text) != (ssize_t)m->raw)
		return false;
	t->body = (struct slice){text, m->raw};
	t->is_checked = listing_crc(0, t->body) == m->crc;
	return t->is_checked;
}

/* Whether front can read it without asking store, which hears of either previews or whole messages. */
static bool is_here(struct session *s, uint32_t msgno, const struct message *m, bool is_preview)
{
	struct transfer *t = &s->transfer;

	if (is_preview != t->is_preview)
		return false;
	if (t->walk_end > 0)
		return msgno == t->msgno + 1 && msgno <= t->walk_end && walk_on(s, m);
	return t->ahead == msgno && t->body.n >= m->raw;
}

enum next transfer_start(struct session *s, uint32_t msgno, const struct message *m, bool is_top, uint64_t body_lines)
{
	struct transfer *t = &s->transfer;
	bool is_preview = is_top && body_lines < m->lines;                /* which has fewer of the body */
	bool walks = msgno == s->last_fetched + 1 && is_top == t->is_top; /* TOP 1, RETR 1, TOP 2 is no walk */
	bool here = is_here(s, msgno, m, is_preview);

	wire_init(&t->wire, s->view.rules, body_lines);
	t->msgno = msgno;
	t->raw = m->raw;
	t->octets = m->octets;
	t->crc = m->crc;
	t->crc_so_far = 0;
	t->done = 0;
	t->is_top = is_top;
	t->is_preview = is_preview;
	s->last_fetched = msgno;
	if (here) {
		s->taken++;
		return begin(s);
	}
	return fetch(s, walks);
}

/* What store cannot send is for the client to hear, as long as no reply has begun. */
static bool refuse(struct session *s, enum err err, const char *what)
{
	if (what)
		session_fault(s, what, s->transfer.msgno);
	if (output_room(s))
		reply_unreadable(&s->out, err);
	return true;
}

static bool take_file(struct session *s, struct msg *m)
{
	const struct msg_body *b = m->payload;
	struct transfer *t = &s->transfer;

	file_drop(s);
	if (m->bulk.n > 0 || b->at > INT64_MAX - t->raw || b->count > s->view.count - b->msgno + 1 ||
	    file_open(&t->file, msg_take_fd(m, 0), NULL) != OK)
		return false;
	t->file_at = b->at;
	t->walk_end = b->count > 1 ? b->msgno + b->count - 1 : 0;
	return true;
}

bool transfer_body(struct session *s, struct msg *m)
{
	const struct msg_body *b = m->payload;
	struct transfer *t = &s->transfer;

	s->wait = WAIT_NOTHING;
	if (b->err != OK)
		return refuse(s, b->err == ERR_PERM ? ERR_PERM : ERR_TEMP, NULL);
	if (b->msgno != t->msgno || b->count < 1)
		return false;
	if (m->nfds > 0) {
		if (!take_file(s, m))
			return false;
	} else if (m->bulk.n == 0) {
		t->body = (struct slice){0}; /* each piece of it is asked for */
	} else if (b->count == 1 ? m->bulk.n != t->raw : m->bulk.n < t->raw) {
		return refuse(s, ERR_TEMP, "a message is not as long as the scan listing says");
	} else {
		t->body = m->bulk;
	}
	if (output_room(s))
		begin(s);
	return true;
}

bool transfer_octets(struct session *s, const struct msg *m)
{
	const struct msg_bytes *b = m->payload;
	struct transfer *t = &s->transfer;

	s->wait = WAIT_NOTHING;
	if (b->err != OK) {
		session_fail(s, ERR_TEMP, "message cannot be read");
		return true;
	}
	if (b->at != t->done || m->bulk.n == 0 || m->bulk.n > t->raw - t->done)
		return false;
	t->body = m->bulk;
	return true;
}

static enum next ask(struct session *s)
{
	struct transfer *t = &s->transfer;
	uint64_t left = t->raw - t->done;
	struct msg_read read = {
		.sid = s->sid,
		.at = t->done,
		.source = SOURCE_MESSAGE,
		.msgno = t->msgno,
		.octets = left < CHUNK_OCTETS ? (uint32_t)left : CHUNK_OCTETS,
	};

	session_wait(s, WAIT_OCTETS, 0);
	return peers_send(s, MSG_READ, &(struct chan_out){.payload = &read}) ? NEXT_WAIT : gone(s);
}

static enum next stop(struct session *s, const char *what)
{
	session_fault(s, what, s->transfer.msgno);
	session_drop(s, "maildrop changed");
	return NEXT_CLOSE;
}

/* Raw octets at t->done. NEXT_STREAM: here they are. */
static enum next next_piece(struct session *s, struct slice *piece)
{
	struct transfer *t = &s->transfer;
	uint64_t left = t->raw - t->done;

	if (t->body.n > 0) {
		*piece = (struct slice){t->body.p, t->body.n < left ? t->body.n : (size_t)left};
		return NEXT_STREAM;
	}
	size_t want = left < CHUNK_OCTETS ? (size_t)left : CHUNK_OCTETS;
	const char *text = NULL;
	ssize_t n = file_piece(&t->file, &s->front->piece, t->file_at + t->done, want,
			       t->walk_end > 0 ? PIECE_OCTETS : want, &text);

	if (n < 0)
		return ask(s);
	if (n == 0)
		return stop(s, "a message is shorter than the scan listing says");
	*piece = (struct slice){text, (size_t)n};
	return NEXT_STREAM;
}

/* Keeps room for the end, so that the last line and the terminator leave together. */
static size_t convert(struct session *s, struct slice piece)
{
	struct transfer *t = &s->transfer;
	struct buf out = s->out;

	out.cap -= END_ROOM;
	size_t used = wire_put(&t->wire, piece, &out);

	s->out.len = out.len;
	t->crc_so_far =
		t->is_checked && used == t->raw ? t->crc : listing_crc(t->crc_so_far, (struct slice){piece.p, used});
	t->done += used;
	if (t->body.n > 0)
		t->body = (struct slice){t->body.p + used, t->body.n - used};
	s->front->turn -= (ptrdiff_t)used;
	return used;
}

/* What was fetched behind this message is for the next one. */
static void next_in_body(struct session *s)
{
	struct transfer *t = &s->transfer;
	uint64_t unread = t->raw - t->done;

	if (t->msgno >= t->walk_end)
		file_drop(s);
	if (t->body.n <= unread) {
		body_drop(s);
		return;
	}
	t->body = (struct slice){t->body.p + unread, t->body.n - (size_t)unread};
	t->ahead = t->msgno + 1;
}

static enum next finish(struct session *s)
{
	struct transfer *t = &s->transfer;
	bool is_whole = t->done == t->raw;

	if (is_whole && !wire_end(&t->wire, &s->out))
		return NEXT_STREAM;
	if (is_whole && t->crc_so_far != t->crc)
		return stop(s, "the checksum of a message is not that of the scan listing");
	if (!t->is_top && t->wire.octets != t->octets)
		return stop(s, "the octets of a message are not those of the scan listing");
	buf_str(&s->out, ".\r\n");
	bool is_all = t->wire.octets == t->octets; /* of a TOP that ends sooner, the rest may have been read, too */

	s->retrieved += is_all;
	if (is_all && s->front->conf->expire_days == 0)
		view_note_whole(&s->view, s->arena, t->msgno);
	next_in_body(s);
	return NEXT_COMMAND;
}

enum next transfer_more(struct session *s)
{
	struct transfer *t = &s->transfer;

	while (t->done < t->raw && !wire_is_full(&t->wire)) {
		struct slice piece;
		enum next next = next_piece(s, &piece);

		if (next != NEXT_STREAM)
			return next;
		if (convert(s, piece) < piece.n || (s->front->turn <= 0 && t->done < t->raw))
			return NEXT_STREAM;
	}
	return finish(s);
}
