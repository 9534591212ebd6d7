/* front/flow.c - see flow.h */
#include "front/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/debug.h"
#include "front/front.h"
#include "front/reply.h"
#include "front/transcript.h"

void input_drop(struct session *s)
{
	if (s->in_kept) {
		explicit_bzero(s->in_kept, s->in_kept_octets);
		free(s->in_kept);
	}
	s->in_kept = NULL;
	s->in = (struct slice){0};
}

/* What one client said, a password perhaps, is nothing to be found when another one is at work. */
static void input_wipe(struct front *f)
{
	explicit_bzero(f->input, f->input_octets);
	f->input_octets = 0;
}

static void keep(struct session *s)
{
	bool is_kept = s->in_kept && s->in.p >= s->in_kept && s->in.p < s->in_kept + s->in_kept_octets;
	struct slice in = s->in;

	if (in.n > 0 && is_kept)
		return;
	input_drop(s);
	if (in.n == 0)
		return;
	s->in_kept = malloc(in.n);
	if (!s->in_kept) {
		session_drop(s, "no memory");
		return;
	}
	memcpy(s->in_kept, in.p, in.n);
	s->in_kept_octets = in.n;
	s->in = (struct slice){s->in_kept, in.n};
}

void input_keep(struct session *s)
{
	keep(s);
	input_wipe(s->front);
}

ssize_t input_discard(struct session *s)
{
	ssize_t n = recv(s->io.fd, s->front->input, READ_OCTETS, MSG_DONTWAIT);

	if (n > 0 && (size_t)n > s->front->input_octets)
		s->front->input_octets = (size_t)n;
	return n;
}

void input_read(struct session *s)
{
	char *input = s->front->input;
	size_t before = s->in.n; /* session_watch sees to it that this is within the limit of a line */

	if (before > 0)
		memcpy(input, s->in.p, before);
	input_drop(s);
	ssize_t n = tls_is_on(&s->tls) ? tls_read(&s->tls, input + before, READ_OCTETS)
				       : recv(s->io.fd, input + before, READ_OCTETS, MSG_DONTWAIT);

	s->in = (struct slice){input, before + (n > 0 ? (size_t)n : 0)};
	s->front->input_octets = s->in.n;
	debug(TOPIC_STREAM, DEBUG_TRACE1, "received %zd octets", n);
	if (n == 0)
		s->eof = true;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		session_drop(s, s->tls.reason ? s->tls.reason : "connection lost");
}

/* The rest of a line that is too long. False: its end has not come. */
static bool swallow(struct session *s)
{
	size_t end = slice_find(s->in, '\n');
	bool found = end < s->in.n;

	if (found)
		end++;
	s->in = (struct slice){s->in.p + end, s->in.n - end};
	s->swallows = !found;
	return found;
}

/* The line with AUTH may hold a response, too. */
size_t input_most(const struct session *s)
{
	const struct conf *cf = s->front->conf;

	if (s->sasl != SASL_NONE)
		return cf->sasl_line_limit;
	return cf->sasl_line_limit > cf->line_limit && s->in.n >= sizeof "AUTH " - 1 &&
			       slice_eq_nocase((struct slice){s->in.p, sizeof "AUTH " - 1}, SLICE("AUTH "))
		       ? cf->sasl_line_limit
		       : cf->line_limit;
}

enum line input_line(struct session *s, struct slice *line)
{
	if (s->swallows && !swallow(s))
		return LINE_NONE;
	size_t most = input_most(s), end = slice_find(s->in, '\n');

	if (end < s->in.n && end < most) {
		*line = (struct slice){s->in.p, end > 0 && s->in.p[end - 1] == '\r' ? end - 1 : end};
		return LINE_WHOLE;
	}
	if (s->in.n < most)
		return LINE_NONE;
	s->swallows = true;
	reply_err(&s->out, "Argument too long");
	return LINE_TOO_LONG;
}

void input_used(struct session *s)
{
	(void)slice_take(&s->in, '\n');
}

bool output_is_empty(const struct session *s)
{
	return !s->out.p && tls_is_flushed(&s->tls);
}

void output_drop(struct session *s)
{
	if (s->out.p)
		pool_give(&s->front->pool, s->out.p);
	s->out = (struct buf){0};
	s->out_sent = 0;
}

static bool output_take(struct session *s)
{
	struct pool *pool = &s->front->pool;

	s->out = (struct buf){.p = pool_take(pool), .cap = pool->octets};
	if (!s->out.p)
		session_drop(s, "no memory");
	return s->out.p;
}

/* How much of the output may go. A line that fills most of the buffer cannot be kept together. */
static size_t sendable(const struct session *s)
{
	const char *end = s->more == transfer_more ? memrchr(s->out.p, '\n', s->out.len) : NULL;
	size_t n = end ? (size_t)(end - s->out.p) + 1 : s->out.len;

	return s->out.len - n < s->out.cap / 2 ? n : s->out.len;
}

static void send_failed(struct session *s)
{
	if (errno == EAGAIN)
		s->blocked = true;
	else if (errno != EINTR)
		session_drop(s, "connection lost");
}

/* What the last words are sent with: they leave with the end of the connection, which say_goodbye gives them at once, as one packet. */
static int with_end(const struct session *s, size_t sent)
{
	return s->closing && sent == s->out.len ? MSG_MORE : 0;
}

static void send_some(struct session *s, size_t end)
{
	const char *p = s->out.p + s->out_sent;
	size_t left = end - s->out_sent;
	ssize_t n = tls_is_on(&s->tls) ? tls_write(&s->tls, p, left)
				       : send(s->io.fd, p, left, MSG_DONTWAIT | MSG_NOSIGNAL | with_end(s, end));

	if (n < 0) {
		send_failed(s);
		return;
	}
	s->out_sent += (size_t)n;
	s->sent += (size_t)n;
	debug(TOPIC_STREAM, DEBUG_TRACE1, "sent %zd octets of %zu", n, left);
	s->front->turn -= (ptrdiff_t)n;
}

/* All records in one write, the last one's with them: that nothing follows. */
static void send_records(struct session *s)
{
	if (s->closing && s->out_sent == s->out.len)
		tls_goodbye(&s->tls);
	if (!s->blocked && !s->over && !tls_is_flushed(&s->tls) && !tls_flush(&s->tls, with_end(s, s->out_sent)))
		send_failed(s);
}

void output_flush(struct session *s)
{
	size_t end = s->out.p ? sendable(s) : 0;

	if (s->transcript)
		transcript_server(s);
	while (s->out_sent < end && !s->blocked && !s->over)
		send_some(s, end);
	send_records(s);
	if (s->over || !s->out.p || s->out_sent < end)
		return;
	s->out.len -= end;
	s->out_sent = 0;
	if (s->out.len == 0)
		output_drop(s);
	else
		memmove(s->out.p, s->out.p + end, s->out.len);
	if (s->transcript)
		transcript_moved(s);
	if (s->state == TRANSACTION)
		s->since = ev_now(s->front->loop);
}

bool output_room(struct session *s)
{
	if (!s->out.p)
		return output_take(s);
	if (s->out.cap - s->out.len >= REPLY_MOST)
		return true;
	output_flush(s);
	return !s->over && (s->out.p ? s->out.cap - s->out.len >= REPLY_MOST : output_take(s));
}
