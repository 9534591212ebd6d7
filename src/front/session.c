/* front/session.c - see session.h */
#include "front/session.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "front/commands.h"
#include "front/ending.h"
#include "front/flow.h"
#include "front/front.h"
#include "front/reply.h"
#include "front/sasl.h"
#include "front/stls.h"
#include "front/transcript.h"

enum {
	TURN_OCTETS = 256 * 1024,   /* that a session moves before others get their turn */
	GOODBYE_OCTETS = 64 * 1024, /* that a client may send behind its QUIT */
};

static const double STORE_WAIT = 300, GOODBYE_WAIT = 5; /* seconds */

void session_close(struct session *s, const char *reason)
{
	s->closing = true;
	if (!s->reason)
		s->reason = reason;
}

void session_drop(struct session *s, const char *reason)
{
	s->over = true;
	if (!s->reason)
		s->reason = reason;
}

/* server=192.0.2.1:110, server=[2001:db8::1]:110, server=unix, server=inetd: where the client's connection arrived. */
static void event_server(struct event *e, const struct conf_server *server)
{
	const struct address local = door_address(server), *a = &local;
	char text[ADDRESS_TEXT], whole[ADDRESS_TEXT + sizeof "[]:65535"];
	bool is_inetd = server->addr.ss_family == AF_UNSPEC;

	(void)snprintf(whole, sizeof whole, a->family == AF_INET6 ? "[%s]:%u" : "%s:%u", address_text(a, text),
		       (unsigned)a->port);
	event_word(e, "server", is_inetd ? "inetd" : a->family != 0 ? whole : text);
}

void session_event(const struct session *s, struct event *e, const char *name)
{
	char text[ADDRESS_TEXT];

	event_new(e, name);
	event_kv(e, "user", s->user);
	event_word(e, "address", address_text(&s->client, text));
	if (s->client.family != 0)
		event_u64(e, "port", s->client.port);
	event_server(e, s->server);
	event_session(e, s->log_id);
	if (s->tls.done) {
		event_word(e, "tls", tls_version(&s->tls));
		event_word(e, "cipher", tls_cipher(&s->tls));
	}
}

void session_fault(const struct session *s, const char *what, uint32_t msgno)
{
	struct event e;

	session_event(s, &e, "fault");
	event_kv(&e, "reason", slice_str(what));
	if (msgno > 0)
		event_u64(&e, "message", msgno);
	event_log(&e, LOG_ERR);
}

static void log_end(const struct session *s)
{
	uint64_t octets = s->view.octets - s->view.deleted_octets;
	bool deleted = s->committed;
	struct event e;

	session_event(s, &e, s->opened ? "logout" : "disconnect");
	event_kv(&e, "reason", slice_str(s->reason));
	if (s->opened) {
		event_u64(&e, "retrieved", s->retrieved);
		event_u64(&e, "deleted", deleted ? s->view.deleted : 0);
		event_u64(&e, "left", s->view.count - (deleted ? s->view.deleted : 0));
		event_u64(&e, "octets", deleted ? octets : s->view.octets);
	}
	event_u64(&e, "sent", s->sent);
	event_u64(&e, "seconds", (uint64_t)(ev_now(s->front->loop) - s->begun));
	event_log(&e, s->opened ? LOG_INFO : LOG_DEBUG);
}

static void session_free(struct session *s)
{
	struct front *f = s->front;
	struct address client = s->client;

	if (!session_old_end(s) && log_wants(s->opened ? LOG_INFO : LOG_DEBUG))
		log_end(s);
	f->status = session_status(s);
	peers_leave(s, true);
	*s->at = s->next;
	if (s->next)
		s->next->at = s->at;
	ev_io_stop(f->loop, &s->io);
	ev_timer_stop(f->loop, &s->timer);
	input_drop(s);
	output_drop(s);
	transfer_done(s);
	view_close(&s->view, &f->window);
	tls_done(&s->tls);
	close(s->io.fd);
	arena_free(s->arena);
	door_left(f, &client);
}

/* What the socket is watched for. */
static int wanted_events(const struct session *s)
{
	if (s->blocked || s->yields)
		return EV_WRITE;
	if (s->wait == WAIT_GOODBYE)
		return EV_READ;
	return !s->eof && !s->closing && s->in.n <= input_most(s) ? EV_READ : 0;
}

