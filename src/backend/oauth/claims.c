/* backend/oauth/claims.c - see claims.h */
#include "backend/oauth/claims.h"

#include <string.h>

#include "base/slice.h"

static bool has_string(const json_t *value, struct slice wanted)
{
	return json_is_string(value) &&
	       slice_eq((struct slice){json_string_value(value), json_string_length(value)}, wanted);
}

/* A string, or one of a list of such. */
static bool is_or_has(const json_t *value, struct slice wanted)
{
	const json_t *item;
	size_t i;

	if (has_string(value, wanted))
		return true;
	json_array_foreach(value, i, item) if (has_string(item, wanted)) return true;
	return false;
}

/* --- when ---------------------------------------------------------------------------------------------------------- */

/* Not later than `exp', not earlier than `nbf', both give or take the skew of clocks. */
static enum err time_check(const json_t *claims, enum claims_of of, const struct conf_oauth *cf, int64_t now,
			   struct why *why)
{
	const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
	double skew = (double)cf->clock_skew.n;

	if ((exp && !json_is_number(exp)) || (nbf && !json_is_number(nbf)) || (!exp && of == CLAIMS_SIGNED))
		return fail(why, ERR_AUTH, "the token does not say until when it is good");
	if (exp && (double)now >= json_number_value(exp) + skew)
		return fail(why, ERR_AUTH, "the token has expired");
	if (nbf && (double)now < json_number_value(nbf) - skew)
		return fail(why, ERR_AUTH, "the token is not good yet");
	return OK;
}

/* --- by whom, for whom, for what ------------------------------------------------------------------------------------ */

static enum err issuer_check(const json_t *claims, enum claims_of of, const struct conf_oauth *cf, struct why *why)
{
	const json_t *iss = json_object_get(claims, "iss");

	if (!cf->issuer || (!iss && of == CLAIMS_TOLD) || has_string(iss, slice_str(cf->issuer)))
		return OK;
	return fail(why, ERR_AUTH, "the token is of another issuer");
}

/* Words with blanks between, or (as some providers write it) a list; also as `scp'. */
static bool has_scope(const json_t *claims, struct slice wanted)
{
	const json_t *value = json_object_get(claims, "scope");

	if (!value)
		value = json_object_get(claims, "scp");
	struct slice words = {json_string_value(value), json_string_length(value)};

	while (words.n > 0)
		if (slice_eq(slice_take(&words, ' '), wanted))
			return true;
	return is_or_has(value, wanted);
}

static enum err use_check(const json_t *claims, const struct conf_oauth *cf, struct why *why)
{
	struct slice words = slice_str(cf->scope);

	if (cf->audience && !is_or_has(json_object_get(claims, "aud"), slice_str(cf->audience)))
		return fail(why, ERR_AUTH, "the token is for somebody else");
	while (words.n > 0) {
		struct slice word = slice_take(&words, ' ');

		if (word.n > 0 && !has_scope(claims, word))
			return fail(why, ERR_AUTH, "the token is not for scope %.*s", (int)word.n, word.p);
	}
	return OK;
}

enum err claims_check(const json_t *claims, enum claims_of of, const struct conf_oauth *cf, int64_t now,
		      struct slice *user, struct why *why)
{
	const json_t *name = json_object_get(claims, cf->user_claim);
	enum err err = issuer_check(claims, of, cf, why);

	if (err == OK)
		err = time_check(claims, of, cf, now, why);
	if (err == OK)
		err = use_check(claims, cf, why);
	if (err != OK)
		return err;
	*user = (struct slice){json_string_value(name), json_string_length(name)};
	return user->n > 0 ? OK : fail(why, ERR_AUTH, "the token does not say whose it is: no %s", cf->user_claim);
}
