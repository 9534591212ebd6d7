/* auth/sasl_token.c - see sasl_token.h */
#include "auth/sasl_token.h"

#include <string.h>

static const char kvsep = '\1';

static bool take(struct slice *text, struct slice prefix)
{
	if (!slice_starts(*text, prefix))
		return false;
	*text = (struct slice){text->p + prefix.n, text->n - prefix.n};
	return true;
}

/* --- key=value^A ... ^A ------------------------------------------------------------------------------------------- */

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_key(struct slice key)
{
	for (size_t i = 0; i < key.n; i++)
		if (!is_alpha(key.p[i]))
			return false;
	return key.n > 0;
}

static bool is_value(struct slice value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (c == 0x7F || (c < ' ' && c != '\t' && c != '\r' && c != '\n'))
			return false;
	}
	return true;
}

/* b64token: letters, digits and these, then perhaps some = */
static bool is_token(struct slice token)
{
	size_t n = token.n;

	while (n > 0 && token.p[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		if (!is_alpha(token.p[i]) && (token.p[i] == '\0' || !strchr("0123456789-._~+/", token.p[i])))
			return false;
	return n > 0 && token.n <= TOKEN_MOST;
}

static bool take_bearer(struct slice value, struct slice *token)
{
	struct slice scheme = slice_take(&value, ' ');

	*token = slice_trim(value);
	return slice_eq_nocase(scheme, SLICE("Bearer")) && is_token(*token);
}

static bool is_new(struct slice *at, struct slice value)
{
	bool fresh = !at->p;

	*at = value;
	return fresh;
}

/* All pairs and the end of them; *user stays as it is where no pair has it. Each may be there once. */
static bool pairs_read(struct slice rest, struct slice *user, struct slice *token)
{
	struct slice bearer = {0};

	while (rest.n > 0 && rest.p[0] != kvsep) {
		size_t end = slice_find(rest, kvsep);
		struct slice value = {rest.p, end}, key = slice_take(&value, '=');

		if (end == rest.n || key.n == end || !is_key(key) || !is_value(value))
			return false;
		if ((slice_eq_nocase(key, SLICE("user")) && !is_new(user, value)) ||
		    (slice_eq_nocase(key, SLICE("auth")) && !is_new(&bearer, value)))
			return false;
		rest = (struct slice){rest.p + end + 1, rest.n - end - 1};
	}
	return rest.n == 1 && take_bearer(bearer, token);
}

/* --- the mechanisms ------------------------------------------------------------------------------------------------ */

/* gs2-header: no channel binding, perhaps a name; then ^A. */
bool sasl_token_oauthbearer(struct slice response, struct sasl_token *out)
{
	struct slice binding = slice_take(&response, ','), ignored = {0};

	*out = (struct sasl_token){.name_n = 0};
	if (!slice_eq(binding, SLICE("n")) && !slice_eq(binding, SLICE("y")))
		return false;
	struct slice authzid = slice_take(&response, ',');

	if (authzid.n > 0 && (!take(&authzid, SLICE("a=")) || !sasl_name_unquote(authzid, out->name, &out->name_n)))
		return false;
	return take(&response, SLICE("\1")) && pairs_read(response, &ignored, &out->token);
}

bool sasl_token_xoauth2(struct slice response, struct sasl_token *out)
{
	struct slice user = {0};

	*out = (struct sasl_token){.name_n = 0};
	if (!pairs_read(response, &user, &out->token) || !slice_cstr(user, out->name, sizeof out->name))
		return false;
	out->name_n = user.n;
	return user.n > 0;
}

/* --- the error ------------------------------------------------------------------------------------------------------ */

/* Configured text: its control characters are left out. */
static void put_member(struct buf *out, const char *key, const char *value)
{
	size_t before = out->len;

	if (!value)
		return;
	buf_str(out, ",\"");
	buf_str(out, key);
	buf_str(out, "\":\"");
	for (const char *c = value; *c; c++) {
		if (*c == '"' || *c == '\\')
			buf_char(out, '\\');
		if ((unsigned char)*c >= ' ')
			buf_char(out, *c);
	}
	buf_str(out, "\"");
	if (out->full || out->len == out->cap) /* the last bracket must have room */
		buf_rewind(out, before);
}

void sasl_token_error(struct buf *out, enum mechanism m, const struct conf *cf)
{
	if (m == MECHANISM_XOAUTH2)
		buf_str(out, "{\"status\":\"401\",\"schemes\":\"bearer\"");
	else
		buf_str(out, "{\"status\":\"invalid_token\"");
	put_member(out, "scope", cf->oauth.scope);
	if (m != MECHANISM_XOAUTH2)
		put_member(out, "openid-configuration", cf->oauth.openid_configuration);
	buf_char(out, '}');
}
