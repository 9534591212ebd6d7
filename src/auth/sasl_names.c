/* auth/sasl_names.c - see sasl_names.h */
#include "auth/sasl_names.h"

#include <string.h>

static bool take(struct slice *text, struct slice prefix)
{
	if (!slice_starts(*text, prefix))
		return false;
	*text = (struct slice){text->p + prefix.n, text->n - prefix.n};
	return true;
}

static bool finish(const struct buf *b, char *out, size_t *n)
{
	*n = b->len;
	if (b->full || b->len == 0 || memchr(out, '\0', b->len))
		return false;
	out[b->len] = '\0';
	return true;
}

/* saslname: =2C is a comma, =3D an equals sign, and no other = may be there. */
bool sasl_name_unquote(struct slice name, char out[static SASL_NAME_ROOM], size_t *n)
{
	struct buf b = {.p = out, .cap = SASL_NAME_ROOM - 1};

	while (name.n > 0)
		if (take(&name, SLICE("=2C")))
			buf_char(&b, ',');
		else if (take(&name, SLICE("=3D")))
			buf_char(&b, '=');
		else if (name.p[0] == '=')
			return false;
		else {
			buf_char(&b, name.p[0]);
			name = (struct slice){name.p + 1, name.n - 1};
		}
	return finish(&b, out, n);
}

bool sasl_name_scram(struct slice response, char out[static SASL_NAME_ROOM], size_t *n)
{
	struct slice binding = slice_take(&response, ','), authzid = slice_take(&response, ','),
		     name = slice_take(&response, ',');

	if (binding.n == 0 || !strchr("nyp", binding.p[0]) || (authzid.n > 0 && !slice_starts(authzid, SLICE("a="))) ||
	    !take(&name, SLICE("n=")))
		return false;
	return sasl_name_unquote(name, out, n);
}

/* The name may hold blanks; the digest does not. */
bool sasl_name_cram(struct slice response, char out[static SASL_NAME_ROOM], size_t *n)
{
	struct buf b = {.p = out, .cap = SASL_NAME_ROOM - 1};
	size_t at = response.n;

	while (at > 0 && response.p[at - 1] != ' ')
		at--;
	if (at == 0)
		return false;
	buf_put(&b, (struct slice){response.p, at - 1});
	return finish(&b, out, n);
}

/* A value: a quoted string, without its quotes and backslashes, or a token. */
static bool value_take(struct slice *rest, struct buf *out)
{
	if (!take(rest, SLICE("\""))) {
		while (rest->n > 0 && rest->p[0] != ',') {
			buf_char(out, rest->p[0]);
			*rest = (struct slice){rest->p + 1, rest->n - 1};
		}
		return true;
	}
	while (rest->n > 0 && rest->p[0] != '"') {
		size_t escaped = rest->p[0] == '\\' && rest->n > 1;

		buf_char(out, rest->p[escaped]);
		*rest = (struct slice){rest->p + 1 + escaped, rest->n - 1 - escaped};
	}
	return take(rest, SLICE("\""));
}

/* key=value, key="value", ...: the value of `wanted', which must be there once. */
bool sasl_value_digest(struct slice response, struct slice wanted, char out[static SASL_NAME_ROOM], size_t *n)
{
	struct buf value = {.p = out, .cap = SASL_NAME_ROOM - 1};
	bool found = false;

	while (response.n > 0) {
		struct buf ignored = {.full = true};
		size_t equals = slice_find(response, '=');
		struct slice key = slice_trim((struct slice){response.p, equals});
		bool is_wanted = slice_eq_nocase(key, wanted);

		if (equals == response.n || (is_wanted && found))
			return false;
		response = slice_trim((struct slice){response.p + equals + 1, response.n - equals - 1});
		found |= is_wanted;
		if (!value_take(&response, is_wanted ? &value : &ignored))
			return false;
		response = slice_trim(response);
		if (response.n > 0 && !take(&response, SLICE(",")))
			return false;
		response = slice_trim(response);
	}
	return found && finish(&value, out, n);
}

bool sasl_name_digest(struct slice response, char out[static SASL_NAME_ROOM], size_t *n)
{
	return sasl_value_digest(response, SLICE("username"), out, n);
}
