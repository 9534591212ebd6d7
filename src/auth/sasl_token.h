/* auth/sasl_token.h - what stands in a response of a mechanism for tokens: OAUTHBEARER (RFC 7628), XOAUTH2 (Google's)
 *
 *	n,a=alice@example.org,^Ahost=pop.example.org^Aport=995^Aauth=Bearer TOKEN^A^A
 *	user=alice@example.org^Aauth=Bearer TOKEN^A^A
 *
 * The reading is strict, as that of names (sasl_names.h). A token is one of RFC 6750, section 2.1, so none has blanks, quotes or
 * control characters. Host and port are the client's business: it may know us by many names. */
#pragma once
#include "auth/sasl_names.h"
#include "ipc/catalogue.h"

struct sasl_token {
	char name[SASL_NAME_ROOM]; /* a C string; empty: the token says who it is (OAUTHBEARER alone) */
	size_t name_n;
	struct slice token; /* within the response; at most TOKEN_MOST octets */
};

/* False: it is none. */
bool sasl_token_oauthbearer(struct slice response, struct sasl_token *out);
bool sasl_token_xoauth2(struct slice response, struct sasl_token *out);

/* What a client is answered whose token is refused: JSON, RFC 7628, section 3.2.2. It has to say something to that, and then hears -ERR.
 * What has no room is left out. */
void sasl_token_error(struct buf *out, enum mechanism m, const struct conf *cf);
