/* backend/oauth/claims.h - what a token must say of itself: for whom, by whom, until when, whose it is
 *
 * The names are those of RFC 7519, section 4.1, and RFC 7662, section 2.2. */
#pragma once
#include <jansson.h>

#include "base/why.h"
#include "conf/conf.h"

enum claims_of {
	CLAIMS_SIGNED, /* the token's own: they must say who has made it, and until when it is good */
	CLAIMS_TOLD,   /* the provider's, which was asked itself */
};

/* OK: *user points into claims. `now' in seconds since 1970. */
enum err claims_check(const json_t *claims, enum claims_of of, const struct conf_oauth *cf, int64_t now,
		      struct slice *user, struct why *why);
