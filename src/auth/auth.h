/* auth/auth.h - the auth process, for its own files: auth.c (set-up, peers), login.c (from credentials to a verdict),
 * login_end.c (from the verdict to GRANT or DENY) */
#pragma once
#include "auth/auth_child.h"
#include "auth/checking.h"
#include "auth/fronts.h"
#include "auth/grants.h"
#include "auth/hashers.h"
#include "auth/login.h"
#include "auth/sasl.h"
#include "auth/search.h"
#include "auth/states.h"
#include "ipc/old_line.h"

struct auth {
	struct auth_child child;
	const struct conf *conf;
	struct searches searches;
	struct cache cache;
	struct hashers hashers;
	struct grants grants;
	struct fronts fronts;
	struct apop apop;
	struct states states;
	struct sasl sasl;
	char decoy[HASH_MOST];
	size_t decoy_len;
};

/* A login under way: what is needed to end it, copied out of the message and the record. Holds a password; wiped with
 * it. */
struct login {
	struct hash_job job; /* first: this is how hashers know it */
	struct state_job state;
	struct question ask;
	struct auth *auth;
	uint64_t sid, log_id;
	uint32_t front;
	struct address client;
	struct cache_key key;
	bool decoy;
	enum old_line old; /* when it is refused */
	struct why reason; /* of a decoy */
	const struct auth_module *source, *checker;
	enum check how;
	uint32_t uid, gid;
	uint32_t delay_s;                                                 /* between two logins; 0: none */
	struct slice user, password, name, kept_as, mailbox, home, place; /* point behind the struct */
	size_t octets;
	char text[];
};

/* --- login.c --- */

/* For hashers. */
void login_on_hashed(void *arg, struct hash_job *j, enum verdict v);
bool login_is_known(void *arg, struct hash_job *j);

/* For pages of APOP: a login that has waited for its table. */
void login_resume(void *arg, uint32_t front, const struct msg_login *m, const struct credentials *c);

/* So that the first unknown user takes as long as a known one. */
void login_decoy(struct auth *a, struct slice hash);

/* --- login_end.c: each ends the login, or has it on its way to its end --- */

void login_deny(struct auth *a, struct login *l, enum err err, const char *reason);

/* Nobody could say whether the password is right. */
void login_untold(struct auth *a, struct login *l, enum err err, const char *reason);

/* Wrong: counted, and told as such. */
void login_refuse(struct auth *a, struct login *l, const char *reason);

/* Right: if the uid and the delay between two logins allow it. */
void login_right(struct auth *a, struct login *l);

/* For states. */
void login_on_reserved(void *arg, struct state_job *j, const struct msg_reserved *answer);
