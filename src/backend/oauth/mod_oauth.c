/* backend/oauth/mod_oauth.c - whose a token is: by its signature (RFC 7519), by asking who has issued it (RFC 7662), or both
 *
 * Where both are configured both must say yes, and mean the same user. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/backend.h"
#include "backend/oauth/claims.h"
#include "backend/oauth/jwt.h"
#include "backend/oauth/keyring.h"
#include "ipc/catalogue.h"

enum { FORM_MOST = 3 * TOKEN_MOST + 64, LOGIN_MOST = 3 * SECRET_MOST + 1 };

struct tokens {
	const struct conf_oauth *conf;
	struct http http;
	struct keyring keys;
	char form[FORM_MOST];
	char name[NAME_MOST]; /* of the user who was found last */
};

/* --- the name ------------------------------------------------------------------------------------------------------ */

/* The first of both ways says who, the second one must agree. */
static enum err name_settle(struct tokens *t, struct slice user, struct backend_record *r, struct why *why)
{
	if (r->name.n > 0)
		return slice_eq(user, r->name)
			       ? OK
			       : fail(why, ERR_AUTH, "the provider says that the token is another user's");
	if (user.n > sizeof t->name)
		return fail(why, ERR_AUTH, "the token's user has too long a name");
	memcpy(t->name, user.p, user.n);
	r->name = (struct slice){t->name, user.n};
	return OK;
}

/* --- by its signature ---------------------------------------------------------------------------------------------- */

static enum err signature_check(struct tokens *t, const struct jwt *jwt, uint64_t deadline_ms, struct why *why)
{
	enum err err = keyring_settle(&t->keys, deadline_ms, why);
	enum jwt_verdict verdict = err == OK ? jwt_verify(jwt, &t->keys.set) : JWT_WRONG;

	if (err == OK && verdict == JWT_NO_KEY) {
		err = keyring_again(&t->keys, deadline_ms, why);
		verdict = err == OK ? jwt_verify(jwt, &t->keys.set) : JWT_WRONG;
		if (err == OK && verdict != JWT_NO_KEY)
			keyring_found(&t->keys);
	}
	if (err != OK || verdict == JWT_RIGHT)
		return err;
	return fail(why, ERR_AUTH, "the token is signed with %s",
		    verdict == JWT_NO_KEY ? "an unknown key" : "another key");
}

static enum err signed_check(struct tokens *t, const struct backend_ask *ask, struct backend_record *r, struct why *why)
{
	struct jwt jwt;
	struct slice user = {0};
	enum err err = jwt_read(&jwt, ask->password, why);

	if (err != OK)
		return err;
	err = signature_check(t, &jwt, ask->deadline_ms, why);
	if (err == OK)
		err = claims_check(jwt.claims, CLAIMS_SIGNED, t->conf, time(NULL), &user, why);
	if (err == OK)
		err = name_settle(t, user, r, why);
	jwt_free(&jwt);
	return err;
}

/* --- by asking ----------------------------------------------------------------------------------------------------- */

/* RFC 6749, section 2.3.1: name and secret are escaped as in a form. */
static bool put_cstr(char *dst, size_t cap, struct slice text)
{
	struct buf b = {.p = dst, .cap = cap - 1};

	http_put_escaped(&b, text);
	dst[b.len] = '\0';
	return !b.full;
}

static enum err provider_ask(struct tokens *t, const struct backend_ask *ask, struct slice *body, struct why *why)
{
	char id[LOGIN_MOST] = "", secret[LOGIN_MOST] = "";
	struct buf form = {.p = t->form, .cap = sizeof t->form - 1};
	const struct conf_oauth *cf = t->conf;
	struct http_request q = {.url = cf->introspection_url, .form = t->form, .deadline_ms = ask->deadline_ms};

	buf_str(&form, "token_type_hint=access_token&token=");
	http_put_escaped(&form, ask->password);
	t->form[form.len] = '\0';
	bool fits = !form.full && put_cstr(id, sizeof id, slice_str(cf->client_id)) &&
		    put_cstr(secret, sizeof secret, secret_slice(&cf->client_secret));

