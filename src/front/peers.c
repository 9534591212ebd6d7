/* front/peers.c - see peers.h */
#include "front/peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "front/commands.h"
#include "front/front.h"
#include "front/parked.h"
#include "front/sasl.h"
#include "front/session.h"

enum { LOGINS_FEW = 2 }; /* under way, with which an auth process is not busy */

void peers_part(struct session *s)
{
	if (!s->peer)
		return;
	*s->peer_at = s->peer_next;
	if (s->peer_next)
		s->peer_next->peer_at = s->peer_at;
	if (s->peer->outstanding > 0)
		s->peer->outstanding--;
	s->peer = NULL;
}

void peers_join(struct session *s, struct peer *p)
{
	s->peer = p;
	s->peer_next = p->sessions;
	s->peer_at = &p->sessions;
	s->requests = 0;
	if (s->peer_next)
		s->peer_next->peer_at = &s->peer_next;
	p->sessions = s;
}

void peers_close(struct peer *store, uint64_t sid, uint32_t taken)
{
	struct msg_close m = {.sid = sid, .taken = taken};

	chan_send(&store->chan, MSG_CLOSE, &(struct chan_out){.payload = &m}); /* a store that is gone needs none */
}

static void send_over(struct peer *auth, uint64_t sid)
{
	struct msg_sasl_step m = {.sid = sid, .over = 1};

	chan_send(&auth->chan, MSG_SASL_STEP, &(struct chan_out){.payload = &m});
}

bool peers_send(struct session *s, enum msg_type type, const struct chan_out *out)
{
	if (s->parked)
		return parked_ask(s, type, out);
	s->requests++;
	return s->peer && chan_send(&s->peer->chan, type, out);
}

void peers_leave(struct session *s, bool tell)
{
	if (tell && s->peer && s->peer->chan.peer == ROLE_STORE)
		peers_close(s->peer, s->sid, s->taken);
	else if (tell && s->peer && s->sasl != SASL_NONE)
		send_over(s->peer, s->sid);
	parked_end(s);
	peers_part(s);
	if (s->sid != 0)
		sids_take(&s->front->peers.sids, s);
}

/* Of those that are not about to go. Few logins are all the first one's, the same for all fronts: it wakes for several of them. */
static struct peer *least_busy(const struct peers *p)
{
	struct peer *best = NULL;

	for (struct peer *a = p->auths; a && !(best && best->outstanding < LOGINS_FEW); a = a->next)
		if (!a->chan.shut && !a->chan.lost && (!best || a->outstanding < best->outstanding))
			best = a;
	return best;
}

bool peers_auth_comes(struct front *f)
{
	if (f->env->client < 0 || f->peers.auths)
		return false;
	if (!f->peers.wanted)
		f->peers.wanted = chan_send(&f->master, MSG_WANTED, NULL);
	return f->peers.wanted;
}

/* Those who have waited for an auth process ask it. */
static void auth_has_come(struct front *f)
{
	for (struct session *s = f->sessions, *next; s; s = next) {
		next = s->next;
		if (s->wait == WAIT_AUTH) {
			s->wait = WAIT_NOTHING;
			session_run(s);
		}
	}
}

/* The address that the client connected to, for names that have no domain; otherwise, where the server listens at. */
static struct address local_of(const struct session *s)
{
	static const uint8_t any[sizeof((struct address *)0)->ip];
	struct address a = door_address(s->server);
	bool domain = false;

	for (size_t i = 0; i < s->user.n; i++)
		domain |= strchr("@:!", s->user.p[i]) && s->user.p[i] != '\0';
	return a.family == 0 || domain || memcmp(a.ip, any, sizeof any) != 0 ? a : address_here(s->io.fd);
}

/* The session has its sid already. */
static bool ask_auth(struct session *s, enum msg_type type, const struct chan_out *out)
{
	struct peer *auth;

	while ((auth = least_busy(&s->front->peers))) {
		peers_join(s, auth);
		auth->outstanding++;
		if (chan_send(&auth->chan, type, out))
			return true;
		peers_part(s);
	}
	return false;
}

bool peers_login(struct session *s, struct slice password, struct slice stamp)
{
	struct msg_login m = {
		.log_id = s->log_id,
		.client = s->client,
		.local = local_of(s),
		.failures = s->failures,
		.user_len = (uint16_t)s->user.n,
		.password_len = (uint16_t)password.n,
		.stamp_len = (uint16_t)stamp.n,
	};

	sids_give(&s->front->peers.sids, s);
	m.sid = s->sid;
	return ask_auth(s, MSG_LOGIN, &(struct chan_out){.payload = &m, .bulk = {s->user, password, stamp}});
}

