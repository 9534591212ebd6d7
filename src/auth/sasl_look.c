/* auth/sasl_look.c - secrets that the chain has: passwords in the clear, and what SCRAM keeps of one
 *
 * The user is looked up as for a login, and what is stored of him counts only where his password would be checked against it. While others
 * are asked the exchange may end: so what waits knows it by its number. */
#include <stdlib.h>
#include <string.h>

#include "auth/sasl_exchange.h"
#include "base/log.h"

/* Holds a response; wiped with it. */
struct look {
	struct sasl *all;
	uint64_t sid;
	size_t octets;
	char response[];
};

static void look_free(struct look *l)
{
	explicit_bzero(l, sizeof *l + l->octets);
	free(l);
}

static struct look *look_new(const struct sasl_exchange *e, struct slice response)
{
	struct look *l = calloc(1, sizeof *l + response.n);

	if (!l)
		return NULL;
	l->all = e->all;
	l->sid = e->login.sid;
	l->octets = response.n;
	if (response.n > 0)
		memcpy(l->response, response.p, response.n);
	return l;
}

/* Empty: there is nothing that his password is checked against here. */
static struct slice stored_of(const struct sasl_exchange *e, const struct record *r)
{
	enum check how = CHECK_NONE;

	if (r->source)
		(void)chain_checker(&e->all->searches->chain, r, &how);
	return how == CHECK_SECRET ? r->secret : SLICE("");
}

static enum sasl_result found(struct sasl_exchange *e, const struct search_end *end, struct sasl_out *out)
{
	enum err err = end->err != ERR_AUTH ? end->err : OK;

	out->why = *end->why;
	if (err == OK)
		err = sasl_secret_take(&e->all->secrets, (struct slice){e->name, e->name_n}, e->mechanism,
				       stored_of(e, end->r), &e->secret, &out->why);
	if (err == OK)
		return SASL_GOES_ON;
	out->err = err;
	out->reason = out->why.text;
	return SASL_TROUBLE;
}

static void on_found(void *arg, const struct search_end *end)
{
	struct look *l = arg;
	struct sasl_exchange *e = sasl_exchange_find(l->all, l->sid);
	struct sasl_out out = {.err = ERR_TEMP};

	if (e && e->looks) { /* else the client has gone */
		e->looks = false;
		log_session(e->login.log_id);
		enum sasl_result result = found(e, end, &out);

		sasl_resume(e,
			    result == SASL_GOES_ON ? sasl_gnu_go_on(e, (struct slice){l->response, l->octets}, &out)
						   : result,
			    &out);
	}
	look_free(l);
}

bool sasl_look(const struct sasl_exchange *e, struct slice response)
{
	struct search_ask who = {.login = {e->name, e->name_n},
				 .client = e->login.client,
				 .local = e->login.local,
				 .log_id = e->login.log_id,
				 .wants_secret = true};
	struct look *l = look_new(e, response);

	if (l && search_start(e->all->searches, &who, NULL, on_found, l))
		return true;
	if (l)
		look_free(l);
	return false;
}
