/* front/parked.c - see parked.h */
#include "front/parked.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "front/front.h"
#include "front/session.h"

/* One message to store: a session asks for one thing at a time. */
struct kept_request {
	enum msg_type type;
	int fd; /* owned; -1: none */
	size_t octets;
	_Alignas(uint64_t) char text[]; /* payload and bulk */
};

static struct kept_request *request_keep(enum msg_type type, const struct chan_out *out)
{
	const size_t payload = msg_rule[type].payload;
	struct kept_request *k = malloc(sizeof *k + payload + out->bulk[0].n);

	if (!k)
		return NULL;
	*k = (struct kept_request){.type = type, .fd = -1, .octets = out->bulk[0].n};
	memcpy(k->text, out->payload, payload);
	if (out->bulk[0].n > 0)
		memcpy(k->text + payload, out->bulk[0].p, out->bulk[0].n);
	if (out->nfds > 0 && (k->fd = fcntl(out->fds[0], F_DUPFD_CLOEXEC, 0)) < 0) {
		free(k);
		return NULL;
	}
	return k;
}

static void request_drop(struct session *s)
{
	if (s->kept && s->kept->fd >= 0)
		close(s->kept->fd);
	free(s->kept);
	s->kept = NULL;
}

static bool wake(struct front *f, uint64_t sid, enum wake_how how, uint32_t taken)
{
	struct msg_wake m = {.sid = sid, .how = (uint32_t)how, .taken = taken};

	return chan_send(&f->master, MSG_WAKE, &(struct chan_out){.payload = &m});
}

bool parked_ask(struct session *s, enum msg_type type, const struct chan_out *out)
{
	s->kept = request_keep(type, out);
	if (s->kept && wake(s->front, s->sid, WAKE_WANTED, 0))
		return true;
	request_drop(s);
	return false;
}

static bool is_idle(const struct session *s, const struct msg_parked *q)
{
	return q->kept && s->requests == q->requests && s->wait == WAIT_NOTHING && !s->more && !s->closing && !s->over;
}

enum err parked_on_parked(struct front *f, const struct msg *m)
{
	const struct msg_parked *q = m->payload;
	struct session *s = sids_find(&f->peers.sids, q->sid);
	struct peer *store = s ? s->peer : NULL;
	bool theirs = store && store->chan.peer == ROLE_STORE && store->chan.peer_serial == q->worker;
	struct msg_rest rest = {.sid = q->sid, .rests = theirs && is_idle(s, q)};

	if (theirs)
		(void)chan_send(&store->chan, MSG_REST, &(struct chan_out){.payload = &rest}); /* or it has ended */
	if (rest.rests) {
		peers_part(s);
		s->parked = true;
	} else if (q->kept) {
		(void)wake(f, q->sid, theirs ? WAKE_STAYS : WAKE_OVER, 0); /* who loses master ends */
	}
	return OK;
}

enum err parked_on_awake(struct peer *store, const struct msg *m, struct why *why)
{
	const struct msg_awake *q = m->payload;
	struct front *f = store->front;
	struct session *s = sids_find(&f->peers.sids, q->sid);

	if (!sids_was_given(&f->peers.sids, q->sid))
		return fail(why, ERR_PERM, "it has a session that there never was");
	if (!s || !s->kept) {
		peers_close(store, q->sid, 0);
		return OK;
	}
	log_session(s->log_id);
	const struct kept_request *k = s->kept;
	struct chan_out out = {
		.payload = k->text, .bulk = {{k->text + msg_rule[k->type].payload, k->octets}}, .fds = {k->fd}};

	out.nfds = k->fd >= 0;
	peers_join(s, store);
	s->parked = false;
	(void)peers_send(s, k->type, &out); /* a channel that is lost says so */
	request_drop(s);
	return OK;
}

bool parked_denied(struct session *s, const struct peer *from)
{
	if (!s->kept || (from && from->chan.peer != ROLE_STORE))
		return false;
	request_drop(s);
	s->parked = false;
	return true;
}

void parked_end(struct session *s)
{
	if (s->parked)
		(void)wake(s->front, s->sid, WAKE_OVER, s->taken); /* who loses master ends */
	s->parked = false;
	request_drop(s);
}
