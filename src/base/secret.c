/* base/secret.c - see secret.h */
#include "base/secret.h"

#include <string.h>

bool secret_set(struct secret *s, struct slice text)
{
	secret_wipe(s);
	if (text.n > sizeof s->octets)
		return false;
	if (text.n > 0)
		memcpy(s->octets, text.p, text.n);
	s->n = text.n;
	return true;
}

struct slice secret_slice(const struct secret *s)
{
	return (struct slice){s->octets, s->n};
}

void secret_wipe(struct secret *s)
{
	explicit_bzero(s, sizeof *s);
}

bool secret_same(struct slice given, struct slice kept)
{
	unsigned differ = given.n != kept.n;

	for (size_t i = 0; i < given.n; i++)
		differ |= (unsigned char)given.p[i] ^ (kept.n ? (unsigned char)kept.p[i % kept.n] : 1U);
	return differ == 0;
}
