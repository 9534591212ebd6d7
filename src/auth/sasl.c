/* auth/sasl.c - see sasl.h */
#include "auth/sasl.h"

#include <stdlib.h>
#include <string.h>

#include "auth/fronts.h"
#include "auth/keytab.h"
#include "auth/names.h"
#include "auth/sasl_exchange.h"
#include "auth/sasl_oauth.h"
#include "base/log.h"

static sasl_mechanism *const runs[MECHANISM_COUNT] = {
	[MECHANISM_SCRAM_SHA_256_PLUS] = sasl_gnu,
	[MECHANISM_SCRAM_SHA_1_PLUS] = sasl_gnu,
	[MECHANISM_SCRAM_SHA_256] = sasl_gnu,
	[MECHANISM_SCRAM_SHA_1] = sasl_gnu,
	[MECHANISM_EXTERNAL] = sasl_external,
	[MECHANISM_GSSAPI] = sasl_gssapi,
	[MECHANISM_DIGEST_MD5] = sasl_gnu,
	[MECHANISM_CRAM_MD5] = sasl_gnu,
	[MECHANISM_PLAIN] = sasl_plain,
	[MECHANISM_LOGIN] = sasl_login,
	[MECHANISM_OAUTHBEARER] = sasl_oauth,
	[MECHANISM_XOAUTH2] = sasl_oauth,
	[MECHANISM_ANONYMOUS] = sasl_anonymous,
};

/* --- for mechanisms ---------------------------------------------------------------------------------------------- */

bool sasl_name_set(struct sasl_exchange *e, struct slice name)
{
	if (name.n == 0 || name.n > NAME_MOST || !credential_is_clean(name))
		return false;
	memcpy(e->name, name.p, name.n);
	e->name_n = name.n;
	return true;
}

enum sasl_result sasl_ask(struct sasl_out *out, struct slice text)
{
	if (text.n > sizeof out->challenge)
		return sasl_refuse(out, "a challenge would be too long");
	if (text.n > 0)
		memcpy(out->challenge, text.p, text.n);
	out->challenge_n = text.n;
	return SASL_GOES_ON;
}

enum sasl_result sasl_refuse(struct sasl_out *out, const char *reason)
{
	out->reason = reason;
	return SASL_REFUSED;
}

/* --- exchanges --------------------------------------------------------------------------------------------------- */

static struct sasl_exchange **place_of(struct sasl *s, uint64_t sid)
{
	struct sasl_exchange **at = &s->bucket[(sid ^ sid >> 32) % SASL_BUCKETS];

	while (*at && (*at)->login.sid != sid)
		at = &(*at)->next;
	return at;
}

static void exchange_end(struct sasl *s, struct sasl_exchange **at)
{
	struct sasl_exchange *e = *at;

	*at = e->next;
	s->exchanges--;
	sasl_gnu_end(e);
	explicit_bzero(e, sizeof *e);
	free(e);
}

static struct login_ask ask_of(const struct sasl_exchange *e, const char *reason)
{
	return (struct login_ask){
		.m = &e->login,
		.c = {.user = {e->name, e->name_n}, .password = secret_slice(&e->password)},
		.by = e->by,
		.reason = reason,
	};
}

/* The name goes the way of all who log in, with what became of the exchange. */
static void log_in(struct sasl *s, struct sasl_exchange **at, const char *reason)
{
	struct login_ask ask = ask_of(*at, reason);

	s->login(s->arg, &ask);
	exchange_end(s, at);
}

/* Who is locked out has his token shown to nobody. */
static void ask_about_token(struct sasl *s, struct sasl_exchange **at, struct slice token)
{
	struct login_ask ask = ask_of(*at, NULL);

	if (s->barred(s->arg, &ask))
		exchange_end(s, at);
	else
		sasl_oauth_ask(*at, token);
}

/* Front waits no more. A token that was refused counts, also where the client does not answer to that. */
static void over(struct sasl *s, struct sasl_exchange **at)
{
	struct sasl_exchange *e = *at;

	e->by = LOGIN_DISPROVED;
	if (e->refused.text[0])
		log_in(s, at, e->refused.text);
	else
		exchange_end(s, at);
}

/* True: front is to be asked first whether it has the name. */
static bool tell_name(struct sasl *s, struct sasl_exchange *e, bool may_follow)
{
	if (e->name_n == 0 || e->told)
		return false;
	e->told = true;
	fronts_name(s->fronts, e->login.sid, (struct slice){e->name, e->name_n}, may_follow);
	return may_follow;
}

static void deny(struct sasl *s, struct sasl_exchange **at, enum err err, const char *reason)
{
	fronts_deny(s->fronts, (*at)->login.sid, err, reason);
	exchange_end(s, at);
}

static void settle(struct sasl *s, struct sasl_exchange **at, enum sasl_result result, struct sasl_out *out)
{
	struct sasl_exchange *e = *at;

	if (result == SASL_TOKEN) { /* what is known of the name waits for the answer, too */
		ask_about_token(s, at, out->password);
		return;
	}
	bool asks = tell_name(s, e, result == SASL_PASSWORD || result == SASL_SHOWN);

	e->due = asks;
	e->by = result == SASL_SHOWN ? LOGIN_BY_PROOF : result == SASL_REFUSED ? LOGIN_DISPROVED : LOGIN_BY_PASSWORD;
	if (result == SASL_PASSWORD)
		(void)secret_set(&e->password, out->password); /* fits: the mechanism has looked */
	if (result == SASL_GOES_ON)
		fronts_challenge(s->fronts, e->login.sid, (struct slice){out->challenge, out->challenge_n});
	else if (result == SASL_TROUBLE)
		deny(s, at, out->err, out->reason);
	else if (!asks)
		log_in(s, at, out->reason);
	explicit_bzero(out, sizeof *out);
}

