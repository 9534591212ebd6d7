/* backend/backend.h - what a module does that asks somebody else for users: PAM, a data base, a directory, RADIUS
 *
 * A module is a shared object, mod_NAME.so, with one constant, backend_module. It lives in a process of its own kind
 * (backend/main.c), of which there are several, and does one thing at a time; it may wait, but not longer than it is told.
 * It keeps its connection open from one question to the next, makes it anew where it was lost, and never asks a dead one
 * twice for the same question. It knows nothing of POP3, mail or the other modules.
 *
 * Answers: OK; ERR_AUTH: no such user, or a wrong password, or one who may not log in, and the sentence says which;
 * ERR_TEMP: nobody could be asked, or did not answer in time; ERR_PERM: the answer makes no sense (a missing column, a
 * refused query), which the operator must mend. The sentence never holds a secret. */
#pragma once
#include "base/slice.h"
#include "base/why.h"
#include "conf/conf.h"

enum { BACKEND_VERSION = 1 };

/* Whom a question is about. Slices hold no CR, LF or NUL, else any octets; names have at most NAME_MOST. */
struct backend_ask {
	struct slice login; /* as the client gave it */
	bool by_uid;        /* login is a number: look for the user with this uid (popctl alone asks that) */
	struct slice name;  /* check: as the record has it, which may be another module's */
	/* check: what was typed; empty for a look-up, but for one by a token, which this is then */
	struct slice password;
	struct slice client;  /* the client's address as text; empty: unknown */
	bool wants_secret;    /* look-up: `secret' is needed, too */
	uint64_t deadline_ms; /* of clock_ms(): no answer is waited for after it */
};

/* What is known of a user. Slices are the module's, valid until its next call; empty: not given. */
struct backend_record {
	struct slice name; /* empty: the login */
	struct slice hash; /* for `generic': a hash of crypt(3). One that is not usable (x, *, !) is as good as none */
	struct slice secret; /* for this module's own check: {SCHEME}TEXT as auth/schemes.h has them */
	bool asks_source;    /* this module's own check is its check(), not `secret' */
	struct slice gecos, home, shell;
	struct slice mailbox; /* URL; empty: the usual place */
	struct slice quota;   /* as it stands there */
	uint32_t uid, gid;
	const char *refusal; /* why nobody may log in with it, whatever the password; NULL: he may */
	char place[256];     /* where it stands, for messages to the operator */
};

struct backend {
	uint32_t version; /* BACKEND_VERSION */
	const char *name; /* as in the chains */
	/* Reads the configuration and makes no connection. An error is the operator's: the sentence says what to do. */
	enum err (*open)(const struct conf *cf, void **priv, struct why *why);
	enum err (*lookup)(void *priv, const struct backend_ask *ask, struct backend_record *r,
			   struct why *why);                                           /* or NULL */
	enum err (*check)(void *priv, const struct backend_ask *ask, struct why *why); /* or NULL */
	void (*close)(void *priv);
};

/* In each module. */
extern const struct backend backend_module;
