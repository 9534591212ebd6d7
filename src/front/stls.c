/* front/stls.c - see stls.h */
#include "front/stls.h"

#include "base/log.h"
#include "front/commands.h"
#include "front/flow.h"
#include "front/front.h"
#include "front/reply.h"
#include "ipc/old_line.h"

static struct tls_server *server_of(const struct session *s)
{
	const struct front *f = s->front;

	return f->tls ? f->tls[s->server - f->conf->servers] : NULL;
}

bool stls_is_offered(const struct session *s)
{
	return server_of(s) && s->server->tls_mode != TLS_CONNECTION && !tls_is_on(&s->tls);
}

bool stls_passwords_may_come(const struct session *s)
{
	enum plaintext_login may = s->front->conf->auth.plaintext_login;

	return may == PLAINTEXT_YES || (may == PLAINTEXT_TLS && tls_is_on(&s->tls));
}

/* login-timeout counts as well, from the connection on. */
static void wait_for_handshake(struct session *s)
{
	const struct conf *cf = s->front->conf;
	double seconds = s->server->tls.handshake_timeout_s;
	double login = s->since + (double)cf->login_timeout.n - ev_now(s->front->loop);

	session_wait(s, WAIT_HANDSHAKE, seconds > 0 && seconds < login ? seconds : login);
}

void stls_begin(struct session *s)
{
	wait_for_handshake(s);
}

/* The one line about it. */
static void log_failure(const struct session *s, const char *reason)
{
	struct event e;

	if (old_line(OLD_NO_TLS, OLD(slice_str(reason))))
		return;
	session_event(s, &e, "tls-failed");
	event_kv(&e, "reason", slice_str(reason));
	event_log(&e, LOG_INFO);
}

static enum next refuse(struct session *s, const char *text)
{
	reply_err(&s->out, text);
	return NEXT_COMMAND;
}

enum next cmd_stls(struct session *s, const struct args *a)
{
	(void)a;
	if (!stls_is_offered(s))
		return refuse(s, "Invalid command");
	if (slice_find(s->in, '\n') + 1 < s->in.n) { /* it begins with this command's line */
		log_failure(s, "octets in the clear behind STLS");
		session_close(s, "octets in the clear behind STLS");
		return refuse(s, "Nothing may follow STLS before the handshake");
	}
	login_forget(s);
	reply_ok(&s->out, "Begin TLS negotiation");
	wait_for_handshake(s);
	return NEXT_WAIT;
}

/* Mailutils': "TLS established using AES-256-GCM-AEAD (TLS1.3)". */
static void log_as_of_old(const char *version, const char *cipher)
{
	char name[64], old_version[16];
	struct buf c = BUF(name), v = BUF(old_version);

	conf_gnutls_name(&c, cipher);
	buf_str(&v, "TLS");
	buf_str(&v, version + sizeof "TLSv" - 1);
	(void)old_line(OLD_TLS, OLD(buf_slice(&c), buf_slice(&v)));
}

static void established(struct session *s)
{
	const char *version = tls_version(&s->tls), *cipher = tls_cipher(&s->tls);

	debug(TOPIC_TLS, DEBUG_TRACE1, "TLS established: %s, %s", version, cipher);
	if (log_current()->compatible)
		log_as_of_old(version, cipher);
	s->wait = WAIT_NOTHING;
	s->state = AUTHORIZATION;
	if (s->server->tls_mode == TLS_CONNECTION)
		session_greet(s);
}

/* What OpenSSL tells the client about it (an alert) is sent as far as it goes. */
static void failed(struct session *s)
{
	log_failure(s, s->tls.reason);
	s->wait = WAIT_NOTHING;
	session_close(s, "no TLS");
}

void stls_go(struct session *s)
{
	if (!tls_is_on(&s->tls) && !output_is_empty(s))
		return; /* our answer to STLS is on its way still, in the clear */
	if (!tls_is_on(&s->tls) && !tls_init(&s->tls, server_of(s), s->io.fd, &s->front->records)) {
		session_drop(s, "no memory");
		return;
	}
	enum tls_state state = tls_handshake(&s->tls);

	if (state == TLS_ESTABLISHED)
		established(s);
	else if (state == TLS_BROKEN)
		failed(s);
}

void stls_over(struct session *s)
{
	log_failure(s, "timed out");
	session_drop(s, "no TLS");
}
