/* auth/auth.h - the auth process, for its own files: auth.c (set-up, peers), login.c (from credentials to a verdict),
 * login_penalty.c (what wrong passwords of before cost), login_end.c (from the verdict to GRANT or DENY) */
#pragma once
#include "auth/auth_child.h"
#include "auth/checking.h"
#include "auth/fronts.h"
#include "auth/grants.h"
#include "auth/hashers.h"
#include "auth/login.h"
#include "auth/penalty.h"
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
	struct penalties penalties;
	struct login *held; /* that wait, see login_penalty.c */
	size_t nheld;
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
	/* of login_penalty.c */
	ev_timer timer;
	struct login *held_next, **held_at;
	bool waited;
	enum verdict known; /* when it began to wait */
	size_t octets;
	char text[];
};

/* --- login.c --- */

/* It may be checked now; known: the cache's verdict, or that of whoever has checked already. */
void login_go_on(struct auth *a, struct login *l, enum verdict known);

/* For hashers. */
void login_on_hashed(void *arg, struct hash_job *j, enum verdict v);
bool login_is_known(void *arg, struct hash_job *j);

/* For pages of APOP: a login that has waited for its table. */
void login_resume(void *arg, const struct msg_login *m, const struct credentials *c);

/* So that the first unknown user takes as long as a known one. */
void login_decoy(struct auth *a, struct slice hash);

/* --- login_penalty.c --- */

enum err login_penalties_open(struct auth *a, void *memory, struct why *why);

/* True: nothing is looked up for it, and its front has been told. */
bool login_is_barred(struct auth *a, const struct login_ask *ask);

/* True: it is refused, or waits and goes on by itself. False: it may go on; so it is for one that has waited, unless there was a
 * lock-out meanwhile. */
bool login_is_stopped(struct auth *a, struct login *l, enum verdict known);

/* Those that wait, of a front that is gone, or all. */
void login_drop_held(struct auth *a, bool all, uint32_t front);

void login_count_wrong(struct auth *a, const struct login *l);
void login_count_right(struct auth *a, const struct login *l);

/* --- login_end.c: each ends the login, or has it on its way to its end --- */

void login_free(struct login *l);
void login_deny(struct auth *a, struct login *l, enum err err, const char *reason);

/* Nobody could say whether the password is right. */
void login_untold(struct auth *a, struct login *l, enum err err, const char *reason);

/* Wrong: counted, and told as such. */
void login_refuse(struct auth *a, struct login *l, const char *reason);

/* Right: if the uid and the delay between two logins allow it. */
void login_right(struct auth *a, struct login *l);

/* For states. */
void login_on_reserved(void *arg, struct state_job *j, const struct msg_reserved *answer);
