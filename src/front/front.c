/* front/front.c - see front.h */
#include "front/front.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "front/opened.h"
#include "front/parked.h"
#include "front/session.h"
#include "ipc/role_log.h"

enum { OUTPUT_LEAST = 4096, OUTPUT_MOST = 1024 * 1024 }; /* octets of an output buffer, whatever is configured */

static enum err on_peer(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_peer *who = m->payload;

	if (who->role == ROLE_ACCESS) {
		arrivals_connect(c->owner, who, msg_take_fd(m, 0));
		return OK;
	}
	if (who->role != ROLE_AUTH && who->role != ROLE_STORE)
		return fail(why, ERR_PERM, "a peer that is not for a front");
	if (!peers_add(c->owner, who, msg_take_fd(m, 0)))
		log_line(LOG_ERR, "no memory for a channel to %s %u", role_name((enum role)who->role), who->serial);
	return OK;
}

static enum err on_deny(struct chan *c, struct msg *m, struct why *why)
{
	return peers_on_deny(c->owner, NULL, m, why);
}

static enum err on_parked(struct chan *c, struct msg *m, struct why *why)
{
	(void)why;
	return parked_on_parked(c->owner, m);
}

static enum err on_begin(struct chan *c, struct msg *m, struct why *why)
{
	return opened_on_begin(c->owner, m, why);
}

/* Who is not in the state that lets him stay. */
static bool must_go(const struct session *s, enum leave stay)
{
	return stay == LEAVE_COMMITS ? s->wait != WAIT_COMMIT
				     : stay == LEAVE_SESSIONS && s->state & (INITIAL | AUTHORIZATION);
}

static bool front_is_over(const struct front *f)
{
	return f->leaves && !f->sessions && f->door.waits == 0 && f->arrivals.n == 0;
}

void front_left(struct front *f)
{
	if (front_is_over(f))
		ev_break(f->loop, EVBREAK_ALL);
}

void front_leave(struct front *f, enum leave stay)
{
	door_leave(f, stay == LEAVE_CLIENTS);
	f->leaves = true;
	for (struct session *s = f->sessions, *next; s; s = next) {
		next = s->next;
		if (!must_go(s, stay))
			continue;
		session_shut(s);
		if (!session_run(s) || stay != LEAVE_COMMITS || s->wait == WAIT_GOODBYE)
			continue;
		session_drop(s, "shutdown"); /* it does not read what we say */
		session_run(s);
	}
	front_left(f);
}

static enum err on_leave(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_leave *leave = m->payload;

	if (leave->stay >= LEAVE_COUNT)
		return fail(why, ERR_PERM, "nobody knows who may stay");
	front_leave(c->owner, (enum leave)leave->stay);
	(void)chan_send(c, MSG_LEFT, NULL); /* without master we are at our end anyway */
	return OK;
}

static void on_master_closed(struct chan *c, const char *reason)
{
	if (reason)
		log_line(LOG_ERR, "channel to master: %s", reason);
	ev_break(c->loop, EVBREAK_ALL);
}

static const struct chan_ops master_ops = {
	.on = {[MSG_PEER] = on_peer,
	       [MSG_DENY] = on_deny,
	       [MSG_PARKED] = on_parked,
	       [MSG_BEGIN] = on_begin,
	       [MSG_LOG] = role_log_on_log,
	       [MSG_LEAVE] = on_leave},
	.closed = on_master_closed,
};

static size_t output_octets(const struct conf *cf)
{
	if (cf->output_buffer_size < OUTPUT_LEAST)
		return OUTPUT_LEAST;
	return cf->output_buffer_size < OUTPUT_MOST ? cf->output_buffer_size : OUTPUT_MOST;
}

static size_t records_octets(const struct conf *cf)
{
	size_t output = output_octets(cf);

	return (output > RECORD_OCTETS ? output : RECORD_OCTETS) + RECORDS_OVERHEAD;
}

/* Servers with the same certificate, and so with the same descriptor, share what is made of it. */
static struct tls_server *tls_open(const struct front *f, size_t i, struct why *why)
{
	const struct role_env *env = f->env;

