/* backend/oauth/keys.h - public keys of who signs tokens: a set of JSON Web Keys (RFC 7517, RFC 7518, RFC 8037)
 *
 * Only what can verify a signature here gets into a set; other members (keys for encryption, of unknown types, symmetric ones) are left out, as RFC 7517,
 * section 5, wants it. A set without any is an error. */
#pragma once
#include <openssl/evp.h>

#include "base/slice.h"
#include "base/why.h"

enum { KEYS_MOST = 64, RSA_BITS_LEAST = 2048 };

/* How a token may be signed. No row is for a secret that both sides have, and none for no signature (RFC 8725, section 3.1 and 3.2). */
struct algorithm {
	const char *name;  /* `alg' */
	const char *kty;   /* of its key */
	const char *curve; /* `crv'; NULL: any that the type has */
	const char *hash;  /* NULL: the algorithm's own */
	bool pss;          /* RSASSA-PSS */
	size_t half;       /* of ECDSA: octets of each of both numbers; 0: another one */
};

/* NULL: there is none of this name. */
const struct algorithm *algorithm_find(const char *name);

struct key {
	char *kid;       /* NULL: it has no name */
	const char *kty; /* as in the table of algorithms */
	const char *curve;
	const struct algorithm *only; /* the one algorithm that it is for; NULL: those that fit */
	EVP_PKEY *pkey;
};

struct key_set {
	struct key key[KEYS_MOST];
	size_t n;
};

bool key_fits(const struct key *k, const struct algorithm *a);

/* OK: *set is the one of the text, to be freed. Else it is empty. */
enum err keys_read(struct key_set *set, struct slice json, struct why *why);
void keys_free(struct key_set *set);
