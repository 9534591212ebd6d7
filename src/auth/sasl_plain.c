/* auth/sasl_plain.c - mechanisms in which the client just says who it is: PLAIN, LOGIN, EXTERNAL, ANONYMOUS */
#include "auth/names.h"
#include "auth/sasl_exchange.h"

/* RFC 4616, section 2: [authzid] NUL authcid NUL passwd. Nobody acts for somebody else. */
enum sasl_result sasl_plain(struct sasl_exchange *e, struct slice response, bool given, struct sasl_out *out)
{
	struct slice rest = response, authzid, authcid;

	if (!given)
		return sasl_ask(out, SLICE(""));
	authzid = slice_take(&rest, '\0');
	authcid = slice_take(&rest, '\0');
	if (authzid.n + authcid.n + 2 + rest.n != response.n || !sasl_name_set(e, authcid))
		return sasl_refuse(out, "malformed response");
	if (rest.n == 0 || rest.n > SECRET_MOST || !credential_is_clean(rest))
		return sasl_refuse(out, "malformed password");
	if (authzid.n > 0 && !slice_eq(authzid, authcid))
		return sasl_refuse(out, "wants to act for another user");
	out->password = rest;
	return SASL_PASSWORD;
}

/* draft-murchison-sasl-login-00: the name, then the password. Clients look at the challenges no closer than that these are there, but for
 * some that know these words. */
enum sasl_result sasl_login(struct sasl_exchange *e, struct slice response, bool given, struct sasl_out *out)
{
	if (!given)
		return sasl_ask(out, SLICE("Username:"));
	if (e->name_n == 0)
		return sasl_name_set(e, response) ? sasl_ask(out, SLICE("Password:"))
						  : sasl_refuse(out, "malformed name");
	if (response.n == 0 || response.n > SECRET_MOST || !credential_is_clean(response))
		return sasl_refuse(out, "malformed password");
	out->password = response;
	return SASL_PASSWORD;
}

/* RFC 4422, appendix A: the authorization identity, or nothing, for the one that is known already. */
enum sasl_result sasl_external(struct sasl_exchange *e, struct slice response, bool given, struct sasl_out *out)
{
	struct slice certified = {e->certified, e->certified_n};

	if (!given)
		return sasl_ask(out, SLICE(""));
	if (!sasl_name_set(e, certified))
		return sasl_refuse(out, "no certificate that names a user");
	if (response.n > 0 && !slice_eq(response, certified))
		return sasl_refuse(out, "the certificate is another user's");
	return SASL_SHOWN;
}

/* RFC 4505: whatever the client says of itself is for statistics. */
enum sasl_result sasl_anonymous(struct sasl_exchange *e, struct slice response, bool given, struct sasl_out *out)
{
	(void)response;
	if (!given)
		return sasl_ask(out, SLICE(""));
	return sasl_name_set(e, slice_str(e->all->conf->gsasl.anonymous_user))
		       ? SASL_SHOWN
		       : sasl_refuse(out, "anonymous-user is no name");
}
