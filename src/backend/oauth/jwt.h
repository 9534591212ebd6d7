/* backend/oauth/jwt.h - signed tokens: JSON Web Tokens (RFC 7519) in the compact form of RFC 7515, with the rules of RFC 8725
 *
 * The algorithm is one of the table in keys.h, and the key one of its type out of a set that the operator has named: what a token says of
 * keys (jwk, jku, x5u, x5c) is not looked at, and one with `crit' is refused. */
#pragma once
#include <jansson.h>

#include "backend/oauth/keys.h"

enum { SIGNATURE_MOST = 16384 / 8 };

struct jwt {
	json_t *header, *claims;
	const struct algorithm *algorithm;
	const char *kid;      /* of the header; NULL: none */
	struct slice content; /* that the signature is of, within the token */
	unsigned char signature[SIGNATURE_MOST];
	size_t signature_n;
};

/* ERR_AUTH: that is none, or it may not be used; nothing is to be freed. What it claims is not to be believed yet. */
enum err jwt_read(struct jwt *t, struct slice token, struct why *why);
void jwt_free(struct jwt *t);

enum jwt_verdict { JWT_RIGHT, JWT_WRONG, JWT_NO_KEY }; /* NO_KEY: the set has none that it could be signed with */
enum jwt_verdict jwt_verify(const struct jwt *t, const struct key_set *set);
