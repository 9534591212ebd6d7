/* front/cmd_auth.c - commands before the login, and those that are legal everywhere */
#include <openssl/rand.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/acl.h"
#include "front/commands.h"
#include "front/flow.h"
#include "front/front.h"
#include "front/reply.h"
#include "front/sasl.h"
#include "front/stls.h"

enum { PENALTY_MOST = 15 }; /* seconds */

static const double LOGIN_WAIT = 30; /* seconds for an answer to a login, besides what it waits for on purpose */

void login_forget(struct session *s)
{
	arena_release(s->arena, s->before_user);
	s->user = (struct slice){0};
}

/* Any name will do: whether it exists is said behind PASS only, and not even there. */
enum next cmd_user(struct session *s, const struct args *a)
{
	login_forget(s);
	s->user = (struct slice){arena_str(s->arena, a->text), a->text.n};
	if (s->user.p) {
		reply_ok(&s->out, "");
	} else {
		s->user.n = 0;
		reply_code(&s->out, ERR_TEMP);
	}
	return NEXT_COMMAND;
}

double login_waits(const struct conf *cf)
{
	return (double)cf->auth.penalty.most.n + (double)cf->mailbox.session_lock_wait.n +
	       (double)cf->locking.retry_count * (double)cf->locking.retry_sleep.n;
}

static enum next login_ask(struct session *s, struct slice password, struct slice stamp)
{
	s->login_at = ev_now(s->front->loop);
	if (peers_auth_comes(s->front)) {
		session_wait(s, WAIT_AUTH, LOGIN_WAIT);
		return NEXT_AGAIN;
	}
	session_wait(s, WAIT_LOGIN, LOGIN_WAIT + login_waits(s->front->conf));
	if (!peers_login(s, password, stamp))
		login_denied(s, ERR_TEMP, SLICE("no auth process"));
	return s->wait == WAIT_NOTHING ? NEXT_COMMAND : NEXT_WAIT;
}

enum next cmd_pass(struct session *s, const struct args *a)
{
	if (s->user.n == 0) {
		reply_err(&s->out, "Invalid command");
		return NEXT_COMMAND;
	}
	if (a->text.n > SECRET_MOST) {
		reply_err(&s->out, "Argument too long");
		return NEXT_COMMAND;
	}
	return login_ask(s, a->text, SLICE(""));
}

/* RFC 1939, section 7: never the same twice, and nobody can know it before. The random part sees to that. */
void apop_stamp(struct session *s)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char octets[16];
	char text[STAMP_MOST];
	struct buf b = BUF(text);

	if (!s->front->env->apop_host || RAND_bytes(octets, sizeof octets) != 1)
		return;
	buf_char(&b, '<');
	for (size_t i = 0; i < sizeof octets; i++) {
		buf_char(&b, digits[octets[i] >> 4]);
		buf_char(&b, digits[octets[i] & 15]);
	}
	buf_char(&b, '.');
	buf_u64(&b, (uint64_t)(clock_wall_ns() / 1000000000));
	buf_char(&b, '@');
	buf_str(&b, s->front->env->apop_host);
	buf_char(&b, '>');
	const char *kept = b.full ? NULL : arena_str(s->arena, buf_slice(&b));

	s->stamp = (struct slice){kept, kept ? b.len : 0};
	s->before_user = arena_mark(s->arena); /* it stays when a login is forgotten */
}

/* Takes the name off the front of what is said. A word that is alone may be a digest, which nobody is to see in a log. */
static struct slice take_name_of_apop(struct slice *rest)
{
	struct slice all = slice_trim(*rest), name = {all.p, 0};

	while (name.n < all.n && all.p[name.n] != ' ' && all.p[name.n] != '\t')
		name.n++;
	*rest = slice_trim((struct slice){all.p + name.n, all.n - name.n});
	if (rest->n > 0)
		return name;
	*rest = name;
	return SLICE("");
}

/* Without a time stamp in the greeting there is no APOP. */
enum next cmd_apop(struct session *s, const struct args *a)
{
	struct slice digest = a->text, name = take_name_of_apop(&digest);

