/* auth/sasl_oauth.c - see sasl_oauth.h */
#include "auth/sasl_oauth.h"

#include <stdlib.h>
#include <string.h>

#include "auth/pools.h"
#include "auth/sasl_token.h"

/* --- the mechanisms ------------------------------------------------------------------------------------------------ */

enum sasl_result sasl_oauth(struct sasl_exchange *e, struct slice response, bool given, struct sasl_out *out)
{
	struct sasl_token said;

	if (e->refused.text[0]) /* this is the answer to the error; what it says does not matter */
		return sasl_refuse(out, e->refused.text);
	if (!given)
		return sasl_ask(out, SLICE(""));
	if (!(e->mechanism == MECHANISM_XOAUTH2 ? sasl_token_xoauth2 : sasl_token_oauthbearer)(response, &said) ||
	    (said.name_n > 0 && !sasl_name_set(e, (struct slice){said.name, said.name_n})))
		return sasl_refuse(out, "malformed response");
	out->password = said.token;
	return SASL_TOKEN;
}

/* --- the question -------------------------------------------------------------------------------------------------- */

/* Lives until it is answered, whatever becomes of the exchange. Holds a token; wiped with it. */
struct sasl_question {
	struct question q; /* first: this is how pools know it */
	struct sasl *all;
	uint64_t sid;
	size_t octets;
	char name[NAME_MOST];
	char token[];
};

static void question_free(struct sasl_question *t)
{
	explicit_bzero(t, sizeof *t + t->octets);
	free(t);
}

static enum sasl_result refuse_token(struct sasl_exchange *e, const char *reason, struct sasl_out *out)
{
	struct buf b = BUF(out->challenge);

	(void)fail(&e->refused, ERR_AUTH, "%s", reason[0] ? reason : "the token is not valid");
	sasl_token_error(&b, e->mechanism, e->all->conf);
	out->challenge_n = b.len;
	return SASL_GOES_ON;
}

static enum sasl_result judge(struct sasl_exchange *e, const struct looked *l, struct sasl_out *out)
{
	struct slice user = l->text[LOOKED_NAME];

	if (l->err == ERR_AUTH)
		return refuse_token(e, l->why.text, out);
	if (l->err != OK) {
		out->err = l->err;
		out->reason = l->why.text;
		return SASL_TROUBLE;
	}
	if (e->name_n > 0 && !slice_eq(user, (struct slice){e->name, e->name_n}))
		return refuse_token(e, "the token is another user's", out);
	if (!sasl_name_set(e, user))
		return refuse_token(e, "the token's user has a name that no user has", out);
	return SASL_SHOWN;
}

static void on_answer(struct question *q, const struct looked *l)
{
	struct sasl_question *t = (struct sasl_question *)q;
	struct sasl_exchange *e = sasl_exchange_find(t->all, t->sid);
	struct sasl_out out = {.err = ERR_TEMP};

	if (e && e->asked == t) { /* else it has ended; another one may have its number */
		e->asked = NULL;
		enum sasl_result result = judge(e, l, &out);

		sasl_resume(e, result, &out);
	}
	question_free(t);
}

static struct sasl_question *question_new(const struct sasl_exchange *e, struct slice token)
{
	struct sasl_question *t = calloc(1, sizeof *t + token.n);

	if (!t)
		return NULL;
	t->all = e->all;
	t->sid = e->login.sid;
	t->octets = token.n;
	memcpy(t->name, e->name, e->name_n);
	memcpy(t->token, token.p, token.n);
	t->q = (struct question){.what = LOOK_TOKEN,
				 .log_id = e->login.log_id,
				 .client = e->login.client,
				 .login = {t->name, e->name_n},
				 .password = {t->token, token.n},
				 .answer = on_answer};
	return t;
}

void sasl_oauth_ask(struct sasl_exchange *e, struct slice token)
{
	struct pool *p = pools_find(e->all->pools, "oauth");
	struct sasl_question *t = p ? question_new(e, token) : NULL;
	struct sasl_out out = {.err = ERR_TEMP, .reason = p ? "no memory" : "oauth: it has no processes"};

	e->asked = t;
	if (t)
		pool_ask(p, &t->q);
	else
		sasl_resume(e, SASL_TROUBLE, &out);
}