bool peers_sasl_start(struct session *s, const struct sasl_first *first)
{
	struct msg_sasl_start m = {
		.log_id = s->log_id,
		.client = s->client,
		.local = local_of(s),
		.failures = s->failures,
		.mechanism = first->mechanism,
		.traits = first->traits,
		.response_len = (uint32_t)first->response.n,
		.binding_len = (uint16_t)first->binding.n,
		.certified_len = (uint16_t)first->certified.n,
	};

	sids_give(&s->front->peers.sids, s);
	m.sid = s->sid;
	return ask_auth(s, MSG_SASL_START,
			&(struct chan_out){.payload = &m, .bulk = {first->binding, first->certified, first->response}});
}

bool peers_sasl_step(struct session *s, struct slice octets)
{
	struct msg_sasl_step m = {.sid = s->sid};

	return peers_send(s, MSG_SASL_STEP, &(struct chan_out){.payload = &m, .bulk = {octets}});
}

/* The session that store's message is for, whose lines are logged from here on. NULL: it has ended meanwhile, or never
 * had to do with this store. */
static struct session *session_of(const struct chan *c, uint64_t sid, enum wait wait)
{
	const struct peer *peer = c->owner;
	struct session *s = sids_find(&peer->front->peers.sids, sid);

	if (!s || s->peer != peer || s->wait != wait)
		return NULL;
	log_session(s->log_id);
	return s;
}

/* A login that nobody waits for any more: the maildrop is to be left alone. */
static enum err on_scan(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_scan *scan = m->payload;
	struct peer *store = c->owner;
	struct session *s = sids_find(&store->front->peers.sids, scan->sid);

	if (!sids_was_given(&store->front->peers.sids, scan->sid))
		return fail(why, ERR_PERM, "a scan listing for a login that there never was");
	if (!s || s->wait != WAIT_LOGIN) {
		peers_close(store, scan->sid, 0);
		return OK;
	}
	log_session(s->log_id);
	peers_part(s);
	peers_join(s, store);
	enum err err = login_open(s, m, why);

	session_run(s);
	return err == ERR_PERM ? err : OK;
}

/* Nothing is deleted. */
static void ended_by_store(struct session *s, enum err err, const char *reason)
{
	if (s->wait == WAIT_COMMIT || s->wait == WAIT_ACKNOWLEDGED)
		update_done(s, ERR_TEMP);
	else
		session_fail(s, err, reason);
}

enum err peers_on_deny(struct front *f, const struct peer *from, const struct msg *m, struct why *why)
{
	static const char *const reasons[ERR_COUNT] = {
		[ERR_TEMP] = "temporary failure",
		[ERR_PERM] = "permanent failure",
		[ERR_AUTH] = "wrong user or password",
		[ERR_IN_USE] = "maildrop in use",
		[ERR_DELAY] = "too soon after the last login",
		[ERR_LOCKED] = "too many wrong passwords",
	};
	const struct msg_deny *deny = m->payload;
	struct session *s = sids_find(&f->peers.sids, deny->sid);
	struct slice reason = m->bulk;

	if (deny->err == OK || deny->err >= ERR_COUNT)
		return fail(why, ERR_PERM, "a denial without a reason");
	if (from && !sids_was_given(&f->peers.sids, deny->sid))
		return fail(why, ERR_PERM, "a denial of a login that there never was");
	if (reason.n == 0)
		reason = slice_str(reasons[deny->err]);
	if (!s)
		return OK;
	log_session(s->log_id);
	s->denied_maildrop = !from || from->chan.peer == ROLE_STORE;
	if (s->wait == WAIT_LOGIN)
		login_denied(s, (enum err)deny->err, reason);
	else if (s->sasl != SASL_NONE)
		sasl_lost(s);
	else if (parked_denied(s, from))
		ended_by_store(s, (enum err)deny->err, "the maildrop could not be opened again");
	else if (from && s->peer == from)
		ended_by_store(s, (enum err)deny->err,
			       deny->err == ERR_IN_USE ? "taken over" : "store ended the session");
	else
		return OK;
	session_run(s);
	return OK;
}

static enum err on_deny(struct chan *c, struct msg *m, struct why *why)
{
	struct peer *peer = c->owner;

	return peers_on_deny(peer->front, peer, m, why);
}

/* One for an exchange that has ended meanwhile is for nobody. */
static enum err on_challenge(struct chan *c, struct msg *m, struct why *why)
{
	struct session *s = session_of(c, ((const struct msg_sasl_challenge *)m->payload)->sid, WAIT_LOGIN);