	if (s->stamp.n == 0 || digest.n == 0 || name.n > NAME_MOST || digest.n > SECRET_MOST) {
		reply_err(&s->out, s->stamp.n == 0 ? "Invalid command" : "Invalid arguments");
		return NEXT_COMMAND;
	}
	login_forget(s);
	s->user = (struct slice){arena_str(s->arena, name), name.n};
	if (!s->user.p) {
		s->user.n = 0;
		reply_code(&s->out, ERR_TEMP);
		return NEXT_COMMAND;
	}
	return login_ask(s, digest, s->stamp);
}

enum next cmd_noop(struct session *s, const struct args *a)
{
	(void)a;
	reply_ok(&s->out, "");
	return NEXT_COMMAND;
}

/* RFC 2449, section 6.5: what holds for users in general, or for this one. With a data base that cannot be used there is no delay. */
static void put_login_delay(struct session *s)
{
	const struct conf *cf = s->front->conf;
	const struct state_page *page = s->front->env->state_page;
	bool in_session = s->state == TRANSACTION;
	uint64_t delay = in_session ? s->login_delay_s : cf->login_delay.n;

	if (delay == 0 || !page || !atomic_load_explicit(&page->delays, memory_order_relaxed) ||
	    acl_names(&cf->login_delay_exempt, &s->client))
		return;
	buf_str(&s->out, "LOGIN-DELAY ");
	buf_u64(&s->out, delay);
	buf_str(&s->out, cf->login_delay_per_user && !in_session ? " USER\r\n" : "\r\n");
}

/* RFC 5034, section 6. What is announced before a login is announced behind it, too. */
static void put_sasl(struct session *s)
{
	size_t start = s->out.len;

	buf_str(&s->out, "SASL");
	if (s->state != INITIAL && sasl_put_names(s, &s->out, " ", ""))
		buf_str(&s->out, "\r\n");
	else
		buf_rewind(&s->out, start);
}

/* RFC 2449, sections 5 and 6; RFC 3206 for AUTH-RESP-CODE; RFC 2595, section 4 for STLS. */
enum next cmd_capa(struct session *s, const struct args *a)
{
	char expire[] = "EXPIRE 4294967295";
	struct buf text = {.p = expire, .len = sizeof "EXPIRE " - 1, .cap = sizeof expire};
	const struct {
		bool shown;
		const char *line;
	} capa[] = {
		{true, "TOP"},
		{true, "UIDL"},
		{true, "RESP-CODES"},
		{true, "PIPELINING"},
		{true, "AUTH-RESP-CODE"},
		{s->front->conf->scan_lines, "XLINES"},
		{true, expire},
		{s->state != INITIAL && stls_passwords_may_come(s), "USER"},
		{s->state == INITIAL, "XTLSREQUIRED"}, /* Mailutils' */
		{s->state != TRANSACTION && stls_is_offered(s), "STLS"},
		{s->state == TRANSACTION, "IMPLEMENTATION Poplar"}, /* strangers need not know */
	};

	(void)a;
	if (s->front->conf->expire_days == UINT32_MAX)
		buf_str(&text, "NEVER");
	else
		buf_u64(&text, s->front->conf->expire_days);
	buf_char(&text, '\0');
	reply_ok(&s->out, "Capability list follows");
	for (size_t i = 0; i < sizeof capa / sizeof *capa; i++)
		if (capa[i].shown) {
			buf_str(&s->out, capa[i].line);
			buf_str(&s->out, "\r\n");
		}
	put_login_delay(s);
	put_sasl(s);
	buf_str(&s->out, ".\r\n");
	return NEXT_COMMAND;
}

/* Store is told before the client, so that the maildrop is free when the client comes again. */
enum next cmd_quit(struct session *s, const struct args *a)
{
	(void)a;
	const struct conf *cf = s->front->conf;
	bool marks = cf->mailbox.update_flags ||
		     (cf->expire_days > 0 && cf->expire_days != UINT32_MAX && cf->expire_mark == EXPIRE_HEADER);
	bool due = s->state == TRANSACTION && s->view.due <= (uint64_t)(clock_wall_ns() / 1000000000);

