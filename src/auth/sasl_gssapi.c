/* auth/sasl_gssapi.c - GSSAPI (RFC 4752): a ticket of Kerberos says who it is
 *
 * GNU SASL runs it over the libraries of Kerberos, which need nothing from the network for this: a ticket is opened with our own key, which is read from
 * its file for each exchange, so that a new one counts at once.
 *
 * What was heard once cannot be played again, without anything being kept of it: over TLS nobody hears it, and without a client must ask for our
 * answer (mutual authentication), which holds a key that we make up, and which the client's last response is made with (RFC 4121, section 2). Older
 * kinds of keys (RC4, DES), where the answer has no such key, are not taken. So the library's cache of what it has seen is off (kerberos.c): it would
 * be a file that is locked and written for each login.
 *
 * No other mechanism of GSSAPI may hide in the tokens: SPNEGO would bring them all, and IAKERB would ask the network. */
#include <gsasl.h>
#include <string.h>

#include "auth/kerberos_names.h"
#include "auth/keytab.h"
#include "auth/sasl_exchange.h"
#include "base/log.h"

static enum sasl_result trouble(struct sasl_out *out, enum err err)
{
	out->err = err;
	out->reason = out->why.text;
	log_line(LOG_ERR, "%s", out->why.text);
	return SASL_TROUBLE;
}

static enum sasl_result begin(struct sasl_exchange *e, struct slice response, struct sasl_out *out)
{
	struct sasl *s = e->all;
	enum err err = keytab_look(s->conf, s->host, s->realm, &out->why);

	if (err != OK)
		return trouble(out, err);
	if (!kerberos_token_is(response, KERBEROS_REQUEST))
		return sasl_refuse(out, "no token of Kerberos 5");
	return sasl_gnu_start(e, out);
}

/* Our first challenge is the answer that was asked for, or already what follows it. */
static enum sasl_result answered(struct sasl_exchange *e, struct sasl_out *out)
{
	struct slice challenge = {out->challenge, out->challenge_n};

	e->answered = true;
	e->empty_due = kerberos_token_is(challenge, KERBEROS_REPLY);
	if (e->traits & SASL_TLS || e->empty_due)
		return SASL_GOES_ON;
	return sasl_refuse(out, "without TLS the client must ask for our answer");
}

static enum sasl_result shown(struct sasl_exchange *e, struct sasl_out *out)
{
	struct slice principal = slice_str(gsasl_property_fast(e->session, GSASL_GSSAPI_DISPLAY_NAME)),
		     authzid = slice_str(gsasl_property_fast(e->session, GSASL_AUTHZID));
	const struct conf *cf = e->all->conf;
	char login[NAME_MOST + 1];

	if (!kerberos_login(principal, slice_str(e->all->realm), cf->gsasl.principal_name == PRINCIPAL_FULL, login)) {
		(void)sasl_name_set(e, principal); /* for the log */
		return sasl_refuse(out, "a principal of another realm, or with an instance");
	}
	if (!sasl_name_set(e, slice_str(login)))
		return sasl_refuse(out, "the principal has a name that no user has");
	return authzid.n == 0 || slice_eq(authzid, slice_str(login))
		       ? SASL_SHOWN
		       : sasl_refuse(out, "wants to act for another user");
}

static const char *refusal(int rc)
{
	return rc == GSASL_GSSAPI_ACCEPT_SEC_CONTEXT_ERROR
		       ? "the ticket is not taken: out of its time, or for another key or host, or clocks differ"
	       : rc == GSASL_GSSAPI_UNSUPPORTED_PROTECTION_ERROR ? "wants a security layer"
								 : gsasl_strerror(rc);
}

enum sasl_result sasl_gssapi(struct sasl_exchange *e, struct slice response, bool given, struct sasl_out *out)
{
	enum sasl_result result = SASL_GOES_ON;
	int rc = GSASL_OK;

	if (!given)
		return sasl_ask(out, SLICE(""));
	if (e->empty_due && response.n > 0)
		return sasl_refuse(out, "a response where none is due");
	e->empty_due = false;
	if (!e->session)
		result = begin(e, response, out);
	if (result != SASL_GOES_ON)
		return result;
	result = sasl_gnu_turn(e, response, true, out, &rc);
	if (result == SASL_GOES_ON)
		return e->answered ? result : answered(e, out);
	if (result == SASL_SHOWN)
		return shown(e, out);
	return out->reason ? result : sasl_refuse(out, refusal(rc));
}
