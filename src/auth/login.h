/* auth/login.h - how a login comes into auth
 *
 * It ends with a grant to a store worker, or a denial to its front; whoever starts it hears no more of it. */
#pragma once
#include "auth/apop.h"

struct auth;

enum login_by {
	LOGIN_BY_PASSWORD, /* which is to be checked */
	LOGIN_BY_DIGEST,   /* of APOP: credentials.stamp is not empty */
	LOGIN_BY_PROOF,    /* who he is was shown already, by other means: no password is looked at */
	LOGIN_DISPROVED,   /* the same, and it is not him: `reason' says why. To the same end as a wrong password */
};

struct login_ask {
	const struct msg_login *m; /* sid, log_id, client, local, failures count; lengths do not */
	struct credentials c;
	enum login_by by;
	const char *reason;
};

/* What `ask` points to is copied where it is needed longer. */
void login_start(struct auth *a, const struct login_ask *ask);
