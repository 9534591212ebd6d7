/* auth/module.h - what a module of the chains is: a row of the table in chain.c
 *
 * A module can find the record of a user (authorization), check a password (authentication), or both. A record says
 * which module made it and which other may check it; nobody else ever sees its hash, so no module can take another's
 * stored field for something it is not. */
#pragma once
#include "auth/passwd.h"
#include "base/why.h"
#include "conf/conf.h"
#include "ipc/catalogue.h"

struct auth_module;

/* What is known of a user. The slices point into `text` or into what outlives the record. */
struct record {
	const struct auth_module *source;
	const char *checked_by; /* a module besides the source that may check it; NULL: none */
	const char *also_by;    /* another one */
	/* why nobody may log in with it, whatever the password : a text that lives as long; NULL: he may */
	const char *refusal;
	struct slice name; /* as the back end knows the user: without a domain */
	struct slice key;  /* under which state keeps him: with it. Empty: the name */
	struct slice gecos;
	struct slice hash;   /* of crypt(3), for `generic' or the source */
	struct slice secret; /* {SCHEME}TEXT, for the source */
	bool secret_for_all; /* and for whoever else may check it */
	bool asks_source;    /* the source itself is asked about a password */
	struct slice home, shell;
	struct slice mailbox; /* URL */
	struct slice quota;   /* as it stands there; see quota_read */
	uint32_t uid, gid;
	char place[2 * NAME_MOST]; /* where it stands, for messages to the operator */
	char text[PASSWD_LINE_MOST];
	char mailbox_text[PASSWD_LINE_MOST];
	char key_text[KEY_MOST];
};

/* The record's mailbox is this pattern, expanded; r->home is the user's, and r->place for the message. */
enum err record_mailbox(struct record *r, const struct conf_mailbox *m, struct conf_var var, struct why *why);

/* Octets of mail that a user may have; UINT64_MAX: no limit. A number, perhaps with K, M, G or T; `none', or nothing. */
bool quota_read(struct slice text, uint64_t *out);

struct query {
	struct slice login; /* as the client gave it: no CR, LF, NUL; at most NAME_MOST octets */
	const struct address *local;
	bool by_uid; /* the login is a number: of a uid, which modules of this process do not look for */
};

/* How a password is compared with a record's. */
enum check {
	CHECK_NONE,   /* not at all: the module is for authorization alone */
	CHECK_HASH,   /* the record holds a hash of crypt(3) */
	CHECK_SECRET, /* or a secret with its scheme */
	CHECK_ASK,    /* the module is asked */
};

struct auth_module {
	const char *name;
	enum check check;   /* CHECK_ASK: as the record says */
	bool is_remote;     /* it lives in a process of its own (backend/backend.h), and is asked through a pool */
	uint32_t least_uid; /* records with a lower one are refused whatever the configuration says */
	/* Makes what look-ups need, once per process, after it was confined; close ends it. */
	enum err (*open)(const struct conf *cf, void **priv, struct why *why);
	/* OK: *r is filled. ERR_AUTH: no such user. Else the source of users is in trouble, and the sentence says
	 * how. */
	enum err (*lookup)(void *priv, const struct query *q, struct record *r, struct why *why);
	void (*close)(void *priv);
};

extern const struct auth_module auth_system, auth_virtdomain;               /* mod_NAME.c */
extern const struct auth_module auth_pam, auth_sql, auth_radius, auth_ldap; /* mod_remote.c */
