/* auth/fronts.c - see fronts.h */
#include "auth/fronts.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

enum {
	FAILURES_WINDOW_MS = 60 * 1000, /* a front with more failures than this in so long */
	FAILURES_ABSURD = 6000,         /* is guessing, or has been taken over */
};

struct front {
	struct front *next;
	struct fronts *all;
	struct chan chan;
	uint64_t window_ms; /* when counting began */
	uint32_t failures;  /* since then */
};

/* NULL: it has ended. */
static struct front *front_of(const struct fronts *fs, uint64_t sid)
{
	struct front *f = fs->list;

	while (f && f->chan.peer_serial != sid_front(sid))
		f = f->next;
	return f;
}

bool fronts_has(const struct fronts *fs, uint64_t sid)
{
	return front_of(fs, sid);
}

void fronts_deny(const struct fronts *fs, uint64_t sid, enum err err, const char *reason)
{
	struct front *f = front_of(fs, sid);
	struct msg_deny m = {.sid = sid, .err = (uint32_t)err};

	if (f)
		chan_send(&f->chan, MSG_DENY, &(struct chan_out){.payload = &m, .bulk = {slice_str(reason)}});
}

void fronts_challenge(const struct fronts *fs, uint64_t sid, struct slice octets)
{
	struct front *f = front_of(fs, sid);
	struct msg_sasl_challenge m = {.sid = sid};

	if (f)
		chan_send(&f->chan, MSG_SASL_CHALLENGE, &(struct chan_out){.payload = &m, .bulk = {octets}});
}

void fronts_name(const struct fronts *fs, uint64_t sid, struct slice name, bool asks)
{
	struct front *f = front_of(fs, sid);
	struct msg_sasl_named m = {.sid = sid, .asks = asks};

	if (f)
		chan_send(&f->chan, MSG_SASL_NAMED, &(struct chan_out){.payload = &m, .bulk = {name}});
}

/* A front that was taken over can guess passwords as fast as we check them; at least it is seen. */
void fronts_count_failure(const struct fronts *fs, uint64_t sid)
{
	struct front *f = front_of(fs, sid);
	uint64_t now = clock_ms();

	if (!f)
		return;
	if (now - f->window_ms > FAILURES_WINDOW_MS) {
		f->window_ms = now;
		f->failures = 0;
	}
	if (++f->failures == FAILURES_ABSURD)
		log_line(LOG_WARNING,
			 "auth: %u failed logins within a minute from front %u: somebody guesses passwords",
			 (unsigned)f->failures, (unsigned)f->chan.peer_serial);
}

/* Else what comes of it would be another front's. */
static bool is_its_own(const struct chan *c, uint64_t sid)
{
	return sid_front(sid) == c->peer_serial;
}

static enum err on_login(struct chan *c, struct msg *m, struct why *why)
{
	const struct front *f = c->owner;
	const struct msg_login *login = m->payload;

	if (!is_its_own(c, login->sid) ||
	    (size_t)login->user_len + login->password_len + login->stamp_len != m->bulk.n ||
	    login->user_len > NAME_MOST || login->password_len > SECRET_MOST || login->stamp_len > STAMP_MOST)
		return fail(why, ERR_PERM, "a login of another front, or with %zu octets", m->bulk.n);
	const char *text = m->bulk.p;
	struct credentials who = {
		.user = {text, login->user_len},
		.password = {text + login->user_len, login->password_len},
		.stamp = {text + login->user_len + login->password_len, login->stamp_len},
	};

	log_session(login->log_id);
	f->all->login(f->all->arg, login, &who);
	return OK;
}

static enum err on_sasl(struct chan *c, struct msg *m, struct why *why)
{
	const struct front *f = c->owner;
	const uint64_t *sid = m->payload; /* all of these begin with it */

	if (!is_its_own(c, *sid))
		return fail(why, ERR_PERM, "an exchange of another front");
	return f->all->sasl(f->all->arg, m, why);
}

/* Its logins under way come to their end; there is just nobody to tell. */
static void on_closed(struct chan *c, const char *reason)
{
	struct front *f = c->owner, **at = &f->all->list;

	if (reason)
		log_line(LOG_WARNING, "auth: channel to front %u closed: %s", (unsigned)c->peer_serial, reason);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	f->all->gone(f->all->arg, c->peer_serial);
	chan_done(c);
	free(f);
}

static const struct chan_ops front_ops = {
	.on = {[MSG_LOGIN] = on_login, [MSG_SASL_START] = on_sasl, [MSG_SASL_STEP] = on_sasl}, .closed = on_closed};

enum err fronts_peer(struct fronts *fs, const struct msg_peer *peer, int fd, struct why *why)
{
	struct front *f = calloc(1, sizeof *f);

	if (!f)
		return fail(why, ERR_TEMP, "no memory for a channel to front");
	f->all = fs;
	f->next = fs->list;
	fs->list = f;
	chan_init(&f->chan, fs->loop, fd, ROLE_AUTH, ROLE_FRONT, peer->serial, &front_ops, f);
	return OK;
}

void fronts_close(struct fronts *fs)
{
	while (fs->list)
		on_closed(&fs->list->chan, NULL);
}