static void session_watch(struct session *s)
{
	int events = wanted_events(s);
	bool active = ev_is_active(&s->io);

	if (active ? s->io.events & (EV_READ | EV_WRITE) & ~events || events & ~s->io.events : events != 0) {
		ev_io_stop(s->front->loop, &s->io);
		ev_io_set(&s->io, s->io.fd, events);
		if (events != 0)
			ev_io_start(s->front->loop, &s->io);
	}
	if (events & EV_READ && s->tls.more)
		ev_feed_event(s->front->loop, &s->io, EV_READ); /* it was read from the socket already */
}

/* When the timer has to look; 0: never. A session that does something only moves this, not the timer. */
static double session_deadline(const struct session *s)
{
	double timeout = (double)s->server->timeout.n, login = (double)s->front->conf->login_timeout.n;
	double idle = s->state & (INITIAL | AUTHORIZATION) ? login : timeout;

	if (s->wait != WAIT_NOTHING && s->deadline > 0)
		return s->deadline;
	if (idle > 0)
		return s->since + idle;
	return s->wait != WAIT_NOTHING || s->closing ? s->since + STORE_WAIT : 0;
}

/* Makes sure that the timer looks in time; it may look too early. */
static void session_arm(struct session *s)
{
	struct ev_loop *loop = s->front->loop;
	double deadline = session_deadline(s), now = ev_now(loop);

	if (deadline == 0 || (ev_is_active(&s->timer) && s->looks_at <= deadline))
		return;
	ev_timer_stop(loop, &s->timer);
	ev_timer_set(&s->timer, deadline > now ? deadline - now : 0, 0);
	ev_timer_start(loop, &s->timer);
	s->looks_at = deadline;
}

void session_wait(struct session *s, enum wait wait, double seconds)
{
	s->wait = wait;
	s->deadline = seconds > 0 ? ev_now(s->front->loop) + seconds : 0;
}

void session_fail(struct session *s, enum err err, const char *reason)
{
	s->wait = WAIT_NOTHING;
	if (s->closing)
		return;
	if (s->more || !output_room(s))
		session_drop(s, reason);
	else
		reply_unreadable(&s->out, err);
	session_close(s, reason);
}

void session_shut(struct session *s)
{
	if (s->wait == WAIT_ACKNOWLEDGED)
		update_done(s, ERR_TEMP);
	else if (s->wait == WAIT_HANDSHAKE)
		session_drop(s, "shutdown"); /* it could not read what we say */
	else if (s->wait != WAIT_GOODBYE)
		session_fail(s, ERR_TEMP, "shutdown");
}

/* Everything is sent. Octets that the client sent and nobody read would make the kernel reset the connection, and
 * the last reply might be lost with it. */
static void say_goodbye(struct session *s)
{
	if (s->eof || input_discard(s) <= 0) {
		s->over = true;
		return;
	}
	input_drop(s);
	shutdown(s->io.fd, SHUT_WR);
	session_wait(s, WAIT_GOODBYE, GOODBYE_WAIT);
}

static void hear_goodbye(struct session *s)
{
	ssize_t n = input_discard(s);

	if (n > 0)
		s->unheard += (uint32_t)n;
	s->over = n == 0 || s->unheard > GOODBYE_OCTETS || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void note_next(struct session *s, enum next next)
{
	if (next != NEXT_STREAM && next != NEXT_WAIT)
		s->more = NULL;
	if (next == NEXT_CLOSE)
		session_close(s, "quit");
}

/* One command. False: there is none. */
static bool next_command(struct session *s)
{
	struct slice line;
	enum line what = input_line(s, &line);

	if (what == LINE_NONE && s->eof)
		session_close(s, "disconnected");
	if (what == LINE_TOO_LONG && s->sasl != SASL_NONE)
		sasl_line_too_long(s);
	if (what != LINE_WHOLE)
		return what == LINE_TOO_LONG;
	if (s->transcript)
		transcript_client(s, line);
	enum next next = s->sasl == SASL_NONE ? session_command(s, line) : sasl_line(s, line);

	if (next != NEXT_AGAIN)
		input_used(s);
	if (s->state == TRANSACTION)
		s->since = ev_now(s->front->loop);
	note_next(s, next);
	return true;
}

/* Does one thing. False: there is nothing to do now. */
static bool session_step(struct session *s)
{
	if (s->wait != WAIT_NOTHING || s->closing || s->over)
		return false;
	if (s->front->turn <= 0) {
		s->yields = true;
		return false;
	}
	if (!output_room(s))
		return false;
	if (!s->more)
		return next_command(s);
	note_next(s, s->more(s));
	return true;
}

static void finish_output(struct session *s)
{
	output_flush(s);
	if (s->wait == WAIT_ACKNOWLEDGED && !s->over && output_is_empty(s)) {
		update_try(s);
		output_flush(s); /* where it could not even be asked for */
	}
	if (s->closing && !s->over && output_is_empty(s) && s->wait != WAIT_GOODBYE)
		say_goodbye(s);
}

static bool run(struct session *s)
{
	s->front->turn = TURN_OCTETS;
	do
		if (s->transcript)
			transcript_server(s);
	while (session_step(s));
	if (!s->over)
		finish_output(s);
	transfer_keep(s);
	input_keep(s);
	if (s->over) {
		session_free(s);
		return false;
	}
	session_watch(s);
	session_arm(s);
	return true;
}

/* The lines that are logged meanwhile are this session's, those behind it are not. */
bool session_run(struct session *s)
{
	log_session(s->log_id);
	bool goes_on = run(s);

	log_session(0);
	return goes_on;
}

static void hear(struct session *s)
{
	if (s->state == TRANSACTION)
		streak_heard(s);
	input_read(s);
}

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct session *s = w->data;

	(void)loop;
	log_session(s->log_id);
	if (revents & EV_WRITE)
		s->blocked = s->yields = false;
	if (s->wait == WAIT_HANDSHAKE)
		stls_go(s);
	else if (revents & EV_READ && s->wait == WAIT_GOODBYE)
		hear_goodbye(s);
	else if (revents & EV_READ)
		hear(s);
	session_run(s);
}

