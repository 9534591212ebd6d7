/* backend/main.c - a process of a module that asks others: one question at a time, from one or more auth workers
 *
 * It may wait for as long as a question's deadline says. Whatever the library behind the module does then: a moment later the kernel
 * ends the process (a timer whose signal nobody can hold back), and master starts another one. So nothing that hangs takes
 * a process out of its pool for longer. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "backend/load.h"
#include "base/log.h"
#include "ipc/chan.h"
#include "ipc/role.h"
#include "ipc/role_log.h"

enum { GRACE_MS = 1000, NEVER = 0 }; /* from the deadline to the end of the process */

static struct {
	struct ev_loop *loop;
	struct chan master;
	struct backend_loaded backend;
	timer_t end;
} self;

/* --- a question ------------------------------------------------------------------------------------------------- */

/* In ms, on the clock of clock_ms; NEVER. */
static void end_set(uint64_t at_ms)
{
	struct itimerspec at = {.it_value = {(time_t)(at_ms / 1000), (long)(at_ms % 1000) * 1000000}};

	(void)timer_settime(self.end, TIMER_ABSTIME, &at, NULL);
}

/* What the module says, on its way to become a message. */
struct answer {
	struct msg_looked m;
	char text[LOOKED_BULK];
	size_t octets;
	bool full;
};

static void put(struct answer *a, enum looked_text which, struct slice text)
{
	if (text.n > sizeof a->text - a->octets) {
		a->full = true;
		return;
	}
	if (text.n > 0)
		memcpy(a->text + a->octets, text.p, text.n);
	a->m.len[which] = (uint16_t)text.n;
	a->octets += text.n;
}

static void put_record(struct answer *a, const struct backend_record *r)
{
	a->m.uid = r->uid;
	a->m.gid = r->gid;
	a->m.asks_source = r->asks_source;
	put(a, LOOKED_NAME, r->name);
	put(a, LOOKED_HASH, r->hash);
	put(a, LOOKED_SECRET, r->secret);
	put(a, LOOKED_GECOS, r->gecos);
	put(a, LOOKED_HOME, r->home);
	put(a, LOOKED_SHELL, r->shell);
	put(a, LOOKED_MAILBOX, r->mailbox);
	put(a, LOOKED_QUOTA, r->quota);
	put(a, LOOKED_REFUSAL, slice_str(r->refusal));
	put(a, LOOKED_PLACE, slice_str(r->place));
}

static enum err ask(const struct msg_look *m, const struct backend_ask *q, struct backend_record *r, struct why *why)
{
	const struct backend *b = self.backend.module;
	bool checks = m->what == LOOK_PASSWORD;

	if (checks ? !b->check : !b->lookup)
		return fail(why, ERR_PERM, "%s cannot be asked that", b->name);
	if (clock_ms() >= q->deadline_ms)
		return fail(why, ERR_TEMP, "%s: too late to ask", b->name);
	return checks ? b->check(self.backend.priv, q, why) : b->lookup(self.backend.priv, q, r, why);
}

static void answer_question(struct chan *c, const struct msg_look *m, const struct backend_ask *q)
{
	static struct answer a;
	struct backend_record r = {0};
	struct why why = {""};

	log_session(m->log_id);
	backend_log_session(&self.backend, m->log_id);
	end_set(q->deadline_ms + GRACE_MS);
	enum err err = ask(m, q, &r, &why);

	end_set(NEVER);
	a = (struct answer){.m = {.job = m->job}};
	if (err == OK && m->what != LOOK_PASSWORD)
		put_record(&a, &r);
	if (a.full) {
		a.octets = 0;
		a.m = (struct msg_looked){.job = m->job};
		err = fail(&why, ERR_PERM, "a record that is too large");
	}
	if (err != OK)
		put(&a, LOOKED_WHY, slice_str(why.text));
	a.m.err = (uint32_t)err;
	chan_send(c, MSG_LOOKED, &(struct chan_out){.payload = &a.m, .bulk = {{a.text, a.octets}}});
	explicit_bzero(&a, sizeof a);
	log_session(0);
	backend_log_session(&self.backend, 0);
}

