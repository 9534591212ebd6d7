/* auth/shadow.c - see shadow.h */
#include "auth/shadow.h"

#include "auth/passwd.h"

/* An empty field is SHADOW_NEVER. */
static bool is_days(struct slice text, int64_t *out)
{
	uint32_t n = 0;

	if (text.n > 0 && !slice_u32(text, &n))
		return false;
	*out = text.n > 0 ? (int64_t)n : SHADOW_NEVER;
	return true;
}

bool shadow_parse(struct slice line, struct shadow_line *out)
{
	enum { NAME, HASH, CHANGED, MIN, MAX, WARN, INACTIVE, EXPIRES, FIELDS };
	struct slice f[FIELDS];

	if (line.n > PASSWD_LINE_MOST || !passwd_take_fields(&line, f, FIELDS))
		return false;
	if (f[NAME].n == 0 || !passwd_is_plain(f[NAME]) || !passwd_is_plain(f[HASH]))
		return false;
	*out = (struct shadow_line){.name = f[NAME], .hash = f[HASH]};
	return is_days(f[CHANGED], &out->changed) && is_days(f[MAX], &out->max) &&
	       is_days(f[INACTIVE], &out->inactive) && is_days(f[EXPIRES], &out->expires);
}

/* As the system's own login decides. */
const char *shadow_refusal(const struct shadow_line *l, int64_t today)
{
	if (l->expires != SHADOW_NEVER && today >= l->expires)
		return "the account has expired";
	if (l->changed > 0 && l->max != SHADOW_NEVER && l->inactive != SHADOW_NEVER &&
	    today > l->changed + l->max + l->inactive)
		return "the password has expired, and the time to change it has passed";
	return NULL;
}
