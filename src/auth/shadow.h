/* auth/shadow.h - a line in the format of shadow(5): name:hash:changed:min:max:warn:inactive:expires:reserved */
#pragma once
#include "base/slice.h"

enum { SHADOW_NEVER = -1 }; /* an empty field */

/* Slices of the line; days since 1970-01-01, and numbers of days. */
struct shadow_line {
	struct slice name, hash;
	int64_t changed, max, inactive, expires;
};

/* False: not such a line. All nine fields must be there; those with days are numbers or empty. Nothing is said about the
 * hash; see hash_is_usable. */
bool shadow_parse(struct slice line, struct shadow_line *out);

/* NULL: who has this line may log in on this day; else why not. A password that is to be changed soon, or at the next
 * login, is still a password: nobody can change it over POP3. */
const char *shadow_refusal(const struct shadow_line *l, int64_t today);
