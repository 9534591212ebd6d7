/* front/sasl.c - see sasl.h */
#include "front/sasl.h"

#include <string.h>

#include "base/base64.h"
#include "front/commands.h"
#include "front/flow.h"
#include "front/front.h"
#include "front/reply.h"
#include "front/stls.h"
#include "ipc/mechanisms.h"

static const double ANSWER_WAIT = 30; /* seconds for an answer of auth */

static enum next refuse(struct session *s, const char *text)
{
	reply_err(&s->out, text);
	return NEXT_COMMAND;
}

/* --- which mechanisms -------------------------------------------------------------------------------------------- */

static bool can_bind(const struct session *s)
{
	char octets[BINDING_MOST];
	bool exporter;

	return tls_binding(&s->tls, octets, &exporter).n > 0;
}

static struct slice certified(const struct session *s, char out[static NAME_MOST])
{
	return tls_client_name(&s->tls, s->server->tls.client_name, out);
}

static bool is_certified(const struct session *s)
{
	char name[NAME_MOST];

	return certified(s, name).n > 0;
}

static bool fits(const struct session *s, enum mechanism m)
{
	unsigned traits = mechanisms[m].traits;

	return mechanism_is_configured(m, s->front->conf) && (!(traits & MECHANISM_CERTIFIED) || is_certified(s)) &&
	       (!(traits & MECHANISM_TELLS) || stls_passwords_may_come(s)) &&
	       (!(traits & MECHANISM_BINDS) || can_bind(s));
}

bool sasl_put_names(const struct session *s, struct buf *out, const char *before, const char *after)
{
	size_t start = out->len;

	for (enum mechanism m = 0; m < MECHANISM_COUNT; m++)
		if (fits(s, m)) {
			buf_str(out, before);
			buf_str(out, mechanisms[m].name);
			buf_str(out, after);
		}
	return out->len > start;
}

/* As clients of today expect it, though neither RFC 1734 nor RFC 5034 says so: a list, and no exchange. */
static enum next list(struct session *s)
{
	reply_ok(&s->out, "Mechanisms follow");
	(void)sasl_put_names(s, &s->out, "", "\r\n");
	buf_str(&s->out, ".\r\n");
	return NEXT_COMMAND;
}

/* --- an exchange ------------------------------------------------------------------------------------------------- */

static void turn_of_auth(struct session *s)
{
	s->sasl = SASL_AUTH;
	session_wait(s, WAIT_LOGIN, ANSWER_WAIT + login_waits(s->front->conf));
}

static enum next turn_or_denied(struct session *s, bool sent)
{
	if (!sent)
		login_denied(s, ERR_TEMP, SLICE("no auth process"));
	return s->wait == WAIT_NOTHING ? NEXT_COMMAND : NEXT_WAIT;
}

/* RFC 5034, section 4: `=' is an initial response of no octets. Decoded where it stands. */
static bool decode(struct slice text, struct slice *out)
{
	size_t n = 0;

	if (text.n == 1 && text.p[0] == '=')
		text.n = 0;
	bool is_base64 = base64_decode(text, (char *)text.p, &n); /* it stands in our own input buffer */

	*out = (struct slice){text.p, n};
	return is_base64 && n <= SASL_RESPONSE_MOST;
}

static enum next begin(struct session *s, enum mechanism m, bool given, struct slice text)
{
	struct sasl_first first = {.mechanism = m, .traits = given ? SASL_HAS_RESPONSE : 0};
	char binding[BINDING_MOST], name[NAME_MOST];
	bool exporter;

	if (peers_auth_comes(s->front)) {
		session_wait(s, WAIT_AUTH, ANSWER_WAIT);
		return NEXT_AGAIN;
	}
	if (!decode(text, &first.response))
		return refuse(s, "Invalid base64");
	if (tls_is_on(&s->tls))
		first.traits |= SASL_TLS;
	if (mechanisms[m].traits & (MECHANISM_BINDS | MECHANISM_COULD_BIND)) {
		first.binding = tls_binding(&s->tls, binding, &exporter);
		first.traits |= exporter ? SASL_BINDS_EXPORTER : 0;
	}
	if (mechanisms[m].traits & MECHANISM_CERTIFIED)
		first.certified = certified(s, name);
	login_forget(s);
	s->login_at = ev_now(s->front->loop);
	turn_of_auth(s);
	return turn_or_denied(s, peers_sasl_start(s, &first));
}

enum next cmd_auth(struct session *s, const struct args *a)
{
	struct slice rest = slice_trim(a->text), name = slice_take(&rest, ' ');
	enum mechanism m = mechanism_find(name);

	rest = slice_trim(rest);
	if (name.n == 0)
		return list(s);
	if (m == MECHANISM_COUNT || !mechanism_is_configured(m, s->front->conf))
		return refuse(s, "Mechanism is not available");
	if (!fits(s, m))
		return refuse(s, mechanisms[m].traits & MECHANISM_TELLS ? "Plaintext login is not allowed here"
									: "Mechanism is not available here");
	return begin(s, m, rest.n > 0, rest);
}

static enum next cancel(struct session *s, const char *text)
{
	peers_leave(s, true);
	sasl_over(s);
	login_forget(s);
	return refuse(s, text);
}

static enum next answer(struct session *s, struct slice line)
{
	struct slice octets;

	s->login_at = ev_now(s->front->loop);
	if (s->sasl == SASL_LOST) {
		login_denied(s, ERR_TEMP, SLICE("the auth process has ended"));
		return s->wait == WAIT_NOTHING ? NEXT_COMMAND : NEXT_WAIT;
	}
	if (slice_eq(line, SLICE("*")))
		return cancel(s, "Authentication cancelled");
	if (slice_eq(line, SLICE("=")) || !decode(line, &octets))
		return cancel(s, "Invalid base64");
	turn_of_auth(s);
	return turn_or_denied(s, peers_sasl_step(s, octets));
}

enum next sasl_line(struct session *s, struct slice line)
{
	enum next next = answer(s, line);

	if (line.n > 0)
		explicit_bzero((char *)line.p, line.n);
	return next;
}

void sasl_line_too_long(struct session *s)
{
	peers_leave(s, true);
	sasl_over(s);
	login_forget(s);
}

void sasl_challenge(struct session *s, struct slice octets)
{
	s->wait = WAIT_NOTHING;
	s->sasl = SASL_CLIENT;
	if (!output_room(s)) {
		session_drop(s, "slow client");
		return;
	}
	buf_str(&s->out, "+ ");
	base64_encode(&s->out, octets);
	buf_str(&s->out, "\r\n");
}

void sasl_named(struct session *s, struct slice name)
{
	login_forget(s);
	s->user = (struct slice){arena_str(s->arena, name), name.n};
	if (!s->user.p)
		s->user.n = 0;
}

void sasl_lost(struct session *s)
{
	s->sasl = SASL_LOST;
}

void sasl_over(struct session *s)
{
	s->sasl = SASL_NONE;
}