static void idle_over(struct session *s)
{
	if (s->more || s->closing || !output_is_empty(s) || !output_room(s)) {
		session_drop(s, "slow client");
		return;
	}
	reply_err(&s->out, "Session timed out");
	session_close(s, "timeout");
}

static void auth_over(struct session *s)
{
	input_used(s);
	login_denied(s, ERR_TEMP, SLICE("no auth process"));
}

static void login_over(struct session *s)
{
	login_denied(s, ERR_TEMP, SLICE("no answer"));
}

static void store_over(struct session *s)
{
	session_fail(s, ERR_TEMP, "no answer from store");
}

static void acknowledge_over(struct session *s)
{
	if (!output_is_empty(s))
		session_drop(s, "slow client");
}

static void commit_over(struct session *s)
{
	update_done(s, ERR_TEMP);
}

static void goodbye_over(struct session *s)
{
	s->over = true;
}

static void (*const on_expiry[])(struct session *s) = {
	[WAIT_NOTHING] = idle_over,  [WAIT_HANDSHAKE] = stls_over,        [WAIT_AUTH] = auth_over,
	[WAIT_LOGIN] = login_over,   [WAIT_PENALTY] = login_penalty_over, [WAIT_LISTING] = store_over,
	[WAIT_BODY] = store_over,    [WAIT_OCTETS] = store_over,          [WAIT_ACKNOWLEDGED] = acknowledge_over,
	[WAIT_COMMIT] = commit_over, [WAIT_GOODBYE] = goodbye_over,
};

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct session *s = w->data;
	double deadline = session_deadline(s);

	(void)revents;
	log_session(s->log_id);
	if (deadline > 0 && deadline <= ev_now(loop))
		on_expiry[s->wait](s);
	session_run(s);
}

void session_greet(struct session *s)
{
	char text[STAMP_MOST + sizeof "POP3 Ready "] = "POP3 Ready";

	apop_stamp(s);
	if (s->stamp.n > 0)
		(void)snprintf(text, sizeof text, "POP3 Ready %.*s", (int)s->stamp.n, s->stamp.p);
	if (output_room(s))
		reply_ok(&s->out, text);
}

bool session_new(struct front *f, const struct arrival *who)
{
	struct arena *a = arena_new(SESSION_OCTETS);
	struct session *s = a ? arena_zero(a, sizeof *s) : NULL;

	if (!s) {
		arena_free(a);
		return false;
	}
	*s = (struct session){.front = f,
			      .arena = a,
			      .server = who->server,
			      .client = who->client,
			      .log_id = who->log_id,
			      .state = who->server->tls_mode == TLS_REQUIRED ? INITIAL : AUTHORIZATION};
	s->next = f->sessions;
	s->at = &f->sessions;
	if (s->next)
		s->next->at = &s->next;
	f->sessions = s;
	s->since = s->begun = ev_now(f->loop);
	transcript_open(s);
	s->before_user = arena_mark(a);
	s->view.file = FILE_ABSENT;
	transfer_init(&s->transfer);
	ev_io_init(&s->io, on_io, who->fd, 0);
	ev_timer_init(&s->timer, on_timer, 0, 0);
	s->io.data = s->timer.data = s;
	if (who->server->tls_mode == TLS_CONNECTION)
		stls_begin(s);
	else
		session_greet(s);
	session_run(s);
	return true;
}