	for (size_t j = 0; j < i; j++)
		if (env->certs[j] == env->certs[i])
			return f->tls[j];
	return tls_server_new(env->certs[i], &f->conf->servers[i].tls, env->tickets, why);
}

enum err front_tls_open(struct front *f, struct why *why)
{
	const struct role_env *env = f->env;
	size_t n = f->conf->nservers;

	f->tls = calloc(n + 1, sizeof *f->tls);
	if (!f->tls)
		return fail(why, ERR_TEMP, "no memory for TLS");
	for (size_t i = 0; i < n; i++)
		if (env->certs[i] >= 0 && !(f->tls[i] = tls_open(f, i, why)))
			return ERR_TEMP;
	return OK;
}

static void tls_close(struct front *f)
{
	for (size_t i = 0; f->tls && i < f->conf->nservers; i++) {
		struct tls_server *sv = f->tls[i];

		for (size_t j = i; j < f->conf->nservers; j++)
			if (f->tls[j] == sv)
				f->tls[j] = NULL;
		tls_server_free(sv);
	}
	free(f->tls);
}

static size_t line_most(const struct conf *cf)
{
	return cf->line_limit > cf->sasl_line_limit ? cf->line_limit : cf->sasl_line_limit;
}

bool front_init(struct front *f, struct ev_loop *loop, const struct role_env *env)
{
	struct {
		uint64_t seed, log_id;
		uint32_t key[4];
	} random;

	*f = (struct front){.env = env, .conf = env->conf, .loop = loop};
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return false;
	f->input = malloc(line_most(env->conf) + READ_OCTETS);
	f->piece.p = malloc(PIECE_OCTETS);
	if (!f->input || !f->piece.p || !sids_init(&f->peers.sids, env->serial, random.key)) {
		free(f->input);
		free(f->piece.p);
		return false;
	}
	streak_init(f);
	pool_init(&f->pool, output_octets(env->conf));
	pool_init(&f->records, records_octets(env->conf));
	f->log_id = random.log_id % LOG_SESSIONS;
	places_open(&f->places, &env->places, env->conf, random.seed);
	return true;
}

/* All numbers below LOG_SESSIONS, in an order that begins anywhere: two processes, or two lives of the daemon, would have
 * to begin as near to each other as they have sessions to give the same id twice. */
uint64_t front_log_id(struct front *f)
{
	static const uint64_t step = UINT64_C(134941606347813); /* has no factor in common with 62 */

	f->log_id = (f->log_id + step) % LOG_SESSIONS;
	return f->log_id != 0 ? f->log_id : front_log_id(f);
}

void front_done(struct front *f)
{
	while (f->sessions) {
		session_drop(f->sessions, "shutdown");
		session_run(f->sessions);
	}
	streak_done(f);
	peers_done(&f->peers);
	pool_done(&f->pool);
	pool_done(&f->records);
	tls_close(f);
	free(f->input);
	free(f->piece.p);
}

int front_main(const struct role_env *env)
{
	struct front f;
	struct why why;
	struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);

	signal(SIGPIPE, SIG_IGN);
	if (!loop || !front_init(&f, loop, env)) {
		log_line(LOG_ERR, "no memory for a front");
		return EX_OSERR;
	}
	if (front_tls_open(&f, &why) != OK) {
		log_line(LOG_ERR, "%s", why.text);
		front_done(&f);
		return EX_OSERR;
	}
	if (!door_open(&f))
		return EX_OSERR;
	chan_init(&f.master, loop, env->master_fd, ROLE_FRONT, ROLE_MASTER, 0, &master_ops, &f);
	role_log_tell(&f.master);
	chan_send(&f.master, MSG_READY, NULL); /* if it fails, the loop hears of it */
	if (env->client >= 0)
		ev_run(loop, EVRUN_NOWAIT); /* whom there is to be asked, master has said before */
	if (env->client >= 0)
		door_only(&f, env->client);
	if (!front_is_over(&f))
		ev_run(loop, 0);
	role_log_tell(NULL);
	door_close(&f);
	front_done(&f);
	chan_done(&f.master);
	return env->client >= 0 ? f.status : EX_OK;
}
