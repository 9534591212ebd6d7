/* ipc/mechanisms.h - the mechanisms of SASL (RFC 4422) that there are, and what each needs
 *
 * Front offers those that fit the configuration and the connection; auth looks again at what the configuration says, and runs them. */
#pragma once
#include "base/slice.h"
#include "conf/conf.h"

/* In the order in which they are offered: many clients take the first that they know. */
enum mechanism {
	MECHANISM_SCRAM_SHA_256_PLUS, /* RFC 7677, RFC 5802 */
	MECHANISM_SCRAM_SHA_1_PLUS,
	MECHANISM_SCRAM_SHA_256,
	MECHANISM_SCRAM_SHA_1,
	MECHANISM_EXTERNAL,    /* RFC 4422, appendix A */
	MECHANISM_GSSAPI,      /* RFC 4752 */
	MECHANISM_DIGEST_MD5,  /* RFC 2831, which RFC 6331 has made historic */
	MECHANISM_CRAM_MD5,    /* RFC 2195 */
	MECHANISM_PLAIN,       /* RFC 4616 */
	MECHANISM_LOGIN,       /* draft-murchison-sasl-login-00 */
	MECHANISM_OAUTHBEARER, /* RFC 7628 */
	MECHANISM_XOAUTH2,     /* Google's form of it */
	MECHANISM_ANONYMOUS,   /* RFC 4505 */
	MECHANISM_COUNT
};

enum mechanism_trait {
	MECHANISM_TELLS = 1,     /* a password or token goes over the connection as it is: held to `plaintext-login' */
	MECHANISM_STORED = 2,    /* the server needs the password itself, or what was made from it for this mechanism */
	MECHANISM_BINDS = 4,     /* the exchange is bound to its TLS connection */
	MECHANISM_CERTIFIED = 8, /* the certificate of the client says who it is */
	/* there is the same one, bound: the client says whether it knows that (RFC 5802, section 6) */
	MECHANISM_COULD_BIND = 16,
	MECHANISM_TOKEN = 32, /* a token, about which the module `oauth' is asked */
};

struct mechanism_row {
	const char *name;
	unsigned traits; /* a set of enum mechanism_trait */
};
extern const struct mechanism_row mechanisms[MECHANISM_COUNT];

/* By its name in any case; MECHANISM_COUNT: there is none. */
enum mechanism mechanism_find(struct slice name);

/* The configuration has what it needs. */
bool mechanism_is_configured(enum mechanism m, const struct conf *cf);
