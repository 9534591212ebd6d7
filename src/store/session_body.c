/* store/session_body.c - what front asks of an open session: messages, and parts of them and of the listing. See session_state.h */
#include <unistd.h>

#include "ipc/handover.h"
#include "store/session_state.h"

/* One message is being answered at a time. */
static char bulk[MSG_BULK_MOST];

/* With `expire 0' no stamps are kept: what was retrieved whole goes at QUIT, which front alone knows. */
static void retrieved(struct session *s, uint32_t msgno, uint32_t n)
{
	uint32_t days = s->md.setup->stamps.days;
	unsigned what = (days > 0 && days != UINT32_MAX ? RETRIEVED_STAMP : 0) |
			(s->md.setup->update_flags && !s->preview ? RETRIEVED_SEEN : 0);

	if (n > 0 && what)
		maildrop_retrieved(&s->md, msgno, n, what);
}

bool session_taken(struct session *s, uint32_t n)
{
	if (n > s->ahead)
		return false;
	retrieved(s, s->fetched + 1, n);
	s->ahead = 0;
	return true;
}

enum err session_on_fetch(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_fetch *f = m->payload;
	bool late;
	struct session *s = session_of(c, f->sid, &late);
	struct msg_body answer = {.sid = f->sid, .msgno = f->msgno};
	struct buf out = BUF(bulk);
	struct why reason = {""};
	struct body body;

	if (late)
		return OK;
	if (!s || f->msgno < 1 || f->msgno > s->md.index.count)
		return fail(why, ERR_PERM, "it fetches a message that is not there");
	if (!session_taken(s, f->taken))
		return fail(why, ERR_PERM, "it has retrieved messages that it never got");
	bool walks = f->walks && maildrop_walk(&s->md, f->msgno, &answer.count, &body);
	enum err err = walks ? OK : maildrop_fetch(&s->md, f->msgno, f->octets, &out, &answer.count, &body, &reason);

	if (err != OK)
		session_log_failure(s, "fetch-failed", LOG_ERR, &reason);
	answer.err = (uint32_t)err;
	answer.at = body.at;
	if (body.fd >= 0 && !walks)
		answer.count = 1;
	s->fetched = f->msgno;
	s->preview = f->preview != 0;
	s->ahead = answer.count > 1 ? answer.count - 1 : 0;
	if (err == OK)
		retrieved(s, f->msgno, 1);
	bool handed = body.fd >= 0 && handover_kind(body.fd) != HANDOVER_NOT;

	store_answer(
		s->front, MSG_BODY,
		&(struct chan_out){.payload = &answer, .bulk = {buf_slice(&out)}, .fds = {body.fd}, .nfds = handed});
	if (body.fd >= 0)
		close(body.fd);
	return OK;
}

/* Whole records, or octets of a message. False: more than there is. */
static bool read_octets(struct session *s, const struct msg_read *r, struct buf *out, enum err *err, struct why *reason)
{
	const size_t rec = sizeof(struct listing_rec);
	uint64_t listing = s->md.index.count * rec;
	bool within = r->octets <= MSG_BULK_MOST;

	if (within && r->source == SOURCE_LISTING) {
		within = r->at % rec == 0 && r->octets % rec == 0 && r->at <= listing && r->octets <= listing - r->at;
		*err = within ? index_records(&s->md.index, (uint32_t)(r->at / rec), (uint32_t)(r->octets / rec), out,
					      reason)
			      : OK;
		return within;
	}
	within = within && r->source == SOURCE_MESSAGE && r->msgno >= 1 && r->msgno <= s->md.index.count;
	if (within)
		*err = maildrop_read(&s->md, r->msgno, r->at, r->octets, out, &within, reason);
	return within;
}

enum err session_on_read(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_read *r = m->payload;
	bool late;
	struct session *s = session_of(c, r->sid, &late);
	struct msg_bytes answer = {.sid = r->sid, .at = r->at};
	struct buf out = BUF(bulk);
	struct why reason = {""};
	enum err err = OK;

	if (late)
		return OK;
	if (!s || !read_octets(s, r, &out, &err, &reason))
		return fail(why, ERR_PERM, "it reads octets that are not there");
	if (err != OK) {
		session_log_failure(s, "read-failed", LOG_ERR, &reason);
		out.len = 0;
	}
	answer.err = (uint32_t)err;
	store_answer(s->front, MSG_BYTES, &(struct chan_out){.payload = &answer, .bulk = {buf_slice(&out)}});
	return OK;
}