	if (cf->client_id) {
		q.user = id;
		q.passwd = secret;
	}
	enum err err = fits ? http_ask(&t->http, &q, body, why) : fail(why, ERR_PERM, "oauth.client-id is too long");

	explicit_bzero(t->form, form.len);
	explicit_bzero(secret, sizeof secret);
	return err;
}

static enum err told_check(struct tokens *t, const struct backend_ask *ask, struct backend_record *r, struct why *why)
{
	struct slice body = {0}, user = {0};
	enum err err = provider_ask(t, ask, &body, why);

	if (err != OK)
		return err;
	json_t *told = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *active = json_object_get(told, "active");

	if (!json_is_boolean(active))
		err = fail(why, ERR_PERM, "%s: the answer is not that of RFC 7662", t->conf->introspection_url);
	else if (json_is_false(active))
		err = fail(why, ERR_AUTH, "the provider says that the token is not good (any more)");
	if (err == OK)
		err = claims_check(told, CLAIMS_TOLD, t->conf, time(NULL), &user, why);
	if (err == OK)
		err = name_settle(t, user, r, why);
	json_decref(told);
	return err;
}

/* --- the module ---------------------------------------------------------------------------------------------------- */

static bool looks_at_signatures(const struct conf_oauth *cf)
{
	return cf->jwks_file || cf->jwks_url;
}

static enum err tokens_lookup(void *priv, const struct backend_ask *ask, struct backend_record *r, struct why *why)
{
	struct tokens *t = priv;
	enum err err = OK;

	if (ask->password.n == 0 || ask->password.n > TOKEN_MOST)
		return fail(why, ERR_PERM, "oauth finds users by tokens alone");
	if (looks_at_signatures(t->conf))
		err = signed_check(t, ask, r, why);
	if (err == OK && t->conf->introspection_url)
		err = told_check(t, ask, r, why);
	return err;
}

static void tokens_close(void *priv)
{
	struct tokens *t = priv;

	keyring_close(&t->keys);
	http_close(&t->http);
	explicit_bzero(t, sizeof *t);
	free(t);
}

/* A signature alone says nothing of whom a token is for: any other service of that provider could use what its users show it. */
static enum err conf_check(const struct conf_oauth *cf, struct why *why)
{
	const struct {
		const char *what, *url;
	} urls[] = {{"introspection-url", cf->introspection_url}, {"jwks-url", cf->jwks_url}};

	if (!cf->introspection_url && !looks_at_signatures(cf))
		return fail(why, ERR_PERM, "oauth: nothing to check tokens by: introspection-url, jwks-file, jwks-url");
	if (cf->jwks_file && cf->jwks_url)
		return fail(why, ERR_PERM, "oauth: jwks-file and jwks-url: one of them");
	if (looks_at_signatures(cf) && (!cf->issuer || !cf->audience))
		return fail(why, ERR_PERM,
			    "oauth: with jwks-file or jwks-url, issuer and audience must be there: else "
			    "tokens for others would do");
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		enum err err = urls[i].url ? http_url_check(urls[i].what, urls[i].url, why) : OK;

		if (err != OK)
			return err;
	}
	return OK;
}

static enum err tokens_open(const struct conf *cf, void **priv, struct why *why)
{
	enum err err = conf_check(&cf->oauth, why);

	if (err != OK)
		return err;
	struct tokens *t = calloc(1, sizeof *t);

	if (!t)
		return fail(why, ERR_TEMP, "oauth: no memory");
	t->conf = &cf->oauth;
	t->keys.conf = &cf->oauth;
	t->keys.http = &t->http;
	err = http_open(&t->http, &cf->oauth, why);
	if (err == OK)
		*priv = t;
	else
		tokens_close(t);
	return err;
}

const struct backend backend_module = {
	.version = BACKEND_VERSION,
	.name = "oauth",
	.open = tokens_open,
	.lookup = tokens_lookup,
	.close = tokens_close,
};
