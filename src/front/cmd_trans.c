/* front/cmd_trans.c - commands on the maildrop (RFC 1939, sections 5 and 7) */
#include "base/log.h"
#include "front/commands.h"
#include "front/front.h"
#include "front/reply.h"

/* What front cannot read itself, store reads. */
static void listing_ask(struct session *s, uint32_t msgno)
{
	struct msg_read ask = {
		.sid = s->sid,
		.at = (msgno - 1) * (uint64_t)sizeof(struct listing_rec),
		.source = SOURCE_LISTING,
		.octets = (uint32_t)(view_want(&s->view, msgno) * sizeof(struct listing_rec)),
	};

	s->asked_at = msgno;
	session_wait(s, WAIT_LISTING, 0);
	if (!peers_send(s, MSG_READ, &(struct chan_out){.payload = &ask}))
		session_fail(s, ERR_TEMP, "store is gone");
}

bool listing_get(struct session *s, uint32_t msgno, struct message *out)
{
	enum have have = view_message(&s->view, &s->front->window, msgno, out);

	if (have == HAVE_BROKEN) {
		session_fault(s, "a record of the scan listing is broken", msgno);
		session_fail(s, ERR_TEMP, "scan listing is broken");
	} else if (have == HAVE_LATER) {
		listing_ask(s, msgno);
	}
	return have == HAVE;
}

bool listing_arrived(struct session *s, const struct msg *m)
{
	const struct msg_bytes *b = m->payload;

	s->wait = WAIT_NOTHING;
	if (b->err != OK) {
		session_fail(s, ERR_TEMP, "scan listing cannot be read");
		return true;
	}
	return b->at == (s->asked_at - 1) * (uint64_t)sizeof(struct listing_rec) &&
	       view_fill(&s->view, &s->front->window, s->asked_at, m->bulk);
}

static uint64_t octets_left(const struct view *v)
{
	return v->octets > v->deleted_octets ? v->octets - v->deleted_octets : 0;
}

enum next cmd_stat(struct session *s, const struct args *a)
{
	(void)a;
	reply_numbers(&s->out, "", s->view.count - s->view.deleted, " ", octets_left(&s->view), "");
	return NEXT_COMMAND;
}

/* Lines of a listing, from s->more_at on, while there is room. */
static enum next go_on(struct session *s,
		       bool (*put)(struct session *s, struct slice before, uint32_t msgno, const struct message *m))
{
	for (; s->more_at <= s->view.count; s->more_at++) {
		struct message m;

		if (view_is_deleted(&s->view, s->more_at))
			continue;
		if (s->out.cap - s->out.len < REPLY_MOST)
			return NEXT_STREAM;
		if (!listing_get(s, s->more_at, &m))
			return NEXT_WAIT;
		put(s, (struct slice){0}, s->more_at, &m);
	}
	buf_str(&s->out, ".\r\n");
	return NEXT_COMMAND;
}

static bool put_scan(struct session *s, struct slice before, uint32_t msgno, const struct message *m)
{
	return reply_scan_line(&s->out, before, msgno, m, s->front->conf->scan_lines);
}

static bool put_uidl(struct session *s, struct slice before, uint32_t msgno, const struct message *m)
{
	return reply_uidl_line(&s->out, before, msgno, m);
}

static enum next more_scan(struct session *s)
{
	return go_on(s, put_scan);
}

static enum next more_uidl(struct session *s)
{
	return go_on(s, put_uidl);
}

static enum next start_listing(struct session *s, enum next (*more)(struct session *s))
{
	reply_ok(&s->out, "");
	s->more = more;
	s->more_at = 1;
	return NEXT_STREAM;
}

enum next cmd_list(struct session *s, const struct args *a)
{
	if (a->msgno == 0)
		return start_listing(s, more_scan);
	put_scan(s, SLICE("+OK "), a->msgno, &a->message);
	return NEXT_COMMAND;
}

enum next cmd_uidl(struct session *s, const struct args *a)
{
	if (a->msgno == 0)
		return start_listing(s, more_uidl);
	put_uidl(s, SLICE("+OK "), a->msgno, &a->message);
	return NEXT_COMMAND;
}

enum next cmd_retr(struct session *s, const struct args *a)
{
	return transfer_start(s, a->msgno, &a->message, false, WIRE_ALL_LINES);
}

enum next cmd_top(struct session *s, const struct args *a)
{
	return transfer_start(s, a->msgno, &a->message, true, a->lines);
}

enum next cmd_dele(struct session *s, const struct args *a)
{
	if (view_delete(&s->view, s->arena, a->msgno, a->message.octets))
		reply_number(&s->out, "Message ", a->msgno, " marked");
	else
		reply_code(&s->out, ERR_TEMP);
	return NEXT_COMMAND;
}

enum next cmd_rset(struct session *s, const struct args *a)
{
	(void)a;
	view_undelete_all(&s->view);
	reply_ok(&s->out, "");
	return NEXT_COMMAND;
}