static bool is_sound(const struct msg_look *m, size_t octets)
{
	return (size_t)m->login_len + m->name_len + m->password_len == octets && m->login_len <= NAME_MOST &&
	       m->name_len <= NAME_MOST && m->what < LOOK_WHATS &&
	       m->password_len <= (m->what == LOOK_TOKEN ? (size_t)TOKEN_MOST : SECRET_MOST) &&
	       m->deadline_ms < UINT64_MAX / 2;
}

static enum err on_look(struct chan *c, struct msg *msg, struct why *why)
{
	const struct msg_look *m = msg->payload;
	const char *text = msg->bulk.p;
	char client[INET6_ADDRSTRLEN] = "";

	if (!is_sound(m, msg->bulk.n))
		return fail(why, ERR_PERM, "a question with %zu octets", msg->bulk.n);
	if (m->client.family != 0)
		(void)inet_ntop(m->client.family, m->client.ip, client, sizeof client);
	struct backend_ask q = {.login = {text, m->login_len},
				.by_uid = m->what == LOOK_UID,
				.name = {text + m->login_len, m->name_len},
				.password = {text + m->login_len + m->name_len, m->password_len},
				.client = slice_str(client),
				.wants_secret = m->wants_secret != 0,
				.deadline_ms = m->deadline_ms};

	answer_question(c, m, &q);
	return OK;
}

/* --- the process ------------------------------------------------------------------------------------------------ */

static void on_auth_closed(struct chan *c, const char *reason)
{
	if (reason)
		log_line(LOG_WARNING, "%s: channel to auth %u closed: %s", self.backend.module->name,
			 (unsigned)c->peer_serial, reason);
	chan_done(c);
	free(c);
}

static const struct chan_ops auth_ops = {.on = {[MSG_LOOK] = on_look}, .closed = on_auth_closed};

static enum err on_peer(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_peer *peer = m->payload;
	struct chan *auth = peer->role == ROLE_AUTH ? malloc(sizeof *auth) : NULL;

	if (peer->role != ROLE_AUTH)
		return fail(why, ERR_PERM, "a channel to a process that asks for no users");
	if (auth) /* else the descriptor is closed, and auth asks another */
		chan_init(auth, c->loop, msg_take_fd(m, 0), ROLE_BACKEND, ROLE_AUTH, peer->serial, &auth_ops, NULL);
	return OK;
}

static enum err on_log(struct chan *c, struct msg *m, struct why *why)
{
	enum err err = role_log_on_log(c, m, why);

	backend_log(&self.backend, log_current());
	return err;
}

static void on_master_closed(struct chan *c, const char *reason)
{
	(void)reason; /* whoever made the channel knows */
	ev_break(c->loop, EVBREAK_ALL);
}

static const struct chan_ops master_ops = {.on = {[MSG_PEER] = on_peer, [MSG_LOG] = on_log},
					   .closed = on_master_closed};

static enum err open_all(const struct role_env *env, struct why *why)
{
	const struct conf_backend *list[CONF_BACKENDS_MOST];
	struct sigevent end = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	unsigned at;

	if (!conf_backend_find(env->conf, env->module, &at))
		return fail(why, ERR_PERM, "%s: it is not configured", env->module);
	(void)conf_backends(env->conf, list);
	if (timer_create(CLOCK_MONOTONIC, &end, &self.end) < 0)
		return fail_errno(why, ERR_TEMP, "make a timer");
	return backend_load(&self.backend, list[at], env->conf, why);
}

int backend_main(const struct role_env *env)
{
	struct why why = {""};

	if (open_all(env, &why) != OK) {
		log_line(LOG_ERR, "%s: %s", env->module, why.text);
		return EX_CONFIG;
	}
	(void)signal(SIGPIPE, SIG_IGN);       /* servers go away */
	self.loop = ev_loop_new(EVFLAG_AUTO); /* no default loop: children are those of the library alone */
	chan_init(&self.master, self.loop, env->master_fd, ROLE_BACKEND, ROLE_MASTER, 0, &master_ops, NULL);
	role_log_tell(&self.master);
	if (chan_send(&self.master, MSG_READY, NULL))
		ev_run(self.loop, 0);
	role_log_tell(NULL);
	chan_done(&self.master);
	backend_unload(&self.backend);
	return EXIT_SUCCESS;
}