static void look(struct sasl *s, struct sasl_exchange **at, struct slice response)
{
	(*at)->looks = true;
	if (!sasl_look(*at, response)) /* else it may be gone by now */
		deny(s, at, ERR_TEMP, "no memory");
}

static void run(struct sasl *s, struct sasl_exchange **at, struct slice response, bool given)
{
	struct sasl_exchange *e = *at;
	struct sasl_out out = {.err = ERR_TEMP};
	enum sasl_result result = runs[e->mechanism](e, response, given, &out);

	e->turns++;
	if (result == SASL_LOOKS)
		look(s, at, response);
	else
		settle(s, at, result, &out);
}

struct sasl_exchange *sasl_exchange_find(struct sasl *s, uint64_t sid)
{
	return *place_of(s, sid);
}

void sasl_resume(struct sasl_exchange *e, enum sasl_result result, struct sasl_out *out)
{
	settle(e->all, place_of(e->all, e->login.sid), result, out);
}

/* --- messages ---------------------------------------------------------------------------------------------------- */

static void fill(struct sasl_exchange *e, const struct msg_sasl_start *m, const char *bulk)
{
	e->login = (struct msg_login){
		.sid = m->sid, .log_id = m->log_id, .client = m->client, .local = m->local, .failures = m->failures};
	e->mechanism = (enum mechanism)m->mechanism;
	e->traits = m->traits;
	memcpy(e->binding, bulk, e->binding_n = m->binding_len);
	memcpy(e->certified, bulk + m->binding_len, e->certified_n = m->certified_len);
}

/* What the configuration does not offer cannot be begun, whatever front says. */
enum err sasl_start(struct sasl *s, const struct msg *m, struct why *why)
{
	const struct msg_sasl_start *start = m->payload;
	size_t before = (size_t)start->binding_len + start->certified_len;

	if (start->binding_len > BINDING_MOST || start->certified_len > NAME_MOST ||
	    start->response_len > SASL_RESPONSE_MOST || before + start->response_len != m->bulk.n ||
	    start->mechanism >= MECHANISM_COUNT || !mechanism_is_configured((enum mechanism)start->mechanism, s->conf))
		return fail(why, ERR_PERM, "an exchange that cannot be begun");
	struct sasl_exchange **at = place_of(s, start->sid);

	if (*at)
		return fail(why, ERR_PERM, "two exchanges with one number");
	*at = s->exchanges < SASL_EXCHANGES_MOST ? calloc(1, sizeof **at) : NULL;
	if (!*at) {
		fronts_deny(s->fronts, start->sid, ERR_TEMP, "too many exchanges of AUTH");
		return OK;
	}
	s->exchanges++;
	(*at)->all = s;
	fill(*at, start, m->bulk.p);
	log_session(start->log_id);
	run(s, at, (struct slice){m->bulk.p + before, start->response_len}, start->traits & SASL_HAS_RESPONSE);
	return OK;
}

/* One that is not there (any more) has been answered. */
enum err sasl_step(struct sasl *s, const struct msg *m, struct why *why)
{
	const struct msg_sasl_step *step = m->payload;
	struct sasl_exchange **at = place_of(s, step->sid);

	if (!*at)
		return OK;
	log_session((*at)->login.log_id);
	if (step->over != 0)
		over(s, at);
	else if ((*at)->asked || (*at)->looks)
		return fail(why, ERR_PERM, "a response that nobody has asked for");
	else if ((*at)->due)
		log_in(s, at, NULL);
	else
		run(s, at, m->bulk, true);
	return OK;
}

void sasl_front_gone(struct sasl *s, uint32_t front)
{
	for (size_t i = 0; i < SASL_BUCKETS; i++)
		for (struct sasl_exchange **at = &s->bucket[i]; *at;)
			if (sid_front((*at)->login.sid) == front)
				exchange_end(s, at);
			else
				at = &(*at)->next;
}

/* --- the process ------------------------------------------------------------------------------------------------- */

enum err sasl_open(struct sasl *s, struct why *why)
{
	struct why reason;

	host_name(s->conf, s->host);
	sasl_secrets_open(&s->secrets, s->conf, s->cache);
	if (mechanism_is_configured(MECHANISM_GSSAPI, s->conf) &&
	    keytab_look(s->conf, s->host, s->realm, &reason) != OK)
		log_line(LOG_ERR, "%s", reason.text);
	return s->conf->gsasl.enable ? sasl_gnu_open(s, why) : OK;
}

void sasl_close(struct sasl *s)
{
	for (size_t i = 0; i < SASL_BUCKETS; i++)
		while (s->bucket[i])
			exchange_end(s, &s->bucket[i]);
	sasl_gnu_close(s);
	sasl_secrets_close(&s->secrets);
}