	(void)why;
	if (s && s->sasl == SASL_AUTH) {
		sasl_challenge(s, m->bulk);
		session_run(s);
	}
	return OK;
}

static enum err on_named(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_sasl_named *named = m->payload;
	struct session *s = session_of(c, named->sid, WAIT_LOGIN);

	(void)why;
	if (!s || s->sasl != SASL_AUTH)
		return OK;
	sasl_named(s, m->bulk);
	if (named->asks)
		(void)peers_sasl_step(s, SLICE("")); /* a channel that is lost says so */
	return OK;
}

static enum err go_on(struct session *s, bool is_good, struct why *why)
{
	if (!is_good)
		return fail(why, ERR_PERM, "an answer that does not fit the question");
	session_run(s);
	return OK;
}

static enum err on_body(struct chan *c, struct msg *m, struct why *why)
{
	struct session *s = session_of(c, ((const struct msg_body *)m->payload)->sid, WAIT_BODY);

	return s ? go_on(s, transfer_body(s, m), why) : OK;
}

static enum err on_bytes(struct chan *c, struct msg *m, struct why *why)
{
	uint64_t sid = ((const struct msg_bytes *)m->payload)->sid;
	struct session *s = session_of(c, sid, WAIT_LISTING);

	if (s)
		return go_on(s, listing_arrived(s, m), why);
	s = session_of(c, sid, WAIT_OCTETS);
	return s ? go_on(s, transfer_octets(s, m), why) : OK;
}

static enum err on_done(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_done *done = m->payload;
	struct session *s = session_of(c, done->sid, WAIT_COMMIT);

	if (!s)
		return OK;
	if (done->err >= ERR_COUNT || (done->err == OK && done->deleted != s->view.deleted))
		return fail(why, ERR_PERM, "a commit that is neither done nor refused");
	update_done(s, (enum err)done->err);
	session_run(s);
	return OK;
}

static enum err on_awake(struct chan *c, struct msg *m, struct why *why)
{
	return parked_on_awake(c->owner, m, why);
}

static void peer_free(struct peer *p)
{
	p->front->peers.channels--;
	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
	chan_done(&p->chan);
	free(p);
}

static void lose_peer(struct session *s, enum role role)
{
	log_session(s->log_id);
	peers_part(s);
	if (role == ROLE_AUTH && s->wait == WAIT_NOTHING)
		sasl_lost(s);
	else if (role == ROLE_AUTH)
		login_denied(s, ERR_TEMP, SLICE("the auth process has ended"));
	else
		ended_by_store(s, ERR_TEMP, "the store process has ended");
	session_run(s);
}

static void on_closed(struct chan *c, const char *reason)
{
	struct peer *p = c->owner;

	if (reason)
		log_line(LOG_ERR, "channel to %s %u: %s", role_name(c->peer), c->peer_serial, reason);
	p->chan.shut = true;
	while (p->sessions)
		lose_peer(p->sessions, c->peer);
	peer_free(p);
}

static const struct chan_ops auth_ops = {
	.on = {[MSG_DENY] = on_deny, [MSG_SASL_CHALLENGE] = on_challenge, [MSG_SASL_NAMED] = on_named},
	.closed = on_closed};

static const struct chan_ops store_ops = {
	.on = {[MSG_SCAN] = on_scan,
	       [MSG_DENY] = on_deny,
	       [MSG_BODY] = on_body,
	       [MSG_BYTES] = on_bytes,
	       [MSG_DONE] = on_done,
	       [MSG_AWAKE] = on_awake},
	.closed = on_closed,
};

bool peers_add(struct front *f, const struct msg_peer *who, int fd)
{
	bool is_auth = who->role == ROLE_AUTH;
	struct peer **list = is_auth ? &f->peers.auths : &f->peers.stores;
	struct peer *p = is_auth || who->role == ROLE_STORE ? calloc(1, sizeof *p) : NULL;

	if (!p) {
		close(fd);
		return false;
	}
	*p = (struct peer){.front = f, .next = *list, .at = list};
	if (p->next)
		p->next->at = &p->next;
	*list = p;
	f->peers.channels++;
	chan_init(&p->chan, f->loop, fd, ROLE_FRONT, (enum role)who->role, who->serial,
		  is_auth ? &auth_ops : &store_ops, p);
	if (is_auth)
		auth_has_come(f);
	return true;
}

static void list_free(struct peer *p)
{
	while (p) {
		struct peer *next = p->next;

		peer_free(p);
		p = next;
	}
}

void peers_done(struct peers *p)
{
	list_free(p->auths);
	list_free(p->stores);
	sids_done(&p->sids);
}
