/* auth/schemes.h - stored passwords of all forms: {SCHEME}TEXT, as directories and data bases keep them
 *
 * The name of a scheme stands in braces, in any case. Text without one is a hash of crypt(3), or a verifier of SCRAM as RFC 5803
 * writes it (SCRAM-SHA-256$...), and never a password in the clear: whoever means that says {PLAIN}. Nothing here logs. */
#pragma once
#include "base/slice.h"
#include "base/why.h"

enum { SECRET_TEXT_MOST = 512 }; /* octets of a secret; none of a known scheme is longer */

/* Whether any password can have this secret. ERR_AUTH: none, it is empty or locked (x, *, !, {CRYPT}!...); ERR_PERM: it is
 * nothing that we know, and the sentence says why without showing any of it but the scheme's name. */
enum err scheme_check(struct slice secret, struct why *why);
bool scheme_is_usable(struct slice secret);

/* It is a password in the clear, marked as such: this one. */
bool scheme_in_clear(struct slice secret, struct slice *password);

/* Whether `password` has this secret; takes as long as the scheme wants. False for every secret that is not usable, for an
 * empty password, and for one with a NUL. */
bool scheme_same(struct slice password, struct slice secret);
