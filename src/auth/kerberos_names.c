/* auth/kerberos_names.c - see kerberos_names.h */
#include "auth/kerberos_names.h"

#include <string.h>

static const char mechanism[] = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"; /* 1.2.840.113554.1.2.2 */

/* A length of DER, which must be that of all that follows. */
static bool take_length(struct slice *rest)
{
	size_t n = rest->n > 0 ? (unsigned char)rest->p[0] : 0, more = n & 0x80 ? n & 0x7f : 0;

	if (rest->n < 1 + more || more > 3)
		return false;
	if (n & 0x80)
		n = 0;
	for (size_t i = 1; i <= more; i++)
		n = n << 8 | (unsigned char)rest->p[i];
	*rest = (struct slice){rest->p + 1 + more, rest->n - 1 - more};
	return n == rest->n;
}

bool kerberos_token_is(struct slice token, unsigned kind)
{
	struct slice oid = {mechanism, sizeof mechanism - 1};

	if (!slice_starts(token, SLICE("\x60")))
		return false;
	token = (struct slice){token.p + 1, token.n - 1};
	if (!take_length(&token) || !slice_starts(token, oid) || token.n < oid.n + 2)
		return false;
	return ((unsigned char)token.p[oid.n] << 8 | (unsigned char)token.p[oid.n + 1]) == (int)kind;
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool kerberos_login(struct slice principal, struct slice realm, bool full, char out[static NAME_MOST + 1])
{
	struct slice rest = principal, name = slice_take(&rest, '@');

	if (name.n == 0 || name.n == principal.n || slice_find(name, '/') < name.n || slice_find(name, '\\') < name.n ||
	    realm.n == 0 || !slice_eq(rest, realm))
		return false;
	if (!slice_cstr(full ? principal : name, out, NAME_MOST + 1))
		return false;
	for (char *c = out + name.n; *c; c++)
		*c = lower(*c);
	return true;
}