	if ((s->view.deleted > 0 || s->view.whole || due || (marks && s->last_fetched > 0)) &&
	    view_settle(&s->view, s->arena))
		return update_start(s);
	peers_leave(s, true);
	reply_ok(&s->out, "");
	return NEXT_CLOSE;
}

/* Who knew the user, and whose mail it is. */
static void log_login(const struct session *s, const struct msg_scan *m)
{
	struct event e;

	session_event(s, &e, "login");
	event_kv(&e, "source", (struct slice){m->source, strnlen(m->source, sizeof m->source)});
	event_u64(&e, "uid", m->uid);
	event_u64(&e, "messages", s->view.count);
	event_u64(&e, "octets", s->view.octets);
	event_log(&e, LOG_INFO);
}

/* The one line about it: what went wrong is known where it did, who it was is known here. */
static void log_failure(const struct session *s, enum err err, struct slice reason)
{
	bool is_trouble = err == ERR_TEMP || err == ERR_PERM;
	struct event e;

	session_event(s, &e, "login-failed");
	event_word(&e, "code", reply_code_text(err));
	event_kv(&e, "reason", reason);
	event_log(&e, is_trouble ? LOG_ERR : LOG_INFO);
}

/* The user's name as the back end knows it stands in front of the records. */
static enum err take_name(struct session *s, struct msg *m, struct why *why)
{
	size_t n = ((const struct msg_scan *)m->payload)->name_len;

	if (n > NAME_MOST || n > m->bulk.n)
		return fail(why, ERR_PERM, "a scan listing with a name of %zu octets", n);
	s->name = (struct slice){arena_str(s->arena, (struct slice){m->bulk.p, n}), n};
	m->bulk = (struct slice){m->bulk.p + n, m->bulk.n - n};
	return s->name.p ? OK : fail(why, ERR_TEMP, "no memory for a name");
}

enum err login_open(struct session *s, struct msg *m, struct why *why)
{
	const struct msg_scan *scan = m->payload;
	enum err err = take_name(s, m, why);

	if (err == OK)
		err = view_open(&s->view, s->arena, m, why);
	if (err != OK) {
		peers_leave(s, true);
		login_denied(s, ERR_TEMP, slice_str(why->text));
		return err;
	}
	sasl_over(s);
	s->wait = WAIT_NOTHING;
	s->state = TRANSACTION;
	s->login_delay_s = scan->login_delay_s;
	s->opened = true;
	s->since = ev_now(s->front->loop);
	if (log_wants(LOG_INFO) && !log_current()->compatible) /* else auth and store have said it */
		log_login(s, scan);
	if (output_room(s))
		reply_numbers(&s->out, "maildrop has ", s->view.count, " messages (", s->view.octets, " octets)");
	return OK;
}

/* When the answer to a failed login is due: so many times the delay behind PASS that it is not yet past. So it tells
 * nothing about how long the check took. The delay doubles with each failure of this connection. */
static double penalty(const struct session *s)
{
	double delay = (double)s->front->conf->auth.failure_delay.n, now = ev_now(s->front->loop);

	for (uint32_t i = 1; i < s->failures && delay < PENALTY_MOST; i++)
		delay = delay * 2 < PENALTY_MOST ? delay * 2 : PENALTY_MOST;
	if (delay <= 0)
		return 0;
	double at = s->login_at + delay;

	while (at <= now)
		at += delay;
	return at - now;
}

void login_denied(struct session *s, enum err err, struct slice reason)
{
	log_failure(s, err, reason);
	peers_leave(s, false);
	sasl_over(s);
	bool guesses = err == ERR_AUTH || err == ERR_LOCKED;

	s->denied = err;
	s->failures += guesses;
	session_wait(s, WAIT_PENALTY, guesses ? penalty(s) : 0);
	if (s->deadline == 0)
		login_penalty_over(s);
}

void login_penalty_over(struct session *s)
{
	s->wait = WAIT_NOTHING;
	login_forget(s);
	if (output_room(s))
		reply_denial(&s->out, s->denied, s->denied_maildrop);
	if (s->failures >= FAILURES_MOST)
		session_close(s, "too many failed logins");
}
